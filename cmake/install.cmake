# Headers, libraries, CMake package renorm (renorm::renorm, renorm::static, renorm::openmp, renorm::openmp_static), pkg-config files.

include(CMakePackageConfigHelpers)

# What is not a shared library is for those who compile. The components are the packages of package.cmake.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)

set(header_dir ${CMAKE_INSTALL_INCLUDEDIR}/renorm)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/renorm)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# renorm_install(<target> <exported name> <component of the shared library>)
function(renorm_install target name component)
  add_library(renorm::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS ${target} EXPORT renormTargets
          LIBRARY COMPONENT ${component} NAMELINK_COMPONENT development ARCHIVE COMPONENT development)
endfunction()

# renorm_pkgconfig(<name>): from cmake/<name>.pc.in. The prefix is relative to the file, so that an installed tree can be moved.
file(RELATIVE_PATH prefix_from_pkgconfig /${pkgconfig_dir} /)
function(renorm_pkgconfig name)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig_dir})
endfunction()

renorm_install(renorm renorm library)
renorm_install(renorm_static static development)
renorm_pkgconfig(renorm)
install(FILES include/renorm/renorm.h DESTINATION ${header_dir})
if(TARGET renorm_openmp)
  renorm_install(renorm_openmp openmp openmp)
  renorm_install(renorm_openmp_static openmp_static development)
  renorm_pkgconfig(renorm-openmp)
  install(FILES include/renorm/openmp.h DESTINATION ${header_dir})
endif()

install(EXPORT renormTargets NAMESPACE renorm:: FILE renormConfig.cmake DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/renormConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/renormConfigVersion.cmake DESTINATION ${package_dir})
