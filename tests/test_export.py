"""Exports: a FOCUS 1.2 file of any period holds every charge to the last digit and reads back as itself; tables as they are."""

import csv
import hashlib
import io
import json
import os
import signal
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import few

from costctl import config, focus, periods, pipeline
from costctl.errors import StorageFault
from costctl.files import faulting
from costctl.focus import check
from costctl.focus import export as focus_export
from costctl.ledger import extract

pytestmark = pytest.mark.usefixtures("unposted")  # an export has them posted first

HERE = Path(__file__).parent
SAMPLE = HERE / "samples" / "focus-1.0" / "focus_sample_part.csv"
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
OURS = [
    *("x_team", "x_model", "x_purpose", "x_pool", "x_machine", "x_purchase_model", "x_model_raw", "x_token_class"),
    *("x_source", "x_delivery_id", "x_file", "x_file_no", "x_record_no", "x_part_no"),
]
# What a charge is, whatever file it came in; the four costs, the quantities and the tags to the last character.
CONTENT = (
    f"SELECT billing_period, {', '.join(COSTS)}, Tags, BillingCurrency, ChargePeriodStart, ChargePeriodEnd, ChargeCategory, ChargeClass, "
    "ChargeDescription, ServiceName, SkuId, SkuMeter, ResourceId, RegionId, SubAccountId, InvoiceId, PricingQuantity, PricingUnit, "
    "ConsumedQuantity, ConsumedUnit, ListUnitPrice, ContractedUnitPrice, CommitmentDiscountId, CommitmentDiscountStatus, "
    "x_model_raw, x_token_class FROM charges {} ORDER BY ALL"
)


def exported(run, period, path, *, kind=None, sources=()):
    """Export the FOCUS file of a period; return what FOCUS wants and the bills lack."""
    with pipeline.reading(run) as (ledger, _):
        made = focus_export.extract(ledger, pipeline.compiled(ledger, run.config), periods.parse(period), sources)
        extract.to_file(ledger, made, kind or path.suffix[1:], path)
        return focus_export.gaps(ledger, made)


def loaded(folder):
    return pipeline.Run(config.load(folder / config.NAME))


def read(path):
    return list(csv.DictReader(path.open(newline="")))


def again(places, *paths):
    """Ingest files into a ledger of their own; return it."""
    place = places()
    for number, path in enumerate(paths):
        place.ingest(path, source=f"s{number}")
    return place


@pytest.mark.parametrize("kind", few(["parquet", "csv"]))  # the sample below goes by way of CSV
def test_the_quickstart_reads_back_as_itself(kind, quickstart, tmp_path, places):
    run = loaded(quickstart)
    path = tmp_path / f"focus.{kind}"
    exported(run, "2026-10", path)
    place = again(places, path)
    with pipeline.reading(run) as (ledger, _):
        first = ledger.run(CONTENT.format("WHERE billing_period = DATE '2026-10-01'")).rows
    assert len(first) == 1802
    assert place.ask(CONTENT.format("")) == first


@pytest.mark.slow
def test_the_official_sample_reads_back_as_itself(place, places, tmp_path):
    place.ingest(SAMPLE)
    exported(place.run, "2024", tmp_path / "focus.csv")
    other = again(places, tmp_path / "focus.csv")
    first = place.ask(CONTENT.format(""))
    assert len(first) == 600
    assert other.ask(CONTENT.format("")) == first
    assert sum(row[1] for row in first) == Decimal("11.51644927109")
    assert any(row[4] is None for row in first)  # Oracle's ContractedCost is unknown, and stays so


def test_the_columns_are_those_of_the_version_then_ours(quickstart, tmp_path):
    exported(loaded(quickstart), "2026-10", tmp_path / "focus.parquet")
    found = pq.read_schema(tmp_path / "focus.parquet")
    assert found.names == [*focus.columns("1.2"), *OURS]
    kinds = {name: str(found.field(name).type) for name in found.names}
    for name, column in focus.columns("1.2").items():
        wanted = {"decimal": "decimal128(38, 18)", "instant": "timestamp[us, tz=UTC]"}
        assert kinds[name] == wanted.get(column.type, "string")
    assert found.metadata[b"focus_version"] == b"1.2"


@pytest.mark.slow
def test_csv_is_plain_text_that_reads_back(place, tmp_path):
    tags = {"team": "se,arch", "note": 'say "hi"\n=1+1'}
    place.bill(
        "bill.csv",
        [
            {"cost": "0.000000000000000001", "Tags": json.dumps(tags), "ChargeDescription": 'a "b", c'},
            {"cost": "-12345678901234567890.5", "ListCost": "-", "day": "2026-10-04"},
            {"cost": "5.2E-9", "ChargePeriodStart": "2026-10-05T00:00:00.5Z", "day": "2026-10-05"},
            {"cost": "100", "day": "2026-10-06"},
        ],
    )
    place.ingest("bill.csv")
    exported(place.run, "2026-10", tmp_path / "focus.csv")
    rows = read(tmp_path / "focus.csv")
    assert [row["BilledCost"] for row in rows] == [
        "0.000000000000000001",
        "-12345678901234567890.5",
        "0.0000000052",
        "100",
    ]
    assert rows[1]["ListCost"] == ""  # unknown, not 0
    assert json.loads(rows[0]["Tags"]) == tags
    assert rows[0]["ChargeDescription"] == 'a "b", c'
    assert [row["ChargePeriodStart"] for row in rows[1:3]] == ["2026-10-04T00:00:00Z", "2026-10-05T00:00:00.500000Z"]


def test_team_model_and_pool_are_those_of_the_postings(quickstart, tmp_path):
    run = loaded(quickstart)
    exported(run, "2026-10", tmp_path / "focus.csv")
    sums = {}
    for row in read(tmp_path / "focus.csv"):
        key = ("pool", row["x_pool"]) if row["x_pool"] else ("team", row["x_team"] or None)
        sums[key] = sums.get(key, 0) + Decimal(row["EffectiveCost"])
    with pipeline.reading(run) as (ledger, _):
        text = "SELECT {0}, sum(EffectiveCost) FROM {1} WHERE billing_period = DATE '2026-10-01' AND pool IS {2} NULL GROUP BY 1"
        pools = ledger.run(text.format("pool", "charge_groups", "NOT")).rows
        teams = ledger.run(text.format("team", "postings", "")).rows
    assert {pool: cost for (kind, pool), cost in sums.items() if kind == "pool"} == dict(pools)
    assert {team: cost for (kind, team), cost in sums.items() if kind == "team"} == dict(teams)
    assert len(pools) > 5
    assert len(teams) > 3


@pytest.mark.slow
def test_a_service_of_aws_has_the_category_that_aws_writes(quickstart, tmp_path):
    assert exported(loaded(quickstart), "2026-10", tmp_path / "focus.csv") == [("ServiceCategory", 75)]
    found = {
        (row["ServiceName"], "EBS:" in row["SkuMeter"]): row["ServiceCategory"] for row in read(tmp_path / "focus.csv")
    }
    assert found["Amazon Elastic Compute Cloud", False] == "Compute"
    assert found["Amazon Elastic Compute Cloud", True] == "Storage"
    assert found["AWS Support (Enterprise)", False] == ""  # not known, so not said


@pytest.mark.parametrize("source", few(["gcp", "azure"]))
def test_an_export_breaks_no_must_that_the_bill_kept(source, quickstart, tmp_path):
    exported(loaded(quickstart), "2026-10", tmp_path / "focus.parquet", sources=(source,))
    bill, ours = (
        {(found.rule, found.column, found.rows) for found in check.check(path, "1.2").findings if found.level == "must"}
        for path in (quickstart / "bills" / source / "focus-2026-10.csv", tmp_path / "focus.parquet")
    )
    assert ours <= bill


@pytest.mark.slow
def test_complete_data_gives_a_file_that_breaks_no_must(place, tmp_path):
    table = list(csv.DictReader((HERE / "focus" / "good.csv").open()))
    rows = [{line["column"]: line[row] for line in table} for row in table[0] if row != "column"]
    columns = list(focus.columns("1.2"))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    place.write("good.csv", out.getvalue())
    place.ingest("good.csv")
    for kind in ("parquet", "csv"):
        assert exported(place.run, "2026-10", tmp_path / f"focus.{kind}") == []
        found = check.check(tmp_path / f"focus.{kind}")
        assert (found.version, found.rows) == ("1.2", len(rows))
        assert [finding for finding in found.findings if finding.level == "must"] == []


@pytest.mark.slow
def test_the_order_of_arrival_changes_no_byte(places, tmp_path):
    digests = set()
    for turn in (1, -1):
        place = places()
        for name in ("a", "b")[::turn]:
            days = [{"cost": f"{number}.5{ord(name)}", "day": f"2026-10-{number:02}"} for number in range(1, 29)]
            place.bill(f"{name}.csv", days)
            place.ingest(f"{name}.csv", source=name)
        for kind in ("csv", "parquet"):
            exported(place.run, "2026-10", tmp_path / f"focus.{kind}")
        digests.add(
            tuple(hashlib.sha256((tmp_path / f"focus.{kind}").read_bytes()).hexdigest() for kind in ("csv", "parquet"))
        )
    assert len(digests) == 1


@pytest.mark.slow
def test_stretches_make_no_difference(place, tmp_path, monkeypatch):
    for name in range(4):
        place.bill(f"bills/{name}.csv", [{"cost": f"{name}.{day}", "day": f"2026-10-{day:02}"} for day in range(1, 8)])
    place.ingest("bills")
    texts = set()
    for stretch in (1, 3, 10, 1000):
        monkeypatch.setattr(extract, "STRETCH", stretch)
        exported(place.run, "2026-10", tmp_path / "focus.csv")
        texts.add((tmp_path / "focus.csv").read_text())
    assert len(texts) == 1
    rows = list(csv.DictReader(io.StringIO(texts.pop())))
    assert [(row["x_file_no"], row["x_record_no"]) for row in rows] == [
        (str(f), str(r)) for f in range(1, 5) for r in range(1, 8)
    ]


@pytest.mark.slow
def test_a_period_is_billing_months_or_days_of_use(place, tmp_path):
    place.bill("bill.csv", [{"day": "2026-09-30", "month": "2026-10-01"}, {"day": "2026-10-02"}, {"day": "2026-11-01"}])
    place.ingest("bill.csv")

    def days(period):
        exported(place.run, period, tmp_path / "focus.csv")
        return [row["ChargePeriodStart"][:10] for row in read(tmp_path / "focus.csv")]

    assert days("2026-10") == ["2026-09-30", "2026-10-02"]
    assert days("2026-09-29..2026-10-02") == ["2026-09-30"]
    assert days("2026-Q4") == ["2026-09-30", "2026-10-02", "2026-11-01"]
    assert days("2025-01") == []  # a file all the same, with its columns


@pytest.fixture(scope="module")
def small(places):
    """A ledger of one charge, which is only read."""
    place = places()
    place.bill("bill.csv", [{"cost": "1"}])
    place.ingest("bill.csv")
    return place


@pytest.mark.slow
def test_what_a_killed_export_left_is_swept_away_by_a_later_one(small, tmp_path):
    old, new = (tmp_path / f".focus[1].csv.{number}.tmp" for number in (1, 2))
    for left in (old, new):
        left.write_text("half a file")
    os.utime(old, (0, 0))
    exported(small.run, "2026-10", tmp_path / "focus[1].csv")
    assert (old.exists(), new.exists()) == (False, True)


def test_what_was_there_stays_when_the_export_fails(small, tmp_path, monkeypatch):
    target = tmp_path / "out" / "focus.parquet"
    exported(small.run, "2026-10", target)
    before = target.read_bytes()

    def broken(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("costctl.files.writing.os.fsync", broken)
    with pytest.raises(StorageFault, match="disk is full"):
        exported(small.run, "2026-10", target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.slow
@pytest.mark.parametrize(("point", "is_new"), [("filled", False), ("synced", False), ("renamed", True)])
def test_a_kill_leaves_the_old_file_or_the_new_one(point, is_new, place):
    words = ("export", "focus", "--period", "2026-10", "--output", "focus.csv")
    texts = []
    for name in ("a", "b"):
        place.bill(f"{name}.csv", [{"cost": "1", "SkuId": name}])
        place.ingest(f"{name}.csv", source=name)
        exported(place.run, "2026-10", place.home / f"{name}-expected.csv")
        texts.append((place.home / f"{name}-expected.csv").read_text())
        if name == "a":
            assert place.costctl(*words).returncode == 0
    died = place.process(*words, **{faulting.VARIABLE: f"{point}:kill"})
    assert died.returncode == -signal.SIGKILL
    assert (place.home / "focus.csv").read_text() == texts[is_new]
    assert place.costctl(*words).returncode == 0
    assert (place.home / "focus.csv").read_text() == texts[1]


def test_the_command_says_what_it_wrote_and_what_is_missing(quickstart, command):
    said = command("export", "focus", "--period", "2026-10", "--output", "out/focus.parquet")
    assert said.code == 0
    assert said.out == ""
    assert "wrote out/focus.parquet: focus of 2026-10, 1,802 rows" in said.err
    assert "75 of 1,802 rows have no ServiceCategory" in said.err
    assert pq.read_metadata("out/focus.parquet").num_rows == 1802


def test_csv_goes_to_stdout(quickstart, command):
    said = command("export", "focus", "--period", "2026-10", "--source", "gcp", "--source", "azure")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert {row["x_source"] for row in rows} == {"gcp", "azure"}
    assert len(rows) == 364 + 216


@pytest.mark.slow
def test_time_zone_and_locale_change_no_byte(place, tmp_path):
    place.bill("bill.csv", [{"cost": "1234.5", "team": "süd"}, {"cost": "-0.1", "day": "2026-10-31"}])
    place.ingest("bill.csv")
    exported(place.run, "2026-10", tmp_path / "focus.csv")
    said = place.process("export", "focus", "--period", "2026-10", TZ="America/St_Johns", LC_ALL="C", PYTHONUTF8="0")
    assert said.stdout == (tmp_path / "focus.csv").read_text(encoding="utf-8")


def test_a_row_leads_back_to_its_record(quickstart, tmp_path, command):
    exported(loaded(quickstart), "2026-10", tmp_path / "focus.csv", sources=("azure",))
    row = read(tmp_path / "focus.csv")[7]
    source = (quickstart / "bills" / "azure" / "focus-2026-10.csv").read_bytes()
    assert row["x_file"] == hashlib.sha256(source).hexdigest()
    said = command("explain", f"{row['x_file'][:12]}:{row['x_record_no']}")
    assert said.code == 0
    assert row["ResourceId"] in said.out


@pytest.mark.slow
def test_tables_are_exported_as_they_are(quickstart, command):
    names = command("export").out.split()
    assert names[0] == "focus"
    assert {"charges", "postings", "token_usage", "deliveries"} <= set(names)
    assert "meta" not in names
    for name in ("charges", "postings"):
        assert command("export", name, "--period", "2026-10", "--output", f"{name}.parquet").code == 0
        found = pq.read_table(f"{name}.parquet")
        cost = sum(value for value in found.column("EffectiveCost").to_pylist())
        assert cost == Decimal("1551045.9195674")
    days = list(
        csv.DictReader(io.StringIO(command("export", "posting-days", "--period", "2026-10-05..2026-10-06").out))
    )
    assert {row["day"] for row in days} == {"2026-10-05"}


def test_run_writes_the_exports_of_the_configuration(place, command, monkeypatch):
    monkeypatch.chdir(place.home)
    place.bill("bills/bill.csv", [{"cost": "1.5", "team": "search"}])
    place.write(
        "costctl.yaml",
        """
        version: 1
        sources: [{name: cloud, path: bills/}]
        exports:
          - {table: focus, format: parquet, output: "out/focus-{period}.parquet"}
          - {table: postings, output: "out/postings-{period}.csv"}
        """,
    )
    assert command("run").code == 0
    assert pq.read_table(place.home / "out" / "focus-2026-10.parquet").column("x_team").to_pylist() == ["search"]
    assert len(read(place.home / "out" / "postings-2026-10.csv")) == 1
