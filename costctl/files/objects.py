"""JSON records: an array, lines of one record each, or objects laid out over several lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, shown
from costctl.files.packing import blocks

SAMPLE = 4 << 20
BETWEEN = " \t\r\n,["  # what may stand between two records


def header(path: Path) -> tuple[str, ...]:
    """Return the keys of the records at the beginning of a file, in order of appearance."""
    keys: dict[str, None] = {}
    for number, record in enumerate(_decoded(_start(path)), start=1):
        if not isinstance(record, dict):
            raise _refusal(path, f"record {number} is not an object", shown(record))
        keys |= dict.fromkeys(record)
    if not keys:
        raise _refusal(path, "is not valid JSON, or holds no record", shown(_start(path)[:80]))
    return tuple(keys)


def layout(path: Path) -> str:
    """Tell an `array`, `newline_delimited` records, or `unstructured` objects over several lines."""
    text = _start(path).lstrip()
    if text.startswith("["):
        return "array"
    first = text.split("\n", 1)[0]
    return "newline_delimited" if _is_object(first) or not _is_object(text.strip()) else "unstructured"


def records(path: Path) -> int:
    """Count the records, independently of the reader that loads them; raise InputRefused at the first broken one."""
    if layout(path) == "newline_delimited":
        return sum(1 for number, line in enumerate(_lines(path), start=1) if _counts(path, number, line))
    text = b"".join(blocks(path)).decode("utf-8", "replace")
    try:
        whole = json.loads(text)
    except ValueError as error:
        raise _refusal(path, "is not valid JSON", str(error)) from error
    return len(whole) if isinstance(whole, list) else 1


def _counts(path: Path, number: int, line: bytes) -> bool:
    """Tell whether a line is a record; one that is neither blank nor an object is a fault."""
    if not line.strip():
        return False
    if not (line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}")):
        raise InputRefused(
            f"{path}:{number}",
            "is not a whole JSON object",
            evidence=shown(line[:80].decode("utf-8", "replace")),
            remedy="Fetch or export the file again; it may be cut short.",
        )
    return True


def _lines(path: Path) -> Iterator[bytes]:
    rest = b""
    for block in blocks(path):
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    yield rest


def _start(path: Path) -> str:
    return next(blocks(path), b"")[:SAMPLE].decode("utf-8", "replace")


def _decoded(text: str) -> Iterator[Any]:
    """Yield the records that a text begins with; the last may be cut by the text's end."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        while at < len(text) and text[at] in BETWEEN:
            at += 1
        try:
            record, at = decoder.raw_decode(text, at)
        except ValueError:
            return
        yield record


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _refusal(path: Path, what: str, evidence: str) -> InputRefused:
    return InputRefused(str(path), what, evidence=evidence, remedy="Fetch or export it again.")
