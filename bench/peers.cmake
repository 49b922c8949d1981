# renorm_peers: oneDNN and PyTorch, measured beside renorm where they are installed.

option(RENORM_BENCH_PEERS "Measure oneDNN and PyTorch beside renorm, where they are installed" OFF)

add_library(renorm_peers STATIC peers/peers.cpp peers/agreement.cpp)
target_link_libraries(renorm_peers PUBLIC renorm_measure)
target_compile_options(renorm_peers PRIVATE -Wall -Wextra -Wpedantic)

if(NOT RENORM_BENCH_PEERS)
  return()
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX) # both share its threads, and it is asked for their number
target_link_libraries(renorm_peers PRIVATE OpenMP::OpenMP_CXX)

# renorm_peer(<name> <header> <libraries...>): the peer of peers/<name>.cpp, if its header and libraries are there. Their own CMake
# packages want what these files do not need: OpenCL, protobuf.
function(renorm_peer name header)
  string(TOUPPER ${name} upper)
  find_path(RENORM_${upper}_INCLUDE_DIR ${header})
  set(found ${RENORM_${upper}_INCLUDE_DIR})
  foreach(library IN LISTS ARGN)
    find_library(RENORM_${upper}_LIBRARY_${library} ${library})
    list(APPEND found ${RENORM_${upper}_LIBRARY_${library}})
    list(APPEND libraries ${RENORM_${upper}_LIBRARY_${library}})
  endforeach()
  if(found MATCHES NOTFOUND)
    message(STATUS "${name} is not measured: not found")
    return()
  endif()
  target_sources(renorm_peers PRIVATE peers/${name}.cpp)
  target_include_directories(renorm_peers SYSTEM PRIVATE ${RENORM_${upper}_INCLUDE_DIR})
  target_compile_definitions(renorm_peers PRIVATE RENORM_PEER_${upper}=1)
  target_link_libraries(renorm_peers PRIVATE ${libraries})
endfunction()

renorm_peer(onednn oneapi/dnnl/dnnl.hpp dnnl)
renorm_peer(torch ATen/ATen.h torch_cpu c10)
