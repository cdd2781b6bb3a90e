"""What deliveries of bills add up to: written down as they were read, and refused where no amount can hold it."""

from __future__ import annotations

from datetime import date

from costctl.errors import InputRefused
from costctl.ledger.intake import Intake
from costctl.ledger.store import Ledger

MOST = 9e19  # DECIMAL(38,18) holds less than 1e20
LARGE = 1e12  # for one delivery: ten million of these are still less than what a sum holds
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")


def write(ledger: Ledger, source: str, scope: str, period: date) -> None:
    """Write down what each delivery of a billing period adds up to; those that were superseded keep what they had."""
    values = {"source": source, "scope": scope, "period": period}
    sums = ", ".join(f"COALESCE(sum({cost}), CAST(0 AS DECIMAL(38,18)))" for cost in COSTS)
    ledger.run(
        "DELETE FROM ledger.delivery_totals WHERE billing_period = $period AND delivery_id IN (SELECT delivery_id FROM ledger.deliveries AS d "
        "JOIN ledger.delivery_periods AS p USING (delivery_id) WHERE d.source = $source AND d.scope = $scope AND p.live AND p.period = $period)",
        values,
    )
    ledger.run(
        f"INSERT INTO ledger.delivery_totals SELECT delivery_id, billing_period, BillingCurrency, SubAccountId, ServiceName, count(*), {sums} "
        "FROM ledger.charges WHERE source = $source AND scope = $scope AND billing_period = $period GROUP BY ALL",
        values,
    )


def refuse_overflow(ledger: Ledger, intake: Intake) -> None:
    """Refuse what makes all bills together more than an amount can hold, in whatever order they are added up: every report would fail.

    Only a delivery that is large itself is worth a look at the others.
    """
    sums = "SELECT " + ", ".join(f"sum(abs(CAST({cost} AS DOUBLE)))" for cost in COSTS) + " FROM ledger.charges"
    (own,) = ledger.run(f"{sums} WHERE delivery_id = $id", {"id": intake.identity}).rows
    if max((total or 0 for total in own), default=0) < LARGE:
        return
    (found,) = ledger.run(sums).rows
    for cost, total in zip(COSTS, found, strict=True):
        if total is not None and total >= MOST:
            raise InputRefused(
                ", ".join(file.name for file in intake.delivery.files),
                f"adds up with the bills of the ledger to more than an amount can hold (20 digits before the point): {cost}",
                remedy="Look for a cost that is not one, such as a number without its decimal point.",
            )
