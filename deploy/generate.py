#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what deploy/ holds twice from the place where it is kept once.

  deploy/generate.py            write
  deploy/generate.py --check    exit 1 and name the files that are not as they would be written

  versions.env          image tags in manifests, the chart's versions, the Helm values
  rules/*.yaml          PrometheusRule objects of components/monitoring-crds, rules in the chart
  dashboards/*.json     those of skald in the chart
Standard library only.
"""
from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHART = HERE / "charts" / "skald"
CRDS = HERE / "kustomize" / "components" / "monitoring-crds"
CHART_DASHBOARDS = ("skald", "logs")
RULE = """# SPDX-License-Identifier: Apache-2.0
# Made by deploy/generate.py from deploy/rules/{name}.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {full}
  namespace: observability
  labels:
    app.kubernetes.io/name: skald
spec:
{groups}"""


def pins() -> dict[str, str]:
    lines = (HERE / "versions.env").read_text(encoding="utf-8").splitlines()
    return dict(x.split("=", 1) for x in lines if x and not x.startswith("#"))


def with_pins(text: str, values: dict[str, str]) -> str:
    """Puts the pinned tags behind the names of images: image: NAME:TAG, and kustomize's newTag."""
    for key, image in values.items():
        if key.endswith("_IMAGE"):
            tag = values[key.removesuffix("_IMAGE") + "_VERSION"]
            name = re.escape(image)
            text = re.sub(rf"(\bimage: ){name}:\S+", rf"\g<1>{image}:{tag}", text)
            text = re.sub(rf"(newName: {name}\n\s+newTag: )\S+", rf"\g<1>{tag}", text)
            text = re.sub(rf"(repository: {name}\n\s+tag: )\S+", rf"\g<1>{tag}", text)
    return text


def prometheus_rule(name: str) -> str:
    text = (HERE / "rules" / f"{name}.yaml").read_text(encoding="utf-8")
    groups = text[text.index("groups:"):]
    full = "skald" if name == "skald" else f"skald-{name}"
    indented = "".join("  " + line if line.strip() else line for line in groups.splitlines(True))
    return RULE.format(name=name, full=full, groups=indented)


def wanted() -> dict[Path, str]:
    """Every generated file's text."""
    values, files = pins(), {}
    for path in sorted([*HERE.glob("kustomize/**/*.yaml"), *HERE.glob("helm/*.yaml"),
                        CHART / "values.yaml"]):
        files[path] = with_pins(path.read_text(encoding="utf-8"), values)
    for name in ("skald", "stack"):
        files[CRDS / f"rules-{name}.yaml"] = prometheus_rule(name)
    files[CHART / "files" / "rules.yaml"] = (HERE / "rules/skald.yaml").read_text(encoding="utf-8")
    for name in CHART_DASHBOARDS:
        text = (HERE / "dashboards" / f"{name}.json").read_text(encoding="utf-8")
        files[CHART / "files" / f"{name}.json"] = text
    chart = (CHART / "Chart.yaml").read_text(encoding="utf-8")
    version = values["SKALD_VERSION"]
    chart = re.sub(r"(?m)^appVersion: .*$", f'appVersion: "{version}"', chart)
    files[CHART / "Chart.yaml"] = re.sub(r"(?m)^version: .*$", f"version: {version}", chart)
    return files


def main(words: list[str]) -> None:
    if words not in ([], ["--check"]):
        raise SystemExit(__doc__)
    stale = []
    for path, text in wanted().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(str(path.relative_to(HERE.parent)))
            if not words:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    shutil.rmtree(HERE / "__pycache__", ignore_errors=True)
    if words and stale:
        raise SystemExit("not as deploy/generate.py writes them: " + ", ".join(stale))
    print(f"{len(stale)} files {'differ' if words else 'written'}")


if __name__ == "__main__":
    main(sys.argv[1:])
