# SPDX-License-Identifier: Apache-2.0
"""Objects against the schemas of the pinned Kubernetes and Prometheus operator: misspelt keys, wrong
types, missing fields. The schemas are files of their Go modules; no cluster is asked.

A real API server (test_apiserver.py) knows more rules; this one takes seconds.
"""
from __future__ import annotations

import functools
import json
from typing import Any

import tools
from common import Doc, load_all
from tools import CACHE

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "array": (list,), "object": (dict,)}


def module(path: str, version: str) -> Any:
    CACHE.mkdir(parents=True, exist_ok=True)
    return tools.module_folder(CACHE, path, version)


@functools.cache
def core() -> tuple[dict[str, Any], dict[tuple[str, str], str]]:
    """Kubernetes' definitions, and the name of each (apiVersion, kind)."""
    folder = module("k8s.io/kubernetes", tools.pins()["KUBERNETES_VERSION"])
    text = (folder / "api/openapi-spec/swagger.json").read_text(encoding="utf-8")
    definitions = json.loads(text)["definitions"]
    kinds = {}
    for name, schema in definitions.items():
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            group = gvk["group"] + "/" if gvk["group"] else ""
            kinds[group + gvk["version"], gvk["kind"]] = name
    return definitions, kinds


def crd_texts() -> list[str]:
    """The Prometheus operator's custom resource definitions."""
    folder = module("github.com/prometheus-operator/prometheus-operator",
                    tools.pins()["PROMETHEUS_OPERATOR_VERSION"])
    files = sorted((folder / "example/prometheus-operator-crd").glob("*.yaml"))
    assert len(files) >= 8, f"{folder} holds no definitions"
    return [f.read_text(encoding="utf-8") for f in files]


@functools.cache
def custom() -> dict[tuple[str, str], Any]:
    found = {}
    for text in crd_texts():
        for crd in load_all(text):
            spec = crd["spec"]
            for v in spec["versions"]:
                key = f"{spec['group']}/{v['name']}", spec["names"]["kind"]
                found[key] = v["schema"]["openAPIV3Schema"]
    return found


def wrong_type(value: Any, schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return not isinstance(value, (int, str)) or isinstance(value, bool)
    if kind is None:
        return False
    if isinstance(value, bool):
        return kind != "boolean"
    return not isinstance(value, TYPES[kind])


def complaints(value: Any, schema: dict[str, Any], path: str) -> list[str]:
    """What is wrong with a value, with paths."""
    if "$ref" in schema:
        return complaints(value, core()[0][schema["$ref"].rpartition("/")[2]], path)
    if value is None:
        return [f"{path}: null"]
    # The definition says "object" or nothing for types that are written as text, such as quantities.
    if wrong_type(value, schema):
        return [f"{path}: {value!r} is not of type {schema.get('type')}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path}: {value!r} is none of {schema['enum']}"]
    if isinstance(value, list):
        inner = schema.get("items", {})
        return [c for i, v in enumerate(value) for c in complaints(v, inner, f"{path}[{i}]")]
    if isinstance(value, dict):
        return of_object(value, schema, path)
    return []


def of_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> list[str]:
    found = [f"{path}: {k} is missing" for k in schema.get("required", []) if k not in value]
    known, other = schema.get("properties", {}), schema.get("additionalProperties")
    free = not known and other is None or schema.get("x-kubernetes-preserve-unknown-fields")
    for k, v in value.items():
        if k in known:
            found += complaints(v, known[k], f"{path}.{k}")
        elif isinstance(other, dict):
            found += complaints(v, other, f"{path}.{k}")
        elif not free and other is not True:
            found.append(f"{path}.{k}: no such field")
    return found


def check(doc: Doc) -> list[str]:
    """What is wrong with an object."""
    key = doc.get("apiVersion", ""), doc.get("kind", "")
    name = f"{key[1]} {doc.get('metadata', {}).get('name')}"
    definitions, kinds = core()
    if key in custom():
        schema = dict(custom()[key])
        schema["properties"] = dict(schema["properties"], metadata=definitions[
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"])
        return complaints(doc, schema, name)
    if key not in kinds:
        return [f"{name}: unknown kind of {key[0]}"]
    return complaints(doc, definitions[kinds[key]], name)
