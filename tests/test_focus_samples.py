"""FOCUS bills that nobody here wrote, per billing month, service and account: rows, the four costs and what is unknown of them."""

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

SAMPLE = Path(__file__).parent / "samples" / "focus-1.0" / "focus_sample_part.csv"
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
NOTHING = ("", "NULL")


def by_hand(path):
    """Sum each cost per key from the texts of a file, and count its rows and its unknown costs, without costctl."""
    found = defaultdict(lambda: [0, *([Decimal(0), 0] * len(COSTS))])
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            key = [
                row["BillingPeriodStart"][:7],
                row["ProviderName"],
                row["ServiceName"],
                row["BillingAccountId"],
                row["SubAccountId"],
            ]
            sums = found[tuple(None if value in NOTHING else value for value in key)]
            sums[0] += 1
            for place, cost in enumerate(COSTS):
                unknown = row[cost] in NOTHING
                sums[1 + 2 * place] += Decimal(0) if unknown else Decimal(row[cost])
                sums[2 + 2 * place] += unknown
    return {key: tuple(values) for key, values in found.items()}


def test_the_sample_has_the_same_costs_per_month_service_and_account(place):
    place.ingest(SAMPLE)
    sums = ", ".join(f"COALESCE(sum({cost}), 0), count(*) - count({cost})" for cost in COSTS)
    asked = (
        "SELECT strftime(billing_period, '%Y-%m'), ProviderName, ServiceName, BillingAccountId, SubAccountId, count(*), "
        f"{sums} FROM ledger.charges GROUP BY ALL"
    )
    found = {tuple(row[:5]): tuple(row[5:]) for row in place.ask(asked)}
    assert found == by_hand(SAMPLE)
    assert len(found) > 50
    assert {provider for _, provider, *_ in found} == {"AWS", "Microsoft", "Oracle"}
    assert place.broken() == []
