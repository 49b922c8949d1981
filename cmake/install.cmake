# Headers, libraries, CMake package renorm (renorm::renorm, renorm::static, renorm::openmp, renorm::openmp_static), pkg-config files.

include(CMakePackageConfigHelpers)

set(header_dir ${CMAKE_INSTALL_INCLUDEDIR}/renorm)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/renorm)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# renorm_install(<target> <exported name>)
function(renorm_install target name)
  add_library(renorm::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS ${target} EXPORT renormTargets)
endfunction()

# renorm_pkgconfig(<name>): from cmake/<name>.pc.in. The prefix is relative to the file, so that an installed tree can be moved.
file(RELATIVE_PATH prefix_from_pkgconfig /${pkgconfig_dir} /)
function(renorm_pkgconfig name)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig_dir})
endfunction()

renorm_install(renorm renorm)
renorm_install(renorm_static static)
renorm_pkgconfig(renorm)
install(FILES include/renorm/renorm.h DESTINATION ${header_dir})
if(TARGET renorm_openmp)
  renorm_install(renorm_openmp openmp)
  renorm_install(renorm_openmp_static openmp_static)
  renorm_pkgconfig(renorm-openmp)
  install(FILES include/renorm/openmp.h DESTINATION ${header_dir})
endif()

install(EXPORT renormTargets NAMESPACE renorm:: FILE renormConfig.cmake DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/renormConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/renormConfigVersion.cmake DESTINATION ${package_dir})
