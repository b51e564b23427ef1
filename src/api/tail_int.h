/* SPDX-License-Identifier: Apache-2.0 */
/* tail_int.h -- one tail: what tail_api.c (its life, on the loop) and tail_frames.c (its work, on a
 * worker) share.
 *
 *   worker  tail_work: parameters -> refused (HTTP), or
 *   loop    tail_accept: 101 -> job tail_step
 *   worker  first step: feed opened, history asked, one frame of it
 *           later steps: entries taken from the feed, through the pipeline, into frames
 *   loop    tail_stepped: frames queue up; one at a time goes to the WebSocket
 *
 * Every TICK a tail that has anything to do gets a step, and sooner when its queue runs empty while
 * entries wait. At most one step of a tail runs at a time (`busy`).
 *
 * Invariants: (1) `worker` parts are touched by the running step only, or by the loop while none
 * runs; (2) bytes of entries and frames are charged to the query budget as long as they live here;
 * the frame that is on its way included. */
#ifndef SK_API_TAIL_INT_H
#define SK_API_TAIL_INT_H

#include "api/api_int.h"
#include "ingester/tail_feed.h"
#include "logql/pipeline.h"

/* JSON of entries, shared by those that were rendered in one step. */
struct tail_page {
    uint32_t refs;
    struct sk_strbuf text;
    uint64_t charged_bytes;
};

struct tail_entry {
    int64_t ts_ns;
    int64_t due_ns; /* not sent before */
    uint64_t order; /* of arrival */
    struct tail_page *page;
    size_t off, len;
};

struct tail_frame {
    struct tail_frame *next;
    struct sk_strbuf text;
    uint64_t charged_bytes;
};

struct tail {
    struct tail *prev, *next; /* in the api's list */
    struct sk_api *api;
    struct call *call;
    struct sk_http_req *req;
    struct sk_job job;
    struct sk_loopmsg msg;
    /* what was asked for */
    const struct sk_ast_log *log; /* NULL: a metric query */
    struct time_range range;
    uint64_t limit;
    int64_t delay_ns;
    bool legacy, categorize;
    struct sk_str flags;
    /* worker */
    struct sk_arena arena; /* the pipeline */
    const struct sk_pipeline *pipeline;
    struct sk_pipeline_run *run;
    struct sk_matcher *matchers;
    size_t matcher_count;
    struct sk_tail_feed *feed; /* NULL: not open */
    struct sk_tail_item *items, **items_tail;
    struct sk_log_result history; /* kept until `history_upto` has come out of the feed */
    uint64_t history_upto, feed_done;
    struct tail_entry *waiting;
    size_t waiting_count, waiting_cap;
    uint64_t waiting_bytes, order;
    struct sk_tail_drops drops; /* not told to the client yet */
    struct tail_frame *made, **made_tail;
    size_t made_count, room; /* frames that this step may make */
    bool more;               /* entries are due, but there was no room */
    uint64_t dropped;        /* in this step */
    struct sk_error close;   /* text not empty: the tail ends with it */
    bool opened;
    /* loop */
    struct tail_frame *frames, **frames_tail;
    size_t frame_count;
    uint64_t sending_bytes; /* charged for the frame that is on its way */
    int64_t begun_mono_ns;
    bool busy, closing, gone;
};

/* ---- tail_frames.c ---- */

/* Worker: the first step. */
void tail_open(struct tail *t);
/* Worker: the others. */
void tail_collect(struct tail *t);
/* Whether a step would find something. No step runs. */
bool tail_has_work(const struct tail *t);
/* Everything of the worker's. No step runs. */
void tail_release(struct tail *t);
void tail_frame_free(struct tail *t, struct tail_frame *f);

#endif
