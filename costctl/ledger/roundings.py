"""Binary floats of more decimals than an amount keeps: rounded to 18, and written down by file and column what that took away."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from costctl.ledger.gates import ROUNDED
from costctl.ledger.store import Ledger
from costctl.nouns import Format

Rounding = tuple[int, str, int, Decimal]  # file, column, how many, what was rounded away in all


def of_texts(ledger: Ledger, item: Format, types: Mapping[str, str], relation: str) -> list[Rounding]:
    """Return what is rounded of the columns that come as text, in one scan of the records."""
    found = {
        column.name: f'{column.type}_floats("{column.name}")'
        for column in sorted(item.columns, key=lambda column: column.name)
        if column.type in ROUNDED and column.name not in types
    }
    listed = ", ".join(f'{floats} AS "{name}"' for name, floats in found.items())
    any_of = " OR ".join(f'"{name}" IS NOT NULL' for name in found)
    sums = [
        f'sum(len("{name}")), sum(list_sum(list_transform("{name}", lambda text: rounded_away(text))))'
        for name in found
    ]
    few = f"SELECT * FROM (SELECT file_no, {listed} FROM {relation}) WHERE {any_of}"
    return _summed(ledger, list(found), f"SELECT file_no, {', '.join(sums)} FROM ({few})") if found else []


def of_doubles(ledger: Ledger, item: Format, types: Mapping[str, str], relation: str) -> list[Rounding]:
    """Return what is rounded of the DOUBLE columns of Parquet files, in one more scan of these columns."""
    names = sorted(
        column.name for column in item.columns if column.type in ROUNDED and types.get(column.name) == "DOUBLE"
    )
    if not names:
        return []
    away = ", ".join(f'rounded_away_of_double("{name}") AS "{name}"' for name in names)
    sums = ", ".join(f'count("{name}"), sum("{name}")' for name in names)
    return _summed(ledger, names, f"SELECT file_no, {sums} FROM (SELECT file_no, {away} FROM {relation})")


def _summed(ledger: Ledger, names: list[str], select: str) -> list[Rounding]:
    """Return what a query of a number and a sum for each column found."""
    rows = ledger.run(f"{select} GROUP BY 1 ORDER BY 1").rows
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
