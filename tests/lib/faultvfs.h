/* SPDX-License-Identifier: Apache-2.0 */
/* faultvfs.h -- a vfs that passes calls on and fails a chosen one.
 *
 * Every call of the table counts, `close` and `unlink` included. A test runs its subject with
 * fail_at = 1, 2, ... until faultvfs_hit() stays false. Threads: one. */
#ifndef SK_TESTS_FAULTVFS_H
#define SK_TESTS_FAULTVFS_H

#include "base/vfs.h"

struct faultvfs {
    struct sk_vfs vfs; /* give &f.vfs to the subject */
    const struct sk_vfs *base;
    uint64_t calls;   /* so far */
    uint64_t fail_at; /* number of the call that fails, from 1; 0: none */
    int errno_value;
    bool sticky;       /* all later calls but close fail too */
    bool short_writes; /* pwrite and pread move half of what is asked */
    bool hit;
    int open_count; /* descriptors that are open now */
};

void faultvfs_init(struct faultvfs *f, const struct sk_vfs *base);
void faultvfs_arm(struct faultvfs *f, uint64_t fail_at, int errno_value, bool sticky);

#endif
