# What every target of the project has in common, and the three kinds of target there are.

include(GNUInstallDirs)

find_program(CCACHE ccache)
if(CCACHE AND PROJECT_IS_TOP_LEVEL)
  # The tests' precompiled header can be cached only so (ccache's manual, "Precompiled headers").
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

add_library(tapir_flags INTERFACE)
target_include_directories(tapir_flags INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(tapir_flags INTERFACE -Wall -Wextra -Wconversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 at -O3 sees uninitialized values inside std::optional that is empty (GCC bug 80635); clang and the sanitizers watch instead.
  # It also takes a Destruction::Watch, which takes itself back before it ends, for an address that stays.
  target_compile_options(tapir_flags INTERFACE -Wno-maybe-uninitialized -Wno-free-nonheap-object -Wno-dangling-pointer)
  # Position independent code may call a function that another one of its name replaces at run time, so GCC does not inline it. Nobody replaces ours.
  target_compile_options(tapir_flags INTERFACE -fno-semantic-interposition)
endif()
if(TAPIR_SANITIZE)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(tapir_flags INTERFACE --param=ggc-min-heapsize=524288)  # KiB that GCC takes before it collects garbage: the checks make much of that
  endif()
  target_compile_options(tapir_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tapir_flags INTERFACE -fsanitize=address,undefined)
endif()
if(TAPIR_SANITIZE_THREADS)
  target_compile_options(tapir_flags INTERFACE -fsanitize=thread)
  target_link_options(tapir_flags INTERFACE -fsanitize=thread)
endif()
if(TAPIR_FUZZERS)
  target_compile_options(tapir_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
set(TAPIR_PROFILE "" CACHE STRING "record: what is built writes down what it does, into the build folder; use: it is optimised for that (GCC; scripts/profile)")
if(TAPIR_PROFILE STREQUAL "record")
  target_compile_options(tapir_flags INTERFACE -fprofile-generate)
  target_link_options(tapir_flags INTERFACE -fprofile-generate)
elseif(TAPIR_PROFILE STREQUAL "use")
  # What was never run is optimised as ever. GCC follows ways then that no value takes, and warns of the sizes there.
  target_compile_options(tapir_flags INTERFACE -fprofile-use -fprofile-partial-training -Wno-missing-profile -Wno-coverage-mismatch
                                               -Wno-stringop-overflow)
endif()

# What runs once is not optimized in a debug build: that takes longer than running it. ASan's checks are calls there, not code at every access: the same
# checks, and a fifth less to compile.
function(tapir_unoptimized target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O0>)
  if(TAPIR_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:--param=asan-instrumentation-with-call-threshold=0>)
  endif()
endfunction()

# How many sources of a layer one compilation takes. Optimised for speed, all of them: then what a packet's way leads through can be one function.
# With clang, which checks and is not what one changes and builds again, many: most of its time goes into the headers that all of them share.
set(unity_batch 12)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(unity_batch 0)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(unity_batch 30)
endif()

# tapir_layer(core SOURCES a.cpp ... [USES other_layer ...] [LIBRARIES lib ...]): one folder of src/. USES names the layers below.
function(tapir_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_library(tapir_${name} STATIC ${ARG_SOURCES})
  set_target_properties(tapir_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON UNITY_BUILD ${TAPIR_UNITY} UNITY_BUILD_BATCH_SIZE ${unity_batch})
  target_link_libraries(tapir_${name} PUBLIC tapir_flags PRIVATE ${ARG_LIBRARIES})
  foreach(below IN LISTS ARG_USES)
    target_link_libraries(tapir_${name} PUBLIC tapir_${below})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY TAPIR_LAYERS tapir_${name})
endfunction()

# tapir_component(tls SOURCES a.cpp ... [LIBRARIES lib ...]): one folder of src/ that is a library of its own, tapir::tls, for
# it links what the library must not need. The package has it as a component.
function(tapir_component name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(tapir_${name} STATIC ${ARG_SOURCES})
  add_library(tapir::${name} ALIAS tapir_${name})
  set_target_properties(tapir_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON UNITY_BUILD ${TAPIR_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  target_link_libraries(tapir_${name} PUBLIC tapir::tapir PRIVATE $<BUILD_INTERFACE:tapir_flags> ${ARG_LIBRARIES})
  set_property(GLOBAL APPEND PROPERTY TAPIR_COMPONENTS ${name})
endfunction()

# tapir_test(unit_arp SOURCES a.cpp ... [APART b.cpp ...] [LINKS target ...] [LABELS label ...]): one executable of Catch2 tests, one CTest test.
# An executable that exits with 77 is reported as skipped. With TAPIR_UNITY twelve sources are compiled at a time, so that no two of these may have a
# name of their own in common; APART: which of the sources are not. UNDER: a command that runs the executable. COST: about how many seconds it takes,
# where these are many: ctest begins with those.
function(tapir_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;COST" "SOURCES;APART;LINKS;LABELS;UNDER" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${TAPIR_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  if(ARG_APART)
    set_source_files_properties(${ARG_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} tapir_test_main)
  tapir_unoptimized(${name})
  target_precompile_headers(${name} REUSE_FROM tapir_test_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  add_test(NAME ${name} COMMAND ${ARG_UNDER} $<TARGET_FILE:${name}>)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" SKIP_RETURN_CODE 77 TIMEOUT ${ARG_TIMEOUT})
  if(ARG_COST)
    set_tests_properties(${name} PROPERTIES COST ${ARG_COST})
  endif()
endfunction()

# tapir_example(host SOURCES host.cpp ...): one program of examples/.
function(tapir_example name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE tapir_flags tapir::tapir ${ARG_LINKS})
  tapir_unoptimized(${name})
endfunction()
