"""Manifests of AWS Cost and Usage Reports: which files are one delivery, and which of several assemblies is the current one."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, shown
from costctl.files import packing

SUFFIX = "-manifest.json"
START = re.compile(r"\d{8}T\d{6}")
FETCH = "Fetch it again, or name the data files instead of their folder."


@dataclass(frozen=True)
class Manifest:
    """Which files make up one assembly of one report and billing period."""

    path: Path
    report: str
    account: str
    assembly: str
    start: str
    keys: tuple[str, ...]

    @property
    def scope(self) -> str:
        """Return the export's identity: its name and payer."""
        return f"{self.report}:{self.account}"


def is_one(path: Path) -> bool:
    """Tell a manifest by its name."""
    return path.name.lower().endswith(SUFFIX)


def read(path: Path) -> Manifest:
    """Read a manifest; raise InputRefused naming what it lacks."""
    try:
        with packing.opened_raw(path) as file:
            values = json.load(file)
    except (ValueError, RecursionError) as error:
        raise InputRefused(str(path), "is not valid JSON", evidence=str(error), remedy=FETCH) from error
    if not isinstance(values, dict):
        raise _not_one(path, "it is not a JSON object")
    start, keys = _text(path, values.get("billingPeriod"), "start"), values.get("reportKeys")
    if not START.match(start):
        raise _not_one(path, f"billingPeriod.start is {shown(start)}, not a time like 20261001T000000.000Z")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _not_one(path, "reportKeys is not a list of files")
    if not keys:
        remedy = "Fetch the manifest again when the delivery is complete."
        raise InputRefused(str(path), "lists no files", remedy=remedy)
    report, account, assembly = (_text(path, values, name) for name in ("reportName", "account", "assemblyId"))
    return Manifest(path, report, account, assembly, start, tuple(keys))


def _text(path: Path, values: Any, name: str) -> str:
    found = values.get(name) if isinstance(values, dict) else None
    if not isinstance(found, str | int):
        raise _not_one(path, f"it lacks {'billingPeriod.' if name == 'start' else ''}{name}")
    return str(found)


def _not_one(path: Path, evidence: str) -> InputRefused:
    what = "is not a manifest of a Cost and Usage Report"
    return InputRefused(str(path), what, evidence=evidence, remedy=FETCH)


def current(manifests: Sequence[Manifest]) -> list[tuple[Manifest, tuple[str, ...]]]:
    """Of the manifests of one report and period, the one above the others names the current assembly; the others are older.

    Where none stands above, every assembly is a delivery, and what they hold tells which is newer.
    """
    groups: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for manifest in sorted(manifests, key=lambda item: (len(item.path.parts), str(item.path))):
        groups[manifest.scope, manifest.start].append(manifest)
    chosen = []
    for members in groups.values():
        top = {item.assembly: item for item in members if len(item.path.parts) == len(members[0].path.parts)}
        rest = {item.assembly for item in members} - set(top)
        chosen += [(item, tuple(sorted(rest))) for item in top.values()]
    return chosen


def located(manifest: Manifest, key: str) -> Path:
    """Find a listed object near its manifest: the longest tail of its key that leads to a file, never outside the manifest's folder."""
    parts = [part for part in key.split("/") if part]
    folder = manifest.path.parent
    for start in range(len(parts)):
        candidate = folder.joinpath(*parts[start:])
        if ".." in parts or (_is_file(candidate) and not candidate.resolve().is_relative_to(folder.resolve())):
            what = "lists a file outside its folder"
            raise InputRefused(str(manifest.path), what, evidence=shown(key), remedy="Do not trust this manifest.")
        if _is_file(candidate):
            return candidate
    raise InputRefused(
        str(manifest.path),
        "lists a file that is not there",
        evidence=shown(key),
        remedy=f"Fetch the whole delivery, all {len(manifest.keys)} files of it; the ledger is unchanged.",
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL: no file of ours has it
        return False
