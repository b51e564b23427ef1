#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions of logcli 3.7.6 with Loki 3.7.6, repeated by scripts that call skaldctl by logcli's name, on a real skald.

The sessions were recorded on 2026-11-22 with the data of put(). What goes to stdout must be the recorded text, and what
goes to stderr too, but for the stamps. `logcli` is a link to skaldctl, as people make one.
"""
import json
import os
import re
import subprocess

import skaldtest
from skaldtest import Server

T0 = 1795356000  # 2026-11-22T14:00:00Z
CTL = os.environ.get("SKALDCTL_BIN") or os.path.join(os.path.dirname(skaldtest.BIN), "skaldctl")
RANGE = "--from=2026-11-22T14:00:00Z --to=2026-11-22T14:40:00Z"
STAMP = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", re.M)
LIMITS = "reject_old_samples: false, creation_grace_period: 87600h, volume_enabled: true, deletion_mode: filter-and-delete"
COMPACTOR = "compactor: {retention_enabled: true, delete_request_store: filesystem}\n"
COMMON = 'Common labels: {app="cli", env="dev", service_name="cli"}\n'


def put(server):
    """120 entries, every 30 s two that are 1 ns apart, of two streams by turns."""
    for host in (0, 1):
        entries = []
        for i in range(host, 60, 2):
            for k in (0, 1):
                level = "error" if k == 0 else "info"
                line = 'level=%s i=%d k=%d msg="hello <world>"' % (level, i, k)
                entries.append([(T0 + 30 * i) * 10**9 + k, line, {"tid": "t%d" % i}])
        status, body = server.push([({"app": "cli", "env": "dev", "host": "h%d" % host}, entries)])
        assert status == 204, (status, body)


class Shell:
    """Runs scripts; $A is the address that recorded URLs have."""

    def __init__(self, server):
        self.server = server
        self.bin = os.path.join(server.folder, "bin")
        os.mkdir(self.bin)
        os.symlink(os.path.abspath(CTL), os.path.join(self.bin, "logcli"))
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("LOKI_") and "proxy" not in k.lower()}
        self.env.update(TZ="UTC", PATH=self.bin + ":" + os.environ["PATH"], LOKI_ADDR="http://127.0.0.1:%d" % server.port)

    def run(self, script, **env):
        p = subprocess.run(["bash", "-c", script], cwd=self.server.folder, env=dict(self.env, **env), timeout=60,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        return p.returncode, p.stdout.decode(), STAMP.sub("", p.stderr.decode()).replace(self.env["LOKI_ADDR"], "$A")

    def check(self, script, out, err=None, code=0):
        """`err`: None, whatever it says; a list: the lines it must hold."""
        got = self.run(script)
        want = (code, out, got[2] if err is None or isinstance(err, list) else err)
        assert got == want, "%s\n got %r\nwant %r" % (script, got, want)
        for line in err if isinstance(err, list) else ():
            assert line in got[2], (script, line, got[2])
        return got


def url(direction, limit, query="%7Bapp%3D%22cli%22%7D", end=1795358400000000000, start=1795356000000000000):
    return ("$A/loki/api/v1/query_range?direction=%s&end=%d&limit=%d&query=%s&start=%d\n"
            % (direction, end, limit, query, start))


def queries(sh):
    q = "logcli query -z UTC %s " % RANGE
    out = "".join((
        '2026-11-22T14:29:30Z {detected_level="info", host="h1", tid="t59"}  level=info i=59 k=1 msg="hello <world>"\n',
        '2026-11-22T14:29:30Z {detected_level="error", host="h1", tid="t59"} level=error i=59 k=0 msg="hello <world>"\n',
        '2026-11-22T14:29:00Z {detected_level="info", host="h0", tid="t58"}  level=info i=58 k=1 msg="hello <world>"\n',
        '2026-11-22T14:29:00Z {detected_level="error", host="h0", tid="t58"} level=error i=58 k=0 msg="hello <world>"\n'))
    sh.check(q + "--limit=4 '{app=\"cli\"}'", out, url("BACKWARD", 4) + COMMON)
    sh.check(q + "--limit=4 -q '{app=\"cli\"}' 2>/dev/null | wc -l", "4\n", "")
    sh.check(q + "--limit=2 -o raw '{app=\"cli\"}'",
             'level=info i=59 k=1 msg="hello <world>"\nlevel=error i=59 k=0 msg="hello <world>"\n')
    # the two entries have their level as the one label that differs: host and tid are common to them
    sh.check(q + "--limit=2 -o jsonl '{app=\"cli\"}' | head -1",
             '{"labels":{"detected_level":"info"},"line":"level=info i=59 k=1 msg=\\"hello \\u003cworld\\u003e\\"",'
             '"timestamp":"2026-11-22T14:29:30.000000001Z"}\n')
    sh.check(q + "--limit=1 '{app=\"cli\"}'", '2026-11-22T14:29:30Z {} level=info i=59 k=1 msg="hello <world>"\n')
    sh.check(q + "--forward --limit=1 --no-labels '{app=\"cli\"}'",
             '2026-11-22T14:00:00Z level=error i=0 k=0 msg="hello <world>"\n', [url("FORWARD", 1)])
    sh.check(q + "'{app=\"nope\"}'", "", url("BACKWARD", 30, "%7Bapp%3D%22nope%22%7D"))
    got = sh.check(q + "--limit=4 --include-label=host --include-label=tid '{app=\"cli\"}' | cut -d' ' -f2-3",
                   '{host="h1", tid="t59"}\n' * 2 + '{host="h0", tid="t58"}\n' * 2)
    assert "Print only labels key: host,tid\n" in got[2], got


def paging(sh):
    got = sh.run("logcli query -z UTC %s --limit=25 --batch=10 -o raw '{app=\"cli\"}'" % RANGE)
    ends = [1795358400000000000, 1795357650000000001, 1795357500000000002]
    urls = [url("BACKWARD", n, end=e) for e, n in zip(ends, (10, 10, 7))]
    assert got[0] == 0 and [l + "\n" for l in got[2].splitlines() if l.startswith("$A")] == urls, got
    lines = got[1].splitlines()
    assert [int(re.search(r" i=(\d+)", l).group(1)) for l in lines] == [59 - n // 2 for n in range(25)], lines
    sh.check("logcli -q query %s --limit=0 --batch=7 -o raw '{app=\"cli\"}' | sort -u | wc -l" % RANGE, "120\n", "")


def metrics(sh):
    got = sh.run("logcli query -q %s --step=10m 'sum by (host) (count_over_time({app=\"cli\"}[10m]))'" % RANGE)
    assert got[0] == 0 and got[2] == "", got
    assert got[1].startswith('[\n  {\n    "metric": {\n      "host": "h0"\n    },\n    "values": [\n      [\n'
                             '        1795356000,\n        "1"\n      ],\n'), got[1]
    sh.check("logcli instant-query -q --now=2026-11-22T14:30:00Z 'sum by (host) (count_over_time({app=\"cli\"}[30m]))'",
             '[\n  {\n    "metric": {\n      "host": "h0"\n    },\n    "value": [\n      1795357800,\n      "59"\n    ]\n'
             '  },\n  {\n    "metric": {\n      "host": "h1"\n    },\n    "value": [\n      1795357800,\n      "60"\n'
             "    ]\n  }\n]\n", "")
    got = sh.run("logcli -q instant-query '{app=\"cli\"}'")
    assert got[0] == 1 and got[1] == "" and got[2] == (
        "error response from server: log queries are not supported as an instant query type, please change your query to "
        "a range query type (<nil>) attempts remaining: 0\nQuery failed: run out of attempts while querying the server\n"), got
    got = sh.run("logcli -q instant-query '1+1' | sed -n '1p;3,$p'")
    assert got == (0, '[\n  "2"\n]\n', ""), got


def lists(sh):
    sh.check("logcli labels %s host" % RANGE, "h0\nh1\n",
             "$A/loki/api/v1/label/host/values?end=1795358400000000000&start=1795356000000000000\n")
    sh.check("logcli -q labels %s" % RANGE, "app\nenv\nhost\nservice_name\n", "")
    sh.check("logcli -q series %s '{app=\"cli\"}'" % RANGE,
             '{app="cli", env="dev", host="h0", service_name="cli"}\n{app="cli", env="dev", host="h1", service_name="cli"}\n',
             "")
    sh.check("logcli -q series --analyze-labels %s '{app=\"cli\"}' | head -5" % RANGE,
             "Total Streams:  2\nUnique Labels:  4\n\nLabel Name    Unique Values  Found In Streams\n"
             "host          2              2\n", "")
    got = sh.run("logcli -q stats %s '{app=\"cli\"}'" % RANGE)
    assert got[0] == 0 and re.fullmatch(r"\{\n  bytes: [0-9.]+k?B\n  chunks: 2\n  streams: 2\n  entries: 120\n\}\n", got[1]), got
    got = sh.run("logcli -q volume %s '{app=\"cli\"}'" % RANGE)
    assert got[0] == 0 and re.fullmatch(r'\[\n  \{\n    "metric": \{\n      "app": "cli"\n    \},\n    "value": \[\n'
                                        r'      1795358400,\n      "\d+"\n    \]\n  \}\n\]\n', got[1]), got
    got = sh.run("logcli -q volume_range --step=20m %s '{app=\"cli\"}'" % RANGE)
    assert got[0] == 0 and '"values": [\n' in got[1], got


def fields(sh):
    """As far as the server has the endpoint."""
    if sh.server.get("/loki/api/v1/detected_fields", {"query": '{app="cli"}'})[0] == 404:
        return
    got = sh.run("logcli -q detected-fields %s '{app=\"cli\"}'" % RANGE)
    assert got[0] == 0 and "label: i\t\ttype: int\t\tcardinality: 60\n" in got[1], got
    got = sh.run("logcli -q detected-fields %s '{app=\"cli\"}' level | sort" % RANGE)
    assert got[:2] == (0, "error\ninfo\n"), got


def deletion(sh):
    """As far as the server has the endpoint; the requests themselves are in test_skaldctl_index.py."""
    got = sh.run("logcli -q delete cancel --request-id=zzz")
    assert got[0] == 1 and got[1] == "" and got[2].startswith("Error response from server: "), got
    assert got[2].endswith("Error cancelling delete request: run out of attempts while querying the server\n"), got
    if sh.server.get("/loki/api/v1/delete")[0] == 404:
        return
    assert "could not find delete request with given id" in got[2], got
    sh.check("logcli -q delete create %s --max-interval=1h '{app=\"nope\"}'" % RANGE,
             "Delete request created successfully\n", "")
    sh.check("logcli -q delete list", 'Found 1 delete requests:\nQuery: {app="nope"}\nStart Time: 2026-11-22T14:00:00Z\n'
             "End Time: 2026-11-22T14:40:00Z\nStatus: received\n---\n", "")
    found = json.loads(sh.run("logcli -q delete list -o jsonl")[1])
    assert found == [{"start_time": T0, "end_time": T0 + 2400, "query": '{app="nope"}', "status": "received"}], found
    one = json.loads(sh.server.get("/loki/api/v1/delete")[1])[0]["request_id"]
    sh.check("logcli -q delete cancel --request-id=%s" % one, "Delete request %s cancelled successfully\n" % one, "")


def faults(sh):
    got = sh.run("logcli --retries=2 --min-backoff=0 --max-backoff=0 query '{app='")
    text = "error response from server: parse error at line 1, col 6: syntax error: unexpected $end, expecting STRING " \
           "(<nil>) attempts remaining: %d\n"
    assert got[0] == 1 and got[1] == "" and got[2].endswith(
        text % 2 + text % 1 + text % 0 + "Query failed: run out of attempts while querying the server\n"), got
    sh.check("logcli --nope", "", "skaldctl: error: unknown long flag '--nope', try --help\n", 1)
    got = sh.run("logcli query --from=2026-11-22T14:00:00 '{app=\"cli\"}'")
    assert got[0] == 1 and got[2].startswith("Unable to parse time parsing time "), got
    for script in ("logcli --version", "logcli --help", "logcli"):
        assert sh.run(script)[0] == 0, script
    assert sh.run("logcli --version")[1] == ""
    assert sh.run("logcli --addr=http://127.0.0.1:1 -q labels")[0] == 1


def local(sh):
    sh.check("printf 'level=info a=1\\nlevel=error a=2\\n' | logcli --stdin -q query -o raw '{foo=\"bar\"} | logfmt | level=\"error\"'",
             "level=error a=2\n", "")
    got = sh.run("printf 'level=info a=1\\nlevel=error a=2\\n' | logcli --stdin query '{foo=\"bar\"} | logfmt | level=\"error\"'")
    assert got[2] == 'Common labels: {a="2", level="error", source="logcli"}\n' and got[1].endswith("Z {} level=error a=2\n"), got
    sh.check("echo '{app=\"x\"}|=\"y\"|logfmt' | logcli fmt", '{app="x"} |= "y" | logfmt\n', "")
    long = "x" * 50
    got = sh.run("echo 'sum by (a)(rate({app=\"x\"}[1m]))/sum by (a)(rate({app=\"%s\"}[1m]))' | logcli fmt" % long)
    assert got == (0, '  sum by (a)(rate({app="x"}[1m]))\n/\n  sum by (a)(rate({app="%s"}[1m]))\n' % long, ""), got
    got = sh.run("echo '{app=' | logcli fmt")
    assert got[0] == 1 and got[1] == "" and got[2].startswith(
        "unable to format logql: failed to parse the query: parse error at line 2, col 1: "), got


def parallel(sh):
    q = "logcli -q query -z UTC %s --parallel-duration=10m --parallel-max-workers=2 --part-path-prefix=p -o raw " % RANGE
    sh.check(q + "'{app=\"cli\"}'; ls p_*; cat p_*1000.part | wc -l",
             "".join("p_20261122T14%d000_20261122T14%d000.part\n" % (i, i + 1) for i in range(4)) + "40\n", "")
    sh.check(q + "--merge-parts '{app=\"cli\"}' | sed -n '1p;120p;$='; ls p_* 2>/dev/null",
             'level=info i=59 k=1 msg="hello <world>"\nlevel=error i=0 k=0 msg="hello <world>"\n120\n', "", 2)


def scripts(sh):
    """Habits of scripts: an alias, flags before the command, the exit code in a condition, lines in a loop."""
    sh.check("""shopt -s expand_aliases
alias logcli='%s --quiet --timezone=UTC'
if logcli labels %s host >/dev/null; then echo yes; fi
logcli query %s --limit=2 -oraw '{app="cli"}' | while read -r line; do echo "${line%%%% *}"; done
logcli query --from=bad '{a="b"}' 2>/dev/null || echo "failed with $?"
for h in $(logcli labels %s host); do logcli query %s --limit=1 --no-labels "{host=\\"$h\\"}" | cut -c1-20; done
""" % (os.path.abspath(CTL), RANGE, RANGE, RANGE, RANGE),
             "yes\nlevel=info\nlevel=error\nfailed with 1\n2026-11-22T14:29:00Z\n2026-11-22T14:29:30Z\n", "")


def main():
    sessions = [queries, paging, metrics, lists, fields, deletion, faults, local, parallel, scripts]

    def of(session, sh):
        def run():
            session(sh)
        run.__name__ = session.__name__
        return run

    with Server(limits=LIMITS, extra=COMPACTOR) as server:
        put(server)
        sh = Shell(server)
        skaldtest.run([of(s, sh) for s in sessions])


if __name__ == "__main__":
    main()
