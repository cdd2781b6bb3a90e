"""Look at a table before it is read: what a file holds, told from its bytes and not from its name, and its header."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, shown
from costctl.files import delimited, metrics, objects, parquet, unfolded
from costctl.files.packing import BOM, unpacked, wide

LOOK = 4096
BINARY_SHARE = 20  # one NUL in so many bytes is no accident in a text
OTHERS = {
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf": "packed with 7-Zip",
    b"Rar!": "packed with RAR",
    b"\x1f\x8b": "packed twice",
    b"PK\x03\x04": "packed twice",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
}
TAR = (257, b"ustar")


def content(path: Path) -> str:
    """Tell `csv`, `json`, `parquet` or `metrics` from the first unpacked bytes; raise InputRefused for an empty or binary file."""
    with unpacked(path) as file:
        start = file.read(LOOK).removeprefix(BOM)
    if not start.strip():
        raise InputRefused(
            str(path), "is empty", remedy="Fetch it again; a delivery without rows has at least a header."
        )
    if start[:4] == b"PAR1":
        return "parquet"
    _refuse_others(path, start)
    if metrics.is_one(start):
        return "metrics"
    return "json" if start.lstrip()[:1] in (b"{", b"[") else "csv"


def _refuse_others(path: Path, start: bytes) -> None:
    """Name what is often delivered or saved in the place of a table."""
    remedy = "Give a CSV, JSON or Parquet file: plain, gzip, or a zip with that one file."
    if encoding := wide(start):
        remedy = f"Convert it: iconv -f {encoding} -t UTF-8 FILE > NEW"
        raise InputRefused(str(path), "is UTF-16 text", evidence=shown(start[:8]), remedy=remedy)
    other = next((name for magic, name in OTHERS.items() if start.startswith(magic)), None)
    if start[TAR[0] :].startswith(TAR[1]):
        other = "a tar archive"
    if other:
        raise InputRefused(str(path), f"is {other}, not a table", evidence=shown(start[:16]), remedy=remedy)
    if start.lstrip()[:1] == b"<":
        remedy = "It is often a portal's login or error page saved in place of the file: fetch it again."
        raise InputRefused(
            str(path),
            "is HTML or XML, not a table",
            evidence=shown(start[:60].decode("utf-8", "replace")),
            remedy=remedy,
        )
    if start.count(b"\x00") * BINARY_SHARE > len(start) or b"\x00" in start.split(b"\n")[0]:
        raise InputRefused(str(path), "is binary, not a table", evidence=shown(start[:16]), remedy=remedy)


def header(path: Path, kind: str, delimiter: str = ",", way: str = "") -> tuple[str, ...]:
    """Return the column names of a file of the given content; of metrics, those and the names of its first samples."""
    if kind == "csv":
        return delimited.header(path, delimiter)
    if kind == "parquet":
        return parquet.header(path)
    named = metrics.names(path) if kind == "metrics" else ()
    found = (
        unfolded.read(path, way, every=False) if way else records(path, kind)
    )  # what is no page is told when it is read
    return (*(".".join(place) for place in objects.places_in(path, found)), *named)


def records(path: Path, kind: str, way: str = "", name: str = "") -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, record) of JSON or metrics, as they are read: what lies within others by the way to it.

    `name` is what the user calls the file: of metrics it may tell when and from whom they were scraped.
    """
    if kind == "metrics":
        return metrics.read(path, name)
    return unfolded.read(path, way) if way else objects.read(path)


def write_records(path: Path, kind: str, way: str, name: str, target: Path) -> None:
    """Write the records of metrics, or those within a JSON file, one per line: as a table is read."""
    with target.open("w", encoding="utf-8") as out:
        for _, record in records(path, kind, way, name):
            out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
