"""Price sheets as providers publish or send them, turned into cards. A kind is told by what a file holds, never by its name.

azure      Azure Retail Prices API
aws        AWS Price List (aws_file: its two forms)
gcp        Google Cloud Billing Catalog
litellm    LiteLLM's map of model prices
card       a card in our own columns
found      a price that a card can hold, or why it stays out
once       one price for each thing on a day
pages      the records of a paged answer
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, UsageError, shown, visible
from costctl.files import cells, delimited, nested, tables
from costctl.rates import facts as rate_facts
from costctl.rates.columns import FILES
from costctl.rates.imports import aws, aws_file, azure, card, gcp, litellm, once
from costctl.rates.imports.found import Cells, Found, Left, Price, Unfit

KINDS = {"azure": azure, "aws": aws, "gcp": gcp, "litellm": litellm, "card": card}
LAYERS = ("list", "contract")
LOOK = 500  # parts of a JSON by which its kind is told
LONGEST = 500  # characters of a note: a place may be named by a key as long as a book
DEPTH = 3  # of the parts: /Items/0/retailPrice


@dataclass
class Reason:
    """Why something stayed out: how often, and the first of it."""

    count: int
    first: Left


@dataclass
class Card:
    """A card made of a price sheet: its rows, and what stayed out by its reason."""

    title: str
    holds: str
    rows: list[Cells] = field(default_factory=list)
    left: dict[str, Reason] = field(default_factory=dict)

    def leave(self, found: Left) -> None:
        """Count something that stays out."""
        reason = self.left.setdefault(found.reason, Reason(0, found))
        reason.count += 1

    def notes(self) -> list[str]:
        """Return a line for each reason, with the first example."""
        lines = (
            f"left out {reason.count}: {name}; the first at {reason.first.where}: {reason.first.example}"
            for name, reason in self.left.items()
        )
        return [visible(line if len(line) <= LONGEST else f"{line[:LONGEST]}…") for line in lines]


@dataclass(frozen=True)
class Wanted:
    """What a user says about a price sheet."""

    kind: str | None = None  # insisted on
    as_of: str | None = None
    layer: str | None = None


def read(path: Path, home: Path, cards: Sequence[Path], wanted: Wanted) -> Card:
    """Return the card of a price sheet; raise InputRefused for a file of no kind, UsageError for what the options lack."""
    _refuse_options(wanted)
    name = _kind(path, wanted.kind)
    kind: Any = KINDS[name]
    facts = rate_facts.load(home, [path, *cards] if name == "card" else cards)
    made = Card(kind.TITLE, facts.sheets[0].holds if name == "card" else kind.HOLDS)
    found = kind.prices(path, facts)
    if made.holds.endswith("_prices"):
        stamp = _stamp(path, kind, name, wanted)
        stamped = (_stamped(item, stamp, made.holds) for item in _without_left(found, made))
        found = once.once(stamped, made.holds, made.leave)
    made.rows += [item.cells for item in found]
    if not made.rows:
        remedy = "A machine or a model that is missing can be added by a card of yours: rates/README.md."
        raise InputRefused(str(path), "holds no price that a card can hold", evidence=made.notes(), remedy=remedy)
    return made


def text(card: Card) -> str:
    """Return a card as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([list(card.rows[0]), *(row.values() for row in card.rows)])
    return out.getvalue()


def _without_left(found: Iterable[Found], made: Card) -> Iterator[Price]:
    for item in found:
        if isinstance(item, Left):
            made.leave(item)
        else:
            yield item


# What a sheet, or the user, says of all its rows.


def _refuse_options(wanted: Wanted) -> None:
    for option, value, known in (("as", wanted.kind, KINDS), ("layer", wanted.layer, LAYERS)):
        if value is not None and value not in known:
            remedy = cells.nearest(value, known) or f"Known: {', '.join(known)}."
            what = f"there is no {'kind' if option == 'as' else option} {shown(value)} of price sheets"
            raise UsageError(f"--{option}", what, remedy=remedy)
    try:
        cells.day(wanted.as_of or "2000-01-01")
    except cells.Wrong as wrong:
        raise UsageError("--as-of", f"{shown(wanted.as_of)} {wrong.what}", remedy=wrong.remedy) from wrong


def _stamp(path: Path, kind: Any, name: str, wanted: Wanted) -> Cells:
    """Return what every row says where it does not say it itself."""
    stated = "" if name == "card" else _stated_day(path, kind)
    if stated and wanted.as_of not in (None, stated):
        remedy = "Leave --as-of out."
        raise UsageError("--as-of", f"{path} says itself that it is of {stated}", remedy=remedy)
    if not stated and not wanted.as_of and name != "card":
        raise _undated(path)
    return {
        "region": "*",
        "layer": wanted.layer or ("contract" if name == "card" else "list"),
        "as_of": stated or wanted.as_of or "",
        "as_of_basis": "published" if stated else "obtained" if wanted.as_of else "",
        "source": f"{kind.TITLE}, {visible(path.name)}",
    }


def _stated_day(path: Path, kind: Any) -> str:
    try:
        return str(kind.stated_day(path))
    except Unfit as unfit:
        remedy = "Fetch the file again."
        raise InputRefused(
            str(path), "says of no day when it was published", evidence=unfit.example, remedy=remedy
        ) from unfit


def _undated(path: Path) -> UsageError:
    remedy = "Say the day on which you saved it, for example --as-of 2026-11-20."
    return UsageError("--as-of", f"is needed: {path} does not say of which day its prices are", remedy=remedy)


def _stamped(price: Price, stamp: Cells, holds: str) -> Price:
    layer = price.cells.get("layer") or stamp["layer"]
    filled = stamp | {"layer": layer, "confidence": layer if layer in LAYERS else ""}
    if price.cells.get("as_of"):
        filled["as_of_basis"] = ""
    whole = {item.name: price.cells.get(item.name) or filled.get(item.name, "") for item in FILES[holds]}
    if not whole["as_of"] and not whole["valid_from"]:
        raise _undated(Path(price.where))
    return Price(price.where, whole)


# The kind.


def _kind(path: Path, wanted: str | None) -> str:
    """Return the one kind whose marks a file has; raise InputRefused where there is none, or several and none is wanted."""
    signs = list(dict.fromkeys(_signs(path)))
    fitting = [name for name, kind in KINDS.items() if kind.recognises(signs)]
    if wanted in fitting or (wanted is None and len(fitting) == 1):
        return wanted or fitting[0]
    what, remedy = "is no price sheet of a known kind", "rates/README.md lists the kinds, and where to get them."
    if wanted:
        what, remedy = f"is no price sheet of the kind {wanted}", "Leave --as out, or give the right file."
    elif fitting:
        what, remedy = f"fits several kinds of price sheets: {', '.join(fitting)}", f"Say which: --as {fitting[0]}"
    named = [sign for sign in signs if not sign.startswith("*/")] or signs
    raise InputRefused(str(path), what, evidence=f"found: {shown(', '.join(named))}", remedy=remedy)


def _signs(path: Path) -> Iterator[str]:
    """Yield the marks of a file: the places of a JSON, numbers and first names left open, or how a CSV begins."""
    content = tables.content(path)
    if content == "json":
        for place, value in islice(nested.walk(path, lambda place: len(place) < DEPTH), LOOK):
            yield from _places(place, value)
    elif content == "csv":
        for number, (_, row) in enumerate(islice(delimited.read(path), aws_file.PREAMBLE)):
            yield from row if number == 0 else row[:1]


def _places(place: nested.Place, value: Any) -> Iterator[str]:
    names = ["*" if isinstance(part, int) else part for part in place]
    for within in [[*names, name] for name in value] if isinstance(value, dict) else [names]:
        yield "/".join(within)
        if len(within) == len(("model", "key")):
            yield f"*/{within[1]}"
