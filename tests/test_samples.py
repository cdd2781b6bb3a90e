"""Bills that nobody here wrote: what they hold is known, the ledger holds the same to the last digit, in any order, once.

Where the files come from and what is odd about them is in samples/README.md.
"""

import csv
import gzip
import json
from collections import defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import few

pytestmark = pytest.mark.usefixtures("begun")

SAMPLES = Path(__file__).parent / "samples"
FOCUS = SAMPLES / "focus-1.0" / "focus_sample_part.csv"
CUR = SAMPLES / "aws-cur-legacy" / "aws-cur-legacy_part.csv"
NISE = SAMPLES / "nise-aws-cur"
ZIPPED = SAMPLES / "aws-cur-legacy-zip-mock"
LITELLM = SAMPLES / "tokens" / "litellm" / "spend_logs_payload.json"
SCENARIOS = SAMPLES / "focus-spec-1.2-scenarios"


def answered(command, query):
    """Return the rows of `costctl sql` as texts."""
    said = command("sql", query, "--format", "csv")
    assert said.code == 0, said.err
    return list(csv.reader(said.out.splitlines()))[1:]


def tied(command):
    """Return the total rows of `tieout` by cost; every line of it must tie, and none be taken for one of unknown accelerators."""
    said = command("tieout", "--format", "csv")
    assert said.code == 0, said.err
    rows = list(csv.DictReader(said.out.splitlines()))
    assert {row["difference"] for row in rows} == {"0"}
    assert answered(command, "SELECT name FROM unknown_machines") == []
    return {row["cost"]: row for row in rows if row["source"] == "TOTAL"}


def file_sums(*paths, columns):
    """Sum columns over CSV files without costctl: (number of rows, one Decimal per column)."""
    count, sums = 0, dict.fromkeys(columns, Decimal(0))
    for path in paths:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                count += 1
                for column in columns:
                    sums[column] += Decimal(row[column]) if row[column] not in ("", "NULL") else 0
    return count, sums


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Each test runs in a folder of its own, where its ledger comes to be."""
    monkeypatch.chdir(tmp_path)


def test_the_focus_sample_ties_out_to_the_digit(command):
    assert command("ingest", FOCUS).code == 0
    total = tied(command)
    assert {row["records"] for row in total.values()} == {"600"}
    assert {row["currency"] for row in total.values()} == {"USD"}
    assert total["billed"]["postings"] == "11.51644927109"
    assert total["effective"]["postings"] == "8.53461838886"
    assert total["list"]["postings"] == "11.60152829329"
    columns = {"billed": "BilledCost", "effective": "EffectiveCost", "list": "ListCost", "contracted": "ContractedCost"}
    count, sums = file_sums(FOCUS, columns=columns.values())
    assert count == 600
    assert {cost: Decimal(row["bill"]) for cost, row in total.items()} == {c: sums[columns[c]] for c in columns}
    # five Oracle rows have no ContractedCost: unknown, and said so, not 0
    assert {cost: row["unknown"] for cost, row in total.items()} == {
        "billed": "0",
        "effective": "0",
        "list": "0",
        "contracted": "5",
    }


def test_the_legacy_cur_sample_ties_out_to_the_digit(command):
    assert command("ingest", CUR).code == 0
    total = tied(command)
    assert {row["records"] for row in total.values()} == {"769"}
    assert total["billed"]["postings"] == "0.9798419105"
    column = "lineItem/UnblendedCost"
    assert file_sums(CUR, columns=[column]) == (769, {column: Decimal("0.9798419105")})


@pytest.mark.slow
def test_the_zipped_cur_loads_through_its_manifest(command):
    said = command("ingest", ZIPPED)
    assert "aws_cur (aws_cur) 2024-01: 3 records from 1 file" in said.err
    total = tied(command)
    assert total["billed"]["postings"] == "0.045152"  # 2 x 0.0108 + 0.023552
    assert total["list"]["unknown"] == "3"  # it has no publicOnDemandCost


NISE_PERIODS = {"2026-08": ("20260801-20260901", 12_624, 3), "2026-09": ("20260901-20261001", 6_552, 2)}


@pytest.mark.slow
def test_cur_manifests_lead_to_two_billing_periods_and_every_digit_is_accounted_for(command):
    said = command("ingest", NISE)
    assert said.code == 0, said.err
    for period, (_, count, files) in NISE_PERIODS.items():
        assert f"aws_cur (aws_cur) {period}: {count:,} records from {files} files" in said.err
    tied(command)
    stored = dict(
        answered(
            command, "SELECT strftime(billing_period, '%Y-%m') AS p, SUM(BilledCost) AS c FROM charges GROUP BY ALL"
        )
    )
    kept = dict(
        answered(
            command,
            "SELECT strftime(billing_period, '%Y-%m') AS p, COUNT(DISTINCT (delivery_id, file_no, record_no)) AS n FROM charges GROUP BY ALL",
        )
    )
    rounded = dict(
        answered(
            command,
            "SELECT strftime(p.period, '%Y-%m') AS p, SUM(r.rounded_away) AS c FROM roundings AS r "
            "JOIN delivery_periods AS p USING (delivery_id) WHERE r.column_name = 'UnblendedCost' GROUP BY ALL",
        )
    )
    for period, (folder, count, files) in NISE_PERIODS.items():
        chunks = sorted(NISE.glob(f"billing/cur-hourly/{folder}/*/*.csv.gz"))
        assert len(chunks) == files
        found, sums = file_sums(*chunks, columns=["lineItem/UnblendedCost"])
        assert (found, int(kept[period])) == (count, count)
        # the files hold binary floats with up to 30 decimals; what 18 decimals cannot hold is written down, exactly
        assert Decimal(rounded[period]) != 0
        assert sums["lineItem/UnblendedCost"] == Decimal(stored[period]) + Decimal(rounded[period])
    again = command("ingest", NISE)
    assert (again.code, again.err.count("nothing to do")) == (0, 2)


def fingerprint(command):
    said = command("doctor")
    assert said.code == 0, said.err
    assert "FAILS" not in said.out
    return next(line.split()[1] for line in said.out.splitlines() if line.startswith("fingerprint"))


@pytest.mark.slow
def test_the_same_again_is_nothing_to_do_and_the_order_of_arrival_does_not_matter(command, tmp_path, monkeypatch):
    deliveries = [FOCUS, CUR, ZIPPED]
    assert command("ingest", *deliveries).code == 0
    first = fingerprint(command)
    again = command("ingest", *deliveries)
    assert again.code == 0
    assert [line.rpartition(": ")[2] for line in again.err.splitlines()] == ["nothing to do"] * 3
    assert fingerprint(command) == first
    (tmp_path / "backwards").mkdir()
    monkeypatch.chdir(tmp_path / "backwards")
    for path in deliveries[::-1]:
        assert command("ingest", path).code == 0
    assert fingerprint(command) == first


COMMON = [
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeFrequency",
    "PricingCategory",
    "ResourceId",
    "BilledCost",
    "EffectiveCost",
    "CommitmentDiscountId",
]
SOLD = [
    "BilledCost",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
]
MAPPED = {  # the specification's tables by their shapes: what they name as FOCUS does, and how else they spell it
    "purchases": (COMMON, {"constants": {"BillingCurrency": "USD"}}),
    "uses": (
        [*COMMON, "ConsumedQuantity", "ConsumedUnit", "CommitmentDiscountStatus"],
        {"constants": {"BillingCurrency": "USD"}},
    ),
    "flexible": (
        [
            *COMMON,
            "PricingQuantity",
            "ListCost",
            "SkuId",
            "ConsumedQuantity",
            "ConsumedUnit",
            "CommitmentDiscountStatus",
        ],
        {"constants": {"BillingCurrency": "USD"}},
    ),
    "sold": (
        SOLD,
        {"dates": "M/D/YY", "money": {"grouping": ",", "symbol": "$"}, "last_line": "unended", "refines": "focus"},
    ),
}
SHAPES = {"commitment_discount_purchase": "purchases", "commitment_discount_usage": "uses", "one_hundred": "flexible"}


def shape(name):
    return next((shape for start, shape in SHAPES.items() if name.startswith(start)), "sold")


def scenarios():
    """Write the column maps of the specification's tables, and each table as a source of its own, exactly as it is published."""
    names = sorted(path.stem for path in SCENARIOS.glob("*.csv"))
    maps = {name: {"columns": {title: title for title in titles}} | more for name, (titles, more) in MAPPED.items()}
    sources = [{"name": name, "path": str(SCENARIOS / f"{name}.csv"), "as": shape(name)} for name in names]
    Path("costctl.yaml").write_text(json.dumps({"version": "1", "formats": maps, "sources": sources}), encoding="utf-8")
    return names


def by_hand(name):
    """Return per billing month the four costs of a table, by Decimal from its texts; a cost it does not have is None."""
    found = defaultdict(lambda: dict.fromkeys(COSTS))
    with (SCENARIOS / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if "T30:" in row["ChargePeriodEnd"]:  # there is no such hour
                continue
            start = row["BillingPeriodStart"]
            month = f"{datetime.strptime(start, '%m/%d/%y'):%Y-%m}" if "/" in start else start[:7]  # noqa: DTZ007
            for cost in COSTS:
                if row.get(cost):
                    found[month][cost] = (found[month][cost] or 0) + Decimal(
                        row[cost].strip().lstrip("$").replace(",", "")
                    )
    return dict(found)


COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
FLEXIBLE = "one_hundred_percent_utilization_with_commitment_discount_flexibility_with_2_resources"
SPECIFIED = [  # scenario files, BilledCost, EffectiveCost: the specification's own arithmetic
    (["commitment_discount_purchase_scenario_1"], "8760", "0"),  # paid at once, used later
    (["commitment_discount_purchase_scenario_2"], "2", "0"),  # and a third one that ends at an hour there is not
    (["commitment_discount_usage_scenario_1"], "0", "1"),  # an hour used of it
    (["commitment_discount_usage_scenario_2"], "0", "1"),  # an hour not used of it
    ([FLEXIBLE], "2", "2"),  # 2.00 an hour buys two machines of 1.00
    (["saas_spend_agreements_a1"], "1200", "1200"),  # 48 + 120 + 60 used, 972 not
    (["saas_spend_agreements_a2"], "1200", "1200"),
    (["simple_saas_agreements_a1"], "10000", "10000"),
    (["virtual_currency_pricing_model_a1", "virtual_currency_pricing_model_a2"], "200000", "1230"),  # 490 + 20 + 720
    (["virtual_currency_pricing_model_b1", "virtual_currency_pricing_model_b2"], "100000", "615"),
]


@pytest.mark.slow
def test_the_twelve_tables_of_the_specification_come_to_what_it_says(command):
    names = scenarios()
    assert len(names) == 12
    said = command("ingest", "--quarantine-rows", "1")
    assert said.code == 4, said.err
    asked = "SELECT source, strftime(billing_period, '%Y-%m') AS month, {} FROM charges GROUP BY ALL".format(
        ", ".join(f"sum({cost}) AS {cost}" for cost in COSTS)
    )
    found = defaultdict(dict)
    for source, month, *costs in answered(command, asked):
        found[source][month] = {cost: Decimal(text) if text else None for cost, text in zip(COSTS, costs, strict=True)}
    assert found == {name: by_hand(name) for name in names}
    totals = {name: [sum(month[cost] for month in found[name].values()) for cost in COSTS[:2]] for name in names}
    for group, billed, effective in SPECIFIED:
        assert [sum(column) for column in zip(*(totals[name] for name in group), strict=True)] == [
            Decimal(billed),
            Decimal(effective),
        ]
    tied(command)
    # what was not used is an unused commitment where the bill says so; a prepaid Token is money, never a model's token
    unused = "SELECT source, sum(EffectiveCost) AS c FROM postings WHERE kind = 'unused' GROUP BY ALL"
    assert answered(command, unused) == [["commitment_discount_usage_scenario_2", "1"]]
    tokens = "SELECT count(*) AS n FROM charges WHERE x_token_class IS NOT NULL OR x_model_raw IS NOT NULL"
    assert answered(command, tokens) == [["0"]]


@pytest.mark.slow
def test_the_specification_s_hour_30_is_refused_by_name(command):
    scenarios()
    said = command("ingest", "--source", "commitment_discount_purchase_scenario_2")
    assert said.code == 3
    assert (
        "commitment_discount_purchase_scenario_2.csv:4: ChargePeriodEnd is not a date and time like 2026-10-01T00:00:00Z, of 1900 to 2199: '2023-02-01T30:00:00Z'"
        in said.err
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "layout",
    few(
        [
            "as it is",
            "a line",
            "an array",
        ]
    ),
)
def test_the_litellm_record_gives_its_tokens(layout, command):
    record = json.loads(LITELLM.read_text("utf-8"))
    assert (record["prompt_tokens"], record["completion_tokens"]) == (10, 20)
    texts = {
        "as it is": LITELLM.read_text("utf-8"),
        "a line": json.dumps(record) + "\n",
        "an array": json.dumps([record]),
    }
    Path("spend.json").write_text(texts[layout], encoding="utf-8")
    said = command("ingest", "spend.json")
    assert said.code == 0, said.err
    tokens = defaultdict(int)
    for token_class, number in answered(command, "SELECT token_class, tokens FROM token_quantity"):
        tokens[token_class] += int(number)
    assert tokens == {"input.uncached": 10, "output.unsplit": 20}
    asked = "SELECT provider, model_raw, team_raw, outcome, convention_proof, strftime(ts_start, '%Y-%m-%dT%H:%M:%S.%f') AS t FROM token_usage"
    assert answered(command, asked) == [["openai", "gpt-4o", "", "ok", "ambiguous", "2025-01-24T09:20:46.847371"]]
