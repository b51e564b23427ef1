# SPDX-License-Identifier: Apache-2.0
"""What the tests of skaldctl share: a fake server that replays recorded answers
(tests/golden/http/logcli), and a test case that runs the program against it.
"""
import os
import re
import socketserver
import subprocess
import sys
import threading
import time
import unittest

PROGRAM = None
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "http", "logcli")
RANGE = ["--from=2026-11-22T14:00:00Z", "--to=2026-11-22T14:40:00Z"]
STAMP = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", re.M)


def golden(name):
    with open(os.path.join(GOLDEN, name), "rb") as f:
        return f.read()


def answer(status, body=b"", headers=()):
    lines = ["HTTP/1.1 %d X" % status, "Content-Length: %d" % len(body)] + list(headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Request:
    def __init__(self, head, body):
        lines = head.decode().split("\r\n")
        self.line = lines[0]
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            self.headers[name.lower()] = value
        self.body = body
        self.time = time.monotonic()


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            body = self.rfile.read(int(length.group(1))) if length else b""
            request = Request(head[:-4], body)
            self.server.requests.append(request)
            self.server.arrived.set()
            answers = self.server.answers
            if self.server.respond:
                self.wfile.write(self.server.respond(request))
            else:
                self.wfile.write(answers.pop(0) if answers else answer(599, b"no answer left"))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests, self.answers = [], []
        self.respond = None  # a function from request to answer, instead of the list
        self.arrived = threading.Event()
        self.addr = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.raw_err = code, out, err
        self.err = STAMP.sub("", err)


def environment():
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("LOKI_") and "proxy" not in k.lower()}
    env["TZ"] = "UTC"
    return env


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def run_ctl(self, *args, answers=(), stdin=b"", env=None):
        self.server.answers[:] = answers
        self.server.requests.clear()
        full = environment()
        full.update(env or {})
        p = subprocess.run([PROGRAM, "--addr=" + self.server.addr, *args], input=stdin, env=full,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return Result(p.returncode, p.stdout.decode(), p.stderr.decode())

    def replay(self, name, *args, **more):
        return self.run_ctl(*args, answers=[golden(name + ".resp")], **more)

    def assert_request(self, idx, name, now=False):
        """The idx-th request is the recorded one; `now`: but for the times."""
        want = Request(golden(name + ".req").rstrip(b"\r\n"), b"")
        got = self.server.requests[idx]
        want_line, got_line = want.line, got.line
        if now:
            want_line = re.sub(r"(start|end|time)=\d+", r"\1=NS", want_line)
            got_line = re.sub(r"(start|end|time)=\d{19}\b", r"\1=NS", got_line)
        self.assertEqual(got_line, want_line)
        want.headers["host"] = self.server.addr[len("http://"):]
        want.headers["user-agent"] = "skaldctl/0.1"
        self.assertEqual(got.headers, want.headers)

    def url(self, idx):
        return self.server.addr + self.server.requests[idx].line.split()[1]


def main():
    """The first argument is the path of skaldctl; more of them choose tests."""
    global PROGRAM
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
