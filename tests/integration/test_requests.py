#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every recorded request of tests/golden/requests goes over the wire byte for byte, and the answer is held against Loki's: status,
headers that clients look at, and the body where the data determine it. Pushes are read back entry by entry.

Times are those of the recording, whatever day it is: limits on age are off."""
import glob
import gzip
import json
import os
import socket
import sys
import time

from skaldtest import GOLDEN, Server

FOLDER = os.path.join(GOLDEN, "requests")
T0 = 1_795_356_000_000_000_000  # 2026-11-22T14:00:00Z
HOUR = 3_600_000_000_000

# In this order: what was created is listed and cancelled, and its id is another than Loki's.
DELETES = ["logcli-delete-create", "logcli-delete-list", "logcli-delete-cancel", "logcli-delete-cancel-bad"]
LOKI_DELETE_ID = "bf3c0293"

# Headers whose presence and value clients go by.
HEADERS = ("content-type", "x-content-type-options", "x-delete-request-id")

# Statistics of Loki's own inner parts, which skald leaves out (docs/COMPATIBILITY.md).
OPTIONAL_STATS = {"querierExecTime", "recvWaitTime", "queryUsedV2Engine", "dataobj", "chunkRefsLookupTime", "bloomFilterTime"}


def parse(raw):
    """(status, headers by lower-case name, body, what follows) of the first HTTP message; None while it is not whole."""
    head, sep, rest = raw.partition(b"\r\n\r\n")
    if not sep:
        return None
    lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/") else None
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size, sep, rest = rest.partition(b"\r\n")
            if not sep or len(rest) < int(size, 16) + 2:
                return None
            n = int(size, 16)
            body, rest = body + rest[:n], rest[n + 2:]
            if n == 0:
                return status, headers, body, rest
    n = int(headers.get("content-length", 0))
    return None if len(rest) < n else (status, headers, rest[:n], rest[n:])


def recorded(name, suffix):
    with open(os.path.join(FOLDER, name + suffix), "rb") as f:
        return f.read()


class Connection:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.left = b""

    def ask(self, raw):
        self.sock.sendall(raw)
        while True:
            got = parse(self.left)
            if got is not None:
                self.left = got[3]
                return got[:3]
            data = self.sock.recv(1 << 16)
            if not data:
                raise AssertionError("the connection was closed after %r" % self.left[:200])
            self.left += data


def replay(server, name):
    """The answer to a recorded request. The connection must be good for another one afterwards."""
    c = Connection(server.port)
    try:
        request = recorded(name, ".req").replace(LOKI_DELETE_ID.encode(), getattr(server, "delete_id", "").encode())
        if name in DELETES and time.time() < 1_795_358_400:  # deletes in the future are refused: the same, some years earlier
            request = request.replace(b"17953", b"16953")
        status, headers, body = c.ask(request)
        if c.ask(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")[0] != 200:
            raise AssertionError("the connection is out of step after the answer")
        return status, headers, body
    finally:
        c.sock.close()


def sorted_series(data):
    return sorted(data, key=lambda s: sorted(s.items()))


def judge_volumes(loki, skald):
    """The same series and times; the bytes in all within 5 %. Of the two buckets Loki gives each chunk one half, although two
    thirds of its time lie in the first."""
    a, b = loki["data"]["result"], skald["data"]["result"]
    same = [(s["metric"], [v[0] for v in s["values"]]) for s in a] == [(s["metric"], [v[0] for v in s["values"]]) for s in b]
    x, y = (sum(float(v[1]) for s in r for v in s["values"]) for r in (a, b))
    return None if same and abs(x - y) < 0.05 * x else "volumes %s, Loki's are %s" % (b, a)


def judge_body(name, headers, loki, skald):
    if not headers.get("content-type", "").startswith("application/json"):
        return None if loki == skald else "body %r, Loki's is %r" % (skald[:200], loki[:200])
    a, b = json.loads(loki), json.loads(skald)
    if loki.endswith(b"\n") != skald.endswith(b"\n"):
        return "a newline at the end, or none"
    if name == "logcli-labels":  # as Loki's, it may name labels of live streams beyond the time that was asked for
        labels = set(b["data"])
        good = CLI_LABELS <= labels <= CLI_LABELS.union(*(row[0] for rows in STORED.values() for row in rows))
        return None if good and b["data"] == sorted(labels) else "labels %s" % b
    if name == "logcli-stats":  # docs/COMPATIBILITY.md: unflushed data are counted here
        return None if a.keys() == b.keys() and (b["streams"], b["entries"]) == (2, 120) else "stats %s" % b
    if name == "logcli-delete-list":
        ours = {"request_id": b[0]["request_id"], "created_at": b[0]["created_at"]}
        if time.time() < 1_795_358_400:
            ours.update(start_time=b[0]["start_time"], end_time=b[0]["end_time"])
        a[0].update(ours)
        return None if a == b else "body %s, Loki's is %s" % (b, a)
    for key in ("fields", "values"):  # in random order
        for o in (a, b):
            o.get(key, []).sort(key=lambda s: s if isinstance(s, str) else s["label"])
    if name.startswith("logcli-series"):
        a["data"], b["data"] = sorted_series(a["data"]), sorted_series(b["data"])
    if isinstance(a.get("data"), dict) and "stats" in a["data"]:
        fault = judge_stats(a["data"].pop("stats"), b["data"].pop("stats", None))
        if fault:
            return fault
        if a["data"]["resultType"] == "scalar":  # Loki's time of a scalar is garbage
            a["data"]["result"][0] = b["data"]["result"][0]
        if name == "logcli-volume-range":
            return judge_volumes(a, b)
    return None if a == b else "body %s, Loki's is %s" % (str(b)[:300], str(a)[:300])


def judge_stats(loki, skald):
    """The same fields down to the leaves; numbers depend on the program."""
    if isinstance(loki, dict) != isinstance(skald, dict):
        return "stats: %s instead of %s" % (skald, loki)
    if not isinstance(loki, dict):
        return None
    loki = {k: v for k, v in loki.items() if k in skald or k not in OPTIONAL_STATS}
    if list(loki) != list(skald):
        return "stats have %s, Loki's %s" % (list(skald), list(loki))
    return next((f for f in (judge_stats(loki[k], skald[k]) for k in loki) if f), None)


def judge(server, name):
    status, headers, body = replay(server, name)
    loki_status, loki_headers, loki_body, _ = parse(recorded(name, ".resp"))
    if status != loki_status:
        return "status %d, Loki's is %d: %r" % (status, loki_status, body[:200])
    if name == "logcli-delete-create":
        server.delete_id = headers.get("x-delete-request-id", "")
        if len(server.delete_id) != 8 or not set(server.delete_id) <= set("0123456789abcdef"):
            return "the id is %r" % server.delete_id
        headers["x-delete-request-id"] = LOKI_DELETE_ID
    for h in HEADERS:
        if headers.get(h) != loki_headers.get(h):
            return "%s is %s, Loki's %s" % (h, headers.get(h), loki_headers.get(h))
    if headers.get("content-encoding") == "gzip":  # Loki leaves it, but it was asked for
        if b"Accept-Encoding: gzip\r\n" not in recorded(name, ".req"):
            return "compressed, and nobody asked for it"
        body = gzip.decompress(body)
    if status == 204 and (body or "content-length" in headers or "transfer-encoding" in headers):
        return "204 with a body, or with headers of one: %s" % headers
    return judge_body(name, loki_headers, loki_body, body)


def put_rules(folder):
    """The rule file behind lokitool's requests: what Loki listed, in the form of a file."""
    listed = parse(recorded("lokitool-rules-list", ".resp"))[2].decode()
    os.makedirs(os.path.join(folder, "rules", "fake"))
    with open(os.path.join(folder, "rules", "fake", "r.yaml"), "w") as f:
        f.write(listed.replace("r.yaml:", "groups:"))


CLI_LABELS = {"app", "env", "host", "service_name"}


def cli_data():
    """The data behind logcli's queries: two entries per tick, 1 ns apart."""
    streams = []
    for i in range(60):
        ts = T0 + i * 30_000_000_000
        streams.append(({"app": "cli", "env": "dev", "host": "h%d" % (i % 2)}, [
            (ts + k, 'level=%s i=%d k=%d msg="hello <world>"' % (level, i, k), {"tid": "t%d" % i})
            for k, level in enumerate(("error", "info"))]))
    return streams


def canary_data():
    """What the canary had pushed: the answer to its own spot check, without the entry of canary-push.req."""
    result = json.loads(parse(recorded("canary-spotcheck-query-range", ".resp"))[2])["data"]["result"]
    pushed = 1_795_360_101_271_105_690
    return [({"name": "canary1", "stream": "push"}, [(int(ts), line) for s in result for ts, line in s["values"] if int(ts) != pushed])]


OTEL_LABELS = {"service_name": "otel-js", "service_namespace": "demo"}
OTEL_SHARED = {"host_name": "h", "process_pid": "7", "scope_name": "my.scope", "scope_version": "1.2.3"}


def otel(first, second, observed):
    """Both records that each run of the OpenTelemetry exporters sent."""
    return [(OTEL_LABELS, first, "hello otel", dict(
                OTEL_SHARED, detected_level="info", severity_text="INFO", severity_number="9", observed_timestamp=str(first),
                a="b", n="1", f="1.5", list='["x",1]', obj_k="v")),
            (OTEL_LABELS, second, '{"complex":{"a":[1,true]}}', dict(
                OTEL_SHARED, detected_level="error", severity_number="17", observed_timestamp=str(observed)))]


def winston(ms):
    return [({"level": "error", "job": "winston", "service_name": "winston"}, ms * 1_000_000, '{"level":"error","message":"bad"}',
             {"detected_level": "error"}),
            ({"level": "info", "job": "winston", "service_name": "winston", "x": "y"}, ms * 1_000_000,
             '{"labels":{"x":"y"},"level":"info","message":"hello winston"}', {"detected_level": "info"})]


def with_level(rows):
    """winston's JSON form has the level in the metadata too, where a label of that name already is."""
    return [(lb, ts, line, dict(sm, level_extracted=lb["level"])) for lb, ts, line, sm in rows]


FLUENT = {"job": "fluentbit", "ns": "ns1", "stream": "stdout", "service_name": "fluentbit"}
PINO = {"application": "pinoapp", "hostname": "vm", "service_name": "pinoapp"}
SYSLOG = {"job": "syslog-ng", "service_name": "syslog-ng"}
UNKNOWN = {"service_name": "unknown_service"}

# What each push must have stored: labels, time, line, metadata.
STORED = {
    "canary-push": [({"name": "canary1", "stream": "push", "service_name": "canary1"}, 1_795_360_101_271_105_690,
                     "1795360101271105690 " + "p" * 79 + "\n", {"detected_level": "unknown"})],
    "fluentbit-loki": [(dict(FLUENT, level="info"), 1_795_360_195_585_574_944, '{"log":"hello from fluent-bit","n":5}',
                        {"pod": "pod-1", "lvl": "info", "detected_level": "info"})],
    "fluentbit-loki-gzip": [(FLUENT, 1_795_360_201_585_511_305, 'log="hello from fluent-bit" n=5',
                             {"pod": "pod-1", "lvl": "info", "detected_level": "info"})],
    "fluentbit-otlp": [(UNKNOWN, 1_795_360_207_585_521_404, "hello otlp from fluent-bit", {"detected_level": "unknown"})],
    "fluentbit-otlp-gzip": [(UNKNOWN, 1_795_360_213_586_879_971, "hello otlp from fluent-bit", {"detected_level": "unknown"})],
    "otel-js-json": otel(1_795_360_193_992_000_000, 1_795_360_193_993_000_000, 1_795_360_193_993_000_000),
    "otel-js-json-gzip": otel(1_795_360_194_700_000_000, 1_795_360_194_701_000_000, 1_795_360_194_702_000_000),
    "otel-js-proto": otel(1_795_360_192_594_000_000, 1_795_360_192_594_000_000, 1_795_360_192_594_000_000),
    "otel-js-proto-gzip": otel(1_795_360_193_290_000_000, 1_795_360_193_291_000_000, 1_795_360_193_291_000_000),
    "pino-loki": [(dict(PINO, level="error"), 1_795_360_276_293_000_000,
                   '{"level":50,"time":1795360276293,"pid":13780,"k":1,"msg":"failed"}', {"detected_level": "error"}),
                  (dict(PINO, level="info"), 1_795_360_276_293_000_000,
                   '{"level":30,"time":1795360276293,"pid":13780,"msg":"hello from pino"}', {"detected_level": "info"})],
    "syslogng": [(SYSLOG, 1_795_360_246_176_273_000, "hello one", {"detected_level": "unknown"}),
                 (SYSLOG, 1_795_360_246_176_273_000, "hello two", {"detected_level": "unknown"})],
    "winston-loki-json": with_level(winston(1_795_360_159_317)),
    "winston-loki-proto": winston(1_795_360_156_638),
}


def judge_stored(server, name):
    """The entries of the push, and nothing else in their streams at their time."""
    def order(rows):
        return sorted(rows, key=lambda r: (sorted(r[0].items()), r[1], r[2]))
    times = [row[1] for row in STORED[name]]
    service = STORED[name][0][0]["service_name"]
    got = [(lb, int(v[0]), v[1], v[2].get("structuredMetadata", {}))
           for lb, vs in server.query('{service_name="%s"}' % service, min(times), max(times) + 1, categorize=True) for v in vs]
    if order(got) != order(STORED[name]):
        return "stored %s, wanted %s" % (order(got), order(STORED[name]))
    return None


# ---- tails ----

def frames(raw):
    """[(opcode, payload)] of unmasked frames."""
    out = []
    while raw:
        n, at = raw[1], 2
        if n >= 126:
            at += 2 if n == 126 else 8
            n = int.from_bytes(raw[2:at], "big")
        out.append((raw[0], raw[at:at + n]))
        raw = raw[at + n:]
    return out


def elements(texts):
    return [e for t in texts for e in json.loads(t)["streams"]]


def judge_tail(server, name):
    """The recorded handshake byte for byte; then the entries of the recorded frames are pushed, unless they are there, and must come
    in the same form, whatever the frames. The client's recorded frames end it."""
    status, want, _, rest = parse(recorded(name, ".resp"))
    said = frames(rest)
    loki = elements(p for op, p in said if op == 0x81)
    c = WebSocketBytes(server.port)
    try:
        got = c.handshake(recorded(name, ".req"))
        if got != (status, want):
            return "handshake %s, Loki's is %s" % (got, (status, want))
        if name != "logcli-tail2":  # which finds the line of the one before
            meta = {"a": "b"} if name == "logcli-tail" else {}  # shown by the history of logcli-tail2 only
            pushed = [({k: v for k, v in e["stream"].items() if k != "service_name"}, [(int(ts), line, meta) for ts, line in e["values"]])
                      for e in loki]
            assert server.push(pushed)[0] == 204
        mine = []
        while len(elements(mine)) < len(loki):
            op, payload = c.frame()
            if op == 0x81:
                mine.append(payload)
            elif op != 0x89 or payload:
                return "frame %#x %r" % (op, payload)
        if elements(mine) != loki:
            return "frames %s, Loki's are %s" % (mine, loki)
        c.sock.sendall(recorded(name, ".wsclient"))
        if said[-1][0] != 0x88:  # the canary was killed
            return None
        while True:
            op, payload = c.frame()
            if op == 0x88:
                return None if payload == said[-1][1] else "closed with %r" % payload
    finally:
        c.sock.close()


class WebSocketBytes(Connection):
    def handshake(self, raw):
        self.sock.sendall(raw)
        while b"\r\n\r\n" not in self.left:
            self.more()
        status, headers, _, self.left = parse(self.left)
        return status, headers

    def more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise AssertionError("the connection was closed")
        self.left += data

    def frame(self):
        while True:
            b = self.left
            at = 2 if len(b) < 2 or b[1] < 126 else 4 if b[1] == 126 else 10
            if len(b) >= at:
                n = b[1] if at == 2 else int.from_bytes(b[2:at], "big")
                if len(b) >= at + n:
                    self.left = b[at + n:]
                    return b[0], b[at:at + n]
            self.more()


def main():
    names = sorted(os.path.basename(p)[:-4] for p in glob.glob(os.path.join(FOLDER, "*.req")))
    tails = [n for n in names if os.path.exists(os.path.join(FOLDER, n + ".wsclient"))]
    pushes = [n for n in names if recorded(n, ".req").startswith(b"POST") and not n.startswith("logcli")]
    bad = []
    if set(pushes) != set(STORED):
        bad.append("pushes without an expectation, or the other way round: %s" % (set(pushes) ^ set(STORED)))
    # creation_grace_period: the clock of this machine may stand before the recording
    with Server(limits="reject_old_samples: false, creation_grace_period: 100y",
                extra="compactor: {retention_enabled: true, delete_request_store: filesystem}\n") as s:
        put_rules(s.folder)
        assert s.push(cli_data())[0] == 204 and s.push(canary_data())[0] == 204
        bad += ["%s: %s" % (n, fault) for n in pushes for fault in [judge(s, n) or judge_stored(s, n)] if fault]
        asked = DELETES + [n for n in names if n not in pushes + tails + DELETES]
        bad += ["%s: %s" % (n, fault) for n in asked for fault in [judge(s, n)] if fault]
        s.stop()
        s.start()  # from the log
        bad += ["%s, after a restart: %s" % (n, fault) for n in pushes for fault in [judge_stored(s, n)] if fault]
    with Server(limits="reject_old_samples: false, creation_grace_period: 100y") as s:  # without the data of the others
        bad += ["%s: %s" % (n, fault) for n in tails for fault in [judge_tail(s, n)] if fault]
    print("\n".join(bad + ["%d requests, %d of them pushes, %d judged bad"
                           % (len(names), len(pushes), len(bad))]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
