#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How skaldctl reaches a server (addresses, TLS, proxies, repetitions), colours and statistics.

Usage: test_skaldctl_client.py PATH_OF_SKALDCTL
"""
import gzip
import json
import os
import pty
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest

import ctltest
from ctltest import RANGE, STAMP, Case, answer, environment, golden

APP = '{app="cli"}'


class Environment(Case):
    """Each variable does what its flag does."""

    def labels(self, env, *args):
        full = environment()
        full["LOKI_ADDR"] = self.server.addr
        full.update(env)
        self.server.requests.clear()
        self.server.answers[:] = [golden("labels.resp")]
        p = subprocess.run([ctltest.PROGRAM, *args, "labels"], env=full, capture_output=True,
                           text=True, timeout=60)
        self.assertEqual(p.returncode, 0, p.stderr)
        return self.server.requests[0].headers

    def test_each(self):
        token = tempfile.NamedTemporaryFile("w")
        self.addCleanup(token.close)
        token.write("filed\n")
        token.flush()
        plain = self.labels({})
        self.assertEqual(set(plain), {"host", "user-agent"})
        for env, flag, name, value in (
                ({"LOKI_BEARER_TOKEN": "tok"}, "--bearer-token=tok", "authorization", "Bearer tok"),
                ({"LOKI_BEARER_TOKEN_FILE": token.name}, "--bearer-token-file=" + token.name,
                 "authorization", "Bearer filed"),
                ({"LOKI_USERNAME": "u"}, "--username=u", "authorization", "Basic dTo="),
                ({"LOKI_ORG_ID": "t9"}, "--org-id=t9", "x-scope-orgid", "t9"),
                ({"LOKI_QUERY_TAGS": "a=b"}, "--query-tags=a=b", "x-query-tags", "a=b"),
                ({"LOKI_NO_CACHE": "1"}, "--nocache", "cache-control", "no-cache"),
                ({"LOKI_HTTP_COMPRESSION": "true"}, "--compress", "accept-encoding", "gzip")):
            for headers in (self.labels(env), self.labels({}, flag)):
                self.assertEqual(headers, dict(plain, **{name: value}))
        headers = self.labels({"LOKI_AUTH_HEADER": "X-A", "LOKI_USERNAME": "u",
                               "LOKI_PASSWORD": "p"})
        self.assertEqual(headers["x-a"], "Basic dTpw")
        self.assertNotIn("accept-encoding", self.labels({"LOKI_HTTP_COMPRESSION": "1"},
                                                        "--no-compress"))

    def test_headers_may_be_repeated(self):
        headers = self.labels({}, "--header=X-One: 1", "--header", "X-Two:2")
        self.assertEqual((headers["x-one"], headers["x-two"]), ("1", "2"))

    def test_proxy(self):
        env = {"LOKI_ADDR": "http://elsewhere.invalid", "LOKI_HTTP_PROXY_URL": self.server.addr}
        self.assertEqual(self.labels(env)["host"], "elsewhere.invalid")
        env = {"LOKI_ADDR": "http://elsewhere.invalid", "LOKI_ENV_PROXY": "true",
               "HTTP_PROXY": self.server.addr}
        self.assertEqual(self.labels(env)["host"], "elsewhere.invalid")

    def test_compressed_answers_are_unpacked(self):
        body = gzip.compress(b'{"status":"success","data":["zipped"]}')
        r = self.run_ctl("--compress", "labels",
                         answers=[answer(200, body, ["Content-Encoding: gzip"])])
        self.assertEqual((r.code, r.out), (0, "zipped\n"))


class Repetition(Case):
    def test_each_attempt_is_told(self):
        p = subprocess.run([ctltest.PROGRAM, "--addr=http://127.0.0.1:1", "--retries=2", "labels"],
                           env=environment(), capture_output=True, text=True, timeout=60)
        err = STAMP.sub("", p.stderr).splitlines()
        self.assertEqual((p.returncode, len(err)), (1, 5))
        self.assertEqual(err[1], err[3])
        self.assertRegex(err[1], r'^error sending request Get "http://127.0.0.1:1/loki/.*": dial '
                                 r"tcp 127.0.0.1:1: connect: connection refused$")
        self.assertEqual(err[4], "Error doing request: run out of attempts while querying the "
                                 "server")

    def test_waits_are_between_the_bounds(self):
        times = []

        def respond(request):
            times.append(time.monotonic())
            return answer(503, b"no")

        self.server.respond = respond
        env = {"LOKI_CLIENT_RETRIES": "2", "LOKI_CLIENT_MIN_BACKOFF": "1",
               "LOKI_CLIENT_MAX_BACKOFF": "1"}
        self.assertEqual(self.run_ctl("labels", env=env).code, 1)
        self.assertEqual(len(times), 3)
        self.assertTrue(all(0.9 < b - a < 5 for a, b in zip(times, times[1:])))


@unittest.skipIf(shutil.which("openssl") is None, "openssl makes the certificates")
class Tls(Case):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name in ("server", "client"):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(name + ".key"), "-out",
                 self.path(name + ".crt"), "-subj", "/CN=" + name, "-addext",
                 "subjectAltName=IP:127.0.0.1", "-days", "2"], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.path("server.crt"), self.path("server.key"))
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        self.server.handle_error = lambda *args: None  # handshakes that clients break off
        self.server.addr = self.server.addr.replace("http:", "https:")

    def path(self, name):
        return os.path.join(self.folder, name)

    def labels(self, *args, env=None):
        return self.run_ctl(*args, "labels", answers=[golden("labels.resp")], env=env)

    def test_the_certificate_is_checked(self):
        r = self.labels()
        self.assertEqual((r.code, r.out), (1, ""))
        self.assertIn("error sending request Get ", r.err)
        self.assertEqual(self.labels("--ca-cert=" + self.path("client.crt")).code, 1)
        self.assertEqual(self.labels("--ca-cert=" + self.path("server.crt")).code, 0)
        self.assertEqual(self.labels(env={"LOKI_CA_CERT_PATH": self.path("server.crt")}).code, 0)

    def test_or_not(self):
        self.assertEqual(self.labels("--tls-skip-verify").code, 0)
        self.assertEqual(self.labels(env={"LOKI_TLS_SKIP_VERIFY": "true"}).code, 0)

    def test_certificate_of_the_client(self):
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(self.path("client.crt"))
        self.assertEqual(self.labels("--tls-skip-verify").code, 1)
        r = self.labels("--tls-skip-verify", "--cert=" + self.path("client.crt"),
                        "--key=" + self.path("client.key"))
        self.assertEqual(r.code, 0, r.err)
        r = self.labels("--tls-skip-verify", env={"LOKI_CLIENT_CERT_PATH": self.path("client.crt"),
                                                  "LOKI_CLIENT_KEY_PATH": self.path("client.key")})
        self.assertEqual(r.code, 0, r.err)


class Colours(Case):
    LINE = re.compile(r"^\033\[34m[^ ]*\033\[0m (\033\[\d+m)(\{[^}]*\}) *\033\[0m ")

    def on_terminal(self, *args):
        ours, theirs = pty.openpty()
        self.server.answers[:] = [golden("query.resp")]
        subprocess.run([ctltest.PROGRAM, "--addr=" + self.server.addr, "-q", "query", "-z", "UTC",
                        "--limit=4", *RANGE, *args, APP], stdout=theirs, env=environment(),
                       timeout=60)
        os.close(theirs)
        out = os.read(ours, 65536).decode()
        os.close(ours)
        return out

    def test_one_colour(self):
        found = [self.LINE.match(l) for l in self.on_terminal().splitlines()]
        self.assertEqual({m.group(1) for m in found}, {"\033[31m"})
        self.assertEqual(len(found), 4)

    def test_a_colour_for_each_set(self):
        found = [self.LINE.match(l) for l in self.on_terminal("--colored-output").splitlines()]
        colours = {}
        for m in found:
            colours.setdefault(m.group(2), set()).add(m.group(1))
        self.assertEqual((len(found), {len(c) for c in colours.values()}), (4, {1}))
        self.assertGreater(len(set.union(*colours.values())), 1)

    def test_other_outputs_have_none(self):
        for output in ("raw", "jsonl"):
            self.assertNotIn("\033", self.on_terminal("--colored-output", "-o", output))


class Statistics(Case):
    def test_every_counter_of_the_answer(self):
        raw = golden("query.resp").split(b"\r\n\r\n", 1)[1]
        body = b""
        while not raw.startswith(b"0\r\n"):
            size, rest = raw.split(b"\r\n", 1)
            body, raw = body + rest[:int(size, 16)], rest[int(size, 16) + 2:]
        stats = json.loads(body)["data"]["stats"]
        want = set()

        def walk(section, value):
            for name, v in value.items():
                if isinstance(v, dict):
                    walk(section, v)
                elif not isinstance(v, bool):
                    want.add("%s.%s%s" % (section, name[0].upper(), name[1:]))

        for section in ("ingester", "querier", "summary"):
            walk(section.capitalize(), stats[section])
        for kind, value in stats["cache"].items():
            walk("Cache.%s%s" % (kind[0].upper(), kind[1:]), value)
        r = self.replay("query", "--stats", "-q", "query", "--limit=4", *RANGE, APP)
        lines = [l.split(" \t\t\t\t ") for l in r.err.splitlines()]
        self.assertEqual({l[0] for l in lines}, want)
        values = dict(lines)
        self.assertEqual(values["Ingester.RecvWaitTime"], "1.269ms")
        self.assertEqual(values["Summary.BytesProcessedPerSecond"], "1.4 MB")

    def test_missing_ones_are_zero(self):
        body = b'{"data":{"resultType":"streams","result":[]}}'
        r = self.run_ctl("--stats", "-q", "query", "{}", answers=[answer(200, body)])
        values = dict(l.split(" \t\t\t\t ") for l in r.err.splitlines())
        self.assertEqual((values["Ingester.TotalReached"], values["Summary.ExecTime"],
                          values["Querier.DecompressedBytes"]), ("0", "0s", "0 B"))


if __name__ == "__main__":
    ctltest.main()
