# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for Jaeger and Ollama that record what they are asked, and runs of analyze-traces.py against them and a real skald."""
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from typing import Any, Optional

import spans
from deploytest import TOP, expect
from skaldtest import Server

TOOL = os.path.join(TOP, "deploy", "tools", "analyze-traces.py")
MODEL = "tiny:1b"
NO_TRACES = {"error": {"httpCode": 404, "message": "No traces found"}}
Json = dict[str, Any]


class Fake:
    """An HTTP server in a thread. answer(method, path, query, body) gives status and JSON, or bytes as they are."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, list[str]], Any]] = []
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urllib.parse.urlparse(self.path)
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                query = urllib.parse.parse_qs(url.query)
                fake.asked.append((self.command, url.path, query, body))
                status, made = fake.answer(self.command, url.path, query, body)
                data = made if isinstance(made, bytes) else json.dumps(made).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        raise NotImplementedError

    def __enter__(self) -> Any:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class FakeJaeger(Fake):
    """The v3 API of 2.20 as its documentation and sources have it; summaries of the traces it is given."""

    def __init__(self, *traces: Json) -> None:
        super().__init__()
        self.url += "/jaeger"
        self.traces = {t["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]: t for t in traces}

    def summary(self, trace_id: str) -> Json:
        rows = [(g["resource"]["attributes"][0]["value"]["stringValue"], s) for g in self.traces[trace_id]["resourceSpans"]
                for s in g["scopeSpans"][0]["spans"]]
        root = next((service, s) for service, s in rows if "parentSpanId" not in s)
        return {"traceId": trace_id, "rootServiceName": root[0], "rootOperationName": root[1]["name"],
                "minStartTimeUnixNano": min(s["startTimeUnixNano"] for _, s in rows),
                "maxEndTimeUnixNano": max(s["endTimeUnixNano"] for _, s in rows), "spanCount": len(rows),
                "errorSpanCount": sum(1 for _, s in rows if s.get("status", {}).get("code") == 2),
                "services": [{"name": n, "spanCount": 1} for n in sorted({service for service, _ in rows})]}

    def search(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        for key in ("query.serviceName", "query.startTimeMin", "query.startTimeMax"):
            if key not in query:
                return 400, {"error": {"httpCode": 400, "message": key + " is required"}}
        least = int(query.get("query.durationMin", ["0ms"])[0].rstrip("ms"))
        rows = [self.summary(t) for t in self.traces]
        return 200, {"summaries": [r for r in rows if query["query.serviceName"][0] in [s["name"] for s in r["services"]] and
                                   int(r["maxEndTimeUnixNano"]) - int(r["minStartTimeUnixNano"]) >= least * 1_000_000]}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/jaeger/api/v3/services":
            return 200, {"services": sorted({n["name"] for t in self.traces for n in self.summary(t)["services"]})}
        if path == "/jaeger/api/v3/trace-summaries":
            return self.search(query)
        if path.startswith("/jaeger/api/v3/traces/"):
            trace = self.traces.get(path.rsplit("/", 1)[1])
            return (200, {"result": trace}) if trace else (404, NO_TRACES)
        return 404, {"error": {"httpCode": 404, "message": "not found"}}


class FakeOllama(Fake):
    TEXT = "What happened: pay refused.\n```\nnot a fence of the report\n```\nConfidence: high, mail root@example.org"

    def __init__(self, models: tuple[str, ...] = (MODEL,), broken: Optional[tuple[int, Any]] = None) -> None:
        super().__init__()
        self.models, self.broken = models, broken

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/api/tags":
            return 200, {"models": [{"name": m} for m in self.models]}
        if self.broken is not None:
            return self.broken
        end = {"done": True, "done_reason": "stop", "prompt_eval_count": 900, "total_duration": 42_000_000_000}
        if path == "/api/chat":
            return 200, dict(end, message={"role": "assistant", "content": self.TEXT})
        if path == "/api/generate":
            return 200, dict(end, response=self.TEXT)
        return 404, {"error": "not found"}

    def prompts(self) -> list[Json]:
        return [body for _, path, _, body in self.asked if path != "/api/tags"]


def analyze(*words: str, status: int = 0) -> tuple[str, str]:
    """Both outputs of the tool; its exit status must be the one given."""
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run([sys.executable, TOOL, "--model", MODEL, *words], capture_output=True, text=True, timeout=60, env=env)
    expect(done.returncode == status, "exit status %d, wanted %d: %s %s" % (done.returncode, status, done.stdout, done.stderr))
    return done.stdout, done.stderr


def push_logs(server: Server, t: int) -> None:
    """Lines of the failed trace in OTLP's way (the id is metadata), of the slow one with the id in the text."""
    record = {"timeUnixNano": str(t + 250 * spans.MS), "severityText": "ERROR", "traceId": spans.FAILED,
              "body": {"stringValue": "charge failed ``` password=hunter2 for ann@example.org"}}
    body = {"resourceLogs": [{"resource": {"attributes": [spans.attribute("service.name", "pay.api")]},
                              "scopeLogs": [{"logRecords": [record]}]}]}
    status, _, said = server.request("POST", "/otlp/v1/logs", json.dumps(body).encode(), {"Content-Type": "application/json"})
    expect(status in (200, 204), "OTLP: %d %s" % (status, said))
    status, said = server.push([({"service_name": "stock"}, [(str(t + 60 * spans.MS), "seq scan trace_id=%s rows=9000000" % spans.SLOW)]),
                                ({"service_name": "other"}, [(str(t), "not of the trace " + spans.SLOW)])])
    expect(status == 204, "push: %d %s" % (status, said))


def check_report(text: str) -> None:
    """What the report of the two traces must say, whoever Jaeger was."""
    first, second = text.index("## " + spans.FAILED), text.index("## " + spans.SLOW)
    expect(first < second, "the failed trace does not come first")
    failed, slow = text[first:second], text[second:]
    for part in ("Root: shop POST /order, 320.0 ms", "IOError: connection refused: pg:5432", "pay.api INSERT payments: 250.0 ms",
                 "db.system=postgresql", "charge failed", "````text", "tiny:1b, 42 s", "> What happened: pay refused."):
        expect(part in failed, "not in the report of the failed trace: %s\n%s" % (part, failed))
    for part in ("Root: shop GET /report, 5.00 s (usual for it: 40.0 ms)", "stock SELECT everything: 4.50 s, of its own 4.50 s",
                 "shop GET /report → stock SELECT everything → shop render", "seq scan trace_id=", "+60.0 ms stock"):
        expect(part in slow, "not in the report of the slow trace: %s\n%s" % (part, slow))
    for word in ("hunter2", "ann@example.org", "root@example.org", "not of the trace"):
        expect(word not in text, word + " is in the report")


def check_prompts(ollama: FakeOllama) -> None:
    bodies = ollama.prompts()
    expect(len(bodies) == 2, "%d prompts" % len(bodies))
    for body in bodies:
        expect(body["stream"] is False and body["options"]["num_ctx"] == 4096, "request: %s" % body)
        expect(len(body["messages"][1]["content"]) <= 9000, "the prompt is too long")
    expect("charge failed" in bodies[0]["messages"][1]["content"], "the prompt lacks the log line")


def whole_round(jaeger_url: str, t: int) -> None:
    """Jaeger, a real skald and a stand-in for the model: the report, and the report found in skald afterwards."""
    with Server() as skald, FakeOllama() as ollama:
        push_logs(skald, t)
        loki = "http://127.0.0.1:%d" % skald.port
        text, said = analyze("--jaeger", jaeger_url, "--loki", loki, "--ollama", ollama.url, "--push", "--grafana", "http://g/")
        expect(said == "", "standard error: " + said)
        check_report(text)
        check_prompts(ollama)
        expect("http://g/explore?" in text, "no link to Grafana")
        stored = skald.lines('{app="analyze-traces"}', time.time_ns() - 60 * 10**9, time.time_ns())
        expect([x.strip() for x in stored] == [text.strip()], "the report in skald is another")
