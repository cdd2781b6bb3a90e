"""The files beneath a folder that look like data."""

from __future__ import annotations

import os
from pathlib import Path

from costctl import formats
from costctl.errors import InputRefused, StorageFault
from costctl.files import packing

SUSPECT = {".zst", ".bz2", ".xz", ".7z", ".rar", ".tar", ".tgz", ".xlsx", ".xls", ".tsv", ".avro", ".orc"}
SHOWN_FILES = 5


def data_files(path: Path, notes: list[str]) -> list[Path]:
    """Return the data files of a path: itself, or those beneath a folder that look like data; note what else looks like some."""
    if not path.is_dir():
        packing.opened_raw(path).close()
        return [path]
    found = [item for item in _beneath(path) if not _hidden(item.relative_to(path))]
    data = [item for item in found if item.suffix.lower() in formats.DATA_SUFFIXES]
    suspect = [str(item) for item in found if item.suffix.lower() in SUSPECT]
    if not data:
        names = ", ".join(item.name for item in found[:SHOWN_FILES])
        many = f"{len(found)} other files, such as {names}" if len(found) > 1 else f"one other file: {names}"
        remedy = f"Data files end in {', '.join(sorted(formats.DATA_SUFFIXES))}."
        evidence = many if found else "it is empty"
        raise InputRefused(str(path), "no data file is in this folder", evidence=evidence, remedy=remedy)
    if suspect:
        notes.append(f"left out, for this kind of file is not read: {', '.join(suspect[:SHOWN_FILES])}")
    root = path.resolve()
    for item in data:
        if not item.resolve().is_relative_to(root):
            what, remedy = "is a link that leads out of its folder", "Name the real folder."
            raise InputRefused(str(item), what, evidence=str(item.resolve()), remedy=remedy)
    return data


def _beneath(folder: Path) -> list[Path]:
    """Return all files beneath a folder; one that cannot be looked into, or is linked to, must not pass for empty."""

    def refuse(error: OSError) -> None:
        remedy = "Check its permissions: what it holds would be left out."
        raise StorageFault(
            str(error.filename), "cannot be read", evidence=error.strerror or "", remedy=remedy
        ) from error

    found: list[Path] = []
    for base, folders, names in os.walk(folder, onerror=refuse):
        found += [Path(base, name) for name in names]
        _refuse_links(folder, [Path(base, name) for name in (*folders, *names)])
    return sorted(item for item in found if item.is_file())


def _refuse_links(folder: Path, items: list[Path]) -> None:
    """Refuse links to folders, which are not followed, and data files that are links to nothing."""
    for item in items:
        if not item.is_symlink() or _hidden(item.relative_to(folder)):
            continue
        if item.is_dir() or (not item.exists() and item.suffix.lower() in formats.DATA_SUFFIXES):
            what = "is a link to a folder, which is not followed" if item.is_dir() else "is a link to nothing"
            remedy = "Name the real folder, or put the files here: what it holds would be left out."
            raise InputRefused(str(item), what, evidence=str(item.readlink()), remedy=remedy)


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
