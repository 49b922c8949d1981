# renorm_openmp: a library of its own, so that librenorm never brings an OpenMP runtime into a process. It does not link librenorm.

find_package(OpenMP COMPONENTS CXX)
if(NOT OpenMP_CXX_FOUND)
  message(STATUS "renorm_openmp is left out: the compiler has no OpenMP")
  return()
endif()

renorm_objects(renorm_openmp_core capi/openmp.cpp)
target_compile_options(renorm_openmp_core PRIVATE ${OpenMP_CXX_FLAGS})
renorm_link(renorm_openmp renorm_openmp_static renorm_openmp capi/openmp.map renorm_openmp_core)
# nodelete: the threads of the runtime outlive dlclose.
target_link_options(renorm_openmp PRIVATE ${OpenMP_CXX_FLAGS} -Wl,-z,nodelete)
target_link_options(renorm_openmp_static INTERFACE ${OpenMP_CXX_FLAGS})
target_link_libraries(renorm_openmp INTERFACE renorm)
target_link_libraries(renorm_openmp_static INTERFACE renorm_static)
