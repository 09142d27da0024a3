# Flags. `nacre_flags` is linked by every target of this tree and reaches no user of the library.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(PROJECT_IS_TOP_LEVEL)
    # -O2: -O3 was not measured to gain anything. Assertions are on in every type but Release.
    set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")
    set(CMAKE_C_FLAGS_CHECK "-O2 -g")
    set(CMAKE_C_FLAGS_DEBUG "-O0 -g")
    set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g -DNDEBUG")
    set(CMAKE_CXX_FLAGS_CHECK "-O2 -g")
    set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
endif()

add_library(nacre_flags INTERFACE)
target_compile_definitions(nacre_flags INTERFACE _GNU_SOURCE)
target_compile_options(nacre_flags INTERFACE -fvisibility=hidden -fno-omit-frame-pointer
    -fno-math-errno # a square root is one instruction, not a call of libm
    $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
                            -Wstrict-prototypes -Wmissing-prototypes -Wvla>
    $<$<C_COMPILER_ID:Clang>:-Wno-string-conversion> # assert(!"a sentence") is no mistake
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
if(NACRE_WERROR)
    target_compile_options(nacre_flags INTERFACE -Werror)
endif()

set(nacre_instrumented OFF)
if(NACRE_SANITIZE)
    set(nacre_instrumented ON)
    target_compile_options(nacre_flags INTERFACE -fsanitize=${NACRE_SANITIZE})
    target_compile_definitions(nacre_flags INTERFACE NACRE_SANITIZED)
    target_link_options(nacre_flags INTERFACE -fsanitize=${NACRE_SANITIZE})
    if(NACRE_SANITIZE MATCHES "undefined")
        target_compile_options(nacre_flags INTERFACE -fno-sanitize-recover=all)
    endif()
    if(NACRE_SANITIZE MATCHES "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
        # gcc says that fences are not seen by ThreadSanitizer; ours stand beside atomics that are.
        target_compile_options(nacre_flags INTERFACE -Wno-tsan)
    endif()
endif()
if(NACRE_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "NACRE_FUZZ needs clang (use the `fuzz` preset)")
    endif()
    set(nacre_instrumented ON)
    target_compile_options(nacre_flags INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(nacre_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(NACRE_COVERAGE)
    set(nacre_instrumented ON)
    target_compile_options(nacre_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(nacre_flags INTERFACE --coverage)
endif()
