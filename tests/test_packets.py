"""Packets: what anybody gets who checks a cell in plain DuckDB, from the charges to the last digit, and what they see when something was changed."""

import csv
import io
import shutil
from contextlib import chdir
from decimal import Decimal

import duckdb
import pytest
from conftest import few, few_rows

from costctl import config, pipeline, reports
from costctl.config.settings import Policy
from costctl.ledger import lock
from costctl.periods import parse
from costctl.reports.explain import Wanted, cells

# host costs 60: 30 go to net, 30 to gpu. net costs 40 + 30: search bears 35, gpu 35. gpu costs 240 + 30 + 35 = 305. Of its 8 chips 4 serve and 4 are
# idle: 152.5 each. search has 3/4 of the tokens, ads 1/4: ads bears 38.125 of what serves. search booked 4 chips and used 3, ads booked 2 and used 1:
# of the idle ones each left one, 38.125, and two are nobody's: platform bears 76.25.
CONFIG = """
    version: 1
    tags: {team: [team], purpose: [team]}
    rules:
      - {name: by account, when: {SubAccountId: [gpu, net, host]}, pool: "{SubAccountId}"}
    pools:
      host: {base: fixed, shares: {"pool net": "1", "pool gpu": "1"}}
      net: {base: fixed, shares: {search: "1", "pool gpu": "1"}}
      gpu:
        base: tokens
        idle: {policy: by_reservation, owner: platform}
        reservations: [{team: search, chips: "4"}, {team: ads, chips: "2"}]
"""
BILL = """
    day         SubAccountId  team    x_UsageType           ConsumedUnit  ConsumedQuantity  ChargeCategory  cost
    2026-10-01  gpu           secret  BoxUsage:p5.48xlarge  Hrs           24                Usage           240
    2026-10-01  net           -       -                     -             -                 Usage           40
    2026-10-01  host          -       -                     -             -                 Usage           60
    2026-10-01  lab           ads     -                     -             -                 Usage           12.5
    2026-10-02  lab           ads     -                     -             -                 Usage           0.000000000000000001
    2026-10-01  lab           search  -                     -             -                 Usage           5
    2026-10-01  lab           ads     -                     -             -                 Credit          -2
"""
TOKENS = """
    start,end,provider,pool,model,team,task,input_uncached,output,requests
    2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,self,gpu,atlas,search,generate,300,0,1
    2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,self,gpu,atlas,ads,generate,100,0,1
"""
TIME = """
    pool,start,end,chips,state,team,model
    gpu,2026-10-01,2026-10-02,4,serving,,atlas
    gpu,2026-10-01,2026-10-02,4,idle,,
"""
ADS = {"direct": "12.500000000000000001", "shared": "38.125", "idle": "38.125"}


@pytest.fixture(scope="module")
def pooled(places):
    place = places()
    place.write("costctl.yaml", CONFIG)
    place.bill("bill.csv", BILL)
    place.write("tokens.csv", TOKENS)
    place.write("time.csv", TIME)
    place.ingest("bill.csv", "tokens.csv", "time.csv")
    assert place.broken() == []
    return place


def packed(place, *words, name="packet"):
    """Write a packet; return its folder."""
    said = place.costctl("explain", *words, "--packet", name)
    assert (said.returncode, said.stdout) == (0, ""), said.stderr
    return place.home / name


@pytest.fixture(scope="module")
def packets(pooled):
    """The packets of three cells, which are only read."""
    return {kind: packed(pooled, "--team", "ads", "--kind", kind, name=kind) for kind in ADS}


def recomputed(folder):
    """Run cell.sql as a DuckDB shell in the folder would; return currency, recomputed, reported and difference."""
    with chdir(folder), duckdb.connect() as shell:
        return shell.execute((folder / "cell.sql").read_text("utf-8")).fetchall()


def changed(folder, table, what):
    """Change a column of a packet's table, as `column = expression`."""
    column, _, value = what.partition(" = ")
    path = folder / f"{table}.parquet"
    with duckdb.connect() as shell:
        shell.execute(f"CREATE TABLE t AS SELECT * REPLACE ({value} AS {column}) FROM '{path}'")
        shell.execute(f"COPY t TO '{path}' (FORMAT parquet)")


def column(folder, table, name):
    with (folder / f"{table}.csv").open(encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", ADS)
def test_three_cells_by_hand(pooled, packets, kind):
    """Direct, shared and idle, through pools that pass on to pools."""
    folder = packets[kind]
    ((currency, got, reported, difference),) = recomputed(folder)
    assert (currency, got, reported, difference) == ("USD", Decimal(ADS[kind]), Decimal(ADS[kind]), 0)
    listed = list(csv.DictReader(io.StringIO(pooled.costctl("report", "chargeback", "--format", "csv").stdout)))
    assert sum(Decimal(row[kind]) for row in listed if row["team"] == "ads" and row[kind]) == got
    assert ADS[kind] in (folder / "README.txt").read_text("utf-8")
    if kind == "direct":
        assert not (folder / "shares.parquet").exists()
        assert column(folder, "charges", "record") == ["4", "5"]
    else:
        assert sorted(column(folder, "postings", "passed_by")) == ["", "host", "host > net", "net"]
        assert sorted(column(folder, "charges", "record")) == ["1", "2", "3"]


class TestWhatWasChanged:
    """A difference shows."""

    @pytest.mark.parametrize(
        ("kind", "table", "what"),
        [
            (
                "direct",
                "charges",
                "EffectiveCost = EffectiveCost + CASE record WHEN 5 THEN 0.000000000000000001 ELSE 0 END",
            ),
            ("shared", "charges", "EffectiveCost = EffectiveCost + CASE record WHEN 3 THEN 0.0001 ELSE 0 END"),
            ("shared", "shares", "weight = weight + CASE team WHEN 'search' THEN 1 ELSE 0 END"),
            ("idle", "states", "weight = weight + CASE state WHEN 'serving' THEN 1000000 ELSE 0 END"),
            ("idle", "cell", "reported = reported + 1"),
        ],
    )
    def test_is_seen(self, packets, tmp_path, kind, table, what):
        folder = shutil.copytree(packets[kind], tmp_path / "packet")
        changed(folder, table, what)
        assert recomputed(folder)[0][3] != 0


def test_no_tag_of_others_is_in_it_and_it_is_the_same_twice(pooled):
    """The charge of gpu is tagged `secret`, which is read as its purpose: a rule gave it to the pool, and the packet of ads has no word of it."""
    (pooled.home / "again").mkdir()  # an empty folder is filled
    folder, again = (packed(pooled, "--team", "ads", name=name) for name in ("tags", "again"))
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == [
        path.read_bytes() for path in sorted(again.iterdir())
    ]
    for path in folder.iterdir():
        assert b"secret" not in path.read_bytes(), path.name
    assert "ads" in column(folder, "charge_groups", "raw_team")  # the team's own
    assert set(column(folder, "charge_groups", "raw_team")) == {"ads", ""}
    assert {path.suffix for path in folder.iterdir()} == {".parquet", ".csv", ".sql", ".txt"}
    assert str(pooled.home) not in "".join(path.read_text("utf-8") for path in folder.glob("*.csv"))


@pytest.mark.slow
def test_the_whole_month_and_every_posting_of_it(pooled):
    folder = packed(pooled, "--period", "2026-10", name="whole")
    assert recomputed(folder) == [("USD", Decimal("355.500000000000000001"), Decimal("355.500000000000000001"), 0)]
    with chdir(folder), duckdb.connect() as shell:
        shell.execute((folder / "cell.sql").read_text("utf-8"))
        off = "SELECT p.posting_id FROM 'postings.parquet' p FULL JOIN posting_cost c USING (billing_period, posting_id) WHERE p.EffectiveCost IS DISTINCT FROM c.cost"
        assert shell.execute(off).fetchall() == []


PARTED = """
    version: 1
    rules:
      - {name: until the 10th, when: {SubAccountId: [lab]}, team: platform, valid_to: 2026-10-11}
      - {name: since, when: {SubAccountId: [lab]}, team: research, valid_from: 2026-10-11}
"""


@pytest.mark.slow
def test_a_charge_that_a_rule_cuts_and_days_of_it(place):
    """100 of 31 days: platform has 10 of them, 32.258064; research takes the rest. A day of platform's ten is 3.225806, the 5th to the 7th are three; the first takes the rest of 32.258064."""
    place.write("costctl.yaml", PARTED)
    month = {"ChargePeriodStart": "2026-10-01T00:00:00Z", "ChargePeriodEnd": "2026-11-01T00:00:00Z"}
    place.bill("bill.csv", [month | {"SubAccountId": "lab", "cost": "100"}, {"team": "platform", "cost": "1"}])
    place.ingest("bill.csv")
    for words, amount in (
        (("--team", "platform"), "33.258064"),
        (("--team", "research"), "67.741936"),
        (("--team", "platform", "--kind", "direct", "--period", "2026-10-05..2026-10-08"), "9.677418"),
        (("--team", "platform", "--period", "2026-10-01..2026-10-02"), "3.22581"),
        (("--team", "research", "--cost", "billed", "--calendar", "usage"), "67.741936"),
    ):
        folder = packed(place, *words, name="-".join(words).replace("-", ""))
        assert recomputed(folder) == [("USD", Decimal(amount), Decimal(amount), 0)]


QUICKSTART = [
    ("direct", ("--team", "research", "--kind", "direct")),
    ("shared", ("--team", "search", "--model", "atlas-70b", "--kind", "shared")),
    ("idle", ("--team", "platform", "--kind", "idle")),
    ("tokens per dollar", ("--model", "atlas-70b", "--chip", "trn2", "--source", "aws/on-demand")),
    ("everything of both months", ("--period", "2026")),
]


@pytest.mark.parametrize(("name", "words"), few_rows(QUICKSTART, 1), ids=[name for name, _ in QUICKSTART])
def test_cells_of_the_quickstart(ingested_quickstart, tmp_path, command, monkeypatch, name, words):
    monkeypatch.chdir(ingested_quickstart)
    said = command("explain", *words, "--packet", str(tmp_path / "packet"))
    assert said.code == 0, said.err
    for _, got, reported, difference in recomputed(tmp_path / "packet"):
        assert got == reported != 0
        assert difference == 0


COLUMNS = {
    "chargeback": ("direct", "shared", "idle", "unused", "tax_fee", "manual", None),
    "accounts": ("direct", "shared", "idle", "unused", "tax_fee", None),
    "tokens_per_dollar": (None,),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", few(COLUMNS))
def test_every_cell_of_a_report_is_the_sum_of_its_postings(ingested_quickstart, name):
    """Of the lines of teams, models and accounts: what stands in the report is what explain adds up."""
    run = pipeline.Run(config.load(ingested_quickstart / config.NAME))
    span, compared = parse("2026-10"), 0
    with pipeline.reading(run) as (ledger, _):
        found = reports.run(ledger, reports.named(name), span, calendar=None, cost="effective", policy=Policy())
        for row in found.dicts():
            if row.get("line", "team") != "team":
                continue
            at = {key: row[key] for key in ("team", "model", "purpose", "chip", "source", "account") if key in row}
            for kind in COLUMNS[name]:
                cell = row[kind or ("cost" if name == "tokens_per_dollar" else "total")]
                wanted = Wanted(**{key: value or "-" for key, value in at.items()}, kind=kind, report=name)
                cells.choose(ledger, span, wanted)
                summed = sum(item["cost"] for item in cells.figures(ledger, span, wanted))
                assert summed == (cell or 0), wanted
                compared += cell is not None
    assert compared >= 10


def test_explain_says_the_cell_its_shares_and_the_pools_they_came_through(pooled):
    said = pooled.costctl("explain", "--team", "ads", "--kind", "shared", "--format", "table")
    assert said.stderr.startswith(
        "chargeback, 2026-10 by the billing calendar, team ads, kind shared: 38.125 USD effective in 4 postings\n"
    )
    text = " ".join(said.stdout.split())
    assert (
        "shared ads / atlas / unknown · pool gpu (serving), passed on by host > net · 25.00 % by tokens (100 of 400)"
        in text
    )
    assert "postings shared search" not in text  # what is of the cell comes first
    assert "record 1" in text


@pytest.mark.slow
def test_a_ledger_that_others_read_gives_no_packet_of_old_numbers(place):
    """While somebody reads, what is stale cannot be brought up to date."""
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv")
    place.write("costctl.yaml", CONFIG)
    with lock.held(place.path, write=False, wait=0):
        said = place.costctl("explain", "--team", "ads", "--packet", "packet", "--wait", "0")
    assert said.returncode == 6
    assert "numbers are not up to date" in said.stderr
    assert not (place.home / "packet").exists()
