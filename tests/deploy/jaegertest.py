# SPDX-License-Identifier: Apache-2.0
"""A real Jaeger, built once from its Go module, on loopback ports of its own, with traces that are pushed over OTLP."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from typing import Any

from deploytest import Skip, cache_lock, need, pins, remote_failure, run
from skaldtest import free_port

CONFIG = """service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {receivers: [otlp], processors: [], exporters: [jaeger_storage_exporter]}
  telemetry: {metrics: {level: none}, logs: {level: warn}}
extensions:
  jaeger_query: {storage: {traces: main}, base_path: /jaeger, http: {endpoint: "127.0.0.1:%(query)d"}, grpc: {endpoint: "127.0.0.1:0"}}
  jaeger_storage: {backends: {main: {memory: {max_traces: 5000}}}}
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:%(otlp)d"}}}}
exporters: {jaeger_storage_exporter: {trace_storage: main}}
"""


def built() -> str:
    """The program, from the cache or built: minutes. Its own go.mod counts, so it is built in a copy of the module."""
    wanted = pins()["JAEGER_MODULE"]
    with cache_lock("jaeger") as cache:
        program = os.path.join(cache, "jaeger-" + wanted)
        if os.path.exists(program):
            return program
        need("go")
        env = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-p=1", GOTOOLCHAIN="local")
        said = subprocess.run(["go", "mod", "download", "-json", "github.com/jaegertracing/jaeger@" + wanted], env=env,
                              capture_output=True, text=True, check=False)
        if said.returncode != 0:
            raise Skip("no Jaeger: " + (said.stdout + said.stderr)[-300:])
        source = os.path.join(cache, "jaeger-source")
        shutil.rmtree(source, ignore_errors=True)
        shutil.copytree(json.loads(said.stdout)["Dir"], source)
        run(["chmod", "-R", "u+w", source])
        try:
            run(["nice", "-n", "10", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program + ".new", "./cmd/jaeger"],
                cwd=source, env=env, timeout=3000)
        except AssertionError as e:
            if remote_failure(str(e)):
                raise Skip("Jaeger's modules cannot be had: " + str(e)[-300:])
            raise
        finally:
            shutil.rmtree(source, ignore_errors=True)
        os.rename(program + ".new", program)
        return program


class Jaeger:
    def __init__(self) -> None:
        self.program = built()
        self.query, self.otlp = free_port(), free_port()
        self.url = "http://127.0.0.1:%d/jaeger" % self.query

    def __enter__(self) -> "Jaeger":
        self.folder = tempfile.mkdtemp(prefix="jaeger-")
        config = os.path.join(self.folder, "config.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG % {"query": self.query, "otlp": self.otlp})
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "w", encoding="utf-8") as log:
            self.proc = subprocess.Popen([self.program, "--config=" + config], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.proc.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/api/v3/services", timeout=5):
                    return self
            except urllib.error.URLError:
                time.sleep(0.1)
        with open(self.log, encoding="utf-8") as f:
            raise AssertionError("Jaeger is not ready:\n" + f.read()[-3000:])

    def __exit__(self, *exc: object) -> None:
        self.proc.terminate()
        self.proc.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def push(self, traces: dict[str, Any]) -> None:
        request = urllib.request.Request("http://127.0.0.1:%d/v1/traces" % self.otlp, json.dumps(traces).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            if answer.status != 200:
                raise AssertionError("OTLP: status %d" % answer.status)
