"""From paths to deliveries: which files speak together, for which source and scope, by the kind their format declares.

files          the files of one command, source and dataset are one delivery; said beside a source, that they belong together
log            the new files of one command are one delivery and supersede nothing; what comes again in another file counts once
append         every file is a delivery of its own and supersedes nothing; those that are to replace what is there are one delivery
month_to_date  every file holds its month so far; of several the one whose usage goes furthest counts (only by `deliveries:` of a source)
invoice_month  the files of one folder are one delivery; what they hold tells which of several is the newest
aws_manifest   what a manifest of AWS lists is one delivery; the files it does not list are not part of it
azure_manifest what a run of an Azure export wrote is one delivery: by its manifest, else by its folder or file name
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from costctl import formats
from costctl.bills import exports, folders, manifests
from costctl.bills.exports import Run
from costctl.bills.manifests import Manifest
from costctl.errors import InputRefused, UsageError, nearest, shown
from costctl.files import packing
from costctl.nouns import Delivery, Format, InputFile

PACKED = {".gz", ".zip"}
LISTED = ("aws_manifest", "azure_manifest")  # without their manifest, such files are plain ones


@dataclass(frozen=True)
class Wanted:
    """A path to take in, with what the user or the configuration says about it."""

    path: Path
    source: str | None = None
    format: str | None = None
    role: str | None = None
    dataset: str | None = None
    deliveries: str | None = None  # the kind, where it is not the format's own


@dataclass(frozen=True)
class Together:
    """What loose files have in common that are one delivery."""

    source: str
    form: str
    role: str | None
    dataset: str
    kind: str
    declared: bool
    place: str  # the folder or the file, where it keeps deliveries apart
    run: Run | None  # of an Azure export, where the folders tell it


def find(
    wanted: Sequence[Wanted], known: dict[str, Format], *, replacing: bool = False
) -> tuple[list[Delivery], list[InputRefused]]:
    """Turn paths into deliveries, in a stable order; return them, and a refusal for each source of which something cannot be one.

    Files that are `replacing` what is there must not replace each other.
    """
    by_source: dict[str | None, list[Wanted]] = defaultdict(list)
    for item in wanted:
        by_source[item.source].append(item)
    found, refusals = list[Delivery](), list[InputRefused]()
    for items in by_source.values():
        try:
            found += _of_source(items, known, replacing=replacing)
        except InputRefused as refusal:
            refusals.append(refusal)
    return sorted(found, key=_order), refusals


def _order(item: Delivery) -> tuple[str, ...]:
    return item.format.kind, item.source, item.scope, item.period or "", item.dataset, item.files[0].name


def _of_source(wanted: Sequence[Wanted], known: dict[str, Format], *, replacing: bool) -> list[Delivery]:
    """Turn the paths of one source, or those without one, into deliveries; raise InputRefused for what cannot be one."""
    loose: dict[Together, list[InputFile]] = defaultdict(list)
    listed: dict[tuple[str, ...], Delivery] = {}
    notes: list[str] = []
    for item in wanted:
        paths = folders.data_files(item.path, notes)
        found = [manifests.read(path) for path in paths if manifests.is_one(path)]
        covered = {path for path in paths if any(path.is_relative_to(manifest.root) for manifest in found)}
        notes += manifests.unlisted(found, sorted(covered))
        for manifest, older in manifests.current(found):
            delivery = replace(_from_manifest(manifest, item, known), older=older)
            listed[delivery.source, delivery.scope, manifest.start, manifest.assembly] = delivery
        runs = [exports.read(path) for path in paths if exports.is_one(path)]
        covered |= {path for path in paths if any(path.is_relative_to(run.path.parent) for run in runs)}
        for run in exports.newest(runs, notes):
            delivery = _from_run(run, item, known)
            listed[delivery.source, delivery.scope, delivery.dataset, run.start, run.run] = delivery
        for path in paths:
            if path not in covered:
                file = formats.inspect(path, candidates=formats.delimiters(known))
                form = _format(item, file, known)
                loose[_together(item, file, form, replacing=replacing)].append(formats.as_read(form, file))
    _refuse_both_packings([file.path for members in loose.values() for file in members])
    deliveries = [*listed.values(), *(_from_files(key, members, known) for key, members in loose.items())]
    exports.refuse_doubles(deliveries)
    for delivery in deliveries:
        for file in delivery.files:
            formats.columns_of(delivery.format, file)  # refuses what lacks one that must be there
    if deliveries and notes:
        deliveries[0] = replace(deliveries[0], notes=tuple(notes))
    return deliveries


def _refuse_both_packings(paths: Sequence[Path]) -> None:
    """Refuse a file that lies beside its own packed copy: their bytes differ, and both would be counted."""
    there = {str(path): path for path in paths}
    for path in paths:
        plain = there.get(str(path.with_suffix(""))) if path.suffix.lower() in PACKED else None
        if plain:
            remedy = f"Keep one of the two: {plain.name} or {path.name}. Both would be counted."
            raise InputRefused(str(path), f"lies beside {plain.name}, the same name unpacked", remedy=remedy)


def _format(item: Wanted, file: InputFile, known: dict[str, Format]) -> Format:
    return formats.insisted(item.format, file, known) if item.format else formats.identify(file, known)


def _together(item: Wanted, file: InputFile, form: Format, *, replacing: bool) -> Together:
    """Return the delivery that a loose file belongs to."""
    kind = item.deliveries or form.deliveries
    kind = "files" if kind in ("append", "log") and replacing else kind
    place = {"append": str(file.path), "month_to_date": str(file.path), "invoice_month": str(file.path.parent)}.get(
        kind, ""
    )
    run = exports.by_place(file.path) if kind == "azure_manifest" else None
    about = (item.source or form.name, form.name, item.role, _dataset(item, file, form))
    return Together(*about, kind, item.deliveries is not None, place, run)


def _dataset(item: Wanted, file: InputFile, form: Format) -> str:
    """Return which of a format's datasets a file is: as the user says, else by a word in its path, from its name upwards."""
    if not form.datasets:
        return form.target
    names = [name for name, _ in form.datasets]
    if item.dataset:
        if item.dataset not in names:
            remedy = f"{nearest(item.dataset, names)}Datasets of {form.name}: {', '.join(names)}."
            raise UsageError("--dataset", f"there is no dataset {shown(item.dataset)}", remedy=remedy)
        return item.dataset
    for part in reversed(file.path.parts):  # the nearest folder knows best
        found = [name for name, words in form.datasets if any(word in part.lower() for word in words)]
        if len(found) == 1:
            return found[0]
    raise InputRefused(
        file.name,
        f"could be any dataset of {form.name}: {' or '.join(names)}",
        evidence="the header is the same, and neither its path nor a manifest says which it is",
        remedy=f"Say --dataset {'|'.join(names)}, or `dataset:` beside the source in costctl.yaml.",
    )


def _from_files(key: Together, members: list[InputFile], known: dict[str, Format]) -> Delivery:
    if not key.run:
        manifests.refuse_runs(file.path for file in members)
    for file in members:
        if not known[key.form].unended:
            _refuse_unended(file)
    files = tuple(sorted(members, key=lambda file: file.name))
    found = Delivery(key.source, "-", key.dataset, known[key.form], files, role=key.role)
    if run := key.run:
        return replace(
            found, scope=run.scope, manifest=run.run, version=run.version, period=run.start, kind="azure_manifest"
        )
    return replace(found, kind="files" if key.kind in LISTED else key.kind, declared=key.declared)


def _from_run(run: Run, item: Wanted, known: dict[str, Format]) -> Delivery:
    members = [formats.inspect(path, name) for path, name in exports.members(run)]
    form = _one_format(members, item, known)
    return Delivery(
        source=item.source or form.name,
        scope=run.scope,
        dataset=run.dataset if run.dataset and form.datasets else _dataset(item, members[0], form),
        format=form,
        files=tuple(members),
        manifest=run.run,
        version=run.version,
        period=run.start,
        role=item.role,
        kind="azure_manifest",
    )


def _one_format(members: list[InputFile], item: Wanted, known: dict[str, Format]) -> Format:
    """Return the format that all files of a manifest have."""
    found = [_format(item, file, known) for file in members]
    for file, form in zip(members, found, strict=True):
        if form is not found[0]:
            what = f"is {form.name}, while {members[0].name} of the same manifest is {found[0].name}"
            raise InputRefused(file.name, what, remedy="Fetch the whole delivery again.")
    return found[0]


def _from_manifest(manifest: Manifest, item: Wanted, known: dict[str, Format]) -> Delivery:
    members = [formats.inspect(manifests.located(manifest, key), key.lstrip("/")) for key in manifest.keys]
    form = _one_format(members, item, known)
    return Delivery(
        source=item.source or form.name,
        scope=manifest.scope,
        dataset=form.target,
        format=form,
        files=tuple(members),
        manifest=manifest.assembly,
        version=manifest.version,
        period=manifest.start,
        role=item.role,
        kind="aws_manifest",
    )


def _refuse_unended(file: InputFile) -> None:
    """Refuse a plain text file without a last line end: it may have been cut inside a number."""
    if file.content != "csv" or file.sealed:
        return
    with packing.opened_raw(file.path) as raw:
        raw.seek(-1, os.SEEK_END)
        if raw.read(1) not in (b"\n", b"\r"):
            raise InputRefused(
                file.name,
                "ends in the middle of a line",
                remedy="It may be cut short: fetch it again. If it is complete, add the line end: echo >> FILE; "
                "or, where its files always end so, describe them under `formats:` in costctl.yaml with `last_line: unended`",
            )
