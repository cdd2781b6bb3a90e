"""What a price sheet holds, part by part: a price that a card can hold, or the reason why it stays out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from costctl.errors import shown
from costctl.files import cells
from costctl.files.cells import MAX_DECIMALS, MAX_DIGITS
from costctl.files.sheets import Row
from costctl.rates.columns import UNMATCHED
from costctl.rates.facts import Facts

Cells = dict[str, str]

LEAST = 10**MAX_DECIMALS
BEYOND = 10 ** (MAX_DIGITS - MAX_DECIMALS)
HOURS_OF_YEAR = 8760
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?")
_INSTANT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9:.]+(Z|\+00:00)?)?")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]*")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True)
class Price:
    """A price with the cells of the card it fills, and where in the sheet it stands."""

    where: str
    cells: Cells


@dataclass(frozen=True)
class Left:
    """Something that stays out of the card: counted by its reason, the first one shown."""

    where: str
    reason: str
    example: str


Found = Price | Left


class Unfit(ValueError):
    """What stands at a place cannot be in a card: the reason it is counted under, and what was found."""

    def __init__(self, reason: str, example: object) -> None:
        """Keep the two apart."""
        super().__init__(reason)
        self.reason = reason
        self.example = shown(example)


def attempt(where: str, make: Callable[..., Cells], *parts: Any) -> Found:
    """Return the price that is made of the parts, or why there is none."""
    try:
        return Price(where, make(*parts))
    except Unfit as unfit:
        return Left(where, unfit.reason, unfit.example)


def text_of(record: object, key: str) -> str:
    """Return the text under a key, an empty one where there is none."""
    found = record.get(key) if isinstance(record, dict) else None
    return found.strip() if isinstance(found, str) else ""


def number(text: object) -> Fraction:
    """Return a number from its text, exactly."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise Unfit("prices that are not numbers", text)
    return Fraction(Decimal(text))


def amount(text: object) -> Fraction:
    """Return what is paid from its text: nothing, or more."""
    value = number(text)
    if value < 0:
        raise Unfit("prices below zero", text)
    return value


def day(text: str) -> str:
    """Return the UTC day of an instant; an empty text stays empty."""
    found = _INSTANT.fullmatch(text)
    try:
        return cells.day(found[1]).isoformat() if found else _no_day(text)
    except cells.Wrong as wrong:
        raise Unfit("dates that are none", text) from wrong


def _no_day(text: str) -> str:
    if text:
        raise Unfit("dates that are none", text)
    return ""


def region(text: str) -> str:
    """Return a region's id as cards spell it."""
    if not _REGION.fullmatch(text.lower()):
        raise Unfit("regions without an id", text)
    return text.lower()


def currency(text: str) -> str:
    """Return an ISO 4217 code."""
    if not _CURRENCY.fullmatch(text):
        raise Unfit("currencies that are not three capital letters", text)
    return text


def price(value: Fraction) -> tuple[str, bool]:
    """Return a price as a card writes it, and whether its 12 decimals are exact; else it is rounded half to even."""
    if value <= 0:
        raise Unfit("prices of zero" if value == 0 else "prices below zero", str(value))
    units = round(value * LEAST)
    if units == 0 or units >= BEYOND * LEAST:
        raise Unfit("prices of more digits than a card holds", f"{float(value):.6g}")
    return decimal(units), units == value * LEAST


def decimal(units: int) -> str:
    """Return a number of the least units as a plain decimal."""
    text = f"{units // LEAST}.{units % LEAST:0{MAX_DECIMALS}}"
    return text.rstrip("0").rstrip(".")


def machine(provider: str, name: str, facts: Facts) -> tuple[Row, Fraction]:
    """Return a machine that bill lines are matched with, and its number of chips."""
    found = facts.machines.get((provider, name.lower()))
    if found is None:
        raise Unfit("machines without chips, or that machines.csv does not know", name)
    if not found["chips"] or found["status"] in UNMATCHED:
        raise Unfit("machines of an unconfirmed number of chips", name)
    return found, Fraction(*found["chips"])


def hours(unit: str, facts: Facts) -> int:
    """Return how many hours a unit of price is for."""
    found = next((row for row in facts.rows("units") if row["unit"] == unit.lower()), None)
    if found is None or found["measure"] == "token":
        raise Unfit("units that are not hours", unit)
    return int(found["multiplier"])


@dataclass(frozen=True)
class Offer:
    """A price of one machine, or of one chip of it by its SKU, in an hour."""

    provider: str
    machine: str  # as the sheet names it
    regions: tuple[str, ...]
    purchase_model: str
    currency: str
    hourly: Fraction
    printed: Fraction | None = None  # the same, where the sheet itself prints it so
    term_months: str = ""
    payment: str = ""
    valid_from: str = ""
    valid_to: str = ""
    confidence: str = ""  # empty: what the layer says
    notes: tuple[str, ...] = ()


def chip_price(offer: Offer, facts: Facts) -> Cells:
    """Return the cells of an offer: its price per chip-hour, rounded once at the most."""
    row, chips = machine(offer.provider, offer.machine, facts)
    per_chip, exact = price(offer.hourly / chips)
    is_sku = row["bill_scope"] == "SKU text"  # then a unit of it is a chip, in whatever machine
    notes = (*offer.notes, *(() if exact else ("rounded to 12 decimals, half to even",)))
    return {
        "provider": offer.provider,
        "machine": "" if is_sku else row["machine"],
        "chip": row["chip"],
        "region": " ".join(map(region, offer.regions)) or region(""),
        "purchase_model": offer.purchase_model,
        "term_months": offer.term_months,
        "payment": offer.payment,
        "price_per_chip_hour": per_chip,
        "unit_price": price(offer.printed)[0] if offer.printed else "",
        "price_unit": ("chip-hour" if is_sku else "instance-hour") if offer.printed else "",
        "currency": currency(offer.currency),
        "valid_from": offer.valid_from,
        "valid_to": offer.valid_to,
        "confidence": offer.confidence,
        "notes": "; ".join(notes),
    }
