"""The tie-out: invoice → usage bill → charges → postings, every digit; exit 5 on what is left."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from costctl import periods, pipeline, reports, terminal
from costctl.errors import DoesNotReconcile, UsageError, shown
from costctl.nouns import Rows
from costctl.pipeline import Run
from costctl.reports import layout, render

BY = ("invoice", "source")
LEFT = ("left", "not posted")
SHOWN = 3

Record = dict[str, Any]


def tieout(run: Run, *, period: str | None, by: str | None, format_: str | None, output: Path | None) -> None:
    """Show the tie-out by invoice, where the configuration names invoices, and by source; exit 5 when something is left."""
    kind = render.chosen(format_, output)
    wanted = _wanted(run, by)
    pipeline.documents(run)
    with pipeline.reading(run) as (ledger, _):
        span = periods.parse(period) if period else None
        found = {
            "invoice": reports.tieout_by_invoice(ledger, span) if _has_invoices(run) else Rows((), (), []),
            "source": reports.tieout(ledger, span),
        }
    if kind != "table":
        render.rows(found[wanted[0]], kind, output)
    else:
        for name in wanted:
            (_print_invoices if name == "invoice" else _print_sources)(found[name])
    _refuse_what_is_left(found["invoice"], found["source"])


def _has_invoices(run: Run) -> bool:
    return bool(run.config.invoices or run.config.reconciling_items)


def _wanted(run: Run, by: str | None) -> tuple[str, ...]:
    """Return what to show: what was asked for, else both where there are invoices."""
    if by is None:
        return BY if _has_invoices(run) else ("source",)
    if by not in BY:
        raise UsageError("--by", f"{shown(by)} is not a tie-out", remedy="Say invoice or source.")
    if by == "invoice" and not _has_invoices(run):
        remedy = "List their files under `invoices:` in costctl.yaml; `costctl init` writes one to fill in."
        raise UsageError("--by", "the configuration names no invoices", remedy=remedy)
    return (by,)


def _refuse_what_is_left(by_invoice: Rows, by_source: Rows) -> None:
    """Raise DoesNotReconcile for amounts that have no name, of an invoice first, then of a source."""
    left = [record for record in by_invoice.dicts() if record["leg"] in LEFT and record["amount"]]
    if left:
        raise DoesNotReconcile(
            "tieout",
            f"{len(left)} invoice{'s do' if len(left) > 1 else ' does'} not tie out",
            evidence=[_sentence(record) for record in left[:SHOWN]],
            remedy="What is known and approved goes into the reconciling items (`reconciling_items:` in costctl.yaml); the rest is a missing bill, a wrong invoice, or a record set aside.",
        )
    lines = [record for record in by_source.dicts() if record["difference"]]
    if lines:
        raise DoesNotReconcile(
            "tieout",
            f"{len(lines)} line{'s do' if len(lines) > 1 else ' does'} not tie out",
            evidence=[f"{r['source']} {r['billing_period']} {r['cost']}: {r['difference']:f}" for r in lines[:SHOWN]],
            remedy="Run costctl doctor; it names the check that fails.",
        )


def _sentence(record: Record) -> str:
    """Say of which invoice how much is left, and on which side."""
    side = (
        "not posted"
        if record["leg"] == "not posted"
        else "above its charges"
        if record["amount"] > 0
        else "below its charges"
    )
    hint = f" ({record['note']})" if record["note"] else ""
    return f"{_document(record)}: {render.text(abs(record['amount']))} {record['currency']} {side}{hint}"


def _document(record: Record) -> str:
    invoice = "without invoice" if record["invoice"] == "-" else record["invoice"]
    return f"{record['billing_period']} {record['provider']} {record['payer']} {invoice}"


def _print_invoices(found: Rows) -> None:
    """Print a block per invoice; its parts add up to it."""
    cells: list[tuple[str, str, str]] = []
    rules: set[int] = set()
    before = ""
    for record in found.dicts():
        document = f"{_document(record)} {record['currency']}"
        if document != before:
            rules |= {len(cells)} if cells else set()
        amount = layout.UNKNOWN if record["amount"] is None else render.text(record["amount"])
        cells.append((_document(record) if document != before else "", _part(record), f"{amount} {record['currency']}"))
        before = document
    terminal.table(
        "tie-out by invoice: invoice = charges + each named part + left, every digit",
        ("invoice", "part", "amount"),
        cells,
        right={2},
        rules=rules,
        notes=_whole(found.dicts()),
    )


def _part(record: Record) -> str:
    """Name a part with what supports it: lines and bound of a rounding, reason and approver of an item."""
    words = [record["leg"]]
    if record["leg"] in ("invoice", "left"):
        words += [record["note"]] if record["note"] else []
    elif record["leg"] == "reconciling item":
        words = [f"{record['leg']}, approved by {record['approver']}: {record['note']}"]
    elif record["at_most"] is not None:
        words = [f"{record['leg']} ≤ {render.text(record['at_most'])} ({_counted(record['number'], 'line')})"]
    elif record["number"] is not None:
        words.append(_counted(record["number"], "record" if record["leg"].startswith("set aside") else "charge"))
        words += [record["note"]] if record["note"] else []
    return ", ".join(words)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _whole(records: Sequence[Record]) -> list[str]:
    """Say per currency what has a name and what is left, what is above and what is below the bill apart."""
    with localcontext(reports.EXACT):
        return [_whole_of(currency, records) for currency in dict.fromkeys(record["currency"] for record in records)]


def _whole_of(currency: str, records: Sequence[Record]) -> str:
    own = [record for record in records if record["currency"] == currency and record["amount"]]
    sums: dict[str, Decimal] = dict.fromkeys(("invoice", "charges", "postings"), Decimal(0))
    parts: dict[str, Decimal] = {}
    for record in own:
        if record["leg"] in sums:
            sums[record["leg"]] += record["amount"]
        else:
            side = f"{record['leg']} {'above' if record['amount'] > 0 else 'below'}"
            parts[side] = parts.get(side, Decimal(0)) + abs(record["amount"])
    if not any(name.startswith("left") for name in parts):
        parts["left"] = Decimal(0)
    return f"{currency}: " + " · ".join(f"{name} {render.text(amount)}" for name, amount in (sums | parts).items())


def _print_sources(found: Rows) -> None:
    """Print every digit; a narrow terminal leaves out the columns that are equal when the difference is 0."""
    wide = terminal.width() >= layout.WIDE_FROM
    amounts = ("bill", "charges", "postings", "difference") if wide else ("charges", "difference")
    records = found.dicts()
    cells = [
        (
            *(record["source"], record["billing_period"] or "", f"{record['cost']} {record['currency']}"),
            *(f"{record[name]:,}" for name in ("records", "quarantined", "unknown")),
            *(layout.UNKNOWN if record[name] is None else render.text(record[name]) for name in amounts),
        )
        for record in records
    ]
    totals = [number for number, record in enumerate(records) if record["source"] == "TOTAL"]
    terminal.table(
        "tie-out: usage bill → charges → postings, every digit",
        ("source", "period", "cost", "charges", "aside", "unknown", *amounts),
        cells,
        right=set(range(3, 6 + len(amounts))),
        rules=set(totals[:1]),
        notes=[
            "bill: what the files added up to when read; aside: records in quarantine; unknown: charges without this cost"
        ],
    )
