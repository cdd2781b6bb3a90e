"""The cell that is asked about: which postings a report puts there, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from costctl import reports
from costctl.errors import UsageError, nearest, shown
from costctl.ledger.store import Ledger
from costctl.nouns import Span
from costctl.reports.explain import onward

NOBODY = "-"  # as a filter: what has no team, or no known model or purpose
COLUMNS = {
    "team": "p.team",
    "model": "p.model",
    "purpose": "p.purpose",
    "pool": "p.pool",
    "chip": "COALESCE(c.short, p.unit_chip)",
    "source": "p.unit_source",
}
BOOK = "a.account"
SERVING = (
    "p.kind NOT IN ('tax', 'credit', 'fee', 'prepaid', 'manual') AND p.purpose <> 'training' AND COALESCE(p.state, '') <> 'training' "
    "AND p.method <> 'not counted'"
)
REPORTS = {"chargeback": "TRUE", "accounts": "TRUE", "tokens_per_dollar": SERVING}  # which postings are counted
KINDS = ("direct", "shared", "idle", "unused", "tax_fee", "manual", "unallocated", "unpriced", "credit", "tax", "fee", "prepaid", "recharged", "markup")  # fmt: skip
SHOWN = 8  # values of a filter in an error
TAX_FEE = ("tax", "fee", "prepaid")  # what the column of two names adds up
OWN_LINES = ("credit", "unpriced")  # beside teams and accounts
FROM = (
    "FROM ledger.postings AS p LEFT JOIN ledger.chips AS c ON c.chip = p.unit_chip "
    "LEFT JOIN ledger.purpose_accounts AS a ON a.purpose = p.purpose WHERE"
)
WHEN = {
    "billing": "p.booked_period >= $start AND p.booked_period < $end",
    "usage": "EXISTS (FROM ledger.posting_days AS d WHERE d.posting_id = p.posting_id AND d.billing_period = p.billing_period AND d.day >= $start AND d.day < $end)",
}
FIGURES = (
    "SELECT currency, SUM(cost) AS cost, COUNT(DISTINCT posting) AS postings, BOOL_OR(incomplete) AS incomplete FROM ("
    "SELECT p.BillingCurrency AS currency, measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost) AS cost, (p.billing_period, p.posting_id) AS posting, "
    "measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete) AS incomplete "
    "FROM temp.explained_postings AS e JOIN ledger.postings AS p USING (billing_period, posting_id) JOIN ledger.posting_days AS d USING (billing_period, posting_id) "
    "WHERE e.in_cell AND ($calendar = 'billing' OR (d.day >= $start AND d.day < $end)) UNION ALL "
    "SELECT BillingCurrency, measured($cost, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost), NULL, "
    "measured($cost, billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete) "
    "FROM temp.explained_recharges) GROUP BY 1 ORDER BY 1"
)
POSTINGS = "(billing_period DATE, posting_id VARCHAR, in_cell BOOLEAN)"  # those of the cell, and those that its recharges are of


@dataclass(frozen=True)
class Wanted:
    """Which cell of which report: each filter that is not None holds; `-` means nobody's, none, unknown."""

    team: str | None = None
    model: str | None = None
    purpose: str | None = None
    kind: str | None = None
    pool: str | None = None
    chip: str | None = None
    source: str | None = None
    account: str | None = None  # of the books where the report is of accounts, else a billing or sub-account
    service: str | None = None
    report: str | None = None
    calendar: str | None = None
    cost: str = "effective"
    top: int = 5
    tax: str = "recoverable"
    credits: str = "before"

    @property
    def of(self) -> reports.Report:
        """Return the report: the one named, that of chips and sources where one of them is, else the chargeback."""
        found = reports.named(self.report or ("tokens-per-dollar" if self.chip or self.source else "chargeback"))
        if found.name not in REPORTS:
            able = ", ".join(name.replace("_", "-") for name in REPORTS)
            what = f"cells of the report {shown(self.report)} cannot be explained"
            raise UsageError(
                "--report", what, remedy=f"Say {able}; what no team bears is `--team -` of the chargeback."
            )
        return found

    @property
    def narrowed(self) -> dict[str, str]:
        """Return what narrows the charges that are shown, and is no part of a cell."""
        account = self.account if self.of.name != "accounts" else None
        return {name: value for name, value in (("service", self.service), ("account", account)) if value is not None}

    def filters(self) -> dict[str, str]:
        """Return the filters on postings, by option."""
        names = [*COLUMNS, "kind", *(["account"] if self.of.name == "accounts" else [])]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def calendar_in(self, span: Span) -> str:
        """Return the calendar in force."""
        return reports.calendar_of(self.of, span, self.calendar)

    def label(self, span: Span) -> str:
        """Name the cell as a person would."""
        parts = [self.of.title, f"{span.label} by the {self.calendar_in(span)} calendar"]
        return ", ".join([*parts, *(f"{name} {value}" for name, value in self.filters().items())])


def choose(ledger: Ledger, span: Span, wanted: Wanted) -> None:
    """Note the postings of the cell, as temp.explained_postings, its recharges, and behind these the postings that they are of."""
    ledger.run(f"CREATE OR REPLACE TEMP TABLE explained_postings {POSTINGS}")
    where, values = _where(wanted, "p.kind")
    ledger.run(
        f"INSERT INTO temp.explained_postings SELECT DISTINCT p.billing_period, p.posting_id, TRUE {FROM} {WHEN[wanted.calendar_in(span)]} AND {where}",
        {"start": span.start, "end": span.end} | values,
    )
    onward.choose(ledger, span, wanted.calendar_in(span), *_where(wanted, onward.COLUMN))


def _where(wanted: Wanted, kind: str) -> tuple[str, dict[str, Any]]:
    """Return the condition that puts a posting, or a recharge, into the cell, with its values; `kind` is what tells its column."""
    parts, values, filters = [REPORTS[wanted.of.name]], dict[str, Any](), wanted.filters()
    for name in filters.keys() - {"kind"}:
        part, value = _equals(name, filters[name])
        parts, values = [*parts, part], values | value
    kinds, beside = _kinds(wanted), [*OWN_LINES, *(["tax"] if wanted.tax == "recoverable" else [])]
    if kinds:
        parts.append(f"list_contains($kinds, {kind})")
        values["kinds"] = kinds
    elif filters.keys() & {"team", "model", "purpose", "account"}:
        ours = " AND (p.kind <> 'credit' OR p.team IS NULL)" if wanted.credits == "after" else ""
        parts.append(f"NOT (list_contains($beside, p.kind){ours})")
        values["beside"] = beside
    return " AND ".join(parts), values


def _equals(name: str, value: str) -> tuple[str, dict[str, Any]]:
    column = COLUMNS.get(name, BOOK)
    if value == NOBODY:
        return f"COALESCE({column}, '-') IN ('-', 'unknown', '(no account)')", {}
    missing = "(no account)" if name == "account" else NOBODY
    return f"lower(COALESCE({column}, '{missing}')) = lower(${name})", {name: value}


def _kinds(wanted: Wanted) -> list[str]:
    """Return the kinds of postings of a column: tax+fee has several, without the tax that stands on a line of its own."""
    if wanted.kind is None:
        return []
    name = wanted.kind.lower().replace("+", "_").replace("-", "_")
    name = "credit" if name == "credits" else name  # as the column is called
    if name not in KINDS:
        remedy = f"{nearest(name, KINDS)}Kinds: {', '.join(KINDS)}."
        raise UsageError("--kind", f"{shown(wanted.kind)} is no kind of posting", remedy=remedy)
    if name != "tax_fee":
        return [name]
    return [kind for kind in TAX_FEE if kind != "tax" or wanted.tax != "recoverable"]


def figures(ledger: Ledger, span: Span, wanted: Wanted) -> list[dict[str, Any]]:
    """Return what the postings and the recharges of the cell come to, per currency: what the report says of it."""
    values = {"start": span.start, "end": span.end, "calendar": wanted.calendar_in(span), "cost": wanted.cost}
    return ledger.run(FIGURES, values).dicts()


def told(ledger: Ledger, span: Span, wanted: Wanted) -> list[str]:
    """Say what the cell comes to, from how many postings, and what of it passes between teams."""
    lines = [
        f"{wanted.label(span)}: {'≥' if found['incomplete'] else ''}{onward.shortest(found['cost'])} {found['currency']} {wanted.cost}"
        f"{_counted(found['postings'])}"
        for found in figures(ledger, span, wanted)
    ]
    return [*lines, *onward.told(ledger, wanted.cost)]


def _counted(postings: int) -> str:
    return f" in {postings:,} posting{'s' if postings > 1 else ''}" if postings else ""


def nothing(ledger: Ledger, span: Span, wanted: Wanted) -> UsageError:
    """Say why a cell has no postings: which of its filters none of the period's fits, and what would."""
    when, dates = WHEN[wanted.calendar_in(span)], {"start": span.start, "end": span.end}
    evidence = []
    for name, value in wanted.filters().items():
        column = "p.kind" if name == "kind" else COLUMNS.get(name, BOOK)
        rows = ledger.run(f"SELECT DISTINCT {column} AS x {FROM} {when} AND x IS NOT NULL ORDER BY 1", dates).rows
        there = [str(row[0]) for row in rows]
        if value != NOBODY and name != "kind" and value.lower() not in [item.lower() for item in there]:
            listed = ", ".join(there[:SHOWN]) + (", …" if len(there) > SHOWN else "")
            evidence.append(
                f"no {name} {shown(value)}. {nearest(value, there)}There {'is' if len(there) == 1 else 'are'} {listed or 'none'}"
            )
    if not evidence:
        there = [str(row[0]) for row in ledger.run(f"SELECT DISTINCT p.kind {FROM} {when} ORDER BY 1", dates).rows]
        evidence.append(f"its filters do not meet; kinds of postings of that time: {', '.join(there) or 'none'}")
    return UsageError(
        "explain",
        f"this cell has no postings: {wanted.label(span)}",
        evidence=evidence,
        remedy="costctl report shows the cells that there are.",
    )
