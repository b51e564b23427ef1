/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_complete.h -- completion in shells: scripts that ask the program itself, and its answers.
 *
 *   eval "$(skaldctl --completion-script-bash)"       so do zsh; fish: ... | source
 *
 * Threads: one. Failure sticks in the buffer. */
#ifndef SK_CLI_CTL_COMPLETE_H
#define SK_CLI_CTL_COMPLETE_H

#include "base/strbuf.h"

enum sk_ctl_shell { SK_CTL_BASH, SK_CTL_ZSH, SK_CTL_FISH };

void sk_ctl_complete_script(struct sk_strbuf *out, enum sk_ctl_shell shell);

/* What may stand in place of the last of the words behind the program's name, one per line: flags,
 * commands, values of a flag. Nothing: the shell offers files. The shell picks what fits. */
void sk_ctl_complete(struct sk_strbuf *out, int argc, const char *const *argv);

#endif
