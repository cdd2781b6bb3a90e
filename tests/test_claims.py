"""Claims about chips: listed with their source, measured by one's own bill where it can, and never a price."""

import csv
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "owned-chips"
CLAIMS = """\
subject,baseline,ratio,metric,source,date
maia200,h100,1.30,performance per dollar,a slide,2026-02-03
h100,maia200,0.5,performance per dollar,another slide,2026-02
maia200,tpu-8i,1.1,performance per dollar,a third,2026
"""


@pytest.fixture(scope="module")
def compared(places):
    """Return a function: the report of February in the example, with claims of our own."""
    place = places()
    shutil.copytree(EXAMPLE, place.home, dirs_exist_ok=True)
    text = (place.home / "costctl.yaml").read_text().replace("cards: [", "cards: [claims.csv, ")
    place.write("costctl.yaml", text)
    place.write("claims.csv", CLAIMS)
    listed = {"cost": "0", "ListCost": "5", "day": "2026-02-03"}
    place.bill("bills/listed.csv", [listed | {"ResourceId": "maia-lease"}])
    assert place.costctl("ingest").returncode == 0
    return lambda *words: list(
        csv.DictReader(
            place.costctl("report", "claims", "--period", "2026-02", "--format", "csv", *words).stdout.splitlines()
        )
    )


def of(rows, card):
    return [row for row in rows if row["card"] == card]


@pytest.mark.slow
def test_a_claim_against_a_named_chip_is_measured_on_it(compared):
    """By hand: 9,600.512 buy 28 x 360 million weighted tokens on H100, 250,000 buy 28 x 4,500 million on Maia."""
    (row,) = of(compared(), "claims.csv:2")
    h100, maia = Decimal("9600.512") / 10_080, Decimal(250_000) / 126_000
    assert (row["subject"], row["against"], row["model"], row["ratio_claimed"]) == (
        "maia200",
        "h100",
        "atlas-70b",
        "1.3",
    )
    assert (row["cost_per_weighted_mtok"], row["cost_per_mtok_against"]) == ("1.984126", "0.952431")
    assert abs(Decimal(row["ratio_measured"]) - h100 / maia) < Decimal("0.000002")


@pytest.mark.slow
def test_the_other_way_round_it_is_the_inverse(compared):
    (row,) = of(compared(), "claims.csv:3")
    assert row["ratio_measured"] == "2.083222"  # 1.984126 / 0.952431, cut


def test_a_baseline_that_is_no_chip_stands_against_every_other_that_serves_the_model(compared):
    (row,) = of(compared(), "rates/claims.csv:2")
    assert row["baseline"].startswith("latest hardware")
    assert (row["subject"], row["against"], row["ratio_claimed"]) == ("maia200", "h100", "1.3")


@pytest.mark.slow
def test_what_cannot_be_measured_is_listed_all_the_same(compared):
    (third,) = of(compared(), "claims.csv:4")
    assert (third["ratio_measured"], third["against"], third["baseline"]) == ("", "", "tpu-8i")
    (peak,) = [row for row in compared() if row["metric"] == "peak FP4"]
    assert (peak["ratio_claimed"], peak["ratio_measured"]) == ("3", "")


def test_unknown_cost_measures_nothing(compared):
    """What stands beside the chips of both has a list cost; the chips have none."""
    assert {row["ratio_measured"] for row in compared("--cost", "list")} == {""}
