/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_page.h -- the arithmetic of asking a long answer in batches.
 *
 * A batch ends at a time, the boundary. The next request asks for the boundary again, because more
 * entries may carry that time; those seen already (the overlap) come again and are dropped by the
 * caller, so their number is added to what is asked.
 *
 * Threads: one at a time. */
#ifndef SK_CLI_CTL_PAGE_H
#define SK_CLI_CTL_PAGE_H

#include <stdbool.h>
#include <stdint.h>

struct sk_ctl_page {
    int64_t start_ns; /* inclusive */
    int64_t end_ns;   /* exclusive */
    uint64_t limit;   /* entries wanted; 0: all */
    uint64_t batch;   /* most entries of one request, > 0 */
    bool forward;
    uint64_t printed; /* so far */
    uint64_t overlap; /* of the request to come */
};

enum sk_ctl_page_next {
    SK_CTL_PAGE_DONE,
    SK_CTL_PAGE_MORE,
    SK_CTL_PAGE_STUCK, /* the overlap fills a whole batch: nothing new could come */
};

struct sk_ctl_page_result {
    uint64_t received;    /* entries of the answer, overlap included */
    uint64_t printed;     /* of them, new ones */
    int64_t boundary_ns;  /* backward: oldest time of the answer; forward: newest */
    uint64_t at_boundary; /* entries of the answer with that time */
};

/* The limit of the request to come. */
uint64_t sk_ctl_page_ask(const struct sk_ctl_page *page);

/* Takes in the answer to the request that asked for sk_ctl_page_ask(). MORE: start, end and overlap
 * are those of the next request. */
enum sk_ctl_page_next sk_ctl_page_advance(struct sk_ctl_page *page,
                                          const struct sk_ctl_page_result *result);

#endif
