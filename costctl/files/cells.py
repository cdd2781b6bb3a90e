"""What one cell of a small CSV may hold: each function turns its text into a value or says what is wrong with it.

A cell that holds nothing is unknown and never reaches these functions.
"""

from __future__ import annotations

import calendar
import difflib
import re
from collections.abc import Callable, Collection
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

Reader = Callable[[str], Any]

MAX_DIGITS = 19
MAX_DECIMALS = 12
MONEY_WHOLES = 20
MONEY_DECIMALS = 18
QUANTITY_WHOLES = 12
QUANTITY_DECIMALS = 6
MONTHS = 12
UNKNOWN = "Leave the cell empty when the price is not known; 0 would mean free."
SIGNED = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
MONTH = re.compile(r"([1-9][0-9]{3})-([0-9]{2})")
NUMBER = re.compile(r"\d+(\.\d+)?")
DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?Z)?")
ABOUT = re.compile(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?")


class Wrong(ValueError):
    """A cell cannot be taken: what is wrong with it, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        """Keep the two sentences apart."""
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def words(text: str) -> str:
    """Return a text as it stands."""
    return text


def is_text(text: str) -> bool:
    """Tell whether a text can be written down: JSON may spell half a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def name(text: str) -> str:
    """Return a name as names are compared: in lower case."""
    return text.lower()


def price(text: str) -> Decimal:
    """Return a price above zero that fits DECIMAL(19,12), from its plain decimal text."""
    if SIGNED.fullmatch(text) and Decimal(text) < 0:
        raise Wrong("is below zero", "Check the sign.")
    if not NUMBER.fullmatch(text):
        raise Wrong("is not a plain decimal number", _number_remedy(text))
    value = Decimal(text)
    if value == 0:
        raise Wrong("is not above zero", UNKNOWN)
    whole, _, decimals = text.partition(".")
    if len(decimals) > MAX_DECIMALS or len(whole.lstrip("0")) > MAX_DIGITS - MAX_DECIMALS:
        raise Wrong(
            f"has more than {MAX_DIGITS - MAX_DECIMALS} digits before or {MAX_DECIMALS} after the point",
            "Check the unit: a price is per chip-hour, or per million tokens.",
        )
    return value


def _number_remedy(text: str) -> str:
    if "," in text:
        return "Write the decimals after a point and no thousands separators, for example 1234.50."
    if re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", text):
        return "Write it out without an exponent, for example 0.0000001."
    return "Write digits and at most one point, for example 3.933; the currency has its own column."


def money(text: str) -> Decimal:
    """Return an amount that fits DECIMAL(38,18), from its plain decimal text."""
    return _decimal(text, MONEY_WHOLES, MONEY_DECIMALS, "Check the amount.")


def quantity(text: str) -> Decimal:
    """Return a quantity, or an amount of a card, that is not below zero and fits DECIMAL(18,6)."""
    value = _decimal(text, QUANTITY_WHOLES, QUANTITY_DECIMALS, "Round it as its source does.")
    if value < 0:
        raise Wrong("is below zero", "Check the sign.")
    return value


def _decimal(text: str, wholes: int, decimals: int, remedy: str) -> Decimal:
    """Return a plain decimal number of so many digits before and after the point, zeros at its ends not counted."""
    if not SIGNED.fullmatch(text):
        raise Wrong("is not a plain decimal number", _number_remedy(text))
    whole, _, part = text.partition(".")
    part = part.rstrip("0")
    if len(whole.lstrip("+-0")) > wholes or len(part) > decimals:
        raise Wrong(f"has more than {wholes} digits before or {decimals} after the point", remedy)
    return Decimal(f"{whole}.{part or '0'}")


def cost(text: str) -> Decimal:
    """Return such an amount that is above zero."""
    value = quantity(text)
    if value == 0:
        raise Wrong("is not above zero", UNKNOWN)
    return value


def above_zero(text: str) -> Decimal:
    """Return an amount of money above zero."""
    amount = money(text)
    if amount < 0:
        raise Wrong("is below zero", "Write it without a sign.")
    if amount == 0:
        raise Wrong("is zero: it moves nothing", "Write the amount, or remove the row.")
    return amount


def month(text: str) -> date:
    """Return the first day of a month written YYYY-MM."""
    found = MONTH.fullmatch(text)
    if not found or not 1 <= int(found[2]) <= MONTHS:
        raise Wrong("is not a month", "Write it as YYYY-MM, for example 2026-10.")
    return date(int(found[1]), int(found[2]), 1)


def whole(text: str) -> int:
    """Return a positive whole number."""
    if not re.fullmatch(r"[1-9]\d{0,17}", text):
        raise Wrong("is not a positive whole number", "Write it in digits, without separators.")
    return int(text)


def fraction(text: str) -> tuple[int, int]:
    """Return numerator and denominator of a number of chips such as `8` or `1/6`."""
    above, _, below = text.partition("/")
    if not (re.fullmatch(r"[1-9]\d{0,8}", above) and re.fullmatch(r"[1-9]\d{0,8}", below or "1")):
        raise Wrong("is not a number of chips", "Write a whole number or a fraction of two, for example 8 or 1/6.")
    return int(above), int(below or "1")


def day(text: str) -> date:
    """Return a day written YYYY-MM-DD."""
    found = DAY.fullmatch(text)
    try:
        return date(*map(int, found.groups())) if found else _no_day()
    except ValueError as error:
        raise Wrong("is not a day", "Write it as YYYY-MM-DD, for example 2026-10-01.") from error


def instant(text: str) -> datetime:
    """Return a moment in UTC, written as a day or with its time."""
    found = INSTANT.fullmatch(text)
    try:
        written, hour, minute, second = found.groups("0") if found else ("", "0", "0", "0")
        return datetime.combine(day(written), time(int(hour), int(minute), int(second)))
    except ValueError as error:
        raise Wrong("is not a moment in UTC", "Write it as 2026-10-20T11:30:00Z.") from error


def _no_day() -> date:
    raise ValueError


def about(text: str) -> date:
    """Return the day of an observation; of a month or a year its last day, the first on which it was certainly seen."""
    found = ABOUT.fullmatch(text)
    year, month, last = found.groups() if found else ("0", None, None)
    try:
        return date(int(year), int(month or "12"), int(last or calendar.monthrange(int(year), int(month or "12"))[1]))
    except (ValueError, calendar.IllegalMonthError) as error:
        raise Wrong("is not a day, a month or a year", "Write it as YYYY-MM-DD, YYYY-MM or YYYY.") from error


def currency(text: str) -> str:
    """Return an ISO 4217 code."""
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise Wrong("is not a currency", "Write its three capital letters, for example USD.")
    return text


def regions(text: str) -> tuple[str, ...]:
    """Return the regions a price holds in: ids, `geo:` with a first word of ids, or `*` for all."""
    return tuple(text.lower().split())


def aliases(text: str) -> tuple[str, ...]:
    """Return the further spellings of a name, separated by `|`."""
    return tuple(part.strip() for part in text.split("|") if part.strip())


def one_of(options: Collection[str]) -> Reader:
    """Return a reader that takes only the given words, in lower case."""

    def read(text: str) -> str:
        if text.lower() not in options:
            raise Wrong(f"is not one of {', '.join(sorted(options))}", nearest(text, options) or "Write one of them.")
        return text.lower()

    return read


def nearest(text: str, options: Collection[str]) -> str:
    """Return the question for the option a person most likely meant, or an empty text."""
    lowered = {option.lower(): option for option in sorted(options, reverse=True)}
    found = difflib.get_close_matches(text.lower(), sorted(lowered), n=1, cutoff=0.5)
    return f"Did you mean {lowered[found[0]]}?" if found else ""
