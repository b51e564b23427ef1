#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Logs that Loki left (or that are damaged in known ways) are replayed: every entry of a good reader comes back, live,
after SIGKILL, and after a flush. What Loki left in tsdb-shipper-active is taken over."""
import os
import shutil
import signal

from skaldtest import GOLDEN, Server, compare_entries, read_jsonl, run

WAL = os.path.join(GOLDEN, "loki-wal")
LIMITS = "reject_old_samples: false, max_query_length: 0, discover_service_name: [], discover_log_levels: false"
# a reader that goes on behind a damaged fragment whose header is sound returns more than the page rule
MORE_ALLOWED = ("bad-crc", "bad-checkpoint")


def compare(server, name, rows, when):
    bad = compare_entries(server, rows, True, ties_by_labels=True)
    if bad and name in MORE_ALLOWED:
        have = set()
        for tenant in sorted({r["tenant"] for r in rows}):
            for lb, values in server.query('{app=~".+"}', 1749500000 * 10**9, 1749800000 * 10**9, tenant=tenant, categorize=True):
                have |= {(tenant, tuple(sorted(lb.items())), int(v[0]), v[1]) for v in values}
        missing = [r for r in rows if (r["tenant"], tuple(sorted(r["labels"].items())), r["ts"], r["line"]) not in have]
        bad = ["%d entries missing" % len(missing)] if missing else []
    assert not bad, "%s %s: %s" % (name, when, "; ".join(bad))


def one(name, expected=None):
    rows = read_jsonl(os.path.join(WAL, expected or name, "expected.jsonl"))
    s = Server(auth=True, limits=LIMITS)
    shutil.copytree(os.path.join(WAL, name, "wal"), os.path.join(s.folder, "wal"))
    with s:
        compare(s, name, rows, "after the replay")
        s.stop(signal.SIGKILL)
        s.start()
        compare(s, name, rows, "after SIGKILL and another replay")
        s.flush()
        compare(s, name, rows, "flushed")
        s.stop()
        left = sorted(f for f in os.listdir(os.path.join(s.folder, "wal")) if f.isdigit())
        assert len(left) <= 1, "log segments left after the flush: %s" % left
        s.start()
        compare(s, name, rows, "from the store")


def logs_of_loki_are_replayed():
    for name in ("segments", "checkpoint", "recreated", "compressed", "old-types", "odd-records"):
        one(name)
    one("checkpoint-overlap", "checkpoint")


def logs_without_checkpoint_and_with_marks_are_replayed():
    for name in ("no-checkpoint", "marks"):
        one(name)


def damaged_logs_lose_no_more_than_they_must():
    for name in ("torn-tail", "torn-record", "zero-tail", "bad-crc", "bad-checkpoint"):
        one(name)


def unshipped_indexes_are_taken_over():
    rows = read_jsonl(os.path.join(WAL, "crash", "expected.jsonl"))
    for kind in ("head", "built"):
        s = Server(auth=True, limits=LIMITS)
        for part in os.listdir(os.path.join(WAL, "crash", kind)):
            shutil.copytree(os.path.join(WAL, "crash", kind, part), os.path.join(s.folder, part))
        with s:
            compare(s, kind, rows, "after the takeover")
            s.flush()
            s.stop()
            s.start()
            compare(s, kind, rows, "from the store")
            shutil.rmtree(os.path.join(s.folder, "wal"))
            s.stop()
            s.start()
            compare(s, kind, rows, "without the log")


run([logs_of_loki_are_replayed, logs_without_checkpoint_and_with_marks_are_replayed, damaged_logs_lose_no_more_than_they_must,
     unshipped_indexes_are_taken_over])
