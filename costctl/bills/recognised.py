"""What prepaid schedules move, as the statement of each month.

The effective cost of a purchase leaves the month that bills it; each month of the window takes its days, or what credits of the bill drew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from costctl.bills.adjustments import csv_text
from costctl.bills.purchases import PURCHASE_MODELS, Charge, Schedule
from costctl.nouns import shifted

STATEMENT = (
    *("place", "schedule", "kind", "entry", "month", "amount", "currency", "first", "last", "start", "end"),
    *(
        "machine",
        "machines",
        "provider",
        "publisher",
        "issuer",
        "account",
        "invoice",
        "region",
        "purchase_model",
        "model_raw",
    ),
    *("team", "pool", "model", "purpose", "charge"),
)


def statements(schedules: Sequence[Schedule], months: Sequence[date]) -> dict[date, str]:
    """Return the CSV statement of each month up to the last of the ledger in which a schedule moves something."""
    every = [*_through(months[0], months[-1])] if months else []
    lines: dict[date, list[dict[str, Any]]] = {month: [] for month in every}
    for schedule in schedules:
        for line in _lines(schedule, every) if schedule.reason is None else ():
            lines[line["month"]].append(line)
    return {month: csv_text(STATEMENT, map(_texts, found)) for month, found in lines.items() if found}


def _through(month: date, last: date) -> Iterator[date]:
    while month <= last:
        yield month
        month = shifted(month, 1)


def _lines(schedule: Schedule, months: Sequence[date]) -> Iterator[dict[str, Any]]:
    """Yield what the schedule moves: out of each purchase's month, into the months of the window, what was drawn, what expired."""
    row = schedule.row
    for number, charge in enumerate(schedule.purchases):
        line = _line(schedule, charge)
        yield line | charge["went"] | {"entry": "deferred", "month": charge["billing_period"]}
        if not row["drawn_by"]:
            hours = {"machine": row["machine"], "machines": row["machines"]} if not number else {}
            yield from (line | hours | part for part in _spread(schedule, charge, months))
    if row["drawn_by"]:
        yield from _drawn(schedule, months)


def _line(schedule: Schedule, charge: Charge) -> dict[str, Any]:
    """Return what all lines of a purchase have: who bills it on which invoice, and where its parts go."""
    row = schedule.row
    line: dict[str, Any] = {name: charge.get(name) for name in STATEMENT}
    line |= {
        "place": row.card,
        "schedule": row["id"],
        "kind": row["kind"],
    }
    line |= {"currency": row["currency"], "start": row["start"], "end": row["end"]}
    return line | {"charge": f"{charge['sha256']}:{charge['record_no']}", **schedule.target}


def _spread(schedule: Schedule, charge: Charge, months: Sequence[date]) -> Iterator[dict[str, Any]]:
    """Yield the part of the window that each month books: its days, and in the month of the purchase those before it."""
    start, end = schedule.row["start"], schedule.row["end"]
    own: dict[str, Any] = {
        "entry": "spread",
        "purchase_model": PURCHASE_MODELS.get(schedule.row["kind"]),
        "model_raw": None,
    }
    for month in months:
        first = start if month == charge["billing_period"] else max(start, _begin(month))
        last = min(end, _begin(shifted(month, 1)))
        if month >= charge["billing_period"] and first < last:
            yield own | {"month": month, "first": first, "last": last}


def _drawn(schedule: Schedule, months: Sequence[date]) -> Iterator[dict[str, Any]]:
    """Yield what credits of the bill drew, where these went, and what is left when the window is over."""
    (charge,), row = schedule.purchases, schedule.row
    line, left = _line(schedule, charge), charge["amount"]
    for credit in schedule.drawn:
        left -= credit["amount"]
        of_credit = {
            name: credit[name] for name in ("amount", "first", "last", "region", "purchase_model", "model_raw")
        }
        named = {
            "charge": f"{credit['sha256']}:{credit['record_no']}",
            "month": credit["billing_period"],
            "entry": "drawn",
        }
        yield line | of_credit | credit["went"] | named
    last_day = (row["end"] - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    month = max(last_day.date().replace(day=1), charge["billing_period"])
    if left and month in months:
        own = {"entry": "expired", "purchase_model": None, "model_raw": None, "amount": left}
        yield line | own | {"month": month, "first": max(last_day, row["start"]), "last": row["end"]}


def _begin(month: date) -> datetime:
    return datetime(month.year, month.month, 1)  # noqa: DTZ001  moments of the ledger are UTC


def _texts(line: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in line.items()}


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return "" if value is None else f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
