"""Price sheets turned into cards: each kind beside its golden card, what stays out and why, and input that nobody would publish."""

import contextlib
import csv
import gzip
import io
import json
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import examples, few, few_rows
from hypothesis import given
from hypothesis import strategies as st

from costctl import rates
from costctl.errors import CostctlError, InputRefused, UsageError
from costctl.files import nested
from costctl.rates import imports
from costctl.rates.imports import azure, found, gcp, litellm
from costctl.rates.imports.found import Left, Price

SHEETS = Path(__file__).parent / "imports"
SAVED = ["--as-of", "2026-11-20"]
KINDS = {
    "azure.json": SAVED,
    "aws.json": [],
    "aws.csv": [],
    "gcp.json": SAVED,
    "litellm.json": SAVED,
    "card.csv": [],
}


@pytest.fixture(scope="module")
def shipped():
    return rates.load()


@pytest.fixture(autouse=True, scope="module")
def read_once(shipped):
    """Read the shipped facts once for all sheets that need no card with them."""
    whole = imports.rate_facts.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imports.rate_facts, "load", lambda home, cards=(): whole(home, cards) if cards else shipped)
        yield


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def imported(here, command):
    """Import a sheet into card.csv of a configuration, and return what was said."""

    def run(name, *words):
        (here / "costctl.yaml").write_text("version: 1\ncards: [made.csv]\n")
        return command("rates", "import", SHEETS / name, *words, "--output", "made.csv")

    return run


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def read(path, kind=None, as_of="2026-11-20", layer=None):
    return imports.read(path, rates.home(), [], imports.Wanted(kind, as_of, layer))


# Each kind.


@pytest.mark.parametrize("name", KINDS)
def test_a_sheet_becomes_its_card(name, imported, here, golden):
    said = imported(name, *KINDS[name])
    assert (said.code, said.out) == (0, "")
    golden(SHEETS / f"{name}.card.csv", (here / "made.csv").read_text("utf-8"))
    golden(SHEETS / f"{name}.notes.txt", said.err.replace(f"{SHEETS}/", ""))


@pytest.mark.parametrize("name", few(KINDS, 2))
def test_a_card_that_was_made_passes_the_check(name, imported, command):
    imported(name, *KINDS[name])
    said = command("rates", "check", "--at", "2026-11-21")
    assert (said.code, said.out) == (0, "where,what,value,remedy\n"), said.err


@pytest.mark.parametrize("name", few(KINDS, 2))
def test_a_card_that_was_made_is_a_card(name, imported, here, command):
    """What was made can be imported again, and nothing changes but the kind that reads it."""
    imported(name, *KINDS[name])
    first = (here / "made.csv").read_text("utf-8")
    assert command("rates", "import", "made.csv", "--output", "again.csv").code == 0
    assert (here / "again.csv").read_text("utf-8") == first


LOOKED_UP = [
    ("azure.json", ["azure", "Standard_ND96isr_H100_v5", "eastus"], [], "12.29", "98.32"),
    ("azure.json", ["azure", "ND96isr_H100_v5", "eastus"], ["--purchase", "spot"], "3.0725", "24.58"),
    # 1,148,173 for three years: 1148173 / 26280 / 8 = 5.46124904870624...; of the machine 43.68999238964992...
    (
        "azure.json",
        ["azure", "ND96isr_H100_v5", "eastus"],
        ["--purchase", "reserved", "--term", "36"],
        "5.461249048706",
        "43.689992",
    ),
    (
        "azure.json",
        ["azure", "NV6ads_A10_v5", "westeurope"],
        [],
        "2.724",
        "0.454",
    ),  # a sixth of a chip at 45.40 for 100 h
    ("aws.json", ["aws", "p5.48xlarge", "us-east-1"], [], "6.88", "55.04"),
    # 140,160 once and 16 an hour: 140160 / 8760 + 16 = 32 of the machine; the cheapest way of a year is not preferred
    ("aws.json", ["aws", "p5.48xlarge", "us-east-1"], ["--purchase", "reserved", "--term", "36"], "3", "24"),
    ("aws.json", ["aws", "p5e.48xlarge", "us-east-1"], ["--purchase", "capacity_block"], "4.975", "39.8"),
    ("aws.csv", ["aws", "inf2.24xlarge", "us-east-1"], [], "1.081771666667", "6.49063"),
    ("gcp.json", ["gcp", "ct6e-standard-4t", "us-east1"], [], "2.7", "10.8"),
    ("gcp.json", ["gcp", "tpu-v6e", "us-central1"], ["--purchase", "commitment", "--term", "36"], "1.220000001", ""),
    ("card.csv", ["aws", "trn2.48xlarge", "us-east-2"], ["--purchase", "capacity_block"], "1.4200", "22.72"),
]


@pytest.mark.parametrize(("name", "asked", "how", "per_chip", "per_machine"), few_rows(LOOKED_UP, 4))
def test_a_lookup_gives_the_price_of_the_sheet(name, asked, how, per_chip, per_machine, imported, command):
    imported(name, *KINDS[name])
    words = [word for pair in zip(("--provider", "--sku", "--region"), asked, strict=True) for word in pair]
    said = command("rates", "lookup", *words, "--at", "2026-11-20", *how)
    (row,) = table(said.out)
    assert (row["price_per_chip_hour"], row["price_per_machine_hour"]) == (per_chip, per_machine)
    assert row["card"].startswith("made.csv:")


def test_a_gpu_without_its_host_prices_nothing(imported, here):
    imported("gcp.json", *SAVED)
    made = table((here / "made.csv").read_text("utf-8"))
    assert {row["confidence"] for row in made if row["chip"].startswith("nvidia")} == {"partial"}
    cards = {row[0] for row in rates.read([here / "made.csv"])["chip_prices"] if "made.csv" in row[0]}
    assert len(cards) == len([row for row in made if row["chip"].startswith("google")]) == 7


def test_a_token_price_is_the_one_of_the_sheet(imported, here):
    imported("litellm.json", *SAVED)
    made = {row[0]: row for row in rates.read([here / "made.csv"])["model_prices"] if "made.csv" in row[0]}
    prices = {(row[3], row[5], *row[6:8], *row[12:14]): str(row[14]) for row in made.values()}
    assert prices["claude-haiku-4-5", "standard", None, None, "cache_write_long", "list"] == "2"
    assert prices["gpt-5.5", "standard", 272_000, None, "output", "list"] == "45"
    assert prices["gpt-5.5", "standard", None, 272_000, "cache_read", "list"] == "0.5"
    assert prices["gpt-5.5", "priority", None, None, "input", "list"] == "12.5"


def test_both_forms_of_an_offer_file_give_the_same_card():
    of_json, of_csv = (table((SHEETS / f"aws.{form}.card.csv").read_text("utf-8")) for form in ("json", "csv"))
    assert [row | {"source": ""} for row in of_json] == [row | {"source": ""} for row in of_csv]


def test_a_kind_is_told_by_what_the_file_holds(here):
    path = here / "aws-prices.csv"
    path.write_bytes(gzip.compress((SHEETS / "gcp.json").read_bytes()))
    assert read(path).title == gcp.TITLE


def test_a_negotiated_sheet_is_a_contract(imported, here):
    imported("azure.json", *SAVED, "--layer", "contract")
    rows = table((here / "made.csv").read_text("utf-8"))
    assert {(row["layer"], row["confidence"]) for row in rows} == {("contract", "contract")}


def test_data_goes_to_stdout_and_talk_to_stderr(here, command):
    said = command("rates", "import", SHEETS / "azure.json", *SAVED, "--format", "json")
    assert len(json.loads(said.out)) == 7
    assert said.err.count("costctl: note: left out 1: ") == 9


def test_a_row_of_a_card_keeps_what_it_says(here):
    path = here / "form.csv"
    head = "provider,chip,purchase_model,price_per_chip_hour,currency,layer,as_of,as_of_basis,source,confidence"
    path.write_text(
        f"{head}\naws,trn2,spot,1,USD,model,2026-05,survey,a survey,estimate\naws,trn2,on_demand,2,USD,,,,,\naws,trn1,spot,3,USD,,2026-05-01,,,\n"
    )
    first, second, third = read(path, layer="list").rows
    said = [first[name] for name in ("layer", "as_of", "as_of_basis", "source", "confidence", "region")]
    assert said == ["model", "2026-05", "survey", "a survey", "estimate", "*"]
    said = [second[name] for name in ("layer", "as_of", "as_of_basis", "source", "confidence", "region")]
    assert said == ["list", "2026-11-20", "obtained", "rate card, form.csv", "list", "*"]
    assert (third["as_of"], third["as_of_basis"]) == ("2026-05-01", "")


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("model,raw", "atlas-70b,atlas@prod"),
        ("machine,chips,chip,provider,aliases", "x1,1/8,aws-trainium2,aws,x-1|x_1"),
        ("watts,basis,chip", "750,chip,microsoft-maia-200"),
    ],
)
def test_any_card_of_ours_is_put_in_order(here, head, row):
    path = here / "card.csv"
    path.write_text(f"{head}\n{row}\n")
    (made,) = read(path, as_of=None).rows
    given_cells = dict(zip(head.split(","), row.split(","), strict=True))
    assert {name: cell for name, cell in made.items() if cell} == given_cells


# What stays out.


def item(**changes):
    """Return a retail price of Azure with some values changed."""
    first = json.loads((SHEETS / "azure.json").read_text("utf-8"))[0]["Items"][0]
    return {**{key: value for key, value in first.items() if key != "savingsPlan"}, **changes}


def left(path, *records):
    """Return the reasons of what stays out of an answer of Azure, after one price that does not."""
    path.write_text(json.dumps({"Items": [item(armRegionName="westus"), *records]}))
    return {name: reason.count for name, reason in read(path).left.items()}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"retailPrice": -1}, "prices below zero"),
        ({"retailPrice": 0}, "prices of zero"),
        ({"retailPrice": "12,5"}, "prices that are not numbers"),
        ({"retailPrice": None}, "prices that are not numbers"),
        ({"retailPrice": [1]}, "prices that are not numbers"),
        ({"retailPrice": 1e99}, "prices of more digits than a card holds"),
        ({"retailPrice": 1e-99}, "prices of more digits than a card holds"),
        ({"retailPrice": 80_000_000}, "prices of more digits than a card holds"),
        ({"currencyCode": "usd"}, "currencies that are not three capital letters"),
        ({"armRegionName": "east us"}, "regions without an id"),
        ({"armRegionName": "\ud800"}, "regions without an id"),
        ({"armRegionName": None}, "regions without an id"),
        ({"effectiveStartDate": "2025-02-30T00:00:00Z"}, "dates that are none"),
        ({"effectiveStartDate": "soon"}, "dates that are none"),
        ({"unitOfMeasure": "1/Month"}, "units that are not hours"),
        ({"unitOfMeasure": "1M Tokens"}, "units that are not hours"),
        ({"type": "Reservation", "reservationTerm": "18 Months"}, "terms that are not in years"),
        ({"armSkuName": "Standard_Q1"}, "machines without chips, or that machines.csv does not know"),
    ],
)
def test_what_no_card_can_hold_is_counted(here, changes, reason):
    assert left(here / "a.json", item(**changes)) == {reason: 1}


def model(path, **entry):
    """Return the card of a price map with one model."""
    whole = {"litellm_provider": "anthropic", "input_cost_per_token": 1e-6, **entry}
    path.write_text(json.dumps({"claude-haiku-4-5": whole}))
    return read(path)


@pytest.mark.parametrize(
    ("entry", "reason", "count"),
    [
        (
            {"input_cost_per_token_above_128k_tokens": 2e-6, "output_cost_per_token_above_200k_tokens_batches": 1e-6},
            None,
            0,
        ),
        (
            {"input_cost_per_token_above_128k_tokens": 2e-6, "input_cost_per_token_above_200k_tokens": 3e-6},
            "prices of more than two context tiers",
            3,
        ),
        ({"tiered_pricing": []}, "tiers in a list", 1),
        ({"output_cost_per_image": 0.04}, "prices and factors for other things than the tokens of a card", 1),
        (
            {"regional_endpoint_uplift_multiplier": 1.1},
            "prices and factors for other things than the tokens of a card",
            1,
        ),
        ({"cache_read_input_token_cost": 1e-7, "input_cost_per_token_cache_hit": 1e-7}, "prices said again", 1),
    ],
)
def test_a_token_price_that_no_card_can_hold_is_counted(here, entry, reason, count):
    made = model(here / "m.json", **entry, output_cost_per_token_flex=5e-6)
    assert {name: found.count for name, found in made.left.items()} == ({reason: count} if reason else {})


def test_a_place_cannot_steer_a_terminal(here, command):
    names = ["\x1b[31mred", "\ud800", "x" * 100_000]
    other = {name: {"litellm_provider": "anthropic", "input_cost_per_token": 1} for name in names}
    for name in names:
        good = {"claude-haiku-4-5": {"litellm_provider": "anthropic", "input_cost_per_token": 1e-6}}
        (here / "m.json").write_text(json.dumps({name: other[name]} | good))
        said = command("rates", "import", "m.json", *SAVED)
        assert said.code == 0
        assert said.err.startswith("costctl: note: left out 1: models that")
        assert len(said.err) < 600
        assert said.err.rstrip("\n").isprintable()


def test_the_factors_of_a_model_stand_in_their_columns(here):
    (made,) = model(here / "m.json", provider_specific_entry={"us": 1.1, "fast": 2, "route": "x"}).rows
    assert (made["us_inference_multiplier"], made["fast_multiplier"]) == ("1.1", "2")


def offer(kind="OnDemand", term=None, **rate):
    """Return an offer file of one machine with one more term than its price on demand."""
    doc = json.loads((SHEETS / "aws.json").read_text("utf-8"))
    sku = "P5SHARED"
    doc["products"] = {sku: doc["products"][sku]}
    on_demand = doc["terms"]["OnDemand"][sku]
    bought = {"LeaseContractLength": "1yr", "OfferingClass": "standard", "PurchaseOption": "No Upfront"} | (term or {})
    dimension = {"unit": "Hrs", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": "30"}} | rate
    more = {"effectiveDate": "2026-11-01T00:00:00Z", "termAttributes": bought, "priceDimensions": {"R": dimension}}
    doc["terms"] = {"OnDemand": {sku: on_demand}}
    doc["terms"].setdefault(kind, {}).setdefault(sku, {})["MORE"] = more
    return json.dumps(doc)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"beginRange": "100"}, "tiers: prices from a quantity on"),
        ({"endRange": "100"}, "tiers: prices from a quantity on"),
        ({"unit": "GB-Mo"}, "units that are not hours"),
        ({"unit": "Quantity"}, "fees that are paid once, without a reservation"),
        ({"pricePerUnit": {"USD": "-1"}}, "prices below zero"),
        ({"pricePerUnit": {"usd": "1"}}, "currencies that are not three capital letters"),
        ({"pricePerUnit": None}, "terms without a price"),
        ({"kind": "FlatRate"}, "terms other than OnDemand and Reserved"),
        ({"kind": "Reserved", "term": {"LeaseContractLength": "5yr"}}, "terms that are not of one or three years"),
        ({"kind": "Reserved", "term": {"PurchaseOption": "Heavy"}}, "reservations without a way to pay"),
        (
            {"kind": "Reserved", "term": {"OfferingClass": None}},
            "convertible reservations: a card does not tell them from standard ones",
        ),
    ],
)
def test_a_term_that_no_card_can_hold_is_counted(here, changes, reason):
    path = here / "a.json"
    path.write_text(offer(**changes))
    made = read(path, as_of=None)
    assert [row["price_per_chip_hour"] for row in made.rows] == ["6.88"]
    assert {name: found.count for name, found in made.left.items()} == {reason: 1}


def test_a_price_in_two_currencies_is_two_prices(here):
    path = here / "a.json"
    path.write_text(offer(kind="Reserved", pricePerUnit={"USD": "30", "CNY": "200"}))
    rows = [(row["price_per_chip_hour"], row["currency"]) for row in read(path, as_of=None).rows]
    assert rows == [("6.88", "USD"), ("3.75", "USD"), ("25", "CNY")]


def test_two_prices_of_an_hour_are_tiers(here):
    path = here / "a.json"
    doc = json.loads(offer(kind="Reserved"))
    dimensions = doc["terms"]["Reserved"]["P5SHARED"]["MORE"]["priceDimensions"]
    dimensions["S"] = dimensions["R"]
    path.write_text(json.dumps(doc))
    assert [*read(path, as_of=None).left] == ["tiers: prices from a quantity on"]


def sku(**changes):
    """Return a SKU of a TPU with some values changed."""
    first = json.loads((SHEETS / "gcp.json").read_text("utf-8"))["skus"][0]
    return {**first, **changes}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (1, "values that are no SKU"),
        (None, "values that are no SKU"),
        (sku(description="Reserved V5e TPU running in Americas"), "prices of capacity that is reserved"),
        (sku(pricingInfo=[]), "SKUs without a price, or whose prices do not follow one another"),
        (
            sku(pricingInfo=[*sku()["pricingInfo"]] * 2),
            "SKUs without a price, or whose prices do not follow one another",
        ),
        (sku(category=None), "usage types other than on demand, preemptible and committed"),
        (sku(serviceRegions=None), "regions without an id"),
        (sku(serviceRegions=["global", "us east"]), "regions without an id"),
        (sku(pricingInfo=[{"pricingExpression": None}]), "tiers: prices from a quantity on"),
    ],
)
def test_a_sku_that_no_card_can_hold_is_counted(here, record, reason):
    path = here / "g.json"
    path.write_text(json.dumps({"skus": [sku(), record]}))
    made = read(path)
    assert (len(made.rows), {name: found.count for name, found in made.left.items()}) == (1, {reason: 1})


@pytest.mark.parametrize("product", [None, 1, [], {"attributes": [1]}, {"attributes": {"instanceType": 5}}])
def test_a_product_that_is_none_is_counted(here, product):
    path = here / "a.json"
    doc = json.loads(offer(kind="Reserved"))
    doc["products"]["ODD"] = product
    path.write_text(json.dumps(doc))
    assert read(path, as_of=None).left["products that are no instance"].count == 1


def test_two_prices_of_one_thing_are_both_left_out(here):
    path = here / "a.json"
    path.write_text(
        json.dumps({"Items": [item(armRegionName="westus"), item(), item(retailPrice=99), item(retailPrice=100)]})
    )
    made = read(path)
    assert [row["region"] for row in made.rows] == ["westus"]
    (reason,) = made.left.values()
    assert (reason.count, reason.first.where) == (3, f"{path}:/Items/1")
    assert "12.29 for Standard_ND96isr_H100_v5" in reason.first.example
    assert f"12.375 at {path}:/Items/2" in reason.first.example


def test_prices_that_follow_one_another_are_no_contradiction(here):
    path = here / "a.json"
    before = item(effectiveStartDate="2025-01-01T00:00:00Z", effectiveEndDate="2025-07-01T00:00:00Z", retailPrice=99)
    path.write_text(json.dumps([before, item()]))
    assert [(row["price_per_chip_hour"], row["valid_to"]) for row in read(path).rows] == [
        ("12.375", "2025-07-01"),
        ("12.29", ""),
    ]


def test_a_price_per_token_is_shifted_and_never_computed(here):
    path = here / "prices.json"
    entry = '{"claude-haiku-4-5": {"litellm_provider": "anthropic", "input_cost_per_token": %s}}'
    for text, shifted in (
        ("1.25e-06", "1.25"),
        ("0.0000001000", "0.1"),
        ("3E-7", "0.3"),
        ("0.123456789012345678", "123456.789012345678"),
    ):
        path.write_text(entry % text)
        assert [row["price_per_million"] for row in read(path).rows] == [shifted]
    path.write_text(entry % "1.2345678901234567891e-06")
    with pytest.raises(InputRefused) as refused:
        read(path)
    assert "prices of more digits than a card holds" in refused.value.evidence[0]


# What is refused.

OWN = "provider,chip,purchase_model,price_per_chip_hour,currency\n"
OFFER = '{"offerCode": "%s", "publicationDate": "%s", %s}'
REFUSED = {
    "no date": (
        (SHEETS / "gcp.json").read_text("utf-8"),
        {"as_of": None},
        "--as-of",
        "is needed",
        "",
        "--as-of 2026-11-20",
    ),
    "another date": (
        (SHEETS / "aws.json").read_text("utf-8"),
        {},
        "--as-of",
        "is of 2026-11-13",
        "",
        "Leave --as-of out",
    ),
    "no such day": ("{}", {"as_of": "2026-02-30"}, "--as-of", "is not a day", "", "YYYY-MM-DD"),
    "no such kind": ("{}", {"kind": "azur"}, "--as", "no kind 'azur'", "", "azure?"),
    "no such layer": ("{}", {"layer": "realised"}, "--layer", "no layer 'realised'", "", "list?"),
    "another kind": (
        (SHEETS / "gcp.json").read_text("utf-8"),
        {"kind": "aws"},
        "FILE",
        "kind aws",
        "skus/*/skuId",
        "--as",
    ),
    "no kind in a list": ('[{"gpu": "H100", "usd": 1}]', {}, "FILE", "of a known kind", "*/gpu, */usd", "README"),
    "no kind": ('{"prices": [1, 2]}', {}, "FILE", "of a known kind", "prices/*", "README"),
    "two kinds": (
        '{"Items": [{"armSkuName": "a", "retailPrice": 1}], "skus": [{"skuId": "a", "pricingInfo": []}]}',
        {},
        "FILE",
        "fits several kinds of price sheets: azure, gcp",
        "Items/*/armSkuName",
        "--as azure",
    ),
    "nothing of use": (
        '{"Items": [{"armSkuName": "a", "retailPrice": 1}]}',
        {},
        "FILE",
        "holds no price",
        "left out 1",
        "card of yours",
    ),
    "cut": ('{"Items": [{"armSkuName": "a", "retailPrice": 1}', {}, "FILE:1", "cut short", "expected", "Fetch"),
    "cut in a word": (
        '{"Items": [\n{"armSkuName": "a", "retailPr',
        {},
        "FILE:2",
        "is not JSON",
        "Unterminated",
        "Fetch",
    ),
    "two values": ("{}\n{}", {}, "FILE:2", "is not JSON", "a second value", "Fetch"),
    "a key twice": (
        '{"Items": [{"armSkuName": "a", "retailPrice": 1, "retailPrice": 2}]}',
        {},
        "FILE:1",
        "is not JSON",
        "'retailPrice' stands twice",
        "Fetch",
    ),
    "too deep": ('{"a": {"b": {"c": ' + "[" * 100_000, {}, "FILE:1", "is not JSON", "nested too deep", "Fetch"),
    "empty": ("", {}, "FILE", "is empty", "", "Fetch"),
    "HTML": ("<html>", {}, "FILE", "is HTML", "", "login"),
    "not UTF-8": (b'{"Items": "\xff"}', {}, "FILE", "is not UTF-8", "", "export"),
    "another service": (
        OFFER % ("AmazonS3", "2026-01-01T00:00:00Z", '"products": {}'),
        {"as_of": None},
        "FILE",
        "AmazonEC2",
        "AmazonS3",
        "AmazonEC2",
    ),
    "terms first": (
        OFFER % ("AmazonEC2", "2026-01-01T00:00:00Z", '"terms": {"OnDemand": {"A": {}}}, "products": {}'),
        {"as_of": None},
        "FILE:/terms/OnDemand/A",
        "before its products",
        "",
        "fetch the file again",
    ),
    "no day of publication": (
        OFFER % ("AmazonEC2", "soon", '"products": {}'),
        {},
        "FILE",
        "of no day",
        "'soon'",
        "Fetch",
    ),
    "a zero in a card": (
        f"{OWN}aws,trn2,spot,0,USD\n",
        {},
        "FILE:2:price_per_chip_hour",
        "not above zero",
        "'0'",
        "free",
    ),
    "an exponent in a card": (
        f"{OWN}aws,trn2,spot,1e-1,USD\n",
        {},
        "FILE:2:price_per_chip_hour",
        "plain decimal",
        "",
        "exponent",
    ),
    "two prices in a card": (
        f"{OWN}aws,trn2,spot,1,USD\naws,trn2,spot,2,USD\n",
        {},
        "FILE:3:price_per_chip_hour",
        "same days",
        "",
        "valid_to",
    ),
    "a card without days": (
        f"{OWN}aws,trn2,spot,1,USD\n",
        {"as_of": None},
        "--as-of",
        "is needed: FILE:2",
        "",
        "--as-of",
    ),
    "cells that are missing": (
        "".join((SHEETS / "aws.csv").read_text("utf-8").splitlines(keepends=True)[:6]) + "A,B\n",
        {"as_of": None},
        "FILE:7",
        "has 2 cells where the header has 26",
        "",
        "Fetch",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_price_sheet_is_refused(here, case):
    content, options, where, what, evidence, remedy = REFUSED[case]
    path = here / "sheet"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((InputRefused, UsageError)) as caught:
        read(path, **options)
    error = caught.value
    said = [text.replace(str(path), "FILE") for text in (error.where, error.what, " ".join(error.evidence))]
    assert said[0] == where
    assert what in said[1]
    assert evidence in said[2]
    assert remedy in error.remedy


def test_a_card_is_written_as_csv_only(here, command):
    said = command("rates", "import", SHEETS / "azure.json", *SAVED, "--format", "json", "--output", "made.csv")
    assert (said.code, list(here.iterdir())) == (2, [])


def test_the_card_that_is_made_anew_need_not_be_there(imported, here):
    """The configuration names it already; a broken one is replaced, and is not read."""
    (here / "made.csv").write_text("broken")
    assert imported("card.csv").code == 0


# What nobody would publish.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1e999999", "-0", "Inf", "2026-01-01"])
)
KEYS = st.text(max_size=4) | st.sampled_from(
    [
        *item(),
        "Items",
        "skus",
        "pricingInfo",
        "skuId",
        "description",
        "products",
        "terms",
        "OnDemand",
        "attributes",
        "litellm_provider",
    ]
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


def taken_or_refused(path):
    try:
        made = imports.read(path, rates.home(), [], imports.Wanted(as_of="2026-11-20"))
    except CostctlError as error:
        error.text().encode()
    else:
        imports.text(made).encode()
        assert all(note.isprintable() for note in made.notes())


@pytest.mark.slow
@given(JSON)
@examples(100)
def test_any_json_is_taken_or_refused(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("any") / "any.json"
    path.write_text(json.dumps(value))
    taken_or_refused(path)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"{", b"[", b"FormatVersion,v1.0\n", b"chip,price_per_chip_hour\n"])
)
@examples(100)
def test_any_bytes_are_taken_or_refused(tmp_path_factory, content, start):
    path = tmp_path_factory.mktemp("any") / "any"
    path.write_bytes(start + content)
    taken_or_refused(path)


@given(st.integers(5, 23), st.integers(0, 25), st.text(max_size=12))
@examples(60)
def test_an_offer_file_with_any_cell_is_taken_or_refused(tmp_path_factory, line, column, cell):
    rows = list(csv.reader((SHEETS / "aws.csv").open(encoding="utf-8", newline="")))
    rows[line % len(rows)][column % len(rows[line % len(rows)])] = cell
    path = tmp_path_factory.mktemp("cell") / "aws.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with contextlib.suppress(CostctlError):
        imports.read(path, rates.home(), [], imports.Wanted())


@given(st.sampled_from(sorted(KINDS)), st.data())
@examples(50)
def test_a_sheet_that_is_cut_is_refused(tmp_path_factory, name, data):
    content = (SHEETS / name).read_bytes().rstrip()
    path = tmp_path_factory.mktemp("cut") / name
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    if name.endswith(".json"):
        with pytest.raises(CostctlError):
            read(path, as_of="2026-11-20" if KINDS[name] else None)
    else:
        taken_or_refused(path)


def replaced(value, number, new):
    """Put a new value in the place of the one with this number, counted depth first; return it and how many there were."""
    if number == 0:
        return new, 1
    count = 1
    if isinstance(value, dict | list):
        changed = value.copy()
        for key in value if isinstance(value, dict) else range(len(value)):
            changed[key], counted = replaced(value[key], number - count, new)
            count += counted
        return changed, count
    return value, 1


@pytest.mark.slow
@given(st.sampled_from([name for name in sorted(KINDS) if name.endswith(".json")]), st.integers(1, 400), JSON)
@examples(40)
def test_a_sheet_with_any_value_in_some_place_is_taken_or_refused(tmp_path_factory, name, number, new):
    path = tmp_path_factory.mktemp("odd") / name
    value, _ = replaced(json.loads((SHEETS / name).read_text("utf-8")), number, new)
    path.write_text(json.dumps(value))
    try:
        imports.read(path, rates.home(), [], imports.Wanted(as_of="2026-11-20" if KINDS[name] else None))
    except CostctlError as error:
        error.text().encode()


@given(st.integers(1, 10**15), st.integers(1, 10**9))
@examples(300)
def test_a_price_is_rounded_once_and_says_so(above, below):
    value = Fraction(above, below)
    try:
        text, exact = found.price(value)
    except found.Unfit:
        assert value >= 10**7 or value <= Fraction(1, 2 * 10**12)
    else:
        assert abs(Fraction(text) - value) * 2 * 10**12 <= 1
        assert exact == (Fraction(text) == value)


def test_no_record_of_a_sheet_is_lost(shipped):
    """Every record of a sheet is a price or is counted."""
    for kind, name in ((azure, "azure.json"), (gcp, "gcp.json"), (litellm, "litellm.json")):
        said = list(kind.prices(SHEETS / name, shipped))
        places = {nested_place(one.where) for one in said if isinstance(one, Price | Left)}
        assert places == {place for place in RECORDS[name] if place.removeprefix("/") not in litellm.ABOUT}


def nested_place(where):
    """Return the record that a place is in."""
    parts = where.partition("json:")[2].split("/")[1:]
    depth = {"Items": 3, "skus": 2}
    return "/" + "/".join(parts[: next((depth[part] for part in parts if part in depth), 1)])


RECORDS = {
    "azure.json": [f"/{page}/Items/{number}" for page, count in ((0, 8), (1, 6)) for number in range(count)],
    "gcp.json": [f"/skus/{number}" for number in range(14)],
    "litellm.json": [nested.pointer((name,)) for name in json.loads((SHEETS / "litellm.json").read_text("utf-8"))],
}
