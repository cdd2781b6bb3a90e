"""What a change of rules would do, and that it does nothing: the plan, idle policies and weights side by side, worked out by hand."""

import csv
import fcntl
import io
import json
import shutil
import signal
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pyarrow.parquet
import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st

from costctl import config, whatif
from costctl.ledger import build
from costctl.whatif import sides

EXAMPLES = Path(__file__).parents[1] / "examples"
# Two months of a pool that is split evenly, beside what a tag gives to search. By tokens (600 of search, 200 of ads in September;
# 100 and 300 in October) September's 80 are 60 and 20, October's 40 are 10 and 30.
BILL = """
    day         SubAccountId  cost  team
    2026-09-10  gpu           80    -
    2026-10-01  gpu           40    -
    2026-10-02  own           5     search
    2026-10-03  none          2     -
"""
TOKENS = """
start,end,provider,pool,model,team,input_uncached,output,requests
2026-09-10T00:00:00Z,2026-09-11T00:00:00Z,self,gpu,atlas,search,600,0,1
2026-09-10T00:00:00Z,2026-09-11T00:00:00Z,self,gpu,atlas,ads,200,0,1
2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,self,gpu,atlas,search,100,0,1
2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,self,gpu,atlas,ads,300,0,1
"""
EVEN = """
version: 1
rules:
  - {name: gpus, when: {SubAccountId: [gpu]}, pool: gpu}
  - {name: own, when: {SubAccountId: [own]}, team: search}
pools:
  gpu: {base: even, shares: {search: "1", ads: "1"}}
"""
BY_TOKENS = EVEN.replace('{base: even, shares: {search: "1", ads: "1"}}', "{base: tokens}")


@pytest.fixture(scope="module")
def even(places):
    place = places()
    place.write("costctl.yaml", EVEN)
    place.bill("bill.csv", BILL)
    place.write("tokens.csv", TOKENS)
    place.write("by_tokens.yaml", BY_TOKENS)
    place.ingest("bill.csv", "tokens.csv")
    return place


@pytest.fixture
def split(even, places):
    return places().copy(even)


def money(place, *words):
    """Return the records of a comparison, and what was said beside them."""
    said = place.costctl("rules", *words, "--format", "json")
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout), said.stderr


def sums(records, *columns):
    """Return what some columns of money come to by team, or by line where it is nobody's."""
    found = defaultdict(lambda: [Decimal(0)] * len(columns))
    for row in records:
        who = row["team"] or row["line"]
        found[who] = [had + Decimal(row[name]) for had, name in zip(found[who], columns, strict=True)]
    return {who: tuple(f"{amount.normalize():f}" for amount in amounts) for who, amounts in found.items()}


@pytest.mark.slow
def test_the_plan_says_who_gains_and_who_loses_and_changes_nothing(split):
    before, content = split.fingerprint(), split.path.read_bytes()
    records, said = money(split, "plan", "--against", "by_tokens.yaml")
    assert sums(records, "cost_now", "cost_then", "difference") == {
        "search": ("65", "75", "10"),  # 40 + 20 + 5 of its own, and 60 + 10 + 5
        "ads": ("60", "50", "-10"),
        "unallocated": ("2", "2", "0"),
    }
    september = [
        (row["team"], row["cost_now"], row["change_percent"]) for row in records if row["period"] == "2026-09-01"
    ]
    assert september == [("ads", "40", "-50"), ("search", "40", "50")]
    assert "pool gpu: base even → tokens, shares changed" in said
    assert "basis: effective cost, billing months 2026-09, 2026-10 · rules now " in said
    assert (split.fingerprint(), split.path.read_bytes()) == (before, content)
    doctor = split.costctl("doctor")
    assert doctor.returncode == 0
    assert "postings       up to date" in doctor.stdout
    assert split.ask("SELECT DISTINCT method FROM ledger.postings WHERE pool = 'gpu'") == [("fixed",)]


@pytest.mark.slow
def test_the_plan_has_its_months_one_after_the_other_in_each_the_largest_difference_first(split):
    halved = EVEN.replace("even", "fixed").replace('search: "1", ads: "1"', 'search: "2", ads: "1", ops: "1"')
    split.write("halved.yaml", halved)  # half of what ads bears goes to ops
    records, _ = money(split, "plan", "--against", "halved.yaml")
    assert [(row["period"], row["team"] or row["line"], row["difference"]) for row in records] == [
        ("2026-09-01", "ads", "-20"),
        ("2026-09-01", "ops", "20"),
        ("2026-09-01", "search", "0"),
        ("2026-10-01", "ads", "-10"),
        ("2026-10-01", "ops", "10"),
        ("2026-10-01", "search", "0"),
        ("2026-10-01", "unallocated", "0"),
    ]


@pytest.mark.slow
def test_the_plan_of_the_last_months_as_a_table_and_as_files(split, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    table = split.costctl(
        "rules", "plan", "--against", "by_tokens.yaml", "--last", "1", "--format", "table", "--cents"
    ).stdout
    cells = [line.split() for line in table.splitlines()]
    assert ["ads", "20.00", "30.00", "10.00", "+50.0%"] in cells
    assert ["search", "25.00", "15.00", "-10.00", "-40.0%"] in cells
    assert ["TOTAL", "47.00", "47.00", "0.00", "+0.0%"] in cells
    for name in ("plan.csv", "plan.parquet", "plan.md"):
        assert (
            split.costctl(
                "rules", "plan", "--against", "by_tokens.yaml", "--period", "2026-10", "--output", name
            ).returncode
            == 0
        )
    with (split.home / "plan.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["team"]: row["difference"] for row in rows} == {"ads": "10", "search": "-10", "": "0"}
    again = pyarrow.parquet.read_table(split.home / "plan.parquet").to_pylist()
    assert sum(row["difference"] for row in again) == 0
    assert "| (unallocated) | 2 | 2 | 0 | +0.0% |" in (split.home / "plan.md").read_text()
    at_cards = split.costctl("rules", "plan", "--against", "by_tokens.yaml", "--cost", "rate_card", "--format", "table")
    assert ["TOTAL", "-", "-", "0", "-"] in [line.split() for line in at_cards.stdout.splitlines()]  # no card knows any


@pytest.mark.slow
def test_without_another_file_the_one_that_was_changed_is_compared_with_what_it_was(split):
    said = split.costctl("rules", "plan")
    assert said.returncode == 2
    assert "there is nothing to compare" in said.stderr
    shutil.copy(split.home / "by_tokens.yaml", split.home / "costctl.yaml")
    records, _ = money(split, "plan")
    assert sums(records, "difference") == {"search": ("10",), "ads": ("-10",), "unallocated": ("0",)}
    assert split.ask("SELECT DISTINCT method FROM ledger.postings WHERE pool = 'gpu'") == [
        ("fixed",)
    ]  # still as it was
    assert money(split, "plan")[0] == records
    split.costctl("report", "chargeback")  # has it allocated
    assert "there is nothing to compare" in split.costctl("rules", "plan").stderr
    split.change(
        "UPDATE ledger.periods SET fingerprint = NULL"
    )  # as a run that died between charges and postings leaves it
    split.write("costctl.yaml", EVEN)
    assert "is not allocated as its deliveries" in split.costctl("rules", "plan").stderr


@pytest.mark.slow
def test_a_closed_month_is_what_if_only(split):
    split.change("UPDATE ledger.periods SET state = 'closed' WHERE billing_period = DATE '2026-09-01'")
    records, said = money(split, "plan", "--against", "by_tokens.yaml")
    assert {row["period"]: row["state"] for row in records} == {
        "2026-09-01": "closed: what-if only",
        "2026-10-01": "open",
    }
    assert "2026-09 is closed: what-if only" in said
    assert sums(records, "difference")["search"] == ("10",)


OTHERWISE = """
version: 1
teams: teams.csv
rules:
  - {name: own, when: {SubAccountId: [own]}, team: ads}
  - {name: gpus, when: {SubAccountId: [gpu]}, pool: gpu}
  - {name: rest, when: {SubAccountId: [none]}, team: search}
  - {name: rest, when: {SubAccountId: [nobody]}, team: search}
pools:
  gpu: {base: fixed, shares: {search: "3", ads: "1"}, idle: {policy: owner, owner: ads}}
  tpu: {weights: {output: "5"}}
owners: [{name: keys, when: {api_key: [k-1]}, team: ads}]
tokens: {drives: [{pool: gpu, role: engine}]}
policy: {capacity_owner: ads, tax: cost}
sources: [{name: more, path: more}]
"""


@pytest.mark.slow
def test_what_is_set_otherwise_is_said_in_words(split, monkeypatch):
    """Rules are moved, changed and added, so charges are scanned again, of the months that are asked for."""
    scanned, whole = [], build.groups
    monkeypatch.setattr(build, "groups", lambda *args: (scanned.append(f"{args[3]:%Y-%m}"), whole(*args)))
    split.write("otherwise.yaml", OTHERWISE)
    split.write("teams.csv", "team,aliases\nsearch,\nads,adverts\n")
    records, said = money(split, "plan", "--against", "otherwise.yaml")
    assert sums(records, "cost_now", "cost_then") == {
        "search": ("65", "92"),  # 60 + 30 and the 2 that nobody had
        "ads": ("60", "35"),
        "unallocated": ("2", "0"),
    }
    assert scanned == ["2026-09", "2026-10"]
    money(split, "plan", "--against", "otherwise.yaml", "--last", "1")
    assert scanned == ["2026-09", "2026-10", "2026-10"]
    lines = said.splitlines()
    assert [line.strip() for line in lines[lines.index("set otherwise:") + 1 : -1]] == [
        "rule own: team search → ads",
        "pool gpu: base even → fixed, idle_policy separate → owner, idle_owner - → ads, shares changed",
        "policy capacity_owner: team changed",
        "rule rest: added",
        "rule rest #2: added",
        "pool tpu: added",
        "owner keys: added",
        "tokens of pool gpu: added",
        "team ads: added",
        "team search: added",
        "rules: in another order",
        "policy tax: recoverable → cost",
        "sources: not supposed, for charges stay as they are",
    ]
    assert split.broken() == []


@pytest.mark.slow
def test_one_that_is_killed_leaves_the_ledger_as_it_was(split):
    before = split.fingerprint()
    died = split.process("rules", "plan", "--against", "by_tokens.yaml", COSTCTL_FAULT="supposed")
    assert died.returncode == -signal.SIGKILL
    assert split.fingerprint() == before
    assert split.costctl("doctor").returncode == 0
    records, _ = money(split, "plan", "--against", "by_tokens.yaml")
    assert sums(records, "difference")["ads"] == ("-10",)
    assert not (split.home / "costctl.duckdb.tmp").exists()


@pytest.mark.slow
def test_a_ledger_that_is_read_meanwhile_is_busy(split):
    with (split.home / "costctl.duckdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        said = split.costctl("rules", "plan", "--against", "by_tokens.yaml", "--wait", "0.1")
    assert said.returncode == 6
    assert "another run holds the ledger" in said.stderr


@pytest.mark.slow
def test_money_that_would_be_lost_is_refused(split, monkeypatch):
    whole = build._compute

    def losing(ledger, model, *words, **options):
        rows = whole(ledger, model, *words, **options)
        if model.name == "postings":
            ledger.run("UPDATE ledger.postings SET EffectiveCost = 0 WHERE team = 'ads'")
        return rows

    before = split.fingerprint()
    monkeypatch.setattr(build, "_compute", losing)
    said = split.costctl("rules", "plan", "--against", "by_tokens.yaml")
    assert said.returncode == 5
    assert "check posting" in said.stderr
    assert split.fingerprint() == before


@pytest.mark.slow
def test_tags_and_stored_columns_are_not_supposed(split):
    split.write("tags.yaml", EVEN + "tags: {squad: Squad}\n")
    said = split.costctl("rules", "plan", "--against", "tags.yaml")
    assert said.returncode == 2
    assert "`tags:` is another one than the ledger has" in said.stderr


# A machine of eight chips for a day at 240: half of it idle, 120. search uses three of the four chips that it booked, ads one of
# its two: of the idle ones each left 1, and 2 nobody booked. Serving is 120, by tokens 90 and 30. A pool beside it has no chip time.
P5 = """
    day         SubAccountId  cost  x_machine    ConsumedQuantity  ConsumedUnit  SubAccountName
    2026-10-01  gpu           240   p5.48xlarge  24                Hours         -
    2026-10-01  tpu           8     -            -                 -             -
"""
TIME = "pool,start,end,chips,state,team,model\ngpu,2026-10-01,2026-10-02,4,serving,,atlas\ngpu,2026-10-01,2026-10-02,4,idle,,\n"
WORK = """
start,end,provider,pool,model,team,input_uncached,output,requests
2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,self,gpu,atlas,search,300,0,1
2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,self,gpu,atlas,ads,100,0,1
2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,self,tpu,atlas,ads,100,0,1
"""
BOOKED = """
version: 1
rules: [{name: by account, when: {SubAccountId: [gpu, tpu]}, pool: "{SubAccountId}"}]
pools:
  gpu:
    idle: {policy: by_reservation, owner: platform}
    reservations: [{team: search, chips: "4"}, {team: ads, chips: "2"}]
  tpu: {}
"""
POLICIES = ("cost_separate", "cost_owner", "cost_by_use", "cost_by_reservation")


@pytest.fixture(scope="module")
def booked(places):
    place = places()
    place.write("costctl.yaml", BOOKED)
    place.bill("bill.csv", P5)
    place.write("time.csv", TIME)
    place.write("work.csv", WORK)
    place.ingest("bill.csv", "time.csv", "work.csv")
    return place


@pytest.mark.slow
def test_a_comparison_says_by_how_much_its_sides_differ_and_that_nobody_depends_on_it_only_where_that_is_so(booked):
    def said(*words):
        return next(line for line in booked.costctl("rules", *words).stderr.splitlines() if "differ" in line or "nobody" in line)  # fmt: skip

    assert said("compare-idle", "--pool", "tpu") == "nobody's money depends on it"  # it has no chip time
    # platform bears the idle 120 or nothing of it; of 128 for what was used 96 are search's, and all that weighs is input
    assert said("compare-idle", "--pool", "gpu") == "the largest difference is 120.00 USD (idle without owner)"
    assert said("compare-weights", "--pool", "gpu") == "nobody's money depends on it"


@pytest.mark.parametrize(
    ("sums", "told"),
    [
        (["1", "1"], "nobody's money depends on it"),
        (["1", None], "nobody's known money depends on it"),
        (["1.000006", "1"], "the largest difference is 0.000006 USD (search)"),
        (["9871.5", "1", "2"], "the largest difference is 9,870.50 USD (search)"),
    ],
)
def test_what_depends_on_a_side_is_told_to_the_last_digit(sums, told):
    owed = [whatif.Owed(Decimal(text) if text else None, incomplete=text is None) for text in sums]
    assert list(sides._most([{("USD", "team", "search"): found} for found in owed])) == [told]


@pytest.mark.slow
def test_idle_policies_side_by_side(booked, monkeypatch):
    before = booked.fingerprint()
    records, said = money(booked, "compare-idle")
    assert sums(records, *POLICIES) == {
        "search": ("90", "90", "180", "120"),  # of the idle 120: nothing, nothing, three quarters, a quarter
        "ads": ("38", "38", "68", "68"),
        "platform": ("0", "120", "0", "60"),
        "idle without owner": ("120", "0", "0", "0"),
    }
    assert {row["in_force"] for row in records} == {"cost_by_reservation"}
    monkeypatch.setenv("COLUMNS", "80")
    table = booked.costctl("rules", "compare-idle", "--pool", "gpu", "--format", "table").stdout
    assert ["team", "separate", "owner", "by_use", "by_reservation*"] in [line.split() for line in table.splitlines()]
    assert ["TOTAL", "248", "248", "248", "248"] in [line.split() for line in table.splitlines()]
    assert "owner: needs an owner of the idle time (--owner TEAM supposes one), which only gpu has" in said
    records, said = money(booked, "compare-idle", "--pool", "tpu")
    assert {row["cost_by_reservation"] for row in records} == {None}
    assert "by_reservation: needs reservations, which the pool does not have" in said
    assert "nobody's money depends on it" in said  # it has no chip time
    assert booked.fingerprint() == before


# A reader and a writer share a published day of 87,072 dollars: what the reader pays is the published share of the input.
SHARES = {"flat": "78.4", "ratio_2": "64.4", "ratio_2_5": "59.1", "ratio_4": "47.5", "calibrated": "42.1"}
TWO_TEAMS = """
start,end,provider,pool,model,team,input_uncached,input_cache_read,output,requests
2025-02-27T00:00:00Z,2025-02-28T00:00:00Z,self,h800,deepseek-r1,reader,266000000000,342000000000,,
2025-02-27T00:00:00Z,2025-02-28T00:00:00Z,self,h800,deepseek-r1,writer,,,168000000000,
"""


@pytest.mark.slow
def test_methods_of_weighing_side_by_side_on_a_published_day(place):
    shutil.copytree(EXAMPLES / "deepseek-day", place.home, dirs_exist_ok=True)
    place.write("usage/tokens.csv", TWO_TEAMS)
    assert place.costctl("ingest").returncode == 0
    records, said = money(place, "compare-weights")
    reader, writer = ({row["team"]: row for row in records}[team] for team in ("reader", "writer"))
    for method, share in SHARES.items():
        paid = Decimal(reader[f"cost_{method}"])
        assert (paid / 87072 * 100).quantize(Decimal("0.1"), ROUND_HALF_UP) == Decimal(share), method
        assert paid + Decimal(writer[f"cost_{method}"]) == 87072
    assert {row["in_force"] for row in records} == {"cost_calibrated"}
    text = (place.home / "costctl.yaml").read_text()
    start = text.index("    weights:")
    (place.home / "costctl.yaml").write_text(text[:start] + '    weights: {output: "3", cache_read: "0.1"}\n')
    records, said = money(
        place, "compare-weights", "--pool", "h800"
    )  # now a read of the cache weighs a tenth, where it is set
    reader = next(row for row in records if row["team"] == "reader")
    assert (Decimal(reader["cost_ratio_4"]) / 87072 * 100).quantize(Decimal("0.1"), ROUND_HALF_UP) == Decimal("30.9")
    assert reader["cost_flat"].startswith("68")  # all classes alike: 78.4 % again
    assert reader["in_force"] == "cost_as_set"  # 300.2 of 804.2 are read
    assert Decimal(reader["cost_as_set"]).quantize(Decimal("0.01"), ROUND_HALF_UP) == Decimal("32503.13")
    assert reader["cost_calibrated"] is None
    assert "calibrated: needs measured speeds" in said


def test_the_demo_by_even_parts_and_by_tokens(quickstart, command):
    """What the plan says of the demo's own rules is what its chargeback says by them; every cent that one loses another gains."""

    def owed(*words):
        said = command(*words, "--format", "csv")
        assert said.code == 0, said.err
        return list(csv.DictReader(io.StringIO(said.out, newline="")))

    by_tokens = defaultdict(Decimal)
    for row in owed("report", "chargeback", "--period", "2026-10"):
        by_tokens[row["line"], row["team"]] += Decimal(row["total"])
    (quickstart / "costctl.yaml").rename(quickstart / "by_tokens.yaml")
    (quickstart / "proposed.yaml").rename(quickstart / "costctl.yaml")
    rows = owed("rules", "plan", "--against", "by_tokens.yaml", "--period", "2026-10")
    assert {(row["line"], row["team"]): Decimal(row["cost_then"]) for row in rows} == by_tokens
    moved = {row["team"]: Decimal(row["difference"]) for row in rows if Decimal(row["difference"])}
    assert moved.keys() == {"search", "coding", "platform", "research", ""}  # and the callers without a key
    assert sum(moved.values()) == 0
    assert moved["search"] == moved["platform"] < 0 < moved["coding"]


def configured(place, name, words):
    """Write a configuration of the pool and return it."""
    base, part, owner = words
    shares = f', shares: {{search: "{part}", ads: "1"}}' if base in ("even", "fixed") else ""
    pool = f"{{base: {base}{shares}, idle: {{policy: owner, owner: {owner}}}}}"
    return config.load(place.write(name, EVEN.partition("pools:")[0] + f"pools:\n  gpu: {pool}\n"))


WORDS = st.tuples(
    st.sampled_from(["even", "fixed", "tokens", "requests", "direct_cost"]),
    st.integers(1, 9),
    st.sampled_from(["ads", "ops"]),
)


@pytest.mark.slow
@given(one=WORDS, other=WORDS)
@examples(2)
def test_whatever_is_supposed_is_conserved_and_depends_on_nothing_supposed_before(even, one, other):
    with whatif.opened(even.run) as ledger:
        asked = whatif.months(ledger, None, 3)
        before = whatif.now(ledger, even.run, asked, "effective")
        first, second, again = (
            whatif.then(ledger, configured(even, f"{name}.yaml", words), asked, "effective")
            for name, words in (("one", one), ("other", other), ("one", one))
        )
        assert first == again
        assert whatif.now(ledger, even.run, asked, "effective") == before
    for state in (before, first, second):
        assert sum(item.cost for item in state.owed.values()) == 127
