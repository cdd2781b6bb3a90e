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
from costctl.ledger import models
from costctl.ledger.store import Ledger
from costctl.nouns import Rows, Span
from costctl.reports import evidence

if TYPE_CHECKING:
    from costctl.config.settings import Policy

EXACT = Context(prec=120)  # sums of money in Python: 38 digits of an amount, 19 of a rate
CARD = "rate_card"  # what rate cards say and no bill does
COSTS = ("effective", "billed", "list", "contracted", CARD)


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
        what = f"the report {report.name.replace('_', '-')} is of what bills say, which is not what rate cards do"
        raise UsageError(
            "--cost",
            what,
            remedy=f"rate_card is a cost of {able('rate_card_cost')}; rate-variance sets it beside the bill.",
        )
    text = models.qualified(report.sql)
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
    return dict(ledger.run(query("_bill.sql"), {"start": span.start, "end": span.end, "cost": cost}).rows)


def tieout(ledger: Ledger, span: Span | None) -> Rows:
    """Return bill, charges, postings and difference per source, billing period, currency and cost, with totals."""
    return ledger.run(
        query("_tieout.sql"), {"start": span.start if span else date.min, "end": span.end if span else date.max}
    )


def tieout_by_invoice(ledger: Ledger, span: Span | None) -> Rows:
    """Return each invoice, the named parts of its distance from the bill, what is left, its charges and postings."""
    return ledger.run(
        query("_invoices.sql"), {"start": span.start if span else date.min, "end": span.end if span else date.max}
    )


def query(name: str) -> str:
    """Return the text of a query that is no report, the schema of its tables written out."""
    text = (resources.files("costctl.reports") / name).read_text(encoding="utf-8")
    return models.qualified(text)


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


def able(word: str) -> str:
    """List the reports whose queries have a word in them."""
    return ", ".join(name.replace("_", "-") for name, item in known().items() if word in item.sql)


def graded(report: Report, cost: str) -> bool:
    """Whether a report is made of postings, at a cost that has a grade of evidence."""
    return cost != CARD and re.search(r"\b(FROM|JOIN) (postings|serving_days)\b", report.sql) is not None
