# tests/<kind>/test_*.c: one executable and one ctest `<kind>/<name>` each, with the internal objects, tests/support/*.c and
# cmocka. tests/<kind>/test_*.sh: one ctest each. tests/fuzz/fuzz_*.c: libFuzzer targets; without libFuzzer driver.c runs
# them over their corpus and mutations of it. A test finds what it needs in its environment:
#   NACRE_COMMAND     the built `nacre`
#   NACRE_SOURCE_DIR  the root of the tree
#   NACRE_TEST_SCALE  (from the caller) how many times the usual work a random test does, default 1
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

set(nacre_run_dir "${PROJECT_BINARY_DIR}/run")
file(MAKE_DIRECTORY "${nacre_run_dir}")
set(nacre_test_environment "NACRE_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
if(TARGET nacre_cli)
    list(APPEND nacre_test_environment "NACRE_COMMAND=$<TARGET_FILE:nacre_cli>")
endif()
# How long a test may take is said by scripts/test.sh.
if(nacre_instrumented)
    list(APPEND nacre_test_environment
        "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1"
        "ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1"
        "UBSAN_OPTIONS=print_stacktrace=1")
endif()

function(nacre_test name)
    add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY "${nacre_run_dir}")
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT "${nacre_test_environment}")
endfunction()

file(GLOB nacre_support_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/*.c")
add_library(nacre_test_support INTERFACE)
target_include_directories(nacre_test_support INTERFACE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_SOURCE_DIR}/tests/support")
target_compile_options(nacre_test_support INTERFACE -UNDEBUG)
target_compile_definitions(nacre_test_support INTERFACE NACRE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
if(nacre_support_sources)
    add_library(nacre_test_objects STATIC ${nacre_support_sources})
    target_link_libraries(nacre_test_objects PUBLIC nacre_test_support nacre_internal PkgConfig::CMOCKA)
    target_link_libraries(nacre_test_support INTERFACE nacre_test_objects)
endif()
target_link_libraries(nacre_test_support INTERFACE nacre_internal PkgConfig::CMOCKA)

include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
endif()

# Regular expressions are held against RE2, where a test asks for it by including re2_oracle.h.
pkg_check_modules(RE2 IMPORTED_TARGET re2)
if(RE2_FOUND AND CMAKE_CXX_COMPILER)
    add_library(nacre_re2_oracle STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/tests/support/re2_oracle.cpp")
    target_include_directories(nacre_re2_oracle PUBLIC "${PROJECT_SOURCE_DIR}/tests/support")
    target_link_libraries(nacre_re2_oracle PUBLIC nacre_internal PkgConfig::RE2)
endif()
# Sets needs_oracle, and skip when there is none.
function(nacre_look_for_oracle source)
    file(STRINGS "${source}" wanted REGEX "#include \"(support/)?re2_oracle\\.h\"")
    set(needs_oracle OFF PARENT_SCOPE)
    set(skip OFF PARENT_SCOPE)
    if(wanted AND TARGET nacre_re2_oracle)
        set(needs_oracle ON PARENT_SCOPE)
    elseif(wanted)
        message(STATUS "Without RE2 (Debian: libre2-dev, g++) ${source} is left out")
        set(skip ON PARENT_SCOPE)
    endif()
endfunction()

file(GLOB nacre_test_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*/test_*.c")
foreach(source IN LISTS nacre_test_sources)
    nacre_look_for_oracle("${source}")
    if(skip)
        continue()
    endif()
    get_filename_component(name "${source}" NAME_WE)
    get_filename_component(kind "${source}" DIRECTORY)
    get_filename_component(kind "${kind}" NAME)
    string(REGEX REPLACE "^test_" "" name "${name}")
    add_executable(test_${kind}_${name} "${source}")
    set_target_properties(test_${kind}_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    target_link_libraries(test_${kind}_${name} PRIVATE nacre_test_support $<$<BOOL:${needs_oracle}>:nacre_re2_oracle>)
    nacre_test(${kind}/${name} test_${kind}_${name})
endforeach()

file(GLOB nacre_test_scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*/test_*.sh")
foreach(script IN LISTS nacre_test_scripts)
    get_filename_component(name "${script}" NAME_WE)
    get_filename_component(kind "${script}" DIRECTORY)
    get_filename_component(kind "${kind}" NAME)
    string(REGEX REPLACE "^test_" "" name "${name}")
    nacre_test(${kind}/${name} sh "${script}")
endforeach()

# The public header must compile alone, as each language it promises: tests/api/header_<standard>.c or .cpp.
file(GLOB nacre_header_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/api/header_*.c*")
foreach(source IN LISTS nacre_header_sources)
    get_filename_component(name "${source}" NAME_WE)
    if(source MATCHES "\\.cpp$" AND NOT CMAKE_CXX_COMPILER)
        continue()
    endif()
    string(REGEX REPLACE "^header_[a-z]+" "" standard "${name}")
    add_library(api_${name} OBJECT "${source}")
    target_include_directories(api_${name} PRIVATE "${PROJECT_SOURCE_DIR}/include")
    set_target_properties(api_${name} PROPERTIES C_STANDARD ${standard} C_EXTENSIONS OFF)
    if(source MATCHES "\\.cpp$")
        set_target_properties(api_${name} PROPERTIES C_STANDARD 17 CXX_STANDARD ${standard} CXX_EXTENSIONS OFF)
    endif()
    target_compile_options(api_${name} PRIVATE -Wall -Wextra -Wpedantic -Werror)
endforeach()

file(GLOB nacre_fuzz_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
foreach(source IN LISTS nacre_fuzz_sources)
    get_filename_component(target "${source}" NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" name "${target}")
    set(corpus "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    add_executable(${target} "${source}")
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
    target_link_libraries(${target} PRIVATE nacre_test_support)
    if(name STREQUAL "record") # a parser of the command
        set(nacre_fuzz_cli ${nacre_cli_sources})
        list(REMOVE_ITEM nacre_fuzz_cli "${PROJECT_SOURCE_DIR}/cli/main.c")
        target_sources(${target} PRIVATE ${nacre_fuzz_cli})
        target_link_libraries(${target} PRIVATE m)
    endif()
    # LLVMFuzzerTestOneInput has no header. An option of the source comes after those of the target.
    set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes)
    if(NACRE_FUZZ)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        # Each run starts from the corpus and leaves what it finds in the build directory.
        file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/corpus/${name}")
        nacre_test(fuzz/${name} ${target} -max_total_time=5 -timeout=20 -rss_limit_mb=2048 -print_final_stats=0 -verbosity=0
                   "${PROJECT_BINARY_DIR}/corpus/${name}")
        if(EXISTS "${corpus}")
            nacre_test(fuzz/${name}_corpus ${target} -runs=0 "${corpus}")
        endif()
    else()
        target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/driver.c")
        nacre_test(fuzz/${name} ${target} "${corpus}")
    endif()
endforeach()

# Minutes of everything at once are for scripts/soak.sh; here it only has to run.
add_executable(soak "${PROJECT_SOURCE_DIR}/tests/soak/soak.c")
set_target_properties(soak PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
target_link_libraries(soak PRIVATE nacre_test_support m)
nacre_test(soak/smoke sh "${PROJECT_SOURCE_DIR}/tests/soak/smoke.sh" $<TARGET_FILE:soak>)

foreach(example IN LISTS nacre_examples)
    nacre_test(example/${example} sh "${PROJECT_SOURCE_DIR}/tests/install/run_example.sh" $<TARGET_FILE:example_${example}>)
endforeach()

# The rules of the house, checked on the sources and on the built library.
file(GLOB nacre_house_checks CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/house/check_*.sh")
foreach(script IN LISTS nacre_house_checks)
    get_filename_component(name "${script}" NAME_WE)
    string(REGEX REPLACE "^check_" "" name "${name}")
    if(name STREQUAL "exports" AND nacre_instrumented)
        continue() # sanitizers add symbols of their own
    endif()
    nacre_test(house/${name} sh "${script}" "${PROJECT_SOURCE_DIR}" $<TARGET_FILE:nacre>)
endforeach()

if(nacre_api_sources AND NOT nacre_instrumented)
    nacre_test(install/packages sh "${PROJECT_SOURCE_DIR}/tests/install/packages.sh"
               "${PROJECT_SOURCE_DIR}" "${PROJECT_BINARY_DIR}" "${CMAKE_COMMAND}" "${CMAKE_C_COMPILER}")
endif()
