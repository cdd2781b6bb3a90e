"""Teams that the configuration of pools names: whatever their spelling, and under the name that they have on that day."""

import csv
from decimal import Decimal

import pytest
from conftest import few_rows

RULES = """
version: 1
teams: teams.csv
rules:
  - {name: pools, when: {SubAccountId: [gpu, net]}, pool: "{SubAccountId}"}
pools:
"""
TEAMS = "team,aliases,valid_from,valid_to\nsearch,,,2026-10-02\ndiscovery,search,2026-10-02,\nads,,,\nplatform,plat,,\n"


def charged(place):
    """Return what each team owes in October."""
    said = place.costctl("report", "chargeback", "--period", "2026-10", "--format", "csv")
    assert said.returncode == 0, said.stderr
    found = {}
    for row in csv.DictReader(said.stdout.splitlines()):
        who = row["team"] or row["line"]
        found[who] = found.get(who, 0) + Decimal(row["total"])
    return found


@pytest.fixture
def paid(place):
    place.write("teams.csv", TEAMS)
    place.bill(
        "bill.csv",
        """
        day         SubAccountId  cost
        2026-10-01  net           10
        2026-10-03  net           10
        """,
    )
    return place


def test_shares_are_of_the_team_that_has_the_name_on_that_day(paid):
    """Twice 10 in two parts: search has 5 on the first, discovery, as it is called from the second on, 5 on the third."""
    paid.write("costctl.yaml", RULES + '  net: {base: even, shares: {Search: "1", PLAT: "1"}}\n')
    paid.ingest("bill.csv")
    assert charged(paid) == {"search": 5, "discovery": 5, "platform": 10}
    said = paid.costctl("explain", "--period", "2026-10", "--team", "platform", "--format", "table")
    assert "team platform: 10 USD" in said.stderr


@pytest.mark.slow
def test_drivers_and_owners_are_too(paid):
    """Two spellings of one team are one recipient: 3 of 4 parts; nobody used the machine, and its owner is platform."""
    paid.write("driver.csv", "date,key,value\n2026-10,plat,1\n2026-10,Platform,2\n2026-10,ads,1\n")
    paid.write("costctl.yaml", RULES + "  net: {base: driver, driver: driver.csv}\n")
    paid.ingest("bill.csv")
    assert charged(paid) == {"platform": 15, "ads": 5}
    assert paid.ask("SELECT DISTINCT team, weight, total FROM ledger.allocation_shares ORDER BY ALL") == [
        ("ads", 1000000, 4000000),
        ("platform", 3000000, 4000000),
    ]


@pytest.mark.slow
def test_who_booked_and_who_used_is_one_team(place):
    """Eight chips for 240, four of them serve and four idle; search has booked the four that it used, so platform bears 120."""
    place.write("teams.csv", "team\nsearch\nplatform\n")
    place.write(
        "costctl.yaml",
        RULES
        + '  gpu: {base: tokens, idle: {policy: by_reservation, owner: Platform}, reservations: [{team: SEARCH, chips: "4"}]}\n',
    )
    place.bill(
        "bill.csv",
        """
        day         SubAccountId  x_UsageType           ConsumedUnit  ConsumedQuantity  cost
        2026-10-01  gpu           BoxUsage:p5.48xlarge  Hrs           24                240
        """,
    )
    day = "2026-10-01T00:00:00Z,2026-10-02T00:00:00Z"
    place.write("time.csv", f"pool,start,end,chips,state,team,model\ngpu,{day},4,serving,,\ngpu,{day},4,idle,,\n")
    place.write(
        "tokens.csv", f"start,end,provider,pool,model,team,input_uncached,requests\n{day},self,gpu,atlas,search,100,1\n"
    )
    place.ingest("bill.csv", "time.csv", "tokens.csv")
    assert charged(place) == {"search": 120, "platform": 120}


def test_credits_of_a_team_are_in_its_cell_where_they_are_in_its_row(place):
    """After credits search owes 60 of 100; both the cell and a change of the policy say so."""
    place.write("costctl.yaml", "version: 1\npolicy: {credits: after}\n")
    place.write("before.yaml", "version: 1\n")
    place.bill(
        "bill.csv", [{"cost": "100", "team": "search"}, {"cost": "-40", "team": "search", "ChargeCategory": "Credit"}]
    )
    place.ingest("bill.csv")
    assert charged(place) == {"search": 60}
    said = place.costctl("explain", "--period", "2026-10", "--team", "search", "--format", "table").stderr
    assert "team search: 60 USD effective in 2 postings" in said
    said = place.costctl("explain", "--period", "2026-10", "--kind", "credits", "--format", "table").stderr
    assert "-40 USD effective" in said
    plan = place.costctl("rules", "plan", "--against", "before.yaml", "--period", "2026-10")
    assert "policy credits: after → before" in plan.stderr


@pytest.mark.slow
def test_a_cost_that_nobody_knows_is_blank(place):
    place.bill(
        "bill.csv",
        [
            {
                "EffectiveCost": "-",
                "team": "search",
                "x_UsageType": "BoxUsage:p5.48xlarge",
                "ConsumedUnit": "Hrs",
                "ConsumedQuantity": "1",
            }
        ],
    )
    place.ingest("bill.csv")
    said = place.costctl("report", "tokens-per-dollar", "--period", "2026-10", "--format", "csv")
    assert [(row["cost"], row["incomplete"]) for row in csv.DictReader(said.stdout.splitlines())] == [("", "true")]


@pytest.mark.slow
def test_a_pool_that_is_not_there_is_told(paid):
    """A template may come to any name."""
    paid.write("costctl.yaml", RULES + "  gpu: {base: tokens}\n")
    paid.ingest("bill.csv")
    said = paid.costctl("report", "chargeback", "--period", "2026-10", "--format", "table")
    assert "20 USD goes to the pool net, which the configuration does not have" in " ".join(said.stdout.split())


@pytest.mark.parametrize(
    ("known", "said"), few_rows([("5", "≥5 USD goes to the pool net"), ("", "- USD goes to the pool net")], 1)
)
def test_what_nobody_knows_of_such_a_pool_is_not_zero(place, known, said):
    place.write(
        "costctl.yaml", 'version: 1\nrules: [{name: by account, when: {SubAccountId: net}, pool: "{SubAccountId}"}]\n'
    )
    lines = [{"SubAccountId": "net", "cost": cost, "day": "2026-10-01"} for cost in ("5", "3")]
    for line, cost in zip(lines, (known, ""), strict=True):
        line["EffectiveCost"] = cost
    place.bill("bill.csv", lines)
    place.ingest("bill.csv")
    told = place.costctl("report", "chargeback", "--period", "2026-10", "--format", "table")
    assert said in " ".join(told.stdout.split())
