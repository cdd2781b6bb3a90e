"""Azure: actual and amortised cost of a month as one truth, runs of exports in any order, and what the export's columns mean."""

import csv
import gzip
import json
import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from conftest import THOROUGH, few
from generators import azure

from costctl import bills, formats
from costctl.errors import InputRefused
from costctl.nouns import shifted

pytestmark = pytest.mark.usefixtures("unposted")

ACCOUNT = "/providers/Microsoft.Billing/billingAccounts/12345678"
MONTHS = [azure.month(seed, shifted(date(2025, 1, 1), seed), days=10) for seed in range(20)]
LOADED = MONTHS if THOROUGH > 1 else MONTHS[:3]


def run(place, month, dataset, day, *, until=31, parts=1, pack=False, types=None, export=None):
    """Write one run of an export as Azure delivers it, with its manifest; return its folder's name."""
    export = export or f"daily-{dataset}"
    number = f"{day:02}{'a' if dataset == 'actual' else 'b'}"
    last = f"{month.end.replace(day=1):%Y%m%d}"
    folder = (
        f"{export}/{month.start:%Y%m%d}-{int(last) - 1}/2026{day:04}0405/{number * 2}00-0000-0000-0000-000000000000"
    )
    header, *lines = month.text(dataset, until=until).splitlines(keepends=True)
    blobs = []
    for part in range(parts):
        content = "".join([header, *lines[part::parts]]).encode()
        name = f"part_{part}_0001.csv{'.gz' if pack else ''}"
        path = place.home / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content, mtime=0) if pack else content)
        blobs.append({"blobName": f"bills/{folder}/{name}", "byteCount": path.stat().st_size})
    kind = types or {"actual": "ActualCost", "amortised": "AmortizedCost"}[dataset]
    manifest = {
        "exportConfig": {
            "exportName": export,
            "resourceId": f"{ACCOUNT}/providers/Microsoft.CostManagement/exports/{export}",
            "type": kind,
            "timeFrame": "MonthToDate",
        },
        "deliveryConfig": {"partitionData": True, "dataOverwriteBehavior": "CreateNewReport"},
        "runInfo": {
            "submittedTime": f"{month.end:%Y-%m}-{day:02}T04:05:06.1032{'074' if day % 2 else ''}Z",
            "runId": f"{dataset}-{month.start}-{day}",
            "startDate": f"{month.start}T00:00:00",
            "endDate": f"{month.start}T00:00:00",
        },
        "blobs": blobs,
    }
    (place.home / folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def sums(place):
    """Return per month what the ledger holds: rows, billed, effective, and how many effective costs are unknown."""
    query = (
        "SELECT billing_period, count(*), sum(BilledCost), sum(EffectiveCost), count(*) - count(EffectiveCost) "
        "FROM ledger.charges GROUP BY ALL ORDER BY 1"
    )
    return {row[0]: row[1:] for row in place.ask(query)}


def wanted(months, name):
    return {
        month.start: (total.rows, total.billed, total.effective, total.effective_unknown)
        for month in months
        for total in [month.totals[name]]
    }


def test_a_generated_month_is_the_same_each_time_and_its_billed_cost_is_the_invoice():
    assert azure.month(7).text("actual") == azure.month(7).text("actual")
    for month in MONTHS:
        assert month.totals["both"].billed == month.invoice
    # the two files disagree here and there: amortised rows with actual purchases would miss the invoice by this much
    assert sum(month.recipe - month.invoice for month in MONTHS) == Decimal("0.000019")


@pytest.mark.slow
@pytest.mark.parametrize("order", few([("amortised", "actual"), ("both",)]))
def test_generated_months_equal_their_totals_whatever_came_first(order, place):
    """EA, customer agreement and converged headers, loose files of both datasets: difference exactly 0."""
    for month in LOADED:
        for dataset in ("actual", "amortised"):
            path = place.write(f"both/{dataset}/{month.start:%Y-%m}.csv", "")
            path.write_text(month.text(dataset), encoding="utf-8", newline="")
    for folder in order:
        place.ingest("both" if folder == "both" else f"both/{folder}")
    assert sums(place) == wanted(LOADED, "both")
    assert place.broken() == []


@pytest.mark.slow
def test_months_do_not_mix(place):
    """One file with the amortised cost of two months, the actual cost of one of them: the other month stays whole."""
    for dataset, months in (("amortised", MONTHS[:2]), ("actual", MONTHS[1:2])):
        for month in months:
            path = place.write(f"{dataset}/{month.start:%Y-%m}.csv", "")
            path.write_text(month.text(dataset), encoding="utf-8", newline="")
        place.ingest(dataset)
    assert sums(place) == wanted(MONTHS[:1], "amortised") | wanted(MONTHS[1:2], "both")


@pytest.mark.slow
def test_runs_give_the_same_ledger_in_any_order(places):
    """Two datasets of two months, an older and a newer run of each, packed and in parts or not."""
    prints = set()
    for seed in (1, 2):
        place, dice = places(), random.Random(seed)
        runs = [
            run(place, month, dataset, day, until=until, parts=1 + number, pack=number == 1)
            for number, month in enumerate(MONTHS[:2])
            for dataset in ("actual", "amortised")
            for day, until in ((1, 5), (4, 31))
        ]
        dice.shuffle(runs)
        place.ingest(*runs[:3])
        place.ingest(*runs[3:])
        assert sums(place) == wanted(MONTHS[:2], "both")
        prints.add(place.fingerprint())
    assert len(prints) == 1


class TestOneMonth:
    """One month, its two files one after the other."""

    MONTH = azure.month(3, days=6)

    @pytest.mark.slow
    @pytest.mark.parametrize("order", few([("amortised", "actual"), ("actual", "amortised")]))
    def test_each_file_alone_then_both(self, place, order):
        for dataset, so_far in zip(order, (order[0], "both"), strict=True):
            place.ingest(run(place, self.MONTH, dataset, 4))
            assert sums(place) == wanted([self.MONTH], so_far)
        left_out = "SELECT rule, sum(records) FROM ledger.exclusions GROUP BY ALL ORDER BY 1"
        assert place.ask(left_out) == [("actual holds it", 30 - 5 + 3), ("amortised holds it", 12)] or place.ask(
            left_out
        )
        assert place.broken() == []
        again = place.ingest(*[run(place, self.MONTH, dataset, 4) for dataset in order])
        assert [outcome.status for outcome in again] == ["nothing to do"] * 2

    def test_the_records_of_both_files_are_accounted_for(self, place):
        place.ingest(*[run(place, self.MONTH, dataset, 4) for dataset in ("actual", "amortised")])
        counts = place.ask(
            "SELECT d.dataset, f.records, f.kept, f.excluded FROM ledger.delivery_files AS f JOIN ledger.deliveries AS d USING (delivery_id) ORDER BY 1"
        )
        rows = {dataset: len(self.MONTH.rows[dataset]) for dataset in ("actual", "amortised")}
        covered = 2 * 6  # a reservation and a savings plan, six days
        assert counts == [
            ("actual", rows["actual"], rows["actual"] - covered, covered),
            ("amortised", rows["amortised"], 2 * covered, rows["amortised"] - 2 * covered),
        ]

    def test_days_that_the_amortised_file_does_not_have_yet_are_unknown_not_zero(self, place):
        month = azure.month(3, days=6)
        tax = next(row for row in month.rows["amortised"] if row["type"] == "Tax")
        tax["on"] = month.start  # delivered early, though it is dated on the last day: it says nothing about usage
        place.ingest(run(place, month, "actual", 5), run(place, month, "amortised", 4, until=3))
        unknown = "SELECT DISTINCT day(ChargePeriodStart) FROM ledger.charges WHERE EffectiveCost IS NULL ORDER BY 1"
        assert place.ask(unknown) == [(4,), (5,), (6,)]
        assert place.ask("SELECT sum(BilledCost) FROM ledger.charges") == [(self.MONTH.invoice,)]

    @pytest.mark.slow
    @pytest.mark.parametrize("order", few([("amortised", "actual"), ("actual", "amortised")]))
    def test_a_record_set_aside_stays_aside_when_the_other_file_comes(self, order, place):
        month = azure.month(3, days=6)
        tax = next(row for row in month.rows["actual"] if row["type"] == "Tax")
        cost, tax["cost"] = Decimal(tax["cost"]), "1,5"
        for dataset in order:
            place.ingest(run(place, month, dataset, 4), quarantine_rows=1)
        rows, billed, effective, unknown = wanted([month], "both")[month.start]
        assert sums(place) == {month.start: (rows - 1, billed - cost, effective - cost, unknown)}
        assert place.ask("SELECT column_name, value FROM ledger.quarantine") == [("Cost", "1,5")]
        assert place.broken() == []

    @pytest.mark.slow
    def test_chips_and_their_unused_hours_are_there_once(self, place):
        place.ingest(*[run(place, self.MONTH, dataset, 4) for dataset in ("actual", "amortised")])
        hours = (
            "SELECT CommitmentDiscountStatus, sum(ConsumedQuantity), any_value(ConsumedUnit) FROM ledger.charges "
            "WHERE x_machine = 'Standard_ND96isr_H100_v5' AND x_purchase_model = 'reserved' GROUP BY 1 ORDER BY 1"
        )
        assert place.ask(hours) == [("Unused", 6 * 12, "1 Hour"), ("Used", 6 * 12, "1 Hour")]

    @pytest.mark.slow
    def test_three_revisions_leave_a_history_whose_changes_sum_to_the_last_state(self, place):
        for dataset, day, until in (("actual", 1, 2), ("amortised", 2, 31), ("actual", 3, 4), ("actual", 5, 31)):
            place.ingest(run(place, self.MONTH, dataset, day, until=until))
        before = place.fingerprint()
        done = place.costctl("rebuild")
        assert done.returncode == 0, done.stderr
        assert place.fingerprint() == before
        said = place.costctl("report", "revisions", "--period", "2026-10", "--format", "csv")
        changes = [row for row in csv.DictReader(said.stdout.splitlines()) if row["source"] == "azure_cost"]
        assert len({row["revision"] for row in changes}) == 3
        assert sum(Decimal(row["billed_change"]) for row in changes) == self.MONTH.invoice

    @pytest.mark.parametrize("order", few([(4, 2), (2, 4)]))
    @pytest.mark.parametrize("until", few([3, 31]))
    def test_the_run_that_was_made_last_counts_however_far_it_goes(self, place, until, order):
        """A revision may take days away, or change amounts and nothing else."""
        for day in order:
            folder = run(place, self.MONTH, "actual", day, until=31 if day == 2 else until)
            part = place.home / folder / "part_0_0001.csv"
            if day == 4:  # a record twice stands for other amounts
                part.write_text(part.read_text() + part.read_text().splitlines(keepends=True)[-1])
                manifest = json.loads((part.parent / "manifest.json").read_text())
                manifest["blobs"][0]["byteCount"] = part.stat().st_size
                (part.parent / "manifest.json").write_text(json.dumps(manifest))
            place.ingest(folder)
        assert place.ask("SELECT count(*) FROM ledger.charges WHERE part_no = 1") == [
            (len(self.MONTH.text("actual", until=until).splitlines()),)
        ]

    @pytest.mark.slow
    def test_gone_back_to_an_older_run_on_demand(self, place):
        first, second = (run(place, self.MONTH, "actual", day, until=until) for day, until in ((2, 3), (4, 31)))
        place.ingest(first)
        before = place.fingerprint()
        place.ingest(second)
        assert place.ingest(first)[0].status == "older, skipped"
        place.ingest(first, decision="replace")
        assert place.fingerprint() == before

    @pytest.mark.slow
    def test_the_provider_goes_back_to_older_numbers(self, place):
        """The same content, made again after what replaced it, counts again; what was made between them does not."""
        first, second = (run(place, self.MONTH, "actual", day, until=until) for day, until in ((2, 3), (4, 31)))
        place.ingest(first)
        older = sums(place)
        place.ingest(second)
        assert sums(place) != older
        place.ingest(run(place, self.MONTH, "actual", 9, until=3))
        assert sums(place) == older
        assert place.ingest(second)[0].status == "older, skipped"


class TestRuns:
    """Where the files of a run lie, and which runs count."""

    MONTH = azure.month(0, days=4)

    def test_of_several_runs_in_one_folder_the_newest_counts(self, place):
        for day, until in ((3, 2), (1, 1), (4, 31)):
            run(place, self.MONTH, "actual", day, until=until)
        (outcome,) = place.ingest("daily-actual")
        assert "2 older runs" in outcome.notes[0]
        assert sums(place) == wanted([self.MONTH], "actual")

    @pytest.mark.slow
    def test_a_daily_and_a_monthly_export_are_versions_of_one_month(self, place):
        place.ingest(run(place, self.MONTH, "actual", 4, until=2))
        place.ingest(run(place, self.MONTH, "actual", 9, export="monthly"))
        assert place.ingest(run(place, self.MONTH, "actual", 8, until=3))[0].status == "older, skipped"
        assert sums(place) == wanted([self.MONTH], "actual")

    @pytest.mark.slow
    def test_price_sheets_are_left_out(self, place):
        run(place, self.MONTH, "actual", 1)
        run(place, self.MONTH, "amortised", 2, types="PriceSheet", export="prices")
        (outcome,) = place.ingest(".")
        assert "PriceSheet export, not a bill" in outcome.notes[0]

    @pytest.mark.parametrize("damage", ["missing", "cut", "other size"])
    def test_a_run_is_all_or_nothing(self, place, damage):
        folder = place.home / run(place, self.MONTH, "actual", 1, parts=3)
        part = folder / "part_1_0001.csv"
        if damage == "missing":
            part.unlink()
        else:
            part.write_bytes(part.read_bytes() + b"x" if damage == "other size" else part.read_bytes()[:-40])
        with pytest.raises(
            InputRefused, match="lists a file that is not there" if damage == "missing" else "cut short or changed"
        ):
            place.ingest("daily-actual")
        assert sums(place) == {}

    def test_a_part_of_a_month_does_not_replace_the_month(self, place):
        folder = place.home / run(place, self.MONTH, "actual", 1)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["exportConfig"]["timeFrame"] = "OneTime"
        manifest["runInfo"] |= {
            "startDate": "2026-10-01T00:00:00",
            "endDate": "2026-10-10T00:00:00",
            "submittedTime": "2026-12-01T00:00:00Z",
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(InputRefused, match="covers a part of a month"):
            place.ingest("daily-actual")

    def test_old_exports_have_their_run_in_the_name(self, place):
        """Two runs of one export in one folder: the one whose usage goes further counts, in any order."""
        for guid, until in (("a" * 8, 31), ("b" * 8, 2)):
            name = f"old/daily-actual/20261001-20261031/costs_{guid}-0000-0000-0000-000000000000.csv"
            place.write(name, "").write_text(self.MONTH.text("actual", until=until), encoding="utf-8", newline="")
        place.ingest("old")
        assert sums(place) == wanted([self.MONTH], "actual")

    @pytest.mark.slow
    def test_old_exports_with_the_same_last_day_are_refused(self, place):
        for guid, more in (("a" * 8, ""), ("b" * 8, " ")):
            name = f"old/daily-actual/20261001-20261031/costs_{guid}-0000-0000-0000-000000000000.csv"
            text = self.MONTH.text("actual").replace("Support", "Support" + more)
            place.write(name, "").write_text(text, encoding="utf-8", newline="")
        with pytest.raises(InputRefused, match="is in the ledger already") as refusal:
            place.ingest("old")
        assert "nothing in the files tells which is newer" in refusal.value.evidence[0]
        assert sums(place) == wanted([self.MONTH], "actual")

    @pytest.mark.slow
    def test_old_exports_pair_by_their_names(self, place):
        for dataset in ("actual", "amortised"):
            name = f"old/daily-{dataset}/20261001-20261031/costs_{'a' * 8}-0000-0000-0000-000000000000.csv"
            place.write(name, "").write_text(self.MONTH.text(dataset), encoding="utf-8", newline="")
        place.ingest("old")
        assert sums(place) == wanted([self.MONTH], "both")

    def test_old_exports_that_do_not_pair_are_refused(self, place):
        for dataset, export in (("actual", "costs-actual"), ("amortised", "amortised-all")):
            name = f"old/{export}/20261001-20261031/x_{'a' * 8}-0000-0000-0000-000000000000.csv"
            place.write(name, "").write_text(self.MONTH.text(dataset), encoding="utf-8", newline="")
        with pytest.raises(InputRefused, match="amortised cost without the actual cost of the same scope"):
            place.ingest("old")

    def test_a_file_that_nothing_tells_actual_from_amortised(self, place):
        place.write("october.csv", "").write_text(self.MONTH.text("actual"), encoding="utf-8", newline="")
        with pytest.raises(InputRefused, match="could be any dataset of azure_cost: actual or amortised"):
            place.ingest("october.csv")

    @pytest.mark.slow
    def test_a_month_without_records_is_no_error(self, place):
        folder = run(place, self.MONTH, "actual", 1, until=0)
        (outcome,) = place.ingest(folder)
        assert (outcome.status, outcome.records, outcome.periods) == ("loaded", 0, ())


class TestDates:
    """Microsoft writes the month first; a file that does not is refused, and never half read."""

    def written(self, place, *days):
        month = azure.month(0, days=2)
        for row, day in zip(month.rows["actual"], days, strict=False):
            row["date"] = day
        path = place.write("actual.csv", "")
        path.write_text(month.text("actual"), encoding="utf-8", newline="")
        return len(month.rows["actual"])

    def test_one_day_in_first_place_spoils_the_whole_file(self, place):
        """Even where records may be set aside: the others would be read with day and month exchanged."""
        count = self.written(place, "10/3/2026", "13/10/2026", "2026-10-04")
        with pytest.raises(InputRefused, match=f"{count} records cannot be taken in") as refusal:
            place.ingest("actual.csv", quarantine_rows=count - 1)
        assert "but this file also has 13/10/2026" in refusal.value.evidence[0]

    @pytest.mark.parametrize(
        "day", few(["10/03/2026 00:00:00", "2026-10-03", "2026-10-03 00:00:00", "10/3/2026", "10/3/2026 12:00:00 AM"])
    )
    def test_forms_of_one_date(self, day, place):
        count = self.written(place, *[day] * 100)
        place.ingest("actual.csv")
        asked = "SELECT CAST(ChargePeriodStart AS VARCHAR), CAST(ChargePeriodEnd AS VARCHAR), count(*) FROM ledger.charges GROUP BY ALL"
        assert place.ask(asked) == [("2026-10-03 00:00:00", "2026-10-04 00:00:00", count)]


FOLDERS = Path(__file__).parents[1] / "costctl" / "bills"
PARQUET = {  # how exporters type the columns; what is not named stays text
    "doubles and times": {"money": "DOUBLE", "quantity": "DOUBLE", "us_date": "TIMESTAMP"},
    "decimals and days": {"money": "DECIMAL(38,18)", "quantity": "DECIMAL(38,18)", "us_date": "DATE"},
}


@pytest.mark.slow
@pytest.mark.parametrize("sample", few(["azure_cost/sample-ea-actual.csv", "azure_focus/sample-1.2.csv"]))
@pytest.mark.parametrize("types", few(PARQUET.values()), ids=PARQUET)
def test_parquet_gives_the_same_charges(types, sample, places):
    found = []
    for kind in ("csv", "parquet"):
        place, file = places(), FOLDERS / sample
        if kind == "parquet":
            file = place.home / "actual.parquet"
            written(FOLDERS / sample, file, types)
        place.ingest(file, source="azure")
        found.append(place.ask("SELECT * EXCLUDE (delivery_id) FROM ledger.charges ORDER BY record_no"))
    assert found[0] == found[1]


def written(sample, file, types):
    """Write a sample as Parquet, its gated columns in these types."""
    item = bills.known()[sample.parent.name]
    kinds = {header: column.type for column in item.columns for header in column.headers}
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS FROM read_csv('{sample}', all_varchar = true, header = true)")
        listed = []
        for (name,) in connection.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 't'").fetchall():
            kind = types.get(kinds.get(formats.fold(name), ""), "VARCHAR")
            text = (
                f'"{name}"'
                if "/" not in str(connection.execute(f'SELECT max("{name}") FROM t').fetchone())
                else f"strptime(\"{name}\", '%m/%d/%Y')"
            )
            listed.append(
                f'CAST({text if kind in ("DATE", "TIMESTAMP") else chr(34) + name + chr(34)} AS {kind}) AS "{name}"'
            )
        connection.execute(f"COPY (SELECT {', '.join(listed)} FROM t) TO '{file}' (FORMAT parquet)")


def test_the_focus_export_by_its_manifests(place):
    """A run that overwrites keeps its manifest in the range folder; the newer run of the month counts."""
    text = (FOLDERS / "azure_focus" / "sample-1.0.csv").read_text("utf-8")
    for day, lines in ((2, 4), (9, 99)):
        folder = "focus/20261001-20261031" if day == 9 else "focus/20261001-20261031/202610020405/4e1f"
        part = place.write(f"{folder}/part_0_0001.csv", "")
        part.write_text("".join(text.splitlines(keepends=True)[:lines]), encoding="utf-8", newline="")
        manifest = {
            "exportConfig": {
                "exportName": "focus",
                "resourceId": f"{ACCOUNT}/providers/Microsoft.CostManagement/exports/focus",
                "type": "FocusCost",
            },
            "deliveryConfig": {"dataOverwriteBehavior": "OverwritePreviousReport"},
            "runInfo": {
                "submittedTime": f"2026-10-{day:02}T04:05:06Z",
                "runId": f"r{day}",
                "startDate": "2026-10-01T00:00:00",
            },
            "blobs": [{"blobName": f"{folder}/part_0_0001.csv", "byteCount": part.stat().st_size}],
        }
        (place.home / folder / "manifest.json").write_text(json.dumps(manifest))
    (outcome,) = place.ingest("focus")
    assert (outcome.format, outcome.records, outcome.periods) == ("azure_focus", 9, ("2026-10",))
    billed, effective = (
        Decimal("31447.538615"),
        Decimal("1061.88") + 2 * Decimal("481.9354838709677") + Decimal("101.658615"),
    )
    assert sums(place) == {date(2026, 10, 1): (9, billed, effective, 0)}
    # purchases of commitments have no effective cost, whatever the file says; a list cost of 0 beside a cost is unknown
    asked = "SELECT count(*) FROM ledger.charges WHERE ChargeCategory = 'Purchase' AND CommitmentDiscountId IS NOT NULL AND EffectiveCost = 0"
    assert place.ask(asked) == [(2,)]
    assert place.ask("SELECT count(*) FROM ledger.charges WHERE ListCost IS NULL AND ContractedCost IS NULL") == [(2,)]
