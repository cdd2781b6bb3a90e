"""Pools that are charged onward: at cost and by internal rates, with a markup, under every cost and calendar. Worked out by hand beside the data."""

import csv
from contextlib import chdir
from decimal import Decimal

import duckdb
import pytest
from conftest import table

# gpu costs 1,000 on the 1st: of 10 million tokens search has 4, ads 5 (2 of them of beta), platform 1: 400, 500 and 100. Rates charge 80 for a million
# of what atlas reads and 200 for what it writes: search 3 x 80 + 1 x 200 = 440, ads 3 x 80 = 240, platform itself 80; beta has no rate. The markup is 5 %:
# 22 and 12. net costs 100.0000005: search has 3/4 at cost, 75.0000005, with 10 % on it in whole millionths, 7.500000; platform has 25.
CONFIG = """
    version: 1
    teams: teams.csv
    rules: [{name: by account, when: {SubAccountId: [gpu, net]}, pool: "{SubAccountId}"}]
    pools:
      gpu:
        base: tokens
        recharge: {owner: plat, rates: rates.csv, markup_percent: "5", budget: {currency: USD, months: {2026-10: "900"}}}
      net:
        base: fixed
        shares: {search: "3", platform: "1"}
        recharge: {owner: platform, markup_percent: "10"}
    accounts: {unknown: cost of revenue}
"""
TEAMS = "team,aliases,valid_from,valid_to\nplatform,plat,,\nsearch,,,2026-11-01\nads,,,\ndiscovery,search,2026-11-01,\n"
RATES = """
    pool,unit,model,token_class,price,currency,valid_from,valid_to
    ,million tokens,atlas,,80,USD,,
    ,million tokens,atlas,output,200,USD,2026-10-01,2026-10-02
"""
BILL = """
    day         SubAccountId  team  cost
    2026-10-01  gpu           -     1000
    2026-10-01  net           -     100.0000005
    2026-10-01  lab           ads   7
"""
TOKENS = """
    team      model  input    output
    search    atlas  3000000  1000000
    ads       atlas  3000000  0
    ads       beta   2000000  0
    platform  atlas  1000000  0
"""


def tokens(text):
    head = "start,end,provider,pool,model,team,task,input_uncached,output,requests\n"
    lines = [
        f"2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,self,gpu,{row['model']},{row['team']},generate,{row['input']},{row['output']},2"
        for row in table(text)
    ]
    return head + "\n".join(lines) + "\n"


def begun(place, rates=RATES, settings=CONFIG, bill=BILL):
    place.write("costctl.yaml", settings)
    place.write("teams.csv", TEAMS)
    place.write("rates.csv", rates)
    place.write("tokens.csv", tokens(TOKENS))
    place.bill("bill.csv", bill)
    place.ingest("bill.csv", "tokens.csv")
    assert place.broken() == []
    return place


@pytest.fixture(scope="module")
def charged(places):
    return begun(places())


def told(place, *words):
    done = place.costctl("report", *words, "--period", "2026-10", "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(done.stdout.splitlines()))


def owed(place, *words, report="chargeback"):
    """Return what each team has in the columns of cost, of recharges and of markup, and in all; and the lines of nobody."""
    found = {}
    for row in told(place, report, *words):
        had = found.setdefault((row["team"] or row["line"], row["currency"]), [Decimal(0)] * 4)
        cells = [row.get(name) or "0" for name in ("shared", "recharged", "markup", "total")]
        found[row["team"] or row["line"], row["currency"]] = [a + Decimal(b) for a, b in zip(had, cells, strict=True)]
    return {
        who if currency == "USD" else (who, currency): " ".join(f"{n.normalize():f}" for n in sums)
        for (who, currency), sums in found.items()
    }


OWED = {
    "search": "0 515.0000005 29.5 544.5000005",
    "ads": "0 240 12 259",
    "platform": "1100.0000005 -755.0000005 -41.5 303.5",
}


def test_each_team_owes_what_it_is_charged_and_the_owner_the_rest(charged):
    """1100.0000005 + 7 is the bill: 544.5000005 + 259 + 303.5. The accounts say the same, and another cost moves nothing that rates charge."""
    for words in ([], ["--cost", "billed"], ["--calendar", "usage"], ["--cost", "list"]):
        assert owed(charged, *words) == OWED
    assert owed(charged, report="accounts") == OWED
    table_of = charged.costctl("report", "chargeback", "--period", "2026-10", "--format", "table", "--cents").stdout
    assert ["difference", "0.00"] in [line.split() for line in table_of.splitlines()]
    assert "2 million tokens of the pool gpu have no internal rate and are charged to nobody (beta)" in " ".join(
        table_of.split()
    )
    later = owed(charged, "--org", "as-of=2026-11-05")
    assert later == {"discovery": OWED["search"], "ads": OWED["ads"], "platform": OWED["platform"]}
    # all is contracted but the fixed parts of net, which nobody measured: neither they nor their recharge are charged to a team
    assert owed(charged, "--min-evidence", "contracted") == {
        "search": "0 440 22 462",
        "ads": OWED["ads"],
        "platform": "1000 -680 -34 286",
        "below evidence": "100.0000005 0 0 100.0000005",
    }


def test_what_is_left_with_the_owner_is_what_the_two_variances_say(charged):
    """1,000 cost, 680 charged, 80 its own: 240 too little; 100 since it cost more than 900, 140 since 760 of 900 were charged. At cost nothing is left."""
    gpu, net = told(charged, "recovery")
    known = {
        "cost": "1000", "recharged": "680", "own_use": "80", "under_recovery": "240", "budget": "900", "spending_variance": "100",
        "volume_variance": "140", "markup": "34", "rated_mtok": "8", "unrated_mtok": "2", "owner": "plat", "incomplete": "false",
    }  # fmt: skip
    assert {name: gpu[name] for name in known} == known
    assert (net["recharged"], net["own_use"], net["under_recovery"], net["budget"]) == ("75.0000005", "25", "0", "")
    assert (net["spending_variance"], net["volume_variance"]) == ("", "")
    assert [row["budget"] for row in told(charged, "recovery", "--calendar", "usage")] == ["900", ""]


@pytest.mark.parametrize(
    ("rates", "known"),
    [
        ("gpu,million tokens,,,10,USD,,\n,million tokens,atlas,output,200,USD,,", {"search": 40, "ads": 50, "platform": 10}),  # its own first
        (",million tokens,atlas,,1,USD,,\n,million tokens,,input,5,USD,,\n,million tokens,,,9,USD,,", {"search": 4, "ads": 13, "platform": 1}),
        (",million tokens,,,1,USD,,2026-10-01\n,million tokens,,,2,USD,2026-10-01,", {"search": 8, "ads": 10, "platform": 2}),
        (",request,,,0.5,USD,,\n,chip hour,,,2,USD,,", {"search": 1, "ads": 2, "platform": 1}),  # nobody has chips
        (",million tokens,,,0,USD,,", {"search": 0, "ads": 0, "platform": 0}),  # free is a rate
        (",million tokens,gamma,,5,USD,,", {"search": None, "ads": None, "platform": None}),
    ],
)  # fmt: skip
def test_the_most_specific_rate_holds(place, rates, known):
    """Those that name the pool, then model and class, then a model, then a class, then neither; on the day of use."""
    begun(place, f"pool,unit,model,token_class,price,currency,valid_from,valid_to\n{rates}\n")
    assert dict(place.ask("SELECT team, sum(amount) FROM ledger.recharged_use GROUP BY 1")) == known


@pytest.mark.parametrize(
    ("words", "figure"),
    [
        ("--team platform", "303.5"),  # its own postings, those of others, what it charges and the markup
        ("--team search --kind recharged", "515.0000005"),
        ("--team ads --kind recharged", "240"),  # by rates alone: no charge is behind it
        ("--team search --kind markup --cost list", "29.5"),
        ("--team search --calendar usage", "544.5000005"),
        ("--team ads --kind shared", "0"),
        ("--report accounts --team platform --account (no=account)", None),
        ("--report accounts --team platform --kind shared --calendar usage", "1100.0000005"),
    ],
)
def test_a_packet_of_a_cell_with_recharges_gives_it_in_plain_duckdb(charged, tmp_path, words, figure):
    folder = tmp_path / "packet"
    done = charged.costctl("explain", "--period", "2026-10", *words.split(), "--packet", folder)
    if figure is None:
        assert (done.returncode, "this cell has no postings" in done.stderr) == (2, True)
        return
    assert done.returncode == 0, done.stderr
    with chdir(folder), duckdb.connect() as shell:
        (found,) = shell.execute((folder / "cell.sql").read_text("utf-8")).fetchall()
        assert found == ("USD", Decimal(figure), Decimal(figure), 0)
        changed = (
            "price = price + 1" if "recharged" in words else "markup = markup + 1000000" if "markup" in words else ""
        )
        if changed:  # a rate or a percentage that is another one is seen
            table = "recharged_uses" if "recharged" in words else "recharges"
            column, _, value = changed.partition(" = ")
            shell.execute(
                f"COPY (SELECT * REPLACE ({value} AS {column}) FROM '{table}.parquet') TO 'changed.parquet' (FORMAT parquet)"
            )
            text = (folder / "cell.sql").read_text("utf-8").replace(f"'{table}.parquet'", "'changed.parquet'")
            assert shell.execute(text).fetchall()[0][3] != 0


def test_explain_says_what_passes_between_teams_and_by_which_rate(charged):
    said = charged.costctl("explain", "--period", "2026-10", "--team", "search").stderr
    assert "team search: 544.5000005 USD effective in 2 postings" in said
    assert (
        "recharged of the pool gpu, between platform, its owner, and search: 240 USD, 3 million tokens x 80 (rates.csv:2)"
        in said
    )
    assert "200 USD, 1 million tokens x 200 (rates.csv:3)" in said
    assert "markup of the pool net, between platform, its owner, and search: 7.5 USD, 10 % of what is recharged" in said
    assert "recharged of the pool net, between platform, its owner, and search: 75.0000005 USD, at cost" in said
