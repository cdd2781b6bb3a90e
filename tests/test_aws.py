"""AWS: months from a seed in every shape of the report, and their totals to the last digit; exports and reports in any order of arrival."""

import csv
import gzip
import io
import json
import shutil
import zipfile
from collections import defaultdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import permutations
from pathlib import Path

import pytest
from conftest import THOROUGH, few, few_rows, without_postings
from generators import aws

from costctl import bills, formats
from costctl.errors import InputRefused
from costctl.nouns import shifted

pytestmark = pytest.mark.usefixtures("unposted")

STYLES = {  # source: how its five months are written
    "legacy": ("legacy", False, "csv"),
    "legacy-net": ("legacy", True, "csv"),
    "athena": ("athena", True, "parquet"),
    "cur2": ("cur2", True, "csv"),
    "cur2-parquet": ("cur2", False, "parquet"),
}


def months(source):
    """Return a month of a source, four where it is to be thorough; those of another source are other bills."""
    number = list(STYLES).index(source)
    return [
        aws.month(10 * number + turn, shifted(date(2026, 1, 1), turn), net=STYLES[source][1])
        for turn in range(4 if THOROUGH > 1 else 1)
    ]


MONTHS = {source: months(source) for source in STYLES}


@pytest.fixture(scope="module")
def generated(places):
    """A ledger with generated months: one of each source, or four."""
    place = places()
    for source, (style, _, kind) in STYLES.items():
        for month in MONTHS[source]:
            path = place.home / source / f"{month.start:%Y-%m}.{kind}"
            path.parent.mkdir(exist_ok=True)
            if kind == "parquet":
                month.write_parquet(path, style)
            else:
                path.write_text(month.text(style), encoding="utf-8")
        with without_postings():
            place.ingest(source, source=source)
    return place


@pytest.mark.parametrize("source", few(STYLES))
def test_generated_months_come_to_their_own_totals(source, generated):
    """Per month, service and account: records, each of the four costs, and how many charges have none of it."""
    costs = dict(zip(aws.COSTS, ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"], strict=True))
    sums = ", ".join(f"coalesce(sum({cost}), 0), count(*) - count({cost})" for cost in costs.values())
    found = generated.ask(
        f"SELECT billing_period, ServiceName, SubAccountId, count(DISTINCT (file_no, record_no)), {sums} FROM ledger.charges WHERE source = '{source}' GROUP BY ALL"
    )
    wanted = {
        (month.start, *key): (
            total.records,
            *(value for cost in costs for value in (total.sums[cost], total.unknown[cost])),
        )
        for month in MONTHS[source]
        for key, total in month.totals.items()
    }
    assert {row[:3]: row[3:] for row in found} == wanted


def test_every_generated_record_is_kept_or_left_out_by_name(generated):
    query = (
        "SELECT d.source, sum(f.records), sum(f.kept), sum(f.quarantined), (SELECT sum(e.records) FROM ledger.exclusions AS e "
        "JOIN ledger.deliveries AS x USING (delivery_id) WHERE x.source = d.source AND e.rule = 'split cost allocation') "
        "FROM ledger.delivery_files AS f JOIN ledger.deliveries AS d USING (delivery_id) GROUP BY 1"
    )
    wanted = {
        source: (
            sum(len(month.lines) for month in MONTHS[source]),
            sum(total.records for month in MONTHS[source] for total in month.totals.values()),
            0,
            sum(month.excluded for month in MONTHS[source]),
        )
        for source in STYLES
    }
    assert {row[0]: row[1:] for row in generated.ask(query)} == wanted


@pytest.mark.slow
def test_the_tags_of_generated_months_reach_their_column(generated):
    wanted = {
        (source, team): sum(month.teams[team] for month in MONTHS[source])
        for source in STYLES
        for team in {team for month in MONTHS[source] for team in month.teams}
    }
    query = "SELECT source, tag_team, sum(EffectiveCost) FROM ledger.charges GROUP BY ALL"
    assert {row[:2]: row[2] for row in generated.ask(query)} == wanted
    assert generated.broken() == []


SAMPLES = Path(__file__).parent / "samples"


def read(path):
    """Return the records of a sample's file, whatever it is packed in."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    if path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def by_hand(folder):
    """Add a folder's files up without costctl, per month, service and account: records, billed, effective, list, no list."""
    sums = defaultdict(lambda: [0, Decimal(0), Decimal(0), Decimal(0), 0])
    for path in [path for path in folder.rglob("*.csv*") if path.is_file()]:
        for row in read(path):
            row = {name.replace("/", "_").replace("_", "").lower(): text for name, text in row.items()}  # noqa: PLW2901
            service = row.get("productproductname") or row.get("productservicecode") or row["lineitemproductcode"]
            found = sums[row["billbillingperiodstartdate"][:7], service, row["lineitemusageaccountid"]]
            cost, kind = amount(row["lineitemunblendedcost"]), row["lineitemlineitemtype"]
            assert kind in ("Usage", "Tax", "SavingsPlanCoveredUsage")
            public = amount(row.get("pricingpublicondemandcost", "")) if kind != "Tax" else cost
            covered = kind == "SavingsPlanCoveredUsage"
            found[0] += 1
            found[1] += cost
            found[2] += amount(row["savingsplansavingsplaneffectivecost"]) if covered else cost
            if public is None or (public == 0 and cost != 0):
                found[4] += 1
            else:
                found[3] += public
    return {key: tuple(values) for key, values in sums.items()}


def amount(text):
    """Return an amount to 18 decimals, half away from zero, as the ledger keeps it."""
    return Decimal(text).quantize(Decimal("1e-18"), ROUND_HALF_UP) if text else None


@pytest.mark.parametrize(
    ("folder", "records"),
    few_rows(
        [("aws-cur-legacy", 769), ("aws-cur-legacy-zip-mock", 3), ("aws-cur2-mock", 4), ("nise-aws-cur", 19_176)], 1
    ),
)
def test_a_sample_comes_to_what_its_files_add_up_to(folder, records, place):
    place.ingest(SAMPLES / folder)
    found = place.ask(
        "SELECT strftime(billing_period, '%Y-%m'), ServiceName, SubAccountId, count(*), sum(BilledCost), sum(EffectiveCost), "
        "coalesce(sum(ListCost), 0), count(*) - count(ListCost) FROM ledger.charges GROUP BY ALL"
    )
    assert {row[:3]: row[3:] for row in found} == by_hand(SAMPLES / folder)
    assert sum(row[3] for row in found) == records


def test_the_query_on_the_page_asks_for_every_column_that_is_read_and_no_other():
    page = (Path(__file__).parents[1] / "costctl/bills/aws_cur/README.md").read_text("utf-8")
    asked = page.partition("SELECT ")[2].partition(" FROM COST_AND_USAGE_REPORT")[0].split(", ")
    legacy_only = {"product/ProductName", "product/region", "splitLineItem/ParentResourceId"}
    read = {column.headers[0] for column in bills.known()["aws_cur"].columns if column.header not in legacy_only}
    assert {formats.fold(name) for name in asked} == read


HEADER = "line_item_line_item_type,line_item_unblended_cost,line_item_currency_code,bill_billing_period_start_date,line_item_usage_start_date,line_item_usage_end_date,bill_payer_account_id,bill_invoice_id\n"
ARN = "arn:aws:bcm-data-exports:us-east-1:012345678901:export/cur2-0f0f"


def lines(*costs, month="2026-10", until=9):
    """Return a small report in the words of CUR 2.0: an hour of usage per cost."""
    rows = (
        f"Usage,{cost},USD,{month}-01T00:00:00.000Z,{month}-{until:02}T00:00:00.000Z,{month}-{until:02}T01:00:00.000Z,012345678901,"
        for cost in costs
    )
    return HEADER + "".join(row + "\n" for row in rows)


def export(
    place, *chunks, made=None, month="2026-10", key="BILLING_PERIOD", home="out/cur2", listed=None, arn=ARN, top=True
):
    """Write a run of a data export: with `made` it is a new version beside the others, without it overwrites. Return its folder."""
    execution = f"{made or 0:0>8}-0000-4000-8000-000000000000"
    run = f"2026-11-{made:02}T23:48:02.356Z-{execution}/" if made else ""
    keys = [f"data/{key}={month}/{run}cur2-{number:05}.csv.gz" for number in range(1, len(chunks) + 1)]
    for name, text in zip(keys, chunks, strict=True):
        path = place.home / home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    manifest = {"executionId": execution, "exportArn": arn, "columns": [], "additionalOutputFiles": []}
    manifest["dataFiles"] = [f"s3://bills/prefix/cur2/{name}" for name in listed or keys]
    for folder in {run, "" if top else run}:
        place.write(f"{home}/metadata/{key}={month}/{folder}cur2-Manifest.json", json.dumps(manifest))
    return home


def billed(place):
    query = "SELECT source, strftime(billing_period, '%Y-%m'), sum(BilledCost) FROM ledger.charges GROUP BY ALL"
    return {(source, period): cost for source, period, cost in place.ask(query)}


class TestDataExports:
    def test_data_and_manifest_lie_in_sibling_folders(self, place):
        export(place, lines(1, 2), lines(4))
        export(place, lines(8, month="2026-09"), month="2026-09")
        outcomes = place.ingest("out")
        assert [(outcome.periods, outcome.files) for outcome in outcomes] == [(("2026-09",), 1), (("2026-10",), 2)]
        assert billed(place) == {("aws_cur", "2026-09"): 8, ("aws_cur", "2026-10"): 7}
        assert place.ask("SELECT scope FROM ledger.deliveries") == [("cur2-0f0f:012345678901",)] * 2

    @pytest.mark.parametrize(
        "folder", few(["out", "out/cur2/metadata/billing_period=2026-10", "out/cur2/metadata", "out/cur2"])
    )
    def test_it_is_found_from_any_folder_above_and_whatever_the_case_of_its_key(self, folder, place):
        export(place, lines(1, 2), key="billing_period", made=3)
        place.ingest(folder)
        assert billed(place) == {("aws_cur", "2026-10"): 3}

    def test_the_stale_run_left_beside_the_current_one_is_not_added(self, place):
        export(place, lines(1, 2), lines(3), made=3)
        export(place, lines(1, 2, 4), made=4)
        place.ingest("out")
        assert billed(place) == {("aws_cur", "2026-10"): 7}

    @pytest.mark.slow
    def test_the_newest_run_is_the_current_one_though_the_manifest_above_is_an_older_one(self, place):
        """The manifest of the partition was fetched before the last run came."""
        export(place, lines(1, 2), made=3)
        export(place, lines(1, 2, 4), made=4, top=False)
        place.ingest("out")
        assert billed(place) == {("aws_cur", "2026-10"): 7}

    def test_a_chunk_that_an_overwritten_export_left_behind_is_not_added_and_is_named(self, place):
        export(place, lines(1, 2), lines(3))
        export(place, lines(1, 2, 4))
        (outcome,) = place.ingest("out")
        assert billed(place) == {("aws_cur", "2026-10"): 7}
        assert outcome.notes[0].startswith("left out, for no manifest lists it: ")
        assert outcome.notes[0].endswith("/out/cur2/data/BILLING_PERIOD=2026-10/cur2-00002.csv.gz")

    def test_a_run_that_is_not_there_is_not_made_up_from_the_files_of_another(self, place):
        """The export overwrote before it created new versions; the folder of the version that the manifest lists was not fetched."""
        export(place, lines(1, 2))
        export(place, lines(1, 2, 4), made=4)
        for path in (place.home / "out/cur2/data").glob("*/2026*/*"):
            path.unlink()
        with pytest.raises(InputRefused, match="lists a file that is not there"):
            place.ingest("out")

    @pytest.mark.slow
    @pytest.mark.parametrize("order", few(permutations((5, 3, 4))))
    def test_runs_arrive_in_any_order_and_the_last_one_made_counts(self, order, places):
        """The last one has less usage and no invoice: only its time tells that it is the last."""
        prints = set()
        for turn in (order, (5,)):
            place = places()
            for made in turn:
                export(place, lines(*range(1, 9 - made), until=12 - made), made=made, home=f"{made}/cur2")
                place.ingest(f"{made}")
            assert billed(place) == {("aws_cur", "2026-10"): 6}
            assert place.broken() == []
            prints.add(place.fingerprint())
        assert len(prints) == 1

    @pytest.mark.slow
    @pytest.mark.parametrize("order", few(permutations((5, 3, 4))))
    def test_a_run_may_go_back_to_the_numbers_of_an_older_one(self, order, place):
        for made in order:
            export(place, lines(1, 2, 4) if made == 4 else lines(1, 2), made=made, home=f"{made}/cur2")
            place.ingest(f"{made}")
        assert billed(place) == {("aws_cur", "2026-10"): 3}
        assert place.broken() == []

    @pytest.mark.slow
    def test_three_revisions_leave_a_history_whose_differences_add_up_to_the_last_state(self, place):
        for made, costs in [(3, (1, 2)), (4, (1, 2, 4)), (5, (1, 2, 3.5))]:
            export(place, lines(*costs), made=made)
            place.ingest("out")
        history = place.ask(
            "SELECT p.version, p.live, t.SubAccountId, t.ServiceName, t.charges, t.BilledCost, "
            "t.BilledCost - coalesce(lag(t.BilledCost) OVER (PARTITION BY t.billing_period, t.SubAccountId, t.ServiceName ORDER BY p.version), 0) "
            "FROM ledger.delivery_totals AS t JOIN ledger.delivery_periods AS p USING (delivery_id) ORDER BY 1"
        )
        times = [f"sent 2026-11-0{made}T23:48:02.356000000" for made in (3, 4, 5)]
        assert [row[:2] for row in history] == list(zip(times, (False, False, True), strict=True))
        assert [row[4:] for row in history] == [(2, 3, 3), (3, 7, 4), (3, Decimal("6.5"), Decimal("-0.5"))]
        assert place.ask("SELECT sum(BilledCost) FROM ledger.charges") == [(sum(row[6] for row in history),)]

    @pytest.mark.slow
    def test_runs_without_a_manifest_are_refused(self, place):
        export(place, lines(1, 2), made=3)
        export(place, lines(1, 2, 4), made=4)
        with pytest.raises(InputRefused, match="holds 2 runs of one billing period") as refusal:
            place.ingest("out/cur2/data")
        assert refusal.value.evidence[0].startswith("2026-11-03T")
        place.ingest(
            "out/cur2/data/BILLING_PERIOD=2026-10/2026-11-04T23:48:02.356Z-00000004-0000-4000-8000-000000000000"
        )
        assert billed(place) == {("aws_cur", "2026-10"): 7}

    @pytest.mark.slow
    def test_two_exports_of_one_account_in_one_folder_are_refused(self, place):
        export(place, lines(1, 2))
        export(place, lines(3), home="out/other", arn=ARN.replace("cur2-0f0f", "other-1a1a"))
        with pytest.raises(InputRefused, match="a second report of account 012345678901 for 2026-10"):
            place.ingest("out")
        place.ingest("out/cur2", "out/other")  # the user says that they share the cost out between them
        assert billed(place) == {("aws_cur", "2026-10"): 6}


def report(place, *costs, assembly, until=9, kept=True, folder="out/20261001-20261101"):
    """Write a legacy report: its manifest in the period's folder, its file in the assembly's, or beside it where it overwrites."""
    base = f"{folder}/{assembly}" if kept else folder
    place.write(f"{base}/daily-1.csv", lines(*costs, until=until))
    manifest = {
        "assemblyId": assembly,
        "account": "012345678901",
        "reportName": "daily",
        "billingPeriod": {"start": "20261001T000000.000Z", "end": "20261101T000000.000Z"},
        "reportKeys": [f"/cur/daily/{Path(base).relative_to('out')}/daily-1.csv"],
    }
    for home in {base, folder}:
        place.write(f"{home}/daily-Manifest.json", json.dumps(manifest))


class TestReports:
    def test_the_manifest_of_the_period_names_the_current_assembly(self, place):
        report(place, 1, 2, assembly="0a0a-later-by-name")
        report(place, 1, 2, 4, assembly="0000-first-by-name")
        place.ingest("out")
        assert billed(place) == {("aws_cur", "2026-10"): 7}

    @pytest.mark.slow
    def test_assemblies_named_by_their_time_are_in_order_without_it(self, place):
        for until, costs in [(3, (1, 2)), (4, (1, 2, 4))]:
            report(place, *costs, assembly=f"202611{until:02}T041500Z")
        (place.home / "out/20261001-20261101/daily-Manifest.json").unlink()
        place.ingest("out")
        assert billed(place) == {("aws_cur", "2026-10"): 7}

    @pytest.mark.slow
    def test_the_end_of_the_period_s_folder_is_excluded(self, place):
        report(place, 1, assembly="a")
        (outcome,) = place.ingest("out")
        assert outcome.periods == ("2026-10",)

    def test_an_assembly_that_is_not_there_is_not_made_up_from_an_overwritten_file(self, place):
        """The report overwrote at first; then it created versions, and the newest of them was not fetched."""
        report(place, 1, 2, assembly="old", kept=False)
        report(place, 1, 2, 4, assembly="new")
        shutil.rmtree(place.home / "out/20261001-20261101/new")
        with pytest.raises(InputRefused, match="lists a file that is not there"):
            place.ingest("out")

    @pytest.mark.slow
    @pytest.mark.parametrize("order", few(permutations((2, 0, 1))))
    def test_overwriting_deliveries_arrive_in_any_order(self, order, places):
        """Nothing but what they hold tells their order: an open month grows, and is final when it is invoiced."""
        prints = set()
        for turn in (order, (2,)):
            place = places()
            for number in turn:
                report(place, *range(1, 3 + number), assembly=f"{number}", until=3 + number, kept=False)
                place.ingest("out")
            assert billed(place) == {("aws_cur", "2026-10"): 10}
            prints.add(place.fingerprint())
        assert len(prints) == 1

    @pytest.mark.slow
    def test_the_chunks_of_a_report_may_have_other_columns(self, place):
        """Another order, a tag that came in between, the net column in one of them: each file is read by its own header."""
        report(place, 1, 2, assembly="a")
        header, *rest = (place.home / "out/20261001-20261101/a/daily-1.csv").read_text().splitlines()
        wider = "\n".join([",".join(reversed(f"{header},resource_tags_user_team,line_item_net_unblended_cost".split(",")))] +
            [",".join(reversed(f"{line},search,0.5".split(","))) for line in rest])  # fmt: skip
        place.write("out/20261001-20261101/a/daily-2.csv", wider + "\n")
        manifest = place.home / "out/20261001-20261101/daily-Manifest.json"
        values = json.loads(manifest.read_text())
        values["reportKeys"] += [values["reportKeys"][0].replace("daily-1", "daily-2")]
        manifest.write_text(json.dumps(values))
        place.ingest("out")
        found = place.ask(
            "SELECT file_no, tag_team, sum(BilledCost), sum(ListCost) FROM ledger.charges GROUP BY ALL ORDER BY 1"
        )
        assert found == [(1, None, 3, None), (2, "search", 1, None)]


@pytest.mark.slow
def test_a_focus_export_comes_with_a_manifest_too(place):
    sample = Path(bills.__file__).parent / "focus/sample-aws-1.2.csv"
    export(place, sample.read_text("utf-8"), made=3, key="billing_period", home="out/focus")
    export(place, sample.read_text("utf-8").replace("97.31", "98.31"), made=4, key="billing_period", home="out/focus")
    (outcome,) = place.ingest("out")
    assert (outcome.format, outcome.records, outcome.periods) == ("focus", 9, ("2026-10",))
    assert place.ask("SELECT sum(BilledCost) FROM ledger.charges WHERE ChargeCategory = 'Tax'") == [(Decimal("98.31"),)]
