"""The lines under a report: how much of it is owned and known, by which counts and evidence, and what is not as it should be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from costctl import reports
from costctl.ledger import own
from costctl.ledger.store import Ledger
from costctl.nouns import Span
from costctl.reports import bookings, chips, evidence, mixes, unrated

STALE = (
    "STALE: deliveries, rules or rates changed since these numbers were computed; costctl run brings them up to date"
)


def money(ledger: Ledger, span: Span, *, calendar: str, cost: str, with_evidence: bool) -> tuple[str, ...]:
    """Return what stands under the money of a span: how much of it has a team, what is unallocated and unpriced, its evidence."""
    values = {"start": span.start, "end": span.end, "calendar": calendar, "cost": cost}
    found = ledger.run(reports.query("_footer.sql"), values).dicts()
    mix = evidence.mix(ledger, span, calendar=calendar, cost=cost) if with_evidence else []
    return (*(_coverage(line, cost) for line in found), *mix)


def lines(ledger: Ledger, span: Span, *, calendar: str, cost: str, late: bool, teams: str = "") -> tuple[str, ...]:
    """Return what stands under every report, also one without rows: its basis, what cannot be used as it is, whether it is stale."""
    basis = (
        f"basis: {cost} cost, {calendar} calendar, {span.start} to {span.end} (end excluded){teams}"
        f" · tokens: delivered, from {_evidence(ledger, span)}{_aside(ledger)}"
    )
    return (basis, *_warnings(ledger, span), *([STALE] if late else []))


def sensitivity(ledger: Ledger, span: Span) -> tuple[str, ...]:
    """Say by which method tokens are weighed in the span's billing periods, and what tells how much depends on it."""
    query = "SELECT DISTINCT method FROM ledger.postings WHERE booked_period >= $start AND booked_period < $end AND method LIKE 'phase.%' ORDER BY 1"
    methods = [method for (method,) in ledger.run(query, {"start": span.start, "end": span.end}).rows]
    if not methods:
        return ()
    return (f"tokens weighed by {', '.join(methods)} · others: costctl rules compare-weights",)


def _coverage(found: dict[str, Any], cost: str) -> str:
    """Say how much of a currency's cost and of all tokens has a team, and what is unallocated, unpriced or unknown."""
    parts = [
        f"{found['currency']}: {_percent(found['attributed_percent'])} of cost has a team",
        f"{_percent(found['owned_percent'])} of tokens have a team",
        f"unallocated {_known(found['unallocated'], incomplete=found['unallocated_incomplete'])}",
        f"unpriced {found['unpriced_rows'] or '-'}",
    ]
    if found["incomplete_rows"]:
        parts.append(f"{_charges(found['incomplete_rows'])} without {cost} cost (≥)")
    if found["unknown_machine_rows"]:
        money = "" if cost == reports.CARD else f", {_short(found['unknown_machine_cost'])},"
        has = "have" if found["unknown_machine_rows"] > 1 else "has"
        parts.append(f"{_charges(found['unknown_machine_rows'])} of unknown machines{money} {has} no chip-hours")
    return " · ".join(parts)


def _charges(count: int) -> str:
    return f"{count:,} charge{'s' if count > 1 else ''}"


def _short(value: Decimal) -> str:
    """Whole units, or two digits of what is less than one."""
    return f"{value:,.0f}" if not value or abs(value) >= 1 else f"{value:.2g}"


def _known(value: Decimal, *, incomplete: bool) -> str:
    """Return a sum, or what is known of it."""
    return ("≥" if incomplete else "") + _short(value) if value or not incomplete else "-"


def _percent(value: int | None) -> str:
    return "-" if value is None else f"{value} %"


def _evidence(ledger: Ledger, span: Span) -> str:
    """Name the roles and sources whose token counts drive money, and those that are there to compare."""
    query = (
        "SELECT drives, concat(evidence_role, ' (', string_agg(DISTINCT source, ', ' ORDER BY source), ')') FROM ledger.token_evidence "
        "WHERE day >= $start AND day < $end AND (drives OR evidence_role <> 'bill') GROUP BY drives, evidence_role ORDER BY evidence_role"
    )
    found = ledger.run(query, {"start": span.start, "end": span.end}).rows
    driving, compared = ("; ".join(role for drives, role in found if drives is wanted) for wanted in (True, False))
    return (driving or "no source") + (f" · compared: {compared}" if compared else "")


def _warnings(ledger: Ledger, span: Span) -> list[str]:
    """Say what was counted and cannot be used as it stands: tokens without a bill, unknown pools, chip time that is of no use."""
    values = {"start": span.start, "end": span.end}
    lines = [
        f"what own chips cost is by {row}, which says that it is an estimate"
        for row in own.estimated(ledger, span.start, span.end)
    ]
    for provider, tokens in ledger.run(
        "SELECT provider, sum(delivered_tokens) FROM ledger.token_days WHERE NOT is_billed AND day >= $start AND day < $end GROUP BY 1 ORDER BY 1",
        values,
    ).rows:
        lines.append(f"left out: {_counted(tokens)} counted for {provider} that are on no bill yet")
    for pool, tokens in ledger.run(
        "SELECT pool, sum(delivered_tokens) FROM ledger.token_days WHERE pool <> 'api' AND pool NOT IN (SELECT pool FROM ledger.pools) "
        "AND day >= $start AND day < $end GROUP BY 1 ORDER BY 1",
        values,
    ).rows:
        lines.append(f"{_counted(tokens)} name the pool {pool}, which the configuration does not have")
    for pool, currency, cost, incomplete in ledger.run(
        "SELECT pool, BillingCurrency, coalesce(sum(EffectiveCost), 0), bool_or(effective_incomplete) FROM ledger.postings WHERE pool <> 'api' AND pool NOT IN (SELECT pool FROM ledger.pools) "
        "AND booked_period >= date_trunc('month', $start) AND booked_period < $end GROUP BY ALL ORDER BY ALL",
        values,
    ).rows:
        lines.append(
            f"{_known(cost, incomplete=incomplete)} {currency} goes to the pool {pool}, which the configuration does not have"
        )
    for source, tokens in ledger.run(
        "SELECT source, sum(tokens) FROM ledger.token_evidence WHERE evidence_role = 'engine' AND drives AND pool IS NULL AND day >= $start AND day < $end GROUP BY 1 ORDER BY 1",
        values,
    ).rows:
        lines.append(
            f"{_counted(tokens)} of the engines of {source} are of no pool: name their deployment or namespace under `tokens:` of a pool"
        )
    for provider, charges in ledger.run(
        "SELECT provider, sum(unread) FROM ledger.token_evidence WHERE unread > 0 AND day >= $start AND day < $end GROUP BY 1 ORDER BY 1",
        values,
    ).rows:
        lines.append(
            f"left out: {_charges(charges)} for tokens of {provider} whose quantity on the bill cannot be read"
        )
    added = ledger.run(reports.query("_added.sql"), values).dicts()
    for found in added[:1]:
        more = f" and {len(added) - 1} other models" if len(added) > 1 else ""
        lines.append(
            f"{found['first_source']} and {found['last_source']} count {found['model']}{more} in one role and are added up: "
            "if these are the same tokens, say under `tokens:` in costctl.yaml which of them drives money"
        )
    lines += mixes.warnings(ledger, span)
    lines += bookings.warnings(ledger, span)
    lines += chips.warnings(ledger, span)
    lines += unrated.warnings(ledger, span)
    return lines


def _counted(tokens: int) -> str:
    """Write a number of tokens in millions, or as it is where that would read as none."""
    millions = f"{tokens / 1_000_000:,.1f}"
    return f"{tokens:,} tokens" if millions == "0.0" else f"{millions} Mtok"


def _aside(ledger: Ledger) -> str:
    """Say how many records of live deliveries were set aside."""
    query = (
        "SELECT count(*) FROM (SELECT DISTINCT q.delivery_id, q.file_no, q.record_no FROM ledger.quarantine AS q "
        "JOIN ledger.delivery_periods AS p ON p.delivery_id = q.delivery_id AND p.live)"
    )
    count = ledger.value(query)
    return f" · {count:,} record{'s' if count > 1 else ''} set aside, see costctl status" if count else ""
