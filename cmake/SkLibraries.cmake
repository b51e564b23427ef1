# SPDX-License-Identifier: Apache-2.0
# Finds what Debian provides. Nothing is vendored.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
# wslay has no pkg-config file, and Debian has no archive of it.
find_path(WSLAY_INC wslay/wslay.h REQUIRED)
find_library(WSLAY_LIB wslay REQUIRED)
add_library(sk_wslay INTERFACE)
target_include_directories(sk_wslay SYSTEM INTERFACE ${WSLAY_INC})
target_link_libraries(sk_wslay INTERFACE ${WSLAY_LIB})

if(SK_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv-static)
else()
  pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
  # No static build has it: Debian's libcurl needs Kerberos, which has no archive.
  pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
endif()
pkg_check_modules(SNAPPY REQUIRED IMPORTED_TARGET snappy)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl)
if(SK_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()
find_program(RE2C re2c REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)

# llhttp: a CMake package on Debian 13; on Debian 12 the C sources of the package node-llhttp.
find_package(llhttp QUIET)
if(TARGET llhttp::llhttp_shared)
  add_library(sk_llhttp ALIAS llhttp::llhttp_shared)
elseif(TARGET llhttp::llhttp)
  add_library(sk_llhttp ALIAS llhttp::llhttp)
elseif(TARGET llhttp::llhttp_static)
  add_library(sk_llhttp ALIAS llhttp::llhttp_static)
else()
  find_path(LLHTTP_SRC llhttp.c PATHS /usr/share/llhttp REQUIRED NO_DEFAULT_PATH)
  find_path(LLHTTP_INC llhttp.h PATHS /usr/share/include/llhttp REQUIRED NO_DEFAULT_PATH)
  add_library(sk_llhttp STATIC ${LLHTTP_SRC}/llhttp.c ${LLHTTP_SRC}/api.c ${LLHTTP_SRC}/http.c)
  target_include_directories(sk_llhttp SYSTEM PUBLIC ${LLHTTP_INC})
endif()

# Makes NAME.c from NAME.re in the build tree.
function(sk_re2c out source)
  get_filename_component(stem ${source} NAME_WE)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${stem}.c)
  add_custom_command(OUTPUT ${made}
    COMMAND ${RE2C} -W -Werror --no-generation-date -i -o ${made} ${CMAKE_CURRENT_SOURCE_DIR}/${source} ${ARGN}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source} VERBATIM)
  set(${out} ${made} PARENT_SCOPE)
endfunction()

# Makes NAME.pb-c.c and .h from NAME.proto in the build tree.
function(sk_protoc out source)
  get_filename_component(stem ${source} NAME_WE)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${stem}.pb-c.c)
  add_custom_command(OUTPUT ${made} ${CMAKE_CURRENT_BINARY_DIR}/${stem}.pb-c.h
    COMMAND ${PROTOC_C} --c_out=${CMAKE_CURRENT_BINARY_DIR} -I${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${source}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source} VERBATIM)
  set(${out} ${made} PARENT_SCOPE)
endfunction()
