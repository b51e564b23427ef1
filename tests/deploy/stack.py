# SPDX-License-Identifier: Apache-2.0
"""The stack of an overlay on the loopback address: the collector, Jaeger, VictoriaMetrics and skald run as
real programs with the configurations and arguments of the manifests; only places and pace are changed."""
from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tools
from cluster import Cluster
from common import built, load, named, yaml_module
from skaldtest import Server, free_port

NODE = "test-node"
# Addresses of one run: the manifests' ports are fixed, and another run may have them on 127.0.0.1.
ADDRESS = f"127.{random.randrange(1, 250)}.{random.randrange(1, 250)}."


def fetch(url: str, body: bytes | None = None, kind: str = "application/json") -> tuple[int, bytes]:
    """Status and body; 0 when nobody answers."""
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()
    except OSError:
        return 0, b""


def eventually(what: str, check: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true result; AssertionError with what was missing."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)


class Program:
    """A process with its log in a file."""

    def __init__(self, folder: Path, name: str, command: list[str], env: dict[str, str]) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self.command, self.env = command, dict(env, PATH=os.environ["PATH"], HOME=str(folder))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.name} did not end") from None
            finally:
                self.process = None

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def alive(self, url: str) -> bool:
        """Whether it answers; AssertionError when it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} ended: {self.text()[-3000:]}"
        return fetch(url)[0] == 200

    def resident_mib(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


class Stack:
    """with Stack("overlays/pi") as s: ..."""

    def __init__(self, overlay: str, cluster: Cluster) -> None:
        self.docs, self.cluster = built(overlay), cluster
        programs = {n: str(tools.get(n)) for n in ("otelcol", "jaeger", "victoria-metrics")}
        self.folder = Path(tempfile.mkdtemp(prefix="skald-stack-"))
        self.pods = self.folder / "pods"
        self.collector_ip, self.jaeger_ip = ADDRESS + "3", ADDRESS + "2"
        self.vm_url = f"http://127.0.0.1:{free_port()}"
        self.jaeger_url = f"http://{self.jaeger_ip}:16686/jaeger"
        self.skald = self.make_skald()
        self.vm = self.make_victoriametrics(programs["victoria-metrics"])
        self.jaeger = self.make_jaeger(programs["jaeger"])
        self.collector = self.make_collector(programs["otelcol"])

    def container(self, kind: str, name: str) -> Any:
        return named(self.docs, kind, name)["spec"]["template"]["spec"]["containers"][0]

    def files(self, name: str) -> Path:
        """The ConfigMap's files in a folder."""
        folder = self.folder / f"config-{name}"
        folder.mkdir(exist_ok=True)
        for file, text in named(self.docs, "ConfigMap", name)["data"].items():
            (folder / file).write_text(text, encoding="utf-8")
        return folder

    def make_skald(self) -> Server:
        data, runtime = self.folder / "loki", self.files("loki-runtime")
        data.mkdir()
        text = (self.files("loki") / "config.yaml").read_text(encoding="utf-8")
        text = text.replace("/var/loki", str(data)).replace("/etc/loki/runtime-config", str(runtime))
        env = {e["name"]: e["value"] for e in self.container("StatefulSet", "loki").get("env", [])}
        server = Server(folder=str(data), config=text, env=env)
        server.args = ["-server.http-listen-address=127.0.0.1",
                       f"-server.http-listen-port={server.port}", "-server.grpc-listen-port=0"]
        return server

    def make_victoriametrics(self, program: str) -> Program:
        address = self.vm_url.removeprefix("http://")
        args = [a.replace("/storage", str(self.folder / "vm")).replace(":8428", address)
                .replace("FlushInterval=60s", "FlushInterval=1s").replace("selfScrapeInterval=60s",
                                                                          "selfScrapeInterval=2s")
                for a in self.container("StatefulSet", "victoriametrics")["args"]]
        return Program(self.folder, "victoriametrics", [program, *args], {})

    def make_jaeger(self, program: str) -> Program:
        folder = self.files("jaeger")
        for file in folder.iterdir():
            # The newest Jaeger that the module proxy has is older than the image and lacks this key.
            text = file.read_text(encoding="utf-8")
            file.write_text(re.sub(r"(?m)^ *max_trace_size: .*\n", "", text), encoding="utf-8")
        args = [a.replace("/etc/jaeger", str(folder)) for a in
                self.container("Deployment", "jaeger")["args"]]
        limit = next(e["value"] for e in self.container("Deployment", "jaeger")["env"]
                     if e["name"] == "GOMEMLIMIT")
        return Program(self.folder, "jaeger", [program, *args], {
            "JAEGER_LISTEN_HOST": self.jaeger_ip, "GOMEMLIMIT": limit,
            "BADGER_DIR": str(self.folder / "badger")})

    def make_collector(self, program: str) -> Program:
        folder = self.files("otel-collector")
        args = [a.replace("/etc/otelcol", str(folder)) for a in
                self.container("DaemonSet", "otel-collector")["args"]]
        changes = folder / "test-changes.yaml"
        changes.write_text(yaml_module().safe_dump(self.changes(folder)), encoding="utf-8")
        limit = next(e["value"] for e in self.container("DaemonSet", "otel-collector")["env"]
                     if e["name"] == "GOMEMLIMIT")
        return Program(self.folder, "otel-collector", [program, *args, f"--config={changes}"], {
            "MY_POD_IP": self.collector_ip, "K8S_NODE_NAME": NODE, "K8S_NODE_IP": "127.0.0.1",
            "GOMEMLIMIT": limit, "POD_LOGS": str(self.pods), "HOST_ROOT": "/",
            "OTELCOL_STATE": str(self.folder / "state"),
            "KUBECONFIG": str(self.cluster.write_kubeconfig("collector")),
            "SKALD_OTLP": f"http://127.0.0.1:{self.skald.port}/otlp",
            "JAEGER_OTLP": f"{self.jaeger_ip}:4317",
            "METRICS_WRITE": self.vm_url + "/api/v1/write",
            "METRICS_OTLP": self.vm_url + "/opentelemetry/v1/metrics"})

    def changes(self, folder: Path) -> dict[str, Any]:
        """What cannot be as in a pod: the way to the API server, the kubelet, minutes of waiting."""
        config = load((folder / "config.yaml").read_text(encoding="utf-8"))
        scrapes = config["receivers"]["prometheus"]["config"]["scrape_configs"]
        for scrape in scrapes:
            scrape["scrape_interval"] = scrape["scrape_timeout"] = "2s"
            for discovery in scrape["kubernetes_sd_configs"]:
                discovery["kubeconfig_file"] = str(self.cluster.write_kubeconfig("collector"))
        changed: dict[str, Any] = {
            "receivers": {"prometheus": {"config": {"scrape_configs": scrapes}}},
            "processors": {"k8s_attributes": {"auth_type": "kubeConfig"}, "batch": {"timeout": "200ms"}},
            "connectors": {"span_metrics": {"metrics_flush_interval": "1s"}}}
        if (folder / "host-metrics.yaml").exists():
            changed["receivers"]["kubelet_stats"] = {"auth_type": "none"}
            changed["receivers"]["host_metrics"] = {"collection_interval": "2s"}
        return changed

    def start_collector(self) -> None:
        self.collector.start()
        eventually("the collector's health", lambda: self.collector.alive(
            f"http://{self.collector_ip}:13133/"))

    def __enter__(self) -> Stack:
        try:
            self.pods.mkdir()
            self.skald.start()
            self.vm.start()
            self.jaeger.start()
            eventually("VictoriaMetrics", lambda: self.vm.alive(self.vm_url + "/health"))
            eventually("Jaeger", lambda: self.jaeger.alive(f"http://{self.jaeger_ip}:13133/status"))
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            for p in (self.collector, self.jaeger, self.vm):
                print(f"---- {p.name}\n{p.text()[-1500:]}")
        self.close()

    def close(self) -> None:
        for p in (self.collector, self.jaeger, self.vm):
            try:
                p.stop()
            except AssertionError as e:
                print(e)
        self.skald.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- pods and their logs ----

    def pod(self, namespace: str, name: str, app: str, **annotations: str) -> PodLog:
        """A pod of the API server with a log file as the kubelet lays it out."""
        c = self.cluster
        c.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n")
        c.run(["delete", "pod", name, "-n", namespace, "--force", "--grace-period=0"])
        c.apply(json.dumps({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations,
                         "labels": {"app.kubernetes.io/name": app}},
            "spec": {"nodeName": NODE, "containers": [{
                "name": "main", "image": "none", "ports": [{"containerPort": self.skald.port}]}]}}))
        c.kubectl("patch", "pod", name, "-n", namespace, "--subresource=status", "-p", json.dumps(
            {"status": {"phase": "Running", "podIP": "127.0.0.1",
                        "podIPs": [{"ip": "127.0.0.1"}]}}))
        uid = c.kubectl("get", "pod", name, "-n", namespace, "-o", "jsonpath={.metadata.uid}")
        return PodLog(self.pods / f"{namespace}_{name}_{uid}" / "main", uid)

    # ---- questions ----

    def lines(self, query: str, seconds: int = 3600) -> list[str]:
        now = time.time_ns()
        return self.skald.lines(query, now - seconds * 10**9, now + 60 * 10**9)

    def metric(self, promql: str) -> list[dict[str, str]]:
        """Labels of the series that an instant query finds."""
        status, data = fetch(self.vm_url + "/api/v1/query?" + urllib.parse.urlencode(
            {"query": promql, "latency_offset": "1ms"}))
        assert status == 200, data
        return [r["metric"] for r in json.loads(data)["data"]["result"]]

    def send(self, signal_: str, body: dict[str, Any]) -> None:
        status, data = fetch(f"http://{self.collector_ip}:4318/v1/{signal_}",
                             json.dumps(body).encode())
        assert status == 200, data


class PodLog:
    """A container's log file in CRI's format."""

    def __init__(self, folder: Path, uid: str) -> None:
        self.folder, self.uid, self.rotations = folder, uid, 0
        folder.mkdir(parents=True)
        self.file = folder / "0.log"
        self.file.touch()

    def write(self, *lines: str, stream: str = "stdout", tag: str = "F") -> None:
        with open(self.file, "a", encoding="utf-8") as f:
            for line in lines:
                now = time.time_ns()
                second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
                f.write(f"{second}.{now % 10**9:09d}Z {stream} {tag} {line}\n")

    def rotate(self) -> None:
        """As the kubelet does: renamed, then a new file."""
        self.rotations += 1
        self.file.rename(self.folder / f"0.log.20260101-00000{self.rotations}")
        self.file.touch()
