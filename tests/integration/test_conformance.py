#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The recorded requests are answered as Loki 3.7.6 answered them: data in memory, after a restart with and without a flush,
and after SIGKILL. SCOPE holds the areas that are built; a case whose query needs a stage that is not built yet (answered 501)
is counted apart. `test_conformance.py plain --show 5` runs one mode and shows differences."""
import gzip
import json
import math
import os
import signal
import sys
import time
import urllib.parse

from encode import deflate, encode_push, snappy
from skaldtest import GOLDEN, V13, Server, config_text, read_jsonl

DATA = os.path.join(GOLDEN, "conformance")
SCOPE = ("selector.", "line.", "parser.", "label", "format.", "template.", "edge.", "push.", "otlp.", "meta.labels", "meta.values",
         "meta.series", "meta.stats", "meta.volume", "meta.detected_", "meta.prom_query", "meta.off", "meta.format_query", "error.", "metric.", "agg.", "binop.", "range.",
         "unwrap.", "variants")
# Queries that answer 501; were this number to grow, something that worked would have stopped working.
MOST_NOT_BUILT = 0
EXTRA = """querier: {query_ingesters_within: 0}
ingester: {query_store_max_look_back_period: -1, wal: {flush_on_shutdown: %s}}
"""


def load():
    cases, golden = [], {}
    for name in sorted(os.listdir(os.path.join(DATA, "cases"))):
        path = os.path.join(DATA, "cases", name[:-3])
        if name.endswith(".golden.jsonl.gz"):
            golden.update((g["id"], g) for g in read_jsonl(path))
        else:
            cases += read_jsonl(path)
    return [c for c in cases if c["tag"].startswith(SCOPE)], golden


def request(case):
    h = dict(case.get("headers", {}))
    if case.get("tenant") is not None:
        h["X-Scope-OrgID"] = case["tenant"]
    path, body = case["path"], None
    q = case.get("raw_query") or urllib.parse.urlencode([tuple(p) for p in case.get("params") or []], errors="surrogatepass")
    if case.get("form"):
        body, h["Content-Type"] = q.encode(), "application/x-www-form-urlencoded"
    elif q:
        path += "?" + q
    if "push" in case:
        _, ph, body = encode_push(dict(case["push"], tenant=case.get("tenant") or ""))
        ph.pop("X-Scope-OrgID")
        h = {**ph, **h}
    elif "body" in case:
        r = case.get("repeat")
        body = (case["body"].replace(r["token"], r["with"] * r["times"]) if r else case["body"]).encode()
    elif "body_hex" in case:
        body = bytes.fromhex(case["body_hex"])
    pack = {"snappy": snappy, "gzip": lambda b: gzip.compress(b, mtime=0), "deflate": deflate}.get(case.get("encode"))
    return case.get("method", "GET"), path, h, pack(body) if pack else body


def strip_stats(o):
    if isinstance(o, dict):
        o.pop("stats", None)
        for v in o.values():
            strip_stats(v)
    return o


def canonical(body):
    """Streams by their labels (their order is Loki's affair), lists of labels as they stand."""
    try:
        o = strip_stats(json.loads(body))
    except ValueError:
        return body.strip()
    data = o.get("data") if isinstance(o, dict) else None
    if isinstance(o, dict):  # lists whose order is random in Loki
        for key in ("detectedLabels", "fields", "values"):
            if isinstance(o.get(key), list):
                o[key].sort(key=lambda s: s if isinstance(s, str) else s["label"])
    if isinstance(data, dict) and isinstance(data.get("result"), list):
        data["result"].sort(key=lambda s: json.dumps(s.get("stream", s.get("metric")), sort_keys=True))
        if "encodingFlags" in data:
            data["encodingFlags"].sort()
    elif isinstance(data, list) and data and isinstance(data[0], dict):
        data.sort(key=lambda s: json.dumps(s, sort_keys=True))
    return json.dumps(o, sort_keys=True, ensure_ascii=False)


def number(v):
    try:
        return float(v) if isinstance(v, str) else None
    except ValueError:
        return None


def same(a, b, tolerance):
    """Equal, but for the last digits of a value: in which order Loki adds up series is not known."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k], tolerance) if k in ("data", "result", "value", "values") else a[k] == b[k]
                                            for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b))
    x, y = number(a), number(b)
    return a == b or (x is not None and y is not None and math.isclose(x, y, rel_tol=tolerance))


def same_metric(want, got, tolerance):
    try:
        a, b = json.loads(want), json.loads(got)
    except ValueError:
        return False
    kinds = ("matrix", "vector")
    return isinstance(a, dict) and isinstance(a.get("data"), dict) and a["data"].get("resultType") in kinds and same(a, b, tolerance)


def judge(case, want, status, body):
    text = body.decode("utf-8", "backslashreplace")
    if want["status"] != status:
        return "status: want %d, got %d: %.200s" % (want["status"], status, text)
    if status >= 300 or want["body"].strip() == text.strip() or canonical(want["body"]) == canonical(text):
        return None
    # volumes are estimates from the sizes of chunks, which are not cut at the same entries
    if same_metric(canonical(want["body"]), canonical(text), 0.05 if case["tag"].startswith("meta.volume") else 1e-9):
        return None
    return "want %.400s\n         got  %.400s" % (canonical(want["body"]), canonical(text))


def run_mode(mode, cases, golden, show):
    server = Server(auth=True)
    with open(server.config, "w") as f:
        f.write(config_text(server.folder, server.port, True, V13, "reject_old_samples: false",
                            EXTRA % ("true" if mode == "restart" else "false")))
    failed, later, passed, text_same, errors = [], 0, 0, 0, 0
    with server:
        for name in sorted(os.listdir(os.path.join(DATA, "datasets"))):
            for req in read_jsonl(os.path.join(DATA, "datasets", name[:-3])):
                path, h, body = encode_push(req)
                status, _, data = server.request("POST", path, body, h)
                if status not in (200, 204):
                    raise AssertionError("push of %s refused: %d %s" % (name, status, data))
        got = {}
        pushes = [c for c in cases if c.get("phase") == "push"]
        queries = [c for c in cases if c.get("phase") != "push" and not (mode == "restart" and c.get("unflushed"))]
        for c in pushes:
            status, _, body = server.request(*(lambda m, p, h, b: (m, p, b, h))(*request(c)))
            got[c["id"]] = (status, body)
        if mode != "plain":
            server.stop(signal.SIGKILL if mode == "kill" else signal.SIGTERM)
            server.start()
        for c in queries:
            status, _, body = server.request(*(lambda m, p, h, b: (m, p, b, h))(*request(c)))
            got[c["id"]] = (status, body)
        for c in pushes + queries:
            status, body = got[c["id"]]
            want = golden[c["id"]]
            if status == 501 and '"resultType":"streams"' not in want["body"]:
                later += 1
                continue
            why = judge(c, want, status, body)
            if want["status"] >= 300:
                errors += 1
                text_same += want["body"].strip() == body.decode("utf-8", "backslashreplace").strip()
            if why:
                failed.append((c, why))
            else:
                passed += 1
    for c, why in failed[:show]:
        print("  FAIL %s %s\n         %s" % (c["id"], urllib.parse.unquote_plus(request(c)[1])[:300], why))
    print("%-12s passed %d, failed %d, not built yet %d; error texts identical %d of %d"
          % (mode, passed, len(failed), later, text_same, errors), flush=True)
    return not failed and later <= MOST_NOT_BUILT


def main():
    modes = [a for a in sys.argv[1:] if a in ("plain", "restart", "restart-wal", "kill")] or ["plain", "restart", "restart-wal", "kill"]
    show = int(sys.argv[sys.argv.index("--show") + 1]) if "--show" in sys.argv else 5
    cases, golden = load()
    begin = time.monotonic()
    ok = all([run_mode(m, cases, golden, show) for m in modes])
    print("%d cases, %.1f s" % (len(cases), time.monotonic() - begin))
    sys.exit(0 if ok else 1)


main()
