# renorm_measure: shapes, buffers, the limits of the machine and interleaved timing, through the public header alone. Whoever links
# it adds the library it measures, shared or static.
include_guard(GLOBAL)

set(measure_dir ${CMAKE_CURRENT_LIST_DIR}/measure)
add_library(renorm_measure STATIC
  ${measure_dir}/call.cpp
  ${measure_dir}/floors.cpp
  ${measure_dir}/floors_portable.cpp
  ${measure_dir}/implementations.cpp
  ${measure_dir}/mask.cpp
  ${measure_dir}/renorm_call.cpp
  ${measure_dir}/shape.cpp
  ${measure_dir}/spec.cpp
  ${measure_dir}/speed_table.cpp
  ${measure_dir}/tensors.cpp
  ${measure_dir}/threads.cpp)
target_compile_features(renorm_measure PUBLIC cxx_std_17)
target_include_directories(renorm_measure PUBLIC ${CMAKE_CURRENT_LIST_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_options(renorm_measure PRIVATE -Wall -Wextra -Wpedantic)

set(floor_sources ${measure_dir}/floors_portable.cpp)
if(RENORM_X86_64)
  set(floor_sources ${floor_sources} ${measure_dir}/floors_avx2.cpp ${measure_dir}/floors_avx512.cpp)
  target_sources(renorm_measure PRIVATE ${measure_dir}/floors_avx2.cpp ${measure_dir}/floors_avx512.cpp)
  target_compile_definitions(renorm_measure PRIVATE RENORM_FLOORS_X86=1)
  set_property(SOURCE ${measure_dir}/floors_avx2.cpp APPEND PROPERTY COMPILE_OPTIONS -mavx2)
  set_property(SOURCE ${measure_dir}/floors_avx512.cpp APPEND PROPERTY COMPILE_OPTIONS -mavx512f)
endif()
# A copy loop shall stay one: not become a call of memcpy.
set_property(SOURCE ${floor_sources} APPEND PROPERTY COMPILE_OPTIONS -O3 -fno-tree-loop-distribute-patterns)

if(TARGET renorm_openmp)
  target_compile_definitions(renorm_measure PRIVATE RENORM_MEASURE_OPENMP=1)
endif()
