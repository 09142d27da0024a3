# The command and the examples. They see the public header and the static library, nothing else.
file(GLOB nacre_api_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/api/*.c")
file(GLOB nacre_cli_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cli/*.c")
if(nacre_cli_sources AND nacre_api_sources)
    add_executable(nacre_cli ${nacre_cli_sources})
    set_target_properties(nacre_cli PROPERTIES OUTPUT_NAME nacre)
    target_link_libraries(nacre_cli PRIVATE nacre_static nacre_flags)
    # The command prints its man page and the completion for bash itself, from its table of commands.
    if(NOT CMAKE_CROSSCOMPILING)
        add_custom_command(OUTPUT "${PROJECT_BINARY_DIR}/nacre.1" "${PROJECT_BINARY_DIR}/nacre.bash"
            COMMAND nacre_cli man > "${PROJECT_BINARY_DIR}/nacre.1"
            COMMAND nacre_cli completion bash > "${PROJECT_BINARY_DIR}/nacre.bash"
            DEPENDS nacre_cli COMMENT "Printing the man page" VERBATIM)
        add_custom_target(nacre_manual ALL DEPENDS "${PROJECT_BINARY_DIR}/nacre.1" "${PROJECT_BINARY_DIR}/nacre.bash")
    endif()
endif()

set(nacre_examples)
if(NACRE_EXAMPLES AND nacre_api_sources)
    file(GLOB nacre_example_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
    foreach(source IN LISTS nacre_example_sources)
        get_filename_component(name "${source}" NAME_WE)
        add_executable(example_${name} "${source}")
        set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/examples")
        target_link_libraries(example_${name} PRIVATE nacre_static nacre_flags)
        list(APPEND nacre_examples ${name})
    endforeach()
endif()

# `make demo`: several files, one program (build/<preset>/demo).
file(GLOB nacre_demo_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/demo/*.c")
if(NACRE_EXAMPLES AND nacre_api_sources AND nacre_demo_sources)
    add_executable(nacre_demo ${nacre_demo_sources})
    set_target_properties(nacre_demo PROPERTIES OUTPUT_NAME demo)
    target_link_libraries(nacre_demo PRIVATE nacre_static nacre_flags)
endif()
