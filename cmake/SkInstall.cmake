# SPDX-License-Identifier: Apache-2.0
# Manual pages and completion scripts. The programs print them from their tables of flags, so that
# they cannot be out of date; a build for another machine cannot run them and goes without.
include(GNUInstallDirs)
if(TARGET skaldctl) # not in an image that holds the server alone
  install(FILES ${CMAKE_SOURCE_DIR}/docs/man/skald.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
endif()
if(CMAKE_CROSSCOMPILING OR NOT TARGET skald OR NOT TARGET skaldctl)
  return()
endif()

set(manual ${CMAKE_BINARY_DIR}/manual)
file(MAKE_DIRECTORY ${manual})

# What a program prints with these arguments becomes manual/NAME.
function(sk_printed name program)
  add_custom_command(OUTPUT ${manual}/${name}
    COMMAND ${program} ${ARGN} > ${manual}/${name} DEPENDS ${program} VERBATIM)
endfunction()
sk_printed(skaldctl.1 skaldctl --help-man)
sk_printed(skaldctl.bash skaldctl --completion-script-bash)
sk_printed(skaldctl.zsh skaldctl --completion-script-zsh)
sk_printed(skaldctl.fish skaldctl --completion-script-fish)
sk_printed(skald.help skald -help)
add_custom_command(OUTPUT ${manual}/skald.1
  COMMAND awk -v version=${PROJECT_VERSION} -f ${CMAKE_SOURCE_DIR}/cmake/manual.awk
    ${manual}/skald.help > ${manual}/skald.1
  DEPENDS ${manual}/skald.help ${CMAKE_SOURCE_DIR}/cmake/manual.awk VERBATIM)
add_custom_target(manual ALL DEPENDS ${manual}/skald.1 ${manual}/skaldctl.1
  ${manual}/skaldctl.bash ${manual}/skaldctl.zsh ${manual}/skaldctl.fish)

install(FILES ${manual}/skald.1 ${manual}/skaldctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${manual}/skaldctl.bash RENAME skaldctl
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${manual}/skaldctl.zsh RENAME _skaldctl
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${manual}/skaldctl.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
