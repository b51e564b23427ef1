# SPDX-License-Identifier: Apache-2.0
"""Traces made by hand, as OTLP JSON: a failed order, a slow report, quick ones."""
from typing import Any, Optional

MS = 1_000_000
Json = dict[str, Any]


def attribute(key: str, value: str) -> Json:
    return {"key": key, "value": {"stringValue": value}}


def span(trace_id: str, number: int, parent: int, name: str, start: int, end: int, error: str = "",
         exception: str = "", **attributes: str) -> Json:
    made: Json = {"traceId": trace_id, "spanId": "%016x" % number, "name": name, "kind": 2, "startTimeUnixNano": str(start),
                  "endTimeUnixNano": str(end),
                  "attributes": [attribute(k.replace("__", "."), v) for k, v in attributes.items()]}
    if parent:
        made["parentSpanId"] = "%016x" % parent
    if error or exception:
        made["status"] = {"code": 2, "message": error}
    if exception:
        made["events"] = [{"timeUnixNano": str(end), "name": "exception",
                           "attributes": [attribute("exception.type", "IOError"), attribute("exception.message", exception)]}]
    return made


def of_service(service: str, *spans: Json, pod: Optional[str] = None) -> Json:
    resource = [attribute("service.name", service)] + ([attribute("k8s.pod.name", pod)] if pod else [])
    return {"resource": {"attributes": resource}, "scopeSpans": [{"scope": {"name": "test"}, "spans": list(spans)}]}


FAILED, SLOW = "5b8aa5a2d2c872e8321cf37308d69df2", "0af7651916cd43dd8448eb211c80319c"


def failed_order(t: int) -> Json:
    """shop asks pay, whose database refuses: 320 ms."""
    return {"resourceSpans": [
        of_service("shop", span(FAILED, 1, 0, "POST /order", t, t + 320 * MS, "502 from pay", http__route="/order",
                                http__response__status_code="502"), pod="shop-7f"),
        of_service("pay.api", span(FAILED, 2, 1, "charge", t + 10 * MS, t + 300 * MS, "no connection"),
                   span(FAILED, 3, 2, "INSERT payments", t + 40 * MS, t + 290 * MS, "", "connection refused: pg:5432",
                        db__system="postgresql"), pod="pay-1")]}


def slow_report(t: int) -> Json:
    """5 s, of which a query takes 4.5; two of its children overlap."""
    return {"resourceSpans": [
        of_service("shop", span(SLOW, 11, 0, "GET /report", t, t + 5000 * MS), span(SLOW, 12, 11, "render", t + 4600 * MS, t + 4900 * MS)),
        of_service("stock", span(SLOW, 13, 11, "SELECT everything", t + 50 * MS, t + 4550 * MS, db__system="postgresql"),
                   span(SLOW, 14, 11, "cache", t + 20 * MS, t + 100 * MS))]}


def quick(number: int, t: int) -> Json:
    return {"resourceSpans": [of_service("shop", span("%032x" % (1000 + number), 1000 + number, 0, "GET /report", t, t + 40 * MS))]}
