"""Pools that are split by hours: who worked in which hour bears what that hour costs. Worked out by hand beside the data."""

import csv

import duckdb
import pytest
from conftest import few_rows, table

from costctl import pipeline
from costctl.ledger import build

CONFIG = """
    version: 1
    rules: [{name: by account, when: {SubAccountId: [gpu, tpu, net]}, pool: "{SubAccountId}"}]
    pools:
"""


def configured(place, *pools):
    place.write("costctl.yaml", CONFIG + "".join(f"      {pool}\n" for pool in pools))


def billed(rows):
    """Return charges from a table of words: account, from and to in hours of the first of October, cost, and FOCUS columns."""
    charges = []
    for row in table(rows):
        account, start, end = row.pop("account"), row.pop("from"), row.pop("to")
        charges.append({"SubAccountId": account, "day": "2026-10-01", **row, **between(start, end)})
    return charges


def between(start, end):
    moments = [
        f"2026-10-02T{end[3:]}:00Z" if end.startswith("+1 ") else f"2026-10-01T{end}:00Z" for end in (start, end)
    ]
    return dict(zip(("ChargePeriodStart", "ChargePeriodEnd"), moments, strict=True))


def counted(rows):
    """Return a file of token counts from a table in words: pool, from, to, team, tokens."""
    lines = ["start,end,provider,pool,model,team,input_uncached,requests"]
    for row in table(rows):
        start, end = between(row["from"], row["to"]).values()
        lines.append(f"{start},{end},self,{row['pool']},atlas,{row['team']},{row['tokens']},1")
    return "\n".join(lines) + "\n"


def taken(place, bill, tokens=None, time=None):
    place.october(billed(bill), tokens and counted(tokens), time)


# The night is cheap, and search works then; by day ads works, and a bit of search. Nobody works at 23; the disk is billed by the day.
BILL = """
    account  from   to        cost
    gpu      02:00  03:00     10
    gpu      14:00  15:00     50
    gpu      13:30  14:30     8
    gpu      23:00  +1 00:00  7
    gpu      00:00  +1 00:00  24
"""
USED = """
    pool  from   to     team    tokens
    gpu   02:10  02:20  search  300
    gpu   13:00  13:05  ads     300
    gpu   14:00  15:00  ads     100
    gpu   14:30  14:31  search  100
"""


def test_who_works_at_night_bears_the_night(place, monkeypatch):
    """By the day search has 400 of 800 tokens, half of the 99. By the hour:

    02: search alone, 10. 14: 100 each of 200, 25 each. 13:30 to 14:30 leaves its hour, and goes by both: search 100 of 500, 1.6, ads 6.4.
    23: nobody. The disk goes by the whole day, which its interval is: 12 each. Search 10 + 25 + 1.6 + 12, ads 25 + 6.4 + 12.

    Another grain has the charges scanned again, another base or weight has not.
    """
    scanned, groups = [], build.groups
    monkeypatch.setattr(build, "groups", lambda *words: [scanned.append(words[3]), groups(*words)])

    def again(*pools):
        """Allocate by other pools; return how many times charges were scanned for that."""
        configured(place, *pools)
        scanned.clear()
        with pipeline.writing(place.run) as ledger:
            pipeline.allocate(ledger, place.run)
        return len(scanned)

    def tokens():
        return place.ask("SELECT team, sum(tokens) FROM ledger.token_days GROUP BY 1 ORDER BY 1")

    configured(place, "gpu: {base: tokens}")
    taken(place, BILL, USED)
    assert (place.owed("team"), tokens()) == ({"ads": "49.5", "search": "49.5"}, [("ads", 400), ("search", 400)])
    assert again("gpu: {base: tokens, grain: hour}") == 1
    assert (place.owed("team"), tokens()) == (
        {None: "7", "ads": "43.4", "search": "48.6"},
        [("ads", 400), ("search", 400)],
    )
    assert place.owed("reason", "team IS NULL") == {"no allocation base in this slot": "7"}
    slots = "SELECT count(DISTINCT slot_start), count(DISTINCT slot_end - slot_start) FROM ledger.charge_groups"
    assert place.ask(slots) == [(5, 2)]
    assert again("gpu: {base: weighted_tokens, grain: hour, weights: {output: '5'}}", "tpu: {base: tokens}") == 0
    assert again("gpu: {base: requests, grain: period}") == 1
    assert (place.owed("team"), place.ask(slots)) == (
        {"ads": "49.5", "search": "49.5"},
        [(1, 1)],
    )  # two requests of four
    assert place.broken() == []


@pytest.mark.slow
def test_a_longer_record_counts_evenly_in_the_hours_of_its_day(place):
    """The whole day of search is 100 an hour. Of 22:30 to 01:30 it is of the day that it begins on, 30 minutes in 22 and 60 in 23: 300 and 600.

    11 tokens of 10:50 to 11:10 are half and half, but no token is cut: 5 of 105 are of the first hour, and 6 of 106 of the second.
    """
    configured(place, "gpu: {base: tokens, grain: hour}")
    taken(
        place,
        """
        account  from   to        cost
        gpu      10:00  11:00     105
        gpu      11:00  12:00     106
        gpu      22:00  23:00     400
        gpu      23:00  +1 00:00  70
        """,
        """
        pool  from   to        team    tokens
        gpu   00:00  +1 00:00  search  2400
        gpu   22:30  +1 01:30  ads     900
        gpu   10:50  11:10     ads     11
        """,
    )
    assert place.owed("hour(slot_start), team") == {
        (10, "ads"): "5",
        (10, "search"): "100",
        (11, "ads"): "6",
        (11, "search"): "100",
        (22, "ads"): "300",
        (22, "search"): "100",
        (23, "ads"): "60",
        (23, "search"): "10",
    }


@pytest.mark.slow
def test_the_hours_of_another_pools_tokens(place):
    """tpu goes by the tokens of gpu, by the hour; gpu itself by the day, by all its 400 tokens of each."""
    configured(place, "gpu: {base: tokens}", "tpu: {base: requests, grain: hour, tokens: {of: gpu}}")
    taken(
        place,
        """
        account  from   to     cost
        gpu      14:00  15:00  80
        tpu      02:00  03:00  10
        tpu      14:00  15:00  30
        """,
        USED,
    )
    assert place.owed("pool, team") == {
        ("gpu", "ads"): "40",
        ("gpu", "search"): "40",
        ("tpu", "ads"): "15",  # of two requests at 14
        ("tpu", "search"): "25",
    }
    assert place.ask(
        "SELECT slot_end - slot_start = INTERVAL 1 DAY, pool FROM ledger.charge_groups GROUP BY ALL ORDER BY 2"
    ) == [(True, "gpu"), (False, "tpu")]


TIME = "pool,start,end,chips,state,team,model\n"
BOX = "x_UsageType           ConsumedUnit  ConsumedQuantity"
P5 = "BoxUsage:p5.48xlarge  Hrs           1"


@pytest.mark.slow
def test_what_chips_did_in_each_hour(place):
    """Eight chips at 10 by night, at 40 by day. 02: all train for research. 14: four serve, two are idle, two nobody says.

    Of those four search has one, as it has 100 of the 400 tokens of that hour (and half of the day's); it booked two, and bears one of the idle ones.
    """
    configured(
        place,
        'gpu: {base: tokens, grain: hour, idle: {policy: by_reservation, owner: platform}, reservations: [{team: search, chips: "2"}]}',
    )
    taken(
        place,
        f"account  from  to  {BOX}  cost\ngpu  02:00  03:00  {P5}  10\ngpu  14:00  15:00  {P5}  40",
        """
        pool  from   to     team    tokens
        gpu   02:10  02:20  search  200
        gpu   14:00  14:10  search  100
        gpu   14:00  14:10  ads     300
        """,
        TIME
        + "gpu,2026-10-01T01:30:00Z,2026-10-01T03:30:00Z,8,training,research,\n"
        + "gpu,2026-10-01T14:00:00Z,2026-10-01T15:00:00Z,4,serving,,\n"
        + "gpu,2026-10-01T14:30:00Z,2026-10-01T15:30:00Z,4,idle,,\n",
    )
    assert place.owed("state, hour(slot_start), team") == {
        ("training", 2, "research"): "10",
        ("serving", 14, "ads"): "15",
        ("serving", 14, "search"): "5",
        ("idle", 14, "platform"): "5",
        ("idle", 14, "search"): "5",
        ("unknown", 14, None): "10",
    }


@pytest.mark.slow
def test_what_engines_counted_in_an_hour(place):
    """The engines counted 400 in 02, of which search asked for 300, and 200 in 14, all of them asked for. Each hour costs 40."""
    configured(place, "gpu: {base: tokens, grain: hour, coverage: {owner: platform}}")
    whole = (place.home / "costctl.yaml").read_text()
    place.write("costctl.yaml", whole + "sources: [{name: engines, path: engine.csv, role: engine}]\n")
    engines = "pool  from  to  team  tokens\ngpu  02:00  03:00  -  400\ngpu  14:00  15:00  -  200"
    place.write("engine.csv", counted(engines).replace(",-,", ",,"))
    taken(place, "account  from  to  cost\ngpu  02:00  03:00  40\ngpu  14:00  15:00  40", USED)
    assert place.costctl("ingest", "engine.csv").returncode == 0
    assert place.broken() == []
    assert place.owed("hour(slot_start), team") == {
        (2, "platform"): "10",
        (2, "search"): "30",
        (14, "ads"): "20",
        (14, "search"): "20",
    }


@pytest.mark.slow
def test_capacity_serves_by_the_hour(place):
    """1 unit of 10 tokens a minute is 600 an hour: in 02 half of it, in 14 a third served; what is beyond it in 13 does not count."""
    configured(place, 'gpu: {grain: hour, capacity: {units: "1", tokens_per_unit_minute: 10}}')
    more = USED + "    gpu   13:05  13:06  ads     900\n"
    taken(
        place,
        "\n".join(["account  from  to  cost", *(f"gpu  {h}:00  {h + 1}:00  60" for h in (2, 13, 14))])
        .replace(" 2:", " 02:")
        .replace(" 3:", " 03:"),
        more,
    )
    assert place.owed("hour(slot_start), state, team") == {
        (2, "idle", None): "30",
        (2, "serving", "search"): "30",
        (13, "serving", "ads"): "60",
        (14, "idle", None): "40",
        (14, "serving", "ads"): "10",
        (14, "serving", "search"): "10",
    }


@pytest.mark.slow
def test_direct_costs_and_drivers_by_the_hour(place):
    """Direct costs are told by the day where no pool of hours has them: search bears 1 an hour, ads 3; the pool tpu 2 in 14, which take 2 of the 6.

    gpu goes by direct cost, too, by that of the day.
    Seats hold for the day, and so for each of its hours: a quarter of the tpu is of search.
    """
    place.write("seats.csv", "date,key,value\n2026-10-01,search,1\n2026-10-01,ads,3\n")
    configured(
        place,
        "net: {base: direct_cost, grain: hour, over: [tpu]}",
        "tpu: {base: driver, grain: hour, driver: seats.csv}",
        "gpu: {base: direct_cost}",
    )
    taken(
        place,
        """
        account  team    from   to        cost
        web      search  00:00  +1 00:00  24
        web      ads     14:00  15:00     72
        tpu      -       14:00  15:00     2
        net      -       02:00  03:00     4
        net      -       14:00  15:00     6
        gpu      -       14:00  15:00     96
        """,
    )
    assert place.owed("pool, passed_by, hour(slot_start), team", "pool IS NOT NULL") == {
        ("gpu", None, 0, "ads"): "72",
        ("gpu", None, 0, "search"): "24",
        ("net", None, 2, "ads"): "3",
        ("net", None, 2, "search"): "1",
        ("net", None, 14, "ads"): "3",
        ("net", None, 14, "search"): "1",
        ("tpu", None, 14, "ads"): "1.5",
        ("tpu", None, 14, "search"): "0.5",
        ("tpu", "net", 14, "ads"): "1.5",
        ("tpu", "net", 14, "search"): "0.5",
    }


@pytest.mark.parametrize(
    ("grains", "expected"),
    few_rows(
        [
            # an hour that tpu passes on goes by the hour where that pool goes by hours, and by the day of it where it goes by days
            (("hour", "day"), {("gpu", "ads"): "25", ("gpu", "search"): "75", ("net", "search"): "100"}),
            # a day that tpu passes on is a day in gpu, too, and goes by all of its hours
            (
                ("day", "hour"),
                {("gpu", "ads"): "25", ("gpu", "search"): "75", ("net", "ads"): "25", ("net", "search"): "75"},
            ),
        ],
        1,
    ),
)
def test_pools_of_hours_and_days_pass_on_to_each_other(place, grains, expected):
    """tpu passes on 200, of the hour 02, half to gpu and half to net, which goes by the tokens of gpu. Of 400 tokens search has 300, all that there are in 02, ads 100 by day."""
    configured(
        place,
        f"gpu: {{base: tokens, grain: {grains[1]}}}",
        f'tpu: {{base: fixed, grain: {grains[0]}, shares: {{"pool gpu": "1", "pool net": "1"}}}}',
        f"net: {{base: tokens, grain: {grains[0]}, tokens: {{of: gpu}}}}",
    )
    taken(
        place,
        "account  from  to  cost\ntpu  02:00  03:00  200",
        """
        pool  from   to     team    tokens
        gpu   02:00  03:00  search  300
        gpu   14:00  15:00  ads     100
        """,
    )
    assert place.owed("pool, team") == expected
    assert place.owed("1", "passed_by = 'tpu'") == {1: "200"}


@pytest.fixture(scope="module")
def hourly(places):
    """What it was at night, without what is billed by the day."""
    place = places()
    configured(place, "gpu: {base: tokens, grain: hour}")
    taken(place, BILL.replace("    gpu      00:00  +1 00:00  24\n", ""), USED)
    return place


@pytest.mark.slow
@pytest.mark.parametrize(
    ("team", "period", "hours"),
    few_rows([("ads", "2026-10", [13, 14]), ("search", "2026-10-01..2026-10-02", [2, 13, 14])], 1),
)
def test_a_packet_computes_the_hours(hourly, team, period, hours):
    said = hourly.costctl("explain", "--team", team, "--period", period, "--packet", team)
    assert said.returncode == 0, said.stderr
    folder = hourly.home / team
    with duckdb.connect() as plain:
        plain.execute(f"SET file_search_path = '{folder}'")
        (row,) = plain.execute((folder / "cell.sql").read_text()).fetchall()
        lengths = "hour(slot_start), date_diff('hour', slot_start, slot_end)"
        bases = plain.sql(f"SELECT DISTINCT {lengths} FROM '{folder}/bases.parquet' ORDER BY 1").fetchall()
    assert (row[0], f"{row[2].normalize():f}", row[3]) == ("USD", {"ads": "31.4", "search": "36.6"}[team], 0)
    assert bases == [(hour, 1) for hour in hours]


@pytest.mark.slow
def test_a_plan_says_what_the_day_would_change(hourly):
    """By the day 75 are half and half, the hour of nobody too: 37.5 each in place of 31.4, 36.6 and 7."""
    hourly.write("days.yaml", (hourly.home / "costctl.yaml").read_text().replace("grain: hour", "grain: day"))
    said = hourly.costctl("rules", "plan", "--against", "days.yaml", "--format", "csv")
    assert (said.returncode, "hourly_pools" in said.stderr) == (0, False)
    assert "pool gpu: grain hour → day" in said.stderr
    rows = csv.DictReader(said.stdout.splitlines())
    assert {row["team"] or row["line"]: (row["cost_now"], row["cost_then"]) for row in rows} == {
        "ads": ("31.4", "37.5"),
        "search": ("36.6", "37.5"),
        "unallocated": ("7", "0"),
    }
    said = hourly.costctl("report", "unallocated", "--period", "2026-10", "--format", "csv")
    assert "pool gpu has no tokens counted in some of its hours" in said.stdout + said.stderr
