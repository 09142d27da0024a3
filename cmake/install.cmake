# Installed: both libraries, the header, the command, its man page, and files for pkg-config and find_package.
include(CMakePackageConfigHelpers)

set(nacre_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/nacre")
install(FILES "${PROJECT_SOURCE_DIR}/include/nacre/nacre.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/nacre")
install(TARGETS nacre EXPORT nacre-shared LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
# Apart, because its users need the libraries that it stands on; those of the shared one do not.
install(TARGETS nacre_static EXPORT nacre-static ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT nacre-shared NAMESPACE nacre:: DESTINATION "${nacre_cmake_dir}")
install(EXPORT nacre-static NAMESPACE nacre:: DESTINATION "${nacre_cmake_dir}")

string(REPLACE ";" " " NACRE_PKG_REQUIRES_TEXT "${NACRE_PKG_REQUIRES}")
configure_package_config_file(cmake/nacre-config.cmake.in "${PROJECT_BINARY_DIR}/nacre-config.cmake"
    INSTALL_DESTINATION "${nacre_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/nacre-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/nacre-config.cmake" "${PROJECT_BINARY_DIR}/nacre-config-version.cmake"
    DESTINATION "${nacre_cmake_dir}")

file(RELATIVE_PATH NACRE_PC_TO_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" NACRE_PC_TO_PREFIX "${NACRE_PC_TO_PREFIX}")
configure_file(cmake/nacre.pc.in "${PROJECT_BINARY_DIR}/nacre.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/nacre.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

if(TARGET nacre_cli)
    install(TARGETS nacre_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
    if(TARGET nacre_manual)
        install(FILES "${PROJECT_BINARY_DIR}/nacre.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
        install(FILES "${PROJECT_BINARY_DIR}/nacre.bash" DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
            RENAME nacre)
    endif()
endif()
