"""Manifests of AWS: which files are one delivery of a report or an export, and which of several deliveries is the current one.

A Cost and Usage Report keeps its manifest in the period folder `yyyymmdd-yyyymmdd/` (the end excluded) and, where it creates new
versions, once more in each `<assembly>/` beneath. Data Exports (CUR 2.0, FOCUS) keep data and manifests in sibling folders,
`data/BILLING_PERIOD=yyyy-mm/` and `metadata/BILLING_PERIOD=yyyy-mm/`, with a `<time>-<execution>/` for each run in both where
they create new versions. A manifest is written when all the files that it lists are there.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from costctl.errors import InputRefused, shown
from costctl.files import packing

SUFFIX = "-manifest.json"
START = re.compile(r"\d{8}T\d{6}")
PARTITION = re.compile(r"billing_period=(\d{4})-(\d{2})", re.IGNORECASE)
PERIOD = re.compile(rf"\d{{8}}-\d{{8}}|{PARTITION.pattern}", re.IGNORECASE)
ARN = re.compile(r"arn:[^:]*:bcm-data-exports:[^:]*:(?P<account>[^:]*):export/(?P<export>.+)")
# An assembly of a report may be named by its time, a run of an export always is; a copy may have lost the colons.
MADE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d)[:_.-]?(\d\d)[:_.-]?(\d\d)(?:[._](\d{1,9}))?Z?(?:-.+)?")
FETCH = "Fetch it again, or name the data files instead of their folder."
SHOWN = 5


@dataclass(frozen=True)
class Manifest:
    """Which files make up one assembly of one report, or one run of one export, and billing period."""

    path: Path
    report: str
    account: str
    assembly: str
    start: str
    keys: tuple[str, ...]
    version: str | None = None  # when it was made, as a text that sorts by time

    @property
    def scope(self) -> str:
        """Return the export's identity: its name and payer."""
        return f"{self.report}:{self.account}"

    @property
    def root(self) -> Path:
        """Return the folder that holds the manifest and its files: that of the export, where they lie in sibling folders."""
        for folder in self.path.parents[:2]:
            if PARTITION.fullmatch(folder.name) and folder.parent.name.lower() == "metadata":
                return folder.parent.parent
        return self.path.parent


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
    return _of_export(path, values) if "dataFiles" in values else _of_report(path, values)


def _of_report(path: Path, values: dict[str, Any]) -> Manifest:
    start = _text(path, values.get("billingPeriod"), "start")
    if not START.match(start):
        raise _not_one(path, f"billingPeriod.start is {shown(start)}, not a time like 20261001T000000.000Z")
    keys = _keys(path, values, "reportKeys")
    report, account, assembly = (_text(path, values, name) for name in ("reportName", "account", "assemblyId"))
    return Manifest(path, report, account, assembly, start, keys, _moment([assembly]))


def _of_export(path: Path, values: dict[str, Any]) -> Manifest:
    """Read the manifest of a data export; its billing period stands in the paths only."""
    keys = tuple(re.sub(r"^s3://[^/]*/", "", key) for key in _keys(path, values, "dataFiles"))
    arn = ARN.fullmatch(str(values.get("exportArn")))
    if not arn:
        raise _not_one(path, f"exportArn is {shown(values.get('exportArn'))}, not that of a data export")
    found = PARTITION.search(keys[0]) or PARTITION.search(str(path.parent))
    if not found:
        raise _not_one(path, "no folder of its files is named billing_period=yyyy-mm")
    execution = _text(path, values, "executionId")
    made = _moment(keys[0].split("/"))
    return Manifest(path, arn["export"], arn["account"], execution, f"{found[1]}{found[2]}01T000000.000Z", keys, made)


def _moment(names: Iterable[str]) -> str | None:
    """Return the moment that a folder is named by, in one form that sorts; None where none is."""
    found = next(filter(None, map(MADE.fullmatch, names)), None)
    return f"{found[1]}-{found[2]}-{found[3]}T{found[4]}:{found[5]}:{found[6]}.{found[7] or '':0<9}" if found else None


def _keys(path: Path, values: dict[str, Any], name: str) -> tuple[str, ...]:
    keys = values.get(name)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _not_one(path, f"{name} is not a list of files")
    if not keys:
        remedy = "Fetch the manifest again when the delivery is complete."
        raise InputRefused(str(path), "lists no files", remedy=remedy)
    return tuple(keys)


def _text(path: Path, values: Any, name: str) -> str:
    found = values.get(name) if isinstance(values, dict) else None
    if not isinstance(found, str | int):
        raise _not_one(path, f"it lacks {'billingPeriod.' if name == 'start' else ''}{name}")
    return str(found)


def _not_one(path: Path, evidence: str) -> InputRefused:
    what = "is not a manifest of a Cost and Usage Report or a data export"
    return InputRefused(str(path), what, evidence=evidence, remedy=FETCH)


def current(manifests: Sequence[Manifest]) -> list[tuple[Manifest, tuple[str, ...]]]:
    """Of the manifests of one report and period return the current one, and the older ones that it stands for.

    Where their folders tell when they were made, it is the newest. Else the one above the others names the current assembly;
    where none stands above, every assembly is a delivery, and what they hold tells which is newer.
    """
    groups = defaultdict(list)
    for manifest in sorted(manifests, key=lambda item: (len(item.path.parts), str(item.path))):
        groups[manifest.scope, manifest.start].append(manifest)
    _refuse_two_reports([members[0] for members in groups.values()])
    chosen = []
    for members in groups.values():
        dated = [item.version for item in members if item.version]
        if len(dated) == len(members):
            top = {item.assembly: item for item in members if item.version == max(dated)}
        else:
            top = {item.assembly: item for item in members if len(item.path.parts) == len(members[0].path.parts)}
        _refuse_two_current(list(top.values()))
        rest = {item.assembly for item in members} - set(top)
        chosen += [(item, tuple(sorted(rest))) for item in top.values()]
    return chosen


def _refuse_two_current(manifests: Sequence[Manifest]) -> None:
    """Refuse two manifests in one folder that each name another assembly of the same month as the current one."""
    seen: dict[Path, Manifest] = {}
    for manifest in manifests:
        other = seen.setdefault(manifest.path.parent, manifest)
        if other is not manifest:
            month, beside = f"{manifest.start[:4]}-{manifest.start[4:6]}", other.path.name
            what = f"names another delivery of {month} as the current one than {beside} beside it"
            evidence, remedy = [other.assembly, manifest.assembly], "Remove the older one, or fetch the folder again."
            raise InputRefused(str(manifest.path), what, evidence=evidence, remedy=remedy)


def _refuse_two_reports(manifests: Sequence[Manifest]) -> None:
    """Refuse a folder where one account's month is exported twice, by two reports: each of them has all of its cost."""
    seen: dict[tuple[str, str], Manifest] = {}
    for manifest in manifests:
        other = seen.setdefault((manifest.account, manifest.start), manifest)
        if other.report != manifest.report:
            raise InputRefused(
                str(manifest.path),
                f"is a second report of account {manifest.account} for {manifest.start[:4]}-{manifest.start[4:6]}",
                evidence=[f"{other.report}: {other.path}", f"{manifest.report}: {manifest.path}"],
                remedy="Each has the whole cost: name the folder of one. If they share it out between them, name both folders.",
            )


class Listing(Protocol):
    """What names the files of a delivery, and the folder that holds them: a manifest of any provider."""

    @property
    def path(self) -> Path:
        """Return where it lies."""

    @property
    def root(self) -> Path:
        """Return the folder that holds it and its files."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the files it names, as it writes them."""


def located(manifest: Listing, key: str) -> Path:
    """Find a listed object near its manifest: the longest tail of its key that leads to a file, never outside the manifest's folder."""
    parts = [part for part in key.split("/") if part]
    folders = list(dict.fromkeys((manifest.path.parent, manifest.root)))
    for folder in folders:
        for start in range(len(parts)):
            candidate = folder.joinpath(*parts[start:])
            if ".." in parts or (_is_file(candidate) and not candidate.resolve().is_relative_to(folder.resolve())):
                what = "lists a file outside its folder"
                raise InputRefused(str(manifest.path), what, evidence=shown(key), remedy="Do not trust this manifest.")
            if _is_file(candidate) and _below_period(candidate.parts) in (None, _below_period(parts)):
                return candidate
    raise InputRefused(
        str(manifest.path),
        "lists a file that is not there",
        evidence=shown(key),
        remedy=f"Fetch the whole delivery{f', all {len(manifest.keys)} files of it' if manifest.keys[1:] else ''}; the ledger is unchanged.",
    )


def _below_period(parts: Sequence[str]) -> list[str] | None:
    """Return what follows the period's folder in a path: a file of another run, or of none, is another file."""
    places = [number for number, part in enumerate(parts) if PERIOD.fullmatch(part)]
    return list(parts[places[-1] + 1 :]) if places else None


def unlisted(manifests: Sequence[Manifest], paths: Iterable[Path]) -> list[str]:
    """Say which data files beside manifests none of them lists."""
    listed = {key.rpartition("/")[2] for manifest in manifests for key in manifest.keys}
    names = [str(path) for path in paths if path.name not in listed and path.suffix.lower() != ".json"]
    more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
    return [f"left out, for no manifest lists it: {', '.join(names[:SHOWN])}{more}"] if names else []


def refuse_runs(paths: Iterable[Path]) -> None:
    """Refuse loose files of several runs of one period: each run has the whole month, and only a manifest tells which is current."""
    runs: dict[Path, set[Path]] = defaultdict(set)
    for path in paths:
        for folder in path.parents:
            if PERIOD.fullmatch(folder.name):
                runs[folder].add(path.parent)
                break
    for folder, found in sorted(runs.items()):
        if len(found) > 1:
            raise InputRefused(
                str(folder),
                f"holds {len(found)} runs of one billing period, and no manifest that tells which is current",
                evidence=[run.name for run in sorted(found)][:SHOWN],
                remedy="Fetch the manifest with them (an export keeps it under metadata/), or name the folder of one run.",
            )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL: no file of ours has it
        return False
