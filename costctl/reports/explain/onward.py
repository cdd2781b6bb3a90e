"""The recharges of a cell: what of it passes between the owner of a pool and those who used it, and by what."""

from __future__ import annotations

from decimal import Decimal
from importlib import resources
from typing import Any

from costctl.ledger import models
from costctl.ledger.store import Ledger
from costctl.nouns import Span
from costctl.reports.unrated import PLURAL

COLUMN = "CASE p.entry WHEN 'cost' THEN p.kind ELSE p.entry END"  # of a report, that a recharge stands in
FROM = "FROM ledger.recharges AS p LEFT JOIN ledger.purpose_accounts AS a ON a.purpose = p.purpose WHERE"
WHEN = {
    "billing": "p.booked_period >= $start AND p.booked_period < $end",
    "usage": "p.day >= $start AND p.day < $end",
}
ORDER = "p.billing_period, p.day, p.pool, p.entry, p.kind, p.owner, p.used_by, p.team, p.model, p.purpose, p.BillingCurrency, p.evidence"


def choose(ledger: Ledger, span: Span, calendar: str, where: str, values: dict[str, Any]) -> None:
    """Note the recharges of the cell, as temp.explained_recharges, what each is of, and the postings among that.

    Who asks for a chip or a source asks for postings alone: a recharge has neither.
    """
    there = "p.chip" not in where and "p.unit_" not in where
    ledger.run(
        f"CREATE OR REPLACE TEMP TABLE explained_recharges AS SELECT row_number() OVER (ORDER BY {ORDER}) AS recharge, p.* {FROM} {WHEN[calendar]} AND {where if there else 'FALSE'}",
        {"start": span.start, "end": span.end} | (values if there else {}),
    )
    for name in ("postings", "uses"):
        text = models.qualified(_text(f"recharged_{name}.sql"), {"explained_recharges"})
        ledger.run(f"CREATE OR REPLACE TEMP TABLE explained_recharged_{name} AS {text}")
    ledger.run(
        "INSERT INTO temp.explained_postings SELECT DISTINCT billing_period, posting_id, FALSE FROM temp.explained_recharged_postings "
        "WHERE (billing_period, posting_id) NOT IN (SELECT billing_period, posting_id FROM temp.explained_postings)"
    )


def told(ledger: Ledger, cost: str) -> list[str]:
    """Say what the recharges of the cell come to: of which pool, between whom, and by which rate or percentage."""
    text = models.qualified(_text("recharged.sql"), {"explained_recharges", "explained_recharged_uses"})
    return [f"  {_line(found)}" for found in ledger.run(text, {"cost": cost}).dicts()]


def _line(found: dict[str, Any]) -> str:
    amount = f"{shortest(found['cost'])} {found['currency']}"
    between = f"of the pool {found['pool']}, between {found['owner']}, its owner, and {found['used_by']}"
    if found["entry"] == "cost":
        return f"cost {between}: {amount}, to stand with its owner"
    if found["entry"] == "markup":
        return f"markup {between}: {amount}, {shortest(Decimal(found['markup']).scaleb(-6))} % of what is recharged"
    if found["rate"] is None:
        return f"recharged {between}: {amount}, at cost"
    by = f"{shortest(found['quantity'])} {PLURAL[found['unit']]} x {shortest(found['price'])} ({found['rate']})"
    return f"recharged {between}: {amount}, {by}"


def shortest(amount: Decimal) -> str:
    """Return an amount without the zeros at its end."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(name: str) -> str:
    return (resources.files("costctl.reports.explain") / name).read_text(encoding="utf-8")
