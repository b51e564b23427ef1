#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS: versions, suites, client certificates, a new certificate under open connections, hostile and slow clients, and
the texts of a start that cannot succeed. Certificates are made here with the openssl program."""
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time

from skaldtest import Server, config_text, run

T0 = 1_768_467_600_000_000_000


def sh(*args, stdin=b"", ok=True):
    p = subprocess.run(args, input=stdin, capture_output=True, timeout=60)
    if ok and p.returncode != 0:
        raise AssertionError("%s: %s" % (" ".join(args), p.stderr.decode()))
    return p


class Certs:
    """Two authorities, certificates of the server and of clients, in a folder of their own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="skald-certs-")
        for ca in ("ca", "otherca"):
            self.key(ca)
            sh("openssl", "req", "-x509", "-key", self.at(ca + ".key"), "-out", self.at(ca + ".pem"), "-days", "2", "-subj", "/CN=" + ca,
               "-addext", "basicConstraints=critical,CA:TRUE")
        self.issue("server", "subjectAltName=IP:127.0.0.1,DNS:localhost", 1)
        self.issue("server2", "subjectAltName=IP:127.0.0.1,DNS:localhost", 2)
        self.issue("agent-1", "subjectAltName=DNS:agent-1.example,email:agent@example.org", 3)
        self.issue("stranger", "subjectAltName=DNS:agent-1.example", 4, "otherca")

    def at(self, name):
        return os.path.join(self.dir, name)

    def key(self, name):
        sh("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.at(name + ".key"))

    def issue(self, name, extension, serial, ca="ca"):
        self.key(name)
        with open(self.at("ext"), "w") as f:
            f.write(extension + "\n")
        sh("openssl", "req", "-new", "-key", self.at(name + ".key"), "-subj", "/CN=" + name, "-out", self.at("csr"))
        sh("openssl", "x509", "-req", "-in", self.at("csr"), "-CA", self.at(ca + ".pem"), "-CAkey", self.at(ca + ".key"), "-set_serial",
           str(serial), "-days", "2", "-extfile", self.at("ext"), "-out", self.at(name + ".pem"))

    def place(self, folder, name):
        """The certificate and key that a server uses; each file is replaced whole."""
        for ext in ("pem", "key"):
            shutil.copy(self.at("%s.%s" % (name, ext)), os.path.join(folder, "new"))
            os.rename(os.path.join(folder, "new"), os.path.join(folder, "tls." + ext))


CERTS = Certs()


class TlsServer(Server):
    def __init__(self, server="", tls="", users=None, args=(), **kw):
        super().__init__(args=args, **kw)
        CERTS.place(self.folder, "server")
        text = config_text(self.folder, self.port, **kw)
        keys = "http_tls_config: {cert_file: %s/tls.pem, key_file: %s/tls.key%s}%s, " % (
            self.folder, self.folder, tls and ", " + tls, server and ", " + server)
        with open(self.config, "w") as f:
            f.write(text.replace("server: {", "server: {" + keys))
        if users is not None:
            self.users = os.path.join(self.folder, "users")
            with open(self.users, "w") as f:
                f.write(users)
            self.args.append("-skald.users-file=" + self.users)
        self.context = client()

    def __exit__(self, *exc):
        """Each test ends with a clean stop, so that a sanitizer is heard."""
        code = self.stop() if exc[0] is None and self.proc is not None else 0
        super().__exit__(*exc)
        if code != 0:
            raise AssertionError("exit status %s:\n%s" % (code, self.last_log))

    def close(self):
        self.last_log = self.log()[-3000:]
        super().close()

    def request(self, method, path, body=None, headers=None, timeout=60, context=None):
        c = self.connection(context, timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return r.status, dict(r.getheaders()), r.read()
        finally:
            c.close()

    def connection(self, context=None, timeout=20):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context or self.context)


def client(cert=None, low=None, high=None, ca="ca"):
    c = ssl.create_default_context(cafile=CERTS.at(ca + ".pem"))
    if cert:
        c.load_cert_chain(CERTS.at(cert + ".pem"), CERTS.at(cert + ".key"))
    if low:
        c.minimum_version = low
    if high:
        c.maximum_version = high
    return c


def refused(server, context, name):
    """The client with this context gets no answer: the handshake, or in TLS 1.3 the first read, fails."""
    try:
        status = server.request("GET", "/ready", context=context)[0]
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return
    raise AssertionError("%s: answered with %d" % (name, status))


def equal(have, want, name):
    if have != want:
        raise AssertionError("%s: got %r, want %r" % (name, have, want))


def answers():
    """Pushes, queries, pipelined and large requests give over TLS what they give without."""
    with TlsServer() as s:
        lines = ["line %06d %s" % (i, "x" * 200) for i in range(5000)]
        equal(s.push([({"app": "a"}, [(T0 + i, x) for i, x in enumerate(lines)])])[0], 204, "push of 1 MiB")
        equal(s.lines('{app="a"}', T0, T0 + 10_000), lines, "answer of 1 MiB")
        with socket.create_connection(("127.0.0.1", s.port)) as raw, s.context.wrap_socket(raw, server_hostname="localhost") as t:
            t.sendall(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n" * 50 + b"GET /ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            got = b""
            while chunk := t.recv(65536):
                got += chunk
            equal(got.count(b"HTTP/1.1 200 OK"), 51, "pipelined requests")
        body = json.dumps({"streams": [{"stream": {"app": "b"}, "values": [[str(T0), "expected"]]}]})
        p = sh("curl", "-sS", "--cacert", CERTS.at("ca.pem"), "-H", "Content-Type: application/json", "-H", "Expect: 100-continue", "-d",
               body, "-w", "%{http_code} %{http_version}", "https://127.0.0.1:%d/loki/api/v1/push" % s.port)
        equal(p.stdout, b"204 1.1", "curl that expects 100-continue")
        equal(s.lines('{app="b"}', T0, T0 + 1), ["expected"], "what curl has sent")


def slow_reader():
    """A client that reads slowly holds one answer, and gets all of it."""
    with TlsServer() as s:
        for k in range(4):
            values = [(T0 + k * 5000 + i, "%07d %s" % (k * 5000 + i, "y" * 300)) for i in range(5000)]
            equal(s.push([({"app": "a"}, values)])[0], 204, "push")
        c = s.connection()
        c.request("GET", "/loki/api/v1/query_range?query=%%7Bapp%%3D%%22a%%22%%7D&limit=5000&start=%d&end=%d" % (T0, T0 + 50_000))
        time.sleep(0.5)
        r, size = c.getresponse(), 0
        while chunk := r.read(20_000):
            size += len(chunk)
            time.sleep(0.001)
        if size < 1_500_000:
            raise AssertionError("the answer ended after %d bytes" % size)


def resets():
    """Clients that go away in the middle of an answer, with a reset or without, leave nothing behind: the server ends."""
    path = "/loki/api/v1/query_range?query=%%7Bapp%%3D%%22a%%22%%7D&limit=5000&start=%d&end=%d" % (T0, T0 + 50_000)
    for server in (TlsServer(), Server()):
        with server as s:
            for k in range(4):
                values = [(T0 + k * 5000 + i, "%07d %s" % (k * 5000 + i, "y" * 300)) for i in range(5000)]
                equal(s.push([({"app": "a"}, values)])[0], 204, "push")
            for i in range(20):
                c = socket.create_connection(("127.0.0.1", s.port))
                if server.__class__ is TlsServer:
                    c = s.context.wrap_socket(c, server_hostname="localhost")
                c.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode())
                if i % 2:
                    c.recv(1000)
                if i % 3:
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                time.sleep(0.01 * (i % 4))
                c.close()
            equal(s.get("/ready")[0], 200, "after resets")
            begin = time.monotonic()
            equal(s.stop(), 0, "exit status")
            if time.monotonic() - begin > 15:
                raise AssertionError("requests of clients that have gone hold up the stop")


def versions_and_suites():
    v = ssl.TLSVersion
    with TlsServer() as s:
        for version in (v.TLSv1_2, v.TLSv1_3):
            equal(s.request("GET", "/ready", context=client(low=version, high=version))[0], 200, version.name)
        for old in ("-tls1", "-tls1_1"):
            p = sh("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, old, "-cipher", "ALL:@SECLEVEL=0", stdin=b"Q\n", ok=False)
            if b"alert protocol version" not in p.stderr:
                raise AssertionError("%s: %s" % (old, p.stderr.decode()))
        p = sh("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-CAfile", CERTS.at("ca.pem"), "-alpn", "h2,http/1.1", "-tls1_2",
               stdin=b"Q\n").stdout.decode()
        for want in ("ALPN protocol: http/1.1", "Verify return code: 0 (ok)", "Compression: NONE"):
            if want not in p:
                raise AssertionError("s_client does not show %r:\n%s" % (want, p))
        if "TLS session ticket:" in p:
            raise AssertionError("a session ticket was given")
        p = sh("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-alpn", "h2", stdin=b"Q\n", ok=False)
        if b"no application protocol" not in p.stderr.lower():
            raise AssertionError("h2 alone: %s" % p.stderr.decode())
        # renegotiation: the request behind "R" is still served or refused, the process goes on
        sh("openssl", "s_client", "-connect", "127.0.0.1:%d" % s.port, "-tls1_2", stdin=b"R\n", ok=False)
        equal(s.get("/ready")[0], 200, "after an attempt to renegotiate")
    with TlsServer(server="tls_min_version: VersionTLS13") as s:
        refused(s, client(high=v.TLSv1_2), "TLS 1.2 below the minimum")
        equal(s.request("GET", "/ready")[0], 200, "TLS 1.3")
    with TlsServer(server='tls_cipher_suites: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256"') as s:
        c = client(high=v.TLSv1_2)
        with socket.create_connection(("127.0.0.1", s.port)) as raw, c.wrap_socket(raw, server_hostname="localhost") as t:
            equal(t.cipher()[0], "ECDHE-ECDSA-AES256-GCM-SHA384", "suite")
        c.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        refused(s, c, "a suite that was not chosen")
    with TlsServer(server="tls_cipher_suites: TLS_AES_128_GCM_SHA256") as s:
        refused(s, client(high=v.TLSv1_2), "TLS 1.2 without a suite")
        equal(s.request("GET", "/ready")[0], 200, "TLS 1.3")


def client_certificates():
    ca = "client_ca_file: " + CERTS.at("ca.pem")
    good, strange, none = client("agent-1"), client("stranger"), client()
    for kind, keys, answered, not_answered in (
            ("NoClientCert", "", (good, strange, none), ()),
            ("RequestClientCert", "", (good, strange, none), ()),
            ("RequireAnyClientCert", "", (good, strange), (none,)),
            ("VerifyClientCertIfGiven", ca, (good, none), (strange,)),
            ("RequireAndVerifyClientCert", ca, (good,), (strange, none))):
        s = TlsServer(tls="client_auth_type: %s%s" % (kind, keys and ", " + keys))
        s.context = good
        with s:
            for c in answered:
                equal(s.request("GET", "/ready", context=c)[0], 200, kind)
            for c in not_answered:
                refused(s, c, kind)
            equal(s.request("GET", "/ready")[0], 200, kind + ", afterwards")


def serial_of(sock):
    return int(ssl.DER_cert_to_PEM_cert(sock.getpeercert(True)) and sock.getpeercert()["serialNumber"], 16)


def wait_for(what, name, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError(name)
        time.sleep(0.1)


def reload():
    """A new certificate comes into use on SIGHUP and by itself; open connections live on; a bad one is refused."""
    with TlsServer() as s:
        def serial():
            c = s.connection()
            c.connect()
            n = serial_of(c.sock)
            c.close()
            return n
        kept = s.connection()
        kept.request("GET", "/ready")
        equal(kept.getresponse().read(), b"ready\n", "before")
        equal(serial(), 1, "first certificate")
        CERTS.place(s.folder, "server2")
        s.proc.send_signal(signal.SIGHUP)
        wait_for(lambda: serial() == 2, "SIGHUP did not bring the new certificate")
        sock = kept.sock
        kept.request("GET", "/ready")
        equal(kept.getresponse().read(), b"ready\n", "over the connection that was open")
        equal(kept.sock is sock and serial_of(kept.sock), 1, "its certificate")
        shutil.copy(CERTS.at("server.key"), os.path.join(s.folder, "tls.key"))
        s.proc.send_signal(signal.SIGHUP)
        wait_for(lambda: "not the key of the certificate" in s.log(), "the wrong key was not told")
        equal(serial(), 2, "after a wrong key")
        CERTS.place(s.folder, "server")
        wait_for(lambda: serial() == 1, "the files were not looked at by themselves")
        kept.request("GET", "/ready")
        equal(kept.getresponse().read(), b"ready\n", "at the end")
        kept.close()


def plain_http():
    """HTTP on the TLS port is answered in clear, as Go does; other bytes end the connection, however they come."""
    with TlsServer() as s:
        for first in (b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /loki/api/v1/push HTTP/1.1\r\n", b"HEAD / HTTP/1.1\r\n"):
            for step in (len(first), 1):
                with socket.create_connection(("127.0.0.1", s.port), timeout=10) as c:
                    try:
                        for i in range(0, len(first), step):
                            c.sendall(first[i:i + step])
                            if step == 1 and i < 6:
                                time.sleep(0.01)
                    except ConnectionError:
                        pass
                    got = b""
                    try:
                        while chunk := c.recv(4096):
                            got += chunk
                    except ConnectionError:
                        pass
                    equal(got, b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", "plain HTTP")
        for junk in (b"\x00" * 200, b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff" + b"\x01" * 70000, os.urandom(500), b"\x80\x2e\x01\x00\x02" * 10):
            with socket.create_connection(("127.0.0.1", s.port), timeout=20) as c:
                try:
                    c.sendall(junk)
                    c.shutdown(socket.SHUT_WR)
                    while c.recv(4096):
                        pass
                except ConnectionError:
                    pass
        equal(s.get("/ready")[0], 200, "after junk")
        if 'skald_tls_handshake_errors_total' not in s.get("/metrics")[1].decode():
            raise AssertionError("failed handshakes are not counted")


def slow_handshakes():
    """Handshakes that do not end cost no others anything and are closed after 10 s; those that stop later as well."""
    with TlsServer() as s:
        idle = [socket.create_connection(("127.0.0.1", s.port), timeout=30) for _ in range(100)]
        for i, c in enumerate(idle):
            c.sendall(b"\x16\x03\x01\x02\x00\x01\x00"[:i % 8])
        begin = time.monotonic()
        for _ in range(20):
            equal(s.get("/ready")[0], 200, "beside slow handshakes")
        took = time.monotonic() - begin
        if took > 5:
            raise AssertionError("20 requests took %.1f s beside slow handshakes" % took)
        for c in idle:
            equal(c.recv(100), b"", "a handshake that does not end")
            c.close()
        took = time.monotonic() - begin
        if not 9 < took < 20:
            raise AssertionError("slow handshakes were closed after %.1f s" % took)


def bad_starts():
    def fails(change, *words, **kw):
        s = TlsServer(**kw)
        change(s)
        s.start(ready=False)
        s.proc.wait(30)
        code, text = s.proc.returncode, s.log()
        s.close()
        if code != 1 or any(w not in text for w in words):
            raise AssertionError("ended with %s, wanted 1 and %s in:\n%s" % (code, words, text[-1500:]))

    def write(name, text):
        def change(s):
            with open(os.path.join(s.folder, name), "w") as f:
                f.write(text)
        return change
    fails(lambda s: os.unlink(os.path.join(s.folder, "tls.pem")), "server.http_tls_config.cert_file: ", "/tls.pem: no such file")
    fails(lambda s: os.unlink(os.path.join(s.folder, "tls.key")), "server.http_tls_config.key_file: ", "/tls.key: no such file")
    fails(write("tls.pem", "junk"), "cert_file: ", "no certificate that can be used")
    fails(write("tls.pem", ""), "cert_file is missing or empty")
    fails(write("tls.key", "junk"), "key_file: ", "no private key that can be used")
    fails(lambda s: shutil.copy(CERTS.at("ca.key"), os.path.join(s.folder, "tls.key")), "not the key of the certificate in cert_file: ")
    keep = lambda s: None
    fails(keep, "client_auth_type: ", "Sometimes", "RequireAndVerifyClientCert", tls="client_auth_type: Sometimes")
    fails(keep, "needs server.http_tls_config.client_ca_file", tls="client_auth_type: RequireAndVerifyClientCert")
    fails(keep, "client_ca_file: /none: no such file", tls="client_auth_type: VerifyClientCertIfGiven, client_ca_file: /none")
    fails(keep, "client_ca_file is given, but client_auth_type asks for no certificate", tls="client_ca_file: " + CERTS.at("ca.pem"))
    fails(keep, "server.tls_min_version: ", "TLS12", "VersionTLS12", server="tls_min_version: TLS12")
    fails(keep, "server.tls_cipher_suites: ", "ECDHE-RSA-AES128-SHA", server="tls_cipher_suites: ECDHE-RSA-AES128-SHA")


if __name__ == "__main__":
    try:
        run([answers, slow_reader, resets, versions_and_suites, client_certificates, reload, plain_http, slow_handshakes, bad_starts])
    finally:
        shutil.rmtree(CERTS.dir, ignore_errors=True)
