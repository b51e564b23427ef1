#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The users file: each kind of credentials, each refusal with its status, the slowing of those who guess, and a new file
while the server runs; skaldctl against the same server. The first argument names skaldctl, which makes the secrets."""
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import test_tls
from skaldtest import run
from test_tls import CERTS, TlsServer, client, equal, refused, sh, wait_for

CTL = sys.argv.pop(1) if len(sys.argv) > 1 and os.path.exists(sys.argv[1]) else os.path.join(os.path.dirname(test_tls.__file__), "../../build/release/skaldctl")
T0 = 1_768_467_600_000_000_000
PUSH = json.dumps({"streams": [{"stream": {"app": "a"}, "values": [[str(T0), "line"]]}]}).encode()
TOKEN = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-AbCdE"
VERIFY = "client_auth_type: VerifyClientCertIfGiven, client_ca_file: " + CERTS.at("ca.pem")


def secret(password):
    return sh(CTL, "hash-secret", stdin=password.encode() + b"\n").stdout.decode().strip()


PLAIN = secret("pa:ss wörd")
FILE = """# name secret rights tenants
writer  $sha256$%s  push   a,b
grafana %s  read  a
root    %s  push,read,delete,admin *
agent-1.example cert push,read a
boss    %s  admin  *
""" % (hashlib.sha256(TOKEN.encode()).hexdigest(), PLAIN, secret("toor"), secret("boss"))


def basic(name, password):
    return "Basic " + base64.b64encode(("%s:%s" % (name, password)).encode()).decode()


def ask(s, method, path, auth=None, tenant=None, body=None, context=None):
    """(status, headers, text)"""
    h = {"Content-Type": "application/json"} if body else {}
    if auth:
        h["Authorization"] = auth
    if tenant:
        h["X-Scope-OrgID"] = tenant
    status, headers, data = s.request(method, path, body, h, context=context)
    return status, headers, data.decode()


def server(users=FILE, auth=True, **kw):
    return TlsServer(users=users, auth=auth, tls=VERIFY, **kw)


LABELS = "/loki/api/v1/labels"


def rights_and_tenants():
    grafana, writer, root, boss = basic("grafana", "pa:ss wörd"), "Bearer " + TOKEN, basic("root", "toor"), basic("boss", "boss")
    with server() as s:
        push = lambda auth, tenant, **kw: ask(s, "POST", "/loki/api/v1/push", auth, tenant, PUSH, **kw)[0]
        read = lambda auth, tenant, **kw: ask(s, "GET", LABELS, auth, tenant, **kw)[0]
        equal([push(writer, t) for t in ("a", "b", "c", None)], [204, 204, 403, 401], "push with a token")
        equal([read(writer, "a"), read(writer, "c")], [403, 403], "read with a token for push")
        equal(push(basic("writer", TOKEN), "a"), 204, "a token as a password")
        equal([read(grafana, t) for t in ("a", "b", "a|b")], [200, 403, 400], "read with a password")
        equal(read(root, "a|b"), 400, "several tenants where they are not enabled")
        equal(push(grafana, "a"), 403, "push with a password for read")
        equal([push(root, "any"), read(root, "any")], [204, 200], "one with all rights")
        equal([push(boss, "a"), read(boss, "a")], [403, 403], "admin alone")
        equal(ask(s, "GET", "/loki/api/v1/status/buildinfo", grafana)[0], 200, "build information")
        status, headers, text = ask(s, "GET", LABELS, None, "a")
        equal((status, text, "Basic realm" in headers.get("WWW-Authenticate", "")), (401, "credentials are required\n", True), "none")
        status, headers, text = ask(s, "POST", "/loki/api/v1/push", None, "a", PUSH)
        equal((status, text, "Basic realm" in headers.get("WWW-Authenticate", "")), (401, "credentials are required\n", True), "none, body")
        equal(ask(s, "POST", "/loki/api/v1/push", grafana, "a", PUSH)[2], 'the user "grafana" has no right to push\n', "text of a right")
        equal(ask(s, "GET", LABELS, grafana, "b")[2], 'the user "grafana" may not name the tenant "b"\n', "text of a tenant")
        for path in ("/ready", "/metrics"):
            equal(ask(s, "GET", path)[0], 200, path + " is open")
        equal([ask(s, "GET", "/config", a)[0] for a in (None, boss, grafana)], [200, 200, 403], "/config on the loopback address")
        equal(ask(s, "GET", "/nothing")[0], 404, "no such path")


def certificates():
    with server() as s:
        agent, strange = client("agent-1"), client("stranger")
        equal(ask(s, "POST", "/loki/api/v1/push", None, "a", PUSH, agent)[0], 204, "push by certificate")
        equal(ask(s, "GET", LABELS, None, "b", context=agent)[0], 403, "its tenants")
        refused(s, strange, "a certificate of another authority")
        equal(ask(s, "GET", LABELS, basic("grafana", "no"), "a", context=agent)[0], 401, "a wrong password beside a certificate")
    s = TlsServer(users=FILE, auth=True, tls="client_auth_type: RequireAnyClientCert")
    s.context = client("stranger")
    with s:
        equal(ask(s, "GET", LABELS, None, "a")[0], 401, "a certificate that nobody has checked is no identity")


def several_tenants():
    """A query over several tenants needs a user who may name each of them."""
    ab = "ab %s read a,b\n" % secret("ab")
    with server(FILE + ab, extra="querier: {multi_tenant_queries_enabled: true}\n") as s:
        labels = lambda name, tenant: ask(s, "GET", LABELS, basic(name, name if name == "ab" else "pa:ss wörd"), tenant)[0]
        equal([labels("ab", t) for t in ("a|b", "b|a", "a|c", "c|a", "a|b|c", "c")], [200, 200, 403, 403, 403, 403], "one with a and b")
        equal([labels("grafana", t) for t in ("a|b", "b|a", "a|a")], [403, 403, 200], "one with a")


def without_tenants():
    with server(FILE + "w2 %s push fake\n" % secret("w2"), auth=False) as s:
        equal([ask(s, "POST", "/loki/api/v1/push", basic(n, p), None, PUSH)[0] for n, p in (("w2", "w2"), ("root", "toor"))], [204, 204], "push")
        equal(ask(s, "POST", "/loki/api/v1/push", "Bearer " + TOKEN, None, PUSH)[0], 403, "one whose tenants lack fake")


def guessing():
    """Ten wrong ones in a minute, then 429, also with the right password; who was known before goes on."""
    with server() as s:
        known = basic("root", "toor")
        equal(ask(s, "GET", LABELS, known, "a")[0], 200, "before")
        wrong = [basic("grafana", "guess"), basic("nobody", "guess"), "Bearer guess", "Basic !!!", "Basic bm9jb2xvbg==", "Digest x",
                 "Bearer " + "x" * 5000, basic("agent-1.example", ""), basic("writer", "guess"), basic("grafana", "")]
        for auth in wrong:
            status, headers, text = ask(s, "GET", LABELS, auth, "a")
            equal((status, text, "WWW-Authenticate" in headers), (401, "wrong credentials\n", True), auth[:40])
        status, headers, _ = ask(s, "GET", LABELS, basic("grafana", "pa:ss wörd"), "a")
        equal((status, headers.get("Retry-After")), (429, "60"), "right, but slowed")
        equal(ask(s, "POST", "/loki/api/v1/push", "Bearer guess", "a", PUSH)[0], 429, "slowed before the body")
        equal(ask(s, "GET", LABELS, known, "a")[0], 200, "known before")
        equal(ask(s, "GET", LABELS, None, "a")[0], 401, "none at all")
        equal(s.get("/ready")[0], 200, "/ready")
        text = s.get("/metrics")[1].decode()
        for want in ('skald_auth_failures_total{reason="credentials"} 10', 'skald_auth_failures_total{reason="slowed"} 2'):
            if want not in text:
                raise AssertionError("no %s in the metrics" % want)
        if "guess" in s.log():
            raise AssertionError("the log tells what was tried")


def together():
    """Many who send the same password at once cost one check; the loop answers others meanwhile."""
    with server() as s:
        codes, worst = [], [0.0]
        auth = basic("grafana", "pa:ss wörd")
        threads = [threading.Thread(target=lambda: codes.append(ask(s, "GET", LABELS, auth, "a")[0])) for _ in range(30)]
        for t in threads:
            t.start()
        for _ in range(10):
            begin = time.monotonic()
            equal(s.get("/ready")[0], 200, "/ready beside scrypt")
            worst[0] = max(worst[0], time.monotonic() - begin)
        for t in threads:
            t.join()
        equal(codes, [200] * 30, "the same password at once")


def new_file():
    """A new file is taken on SIGHUP: who was removed is out at once; a bad one is told and left."""
    with server() as s:
        grafana = basic("grafana", "pa:ss wörd")
        state = lambda: ask(s, "GET", LABELS, grafana, "a")[0]
        equal(state(), 200, "before")

        def put(text):
            with open(s.users + ".new", "w") as f:
                f.write(text)
            os.rename(s.users + ".new", s.users)
            s.proc.send_signal(signal.SIGHUP)
        put("".join(x for x in FILE.splitlines(True) if not x.startswith("grafana")))
        wait_for(lambda: state() == 401, "the user is still in")
        put(FILE.replace("grafana %s  read" % PLAIN, "grafana %s  write" % PLAIN))
        wait_for(lambda: 'is no right; rights are' in s.log(), "the bad file was not told")
        if s.users + ":3: " not in s.log():
            raise AssertionError("the line is not named")
        equal(state(), 401, "after a bad file")
        put(FILE)
        wait_for(lambda: state() == 200, "the user is not in again")


def bad_starts():
    for users, want in (("a b\n", ":1: a line holds four fields"), (None, "-skald.users-file: /none/users: no such file")):
        s = server(users) if users else TlsServer(args=["-skald.users-file=/none/users"])
        s.start(ready=False)
        s.proc.wait(30)
        equal(s.proc.returncode, 1, "exit status")
        if want not in s.log():
            raise AssertionError("no %r in:\n%s" % (want, s.log()[-1000:]))
        s.close()


def skaldctl():
    """Its options for TLS and credentials, each against the server."""
    with server() as s:
        addr = "--addr=https://localhost:%d" % s.port
        ca, token_file = "--ca-cert=" + CERTS.at("ca.pem"), os.path.join(s.folder, "token")
        with open(token_file, "w") as f:
            f.write(TOKEN + "\n")
        ctl = lambda *args, stdin=b"", env=None: subprocess.run([CTL, *args], input=stdin, capture_output=True, timeout=60,
                                                                env=dict(os.environ, **(env or {})))
        cert = ("--cert=" + CERTS.at("agent-1.pem"), "--key=" + CERTS.at("agent-1.key"))
        query = ("labels", "--quiet", addr, "--org-id=a", "--from=2026-01-15T00:00:00Z", "--to=2026-01-16T00:00:00Z")
        push = ("push", addr, "--org-id=a", "--label=app=ctl", "--quiet")
        for name, p in (
                ("bearer token", ctl(*push, ca, "--bearer-token=" + TOKEN, stdin=b"1\n")),
                ("bearer token's file", ctl(*push, ca, "--bearer-token-file=" + token_file, stdin=b"2\n")),
                ("certificate", ctl(*push, ca, *cert, stdin=b"3\n")),
                ("password", ctl(*query, ca, "--username=grafana", "--password=pa:ss wörd")),
                ("environment", ctl(*query, env={"LOKI_USERNAME": "grafana", "LOKI_PASSWORD": "pa:ss wörd",
                                                 "LOKI_CA_CERT_PATH": CERTS.at("ca.pem")})),
                ("no check of the server", ctl(*query, "--tls-skip-verify", *cert))):
            equal((name, p.returncode, p.stderr), (name, 0, b""), "skaldctl")
        for name, p, want in (
                ("unknown authority", ctl(*query, *cert), b"certificate"),
                ("none", ctl(*query, ca), b"credentials are required"),
                ("wrong password", ctl(*query, ca, "--username=grafana", "--password=x"), b"wrong credentials"),
                ("no right", ctl(*query, ca, "--bearer-token=" + TOKEN), b"has no right to read")):
            if p.returncode == 0 or want not in p.stderr:
                raise AssertionError("skaldctl, %s: %d %s" % (name, p.returncode, p.stderr.decode()))
        line = ctl("hash-secret", "new", "--token", "--rights=push,read", "--tenants=a")
        token = line.stderr.decode().split()[1]
        with open(s.users, "a") as f:
            f.write(line.stdout.decode())
        s.proc.send_signal(signal.SIGHUP)
        wait_for(lambda: ask(s, "GET", LABELS, "Bearer " + token, "a")[0] == 200, "the new token does not work")


def tail():
    """skaldctl follows a query over WebSocket and TLS; without the right it is refused."""
    with server() as s:
        args = [CTL, "query", "--tail", "--quiet", "--addr=https://localhost:%d" % s.port, "--org-id=a", "--ca-cert=" + CERTS.at("ca.pem"), "--output=raw"]
        p = subprocess.Popen(args + ["--username=grafana", "--password=pa:ss wörd", '{app="t"}'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            wait_for(lambda: "loki_querier_tail_active 1" in s.get("/metrics")[1].decode(), "the tail did not begin")
            lines = ["%d %s" % (i, "z" * 5000) for i in range(100)]
            now = time.time_ns()
            body = json.dumps({"streams": [{"stream": {"app": "t"}, "values": [[str(now + i), x] for i, x in enumerate(lines)]}]}).encode()
            equal(ask(s, "POST", "/loki/api/v1/push", "Bearer " + TOKEN, "a", body)[0], 204, "push")
            equal([p.stdout.readline().decode().rstrip("\n") for _ in lines], lines, "what the tail shows")
        finally:
            p.kill()
            p.communicate()
        p = subprocess.run(args + ["--bearer-token=" + TOKEN, '{app="t"}'], capture_output=True, timeout=60)
        equal(p.returncode, 1, "a tail without the right to read")


if __name__ == "__main__":
    try:
        run([rights_and_tenants, several_tenants, certificates, without_tenants, guessing, together, new_file, bad_starts, skaldctl, tail])
    finally:
        shutil.rmtree(CERTS.dir, ignore_errors=True)
