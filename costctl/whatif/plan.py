"""The plan: what each team would owe under other rules, beside what it owes now, and which settings make the difference."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from pathlib import Path
from typing import Any

from costctl import config as configuration
from costctl import reports, whatif
from costctl.config import Config
from costctl.errors import UsageError
from costctl.ledger.store import Ledger
from costctl.pipeline import Run
from costctl.reports import Answer
from costctl.rules import changes
from costctl.whatif import Owed, State

SHOWN = {"cost_now": "now", "cost_then": "then", "difference": "difference", "change_percent": "change"}
CHARGED = ("sources", "formats", "cards", "adjustments", "prepaid")  # what is charged follows from these
LISTED = 20  # further settings are counted
STATES = "SELECT billing_period, state FROM ledger.periods"


def plan(run: Run, against: Path | None, *, period: str | None, last: int, cost: str) -> Answer:
    """Compare what the ledger says with what it would say by another configuration; without one, by that which stands where it was."""
    other = configuration.load(against) if against else run.config
    with whatif.opened(run, refresh=against is not None) as ledger:
        if against is None and ledger.meta("references") == run.settings():
            what = "is what the ledger was allocated by: there is nothing to compare"
            remedy = (
                "Change it and ask again before the next run or report, or name the other rules: --against FILE.yaml"
            )
            raise UsageError(str(run.config.file or "the built-in configuration"), what, remedy=remedy)
        asked = whatif.months(ledger, period, last)
        now, then = whatif.now(ledger, run, asked, cost), whatif.then(ledger, other, asked, cost)
        closed = _closed(ledger, asked)
    notes = [*_notes(closed, _otherwise(run, other, now, then)), _basis(now, then, asked, cost)]
    return whatif.answer("rules plan", SHOWN, list(_records(now, then, closed)), asked, cost, notes)


def _closed(ledger: Ledger, asked: list[date]) -> dict[date, str]:
    """Return the asked periods that are not open any more, whose money does not move."""
    return {month: state for month, state in ledger.run(STATES).rows if month in asked and state != "open"}


def _records(now: State, then: State, closed: dict[date, str]) -> Iterator[dict[str, Any]]:
    """Yield one record per period and line, the largest difference of a team first."""
    lines = {*now.owed, *then.owed}
    moved = {line: _difference(now.owed.get(line), then.owed.get(line)) for line in lines}
    total = dict[tuple[str, str, str], Decimal]()
    for line, amount in moved.items():
        total[line.who] = total.get(line.who, Decimal(0)) + (amount or 0)
    for line in sorted(lines, key=lambda line: (line.currency, line.line != "team", -abs(total[line.who]), line)):
        before, after = now.owed.get(line, whatif.NOTHING), then.owed.get(line, whatif.NOTHING)
        yield {
            "period": line.period,
            "state": f"{closed[line.period]}: what-if only" if line.period in closed else "open",
            "line": line.line,
            "team": line.team or None,
            "cost_now": before.cost,
            "cost_then": after.cost,
            "difference": moved[line],
            "change_percent": _percent(before.cost, moved[line]),
            "currency": line.currency,
            "incomplete": before.incomplete or after.incomplete,
        }


def _difference(now: Owed | None, then: Owed | None) -> Decimal | None:
    """Return how much more is owed then; None where one of the two is unknown."""
    before, after = (now or whatif.NOTHING).cost, (then or whatif.NOTHING).cost
    with localcontext(reports.EXACT):
        return None if before is None or after is None else after - before


def _percent(before: Decimal | None, difference: Decimal | None) -> Decimal | None:
    if not before or difference is None:
        return None
    with localcontext(reports.EXACT):
        return (difference * 100 / abs(before)).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def _otherwise(run: Run, other: Config, now: State, then: State) -> list[str]:
    """Return in words what is set otherwise."""
    policies = {name: (getattr(run.config.policy, name), getattr(other.policy, name)) for name in ("tax", "credits")}
    shown_as = [f"policy {name}: {one} → {two}" for name, (one, two) in policies.items() if one != two]
    left = [name for name in CHARGED if getattr(run.config, name) != getattr(other, name)]
    charges = [f"{', '.join(left)}: not supposed, for charges stay as they are"] if left else []
    return [*changes.between(now.settings, then.settings), *shown_as, *charges]


def _notes(closed: dict[date, str], otherwise: list[str]) -> Iterator[str]:
    """Say which periods stay as they are in any case, and what is set otherwise."""
    yield from (f"{month:%Y-%m} is {state}: what-if only" for month, state in sorted(closed.items()))
    yield "set otherwise:" if otherwise else "nothing is set otherwise"
    yield from (f"  {line}" for line in otherwise[:LISTED])
    if len(otherwise) > LISTED:
        yield f"  and {len(otherwise) - LISTED} settings more"


def _basis(now: State, then: State, asked: list[date], cost: str) -> str:
    months = ", ".join(f"{month:%Y-%m}" for month in asked)
    return f"basis: {cost} cost, billing months {months} · rules now {now.fingerprint}, then {then.fingerprint} · the same charges and counts; nothing was changed"
