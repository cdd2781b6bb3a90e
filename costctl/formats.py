"""The seam for bill formats and token sources: a folder with a YAML file and one SELECT, found by being there.

Exactly one format may identify a file: all names of `detect.all` are in its folded header, none of `detect.none`. A format
that `refines` another wins over it; any other tie is an error naming both.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from costctl import documents
from costctl.errors import InputRefused, UsageError, nearest, shown
from costctl.files import delimited, packing, tables
from costctl.nouns import Column, Format, InputFile, NotRead

DATA_SUFFIXES = {".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".prom", ".gz", ".zip"}
NEAREST = 3
VALUE = r"\d[\d.:TZ/+-]*"  # a number or a time: no name of a column
PREAMBLE = 30  # lines in which a header is looked for
SHOWN_COLUMNS = 12
READERS = {"csv": "CSV", "json": "JSON", "parquet": "Parquet", "metrics": "metrics (text, Prometheus or OTLP)"}
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


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


def identify(file: InputFile, formats: dict[str, Format]) -> Format:
    """Return the one format that recognises a file; raise InputRefused for none and for several."""
    matches = [item for item in formats.values() if file.content in item.readers and _detects(item, file)]
    refined = {item.refines for item in matches}
    matches = [item for item in matches if item.name not in refined]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(item.name for item in matches)
        remedy = "Say which with --as FORMAT."
        raise InputRefused(
            file.name, f"several formats recognise this file: {names}", evidence=_found(file), remedy=remedy
        )
    for item in formats.values():
        for sign in item.not_read:
            if set(sign.all) <= _header(item, file) and not set(sign.none) & _header(item, file):
                raise InputRefused(file.name, sign.what, evidence=_found(file), remedy=sign.remedy)
    raise _unknown(file, formats)


def _detects(item: Format, file: InputFile) -> bool:
    header = _header(item, file)
    some = not item.detect_any or set(item.detect_any) & header
    fits = set(item.detect_all) <= header and not set(item.detect_none) & header and bool(some)
    return fits and (file.content != "csv" or item.delimiter == file.delimiter)


def _header(item: Format, file: InputFile) -> set[str]:
    """Return the folded header of a file as a format would read it; empty where what that reads is not in it."""
    if item.way and file.content == "json":
        if item.way.partition(".")[0].partition("+")[0] not in file.header:
            return set()
        try:
            return {folded(item, name) for name in _header_within(file.path, item.way)}
        except InputRefused:  # it has no such records
            return set()
    return {folded(item, name) for name in file.header}


def _unknown(file: InputFile, formats: dict[str, Format]) -> InputRefused:
    found = {item.name: len(set(item.detect_all) & _header(item, file)) for item in formats.values()}
    ranked = sorted(formats.values(), key=lambda item: (-found[item.name], len(item.detect_all), item.name))
    near = [
        f"nearest: {item.name} (lacks {_lacking(item, _header(item, file))})"
        for item in ranked[:1]
        if 2 * found[item.name] >= max(len(item.detect_all), 1)
    ]
    delimiter = next((word for mark, word in OTHER_DELIMITERS.items() if mark in "".join(file.header[:1])), None)
    export = f"Its fields are separated by {delimiter}: export it again with commas" if delimiter else "Export it again"
    return InputRefused(
        file.name,
        "no format recognises this file",
        evidence=[_found(file), *near, _below(file, formats), _headless(file)],
        remedy=f"{export} in one of the known formats: {', '.join(sorted(formats))}. "
        "Or say --as FORMAT, or describe its columns under `formats:` in costctl.yaml.",
    )


def _below(file: InputFile, formats: dict[str, Format]) -> str:
    """Say where a header stands that a format knows, when lines of an invoice's head stand above it."""
    if file.content != "csv":
        return ""
    try:
        for lines, row in itertools.islice(delimited.read(file.path, file.delimiter), PREAMBLE):
            below = replace(file, header=tuple(name.strip() for name in row))
            found = next((item.name for item in formats.values() if _detects(item, below)), None)
            if found:
                return f"line {lines.start} is a header of {found}: remove the lines above it"
    except InputRefused:
        pass  # what is wrong further down is said when the file is read
    return ""


def _headless(file: InputFile) -> str:
    """Say that a header may be missing, where the first line has numbers or times."""
    value = next((name for name in file.header if file.content == "csv" and re.fullmatch(VALUE, name)), None)
    return (
        f"the first line has a value, {shown(value)}: is the line of the names of the columns missing?" if value else ""
    )


def _found(file: InputFile) -> str:
    more = ", …" if len(file.header) > SHOWN_COLUMNS else ""
    return f"columns found: {', '.join(file.header[:SHOWN_COLUMNS]) or '(none)'}{more}"


def _lacking(item: Format, header: set[str]) -> str:
    names = {column.headers[0]: column.header for column in item.columns}
    lacking = [names.get(name, name) for name in item.detect_all if name not in header]
    clash = [names.get(name, name) for name in item.detect_none if name in header]
    but = f"has {', '.join(clash)}" if clash else _comes_as(item)
    return ", ".join(lacking[:NEAREST]) or f"nothing, but {but}"


def _comes_as(item: Format) -> str:
    return f"comes as {' or '.join(READERS[name] for name in item.readers)}"


def insisted(name: str, file: InputFile, formats: dict[str, Format]) -> Format:
    """Return the format that the user named for a file (`aws-cur` and `aws_cur` are one)."""
    found = formats.get(name.replace("-", "_"))
    if found is None:
        remedy = f"{nearest(name.replace('-', '_'), formats)}Formats: {', '.join(sorted(formats))}."
        raise UsageError("--as", f"there is no format {shown(name)}", remedy=remedy)
    if file.content not in found.readers:
        what = f"is {READERS[file.content]}, while {found.name} {_comes_as(found)}"
        raise InputRefused(file.name, what, remedy="Leave out --as, or export it again.")
    if file.content == "csv" and file.delimiter != found.delimiter:
        what = f"has fields separated by {shown(file.delimiter)}, while {found.name} has {shown(found.delimiter)}"
        raise InputRefused(file.name, what, evidence=_found(file), remedy="Leave out --as, or export it again.")
    return found


def columns_of(item: Format, file: InputFile) -> dict[str, int]:
    """Map logical columns to positions in a file's header; refuse duplicates after folding and missing required ones."""
    positions = _positions(item, file)
    found = {
        column.name: next((positions[header] for header in column.headers if header in positions), None)
        for column in item.columns
    }
    missing = [column.header for column in item.columns if column.required and found[column.name] is None]
    if missing:
        many = len(missing) > 1
        raise InputRefused(
            f"{file.name}:1" if file.content == "csv" else file.name,
            f"lacks the column{'s' if many else ''} {', '.join(missing)}",
            evidence=[_found(file), *_similar(missing, file)],
            remedy=f"Export it again with {'them' if many else 'it'}; the format {item.name} cannot do without.",
        )
    _refuse_unknown(item, file, positions)
    return {name: position for name, position in found.items() if position is not None}


def _refuse_unknown(item: Format, file: InputFile, positions: dict[str, int]) -> None:
    """Refuse columns that a format does not read although their names say that they count: what they hold would be left out unseen."""
    read = {header for column in item.columns for header in column.headers}
    found = [
        file.header[position]
        for header, position in positions.items()
        if header not in read and any(fnmatchcase(header, pattern) for pattern in item.unknown)
    ]
    if found:
        raise InputRefused(
            f"{file.name}:1" if file.content == "csv" else file.name,
            f"has {'columns' if len(found) > 1 else 'a column'} that {item.name} does not know: {', '.join(map(shown, found))}",
            evidence=[f"it knows {', '.join(column.header for column in item.columns if column.type == 'whole')}"],
            remedy="What is counted there would be left out. Export it again under these names, or without what they hold already; "
            "or say under `formats:` in costctl.yaml which columns count.",
        )


def _similar(missing: list[str], file: InputFile) -> list[str]:
    """Name the columns whose names are like a missing one: a misspelling, or a new name."""
    near = {name: difflib.get_close_matches(name, file.header, n=1) for name in missing}
    return [f"nearest to {name}: {found[0]}" for name, found in near.items() if found]


def _positions(item: Format, file: InputFile) -> dict[str, int]:
    """Return where each folded header stands; a name that the format reads may stand there once."""
    wanted = {header for column in item.columns for header in column.headers}
    positions: dict[str, int] = {}
    for number, name in enumerate(file.header):
        key = folded(item, name)
        tag = any(name.lower().startswith(prefix.lower()) for prefix, _ in item.tag_prefixes)
        inner = (
            file.content != "csv" and name.rpartition(".")[0] in file.header
        )  # the column wins over a field within one
        twice = name in file.header[:number] if tag else key in positions and key in wanted and not inner
        if twice:
            other = name if tag else file.header[positions[key]]
            raise InputRefused(
                f"{file.name}:1",
                "the header names a column twice",
                evidence=f"{shown(other)} and {shown(name)}",
                remedy="Nothing tells which of the two holds: export it again with one of them.",
            )
        positions.setdefault(key, number)
    return positions
