"""The JSON Schema of costctl.yaml, by which an editor completes and checks it."""

from __future__ import annotations

import json
from typing import Any

from costctl import config

FILE = "costctl.schema.json"


def text() -> str:
    """Return the schema as it is written beside a configuration."""
    return json.dumps(described(), indent=1) + "\n"


def described() -> dict[str, Any]:
    """Return the JSON Schema of costctl.yaml, for editors: its scalars are texts, so a number or a word stands for either."""
    found = config.Config.model_json_schema(by_alias=True)
    for name in config.NOT_SETTINGS:
        del found["properties"][name]
    whole: dict[str, Any] = _as_yaml(found)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | whole | {"title": config.NAME}


def _as_yaml(node: Any) -> Any:
    """Let a part of the schema take what a person writes in YAML."""
    if isinstance(node, list):
        return [_as_yaml(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _as_yaml(value) for key, value in node.items()}
    if str(node.get("const")).isdigit():  # the version
        return {"enum": [node["const"], int(node["const"])]}
    if node.get("type") == "array" and "type" in node["items"]:
        return {"anyOf": [node["items"], node]}
    if node.get("type") in ("string", "integer", "number") and not {"const", "enum", "pattern"} & node.keys():
        bounds = {key: value for key, value in node.items() if key in ("title", "default", "description")}
        return bounds | {"type": ["string", "number", "boolean"]}
    return node
