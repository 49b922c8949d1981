# How the library is compiled and linked.

if(RENORM_XSIMD_INCLUDE_DIR)
  add_library(xsimd INTERFACE IMPORTED)
  target_include_directories(xsimd INTERFACE ${RENORM_XSIMD_INCLUDE_DIR})
else()
  find_package(xsimd REQUIRED) # without a version: its package would refuse every other major version
  if(xsimd_VERSION VERSION_LESS 8.1)
    message(FATAL_ERROR "xsimd 8.1 or later is needed, ${xsimd_VERSION} was found")
  endif()
endif()

# Include paths and RENORM_HAVE_<ISA> of the library's own sources; tests that reach into src/ link it as well.
add_library(renorm_internal INTERFACE)
target_compile_features(renorm_internal INTERFACE cxx_std_17)
target_include_directories(renorm_internal INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)

# These follow the user's flags and win over them: no fast math, and no -march=native in code that every processor runs. No SLP
# vectoriser: where g++ 12 makes registers of two lanes by itself, it takes (double)(float)v for v, and kernels are vectors already.
set(RENORM_COMPILE_OPTIONS
    -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fvisibility=hidden -fvisibility-inlines-hidden
    -fno-fast-math -fno-math-errno -fno-trapping-math -ffp-contract=off -fno-tree-slp-vectorize
    -Wall -Wextra -Wpedantic)
if(RENORM_X86_64)
  list(APPEND RENORM_COMPILE_OPTIONS -march=x86-64 -mtune=generic)
endif()

# A library linked with fast math would switch denormals off in the whole process. These take back what a user's flags ask for: -O3
# -Ofast, the others what they deny. They are put among the libraries, for CMake puts link options before CMAKE_SHARED_LINKER_FLAGS.
include(CheckLinkerFlag)
check_linker_flag(C -mno-daz-ftz RENORM_HAVE_NO_DAZ_FTZ)
set(RENORM_LINK_OPTIONS -O3 -fno-fast-math -fno-unsafe-math-optimizations $<$<BOOL:${RENORM_HAVE_NO_DAZ_FTZ}>:-mno-daz-ftz>)

if(CMAKE_C_FLAGS MATCHES "-fsanitize=")
  set(RENORM_SANITIZED ON)
endif()

# renorm_objects(<target> <sources...>): position independent objects, compiled once for the shared and the static library.
function(renorm_objects target)
  add_library(${target} OBJECT ${ARGN})
  target_compile_definitions(${target} PRIVATE RENORM_BUILD $<$<OR:$<CONFIG:Debug>,$<BOOL:${RENORM_SANITIZED}>>:RENORM_DEBUG>)
  target_compile_options(${target} PRIVATE ${RENORM_COMPILE_OPTIONS})
  target_link_libraries(${target} PRIVATE renorm_internal)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
endfunction()

# renorm_isa(<name> <flags...>): the kernels of one instruction set, from src/isa/<name>.cpp. Appends to isa_libraries.
function(renorm_isa name)
  if(name IN_LIST RENORM_WITHOUT_ISAS)
    return()
  endif()
  renorm_objects(renorm_isa_${name} src/isa/${name}.cpp)
  target_compile_options(renorm_isa_${name} PRIVATE ${ARGN})
  target_link_libraries(renorm_isa_${name} PRIVATE xsimd)
  string(TOUPPER ${name} upper)
  target_compile_definitions(renorm_internal INTERFACE RENORM_HAVE_${upper}=1)
  set(isa_libraries ${isa_libraries} renorm_isa_${name} PARENT_SCOPE)
endfunction()

# CMake would add the C++ runtime to whatever is linked from C++ objects.
set(CMAKE_CXX_IMPLICIT_LINK_LIBRARIES "")

# renorm_link(<shared> <static> <output name> <exports> <object libraries...>): both forms of a library. They are linked as C:
# nothing in them refers to a C++ runtime, and a consumer needs none.
function(renorm_link shared static name exports)
  list(TRANSFORM ARGN REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
  add_library(${shared} SHARED ${objects})
  add_library(${static} STATIC ${objects})
  foreach(library IN ITEMS ${shared} ${static})
    set_target_properties(${library} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE C)
    target_include_directories(${library} INTERFACE
                               $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${library} PRIVATE m)
  endforeach()
  target_compile_definitions(${static} INTERFACE RENORM_STATIC)
  set_target_properties(${shared} PROPERTIES
                        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${PROJECT_SOURCE_DIR}/${exports})
  target_link_libraries(${shared} PRIVATE ${RENORM_LINK_OPTIONS})
  target_link_options(${shared} PRIVATE -Wl,--version-script,${PROJECT_SOURCE_DIR}/${exports} -Wl,-z,now)
  if(NOT RENORM_SANITIZED) # clang links the runtime of a sanitizer to programs alone
    target_link_options(${shared} PRIVATE -Wl,-z,defs)
  endif()
endfunction()
