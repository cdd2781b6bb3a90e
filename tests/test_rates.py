"""Rate cards: the shipped facts, the cards a user writes, and which one rate is in force."""

import contextlib
import csv
import functools
import io
import re
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import examples, few, few_rows
from hypothesis import given
from hypothesis import strategies as st

from costctl import rates
from costctl.cli import rates as cli
from costctl.errors import GateFailed, UsageError
from costctl.files import cells
from costctl.ledger import build, store
from costctl.rates import changes, check, facts, listing, lookup, meant, scopes, tables

HOME = rates.home()
GATHERED = date(2026, 11, 20)


def sheet(name):
    """Return the rows of a shipped file, or of all files of a folder."""
    path = HOME / name
    paths = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    return [row for each in paths for row in csv.DictReader(each.open(encoding="utf-8", newline=""))]


@pytest.fixture(scope="module")
def shipped():
    return rates.load()


# The shipped facts.


# What the shipped facts are compared with; see the README there.
FACTS = Path(__file__).parent / "rate_facts"


def surveyed(name):
    return list(csv.DictReader((FACTS / name).open(encoding="utf-8", newline="")))


def test_every_chip_of_the_survey_is_there():
    chips = {row["chip"]: row for row in sheet("chips.csv")}
    told = surveyed("accelerators.csv")
    assert len(told) == len(chips) == 64
    for row in told:
        shared = row.keys() & chips[row["accelerator_id"]].keys()
        assert len(shared) == 9
        assert [chips[row["accelerator_id"]][name] for name in shared] == [row[name] for name in shared]


def test_every_power_of_the_survey_is_there():
    told = set()
    for row in surveyed("accelerators.csv"):
        chip = row["accelerator_id"]
        if row["tdp_w"]:
            told.add((chip, "chip", row["tdp_w"], row["tdp_w_low"], row["tdp_w_high"], ""))
        for column, seen in (("allin_kw_per_chip_2025", "2025-08"), ("allin_kw_per_chip", "2026-09")):
            if row[column]:
                told.add((chip, "all_in", f"{Decimal(row[column]) * 1000:.0f}", "", "", seen))
    columns = ("chip", "basis", "watts", "watts_low", "watts_high")
    ours = [(*(row[name] for name in columns), row["as_of"] * (row["basis"] == "all_in")) for row in sheet("power.csv")]
    assert (len(ours), set(ours)) == (74, told)


CONFIRMED_SINCE = {
    "Standard_ND40s_v2": "8",
    "Standard_NG8ads_V620_v1": "0.25",
    "Standard_NG16ads_V620_v1": "0.5",
    "Standard_NG32ads_V620_v1": "1",
    "Standard_NG32adms_V620": "1",
}  # on a second source, which the rows name; the survey had no number


def test_every_machine_of_the_survey_is_there():
    machines = {
        (row["provider"], name.lower()): row
        for row in sheet("machines.csv")
        for name in (row["machine"], *row["aliases"].split("|"))
    }
    told = surveyed("instance_chips.csv")
    assert len(told) == 274
    for row in told:
        found = machines[row["provider"], row["sku"].lower()]
        chips = row["chip_count"] or row["chip_fraction"] or CONFIRMED_SINCE.get(row["sku"])
        assert (found["chip"], found["status"], bool(found["chips"])) == (row["chip_id"], row["status"], bool(chips))
        assert not chips or Fraction(found["chips"]) == Fraction(chips).limit_denominator(64)


def test_every_price_of_the_survey_is_there():
    """Names of machines and regions are ours; two prices of a part of a machine are `partial` here and price nothing."""
    same = ("provider", "purchase_model", "term_months", "currency", "unit_price", "price_unit", "price_per_chip_hour")
    told, ours = (
        Counter((row[chip], *(row[name] for name in (*same, "valid_from", "as_of"))) for row in rows)
        for chip, rows in (("chip_id", surveyed("chip_prices.csv")), ("chip", sheet("chip_prices")))
    )
    assert told.total() == 1001
    assert ours == told


def test_every_token_price_of_the_survey_is_there():
    wide = (
        "channel",
        "channel_model_id",
        "region",
        "context_tier",
        "time_window_utc",
        "valid_from",
        "valid_to",
        "as_of",
    )
    ours = sheet("model_prices")
    cut = [
        row for row in ours if row["notes"].startswith("dated by the price_comments")
    ]  # 15 of the survey are 24 here
    assert len({tuple(row[column] for column in wide) for row in ours}) == 343 - 5 + 8
    assert (len(ours), len(cut)) == (2040 - 15 + 24, 24)


@pytest.mark.parametrize(
    "name", ["chips.csv", "power.csv", "machines.csv", "chip_prices", "model_prices", "claims.csv"]
)
def test_every_fact_says_from_where_and_when(name):
    rows = sheet(name)
    assert [row for row in rows if not (row["source"] and (row.get("as_of") or row.get("date")))] == []


def test_unknown_is_empty_and_never_zero():
    prices = [*sheet("chip_prices"), *sheet("model_prices")]
    texts = [row["price_per_chip_hour"] if "machine" in row else row["price_per_million"] for row in prices]
    assert not [text for text in texts if text and Decimal(text) <= 0]
    assert texts.count("") == 149 + 7 + 3  # no number of chips; purchase prices; token classes printed as 0


def test_the_facts_hold_together(shipped):
    assert shipped.clashes() == []
    assert check.check(shipped, GATHERED).errors == []


def values(read):
    return [value for rows in read.values() for row in rows for value in row]


def test_money_is_decimal_and_nothing_is_a_float(shipped):
    assert {type(value) for value in values(tables.tables(shipped))} == {str, int, Decimal, date, type(None)}
    for rate in [*shipped.chip_rates, *shipped.model_rates]:
        assert format(rate.price, "f") == rate.row.texts[rate.column]


def test_the_tables_fit_the_ledger(shipped):
    with store.in_memory() as ledger:
        for table, rows in tables.tables(shipped).items():
            ledger.insert(f"ledger.{table}", rows)
            assert ledger.value(f"SELECT COUNT(*) FROM ledger.{table}") == len(rows)
            assert rows or table == "owned"  # nobody's chips are shipped
        assert ledger.value("SELECT SUM(price_per_chip_hour) FROM ledger.chip_prices") == sum(
            rate.price for rate in shipped.chip_rates
        )


@pytest.mark.parametrize(
    ("provider", "name", "chip", "chips"),
    [
        ("aws", "p5.48xlarge", "nvidia-h100-sxm", (8, 1)),
        ("aws", "trn2.48xlarge", "aws-trainium2", (16, 1)),
        ("aws", "inf2.xlarge", "aws-inferentia2", (1, 1)),
        ("aws", "g6f.large", "nvidia-l4", (1, 8)),
        ("aws", "ml.p5.48xlarge", "nvidia-h100-sxm", (8, 1)),
        ("aws", "u-p6e-gb200x72", "nvidia-gb200", (72, 1)),
        ("azure", "standard_nd96isr_h100_v5", "nvidia-h100-sxm", (8, 1)),
        ("azure", "nd96isr h100 v5 spot", "nvidia-h100-sxm", (8, 1)),
        ("azure", "nv6ads_a10_v5", "nvidia-a10", (1, 6)),
        ("gcp", "v5p-8", "google-tpu-v5p", (4, 1)),
        ("gcp", "v6e-8", "google-tpu-v6e", (8, 1)),
        ("gcp", "nvidia h100 80gb gpu", "nvidia-h100-sxm", (1, 1)),
        ("gcp", "tpuv6e", "google-tpu-v6e", (1, 1)),
        ("oci", "bm.gpu.mi300x.8", "amd-mi300x", (8, 1)),
        ("nebius", "h100 mig 1g.10gb", "nvidia-h100-sxm", (1, 7)),
        ("aws", "nvidia-h200-sxm:3g.71gb", "nvidia-h200-sxm", (3, 7)),
        ("self", "b200:7g.180gb", "nvidia-b200", (1, 1)),
    ],
)
def test_a_machine_is_found_as_bills_spell_it(shipped, provider, name, chip, chips):
    found = {(row[0], row[1]): row[3:] for row in tables.tables(shipped)["machines"]}
    assert found[provider, name] == (chip, *chips)


def test_a_slice_has_as_many_sevenths_as_its_profile_says(shipped):
    slices = [row for row in shipped.rows("machines") if row["bill_scope"] == "MIG slice"]
    assert len(slices) == 6 * 6
    for row in slices:
        chip, profile = row["machine"].split(":")
        assert (row["provider"], row["chip"], Fraction(*row["chips"])) == ("*", chip, Fraction(int(profile[0]), 7))
        assert all(alias.endswith(profile) for alias in row["aliases"])
    memory = {row["machine"]: int(re.search(r"[.](\d+)gb", row["machine"])[1]) for row in slices}
    whole = {row["chip"]: memory[row["machine"]] for row in slices if row["chips"] == (1, 1)}
    assert whole == {row["chip"]: int(row["memory_gb"]) for row in shipped.rows("chips") if row["chip"] in whole}


def test_a_machine_of_every_provider_is_one_of_each_and_yields_to_its_own(write):
    path = write("provider,machine,chip,chips\n*,slice,h100,1/2\naws,slice,h100,1/4\nNorth Cloud,other,h100,8\n")
    read = rates.load([path])
    found = {row[0]: row[4:] for row in tables.tables(read)["machines"] if row[1] == "slice"}
    assert found["aws"] == (1, 4)
    assert list(found) == ["aws", *sorted({*found} - {"aws"})]  # whatever order a set has: the ledger compares it
    assert {found[provider] for provider in ("azure", "nebius", "self", "north cloud")} == {(1, 2)}
    assert "*" not in found
    assert listing.template("h100", read).splitlines()[1].startswith("aws,")
    counted = {row["short"]: row["machines"] for row in listing.chips(read, GATHERED)}
    alone = {row["short"]: row["machines"] for row in listing.chips(rates.load(), GATHERED)}
    assert int(counted["h100"]) == int(alone["h100"]) + 2  # of whom a machine is, is known


def test_a_card_may_say_again_of_which_machine_a_part_is(shipped, write):
    alias = "Nvidia H100 Mega 80GB GPU"
    path = write(f"provider,part,machine\ngcp,{alias},a3-megagpu-8g\ngcp,A3Plus Instance Core,{alias}\n")
    assert sorted(tables.parts(rates.load([path]))) == sorted(tables.parts(shipped))


def test_a_machine_of_unconfirmed_size_is_matched_with_no_bill(shipped):
    matched = {row[2] for row in tables.tables(shipped)["machines"]}
    assert not matched & {
        "trn3.48xlarge",
        "trn3p.48xlarge",
        "Standard_NC36ds_xl_RTXPRO6000BSE_v6",
        "Standard_Maia-unknown",
        "TPU v2 pod",
    }


def test_names_are_compared_in_lower_case_and_said_once(shipped):
    read = tables.tables(shipped)
    for table, width in {"providers": 1, "units": 1, "machines": 2, "model_aliases": 1}.items():
        names = Counter(row[:width] for row in read[table])
        assert [name for name, count in names.items() if count > 1] == []
        assert all(name[-1] == name[-1].lower() for name in names)


def test_spellings_lead_to_the_same_thing(shipped):
    read = tables.tables(shipped)
    providers, aliases = (
        {row[0]: row[1] for row in read["providers"]},
        {row[0]: row[1] for row in read["model_aliases"]},
    )
    assert {providers[name] for name in ("amazon web services", "aws", "aws.bedrock", "bedrock")} == {"aws"}
    assert {providers[name] for name in ("microsoft", "microsoft azure", "azure.ai.openai")} == {"azure"}
    assert {aliases[name] for name in ("claude4.6sonnet", "*.anthropic.claude-sonnet-4-6")} == {"claude-sonnet-4-6"}


def test_a_prepaid_token_is_no_token(shipped):
    units = {row[0]: row[1:] for row in tables.tables(shipped)["units"]}
    assert "token" not in units
    assert (units["hrs"], units["100 hours"], units["gpu hours"]) == (("hour", 1), ("hour", 100), ("chip_hour", 1))
    assert (units["1k tokens"], units["1m tokens"]) == (("token", 1000), ("token", 1_000_000))


def test_doubtful_facts_price_nothing(shipped):
    cards = {row[0] for row in tables.tables(shipped)["chip_prices"]}
    doubtful = [row for row in shipped.rows("chip_prices") if row["confidence"] in ("conflict", "partial", "rumour")]
    assert len(doubtful) == 10
    assert not cards & {row.card for row in doubtful}


def test_short_names_fit_narrow_tables():
    shorts = {row["chip"]: row["short"] for row in sheet("chips.csv")}
    assert len(set(shorts.values())) == len(shorts)
    assert max(map(len, shorts.values())) <= 9
    assert shorts["microsoft-maia-200"] == "maia200"


# A user's card: everything wrong with it is said at once, each with its place.

HEADER = "provider,chip,purchase_model,price_per_chip_hour,currency"
GOOD = "aws,trn2,capacity_block,1.42,USD"
TOKENS = "provider,model,token_class,price_per_million,currency"
ONE = "openai,gpt-7,input,1.5,USD"
ASSET = "asset,chip,chips,in_service,currency,acquisition_cost,useful_life_months,power,colocation,maintenance"
POD = "pod-a,h100,8,2026-01-15,USD,268800.00,48,bill,bill,bill"


@pytest.fixture
def write(tmp_path):
    def write(text, name="card.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(path):
    with pytest.raises(UsageError) as caught:
        rates.read([path])
    assert caught.value.exit_code == 2
    return caught.value


WRONG = {
    "unknown chip": (f"{HEADER}\naws,trn22,spot,1,USD", "2:chip", "no such chip", "'trn22'", "Did you mean trn2?"),
    "a chip of several": (
        f"{HEADER}\naws,a100,spot,1,USD",
        "2:chip",
        "there is no such chip; like it: a100-40 (A100 SXM4 40GB), a100-80 (A100 SXM4 80GB)",
        "'a100'",
        "Write one of them out.",
    ),
    "unknown layer": (f"{HEADER},layer\n{GOOD},contracts", "2:layer", "is not one of", "'contracts'", "contract?"),
    "unknown purchase": (
        f"{HEADER}\naws,trn2,on-demand,1,USD",
        "2:purchase_model",
        "not one of",
        "'on-demand'",
        "on_demand?",
    ),
    "zero": (
        f"{HEADER}\naws,trn2,spot,0.00,USD",
        "2:price_per_chip_hour",
        "not above zero",
        "'0.00'",
        "would mean free",
    ),
    "negative": (f"{HEADER}\naws,trn2,spot,-1,USD", "2:price_per_chip_hour", "is below zero", "'-1'", "sign"),
    "exponent": (f"{HEADER}\naws,trn2,spot,1e-7,USD", "2:price_per_chip_hour", "plain decimal", "'1e-7'", "exponent"),
    "comma": (f'{HEADER}\naws,trn2,spot,"1,42",USD', "2:price_per_chip_hour", "plain decimal", "'1,42'", "point"),
    "currency sign": (f"{HEADER}\naws,trn2,spot,$1.42,USD", "2:price_per_chip_hour", "plain", "'$1.42'", "currency"),
    "not a number": (f"{HEADER}\naws,trn2,spot,NaN,USD", "2:price_per_chip_hour", "plain decimal", "'NaN'", "digits"),
    "13 decimals": (
        f"{HEADER}\naws,trn2,spot,0.{'1' * 13},USD",
        "2:price_per_chip_hour",
        "12 after",
        "'0.1111111111111'",
        "unit",
    ),
    "20 digits": (
        f"{HEADER}\naws,trn2,spot,{'1' * 8}.0,USD",
        "2:price_per_chip_hour",
        "more than 7",
        "'11111111.0'",
        "unit",
    ),
    "no price": (f"{HEADER}\naws,trn2,spot,,USD", "2:price_per_chip_hour", "is missing", "", "until it is known"),
    "no currency": (f"{HEADER}\naws,trn2,spot,1,", "2:currency", "the currency is missing", "", "Fill"),
    "odd currency": (f"{HEADER}\naws,trn2,spot,1,usd", "2:currency", "is not a currency", "'usd'", "USD"),
    "bad date": (
        f"{HEADER},valid_from\n{GOOD},2026-13-01",
        "2:valid_from",
        "is not a day",
        "'2026-13-01'",
        "YYYY-MM-DD",
    ),
    "day first": (
        f"{HEADER},valid_from\n{GOOD},01/10/2026",
        "2:valid_from",
        "is not a day",
        "'01/10/2026'",
        "YYYY-MM-DD",
    ),
    "bad as_of": (f"{HEADER},as_of\n{GOOD},2026-00", "2:as_of", "is not a day, a month or a year", "'2026-00'", "YYYY"),
    "inverted": (
        f"{HEADER},valid_from,valid_to\n{GOOD},2026-02-01,2026-02-01",
        "2:valid_to",
        "not after",
        "'2026-02-01'",
        "half-open",
    ),
    "duplicate key": (f"{HEADER}\n{GOOD}\n{GOOD}", "3:price_per_chip_hour", "repeats 1.42", "'1.42'", "Remove"),
    "two prices": (
        f"{HEADER}\n{GOOD}\naws,trn2,capacity_block,1.50,USD",
        "3:price_per_chip_hour",
        "same days",
        "'1.50'",
        "valid_to",
    ),
    "a price that ends too late": (
        f"{HEADER},valid_from,valid_to\n{GOOD},2026-01-01,2026-07-01\n{GOOD.replace('1.42', '3')},2026-06-01,",
        "3:price_per_chip_hour",
        "same days",
        "'3'",
        "Close the earlier row: give it the valid_to 2026-06-01.",
    ),
    "missing column": (
        "provider,chip,price_per_chip_hour,currency\naws,trn2,1,USD",
        "1:purchase_model",
        "is missing",
        "",
        "Add",
    ),
    "typo in a column": (
        f"{HEADER},regoin\n{GOOD},*",
        "1:regoin",
        "no such column",
        "'regoin'",
        "Did you mean region?",
    ),
    "column twice": (f"{HEADER},currency\n{GOOD},USD", "1:currency", "twice", "", "Remove"),
    "ragged": (f"{HEADER}\naws,trn2,spot,1,42,USD", "2", "has 6 cells where the header has 5", "'USD'", "quotes"),
    "cut short": (f"{HEADER}\naws,trn2,spot,1", "2", "has 4 cells where the header has 5", "'1'", "a comma for each"),
    "semicolons": (HEADER.replace(",", ";"), "1", "separated by ';', not by commas", "provider;chip", "commas"),
    "no rates": ("team,owner\nsearch,ann", "1", "none of the columns", "team, owner", "README"),
    "unknown machine": (
        f"{HEADER},machine\n{GOOD},trn2.48xlrg",
        "2:machine",
        "aws has no such machine",
        "'trn2.48xlrg'",
        "trn2.48xlarge?",
    ),
    "other machine": (
        f"{HEADER},machine\n{GOOD},p5.48xlarge",
        "2:chip",
        "p5.48xlarge holds nvidia-h100-sxm",
        "'trn2'",
        "Correct",
    ),
    "no chip beside a machine": (
        f"{HEADER},machine\naws,,spot,1,USD,P5.48xlarge",
        "2:chip",
        "the chip is missing",
        "",
        "Write nvidia-h100-sxm: the machine holds it.",
    ),
    "no chip": (f"{HEADER}\naws,,spot,1,USD", "2:chip", "the chip is missing", "", "Name the chip by its id."),
    "empty": ("", "", "is empty", "", "header"),
    "blank": ("\n\n", "", "is empty", "", "header"),
    "not UTF-8": (f"{HEADER},notes\n{GOOD},caf\xe9".encode("latin-1"), "2", "is not UTF-8", "\\xe9", "iconv"),
    "broken quotes": (f'{HEADER}\naws,"trn2"x,spot,1,USD', "2", "is not CSV", "expected after", "quotes"),
    "bad fraction": (
        "provider,machine,chip,chips\naws,x1,trn2,0.5",
        "2:chips",
        "is not a number of chips",
        "'0.5'",
        "1/6",
    ),
    "machine twice": (
        "provider,machine,chip,chips\naws,x1,trn2,1\nAWS,X1,trn2,2",
        "3:machine",
        "duplicate key",
        "'X1'",
        "Remove",
    ),
    "a part of other chips": (
        "provider,part,machine\ngcp,Nvidia H100 80GB GPU,a2-highgpu-8g",
        "2:machine",
        "holds nvidia-a100-40gb, and the part nvidia-h100-sxm",
        "'a2-highgpu-8g'",
        "Name a machine with the part's chip",
    ),
    "a part of nothing": (
        "provider,part,machine\ngcp,Nvidia H100 80GB GPU,zzz",
        "2:machine",
        "gcp has no such machine",
        "'zzz'",
        "Add it in a card with the columns of machines.csv.",
    ),
    "part twice": (
        "provider,part,machine\ngcp,Nvidia H100 80GB GPU,A3-HighGPU-8g\ngcp,nvidia h100 80gb gpu,a3-highgpu-8g",
        "3:part",
        "duplicate key",
        "'nvidia h100 80gb gpu'",
        "Remove one of the two rows.",
    ),
    "everybody's price": (f"{HEADER}\n*,trn2,spot,1,USD", "2:provider", "names no provider", "'*'", "for each"),
    "everybody's token price": (f"{TOKENS}\n*{ONE[6:]}", "2:provider", "names no provider", "'*'", "for each"),
    "everybody's asset": (f"{ASSET},provider\n{POD},*", "2:provider", "names no provider", "'*'", "Name the lessor"),
    "everybody's part": ("provider,part,machine\n*,x,y", "2:provider", "names no provider", "'*'", "for each"),
    "a part of itself": (
        "provider,part,machine\naws,p5.48xlarge,P5.48xlarge",
        "2:part",
        "is the machine itself",
        "'p5.48xlarge'",
        "Remove the row",
    ),
    "alias twice": ("raw,model\nfoo,a\nFOO,b", "3:raw", "duplicate key", "'FOO'", "Remove"),
    "alias overlaps": (
        "raw,model,valid_from,valid_to\nfoo,a,,2026-03-01\nfoo,b,2026-02-01,",
        "3:raw",
        "duplicate key",
        "'foo'",
        "or close the earlier one: give it the valid_to 2026-02-01.",
    ),
    "token price": (
        "provider,model,token_class,price_per_million,currency\naws,x,inputs,1,USD",
        "2:token_class",
        "not one of",
        "'inputs'",
        "input?",
    ),
    "an unknown step": (
        f"{TOKENS},context_tier\n{ONE},base tier",
        "2:context_tier",
        "is not a step",
        "'base tier'",
        "up to 272k",
    ),
    "a step of no number": (
        f"{TOKENS},context_tier\n{ONE},up to 272 k",
        "2:context_tier",
        "is not a step",
        "'up to 272 k'",
        "272k",
    ),
    "a step turned round": (
        f"{TOKENS},context_tier\n{ONE},above 272k up to 128k",
        "2:context_tier",
        "ends before it begins",
        "'above 272k up to 128k'",
        "smaller number first",
    ),
    "an unknown window": (
        f"{TOKENS},time_window_utc\n{ONE},1:00-4:00",
        "2:time_window_utc",
        "is not a part of the day",
        "'1:00-4:00'",
        "01:00-04:00",
    ),
    "a window beyond the day": (
        f"{TOKENS},time_window_utc\n{ONE},20:00-24:01",
        "2:time_window_utc",
        "is not a part of the day",
        "'20:00-24:01'",
        "UTC",
    ),
    "an unknown day": (
        f"{TOKENS},time_window_utc\n{ONE},Mo-Fr 01:00-04:00",
        "2:time_window_utc",
        "is not a part of the day",
        "'Mo-Fr 01:00-04:00'",
        "Mon-Fri may stand before it",
    ),
    "a list of days": (
        f'{TOKENS},time_window_utc\n{ONE},"Mon,Tue 01:00-04:00"',
        "2:time_window_utc",
        "is not a part of the day",
        "'Mon,Tue 01:00-04:00'",
        "a row each",
    ),
    "an empty window": (
        f"{TOKENS},time_window_utc\n{ONE},05:00-05:00",
        "2:time_window_utc",
        "begins where it ends",
        "'05:00-05:00'",
        "whole day",
    ),
    "windows that overlap": (
        f"{TOKENS},time_window_utc\n{ONE},22:00-02:00\n{ONE.replace('1.5', '3')},01:59-04:00",
        "3:price_per_million",
        "card.csv:2, since ever) for the same key, and for some of the same requests",
        "'3'",
        "valid_to",
    ),
    "a whole week beside a whole day": (
        f"{TOKENS},time_window_utc\n{ONE},Mon-Sun 00:00-24:00\n{ONE.replace('1.5', '3')},",
        "3:price_per_million",
        "card.csv:2, since ever) for the same key",
        "'3'",
        "valid_to",
    ),
    "tiers that overlap": (
        f"{HEADER},tier_from,tier_to,tier_mode\n{GOOD},,6,cliff\n{GOOD.replace('1.42', '3')},5,,cliff",
        "3:price_per_chip_hour",
        "card.csv:2, since ever) for the same key, and for some of the same chip-hours",
        "'3'",
        "Part their tiers, or",
    ),
    "steps that overlap": (
        f"{TOKENS},context_tier\n{ONE},up to 200k\n{ONE.replace('1.5', '3')},above 199999",
        "3:price_per_million",
        "card.csv:2, since ever) for the same key, and for some of the same requests",
        "'3'",
        "valid_to",
    ),
}


@pytest.mark.parametrize("case", few(WRONG, 12))
def test_a_wrong_card_is_refused(write, case):
    text, place, what, evidence, remedy = WRONG[case]
    path = write(text)
    error = refusal(path)
    assert error.where == ":".join([str(path), *([place] if place else [])])
    assert what in error.what
    assert evidence in " ".join(error.evidence)
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("pattern", "is_taken"),
    [("%", False), ("%%_", False), ("z%", False), ("% %", False), ("_-_", False), ("z9%", True), ("%-z", True)],
)
def test_a_pattern_of_machines_says_something_of_their_names(write, pattern, is_taken):
    path = write(f"provider,pattern\naws,zed-%\n*,{pattern}\n")
    if is_taken:
        assert len(rates.load([path]).of("families")[0].rows) == 2
        return
    refused = refusal(path)
    assert refused.where == f"{path}:3:pattern"
    assert refused.what == "fits nearly every name: fewer than 2 characters of it are fixed"


def test_all_problems_of_a_card_are_said_at_once(write):
    rows = "\n".join("aws,trn2,spot,1,dollars" for _ in range(7))
    error = refusal(write(f"{HEADER}\n{rows}"))
    assert error.where.endswith("card.csv:2:currency")
    assert [line.split("card.csv:")[-1].split(":")[0] for line in error.evidence[1:5]] == ["3", "4", "5", "6"]
    assert error.evidence[-1] == "and 2 more"


def test_a_missing_card_is_a_usage_error(tmp_path):
    assert refusal(tmp_path / "gone.csv").what == "no such file"


def test_lines_are_counted_as_an_editor_counts_them(write):
    error = refusal(write(f'{HEADER},notes\n\n{GOOD},"two\nlines"\naws,trn2,spot,1,usd,'))
    assert error.where.endswith("card.csv:5:currency")


def test_a_card_from_a_spreadsheet_is_read(write):
    path = write(f"\ufeff{HEADER}\r\n AWS , TRN2 ,capacity_block, 1.42 ,USD\r\n,,,,\r\n")
    (row,) = [row for row in rates.read([path])["chip_prices"] if row[0] == "card.csv:2"]
    assert row[1:10] == ("aws", None, "aws-trainium2", "*", "capacity_block", None, "contract", Decimal("1.42"), "USD")


def test_a_card_replaces_the_shipped_row_of_the_same_key(write):
    path = write(
        f"{HEADER},machine,region,layer,as_of\naws,h100,on_demand,6.50,USD,P5.48xlarge,us-east-1,list,2026-01-01"
    )
    found = [
        row
        for row in rates.read([path])["chip_prices"]
        if row[1:6] == ("aws", "p5.48xlarge", "nvidia-h100-sxm", "us-east-1", "on_demand")
    ]
    assert [(row[0], row[8]) for row in found] == [("card.csv:2", Decimal("6.50"))]


def test_what_is_shipped_holds_again_where_a_card_has_ended(write):
    path = write(
        f"{HEADER},machine,region,layer,valid_from,valid_to\n"
        "aws,h100,on_demand,6.50,USD,p5.48xlarge,us-east-1,list,2026-08-01,2026-10-01"
    )
    world = rates.load([path])

    def price_on(*day):
        question = lookup.Question("aws", "p5.48xlarge", "us-east-1", date(*day))
        return lookup.lookup(question, world)["price_per_chip_hour"]

    days = ((2026, 7, 31), (2026, 8, 1), (2026, 9, 30), (2026, 10, 1))
    assert [price_on(*day) for day in days] == ["6.88", "6.50", "6.50", "6.88"]


def test_a_spelling_may_change_its_meaning_on_a_day(write):
    path = write("raw,model,valid_from,valid_to\nprod,a,,2026-03-01\nprod,b,2026-03-01,\n")
    day = date(2026, 3, 1)
    assert [row for row in rates.read([path])["model_aliases"] if row[0] == "prod"] == [
        ("prod", "a", None, day),
        ("prod", "b", day, None),
    ]


def test_cards_may_hold_machines_spellings_and_token_prices(write):
    machines = write("provider,machine,chip,chips,aliases\nazure,Maia-8,maia200,8,maia 8 v1", "machines.csv")
    prices = write(f"{HEADER},machine\nazure,maia200,private_contract,2.10,USD,maia 8 V1", "prices.csv")
    names = write("raw,model\nProd-Chat,claude-sonnet-5\nclaude4.6sonnet,ours", "names.csv")
    tokens = write(
        "provider,model,token_class,price_per_million,currency\nanthropic,claude-opus-5,output,21,USD", "tokens.csv"
    )
    read = rates.read([prices, machines, names, tokens])
    assert ("azure", "maia 8 v1", "Maia-8", "microsoft-maia-200", 8, 1) in read["machines"]
    assert [row[2] for row in read["chip_prices"] if row[3] == "microsoft-maia-200"] == ["Maia-8"]
    assert [row[1] for row in read["model_aliases"] if row[0] in ("prod-chat", "claude4.6sonnet")] == [
        "claude-sonnet-5",
        "ours",
    ]
    key = ("anthropic", None, "claude-opus-5", "*", "standard", *[None] * 4, 0, 7, "output", "contract", Decimal(21))
    assert [row[1:15] for row in read["model_prices"] if row[0] == "tokens.csv:2"] == [key]


RIVALS = """
    first                   second                          rivals
    up to 200k              above 200k                      no
    up to 200k              all                             no
    above 100k up to 200k   above 200k                      no
    up to 100k              above 99999 up to 100000        yes
    up to 1k                above 1000                      no
    01:00-04:00             04:00-06:00                     no
    Mon-Fri 01:00-04:00     Sat-Sun 01:00-04:00             no
    Mon-Fri 01:00-04:00     Fri 03:59-06:00                 yes
    Sun 22:00-01:00         Mon 00:59-02:00                 yes
    Sat-Sun                 Sun-Mon                         yes
    01:00-04:00             all                             no
    16:30-00:30             00:00-00:01                     yes
    16:30-00:30             00:30-16:30                     no
    16:30-00:00             00:00-16:30                     no
    23:00-24:00             22:00-23:01                     yes
"""


@pytest.mark.parametrize("line", few(RIVALS.strip().splitlines()[1:], 5))
def test_a_step_and_a_window_have_no_rival(write, line):
    first, second, rivals = re.split(r"\s{2,}", line.strip())
    rows = [
        f"openai,gpt-7,input,{price},USD,{text if 'k' in text or text[0] == 'a' else ''},{text if re.search(':|Sun', text) else ''}"
        for price, text in ((1, first), (2, second))
    ]
    path = write("\n".join([f"{TOKENS},context_tier,time_window_utc", *rows]))
    clashes = [clash for clash in rates.load([path]).clashes() if clash.where.startswith(str(path))]
    assert len(clashes) == (rivals == "yes")
    for clash in clashes:
        assert (clash.where, f"{path}:2" in clash.what) == (f"{path}:3:price_per_million", True)


def test_a_step_and_a_window_are_kept_as_numbers(write):
    path = write(f"{TOKENS},context_tier,time_window_utc\n{ONE},Above 128k up to 272000,16:30-00:30\n{ONE},,\n")
    found = [row[6:12] for row in rates.read([path])["model_prices"] if row[0].startswith("card.csv")]
    assert found == [
        *[(128_000, 272_000, 990, 1440, 0, 7), (128_000, 272_000, 0, 30, 0, 7)],
        (None, None, None, None, 0, 7),
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Mon-Fri 01:00-04:00", [(60, 240, 0, 5)]),
        ("sat-sun", [(0, 1440, 5, 7)]),
        ("Wed", [(0, 1440, 2, 3)]),
        ("Fri-Mon 10:00-11:00", [(600, 660, 4, 7), (600, 660, 0, 1)]),
        ("Sun 22:00-01:00", [(1320, 1440, 6, 7), (0, 60, 0, 1)]),  # into Monday
        ("Sat-Sun 22:00-01:00", [(1320, 1440, 5, 7), (0, 60, 6, 7), (0, 60, 0, 1)]),
        ("Mon-Sun 22:00-01:00", [(1320, 1440, 0, 7), (0, 60, 0, 7)]),
        ("Tue-Mon 01:00-04:00", [(60, 240, 0, 7)]),
        ("Mon - Fri  01:00 - 04:00", [(60, 240, 0, 5)]),
        ("Mon-Sun", []),  # the whole week, as if it were not there
        ("Sun - Sat 00:00-24:00", []),
        ("00:00-24:00", []),
    ],
)
def test_hours_may_be_of_some_days_of_the_week(text, parts):
    assert scopes.window(text) == tuple(parts)


def test_the_card_of_the_manual_is_read(write):
    tiers, card, discounts, machines = re.findall(
        r"```csv\n(.*?)```", (HOME / "README.md").read_text("utf-8"), re.DOTALL
    )
    read = rates.read([write(card), write(discounts, "edp.csv")])["chip_prices"]
    assert [row[8] for row in read if row[0].startswith("card")] == [Decimal("1.42"), Decimal("2.10")]
    virginia = [row[8] for row in read if row[0].endswith(" less edp.csv:2 less edp.csv:3") and row[2] == "p5.48xlarge"]
    assert virginia == [Decimal("6.88") * Decimal("0.91") * Decimal("0.875")]
    read = [row for row in rates.read([write(tiers, "tiers.csv")])["chip_prices"] if row[0].startswith("tiers")]
    assert [(row[8], *row[10:14]) for row in read] == [
        (Decimal("2.60"), "tiers.csv:2", 0, 500_000, "graduated"),
        (Decimal("2.35"), "tiers.csv:2", 500_000, None, "graduated"),
    ]
    read = rates.read([write(machines, "machines.csv")])["machines"]
    assert ("aws", "p9.48xlarge", "p9.48xlarge", "nvidia-h200-sxm", 8, 1) in read


def test_the_manual_names_every_column_and_no_other_file():
    manual = (HOME / "README.md").read_text("utf-8")
    for name in ("chip_prices",):
        assert [column for column in sheet(name)[0] if f"`{column}`" not in manual] == []
    assert [path.name for path in HOME.glob("*.csv") if f"`{path.name}`" not in manual] == []


@pytest.mark.parametrize(
    ("text", "day"),
    [("2026-10-05", date(2026, 10, 5)), ("2026-02", date(2026, 2, 28)), ("2026", date(2026, 12, 31))],
)
def test_an_observation_counts_from_the_day_it_was_surely_made(text, day):
    assert cells.about(text) == day


# Which rate is in force. Each case shows its whole table.

TINY = {
    "chips.csv": "chip,short\nacme-one,one\nacme-two,two\n",
    "providers.csv": "name,provider\ncloud,cloud\n",
    "machines.csv": "provider,machine,chip,chips\ncloud,m8,acme-one,8\ncloud,m1,acme-one,1\n",
}
DEFAULTS = {
    "provider": "cloud",
    "chip": "acme-one",
    "purchase_model": "on_demand",
    "currency": "USD",
    "layer": "list",
    "region": "*",
}


def cells_of(line):
    """Return a row's cells from `price column=value ...`; `+` stands for a blank inside a value."""
    amount, *others = line.split()
    return {"price_per_chip_hour": amount} | {
        name: value.replace("+", " ") for name, value in (o.split("=") for o in others)
    }


@pytest.fixture
def tiny(tmp_path):
    """Return the facts of a world of two chips with the given prices."""

    return lambda *lines: made(tmp_path, *lines)


def made(folder, *lines):
    """Write the facts of a world of two chips with the given prices, and read them."""
    rows = [{**DEFAULTS, **cells_of(line)} for line in lines]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    (folder / "chip_prices").mkdir(exist_ok=True)
    for name, text in TINY.items():
        (folder / name).write_text(text)
    with (folder / "chip_prices" / "cloud.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return facts.load(folder)


CHIP_HOURS = {  # the columns of the model chip_hours, and a row of it
    "billing_period": ("DATE", "2026-10-01"),
    "group_id": ("VARCHAR", None),
    "provider": ("VARCHAR", "cloud"),
    "machine": ("VARCHAR", "m8"),
    "chip": ("VARCHAR", "acme-one"),
    "RegionId": ("VARCHAR", "us-east-1"),
    "purchase_model": ("VARCHAR", "on_demand"),
    "BillingCurrency": ("VARCHAR", "USD"),
    "slot_start": ("TIMESTAMP", None),
    "slot_end": ("TIMESTAMP", None),
    "chip_hours": ("DECIMAL(18,6)", "8"),
}
SHORT = {"region": "RegionId", "currency": "BillingCurrency", "hours": "chip_hours"}


OPEN = contextlib.ExitStack()  # until the process ends


@functools.cache
def memory():
    """Return a ledger in memory that is made once: each answer is computed in a transaction that is rolled back."""
    ledger = OPEN.enter_context(store.in_memory())
    build.bind(ledger)
    return ledger


def rated(world, *changes):
    """Return the models' answer for one row of chip-hours per set of changes; each is of the 15th of October, or as it says."""
    usual = {name: value for name, (_, value) in CHIP_HOURS.items()}
    rows = []
    for number, change in enumerate(changes or ({},)):
        row = usual | {"group_id": f"g{number:02}"} | {SHORT.get(name, name): value for name, value in change.items()}
        day = date.fromisoformat(str(row.pop("day", "2026-10-15")))
        row["slot_start"] = row["slot_start"] or f"{day} 00:00:00"
        row["slot_end"] = row["slot_end"] or f"{day + timedelta(days=1)} 00:00:00"
        rows.append(tuple(row.values()))
    ledger = memory()
    ledger.run("BEGIN")
    try:
        ledger.run(
            f"CREATE TEMP TABLE chip_hours ({', '.join(f'{name} {type_}' for name, (type_, _) in CHIP_HOURS.items())})"
        )
        ledger.insert("ledger.chip_prices", tables.tables(world)["chip_prices"])
        ledger.insert("ledger.calendar", [(date(2026, 9, 1) + timedelta(days=number),) for number in range(91)])
        ledger.insert("temp.chip_hours", rows)
        build.derive(ledger, date(2026, 10, 1), ("chip_days", "prices_in_force", "rated_chip_hours"))
        return ledger.run("SELECT * FROM temp.rated_chip_hours ORDER BY group_id")
    finally:
        ledger.run("ROLLBACK")


def price(world, **change):
    (row,) = rated(world, change).dicts()
    return None if row["price_per_chip_hour"] is None else str(row["price_per_chip_hour"].normalize())


ORDER = [
    # the winner is always the price 1
    ("contract before realised", "1 layer=contract", "2 layer=realised"),
    ("realised before list", "1 layer=realised", "2 layer=list"),
    ("list before model", "1 layer=list", "2 layer=model machine=m8"),
    ("layer before region", "1 layer=contract", "2 layer=list region=us-east-1 machine=m8"),
    ("region before geo", "1 region=us-east-1", "2 region=geo:us"),
    ("geo before anywhere", "1 region=geo:us", "2 region=*"),
    ("region before machine", "1 region=us-east-1", "2 region=* machine=m8"),
    ("machine before chip", "1 machine=m8", "2"),
    ("no term before a term", "1", "2 term_months=12"),
    ("short term before long", "1 term_months=12", "2 term_months=36"),
    ("region in any case", "1 region=US-East-1", "2 region=geo:US"),
    ("one of several regions", "1 region=eu-west-1+us-east-1", "2 region=geo:us"),
]


@pytest.mark.parametrize(
    ("first", "second"), few_rows([case[1:] for case in ORDER], 6), ids=[case[0] for case in ORDER]
)
def test_the_order_of_rates(tiny, first, second):
    assert price(tiny(first, second)) == price(tiny(second, first)) == "1"


def test_the_latest_of_equal_prices_names_its_card(tiny):
    world = tiny("1 valid_from=2026-01-01", "1 valid_from=2026-06-01")
    assert rated(world).dicts()[0]["card"] == "chip_prices/cloud.csv:3"


NOT_PRICED = [
    ("another machine", "1 machine=m1", {}),
    ("another region", "1 region=us-west-2", {}),
    ("another part of the world", "1 region=geo:eu", {}),
    ("another purchase model", "1", {"purchase_model": "spot"}),
    ("another currency", "1", {"currency": "EUR"}),
    ("another chip", "1", {"chip": "acme-two"}),
    ("unknown purchase model", "1", {"purchase_model": None}),
    ("unknown region", "1 region=us-east-1", {"region": None}),
    ("unknown machine", "1 machine=m8", {"machine": None}),
    ("a government's region", "1 region=geo:us", {"region": "us-gov-west-1"}),
    ("confidence", "1 confidence=conflict", {}),
]


@pytest.mark.parametrize(
    ("line", "change"), few_rows([case[1:] for case in NOT_PRICED], 4), ids=[case[0] for case in NOT_PRICED]
)
def test_no_rate_is_unknown_and_never_zero(tiny, line, change):
    (row,) = rated(tiny(line), change).dicts()
    assert (row["card"], row["layer"], row["price_per_chip_hour"], row["rate_cost"]) == (None, None, None, None)
    assert row["chip_hours"] == 8


def test_an_unknown_region_or_machine_still_has_the_chips_price(tiny):
    assert price(tiny("1"), region=None, machine=None) == "1"


def on(world, *days):
    """Return the price in force on each day of 2026, `-` where there is none."""
    return [price(world, day=f"2026-{day}") or "-" for day in days]


def test_a_dated_price_holds_half_open(tiny):
    world = tiny("1 valid_from=2026-03-01 valid_to=2026-04-01", "2 valid_from=2026-04-01")
    assert on(world, "02-28", "03-01", "03-31", "04-01", "12-31") == ["-", "1", "1", "2", "2"]


def test_a_gap_is_not_filled(tiny):
    world = tiny("1 valid_from=2026-03-01 valid_to=2026-04-01", "2 valid_from=2026-05-01")
    assert on(world, "03-31", "04-01", "04-30", "05-01") == ["1", "-", "-", "2"]


def test_an_observation_holds_until_the_next_one_of_its_key(tiny):
    world = tiny(
        "1 as_of=2026-03-10", "2 as_of=2026-06", "9 as_of=2026-04-01 machine=m1", "9 as_of=2026-04-01 layer=model"
    )
    assert on(world, "03-09", "03-10", "06-29", "06-30", "12-31") == ["-", "1", "1", "2", "2"]


def test_an_observation_ends_where_a_dated_price_begins(tiny):
    world = tiny("1 as_of=2026-03-10", "2 valid_from=2026-05-01")
    assert on(world, "03-09", "04-30", "05-01") == ["-", "1", "2"]


def test_an_observation_may_be_closed(tiny):
    assert on(tiny("1 as_of=2026-03-10 valid_to=2026-05-01"), "03-09", "03-10", "04-30", "05-01") == [
        "-",
        "1",
        "1",
        "-",
    ]


def test_a_past_price_looked_up_later_held_before(tiny):
    assert on(tiny("1 as_of=2026-11-01 valid_to=2026-05-01"), "01-01", "04-30", "05-01", "11-02") == [
        "1",
        "1",
        "-",
        "-",
    ]


def test_a_price_without_dates_holds_always(tiny):
    assert on(tiny("1"), "01-01", "12-31") == ["1", "1"]


def test_prices_that_hold_together_are_refused_by_both_lines(tiny):
    (clash,) = tiny("1 valid_from=2026-01-01", "2 valid_from=2026-05-01").clashes()
    assert clash.where == "rates/chip_prices/cloud.csv:3:price_per_chip_hour"
    assert clash.what == (
        "2 (rates/chip_prices/cloud.csv:3, from 2026-05-01) holds on the same days as"
        " 1 (rates/chip_prices/cloud.csv:2, from 2026-01-01) for the same key"
    )
    assert tiny("1 valid_from=2026-01-01 valid_to=2026-05-01", "2 valid_from=2026-05-01").clashes() == []


DAYS = [date(2026, 10, 1) + timedelta(days=number) for number in range(31)]
DATED = st.tuples(st.just("dated"), st.integers(0, 29), st.one_of(st.none(), st.integers(1, 12)))
SEEN = st.tuples(st.just("seen"), st.integers(0, 29), st.none())


def holding(rows, day):
    """Return the numbers of the rows that hold on a day, by the table of the manual: a beginning, or until the next one begins."""
    found = []
    for number, (kind, start, length) in enumerate(rows):
        later = [other for _, other, _ in rows if other > start]
        end = start + length if length else min(later, default=99) if kind == "seen" else 99
        if start <= day < end:
            found.append(number)
    return found


@examples(15)
@given(rows=st.lists(st.one_of(DATED, SEEN), min_size=1, max_size=5))
def test_whatever_the_intervals_a_day_has_one_card_or_none_and_says_which_is_near(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rates")
    cells = [
        {"valid_from": DAYS[start], "valid_to": DAYS[start] + timedelta(days=length) if length else ""}
        if kind == "dated"
        else {"as_of": DAYS[start]}
        for kind, start, length in rows
    ]
    columns = [*DEFAULTS, "price_per_chip_hour", "valid_from", "valid_to", "as_of"]
    for name, text in TINY.items():
        (folder / name).write_text(text)
    (folder / "chip_prices").mkdir()
    with (folder / "chip_prices" / "cloud.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(DEFAULTS | {"price_per_chip_hour": 1 + number} | row for number, row in enumerate(cells))
    world = facts.load(folder)
    held = {day: holding(rows, number) for number, day in enumerate(DAYS)}
    problems = world.clashes()
    assert bool(problems) == any(len(numbers) > 1 for numbers in held.values())
    for problem in problems:  # both lines are named
        assert re.search(r"cloud.csv:\d+", problem.where)
        assert re.search(r"cloud.csv:\d+", problem.what)
    if not problems:
        answers = rated(world, *({"day": day} for day in DAYS)).dicts()
        prices = {row["day"]: row["price_per_chip_hour"] for row in answers}
        assert prices == {day: 1 + numbers[0] if numbers else None for day, numbers in held.items()}
        known = [day for day, numbers in held.items() if numbers]
        gaps = [day for day, numbers in held.items() if known and not numbers]
        for day in gaps[:1] + gaps[-1:]:
            near = min(known, key=lambda other: (abs(other - day), other))
            question = lookup.Question("cloud", "m8", "us-east-1", day)
            with pytest.raises(UsageError) as refused:
                lookup.lookup(question, world)
            assert refused.value.evidence == [f"the nearest is chip_prices/cloud.csv:{2 + held[near][0]}, of {near}"]


def test_the_product_is_exact(tiny):
    for amount, hours in (("2.723995123457", "333333333333.333333"), ("9999999.999999999999", "999999999999.999999")):
        (row,) = rated(tiny(amount), {"hours": hours}).dicts()
        assert Fraction(row["rate_cost"]) == Fraction(amount) * Fraction(hours)


CHANGED = ("2.00 valid_from=2026-01-01 valid_to=2026-10-15", "3.00 valid_from=2026-10-15")


def test_a_price_that_changes_within_the_month_holds_on_both_sides_of_the_hour(tiny):
    """The last hour of the 14th at the old price, the first of the 15th at the new one; what lasts from one to the other, at both."""
    before, after, both = rated(
        tiny(*CHANGED),
        {"slot_start": "2026-10-14 23:00:00", "slot_end": "2026-10-15 00:00:00", "hours": "8"},
        {"slot_start": "2026-10-15 00:00:00", "slot_end": "2026-10-15 01:00:00", "hours": "8"},
        {"slot_start": "2026-10-14 21:00:00", "slot_end": "2026-10-15 01:00:00", "hours": "32.000002"},
    ).dicts()
    assert (before["rate_cost"], before["card"]) == (16, "chip_prices/cloud.csv:2")
    assert (after["rate_cost"], after["card"]) == (24, "chip_prices/cloud.csv:3")
    # three of four hours before midnight: 8 chip-hours after it, cut at a millionth, the rest before
    assert both["rate_cost"] == Decimal("24.000002") * 2 + 8 * 3
    assert (both["card"], both["price_per_chip_hour"]) == ("several", None)


def test_a_month_in_one_line_is_priced_day_by_day(tiny):
    (row,) = rated(
        tiny(*CHANGED), {"slot_start": "2026-10-01 00:00:00", "slot_end": "2026-11-01 00:00:00", "hours": "5952"}
    ).dicts()
    assert row["rate_cost"] == 14 * 192 * 2 + 17 * 192 * 3


def test_days_without_a_price_leave_the_whole_unknown(tiny):
    (row,) = rated(
        tiny("2.00 valid_from=2026-10-02"),
        {"slot_start": "2026-10-01 00:00:00", "slot_end": "2026-10-03 00:00:00", "hours": "48"},
    ).dicts()
    assert row["rate_cost"] is None


TIERS = (
    "5.00 layer=contract tier_to=100 tier_mode={0}",
    "4.00 layer=contract tier_from=100 tier_to=1000 tier_mode={0}",
    "3.00 layer=contract tier_from=1000 tier_mode={0}",
)


def tiered(tiny, mode, *hours):
    """Return what lines of so many chip-hours cost, in their order."""
    world = tiny(*(line.format(mode) for line in TIERS))
    days = [{"hours": text, "day": f"2026-10-{day:02}"} for day, text in enumerate(hours, start=1)]
    return [row["rate_cost"] for row in rated(world, *days).dicts()]


def test_graduated_tiers_price_each_hour_by_the_tier_it_falls_into(tiny):
    assert tiered(tiny, "graduated", "60", "60", "1000") == [300, 40 * 5 + 20 * 4, 880 * 4 + 120 * 3]
    assert tiered(tiny, "graduated", "100", "0.000001") == [500, Decimal("0.000004")]


def test_a_cliff_prices_the_whole_month_by_the_tier_it_reaches(tiny):
    assert tiered(tiny, "cliff", "60", "39.999999") == [300, Decimal("199.999995")]
    assert tiered(tiny, "cliff", "60", "40") == [240, 160]  # the hundredth chip-hour begins the next tier
    assert tiered(tiny, "cliff", "60", "1000") == [180, 3000]


def test_a_tier_of_which_the_price_changes_stays_in_its_family(tiny):
    world = tiny(
        "5.00 tier_to=100 tier_mode=graduated valid_from=2026-01-01",
        "4.00 tier_from=100 tier_mode=graduated valid_from=2026-01-01 valid_to=2026-10-10",
        "3.00 tier_from=100 tier_mode=graduated valid_from=2026-10-10",
    )
    before, after = rated(world, {"hours": "150", "day": "2026-10-09"}, {"hours": "10", "day": "2026-10-10"}).dicts()
    assert (before["rate_cost"], after["rate_cost"]) == (500 + 50 * 4, 30)
    assert ask(world, "2026-10-15", volume=Decimal(50))[0]["price_per_chip_hour"] == "5.00"


def test_hours_beyond_the_last_tier_have_no_price(tiny):
    world = tiny("5.00 tier_to=100 tier_mode=graduated")
    first, second = rated(world, {"hours": "60", "day": "2026-10-01"}, {"hours": "60", "day": "2026-10-02"}).dicts()
    assert (first["rate_cost"], second["rate_cost"]) == (300, None)
    assert (second["card"], second["price_per_chip_hour"]) == (None, None)  # it does not price all of the hours


@examples(15)
@given(
    bounds=st.lists(st.integers(1, 500), min_size=1, max_size=4, unique=True),
    hours=st.lists(st.integers(0, 300), min_size=1, max_size=5),
    mode=st.sampled_from(["graduated", "cliff"]),
)
def test_whatever_the_tiers_a_month_costs_what_they_say_by_hand(tmp_path_factory, bounds, hours, mode):
    edges = [0, *sorted(bounds), None]
    lines = [
        f"{number + 1} tier_mode={mode} tier_from={begin}" + (f" tier_to={end}" if end else "")
        for number, (begin, end) in enumerate(pairwise(edges))
    ]
    world = made(tmp_path_factory.mktemp("tiers"), *lines)
    found = rated(world, *({"hours": str(each), "day": f"2026-10-{day:02}"} for day, each in enumerate(hours, start=1)))
    tier_of = [next(n + 1 for n, (b, e) in enumerate(pairwise(edges)) if e is None or hour < e) for hour in range(1501)]
    whole = sum(hours)
    expected = sum(tier_of[:whole]) if mode == "graduated" else whole * tier_of[whole]
    assert sum(row["rate_cost"] for row in found.dicts()) == expected


@pytest.mark.parametrize(
    ("lines", "where", "what"),
    [
        (["1 tier_from=5"], "2:tier_mode", "is missing"),
        (["1 tier_mode=cliff"], "2:tier_mode", "stands without a tier"),
        (["1 tier_mode=cliff tier_from=5 tier_to=5"], "2:tier_to", "is not above the tier_from"),
        (["1 tier_mode=steps tier_to=5"], "2:tier_mode", "is not one of cliff, graduated"),
    ],
)
def test_what_a_tier_must_not_say(tiny, lines, where, what):
    with pytest.raises(UsageError) as found:
        tiny(*lines)
    assert found.value.where.endswith(where)
    assert what in found.value.what


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["1 tier_mode=cliff tier_to=6", "2 tier_mode=cliff tier_from=5"], "holds on the same days as 1"),
        (["1 tier_mode=cliff tier_to=5", "2 tier_mode=graduated tier_from=5"], "is graduated, and"),
        (["1", "2 tier_mode=graduated tier_from=5"], "on the same days for the same key"),
        (
            [f"1 tier_mode=cliff valid_from=2026-0{month}-01 tier_from={begin}" for month, begin in ((1, 0), (2, 5))],
            "holds on the same days as 1",
        ),
        (["1 tier_mode=graduated tier_to=5", "2 tier_mode=graduated tier_from=6"], "is above 5, where"),
        (["1 tier_mode=cliff tier_to=5 region=a+b", "2 tier_mode=cliff tier_from=6 region=a+b"], "is above 5, where"),
    ],
)
def test_tiers_that_contradict_each_other_are_refused_with_both_lines(tiny, lines, what):
    (problem,) = tiny(*lines).clashes()
    place, _, column = problem.where.rpartition(":")
    assert place.endswith("cloud.csv:3")
    assert column in ("price_per_chip_hour", "tier_mode", "tier_from")
    assert what in problem.what
    assert "cloud.csv:2" in problem.what


@pytest.mark.slow
def test_a_lookup_takes_the_tier_of_the_hours_so_far(tiny):
    world = tiny(*(line.format("graduated") for line in TIERS))
    found = [ask(world, "2026-10-01", volume=Decimal(hours))[0] for hours in ("0", "99.9", "100", "5000")]
    assert [answer["price_per_chip_hour"] for answer in found] == ["5.00", "5.00", "4.00", "3.00"]
    assert [answer["tier"] for answer in found[1:]] == [
        "0 to 100, graduated",
        "100 to 1000, graduated",
        "from 1000, graduated",
    ]


def test_every_span_of_a_token_price_is_shown_where_a_card_cuts_it(write):
    header = (
        "provider,channel,model,region,token_class,price_per_million,currency,layer,valid_from,valid_to,context_tier"
    )
    path = write(f"{header}\nopenai,openai-api,gpt-4.1,*,input,1.5,USD,list,2026-12-01,2027-01-01,all\n")
    shown = listing.token_prices(rates.load([path]), "gpt-4.1", date(2026, 12, 15))
    found = [
        (line["price_per_million"], line["valid_from"], line["valid_to"], line["state"])
        for line in shown
        if (line["token_class"], line["service_tier"], line["channel"]) == ("input", "standard", "openai-api")
    ]
    assert found == [
        ("2", "2026-11-20", "2026-12-01", "ended"),
        ("1.5", "2026-12-01", "2027-01-01", "in force"),
        ("2", "2027-01-01", None, "later"),
    ]


def test_a_list_price_with_a_beginning_grows_old_too(tiny):
    world = tiny("2.00 valid_from=2026-01-01 as_of=2026-01-05")
    warnings = {today: check.check(world, today).shipped for today in (date(2026, 7, 4), date(2026, 7, 5))}
    assert ["seen on 2026-01-05" in " ".join(found.what for found in each) for each in warnings.values()] == [
        False,
        True,
    ]


def test_what_was_seen_later_was_not_known_then(tiny):
    world = tiny("2.00 as_of=2026-03-01", "3.00 as_of=2026-09-01 valid_from=2026-04-01")
    known = (world.known_on(date(2026, 8, 31)), world.known_on(date(2026, 9, 1)), world)
    assert [ask(facts, "2026-05-01")[0]["price_per_chip_hour"] for facts in known] == ["2.00", "3.00", "3.00"]


@pytest.mark.parametrize("rates", ["chip_rates", "model_rates", "power"])
def test_before_all_was_seen_nothing_was_known(shipped, rates):
    now, then = (
        [rate for rate in getattr(facts, rates) if rate.row["as_of"]]
        for facts in (shipped, shipped.known_on(date(2000, 1, 1)))
    )
    assert now
    assert then == []


def test_every_row_comes_back_once_with_its_columns(tiny):
    world = tiny(
        "1", "2 machine=m8", "3 region=us-east-1", "4 layer=contract term_months=12", "5 layer=contract term_months=36"
    )
    found = rated(world, {}, {}, {"machine": None}, {"purchase_model": None}, {"region": None}, {"day": "2026-10-16"})
    assert len(found.rows) == 6
    assert found.columns[10:] == ("card", "layer", "price_per_chip_hour", "rate_cost", "is_estimate")
    assert found.types[10:] == ("VARCHAR", "VARCHAR", "DECIMAL(19,12)", "DECIMAL(38,18)", "BOOLEAN")


def test_every_shipped_price_is_the_rate_of_its_own_key(shipped):
    """Ask for every price on its first day: it is the answer, save where the same is sold for a shorter term."""
    asked = [rate for rate in shipped.chip_rates if not str(rate.key[3]).startswith(("geo:", "*"))]
    names = ("provider", "machine", "chip", "region", "purchase_model")
    rows = [
        dict(zip(names, rate.key[:5], strict=True)) | {"group_id": f"{rate.row.card} {number}", "day": rate.valid_from}
        for number, rate in enumerate(asked)
    ]
    found = rated(shipped, *rows).dicts()
    longer = {rate.row.card for rate in asked if rate.key[5] == 36}  # a shorter term is taken where there is one
    cards = [(row["group_id"].partition(" ")[0], row["card"]) for row in found]
    others = [own for own, card in cards if card != own]
    assert len(found) == len(rows) > 700
    assert others
    assert set(others) <= longer


# rates lookup, list, show and check.


def ask(world, day, **change):
    question = lookup.Question(
        **{"provider": "cloud", "sku": "m8", "region": "us-east-1", **change}, day=date.fromisoformat(day)
    )
    return lookup.lookup(question, world), lookup.lookup(question, world, stale_ok=True)


def unanswered(world, day, **change):
    """Return where a lookup is refused, the evidence and the remedy."""
    with pytest.raises(UsageError) as refused:
        ask(world, day, **change)
    return refused.value.where, refused.value.evidence, refused.value.remedy


def test_lookup_gives_the_price_as_printed(tiny):
    strict, lenient = ask(tiny("1.50 as_of=2026-03-10 confidence=list"), "2026-04-01")
    assert strict == lenient
    assert (strict["price_per_chip_hour"], strict["card"], strict["note"]) == ("1.50", "chip_prices/cloud.csv:2", None)
    assert (strict["valid_from"], strict["valid_to"], strict["layer"]) == ("2026-03-10", None, "list")


def test_lookup_takes_a_stale_rate_only_when_told_and_says_so(tiny):
    world = tiny("1 as_of=2026-03-10 valid_to=2026-05-01", "2 valid_from=2026-09-01")
    where, evidence, remedy = unanswered(world, "2026-05-10")
    assert (where, evidence) == ("--at", ["the nearest is chip_prices/cloud.csv:2, of 2026-04-30"])
    assert "--stale-ok" in remedy
    days = [date(2026, 5, 10), date(2026, 8, 31)]
    early, late = (
        lookup.lookup(lookup.Question("cloud", "m8", "us-east-1", day), world, stale_ok=True) for day in days
    )
    note = "stale: not in force on 2026-05-10; it was on 2026-04-30"
    assert (early["price_per_chip_hour"], early["note"]) == ("1", note)
    assert late["price_per_chip_hour"] == "2"


@pytest.mark.parametrize("format_", few(["json", "csv", "table"]))
def test_a_refused_lookup_prints_nothing_but_its_reason(command, monkeypatch, tmp_path, format_):
    monkeypatch.chdir(tmp_path)
    asked = ["--provider", "aws", "--sku", "p5.48xlarge", "--region", "us-east-1", "--at", "2020-01-01"]
    said = command("rates", "lookup", *asked, "--format", format_)
    assert (said.code, said.out) == (2, "")
    assert "the nearest is chip_prices/aws.csv:" in said.err


def test_lookup_says_what_else_is_known(tiny):
    world = tiny("1 purchase_model=spot", "1 region=eu-west-1")
    assert unanswered(world, "2026-05-10") == ("--region", [""], "Known: eu-west-1.")
    bought = ("--purchase", [""], "Known: on_demand, spot.")
    assert unanswered(world, "2026-05-10", purchase_model="reserved") == bought
    where, _, remedy = unanswered(world, "2026-05-10", sku="two")
    assert (where, remedy) == ("--sku", "A card of yours can hold it: costctl rates template two")


def test_lookup_says_that_no_tier_reaches_so_far(tiny):
    world = tiny("1 tier_mode=cliff tier_to=100")
    where, _, remedy = unanswered(world, "2026-05-10", volume=Decimal(100))
    assert (where, remedy) == ("--chip-hours", "Ask for fewer, or add the tier to your card.")


def test_lookup_takes_a_chip_by_itself(tiny):
    world = tiny("1 machine=m8", "2")
    assert (ask(world, "2026-05-10", sku="one")[0]["price_per_chip_hour"]) == "2"


ASKED = """
    provider  sku              region              bought          term  chips  per chip  per machine
    aws       p5.48xlarge      us-east-1           on_demand       -     8      6.88      55.04
    aws       trn2.48xlarge    us-east-2           capacity_block  -     16     2.23505   35.7608
    gcp       v5p-8            us-east1            on_demand       -     4      4.2       16.8
    gcp       v6e-8            us-east1            on_demand       -     8      2.7       21.6
    aws       g6f.large        us-east-1           on_demand       -     1/8    1.616     0.202
    azure     ND96isr_H100_v5  eastus              on_demand       -     8      12.29     98.32
    gcp       tpu7x-8          us-central1         on_demand       -     4      12.0      48
    gcp       tpu7x-8          us-central1         commitment      12    4      8.4       33.6
    gcp       tpu7x-8          us-central1         commitment      36    4      5.4       21.6
    aws       u-p6e-gb200x72   us-east-1-dfw-2a    capacity_block  -     72     10.582    761.904
"""  # the 8 of v5p-8 and of tpu7x-8 are cores, two of each chip


@pytest.mark.parametrize("line", few(ASKED.strip().splitlines()[1:], 4), ids=lambda line: line.split()[1])
def test_lookup_of_what_is_often_asked(shipped, line):
    provider, sku, region, bought, term, *expected = line.split()
    months = None if term == "-" else int(term)
    question = lookup.Question(provider, sku, region, date(2026, 10, 15), bought, term_months=months)
    found = lookup.lookup(question, shipped)
    assert [found["chips"], found["price_per_chip_hour"], found["price_per_machine_hour"]] == expected


def test_a_chip_without_a_public_price_is_refused_until_a_card_prices_it(shipped, write):
    question = lookup.Question("azure", "maia200", "centralus", date(2026, 10, 15), "private_contract")
    with pytest.raises(UsageError, match="Maia 200 has no public price, and no card of yours has one") as refused:
        lookup.lookup(question, shipped)
    assert "costctl rates template maia200" in refused.value.remedy
    text = listing.template("maia200", shipped)
    with pytest.raises(UsageError, match="the price_per_chip_hour is missing"):
        facts.load(rates.home(), [write(text)])
    filled = text.replace(",contract,,USD,", ",contract,2.10,USD,")
    found = lookup.lookup(question, facts.load(rates.home(), [write(filled)]))
    assert (found["price_per_chip_hour"], found["layer"], found["note"]) == ("2.10", "contract", None)


def test_every_chip_without_a_public_price_has_a_template(shipped):
    unpriced = [row for row in shipped.rows("chips") if row["price_visibility"] != "public"]
    assert len(unpriced) == 17
    for row in unpriced:
        (card,) = csv.DictReader(io.StringIO(listing.template(row["chip"], shipped)))
        assert (card["chip"], card["price_per_chip_hour"], card["layer"]) == (row["short"], "", "contract")


@pytest.mark.parametrize(
    ("change", "where", "remedy"),
    [
        ({"sku": "m88"}, "--sku", "Did you mean m8?"),
        ({"purchase_model": "spott"}, "--purchase", "Did you mean spot?"),
        ({"provider": " "}, "--provider", "Name it as bills or gateways do, for example aws."),
        ({"provider": "clowd"}, "--provider", "Did you mean cloud?"),
        ({"provider": "*"}, "--provider", "Name it as bills or gateways do, for example aws."),
    ],
)
def test_lookup_knows_its_names(tiny, change, where, remedy):
    with pytest.raises(UsageError) as caught:
        ask(tiny("1"), "2026-05-10", **change)
    assert (caught.value.where, caught.value.remedy) == (where, remedy)


MEANT = """
    provider   written as                   is
    gcp        TPU 7x                       Tpu7x
    gcp        V6E_8                        v6e-8
    gcp        Tpu 7x Standard 4t           tpu7x-standard-4t
    aws        GB200 NVL72                  u-p6e-gb200x72
    aws        P5.48XLARGE                  p5.48xlarge
    aws        u p6e gb200x72               u-p6e-gb200x72
    azure      standard nd96isr-h100 v5     Standard_ND96isr_H100_v5
    coreweave  hgx-h100                     HGX H100
    aws        Trainium 2                   aws-trainium2
    aws        Instinct MI-300X             amd-mi300x
    coreweave  GB200 NVL72                  -
    aws        A100                         -
    aws        -                            -
"""


@pytest.mark.parametrize("line", MEANT.strip().splitlines()[1:], ids=lambda line: "-".join(line.split()[:-1]))
def test_a_name_is_known_however_its_words_are_joined(shipped, line):
    provider, written, *is_ = re.split(r"\s{2,}", line.strip())
    found = [row["machine"] or row["chip"] for row in meant.fitting(provider, written, shipped)]
    assert found == [name for name in is_ if name != "-"]


def test_no_two_machines_and_no_two_chips_are_told_apart_by_hyphens_alone(shipped):
    named = {(provider, meant.folded(name), row["machine"]) for (provider, name), row in shipped.machines.items()}
    assert len(named) == len({key[:2] for key in named})
    assert all(len(meant.fitting_chips(name, shipped)) == 1 for name in shipped.chips)


@pytest.mark.parametrize(
    ("provider", "sku", "like"),
    few_rows(
        [
            ("coreweave", "GB200 NVL72", "like it: GB200 NVL72 node, gb200 (GB200 (per GPU, NVL72))"),
            ("aws", "A100", "like it: a100-40 (A100 SXM4 40GB), a100-80 (A100 SXM4 80GB)"),
            ("aws", "A100 MIG 1g.10gb", "like it: nvidia-a100-40gb:1g.10gb, nvidia-a100-80gb:1g.10gb"),
            ("gcp", "G4 Instance", "like it: G4 Instance Core, G4 Instance Ram"),
            ("aws", "H200 SXM 140GB", ""),
            ("own", "H200 SXM 140GB", ""),
        ],
        2,
    ),
)
def test_a_lookup_guesses_nothing_and_names_what_is_like_it(printed, provider, sku, like):
    with pytest.raises(UsageError) as refused:
        printed("lookup", "--provider", provider, "--sku", sku)
    assert refused.value.evidence == [like]
    assert refused.value.remedy == ("Write one of them out." if like else "Did you mean h200 sxm 141gb?")


def test_the_host_of_a_machine_is_priced_by_the_chips_beside_it(printed):
    with pytest.raises(UsageError, match="--sku: A3 Instance Core is the host of a machine") as refused:
        printed("lookup", "--provider", "gcp", "--sku", "a3 instance-core")
    assert refused.value.evidence == ["it is in the price of Nvidia H100 80GB GPU"]
    assert refused.value.remedy.endswith("--provider gcp --sku 'Nvidia H100 80GB GPU'")


def test_a_short_name_of_several_chips_is_refused_with_them(shipped):
    with pytest.raises(UsageError, match="CHIP: there is no chip 'a100'") as refused:
        listing.chip_named("a100", shipped)
    assert refused.value.evidence == ["like it: a100-40 (A100 SXM4 40GB), a100-80 (A100 SXM4 80GB)"]


POWER = """
    chip,basis,watts,valid_from,as_of,confidence
    one,chip,700,,2026-01-14,vendor
    one,all_in,1730,,2025-08,estimate
    one,all_in,1370,,2026-09,estimate
    two,chip,500,,2025-12-02,conflict
"""


OVERLAYS = """
    discount,provider,machine,chip,region,purchase_model,kind,value,currency,order,stackable,valid_from,valid_to
    EDP,cloud,,,,,percent_off,10,,1,yes,2026-10-05,2026-10-20
    regional,cloud,,one,geo:us,on_demand,percent_off,5.5,,2,yes,,2026-10-10
    cap,cloud,m1,,,,price_cap,0.5,USD,3,no,,
    fixed,cloud,m8,,eu-west-1,,fixed_price,0.25,USD,4,yes,2026-10-01,
"""


@pytest.fixture
def overlaid(tiny, write):
    """Return the facts of tiny with the overlays in a card of the user's."""

    def overlaid(*lines, overlays=OVERLAYS):
        tiny(*lines)
        card = write("\n".join(line.strip() for line in overlays.strip().splitlines()), "edp.csv")
        return facts.load(card.parent, [card])

    return overlaid


@pytest.mark.parametrize(
    ("line", "change", "expected"),
    few_rows(
        [
            ("2 region=us-east-1", {"day": "2026-10-04"}, "1.89"),  # 5.5 % off
            ("2 region=us-east-1", {"day": "2026-10-05"}, "1.701"),  # 10 % off, then 5.5 % off
            ("2 region=us-east-1", {"day": "2026-10-10"}, "1.8"),
            ("2 region=us-east-1", {"day": "2026-10-20"}, "2"),
            ("2 region=*", {"day": "2026-10-04"}, "2"),  # a price for more than the overlay's regions stays
            ("2 region=us-gov-west-1", {"day": "2026-10-04", "region": "us-gov-west-1"}, "2"),
            ("2 region=us-east-1 purchase_model=spot", {"day": "2026-10-05", "purchase_model": "spot"}, "1.8"),
            ("2 layer=contract", {"day": "2026-10-06"}, "2"),
            ("2 layer=model", {"day": "2026-10-06"}, "2"),
            ("2 region=* machine=m1", {"day": "2026-10-04", "machine": "m1"}, "0.5"),
            ("2 region=* machine=m1", {"day": "2026-10-05", "machine": "m1"}, "1.8"),  # the cap does not stack
            ("0.3 region=* machine=m1", {"day": "2026-10-04", "machine": "m1"}, "0.3"),
            ("2 region=eu-west-1 machine=m8", {"day": "2026-10-25", "region": "eu-west-1"}, "0.25"),
            (
                "2 region=eu-west-1 machine=m8 currency=EUR",
                {"day": "2026-10-25", "region": "eu-west-1", "currency": "EUR"},
                "2",
            ),
            ("0.000000000005", {"day": "2026-10-06"}, "4E-12"),  # of half a unit of the last digit the even one stays
        ],
        8,
    ),
)
def test_overlays_act_on_list_prices_within_their_scope(overlaid, line, change, expected):
    assert price(overlaid(line), **change) == expected


@pytest.mark.slow
def test_a_discounted_price_names_both_places(overlaid):
    world = overlaid("2.00 region=us-east-1")
    assert ask(world, "2026-10-04")[0]["card"] == "chip_prices/cloud.csv:2 less edp.csv:3"
    both, _ = ask(world, "2026-10-05")
    assert (both["price_per_chip_hour"], both["price_per_machine_hour"]) == ("1.701", "13.608")
    assert both["card"] == "chip_prices/cloud.csv:2 less edp.csv:2 less edp.csv:3"
    assert ask(world, "2026-10-20")[0]["price_per_chip_hour"] == "2.00"
    alone = overlaid("2.00 valid_from=2026-01-01", overlays="\n".join(OVERLAYS.strip().splitlines()[:2]))
    pieces = [ask(alone, day)[0] for day in ("2026-10-04", "2026-10-05", "2026-10-20")]
    assert [(piece["card"].count("less"), piece["valid_from"], piece["valid_to"]) for piece in pieces] == [
        (0, "2026-01-01", "2026-10-05"),
        (1, "2026-10-05", "2026-10-20"),
        (0, "2026-10-20", None),
    ]
    lines = listing.prices(world, "acme-one", date(2026, 10, 12))
    assert [(line["price_per_chip_hour"], line["valid_from"], line["state"]) for line in lines] == [
        ("1.89", None, "ended"),
        ("1.701", "2026-10-05", "ended"),
        ("1.8", "2026-10-10", "in force"),
        ("2.00", "2026-10-20", "later"),
    ]


@pytest.mark.parametrize(
    ("cells", "where", "what"),
    [
        ("EDP,cloud,,,,,percent_off,100,,1,yes,,", "value", "is not below 100 percent"),
        ("EDP,cloud,,,,,percent_off,0,,1,yes,,", "value", "is not above zero"),
        ("EDP,cloud,,,,,price_cap,1,,1,yes,,", "currency", "the currency of the price is missing"),
        ("EDP,cloud,,,,,halved,1,,1,yes,,", "kind", "is not one of"),
        ("EDP,cloud,m9,,,,percent_off,1,,1,yes,,", "machine", "cloud has no such machine"),
        ("EDP,cloud,m8,two,,,percent_off,1,,1,yes,,", "chip", "the machine m8 holds acme-one"),
        ("EDP,cloud,,,,,percent_off,1,,1,yes,2026-02-01,2026-01-01", "valid_to", "is not after the valid_from"),
        ("a,cloud,,,,,percent_off,1,,1,yes,,\nb,cloud,,,,,percent_off,2,,1,yes,2026-10-01,", "order", "duplicate key"),
    ],
)
def test_a_wrong_overlay_is_refused(overlaid, cells, where, what):
    with pytest.raises(UsageError, match=re.escape(what)) as refused:
        overlaid("1", overlays=f"{OVERLAYS.split(maxsplit=1)[0]}\n{cells}")
    assert refused.value.where.endswith(f":{where}")


def test_the_check_tells_of_an_overlay_that_acts_on_nothing(overlaid):
    found = check.check(overlaid("1 valid_from=2026-01-01 region=us-east-1 machine=m8"), date(2026, 10, 1))
    idle = [problem.where.rpartition("/")[2] for problem in found.warnings if problem.what == "acts on no list price"]
    assert idle == ["edp.csv:4:discount", "edp.csv:5:discount"]


NEWER = """
    discount,provider,machine,chip,region,purchase_model,kind,value,currency,order,stackable,valid_from,valid_to
    EDP,cloud,m8,,,,percent_off,12.5,,1,yes,2026-10-05,
"""


def test_what_a_card_changes(tiny, write):
    tiny("2 machine=m8", "3.0 machine=m1 term_months=12 purchase_model=reserved", "5 chip=acme-two")
    folder = write("").parent
    card = write("\n".join(line.strip() for line in NEWER.strip().splitlines()), "edp.csv")
    own = write(
        "provider,machine,chip,purchase_model,price_per_chip_hour,currency\ncloud,m8,one,on_demand,1.5,USD", "own.csv"
    )
    bare, discounted, owned = (changes.load(path, folder) for path in (folder, card, own))
    assert changes.changes(bare, discounted, date(2026, 10, 4)) == []
    (line,) = changes.changes(bare, discounted, date(2026, 10, 5))
    assert [line[name] for name in ("change", "what", "bought", "before", "after", "percent", "card_after")] == [
        *("other", "m8", "on_demand", "2", "1.75", "-12.5", "chip_prices/cloud.csv:2 less edp.csv:2")
    ]
    (line,) = changes.changes(bare, owned, date(2026, 10, 5))
    assert [line[name] for name in ("change", "layer", "before", "after", "percent")] == [
        "new",
        "contract",
        None,
        "1.5",
        None,
    ]
    (line,) = changes.changes(owned, bare, date(2026, 10, 5))
    assert (line["change"], line["card_before"], line["card_after"]) == ("gone", "own.csv:2", None)


def test_what_a_card_of_token_prices_changes(tiny, write):
    folder = write("").parent
    tiny("2 machine=m8")
    card = write(f"{TOKENS},context_tier,time_window_utc,channel\n{ONE},up to 272k,01:00-04:00,azure-openai\n")
    bare, owned = (changes.load(path, folder) for path in (folder, card))
    (line,) = changes.changes(bare, owned, date(2026, 10, 5))
    assert [line[name] for name in ("change", "what", "bought", "per", "layer", "after")] == [
        *("new", "gpt-7", "input standard up to 272k 01:00-04:00 azure-openai", "Mtok", "contract", "1.5")
    ]


def test_what_is_compared_is_there(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        changes.load(tmp_path / "nothing", HOME)
    with pytest.raises(UsageError, match="holds no rates"):
        changes.load(tmp_path, HOME)


def test_power_is_observed_like_a_price_and_was_there_before_anybody_looked(tiny, write):
    tiny("1")
    world = facts.load(write("").parent, [write("\n".join(map(str.strip, POWER.strip().splitlines())), "power.csv")])
    held = [(rate.key, rate.price, rate.valid_from, rate.valid_to) for rate in world.power]
    assert held == [
        (("acme-one", "chip"), 700, None, None),
        (("acme-one", "all_in"), 1730, None, date(2026, 9, 30)),
        (("acme-one", "all_in"), 1370, date(2026, 9, 30), None),
    ]
    one, two = listing.chips(world, date(2026, 9, 29))
    assert [(row["watts"], row["watts_of"]) for row in (one, two)] == [("1730", "all_in"), (None, None)]


def test_the_list_counts_what_is_in_force(tiny):
    world = tiny("2.50", "10 machine=m8", "1 layer=contract", "7 valid_from=2027-01-01 region=eu-west-1")
    one, two = listing.chips(world, date(2026, 10, 1))
    assert (one["machines"], one["prices"], one["lowest"], one["highest"]) == ("2", "3", "2.50", "10")
    assert (two["machines"], two["prices"], two["lowest"]) == ("0", "0", None)


def test_show_says_why_a_price_is_not_used(tiny):
    world = tiny(
        "1 valid_to=2026-02-01 as_of=2026-01-01", "2 valid_from=2026-02-01", "3 valid_from=2027-01-01 region=eu-west-1",
        "4 confidence=rumour", "5 layer=contract", "6 machine=m1 layer=model",
    )  # fmt: skip
    states = {
        line["price_per_chip_hour"]: line["state"] for line in listing.prices(world, "acme-one", date(2026, 10, 1))
    }
    assert list(states) == ["5", "4", "1", "2", "3", "6"]
    assert states == {
        "5": "in force",
        "4": "not used: rumour",
        "1": "ended",
        "2": "in force",
        "3": "later",
        "6": "in force",
    }


TIERED = """provider,chip,purchase_model,price_per_chip_hour,currency,tier_from,tier_to,tier_mode,valid_from
coreweave,mi300x,private_contract,2.60,USD,,500000,graduated,2026-07-01
coreweave,mi300x,private_contract,2.35,USD,500000,,graduated,2026-07-01
"""


@pytest.mark.parametrize(
    ("width", "heading", "lines"),
    [
        (
            80,
            "provider machine purchase_model price tier region",
            ["coreweave - private_contra… 2.60 0 to 500000 *", "coreweave - private_contra… 2.35 from 500000 *"],
        ),
        (
            120,
            "provider machine purchase_model price tier region tier_mode layer term_months currency",
            [
                "coreweave - private_contra… 2.60 0 to 500000 * graduated contract - USD",
                "coreweave - private_contra… 2.35 from 500000 * graduated contract - USD",
            ],
        ),
    ],
)
def test_tiers_stand_beside_their_price(write, tmp_path, monkeypatch, capsys, width, heading, lines):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    write(TIERED)
    write("version: 1\ncards: [card.csv]\n", "costctl.yaml")
    cli.app(["show", "mi300x", "--at", "2026-10-01", "--format", "table"], standalone_mode=False)
    title, *found = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert title == "amd-mi300x · Instinct MI300X · per chip-hour"
    assert found[:3] == [heading, *lines]


def test_tiers_are_columns_of_their_own_in_a_file(write):
    shown = listing.prices(rates.load([write(TIERED)]), "amd-mi300x", date(2026, 10, 1))
    names = ("price_per_chip_hour", "tier_from", "tier_to", "tier_mode")
    assert [[line[name] for name in names] for line in shown[:3]] == [
        ["2.60", None, "500000", "graduated"],
        ["2.35", "500000", None, "graduated"],
        [shown[2]["price_per_chip_hour"], None, None, None],
    ]
    assert list(listing.readable(shown[2:])[0])[3:5] == ["price", "region"]  # where nothing has tiers


def findings(world, day="2026-10-01"):
    found = check.check(world, date.fromisoformat(day))
    return [problem.what for problem in found.errors], [problem.what for problem in found.shipped or found.warnings]


FOUND = [
    (["1 valid_from=2026-01-01", "2 valid_from=2026-05-01"], "holds on the same days", None),
    (["2 machine=m8 unit_price=15 price_unit=instance-hour"], "contradicts the unit_price 15 of 8 chips", None),
    (["2 unit_price=2.1 price_unit=GPU-hour"], "contradicts the unit_price 2.1 of 1 chips", None),
    (["98.32 layer=contract"], "is outside 0.05 to 60 USD", None),
    (["98.32"], None, "is outside 0.05 to 60 USD"),
    (["0.04"], None, "is outside 0.05 to 60 USD"),
    (["1 layer=contract as_of=2026-04-03"], "was seen 181 days ago and has no valid_from", None),
    (["1 as_of=2026-04-03"], None, "prices in force that were seen on 2026-04-03, 181 days ago: 1"),
    (["1 layer=contract region=us-east-1", "0.9"], None, "is above the list price 0.9"),
    (["1 confidence=conflict"], None, "rows that price nothing"),
    (["1 tier_mode=cliff tier_from=5 region=a+b"], None, "begins above 0: the first chip-hours of a month have no"),
    (["1 tier_mode=cliff tier_to=5 valid_from=2026-01-01", "2 tier_mode=cliff tier_from=5"], None, None),
]


@pytest.mark.parametrize(("lines", "error", "warning"), FOUND)
def test_each_finding_of_the_check(tiny, lines, error, warning):
    errors, warnings = findings(tiny(*lines))
    assert [error in found for found in errors] == ([True] if error else [])
    assert [warning in found for found in warnings] == ([True] if warning else [])


CARDS = [
    # a user's card, seen on 3 April but for one; what the check of 1 October says of it, and as what
    ("1 layer=list as_of=2026-04-03", "seen on 2026-04-03, 181 days ago: 1", None),
    ("1 layer=list as_of=2026-04-03 valid_from=2026-04-01", "seen on 2026-04-03, 181 days ago: 1", None),
    ("1 layer=model as_of=2026-04-03", "seen on 2026-04-03, 181 days ago: 1", None),
    ("1 layer=contract as_of=2026-04-03", "was seen 181 days ago and has no valid_from", None),
    ("1 layer=contract as_of=2026-04-03 valid_from=2026-04-01", None, None),
    ("1 layer=list as_of=2026-04-03 valid_from=2026-04-01 valid_to=2027-01-01", None, None),
    ("1 layer=list as_of=2026-04-04", None, None),
    ("98.32 layer=list", "is outside 0.05 to 60 USD", None),
    ("0.04 layer=model", "is outside 0.05 to 60 USD", None),
    ("3 layer=contract valid_from=2026-04-01", None, "is above the list price 2"),
]


@pytest.mark.parametrize(("line", "error", "warning"), CARDS)
def test_an_old_or_odd_price_in_a_card_is_an_error_and_one_that_is_shipped_a_warning(tiny, write, line, error, warning):
    tiny("2 region=us-east-1")
    cells = {**DEFAULTS, "region": "us-east-1", **cells_of(line)}
    card = write(f"{','.join(cells)}\n{','.join(cells.values())}\n")
    found = check.check(facts.load(card.parent, [card]), date(2026, 10, 1))
    for problems, expected in ((found.errors, error), (found.warnings, warning)):
        assert [expected in problem.what for problem in problems] == ([True] if expected else [])
        assert all(problem.where.startswith(f"{card}:2:") for problem in problems)
    shipped, _ = findings(tiny(line))
    assert shipped == ([error] if error and "layer=contract" in line else [])


def test_old_token_prices_of_a_card_are_one_error_a_day(write):
    lines = [f"openai,gpt-7,{name},1.5,USD,list,2026-01-02" for name in ("input", "output")]
    path = write("\n".join([f"{TOKENS},layer,as_of", *lines]))
    (error,) = check.check(rates.load([path]), date(2026, 10, 1)).errors
    assert error.where == f"{path}:2:as_of"
    assert error.what == "prices in force that were seen on 2026-01-02, 272 days ago: 2"


@pytest.mark.parametrize(
    "line",
    [
        "0.333333 machine=m8 unit_price=2.66667 price_unit=instance-hour",
        "98.32 currency=JPY",
        "1 layer=contract valid_from=2020-01-01",
        "1 as_of=2026-04-04",
        "1 as_of=2020-01-01 valid_to=2020-06-01",
    ],
)
def test_the_check_leaves_good_rates_alone(tiny, line):
    assert findings(tiny(line)) == ([], [])


def test_the_check_asks_about_a_provider_nobody_knows(write):
    world = rates.load([write(f"{HEADER}\nawz,trn2,spot,1,USD")])
    (problem,) = [
        found for found in check.check(world, GATHERED).warnings if found.where.endswith("card.csv:2:provider")
    ]
    assert problem.remedy == "Did you mean aws?"


@pytest.fixture
def printed(monkeypatch, tmp_path):
    """Run a command in an empty folder and return what it would print."""
    calls = []
    monkeypatch.setattr("costctl.reports.render.emit", lambda *given, **_: calls.append(given))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COSTCTL_CONFIG", raising=False)

    def printed(*arguments):
        calls.clear()
        cli.app(list(arguments), standalone_mode=False)
        return calls[0]

    return printed


def test_the_commands_print_rows_of_text(printed):
    lookup_ = ["lookup", "--provider", "AWS", "--sku", "p5.48xlarge", "--region", "us-east-1", "--at", "2026-10-01"]
    for arguments in (["list"], ["show", "h100"], lookup_):
        title, rows, format_ = printed(*arguments, "--format", "json")
        assert title
        assert rows
        assert format_ == "json"
        assert {type(value) for row in rows for value in row.values()} <= {str, type(None)}
    assert rows[0]["price_per_chip_hour"] == "6.88"


@pytest.mark.slow
def test_nothing_to_print_has_a_header_and_a_chip_without_prices_a_remedy(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heads = {"show maia200": "provider,machine,", "check": "where,what,", f"diff {HOME} {HOME}": "change,before,"}
    said = {words: command("rates", *words.split(), "--format", "csv") for words in heads}
    for words, head in heads.items():
        assert (said[words].out.startswith(head), said[words].out.count("\n")) == (True, 1)
    assert "no price of Maia 200 is known. costctl rates template maia200 writes a card" in said["show maia200"].err


LOOKUP = ("lookup", "--provider", "deepseek", "--sku", "deepseek/deepseek-v4-pro")


@pytest.mark.parametrize(
    ("at", "prices"),
    few_rows(
        [
            ("2026-11-10T00:59:59.999999Z", ["0.66", "0.022", "1.98"]),
            ("2026-11-10T01:00:00Z", ["1.32", "0.044", "3.96"]),
            ("2026-11-10T04:59:59+01:00", ["1.32", "0.044", "3.96"]),
            ("2026-11-10T04:00:00", ["0.66", "0.022", "1.98"]),
        ],
        2,
    ),
)
def test_a_model_is_looked_up_at_an_instant(printed, at, prices):
    _, rows, _ = printed(*LOOKUP, "--at", at)
    assert [row["token_class"] for row in rows] == ["input", "cache_read", "output"]
    assert [row["price_per_million"] for row in rows] == prices
    assert {row["note"] for row in rows} == {None}
    assert {type(value) for row in rows for value in row.values()} <= {str, type(None)}
    windows = {row["time_window_utc"] for row in rows}
    assert windows == {"Mon-Fri 01:00-04:00" if prices[0] == "1.32" else None}


@pytest.mark.parametrize(
    ("words", "price"),
    few_rows(
        [
            (("--tokens-in", "272000"), "2"),
            (("--tokens-in", "272001"), "4"),
            (("--tokens-in", "272001", "--tier", "Batch"), "2"),
        ],
        2,
    ),
)
def test_a_model_is_looked_up_for_a_prompt(printed, words, price):
    _, rows, _ = printed("lookup", "--provider", "openai", "--sku", "gpt-6-sol", "--at", "2026-11-20", *words)
    (row,) = [row for row in rows if row["token_class"] == "input"]
    assert row["price_per_million"] == price


@pytest.mark.parametrize(
    ("asked", "evidence", "remedy"),
    few_rows(
        [
            ("deepseek deepseek-v4-pro 2026-11-10", "input, cache_read, output: its time spans", "--at 2026"),
            (
                "openai gpt-6-sol 2026-11-20",
                "input, cache_read, cache_write, cache_write_long, output: ",
                "--tokens-in",
            ),
            ("openai gpt-6-sol 2026-11-20 --tokens-in 1 --tier provisioned", "the nearest is model_prices", "--tier"),
        ],
        1,
    ),
)
def test_a_lookup_that_no_card_answers_is_refused(printed, asked, evidence, remedy):
    provider, sku, at, *words = asked.split()
    with pytest.raises(UsageError) as refused:
        printed("lookup", "--provider", provider, "--sku", sku, "--at", at, *words)
    assert evidence in " ".join(refused.value.evidence)
    assert remedy in refused.value.remedy


@pytest.mark.slow
def test_a_lookup_knows_the_users_names_and_cards(printed, tmp_path):
    (tmp_path / "card.csv").write_text(f"{TOKENS},valid_to\n{ONE},2026-12-01\n")
    (tmp_path / "names.csv").write_text("raw,model\nprod-*,gpt-7\n")
    (tmp_path / "costctl.yaml").write_text('version: 1\ncards: ["card.csv"]\nmodel_aliases: names.csv\n')
    _, (row,), _ = printed("lookup", "--provider", "OpenAI", "--sku", "Prod-Chat", "--at", "2026-11-30")
    shown = [row[name] for name in ("model", "price_per_million", "layer", "valid_to", "card")]
    assert shown == ["gpt-7", "1.5", "contract", "2026-12-01", "card.csv:2"]
    with pytest.raises(UsageError) as refused:
        printed("lookup", "--provider", "OpenAI", "--sku", "Prod-Chat", "--at", "2026-12-01")
    nearest = "the nearest is card.csv:2, of 2026-11-30, standard"
    assert refused.value.evidence == ["input: no price in force", nearest]


def test_every_price_of_a_model_is_shown(printed):
    title, rows, _ = printed("show", "DeepSeek-V4-Pro", "--at", "2026-11-10")
    assert title == "deepseek-v4-pro · per million tokens"
    states = Counter(row["state"] for row in rows if row["channel"] == "deepseek-api")
    assert states == {"in force": 9, "ended": 9, "not used: conflict": 3, "not used: no price per million": 1}
    hours = ("01:00-04:00", "06:00-10:00")
    assert {row["time_window_utc"] for row in rows} == {None, *hours, *(f"Mon-Fri {part}" for part in hours)}


def test_the_commands_read_the_cards_of_the_configuration(printed, tmp_path):
    (tmp_path / "card.csv").write_text(f"{HEADER},machine\naws,h100,on_demand,3.10,USD,p5.48xlarge\n")
    (tmp_path / "costctl.yaml").write_text('version: 1\ncards: ["card.csv"]\n')
    _, rows, format_ = printed("lookup", "--provider", "aws", "--sku", "p5.48xlarge", "--region", "eu-west-1")
    assert (rows[0]["price_per_chip_hour"], rows[0]["layer"], format_) == ("3.10", "contract", None)


def test_the_check_passes_on_the_shipped_facts_and_talks_on_stderr(printed, capsys):
    assert printed("check", "--at", "2026-11-20", "--shipped")[1] == []
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        "costctl: warning: rates/chip_prices/aws.csv:as_of: prices in force that were seen on 2026-02-01"
        in captured.err
    )


def test_the_check_tells_of_the_users_cards_and_counts_what_is_shipped(printed, tmp_path, capsys):
    (tmp_path / "card.csv").write_text(f"{HEADER},confidence\naws,h100,on_demand,6,USD,rumour\n")
    (tmp_path / "costctl.yaml").write_text('version: 1\ncards: ["card.csv"]\n')
    printed("check", "--at", "2026-11-20")
    own, shipped = capsys.readouterr().err.splitlines()
    assert own.startswith(f"costctl: warning: {tmp_path / 'card.csv'}: rows that price nothing")
    assert shipped == "costctl: warning: 15 on the shipped rates; --shipped lists them"


def test_the_check_fails_the_gate(printed, tmp_path):
    (tmp_path / "card.csv").write_text(f"{HEADER}\naws,h100,on_demand,98.32,USD\n")
    (tmp_path / "costctl.yaml").write_text('version: 1\ncards: ["card.csv"]\n')
    with pytest.raises(GateFailed) as caught:
        printed("check")
    assert caught.value.exit_code == 9
    assert "card.csv:2:price_per_chip_hour" in caught.value.evidence[0]


def test_a_day_is_asked_about_by_its_date(printed):
    with pytest.raises(UsageError, match="is not a date"):
        printed("list", "--at", "yesterday")


# The bytes that count.


def test_the_fingerprint_is_of_every_byte(write, tmp_path, monkeypatch):
    path = write(f"{HEADER}\n{GOOD}\n")
    before = rates.fingerprint([path])
    assert rates.fingerprint([path]) == before != rates.fingerprint()
    write(f"{HEADER}\n{GOOD}\n\n")
    assert rates.fingerprint([path]) != before
    copy = tmp_path / "facts"
    copy.mkdir()
    for source in facts.files(HOME):
        target = copy / source.relative_to(HOME)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read_bytes())
    shipped = rates.fingerprint()
    monkeypatch.setattr(rates, "home", lambda: copy)
    assert rates.fingerprint() == shipped
    (copy / "units.csv").write_bytes((copy / "units.csv").read_bytes() + b"x,hour,1,\n")
    assert rates.fingerprint() != shipped


def test_the_checkouts_own_facts_come_before_the_wheels(tmp_path, monkeypatch):
    package = tmp_path / "site" / "costctl"
    monkeypatch.setattr(rates, "PACKAGE", package)
    assert rates.home() == package / "_rates"
    (tmp_path / "site" / "rates").mkdir(parents=True)
    (tmp_path / "site" / "rates" / "chips.csv").touch()
    assert rates.home() == tmp_path / "site" / "rates"
    assert Path(__file__).parents[1] / "rates" == HOME
