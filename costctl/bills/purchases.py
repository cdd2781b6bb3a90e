"""The purchases that prepaid schedules are of, found on the bills.

A schedule moves nothing where the bill spreads the purchase itself, and nothing where it is not certain which purchase is meant: it
says so, and counts nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from costctl.bills.prepaid import MATCHED, Known
from costctl.errors import shown
from costctl.files.sheets import Row
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules

PURCHASE_MODELS = {"capacity_block": "capacity_block", "term": "commitment"}
OF_ACCOUNT = (
    "source <> 'own' AND BillingAccountId = $account AND BillingCurrency = $currency "
    "AND COALESCE((SELECT p.provider FROM ledger.providers AS p WHERE p.name = lower(ProviderName)), lower(ProviderName)) = $provider"
)
SAME = {  # how a purchase is told, by the row's column
    "invoice_id": "InvoiceId = $invoice_id",
    "sku_id": "SkuId = $sku_id",
    "resource_id": "(ResourceId = $resource_id OR CommitmentDiscountId = $resource_id)",
}
CHARGE = (
    "SELECT billing_period, ProviderName AS provider, PublisherName AS publisher, InvoiceIssuerName AS issuer, BillingAccountId AS account, "
    "InvoiceId AS invoice, RegionId AS region, x_purchase_model AS purchase_model, x_model_raw AS model_raw, ChargePeriodStart AS first, ChargePeriodEnd AS last, "
    "EffectiveCost AS amount, delivery_id, file_no, record_no, part_no, CommitmentDiscountId, ResourceId, "
    "(SELECT left(f.sha256, 16) FROM ledger.delivery_files AS f WHERE f.delivery_id = c.delivery_id AND f.file_no = c.file_no) AS sha256, "
    "CAST({{'team': outcome.team, 'pool': outcome.pool, 'model': COALESCE(outcome.model, tag_model), 'purpose': COALESCE(outcome.purpose, tag_purpose)}} AS JSON) AS went "
    "FROM (SELECT *, {rules} AS outcome FROM ledger.charges WHERE {where}) AS c "
    "ORDER BY ChargePeriodStart, billing_period, delivery_id, file_no, record_no, part_no"
)
SPREAD_BY_THE_BILL = (
    "SELECT 1 FROM ledger.charges WHERE {where} AND ChargeCategory = 'Usage' AND BilledCost = 0 AND EffectiveCost <> 0 "
    "AND (CommitmentDiscountId IN ($commitment, $resource) OR ResourceId = $resource) LIMIT 1"
)
HOURS_BY_THE_BILL = (
    "SELECT 1 FROM ledger.charges WHERE {where} AND ChargeCategory = 'Usage' AND x_purchase_model = $purchase_model "
    "AND lower(x_machine) = $machine AND ChargePeriodStart >= $start AND ChargePeriodStart < $end LIMIT 1"
)
DRAWN = "ChargeCategory = 'Credit' AND EffectiveCost < 0 AND $drawn_by IN (ChargeDescription, SkuId, ResourceId, CommitmentDiscountId, ServiceName) AND ChargePeriodStart >= $start AND ChargePeriodStart < $end"

Charge = dict[str, Any]
Key = tuple[str, int, int, int]


@dataclass(frozen=True)
class Schedule:
    """A row with what was found on the bills: its purchases and what was drawn; or why it moves nothing."""

    row: Row
    provider: str
    target: Mapping[str, str]
    purchases: list[Charge]
    drawn: list[Charge]
    reason: str | None = None

    @property
    def amount(self) -> Decimal | None:
        """Return what was paid, where that is known."""
        known = [charge["amount"] for charge in self.purchases]
        return sum(known, Decimal(0)) if known and None not in known else None

    def stored(self) -> tuple[Any, ...]:
        """Return the row of the ledger's table."""
        row = self.row
        about = (row["id"], row.card, row["kind"], self.provider, row["billing_account"], row["currency"])
        return (*about, row["start"], row["end"], self.amount, self.reason)


def find(ledger: Ledger, rows: Sequence[Row], names: Known, rules: CompiledRules) -> list[Schedule]:
    """Find the purchases of the schedules; one that an earlier row has is not another's, too."""
    found: list[Schedule] = []
    taken: dict[Key, str] = {}
    for row in rows:
        schedule = _found(ledger, row, names, rules, taken)
        if schedule.reason is None:
            taken |= dict.fromkeys(map(_key, schedule.purchases), row["id"])
        found.append(schedule)
    return found


def _key(charge: Charge) -> Key:
    return charge["delivery_id"], charge["file_no"], charge["record_no"], charge["part_no"]


def _found(ledger: Ledger, row: Row, names: Known, rules: CompiledRules, taken: Mapping[Key, str]) -> Schedule:
    provider = names.provider(row)
    target = {name: row[name] or "" for name in ("pool", "model", "purpose")} | {"team": names.team(row) or ""}
    about = {"account": row["billing_account"], "currency": row["currency"], "provider": provider}
    matched = [name for name in MATCHED if row[name]]
    where = " AND ".join([OF_ACCOUNT, "ChargeCategory = 'Purchase'", *(SAME[name] for name in matched)])
    purchases = _charges(ledger, where, about | {name: row[name] for name in matched}, rules)
    reason = next(_unfit(row, purchases, taken), None) or _by_the_bill(ledger, row, purchases, about)
    if reason:
        return Schedule(row, provider, target, purchases, [], reason)
    drawn: list[Charge] = []
    if row["drawn_by"]:
        values = about | {"drawn_by": row["drawn_by"], "start": row["start"], "end": row["end"]}
        drawn = _up_to(_charges(ledger, f"{OF_ACCOUNT} AND {DRAWN}", values, rules), purchases[0]["amount"])
    return Schedule(row, provider, target, purchases, drawn)


def _charges(ledger: Ledger, where: str, values: Mapping[str, Any], rules: CompiledRules) -> list[Charge]:
    text = CHARGE.format(rules=rules.expression, where=where)
    found = ledger.run(text, {**values, **rules.parameters}).dicts()
    return [charge | {"went": json.loads(charge["went"])} for charge in found]


def _unfit(row: Row, purchases: Sequence[Charge], taken: Mapping[Key, str]) -> Iterator[str]:
    """Yield why these purchases are none that the schedule can move, the first reason first."""
    if not purchases:
        yield "no purchase on the bills fits it yet"
    amounts = [charge["amount"] for charge in purchases]
    if None in amounts:
        yield "what its purchase costs is not known"
        return
    if not any(amounts):
        yield "its purchase has no effective cost: the bill spreads it itself"
    if others := [taken[key] for key in map(_key, purchases) if key in taken]:
        yield f"its purchase is of the schedule {shown(others[0])} already"
    if len(purchases) > 1 and (row["drawn_by"] or not row["amount"]):
        more = "say more of the one" if row["drawn_by"] else "say more of the one, or their sum as its amount"
        yield f"{len(purchases)} purchases fit it, together {_plain(sum(amounts))}: {more}"
    if row["amount"] and sum(amounts) != row["amount"]:
        yield f"its purchase costs {_plain(sum(amounts))}, not its amount"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _by_the_bill(ledger: Ledger, row: Row, purchases: Sequence[Charge], about: Mapping[str, Any]) -> str | None:
    """Say what of the schedule the bill has itself, so that it would count twice."""
    for charge in purchases:
        values = {**about, "commitment": charge["CommitmentDiscountId"], "resource": charge["ResourceId"]}
        if ledger.run(SPREAD_BY_THE_BILL.format(where=OF_ACCOUNT), values).rows:
            return "the bill has amortised charges of its purchase"
    values = {**about, "machine": row["machine"], "purchase_model": PURCHASE_MODELS.get(row["kind"])}
    values |= {"start": row["start"], "end": row["end"]}
    if row["machine"] and ledger.run(HOURS_BY_THE_BILL.format(where=OF_ACCOUNT), values).rows:
        return "the bill counts the hours of its machines itself: leave machine and machines empty"
    return None


def _up_to(found: Sequence[Charge], amount: Decimal) -> list[Charge]:
    """Return the credits as what was drawn by them, until the amount is used up."""
    left, drawn = amount, list[Charge]()
    for credit in found:
        part = min(-credit["amount"], left)
        left -= part
        drawn += [credit | {"amount": part}] if part else []
    return drawn
