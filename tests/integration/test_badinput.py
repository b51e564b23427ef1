#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Malformed requests get a clear 4xx or a closed connection, legal odd ones are served, and the server lives on with bounded
memory. `test_badinput.py slow` runs those that trickle their bytes, which takes two minutes."""
import os
import sys
import threading
import time

from badinput import judge, request_bytes, talk
from skaldtest import GOLDEN, Server, read_jsonl

# Answered 501 until it is built. Nothing else may answer so.
NOT_BUILT = set()
# Peak of a release build; sanitizers keep freed memory and shadow pages, so there it is not judged.
# A body may unpack to 100 MiB (src/base/limits.h); its buffer grows by doubling.
RSS_MIB = 180


def sanitized(server):
    with open("/proc/%d/maps" % server.proc.pid) as f:
        return "libasan" in f.read()


def peak_mib(server):
    with open("/proc/%d/status" % server.proc.pid) as f:
        return next(int(line.split()[1]) >> 10 for line in f if line.startswith("VmHWM"))


def run(cases, auth):
    bad = []
    with Server(auth=auth, limits="") as s:
        def one(c):
            statuses, body, seconds, closed = talk(s.port, request_bytes(c), c.get("read_s", 60), c.get("slow"))
            up = s.get("/loki/api/v1/labels", tenant="probe")[0] == 200
            verdict = judge(c, statuses, seconds, closed, up)
            if c["id"] in NOT_BUILT and statuses == [501]:
                verdict = "pass"
            if verdict != "pass":
                bad.append("%s %s: wanted %s, got %s %s (%s)" % (verdict, c["id"], c["expect"], statuses, body[:150], c["why"]))

        for c in cases:
            if "slow" not in c:
                one(c)
        threads = [threading.Thread(target=one, args=(c,)) for c in cases if "slow" in c]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if not sanitized(s) and peak_mib(s) > RSS_MIB:
            bad.append("peak memory %d MiB, wanted at most %d" % (peak_mib(s), RSS_MIB))
        print("%d requests, auth %s: %d judged bad, peak memory %d MiB" % (len(cases), auth, len(bad), peak_mib(s)))
        code = s.stop()
        if code != 0:
            bad.append("the stop ended with %s:\n%s" % (code, s.log()[-2000:]))
    return bad


def main():
    begin = time.monotonic()
    cases = read_jsonl(os.path.join(GOLDEN, "badinput.jsonl"))
    slow = "slow" in sys.argv[1:]
    bad = []
    for auth in (False, True):
        chosen = [c for c in cases if bool(c.get("auth")) == auth and ("slow" in c) <= slow]
        if not chosen:
            raise AssertionError("no cases with auth %s" % auth)
        bad += run(chosen, auth)
    print("\n".join(bad + ["%.1f s" % (time.monotonic() - begin)]))
    return 1 if bad else 0


sys.exit(main())
