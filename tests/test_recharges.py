"""Pools that are charged onward: at cost and by internal rates, with a markup, under every cost and calendar. Worked out by hand beside the data."""

import csv
from contextlib import chdir
from decimal import Decimal

import duckdb
import pytest
from conftest import examples, few_rows, table
from hypothesis import given
from hypothesis import strategies as st

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

HEADER = "start,end,provider,pool,model,team,task,input_uncached,output,requests\n"


def tokens(text):
    lines = [
        f"2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,self,gpu,{row['model']},{row['team']},generate,{row['input']},{row['output']},2"
        for row in table(text)
    ]
    return HEADER + "\n".join(lines) + "\n"


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
    few_rows([
        ("gpu,million tokens,,,10,USD,,\n,million tokens,atlas,output,200,USD,,", {"search": 40, "ads": 50, "platform": 10}),  # its own first
        (",million tokens,atlas,,1,USD,,\n,million tokens,,input,5,USD,,\n,million tokens,,,9,USD,,", {"search": 4, "ads": 13, "platform": 1}),
        (",million tokens,,,1,USD,,2026-10-01\n,million tokens,,,2,USD,2026-10-01,", {"search": 8, "ads": 10, "platform": 2}),
        (",request,,,0.5,USD,,\n,chip hour,,,2,USD,,", {"search": 1, "ads": 2, "platform": 1}),  # nobody has chips
        (",million tokens,,,0,USD,,", {"search": 0, "ads": 0, "platform": 0}),  # free is a rate
        (",million tokens,gamma,,5,USD,,", {"search": None, "ads": None, "platform": None}),
    ], 1),
)  # fmt: skip
def test_the_most_specific_rate_holds(place, rates, known):
    """Those that name the pool, then model and class, then a model, then a class, then neither; on the day of use."""
    begun(place, f"pool,unit,model,token_class,price,currency,valid_from,valid_to\n{rates}\n")
    assert dict(place.ask("SELECT team, sum(amount) FROM ledger.recharged_use GROUP BY 1")) == known


def recomputed(folder):
    """Return what a DuckDB shell in a packet's folder says: currency, recomputed, reported, difference."""
    with chdir(folder), duckdb.connect() as shell:
        (found,) = shell.execute((folder / "cell.sql").read_text("utf-8")).fetchall()
    return found


@pytest.mark.parametrize(
    ("words", "figure"),
    few_rows(
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
        1,
    ),
)
def test_a_packet_of_a_cell_with_recharges_gives_it_in_plain_duckdb(charged, tmp_path, words, figure):
    folder = tmp_path / "packet"
    done = charged.costctl("explain", "--period", "2026-10", *words.split(), "--packet", folder)
    if figure is None:
        assert (done.returncode, "this cell has no postings" in done.stderr) == (2, True)
        return
    assert done.returncode == 0, done.stderr
    assert recomputed(folder) == ("USD", Decimal(figure), Decimal(figure), 0)
    with chdir(folder), duckdb.connect() as shell:
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


@pytest.mark.slow
def test_a_plan_of_other_rates_says_who_gains_and_who_loses(charged, places):
    """At 100 a million of atlas search pays 400, ads 300: with 10 % 440 and 330, where they paid 462 and 252; the owner has the difference."""
    place = places().copy(charged)
    place.write("other.csv", "unit,model,price,currency\nmillion tokens,atlas,100,USD\n")
    place.write("other.yaml", CONFIG.replace("rates.csv", "other.csv").replace('"5"', '"10"'))
    before = place.path.read_bytes()
    done = place.costctl("rules", "plan", "--against", "other.yaml", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = {row["team"]: Decimal(row["difference"]) for row in csv.DictReader(done.stdout.splitlines())}
    assert rows == {"search": -22, "ads": 78, "platform": -56}
    assert "pool gpu: recharge changed, rates changed" in done.stderr
    assert place.path.read_bytes() == before


@pytest.mark.slow
def test_rates_in_another_currency_stand_in_it_and_nobody_knows_what_was_recovered(place):
    """1,000 USD of cost, 500 EUR charged: the bill has no euros, and the recharges in euros sum to none."""
    begun(place, "unit,model,price,currency\nmillion tokens,,50,EUR\n")
    found = owed(place)
    assert found["platform", "EUR"] == "0 -450 -22.5 -472.5"
    assert (found["search", "EUR"], found["ads", "EUR"]) == ("0 200 10 210", "0 250 12.5 262.5")
    assert found["search"] == "0 75.0000005 7.5 82.5000005"
    euros, gpu, net = told(place, "recovery")
    assert [(row["currency"], row["cost"], row["recharged"], row["own_use"]) for row in (euros, gpu)] == [
        ("EUR", "", "450", "50"),
        ("USD", "1000", "", ""),
    ]
    unknown = [(row["under_recovery"], row["volume_variance"]) for row in (euros, gpu)]
    assert (unknown, net["under_recovery"], gpu["spending_variance"]) == ([("", "")] * 2, "0", "100")
    why = "pool gpu: costs and internal rates are not all in one currency, so what is left of them is in none"
    assert [row["left_unknown"] for row in (euros, gpu, net)] == [why, why, ""]
    table = place.costctl("report", "recovery", "--format", "md").stdout
    assert f"where it is not known what is left, and why:\n  {why}\n" in table


@pytest.mark.slow
def test_chip_hours_credits_tax_and_what_is_not_known(place):
    """Eight chips for 24 hours, 3/4 search and 1/4 ads: 144 and 48 chip-hours at 2. A credit and a tax of the pool stand in their own lines before and
    after: what is charged onward of them is in no column. A charge without a list cost makes what is left unknown by it, and so does one of unknown chips.
    """
    settings = """
        version: 1
        rules: [{name: by account, when: {SubAccountId: [gpu]}, pool: gpu}]
        pools: {gpu: {base: fixed, shares: {search: "3", ads: "1"}, recharge: {owner: platform, rates: rates.csv}}}
    """
    bill = """
        day         SubAccountId  cost  ChargeCategory  x_Machine    ConsumedQuantity  ConsumedUnit
        2026-10-01  gpu           1000  Usage           p5.48xlarge  24                Hours
        2026-10-01  gpu           -100  Credit          -            -                 -
        2026-10-01  gpu           50    Tax             -            -                 -
    """
    rates = "unit,price,currency\nchip hour,2,USD\n"
    begun(place, rates, settings, bill)
    known = {"search": "0 288 0 288", "ads": "0 96 0 96", "platform": "1000 -384 0 616"}
    assert owed(place) == known | {"credits": "0 0 0 -100", "recoverable tax": "0 0 0 50"}
    assert [row["under_recovery"] for row in told(place, "recovery")] == ["616"]
    place.write("costctl.yaml", settings + "    policy: {credits: after, tax: cost}\n")
    assert owed(place) == known | {"platform": "1000 -384 0 566"}
    assert [(row["cost"], row["under_recovery"]) for row in told(place, "recovery")] == [("950", "566")]
    place.write("costctl.yaml", settings.replace(", rates: rates.csv", ""))
    assert owed(place) == {
        "search": "0 750 0 750",
        "ads": "0 250 0 250",
        "platform": "1000 -1000 0 0",
        "credits": "0 0 0 -100",
        "recoverable tax": "0 0 0 50",
    }
    place.write("costctl.yaml", settings)
    place.bill(
        "more.csv",
        [
            {
                "day": "2026-10-02",
                "SubAccountId": "gpu",
                "cost": "10",
                "ListCost": None,
                "x_Machine": "p9.48xlarge",
                "ConsumedQuantity": "1",
                "ConsumedUnit": "Hours",
            }
        ],
    )
    place.ingest("more.csv", source="more")
    assert [
        (row["cost"], row["under_recovery"], row["incomplete"]) for row in told(place, "recovery", "--cost", "list")
    ] == [("1000", "", "true")]
    (row,) = told(place, "recovery")
    why = "pool gpu: of what was used a quantity is not known"
    assert (row["recharged"], row["under_recovery"], row["left_unknown"]) == ("384", "", why)
    said = place.costctl("report", "chargeback", "--format", "table").stdout
    assert "chip-hours of the pool gpu are not known and are charged to nobody" in " ".join(said.split())


@pytest.mark.slow
def test_what_nobody_used_is_left_with_who_bears_it_and_longer_charges_go_by_their_days(place, tmp_path):
    """At cost search pays 3/4 of 100, platform has 1/4 for itself; the 20 that were not drawn are nobody's, or the capacity owner's, and not recovered.

    They are charged over three days: 25 a day of search, with 2.5 on it; two of them are in a report of two days, and in its packet.
    """
    settings = """
        version: 1
        rules: [{name: by account, when: {SubAccountId: [net]}, pool: net}]
        pools: {net: {base: fixed, shares: {search: "3", platform: "1"}, recharge: {owner: platform, markup_percent: "10"}}}
    """
    until = {"SubAccountId": "net", "day": "2026-10-01", "ChargePeriodEnd": "2026-10-04T00:00:00Z"}
    used, unused = ({"CommitmentDiscountStatus": status} for status in ("Used", "Unused"))
    begun(place, settings=settings, bill=[until | used | {"cost": "100"}, until | unused | {"cost": "20"}])
    columns = ("cost", "recharged", "own_use", "under_recovery")
    (row,) = told(place, "recovery")
    assert ([row[name] for name in columns], row["no_team"]) == (["120", "75", "25", "20"], "20")
    for name, period, figure in (("month", "2026-10", "82.5"), ("days", "2026-10-01..2026-10-03", "55")):
        words = ("--period", period, "--team", "search", "--packet", tmp_path / name)
        assert place.costctl("explain", *words).returncode == 0
        assert recomputed(tmp_path / name) == ("USD", Decimal(figure), Decimal(figure), 0)
    place.write("costctl.yaml", settings + "    policy: {capacity_owner: platform}\n")
    (row,) = told(place, "recovery")
    assert ([row[name] for name in columns], "no_team" in row) == (["120", "75", "25", "20"], False)


TEAM, MODEL, CLASS = ("a", "b", "c"), ("atlas", "beta"), ("input", "output")
AMOUNT = st.decimals("-50", "900", places=7).filter(bool) | st.decimals("0.000000000000000001", "1", places=18)
RATE = st.tuples(
    st.sampled_from(["gpu", ""]),
    st.sampled_from([*MODEL, ""]),
    st.sampled_from([*CLASS, ""]),
    st.decimals("0", "300", places=12),
    st.sampled_from(["USD", "EUR"]),
)


@pytest.mark.slow
@examples(4)
@given(
    costs=st.lists(st.tuples(st.integers(1, 2), st.sampled_from(["gpu", "net"]), AMOUNT), min_size=1, max_size=4),
    used=st.dictionaries(
        st.tuples(st.integers(1, 2), st.sampled_from(TEAM), st.sampled_from(MODEL)),
        st.tuples(st.integers(0, 10**13), st.integers(0, 10**6)),
        max_size=6,
    ),
    rates=st.lists(RATE, min_size=1, max_size=4, unique_by=lambda rate: rate[:3]),
    markups=st.tuples(st.decimals("0", "120", places=6), st.decimals("0", "9", places=6)),
    owner=st.sampled_from(TEAM),
)
def test_whatever_is_charged_onward_sums_to_nothing_and_the_chargeback_is_the_bill(
    places, costs, used, rates, markups, owner
):
    """Per currency, entry and kind, in all costs; what rates charge is what they come to when they are looked up here."""
    place = places()
    rates = [*rates, ("gpu", "none", "", Decimal(1), "USD")]  # so that the pool has one
    place.write(
        "rates.csv",
        "pool,unit,model,token_class,price,currency\n"
        + "".join(
            f"{pool},million tokens,{model},{kind},{price:f},{currency}\n"
            for pool, model, kind, price, currency in rates
        ),
    )
    place.write("costctl.yaml", f"""
        version: 1
        rules: [{{name: by account, when: {{SubAccountId: [gpu, net]}}, pool: "{{SubAccountId}}"}}]
        pools:
          gpu: {{base: tokens, recharge: {{owner: {owner}, rates: rates.csv, markup_percent: "{markups[0]:f}"}}}}
          net: {{base: fixed, shares: {{a: "2", b: "1", c: "0.3"}}, recharge: {{owner: {owner}, markup_percent: "{markups[1]:f}"}}}}
    """)  # fmt: skip
    lines = [
        f"2026-10-0{day}T05:00:00Z,2026-10-0{day}T06:00:00Z,self,gpu,{model},{team},generate,{got},{made},1\n"
        for (day, team, model), (got, made) in used.items()
    ]
    place.write("tokens.csv", HEADER + "".join(lines))
    place.bill(
        "bill.csv",
        [
            {"day": f"2026-10-0{day}", "SubAccountId": pool, "cost": f"{cost:f}", "ListCost": f"{cost * 2:f}"}
            for day, pool, cost in costs
        ],
    )
    place.ingest("bill.csv", *(["tokens.csv"] if lines else []))
    assert place.broken() == []
    for sums in place.ask(
        "SELECT sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost), sum(rate_card_cost) FROM ledger.recharges GROUP BY BillingCurrency, entry, kind"
    ):
        assert set(sums) == {0}
    whole = sum(cost for _, _, cost in costs)
    for cost, bill in (("effective", whole), ("list", whole * 2)):
        rows = told(place, "chargeback", "--cost", cost)
        totals = {
            currency: sum(Decimal(row["total"] or 0) for row in rows if row["currency"] == currency)
            for currency in ("USD", "EUR")
        }
        assert totals == {"USD": bill, "EUR": 0}
    owed_by_rates = {}
    for (_, team, model), counts in used.items():
        for kind, number in zip(CLASS, counts, strict=True):
            fits = [rate for rate in rates if rate[1] in (model, "") and rate[2] in (kind, "")]
            if fits and number:
                _, _, _, price, currency = min(fits, key=lambda rate: (rate[0] == "", rate[1] == "", rate[2] == ""))
                at = (team, currency)
                owed_by_rates[at] = owed_by_rates.get(at, 0) + number * price / 1_000_000
    found = place.ask(
        "SELECT used_by, BillingCurrency, sum(EffectiveCost) FROM ledger.recharges WHERE kind = 'recharge' AND entry = 'recharged' AND team = used_by GROUP BY 1, 2"
    )
    assert {(team, currency): amount for team, currency, amount in found if amount} == {
        at: amount for at, amount in owed_by_rates.items() if amount and at[0] != owner
    }
