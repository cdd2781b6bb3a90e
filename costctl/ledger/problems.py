"""What the recording path found wrong: counted, put into words with file, line, column and value, set aside."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator

from costctl.errors import InputRefused, shown
from costctl.files import delimited, tables
from costctl.ledger.records import Reading
from costctl.ledger.store import Ledger
from costctl.nouns import Format

SHOWN_PROBLEMS = 5
ODD_LENGTH = 60
BATCH = 1000
SEVERAL = 2  # a start and an end may be one


def bad(ledger: Ledger) -> dict[int, int]:
    """Return how many records of each file cannot be taken in."""
    query = "SELECT file_no, count(DISTINCT record_no) FROM temp.problems GROUP BY 1"
    return dict(ledger.run(query).rows)


def refusal(ledger: Ledger, item: Format, readings: list[Reading], allowed: int) -> InputRefused:
    """Name the first bad fields with file, line, column and value."""
    found = ledger.run(
        f"SELECT * FROM temp.problems ORDER BY file_no, record_no, column_name LIMIT {SHOWN_PROBLEMS}"
    ).rows
    fields, rows = int(ledger.value("SELECT count(*) FROM temp.problems")), sum(bad(ledger).values())
    lines = {(item[0], item[1]): item[2] for item in _located(readings, {(row[0], row[1]) for row in found})}
    places = [_place(readings[row[0] - 1], row[1], lines.get((row[0], row[1]))) for row in found]
    listed = [
        f"{place}: {_header(readings[row[0] - 1], item, row[2])} {row[3]}{_value(row[4])}"
        for place, row in zip(places, found, strict=True)
    ]
    more = [f"and {fields - len(found):,} more"] if fields > len(found) else []
    return InputRefused(
        places[0],
        f"{rows:,} record{'s' if rows > 1 else ''} cannot be taken in; policy quarantine_rows allows {allowed:,}",
        evidence=listed + more,
        remedy="Export the file again; or set the records aside by raising quarantine_rows under `policy:` (or --quarantine-rows N), and they are listed by status.",
    )


def _header(reading: Reading, item: Format, name: str) -> str:
    """Return a column's name as the file itself has it, or its provider; of several that are read out of one JSON value, the path within."""
    column = next((column for column in item.columns if column.name == name), None)
    position = reading.positions.get(name)
    if column is None or position is None:
        return column.header if column else name
    header = reading.file.header[position]
    if reading.file.content != "json" or list(reading.positions.values()).count(position) <= SEVERAL:
        return header
    path = re.search(r"'\$\.([\w.]+)'", column.spelling or "")
    return f"{header}.{path[1]}" if path else f"{header} ({name})"


def _value(value: str | None) -> str:
    """Return a value for a message; characters that look like others are named."""
    if value is None:
        return ""
    odd = "" if value.isascii() else f" ({value!a})"
    return f": {shown(value)}{odd[:ODD_LENGTH]}"


def _place(reading: Reading, number: int, line: int | None) -> str:
    numbered = line is None or reading.file.unfolded  # many records may lie in one line
    return f"{reading.file.name}:{f'record {number}' if numbered else line}"


def place_of(reading: Reading, number: int) -> str:
    """Return `file:line` of a record, for messages."""
    found = next(_located([reading], {(reading.file_no, number)}), None)
    return _place(reading, number, found[2] if found else None)


def _located(readings: list[Reading], wanted: set[tuple[int, int]]) -> Iterator[tuple[int, int, int, str]]:
    """Yield (file_no, record_no, line, raw text) of wanted records; those of Parquet have neither line nor text."""
    for reading in readings:
        numbers = {number for file_no, number in wanted if file_no == reading.file_no}
        for number, line, text in _raw(reading, numbers) if numbers else ():
            yield reading.file_no, number, line, text


def _raw(reading: Reading, numbers: set[int]) -> Iterator[tuple[int, int, str]]:
    if reading.file.content == "csv":
        yield from delimited.raw(reading.bytes_at, numbers, reading.file.delimiter)
    elif reading.file.content != "parquet":
        file = reading.file
        found = tables.records(reading.bytes_at, file.content, file.way, file.name)
        for number, (line, record) in enumerate(found, start=1):
            if number in numbers:
                yield number, line, json.dumps(record, ensure_ascii=False)


def quarantine(ledger: Ledger, identity: str, readings: list[Reading]) -> None:
    """Set the bad records aside, with everything needed to find and mend them."""
    wanted = {(row[0], row[1]) for row in ledger.run("SELECT DISTINCT file_no, record_no FROM temp.problems").rows}
    ledger.run(
        "CREATE OR REPLACE TEMP TABLE bad_lines (file_no INTEGER, record_no BIGINT, line_no BIGINT, raw VARCHAR)"
    )
    located = _located(readings, wanted)
    while batch := list(itertools.islice(located, BATCH)):
        ledger.insert("temp.bad_lines", batch)
    ledger.run(
        "INSERT INTO ledger.quarantine SELECT $id, p.file_no, p.record_no, l.line_no, p.column_name, p.reason, p.value, l.raw "
        "FROM temp.problems AS p LEFT JOIN temp.bad_lines AS l USING (file_no, record_no) ORDER BY 2, 3, 5",
        {"id": identity},
    )


def culprit(
    readings: list[Reading], counts: dict[int, int], tried: Callable[[str], Exception | None]
) -> tuple[Reading | None, int, Exception | None]:
    """Find the first record with which loading fails, by halving; `tried` loads the records that meet a condition."""
    for reading in readings:
        low, high = 1, counts[reading.file_no]
        within = f"r.file_no = {reading.file_no} AND r.record_no BETWEEN {low} AND "
        last = tried(within + str(high))
        while last and low < high:
            middle = (low + high) // 2
            error = tried(within + str(middle))
            last, low, high = (error, low, middle) if error else (last, middle + 1, high)
        if last:
            return reading, low, last
    return None, 0, None
