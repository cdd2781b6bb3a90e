"""Azure bills that nobody here wrote: rows and costs per period, service and account equal a computation in Decimal, in any order.

Where the files come from and what is odd about them is in samples/README.md.
"""

import csv
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import few

from costctl.errors import InputRefused

SAMPLES = Path(__file__).parent / "samples"
EA = SAMPLES / "azure-ea" / "azure-ea_part.csv"
VARIANTS = SAMPLES / "azure-header-variants"
NISE = SAMPLES / "nise-azure"
KEPT = Decimal("1e-18")


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def stored(place):
    """Return rows, billed, effective and known list cost per period, service and account, and the unknown list costs."""
    query = (
        "SELECT billing_period, ServiceName, SubAccountId, count(*), sum(BilledCost), sum(EffectiveCost), "
        "COALESCE(sum(ListCost), 0), count(*) - count(ListCost) FROM ledger.charges GROUP BY ALL"
    )
    return {tuple(map(str, row[:3])): row[3:] for row in place.ask(query)}


def computed(found, price):
    """Add up the rows of files without costctl; the list cost is price times quantity, unknown where the price is 0 and the cost is not."""
    sums = defaultdict(lambda: [0, Decimal(0), Decimal(0), Decimal(0), 0])
    for row in found:
        month = row["BillingPeriodStartDate"]
        period = f"{month[:7]}-01" if "-" in month else "{2}-{0:0>2}-{1:0>2}".format(*month.split("/"))
        cost = Decimal(row["CostInBillingCurrency"]).quantize(KEPT, "ROUND_HALF_UP")
        listed = Decimal(row[price]) * Decimal(row["Quantity"])
        known = Decimal(row[price]) != 0 or cost == 0
        one = sums[period, row["MeterCategory"], row.get("SubscriptionId") or row["SubscriptionGuid"]]
        one[0] += 1
        one[1] += cost
        one[2] += cost
        one[3] += listed if known else 0
        one[4] += not known
    return {key: tuple(values) for key, values in sums.items()}


def test_the_enterprise_sample_to_the_last_digit(place):
    (outcome,) = place.ingest(EA, dataset="actual")
    assert (outcome.format, outcome.records, outcome.periods) == ("azure_cost", 18, ("2023-09",))
    assert stored(place) == computed(rows(EA), "PayGPrice")
    assert place.ask("SELECT sum(BilledCost), any_value(BillingCurrency) FROM ledger.charges") == [
        (Decimal("0.21409795455626"), "CAD")
    ]
    assert place.ask("SELECT DISTINCT Tags FROM ledger.charges") == [
        ('{"tagA":"valueA","tagB":"valueB","tagC":"valueC"}',)  # the file leaves the braces out
    ]
    assert place.ask("SELECT DISTINCT BillingPeriodEnd, ChargePeriodStart, ChargePeriodEnd FROM ledger.charges") == [
        (datetime(2023, 10, 1), datetime(2023, 9, 2), datetime(2023, 9, 3))  # noqa: DTZ001  UTC without zone, as stored
    ]
    assert place.broken() == []


@pytest.mark.slow
def test_the_generated_exports_by_month_in_any_order(places):
    """Two months by the word in their folder's name, a third file by --dataset, each under a source of its own header."""
    files = sorted(NISE.rglob("*.csv"))
    prints = set()
    for turn in (1, -1):
        place = places()
        for folder in ("v2", "resource-group")[::turn]:
            place.ingest(NISE / folder, source=folder, dataset="actual" if folder == "resource-group" else None)
        found = [row for file in files for row in rows(file)]
        assert len(found) == 24 + 16 + 24
        assert {key: value[:3] for key, value in stored(place).items()} == {
            key: value[:3] for key, value in computed(found, "UnitPrice").items()
        }
        assert place.ask("SELECT count(ListCost) FILTER (WHERE BilledCost <> 0) FROM ledger.charges") == [(0,)]
        assert place.broken() == []
        prints.add(place.fingerprint())
    assert len(prints) == 1


@pytest.mark.slow
def test_pay_as_you_go(place):
    place.ingest(VARIANTS / "PayAsYouGo.csv", dataset="actual")
    asked = "SELECT BilledCost, EffectiveCost, ListCost, ConsumedQuantity, ConsumedUnit, RegionId, billing_period FROM ledger.charges"
    assert [tuple(map(str, row)) for row in place.ask(asked)] == [
        (
            "0.075000000000000000",
            "0.075000000000000000",
            "None",
            "3.000000000000000000",
            "Hours",
            "eastus",
            "2021-02-01",
        )
    ]


@pytest.mark.slow
def test_a_reserved_machine_of_an_enterprise(place, tmp_path):
    """The sample lacks its last line end, and is refused for it; what its covered usage costs, an actual file does not say."""
    with pytest.raises(InputRefused, match="ends in the middle of a line"):
        place.ingest(VARIANTS / "Enterprise.csv", dataset="actual")
    whole = tmp_path / "Enterprise.csv"
    whole.write_bytes((VARIANTS / "Enterprise.csv").read_bytes() + b"\n")
    place.ingest(whole, dataset="actual")
    asked = "SELECT BilledCost, EffectiveCost, CommitmentDiscountStatus, x_machine, ConsumedUnit, billing_period FROM ledger.charges"
    assert [tuple(map(str, row)) for row in place.ask(asked)] == [
        ("0E-18", "None", "Used", "Standard_E4s_v3", "Hours", "2021-05-01")
    ]


@pytest.mark.slow
def test_a_row_without_cost_and_currency_is_refused_with_its_line(place):
    with pytest.raises(InputRefused, match=r"BOM\.csv:2") as refusal:
        place.ingest(VARIANTS / "BOM.csv", dataset="actual")
    said = " ".join(refusal.value.evidence)
    assert "Cost is empty" in said
    assert "Currency is empty" in said


@pytest.mark.parametrize("name", few(["MissingBrackets.csv", "VirtualMachine.csv"]))
def test_tags_and_details_with_and_without_braces(name, place, tmp_path):
    """These two have no currency: refused for it, and never guessed; with one they load."""
    with pytest.raises(InputRefused, match="lacks the column BillingCurrencyCode"):
        place.ingest(VARIANTS / name, dataset="actual")
    header, *lines = (VARIANTS / name).read_text("utf-8").splitlines()
    mended = tmp_path / name
    mended.write_text("\n".join([f"Currency,{header}", *(f"USD,{line}" for line in lines)]) + "\n", encoding="utf-8")
    place.ingest(mended, dataset="actual")
    asked = "SELECT BilledCost, ListCost, x_machine, Tags FROM ledger.charges"
    assert place.ask(asked) == [
        (
            4,
            5,
            "Standard_DS2_v2",
            '{"aksEngineVersion":"aks-release-v0.47.0-1-aks","creationSource":"aks-aks-nodepool1-12345678-vmss","resourceNameSuffix":"12345678"}',
        )
    ]
