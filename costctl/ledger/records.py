"""The relation `records`: a delivery's files as one table, with file_no and record_no, for a format's SELECT.

Fast path: each CSV comes through a named pipe (pipes), unpacked and counted on the way; Parquet files of one schema are read
by one reader; a gated column that the files have as the same type of Parquet keeps it, everything else is text. Recording path
(staging): each file is staged as text into a TEMP table, its bad records are named, and the rest goes on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from costctl.files import objects, parquet, tables
from costctl.files.delimited import MAX_RECORD, RecordCount
from costctl.ledger.faults import GATE
from costctl.ledger.gates import TYPED, TYPES, misplaced
from costctl.nouns import Column, Format, InputFile

AS_TEXT = (
    "nested",
    "object",
    "usage_object",
    "answer",
)  # gates that change nothing: a format's SELECT need not name them
PLACELESS = "hive_partitioning = false"  # a folder named BillingCurrency=EUR is a folder, not a column


@dataclass
class Reading:
    """One file of a delivery while it is read: where its bytes are, the positions of its columns, the count so far."""

    file_no: int
    file: InputFile
    bytes_at: Path
    positions: dict[str, int]
    dataset: str | None = None
    count: RecordCount = field(default_factory=RecordCount)
    fault: BaseException | None = None
    has_long_number: bool = False  # known when it is counted


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
        f"new_line = '{newline}', {strict}null_padding = false, nullstr = '', max_line_size = {MAX_RECORD}, buffer_size = {MAX_RECORD}, parallel = false, {PLACELESS})"
    )


def types_of(readings: list[Reading], item: Format) -> dict[str, str]:
    """Return the type of each gated column that all files carry as one type of Parquet; what is not listed is text."""
    if any(reading.file.content != "parquet" for reading in readings):
        return {}
    kinds = [[place.kind for place in parquet.places(reading.bytes_at)] for reading in readings]
    as_text = {word for _, condition in item.exclusions for word in re.findall(r"\w+", condition)}
    found = {}
    for column in item.columns:
        allowed = TYPED.get(column.type, {})
        carried = {
            allowed.get(kinds[number][reading.positions[column.name]])
            for number, reading in enumerate(readings)
            if column.name in reading.positions
        }
        one = carried.pop() if len(carried) == 1 else None
        if one and not (column.spelling or column.constant is not None) and column.name not in as_text:
            found[column.name] = one
    return found


def columns_of(reading: Reading, item: Format, types: Mapping[str, str], *, raising: bool) -> list[str]:
    """Return the SELECT list of a branch: every logical column in its type or as text, NULL where the file has none."""

    def value(column: Column) -> str:
        return (
            _typed_of(reading, column, types[column.name]) if column.name in types else _text_of(reading, item, column)
        )

    listed = []
    for column in item.columns:
        source = value(column)
        if column.spelling and raising and column.type not in TYPES:  # of the others the gate fires
            source = f"CASE WHEN {source} LIKE '!%' THEN error('{GATE} value ' || {source}) ELSE {source} END"
        if column.type in AS_TEXT and raising:
            source = f"{column.type}({source})"
        if column.filled and raising:
            source = f"CASE WHEN {_is_empty(source, types.get(column.name, 'VARCHAR'))} THEN error('{GATE} empty {column.name} ' || record_no) ELSE {source} END"
        for condition, _ in misplaced(item, column, value) if raising else ():
            source = f"CASE WHEN {condition} THEN error('{GATE} time ' || record_no) ELSE {source} END"
        listed.append(f'{source} AS "{column.name}"')
    there = [column.name for column in item.columns if column.name in reading.positions or column.constant is not None]
    present = ", ".join(map(quoted, there))
    listed.append(f"[{present}] AS present")  # a column may be chosen per file
    kept = ", ".join(f"{quoted(name)}: {_stored_of(reading, name)}" for name in item.stored)
    listed.append(f"{{{kept}}} AS stored" if kept else "CAST(NULL AS VARCHAR) AS stored")
    listed.append(f"{quoted(reading.dataset) if reading.dataset else 'CAST(NULL AS VARCHAR)'} AS dataset")
    listed.append(f"{quoted(reading.file.name)} AS file_name")
    if item.tag_prefixes or item.tag_headers:
        listed.append(f'{_prefixed_tags(reading, item)} AS "Tags"')
    return listed


def _is_empty(source: str, type_: str) -> str:
    return f"NULLIF(trim({source}), '') IS NULL" if type_ == "VARCHAR" else f"{source} IS NULL"


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


def _stored_of(reading: Reading, name: str) -> str:
    position = reading.positions.get(f"stored_{name}")
    return "CAST(NULL AS VARCHAR)" if position is None else f"CAST(c{position} AS VARCHAR)"


def _typed_of(reading: Reading, column: Column, type_: str) -> str:
    position = reading.positions.get(column.name)
    return f"CAST(NULL AS {type_})" if position is None else f"c{position}"


def _tags(reading: Reading, item: Format) -> list[tuple[str, int]]:
    """Return key and position of every column whose header begins with a tag prefix, keys sorted and namespaced."""
    pairs = []
    for position, name in enumerate(reading.file.header):
        for prefix, namespace in item.tag_prefixes:
            if name.lower().startswith(prefix.lower()):
                pairs.append((namespace + name[len(prefix) :], position))
        if " ".join(name.split()).casefold() in item.tag_headers:
            pairs.append((name, position))
    return sorted(pairs, key=lambda pair: (json.dumps(pair[0], ensure_ascii=False), pair[1]))


def _prefixed_tags(reading: Reading, item: Format) -> str:
    """Return the JSON of all tag columns of a file, blank values left out."""
    found: dict[str, list[str]] = {}
    for key, position in _tags(reading, item):
        found.setdefault(key, []).insert(0, f"c{position}")  # of two headers that mean one key the later one
    if not found:
        return "CAST(NULL AS VARCHAR)"
    members = ", ".join(
        f"{quoted(f',{json.dumps(key, ensure_ascii=False)}:')} || to_json(COALESCE({', '.join(sources)}, NULL))"
        for key, sources in found.items()
    )
    return f"'{{' || NULLIF(substr(concat({members}), 2), '') || '}}'"


def source_of(
    part: list[Reading],
    item: Format,
    places: Mapping[int, tuple[Path, str]],
    types: Mapping[str, str],
    *,
    raising: bool,
) -> str:
    """Return the reader of one file, or of several alike, as a relation of file_no, record_no and the columns c0, c1 … that the format reads."""
    reading = part[0]
    at, newline = places[reading.file_no]
    if reading.file.content == "csv":
        reader = read_csv(at, len(reading.file.header), newline, reading.file.delimiter)
        return f"(SELECT *, {reading.file_no} AS file_no, row_number() OVER () AS record_no FROM {reader})"
    wanted = dict.fromkeys([*reading.positions.values(), *(position for _, position in _tags(reading, item))])
    if reading.file.content == "parquet":
        typed = {position: types.get(name, "VARCHAR") for name, position in reading.positions.items()}
        columns = parquet.places(at)
        listed = [
            f"{_parquet(columns[position], typed.get(position, 'VARCHAR'))} AS c{position}, " for position in wanted
        ]
        files = ", ".join(quoted(str(places[one.file_no][0])) for one in part)
        return (
            f"(SELECT {''.join(listed)}CAST(file_index AS INTEGER) + {reading.file_no} AS file_no, file_row_number + 1 AS record_no "
            f"FROM read_parquet([{files}], file_row_number = true, {PLACELESS}))"
        )
    keys = objects.places(at)
    if raising and is_by_line(reading) and _are_columns([keys[position] for position in wanted]):
        names = [keys[position][0] for position in wanted]
        as_text = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
        listed = [f"{_identifier(name)} AS c{position}, " for name, position in zip(names, wanted, strict=True)]
        return (
            f"(SELECT {''.join(listed)}{reading.file_no} AS file_no, row_number() OVER () AS record_no FROM read_json({quoted(str(at))}, "
            f"format = 'newline_delimited', columns = {{{as_text}}}, maximum_object_size = {MAX_RECORD}, {PLACELESS}))"
        )
    long = f"CASE WHEN has_long_number(json) THEN error('{GATE} number ' || record_no) ELSE json END"
    record = long if raising else "json"
    paths = ", ".join(quoted("$" + "".join(f".{_named(key)}" for key in keys[position])) for position in wanted)
    listed = [f"v[{number}] AS c{position}, " for number, position in enumerate(wanted, start=1)]
    return (
        f"(SELECT {''.join(listed)}{reading.file_no} AS file_no, record_no FROM (SELECT json_extract_string({record}, [{paths}]) AS v, record_no "
        f"FROM (SELECT json, row_number() OVER () AS record_no "
        f"FROM read_json_objects({quoted(str(at))}, format = '{objects.layout(at)}', maximum_object_size = {MAX_RECORD}, {PLACELESS}))))"
    )


def _named(key: str) -> str:
    """Quote a key for a JSON path."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _identifier(name: str) -> str:
    """Quote a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _are_columns(places: Sequence[tuple[str, ...]]) -> bool:
    """Tell whether keys of JSON can be the columns of a table: there are some, none lies within another, and no two differ by case only."""
    names = {place[0].lower() for place in places if len(place) == 1}
    return 0 < len(names) == len(places) and "" not in names


def is_by_line(reading: Reading) -> bool:
    """Tell a file of JSON records one per line: its fields are read by name, and `surveyed` looks for numbers that the reader would round."""
    file = reading.file
    return file.content == "json" and not file.unfolded and objects.layout(reading.bytes_at) == "newline_delimited"


def _parquet(place: parquet.Place, type_: str) -> str:
    """Return a Parquet column, or a field within one, in a type; as text a map, list or struct is JSON, a number its shortest exact text."""
    found = _identifier(place.path[0])
    for name in place.path[1:]:
        found = f"struct_extract({found}, {quoted(name)})"
    if type_ == "VARCHAR" and place.kind in ("map", "nested"):
        found = f"to_json({found})"
    return f"CAST({found} AS {type_})"


def alike(readings: list[Reading]) -> list[list[Reading]]:
    """Return the files that one reader takes at once: neighbours in Parquet of one schema together, any other by itself."""
    return [list(group) for _, group in groupby(readings, key=_shape)]


def _shape(reading: Reading) -> object:
    return parquet.schema(reading.bytes_at) if reading.file.content == "parquet" else reading.file_no


def relation(readings: list[Reading], item: Format, places: Mapping[int, tuple[Path, str]], *, raising: bool) -> str:
    """Return the text of `records`: one branch per reader."""
    types = types_of(readings, item)
    branches = " UNION ALL ".join(
        f"SELECT file_no, record_no, {', '.join(columns_of(part[0], item, types, raising=raising))} "
        f"FROM {source_of(part, item, places, types, raising=raising)}"
        for part in alike(readings)
    )
    return f"SELECT * FROM ({branches}) WHERE {rule_of(item)} IS NULL" if raising and item.exclusions else branches


def rule_of(item: Format) -> str:
    """Return the expression that names the rule of the format by which a record is left out, NULL for none."""
    return f"CASE {' '.join(f'WHEN {condition} THEN {quoted(name)}' for name, condition in item.exclusions)} END"


def foretold(readings: Sequence[Reading]) -> int:
    """Return how many records the files say they have, before they are read: only Parquet does."""
    return sum(parquet.records(reading.bytes_at) for reading in readings if reading.file.content == "parquet")


def counted(reading: Reading) -> int:
    """Return the number of records in a file, found independently of the reader that loaded it."""
    if reading.file.content == "csv":
        return reading.count.records
    if is_by_line(reading):
        number, reading.has_long_number = objects.surveyed(reading.bytes_at)
        return number
    if reading.file.unfolded:
        return sum(1 for _ in tables.records(reading.bytes_at, reading.file.content, reading.file.way))
    return objects.count(reading.bytes_at) if reading.file.content == "json" else parquet.records(reading.bytes_at)
