#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Live tail over WebSocket: history and what comes after it, in order and each line once; the texts with which a tail is refused or
ended; slow readers, bad clients, and many tails beside many pushes."""
import asyncio
import json
import os
import selectors
import signal
import struct
import subprocess
import threading
import time

from skaldtest import BIN, Server, run
from wsclient import CLOSE, PING, PONG, TEXT, Refused, tail

LIMITS = "reject_old_samples: false, creation_grace_period: 100y, ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, " \
         "per_stream_rate_limit: 1000MB, per_stream_rate_limit_burst: 1000MB"


def push(server, labels, entries, tenant=None):
    status, data = server.push([(labels, entries)], tenant)
    assert status == 204, (status, data)


def rows(frames):
    """[(labels, ts, line, ...)] of v1 frames; every entry must be an element of its own."""
    out = []
    for f in frames:
        for s in f["streams"]:
            assert len(s["values"]) == 1, s
            out.append((s["stream"], int(s["values"][0][0]), *s["values"][0][1:]))
    return out


def collect(ws, count, timeout=20):
    """Frames until they hold `count` entries."""
    got, n, end = [], 0, time.monotonic() + timeout
    while n < count:
        f = ws.text(max(0.01, end - time.monotonic()))
        assert isinstance(f, dict), "%s after %d of %d entries" % (f, n, count)
        n += len(f["streams"])
        got.append(f)
    assert n == count, "%d entries, wanted %d" % (n, count)
    return got


def silent(ws, seconds=1.2):
    f = ws.text(seconds)
    assert f is None, f


def test_history_then_live():
    with Server() as s:
        now = time.time_ns()
        push(s, {"app": "a"}, [(now + i, "old %d" % i, {"id": "x"}) for i in range(5)])
        push(s, {"app": "b"}, [(now, "another")])
        w = tail(s.port, '{app="a"}', limit=3)
        first = w.text(10)
        full = {"app": "a", "service_name": "a", "detected_level": "unknown", "id": "x"}
        assert rows([first]) == [(full, now + i, "old %d" % i) for i in (2, 3, 4)], first  # the newest, oldest first
        assert list(first) == ["streams"]
        push(s, {"app": "b"}, [(now, "not ours")])
        push(s, {"app": "a"}, [(now + 20, "late", {"id": "y"}), (now + 10, "early")])
        plain = {"app": "a", "service_name": "a"}  # live: labels of the stream only
        assert rows(collect(w, 2)) == [(plain, now + 10, "early"), (plain, now + 20, "late")]
        silent(w)
        assert w.close() == 1000
        # flushed chunks are history, too
        s.flush()
        w = tail(s.port, '{app="a"}', start=now, limit=100)
        assert [r[1] - now for r in rows([w.text(10)])] == [0, 1, 2, 3, 4, 10, 20]
        w.close()
        w = tail(s.port, '{app="a"}', start=now + 15)
        assert [r[2] for r in rows([w.text(10)])] == ["late"]
        w.close()


def test_pipeline_and_categories():
    with Server() as s:
        flag = {"encodingFlags": ["categorize-labels"]}
        now = time.time_ns()
        push(s, {"app": "p"}, [(now, "level=info n=1", {"id": "x"}), (now + 1, "level=debug n=2")])
        query = '{app="p"} | logfmt | n != "2" | line_format "{{.n}} <&>"'
        w = tail(s.port, query, categorize=True)
        parsed = {"n": "1", "level": "info"}
        want = [({"app": "p", "service_name": "p"}, now, "1 <&>",
                 {"structuredMetadata": {"detected_level": "info", "id": "x"}, "parsed": parsed})]
        first = w.text(10)
        assert rows([first]) == want and {k: first[k] for k in first if k != "streams"} == flag, first
        push(s, {"app": "p"}, [(now + 2, "level=info n=1", {"id": "x"}), (now + 3, "level=debug n=2")])
        second = collect(w, 1)
        assert rows(second) == [want[0][:1] + (now + 2,) + want[0][2:]], second
        assert list(second[0]) == ["streams", "encodingFlags"]
        silent(w)
        w.close()
        w = tail(s.port, query, limit=1)  # without the flag history has all labels merged, live entries those of the stream
        assert rows([w.text(10)]) == [(dict(want[0][0], id="x", detected_level="info", **parsed), now + 2, "1 <&>")]
        push(s, {"app": "p"}, [(now + 4, "n=7")])
        assert rows(collect(w, 1)) == [(want[0][0], now + 4, "7 <&>")]
        w.close()


def test_legacy_form():
    with Server(limits="reject_old_samples: false, max_query_length: 0") as s:
        push(s, {"app": "m"}, [(1_700_000_000_000_000_001, "old <1>")])
        w = tail(s.port, '{app="m"}', legacy=True, start=1_700_000_000_000_000_000)
        while True:
            op, payload = w.frame()
            if op == TEXT:
                break
        assert payload == (b'{"streams":[{"labels":"{app=\\"m\\", detected_level=\\"unknown\\", service_name=\\"m\\"}","entries":[{"ts":'
                           b'"2023-11-14T22:13:20.000000001Z","line":"old \\u003c1\\u003e"}]}],"dropped_entries":null}\n'), payload
        push(s, {"app": "m"}, [(1_700_000_000_500_000_000, "new")])
        assert w.text(10)["streams"] == [{"labels": '{app="m", service_name="m"}',
                                          "entries": [{"ts": "2023-11-14T22:13:20.5Z", "line": "new"}]}]
        w.close()


def test_delay_orders_what_comes_late():
    with Server() as s:
        w = tail(s.port, '{app="d"}', delay_for=2)
        time.sleep(0.5)
        begin, now = time.monotonic(), time.time_ns()
        push(s, {"app": "d", "h": "1"}, [(now, "second")])
        time.sleep(0.8)
        push(s, {"app": "d", "h": "2"}, [(now - 1, "first")])
        got = rows(collect(w, 2))
        assert [r[2] for r in got] == ["first", "second"], got
        assert 1.9 < time.monotonic() - begin < 8, time.monotonic() - begin
        w.close()


def refused(server, want, headers=None, legacy=False, **params):
    try:
        tail(server.port, params.pop("query", '{a="b"}'), headers=headers, legacy=legacy, **params).close()
    except Refused as r:
        assert (r.status, r.body.decode()) == want, (r.status, r.body, want)
        return r.headers
    raise AssertionError("accepted, wanted %s" % (want,))


def test_refusals():
    with Server() as s:
        for want, params in (
                ("delay_for can't be greater than 5", dict(delay_for=6)),
                ('strconv.Atoi: parsing "x": invalid syntax', dict(delay_for="x")),
                ('strconv.Atoi: parsing "abc": invalid syntax', dict(limit="abc")),
                ("limit must be a positive value", dict(limit=0)),
                ("could not parse 'start' parameter: strconv.ParseInt: parsing \"yesterday\": invalid syntax", dict(start="yesterday")),
                ("max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)", dict(limit=6000)),
                ("parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING", dict(query="{app="))):
            for legacy in (False, True):
                headers = refused(s, (400, want), legacy=legacy, **params)
                assert headers["results-cache-gen-number"] == "" and headers["content-type"] == "text/plain; charset=utf-8", headers
        bad = (400, "Bad Request\n")
        for change in ({"Connection": "keep-alive"}, {"Upgrade": "h2c"}, {"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": "short"},
                       {"Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyE9" + "===="}, {"Sec-WebSocket-Key": None}):
            assert refused(s, bad, headers=change)["sec-websocket-version"] == "13"
        status, headers, body = s.request("GET", "/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D")
        assert (status, body, headers["Sec-Websocket-Version"]) == (400, b"Bad Request\n", "13")
        assert s.request("DELETE", "/loki/api/v1/tail")[0] == 405
        assert tail(s.port, '{a="b"}', headers={"Connection": "keep-alive, upgrade", "Upgrade": "WebSocket"}).close() == 1000
    with Server(auth=True) as s:
        refused(s, (401, "no org id\n"))
        push(s, {"app": "t"}, [(time.time_ns(), "of one")], tenant="one")
        w = tail(s.port, '{app="t"}', tenant="two")
        push(s, {"app": "t"}, [(time.time_ns(), "of one again")], tenant="one")
        push(s, {"app": "t"}, [(time.time_ns(), "of two")], tenant="two")
        assert [r[2] for r in rows(collect(w, 1))] == ["of two"]
        silent(w)
        w.close()


def test_close_texts():
    with Server(limits=LIMITS + ", max_concurrent_tail_requests: 2", extra="querier: {tail_max_duration: 3s}") as s:
        begin = time.monotonic()
        assert tail(s.port, 'rate({a="b"}[1m])').text(10) == ("close", 1011, "only log selector is supported")
        kept = [tail(s.port, '{a="b"}') for _ in range(2)]
        for w in kept:
            silent(w, 0.2)
        full = "rpc error: code = Code(400) desc = max concurrent tail requests limit exceeded, count > limit (3 > 2)"
        assert tail(s.port, '{a="b"}').text(10) == ("close", 1011, full)
        kept[0].close()
        time.sleep(0.3)
        again = tail(s.port, '{a="b"}')
        silent(again, 0.3)
        assert kept[1].text(10) == ("close", 1011, "reached tail max duration limit")
        assert 2.9 < time.monotonic() - begin < 8
        assert again.text(10)[2] == "reached tail max duration limit"
        w = tail(s.port, '{a="b"}')
        silent(w, 0.2)
        done = []
        stopper = threading.Thread(target=lambda: done.append(s.stop()))
        stopper.start()
        assert w.text(10) == ("close", 1011, "all ingesters closed the connection")
        w.send_frame(CLOSE, struct.pack(">H", 1011))
        stopper.join(20)
        assert done == [0] and "did not end in time" not in s.log()


def test_pings_and_frames_of_clients():
    with Server() as s:
        w = tail(s.port, '{a="b"}')
        silent(w, 3.4)
        assert w.pings == 3, w.pings
        w.send_frame(PING, b"hello")
        while True:
            op, payload = w.frame()
            if op == PONG:
                break
        assert payload == b"hello"
        w.send_frame(TEXT, "nobody listens".encode())
        w.send_frame(TEXT, b"in ", fin=False)
        w.send_frame(PONG)
        w.send_frame(0, b"pieces")
        silent(w, 0.5)
        assert w.close(1001) == 1001
        for code, frame in ((1002, dict(opcode=TEXT, payload=b"x", masked=False)), (1002, dict(opcode=TEXT, payload=b"x", rsv=4)),
                            (1002, dict(opcode=3)), (1002, dict(opcode=PING, payload=b"x" * 126)), (1002, dict(opcode=0, payload=b"x")),
                            (1009, dict(opcode=TEXT, payload=b"x" * 4097)), (1007, dict(opcode=TEXT, payload=b"\xff\xfe"))):
            w = tail(s.port, '{a="b"}')
            w.send_frame(**frame)
            got = w.text(10)
            assert got[:2] == ("close", code), (frame, got)
        for raw in (b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 20, b"\x81\xff" + b"\xff" * 20):
            w = tail(s.port, '{a="b"}')
            w.sock.sendall(raw)
            try:
                assert w.text(10)[0] == "close"
            except (EOFError, ConnectionError):
                pass
        for _ in range(20):  # gone without a word, at every moment
            tail(s.port, '{a="b"}').sock.close()
        w = tail(s.port, '{a="c"}')
        silent(w, 0.2)
        push(s, {"a": "c"}, [(time.time_ns(), "still here")])
        assert rows(collect(w, 1))[0][2] == "still here"
        assert b"loki_querier_tail_active 1\n" in s.get("/metrics")[1]
        w.close()


def test_frames_hold_a_hundred_in_order():
    with Server(limits=LIMITS) as s:
        w = tail(s.port, '{app="many"}')
        silent(w, 0.3)
        now = time.time_ns() - 10_000_000
        for host in range(4):  # one push each, interleaved in time
            push(s, {"app": "many", "h": str(host)}, [(now + i * 4 + host, "%d" % (i * 4 + host)) for i in range(250)])
        frames = collect(w, 1000)
        assert max(len(f["streams"]) for f in frames) <= 100
        assert sorted(int(r[2]) for r in rows(frames)) == list(range(1000))
        for f in frames:
            times = [r[1] for r in rows([f])]
            assert times == sorted(times)
        w.close()


def test_slow_reader_is_told_what_it_missed():
    with Server(limits=LIMITS) as s:
        w = tail(s.port, '{app="s"} != "never"', rcvbuf=4096)
        fast = tail(s.port, '{app="s"} |= "mark"')
        silent(fast, 0.3)
        line, sent, t0 = "x" * 200_000, 0, time.time_ns()
        for _ in range(12):
            push(s, {"app": "s"}, [(t0 + sent + i, line) for i in range(10)])
            sent += 10
            time.sleep(0.3)
        push(s, {"app": "s"}, [(t0 + sent, "mark")])
        assert [r[2] for r in rows(collect(fast, 1))] == ["mark"]  # the others do not wait
        assert b"\nskald_tail_dropped_entries_total 0" not in s.get("/metrics")[1]
        got, drops = [], []
        while True:
            f = w.text(3)
            if f is None:
                break
            got += [r[1] - t0 for r in rows([f])]
            drops += f.get("dropped_entries", [])
        assert drops and got[:10] == list(range(10)), (len(drops), got[:20])
        assert all(d["labels"] == {"app": "s", "service_name": "s"} for d in drops)
        assert sorted(got + [int(d["timestamp"]) - t0 for d in drops]) == list(range(sent + 1)), (sorted(got), len(drops))
        push(s, {"app": "s"}, [(t0 + 1000, "after")])
        assert rows(collect(w, 1))[0][2] == "after"
        for ws in (w, fast):
            ws.close()


def test_nothing_between_history_and_live():
    """Tails that open while a stream is written see every line once, from the first of their history on."""
    with Server(limits=LIMITS) as s:
        stop, written = threading.Event(), []

        def write():
            while not stop.is_set():
                ts = time.time_ns()
                push(s, {"app": "h"}, [(ts + k, "%d" % (len(written) + k)) for k in range(3)])
                written.extend(range(3))
        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.5)
        tails = []
        for _ in range(8):
            tails.append(tail(s.port, '{app="h"}', limit=5000))
            time.sleep(0.15)
        time.sleep(0.5)
        stop.set()
        writer.join()
        time.sleep(1.2)
        for w in tails:
            got = []
            while True:
                f = w.text(0.3)
                if f is None:
                    break
                got += [int(r[2]) for r in rows([f])]
            assert sorted(got) == list(range(len(written))), "%d lines, %d distinct, of %d" % (len(got), len(set(got)), len(written))
            w.close()


class Ctl:
    """skaldctl query --tail. Its output is read line by line."""

    def __init__(self, server, *args):
        self.proc = subprocess.Popen([os.path.join(os.path.dirname(BIN), "skaldctl"), "--addr=http://127.0.0.1:%d" % server.port, "-z", "UTC",
                                      "-o", "jsonl", "query", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def lines(self, count):
        return [(e["labels"], e["line"]) for e in (json.loads(self.proc.stdout.readline()) for _ in range(count))]

    def end(self, sig=None):
        """(exit status, rest of the output, complaints)"""
        if sig:
            self.proc.send_signal(sig)
        out, err = self.proc.communicate(timeout=20)
        return self.proc.returncode, out, err


def test_skaldctl_follows_over_a_restart():
    with Server() as s:
        now = time.time_ns()
        push(s, {"app": "c"}, [(now, "one", {"id": "x"}), (now + 1, "two")])
        ctl = Ctl(s, "--tail", '{app="c"}')
        full, plain = {"app": "c", "service_name": "c", "detected_level": "unknown"}, {"app": "c", "service_name": "c"}
        assert ctl.lines(2) == [(dict(full, id="x"), "one"), (full, "two")]
        push(s, {"app": "c"}, [(now + 2, "three")])
        assert ctl.lines(1) == [(plain, "three")]
        s.stop(signal.SIGKILL)
        s.start()
        push(s, {"app": "c"}, [(now + 3, "four")])
        assert [r[1] for r in ctl.lines(1)] == ["four"]  # three is not printed again
        push(s, {"app": "c"}, [(now + 4, "five")])
        assert [r[1] for r in ctl.lines(1)] == ["five"]
        code, out, err = ctl.end(signal.SIGINT)
        assert (code, out) == (-signal.SIGINT, ""), (code, out)
        assert "Connecting again." in err and "/tail?limit=30&query=%7Bapp%3D%22c%22%7D&start=" in err, err
        end = time.monotonic() + 5
        while time.monotonic() < end and b"loki_querier_tail_active 0\n" not in s.get("/metrics")[1]:
            time.sleep(0.1)
        assert b"loki_querier_tail_active 0\n" in s.get("/metrics")[1]
        code, out, err = Ctl(s, "-f", "--delay-for=6", '{app="c"}').end()
        assert (code, out) == (1, "") and "delay_for can't be greater than 5" in err, (code, err)
        code, out, err = Ctl(s, "-t", 'rate({app="c"}[1m])').end()
        assert (code, out) == (1, "") and "websocket: close 1011: only log selector is supported" in err, (code, err)


TAILS, PUSHERS, ROUNDS, LINES, STREAMS = 200, 500, 3, 4, 10


class Reader(threading.Thread):
    """Reads all tails until each has what is due to it."""

    def __init__(self, tails):
        super().__init__()
        self.tails, self.got, self.stop = tails, [[] for _ in tails], False

    def run(self):
        sel = selectors.DefaultSelector()
        for i, w in enumerate(self.tails):
            w.sock.setblocking(False)
            sel.register(w.sock, selectors.EVENT_READ, i)
        while not self.stop:
            for key, _ in sel.select(0.2):
                w = self.tails[key.data]
                try:
                    while True:
                        op, payload = w.frame()
                        if op == PING:
                            w.send_frame(PONG)
                        elif op == TEXT:
                            self.got[key.data].append(payload)
                        else:
                            raise AssertionError("frame %d %r" % (op, payload))
                except BlockingIOError:
                    pass


async def pusher(port, number, begin):
    """One connection; labels {app="load", s=...}; each line is unique."""
    r, w = await asyncio.open_connection("127.0.0.1", port)
    for k in range(ROUNDS):
        values = [[str(begin + (number * ROUNDS + k) * LINES + i), "p%d r%d l%d" % (number, k, i)] for i in range(LINES)]
        body = json.dumps({"streams": [{"stream": {"app": "load", "s": str(number % STREAMS)}, "values": values}]}).encode()
        while True:
            w.write(b"POST /loki/api/v1/push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            head = await r.readuntil(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 204"):
                break
            raise AssertionError(head)
    w.close()


def test_200_tails_beside_500_pushers():
    budget = 256 << 20
    with Server(limits=LIMITS + ", max_concurrent_tail_requests: 300", args=["-skald.memory-limit=%d" % budget]) as s:
        tails = [tail(s.port, '{app="load", s="%d"}' % (i % STREAMS) if i % 20 else '{app="load"}') for i in range(TAILS)]
        reader = Reader(tails)
        reader.start()
        begin = time.time_ns()

        async def all_of_them():
            await asyncio.gather(*(pusher(s.port, n, begin) for n in range(PUSHERS)))
        asyncio.run(all_of_them())
        every = PUSHERS * ROUNDS * LINES
        want = [every // STREAMS if i % 20 else every for i in range(TAILS)]
        end = time.monotonic() + 25
        seen, known = [0] * TAILS, [0] * TAILS
        while time.monotonic() < end and seen != want:
            time.sleep(0.3)
            for i, frames in enumerate(reader.got):
                seen[i] += sum(f.count(b'{"stream":') for f in frames[known[i]:])
                known[i] = len(frames)
        time.sleep(1)
        reader.stop = True
        reader.join()
        with open("/proc/%d/status" % s.proc.pid) as f:
            memory = {x.split(":")[0]: int(x.split()[1]) << 10 for x in f if x.startswith("Vm")}
        peak, sanitized = memory["VmHWM"], memory["VmPeak"] > 1 << 40  # whose shadow memory counts
        for i, frames in enumerate(reader.got):
            parsed = [json.loads(f) for f in frames]
            assert not any("dropped_entries" in f for f in parsed), "tail %d was told of drops" % i
            lines = [r[2] for r in rows(parsed)]
            assert len(lines) == want[i] == len(set(lines)), "tail %d: %d lines, %d distinct, wanted %d" % (i, len(lines), len(set(lines)), want[i])
            if i % 20:
                assert all(int(x.split()[0][1:]) % STREAMS == i % STREAMS for x in lines)
        assert peak < budget or sanitized, "%d MiB at the peak" % (peak >> 20)
        metrics = s.get("/metrics")[1].decode()
        for w in tails:
            w.sock.close()
        print("      peak %d MiB of %d, %s" % (peak >> 20, budget >> 20, next(x for x in metrics.splitlines() if "tail_bytes" in x and x[0] != "#")))
        end = time.monotonic() + 10
        while time.monotonic() < end and "loki_querier_tail_active 0\n" not in s.get("/metrics")[1].decode():
            time.sleep(0.1)
        metrics = s.get("/metrics")[1].decode()
        assert "loki_querier_tail_active 0\n" in metrics
        assert 'skald_memory_used_bytes{account="queries"} 0\n' in metrics, [x for x in metrics.splitlines() if "memory_used" in x]


if __name__ == "__main__":
    run([v for k, v in sorted(globals().items()) if k.startswith("test_")])
