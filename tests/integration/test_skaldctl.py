#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs skaldctl against a fake server that replays recorded answers (tests/golden/http/logcli).

Checked are the requests, which must be logcli's but for the User-Agent, and the output.
Usage: test_skaldctl.py PATH_OF_SKALDCTL
"""
import os
import pty
import re
import subprocess
import tempfile
import time
import urllib.parse

import ctltest
from ctltest import RANGE, STAMP, Case, answer, environment, golden

LINES = [
    '2026-11-22T14:29:30Z {detected_level="info", host="h1", tid="t59"}  '
    'level=info i=59 k=1 msg="hello <world>"',
    '2026-11-22T14:29:30Z {detected_level="error", host="h1", tid="t59"} '
    'level=error i=59 k=0 msg="hello <world>"',
    '2026-11-22T14:29:00Z {detected_level="info", host="h0", tid="t58"}  '
    'level=info i=58 k=1 msg="hello <world>"',
    '2026-11-22T14:29:00Z {detected_level="error", host="h0", tid="t58"} '
    'level=error i=58 k=0 msg="hello <world>"',
]


class QueryOutput(Case):
    def query(self, name, *args, **more):
        return self.replay(name, "query", "-z", "UTC", *RANGE, *args, '{app="cli"}', **more)

    def test_default(self):
        r = self.query("query", "--limit=4")
        self.assert_request(0, "query")
        self.assertEqual(r.out.splitlines(), LINES)
        self.assertEqual(r.err, self.url(0) + "\n" +
                         'Common labels: {app="cli", env="dev", service_name="cli"}\n')
        self.assertRegex(r.raw_err, STAMP)
        self.assertEqual(r.code, 0)

    def test_quiet_says_nothing(self):
        r = self.query("query", "--limit=4", "-q", "--include-label=host")
        self.assertEqual(r.err, "")

    def test_forward(self):
        r = self.query("query-forward", "--limit=3", "--forward")
        self.assert_request(0, "query-forward")
        self.assertEqual([l.split(" ")[0] for l in r.out.splitlines()],
                         ["2026-11-22T14:00:00Z", "2026-11-22T14:00:00Z", "2026-11-22T14:00:30Z"])

    def test_raw(self):
        r = self.query("query-raw", "--limit=2", "-o", "raw")
        self.assert_request(0, "query-raw")
        self.assertEqual(r.out, 'level=info i=59 k=1 msg="hello <world>"\n'
                                'level=error i=59 k=0 msg="hello <world>"\n')

    def test_jsonl(self):
        r = self.query("query-jsonl", "--limit=2", "-o", "jsonl")
        self.assert_request(0, "query-jsonl")
        self.assertEqual(
            r.out.splitlines()[0],
            r'{"labels":{"detected_level":"info"},"line":"level=info i=59 k=1 '
            r'msg=\"hello \u003cworld\u003e\"","timestamp":"2026-11-22T14:29:30.000000001Z"}')

    def test_one_stream_has_only_common_labels(self):
        r = self.query("query-bearer", "--limit=1")
        self.assertEqual(r.out, '2026-11-22T14:29:30Z {} level=info i=59 k=1 msg="hello <world>"\n')

    def test_label_flags(self):
        r = self.query("query", "--limit=4", "--include-label=host", "--include-label=tid")
        self.assertIn("Print only labels key: host,tid\n", r.err)
        self.assertEqual(r.out.splitlines()[0],
                         LINES[0].replace('detected_level="info", ', "").replace("  ", " "))
        r = self.query("query", "--limit=4", "--exclude-label=host")
        self.assertIn('Common labels: {app="cli", env="dev", service_name="cli"}\n', r.err)
        self.assertIn("Ignoring labels key: host\n", r.err)
        self.assertEqual(r.out.splitlines()[0], LINES[0].replace('host="h1", ', ""))
        r = self.query("query", "--limit=4", "--include-common-labels")
        self.assertNotIn("Common", r.err)
        self.assertIn('{app="cli", detected_level="info", env="dev", host="h1", '
                      'service_name="cli", tid="t59"}  level', r.out)
        r = self.query("query", "--limit=4", "--include-label=app")
        self.assertIn('14:29:30Z {app="cli"} level', r.out)
        self.assertIn('Common labels: {env="dev", service_name="cli"}\n', r.err)
        r = self.query("query", "--limit=4", "--no-labels")
        self.assertEqual(r.out.splitlines()[0],
                         '2026-11-22T14:29:30Z level=info i=59 k=1 msg="hello <world>"')
        r = self.query("query", "--limit=4", "--labels-length=60")
        self.assertEqual(r.out.splitlines()[0].index("level=info"),
                         len("2026-11-22T14:29:30Z ") + 61)

    def test_time_zone_and_format(self):
        r = self.replay("query", "query", *RANGE, "--limit=4",
                        "--output-timestamp-format=rfc3339nano", '{app="cli"}', env={"TZ": "XYZ-1"})
        self.assertTrue(r.out.startswith("2026-11-22T15:29:30.000000001+01:00 {"))

    def test_colours_only_on_a_terminal(self):
        r = self.query("query", "--limit=4", "--colored-output")
        self.assertNotIn("\033", r.out + r.err)
        self.server.answers[:] = [golden("query.resp")]
        ours, theirs = pty.openpty()
        p = subprocess.run([ctltest.PROGRAM, "--addr=" + self.server.addr, "query", "-z", "UTC",
                            "--limit=4", *RANGE, '{app="cli"}'], stdout=theirs,
                           stderr=subprocess.PIPE, env=environment(), timeout=60)
        os.close(theirs)
        out = os.read(ours, 65536).decode()
        os.close(ours)
        self.assertTrue(out.startswith(
            '\033[34m2026-11-22T14:29:30Z\033[0m \033[31m{detected_level="info", host="h1", '
            'tid="t59"} \033[0m level=info i=59'))
        self.assertIn(b'Common labels: \033[31m{app="cli", env="dev", service_name="cli"}\033[0m\n',
                      p.stderr)

    def test_nothing_found(self):
        r = self.replay("query-none", "query", *RANGE, '{app="nope"}')
        self.assert_request(0, "query-none")
        self.assertEqual((r.code, r.out, r.err), (0, "", self.url(0) + "\n"))

    def test_statistics(self):
        r = self.query("query", "--limit=4", "--stats")
        self.assertIn("\nIngester.TotalReached \t\t\t\t 1\n", r.err)
        self.assertIn("\nIngester.HeadChunkBytes \t\t\t\t 6.6 kB\n", r.err)
        self.assertIn("\nSummary.ExecTime \t\t\t\t 4.837ms\n", r.err)

    def test_metric(self):
        q = 'sum by (host) (count_over_time({app="cli"}[10m]))'
        r = self.replay("query-metric", "query", *RANGE, "--step=10m", q)
        self.assert_request(0, "query-metric")
        self.assertTrue(r.out.startswith(
            '[\n  {\n    "metric": {\n      "host": "h0"\n    },\n    "values": [\n      [\n'
            '        1795356000,\n        "1"\n      ],\n      [\n'), r.out)
        self.assertTrue(r.out.endswith('        "20"\n      ]\n    ]\n  }\n]\n'), r.out)

    def test_interval(self):
        self.query("query-interval", "--limit=3", "--interval=10m")
        self.assert_request(0, "query-interval")


class Instant(Case):
    NOW = "--now=2026-11-22T14:30:00Z"

    def test_vector(self):
        r = self.replay("instant", "instant-query", self.NOW,
                        'sum by (host) (count_over_time({app="cli"}[30m]))')
        self.assert_request(0, "instant")
        self.assertEqual(
            r.out,
            '[\n  {\n    "metric": {\n      "host": "h0"\n    },\n    "value": [\n'
            '      1795357800,\n      "59"\n    ]\n  },\n'
            '  {\n    "metric": {\n      "host": "h1"\n    },\n    "value": [\n'
            '      1795357800,\n      "60"\n    ]\n  }\n]\n')

    def test_scalar(self):
        r = self.replay("instant-scalar", "instant-query", self.NOW, "1+1")
        self.assert_request(0, "instant-scalar")
        self.assertEqual(r.out, '[\n  6023624850173,\n  "2"\n]\n')

    def test_log_query_is_refused_by_the_server(self):
        r = self.replay("instant-log", "instant-query", '{app="cli"}')
        self.assert_request(0, "instant-log", now=True)
        self.assertEqual(r.code, 1)
        self.assertIn("error response from server: log queries are not supported as an instant "
                      "query type, please change your query to a range query type (<nil>) attempts "
                      "remaining: 0\n", r.err)


class Paging(Case):
    def test_batches_of_a_recorded_session(self):
        r = self.run_ctl("query", "-z", "UTC", *RANGE, "--limit=25", "--batch=10", '{app="cli"}',
                         answers=[golden("query-batch-%d.resp" % i) for i in (1, 2, 3)])
        self.assertEqual(r.code, 0, r.err)
        for i in range(3):
            self.assert_request(i, "query-batch-%d" % (i + 1))
            self.assertIn(self.url(i) + "\n", r.err)
        lines = r.out.splitlines()
        self.assertEqual(len(lines), 25)
        self.assertEqual([int(re.search(r" i=(\d+)", l).group(1)) for l in lines],
                         [59 - n // 2 for n in range(25)])
        self.assertEqual(len(set(lines)), 25)

    def test_no_limit_ends_with_a_short_batch(self):
        short = golden("query-none.resp")
        r = self.run_ctl("query", *RANGE, "--limit=0", "--batch=50", '{app="cli"}',
                         answers=[golden("query-limit0.resp"), short])
        self.assert_request(0, "query-limit0")
        self.assertEqual((r.code, len(self.server.requests)), (0, 2))
        self.assertEqual(len(r.out.splitlines()), 50)

    def streams(self, times):
        values = ",".join('["%d","l%d"]' % (t, i) for i, t in enumerate(times))
        body = '{"data":{"resultType":"streams","result":[{"stream":{},"values":[%s]}]}}' % values
        return answer(200, body.encode())

    def test_a_batch_of_one_time_stops(self):
        t = 1795356001000000000
        r = self.run_ctl("query", *RANGE, "--batch=10", "{}", answers=[self.streams([t] * 10)])
        self.assertEqual(r.code, 1)
        self.assertIn("Invalid batch size 10, the next query will have 10 overlapping entries",
                      r.err)
        self.assertIn("Please increase your batch size to at least 11", r.err)

    def test_forward_repeats_the_newest_time(self):
        t = 1795356001000000000
        r = self.run_ctl("query", *RANGE, "--forward", "--batch=3", "-oraw", "{}",
                         answers=[self.streams([t, t + 5, t + 5]), self.streams([])])
        self.assertEqual(r.out, "l0\nl1\nl2\n")
        q = urllib.parse.parse_qs(self.server.requests[1].line.split()[1].split("?")[1])
        self.assertEqual(q["start"], [str(t + 5)])
        self.assertEqual(q["end"], ["1795358400000000000"])


class HeadersAndErrors(Case):
    def test_headers(self):
        r = self.run_ctl("query", *RANGE, "--limit=1", "--username=u", "--password=p", "--nocache",
                         "--header=X-My: v", "--query-tags=Source=cli,Foo=bar", "--org-id=t9",
                         "--compress", '{app="cli"}', answers=[golden("query-headers.resp")])
        self.assertEqual(r.code, 0, r.err)
        self.assert_request(0, "query-headers")

    def test_headers_from_the_environment(self):
        r = self.replay("query-headers", "query", *RANGE, "--limit=1", "--header=X-My: v",
                        '{app="cli"}',
                        env={"LOKI_USERNAME": "u", "LOKI_PASSWORD": "p", "LOKI_NO_CACHE": "true",
                             "LOKI_QUERY_TAGS": "Source=cli,Foo=bar", "LOKI_ORG_ID": "t9",
                             "LOKI_HTTP_COMPRESSION": "1"})
        self.assertEqual(r.code, 0, r.err)
        self.assert_request(0, "query-headers")

    def test_bearer_token(self):
        self.replay("query-bearer", "query", *RANGE, "--limit=1", "--bearer-token=tok",
                    '{app="cli"}')
        self.assert_request(0, "query-bearer")
        with tempfile.NamedTemporaryFile("w") as f:
            f.write("tok\n")
            f.flush()
            self.replay("query-bearer", "query", *RANGE, "--limit=1",
                        "--bearer-token-file=" + f.name, '{app="cli"}')
        self.assert_request(0, "query-bearer")

    def test_other_authorization_header(self):
        self.replay("query-bearer", "query", *RANGE, "--limit=1", "--bearer-token=tok",
                    "--auth-header=X-Auth", '{app="cli"}')
        self.assertEqual(self.server.requests[0].headers["x-auth"], "Bearer tok")
        self.assertNotIn("authorization", self.server.requests[0].headers)

    def test_address_with_a_path(self):
        self.server.addr += "/prefix/"
        self.replay("labels", "labels")
        self.assertTrue(self.server.requests[0].line.startswith("GET /prefix/loki/api/v1/labels?"))

    def test_proxy(self):
        proxy = self.server.addr
        self.server.answers[:] = [golden("labels.resp")]
        p = subprocess.run([ctltest.PROGRAM, "--addr=http://elsewhere.invalid:99", "--proxy-url=" + proxy,
                            "labels"], env=environment(), capture_output=True, timeout=60)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertTrue(self.server.requests[0].line.startswith(
            "GET http://elsewhere.invalid:99/loki/api/v1/labels?"))

    def test_the_environment_names_a_proxy_only_with_envproxy(self):
        env = {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": ""}
        self.assertEqual(self.replay("labels", "labels", env=env).code, 0)
        self.assertEqual(self.replay("labels", "--envproxy", "labels", env=env).code, 1)

    def test_retries(self):
        bad = golden("retries.resp")
        before = time.monotonic()
        r = self.run_ctl("--retries=2", "--min-backoff=1", "--max-backoff=1", "query", "{app=",
                         answers=[bad, bad, bad])
        self.assertGreater(time.monotonic() - before, 1.9)
        self.assertEqual(r.code, 1)
        self.assert_request(2, "retries", now=True)
        text = "error response from server: parse error at line 1, col 6: syntax error: " \
               "unexpected $end, expecting STRING (<nil>) attempts remaining: %d\n"
        self.assertEqual(r.err, self.url(0) + "\n" + text % 2 + text % 1 + text % 0 +
                         "Query failed: run out of attempts while querying the server\n")

    def test_retry_helps(self):
        r = self.run_ctl("--retries=1", "labels", "host",
                         answers=[answer(500, b"oops"), golden("label-values.resp")])
        self.assertEqual((r.code, r.out), (0, "h0\nh1\n"))

    def test_nobody_listens(self):
        p = subprocess.run([ctltest.PROGRAM, "--addr=http://127.0.0.1:1", "query", "{}"], env=environment(),
                           capture_output=True, text=True, timeout=60)
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr, r'error sending request Get "http://127.0.0.1:1/[^"]*": '
                                   r'dial tcp 127.0.0.1:1: connect: connection refused\n')
        self.assertTrue(p.stderr.endswith(
            "Query failed: run out of attempts while querying the server\n"))

    def test_answers_that_are_none(self):
        for body in (b"", b"<html>", b"{}", b'{"data":{"resultType":"streams","result":[5]}}'):
            r = self.run_ctl("query", "{}", answers=[answer(200, body)])
            self.assertEqual((r.code, r.out), (1, ""))
            self.assertIn("Query failed: the answer", r.err)

    def test_time_without_zone(self):
        r = self.run_ctl("query", "--from=2026-11-22T14:00:00", "{}")
        self.assertEqual(r.code, 1)
        self.assertIn('Unable to parse time parsing time "2026-11-22T14:00:00"', r.err)
        self.assertEqual(self.server.requests, [])

    def test_command_line(self):
        r = self.run_ctl("--nope")
        self.assertEqual((r.code, r.err),
                         (1, "skaldctl: error: unknown long flag '--nope', try --help\n"))
        for args in (["query", "--store-config=x", "{}"], ["query", "--remote-schema", "{}"]):
            r = self.run_ctl(*args)
            self.assertEqual(r.code, 1)
            self.assertIn("is not available in", r.err)
        for args, text in ((["delete"], "must select a subcommand of 'delete'"),
                           (["delete", "all"], 'expected command but got "all"'),
                           (["create"], 'expected command but got "create"'),
                           (["delete", "create"], "required argument 'query' not provided"),
                           (["detected-fields"], "required argument 'query' not provided"),
                           (["delete", "cancel"], "required flag --request-id not provided"),
                           (["delete", "list", "x"], "unexpected 'x'")):
            r = self.run_ctl(*args)
            self.assertEqual((r.code, r.err), (1, "skaldctl: error: %s, try --help\n" % text))
        self.assertEqual(self.run_ctl().code, 0)
        r = self.run_ctl("--version")
        self.assertEqual((r.code, r.out), (0, ""))
        self.assertIn("0.1", r.err)
        r = self.run_ctl("--help")
        self.assertEqual(r.code, 0)
        self.assertIn("LOKI_ADDR", r.out)
        self.assertIn("--analyze-labels", self.run_ctl("--help-long").out)


class Lists(Case):
    def span(self):
        q = urllib.parse.parse_qs(self.server.requests[0].line.split()[1].split("?")[1])
        return int(q["end"][0]) - int(q["start"][0])

    def test_labels(self):
        r = self.replay("labels", "labels")
        self.assert_request(0, "labels", now=True)
        self.assertEqual(self.span(), 3600 * 10**9)
        self.assertEqual(r.out.splitlines()[:3], ["__x__", "app", "b"])
        self.assertEqual(r.err, self.url(0) + "\n")

    def test_label_values(self):
        r = self.replay("label-values", "labels", "host")
        self.assert_request(0, "label-values", now=True)
        self.assertEqual(r.out, "h0\nh1\n")

    def test_no_labels(self):
        r = self.run_ctl("labels", answers=[answer(200, b'{"status":"success"}\n')])
        self.assertEqual((r.code, r.out), (0, ""))

    def test_series(self):
        r = self.replay("series", "series", '{app="cli"}')
        self.assert_request(0, "series", now=True)
        self.assertEqual(r.out, '{app="cli", env="dev", host="h0", service_name="cli"}\n'
                                '{app="cli", env="dev", host="h1", service_name="cli"}\n')
        r = self.replay("series-all", "series", "--since=1m", "{}")
        self.assert_request(0, "series-all", now=True)
        self.assertEqual((r.out, self.span()), ("", 60 * 10**9))

    def test_analyze_labels(self):
        r = self.replay("series-analyze", "series", "--analyze-labels", '{app="cli"}')
        self.assert_request(0, "series-analyze", now=True)
        self.assertEqual(r.out, "Total Streams:  2\n"
                                "Unique Labels:  4\n"
                                "\n"
                                "Label Name    Unique Values  Found In Streams\n"
                                "host          2              2\n"
                                "app           1              2\n"
                                "env           1              2\n"
                                "service_name  1              2\n")

    def test_stats(self):
        r = self.replay("stats", "stats", *RANGE, '{app="cli"}')
        self.assert_request(0, "stats")
        self.assertEqual(r.out, "{\n  bytes: 0B\n  chunks: 0\n  streams: 0\n  entries: 0\n}\n")
        r = self.run_ctl("stats", "{}", answers=[answer(
            200, b'{"streams":3,"chunks":4,"bytes":1234567,"entries":5}\n')])
        self.assertEqual(r.out, "{\n  bytes: 1.2MB\n  chunks: 4\n  streams: 3\n  entries: 5\n}\n")

    def test_stdin_is_queried_without_a_server(self):
        lines = b"level=info a=1\nlevel=error a=2\n\nlevel=error a=3"
        r = self.run_ctl("--stdin", "query", '{foo="bar"} | logfmt | level="error"', "-o", "raw", stdin=lines)
        self.assertEqual((r.code, r.out), (0, "level=error a=2\nlevel=error a=3\n"))
        self.assertIn('Common labels: {level="error", source="logcli"}', r.err)
        r = self.run_ctl("--stdin", "query", '| logfmt | line_format "{{.a}}"', "-o", "raw", "--limit=1", stdin=lines)
        self.assertEqual((r.code, r.out), (0, "1\n"))
        r = self.run_ctl("--stdin", "query", 'count_over_time({a="b"}[1m])', stdin=lines)
        self.assertEqual((r.code, r.out), (1, ""))
        self.assertIn("Query failed: metrics Query: not supported", r.err)
        r = self.run_ctl("--stdin", "query", '|= "a" |', stdin=lines)
        self.assertEqual((r.code, r.out), (1, ""))
        self.assertIn("parse error", r.err)

    def test_fmt(self):
        r = self.run_ctl("fmt", stdin=b'{app="x"}|="y"|logfmt\n')
        self.assertEqual((r.code, r.out), (0, '{app="x"} |= "y" | logfmt\n'))
        r = self.run_ctl("fmt", stdin=b"{app=\n")
        self.assertEqual(r.code, 1)
        self.assertIn("unable to format logql: failed to parse the query: parse error at line 2, "
                      "col 1: ", r.err)


def snappy(data):
    """Decompresses a raw snappy block."""
    size = shift = pos = 0
    while True:
        b = data[pos]
        size |= (b & 127) << shift
        pos, shift = pos + 1, shift + 7
        if b < 128:
            break
    out = bytearray()
    while pos < len(data):
        tag = data[pos]
        pos += 1
        if tag & 3 == 0:
            n = tag >> 2
            if n >= 60:
                extra = n - 59
                n = int.from_bytes(data[pos:pos + extra], "little")
                pos += extra
            out += data[pos:pos + n + 1]
            pos += n + 1
            continue
        if tag & 3 == 1:
            n, off = (tag >> 2 & 7) + 4, tag >> 5 << 8 | data[pos]
            pos += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            n, off = (tag >> 2) + 1, int.from_bytes(data[pos:pos + width], "little")
            pos += width
        while n > 0:  # a copy may overlap what it makes
            piece = out[len(out) - off:][:n]
            out += piece
            n -= len(piece)
    assert len(out) == size
    return bytes(out)


def fields(data):
    """(number, value) of a protobuf message."""
    pos = 0

    def varint():
        nonlocal pos
        v = shift = 0
        while True:
            b = data[pos]
            v |= (b & 127) << shift
            pos, shift = pos + 1, shift + 7
            if b < 128:
                return v

    while pos < len(data):
        tag = varint()
        if tag & 7 == 2:
            n = varint()
            yield tag >> 3, data[pos:pos + n]
            pos += n
        else:
            assert tag & 7 == 0
            yield tag >> 3, varint()


def pushed(request):
    """Labels and [(ns, line)] of a push of one stream."""
    (_, stream), = fields(snappy(request.body))
    labels, entries = None, []
    for number, value in fields(stream):
        if number == 1:
            labels = value.decode()
            continue
        entry = dict(fields(value))
        ts = dict(fields(entry[1]))
        entries.append((ts.get(1, 0) * 10**9 + ts.get(2, 0), entry.get(2, b"")))
    return labels, entries


OK = answer(204)


class Push(Case):
    def test_lines_of_stdin(self):
        before = time.time_ns()
        r = self.run_ctl("push", "--label=job=a\"b", "--labels={env='dev'}", answers=[OK],
                         stdin=b"one\n\ntwo\r\nthree")
        self.assertEqual((r.code, r.out), (0, ""), r.err)
        request = self.server.requests[0]
        self.assertEqual(request.line, "POST /loki/api/v1/push HTTP/1.1")
        self.assertEqual(request.headers["content-type"], "application/x-protobuf")
        self.assertEqual(request.headers["user-agent"], "skaldctl/0.1")
        labels, entries = pushed(request)
        self.assertEqual(labels, '{env="dev", job="a\\"b"}')
        self.assertEqual([l for _, l in entries], [b"one", b"", b"two", b"three"])
        times = [t for t, _ in entries]
        self.assertTrue(before <= times[0] and times[-1] <= time.time_ns() + 10)
        self.assertEqual(times, sorted(set(times)))
        self.assertRegex(r.err, r'^Pushed 4 lines, 11B, in 1 requests, to stream '
                                r'\{env="dev", job="a\\"b"\} in [0-9.]+m?s\n$')

    def test_large_input_is_cut_into_batches(self):
        lines = [b"%06d " % i + b"x" * (i % 500) for i in range(20000)]
        with tempfile.NamedTemporaryFile() as a, tempfile.NamedTemporaryFile() as b:
            a.write(b"\n".join(lines[:12000]) + b"\n")
            b.write(b"\n".join(lines[12000:]))
            a.flush()
            b.flush()
            r = self.run_ctl("-q", "push", "--label=a=b", a.name, b.name, answers=[OK] * 20)
        self.assertEqual((r.code, r.err), (0, ""))
        pushes = [pushed(q)[1] for q in self.server.requests]
        entries = sum(pushes, [])
        self.assertEqual([l for _, l in entries], lines)
        times = [t for t, _ in entries]
        self.assertTrue(all(x < y for x, y in zip(times, times[1:])))
        self.assertGreater(len(pushes), 4)
        for q in self.server.requests:
            self.assertLessEqual(len(snappy(q.body)), 1 << 20)

    def test_a_slow_line_is_sent_within_a_second(self):
        self.server.answers[:] = [OK, OK]
        p = subprocess.Popen([ctltest.PROGRAM, "--addr=" + self.server.addr, "push", "--label=a=b"],
                             stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        begin = time.monotonic()
        p.stdin.write(b"early\nhalf")
        p.stdin.flush()
        self.assertTrue(self.server.arrived.wait(20))
        self.assertGreater(self.server.requests[0].time - begin, 0.9)
        self.assertEqual(pushed(self.server.requests[0])[1][0][1], b"early")
        p.stdin.write(b" line\n")
        _, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 0, err)
        self.assertEqual([l for _, l in pushed(self.server.requests[1])[1]], [b"half line"])

    def test_a_signal_ends_reading_and_sends_what_was_read(self):
        self.server.answers[:] = [OK, OK]
        p = subprocess.Popen([ctltest.PROGRAM, "--addr=" + self.server.addr, "push", "--label=a=b"],
                             stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        p.stdin.write(b"first\n")
        p.stdin.flush()
        self.assertTrue(self.server.arrived.wait(20))
        p.send_signal(2)
        _, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 0, err)
        self.assertIn(b"Pushed 1 lines", err)

    def test_busy_servers_are_asked_again(self):
        r = self.run_ctl("--min-backoff=0", "--max-backoff=0", "push", "--label=a=b", stdin=b"x\n",
                         answers=[answer(429, b"slow down\n"), answer(503), OK])
        self.assertEqual(r.code, 0, r.err)
        self.assertEqual(len({q.body for q in self.server.requests}), 1)
        self.assertEqual(len(self.server.requests), 3)
        self.assertIn("error response from server: 429: slow down attempts remaining: 5\n", r.err)
        self.assertIn("Pushed 1 lines", r.err)

    def test_giving_up(self):
        r = self.run_ctl("--retries=1", "--min-backoff=0", "push", "--label=a=b", stdin=b"x\ny\n",
                         answers=[answer(500, b"no"), answer(500, b"no"), OK])
        self.assertEqual((r.code, len(self.server.requests)), (1, 2))
        self.assertIn("2 lines that were read could not be sent\n", r.err)

    def test_refused_lines_are_told_and_the_rest_is_sent(self):
        lines = b"".join(b"%d " % i + b"x" * 1000 + b"\n" for i in range(1500))
        r = self.run_ctl("push", "--label=a=b", stdin=lines, answers=[answer(400, b"bad\n"), OK])
        self.assertEqual((r.code, len(self.server.requests)), (1, 2))
        self.assertIn("error response from server: 400: bad attempts remaining: 0\n", r.err)
        self.assertIn("The server refused lines in 1 requests of ", r.err)
        r = self.run_ctl("push", "--label=a=b", stdin=lines, answers=[answer(401, b"no\n"), OK])
        self.assertEqual((r.code, len(self.server.requests)), (1, 1))

    def test_lines_without_end_are_left_out(self):
        r = self.run_ctl("push", "--label=a=b", stdin=b"a\n" + b"x" * (1 << 21) + b"\nb\n",
                         answers=[OK, OK])
        self.assertEqual(r.code, 1)
        self.assertIn("1 lines are longer than 1048576 bytes and were left out\n", r.err)
        self.assertEqual([l for q in self.server.requests for _, l in pushed(q)[1]], [b"a", b"b"])

    def test_mistakes(self):
        for args, text in ((["push"], "give the stream a label"),
                           (["push", "--label=x"], "--label wants name=value, got 'x'"),
                           (["push", "--label=a-b=c"], "--label wants name=value"),
                           (["push", "--label=a=1", "--label=a=2"], "label 'a' is given twice"),
                           (["push", "--labels={a"], "couldn't parse labels: "),
                           (["push", "--label=a=b", "/nonexistent"],
                            "cannot open /nonexistent: No such file or directory")):
            r = self.run_ctl(*args)
            self.assertEqual(r.code, 1)
            self.assertIn(text, r.err)
            self.assertEqual(self.server.requests, [])


if __name__ == "__main__":
    ctltest.main()
