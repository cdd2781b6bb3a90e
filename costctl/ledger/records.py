"""The relation `records`: a delivery's files as one table of text, with file_no and record_no, for a format's SELECT.

Fast path: each CSV comes through a named pipe (pipes), unpacked and counted on the way. Recording path (staging): each file is
staged into a TEMP table, its bad records are named, and the rest goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from costctl.files import objects, parquet
from costctl.files.delimited import MAX_RECORD, RecordCount
from costctl.ledger import store
from costctl.ledger.faults import GATE
from costctl.ledger.store import Ledger
from costctl.nouns import Column, Format, InputFile

TYPES = ("money", "quantity", "whole", "instant", "currency", "json", "chips", "chip_state")
ROUNDED = ("money", "quantity")
PLAIN = ("money", "quantity", "instant")


@dataclass
class Reading:
    """One file of a delivery while it is read: where its bytes are, the positions of its columns, the count so far."""

    file_no: int
    file: InputFile
    bytes_at: Path
    positions: dict[str, int]
    count: RecordCount = field(default_factory=RecordCount)
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


def read_csv(path: Path, fields: int, newline: str, delimiter: str = ",") -> str:
    """Return the strict reader of a CSV file whose columns are c0, c1 …, all text."""
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(fields))
    # strict is the default; said aloud beside \r\n, DuckDB 2.0 reads no row at all
    strict, newline = {"\n": ("strict_mode = true, ", "\\n"), "\r\n": ("", "\\r\\n")}[newline]
    return (
        f"read_csv({quoted(str(path))}, columns = {{{columns}}}, auto_detect = false, header = true, delim = {quoted(delimiter)}, quote = '\"', escape = '\"', "
        f"new_line = '{newline}', {strict}null_padding = false, nullstr = '', max_line_size = {MAX_RECORD}, buffer_size = {MAX_RECORD}, parallel = false)"
    )


def columns_of(reading: Reading, item: Format, *, raising: bool) -> list[str]:
    """Return the SELECT list of a branch: every logical column as text, NULL where the file has none."""
    listed = []
    for column in item.columns:
        source = _text_of(reading, item, column)
        if column.spelling and raising and column.type not in TYPES:  # of the others the gate fires
            source = f"CASE WHEN {source} LIKE '!%' THEN error('{GATE} value ' || {source}) ELSE {source} END"
        if column.filled and raising:
            source = (
                f"CASE WHEN {source} IS NULL THEN error('{GATE} empty {column.name} ' || record_no) ELSE {source} END"
            )
        if column.after and raising:
            early = f"is_not_after({source}, c{reading.positions[column.after]})"
            source = f"CASE WHEN {early} THEN error('{GATE} not after {column.after} ' || record_no) ELSE {source} END"
        listed.append(f'{source} AS "{column.name}"')
    there = [column.name for column in item.columns if column.name in reading.positions or column.constant is not None]
    present = ", ".join(map(quoted, there))
    listed.append(f"[{present}] AS present")  # a column may be chosen per file
    if item.tag_prefixes or item.tag_headers:
        listed.append(f'{_prefixed_tags(reading, item)} AS "Tags"')
    return listed


def _text_of(reading: Reading, item: Format, column: Column) -> str:
    """Return what a record says in a column, as text: the field without words for nothing, spelt our way, or the constant."""
    if column.constant is not None:
        return quoted(column.constant)
    position = reading.positions.get(column.name)
    if position is None:
        return "CAST(NULL AS VARCHAR)"
    source = f"c{position}"
    for word in item.null_words:
        source = f"NULLIF({source}, {quoted(word)})"
    return column.spelling.replace("{x}", source) if column.spelling else source


def _prefixed_tags(reading: Reading, item: Format) -> str:
    """Return the JSON of all tag columns of a file, keys sorted and namespaced, blank values left out."""
    pairs = []
    for position, name in enumerate(reading.file.header):
        for prefix, namespace in item.tag_prefixes:
            if name.lower().startswith(prefix.lower()):
                pairs.append((namespace + name[len(prefix) :], position))
        if " ".join(name.split()).casefold() in item.tag_headers:
            pairs.append((name, position))
    if not pairs:
        return "CAST(NULL AS VARCHAR)"
    members = ", ".join(f"{quoted(key)}, c{position}" for key, position in sorted(pairs))
    merged = f"CAST(json_merge_patch('{{}}', json_object({members})) AS VARCHAR)"
    return f"NULLIF({merged}, '{{}}')"


def source_of(reading: Reading, at: Path, newline: str) -> str:
    """Return the reader of one file as a relation with columns c0, c1 … and record_no."""
    if reading.file.content == "csv":
        return f"(SELECT *, row_number() OVER () AS record_no FROM {read_csv(at, len(reading.file.header), newline, reading.file.delimiter)})"
    names = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in reading.file.header]
    if reading.file.content == "parquet":
        listed = ", ".join(f"{_parquet_text(name)} AS c{number}" for number, name in enumerate(names))
        return f"(SELECT {listed}, file_row_number + 1 AS record_no FROM read_parquet({quoted(str(at))}, file_row_number = true))"
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in reading.file.header)
    layout = objects.layout(at)
    listed = ", ".join(f"{name} AS c{number}" for number, name in enumerate(names))
    return (
        f"(SELECT {listed}, row_number() OVER () AS record_no FROM read_json({quoted(str(at))}, columns = {{{columns}}}, "
        f"format = '{layout}', maximum_object_size = {MAX_RECORD}))"
    )


def _parquet_text(name: str) -> str:
    """A Parquet column as text: a map or struct as JSON, anything else by its shortest exact text."""
    return f"CASE WHEN typeof({name}) LIKE 'MAP%' OR typeof({name}) LIKE 'STRUCT%' THEN CAST(to_json({name}) AS VARCHAR) ELSE CAST({name} AS VARCHAR) END"


def relation(readings: list[Reading], item: Format, places: dict[int, tuple[Path, str]], *, raising: bool) -> str:
    """Return the text of `records`: one branch per file, each read alone."""
    return " UNION ALL ".join(
        f"SELECT {reading.file_no} AS file_no, record_no, {', '.join(columns_of(reading, item, raising=raising))} FROM {source_of(reading, *places[reading.file_no])}"
        for reading in readings
    )


def counted(reading: Reading) -> int:
    """Return the number of records in a file, found independently of the reader that loaded it."""
    if reading.file.content == "csv":
        return reading.count.records
    return objects.count(reading.bytes_at) if reading.file.content == "json" else parquet.records(reading.bytes_at)
