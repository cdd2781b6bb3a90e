"""Look into a table before it is read: what a file holds, its header, its records counted, a record's own text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from costctl.errors import InputRefused, shown
from costctl.files import objects, parquet
from costctl.files.packing import BOM, blocks, unpacked

MAX_HEADER = 4 << 20
_KEEP = b'"\n'
_DELETE = bytes(byte for byte in range(256) if byte not in _KEEP)


def content(path: Path) -> str:
    """Tell `csv`, `json` or `parquet` from the first unpacked bytes; raise InputRefused for an empty or binary file."""
    with unpacked(path) as file:
        start = file.read(4096).removeprefix(BOM)
    if not start:
        raise InputRefused(
            str(path), "is empty", remedy="Fetch it again; a delivery without rows has at least a header."
        )
    if start[:4] == b"PAR1":
        return "parquet"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputRefused(
            str(path),
            "is UTF-16 text",
            evidence=shown(start[:8]),
            remedy="Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW",
        )
    if b"\x00" in start:
        raise InputRefused(
            str(path),
            "is binary, not a table",
            evidence=shown(start[:16]),
            remedy="Give a CSV, JSON or Parquet file, plain, gzip or zip.",
        )
    return "json" if start.lstrip()[:1] in (b"{", b"[") else "csv"


class RecordCount:
    """Counts the records of CSV text fed block by block, independently of the reader; newlines in quotes do not count."""

    def __init__(self) -> None:
        """Start outside quotes, with nothing seen."""
        self.lines = 0
        self.inside = False
        self.last = b""

    def add(self, block: bytes) -> None:
        """Take in the next block. Only quotes and newlines matter; two quotes side by side cancel out."""
        marks = block.translate(None, _DELETE)
        while b'""' in marks:
            marks = marks.replace(b'""', b"")
        for number, part in enumerate(marks.split(b'"')):
            if number:
                self.inside = not self.inside
            if not self.inside:
                self.lines += part.count(b"\n")
        self.last = block[-1:] or self.last

    @property
    def records(self) -> int:
        """Return the number of data records: the lines, with an unterminated last one, without the header."""
        return max(self.lines + (0 if self.last == b"\n" else 1) - 1, 0)


def feed(path: Path, pipe: Path, count: RecordCount) -> None:
    """Write a file's unpacked bytes into a named pipe, counting its records on the way."""
    with pipe.open("wb", buffering=0) as out:
        for block in blocks(path):
            count.add(block)
            view = memoryview(block)
            while view:
                view = view[out.write(view) :]


def csv_header(path: Path) -> tuple[str, ...]:
    """Return the header of a CSV file; raise InputRefused when it is not UTF-8, too long, or has no line end."""
    for block in blocks(path):
        text = _decoded(path, block[:MAX_HEADER])
        row = next(csv.reader(io.StringIO(text, newline="")), [])
        return tuple(name.strip() for name in row)
    raise InputRefused(str(path), "is empty", remedy="Fetch it again; a delivery without rows has at least a header.")


def _decoded(path: Path, block: bytes) -> str:
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > len(block) - 4:  # a character cut by the block's end
            return block[: error.start].decode("utf-8")
        line = block[: error.start].count(b"\n") + 1
        raise InputRefused(
            f"{path}:{line}",
            "is not UTF-8 text",
            evidence=f"byte {shown(block[error.start : error.start + 1])} at offset {error.start}",
            remedy="Convert it: iconv -f LATIN1 -t UTF-8 FILE > NEW",
        ) from error


def header(path: Path, kind: str) -> tuple[str, ...]:
    """Return the column names of a file of the given content."""
    return {"csv": csv_header, "json": objects.header, "parquet": parquet.header}[kind](path)


def raw_records(path: Path, wanted: set[int]) -> dict[int, tuple[int, str]]:
    """Return (line, raw text) of the wanted data records of a CSV file, counted from 1; for error messages."""
    found: dict[int, tuple[int, str]] = {}
    lines: list[str] = []

    def remembered() -> Iterator[str]:
        for line in io.TextIOWrapper(
            io.BytesIO(b"".join(blocks(path))), encoding="utf-8", errors="replace", newline=""
        ):
            lines.append(line)
            yield line

    reader = csv.reader(remembered())
    for number, _ in enumerate(reader):
        if number in wanted:
            found[number] = (reader.line_num - len(lines) + 1, "".join(lines).rstrip("\r\n"))
        lines.clear()
    return found
