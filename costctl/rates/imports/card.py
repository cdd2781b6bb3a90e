"""A card in our own columns, such as an order form saved as CSV: checked as every card is, and written as the others are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from costctl.files import sheets
from costctl.files.sheets import Row
from costctl.rates.columns import FILES, SIGNATURES
from costctl.rates.facts import Facts
from costctl.rates.imports.found import Found, Price

TITLE = "rate card"
SEPARATORS = {"region": " ", "aliases": "|"}  # of the columns that hold several values


def recognises(signs: Collection[str]) -> bool:
    """Tell whether a file has a column of ours that says what a card holds."""
    return any(name in signs for name in SIGNATURES)


def prices(_path: Path, facts: Facts) -> Iterator[Found]:
    """Yield the rows of the card, which is the first sheet of the facts, in our names; raise UsageError where two clash."""
    card = facts.sheets[0]
    sheets.refuse([clash for clash in facts.clashes() if clash.where.startswith(f"{card.path}:")])
    for row in card.rows:
        cells = {item.name: _text(row, item.name) for item in FILES[card.holds]}
        yield Price(f"{card.path}:{row.line}", cells)


def _text(row: Row, column: str) -> str:
    value = row[column]
    if column in SEPARATORS and value is not None:
        return SEPARATORS[column].join(value)
    return value if isinstance(value, str) else row.texts.get(column, "")
