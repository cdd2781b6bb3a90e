"""Drivers: a CSV of date, key and value that a pool is split by, such as seats or queries by team."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from costctl.errors import UsageError
from costctl.files import cells, sheets
from costctl.files.cells import Wrong
from costctl.files.sheets import Field, Row, Sheet
from costctl.nouns import shifted

SAYS = "A driver says what each team counts for: a row for each day or month and team."


@dataclass(frozen=True)
class Driver:
    """What a team, or a pool as `pool NAME`, counts for on the days of a span."""

    key: str
    value: Decimal
    valid_from: date
    valid_to: date
    row: Row


def read(path: Path) -> list[Driver]:
    """Read the rows of a driver file; a date is a day, or a month for each of its days.

    Raises UsageError for a date or value that is none, a negative value, a key that stands twice on a day, and a file without rows or of zeros.
    """
    fields = (
        Field("date", _span, required=True),
        Field("key", required=True),
        Field("value", cells.quantity, required=True),
    )
    sheet = sheets.read(path, Sheet(str(path), path.name, "drivers"), fields)
    sheets.refuse(sheet.problems)
    found = [Driver(row["key"], row["value"], row["date"][0], row["date"][1], row) for row in sheet.rows]
    sheets.refuse(_twice(found))
    if not found:
        where = f"{path}:{sheets.header_of(path)[0]}"
        raise UsageError(where, "has a header and no rows", remedy=SAYS)
    if not any(item.value for item in found):
        sheets.refuse([found[0].row.problem("value", "the driver has no value above zero", SAYS)])
    return found


def _span(text: str) -> tuple[date, date]:
    try:
        first = cells.month(text)
    except Wrong:
        try:
            day = cells.day(text)
        except Wrong as wrong:
            raise Wrong(
                "is neither a day nor a month", "Write YYYY-MM-DD, or YYYY-MM for every day of a month."
            ) from wrong
        return day, day + timedelta(days=1)
    return first, shifted(first, 1)


def _twice(found: list[Driver]) -> list[sheets.Problem]:
    """Find rows of one key that hold on the same day."""
    by_key: dict[str, list[Driver]] = defaultdict(list)
    for item in found:
        by_key[item.key.lower()].append(item)
    problems = []
    for items in by_key.values():
        items.sort(key=lambda item: (item.valid_from, item.row.line))
        for before, item in pairwise(items):
            if item.valid_from < before.valid_to:
                what = f"the key has a value for that day in line {before.row.line} already"
                problems.append(item.row.problem("key", what, "One row per key and day; a month is all of its days."))
    return problems
