"""The header of a file: looked at, folded, and said."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from costctl.errors import InputRefused
from costctl.files import delimited, packing, tables
from costctl.nouns import Format, InputFile

SHOWN_COLUMNS = 12


def fold(header: str) -> str:
    """Fold a header for comparison: case, `/ _ : . -` and blanks do not count; of `Name (Code)` the code does."""
    bracketed = re.search(r"\(([A-Za-z0-9_/:.]+)\)\s*$", header)
    return re.sub(r"[/_:.\-\s\ufeff]", "", bracketed.group(1) if bracketed else header).lower()


def folded(item: Format, header: str) -> str:
    """Fold a header as a format compares it."""
    return as_written(header) if item.as_written else fold(header)


def as_written(header: str) -> str:
    """Fold a header that is compared as its owner writes it: only case and blanks do not count."""
    return " ".join(header.replace("\ufeff", "").split()).casefold()


def delimiters(formats: dict[str, Format]) -> list[str]:
    """Return the delimiters that CSV files of these formats may have, the comma first."""
    return [",", *sorted({item.delimiter for item in formats.values()} - {","})]


def inspect(path: Path, name: str | None = None, candidates: Sequence[str] = (",",)) -> InputFile:
    """Look into a file: what it holds and its header. Raise InputRefused when it cannot be a table."""
    name = name or os.fsencode(path).decode("utf-8", "backslashreplace")
    kind = tables.content(path)
    packed = packing.compression(path)
    if kind == "parquet" and packed != "none":
        raise InputRefused(name, f"is Parquet inside {packed}", remedy="Unpack it: Parquet is packed already.")
    sealed = packed != "none" or kind == "parquet"
    delimiter = delimited.delimiter(path, candidates) if kind == "csv" else ","
    return InputFile(path, name, kind, packed, tables.header(path, kind, delimiter), delimiter=delimiter, sealed=sealed)


def inspect_as(path: Path, name: str, item: Format) -> InputFile:
    """Look into a file of a known format."""
    return as_read(item, inspect(path, name, delimiters({item.name: item})))


def as_read(item: Format, file: InputFile) -> InputFile:
    """Return a file as its format reads it: with the header of the records within its values, where they lie there."""
    if not item.way or file.content != "json":
        return file
    return replace(file, way=item.way, header=_header_within(file.path, item.way))


def _header_within(path: Path, way: str) -> tuple[str, ...]:
    state = path.stat()
    return _header_of(path.absolute(), way, state.st_size, state.st_mtime_ns)


@cache
def _header_of(path: Path, way: str, *_: int) -> tuple[str, ...]:
    """Return the header of a file as it is now: every format with the same way asks for it, and a file may be written again."""
    return tables.header(path, "json", way=way)


def of(item: Format, file: InputFile) -> set[str]:
    """Return the folded header of a file as a format would read it; empty where what that reads is not in it."""
    if item.way and file.content == "json":
        if item.way.partition(".")[0].partition("+")[0] not in file.header:
            return set()
        try:
            return {folded(item, name) for name in _header_within(file.path, item.way)}
        except InputRefused:  # it has no such records
            return set()
    return {folded(item, name) for name in file.header}


def shown(file: InputFile) -> str:
    """Say which columns a file has, the first of them."""
    more = ", …" if len(file.header) > SHOWN_COLUMNS else ""
    return f"columns found: {', '.join(file.header[:SHOWN_COLUMNS]) or '(none)'}{more}"
