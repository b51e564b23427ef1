# SPDX-License-Identifier: Apache-2.0
"""Malformed requests of tests/golden/badinput.jsonl: their bytes, how they are sent, how an answer is judged.

One case a line:
  id, cat, why      what the case is and why it matters
  method, target, headers ([[name, value], ...]), body (list of body parts)      an ordinary request, or
                    (target and header values may be lists of body parts too)
  raw (list of body parts), read_s                                               bytes sent on the socket as they are
  slow {chunk, gap_s, limit_s}   the bytes are sent slowly; the server must end the connection within limit_s
  auth              true: the case is for a server with auth_enabled: true (run with --auth)
  expect            "4xx"     a status of 400..499
                    "2xx"     a control: the request is legal and must succeed
                    "ok"      any status below 500 (the request is odd, not wrong)
                    "refuse"  4xx, 501, 505, or the connection is closed without a status
                    "any"     no 5xx (501 and 505 aside); no answer while the request is incomplete is fine
                    "end"     slow case: the connection ends within limit_s
  loki              what Loki 3.7.6 answered: status (0: closed without an answer), body (start), ms
Body parts: {"s": text} {"b64": bytes} {"rep": text, "n": count} {"nest": text, "n": count, "mid": text, "close": text}
  {"seq": format, "n": count, "sep": text} {"url": parts} (percent-encoded) {"gzip": parts} {"deflate": parts} {"snappy": parts} {"snappy_run": n} {"zstd_run": n} {"pbpush": {...}} {"now_ns": offset_s}
"""
import base64
import re
import socket
import struct
import threading
import time
import urllib.parse
import zlib


def varint(n):
    n &= (1 << 64) - 1
    o = bytearray()
    while n > 127:
        o.append(n & 127 | 128)
        n >>= 7
    o.append(n)
    return bytes(o)


def snappy_literal(b):
    """A valid snappy block made of literals only."""
    o = [varint(len(b))]
    for i in range(0, len(b), 65536):
        c = b[i:i + 65536]
        n = len(c) - 1
        o.append(bytes([n << 2]) if n < 60 else bytes([61 << 2]) + struct.pack("<H", n))
        o.append(c)
    return b"".join(o)


def snappy_run(n, ch=b"a"):
    """n equal bytes, 3 compressed bytes for each 64."""
    o = [varint(n), b"\x00", ch]
    left = n - 1
    o.append((bytes([(63 << 2) | 2]) + b"\x01\x00") * (left // 64))
    left %= 64
    if left:
        o.append(bytes([((left - 1) << 2) | 2]) + b"\x01\x00")
    return b"".join(o)


def zstd_run(n, ch=b"a"):
    """A zstd frame of RLE blocks: 4 bytes for each 128 KiB."""
    o = [b"\x28\xb5\x2f\xfd", b"\x00", b"\x58"]      # magic, descriptor (no size, window follows), 2 MiB window
    while n > 0:
        k = min(n, 131072)
        n -= k
        o.append(struct.pack("<I", (k << 3) | (1 << 1) | (1 if n == 0 else 0))[:3] + ch)
    return b"".join(o)


def compress(parts, wbits):
    z = zlib.compressobj(6, zlib.DEFLATED, wbits)
    out = []
    for p in parts:
        if "rep" in p:
            u = p["rep"].encode()
            k = max(1, (1 << 20) // len(u))
            big, n = u * k, p["n"]
            while n >= k:
                out.append(z.compress(big))
                n -= k
            out.append(z.compress(u * n))
        else:
            out.append(z.compress(build([p])))
    out.append(z.flush())
    return b"".join(out)


def pbpush(d):
    """Loki push protobuf: {"streams":[{"labels":text,"entries":[[sec,nanos,text]],"meta":[[k,v]]}]}; texts may be {"b64":..} or {"rep":..,"n":..}."""
    def tx(v):
        return build([v]) if isinstance(v, dict) else v.encode()

    def ld(f, b):
        return varint(f << 3 | 2) + varint(len(b)) + b
    out = b""
    for s in d["streams"]:
        b = ld(1, tx(s["labels"])) if "labels" in s else b""
        for e in s.get("entries", []):
            sec = int(time.time()) + int(e[0][4:] or 0) if isinstance(e[0], str) else e[0]
            ts = varint(1 << 3) + varint(sec) + varint(2 << 3) + varint(e[1])
            x = ld(1, ts) + ld(2, tx(e[2]))
            for k, v in s.get("meta", []):
                x += ld(3, ld(1, tx(k)) + ld(2, tx(v)))
            b += ld(2, x)
        if "hash" in s:
            b += varint(3 << 3) + varint(s["hash"])
        out += ld(1, b)
    return out


def build(parts):
    o = []
    for p in parts or []:
        if "s" in p:
            o.append(p["s"].encode())
        elif "b64" in p:
            o.append(base64.b64decode(p["b64"]))
        elif "rep" in p:
            o.append(p["rep"].encode() * p["n"])
        elif "nest" in p:
            o.append(p["nest"].encode() * p["n"] + p.get("mid", "").encode() + p.get("close", "").encode() * p["n"])
        elif "gzip" in p:
            o.append(compress(p["gzip"], 31))
        elif "deflate" in p:
            o.append(compress(p["deflate"], -15))
        elif "snappy" in p:
            o.append(snappy_literal(build(p["snappy"])))
        elif "snappy_run" in p:
            o.append(snappy_run(p["snappy_run"]))
        elif "zstd_run" in p:
            o.append(zstd_run(p["zstd_run"]))
        elif "pbpush" in p:
            o.append(pbpush(p["pbpush"]))
        elif "seq" in p:
            o.append(p.get("sep", "").join(p["seq"] % i for i in range(p["n"])).encode())
        elif "url" in p:
            o.append(urllib.parse.quote_from_bytes(build(p["url"]), safe="").encode())
        elif "now_ns" in p:
            o.append(str(time.time_ns() + p["now_ns"] * 10**9).encode())
        else:
            raise ValueError("unknown part %r" % p)
    return b"".join(o)


def request_bytes(c):
    if "raw" in c:
        return build(c["raw"])
    body = build(c.get("body"))
    tx = lambda v: v if isinstance(v, str) else build(v).decode()
    h = [[k, tx(v)] for k, v in c.get("headers", [])]
    names = {k.lower() for k, _ in h}
    if "host" not in names:
        h.insert(0, ["Host", "127.0.0.1"])
    if body and not names & {"content-length", "transfer-encoding"}:
        h.append(["Content-Length", str(len(body))])
    if "connection" not in names:
        h.append(["Connection", "close"])
    head = "%s %s HTTP/1.1\r\n" % (c.get("method", "GET"), tx(c["target"])) + "".join("%s: %s\r\n" % (k, v) for k, v in h) + "\r\n"
    return head.encode("utf-8", "surrogateescape") + body


def talk(port, data, read_s, slow=None):
    """Returns (list of statuses, first body, seconds, closed by peer).  Statuses is empty if the peer closed without an answer."""
    t0 = time.monotonic()
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buf, closed = b"", False

    def reader():
        nonlocal buf, closed
        s.settimeout(read_s)
        try:
            while len(buf) < 1 << 20:
                d = s.recv(65536)
                if not d:
                    closed = True
                    return
                buf += d
        except (ConnectionResetError, BrokenPipeError):
            closed = True
        except OSError:
            pass
    th = threading.Thread(target=reader, daemon=True)
    th.start()
    try:
        if slow:
            end = t0 + slow["limit_s"] + 3
            i = 0
            while i < len(data) and th.is_alive() and time.monotonic() < end:
                s.sendall(data[i:i + slow["chunk"]])
                i += slow["chunk"]
                time.sleep(slow["gap_s"])
            while th.is_alive() and time.monotonic() < end:
                time.sleep(0.2)
        else:
            s.settimeout(max(read_s, 10))
            s.sendall(data)
    except OSError:
        closed = True
    th.join(read_s if not slow else 0.5)
    dt = time.monotonic() - t0
    try:
        s.close()
    except OSError:
        pass
    st, i = [], 0
    body = b""
    for m in re.finditer(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n", buf):
        st.append(int(m.group(1)))
    if b"\r\n\r\n" in buf:
        body = buf.split(b"\r\n\r\n", 1)[1]
        head = buf.split(b"\r\n\r\n", 1)[0].lower()
        if b"transfer-encoding: chunked" in head and b"\r\n" in body:
            body = body.split(b"\r\n", 1)[1]
    return st, body[:400].decode("utf-8", "replace"), dt, closed


def judge(c, st, dt, closed, up):
    e = c["expect"]
    if not up:
        return "DOWN"
    if any(x >= 500 for x in st) and not (e in ("refuse", "any") and all(x in (501, 505) for x in st if x >= 500)):
        return "5xx"
    if e == "any":
        return "pass"
    if e == "end":
        return "pass" if dt <= c["slow"]["limit_s"] + 2 and (closed or st) else "open"
    if not st:
        if e == "refuse" and closed:
            return "pass"
        return "closed" if closed else "hang"
    fin = [x for x in st if x != 100] or st
    if e == "refuse":
        return "pass" if all(400 <= x < 500 or x in (501, 505) for x in fin) else "accepted"
    if e == "4xx":
        return "pass" if 400 <= fin[0] < 500 else "accepted"
    if e == "2xx":
        return "pass" if 200 <= fin[0] < 300 else "refused"
    return "pass"
