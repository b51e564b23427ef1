#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""analyze-traces.py against a real Jaeger with spans that were pushed to it, and a real skald with lines of the same traces."""
import time

import spans
from deploytest import expect, main
from jaegertest import Jaeger
from tracefakes import analyze, whole_round


def test() -> None:
    with Jaeger() as jaeger:
        t = time.time_ns() - 60 * 10**9
        expect("Nothing slow or failed" in analyze("--jaeger", jaeger.url, "--no-logs", "--no-llm")[0], "an empty Jaeger")
        for trace in (spans.failed_order(t), spans.slow_report(t), *[spans.quick(i, t) for i in range(5)]):
            jaeger.push(trace)
        end = time.monotonic() + 10
        while time.monotonic() < end and spans.SLOW not in analyze("--jaeger", jaeger.url, "--no-logs", "--no-llm")[0]:
            time.sleep(0.2)
        whole_round(jaeger.url, t)
        text, _ = analyze("--jaeger", jaeger.url, "--no-logs", "--no-llm", "--trace-id", spans.SLOW)
        expect("## " + spans.SLOW in text, "--trace-id: " + text)
        analyze("--jaeger", jaeger.url, "--no-logs", "--no-llm", "--trace-id", "1" * 32, status=3)


if __name__ == "__main__":
    main("deploy.jaeger", test)
