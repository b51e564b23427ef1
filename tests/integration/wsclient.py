# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client (RFC 6455) on the standard library, as plain as a test needs it: the handshake, frames both ways, and frames
that no good client would send."""
import base64
import hashlib
import json
import os
import socket
import struct
import time
import urllib.parse

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The answer to the handshake was no 101: status, headers (lower case), body."""

    def __init__(self, status, headers, body):
        super().__init__("%d %r" % (status, body))
        self.status, self.headers, self.body = status, headers, body


def mask(payload, key):
    n = len(payload)
    if n == 0:
        return b""
    whole = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(n, "big")


class WebSocket:
    def __init__(self, port, path, headers=None, rcvbuf=None, timeout=20):
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect(("127.0.0.1", port))
        self.buf, self.pings, self.answer_pings = b"", 0, True
        key = base64.b64encode(os.urandom(16))
        h = {"Host": "127.0.0.1:%d" % port, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": key.decode()}
        h.update(headers or {})
        self.sock.sendall(("GET %s HTTP/1.1\r\n%s\r\n" % (path, "".join("%s: %s\r\n" % kv for kv in h.items() if kv[1] is not None))).encode())
        while b"\r\n\r\n" not in self.buf:
            self.more()
        head, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        self.headers = {k.lower(): v for k, v in (line.split(":", 1) for line in lines[1:])}
        self.headers = {k: v.strip() for k, v in self.headers.items()}
        status = int(lines[0].split()[1])
        if status != 101:
            while len(self.buf) < int(self.headers.get("content-length", 0)):
                self.more()
            self.sock.close()
            raise Refused(status, self.headers, self.buf)
        want = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        assert self.headers["sec-websocket-accept"] == want, self.headers

    def more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError("the server ended the connection")
        self.buf += data

    def frame(self):
        """(opcode, payload) of the next frame, whatever it is."""
        while True:
            b = self.buf
            if len(b) >= 2:
                assert b[0] & 0x70 == 0 and b[0] & 0x80, "reserved bits or a fragment: %r" % b[:2]
                assert b[1] & 0x80 == 0, "a masked frame from the server"
                n, at = b[1], 2
                if n >= 126:
                    size = 2 if n == 126 else 8
                    at += size
                    n = int.from_bytes(b[2:at], "big") if len(b) >= at else None
                if n is not None and len(b) >= at + n:
                    self.buf = b[at + n:]
                    return b[0] & 15, b[at:at + n]
            self.more()

    def send_frame(self, opcode, payload=b"", masked=True, fin=True, rsv=0):
        key = os.urandom(4)
        n = len(payload)
        head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
        flag = 0x80 if masked else 0
        head += bytes([flag | n]) if n < 126 else bytes([flag | 126]) + struct.pack(">H", n) if n < 65536 else bytes([flag | 127]) + struct.pack(">Q", n)
        self.sock.sendall(head + (key + mask(payload, key) if masked else payload))

    def text(self, timeout=None):
        """The next text frame's JSON; answers pings. ("close", code, reason) when the server closes. None after `timeout` s."""
        end = None if timeout is None else time.monotonic() + timeout
        old = self.sock.gettimeout()
        try:
            while True:
                if end is not None:
                    self.sock.settimeout(max(0.01, end - time.monotonic()))
                try:
                    op, payload = self.frame()
                except socket.timeout:
                    if end is not None:
                        return None
                    raise
                if op == PING:
                    self.pings += 1
                    if self.answer_pings:
                        self.send_frame(PONG, payload)
                elif op == CLOSE:
                    code = int.from_bytes(payload[:2], "big") if payload else None
                    return "close", code, payload[2:].decode()
                elif op == TEXT:
                    return json.loads(payload)
        finally:
            self.sock.settimeout(old)

    def close(self, code=1000):
        """The closing handshake; returns the code of the answer and asserts the end."""
        self.send_frame(CLOSE, struct.pack(">H", code))
        while True:
            op, payload = self.frame()
            if op == CLOSE:
                break
        try:
            self.more()
        except EOFError:
            pass
        else:
            raise AssertionError("bytes after the close frame: %r" % self.buf)
        self.sock.close()
        return int.from_bytes(payload[:2], "big")


def tail(port, query, tenant=None, categorize=False, legacy=False, rcvbuf=None, headers=None, **params):
    h = dict(headers or {})
    if tenant:
        h["X-Scope-OrgID"] = tenant
    if categorize:
        h["X-Loki-Response-Encoding-Flags"] = "categorize-labels"
    path = ("/api/prom/tail?" if legacy else "/loki/api/v1/tail?") + urllib.parse.urlencode(dict(params, query=query))
    return WebSocket(port, path, h, rcvbuf)
