"""From billed to effective cost: each charge is in one part, and the parts of a provider sum to both, worked by hand."""

import csv
import io
from decimal import Decimal

import pytest

# A commitment of 3650 paid up front: three days cost 10 each day, of which 4 stay unused on the last; and everything else a bill has.
BILL = """
    BilledCost  EffectiveCost  ListCost  ContractedCost  ProviderName  ChargeCategory  ChargeClass  CommitmentDiscountId  CommitmentDiscountCategory  CommitmentDiscountStatus  ChargeFrequency
    3650        0              3650      3650            AWS           Purchase        -            sp-1                  Spend                       -                         One-Time
    0           10             15        10              AWS           Usage           -            sp-1                  Spend                       Used                      Usage-Based
    15          10             15        15              AWS           Usage           -            sp-1                  Spend                       Used                      Usage-Based
    -15         0              0         0               AWS           Usage           -            sp-1                  Spend                       -                         Usage-Based
    0           4              0         0               AWS           Usage           -            sp-1                  Spend                       Unused                    Usage-Based
    100.25      100.25         110       100.25          AWS           Usage           -            -                     -                           -                         Usage-Based
    30          30             30        30              AWS           Purchase        -            -                     -                           -                         Recurring
    -7          -7             -7        -7              AWS           Credit          -            -                     -                           -                         One-Time
    -2          -1             -2        -2              AWS           Usage           Correction   -                     -                           -                         Usage-Based
    19          19             19        19              AWS           Tax             -            -                     -                           -                         Usage-Based
    0.01        0.01           0         0               AWS           Adjustment      -            -                     -                           -                         Usage-Based
    0           -              1         1               AWS           Adjustment      Correction   -                     -                           -                         Usage-Based
    0           2.5            2.5       2.5             Acme AI       Usage           -            -                     -                           -                         Usage-Based
    500         0              500       500             Acme AI       Purchase        -            -                     -                           -                         One-Time
"""
WORKED = """
    acme ai  prepaid purchases               500     -500     0
    acme ai  usage drawn from a prepayment   0       2.5      2.5
    aws      usage                           100.25  0        100.25
    aws      purchases of the month          30      0        30
    aws      prepaid purchases               3650    -3650    0
    aws      usage covered by commitments    15      5        20
    aws      negation of covered usage       -15     15       0
    aws      unused commitments              0       4        4
    aws      credits                         -7      0        -7
    aws      refunds and corrections         -2      1        -1
    aws      tax                             19      0        19
    aws      adjustments                     0.01    0        0.01
"""


@pytest.fixture
def bridged(place, monkeypatch):
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv")
    monkeypatch.chdir(place.home)
    return place


def test_the_bridge_worked_by_hand(bridged, command):
    said = command("report", "billed-to-effective", "--format", "csv")
    assert said.code == 0
    found = [
        " ".join((row["provider"], row["part"], row["billed"], row["difference"], row["effective"]))
        for row in csv.DictReader(io.StringIO(said.out))
    ]
    assert sorted(found) == sorted(" ".join(line.split()) for line in WORKED.strip().splitlines())


def test_each_row_and_the_whole_bridge_from_billed_to_effective(bridged, command):
    rows = list(csv.DictReader(io.StringIO(command("report", "billed-to-effective", "--format", "csv").out)))
    sums = {name: sum(Decimal(row[name]) for row in rows) for name in ("billed", "difference", "effective")}
    assert all(Decimal(row["billed"]) + Decimal(row["difference"]) == Decimal(row["effective"]) for row in rows)
    assert sums["billed"] + sums["difference"] == sums["effective"]
    assert [sums["billed"], sums["effective"]] == list(
        bridged.ask("SELECT sum(BilledCost), sum(EffectiveCost) FROM ledger.charges")[0]
    )
    assert sum(int(row["charges"]) for row in rows) == 14
    unknown = {row["part"]: row["unknown_costs"] for row in rows if row["unknown_costs"] != "0"}
    assert unknown == {
        "refunds and corrections": "1"
    }  # an effective cost that the bill does not state is counted, not 0


@pytest.mark.slow
def test_a_terminal_shows_a_subtotal_per_provider_and_the_total(bridged, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = [
        line.split()
        for line in command("report", "billed-to-effective", "--format", "table", "--cents").out.splitlines()
    ]
    assert ["aws", "subtotal", "3,790.26", "-3,625.00", "165.26"] in lines
    assert ["TOTAL", "4,290.26", "-4,122.50", "167.76"] in lines
