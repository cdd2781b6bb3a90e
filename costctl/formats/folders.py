"""A format is a folder with a YAML file and one SELECT, found by being there."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from costctl import documents
from costctl.formats.headers import fold, folded
from costctl.nouns import Column, Format, NotRead


def load(home: Path, kind: str) -> dict[str, Format]:
    """Read every format folder under `home`, by name; the YAML file is `bill.yaml` or `usage.yaml`."""
    folders = sorted(path.parent for path in home.glob(f"*/{kind}.yaml"))
    return {folder.name: _read(folder, kind) for folder in folders}


def _read(folder: Path, kind: str) -> Format:
    described = [folder / f"{kind}.yaml"]
    values: dict[str, Any] = documents.read(described[0]).value
    base = folder.parent / values["like"] if "like" in values else None
    if base:  # the columns and the SELECT are those of another format, but for what is said here
        described.append(base / f"{kind}.yaml")
        others: dict[str, Any] = documents.read(described[1]).value
        values = others | values | {"columns": others["columns"] | (values.get("columns") or {})}
    select = next((base or folder).glob("to_*.sql"))
    detect = values["detect"]
    parts = [path.read_bytes() for path in (*described, select)]
    return Format(
        name=folder.name,
        kind=kind,
        title=values["title"],
        home=folder,
        readers=tuple(values["readers"]),
        deliveries=values["deliveries"],
        datasets=tuple((item["name"], tuple(item["paths"])) for item in values.get("datasets") or ()),
        across=values.get("across") == "true",
        detect_all=tuple(fold(name) for name in detect.get("all") or ()),
        detect_none=tuple(fold(name) for name in detect.get("none") or ()),
        detect_any=tuple(fold(name) for name in detect.get("any") or ()),
        refines=values.get("refines"),
        not_read=tuple(_not_read(item) for item in values.get("not_read") or ()),
        columns=tuple(_column(name, column or {}) for name, column in values["columns"].items()),
        null_words=(*(values.get("null_words") or ()), *([""] if kind == "usage" else [])),  # JSON has empty texts
        tag_prefixes=tuple((item["header"], item["namespace"] or "") for item in values.get("tag_prefixes") or ()),
        exclusions=tuple((item["name"], item["when"]) for item in values.get("exclusions") or ()),
        target=values.get("target", "charges"),
        role=values.get("role", "gateway"),
        grain=values.get("grain", "request"),
        unknown=tuple(fold(pattern) for pattern in values.get("unknown") or ()),
        way=values.get("records", ""),
        delimiter=values.get("delimiter", ","),
        sql=select.read_text(encoding="utf-8"),
        fingerprint=hashlib.sha256(b"\0".join(parts)).hexdigest(),
    )


def _not_read(values: dict[str, Any]) -> NotRead:
    there = tuple(fold(name) for name in values["all"])
    return NotRead(there, tuple(fold(name) for name in values.get("none") or ()), values["what"], values["remedy"])


def _column(name: str, values: dict[str, Any]) -> Column:
    return Column(
        name=name,
        headers=tuple(fold(header) for header in values.get("headers") or [name]),
        header=(values.get("headers") or [name])[0],
        type=values.get("type", "text"),
        required=values.get("required") == "true",
        filled=values.get("filled") == "true",
        after=values.get("after"),
        not_before=values.get("not_before"),
        ends=values.get("ends"),
        spelling=values.get("spelling"),
    )


def storing(item: Format, wanted: dict[str, list[str]]) -> Format:
    """Return a bill format that also keeps these columns of its files: names with the headers that may carry them."""
    if not wanted or item.target != "charges":
        return item
    more = tuple(
        Column(f"stored_{name}", tuple(folded(item, header) for header in headers), headers[0], "text")
        for name, headers in wanted.items()
    )
    seal = hashlib.sha256(f"{item.fingerprint}{sorted(wanted.items())}".encode()).hexdigest()
    return replace(item, columns=(*item.columns, *more), stored=tuple(wanted), fingerprint=seal)
