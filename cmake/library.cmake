# The library, compiled once and put together three ways:
#   nacre           libnacre.so.0, exporting what exports.map names
#   nacre_static    libnacre.a, one object whose internal symbols are local: they cannot clash with a user's
#   nacre_internal  all objects as they are, for the tests and benchmarks that look inside
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# Kept in one place: cmake/nacre-config.cmake.in and cmake/nacre.pc.in get them from here.
set(NACRE_PKG_REQUIRES liburcu-bp liblz4 libzstd jansson)
pkg_check_modules(NACRE_DEPS REQUIRED IMPORTED_TARGET ${NACRE_PKG_REQUIRES})
find_library(NACRE_ROARING roaring REQUIRED) # Debian has no .pc file for it
target_link_libraries(PkgConfig::NACRE_DEPS INTERFACE "${NACRE_ROARING}")
pkg_check_modules(NACRE_XXHASH REQUIRED IMPORTED_TARGET libxxhash) # header only, while compiling

# The tables of Unicode (src/regex/unicode.h) are made here, not kept in the tree.
find_program(NACRE_AWK NAMES awk mawk gawk DOC "awk, to make the tables of Unicode")
find_path(NACRE_UNICODE_DATA UnicodeData.txt HINTS /usr/share/unicode NO_DEFAULT_PATH
          DOC "Where UnicodeData.txt, Scripts.txt and CaseFolding.txt are")
if(NOT NACRE_AWK OR NOT NACRE_UNICODE_DATA)
    message(FATAL_ERROR "The tables of Unicode are made with awk from UnicodeData.txt, Scripts.txt and CaseFolding.txt. "
        "On Debian: apt-get install mawk unicode-data. Elsewhere take the files from https://www.unicode.org/Public/UCD/latest/ucd/ "
        "and give their directory as -DNACRE_UNICODE_DATA=.")
endif()
set(nacre_unicode_tables "${PROJECT_BINARY_DIR}/generated/unicode_tables.c")
set(nacre_unicode_files)
foreach(name UnicodeData Scripts CaseFolding)
    if(NOT EXISTS "${NACRE_UNICODE_DATA}/${name}.txt")
        message(FATAL_ERROR "${NACRE_UNICODE_DATA} has no ${name}.txt, which the tables of Unicode are made from")
    endif()
    list(APPEND nacre_unicode_files "${NACRE_UNICODE_DATA}/${name}.txt")
endforeach()
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/generated")
add_custom_command(OUTPUT "${nacre_unicode_tables}"
    COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C "${NACRE_AWK}" -f "${PROJECT_SOURCE_DIR}/cmake/unicode_tables.awk"
            ${nacre_unicode_files} > "${nacre_unicode_tables}"
    DEPENDS "${PROJECT_SOURCE_DIR}/cmake/unicode_tables.awk" ${nacre_unicode_files}
    COMMENT "Making the tables of Unicode" VERBATIM)

file(GLOB nacre_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*/*.c")

add_library(nacre_objects OBJECT ${nacre_sources} "${nacre_unicode_tables}")
if(NACRE_SANITIZE MATCHES "thread")
    target_sources(nacre_objects PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/tsan/rcu.c")
    target_link_options(nacre_flags INTERFACE LINKER:--wrap=urcu_bp_read_unlock LINKER:--wrap=urcu_bp_synchronize_rcu)
endif()
target_include_directories(nacre_objects PUBLIC "${PROJECT_SOURCE_DIR}/include" PRIVATE "${PROJECT_SOURCE_DIR}/src")
get_target_property(nacre_xxhash_include PkgConfig::NACRE_XXHASH INTERFACE_INCLUDE_DIRECTORIES)
if(nacre_xxhash_include)
    target_include_directories(nacre_objects SYSTEM PRIVATE ${nacre_xxhash_include})
endif()
target_link_libraries(nacre_objects PRIVATE nacre_flags PkgConfig::NACRE_DEPS Threads::Threads)

add_library(nacre SHARED $<TARGET_OBJECTS:nacre_objects>)
set_target_properties(nacre PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE C
    LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/exports.map")
target_link_options(nacre PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map")
if(NOT nacre_instrumented)
    target_link_options(nacre PRIVATE LINKER:-z,defs LINKER:-z,now)
endif()
target_link_libraries(nacre PRIVATE $<BUILD_INTERFACE:nacre_flags> $<BUILD_INTERFACE:PkgConfig::NACRE_DEPS>
                            $<BUILD_INTERFACE:Threads::Threads> m)

if(nacre_instrumented)
    add_library(nacre_static STATIC $<TARGET_OBJECTS:nacre_objects>)
else()
    set(nacre_merged "${PROJECT_BINARY_DIR}/nacre-merged.o")
    add_custom_command(OUTPUT "${nacre_merged}"
        COMMAND ${CMAKE_LINKER} -r -o "${nacre_merged}" "$<TARGET_OBJECTS:nacre_objects>"
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden "${nacre_merged}"
        DEPENDS nacre_objects "$<TARGET_OBJECTS:nacre_objects>"
        COMMENT "Hiding internal symbols of the static library" COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties("${nacre_merged}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    add_library(nacre_static STATIC "${nacre_merged}")
endif()
set_target_properties(nacre_static PROPERTIES OUTPUT_NAME nacre LINKER_LANGUAGE C)
target_link_libraries(nacre_static PUBLIC PkgConfig::NACRE_DEPS Threads::Threads m PRIVATE $<BUILD_INTERFACE:nacre_flags>)

foreach(library nacre nacre_static)
    target_include_directories(${library} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
                                                 "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    add_library(nacre::${library} ALIAS ${library})
endforeach()

add_library(nacre_internal STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:nacre_objects>)
set_target_properties(nacre_internal PROPERTIES LINKER_LANGUAGE C)
target_include_directories(nacre_internal PUBLIC "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(nacre_internal PUBLIC PkgConfig::NACRE_DEPS Threads::Threads nacre_flags m)
