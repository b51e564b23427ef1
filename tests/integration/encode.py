# SPDX-License-Identifier: Apache-2.0
"""Bodies of pushes in every form, from the records of the data sets. Standard library only."""
import gzip
import json
import struct
import zlib


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(no, data):
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    return varint(no << 3 | 2) + varint(len(data)) + data


def number(no, n):
    return varint(no << 3) + varint(n)


def snappy(data):
    """A snappy block of literals."""
    out = bytearray(varint(len(data)))
    for k in range(0, len(data), 65536):
        part = data[k:k + 65536]
        n = len(part) - 1
        out += bytes([n << 2]) if n < 60 else bytes([61 << 2]) + struct.pack("<H", n)
        out += part
    return bytes(out)


def label_text(labels):
    def quote(v):
        named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
        return '"' + "".join(named.get(c) or ("\\x%02x" % ord(c) if ord(c) < 32 or ord(c) == 127 else c) for c in v) + '"'
    return "{" + ", ".join(k + "=" + quote(v) for k, v in sorted(labels.items())) + "}"


def push_protobuf(streams):
    msg = b""
    for s in streams:
        body = field(1, label_text(s["stream"]))
        for v in s["values"]:
            ns = int(v[0])
            e = field(1, number(1, ns // 10**9) + number(2, ns % 10**9)) + field(2, v[1])
            for k, x in (v[2] if len(v) > 2 else {}).items():
                e += field(3, field(1, k) + field(2, x))
            body += field(2, e)
        msg += field(1, body)
    return snappy(msg)


def deflate(data):
    c = zlib.compressobj(wbits=-15)
    return c.compress(data) + c.flush()


def encode_push(req):
    """(path, headers, body) of one record of a data set; OTLP only as JSON."""
    h = {"X-Scope-OrgID": req["tenant"], "Content-Type": "application/json"}
    if req["format"] == "protobuf":
        h["Content-Type"] = "application/x-protobuf"
        return "/loki/api/v1/push", h, push_protobuf(req["streams"])
    if req["format"].startswith("otlp"):
        return "/otlp/v1/logs", h, json.dumps(req["otlp"], ensure_ascii=False).encode()
    body = json.dumps({"streams": req["streams"]}, ensure_ascii=False).encode()
    if req["format"] == "json-gzip":
        h["Content-Encoding"] = "gzip"
        body = gzip.compress(body, mtime=0)
    return "/loki/api/v1/push", h, body
