"""Reports: each is name.sql here with a few lines of metadata in its header; this module reads, runs and describes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from costctl.errors import UsageError, shown
from costctl.ledger import models, own
from costctl.ledger.store import Ledger
from costctl.nouns import Rows, Span
from costctl.reports import chips, evidence, mixes, unrated

if TYPE_CHECKING:
    from costctl.config.settings import Policy

EXACT = Context(prec=120)  # sums of money in Python: 38 digits of an amount, 19 of a rate
CARD = "rate_card"  # what rate cards say and no bill does
COSTS = ("effective", "billed", "list", "contracted", CARD)
STALE = (
    "STALE: deliveries, rules or rates changed since these numbers were computed; costctl run brings them up to date"
)


@dataclass(frozen=True)
class Report:
    """A report: its query, its sentence, and how a terminal shows it."""

    name: str
    sql: str
    sentence: str
    title: str
    calendar: str
    wide: tuple[tuple[str, str], ...]  # (column, heading) where it fits
    narrow: tuple[tuple[str, str], ...]
    subtotal: str | None
    reaches_bill: bool  # its total is the bill's, to the last digit
    totalled: bool  # whether a sum over its rows means something
    top: int | None  # how many rows a terminal shows
    converts: dict[str, tuple[str, ...]]  # columns that another currency changes, with the columns they are the sum of
    empty: str  # what no rows at all mean
    optional: frozenset[str]  # columns that are there only where they are not empty
    unknown: frozenset[str]  # columns in which an empty value is unknown, so that no sum over it is shown


@dataclass(frozen=True)
class Owed:
    """How cost is charged to teams: under whose names, and by which evidence."""

    org: date | None = None  # the day whose teams count; None for those posted
    min_evidence: str = evidence.ANY  # what is below it is charged to no team


AS_POSTED = Owed()


@dataclass(frozen=True)
class Answer:
    """A report's rows with everything a number must say about itself."""

    report: Report
    span: Span
    calendar: str
    cost: str
    rows: Rows
    footer: tuple[str, ...]
    bill: dict[str, Decimal] | None = None  # per currency, where the report must reach the bill
    credits_: str = "before"  # whether costs are before or after credits, where the report says so


@cache
def known() -> dict[str, Report]:
    """Return the reports by name."""
    files = (
        item
        for item in resources.files("costctl.reports").iterdir()
        if item.name.endswith(".sql") and not item.name.startswith("_")
    )
    return {
        item.name[:-4]: _read(item.name[:-4], item.read_text(encoding="utf-8"))
        for item in sorted(files, key=lambda item: item.name)
    }


def _read(name: str, text: str) -> Report:
    header = dict(re.findall(r"^-- ([A-Z][a-z]+): (.+)$", text, re.MULTILINE))
    return Report(
        name=name,
        sql=text,
        sentence=text.splitlines()[0].removeprefix("-- "),
        title=header["Title"],
        calendar=header["Calendar"],
        wide=_columns(header["Wide"]),
        narrow=_columns(header["Narrow"]),
        subtotal=header.get("Subtotal"),
        reaches_bill=header.get("Reaches") == "bill",
        totalled=header.get("Total") != "none",
        top=int(header["Top"]) if "Top" in header else None,
        converts=_sums(header.get("Converts", "")),
        empty=header.get("Empty", "nothing to show"),
        optional=frozenset(column for column, _ in _columns(header.get("Optional", ""))),
        unknown=frozenset(column for column, _ in _columns(header.get("Unknown", ""))),
    )


def _sums(text: str) -> dict[str, tuple[str, ...]]:
    """Read `billed, effective = billed + difference`."""
    named = [item.partition("=") for item in text.split(",") if item.strip()]
    return {name.strip(): tuple(part.strip() for part in parts.split("+") if part.strip()) for name, _, parts in named}


def _columns(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.strip().partition("=") for part in text.split(",")]
    return tuple((column, heading or column) for column, _, heading in pairs)


def named(name: str) -> Report:
    """Return a report by name (`tokens-per-dollar` and `tokens_per_dollar` are one); raise UsageError when there is none."""
    found = known().get(name.replace("-", "_"))
    if found is None:
        listed = ", ".join(item.replace("_", "-") for item in known())
        raise UsageError("report", f"there is no report {shown(name)}", remedy=f"Reports: {listed}.")
    return found


def run(
    ledger: Ledger,
    report: Report,
    span: Span,
    *,
    calendar: str | None,
    cost: str,
    policy: Policy,
    owed: Owed = AS_POSTED,
) -> Rows:
    """Run a report's query over a span; a span of part months implies the usage calendar."""
    chosen = calendar_of(report, span, calendar)
    before = span.before()
    values: dict[str, Any] = {
        "start": span.start,
        "end": span.end,
        "previous_start": before.start,
        "previous_end": before.end,
        "calendar": chosen,
        "cost": cost,
        "tax": policy.tax,
        "credits": policy.credits,
        "org": owed.org,
        "min_evidence": owed.min_evidence,
    }
    if cost == CARD and "rate_card_cost" not in report.sql:
        able = _able("rate_card_cost")
        what = f"the report {report.name.replace('_', '-')} is of what bills say, which is not what rate cards do"
        raise UsageError(
            "--cost", what, remedy=f"rate_card is a cost of {able}; rate-variance sets it beside the bill."
        )
    text = models.qualified(report.sql, set(), models.known())
    return ledger.run(text, {key: value for key, value in values.items() if f"${key}" in text})


def filled(report: Report, rows: Rows) -> Rows:
    """Return a report's rows without its optional columns that hold nothing."""
    kept = [
        place
        for place, column in enumerate(rows.columns)
        if column not in report.optional or any(row[place] for row in rows.rows)
    ]
    columns, types = (tuple(names[place] for place in kept) for names in (rows.columns, rows.types))
    return Rows(columns, types, [tuple(row[place] for place in kept) for row in rows.rows])


def bill(ledger: Ledger, span: Span, cost: str) -> dict[str, Decimal]:
    """Return what the bills of the span's billing periods add up to, per currency; nothing for a cost that no bill has."""
    if cost == CARD:
        return {}
    text = models.qualified(_text("_bill.sql"), set(), models.known())
    return dict(ledger.run(text, {"start": span.start, "end": span.end, "cost": cost}).rows)


def tieout(ledger: Ledger, span: Span | None) -> Rows:
    """Return bill, charges, postings and difference per source, billing period, currency and cost, with totals."""
    text = models.qualified(_text("_tieout.sql"), set(), models.known())
    return ledger.run(text, {"start": span.start if span else date.min, "end": span.end if span else date.max})


def tieout_by_invoice(ledger: Ledger, span: Span | None) -> Rows:
    """Return each invoice, the named parts of its distance from the bill, what is left, its charges and postings."""
    text = models.qualified(_text("_invoices.sql"), set(), models.known())
    return ledger.run(text, {"start": span.start if span else date.min, "end": span.end if span else date.max})


def _text(name: str) -> str:
    return (resources.files("costctl.reports") / name).read_text(encoding="utf-8")


def calendar_of(report: Report, span: Span, calendar: str | None) -> str:
    """Return the calendar in force: the flag, usage for part months, else the report's own."""
    if calendar is None:
        return report.calendar if span.whole_months else "usage"
    if calendar not in ("billing", "usage"):
        raise UsageError("--calendar", f"{shown(calendar)} is not a calendar", remedy="Say billing or usage.")
    if calendar == "billing" and not span.whole_months:
        raise UsageError(
            "--calendar",
            "the billing calendar knows whole months only",
            evidence=span.label,
            remedy="Say --calendar usage, or name whole months.",
        )
    return calendar


def org_of(report: Report, text: str | None) -> date | None:
    """Read `as-posted` or `as-of=2026-10-31`: the day whose teams count; None for those of their time."""
    if text in (None, "as-posted"):
        return None
    if "$org" not in report.sql:
        raise UsageError(
            "--org", f"the report {report.name.replace('_', '-')} names no teams", remedy=f"It is for {_able('$org')}."
        )
    try:
        return date.fromisoformat(re.sub("^as-of[ =:]", "", text))
    except ValueError as error:
        remedy = "Say as-posted, or as-of=2026-10-31 for the teams of that day."
        raise UsageError("--org", f"{shown(text)} is no organisation", remedy=remedy) from error


def least_evidence(report: Report, text: str | None, cost: str) -> str:
    """Read `--min-evidence contracted` for a report: of what is below it no team is charged."""
    least = evidence.least(text)
    if text and "$min_evidence" not in report.sql:
        what = f"the report {report.name.replace('_', '-')} charges no teams"
        raise UsageError("--min-evidence", what, remedy=f"It is for {_able('$min_evidence')}.")
    if text and cost == CARD:
        what = "what rate cards come to is on no bill, so it has no grade of evidence"
        raise UsageError("--min-evidence", what, remedy="Leave it out, or say another --cost.")
    return least


def _able(word: str) -> str:
    """List the reports whose queries have a word in them."""
    return ", ".join(name.replace("_", "-") for name, item in known().items() if word in item.sql)


def teams_of(report: Report, owed: Owed) -> str:
    """Say whose names the teams of a report have, where it has any that may change, and by which evidence they are charged."""
    if "$org" not in report.sql:
        return ""
    names = f", teams as of {owed.org}" if owed.org else ", teams as posted"
    return names if owed.min_evidence == evidence.ANY else f"{names}, charged by evidence {owed.min_evidence} or better"


def graded(report: Report, cost: str) -> bool:
    """Whether a report is made of postings, at a cost that has a grade of evidence."""
    return cost != CARD and re.search(r"\b(FROM|JOIN) (postings|serving_days)\b", report.sql) is not None


def footer(
    ledger: Ledger, span: Span, *, calendar: str, cost: str, late: bool, teams: str = "", with_evidence: bool = False
) -> tuple[str, ...]:
    """Return the lines under a report: coverage, what is unallocated and unpriced, evidence, basis, completeness."""
    text = models.qualified(_text("_footer.sql"), set(), models.known())
    found = ledger.run(text, {"start": span.start, "end": span.end, "calendar": calendar, "cost": cost}).dicts()
    basis = (
        f"basis: {cost} cost, {calendar} calendar, {span.start} to {span.end} (end excluded){teams}"
        f" · tokens: delivered, from {_evidence(ledger, span)}{_aside(ledger)}"
    )
    mix = evidence.mix(ledger, span, calendar=calendar, cost=cost) if with_evidence else []
    return (
        *(_coverage(line, cost) for line in found),
        *mix,
        basis,
        *_warnings(ledger, span),
        *([STALE] if late else []),
    )


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
        parts.append(f"{found['incomplete_rows']:,} charges without {cost} cost (≥)")
    if found["unknown_machine_rows"]:
        money = "" if cost == CARD else f", {_short(found['unknown_machine_cost'])},"
        parts.append(f"{found['unknown_machine_rows']:,} charges of unknown machines{money} have no chip-hours")
    return " · ".join(parts)


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
            f"left out: {charges:,} charges for tokens of {provider} whose quantity on the bill cannot be read"
        )
    added = ledger.run(models.qualified(_text("_added.sql"), set(), models.known()), values).dicts()
    for found in added[:1]:
        more = f" and {len(added) - 1} other models" if len(added) > 1 else ""
        lines.append(
            f"{found['first_source']} and {found['last_source']} count {found['model']}{more} in one role and are added up: "
            "if these are the same tokens, say under `tokens:` in costctl.yaml which of them drives money"
        )
    lines += mixes.warnings(ledger, span)
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
