"""Months that several deliveries make together: datasets of one truth, appended files, versions inside the data, named exclusions."""

from itertools import permutations

import pytest
from conftest import few

from costctl import bills, formats, pipeline
from costctl.errors import InputRefused, StorageFault

pytestmark = pytest.mark.usefixtures("unposted")

YAML = """
title: Two datasets, for tests
readers: [csv]
deliveries: DELIVERIES
datasets: [{name: actual, paths: [actual]}, {name: amortised, paths: [amortised, amortized]}]
across: true
detect: {all: [Day, Cost, Kind, Made]}
columns:
  Day: {type: instant, required: true, filled: true}
  Cost: {type: money, required: true, filled: true}
  Kind: {}
  Made: {}
"""

# Actual supplies what is billed, amortised what covered usage costs; each leaves out what the other holds.
SELECT = """
WITH typed AS (SELECT *, date_trunc('month', instant(Day)) AS month FROM records),

months AS (
    SELECT *, bool_or(dataset = 'actual') OVER w AS has_actual, bool_or(dataset = 'amortised') OVER w AS has_amortised
    FROM typed
    WINDOW w AS (PARTITION BY month)
)

SELECT
    CASE dataset WHEN 'actual' THEN money(Cost) ELSE CAST(0 AS DECIMAL(38, 18)) END AS BilledCost,
    CASE WHEN Kind = 'purchase' AND has_amortised THEN CAST(0 AS DECIMAL(38, 18)) WHEN Kind = 'covered' AND NOT has_amortised THEN NULL ELSE money(Cost) END AS EffectiveCost,
    CAST(NULL AS DECIMAL(38, 18)) AS ListCost, CAST(NULL AS DECIMAL(38, 18)) AS ContractedCost, 'USD' AS BillingCurrency,
    month AS BillingPeriodStart, month + INTERVAL 1 MONTH AS BillingPeriodEnd,
    instant(Day) AS ChargePeriodStart, instant(Day) + INTERVAL 1 DAY AS ChargePeriodEnd,
    CASE Kind WHEN 'purchase' THEN 'Purchase' ELSE 'Usage' END AS ChargeCategory, Kind AS ServiceName,
    CASE
        WHEN dataset = 'actual' AND Kind = 'covered' AND has_amortised THEN 'amortised holds it'
        WHEN dataset = 'amortised' AND Kind <> 'covered' AND has_actual THEN 'actual holds it'
    END AS x_excluded,
    Made AS x_version, CAST(NULL AS VARCHAR) AS Tags, file_no, record_no, 1 AS part_no
FROM months
"""

ACTUAL = "2026-10-01,100,purchase\n2026-10-01,0,covered\n2026-10-02,7,plain\n"
AMORTISED = "2026-10-01,60,covered\n2026-10-02,7,plain\n"
PLAIN = "2026-10-03,5,plain\n"
TRUTH = [("actual", "plain", 7, 7), ("actual", "purchase", 100, 0), ("amortised", "covered", 0, 60)]
CHARGES = "SELECT d.dataset, ServiceName, BilledCost, EffectiveCost FROM ledger.charges JOIN ledger.deliveries AS d USING (delivery_id) ORDER BY ALL"


@pytest.fixture
def several(places, tmp_path, monkeypatch):
    """Make places in which the format `several` is known, delivered in the given way."""

    def made(deliveries="files", sql=SELECT, extra=""):
        home = tmp_path / f"formats-{deliveries}" / "several"
        home.mkdir(parents=True, exist_ok=True)
        (home / "bill.yaml").write_text(YAML.replace("DELIVERIES", deliveries) + extra)
        (home / "to_focus.sql").write_text(sql)
        known = formats.load(home.parent, "bill")
        monkeypatch.setattr(pipeline, "known", lambda _: bills.known() | known)
        return places()

    return made


def put(place, name, rows, made="2026-11-01", delivery=None):
    lines = "".join(f"{row},{made}\n" for row in rows.splitlines())
    place.write(name, "Day,Cost,Kind,Made\n" + lines)
    return place.ingest(delivery or name)


def sums(place):
    return place.ask(
        "SELECT strftime(billing_period, '%Y-%m'), sum(BilledCost), sum(EffectiveCost) FROM ledger.charges GROUP BY 1 ORDER BY 1"
    )


@pytest.mark.parametrize("order", few(permutations(["actual.csv", "amortised.csv"])))
def test_two_datasets_of_a_month_are_one_truth_in_any_order(several, order):
    place = several()
    for name in order:
        put(place, name, ACTUAL if name == "actual.csv" else AMORTISED)
    assert place.ask(CHARGES) == TRUTH
    assert place.broken() == []


def test_each_record_is_a_charge_or_named(several):
    place = several()
    put(place, "amortised.csv", AMORTISED)
    assert place.ask("SELECT records, kept, excluded FROM ledger.delivery_files") == [(2, 2, 0)]
    put(place, "actual.csv", ACTUAL)
    assert place.ask("SELECT records, kept, excluded FROM ledger.delivery_files ORDER BY 1") == [(2, 1, 1), (3, 2, 1)]
    assert place.ask("SELECT rule, records FROM ledger.exclusions ORDER BY 1") == [
        ("actual holds it", 1),
        ("amortised holds it", 1),
    ]
    assert place.broken() == []


def test_what_covered_usage_costs_is_unknown_until_the_amortised_dataset_comes(several):
    place = several()
    put(place, "actual.csv", ACTUAL)
    assert place.ask("SELECT EffectiveCost FROM ledger.charges WHERE ServiceName = 'covered'") == [(None,)]


@pytest.mark.slow
def test_a_month_that_only_one_dataset_has_is_left_alone(several):
    place = several()
    put(place, "actual.csv", ACTUAL + "2026-09-30,3,plain\n")
    put(place, "amortised.csv", AMORTISED)
    assert sums(place) == [("2026-09", 3, 3), ("2026-10", 107, 67)]
    assert place.broken() == []


@pytest.mark.slow
def test_a_quarantined_record_stays_out_when_the_month_is_derived_again(several):
    place = several()
    place.write("actual.csv", "Day,Cost,Kind,Made\n2026-10-01,bad,plain,m\n2026-10-01,4,plain,m\n")
    place.ingest("actual.csv", quarantine_rows=1)
    put(place, "amortised.csv", AMORTISED)
    assert sums(place) == [("2026-10", 4, 64)]
    assert place.ask("SELECT sum(records), sum(kept), sum(quarantined), sum(excluded) FROM ledger.delivery_files") == [
        (4, 2, 1, 1)
    ]
    assert place.broken() == []


def test_which_dataset_it_is_must_be_said_where_nothing_tells(several):
    place = several()
    with pytest.raises(InputRefused) as caught:
        put(place, "bill.csv", ACTUAL)
    assert "could be any dataset of several: actual or amortised" in str(caught.value)
    assert "--dataset actual|amortised" in caught.value.remedy


class TestAppended:
    """Every file counts once and supersedes nothing."""

    @pytest.mark.parametrize("order", few(permutations(["amortised-1.csv", "actual-1.csv", "actual-2.csv"])))
    def test_any_order_of_arrival_is_one_state(self, several, order):
        place = several("append")
        rows = {"actual-1.csv": ACTUAL, "actual-2.csv": PLAIN, "amortised-1.csv": AMORTISED}
        for name in order:
            put(place, name, rows[name])
        assert sums(place) == [("2026-10", 112, 72)]
        assert place.broken() == []

    @pytest.mark.slow
    def test_a_folder_that_gains_a_file_loads_that_file(self, several):
        place = several("append")
        put(place, "in/actual-1.csv", ACTUAL, delivery="in")
        again = put(place, "in/actual-2.csv", PLAIN, delivery="in")
        assert [item.status for item in again] == ["nothing to do", "loaded"]
        assert sums(place) == [("2026-10", 112, 112)]


class TestInvoiceMonth:
    """The files of a folder are one delivery; the data tell which folder is the newest."""

    def runs(self, several):
        place = several("invoice_month")
        return place, {
            "actual/run-1": (PLAIN, "2026-10-05"),
            "actual/run-2": (PLAIN + "2026-10-04,6,plain\n", "2026-10-06"),
            "actual/run-3": (PLAIN + "2026-10-04,8,plain\n", "2026-11-02"),
        }

    @pytest.mark.parametrize("order", few(permutations((2, 0, 1))))
    def test_the_newest_counts_in_any_order_of_arrival(self, several, order):
        place, runs = self.runs(several)
        for number in order:
            name = sorted(runs)[number]
            put(place, f"{name}/part.csv", *runs[name], delivery=name)
        assert sums(place) == [("2026-10", 13, 13)]
        assert place.broken() == []

    def test_all_folders_at_once(self, several):
        place, runs = self.runs(several)
        for name, (rows, made) in runs.items():
            lines = "".join(f"{row},{made}\n" for row in rows.splitlines())
            place.write(f"{name}/part.csv", "Day,Cost,Kind,Made\n" + lines)
        outcomes = place.ingest(place.home / "actual", form="several")
        assert [item.status for item in outcomes] == ["loaded"] * 3
        assert sums(place) == [("2026-10", 13, 13)]

    @pytest.mark.slow
    def test_revisions_are_a_history_that_sums_to_the_last_state(self, several):
        place, runs = self.runs(several)
        for name, (rows, made) in runs.items():
            put(place, f"{name}/part.csv", rows, made, delivery=name)
        history = place.ask(
            "SELECT p.version, sum(t.BilledCost) FROM ledger.delivery_totals AS t JOIN ledger.delivery_periods AS p "
            "ON p.delivery_id = t.delivery_id AND p.period = t.billing_period GROUP BY 1 ORDER BY 1"
        )
        assert history == [("sent 2026-10-05", 5), ("sent 2026-10-06", 11), ("sent 2026-11-02", 13)]

    @pytest.mark.slow
    def test_two_of_one_moment_are_refused(self, several):
        place, _ = self.runs(several)
        put(place, "actual/run-1/part.csv", PLAIN, delivery="actual/run-1")
        with pytest.raises(InputRefused) as caught:
            put(place, "actual/run-2/part.csv", ACTUAL, delivery="actual/run-2")
        assert "nothing in the files tells which is newer" in caught.value.evidence


EXCLUDING = (
    "exclusions: [{name: a total line, when: \"Kind = 'total'\"}, {name: a heading, when: \"Kind = 'heading'\"}]\n"
)


@pytest.mark.parametrize("suffix", few(["", "2026-10-09,bad,plain\n"]))
def test_a_named_rule_leaves_records_out_on_either_path(several, suffix):
    place = several(extra=EXCLUDING)
    rows = PLAIN + "2026-10-03,5,total\n2026-10-03,9,heading\n2026-10-03,5,total\n" + suffix
    place.write("actual.csv", "Day,Cost,Kind,Made\n" + "".join(f"{row},m\n" for row in rows.splitlines()))
    place.ingest("actual.csv", quarantine_rows=1)
    assert sums(place) == [("2026-10", 5, 5)]
    assert place.ask("SELECT rule, records FROM ledger.exclusions ORDER BY 1") == [
        ("a heading", 1),
        ("a total line", 2),
    ]
    assert place.broken() == []


@pytest.mark.slow
def test_what_a_month_is_derived_from_is_kept_whatever_the_archive(several):
    """An export writes its file over, or its old run is removed: the other dataset's month is derived all the same."""
    place = several()
    place.write("costctl.yaml", "version: 1\narchive: none\n")
    put(place, "actual.csv", ACTUAL)
    (place.home / "actual.csv").unlink()
    put(place, "amortised.csv", AMORTISED)
    assert place.broken() == []


@pytest.mark.parametrize("changed", few([True, False]))
def test_a_month_is_not_derived_from_a_source_that_is_gone_or_changed(several, changed):
    place = several()
    put(place, "actual.csv", ACTUAL)
    (kept,) = (place.home / "costctl.duckdb.files").iterdir()
    kept.chmod(0o600)
    if changed:
        kept.write_text(kept.read_text().replace(",7,", ",8,"))
    else:
        kept.unlink()
        (place.home / "actual.csv").unlink()
    before = place.fingerprint()
    with pytest.raises(StorageFault) as caught:
        put(place, "amortised.csv", AMORTISED)
    assert ("has changed since" if changed else "is gone") in str(caught.value)
    assert place.fingerprint() == before
