"""What a change of rules would do, without doing it: postings under another configuration are computed, summed, and undone.

The ledger is locked as for writing, since the computation writes; but every transaction here is taken back, so that a process that is
killed leaves what was there before, too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext
from typing import Any

from costctl import periods, pipeline, reports
from costctl.config import Config
from costctl.config.settings import Policy
from costctl.errors import DoesNotReconcile, UsageError, shown
from costctl.ledger import build, models, store, tags
from costctl.ledger.store import Ledger
from costctl.nouns import Rows, Span, shifted
from costctl.pipeline import Run
from costctl.reports import Answer, Report
from costctl.rules import changes

BILLED = "SELECT DISTINCT billing_period FROM ledger.charge_groups ORDER BY 1"


@dataclass(frozen=True, order=True)
class Line:
    """Who owes: a team, or a line of the chargeback that no team bears."""

    period: date
    currency: str
    line: str
    team: str

    @property
    def who(self) -> tuple[str, str, str]:
        """Return the same without the period."""
        return self.currency, self.line, self.team


@dataclass(frozen=True)
class Owed:
    """What is owed, None where the cost is unknown, and whether it is only the known part of it."""

    cost: Decimal | None
    incomplete: bool


NOTHING = Owed(Decimal(0), incomplete=False)


@dataclass(frozen=True)
class State:
    """What each line owes under one configuration, and what the ledger is allocated by then."""

    owed: dict[Line, Owed]
    settings: changes.State
    fingerprint: str


@contextmanager
def opened(run: Run, *, refresh: bool = True) -> Iterator[Ledger]:
    """Open an up-to-date ledger that nothing is to be changed in, as for writing; without `refresh` as it was last allocated.

    Raises UsageError where it was not allocated since its deliveries came, or by another version of costctl.
    """
    with pipeline.reading(run, refresh=refresh):
        pass
    with store.opened(run.place, write=True, wait=run.wait) as ledger:
        build.bind(ledger)
        settings = run.settings() if refresh else ledger.meta("references") or ""
        if ledger.meta("models") != models.fingerprint() or periods.stale(ledger, settings):
            what = "is not allocated as its deliveries, its rules and this version of costctl would have it"
            raise UsageError(
                str(run.place),
                what,
                remedy="costctl run brings it up to date; or name the other rules: --against FILE.yaml",
            )
        yield ledger


def months(ledger: Ledger, period: str | None, last: int) -> list[date]:
    """Return the billing periods of a span, or the last ones that a bill charges; raise UsageError where there are none."""
    billed = [month for (month,) in ledger.run(BILLED).rows]
    if period is None:
        found, label = billed[-last:], "any month"
    else:
        span = periods.parse(period)
        if not span.whole_months:
            remedy = "Name whole months: 2026-10, 2026-Q4, 2026."
            raise UsageError("--period", "a billing period is a whole month", evidence=shown(period), remedy=remedy)
        found, label = [month for month in billed if span.start <= month < span.end], span.label
    if not found:
        raise UsageError(
            "--period", f"there are no charges of {label}", evidence=periods.held(ledger), remedy="Name another period."
        )
    return found


def now(ledger: Ledger, run: Run, asked: Sequence[date], cost: str) -> State:
    """Return the state that the ledger is in."""
    return _state(ledger, asked, cost, run.config.policy)


def then(ledger: Ledger, config: Config, asked: Sequence[date], cost: str) -> State:
    """Return the state that another configuration would bring the ledger into; it stays in the one that it is in."""
    had: dict[str, list[str]] = json.loads(ledger.meta("store_columns") or "{}")
    for setting, differs in (
        ("tags", tags.current(ledger) != pipeline.tag_keys(config)),
        ("store_columns", had != config.store_columns),
    ):
        if differs:
            what = f"`{setting}:` is another one than the ledger has; what that changes is not known before it is done"
            raise UsageError(
                str(config.file),
                what,
                remedy=f"Leave `{setting}:` as it is for the comparison; or try it on a copy of the ledger.",
            )
    with ledger.undone():
        try:
            pipeline.suppose(ledger, config, asked)
        except DoesNotReconcile as found:
            where = f"{config.file}: {found.where}"
            remedy = f"The ledger is as it was, but it could not be allocated so. {found.remedy}"
            raise DoesNotReconcile(where, found.what, evidence=found.evidence, remedy=remedy) from found
        return _state(ledger, asked, cost, config.policy)


def _state(ledger: Ledger, asked: Sequence[date], cost: str, policy: Policy) -> State:
    owed = {line: found for month in asked for line, found in _owed(ledger, month, cost, policy).items()}
    return State(owed, changes.in_force(ledger), changes.fingerprint(ledger))


def _owed(ledger: Ledger, month: date, cost: str, policy: Policy) -> dict[Line, Owed]:
    """Return the totals of the chargeback's lines, as the report itself computes them."""
    rows = reports.run(ledger, reports.named("chargeback"), span([month]), calendar="billing", cost=cost, policy=policy)
    found: dict[Line, list[Owed]] = defaultdict(list)
    for record in rows.dicts():
        line = Line(month, record["currency"], record["line"], record["team"] or "")
        found[line].append(Owed(record["total"], bool(record["incomplete"])))
    return {line: summed(items) for line, items in found.items()}


def summed(items: Sequence[Owed]) -> Owed:
    """Add up what is owed: nothing at all is 0, what is not known at all is None."""
    known = [item.cost for item in items if item.cost is not None]
    with localcontext(reports.EXACT):
        return Owed(sum(known, Decimal(0)) if known or not items else None, any(item.incomplete for item in items))


def span(asked: Sequence[date]) -> Span:
    """Return the months from the first to the last as one span."""
    first, last = asked[0], asked[-1]
    return Span(first, shifted(last, 1), f"{first:%Y-%m}" if first == last else f"{first:%Y-%m} to {last:%Y-%m}")


def answer(
    title: str,
    shown: Mapping[str, str],
    records: Sequence[dict[str, Any]],
    asked: Sequence[date],
    cost: str,
    notes: Sequence[str],
) -> Answer:
    """Return records as a report: `shown` are the columns of its table and their headings, those of money begin with `cost` or `difference`."""
    if not records:
        remedy = f"Costs: {', '.join(reports.COSTS)}."
        raise UsageError("--cost", f"nothing is known of the {cost} cost of {span(asked).label}", remedy=remedy)
    columns = tuple(records[0])
    types = tuple(_type(name) for name in columns)
    table = (("owner", "team"), *shown.items())
    report = Report(
        name=title.replace(" ", "_"),
        sql="",
        sentence="",
        title=title,
        calendar="billing",
        wide=table,
        narrow=table,
        subtotal=None,
        reaches_bill=False,
        totalled=True,
        top=None,
        converts={},
        empty="",
        unknown=frozenset(),
        optional=frozenset(),
    )
    rows = Rows(columns, types, [tuple(record.values()) for record in records])
    return Answer(report, span(asked), "billing", cost, rows, tuple(notes))


def by_period(rows: Rows) -> Rows:
    """Return rows with their periods one after the other, where they have any: a table adds these up, a file shows them."""
    place = rows.columns.index("period") if "period" in rows.columns else None
    return rows if place is None else replace(rows, rows=sorted(rows.rows, key=lambda row: row[place]))


def _type(column: str) -> str:
    kinds = {"period": "DATE", "incomplete": "BOOLEAN", "change_percent": "DECIMAL(38,1)"}
    return kinds.get(column, "DECIMAL(38,18)" if column.startswith(("cost", "difference")) else "VARCHAR")
