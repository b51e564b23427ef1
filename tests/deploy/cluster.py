# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server with etcd on the loopback address: no kubelet, no controllers, so objects are
checked, admitted and stored, and no pod runs."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import schema
import tools
from skaldtest import free_port

KUBECONFIG = """apiVersion: v1
kind: Config
clusters:
- {{name: test, cluster: {{server: "https://127.0.0.1:{port}", insecure-skip-tls-verify: true}}}}
users:
- {{name: admin, user: {{token: admin-token}}}}
- {{name: collector, user: {{token: collector-token}}}}
contexts:
- {{name: test, context: {{cluster: test, user: {user}}}}}
current-context: test
"""


class Cluster:
    """with Cluster() as c: c.kubectl(...)"""

    def __init__(self) -> None:
        self.programs = {n: str(tools.get(n)) for n in ("etcd", "kube-apiserver", "kubectl")}
        self.folder = Path(tempfile.mkdtemp(prefix="skald-cluster-"))
        self.port = free_port()
        self.running: list[subprocess.Popen[bytes]] = []
        self.logs: list[IO[bytes]] = []
        self.kubeconfig = self.write_kubeconfig("admin")

    def write_kubeconfig(self, user: str) -> Path:
        file = self.folder / f"kubeconfig-{user}"
        file.write_text(KUBECONFIG.format(port=self.port, user=user), encoding="utf-8")
        return file

    def start(self, name: str, *args: str) -> None:
        log = open(self.folder / f"{name}.log", "wb")
        self.logs.append(log)
        self.running.append(subprocess.Popen([self.programs[name], *args], stdout=log, stderr=log,
                                             cwd=self.folder))

    def start_etcd(self) -> str:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.start("etcd", "--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync",
                   "--listen-client-urls", client, "--advertise-client-urls", client,
                   "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                   "--initial-cluster", f"default={peer}", "--log-level", "error")
        return client

    def start_apiserver(self, etcd: str) -> None:
        key, tokens = self.folder / "sa.key", self.folder / "tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True,
                       capture_output=True)
        collector = "system:serviceaccount:observability:otel-collector"
        tokens.write_text(f'admin-token,admin,admin,"system:masters"\n'
                          f"collector-token,{collector},collector\n", encoding="utf-8")
        self.start("kube-apiserver", "--etcd-servers", etcd, "--bind-address", "127.0.0.1",
                   "--advertise-address", "127.0.0.1", "--secure-port", str(self.port),
                   "--cert-dir", str(self.folder / "certs"), "--token-auth-file", str(tokens),
                   "--authorization-mode", "RBAC", "--service-cluster-ip-range", "10.0.0.0/24",
                   "--service-account-issuer", "https://test", "--service-account-key-file",
                   str(key), "--service-account-signing-key-file", str(key),
                   # Nobody makes the tokens that this one waits for.
                   "--disable-admission-plugins", "ServiceAccount")

    def __enter__(self) -> Cluster:
        try:
            self.start_apiserver(self.start_etcd())
            self.wait(["get", "--raw", "/readyz"])
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        for p in reversed(self.running):
            p.terminate()
        for p in self.running:
            try:
                p.wait(30)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        for log in self.logs:
            log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, words: list[str], seconds: int = 180) -> None:
        """Until a kubectl command succeeds."""
        end = time.monotonic() + seconds
        while True:
            done = self.run(words)
            if done.returncode == 0:
                return
            for p in self.running:
                assert p.poll() is None, f"{p.args} ended: {self.log_ends()}"
            assert time.monotonic() < end, f"kubectl {words}: {done.stderr} {self.log_ends()}"
            time.sleep(0.5)

    def log_ends(self) -> str:
        return "\n".join(f.read_text(errors="replace")[-1500:] for f in self.folder.glob("*.log"))

    def run(self, words: list[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
        env = dict(os.environ, KUBECONFIG=str(self.kubeconfig), HOME=str(self.folder))
        return subprocess.run([self.programs["kubectl"], *words], input=text, env=env, text=True,
                              capture_output=True, check=False, timeout=120)

    def kubectl(self, *words: str, text: str | None = None) -> str:
        done = self.run(list(words), text)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr[-3000:]}"
        return done.stdout + done.stderr

    def apply(self, text: str, *more: str) -> str:
        """Strict: a misspelt key is an error."""
        return self.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict",
                            *more, "-f", "-", text=text)

    def install_crds(self) -> None:
        for text in schema.crd_texts():
            self.apply(text)
        for kind in ("servicemonitors", "podmonitors", "prometheusrules"):
            name = f"crd/{kind}.monitoring.coreos.com"
            self.kubectl("wait", "--for=condition=Established", name, "--timeout=60s")
            self.wait(["get", kind, "-A"])
