"""From paths to deliveries: which files speak together, for which source and scope, by the kind their format declares.

files          the files of one command and source are one delivery
aws_manifest   what a CUR manifest lists is one delivery; the files it does not list are not part of it
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from costctl import formats
from costctl.errors import InputRefused, shown
from costctl.files import packing
from costctl.nouns import Delivery, Format, InputFile

MANIFEST = "-manifest.json"


@dataclass(frozen=True)
class Wanted:
    """A path to take in, with what the user or the configuration says about it."""

    path: Path
    source: str | None = None
    format: str | None = None
    role: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A CUR manifest: which files make up one assembly of one report and billing period."""

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


def find(wanted: Sequence[Wanted], known: dict[str, Format]) -> list[Delivery]:
    """Turn paths into deliveries, in a stable order; raise InputRefused for what cannot be one."""
    loose: dict[tuple[str, str, str | None], list[InputFile]] = defaultdict(list)
    listed: dict[tuple[str, ...], Delivery] = {}
    for item in wanted:
        paths = list(_walked(item.path))
        manifests = [_manifest(path) for path in paths if path.name.lower().endswith(MANIFEST)]
        covered = {path for manifest in manifests for path in _beneath(manifest, paths)}
        for manifest, older in _current(manifests):
            delivery = replace(_from_manifest(manifest, item, known), older=older)
            listed[delivery.source, delivery.scope, manifest.start, manifest.assembly] = delivery
        for path in paths:
            if path in covered or path.name.lower().endswith(MANIFEST):
                continue
            file = formats.inspect(path)
            found = formats.chosen(item.format, known) if item.format else formats.identify(file, known)
            loose[item.source or found.name, found.name, item.role].append(file)
    deliveries = list(listed.values())
    for (source, name, role), members in loose.items():
        _whole(members)
        deliveries.append(
            Delivery(
                source,
                "-",
                known[name].target,
                known[name],
                tuple(sorted(members, key=lambda file: file.name)),
                role=role,
            )
        )
    return sorted(
        deliveries, key=lambda delivery: (delivery.format.kind, delivery.source, delivery.scope, delivery.period or "")
    )


def _walked(path: Path) -> Iterator[Path]:
    """Yield the data files of a path: itself, or those beneath a folder that look like data."""
    if not path.is_dir():
        packing.opened_raw(path).close()
        yield path
        return
    found = [item for item in sorted(path.rglob("*")) if item.is_file() and not _hidden(item.relative_to(path))]
    data = [item for item in found if item.suffix.lower() in formats.DATA_SUFFIXES]
    if not data:
        raise InputRefused(
            str(path),
            "no data file is in this folder",
            evidence=f"{len(found)} other files",
            remedy=f"Data files end in {', '.join(sorted(formats.DATA_SUFFIXES))}.",
        )
    root = path.resolve()
    for item in data:
        if not item.resolve().is_relative_to(root):
            raise InputRefused(
                str(item),
                "is a link that leads out of its folder",
                evidence=str(item.resolve()),
                remedy="Name the real folder.",
            )
        yield item


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _manifest(path: Path) -> Manifest:
    try:
        values = json.loads(path.read_bytes())
        return Manifest(
            path,
            values["reportName"],
            str(values["account"]),
            values["assemblyId"],
            values["billingPeriod"]["start"],
            tuple(values["reportKeys"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputRefused(
            str(path),
            "is not a manifest of a Cost and Usage Report",
            evidence=f"{type(error).__name__}: {error}",
            remedy="Fetch it again, or name the data files instead of their folder.",
        ) from error


def _current(manifests: Sequence[Manifest]) -> list[tuple[Manifest, tuple[str, ...]]]:
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


def _beneath(manifest: Manifest, paths: Sequence[Path]) -> set[Path]:
    return {path for path in paths if path.is_relative_to(manifest.path.parent)}


def _from_manifest(manifest: Manifest, item: Wanted, known: dict[str, Format]) -> Delivery:
    members = [formats.inspect(_located(manifest, key), key.lstrip("/")) for key in manifest.keys]
    if not members:
        raise InputRefused(
            str(manifest.path), "lists no files", remedy="Fetch the manifest again when the delivery is complete."
        )
    found = formats.chosen(item.format, known) if item.format else formats.identify(members[0], known)
    _whole(members, sealed=True)
    return Delivery(
        source=item.source or found.name,
        scope=manifest.scope,
        dataset=found.target,
        format=found,
        files=tuple(members),
        manifest=manifest.assembly,
        period=manifest.start,
        role=item.role,
    )


def _located(manifest: Manifest, key: str) -> Path:
    """Find a listed object near its manifest: the longest tail of its key that leads to a file, never above the manifest's folder."""
    parts = [part for part in key.split("/") if part]
    if ".." in parts:
        raise InputRefused(
            str(manifest.path),
            "lists a file outside its folder",
            evidence=shown(key),
            remedy="Do not trust this manifest.",
        )
    for start in range(len(parts)):
        candidate = manifest.path.parent.joinpath(*parts[start:])
        if candidate.is_file():
            return candidate
    raise InputRefused(
        str(manifest.path),
        "lists a file that is not there",
        evidence=shown(key),
        remedy="Fetch the whole delivery; the ledger is unchanged.",
    )


def _whole(members: Sequence[InputFile], *, sealed: bool = False) -> None:
    """Refuse a plain text file without a last line end: it may have been cut inside a number."""
    for file in members:
        if file.content == "csv" and not file.sealed and not sealed:
            with packing.opened_raw(file.path) as raw:
                raw.seek(-1, 2)
                if raw.read(1) not in (b"\n", b"\r"):
                    raise InputRefused(
                        file.name,
                        "ends in the middle of a line",
                        remedy="Fetch it again. If it is complete, add the line end: echo >> FILE",
                    )
