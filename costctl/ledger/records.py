"""The relation `records`: a delivery's files as one table of text, with file_no and record_no, for a format's SELECT.

Fast path: each CSV comes through a named pipe, unpacked and counted on the way. Recording path: each file is staged into a
TEMP table, its bad records are named, and the rest goes on.
"""

from __future__ import annotations

import csv
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import resources
from pathlib import Path

from costctl.errors import InputRefused
from costctl.files import objects, packing, parquet, tables
from costctl.ledger import store
from costctl.ledger.store import GATE, Ledger
from costctl.nouns import Column, Format, InputFile

TYPES = ("money", "quantity", "whole", "instant", "currency", "json", "chip_state")
ROUNDED = ("money", "quantity")
PLAIN = ("money", "quantity", "instant")
MAX_FIELD = 16 << 20
REASONS = {
    "money": "is not a plain decimal number of at most 20 digits before and 18 after the point",
    "quantity": "is not a plain decimal number of at most 20 digits before and 18 after the point",
    "whole": "is not a whole number",
    "instant": "is not a date and time like 2026-10-01T00:00:00Z",
    "currency": "is not a currency code of three capital letters",
    "json": "is not a JSON object with distinct keys",
    "chip_state": "is not one of serving, training, startup, idle, maintenance",
}


@dataclass(frozen=True)
class Problem:
    """A field, or a whole record, that cannot be taken in."""

    file_no: int
    record_no: int
    column: str
    reason: str
    value: str | None


@dataclass
class Reading:
    """One file of a delivery while it is read: where its bytes are, the positions of its columns, the count so far."""

    file_no: int
    file: InputFile
    bytes_at: Path
    positions: dict[str, int]
    count: tables.RecordCount = field(default_factory=tables.RecordCount)
    fault: BaseException | None = None


def bind_gates(ledger: Ledger, *, raising: bool) -> None:
    """Bind the cast macros of a format's SELECT to their raising or to their recording version."""
    for statement in store.statements((resources.files("costctl.ledger") / "gates.sql").read_text(encoding="utf-8")):
        ledger.run(statement)
    for kind in TYPES:
        plain = f"WHEN {kind}_plain(x) THEN {kind}_plain_cast(x) " if raising and kind in PLAIN else ""
        rounded = f"CASE WHEN is_printed_float(x) THEN {kind}_cast(x) END" if kind in ROUNDED else "NULL"
        otherwise = f"error('{GATE} {kind} ' || x)" if raising else rounded
        ledger.run(
            f"CREATE OR REPLACE TEMP MACRO {kind}(x) AS CASE WHEN x IS NULL THEN NULL {plain}"
            f"WHEN {kind}_fits(x) THEN {kind}_cast(x) ELSE {otherwise} END"
        )


def quoted(text: str) -> str:
    """Quote a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _csv(path: Path, fields: int, newline: str) -> str:
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(fields))
    return (
        f"read_csv({quoted(str(path))}, columns = {{{columns}}}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"new_line = '{newline}', strict_mode = true, null_padding = false, nullstr = '', max_line_size = {MAX_FIELD}, buffer_size = {MAX_FIELD}, parallel = false)"
    )


def _columns(reading: Reading, item: Format, *, raising: bool) -> list[str]:
    """Return the SELECT list of a branch: every logical column as text, NULL where the file has none."""
    listed = []
    for column in item.columns:
        position = reading.positions.get(column.name)
        source = "CAST(NULL AS VARCHAR)" if position is None else f"c{position}"
        if item.null_words and position is not None:
            for word in item.null_words:
                source = f"NULLIF({source}, {quoted(word)})"
        if column.filled and raising:
            source = (
                f"CASE WHEN {source} IS NULL THEN error('{GATE} empty {column.name} ' || record_no) ELSE {source} END"
            )
        listed.append(f'{source} AS "{column.name}"')
    present = ", ".join(quoted(column.name) for column in item.columns if column.name in reading.positions)
    listed.append(f"[{present}] AS present")  # a column may be chosen per file
    if item.tag_prefixes:
        listed.append(f'{_prefixed_tags(reading, item)} AS "Tags"')
    return listed


def _prefixed_tags(reading: Reading, item: Format) -> str:
    """Return the JSON of all tag columns of a file, keys sorted and namespaced, blank values left out."""
    pairs = []
    for position, name in enumerate(reading.file.header):
        for prefix, namespace in item.tag_prefixes:
            if name.lower().startswith(prefix.lower()):
                pairs.append((namespace + name[len(prefix) :], position))
    if not pairs:
        return "CAST(NULL AS VARCHAR)"
    members = ", ".join(f"{quoted(key)}, c{position}" for key, position in sorted(pairs))
    merged = f"CAST(json_merge_patch('{{}}', json_object({members})) AS VARCHAR)"
    return f"NULLIF({merged}, '{{}}')"


def _source(reading: Reading, at: Path, newline: str) -> str:
    """Return the reader of one file as a relation with columns c0, c1 … and record_no."""
    if reading.file.content == "csv":
        return f"(SELECT *, row_number() OVER () AS record_no FROM {_csv(at, len(reading.file.header), newline)})"
    names = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in reading.file.header]
    if reading.file.content == "parquet":
        listed = ", ".join(f"{_parquet_text(name)} AS c{number}" for number, name in enumerate(names))
        return f"(SELECT {listed}, file_row_number + 1 AS record_no FROM read_parquet({quoted(str(at))}, file_row_number = true))"
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in reading.file.header)
    layout = objects.layout(at)
    listed = ", ".join(f"{name} AS c{number}" for number, name in enumerate(names))
    return (
        f"(SELECT {listed}, row_number() OVER () AS record_no FROM read_json({quoted(str(at))}, columns = {{{columns}}}, "
        f"format = '{layout}', maximum_object_size = {MAX_FIELD}))"
    )


def _parquet_text(name: str) -> str:
    """A Parquet column as text: a map or struct as JSON, anything else by its shortest exact text."""
    return f"CASE WHEN typeof({name}) LIKE 'MAP%' OR typeof({name}) LIKE 'STRUCT%' THEN CAST(to_json({name}) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"


def relation(readings: list[Reading], item: Format, places: dict[int, tuple[Path, str]], *, raising: bool) -> str:
    """Return the text of `records`: one branch per file, each read alone."""
    return " UNION ALL ".join(
        f"SELECT {reading.file_no} AS file_no, record_no, {', '.join(_columns(reading, item, raising=raising))} FROM {_source(reading, *places[reading.file_no])}"
        for reading in readings
    )


@contextmanager
def piped(
    readings: list[Reading], folder: Path, progress: Callable[[int], None]
) -> Iterator[dict[int, tuple[Path, str]]]:
    """Feed each CSV of a delivery through a named pipe; on leaving, every feeder has ended and its fault is raised."""
    places: dict[int, tuple[Path, str]] = {}
    feeders: list[tuple[threading.Thread, Path, Reading]] = []
    for reading in readings:
        if reading.file.content != "csv":
            places[reading.file_no] = (_plain(reading, folder), "")
            continue
        pipe = folder / f"{reading.file_no}.csv"
        os.mkfifo(pipe, 0o600)
        places[reading.file_no] = (pipe, _newline(reading.bytes_at))
        feeders.append((threading.Thread(target=_fed, args=(reading, pipe, progress), daemon=True), pipe, reading))
    for thread, _, _ in feeders:
        thread.start()
    try:
        yield places
    finally:
        for thread, pipe, _ in feeders:
            _drained(thread, pipe)
    faults = [reading.fault for reading in readings if reading.fault is not None]
    if faults:
        raise faults[0]


def _plain(reading: Reading, folder: Path) -> Path:
    """Return a place where DuckDB may read an unpacked JSON or Parquet file."""
    if reading.file.content == "parquet" and reading.file.compression == "none":
        return reading.bytes_at
    place = folder / f"{reading.file_no}.{reading.file.content}"
    with place.open("wb") as out:
        out.writelines(packing.blocks(reading.bytes_at))  # without a byte order mark
    return place


def _newline(path: Path) -> str:
    """Tell the line end of a file from its first lines, as DuckDB's strict reader wants it said."""
    for block in packing.blocks(path):
        return "\\r\\n" if b"\r\n" in block[:100_000] else "\\n"
    return "\\n"


def _fed(reading: Reading, pipe: Path, progress: Callable[[int], None]) -> None:
    try:
        tables.feed(reading.bytes_at, pipe, reading.count)
        progress(reading.file.bytes)
    except BrokenPipeError:
        pass  # the reader stopped first and says why
    except BaseException as error:  # noqa: BLE001  carried to the thread that waits
        reading.fault = error


def _drained(thread: threading.Thread, pipe: Path) -> None:
    """Let a feeder whose reader never came or left early run into a broken pipe, and wait for its end."""
    while thread.is_alive():
        thread.join(0.02)
        if thread.is_alive():
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))


def counted(reading: Reading) -> int:
    """Return the number of records in a file, found independently of the reader that loaded it."""
    if reading.file.content == "csv":
        return reading.count.records
    return objects.records(reading.bytes_at) if reading.file.content == "json" else parquet.records(reading.bytes_at)


def staged(ledger: Ledger, readings: list[Reading], item: Format, folder: Path) -> tuple[dict[int, int], list[Problem]]:
    """Stage every file into the TEMP table `records`, good shape only; return records per file and all problems."""
    counts: dict[int, int] = {}
    problems: list[Problem] = []
    for reading in readings:
        if reading.file.content == "csv":
            place = folder / f"{reading.file_no}.rows"
            counts[reading.file_no], ragged = _reshaped(reading, place)
            problems += ragged
            width = len(reading.file.header)
            source = f"(SELECT *, CAST(c{width} AS BIGINT) AS record_no FROM {_csv(place, width + 1, chr(92) + 'n')})"
        else:
            counts[reading.file_no] = counted(reading)
            source = _source(reading, _plain(reading, folder), "")
        branch = f"SELECT {reading.file_no} AS file_no, record_no, {', '.join(_columns(reading, item, raising=False))} FROM {source}"
        ledger.run(
            f"CREATE OR REPLACE TEMP TABLE records AS {branch}"
            if reading is readings[0]
            else f"INSERT INTO temp.records {branch}"
        )
    return counts, problems + _bad_fields(ledger, item)


def _reshaped(reading: Reading, place: Path) -> tuple[int, list[Problem]]:
    """Write a CSV again with one shape for all records and their numbers behind; return how many there are, and the ragged ones."""
    width, problems, number = len(reading.file.header), [], 0
    csv.field_size_limit(MAX_FIELD)
    rows = csv.reader(
        io.TextIOWrapper(io.BufferedReader(_Blocks(packing.blocks(reading.bytes_at))), encoding="utf-8", newline=""),
        strict=True,
    )
    with place.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        try:
            for at, row in enumerate(row for row in rows if row):
                number = at
                if at == 0 or (len(row) == width and not any("\x00" in value for value in row)):
                    writer.writerow([*row, at])
                else:
                    reason = (
                        f"has {len(row)} fields where the header has {width}"
                        if len(row) != width
                        else "holds a NUL character"
                    )
                    problems.append(Problem(reading.file_no, at, "(record)", reason, None))
        except csv.Error as error:
            raise InputRefused(
                f"{reading.file.name}:{rows.line_num}",
                "is cut short, or its quotes do not close",
                evidence=str(error),
                remedy="Fetch the file again.",
            ) from error
        except UnicodeDecodeError as error:
            raise InputRefused(
                f"{reading.file.name}:{rows.line_num + 1}",
                "is not UTF-8 text",
                evidence=str(error),
                remedy="Convert it: iconv -f LATIN1 -t UTF-8 FILE > NEW",
            ) from error
    return number, problems


class _Blocks(io.RawIOBase):
    """A readable stream over an iterator of blocks."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self.source, self.rest = source, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self.rest:
            self.rest = next(self.source, b"")
        size = min(len(buffer), len(self.rest))
        buffer[:size] = self.rest[:size]
        self.rest = self.rest[size:]
        return size


def _bad_fields(ledger: Ledger, item: Format) -> list[Problem]:
    """Name every staged field that its gate refuses, and every empty one that must be filled."""
    parts = []
    for column in item.columns:
        name = f'"{column.name}"'
        if column.filled:
            parts.append(
                (
                    column,
                    f"SELECT file_no, record_no, {quoted(column.name)}, 'is empty', NULL FROM temp.records WHERE {name} IS NULL",
                )
            )
        if column.type in TYPES:
            parts.append(
                (
                    column,
                    f"SELECT file_no, record_no, {quoted(column.name)}, {quoted(REASONS[column.type])}, {name} FROM temp.records WHERE {name} IS NOT NULL AND NOT {_accepted(column, name)}",
                )
            )
    found = ledger.run(" UNION ALL ".join(text for _, text in parts) + " ORDER BY 1, 2, 3").rows if parts else []
    return [Problem(*row) for row in found]


def _accepted(column: Column, name: str) -> str:
    exact = f"{column.type}_fits({name})"
    return f"({exact} OR is_printed_float({name}))" if column.type in ROUNDED else exact


def roundings(ledger: Ledger, item: Format) -> list[tuple[int, str, int, Decimal]]:
    """Return per file and column how many printed floats were rounded to 18 decimals, and exactly what that took away."""
    parts = [
        f'SELECT file_no, {quoted(column.name)}, count(*), sum(rounded_away("{column.name}")) FROM temp.records WHERE is_printed_float("{column.name}") GROUP BY 1'
        for column in item.columns
        if column.type in ROUNDED
    ]
    return (
        [(row[0], row[1], row[2], row[3]) for row in ledger.run(" UNION ALL ".join(parts) + " ORDER BY 1, 2").rows]
        if parts
        else []
    )
