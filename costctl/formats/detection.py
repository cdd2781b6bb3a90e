"""Which format a file is of: the one that recognises it, or that the user names."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

from costctl.errors import InputRefused, UsageError, nearest, shown
from costctl.files import delimited
from costctl.formats import headers
from costctl.nouns import Format, InputFile

NEAREST = 3
VALUE = r"\d[\d.:TZ/+-]*"  # a number or a time: no name of a column
PREAMBLE = 30  # lines in which a header is looked for
READERS = {"csv": "CSV", "json": "JSON", "parquet": "Parquet", "metrics": "metrics (text, Prometheus or OTLP)"}
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


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
            file.name, f"several formats recognise this file: {names}", evidence=headers.shown(file), remedy=remedy
        )
    for item in formats.values():
        for sign in item.not_read:
            if set(sign.all) <= headers.of(item, file) and not set(sign.none) & headers.of(item, file):
                raise InputRefused(file.name, sign.what, evidence=headers.shown(file), remedy=sign.remedy)
    raise _unknown(file, formats)


def _detects(item: Format, file: InputFile) -> bool:
    header = headers.of(item, file)
    some = not item.detect_any or set(item.detect_any) & header
    fits = set(item.detect_all) <= header and not set(item.detect_none) & header and bool(some)
    return fits and (file.content != "csv" or item.delimiter == file.delimiter)


def _unknown(file: InputFile, formats: dict[str, Format]) -> InputRefused:
    found = {item.name: len(set(item.detect_all) & headers.of(item, file)) for item in formats.values()}
    ranked = sorted(formats.values(), key=lambda item: (-found[item.name], len(item.detect_all), item.name))
    near = [
        f"nearest: {item.name} (lacks {_lacking(item, headers.of(item, file))})"
        for item in ranked[:1]
        if 2 * found[item.name] >= max(len(item.detect_all), 1)
    ]
    delimiter = next((word for mark, word in OTHER_DELIMITERS.items() if mark in "".join(file.header[:1])), None)
    export = f"Its fields are separated by {delimiter}: export it again with commas" if delimiter else "Export it again"
    return InputRefused(
        file.name,
        "no format recognises this file",
        evidence=[headers.shown(file), *near, _below(file, formats), _headless(file)],
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
        raise InputRefused(file.name, what, evidence=headers.shown(file), remedy="Leave out --as, or export it again.")
    return found
