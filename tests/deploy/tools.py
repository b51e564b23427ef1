#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The programs that check deploy/, built from Go modules at the versions of deploy/versions.env.

  tools.py                 list: name, version, where it lies or that it is not built
  tools.py build NAME...   build what is missing ("all": every one)

A program is built once for each version into build/deploy-cache/bin. Compiling them all takes the better
part of an hour on two slow cores, so tests ask with get(name): light ones are built there and then, heavy
ones only when DEPLOY_HEAVY=1 is set (`./dev test-deploy`), else the test is skipped with the command that
builds them. DEPLOY_TOOL_<NAME>=PATH names a program that lies elsewhere.
"""
from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("DEPLOY_CACHE") or TOP / "build" / "deploy-cache")
SKIPPED = 77
BUILD_S = 5400
COLLECTOR = "go.opentelemetry.io/collector"


class Unavailable(Exception):
    """The program cannot be had here; the test that needs it is skipped."""


@dataclasses.dataclass(frozen=True)
class Tool:
    """A Go program: its module, the key of its version in versions.env, its package."""

    module: str
    pin: str
    package: str
    heavy: bool = False
    tags: str = ""
    ldflags: str = ""


TOOLS = {
    "kustomize": Tool("sigs.k8s.io/kustomize/kustomize/v5", "KUSTOMIZE_VERSION",
                      "sigs.k8s.io/kustomize/kustomize/v5"),
    "helm": Tool("helm.sh/helm/v3", "HELM_VERSION", "helm.sh/helm/v3/cmd/helm", heavy=True,
                 # Else it takes itself for a client of Kubernetes 1.20.
                 ldflags="-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 "
                         "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36"),
    "etcd": Tool("go.etcd.io/etcd/server/v3", "ETCD_VERSION", "go.etcd.io/etcd/server/v3",
                 heavy=True),
    "kube-apiserver": Tool("k8s.io/kubernetes", "KUBERNETES_VERSION",
                           "k8s.io/kubernetes/cmd/kube-apiserver", heavy=True,
                           # Else it says v0.0.0, and charts refuse it.
                           ldflags="-X k8s.io/component-base/version.gitVersion=@VERSION@"),
    "kubectl": Tool("k8s.io/kubernetes", "KUBERNETES_VERSION", "k8s.io/kubernetes/cmd/kubectl",
                    heavy=True),
    "promtool": Tool("github.com/prometheus/prometheus", "PROMETHEUS_MODULE",
                     "github.com/prometheus/prometheus/cmd/promtool", heavy=True),
    "victoria-metrics": Tool("github.com/VictoriaMetrics/VictoriaMetrics",
                             "VICTORIAMETRICS_VERSION",
                             "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics",
                             heavy=True),
    "jaeger": Tool("github.com/jaegertracing/jaeger", "JAEGER_MODULE",
                   "github.com/jaegertracing/jaeger/cmd/jaeger", heavy=True),
    "builder": Tool(COLLECTOR + "/cmd/builder", "OTELCOL_VERSION", COLLECTOR + "/cmd/builder",
                    heavy=True),
    "otelcol": Tool(COLLECTOR, "OTELCOL_VERSION", "", heavy=True),
}


def pins() -> dict[str, str]:
    """deploy/versions.env as a dictionary."""
    found = {}
    for line in (TOP / "deploy" / "versions.env").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name] = value
    return found


def version(name: str) -> str:
    value = pins()[TOOLS[name].pin]
    return "v" + value if name in ("builder", "otelcol") else value


def place(name: str) -> Path:
    given = os.environ.get("DEPLOY_TOOL_" + name.upper().replace("-", "_"))
    return Path(given) if given else CACHE / "bin" / f"{name}-{version(name)}"


def run(command: list[str], cwd: Path, seconds: int = BUILD_S) -> str:
    """The command's stdout; Unavailable with the end of its stderr when it fails."""
    env = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-p=1", GOWORK="off")
    try:
        done = subprocess.run(["nice", "-n", "10", *command], cwd=cwd, env=env, text=True,
                              capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{' '.join(command)} did not end within {seconds} s") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split())
        raise Unavailable(f"{' '.join(command)} failed: {said[-600:]}")
    return done.stdout


def module_folder(work: Path, module: str, wanted: str) -> Path:
    """Where the Go module cache holds a module, after fetching it."""
    told = json.loads(run(["go", "mod", "download", "-json", f"{module}@{wanted}"], work, 600))
    return Path(told["Dir"])


def replacements(tool: Tool, wanted: str, work: Path) -> list[str]:
    """The replace lines of the module's own go.mod, which Go ignores when the module is required.

    Kubernetes' staging modules are folders of its repository there and modules v0.x.y for others."""
    folder = module_folder(work, tool.module, wanted)
    told = json.loads(run(["go", "mod", "edit", "-json", str(folder / "go.mod")], work, 60))
    lines = []
    for entry in told.get("Replace") or []:
        old, new = entry["Old"]["Path"], entry["New"]
        if new["Path"].startswith("./staging/"):
            lines.append(f"replace {old} => {old} v0{wanted[2:]}")
        elif not new["Path"].startswith("."):
            lines.append(f"replace {old} => {new['Path']} {new['Version']}")
    return lines


def build_program(name: str, target: Path) -> None:
    tool, wanted = TOOLS[name], version(name)
    work = CACHE / "src" / f"{name}-{wanted}"
    work.mkdir(parents=True, exist_ok=True)
    ours = run(["go", "env", "GOVERSION"], work, 60).strip().removeprefix("go")
    (work / "go.mod").write_text(f"module skald.invalid/tool\n\ngo {ours}\n", encoding="utf-8")
    # The module's own sums: no need to ask the checksum database for each of its modules.
    sums = module_folder(work, tool.module, wanted) / "go.sum"
    if sums.exists():
        (work / "go.sum").write_bytes(sums.read_bytes())
    lines = [f"require {tool.module} {wanted}", *replacements(tool, wanted, work)]
    with open(work / "go.mod", "a", encoding="utf-8") as f:
        f.write("\n" + "\n".join(lines) + "\n")
    run(["go", "build", "-mod=mod", "-trimpath", "-tags", tool.tags, "-ldflags",
         "-s -w " + tool.ldflags.replace("@VERSION@", wanted), "-o", str(target), tool.package], work)


def build_collector(target: Path) -> None:
    """A collector of our components, by the project's own builder."""
    builder, work = get("builder", True), CACHE / "src" / f"otelcol-{version('otelcol')}"
    work.mkdir(parents=True, exist_ok=True)
    manifest = (Path(__file__).parent / "otelcol-builder.yaml").read_text(encoding="utf-8")
    manifest = manifest.replace("@VERSION@", version("otelcol")).replace("@WORK@", str(work))
    manifest = manifest.replace("@STABLE@", pins()["OTELCOL_STABLE"])
    (work / "builder.yaml").write_text(manifest, encoding="utf-8")
    run([str(builder), "--config", str(work / "builder.yaml")], work)
    shutil.move(work / "otelcol-skald", target)


def build(name: str) -> Path:
    if shutil.which("go") is None:
        raise Unavailable(f"no go to build {name} with")
    target = place(name)
    fresh = target.with_name(target.name + ".new")
    (CACHE / "bin").mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"lock-{name}", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            if name == "otelcol":
                build_collector(fresh)
            else:
                build_program(name, fresh)
            os.rename(fresh, target)
    return target


def get(name: str, heavy: bool | None = None) -> Path:
    """The program's path. Unavailable: it is heavy and nobody asked for a long build, or it fails."""
    target = place(name)
    if target.exists():
        return target
    if heavy is None:
        heavy = os.environ.get("DEPLOY_HEAVY") == "1"
    if TOOLS[name].heavy and not heavy:
        raise Unavailable(f"{name} {version(name)} is not built: "
                          f"tests/deploy/tools.py build {name}")
    return build(name)


def main(words: list[str]) -> None:
    if not words:
        for name in TOOLS:
            state = place(name) if place(name).exists() else "not built"
            print(f"{name:20} {version(name):12} {state}")
        return
    if words[0] != "build" or len(words) == 1:
        raise SystemExit(__doc__)
    for name in list(TOOLS) if words[1:] == ["all"] else words[1:]:
        try:
            print(f"{name}: {get(name, True)}", flush=True)
        except Unavailable as e:
            raise SystemExit(f"{name}: {e}") from e


if __name__ == "__main__":
    main(sys.argv[1:])
