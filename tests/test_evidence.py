"""Evidence: the grade of each amount and of each split by hand, the mix under a report, and what teams are charged by the better grades alone."""

import csv
import re
from collections import defaultdict
from decimal import Decimal

import pytest
from conftest import begin, examples
from hypothesis import given
from hypothesis import strategies as st

from costctl import periods, pipeline
from costctl.ledger import build, models
from costctl.reports import evidence

pytestmark = pytest.mark.usefixtures("begun")

FILES = {
    "costctl.yaml": """
        version: 1
        cards: [own.csv]
        adjustments: adjustments.csv
        policy: {allow_estimates: true}
        sources:
          - {name: cloud, path: cloud.csv}
          - {name: meter, path: tokens.csv}
          - {name: proxy, path: proxy.csv}
          - {name: engines, path: engine.csv, role: engine}
        rules: [{name: by account, when: {SubAccountId: [gpu, parts, even, whole, seats, host, both]}, pool: "{SubAccountId}"}]
        pools:
          gpu: {base: tokens, coverage: {owner: platform}}
          parts: {base: fixed, shares: {search: "1", ads: "3"}}
          even: {base: even, shares: {search: "1", ads: "1"}}
          whole: {base: fixed, shares: {ads: "1"}}
          seats: {base: driver, driver: seats.csv}
          host: {base: fixed, shares: {search: "1", pool gpu: "1"}}
          both: {base: tokens, models: {atlas: "3", embed: "1"}}
    """,
    "seats.csv": """
        date,key,value
        2026-10,search,1
        2026-10,ads,2
    """,
    "adjustments.csv": """
        period,from_team,to_team,amount,currency,reason,approver
        2026-10,search,ads,1.50,USD,nodes lent,R. Meyer
    """,
    "own.csv": """
        asset,chip,chips,in_service,currency,acquisition_cost,useful_life_months,power,colocation,maintenance,team,confidence
        pod,h100,1,2026-01-01,USD,4800,48,bill,bill,bill,research,contract
        shelf,l4,1,2026-01-01,USD,2400,48,bill,bill,bill,research,list
        planned,a100-80,1,2026-01-01,USD,1200,48,bill,bill,bill,research,estimate
    """,
    "tokens.csv": """
        start,end,provider,pool,model,team,input_uncached,requests
        2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,self,gpu,atlas,search,100,1
        2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,self,gpu,atlas,ads,100,1
        2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,self,both,atlas,search,100,1
        2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,self,both,embed,ads,900,1
    """,
    "engine.csv": """
        start,end,provider,pool,model,team,input_uncached,requests
        2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,self,gpu,atlas,,300,3
    """,
    "proxy.csv": """
        request_id,call_type,startTime,endTime,prompt_tokens,completion_tokens,custom_llm_provider,model,team_id,metadata
        r-1,acompletion,2026-10-03 05:00:00,2026-10-03 05:00:01,200,40,openai,gpt-5,search,"{""usage_object"": {""prompt_tokens"": 200, ""completion_tokens"": 40, ""estimated"": true}}"
        r-2,acompletion,2026-10-03 06:00:00,2026-10-03 06:00:01,100,0,openai,gpt-5,ads,"{""usage_object"": {""prompt_tokens"": 100, ""completion_tokens"": 0}}"
    """,
}
BILL = """
    cost  team    SubAccountId  InvoiceId  ProviderName  ConsumedQuantity  ConsumedUnit  x_Model  x_TokenClass
    100   search  web           A-1        AWS           -                 -             -        -
    40    search  web           -          AWS           -                 -             -        -
    -3    search  web           -          AWS           -                 -             -        -
    11    -       web           A-1        AWS           -                 -             -        -
    30    -       gpu           A-1        AWS           -                 -             -        -
    8     -       parts         A-1        AWS           -                 -             -        -
    10    -       even          A-1        AWS           -                 -             -        -
    7     -       whole         A-1        AWS           -                 -             -        -
    6     -       seats         A-1        AWS           -                 -             -        -
    3     -       seats         -          AWS           -                 -             -        -
    20    -       host          A-1        AWS           -                 -             -        -
    4     -       both          A-1        AWS           -                 -             -        -
    9     -       api           O-7        OpenAI        300               Tokens        gpt-5    input
    5     -       api           O-7        OpenAI        40                Tokens        gpt-5    output
"""
POSTED = "SELECT COALESCE(pool, source), passed_by, team, evidence, sum(EffectiveCost) FROM ledger.postings GROUP BY ALL ORDER BY ALL"


@pytest.fixture(scope="module")
def ledger(places):
    place = places()
    for name, text in FILES.items():
        place.write(name, text)
    place.bill("cloud.csv", BILL)
    begin(place.run, place.blanks)
    pipeline.take_in(place.run, pipeline.wanted(place.run, [], None, None))
    assert place.broken() == []
    return place


def test_each_posting_has_the_grade_of_its_weakest_link(ledger):
    found = {tuple(row[:3]): [] for row in ledger.ask(POSTED)}
    for *key, grade, cost in ledger.ask(POSTED):
        found[tuple(key)].append((grade, f"{cost.normalize():f}"))
    assert found == {
        ("cloud", None, "search"): [("contracted", "37"), ("invoiced", "100")],  # 40 and -3 are on no invoice yet
        ("cloud", None, None): [("invoiced", "11")],  # nobody's, and on the invoice all the same
        ("own", None, "research"): [("contracted", "100"), ("estimated", "25"), ("list", "50")],  # as the cards say
        ("own", None, "search"): [("imputed", "-1.5")],
        ("own", None, "ads"): [("imputed", "1.5")],
        ("parts", None, "search"): [("imputed", "2")],
        ("parts", None, "ads"): [("imputed", "6")],
        ("even", None, "search"): [("imputed", "5")],
        ("even", None, "ads"): [("imputed", "5")],
        ("whole", None, "ads"): [("invoiced", "7")],  # nothing is split
        ("seats", None, "search"): [("contracted", "1"), ("invoiced", "2")],  # what a driver file counts is measured
        ("seats", None, "ads"): [("contracted", "2"), ("invoiced", "4")],
        ("gpu", None, "search"): [("invoiced", "10")],  # a third each: 100, 100, and 100 that no team counted
        ("gpu", None, "ads"): [("invoiced", "10")],
        ("gpu", None, "platform"): [("imputed", "10")],
        ("host", None, "search"): [("imputed", "10")],
        ("gpu", "host", "search"): [("imputed", "3.333333")],  # what comes by a fixed part stays so
        ("gpu", "host", "ads"): [("imputed", "3.333334")],
        ("gpu", "host", "platform"): [("imputed", "3.333333")],
        ("both", None, "search"): [("imputed", "3")],  # which model the chips serve nobody measured
        ("both", None, "ads"): [("imputed", "1")],
        ("api", None, "search"): [("estimated", "6"), ("invoiced", "5")],  # output is all search's, however much it was
        ("api", None, "ads"): [("invoiced", "3")],
    }


def rows_of(place, name, *words):
    said = place.costctl("report", name, "--period", "2026-10", *words, "--format", "csv")
    return list(csv.DictReader(said.stdout.splitlines()))


def footer_of(place, name, *words):
    return " ".join(place.costctl("report", name, "--period", "2026-10", *words, "--format", "table").stdout.split())


def summed(rows, *names):
    found = defaultdict(Decimal)
    for row in rows:
        found[tuple(row[name] for name in names)] += Decimal(row["total"])
    return dict(found)


@pytest.mark.slow
def test_the_footer_says_what_part_is_of_each_grade(ledger):
    """Of 428, without signs, 152 are invoiced, 140 contracted, 50 list, 31 estimated, 55 imputed: 35.5, 32.7, 11.7, 7.2 and 12.9 percent."""
    mix = "evidence of USD: invoiced 35 %, contracted 33 %, list 12 %, estimated 7 %, imputed 13 % basis:"
    assert mix in footer_of(ledger, "chargeback")
    assert mix in footer_of(ledger, "tokens-per-dollar")
    for name, words in (("chargeback", ["--cost", "rate_card"]), ("token-match", [])):
        assert "evidence of" not in footer_of(ledger, name, *words)  # no cost of postings that a bill has


@pytest.mark.slow
@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=9))
@examples(5)
def test_the_mix_adds_up_to_a_hundred_and_no_part_is_off_by_one(ledger, costs):
    """Whatever the postings cost: each part lies within one percent of its own, and only what costs nothing has none."""
    span = periods.parse("2026-10")
    of = "CAST(list_extract($costs, CAST(hash(posting_id) % len($costs) + 1 AS INTEGER)) AS DECIMAL(38,18)) / 1000000"
    with ledger.opened() as found:
        build.bind(found)
        for table in ("postings", "posting_days"):
            found.run(
                f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * REPLACE (CAST({of} AS DECIMAL(38,18)) AS EffectiveCost) FROM ledger.{table}",
                {"costs": costs},
            )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                models, "qualified", lambda text, *_: re.sub(r"\b(FROM|JOIN) (posting\w+)", r"\1 temp.\2", text)
            )
            (*lines,) = evidence.mix(found, span, calendar="billing", cost="effective")
        exact = dict(
            found.run(
                "SELECT p.evidence, sum(abs(d.EffectiveCost)) FROM temp.postings AS p JOIN temp.posting_days AS d USING (posting_id) GROUP BY 1"
            ).rows
        )
    whole = sum(exact.values())
    if not whole:
        assert lines == []
        return
    percents = {grade: int(percent.replace("<1", "0")) for grade, percent in re.findall(r"(\w+) (<?\d+) %", lines[0])}
    assert sum(percents.values()) == 100
    assert list(percents) == [grade for grade in evidence.GRADES if exact.get(grade)]
    assert all(abs(percent - exact[grade] * 100 / whole) < 1 for grade, percent in percents.items())


def test_below_the_grade_nobody_is_charged_and_the_totals_stay(ledger):
    """By contracted or better search has 100 + 37 + 1 + 2 + 10 + 5, ads 7 + 2 + 4 + 10 + 3, research 100; of 425 with 11 of nobody 133 are left."""
    plain = rows_of(ledger, "chargeback")
    rows = rows_of(ledger, "chargeback", "--min-evidence", "contracted")
    said = footer_of(ledger, "chargeback", "--min-evidence", "contracted")
    assert summed(rows, "line", "team") == {
        ("team", "search"): 155,
        ("team", "ads"): 26,
        ("team", "research"): 100,
        ("unallocated", ""): 11,
        ("below evidence", ""): 133,
    }
    assert {(row["delivered_tokens"], row["cost_per_mtok"]) for row in rows} == {
        ("", "")
    }  # nobody says what the rest has bought
    assert "teams as posted, charged by evidence contracted or better" in said
    assert "(below evidence)" in said
    assert "difference 0" in said
    whole = summed(plain, "currency")
    for name, grades in {"chargeback": evidence.GRADES, "accounts": ["estimated"]}.items():
        for grade in grades:
            better = evidence.GRADES[: evidence.GRADES.index(grade) + 1]
            rows = rows_of(ledger, name, "--min-evidence", grade)
            assert summed(rows, "currency") == whole
            charged = sum(Decimal(row["total"]) for row in rows if row["line"] == "team")
            query = (
                "SELECT sum(EffectiveCost) FROM ledger.postings WHERE team IS NOT NULL AND list_contains({}, evidence)"
            )
            assert [(charged,)] == ledger.ask(query.format(list(better)))


def test_explain_says_it(ledger):
    said = ledger.costctl("explain", "--period", "2026-10", "--team", "platform", "--format", "table")
    assert said.returncode == 0, said.stderr
    assert "33.33 % by not covered (100 of 300) · 10 USD · imputed" in " ".join(said.stdout.split())
