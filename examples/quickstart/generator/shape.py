"""The few helpers every part of the generator uses: days, identifiers, cells."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

Row = dict[str, str]
Cell = str | int | Decimal | None
Cells = dict[str, Cell]
Counts = Sequence[int | None]  # tokens in the order of CLASSES; None where the source does not report the class
Tokens = dict[tuple[str, date], list[int]]  # what the gateways saw of a bought model on a day

CLASSES = ("input_uncached", "input_cache_read", "input_cache_write", "output")
DAY, SATURDAY, PROMILLE, MILLION = timedelta(days=1), 5, 1000, 1_000_000


def days(month: date) -> list[date]:
    """List the days of a month."""
    return [day for n in range(31) if (day := month + n * DAY).month == month.month]


def after(month: date) -> date:
    """Return the first day of the next month."""
    return days(month)[-1] + DAY


def weekend(day: date) -> bool:
    """Tell Saturdays and Sundays."""
    return day.weekday() >= SATURDAY


def code(*parts: object) -> str:
    """Make the 16 hex digits of an identifier that looks like a provider's and never changes."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def text(value: Cell) -> str:
    """Write a cell: a Decimal without exponent and trailing zeros, None as blank."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)


def iso(moment: date) -> str:
    """Write a UTC time; a date means its midnight."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def cents(amount: Decimal) -> Decimal:
    """Round to cents, as tax and fees are."""
    return amount.quantize(Decimal("0.01"))
