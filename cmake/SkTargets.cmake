# SPDX-License-Identifier: Apache-2.0
# The functions that make every target of the tree, so that flags live in one place.
#
#   sk_library(name SOURCES a.c b.c DEPS base labels LIBS PkgConfig::x)   one folder of src/
#   sk_program(name SOURCES main.c DEPS cli)                              an executable
#   sk_test(folder test_a.c ... [DEPS ...] [LIBS ...])                    one cmocka program per file
#   sk_fuzz(fuzz_x DEPS chunk)                                            fuzz/fuzz_x.c

add_library(sk_flags INTERFACE)
target_compile_definitions(sk_flags INTERFACE _GNU_SOURCE)
target_include_directories(sk_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(sk_flags INTERFACE
  -fno-omit-frame-pointer -fstack-protector-strong
  $<$<CONFIG:RelWithDebInfo>:-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
target_link_options(sk_flags INTERFACE -Wl,-z,relro,-z,now)
if(SK_STATIC)
  target_link_options(sk_flags INTERFACE -pie -static-libgcc -static-libstdc++)
endif()
if(SK_UNSIGNED_CHAR)
  target_compile_options(sk_flags INTERFACE -funsigned-char)
endif()
if(SK_SANITIZE)
  target_compile_options(sk_flags INTERFACE -fsanitize=${SK_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sk_flags INTERFACE -fsanitize=${SK_SANITIZE})
endif()
if(SK_FUZZ)
  target_compile_options(sk_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

add_library(sk_warnings INTERFACE)
target_compile_options(sk_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wpointer-arith
    -Wformat=2 -Wswitch-enum>
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
if(SK_WERROR)
  target_compile_options(sk_warnings INTERFACE -Werror)
endif()

function(sk_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_library(sk_${name} STATIC ${A_SOURCES})
  target_link_libraries(sk_${name} PUBLIC sk_flags PRIVATE sk_warnings)
  foreach(dep ${A_DEPS})
    target_link_libraries(sk_${name} PUBLIC sk_${dep})
  endforeach()
  target_link_libraries(sk_${name} PRIVATE ${A_LIBS})
endfunction()

function(sk_program name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE sk_flags sk_warnings ${A_LIBS})
  foreach(dep ${A_DEPS})
    target_link_libraries(${name} PRIVATE sk_${dep})
  endforeach()
endfunction()

function(sk_test folder)
  cmake_parse_arguments(A "" "" "DEPS;LIBS" ${ARGN})
  foreach(file ${A_UNPARSED_ARGUMENTS})
    get_filename_component(name ${file} NAME_WE)
    add_executable(${name} ${file})
    target_link_libraries(${name} PRIVATE sk_flags sk_testlib sk_${folder} PkgConfig::CMOCKA ${A_LIBS})
    foreach(dep ${A_DEPS})
      target_link_libraries(${name} PRIVATE sk_${dep})
    endforeach()
    target_compile_options(${name} PRIVATE -Wall -Wextra -Werror)
    target_compile_definitions(${name} PRIVATE SK_TEST_DIR="${CMAKE_SOURCE_DIR}/tests")
    add_test(NAME unit.${folder}.${name} COMMAND ${name})
    set_tests_properties(unit.${folder}.${name} PROPERTIES LABELS unit TIMEOUT 300)
  endforeach()
endfunction()

# With SK_FUZZ a libFuzzer program; always a replay program that ctest runs over the corpus.
function(sk_fuzz name)
  cmake_parse_arguments(A "" "" "DEPS;LIBS" ${ARGN})
  if(SK_FUZZ)
    add_executable(${name} ${name}.c)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${name}.c replay_main.c)
    add_test(NAME fuzz-replay.${name}
      COMMAND ${name} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name} ${CMAKE_SOURCE_DIR}/fuzz/regression/${name})
    set_tests_properties(fuzz-replay.${name} PROPERTIES LABELS fuzz-replay TIMEOUT 300)
  endif()
  target_link_libraries(${name} PRIVATE sk_flags ${A_LIBS})
  target_compile_options(${name} PRIVATE -Wall -Wextra)
  foreach(dep ${A_DEPS})
    target_link_libraries(${name} PRIVATE sk_${dep})
  endforeach()
endfunction()
