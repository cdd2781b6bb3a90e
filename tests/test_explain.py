"""A number back to its source rows: every charge finds its group, its postings, its record and its raw row, hash verified."""

import gzip
import json
import zipfile
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import few

from costctl import config, pipeline
from costctl.files import packing
from costctl.ledger import sources
from costctl.periods import parse
from costctl.reports import explain
from costctl.reports.explain import Wanted, story

OCTOBER = """
    cost   day         team    ServiceName
    10     2026-10-03  search  Compute
    2.5    2026-10-04  ads     Compute
    0.125  2026-10-05  -       Storage
"""


@pytest.fixture(scope="module")
def ingested(places):
    """A ledger of October to be copied, with its bill in the archive alone."""
    place = places()
    bill = place.bill("october.csv", OCTOBER)
    place.ingest("october.csv")
    bill.unlink()
    return place


@pytest.fixture
def october(ingested, place, monkeypatch):
    place.copy(ingested).bill("october.csv", OCTOBER)
    monkeypatch.chdir(place.home)
    return place


def digest(place, name):
    return place.ask(f"SELECT sha256 FROM ledger.delivery_files WHERE name LIKE '%{name}'")[0][0]


def told(command, *words):
    """Return the stories of `explain` as JSON gives them."""
    said = command("explain", *words, "--format", "json")
    assert said.code == 0, said.err
    return json.loads(said.out)


@pytest.fixture(scope="module")
def stories(ingested_quickstart):
    run = pipeline.Run(config.load(ingested_quickstart / config.NAME))
    with pipeline.reading(run) as (ledger, late):
        assert not late
        rules = pipeline.compiled(ledger, run.config)
        found = explain.of_cell(ledger, rules, parse("2026-10"), Wanted(top=100_000))
        (charges,) = ledger.run("SELECT count(*) FROM ledger.charges WHERE billing_period = '2026-10-01'").rows[0]
    assert len(found) == charges == 1802
    return found


def test_the_largest_charges_of_the_example(ingested_quickstart):
    """Of all of them: the class below."""
    run = pipeline.Run(config.load(ingested_quickstart / config.NAME))
    with pipeline.reading(run) as (ledger, _):
        found = explain.of_cell(ledger, pipeline.compiled(ledger, run.config), parse("2026-10"), Wanted(top=100))
    assert len(found) == 100
    for item in found:
        assert {posting["pool"] for posting in item.postings} == {item.group["pool"]}
        holds_its_cost(item)


def holds_its_cost(item):
    """The raw row is the one that the charge came from."""
    values, billed = item.raw.values, item.charge["BilledCost"]
    if item.charge["source"] == "aws":  # what a savings plan covers is billed with the plan
        assert billed in (0, Decimal(values["lineItem/UnblendedCost"]))
    else:
        assert billed == Decimal(values["BilledCost"])


@pytest.mark.slow
class TestEveryChargeOfTheExample:
    """The quickstart has pools with chip time, bought tokens, credits, tax, unused commitments."""

    def test_the_charges_of_a_group_sum_to_it(self, stories):
        groups = {}
        for item in stories:
            groups.setdefault(item.group["group_id"], []).append(item)
        for members in groups.values():
            assert len(members) == members[0].group["row_count"]
            for cost in story.COSTS.values():
                assert sum(item.charge[cost] or 0 for item in members) == members[0].group[cost]

    def test_every_charge_ends_in_postings_of_its_pool(self, stories):
        for item in stories:
            assert item.postings
            assert {posting["pool"] for posting in item.postings} == {item.group["pool"]}
        assert {posting["kind"] for item in stories for posting in item.postings} == {
            "direct", "shared", "idle", "unused", "unallocated", "tax", "fee", "credit",
        }  # fmt: skip

    def test_the_raw_row_holds_the_charges_cost(self, stories):
        for item in stories:
            holds_its_cost(item)

    def test_rules_are_named_and_rates_stand_where_chips_are_priced(self, stories):
        assert {item.rule["name"] for item in stories} >= {"maia lease", "built-in: tag names a team", None}
        maia = next(item for item in stories if item.rule["name"] == "maia lease")
        assert [rate["card"] for rate in maia.rates] == ["maia.csv:3"]
        assert sum(Decimal(p["base"]) for p in maia.postings) == maia.postings[0]["base_total"]

    def test_a_filter_leaves_only_what_ends_in_the_cell(self, ingested_quickstart, stories):
        run = pipeline.Run(config.load(ingested_quickstart / config.NAME))
        with pipeline.reading(run) as (ledger, _):
            rules = pipeline.compiled(ledger, run.config)
            found = explain.of_cell(
                ledger, rules, parse("2026-10"), Wanted(team="search", model="embed-v2", top=100_000)
            )
        wanted = [
            item for item in stories if ("search", "embed-v2") in {(p["team"], p["model"]) for p in item.postings}
        ]
        assert [item.charge for item in found] == [item.charge for item in wanted]
        assert 0 < len(found) < len(stories)


def packed(place, kind):
    """Write October in some packing; return its name."""
    text = (place.home / "october.csv").read_bytes()
    path = place.home / f"bill.{kind}"
    if kind == "csv.gz":
        path.write_bytes(gzip.compress(text))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bill.csv", text)
    else:
        header, *lines = [line.split(",") for line in text.decode().splitlines()]
        columns = {name: [line[number] or None for line in lines] for number, name in enumerate(header)}
        pq.write_table(pa.table(columns), path, row_group_size=1)
    return path.name


@pytest.mark.parametrize("kind", few(["csv.gz", "zip", "parquet"]))
def test_a_record_is_read_back_from_every_packing(place, command, monkeypatch, kind):
    monkeypatch.chdir(place.home)
    place.bill("october.csv", [{"cost": cost, "day": "2026-10-03"} for cost in ("1", "2", "3")])
    name = packed(place, kind)
    place.ingest(name)
    (found,) = told(command, f"{digest(place, name)[:12]}:2")
    assert found["raw"]["values"]["BilledCost"] == found["charge"]["BilledCost"] == "2"
    assert found["file"]["line"] == {"csv.gz": 3, "zip": 3, "parquet": None}[kind]


@pytest.mark.parametrize(
    "text", few(['{"a": 1}\n{"a": "x", "b": {"c": 0.10}}\n', '[{"a": 1},\n {"a": "x", "b": {"c": 0.10}}]'])
)
def test_a_json_record_is_read_back(october, text):
    path = october.write("x.json", text)
    with october.opened() as ledger:
        file = sources.Source("x.json", packing.sha256(path), 1, str(path))
        found = sources.read(ledger, file, {2})
    assert found[2].values == {"a": "x", "b": '{"c": 0.1}'}
    assert found[2].line == 2


@pytest.mark.slow
def test_a_record_of_several_lines(place, command, monkeypatch):
    monkeypatch.chdir(place.home)
    place.bill("b.csv", [{"ChargeDescription": "one\ntwo, \x1b[31m"}, {"cost": "2"}])
    place.ingest("b.csv")
    first, second = told(command, f"{digest(place, 'b.csv')}:1"), told(command, f"{digest(place, 'b.csv')}:2")
    assert first[0]["raw"]["values"]["ChargeDescription"] == "one\ntwo, \x1b[31m"
    assert [item[0]["file"]["line"] for item in (first, second)] == [2, 4]
    for form in ("table", "csv"):
        assert "\x1b" not in command("explain", f"{digest(place, 'b.csv')}:1", "--format", "table").out, form


@pytest.mark.slow
def test_a_story_fits_the_terminal(place, command, golden, monkeypatch, request):
    monkeypatch.chdir(place.home)
    place.bill("october.csv", OCTOBER)
    assert command("ingest", "october.csv").code == 0
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        said = command("explain", f"{digest(place, 'october.csv')[:8]}:1", "--format", "table")
        assert max(map(len, said.out.splitlines())) <= columns
        golden(request.path.parent / "golden" / f"explain-{columns}.txt", said.out)


@pytest.mark.slow
def test_filters_by_service_account_and_nobody(october, command):
    def costs(*words):
        return [item["charge"]["BilledCost"] for item in told(command, "--period", "2026-10", *words)]

    assert costs("--service", "Compute") == ["10", "2.5"]
    assert costs("--account", "111", "--top", "2") == ["10", "2.5"]
    assert costs("--account", "222") == []
    assert costs("--team", "-") == ["0.125"]
    assert costs("--team", "Search") == ["10"]
    assert costs("--team", "ads", "--service", "Storage") == []


@pytest.mark.usefixtures("october")
@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "what is to be explained?"),
        (("abcdef:1", "--team", "x"), "contradict each other"),
        (("abcdef:1",), "no file of the ledger has a hash that starts with abcdef"),
        (("october.csv:1",), "does not name a record"),
        (("abcdef:0",), "does not name a record"),
        (("--cost", "net", "--team", "x"), "'net' is not a cost"),
    ],
)
def test_what_cannot_be_explained(command, words, what):
    said = command("explain", *words)
    assert (said.code, said.out) == (2, "")
    assert what in said.err


def test_a_record_that_is_not_there(october, command):
    said = command("explain", f"{digest(october, 'october.csv')}:4")
    assert said.code == 2
    assert "record 4 is not there\n  the file has 3 records" in said.err


def test_a_record_that_was_set_aside(place, command, monkeypatch):
    monkeypatch.chdir(place.home)
    place.bill("b.csv", [{"cost": "1"}, {"cost": "1,5"}])
    place.ingest("b.csv", quarantine_rows=1)
    said = command("explain", f"{digest(place, 'b.csv')}:2")
    assert said.code == 2
    assert "record 2 was set aside" in said.err
    assert "'1,5'" in said.err


@pytest.mark.slow
def test_a_record_of_a_superseded_delivery(october, command):
    october.bill("new.csv", [{"cost": "3"}])
    october.ingest("new.csv", decision="replace")
    said = command("explain", f"{digest(october, 'october.csv')}:1")
    assert said.code == 2
    assert "belongs to a delivery that others superseded" in said.err


class TestTheSourceBytes:
    def test_gone(self, october, command):
        name = digest(october, "october.csv")
        (october.home / "costctl.duckdb.files" / name).unlink()
        (october.home / "october.csv").unlink()
        said = command("explain", f"{name}:1")
        assert (said.code, said.out) == (7, "")
        assert "october.csv: the source is gone" in said.err
        assert "Put the file back" in said.err

    def test_changed(self, october, command):
        name = digest(october, "october.csv")
        with (october.home / "costctl.duckdb.files" / name).open("a") as file:
            file.write("x\n")
        said = command("explain", f"{name}:1")
        assert (said.code, said.out) == (7, "")
        assert "the source has changed since it was taken in" in said.err
        assert f"was sha256 {name}" in said.err


@pytest.fixture(scope="module")
def partly(places):
    """A ledger with records set aside, which is only read."""
    place = places()
    rows = [{"cost": "1"}, {"cost": "x"}, {"BilledCost": "=1+1", "ChargeDescription": "\x1b[2Jgone [bold]"}]
    place.bill("b.csv", rows)
    place.ingest("b.csv", quarantine_rows=2)
    return place


class TestQuarantine:
    @pytest.fixture
    def aside(self, partly, monkeypatch):
        monkeypatch.chdir(partly.home)
        return partly

    def test_every_bad_field_with_its_records_text(self, aside, command):
        found = json.loads(command("quarantine", "--format", "json").out)
        assert [(row["line"], row["record"], row["column"], row["value"]) for row in found] == [
            (3, 2, "BilledCost", "x"),
            (3, 2, "ContractedCost", "x"),
            (3, 2, "EffectiveCost", "x"),
            (3, 2, "ListCost", "x"),
            (4, 3, "BilledCost", "=1+1"),
        ]
        lines = (aside.home / "b.csv").read_text().splitlines()
        assert [row["raw"] for row in found] == [lines[2]] * 4 + [lines[3]]

    @pytest.mark.usefixtures("aside")
    @pytest.mark.parametrize("columns", [80, 120])
    def test_a_terminal_gets_it_escaped_and_cut(self, command, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = command("quarantine", "--format", "table").out
        assert "\x1b" not in out
        assert max(map(len, out.splitlines())) <= columns
        assert "BilledCost" in out

    @pytest.mark.usefixtures("aside")
    def test_a_spreadsheet_gets_no_formula(self, command):
        assert "'=1+1" in command("quarantine", "--format", "csv").out

    @pytest.mark.usefixtures("aside")
    def test_status_points_to_it(self, command):
        said = command("status", "--format", "table")
        assert "5 bad fields; costctl quarantine shows each record's text" in said.err
        assert "records = kept + aside + excluded" in said.out

    @pytest.mark.usefixtures("october")
    def test_nothing(self, command):
        said = command("quarantine", "--format", "table")
        assert (said.code, said.out, said.err) == (0, "", "costctl: nothing is set aside\n")
