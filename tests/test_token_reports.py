"""What bought tokens cost against the card, and which names of models nobody knows: both by money, neither guessed."""

import csv
import io

import pytest
from conftest import table

from costctl import reports
from costctl.cli import export

CARD = """
    provider,channel,model,region,service_tier,context_tier,time_window_utc,token_class,price_per_million,currency
    together,,tide,*,,,,input,1,USD
    together,,tide,*,,,,output,3,USD
    together,,tide,*,,,01:00-04:00,output,6,USD
    together,,spare,*,,,,input,5,USD
    together,,euro,*,,,,input,2,USD
    together,,part,*,,,,input,2,USD
    together,,part,*,,,01:00-04:00,input,4,USD
"""
# Of tide's input the bill has more than was counted; its output was dear at night; spare is on no bill, lost in no count.
BILL = """
    cost  ProviderName  x_Model      x_TokenClass  ConsumedQuantity  ConsumedUnit  BillingCurrency
    2.50  Together      tide         input         2                 1M tokens     USD
    0.40  Together      tide         input         1                 1M tokens     EUR
    9.00  Together      Tide         output        2000              1K tokens     USD
    1.50  Together      euro         input         1                 1M tokens     EUR
    3.00  Together      part         input         2                 1M tokens     USD
    1.00  Together      lost         output        1000000           Tokens        USD
    4.00  Together      mystery-9    output        1000000           Tokens        USD
    6.00  Together      my,"odd" 1   input         3                 1M tokens     USD
    7.00  Together      -            input         -                 -             USD
"""
TOKENS = """
    start,end,provider,model,team,input_uncached,output,requests
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,together,tide,a,1500000,1000000,3
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,together,TIDE,b,500000,,3
    2026-10-03T01:00:00Z,2026-10-03T02:00:00Z,together,tide,a,,1000000,3
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,together,spare,a,250000,,3
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,together,euro,a,1000000,,3
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,together,part,a,1000000,,3
    2026-10-03T00:00:00Z,2026-10-03T05:00:00Z,together,part,a,1000000,,3
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,together,mystery-9,a,,1000000,3
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,deepseek,new-one,a,,2000000,3
    2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,self,own-model,a,,3000000,3
"""


@pytest.fixture(scope="module")
def bought(places):
    """A place where tokens were bought, counted, or both; only read."""
    place = places()
    place.write("costctl.yaml", "version: 1\ncards: [card.csv]\nmodel_aliases: names.csv\n")
    place.write("names.csv", "raw,model\ntide,tide\nspare,spare\nlost,lost\neuro,euro\npart,part\n")
    place.write("card.csv", CARD)
    place.write("tokens.csv", TOKENS)
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv", "tokens.csv")
    assert place.broken() == []
    return place


def answers(place, *words):
    said = place.costctl("report", *words, "--period", "2026-10", "--format", "csv")
    assert said.returncode == 0, said.stderr
    return list(csv.DictReader(io.StringIO(said.stdout, newline="")))


VARIANCE = """
    model        token_class  billed  counted  cost  card_cost  variance  cost_per_mtok  card_per_mtok  currency  reason
    tide         input        1       -        0.4   -          -         0.4            -              EUR       -
    tide         output       2       2        9     9          0         4.5            4.5            USD       -
    unknown      input        -       -        7     -          -         -              -              USD       no source counted these tokens
    my,"odd" 1   input        3       -        6     -          -         2              -              USD       no source counted these tokens
    mystery-9    output       1       1        4     -          -         4              -              USD       no card prices it
    tide         input        2       2        2.5   2          0.5       1.25           1              USD       -
    spare        input        -       0.25     -     1.25       -         -              5              USD       on no bill yet
    lost         output       1       -        1     -          -         1              -              USD       no source counted these tokens
    euro         input        1       1        1.5   -          -         1.5            -              EUR       the card is in another currency
    part         input        2       2        3     -          -         1.5            -              USD       its time spans a change of price
    new-one      output       -       2        -     -          -         -              -              -         no card prices it
"""


def test_what_was_paid_stands_beside_what_the_card_says(bought):
    rows = answers(bought, "token-variance")
    names = {"billed": "billed_mtok", "counted": "counted_mtok"}
    found = [{name: row[names.get(name, name)] or "-" for name in table(VARIANCE)[0]} for row in rows]
    key = lambda row: (row["currency"], row["model"], row["token_class"])  # noqa: E731  the order is the next test
    assert sorted(found, key=key) == sorted(table(VARIANCE), key=key)


def test_the_dearest_comes_first_and_the_total_knows_what_is_unknown(bought):
    rows = [row for row in answers(bought, "token-variance") if row["currency"] == "USD"]
    assert [row["model"] for row in rows] == [
        "tide",
        "unknown",
        'my,"odd" 1',
        "mystery-9",
        "part",
        "tide",
        "spare",
        "lost",
    ]
    shown = bought.costctl("report", "token-variance", "--period", "2026-10", "--format", "md").stdout
    totals = [line.split("|")[1:-1] for line in shown.splitlines() if line.startswith("| TOTAL")]
    assert totals
    assert {cell.strip() for line in totals for cell in line[3:8]} >= {"-"}


UNKNOWN = """
    provider  name        cost  mtok  alias              currency
    together  my,"odd" 1  6     3     "my,""odd"" 1",MODEL  USD
    together  mystery-9   4     1     "mystery-9",MODEL  USD
    deepseek  new-one     -     2     "new-one",MODEL    -
"""


@pytest.mark.slow
def test_unknown_names_come_by_money_with_the_line_to_add(bought, places):
    rows = answers(bought, "unknown-models")
    assert [{name: row[name] or "-" for name in table(UNKNOWN)[0]} for row in rows] == table(UNKNOWN)
    place = places()
    place.write("costctl.yaml", "version: 1\nmodel_aliases: names.csv\n")
    lines = "\n".join(row["alias"].replace("MODEL", "found") for row in rows)
    place.write("names.csv", f"raw,model\n{lines}\n")
    place.write("tokens.csv", TOKENS)
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv", "tokens.csv")
    assert {row["name"] for row in answers(place, "unknown-models")} == {"tide", "spare", "lost", "euro", "part"}


@pytest.mark.slow
def test_where_every_name_is_known_it_is_said_and_nothing_of_money_that_is_not_shown(place):
    token = {"x_Model": "gpt-5", "x_TokenClass": "input", "ConsumedQuantity": "-", "ConsumedUnit": "Tokens"}
    machine = {"x_UsageType": "BoxUsage:p9.48xlarge", "ConsumedQuantity": "24", "ConsumedUnit": "Hrs"}
    place.bill("bill.csv", [token | {"cost": "2"}, machine | {"cost": "3"}])
    place.ingest("bill.csv")
    said = place.costctl("report", "unknown-models", "--period", "2026-10", "--format", "md")
    assert (said.returncode, "every name that bills and token counts give a model is known" in said.stderr) == (0, True)
    assert "has a team" not in said.stdout
    assert "\nbasis: effective cost, usage calendar, 2026-10-01 to 2026-11-01 (end excluded)" in said.stdout
    lines = place.costctl("report", "chargeback", "--period", "2026-10", "--format", "md").stdout
    assert "1 charge of unknown machines, 3, has no chip-hours" in lines
    assert "\nleft out: 1 charge for tokens of aws whose quantity on the bill cannot be read" in lines


@pytest.mark.slow
def test_tokens_are_priced_before_their_bill_is_there(place):
    """Also of a month without any bill."""
    place.write("card.csv", "provider,model,token_class,price_per_million,currency\ntogether,mine,input,2,USD\n")
    place.write("costctl.yaml", "version: 1\ncards: [card.csv]\n")
    counted = "start,end,provider,model,team,input_uncached,output,requests\n2026-10-03,2026-10-04,together,mine,search,3000000,,1\n"
    place.write("tokens.csv", counted)
    place.ingest("tokens.csv")
    (row,) = answers(place, "token-variance")
    assert (row["card_cost"], row["cost"], row["reason"]) == ("6", "", "on no bill yet")
    place.write("before.csv", counted.replace("2026-10", "2026-09"))
    place.ingest("before.csv")
    periods = "SELECT DISTINCT billing_period FROM ledger.rated_tokens ORDER BY 1"
    assert [f"{month:%Y-%m}" for (month,) in place.ask(periods)] == ["2026-09", "2026-10"]
    said = place.costctl("report", "unallocated").stderr  # the last month of tokens, where none is billed
    assert (
        said == "costctl: nothing to show for 2026-10; the ledger holds only tokens or chip time of 2026-09, 2026-10\n"
    )
    export.configured(place.run, "token_days", "csv", "days-{period}.csv")
    assert len((place.home / "days-2026-10.csv").read_text().splitlines()) == 3
    assert place.broken() == []


@pytest.mark.slow
def test_counts_that_nobody_has_are_refused_and_the_largest_that_are_taken_fit_every_report(place):
    """Of one day two counts of eighteen digits, then seven tenths of what a ledger takes, at a card, in a pool, and beside a bill of one token."""
    place.write(
        "costctl.yaml",
        "version: 1\nrules:\n  - {name: chips, when: {ResourceId: [h1]}, pool: h100}\npools: {h100: {base: weighted_tokens}}\n",
    )
    hour = (
        "start,end,provider,pool,model,team,input_uncached,output,requests\n2026-10-01T00:00:00Z,2026-10-01T01:00:00Z"
    )
    place.write("most.csv", f"{hour},openai,,gpt-5,a,{10**18 - 1},{10**18 - 1},1\n")
    refused = place.costctl("ingest", "most.csv")
    assert (refused.returncode, "most.csv:2 counts 999,999,999,999,999,999" in refused.stderr) == (3, True)
    many = "".join(
        f"{hour.splitlines()[1]},{who},a,{10**17},{10**17 // 6},1\n" for who in ["openai,,gpt-5", "self,h100,atlas"] * 3
    )
    place.write("many.csv", f"{hour.splitlines()[0]}\n{many}")
    tokens = {
        "ProviderName": "OpenAI",
        "x_Model": "gpt-5",
        "ConsumedUnit": "Tokens",
        "x_TokenClass": "input",
        "day": "2026-10-01",
    }
    place.bill(
        "bill.csv",
        [
            tokens | {"cost": "0.000001", "ConsumedQuantity": "1"},
            {"cost": "20000000", "day": "2026-10-01", "ResourceId": "h1"},
        ],
    )
    taken = place.costctl("ingest", "many.csv", "bill.csv")
    assert taken.returncode == 0, taken.stderr
    assert place.broken() == []
    for name in reports.known():
        answers(place, name)
        shown = place.costctl("report", name, "--period", "2026-10", "--format", "table")
        assert shown.returncode == 0, (name, shown.stderr)
