# Every public header compiles alone, without a warning, with this build's compilers and with clang where it is installed.

find_program(CLANG clang)
find_program(CLANGXX clang++)
mark_as_advanced(CLANG CLANGXX)

# renorm_header_test(<compiler> <language> <standards...>)
function(renorm_header_test compiler language)
  if(NOT compiler)
    return()
  endif()
  get_filename_component(compiler_name ${compiler} NAME)
  foreach(standard IN LISTS ARGN)
    foreach(header IN ITEMS renorm.h openmp.h)
      add_test(NAME "header_test ${header} ${compiler_name} ${standard}"
               COMMAND ${compiler} -x ${language} -std=${standard} -Wall -Wextra -Wpedantic -Werror -fsyntax-only
                       ${PROJECT_SOURCE_DIR}/include/renorm/${header})
    endforeach()
  endforeach()
endfunction()

set(c_compilers ${CMAKE_C_COMPILER} ${CLANG})
set(cxx_compilers ${CMAKE_CXX_COMPILER} ${CLANGXX})
list(REMOVE_DUPLICATES c_compilers)
list(REMOVE_DUPLICATES cxx_compilers)
foreach(compiler IN LISTS c_compilers)
  renorm_header_test(${compiler} c c99 c11)
endforeach()
foreach(compiler IN LISTS cxx_compilers)
  renorm_header_test(${compiler} c++ c++17)
endforeach()
