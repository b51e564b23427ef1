#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Directories that Loki wrote are served as Loki served them: nine encodings, three states of compaction, schemas v11 to v13."""
import json
import os
import shutil

from skaldtest import GOLDEN, PERIOD, V13, Server, compare_entries, read_jsonl, run

DATA = os.path.join(GOLDEN, "loki-data")
OLD = {"v11": PERIOD % ("2024-01-01", "v11"),
       "v12-then-v13": PERIOD % ("2024-01-01", "v12") + PERIOD % ("2025-06-11", "v13")}


def check(store, expected):
    name = os.path.basename(os.path.dirname(store))
    rows = read_jsonl(expected)
    tenants = {r["tenant"] for r in rows} != {"fake"}
    limits = "reject_old_samples: false, allow_structured_metadata: %s, max_query_length: 0" % ("false" if name in OLD else "true")
    s = Server(auth=tenants, periods=OLD.get(name, V13), limits=limits)
    shutil.copytree(store, os.path.join(s.folder, "chunks"))
    with s:
        bad = compare_entries(s, rows, tenants)
        assert not bad, "%s: %s" % (store, "; ".join(bad))


def loki_directories_come_back_exactly():
    n = 0
    for root, dirs, _ in os.walk(DATA):
        if "chunks" not in dirs:
            continue
        dirs.remove("chunks")
        expected = next(e for e in (root, os.path.dirname(root)) if os.path.exists(os.path.join(e, "expected.jsonl")))
        check(os.path.join(root, "chunks"), os.path.join(expected, "expected.jsonl"))
        n += 1
    assert n == 15, "directories found: %d" % n


def series_come_from_indexes_alone():
    want = sorted(json.dumps(r.get("labels", r), sort_keys=True) for r in read_jsonl(os.path.join(DATA, "index-only", "expected-series.jsonl")))
    for kind in ("uncompacted", "compacted"):
        s = Server(limits="reject_old_samples: false, max_query_length: 0")
        shutil.copytree(os.path.join(DATA, "index-only", kind), os.path.join(s.folder, "chunks"))
        with s:
            day = next(d for d in os.listdir(os.path.join(s.folder, "chunks", "index")) if d.startswith("index_"))
            t = int(day.split("_")[1]) * 86400
            status, body = s.get("/loki/api/v1/series", {"match[]": '{app=~".+"}', "start": t * 10**9, "end": (t + 86400) * 10**9})
            assert status == 200, body
            have = sorted(json.dumps(x, sort_keys=True) for x in json.loads(body)["data"])
            assert have == want, "%s: want %d series, got %d" % (kind, len(want), len(have))


run([loki_directories_come_back_exactly, series_come_from_indexes_alone])
