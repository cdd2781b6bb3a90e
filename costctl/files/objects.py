"""JSON, record by record: an array, one object per line, or objects one after the other; never held in memory as a whole."""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, shown
from costctl.files.delimited import MAX_RECORD, Lines
from costctl.files.packing import blocks

LARGEST = 64 << 20  # characters of a value that is laid out over several lines
SAMPLE = 1000  # records whose keys make the header: a key may be absent from the first one
LONGEST = 17  # digits of a number with a point that every reader keeps; JSON says no more than that numbers are numbers
_FILLING = re.compile(r"[\s,]*")
_DIGITS = bytes(ord("d") if chr(byte) in "0123456789." else ord("x") for byte in range(256))
_RUN = b"d" * (LONGEST + 2)  # the shortest that a number with too many digits may be, its point among them
_LONG = re.compile(rb"0\.0*[1-9]\d{17}|[1-9][0-9.]{18}")
_BEFORE = re.compile(rb"[:\[,]\s*-?$")


def layout(path: Path) -> str:
    """Tell an `array`, `newline_delimited` records, or `unstructured` ones, laid out over several lines."""
    text = next(blocks(path), b"")[:MAX_RECORD].decode("utf-8", "replace").lstrip()
    if text.startswith("["):
        return "array"
    first, _, others = text.partition("\n")
    return "newline_delimited" if _is_object(first) or not others.strip() else "unstructured"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def header(path: Path) -> tuple[str, ...]:
    """Return the keys of the first records, in the order of their first appearance; then those inside objects, dotted."""
    return tuple(".".join(place) for place in places(path))


def places(path: Path) -> tuple[tuple[str, ...], ...]:
    """Return the keys that lead to each value of the first records, in the order of `header`."""
    return places_in(path, read(path))


def places_in(path: Path, records: Iterable[tuple[int, dict[str, Any]]]) -> tuple[tuple[str, ...], ...]:
    """Return the keys that lead to each value of the first of some records; raise InputRefused where there are none."""
    found: dict[tuple[str, ...], None] = {}
    for _, record in itertools.islice(records, SAMPLE):
        found |= dict.fromkeys(_within((), record))
    if not found:
        remedy = "Fetch it again, or leave it out if there was nothing to export."
        raise InputRefused(str(path), "holds no records", remedy=remedy)
    return tuple(sorted(found, key=lambda place: len(place) > 1))


def _within(parents: tuple[str, ...], record: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, value in record.items():
        yield (*parents, key)
        if isinstance(value, dict):
            yield from _within((*parents, key), value)


def count(path: Path) -> int:
    """Count the records, independently of the reader that loads them."""
    if layout(path) != "newline_delimited":
        return sum(1 for _ in read(path))
    lines, total = Lines(path), 0
    for line in lines:
        lines.next_record()
        text = line.strip()
        if text and not (text[0] == "{" and text[-1] == "}"):
            raise _malformed(path, lines.number, text, ValueError("a record begins with { and ends with }"))
        total += bool(text)
    return total


def surveyed(path: Path) -> tuple[int, bool]:
    """Count the records, one per line, and tell whether a number of them may have more digits than readers keep.

    A whole block is looked at at once; where its lines are not plain ones each is read.
    """
    total, plain, long = 0, True, False
    for part in _whole_lines(path):
        lines = part.removesuffix(b"\n").split(b"\n")
        total += len(lines)
        plain = plain and b"" not in lines and b"\r" not in part and _is_text(part)
        long = long or _has_long_number(part)
    return (total if plain else count(path)), long


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file in parts that end with a line, but for the last."""
    rest = b""
    for block in blocks(path):
        at = block.rfind(b"\n") + 1
        if at:
            yield rest + block[:at]
        rest = block[at:] if at else rest + block
    if rest:
        yield rest


def _is_text(part: bytes) -> bool:
    try:
        return part.isascii() or bool(part.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _has_long_number(part: bytes) -> bool:
    """Tell whether a part has what the macro `has_long_number` finds: runs of digits are searched, few are looked at."""
    runs = part.translate(_DIGITS)
    at = runs.find(_RUN)
    while at >= 0:
        if _LONG.match(part, at) and _BEFORE.search(part, max(at - 100, 0), at):
            return True
        at = runs.find(_RUN, runs.find(b"x", at))
    return False


def examined(path: Path) -> Iterator[str]:
    """Yield for each record the first of its numbers that has more digits than readers keep, else an empty text."""
    found: list[str] = []

    def number(text: str) -> float:
        if len(re.sub(r"[eE].*|[-.]", "", text).strip("0")) > LONGEST:
            found.append(text)
        return float(text)

    for _ in read(path, number):
        yield found[0] if found else ""
        found.clear()


def read(path: Path, number: Callable[[str], float] = float) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, record); raise InputRefused with the line where the text is not JSON, or no record."""
    for line, record in _of_lines(path, number) if layout(path) == "newline_delimited" else _of_text(path, number):
        if not isinstance(record, dict):
            what = "holds a value where a record (a JSON object) is expected"
            raise InputRefused(f"{path}:{line}", what, evidence=shown(record), remedy="Export it again.")
        yield line, record


def _of_lines(path: Path, number: Callable[[str], float]) -> Iterator[tuple[int, Any]]:
    lines = Lines(path)
    for line in lines:
        lines.next_record()
        if line.strip():
            try:
                yield lines.number, json.loads(line, parse_float=number)
            except (ValueError, RecursionError) as error:
                raise _malformed(path, lines.number, line, error) from error


def _of_text(path: Path, number: Callable[[str], float]) -> Iterator[tuple[int, Any]]:
    """Decode value after value from a buffer that is refilled; what does not decode with all of the file is malformed."""
    texts, decoder = decoded(path), json.JSONDecoder(parse_float=number)
    text, line = next(texts, "").lstrip(), 1
    array = text.startswith("[")
    at = 1 if array else 0
    while True:
        filling = _FILLING.match(text, at)
        begin = filling.end() if filling else at
        line += text.count("\n", at, begin)
        if text[begin : begin + 1] == "]" and array:
            return
        try:
            record, at = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            more = next(texts, "") if len(text) - begin <= LARGEST else ""
            if not (more or array or text[begin:].strip()):
                return
            if not more:
                raise _malformed(path, line, text[begin:], error) from error
            text, at = text[begin:] + more, 0
            continue
        yield line, record
        line += text.count("\n", begin, at)


def decoded(path: Path) -> Iterator[str]:
    """Yield the text of a file block by block; raise InputRefused where it is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for block in blocks(path):
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        remedy = "JSON is UTF-8: export it again."
        raise InputRefused(str(path), "is not UTF-8 text", evidence=str(error), remedy=remedy) from error


def _malformed(path: Path, line: int, text: str, error: Exception) -> InputRefused:
    reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error).partition(": line")[0]
    return InputRefused(
        f"{path}:{line}",
        "the record that starts here is not whole JSON"
        if text.strip()
        else "is cut short: the end of the array is missing",
        evidence=[shown(text[:80].rstrip()) if text.strip() else "", reason],
        remedy="Fetch or export the file again.",
    )
