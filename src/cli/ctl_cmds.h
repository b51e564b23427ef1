/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_cmds.h -- the commands. Each says on stderr what went wrong and returns the exit code. */
#ifndef SK_CLI_CTL_CMDS_H
#define SK_CLI_CTL_CMDS_H

struct sk_ctl_opts;

int sk_ctl_query(const struct sk_ctl_opts *opts);
int sk_ctl_tail(const struct sk_ctl_opts *opts); /* query --tail */
int sk_ctl_instant_query(const struct sk_ctl_opts *opts);
int sk_ctl_labels(const struct sk_ctl_opts *opts);
int sk_ctl_series(const struct sk_ctl_opts *opts);
int sk_ctl_stats(const struct sk_ctl_opts *opts);
int sk_ctl_volume(const struct sk_ctl_opts *opts);
int sk_ctl_volume_range(const struct sk_ctl_opts *opts);
int sk_ctl_detected_fields(const struct sk_ctl_opts *opts);
int sk_ctl_delete_create(const struct sk_ctl_opts *opts);
int sk_ctl_delete_list(const struct sk_ctl_opts *opts);
int sk_ctl_delete_cancel(const struct sk_ctl_opts *opts);
int sk_ctl_fmt(const struct sk_ctl_opts *opts);
int sk_ctl_push(const struct sk_ctl_opts *opts);
int sk_ctl_hash_secret(const struct sk_ctl_opts *opts);

#endif
