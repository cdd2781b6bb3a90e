"""What charges come to at the rate cards: a cost like the four of a bill, unknown where no card prices a charge, and conserved."""

import csv
from decimal import Decimal

import pytest
from conftest import few_rows

CARD = """
    provider,machine,chip,price_per_chip_hour,purchase_model,currency,valid_from
    aws,p5.48xlarge,h100,6,on_demand,USD,2026-01-01
"""
PRICES = """
    provider,model,token_class,price_per_million,currency,valid_from,valid_to
    aws,claude-sonnet-4-6,input,2,USD,2026-01-01,2026-10-04
    aws,claude-sonnet-4-6,input,3,USD,2026-10-04,
    aws,claude-sonnet-4-6,output,8,USD,2026-01-01,
"""
CONFIG = """
    version: 1
    cards: [card.csv, prices.csv]
    rules: [{name: nodes, when: {SubAccountId: [nodes]}, pool: gpu}]
    pools: {gpu: {base: fixed, shares: {search: "2", ads: "1"}}}
"""
BILL = """
    cost  day         team    SubAccountId  ServiceName     ChargeCategory  x_Machine     ConsumedQuantity  ConsumedUnit  x_Model            x_TokenClass  PricingCategory
    1000  2026-10-03  -       nodes         EC2             Usage           p5.48xlarge   24                Hours         -                  -             Standard
    50    2026-10-03  -       nodes         Block storage   Usage           -             -                 -             -                  -             -
    200   2026-10-03  search  web           EC2             Usage           p5.48xlarge   4                 Hours         -                  -             Standard
    30    2026-10-03  search  web           Object storage  Usage           -             -                 -             -                  -             -
    0     2026-10-03  search  web           Free tier       Usage           -             -                 -             -                  -             -
    70    2026-10-03  ads     web           EC2             Usage           trn1.2xlarge  1                 Hours         -                  -             Standard
    19    2026-10-03  -       api           Bedrock         Usage           -             5000              1K tokens     claude-sonnet-4-6  input         -
    9     2026-10-03  -       -             Tax             Tax             -             -                 -             -                  -             -
    -5    2026-10-03  search  web           Credit          Credit          -             -                 -             -                  -             -
    -3    2026-10-04  -       api           Bedrock         Usage           -             -500              1K tokens     claude-sonnet-4-6  input         -
"""
TOKENS = """
    start,end,provider,model,team,input_uncached,output,requests
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,aws.bedrock,claude-sonnet-4-6,search,3000000,70,3
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,aws.bedrock,claude-sonnet-4-6,ads,1000000,,3
    2026-10-04T00:00:00Z,2026-10-04T01:00:00Z,aws.bedrock,claude-sonnet-4-6,search,1000000,,3
"""


@pytest.fixture(scope="module")
def ledger(places):
    place = places()
    for name, text in {"card.csv": CARD, "prices.csv": PRICES, "costctl.yaml": CONFIG, "tokens.csv": TOKENS}.items():
        place.write(name, text)
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv", "tokens.csv")
    return place


def test_each_charge_has_its_cost_at_the_card_or_is_unknown(ledger):
    """By what they cost on the bill: 24 and 4 hours of eight chips at 6, 5 million tokens, 4 of them counted, at 2; half a
    million given back the day after, at 3.

    A tax, a credit and what costs nothing have no card to be at; storage, and a machine without a card, are unknown.
    """
    found = ledger.ask(
        "SELECT g.EffectiveCost, CASE WHEN k.rate_card_unknown = 0 THEN k.rate_card_cost END FROM ledger.card_costs AS k "
        "JOIN ledger.charge_groups AS g USING (billing_period, group_id)"
    )
    priced, nothing, unknown = (
        {1000: 1152, 200: 192, 19: 10, -3: Decimal("-1.5")},
        dict.fromkeys((9, -5, 0), 0),
        dict.fromkeys((50, 30, 70)),
    )
    assert dict(found) == priced | nothing | unknown


def test_it_is_shared_as_the_other_costs_are(ledger):
    """Two thirds of the pool are search's, and three of the five million tokens on the bill, of which one nobody counted."""
    found = ledger.ask(
        "SELECT team, pool, sum(rate_card_cost), sum(rate_card_unknown) FROM ledger.postings WHERE pool IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )
    assert found == [
        *[("ads", "api", 2, 0), ("ads", "gpu", 384, 0)],
        *[("search", "api", Decimal("4.5"), 0), ("search", "gpu", 768, 1), (None, "api", 2, 0)],
    ]
    assert ledger.broken() == []


def report(ledger, name, *words):
    said = ledger.costctl("report", name, "--period", "2026-10", "--cost", "rate_card", *words)
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_chargeback_at_the_cards(ledger):
    """1,152 + 192 + 10 - 1.5 that cards price; no bill says so, and none is set beside it."""
    shown = report(ledger, "chargeback", "--format", "table").splitlines()
    lines = {line.split()[0]: line.split() for line in shown if line.strip()}
    assert "≥1,353" in lines["TOTAL"]
    assert not {"bill", "difference"} & set(lines)
    footer = " ".join(" ".join(shown).split())
    assert "3 charges without rate_card cost (≥)" in footer
    assert "left out: 70 tokens counted for aws that are on no bill yet" in footer
    rows = csv.DictReader(report(ledger, "chargeback", "--format", "csv").splitlines())
    assert sum(Decimal(row["total"]) for row in rows) == Decimal("1352.5")


def test_what_is_unknown_buys_no_tokens_at_a_price(ledger):
    """What was counted of the bought model is priced; of the machines without one some is not, and nothing is divided by a part."""
    rows = csv.DictReader(report(ledger, "tokens-per-dollar", "--format", "csv").splitlines())
    names = ("cost", "cost_per_mtok", "cost_per_chip_hour", "incomplete")
    found = {row["model"]: tuple(row[name] for name in names) for row in rows if row["chip"] != "trn1"}
    assert found["claude-sonnet-4-6"] == ("6.5", "1.3", "", "false")
    assert found["unknown"] == ("1344", "", "", "true")


def test_the_largest_is_explained(ledger):
    said = ledger.costctl(
        "explain", "--period", "2026-10", "--team", "search", "--cost", "rate_card", "--format", "table"
    )
    told = " ".join(said.stdout.split())
    assert "rate_card 1152 USD" in told
    assert "shared search / unknown / unknown · pool gpu · 66.67 % by fixed (2,000,000 of 3,000,000) · 768 USD" in told


@pytest.mark.parametrize(
    ("words", "told"),
    few_rows([
        (["--model", "claude-sonnet-4-6"], "rate card prices.csv:2 (contract): 2 USD per million at 4,000,000 input tokens of claude-sonnet-4-6 counted in its time = 8 USD"),
        (["--team", "search"], "rate card card.csv:2 (contract): 6 USD per chip-hour of nvidia-h100-sxm at 192 chip-hours of the group = 1152 USD"),
        (["--model", "claude-sonnet-4-6"], "2026-10-04T00:00:00 (end excluded)"),
        (["--model", "claude-sonnet-4-6"], "billed are 5000 1K tokens, at the average of what was counted"),
        (["--team", "ads"], "1 charge · rate_card - USD"),
        (["--team", "ads"], "rate card none in force for 1 chip-hours of aws-trainium1, or not for all of them"),
        (["--team", "ads"], "direct ads / unknown / unknown · - USD"),
    ], 2),
)  # fmt: skip
def test_a_charge_is_explained_with_the_cards_that_price_it_or_none(ledger, words, told):
    """Five million tokens were bought that day, of which four were counted; no card has the machine of ads."""
    said = ledger.costctl("explain", "--period", "2026-10", *words, "--cost", "rate_card", "--format", "table")
    assert told in " ".join(said.stdout.split())


@pytest.mark.slow
def test_tokens_without_a_price_say_why(place):
    line = BOUGHT | {"cost": "7", "x_Model": "gpt-nobody", "ConsumedQuantity": "4"}
    place.bill("bill.csv", [line])
    place.write("tokens.csv", TOKENS.replace("claude-sonnet-4-6", "gpt-nobody"))
    place.ingest("bill.csv", "tokens.csv")
    said = place.costctl("explain", "--period", "2026-10", "--format", "table")
    told = "rate card none for 4,000,000 input tokens of gpt-nobody counted in its time: no card prices it"
    assert told in " ".join(said.stdout.split())
    place.bill("other.csv", [line | {"x_Model": "gpt-other"}])
    place.ingest("other.csv", source="other")
    said = place.costctl("explain", "--period", "2026-10", "--format", "table")
    assert "rate card none: no source counted these tokens" in " ".join(said.stdout.split())


@pytest.mark.slow
def test_several_tiers_have_no_one_price(place):
    """Of 24 chip-hours the first 10 cost 3, the others 2."""
    header = "provider,machine,chip,price_per_chip_hour,purchase_model,currency,valid_from,tier_from,tier_to,tier_mode"
    tiers = [
        f"aws,p5.48xlarge,h100,{tier},graduated"
        for tier in ("3,on_demand,USD,2026-01-01,,10", "2,on_demand,USD,2026-01-01,10,")
    ]
    place.write("card.csv", "\n".join([header, *tiers, ""]))
    place.write("costctl.yaml", "version: 1\ncards: [card.csv]\n")
    machine = {"x_Machine": "p5.48xlarge", "ConsumedQuantity": "3", "ConsumedUnit": "Hours"}
    place.bill("bill.csv", [machine | {"PricingCategory": "Standard"}])
    place.ingest("bill.csv")
    said = place.costctl("explain", "--period", "2026-10", "--format", "table")
    told = "rate card several tiers or cards: 24 chip-hours of the group = 58 USD"
    assert told in " ".join(said.stdout.split())


@pytest.mark.parametrize("name", ["rate-variance", "reconciliation", "unknown-machines"])
def test_a_report_of_what_bills_say_has_no_such_cost(ledger, name):
    said = ledger.costctl("report", name, "--period", "2026-10", "--cost", "rate_card")
    assert said.returncode == 2
    assert f"the report {name} is of what bills say" in said.stderr
    remedy = said.stderr.splitlines()[-1]
    assert remedy.startswith("rate_card is a cost of accounts, chargeback, claims, ")
    assert name not in remedy.partition(";")[0]


@pytest.mark.slow
def test_a_card_in_another_currency_prices_nothing(place):
    place.write("prices.csv", PRICES)
    place.write("costctl.yaml", "version: 1\ncards: [prices.csv]\n")
    place.write("tokens.csv", TOKENS)
    line = {"cost": "7", "BillingCurrency": "EUR", "ConsumedQuantity": "4000", "ConsumedUnit": "1K tokens"}
    place.bill("bill.csv", [line | {"x_Model": "claude-sonnet-4-6", "x_TokenClass": "input"}])
    place.ingest("bill.csv", "tokens.csv")
    assert place.ask("SELECT sum(rate_card_cost), sum(rate_card_unknown) FROM ledger.postings") == [(0, 1)]
    told = " ".join(place.costctl("explain", "--period", "2026-10", "--format", "table").stdout.split())
    assert "counted in its time = 8 USD, not in EUR" in told


@pytest.mark.slow
def test_what_is_only_estimated_charges_nobody(places):
    """Rate variance shows it all the same."""
    place = places()
    for name, text in {"card.csv": CARD, "prices.csv": PRICES}.items():
        first, *rest = text.strip().splitlines()
        place.write(name, "\n".join([f"{first},confidence", *(f"{line},estimate" for line in rest)]))
    place.write("costctl.yaml", CONFIG)
    place.write("tokens.csv", TOKENS)
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv", "tokens.csv")
    assert place.ask("SELECT sum(rate_card_cost), sum(rate_card_unknown) FROM ledger.postings") == [(0, 7)]
    assert place.ask("SELECT sum(rate_cost) FROM ledger.rated_chip_hours") == [(1344,)]
    assert place.ask("SELECT sum(rate_cost) FROM ledger.rated_tokens WHERE token_class = 'input'") == [(11,)]
    told = " ".join(place.costctl("explain", "--period", "2026-10", "--top", "9", "--format", "table").stdout.split())
    assert "192 chip-hours of the group = 1152 USD, an estimate: it charges nobody" in told
    assert "counted in its time = 3 USD, an estimate: it charges nobody" in told


def test_what_a_card_charges_is_what_it_says(place):
    place.write("own.csv", OWNED)
    place.write("costctl.yaml", "version: 1\ncards: [own.csv]\n")
    place.bill("bill.csv", [{"cost": "1"}])
    place.ingest("bill.csv")
    own = "SELECT sum(EffectiveCost), sum(rate_card_cost), sum(rate_card_unknown) FROM ledger.postings WHERE source = 'own'"
    assert place.ask(own) == [(700, 700, 0)]


OWNED = """
    asset,chip,chips,in_service,currency,acquisition_cost,residual_value,useful_life_months,power,colocation,maintenance
    pod,h100,1,2026-01-01,USD,33600,0,48,bill,bill,bill
"""


STATES = """
    pool,resource,start,end,chips,state
    gpu,n-1,2026-10-03T00:00:00Z,2026-10-04T00:00:00Z,12,serving
    gpu,n-1,2026-10-03T00:00:00Z,2026-10-04T00:00:00Z,4,idle
"""


@pytest.mark.slow
def test_what_no_card_prices_is_unknown_in_every_state_of_its_chips(place):
    """16 chips of a machine without a card: 12 serve, 4 idle; also what nobody bears is unknown, and not 0."""
    place.write("costctl.yaml", CONFIG.replace("cards: [card.csv, prices.csv]\n", "tags: {}\n"))
    place.write("chips.csv", STATES)
    rows = [
        {"SubAccountId": "nodes", "x_Machine": "trn2.48xlarge", "ConsumedQuantity": "24", "ConsumedUnit": "Hours"},
        {"cost": "9"},
        {"cost": "0", "x_Machine": "p9.48xlarge", "ConsumedQuantity": "24", "ConsumedUnit": "Hours"},
    ]
    place.bill("bill.csv", rows)
    place.ingest("bill.csv", "chips.csv")
    asked = "SELECT state, bool_and(rate_card_incomplete), sum(rate_card_unknown) FROM ledger.postings WHERE pool = 'gpu' GROUP BY ALL ORDER BY ALL"
    assert place.ask(asked) == [("idle", True, 0), ("serving", True, 1)]
    unknown = "SELECT name, rate_card_unknown FROM ledger.unknown_machines JOIN ledger.card_costs USING (billing_period, group_id)"
    assert place.ask(unknown) == [("p9.48xlarge", 1)]  # which costs nothing, and would at a card
    shown = report(place, "unallocated", "--format", "table")
    assert "unallocated -" in shown
    rows = csv.DictReader(report(place, "unallocated", "--format", "csv").splitlines())
    assert {(row["cost"], row["incomplete"]) for row in rows} == {("0", "true")}


BOUGHT = {"ConsumedUnit": "1K tokens", "x_Model": "claude-sonnet-4-6", "x_TokenClass": "input", "SubAccountId": "api"}


@pytest.mark.parametrize(
    ("lines", "tokens", "cost"),
    few_rows(
        [
            ([("2026-10-03", "3000")], ["2026-10-03,,3000000,"], 6),
            (
                [("2026-10-03", "3000"), ("2026-10-03", "-")],
                ["2026-10-03,,3000000,"],
                None,
            ),  # one of the lines bought nobody knows how many
            (
                [("2026-10-03", "3000")],
                ["2026-10-03,,3000000,", "2026-10-03,batch,0,5"],
                6,
            ),  # no token has no price to miss
            ([("2026-10-03", "3000")], ["2026-10-03,,3000000,", "2026-10-03,batch,1,5"], None),
            ([("2026-09-30", "3000")], ["2026-09-30,,3000000,"], 6),  # of another calendar month than it is billed in
            ([("2026-11-01", "3000"), ("2026-10-02", "1000")], ["2026-11-01,,3000000,", "2026-10-02,,9000000,"], 11),
            ([("2026-09-30", "3000")], ["2026-09-29,,3000000,"], None),  # nobody counted any on that day
        ],
        2,
    ),
)
def test_bought_tokens_at_the_card(place, lines, tokens, cost):
    buy(place, lines, tokens)
    asked = "SELECT CASE WHEN sum(rate_card_unknown) = 0 THEN sum(rate_card_cost) END FROM ledger.postings"
    assert place.ask(asked) == [(cost,)]


@pytest.mark.slow
def test_a_part_of_the_cost_is_no_price_of_all_the_tokens(place):
    """Three million tokens come to 6 at the card, and the million of the day after has no price."""
    buy(place, [("2026-10-03", "3000"), ("2026-10-04", "1000")], ["2026-10-03,,3000000,", "2026-10-04,batch,1000000,"])
    for words, total in {(): "6", ("--currency", "EUR"): "3"}.items():
        (row, *_) = csv.DictReader(report(place, "chargeback", *words, "--format", "csv").splitlines())
        shown = [row[name] for name in ("team", "total", "delivered_tokens", "cost_per_mtok", "incomplete")]
        assert shown == ["a", total, "4000000", "", "true"]


@pytest.mark.slow
def test_tokens_that_a_tag_gives_to_a_team_meet_their_cost(place):
    """Three million for search by its tag, which cost 7 and come to 6; one million without, shared by the counts of all."""
    buy(place, [("2026-10-04", "1000")], ["2026-10-03,,3000000,", "2026-10-04,,1000000,"])
    tagged = BOUGHT | {"cost": "7", "ConsumedQuantity": "3000", "team": "search", "SubAccountId": "-"}
    place.bill("tagged.csv", [tagged])
    place.ingest("tagged.csv", source="tagged")
    assert place.ask(
        "SELECT team, EffectiveCost, rate_card_cost, rate_card_unknown FROM ledger.postings ORDER BY 1"
    ) == [
        *[("a", 1, 3, 0), ("search", 7, 6, 0)],
    ]
    said = place.costctl("report", "tokens-per-dollar", "--period", "2026-10", "--format", "csv")
    (row,) = csv.DictReader(said.stdout.splitlines())
    assert [row[name] for name in ("source", "cost", "delivered_tokens")] == ["aws/api", "8", "4000000"]


@pytest.mark.slow
def test_tokens_of_a_pool_are_at_the_prices_of_its_own(place):
    """Two million in a pool by a rule, of which one was counted there; what is outside it, and has no price, is not asked."""
    place.write("prices.csv", PRICES)
    pools = "rules: [{name: llm, when: {SubAccountId: [api]}, pool: llm}]\npools: {llm: {base: fixed, shares: {search: 1}}}\n"
    place.write("costctl.yaml", f"version: 1\ncards: [prices.csv]\n{pools}")
    line = "2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,aws.bedrock,claude-sonnet-4-6"
    header = "start,end,provider,model,team,pool,service_tier,input_uncached,output,requests"
    place.write("tokens.csv", f"{header}\n{line},a,llm,,1000000,,1\n{line},a,,batch,3000000,,1\n")
    place.bill("bill.csv", [BOUGHT | {"cost": "5", "ConsumedQuantity": "2000"}])
    place.ingest("bill.csv", "tokens.csv")
    assert place.ask("SELECT pool, rate_card_cost, rate_card_unknown FROM ledger.postings") == [("llm", 4, 0)]


def buy(place, lines, tokens):
    """Take in lines of a bill (day, thousands of tokens) and counts of tokens (day, service tier, input, output)."""
    place.write("prices.csv", PRICES)
    place.write("fx.csv", "from,to,rate_type,period,rate,source\nUSD,EUR,period_average,2026-10,0.5,plan\n")
    place.write("costctl.yaml", "version: 1\nfx: fx.csv\ncards: [prices.csv]\n")
    counted = [line.split(",") for line in tokens]
    rows = [
        f"{day}T00:00:00Z,{day}T01:00:00Z,aws.bedrock,claude-sonnet-4-6,a,{tier},{entered},{left},1"
        for day, tier, entered, left in counted
    ]
    header = "start,end,provider,model,team,service_tier,input_uncached,output,requests"
    place.write("tokens.csv", "\n".join([header, *rows, ""]))
    place.bill(
        "bill.csv", [BOUGHT | {"day": day, "month": "2026-10-01", "ConsumedQuantity": number} for day, number in lines]
    )
    place.ingest("bill.csv", "tokens.csv")
