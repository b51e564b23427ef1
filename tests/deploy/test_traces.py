#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""analyze-traces.py: trees of spans, texts, recorded answers of Jaeger old and new, a real skald, a stand-in for Ollama, and each of
the three away."""
import importlib.util
import json
import os
import sys
import tempfile
import time
from types import ModuleType
from typing import Any

import spans
from deploytest import expect, main
from spans import FAILED, MS, SLOW
from skaldtest import free_port
from tracefakes import MODEL, TOOL, Fake, FakeJaeger, FakeOllama, analyze, whole_round

SECOND = 10**9
# What version 2.13 answers to what it does not know: the page of its user interface, with 200.
PAGE = b"<!DOCTYPE html>\n<html><title>Jaeger UI</title></html>\n"


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("analyze_traces", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["analyze_traces"] = module
    spec.loader.exec_module(module)
    return module


TOOLS = loaded()


def trace_of(*rows: tuple[int, int, int, int]) -> Any:
    """Rows: number, parent, start, end."""
    return TOOLS.finished(TOOLS.Trace("t", [TOOLS.Span("%d" % n, "%d" % p if p else "", "s", "op%d" % n, a, b) for n, p, a, b in rows]))


def path_of(trace: Any) -> list[str]:
    return [s.span_id for s in TOOLS.critical_path(trace)]


def check_trees() -> None:
    t = trace_of((1, 0, 0, 100), (2, 1, 10, 40), (3, 1, 30, 60), (4, 1, 70, 90), (5, 4, 70, 80))
    expect([s.self_ns for s in t.spans] == [30, 30, 30, 10, 10], "self times: %s" % [s.self_ns for s in t.spans])
    expect(path_of(t) == ["1", "3", "4", "5"], "critical path: %s" % path_of(t))
    t = trace_of((1, 0, 100, 200), (2, 1, 50, 150), (3, 1, 190, 260))  # children begin before and end after their parent
    expect(t.spans[0].self_ns == 40 and t.duration == 210, "self time with skew: %d" % t.spans[0].self_ns)
    expect(path_of(t) == ["1", "2", "3"], "critical path with skew: %s" % path_of(t))
    t = trace_of((3, 9, 5, 20), (4, 8, 0, 10), (5, 3, 6, 7))  # two roots whose parents are not there
    expect(t.root.span_id == "4" and path_of(t) == ["4"], "two roots: %s" % t.root)
    t = trace_of((1, 2, 0, 10), (2, 1, 0, 10), (3, 3, 0, 10))  # rings
    expect(len(path_of(t)) >= 1, "a ring")
    deep = trace_of(*[(i + 1, i, i, 20_000 - i) for i in range(10_000)])
    expect(len(path_of(deep)) == 10_000 and deep.spans[0].self_ns == 2, "10,000 spans below each other")
    wide = trace_of((1, 0, 0, 10**6), *[(i, 1, i, i + 50) for i in range(2, 10_000)])
    expect(wide.spans[0].self_ns == 10**6 - 10_047, "10,000 spans beside each other: %d" % wide.spans[0].self_ns)


def check_texts() -> None:
    for text, length in (("1h30m", 5400 * SECOND), ("1.5s", 1500 * MS), ("250ms", 250 * MS), ("7d", 604800 * SECOND)):
        expect(TOOLS.duration(text) == length, "duration " + text)
    for bad in ("", "5", "h", "1h x", "-1s"):
        try:
            TOOLS.duration(bad)
        except Exception:  # noqa: any refusal will do
            continue
        raise AssertionError("duration %r is taken" % bad)
    for text, want in (("Authorization: Bearer abcdefgh1234", "[redacted]"), ("password=secret1 x", "password=[redacted] x"),
                       ('"api_key": "k1"', '"api_key": "[redacted]"'), ("a.b+c@d.example", "[email]"), ("f" * 40, "[hex]")):
        got = TOOLS.redacted(text)
        expect(want in got and "secret1" not in got and "abcdefgh" not in got, "redacted %r: %r" % (text, got))
    expect(TOOLS.redacted(FAILED) == FAILED, "a trace id is redacted")
    block = TOOLS.fenced(["a ```` b", "c"])
    expect(block[0] == "`````text" and block[-1] == "`````", "fence: %s" % block)
    expect(TOOLS.cut("x" * 500) == "x" * 119 + "…" and TOOLS.cut("a\x1b[31m\nb") == "a [31m b", "cut")
    expect(TOOLS.selector(["a.b", 'c"|d']) == '{service_name=~"a\\\\.b|c\\"\\\\|d"}', "selector: " + TOOLS.selector(["a.b", 'c"|d']))
    expect(TOOLS.hex_id("W4qlotLIcugyHPNzCNad8g==") == FAILED, "an id in base64")


def check_prompt_size() -> None:
    trace = TOOLS.traces_of_otlp(spans.failed_order(SECOND))[0]
    trace.logs = [(SECOND + i, "pay.api", "line %d %s" % (i, "y" * 300)) for i in range(50)]
    whole = TOOLS.prompt(trace, 10**6, str)
    expect("line 0 " in whole and "line 49 " in whole, "a prompt without a bound lacks lines")
    for most in (9000, 2000, 900, 300):
        text = TOOLS.prompt(trace, most, str)
        expect(len(text) <= most, "%d characters, %d allowed" % (len(text), most))
        expect(most < 2000 or ("line 49 " in text and "line 0 " not in text), "the oldest lines do not go first")


class OldJaeger(Fake):
    """Only what version 1 has; the page for all else."""

    def __init__(self, t: int) -> None:
        super().__init__()
        tags = [{"key": "error", "type": "bool", "value": True}, {"key": "otel.status_description", "value": "boom"}]
        self.trace = {"traceID": FAILED, "processes": {"p1": {"serviceName": "shop"}, "p2": {"serviceName": "pay.api"}}, "spans": [
            {"spanID": "a", "operationName": "POST /order", "references": [], "startTime": t // 1000, "duration": 320000, "tags": [],
             "processID": "p1"},
            {"spanID": "b", "operationName": "charge", "references": [{"refType": "CHILD_OF", "spanID": "a"}],
             "startTime": t // 1000 + 10, "duration": 300000, "tags": tags, "processID": "p2"}]}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/api/services":
            return 200, {"data": ["shop", "pay.api"]}
        if path == "/api/traces":
            return 200, {"data": [] if "minDuration" in query else [self.trace]}
        return 200, PAGE


def check_old_jaeger(t: int) -> None:
    with OldJaeger(t) as jaeger:
        text, _ = analyze("--jaeger", jaeger.url, "--no-logs", "--no-llm")
        expect("Root: shop POST /order, 320.0 ms" in text and "FAILED: boom" in text, "report of version 1: " + text)


def check_choice(jaeger: FakeJaeger) -> None:
    where = ("--jaeger", jaeger.url, "--no-logs", "--no-llm")
    text, _ = analyze(*where, "--errors-only")
    expect(FAILED in text and SLOW not in text, "--errors-only: " + text)
    text, _ = analyze(*where, "--limit", "1")
    expect(FAILED in text and SLOW not in text, "--limit: " + text)
    text, _ = analyze(*where, "--trace-id", SLOW.upper())
    expect(SLOW in text and FAILED not in text, "--trace-id: " + text)
    text, _ = analyze(*where, "--service", "nobody")
    expect("Nothing slow or failed was found" in text, "nothing: " + text)
    made = json.loads(analyze(*where, "--format", "json")[0])
    expect([t["failed"] for t in made["traces"]] == [3, 0], "json: %s" % made)
    said = analyze(*where, "--trace-id", "1" * 32, status=3)[1]
    expect("has no trace" in said or "No traces found" in said, "a trace that is not there: " + said)
    expect(all(method == "GET" for method, _, _, _ in jaeger.asked), "Jaeger was asked for more than GET")


def check_away(jaeger: FakeJaeger) -> None:
    """Each of the three away: who, where and why is said, and what can be reported is."""
    nowhere = "http://127.0.0.1:%d" % free_port()
    said = analyze("--jaeger", nowhere, "--no-logs", "--no-llm", status=3)[1]
    expect("Jaeger: " + nowhere in said and "refused" in said and "Traceback" not in said, "no Jaeger: " + said)
    text, said = analyze("--jaeger", jaeger.url, "--loki", nowhere, "--no-llm")
    expect("No log lines: " + nowhere in text and "warning" in said, "no skald: %s %s" % (text, said))
    text, said = analyze("--jaeger", jaeger.url, "--no-logs", "--ollama", nowhere, status=4)
    expect("## " + FAILED in text and "No model was asked" in text and "Ollama: " + nowhere in said, "no Ollama: %s %s" % (text, said))
    for fake, word in ((FakeOllama(models=("other:7b",)), "ollama pull " + MODEL), (FakeOllama(broken=(500, {"error": "boom"})), "status 500"),
                       (FakeOllama(broken=(200, b'{"message": {"content": "trunc')), "no JSON"), (FakeOllama(broken=(200, {"x": 1})), "without a text"),
                       (FakeOllama(broken=(200, [])), "not Ollama's")):
        with fake:
            text, said = analyze("--jaeger", jaeger.url, "--no-logs", "--ollama", fake.url, status=4)
            expect(word in said and "## " + SLOW in text, "%s: %s" % (word, said))
    for strange in ((200, b"[1, 2]"), (200, b"{\"services\": 5}"), (500, b"oops"), (200, b"\xff")):
        class Strange(Fake):
            def answer(self, *args: Any) -> tuple[int, Any]:
                return strange
        with Strange() as broken:
            said = analyze("--jaeger", broken.url, "--no-logs", "--no-llm", status=3)[1]
            expect("Traceback" not in said and "Jaeger: " in said, "a strange Jaeger: " + said)


def check_files(t: int) -> None:
    """Offline: traces from a file, the prompts printed; and a report that cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"result": spans.failed_order(t)}, f)
        text, said = analyze("--traces", path, "--no-logs", "--dry-run")
        expect("never instructions" in text and "INSERT payments" in text and said == "", "--dry-run: %s %s" % (text, said))
        analyze("--traces", path, "--no-logs", "--no-llm", "-o", os.path.join(folder, "out.md"))
        with open(os.path.join(folder, "out.md"), encoding="utf-8") as f:
            expect(f.read().startswith("# Trace analysis "), "-o")
        analyze("--traces", path, "--no-logs", "--no-llm", "-o", os.path.join(folder, "none", "out.md"), status=5)
        analyze("--traces", path + ".none", "--no-logs", "--no-llm", status=3)
        analyze("--lookback", "yesterday", status=2)


def check_generate(jaeger: FakeJaeger) -> None:
    with FakeOllama() as ollama:
        text, _ = analyze("--jaeger", jaeger.url, "--no-logs", "--ollama", ollama.url.replace("http://", ""), "--api", "generate", "--limit", "1")
        expect("> What happened" in text and "prompt" in ollama.prompts()[0], "--api generate: " + text)


def test() -> None:
    check_trees()
    check_texts()
    check_prompt_size()
    t = time.time_ns() - 60 * SECOND
    with FakeJaeger(spans.failed_order(t), spans.slow_report(t), *[spans.quick(i, t) for i in range(5)]) as jaeger:
        whole_round(jaeger.url, t)
        check_choice(jaeger)
        check_away(jaeger)
        check_generate(jaeger)
    check_old_jaeger(t)
    check_files(t)


if __name__ == "__main__":
    main("deploy.traces", test)
