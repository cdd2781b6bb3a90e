"""When a price holds: a row with a beginning holds from it, a row without one is an observation.

valid_from, valid_to        [valid_from, valid_to), an empty valid_to is open
as_of alone                 from as_of until the next price of the same key begins
as_of before valid_to       [as_of, valid_to): an observation that was closed
valid_to by as_of or alone  a past price looked up later: it held until valid_to, since when is not known
none of them                always
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import combinations

from costctl.files.sheets import Problem, Row
from costctl.rates.scopes import WHOLE, Scope

Key = tuple[str | int | None, ...]


@dataclass(frozen=True)
class Rate:
    """One price of one key, with the row it stands on and the days it holds; None is open."""

    row: Row
    column: str  # the price's
    key: Key
    price: Decimal
    valid_from: date | None = None
    valid_to: date | None = None
    scope: Scope = WHOLE  # the requests it is for, where several prices of a key are in force together
    is_card: bool = False
    overlays: tuple[str, ...] = ()  # the discounts that are in the price, as places

    @property
    def card(self) -> str:
        """Return the place that the price comes from, and those of the discounts on it."""
        return " less ".join([self.row.card, *self.overlays])

    @property
    def text(self) -> str:
        """Return the price as its source prints it, or as the discounts leave it."""
        return f"{self.price.normalize():f}" if self.overlays else self.row.texts[self.column]

    def holds(self, day: date) -> bool:
        """Tell whether the price is in force on a day."""
        return (self.valid_from or date.min) <= day < (self.valid_to or date.max)

    def overlaps(self, other: Rate) -> bool:
        """Tell whether two prices are in force together on some day."""
        begins = max(self.valid_from or date.min, other.valid_from or date.min)
        return begins < min(self.valid_to or date.max, other.valid_to or date.max)


def settled(rates: Iterable[Rate]) -> list[Rate]:
    """Give each price the days it holds, in the order of the rows."""
    rates = list(rates)
    begins: dict[tuple[Key, Scope], set[date]] = defaultdict(set)
    for rate in rates:
        begins[rate.key, rate.scope].add(beginning(rate.row) or date.min)
    starts = {key: sorted(days) for key, days in begins.items()}
    return [_settled(rate, starts[rate.key, rate.scope]) for rate in rates]


def _settled(rate: Rate, starts: Sequence[date]) -> Rate:
    begins, ends = beginning(rate.row), rate.row["valid_to"]
    if ends is None and rate.row["valid_from"] is None and rate.row["as_of"] is not None:
        ends = next((day for day in starts if day > rate.row["as_of"]), None)
    return replace(rate, valid_from=begins, valid_to=ends)


def yielding(cards: Sequence[Rate], shipped: Iterable[Rate]) -> list[Rate]:
    """Return the user's cards, and what is shipped on the days that no card of the same key and scope holds."""
    held: dict[tuple[Key, Scope], list[Rate]] = defaultdict(list)
    for card in cards:
        held[card.key, card.scope].append(card)
    return [*cards, *(part for rate in shipped for part in _left(rate, held[rate.key, rate.scope]))]


def _left(rate: Rate, cards: Iterable[Rate]) -> list[Rate]:
    """Return what others leave of a rate's days, in pieces."""
    pieces = [rate]
    for card in cards:
        pieces = [part for piece in pieces for part in _around(piece, card)]
    return pieces


def _around(rate: Rate, card: Rate) -> Iterator[Rate]:
    if not rate.overlaps(card):
        yield rate
        return
    if card.valid_from and (rate.valid_from or date.min) < card.valid_from:
        yield replace(rate, valid_to=card.valid_from)
    if card.valid_to and card.valid_to < (rate.valid_to or date.max):
        yield replace(rate, valid_from=card.valid_to)


def backdated(rates: Iterable[Rate]) -> list[Rate]:
    """Have what was observed first of each key hold for all days before it, too: it was so when nobody had looked yet."""
    rates = list(rates)
    first: dict[Key, date] = {}
    for rate in rates:
        first[rate.key] = min(rate.valid_from or date.min, first.get(rate.key, date.max))
    return [
        replace(rate, valid_from=None)
        if rate.row["valid_from"] is None and rate.valid_from == first[rate.key]
        else rate
        for rate in rates
    ]


def beginning(row: Row) -> date | None:
    """Return the day from which a row holds, None where it is not known."""
    begins: date | None = row["valid_from"] or row["as_of"]
    is_past = row["valid_from"] is None and begins is not None and row["valid_to"] is not None
    return None if is_past and begins and begins >= row["valid_to"] else begins


def clashes(rates: Iterable[Rate]) -> Iterator[Problem]:
    """Yield a problem for each two rows that price one key differently, or twice alike, for the same requests on the same day."""
    keyed: dict[Key, list[Rate]] = defaultdict(list)
    for rate in rates:
        keyed[rate.key].append(rate)
    seen: set[tuple[str, str]] = set()
    for group in keyed.values():
        for first, second in combinations(group, 2):
            lines = (first.row.card, second.row.card)
            rivals = first.scope.rivals(second.scope)
            if rivals and lines not in seen and (problem := _clash(first, second)):
                seen.add(lines)
                yield problem


def _clash(first: Rate, second: Rate) -> Problem | None:
    same_start = first.valid_from == second.valid_from
    if same_start and first.price == second.price and first.overlaps(second):
        return second.row.problem(second.column, f"repeats {_told(first)}", "Remove one of the two rows.")
    is_harmless = first.price == second.price and not first.row["tier_mode"]  # two tiers count an hour twice
    if is_harmless or not first.overlaps(second):
        return None
    what = f"{_told(second)} holds on the same days as {_told(first)} for the same key"
    closed = closing(beginning(first.row), beginning(second.row))
    remedy = f"Close the earlier row: {closed}."
    if first.scope != second.scope:
        of, parts = ("chip-hours", "tiers") if first.row["tier_mode"] else ("requests", "steps or their hours")
        what += f", and for some of the same {of}"
        remedy = f"Part their {parts}, or close the earlier row: {closed}."
    return second.row.problem(second.column, what, remedy)


def closing(*begins: date | None) -> str:
    """Return how the earlier of two rows is closed: on the day on which the later one begins, where it is later."""
    earlier, later = sorted(day or date.min for day in begins)
    return f"give it the valid_to {later}" if earlier < later else "give it a valid_to"


def _told(rate: Rate) -> str:
    begins = f"from {rate.valid_from}" if rate.valid_from else "since ever"
    ends = f" to {rate.valid_to}" if rate.valid_to else ""
    return f"{rate.text} ({rate.row.path}:{rate.row.line}, {begins}{ends})"
