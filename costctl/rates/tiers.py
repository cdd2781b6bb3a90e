"""Prices by volume: of the chip-hours of a month so many at one price, the next at another.

graduated   each hour at the price of the tier that it falls into
cliff       all hours of the month at the price of the tier that they reach

The tiers of one key on the same days are a family, named by its first card. A tier begins with tier_from and ends before tier_to, in
chip-hours of a billing period, in whatever machines, regions and sources the price holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import combinations

from costctl.files.sheets import Problem, Row
from costctl.rates.intervals import Key, Rate
from costctl.rates.scopes import WHOLE, Number, Scope

COLUMNS = ("tier_from", "tier_to", "tier_mode")


def scope(row: Row) -> Scope:
    """Return for which hours of a month a price is: of one without tiers, for all."""
    return Scope(row["tier_from"] or Decimal(0), row["tier_to"]) if row["tier_mode"] else WHOLE


def told(texts: Mapping[str, str | None]) -> str | None:
    """Return the tier of a row's texts in words: `0 to 10000, graduated`."""
    span, mode = words(texts)
    return f"{span}, {mode}" if mode else None


def words(texts: Mapping[str, str | None]) -> tuple[str | None, str | None]:
    """Return the span of hours and the mode of a row's texts: `0 to 10000`, `graduated`."""
    begins, ends, mode = (texts.get(name) for name in COLUMNS)
    if not mode:
        return None, None
    return f"{begins or 0} to {ends}" if ends else f"from {begins}", mode.lower()


def problems(row: Row) -> Iterator[Problem]:
    """Yield what is wrong with the tier of one row."""
    begins, ends = row["tier_from"], row["tier_to"]
    if (begins is None and ends is None) != (row["tier_mode"] is None):
        remedy = "A tier has a tier_mode, graduated or cliff, and tier_from, tier_to or both."
        yield row.problem("tier_mode", "stands without a tier" if row["tier_mode"] else "is missing", remedy)
    if begins is not None and ends is not None and begins >= ends:
        yield row.problem("tier_to", f"is not above the tier_from {begins}", "It is where the next tier begins.")


def disagreements(rates: Iterable[Rate]) -> Iterator[Problem]:
    """Yield two prices of one key that cannot be of one family, one without tiers or of another mode, and hours left out between tiers."""
    rates = [*rates]
    for same in _families(rates).values():
        for first, second in combinations(same, 2):
            modes = [rate.row["tier_mode"] for rate in (first, second)]
            if modes[0] != modes[1] and first.overlaps(second):
                there = f"{first.row.path}:{first.row.line}"
                what = f"is {modes[1] or 'without tiers'}, and {there} {modes[0] or 'without'} on the same days for the same key"
                yield second.row.problem("tier_mode", what, "Give all of them the same tier_mode, or close one.")
    for tier, before in _above_a_gap(rates):
        if before:
            ends, there = before.row.texts["tier_to"], f"{before.row.path}:{before.row.line}"
            what = f"is above {ends}, where {there} ends: the chip-hours between have no price"
            remedy = f"Begin the tier at {ends}, or leave it out until the price between is known."
            yield tier.row.problem("tier_from", what, remedy)


def late(rates: Iterable[Rate]) -> Iterator[Problem]:
    """Yield the first tiers that leave a month's first hours without a price: perhaps nobody knows it."""
    for tier, before in _above_a_gap(rates):
        if not before:
            what = "begins above 0: the first chip-hours of a month have no price"
            yield tier.row.problem("tier_from", what, "Add the tier below it, or leave tier_from empty.")


def _above_a_gap(rates: Iterable[Rate]) -> Iterator[tuple[Rate, Rate | None]]:
    """Yield each tier above hours without a price, and the tier that ends there; None where they are a month's first."""
    for same in _families(rates).values():
        for tier in same:
            below = [other for other in same if other.overlaps(tier) and _begins(other) < _begins(tier)]
            before = max(below, key=_ends, default=None)
            if _begins(tier) > (_ends(before) if before else 0):
                yield tier, before


def _begins(rate: Rate) -> Number:
    return rate.scope.above or 0


def _ends(rate: Rate) -> Number:
    return float("inf") if rate.scope.up_to is None else rate.scope.up_to


def named(rates: Iterable[Rate]) -> Iterator[tuple[Rate, str]]:
    """Yield each price with the name of its family."""
    for same in _families(rates).values():
        for rate in same:
            yield rate, same[0].row.card if rate.row["tier_mode"] else rate.card


def _families(rates: Iterable[Rate]) -> dict[Key, list[Rate]]:
    found: dict[Key, list[Rate]] = defaultdict(list)
    for rate in rates:
        found[rate.key].append(rate)
    return found
