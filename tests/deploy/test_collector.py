#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The real collector accepts the configurations, and with real Jaeger, VictoriaMetrics, kube-apiserver and
skald: pod logs, traces and metrics arrive with their labels; outages of skald lose and repeat nothing."""
from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import queries
import tools
from cluster import Cluster
from common import OVERLAYS, built, load, named, run
from stack import Stack, eventually, fetch

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
KINDS = ("receivers", "processors", "exporters", "extensions", "connectors")
CLUSTER: list[Cluster] = []


def cluster() -> Cluster:
    if not CLUSTER:
        c = Cluster().__enter__()
        CLUSTER.append(c)
        c.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: observability}\n")
        for doc in built("overlays/single-node"):
            if doc["kind"] in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding"):
                c.apply(json.dumps(doc))
    return CLUSTER[0]


def configs(overlay: str) -> dict[str, str]:
    return dict(named(built(overlay), "ConfigMap", "otel-collector")["data"])


def validated() -> None:
    """otelcol validate with each overlay's files in the DaemonSet's order."""
    program = tools.get("otelcol")
    for overlay in OVERLAYS:
        pod = named(built(overlay), "DaemonSet", "otel-collector")["spec"]["template"]["spec"]
        with tempfile.TemporaryDirectory() as folder:
            for name, text in configs(overlay).items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            args = [a.replace("/etc/otelcol", folder) for a in pod["containers"][0]["args"]]
            if any("host-metrics" in a for a in args):  # no pod, so no token for the kubelet
                args.append("--config=yaml:receivers::kubelet_stats::auth_type: none")
            done = subprocess.run(
                [program, "validate", *args], capture_output=True, text=True, check=False,
                env={"MY_POD_IP": "127.0.0.1", "K8S_NODE_NAME": "n", "K8S_NODE_IP": "127.0.0.1",
                     "HOST_ROOT": "/", "PATH": os.environ["PATH"]})
            assert done.returncode == 0, f"{overlay}: {done.stderr}"


def names_are_canonical() -> None:
    """No deprecated alias: each name is in the collector's own list."""
    done = subprocess.run([tools.get("otelcol"), "components"], capture_output=True, text=True,
                          check=True)
    listed = load(done.stdout)
    for overlay in OVERLAYS:
        for file, text in configs(overlay).items():
            for kind in KINDS:
                known = {c["name"] for c in listed[kind]}
                used = {str(n).split("/")[0] for n in load(text).get(kind, {})}
                assert used <= known, f"{overlay} {file}: {kind} {used - known}"


def attributes(**values: str) -> list[dict[str, Any]]:
    return [{"key": k.replace("__", "."), "value": {"stringValue": v}} for k, v in values.items()]


def send_span(stack: Stack, uid: str, trace: str) -> None:
    """A failed span from an application in the pod."""
    now = time.time_ns()
    resource = {"attributes": attributes(service__name="mlflow", k8s__pod__uid=uid)}
    stack.send("traces", {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [{
        "traceId": trace, "spanId": SPAN, "name": "POST /predict", "kind": 2,
        "startTimeUnixNano": str(now - 3 * 10**9), "endTimeUnixNano": str(now),
        "status": {"code": 2, "message": "model is missing"}}]}]}]})


def send_otlp(stack: Stack, uid: str) -> None:
    """A failed span, a line that belongs to it, a gauge."""
    send_span(stack, uid, TRACE)
    now = time.time_ns()
    resource = {"attributes": attributes(service__name="mlflow", k8s__pod__uid=uid)}
    stack.send("logs", {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [{
        "timeUnixNano": str(now), "severityText": "ERROR", "severityNumber": 17,
        "body": {"stringValue": "prediction failed"}, "traceId": TRACE, "spanId": SPAN}]}]}]})
    stack.send("metrics", {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [{
        "name": "queue.depth", "gauge": {"dataPoints": [
            {"timeUnixNano": str(now), "asDouble": 7}]}}]}]}]})


def check_logs(stack: Stack) -> None:
    """The founding query, long lines, streams, few labels."""
    query = '{namespace="ml-platform", app="mlflow"} |= "error" | json | level="ERROR"'
    found = eventually("the line of " + query, lambda: stack.lines(query))
    assert found == ['{"level":"ERROR","msg":"an error of training"}'], found
    [joined] = eventually("the joined line", lambda: stack.lines('{app="mlflow"} |= "beginning"'))
    assert joined == "beginning and end of a long line", joined
    assert stack.lines('{namespace="ml-platform"} | log_iostream="stderr"') == ["to stderr"]
    assert stack.lines('{app="fallback"} |= "no label"') == []
    assert not stack.lines('{namespace="ml-platform"} |= "before the collector"'), "start_at: end"
    status, data = stack.skald.get("/loki/api/v1/series", {"match[]": '{namespace="ml-platform"}'})
    labels = {k for s in json.loads(data)["data"] for k in s}
    assert status == 200 and labels <= {
        "namespace", "app", "service_name", "k8s_namespace_name", "k8s_container_name",
        "k8s_node_name"}, labels
    pods = {m["k8s_pod_name"] for m, _ in stack.skald.query(
        '{app="mlflow"}', time.time_ns() - 3600 * 10**9, time.time_ns()) if "k8s_pod_name" in m}
    assert pods == {"mlflow-0"}, pods


def check_traces(stack: Stack) -> None:
    """In Jaeger with the pod's names, and the line of the trace by the data source's query."""
    def trace() -> Any:
        status, data = fetch(f"{stack.jaeger_url}/api/v3/traces/{TRACE}")
        return json.loads(data) if status == 200 else None
    text = json.dumps(eventually("the trace in Jaeger", trace))
    assert "POST /predict" in text and "ml-platform" in text and "model is missing" in text, text
    query = '{service_name=~".+"} | trace_id="%s"' % TRACE
    assert eventually(query, lambda: stack.lines(query)) == ["prediction failed"]


def check_metrics(stack: Stack, uid: str) -> None:
    """OTLP, scraped pods of this node, spans, with the names that the dashboards use."""
    for promql, labels in (
            ("queue_depth", {"service_name": "mlflow", "k8s_namespace_name": "ml-platform"}),
            ('loki_build_info{pod="mlflow-0"}', {"namespace": "ml-platform"}),
            ('traces_span_metrics_calls_total{status_code="STATUS_CODE_ERROR"}',
             {"service_name": "mlflow", "span_name": "POST /predict",
              "span_kind": "SPAN_KIND_SERVER", "k8s_namespace_name": "ml-platform"}),
            ('traces_span_metrics_duration_seconds_bucket{le="5"}', {"service_name": "mlflow"})):
        found = eventually(promql, lambda q=promql: stack.metric(q), 90)  # type: ignore[misc]
        assert any(labels.items() <= s.items() for s in found), f"{promql}: {found}"
    for i in range(3):  # rates need counters that rise
        send_span(stack, uid, f"{i:032x}")
        time.sleep(2)
    for name in ("ml.json", "traces.json"):
        for p in queries.panels(queries.dashboards()[name]):
            for t in p.get("targets", []):
                if "traces_span_metrics" in t.get("expr", ""):
                    expr = queries.plain(t["expr"], ".*")
                    eventually(f"{name}: {expr}", lambda e=expr: stack.metric(e), 60)


def check_own_metrics(stack: Stack) -> None:
    """Names of the alerts NoLogsFromNode and CollectorSendFailing, or of their kin, in the collector."""
    text = fetch(f"http://{stack.collector_ip}:8888/metrics")[1].decode()
    assert 'otelcol_receiver_accepted_log_records' in text and 'receiver="file_log"' in text, text
    assert "otelcol_exporter_sent_log_records" in text and 'exporter="otlp_http/skald"' in text
    complaints = [x for x in stack.collector.text().splitlines()
                  if "deprecated" in x or "\terror\t" in x or "future release" in x]
    # There is no kubelet here.
    complaints = [x for x in complaints if "kubelet_stats" not in x]
    assert not complaints, complaints


def all_signals(overlay: str) -> None:
    with Stack(overlay, cluster()) as stack:
        scrape = {"prometheus.io/scrape": "true", "prometheus.io/port": str(stack.skald.port)}
        pod = stack.pod("ml-platform", "mlflow-0", "mlflow", **scrape)
        own = stack.pod("observability", "otel-collector-x", "otel-collector")
        pod.write("before the collector came")
        stack.start_collector()
        # The first poll decides where "end" is.
        eventually("the file is watched", lambda: b"otelcol_fileconsumer_open_files" in fetch(
            f"http://{stack.collector_ip}:8888/metrics")[1])
        time.sleep(2)
        pod.write('{"level":"ERROR","msg":"an error of training"}',
                  '{"level":"INFO","msg":"no error at all"}', "error, but no JSON")
        pod.write("beginning and ", tag="P")
        pod.write("end of a long line")
        pod.write("to stderr", stream="stderr")
        own.write("the collector's own line")
        send_otlp(stack, pod.uid)
        check_logs(stack)
        check_traces(stack)
        check_metrics(stack, pod.uid)
        check_own_metrics(stack)
        assert not stack.lines('{namespace="observability"}'), "the collector reads its own log"
        print("      resident MiB: " + ", ".join(
            f"{p.name} {p.resident_mib():.0f}" for p in (stack.collector, stack.jaeger, stack.vm)))


def overlay_pi() -> None:
    all_signals("overlays/pi")


def overlay_pi_lite() -> None:
    """Metrics by OTLP, host metrics by the collector."""
    all_signals("overlays/pi-lite")


def overlay_ssd() -> None:
    """Queues on disk, Jaeger with Badger."""
    all_signals("overlays/ssd")


def tail_through_restarts() -> None:
    """Two pods write and rotate; skald is ended thrice (once by SIGKILL), the collector once."""
    with Stack("overlays/pi", cluster()) as stack:
        logs = [stack.pod("work", f"w-{i}", f"worker{i}") for i in range(2)]
        stack.start_collector()
        time.sleep(3)
        stop, written = threading.Event(), [0]

        def write() -> None:
            while not stop.is_set():
                n = written[0]
                logs[n % 2].write(f"line {n:06d} {'x' * (n % 300)}")
                written[0] += 1
                if n in (2000, 5001):  # the kubelet does it each 10 MiB
                    logs[n % 2].rotate()
                time.sleep(0.002)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
                time.sleep(3)
                stack.skald.stop(how)
                time.sleep(3)
                stack.skald.start()
            # A batch in memory that waits to be repeated (30 s at most) would go with the collector.
            time.sleep(35)
            stack.collector.stop()
            time.sleep(1)
            stack.start_collector()
            time.sleep(2)
        finally:
            stop.set()
            writer.join()
        check_each_once(stack, written[0])


def check_each_once(stack: Stack, count: int) -> None:
    assert count > 1000, count

    def found() -> collections.Counter[str]:
        return collections.Counter(x.split()[1] for app in range(2) for rest in range(10)
                                   for x in stack.lines('{app="worker%d"} |~ "^line [0-9]{5}%d "'
                                                        % (app, rest)))
    have, end = found(), time.monotonic() + 90
    while len(have) < count and time.monotonic() < end:
        time.sleep(1)
        have = found()
    missing = [n for n in range(count) if f"{n:06d}" not in have]
    if missing:  # who lost them: what the collector gave up, and when skald stopped and replayed
        text = stack.collector.text() + stack.skald.log()
        words = ("Exporting failed", "Dropping", "replay", "stop", "level=warn", "level=error")
        print("\n".join(x[:400] for x in text.splitlines() if any(w in x for w in words)))
    assert not missing, f"{len(missing)} of {count} are missing: {missing[:3]}...{missing[-3:]}"
    twice = [n for n, k in have.items() if k > 1]
    assert not twice, f"{len(twice)} of {count} twice: {twice[:5]}"
    print(f"      {count} lines, each once; collector {stack.collector.resident_mib():.0f} MiB")


if __name__ == "__main__":
    try:
        run([validated, names_are_canonical, overlay_pi, overlay_pi_lite, overlay_ssd,
             tail_through_restarts])
    finally:
        for started in CLUSTER:
            started.close()
