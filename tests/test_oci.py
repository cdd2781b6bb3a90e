"""Oracle Cloud: the real cost report ties out by month, service and compartment; generated months come to what was generated."""

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

REPORT = Path(__file__).parent / "samples" / "oci-cost-report" / "reports_cost-csv_part.csv"


def expected(path):
    """Return rows and myCost per month, service and compartment, computed from the file without costctl."""
    found = defaultdict(lambda: [0, Decimal(0)])
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = row["lineItem/intervalUsageStart"][:7], row["product/service"], row["product/compartmentName"]
            found[key][0] += 1
            found[key][1] += Decimal(row["cost/myCost"])
    return {key: tuple(values) for key, values in found.items()}


def test_the_real_report_ties_out_per_month_service_and_compartment(place):
    place.ingest(REPORT)
    asked = (
        "SELECT strftime(billing_period, '%Y-%m'), ServiceName, SubAccountName, count(*), sum({cost}), count({cost}) "
        "FROM ledger.charges GROUP BY ALL"
    )
    known = expected(REPORT)
    assert (sum(rows for rows, _ in known.values()), sum(cost for _, cost in known.values())) == (
        304,
        Decimal("1.58589838945115526"),
    )
    for cost in ("BilledCost", "EffectiveCost"):
        found = {tuple(key): (rows, total) for *key, rows, total, _ in place.ask(asked.format(cost=cost))}
        assert found == known
    for cost in ("ListCost", "ContractedCost"):  # the report has no list price: unknown, and not 0
        assert {row[-1] for row in place.ask(asked.format(cost=cost))} == {0}
    assert place.broken() == []


def test_a_backreference_alone_corrects_nothing(place):
    place.ingest(REPORT)
    with REPORT.open(encoding="utf-8", newline="") as file:
        assert [row for row in csv.DictReader(file) if row["lineItem/backreferenceNo"]]
    assert place.ask("SELECT DISTINCT ChargeClass FROM ledger.charges") == [(None,)]
