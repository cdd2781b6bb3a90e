"""Runs of Azure exports: what a manifest.json lists is one run; without one, the run's folder or the name of its file tells.

Folders are `<export>/<yyyymmdd>-<yyyymmdd>/[<run time>/]<run>/<file>`, in old exports `<export>/<range>/<export>_<run>.csv`; the
range ends with its last day. An export that overwrites keeps its one run in the range folder itself.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from costctl.bills import manifests
from costctl.errors import InputRefused, shown
from costctl.files import packing
from costctl.nouns import Delivery

NAME = "manifest.json"
DATASETS = {"actualcost": "actual", "usage": "actual", "amortizedcost": "amortised", "focuscost": None}
RANGE = re.compile(r"(\d{8})-\d{8}")
RUN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
RUN_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?")
NAMED = re.compile(rf"(?P<export>.*)_(?P<run>{RUN.pattern})$", re.IGNORECASE)
SUBMITTED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|[+-]00:00)?")
DATASET_WORD = re.compile(r"[-_. ]*(?:actual|amorti[sz]ed)(?:[-_. ]?costs?)?", re.IGNORECASE)
FETCH = "Fetch the run again, or name the data files instead of their folder."


@dataclass(frozen=True)
class Run:
    """One run of one export: its files, what it exports, and when it was asked for."""

    path: Path  # the manifest, or the folder that stands for it
    scope: str
    run: str
    start: str  # first day, yyyymmdd
    keys: tuple[str, ...]
    sizes: tuple[int | None, ...] = ()
    dataset: str | None = None
    version: str | None = None  # the moment of the run, as a text that sorts by time
    kind: str = ""  # the export's type, for messages

    @property
    def root(self) -> Path:
        """Return the folder that holds the manifest and its files."""
        return self.path.parent

    @property
    def is_bill(self) -> bool:
        """Tell a run of cost and usage from price sheets, reservation details and the like."""
        return not self.kind or self.kind.lower() in DATASETS


def is_one(path: Path) -> bool:
    """Tell the manifest of a run by its name."""
    return path.name.lower() == NAME


def read(path: Path) -> Run:
    """Read a manifest; raise InputRefused naming what it lacks."""
    try:
        with packing.opened_raw(path) as file:
            values = json.load(file)
    except (ValueError, RecursionError) as error:
        raise InputRefused(str(path), "is not valid JSON", evidence=str(error), remedy=FETCH) from error
    config, run = _part(path, values, "exportConfig"), _part(path, values, "runInfo")
    kind, resource = _text(path, config, "exportConfig", "type"), _text(path, config, "exportConfig", "resourceId")
    found = Run(
        path=path,
        scope=resource.lower().partition("/providers/microsoft.costmanagement/")[0] or "-",
        run=_text(path, run, "runInfo", "runId"),
        start=_day(path, run, "startDate").strftime("%Y%m%d"),
        keys=(),
        dataset=DATASETS.get(kind.lower()),
        version=_moment(path, run),
        kind=kind,
    )
    if not found.is_bill:
        return found
    _refuse_part_of_a_month(path, config, run)
    return _with_blobs(found, values.get("blobs"))


def _with_blobs(run: Run, blobs: Any) -> Run:
    if not isinstance(blobs, list) or not all(isinstance(blob, dict) for blob in blobs):
        raise _not_one(run.path, "blobs is not a list of files")
    if not blobs:
        remedy = "Fetch the manifest again when the run is complete."
        raise InputRefused(str(run.path), "lists no files", remedy=remedy)
    names = tuple(_text(run.path, blob, "blobs", "blobName") for blob in blobs)
    sizes = tuple(blob["byteCount"] if isinstance(blob.get("byteCount"), int) else None for blob in blobs)
    return replace(run, keys=names, sizes=sizes)


def _part(path: Path, values: Any, name: str) -> Mapping[str, Any]:
    found = values.get(name) if isinstance(values, dict) else None
    if not isinstance(found, dict):
        raise _not_one(path, f"it lacks {name}")
    return found


def _text(path: Path, values: Mapping[str, Any], part: str, name: str) -> str:
    found = values.get(name)
    if not isinstance(found, str) or not found:
        raise _not_one(path, f"it lacks {part}.{name}")
    return found


def _day(path: Path, run: Mapping[str, Any], name: str) -> date:
    text = _text(path, run, "runInfo", name)
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise _not_one(path, f"runInfo.{name} is {shown(text)}, not a date like 2026-10-01T00:00:00") from error


def _moment(path: Path, run: Mapping[str, Any]) -> str:
    """Return submittedTime with nine decimals; Azure writes as many as it has."""
    text = _text(path, run, "runInfo", "submittedTime")
    match = SUBMITTED.fullmatch(text)
    if not match:
        raise _not_one(
            path, f"runInfo.submittedTime is {shown(text)}, not a UTC time like 2026-11-02T04:05:06.1234567Z"
        )
    return f"{match[1]}.{match[2] or '':0<9}"


def _refuse_part_of_a_month(path: Path, config: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Refuse a run that a person asked for over a part of a past month: it would replace the whole month."""
    if str(config.get("timeFrame", "")).lower() not in ("onetime", "custom"):
        return
    first, last = _day(path, run, "startDate"), _day(path, run, "endDate")
    asked = date.fromisoformat(_moment(path, run)[:10])
    ends_early = (last + timedelta(days=1)).day != 1 and last < asked - timedelta(days=2) and last.month != asked.month
    if first.day != 1 or ends_early:
        raise InputRefused(
            str(path),
            "covers a part of a month",
            evidence=f"{first} to {last}, asked for on {asked}",
            remedy="A run replaces its whole billing month: export the month from its first to its last day.",
        )


def _not_one(path: Path, evidence: str) -> InputRefused:
    what = "is not a manifest of an Azure export"
    return InputRefused(str(path), what, evidence=evidence, remedy=FETCH)


def members(run: Run) -> list[tuple[Path, str]]:
    """Return the files of a run with the names that its manifest gives them: all of them, each of the size it says."""
    found = []
    for key, size in zip(run.keys, run.sizes, strict=True):
        path = manifests.located(run, key)
        if size is not None and path.stat().st_size != size:
            raise InputRefused(
                str(path),
                "is cut short or changed",
                evidence=f"{path.stat().st_size:,} bytes, while {run.path.name} says {size:,}",
                remedy="Fetch the whole run again; the ledger is unchanged.",
            )
        found.append((path, key.lstrip("/")))
    return found


def newest(runs: Sequence[Run], notes: list[str]) -> list[Run]:
    """Of the runs of one export and range return the newest; note how many older ones, and what is no bill."""
    groups: dict[tuple[str, str, str], list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.version or "", run.run)):
        if run.is_bill:
            groups[run.scope, run.kind.lower(), run.start].append(run)
        else:
            notes.append(f"left out: {run.path} is a {run.kind} export, not a bill")
    older = sum(len(members) - 1 for members in groups.values())
    if older:
        notes.append(f"left out: {older} older run{'s' if older > 1 else ''} of the same exports and months")
    return [members[-1] for members in groups.values()]


def by_place(path: Path) -> Run | None:
    """Return the run that a data file without a manifest belongs to, where its folders follow the layout of an export."""
    parts = path.absolute().parts
    at = next((number for number in range(len(parts) - 2, 0, -1) if RANGE.fullmatch(parts[number])), None)
    if at is None:
        return None
    folders = parts[at + 1 : -1]
    named = NAMED.fullmatch(path.name.split(".")[0])
    runs = [part for part in folders if RUN.fullmatch(part)]
    times = [match for part in folders if (match := RUN_TIME.fullmatch(part))]
    moment = "{}-{}-{}T{}:{}:{}.000000000".format(*times[-1].groups("00")) if times else None
    return Run(
        path=Path(*parts[: at + 1]),
        scope=DATASET_WORD.sub("", parts[at - 1]) or "-",
        run=(named["run"] if named else runs[-1] if runs else parts[at]).lower(),
        start=parts[at].partition("-")[0],
        keys=(),
        version=moment,
    )


def refuse_doubles(deliveries: Sequence[Delivery]) -> None:
    """Refuse exports that hold the same cost and would be added up."""
    _refuse_two_kinds(deliveries)
    _refuse_unpaired(deliveries)


def _refuse_two_kinds(deliveries: Sequence[Delivery]) -> None:
    """Refuse one scope and month as cost details and as FOCUS: each has the whole bill."""
    seen: dict[tuple[str, str | None], Delivery] = {}
    for item in deliveries:
        if item.format.deliveries == "azure_manifest" and item.manifest and item.scope != "-":
            other = seen.setdefault((item.scope, item.period), item)
            if other.format is not item.format:
                raise InputRefused(
                    item.files[0].name,
                    f"is {item.format.title}, and the same month of the same scope is here once more",
                    evidence=f"{other.files[0].name} is {other.format.title}",
                    remedy="Each has the whole bill: take one kind, and leave the folder of the other out.",
                )


def _refuse_unpaired(deliveries: Sequence[Delivery]) -> None:
    """Refuse actual and amortised exports that nothing shows to be of one scope: what both hold would count twice."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for item in deliveries:
        if item.format.deliveries == "azure_manifest" and item.format.datasets:
            found[item.source][item.scope].add(item.dataset)
    for scopes in found.values():
        alone = [scope for scope, datasets in scopes.items() if datasets == {"amortised"}]
        others = [scope for scope, datasets in scopes.items() if datasets == {"actual"}]
        if alone and others:
            raise InputRefused(
                alone[0],
                "is amortised cost without the actual cost of the same scope",
                evidence=f"actual cost is there of {', '.join(others)}",
                remedy="If they are one scope, name both folders alike but for the words actual and amortised; else give each a source.",
            )
