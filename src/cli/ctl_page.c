/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_page.c -- see ctl_page.h. */
#include "cli/ctl_page.h"

#include "base/assert.h"

uint64_t sk_ctl_page_ask(const struct sk_ctl_page *page)
{
    sk_assert(page->batch > 0);
    sk_assert(page->limit == 0 || page->printed < page->limit);
    if (page->limit == 0)
        return page->batch;
    uint64_t left = page->limit - page->printed;
    if (left >= page->batch || page->overlap >= page->batch - left)
        return page->batch;
    return left + page->overlap;
}

enum sk_ctl_page_next sk_ctl_page_advance(struct sk_ctl_page *page,
                                          const struct sk_ctl_page_result *result)
{
    uint64_t asked = sk_ctl_page_ask(page);
    page->printed += result->printed;
    if (result->received < asked)
        return SK_CTL_PAGE_DONE;
    if (page->limit != 0 && page->printed >= page->limit)
        return SK_CTL_PAGE_DONE;
    /* a server that ignores the range would be asked for ever */
    if (result->printed == 0 || result->boundary_ns < page->start_ns ||
        result->boundary_ns >= page->end_ns)
        return SK_CTL_PAGE_DONE;
    page->overlap = result->at_boundary;
    if (page->overlap >= page->batch)
        return SK_CTL_PAGE_STUCK;
    if (page->forward)
        page->start_ns = result->boundary_ns;
    else
        page->end_ns = result->boundary_ns == INT64_MAX ? INT64_MAX : result->boundary_ns + 1;
    return page->start_ns < page->end_ns ? SK_CTL_PAGE_MORE : SK_CTL_PAGE_DONE;
}
