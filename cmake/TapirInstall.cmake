# Installs the library as the CMake package tapir (tapir::tapir, and tapir::asio, tapir::tls and the like as components) and as the pkg-config module tapir.
include(CMakePackageConfigHelpers)

install(TARGETS tapir EXPORT tapirTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tapir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT tapirTargets NAMESPACE tapir:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tapir)
if(TARGET tapir_asio)  # the package's component asio: who does not ask for it needs no Boost
  install(TARGETS tapir_asio EXPORT tapirAsioTargets)
  install(EXPORT tapirAsioTargets NAMESPACE tapir:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tapir)
endif()
get_property(components GLOBAL PROPERTY TAPIR_COMPONENTS)
foreach(component IN LISTS components)  # the same for what OpenSSL and others are needed for
  install(TARGETS tapir_${component} EXPORT tapir_${component}Targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT tapir_${component}Targets NAMESPACE tapir:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tapir)
endforeach()

configure_package_config_file(cmake/tapirConfig.cmake.in ${PROJECT_BINARY_DIR}/tapirConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tapir)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tapirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH TAPIR_PKGCONFIG_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})  # relocatable: --prefix at install time
configure_file(cmake/tapir.pc.in ${PROJECT_BINARY_DIR}/tapir.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tapirConfig.cmake ${PROJECT_BINARY_DIR}/tapirConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tapir)
install(FILES ${PROJECT_BINARY_DIR}/tapir.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
