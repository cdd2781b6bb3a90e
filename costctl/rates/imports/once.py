"""Each thing has one price on a day: what a sheet says again is dropped, what it says otherwise stays out, both times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from costctl.rates.imports.found import Left, Price

AGAIN = "prices said again"
OTHERWISE = "prices of things that have another price on the same days"
KEYS = {  # beside the region; what is partial prices nothing, so it contradicts nothing
    "chip_prices": (
        *("provider", "machine", "chip", "purchase_model", "term_months", "payment", "layer", "currency"),
        "confidence",
    ),
    "model_prices": ("provider", "model", "service_tier", "context_tier", "token_class", "currency"),
}
AMOUNTS = {"chip_prices": "price_per_chip_hour", "model_prices": "price_per_million"}
ALWAYS = ("0001-01-01", "9999-12-31")


def once(prices: Iterable[Price], holds: str, leave: Callable[[Left], None]) -> list[Price]:
    """Return the prices that nothing contradicts, each once, in their order; the others are left."""
    amount = AMOUNTS[holds]
    kept = _without_repeats(prices, holds, leave)
    keyed: dict[tuple[str, ...], list[Price]] = defaultdict(list)
    for price in kept:
        for region in price.cells["region"].split():
            keyed[region, *(price.cells[name] for name in KEYS[holds])].append(price)
    out: dict[int, Left] = {}
    for group in keyed.values():
        for first, second in combinations(group, 2):
            if first.cells[amount] != second.cells[amount] and _together(first, second):
                out.setdefault(id(first), _left(first, second, amount))
                out.setdefault(id(second), _left(second, first, amount))
    for left in out.values():
        leave(left)
    return [price for price in kept if id(price) not in out]


def _without_repeats(prices: Iterable[Price], holds: str, leave: Callable[[Left], None]) -> list[Price]:
    """Drop the regions of a price that had the same one from the same day; in another channel it is the same price, too."""
    names = (*KEYS[holds], "valid_from", "valid_to", AMOUNTS[holds])
    seen: set[tuple[str, ...]] = set()
    kept = []
    for price in prices:
        said = tuple(price.cells[name] for name in names)
        new = [region for region in price.cells["region"].split() if (region, *said) not in seen]
        seen |= {(region, *said) for region in new}
        if new:
            kept.append(replace(price, cells=price.cells | {"region": " ".join(new)}))
        else:
            leave(Left(price.where, AGAIN, _told(price, AMOUNTS[holds])))
    return kept


def _together(first: Price, second: Price) -> bool:
    starts = [price.cells["valid_from"] or ALWAYS[0] for price in (first, second)]
    ends = [price.cells["valid_to"] or ALWAYS[1] for price in (first, second)]
    return max(starts) < min(ends)


def _left(price: Price, other: Price, amount: str) -> Left:
    return Left(price.where, OTHERWISE, f"{_told(price, amount)}, and {other.cells[amount]} at {other.where}")


def _told(price: Price, amount: str) -> str:
    names = ("machine", "chip", "channel_model_id", "region")
    what: Sequence[str] = [price.cells[name] for name in names if price.cells.get(name)]
    return f"{price.cells[amount]} for {' '.join(what)}"
