"""Pools: what each base, grain and idle policy makes of a few days, and what pools pass on to each other. Worked out by hand beside the data."""

import csv
from datetime import date

import pytest
from conftest import few_rows, table

from costctl.errors import UsageError

RULES = """
    version: 1
    rules: [{name: by account, when: {SubAccountId: [gpu, net, tpu, host]}, pool: "{SubAccountId}"}]
    pools:
"""
TOKENS = "start,end,provider,pool,model,team,task,input_uncached,output,requests\n"


def configured(place, pools, more=""):
    lines = "\n".join(f"      {line}" for line in pools.strip("\n").splitlines())
    place.write("costctl.yaml", f"{RULES}{lines}\n{more}")


def counted(rows):
    """Return a file of token counts from a table in words: day, pool, team, model, input, output."""
    lines = [
        f"{row['day']}T05:00:00Z,{row['day']}T06:00:00Z,self,{row['pool']},{row.get('model', 'atlas')},{row['team']},"
        f"{row.get('task', 'generate')},{row['input']},{row['output']},{row.get('requests', 1)}"
        for row in table(rows)
    ]
    return TOKENS + "\n".join(lines) + "\n"


def taken(place, bill, tokens=None, time=None):
    place.october(bill, tokens and counted(tokens), time)


DAYS = """
    day         SubAccountId  cost
    2026-10-01  gpu           100
    2026-10-02  gpu           100
"""
USED = """
    day         pool  team    input  output
    2026-10-01  gpu   search  300    0
    2026-10-01  gpu   ads     100    0
    2026-10-02  gpu   ads     400    0
"""


@pytest.mark.slow
def test_a_pool_goes_by_the_days_or_by_the_month(place, places):
    """By day search has 3/4 of the first and nothing of the second; of the month's 800 tokens it has 300."""
    for grain, search in (("day", "75"), ("period", "75")):
        here = places()
        configured(here, f"gpu: {{base: tokens, grain: {grain}}}")
        taken(here, DAYS, USED)
        assert here.owed("team") == {"ads": "125", "search": search}
    here = places()
    configured(here, "gpu: {base: tokens, grain: period}")
    uneven = DAYS.replace("2026-10-01  gpu           100", "2026-10-01  gpu           180")
    taken(here, uneven, USED)
    assert here.owed("team") == {"ads": "175", "search": "105"}  # 280 x 500/800, x 300/800; by day it were 145 and 135
    late = place
    configured(late, "gpu: {base: tokens, grain: period}")
    bill = [{"cost": "80", "day": "2026-09-30", "SubAccountId": "gpu", "month": "2026-10-01"}]
    late.bill("october.csv", bill)
    late.write("tokens.csv", counted(USED.replace("2026-10", "2026-09")))
    late.ingest("october.csv", "tokens.csv")
    assert late.owed("team") == {
        "ads": "50",
        "search": "30",
    }  # what October bills of a day of September goes by September


def test_what_is_split_by_direct_cost(place):
    """The network costs 30: search has 200 of its own, ads 100, the pool gpu 300; a credit is no usage. The gpu's 15 goes on by its tokens."""
    configured(place, "net: {base: direct_cost, over: [gpu]}\ngpu: {base: tokens}")
    taken(
        place,
        """
        day         SubAccountId  team    ChargeCategory  cost
        2026-10-01  net           -       Usage           30
        2026-10-01  web           search  Usage           200
        2026-10-01  web           search  Credit          -50
        2026-10-01  web           ads     Usage           100
        2026-10-01  gpu           -       Usage           300
        """,
        """
        day         pool  team    input  output
        2026-10-01  gpu   search  300    0
        2026-10-01  gpu   ads     100    0
        """,
    )
    assert place.owed("pool, team, method") == {
        (None, "ads", "direct"): "100",
        (None, "search", "direct"): "150",
        ("gpu", "ads", "tokens"): "78.75",  # 315 x 100/400
        ("gpu", "search", "tokens"): "236.25",
        ("net", "ads", "direct_cost"): "5",
        ("net", "search", "direct_cost"): "10",
    }
    assert place.owed("pool, passed_by", "pool IS NOT NULL") == {
        ("gpu", None): "300",
        ("gpu", "net"): "15",
        ("net", None): "15",
    }


@pytest.mark.slow
def test_a_cost_below_zero_is_no_base(place):
    configured(place, "net: {base: direct_cost}")
    place.bill(
        "october.csv",
        """
        day         SubAccountId  team    cost
        2026-10-01  net           -       30
        2026-10-01  web           search  -200
        2026-10-01  web           ads     300
        """,
    )
    done = place.costctl("ingest", "october.csv")
    assert done.returncode == 5
    assert "net" in done.stderr
    assert "search" in done.stderr
    assert "grain: period" in done.stderr


def test_pools_pass_on_to_pools_by_fixed_parts_and_by_drivers(place):
    """host: 60, half of it to the network, 30 to gpu; net: 40 + 30 by seats, 2 of 7 to the pool tpu; tpu: 20 to ads alone."""
    configured(
        place,
        """
        host: {base: fixed, shares: {"pool net": "1", "pool gpu": "1"}}
        net: {base: driver, driver: seats.csv}
        gpu: {base: fixed, shares: {search: "1"}}
        tpu: {base: fixed, shares: {ads: "1"}}
        """,
    )
    place.write("seats.csv", "date,key,value\n2026-10,search,3\n2026-10,ads,2\n2026-10,pool tpu,2\n")
    taken(
        place,
        """
        day         SubAccountId  cost
        2026-10-01  host          60
        2026-10-02  net           40
        2026-10-02  gpu           7
        """,
    )
    assert place.owed("pool, passed_by, team") == {
        ("gpu", "host", "search"): "30",
        ("gpu", None, "search"): "7",
        ("net", "host", "ads"): "8.571428",
        ("net", "host", "search"): "12.857144",  # the largest takes what is left of 30
        ("net", None, "ads"): "11.428571",
        ("net", None, "search"): "17.142858",
        ("tpu", "host > net", "ads"): "8.571428",
        ("tpu", "net", "ads"): "11.428571",
    }
    assert place.owed("1") == {1: "107"}


@pytest.mark.slow
def test_nothing_to_pass_on_takes_nothing_from_those_that_are_passed_to(place):
    """The host costs nothing in this month: gpu, a level above it, bears its own all the same."""
    configured(place, 'host: {base: fixed, shares: {"pool gpu": "1"}}\ngpu: {base: fixed, shares: {search: "1"}}')
    taken(
        place,
        """
        day         SubAccountId  x_Model  x_TokenClass  cost
        2026-10-01  gpu           -        -             7
        2026-10-01  other         gpt-5    input         5
        """,
    )
    assert place.owed("pool, team") == {("api", None): "5", ("gpu", "search"): "7"}


def test_a_hole_in_a_driver_is_unallocated_with_its_reason(place):
    configured(place, "net: {base: driver, driver: seats.csv}")
    place.write("seats.csv", "date,key,value\n2026-10-01,search,3\n")
    taken(place, "day  SubAccountId  cost\n2026-10-01  net  5\n2026-10-02  net  7")
    assert place.owed("kind, team, reason") == {
        ("shared", "search", None): "5",
        ("unallocated", None, "no allocation base in this slot"): "7",
    }


P5 = "day  SubAccountId  x_UsageType  ConsumedUnit  ConsumedQuantity  cost\n2026-10-01  gpu  BoxUsage:p5.48xlarge  Hrs  24  240"
TIME = "pool,start,end,chips,state,team,model\n"


def test_training_goes_by_chip_seconds(place):
    """Eight chips for 24 hours, 240: research trains on 4 for 12 hours, ads on 4 for 12; 6 of the 8 stand until they are of a state: unknown."""
    configured(place, "gpu: {base: chip_seconds}")
    rows = [
        f"gpu,2026-10-01T00:00:00Z,2026-10-01T12:00:00Z,{n},training,{team},\n"
        for team, n in (("research", 3), ("ads", 1))
    ]
    taken(place, P5, time=TIME + "".join(rows))
    assert place.owed("state, team") == {
        ("training", "ads"): "15",
        ("training", "research"): "45",
        ("unknown", None): "180",
    }


@pytest.mark.slow
def test_without_a_team_serving_goes_by_the_chip_seconds_of_those_that_have_one(place):
    configured(place, "gpu: {base: chip_seconds}")
    rows = "gpu,2026-10-01,2026-10-02,4,startup,,\ngpu,2026-10-01,2026-10-02,3,training,research,\ngpu,2026-10-01,2026-10-02,1,training,ads,\n"
    taken(place, P5, time=TIME + rows)
    assert place.owed("state, team") == {
        ("startup", "ads"): "30",
        ("startup", "research"): "90",
        ("training", "ads"): "30",
        ("training", "research"): "90",
    }


def test_embeddings_do_not_ride_free(place):
    """9 of 10 tokens are read by the embedder, which takes a quarter of the chips: it bears a quarter, and not nine tenths or, by output, nothing."""
    configured(place, 'gpu: {base: output_tokens, models: {atlas: "3", embed: "1"}}')
    taken(
        place,
        "day  SubAccountId  cost\n2026-10-01  gpu  100",
        """
        day         pool  team    model  task      input  output
        2026-10-01  gpu   search  atlas  generate  100    60
        2026-10-01  gpu   ads     atlas  generate  100    15
        2026-10-01  gpu   ads     embed  embed     900    0
        """,
    )
    assert place.owed("model, team, reason") == {
        ("atlas", "ads", None): "15",
        ("atlas", "search", None): "60",
        (
            "embed",
            None,
            "no allocation base in this slot",
        ): "25",  # it writes nothing: nobody knows whose it is by output
    }
    told = place.costctl("report", "chargeback", "--format", "table").stdout
    assert "`models:`" not in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ("gpu: {base: tokens}", "the pool gpu serves embed and generate, and their tokens weigh the same"),
        ('gpu: {base: tokens, models: {atlas: "1"}}', "embed has no part under `models:` of the pool gpu"),
    ],
)
def test_a_pool_that_mixes_tasks_is_told(place, pool, said):
    configured(place, pool)
    tokens = """
        day         pool  team    model  task      input  output
        2026-10-01  gpu   search  atlas  generate  100    60
        2026-10-01  gpu   ads     embed  embed     900    0
    """
    taken(place, "day  SubAccountId  cost\n2026-10-01  gpu  100", tokens)
    assert said in " ".join(place.costctl("report", "chargeback", "--format", "table").stdout.split())


@pytest.mark.slow
def test_chips_of_two_phases_are_two_pools(place):
    """Prefill costs 60 and goes by the input, decode costs 40 and goes by the output; both are what the tokens of gpu cost."""
    configured(
        place,
        """
        gpu: {weights: {method: phase.pools, phase: prefill, cache_read: "0"}}
        tpu: {tokens: {of: gpu}, weights: {method: phase.pools, phase: decode}}
        """,
    )
    taken(
        place,
        "day  SubAccountId  cost\n2026-10-01  gpu  60\n2026-10-01  tpu  40",
        """
        day         pool  team    input  output
        2026-10-01  gpu   search  500    10
        2026-10-01  gpu   ads     100    30
        """,
    )
    assert place.owed("pool, team, method") == {
        ("gpu", "ads", "phase.pools"): "10",
        ("gpu", "search", "phase.pools"): "50",
        ("tpu", "ads", "phase.pools"): "30",
        ("tpu", "search", "phase.pools"): "10",
    }
    assert place.owed("unit") == {"gpu": "100"}


RESERVED = """
    gpu:
      idle: {{policy: by_reservation, owner: platform}}
      reservations:
        - {{team: search, chips: "{search}"}}
        - {{team: ads, chips: "2"}}
"""


@pytest.mark.parametrize(
    ("search", "idle"),
    few_rows(
        [
            # 4 of 8 chips are idle, 120. search booked 4 and used 3, ads booked 2 and used 1: 1 + 1 booked and left, 2 nobody's
            ("4", {"ads": "30", "platform": "60", "search": "30"}),
            # search booked 6 and left 3, ads left 1: all of it
            ("6", {"ads": "30", "search": "90"}),
            # search left 5, ads 1, and only 4 are idle: in proportion
            ("8", {"ads": "20", "search": "100"}),
        ],
        1,
    ),
)
def test_who_booked_and_left_it_pays(place, search, idle):
    configured(place, RESERVED.format(search=search))
    rows = "gpu,2026-10-01,2026-10-02,4,serving,,atlas\ngpu,2026-10-01,2026-10-02,4,idle,,\n"
    tokens = """
        day         pool  team    input  output
        2026-10-01  gpu   search  300    0
        2026-10-01  gpu   ads     100    0
    """
    taken(place, P5, tokens, TIME + rows)
    assert place.owed("team", "state = 'idle'") == idle
    assert place.owed("team", "state = 'serving'") == {"ads": "30", "search": "90"}
    done = place.costctl("report", "reservations", "--period", "2026-10", "--format", "csv")
    assert done.returncode == 0, done.stderr
    told = {
        row["team"]: (row["booked_hours"], row["used_hours"], row["cost"])
        for row in csv.DictReader(done.stdout.splitlines())
    }
    assert told["search"] == (f"{int(search) * 24}", "72", idle["search"])
    assert told["ads"] == ("48", "24", idle["ads"])
    assert told.get("platform", (0, 0, None))[2] == idle.get("platform")


@pytest.mark.slow
def test_a_reservation_holds_while_it_holds(place):
    """search booked all chips until the second day begins; of its idle day it left them all, of the next nobody booked any."""
    configured(
        place,
        """
        gpu:
          idle: {policy: by_reservation, owner: platform}
          reservations: [{team: search, chips: "8", valid_to: 2026-10-02}]
        """,
    )
    taken(
        place,
        P5 + "\n" + P5.splitlines()[1].replace("10-01", "10-02"),
        time=TIME + "gpu,2026-10-01,2026-10-03,8,idle,,\n",
    )
    assert place.owed("CAST(slot_start AS DATE), team") == {
        (date(2026, 10, 1), "search"): "240",
        (date(2026, 10, 2), "platform"): "240",
    }


@pytest.mark.slow
def test_what_engines_counted_and_no_team_is_a_share_of_its_own(place):
    """The engines counted 1,000 tokens of atlas, the gateway 600 of them; of embed the gateway has more, and nothing is made up of that."""
    configured(place, "gpu: {base: tokens, coverage: {owner: platform}}\ntpu: {base: tokens}")
    tokens = """
        day         pool  team    model  input  output
        2026-10-01  {0}   search  atlas  300    0
        2026-10-01  {0}   ads     atlas  300    0
        2026-10-01  {0}   ads     embed  200    0
    """
    engines = "\n".join(
        f"2026-10-01  {pool}  -  {model}  {count}  0"
        for pool in ("gpu", "tpu")
        for model, count in (("atlas", 1000), ("embed", 150))
    )
    place.write("tokens.csv", counted(tokens.format("gpu")) + counted(tokens.format("tpu")).partition("\n")[2])
    place.write("engine.csv", counted("day  pool  team  model  input  output\n" + engines).replace(",-,", ",,"))
    place.bill("october.csv", "day  SubAccountId  cost\n2026-10-01  gpu  120\n2026-10-01  tpu  120")
    place.write(
        "costctl.yaml",
        (place.home / "costctl.yaml").read_text() + "sources: [{name: engines, path: engine.csv, role: engine}]\n",
    )
    place.ingest("october.csv", "tokens.csv")
    assert place.costctl("ingest", "engine.csv").returncode == 0
    assert place.broken() == []
    assert place.owed("pool, kind, team, reason") == {
        ("gpu", "shared", "ads", None): "50",
        ("gpu", "shared", "platform", None): "40",
        ("gpu", "shared", "search", None): "30",
        ("tpu", "shared", "ads", None): "50",
        ("tpu", "shared", "search", None): "30",
        ("tpu", "unallocated", None, "tokens that the engines counted and no team"): "40",
    }


def test_bought_capacity_is_idle_where_it_served_less(place):
    """2 units of 1,000 weighted tokens a minute are 2,880,000 a day: search used 1/4, ads 1/8; of 800 they bear 200 and 100, and 500 is idle.

    What spilled over is bought by the token, and takes no part.
    """
    configured(
        place,
        'gpu: {tokens: {deployment: [ptu]}, capacity: {units: "2", tokens_per_unit_minute: 1000}, idle: {policy: by_reservation, owner: platform}, '
        'reservations: [{team: search, chips: "1"}]}',
    )
    place.write(
        "tokens.csv",
        "start,end,provider,pool,deployment,model,team,input_uncached,output,requests\n"
        "2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,azure,,ptu,gpt-5,search,720000,0,1\n"
        "2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,azure,,ptu,gpt-5,ads,0,90000,1\n",
    )
    place.bill("october.csv", "day  SubAccountId  cost\n2026-10-01  gpu  800")
    place.ingest("october.csv", "tokens.csv")
    assert place.broken() == []
    # search booked a unit, 1,440,000 a day, and left half of it: a quarter of the whole; the rest of the idle time is nobody's
    assert place.owed("state, team") == {
        ("idle", "platform"): "300",
        ("idle", "search"): "200",
        ("serving", "ads"): "100",
        ("serving", "search"): "200",
    }


@pytest.mark.parametrize(
    ("pools", "said"),
    [
        ('gpu: {base: fixed, shares: {"pool tpu": "1"}}\ntpu: {base: fixed, shares: {"pool gpu": "1"}}', "in a circle"),
        ('gpu: {base: fixed, shares: {"pool gpus": "1"}}', "the pool 'gpus', which is not there"),
        ("gpu: {base: direct_cost, over: [tpv]}\ntpu: {}", "did you mean tpu"),
        ("gpu: {base: driver}", "`driver: FILE.csv` goes with the base `driver`"),
        ('gpu: {base: fixed, shares: {search: "0"}}', "`shares` are zero everywhere"),
        ("gpu: {tokens: {of: tpv}}\ntpu: {}", "goes by the tokens of 'tpv'"),
        ('gpu: {weights: {method: phase.pools, phase: decode, cache_read: "1"}}', "weighs nothing there"),
        ("gpu: {idle: {policy: by_reservation}}", "`reservations:` go with the idle policy"),
        (
            'gpu: {idle: {policy: by_reservation}, reservations: [{team: a, chips: "1"}, {team: a, chips: "2", valid_from: 2026-10-01}]}',
            "two reservations of 'a' hold at the same time",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(place, pools, said):
    configured(place, pools)
    place.bill("october.csv", DAYS)
    with pytest.raises(UsageError) as refused:
        place.ingest("october.csv")
    assert said.lower() in refused.value.text().lower()
    assert "costctl.yaml:" in refused.value.text()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2026-10-01,search,-1", "seats.csv:2:value"),
        ("2026-10-01,search,many", "seats.csv:2:value"),
        ("October,search,1", "is neither a day nor a month"),
        ("2026-10,search,1\n2026-10-03,Search,1", "for that day in line 2 already"),
        ("2026-10,search,0", "has no value above zero"),
        ("2026-10,pool nets,1", "the pool 'nets', which is not there"),
    ],
)
def test_a_driver_is_read_row_by_row(place, rows, said):
    configured(place, "net: {base: driver, driver: seats.csv}")
    place.write("seats.csv", f"date,key,value\n{rows}\n")
    place.bill("october.csv", DAYS)
    with pytest.raises(UsageError) as refused:
        place.ingest("october.csv")
    assert said in refused.value.text()
