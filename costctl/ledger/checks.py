"""The checks: each file of costctl/checks is one SELECT of rows that must not be there; a ledger that has any does not reconcile."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import date
from functools import cache
from importlib import resources

from costctl.ledger import models
from costctl.ledger.store import Ledger
from costctl.nouns import Rows

MONTHLY = {"charges", "delivery_totals"}  # by billing period, as what models keep
COUNTED = "token_quantity"  # by the days that its delivery counts
# What a check may be of, by its header: it is left out where a run read none of that anew. The whole ledger is for doctor only.
READ = ("charges", "usage", "ledger")
OWED = "checks owed"


@cache
def listed() -> dict[str, str]:
    """Return the checks by name."""
    files = (resources.files("costctl") / "checks").iterdir()
    return {
        item.name[:-4]: item.read_text(encoding="utf-8")
        for item in sorted(files, key=lambda item: item.name)
        if item.name.endswith(".sql")
    }


def remedy(name: str) -> str:
    """Return what a check says to do about its rows, where that is for the user to do."""
    found = re.search(r"^-- Remedy: (.+)$", listed()[name], re.MULTILINE)
    return found[1] if found else ""


def owe(ledger: Ledger, period: date, read: Collection[str]) -> None:
    """Note that a billing period is computed, or its groups are, what was read for it anew, and that no check looked at it yet."""
    found = owed(ledger)
    before = found.get(period)
    found[period] = frozenset(read).union(before or ())
    if found[period] != before:
        ledger.set_meta(OWED, json.dumps({str(at): sorted(of) for at, of in found.items()}))


def owed(ledger: Ledger) -> dict[date, frozenset[str]]:
    """Return the billing periods that no check looked at since they were computed, each with what was read for it anew: charges, usage."""
    return {date.fromisoformat(at): frozenset(of) for at, of in json.loads(ledger.meta(OWED) or "{}").items()}


def settled(ledger: Ledger) -> None:
    """Note that all were looked at, and nothing was found."""
    ledger.set_meta(OWED, "")


def failing(ledger: Ledger, months: Collection[date] | None = None, read: Collection[str] = READ) -> dict[str, Rows]:
    """Run the checks; return the offending rows of those that found any.

    Where billing periods are named, of what the ledger holds by billing period they alone are looked at, and of usage the deliveries
    that count something of their months. What is only of something that was not read anew is left out.
    """
    wanted = {name: text for name, text in listed().items() if _of_what(text) in (None, *read)}
    found = {name: ledger.run(_narrowed(models.qualified(text), months)) for name, text in wanted.items()}
    return {name: rows for name, rows in found.items() if rows.rows}


def _of_what(text: str) -> str | None:
    found = re.search(r"^-- Of: (\w+)$", text, re.MULTILINE)
    return found[1] if found else None


def _narrowed(text: str, months: Collection[date] | None) -> str:
    """Have a SELECT read some billing periods only."""
    if months is None:
        return text
    dates = ", ".join(f"DATE '{month}'" for month in sorted(months))

    def narrow(match: re.Match[str]) -> str:
        name = match["name"]
        if name in MONTHLY | models.kept():
            condition = f"billing_period IN ({dates})"
        elif name == COUNTED:
            condition = f"delivery_id IN (SELECT delivery_id FROM ledger.delivery_periods WHERE CAST(date_trunc('month', period) AS DATE) IN ({dates}))"
        else:
            return match[0]
        rows = f"(SELECT * FROM ledger.{name} WHERE {condition})"
        return f"{match['word']} {rows} AS {match['alias'] or name}"

    return re.sub(r"\b(?P<word>FROM|JOIN) ledger\.(?P<name>[a-z_]+)\b(?: AS (?P<alias>[a-z_]+))?", narrow, text)
