"""Exchange rates: the user's own dated file; nothing is looked up elsewhere and no rate is turned round or chained."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from costctl.config import Config
from costctl.files import cells, sheets
from costctl.files.cells import Wrong
from costctl.files.sheets import Field, Row, Sheet

TYPES = ("period_average", "period_end", "invoice", "budget")


def _rate(text: str) -> Decimal:
    try:
        return cells.price(text)
    except Wrong as wrong:
        remedy = "Write what one unit of `from` is worth in `to`, up to 12 decimals, for example 0.9234."
        raise Wrong(wrong.what, remedy) from wrong


FIELDS = (
    Field("from", cells.currency, required=True),
    Field("to", cells.currency, required=True),
    Field("rate_type", cells.one_of(TYPES), required=True),
    Field("period", cells.month, required=True),
    Field("rate", _rate, required=True),
    Field("date", cells.day),
    Field("source", required=True),
    Field("notes"),
)


def tables(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the table fx_rates; raise UsageError for what is wrong with the file."""
    return {"fx_rates": _rates(config.at(config.fx)) if config.fx else []}


def _rates(path: Path) -> list[tuple[Any, ...]]:
    sheet = sheets.read(path, Sheet(str(path), path.name, "fx_rates"), FIELDS)
    seen: dict[tuple[Any, ...], Row] = {}
    for row in sheet.rows:
        key = (row["from"], row["to"], row["rate_type"], row["period"])
        if other := seen.get(key):
            what = f"the {row['rate_type']} rate {row['from']} to {row['to']} of {row['period']:%Y-%m} stands on line {other.line} already"
            sheet.problems.append(row.problem("rate", what, "Keep one of the two rows."))
        if row["from"] == row["to"]:
            sheet.problems.append(row.problem("to", "a currency is not converted into itself", "Remove the row."))
        seen[key] = row
    sheets.refuse(sheet.problems)
    return [
        (row.card, row["from"], row["to"], row["rate_type"], row["period"], row["rate"], row["source"])
        for row in sheet.rows
    ]
