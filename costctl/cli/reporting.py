"""What `report` does: its words are looked up, the ledger is asked, the answer is rendered."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from costctl import periods, pipeline, reports, terminal
from costctl.errors import UsageError, shown
from costctl.pipeline import Run
from costctl.rates import exchange
from costctl.reports import Answer, asked, conversion, footer, render
from costctl.reports.conversion import Wish

CURRENCY = re.compile("[A-Z]{3}")


def report(
    run: Run,
    name: str | None,
    *,
    period: str | None,
    last: str | None,
    calendar: str | None,
    cost: str,
    format_: str | None,
    output: Path | None,
    cents: bool,
    refresh: bool,
    currency: str | None = None,
    rate_type: str = exchange.TYPES[0],
    org: str | None = None,
    min_evidence: str | None = None,
) -> None:
    """Show one report, or list them."""
    if name is None:
        _list_reports()
        return
    chosen = reports.named(name)
    if cost not in reports.COSTS:
        raise UsageError("--cost", f"{shown(cost)} is not a cost", remedy=f"Costs: {', '.join(reports.COSTS)}.")
    kind = render.chosen(format_, output)
    render.report(
        answer(
            run,
            chosen,
            period=period,
            last=last,
            calendar=calendar,
            cost=cost,
            refresh=refresh,
            wish=wish(run, currency, rate_type) if currency else None,
            org=org,
            min_evidence=min_evidence,
        ),
        kind,
        output,
        cents=cents,
    )


def wish(run: Run, currency: str, rate_type: str) -> Wish:
    """Read the exchange rates again where their file changed, and say what is wanted of them."""
    if run.config.fx is None:
        remedy = "Name your file of rates under `fx:` in costctl.yaml; `costctl init` writes one to fill in."
        raise UsageError("--currency", "the configuration names no exchange rates", remedy=remedy)
    if rate_type not in exchange.TYPES:
        raise UsageError(
            "--rate-type", f"{shown(rate_type)} is not a kind of rate", remedy=f"Kinds: {', '.join(exchange.TYPES)}."
        )
    if not CURRENCY.fullmatch(currency):
        raise UsageError(
            "--currency",
            f"{shown(currency)} is not a currency",
            remedy="Write its three capital letters, for example EUR.",
        )
    pipeline.documents(run)
    return Wish(currency, rate_type, str(run.config.fx))


def _list_reports() -> None:
    for name, found in reports.known().items():
        print(f"{name.replace('_', '-'):20} {found.sentence}")


def answer(
    run: Run,
    chosen: reports.Report,
    *,
    period: str | None,
    last: str | None = None,
    calendar: str | None = None,
    cost: str = "effective",
    refresh: bool = True,
    wish: Wish | None = None,
    org: str | None = None,
    min_evidence: str | None = None,
) -> Answer:
    """Compute a report's answer from an up-to-date ledger."""
    owed = reports.Owed(asked.org_of(chosen, org), asked.least_evidence(chosen, min_evidence, cost))
    with pipeline.reading(run, refresh=refresh) as (ledger, late):
        today = datetime.now(UTC).date()
        span = periods.parse(period) if period else periods.last(last, today) if last else periods.latest(ledger)
        in_force = reports.calendar_of(chosen, span, calendar)
        teams, graded = asked.teams_of(chosen, owed), reports.graded(chosen, cost)
        how: dict[str, Any] = {"calendar": in_force, "cost": cost, "policy": run.config.policy, "owed": owed}
        notes: tuple[str, ...] = ()
        if wish:
            found = conversion.converted(ledger, chosen, span, wish, **how)
            rows, bill, notes = found.rows, found.bill, found.notes
        else:
            rows, bill = reports.run(ledger, chosen, span, **how), reports.bill(ledger, span, cost)
        reached = bill if chosen.reaches_bill and span.whole_months and cost != reports.CARD else None
        below = footer.lines(ledger, span, calendar=in_force, cost=cost, late=late, teams=teams)
        if rows.rows:
            below = (*footer.money(ledger, span, calendar=in_force, cost=cost, with_evidence=graded), *below)
            below += footer.sensitivity(ledger, span) if chosen.name == "chargeback" else ()
        else:
            terminal.say(f"costctl: {chosen.empty} for {span.label}; {periods.held(ledger)}")
    shown, credits_ = reports.filled(chosen, rows), run.config.policy.credits
    return Answer(chosen, span, in_force, cost, shown, (*below, *notes), reached, credits_)
