"""Rate cards: the shipped facts and the user's own, read, checked, looked up. The facts are in the top-level rates/.

columns    which columns a file has, and the words they take
intervals  when a price holds
scopes     for which prompts and hours a token price is
entries    what is wrong with a row, or with two of one name
facts      all files together, checked against each other
tables     the facts laid out as the ledger's tables
names      which model a name means
meant      which machine or chip a name means
lookup     the one rate of a machine or chip in force, by the model that prices every report
tokens     the prices of a model at an instant and for a prompt, likewise
check      what is old, implausible or contradictory
listing    chips, models and their prices for people
owned      owned and leased chips: the cards of an asset register
overlays   discounts off list prices
tiers      prices by volume
imports    price sheets turned into cards
changes    what one set of rates changes against another
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from costctl.files import sheets
from costctl.rates import facts, owned, tables

PACKAGE = Path(__file__).parents[1]


def home() -> Path:
    """Return the folder of the facts: the checkout's own rates/, else the copy inside the wheel."""
    checkout = PACKAGE.parent / "rates"
    return checkout if (checkout / "chips.csv").is_file() else PACKAGE / "_rates"


def load(cards: Sequence[Path] = ()) -> facts.Facts:
    """Read the facts and the user's cards; raise UsageError for what is wrong with one of them."""
    return facts.load(home(), cards)


def read(cards: Sequence[Path] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the reference tables by table; raise UsageError, also where two prices hold at once."""
    found = load(cards)
    sheets.refuse(found.clashes())
    return tables.tables(found)


def statements(cards: Sequence[Path], months: Sequence[date], *, say: Callable[[str], None]) -> dict[date, str]:
    """Return what owned and leased chips cost in each month, as statements for the ledger; none where no card holds any.

    Says where the months go on after an asset's metered hours.
    """
    rows = _owned(cards)
    for problem in owned.unmetered(rows, max(months)) if months else ():
        say(f"warning: {sheets.sentence(problem)}. {problem.remedy}")
    return owned.statements(rows, months)


def estimates(cards: Sequence[Path]) -> dict[str, tuple[str, sheets.Problem]]:
    """Return the rows of owned and leased chips that nobody vouches for, by file and line: a hash of what each says, and what is wrong with it."""
    found = owned.estimates(_owned(cards))
    return {row.card: (hashlib.sha256(repr(sorted(row.texts.items())).encode()).hexdigest(), why) for row, why in found}


def _owned(cards: Sequence[Path]) -> list[sheets.Row]:
    kept = [card for card in cards if facts.kind_of(card)[1] == "owned"]
    return load(kept).rows("owned") if kept else []


def fingerprint(cards: Sequence[Path] = ()) -> str:
    """Return the SHA-256 over the names and bytes of all fact and card files."""
    digest = hashlib.sha256()
    named = [(path.relative_to(home()).as_posix(), path) for path in facts.files(home())]
    for name, path in [*named, *((facts.card_name(card), card) for card in cards)]:
        content = sheets.content(path)
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
