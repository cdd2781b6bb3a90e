"""Negotiated discounts (EDP, PPA, MACC …): they act on list prices, in their order, and on nothing that is contracted already.

percent_off    the price less so many percent of it
fixed_price    this price instead
price_cap      this price where the price is above it

A list price lies within an overlay where provider, machine, chip, region and purchase model are those that the overlay names;
what it does not name, it does not ask. A price for more than the overlay's scope stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

from costctl.files.cells import MAX_DECIMALS
from costctl.files.sheets import Problem, Row
from costctl.rates.intervals import Rate

WHOLE = 100  # percent
LEAST = Decimal(1).scaleb(-MAX_DECIMALS)
KINDS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "percent_off": lambda price, value: (price * (WHOLE - value) / WHOLE).quantize(LEAST, ROUND_HALF_EVEN),
    "fixed_price": lambda _price, value: value,
    "price_cap": min,
}


def applied(rates: Iterable[Rate], overlays: Sequence[Row]) -> list[Rate]:
    """Return the prices per chip-hour with the overlays on those of the list layer, cut where an overlay begins or ends."""
    return [part for rate in rates for part in _parts(rate, [row for row in overlays if _covers(row, rate)])]


def problems(row: Row) -> Iterator[Problem]:
    """Yield what is wrong with one overlay beyond its single cells."""
    if row["kind"] == "percent_off" and row["value"] >= WHOLE:
        yield row.problem("value", "is not below 100 percent: that would be free", "Write 9.5 for 9.5 percent off.")
    if row["kind"] != "percent_off" and row["currency"] is None:
        yield row.problem("currency", "the currency of the price is missing", "Name it, for example USD.")


def _covers(row: Row, rate: Rate) -> bool:
    provider, machine, chip, region, purchase_model, _term, layer, currency, _payment = rate.key
    asked = {
        "provider": provider,
        "machine": machine,
        "chip": chip,
        "purchase_model": purchase_model,
        "currency": currency,
    }
    within = all(row[column] in (None, value) for column, value in asked.items())
    return layer == "list" and within and any(_holds(wide, str(region)) for wide in row["region"] or ("*",))


def _holds(wide: str, region: str) -> bool:
    """Tell whether a region lies within another, which may be `geo:us` or `*`."""
    area = wide.removeprefix("geo:")
    return wide in ("*", region) or (
        wide != area and region.startswith(f"{area}-") and not region.startswith("us-gov-")
    )


def _parts(rate: Rate, overlays: Sequence[Row]) -> Iterator[Rate]:
    """Yield a price in pieces, each with the overlays that are in force for all of it."""
    ends = {day for row in overlays for day in (row["valid_from"], row["valid_to"]) if day and rate.holds(day)}
    days = sorted(ends - {rate.valid_from})
    for begins, end in zip([rate.valid_from, *days], [*days, rate.valid_to], strict=True):
        yield _reduced(replace(rate, valid_from=begins, valid_to=end), overlays)


def _reduced(rate: Rate, overlays: Sequence[Row]) -> Rate:
    """Apply what is in force in its order; what does not stack is the only one, or is left out."""
    day, price, taken = rate.valid_from or date.min, rate.price, list[Row]()
    for row in sorted(overlays, key=lambda row: row["order"]):
        in_force = (row["valid_from"] or date.min) <= day < (row["valid_to"] or date.max)
        if in_force and (not taken or (row["stackable"] == "yes" and taken[-1]["stackable"] == "yes")):
            price = KINDS[row["kind"]](price, row["value"])
            taken.append(row)
    return replace(rate, price=price, overlays=tuple(row.card for row in taken))
