"""The recording path: a delivery staged as text, and every record that cannot be taken in written down with its reason.

Files are read one after the other and record by record; what is wrong goes into the TEMP table `problems`, so that a file
without one good record costs no more memory than a whole one.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costctl.files import delimited, objects
from costctl.ledger import faults, pipes, records
from costctl.ledger.gates import ROUNDED, TYPES, misplaced
from costctl.ledger.intake import Excluded
from costctl.ledger.records import Reading, quoted
from costctl.ledger.store import Ledger
from costctl.nouns import Column, Format

BATCH = 1000
PROBLEMS = "CREATE OR REPLACE TEMP TABLE problems (file_no INTEGER, record_no BIGINT, column_name VARCHAR, reason VARCHAR, value VARCHAR)"
IS_BAD = "EXISTS (SELECT 1 FROM temp.problems AS p WHERE p.file_no = r.file_no AND p.record_no = r.record_no)"
KEEP_BAD = f"CREATE OR REPLACE TEMP TABLE bad_records AS SELECT * FROM temp.records AS r WHERE {IS_BAD}"
TAKE_BAD_OUT = f"DELETE FROM temp.records AS r WHERE {IS_BAD}"
TOO_LONG = "holds a number of more digits than JSON readers keep; export it as a text"
TOO_LARGE = "is too large for a count: it has more than 18 digits"
FORGET_LONG = (  # of records that are left out: nothing of them is read
    "DELETE FROM temp.problems AS p WHERE p.reason = $reason AND NOT EXISTS ("
    "SELECT 1 FROM temp.records AS r WHERE r.file_no = p.file_no AND r.record_no = p.record_no)"
)
WHOLE = "(record)"  # stands for a column where the record itself is the problem
REASONS = {
    "money": "is not a plain decimal number of at most 20 digits before and 18 after the point",
    "quantity": "is not a plain decimal number of at most 20 digits before and 18 after the point",
    "cents": "is not a plain decimal number of cents, of at most 20 digits before and 16 after the point",
    "whole": "is not a whole number",
    "instant": "is not a date and time like 2026-10-01T00:00:00Z, of 1900 to 2199",
    "unix_time": "is not a time in seconds or milliseconds since 1970, of 1973 to 2199",
    "us_date": "is not a date like 2026-10-31 or, month first, 10/31/2026, of 1900 to 2199",
    "currency": "is not a currency code of three capital letters",
    "category": "is not one of Usage, Purchase, Tax, Credit, Adjustment",
    "billing_month": "is not a month like 202610, of 1900 to 2199",
    "json": "is not a JSON object with distinct keys",
    "nested": "is not JSON",
    "object": "is not a JSON object",
    "usage_object": "is not a JSON object, or a count of tokens in it is not a whole number",
    "answer": "is not JSON, or what it says of its usage is not an object, or a count of tokens there is not a whole number",
    "metric_label": "is not a label that names namespace, metric, stat=Sum and period, as the format's description says",
    "time_grain": "is not the length of an interval, of at most a day, like PT1H",
    "json_unbraced": "is not a JSON object with distinct keys, with or without its braces",
    "credits": "is not a list of credits that each have an amount",
    "labels": "is not a list of labels, or names a key twice",
    "chips": "is not a number of chips above 0",
    "chip_state": "is not one of serving, training, startup, idle, maintenance",
}


@dataclass(frozen=True)
class Staged:
    """What was staged: records per file, and how many of them a named rule of the format left out."""

    counts: dict[int, int]
    excluded: list[Excluded]


def stage(ledger: Ledger, readings: list[Reading], item: Format, folder: Path) -> Staged:
    """Stage every file: good records into the TEMP table `records`, what is wrong with the others into `problems`."""
    ledger.run(PROBLEMS)
    ledger.run("DROP TABLE IF EXISTS temp.records")
    counts = {reading.file_no: _one(ledger, reading, item, folder, readings[0]) for reading in readings}
    excluded = _excluded(ledger, item)
    _note_bad_fields(ledger, item)
    _note_days_first(ledger, item)
    ledger.run(KEEP_BAD)
    ledger.run(TAKE_BAD_OUT)
    return Staged(counts, excluded)


def _one(ledger: Ledger, reading: Reading, item: Format, folder: Path, first: Reading) -> int:
    """Stage one file; return how many records it has."""
    try:
        if reading.file.content == "csv":
            count, source = _reshaped(ledger, reading, folder)
        else:
            place = pipes.plain(reading, folder)
            count = (
                _examined(ledger, reading)
                if reading.file.content == "json" and not reading.file.way
                else records.counted(reading)
            )
            source = records.source_of([reading], item, {reading.file_no: (place, "")}, {}, raising=False)
        listed = ", ".join(records.columns_of(reading, item, {}, raising=False))
        branch = f"SELECT {reading.file_no} AS file_no, record_no, {listed} FROM {source}"
        into = "CREATE TEMP TABLE records AS" if reading is first else "INSERT INTO temp.records"
        ledger.run(f"{into} {branch}")
    except Exception as error:
        if not faults.is_of_input(error):
            raise
        raise faults.unreadable(error, reading.file.name) from error
    return count


def _reshaped(ledger: Ledger, reading: Reading, folder: Path) -> tuple[int, str]:
    """Write a CSV again with one shape for all records and their numbers behind; note those that have another shape."""
    width, number, problems = len(reading.file.header), 0, _Problems(ledger)
    place = folder / f"{reading.file_no}.rows"
    with place.open("w", encoding="utf-8", newline="") as out:
        write = csv.writer(out, lineterminator="\n").writerow
        for number, (_, row) in enumerate(delimited.read(reading.bytes_at, reading.file.delimiter)):
            reason = _misshapen(row, width) if number else None
            if reason is None:
                write([*row, number])
            else:
                problems.note(reading.file_no, number, reason)
    problems.flush()
    return (
        number,
        f"(SELECT *, CAST(c{width} AS BIGINT) AS record_no FROM {records.read_csv(place, width + 1, chr(10))})",
    )


def _examined(ledger: Ledger, reading: Reading) -> int:
    """Note the records of a JSON file with numbers that its reader would round; return how many records there are."""
    number, problems = 0, _Problems(ledger)
    for number, long in enumerate(objects.examined(reading.bytes_at), start=1):
        if long:
            problems.note(reading.file_no, number, TOO_LONG, long)
    problems.flush()
    return number


def _misshapen(row: list[str], width: int) -> str | None:
    if len(row) != width:
        return f"has {len(row)} field{'s' if len(row) > 1 else ''} where the header has {width}"
    return "holds a NUL character" if any("\x00" in value for value in row) else None


class _Problems:
    """Writes problems down batch by batch."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.rows: list[Sequence[Any]] = []

    def note(self, file_no: int, record_no: int, reason: str, value: str | None = None) -> None:
        self.rows.append((file_no, record_no, WHOLE, reason, value))
        if len(self.rows) >= BATCH:
            self.flush()

    def flush(self) -> None:
        self.ledger.insert("temp.problems", self.rows)
        self.rows.clear()


def _excluded(ledger: Ledger, item: Format) -> list[Excluded]:
    """Take the records that a named rule of the format leaves out from the staged ones, and count them."""
    if not item.exclusions:
        return []
    found = left_out(ledger, item, "temp.records")
    ledger.run(f"DELETE FROM temp.records WHERE {records.rule_of(item)} IS NOT NULL")
    ledger.run(FORGET_LONG, {"reason": TOO_LONG})
    return found


def left_out(ledger: Ledger, item: Format, relation: str) -> list[Excluded]:
    """Count the records that each rule of the format leaves out, per file."""
    query = f"SELECT file_no, {records.rule_of(item)} AS rule, count(*) FROM {relation} WHERE rule IS NOT NULL GROUP BY ALL ORDER BY ALL"
    return [Excluded(file_no, None, rule, count) for file_no, rule, count in ledger.run(query).rows]


def _note_bad_fields(ledger: Ledger, item: Format) -> None:
    """Name every staged field that its gate refuses, and every empty one that must be filled."""
    for column in item.columns:
        name, text = f'"{column.name}"', quoted(column.name)
        if column.filled:
            ledger.run(
                f"INSERT INTO temp.problems SELECT file_no, record_no, {text}, 'is empty', NULL FROM temp.records WHERE NULLIF(trim({name}), '') IS NULL"
            )
        for condition, what in misplaced(item, column, lambda one: f'"{one.name}"'):
            ledger.run(
                f"INSERT INTO temp.problems SELECT file_no, record_no, {text}, {quoted(what)}, {name} FROM temp.records WHERE {condition}"
            )
        misspelt = f"{name} LIKE '!%'" if column.spelling else "FALSE"
        if column.spelling:
            ledger.run(
                f"INSERT INTO temp.problems SELECT file_no, record_no, {text}, {quoted(column.reason)}, substr({name}, 2) "
                f"FROM temp.records WHERE {misspelt}"
            )
        if column.type in TYPES:
            reason = quoted(REASONS[column.type])
            if column.type == "whole":
                reason = f"CASE WHEN regexp_full_match(trim({name}), '\\d{{19,}}') THEN {quoted(TOO_LARGE)} ELSE {reason} END"
            ledger.run(
                f"INSERT INTO temp.problems SELECT file_no, record_no, {text}, {reason}, {name} "
                f"FROM temp.records WHERE {name} IS NOT NULL AND NOT {misspelt} AND NOT {_accepted(column, name)}"
            )


def _note_days_first(ledger: Ledger, item: Format) -> None:
    """Where one date of a file has its day first (13/11/2026), no date with slashes of that file can be told."""
    names = [f'"{column.name}"' for column in item.columns if column.type == "us_date"]
    first = f"list_filter([{', '.join(names)}], lambda x: regexp_matches(x, '^\\s*(1[3-9]|2\\d|3[01])/'))"
    for name in names:
        ledger.run(
            "INSERT INTO temp.problems WITH led AS ("
            f"SELECT file_no, min_by({first}[1], record_no) AS odd FROM temp.records WHERE len({first}) > 0 GROUP BY 1) "
            f"SELECT file_no, record_no, {quoted(name.strip(chr(34)))}, 'is read with the month first, but this file also has ' || odd, {name} "
            f"FROM temp.records JOIN led USING (file_no) WHERE contains({name}, '/') AND us_date_fits({name})"
        )


def _accepted(column: Column, name: str) -> str:
    exact = f"{column.type}_fits({name})"
    return f"({exact} OR {column.type}_rounds({name}))" if column.type in ROUNDED else exact
