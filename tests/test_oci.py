"""Oracle Cloud: the real cost report ties out by month, service and compartment; generated months come to what was generated."""

import csv
import gzip
import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import few
from generators import oci
from test_deliveries import rebuilt

from costctl import pipeline
from costctl.bills.deliveries import Wanted
from costctl.errors import InputRefused

pytestmark = pytest.mark.usefixtures("unposted")

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


def stored(place):
    """Return rows and billed cost per source, month, service and compartment, as the ledger has them."""
    asked = (
        "SELECT source, strftime(billing_period, '%Y-%m'), ServiceName, SubAccountName, count(*), sum(BilledCost), "
        "sum(EffectiveCost) FROM ledger.charges GROUP BY ALL"
    )
    found = {}
    for source, *key, rows, billed, effective in place.ask(asked):
        assert billed == effective
        found.setdefault(source, {})[tuple(key)] = [rows, billed]
    return found


@pytest.mark.slow
def test_generated_months_of_reports_come_to_what_was_generated(place):
    months = {f"oci-{seed}": oci.month(seed) for seed in range(20)}
    assert sum(made.corrections for made in months.values()) > 50
    assert max(len(made.totals) for made in months.values()) > 10
    for source, made in months.items():
        oci.write(made, place.home / source)
    pipeline.take_in(place.run, [Wanted(place.home / source, source) for source in months])
    assert stored(place) == {source: dict(made.totals) for source, made in months.items()}
    corrected = dict(place.ask("SELECT source, count(ChargeClass) FROM ledger.charges GROUP BY 1"))
    assert corrected == {source: made.corrections for source, made in months.items()}
    assert place.broken() == []
    asked = "SELECT source, sum(BilledCost) FROM ledger.postings GROUP BY 1"
    assert dict(place.ask(asked)) == {
        source: sum(cost for _, cost in made.totals.values()) for source, made in months.items()
    }


@pytest.mark.slow
def test_a_day_s_new_files_are_added_whatever_the_order_and_twice_is_once(places):
    made, fingerprints = oci.month(7), set()
    assert any("-00002" in name for name in made.files)
    for seed in range(2):
        place, dice = places(), random.Random(seed)
        paths = oci.write(made, place.home)
        dice.shuffle(paths)
        for path in [*paths[: len(paths) // 2], *paths[:2]]:  # one after the other, two of them again
            place.ingest(path)
        place.ingest(place.home / "reports")  # then the folder, old files and new
        assert {outcome.status for outcome in place.ingest(place.home / "reports")} == {"nothing to do"}
        assert stored(place) == {"oci_cost": dict(made.totals)}
        fingerprints.add(place.fingerprint())
    assert len(fingerprints) == 1


@pytest.mark.parametrize("packed_first", few([True, False]))
def test_a_file_that_comes_packed_and_unpacked_counts_once(place, packed_first):
    paths = oci.write(oci.month(7), place.home)
    packed = next(path for path in paths if path.suffix == ".gz")
    plain = place.home / "unpacked" / packed.stem
    plain.parent.mkdir()
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    first, second = (packed, plain) if packed_first else (plain, packed)
    place.ingest(first)
    before = stored(place)
    with pytest.raises(InputRefused, match="holds too"):
        place.ingest(second)
    assert stored(place) == before


@pytest.mark.slow
def test_the_files_of_a_folder_replace_what_was_there_and_not_each_other(place):
    made = oci.month(7)
    paths = oci.write(made, place.home)
    wrong = place.home / "wrong.csv"
    with gzip.open(paths[0], "rt", encoding="utf-8") as file:
        header, *lines = file
    wrong.write_text("".join([header, *(line.replace("2026-08-0", "2026-08-1") for line in lines)]), "utf-8")
    place.ingest(wrong)
    place.ingest("reports", decision="replace")
    assert stored(place) == {"oci_cost": dict(made.totals)}
    assert {outcome.status for outcome in place.ingest("reports")} == {"nothing to do"}
    (again,) = place.ingest(wrong)  # as cron would, each day
    assert again.status == "replaced before, skipped"
    assert stored(place) == {"oci_cost": dict(made.totals)}
    rebuilt(place)
    assert place.broken() == []
