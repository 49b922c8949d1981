# The reduced tests again on processors that this machine is not, and under valgrind.
#
# Left out are the tests of threads, of allocation and of streaming: they take minutes on an emulator, and show nothing about a
# processor that the others do not; and differential_fuzz, which puts arrays against unmapped pages: AVX's masked loads of qemu 7.2 touch
# what is masked.

find_program(RENORM_QEMU qemu-x86_64)
find_program(RENORM_VALGRIND valgrind)

# Every kernel and every operation, quickly: label "emulated". What takes long goes the same ways with more values: "emulated at length".
set(quick_tests golden_test kernels_test capi_misuse_test capi_corner_test capi_library_test dispatch_test epilogue_test
    "abi_fuzz_test --random=1000")
if(TARGET openmp_test)
  list(APPEND quick_tests openmp_test)
endif()
set(haswell_tests ${quick_tests})
list(TRANSFORM haswell_tests REPLACE "^kernels_test$" "kernels_test --gtest_filter=*/avx2") # Nehalem has run the others
set(long_tests shapes_test gradient_test parts_test bits_test accuracy_test fold_test parallel_test)
set(choice_tests dispatch_test golden_test capi_library_test) # where the code is that of an older processor
set(valgrind_tests ${quick_tests})
list(REMOVE_ITEM valgrind_tests epilogue_test) # the fma of valgrind makes 0 of -0*1 + -0

# renorm_tests_under(<processor> <label> <list of tests> <environment> <command...>)
function(renorm_tests_under processor label tests environment)
  foreach(command IN LISTS ${tests})
    separate_arguments(options UNIX_COMMAND "${command}")
    list(POP_FRONT options test)
    add_test(NAME "${processor}/${test}" COMMAND ${ARGN} $<TARGET_FILE:${test}> ${options})
    set_tests_properties("${processor}/${test}" PROPERTIES LABELS ${label} ENVIRONMENT "RENORM_TEST_REDUCED=1;${environment}")
  endforeach()
endfunction()

if(RENORM_QEMU AND RENORM_X86_64 AND NOT CMAKE_CROSSCOMPILING)
  # qemu stops a program at the first instruction that the processor lacks. It knows no AVX-512.
  set(nehalem RENORM_TEST_BEST_ISA=sse2 ${RENORM_QEMU} -cpu Nehalem)
  set(haswell RENORM_TEST_BEST_ISA=avx2 ${RENORM_QEMU} -cpu Haswell)
  renorm_tests_under(Nehalem emulated quick_tests ${nehalem})
  renorm_tests_under(Nehalem "emulated at length" long_tests ${nehalem})
  renorm_tests_under(Haswell-without-fma emulated choice_tests RENORM_TEST_BEST_ISA=sse2 ${RENORM_QEMU} -cpu Haswell,-fma)
  renorm_tests_under(Haswell emulated haswell_tests ${haswell})
  renorm_tests_under(Haswell "emulated at length" long_tests ${haswell})
endif()
if(RENORM_VALGRIND AND NOT CMAKE_CROSSCOMPILING)
  set(valgrind RENORM_MAX_ISA=avx2 ${RENORM_VALGRIND} --quiet --error-exitcode=9)
  renorm_tests_under(valgrind emulated valgrind_tests ${valgrind})
  renorm_tests_under(valgrind "emulated at length" long_tests ${valgrind})
endif()
find_path(RENORM_CALLGRIND valgrind/callgrind.h)
mark_as_advanced(RENORM_CALLGRIND)
if(RENORM_VALGRIND AND RENORM_CALLGRIND AND NOT CMAKE_CROSSCOMPILING)
  add_executable(work_test op/work_test.cpp)
  target_link_libraries(work_test PRIVATE renorm_test_calls)
  add_test(NAME valgrind/work_test COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/op/work_test.sh $<TARGET_FILE:work_test>)
  set_tests_properties(valgrind/work_test PROPERTIES LABELS emulated)
endif()
