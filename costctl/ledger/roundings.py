"""Binary floats of more decimals than an amount keeps: rounded to 18, and written down by file and column what that took away."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from costctl.ledger.gates import ROUNDED
from costctl.ledger.records import quoted
from costctl.ledger.store import Ledger
from costctl.nouns import Format

Rounding = tuple[int, str, int, Decimal]  # file, column, how many, what was rounded away in all


def of_texts(ledger: Ledger, item: Format) -> list[Rounding]:
    """Return what was rounded of the staged records."""
    parts = [
        f"SELECT file_no, {quoted(column.name)}, count(*), sum(rounded_away(text)) FROM "
        f'(SELECT file_no, unnest({column.type}_floats("{column.name}")) AS text FROM temp.records) GROUP BY 1'
        for column in item.columns
        if column.type in ROUNDED
    ]
    found = ledger.run(" UNION ALL ".join(parts) + " ORDER BY 1, 2").rows if parts else []
    return [(row[0], row[1], row[2], row[3]) for row in found]


def of_doubles(ledger: Ledger, item: Format, types: Mapping[str, str], relation: str) -> list[Rounding]:
    """Return what is rounded of the DOUBLE columns of Parquet files, in one more scan of these columns."""
    names = sorted(
        column.name for column in item.columns if column.type in ROUNDED and types.get(column.name) == "DOUBLE"
    )
    if not names:
        return []
    away = ", ".join(f'rounded_away_of_double("{name}") AS "{name}"' for name in names)
    sums = ", ".join(f'count("{name}"), sum("{name}")' for name in names)
    rows = ledger.run(
        f"SELECT file_no, {sums} FROM (SELECT file_no, {away} FROM {relation}) GROUP BY 1 ORDER BY 1"
    ).rows
    return [
        (file_no, name, count, total)
        for file_no, *found in rows
        for name, count, total in zip(names, found[::2], found[1::2], strict=True)
        if count
    ]


def notes(rounded: list[Rounding]) -> list[str]:
    """Say per column what rounding took away."""
    totals: dict[str, tuple[int, Decimal]] = {}
    for _, column, count, away in rounded:
        number, amount = totals.get(column, (0, Decimal(0)))
        totals[column] = (number + count, amount + away)
    return [
        f"{column}: {count:,} binary floats with more than 18 decimals, rounded; {away.normalize():f} in all"
        for column, (count, away) in totals.items()
    ]
