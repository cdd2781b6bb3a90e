"""Lines of bills that buy accelerators: each shape with its chip, chips, chip-hours and purchase model; what no fact knows is an error row.

The bills and their goldens are in accelerators/, whose README.md says how each number was worked out.
"""

import csv
import io
import json
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import few, few_rows, without_postings

from costctl import pipeline, rates
from costctl.ledger import build
from costctl.rates import tables

pytestmark = pytest.mark.usefixtures("begun")

HERE = Path(__file__).parent / "accelerators"
SAMPLES = Path(__file__).parent / "samples"
HOURS = 24
RATED = (
    "model_names",
    "attributed_groups",
    "chip_hours",
    "chip_days",
    "prices_in_force",
    "rated_chip_hours",
)  # what one rests on
BILLS = {
    "aws_cur": {"aws_cur.csv": None},
    "azure_cost": {"azure_actual.csv": "actual", "azure_amortised.csv": "amortised"},
    "azure_focus": {"azure_focus.csv": None},
    "gcp_billing": {"gcp_billing.csv": None},
    "gcp_focus": {"gcp_focus.csv": None},
    "oci_cost": {"oci_cost.csv": None},
    "oci_focus": {"oci_focus.csv": None},
    "focus": {"focus.csv": None},
}
LINES = """
WITH posted AS (SELECT origin, MAX(kind) AS kind, SUM(chip_hours) AS hours FROM ledger.postings GROUP BY origin),
machines AS (
    SELECT provider, name, chip, chips_numerator || CASE chips_denominator WHEN 1 THEN '' ELSE '/' || chips_denominator END AS chips
    FROM ledger.machines
)
SELECT
    c.SubAccountId AS line, c.x_machine AS machine, m.chip, m.chips, COALESCE(c.ConsumedUnit, c.PricingUnit) AS unit,
    CAST(COALESCE(CASE WHEN c.ConsumedUnit IS NOT NULL THEN c.ConsumedQuantity END, c.PricingQuantity) AS DECIMAL(18, 2)) AS quantity,
    CAST(p.hours AS DECIMAL(18, 6)) AS chip_hours, u.reason, c.x_purchase_model AS purchase_model, p.kind,
    CAST(c.BilledCost AS DECIMAL(18, 2)) AS billed, CAST(c.EffectiveCost AS DECIMAL(18, 2)) AS effective
FROM ledger.charges AS c
INNER JOIN ledger.charge_groups AS g ON g.SubAccountId = c.SubAccountId AND g.ChargeCategory = c.ChargeCategory
    AND g.CommitmentDiscountStatus IS NOT DISTINCT FROM c.CommitmentDiscountStatus
LEFT JOIN posted AS p ON p.origin = g.group_id
LEFT JOIN ledger.unknown_machines AS u ON u.group_id = g.group_id
LEFT JOIN machines AS m ON m.provider = g.provider AND m.name = lower(trim(c.x_machine))
ORDER BY c.file_no, c.record_no, c.part_no
"""


def lines(place):
    """Return what became of each line of a bill, as CSV; each has a sub-account, and so a charge group, of its own."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    with place.opened() as ledger:
        found = ledger.run(LINES)
    writer.writerow(found.columns)
    writer.writerows([["-" if cell is None else cell for cell in row] for row in found.rows])
    return out.getvalue()


@pytest.mark.parametrize("form", few(BILLS))
def test_each_shape_of_a_line_has_its_chips_hours_and_purchase_model(form, place, golden):
    for name, dataset in BILLS[form].items():
        place.ingest(HERE / name, source="bill", form=form, dataset=dataset)
    assert place.ask(
        "SELECT count(*) FROM (SELECT SubAccountId FROM ledger.charges GROUP BY ALL HAVING count(*) > 2)"
    ) == [(0,)]
    assert place.broken() == []
    golden(HERE / f"{form}.golden.csv", lines(place))


# Every name of rates/machines.csv, in the plainest line of its provider.

AWS = "bill_billing_period_start_date bill_payer_account_id line_item_usage_account_id line_item_line_item_type line_item_usage_start_date line_item_usage_end_date line_item_product_code line_item_usage_type line_item_usage_amount line_item_currency_code line_item_unblended_cost pricing_unit"
AZURE = "Date BillingPeriodStartDate BillingPeriodEndDate BillingAccountId SubscriptionId ChargeType MeterCategory ConsumedService MeterName UnitOfMeasure Quantity CostInBillingCurrency BillingCurrencyCode"
GCP = "billing_account_id invoice.month cost_type service.description sku.id sku.description usage_start_time usage_end_time project.id location.region cost currency usage.amount usage.unit usage.amount_in_pricing_units usage.pricing_unit credits"
OCI = "lineItem/tenantId lineItem/intervalUsageStart lineItem/intervalUsageEnd product/service product/compartmentId usage/billedQuantity cost/productSku product/Description cost/myCost cost/currencyCode cost/skuUnitDescription"
DAY = ("2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z")


def aws_line(name):
    kind, product = ("Host", "AmazonSageMaker") if name.startswith("ml.") else ("BoxUsage", "AmazonEC2")
    return ["2026-10-01", "111", name, "Usage", *DAY, product, f"USW2-{kind}:{name}", HOURS, "USD", "1", "Hrs"]


def azure_line(name):
    dates = ("10/05/2026", "10/01/2026", "10/31/2026")
    return [*dates, "1", name, "Usage", "Virtual Machines", "Microsoft.Compute", name, "1 Hour", HOURS, "1", "USD"]


def gcp_line(name):
    usage = (HOURS * 3600, "seconds", HOURS, "hour", "[]")
    sku = (f"{name} running in Americas", *DAY, name, "us-central1")
    return ["01A2B3", "202610", "regular", "Compute Engine", name, *sku, "1", "USD", *usage]


def oci_line(name):
    text, unit = (f"Compute {name}", "Instance Hours") if "." in name else ("OCI - Compute - GPU - X", "GPU Hours")
    return ["t", *DAY, "COMPUTE", name, HOURS, name, text, "1", "USD", unit]


def focus_rows(provider, names, column="SkuMeter"):
    usage = {
        "ConsumedUnit": "Hours",
        "ConsumedQuantity": str(HOURS),
        "PricingCategory": "Standard",
        "ProviderName": provider,
    }
    return [{"SubAccountId": name, "day": "2026-10-05", column: name} | usage for name in names]


def is_sku(row):
    return row["bill_scope"] == "SKU text"


def names_of(provider, wanted=lambda _: True):
    """Return the chips of every name that bills of a provider are matched with."""
    facts = rates.load()
    matched = {row[:2] for row in tables.tables(facts)["machines"]}
    return {
        name: Fraction(*row["chips"])
        for row in facts.rows("machines")
        for name in (row["machine"], *(row["aliases"] or ()))
        if (provider, name.lower()) in matched and row["provider"] == provider and wanted(row)
    }


def bill(place, name, header, rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header.split(), *rows])
    return place.write(name, out.getvalue())


def chip_hours(place):
    """Return the chip-hours per sub-account, which has the machine's name."""
    asked = "SELECT g.SubAccountId, sum(p.chip_hours), count(*) FROM ledger.postings AS p JOIN ledger.charge_groups AS g ON g.group_id = p.origin GROUP BY 1"
    found = place.ask(asked)
    assert {count for _, _, count in found} == {1}
    return {name: hours for name, hours, _ in found}


@pytest.mark.parametrize(
    ("provider", "form", "header", "line", "least"),
    few_rows(
        [
            ("aws", "aws_cur", AWS, aws_line, 150),
            ("azure", "azure_cost", AZURE, azure_line, 150),
            ("oci", "oci_cost", OCI, oci_line, 20),
        ],
        1,
    ),
)
def test_every_machine_of_the_facts_is_reached_from_a_bill(place, provider, form, header, line, least):
    known = names_of(provider)
    assert len(known) > least
    path = bill(place, "bill.csv", header, [line(name) for name in known])
    place.ingest(path, form=form, dataset="actual" if provider == "azure" else None)
    per_chip = {name for name in known if provider == "oci" and "." not in name}
    assert chip_hours(place) == {name: HOURS * (1 if name in per_chip else chips) for name, chips in known.items()}
    assert place.ask("SELECT * FROM ledger.unknown_machines") == []


@pytest.mark.slow
def test_every_sku_of_google_is_reached_from_a_bill(place):
    known = names_of("gcp", is_sku)
    assert len(known) > 15
    place.ingest(bill(place, "bill.csv", GCP, [gcp_line(name) for name in known]), form="gcp_billing")
    assert chip_hours(place) == {name: HOURS * chips for name, chips in known.items()}


@pytest.mark.parametrize(
    ("provider", "column", "least"),
    few_rows([("gcp", "machine", 60), ("coreweave", "SkuMeter", 10), ("lambda", "SkuMeter", 8)], 1),
)
def test_every_other_machine_is_reached_from_focus(place, provider, column, least):
    """Google's bills name no machine types; a FOCUS file may, and the clouds without a format of their own have only that."""
    known = names_of(provider, lambda row: not is_sku(row))
    assert len(known) >= least
    column = "x_Machine" if column == "machine" else column
    place.ingest(place.bill("bill.csv", focus_rows({"gcp": "Google Cloud"}.get(provider, provider), known, column)))
    assert chip_hours(place) == {name: HOURS * chips for name, chips in known.items()}


@pytest.mark.slow
def test_a_machine_of_google_costs_all_of_its_skus_and_has_the_hours_of_its_chips(place):
    """78.37 for eight GPUs, 6 for 208 cores, 5 for the memory: 89.37 for 8 chip-hours."""
    labels = json.dumps([{"key": "team", "value": "search"}, {"key": "model", "value": "atlas"}])
    skus = {"Nvidia H100 80GB GPU": ("8", "78.37"), "A3 Instance Core": ("208", "6"), "A3 Instance Ram": ("1872", "5")}
    rows = []
    for name, (hours, cost) in skus.items():
        row = dict(zip(GCP.split(), gcp_line(name), strict=True)) | {
            "usage.amount_in_pricing_units": hours,
            "cost": cost,
        }
        rows.append([*row.values(), labels])
    place.ingest(bill(place, "bill.csv", f"{GCP} labels", rows), form="gcp_billing")
    said = place.costctl("report", "tokens-per-dollar", "--period", "2026-10", "--format", "csv").stdout
    (found,) = csv.DictReader(said.splitlines())
    assert [found[name] for name in ("model", "chip", "cost", "chip_hours", "cost_per_chip_hour")] == [
        *("atlas", "h100", "89.37", "8", "11.17125"),
    ]
    said = place.costctl("report", "rate-variance", "--period", "2026-10", "--format", "csv").stdout
    (found,) = csv.DictReader(said.splitlines())  # the list price of an a3-highgpu is 11.06125 a chip, host included
    assert [found[name] for name in ("machine", "layer", "chip_hours", "cost", "card_cost", "variance")] == [
        *("Nvidia H100 80GB GPU", "list", "8", "89.37", "88.49", "0.88"),
    ]


@pytest.fixture(scope="module")
def hopper(places):
    """A ledger of 24 chip-hours, whose cards each test says anew."""
    place = places()
    with without_postings():
        place.ingest(bill(place, "bill.csv", GCP, [gcp_line("Nvidia H100 80GB GPU")]), form="gcp_billing")
    return place


@pytest.mark.parametrize(
    ("card", "paid"),
    few_rows(
        [
            ("a3-highgpu-8g,h100,9.5", "228"),  # of the machine that the SKU is sold in
            ("a3-highgpu-8g,h100,9.5\ngcp,Nvidia H100 80GB GPU,h100,9", "216"),  # the SKU's own wins
            (",h100,10", "240"),  # of the chip in any machine
            (",h100,10\ngcp,a3-highgpu-8g,h100,9.5", "228"),
            ("a3-megagpu-8g,h100,9.5", "265.47"),  # of another machine: the list price stays
            ("a3-highgpu-8g,h100,9\ngcp,a3-highgpu-1g,h100,9", "216"),  # of both that it may be in, alike
            ("a3-highgpu-8g,h100,9\ngcp,a3-highgpu-1g,h100,8", None),  # nothing tells which
        ],
        3,
    ),
)
def test_a_contract_for_the_machine_prices_the_gpu_that_is_billed(hopper, card, paid):
    start = "provider,machine,chip,price_per_chip_hour,purchase_model,currency,valid_from"
    lines = [f"{line},on_demand,USD,2026-01-01" for line in f"gcp,{card}".splitlines()]
    hopper.write("card.csv", "\n".join([start, *lines, ""]))
    hopper.write("costctl.yaml", "version: 1\ncards: [card.csv]\n")
    with pipeline.writing(hopper.run) as ledger:
        build.derive(ledger, date(2026, 10, 1), RATED)
        assert ledger.value("SELECT sum(rate_cost) FROM temp.rated_chip_hours") == (paid and Decimal(paid))


@pytest.mark.slow
def test_the_host_is_with_its_chips_where_only_the_team_is_known(place):
    """Bought on spot, and its cores not; neither line says a model. Of two prices of the machine nothing tells which: its chips have both."""
    machines = ("a3-highgpu-8g,h100,9", "a3-highgpu-1g,h100,8")
    lines = [f"gcp,{machine},on_demand,USD,2026-01-01" for machine in machines]
    header = "provider,machine,chip,price_per_chip_hour,purchase_model,currency,valid_from"
    place.write("card.csv", "\n".join([header, *lines, ""]))
    place.write("costctl.yaml", "version: 1\ncards: [card.csv]\n")
    labels = json.dumps([{"key": "team", "value": "search"}])
    names = ("Nvidia H100 80GB GPU attached to Spot Preemptible VMs", "A3 Instance Core")
    place.ingest(
        bill(place, "bill.csv", f"{GCP} labels", [[*gcp_line(name), labels] for name in names]), form="gcp_billing"
    )
    said = place.costctl("report", "tokens-per-dollar", "--period", "2026-10", "--format", "csv").stdout
    (found,) = csv.DictReader(said.splitlines())
    assert [found[name] for name in ("chip", "source", "cost", "chip_hours")] == ["h100", "gcp/spot", "2", "24"]
    host = "SELECT rate_cost, rate_card_cost, rate_card_unknown FROM ledger.card_costs JOIN ledger.rated_chip_hours USING (group_id) WHERE chip_hours = 0"
    assert place.ask(host) == [(None, 0, 0)]


def test_the_host_of_a_machine_is_with_one_kind_of_chips(place):
    place.write(
        "parts.csv", "provider,part,machine\ngcp,A2 Instance Core,a2-highgpu-1g\ngcp,A2 Instance Core,a2-ultragpu-1g\n"
    )
    place.write("costctl.yaml", "version: 1\ncards: [parts.csv]\n")
    said = place.costctl("rates", "check")
    assert said.returncode == 2
    assert "parts.csv:3:machine: counts no chips, and is a part of a2-highgpu-1g already" in said.stderr


# What no fact knows.


UNKNOWN = """
    SubAccountId  x_UsageType           ConsumedUnit  ConsumedQuantity  cost  team
    known         BoxUsage:p5.48xlarge  Hrs           24                1320  search
    unknown       BoxUsage:p9.48xlarge  Hrs           24                2400  search
    unknown       BoxUsage:p9.48xlarge  Hrs           12                1200  ads
    processor     BoxUsage:m7i.large    Hrs           24                2     search
"""


@pytest.fixture(scope="module")
def unknown(places):
    """A ledger of that bill, which is only read."""
    place = places()
    place.bill("october.csv", UNKNOWN)
    place.ingest("october.csv")
    return place


def test_an_unknown_machine_is_an_error_row_with_its_cost(place):
    place.bill("october.csv", UNKNOWN)
    said = place.costctl("ingest", "october.csv")
    assert (said.returncode, said.stderr.splitlines()[1:]) == (
        0,
        [
            "warning: 2 charges of accelerators have no chip-hours; the dearest machine is aws 'p9.48xlarge', 3,600.00 USD: costctl report unknown-machines"
        ],
    )
    report = list(csv.DictReader(place.costctl("report", "unknown-machines", "--format", "csv").stdout.splitlines()))
    assert report == [
        {
            "cost": "3600",
            "provider": "aws",
            "machine": "p9.48xlarge",
            "charges": "2",
            "quantity": "36",
            "unit": "Hrs",
            "reason": "machine not known",
            "remedy": "aws,p9.48xlarge,CHIP,N",
            "currency": "USD",
        }
    ]
    assert place.ask("SELECT sum(EffectiveCost), count(*), count(chip_hours) FROM ledger.postings") == [(4922, 4, 2)]
    assert place.ask("SELECT sum(chip_hours) FROM ledger.posting_days WHERE chip_hours <> 0") == [(192,)]
    assert place.broken() == []


def test_charges_of_unknown_machines_are_explained(unknown):
    """The group that a charge is in is found by the machine also where only its family is known."""
    explained = unknown.costctl("explain", "--period", "2026-10", "--format", "csv").stdout
    assert sorted(row["sub_account"] for row in csv.DictReader(explained.splitlines())) == [
        "known",
        "processor",
        "unknown",
        "unknown",
    ]


@pytest.mark.slow
def test_hours_of_which_one_is_missing_are_unknown(place):
    """Charges of a day are summed: what one of them does not say, their sum does not either."""
    row = {"SubAccountId": "n", "x_UsageType": "BoxUsage:p5.48xlarge", "ConsumedUnit": "Hrs"}
    place.bill("october.csv", [row | {"ConsumedQuantity": "1"}, row | {"ConsumedQuantity": "-"}])
    place.ingest("october.csv")
    assert place.ask("SELECT name, reason FROM ledger.unknown_machines") == [("p5.48xlarge", "no quantity")]
    assert place.ask("SELECT count(*), sum(chip_hours), sum(EffectiveCost) FROM ledger.postings") == [(1, None, 2)]


@pytest.mark.parametrize("report", few(["chargeback", "tokens-per-dollar"]))
def test_the_reports_say_how_many_and_how_much(unknown, report):
    said = unknown.costctl("report", report, "--period", "2026-10", "--format", "table").stdout
    assert "2 charges of unknown machines, 3,600, have no chip-hours" in " ".join(said.split())


def test_chip_hours_of_which_a_part_is_unknown_are_unknown(unknown):
    said = unknown.costctl("report", "tokens-per-dollar", "--period", "2026-10", "--format", "csv").stdout
    found = {(row["model"], row["chip"]): (row["cost"], row["chip_hours"]) for row in csv.DictReader(said.splitlines())}
    assert found["unknown", "-"] == ("3602", "")  # with the processor's


CARD = "provider,machine,chip,chips\naws,p9.48xlarge,h200,8\n"


@pytest.mark.slow
def test_the_remedy_counts_them(unknown, place):
    place.copy(unknown)
    place.write("machines.csv", CARD)
    place.write("costctl.yaml", "version: 1\ncards: [machines.csv]\n")
    said = place.costctl("report", "unknown-machines", "--period", "2026-10")
    assert "every line that bought accelerators has its chip-hours for 2026-10" in said.stderr
    assert place.ask("SELECT sum(chip_hours) FROM ledger.postings") == [(192 + 36 * 8,)]


NORTH = """
    ProviderName  x_Machine  ConsumedUnit  ConsumedQuantity  cost
    North Cloud   zed-8      Hrs           3                 10
    North Cloud   cpu-8      Hrs           3                 1
"""


@pytest.mark.slow
def test_cards_may_say_what_machines_look_like_and_what_they_hold(place):
    """Also of a provider that nobody else knows."""
    place.bill("october.csv", NORTH)
    place.ingest("october.csv")
    assert place.ask("SELECT * FROM ledger.unknown_machines") == []
    place.write("families.csv", "provider,pattern\nNorth Cloud,zed-%\n")
    place.write("costctl.yaml", "version: 1\ncards: [families.csv]\n")
    place.ingest("october.csv")
    asked = "SELECT provider, name, unit, quantity, reason FROM ledger.unknown_machines"
    assert place.ask(asked) == [("north cloud", "zed-8", "Hrs", 3, "machine not known")]
    place.write("machines.csv", "provider,machine,chip,chips\nNorth Cloud,zed-8,h100,8\n")
    place.write("costctl.yaml", "version: 1\ncards: [machines.csv]\n")
    place.ingest("october.csv")
    assert place.ask(asked) == []
    assert place.ask("SELECT sum(chip_hours) FROM ledger.rated_chip_hours") == [(24,)]


@pytest.mark.slow
def test_a_pool_with_an_unknown_machine_does_not_know_its_chip_hours(place):
    place.write(
        "costctl.yaml",
        """
        version: 1
        rules: [{name: chips, when: {SubAccountId: [known, unknown]}, pool: chips}]
        pools: {chips: {base: fixed, shares: {search: "1"}}}
        """,
    )
    place.bill("october.csv", UNKNOWN)
    place.ingest("october.csv")
    found = place.ask(
        "SELECT chip, sum(EffectiveCost), sum(chip_hours) FROM ledger.postings WHERE pool = 'chips' GROUP BY 1 ORDER BY 1 NULLS FIRST"
    )
    assert found == [(None, 3600, None), ("nvidia-h100-sxm", 1320, 192)]
    assert place.broken() == []


@pytest.mark.slow
def test_chip_time_does_not_tile_hours_that_nobody_knows(place):
    """A slot of 24 paid hours of eight chips is split over its states; one where some of the hours are unknown is not."""
    place.write("costctl.yaml", "version: 1\nrules: [{name: p, when: {SubAccountId: [p]}, pool: p}]\npools: {p: {}}\n")
    place.bill(
        "october.csv",
        """
        SubAccountId  day         x_UsageType           ConsumedUnit  ConsumedQuantity  cost
        p             2026-10-03  BoxUsage:p5.48xlarge  Hrs           24                1320
        p             2026-10-04  BoxUsage:p5.48xlarge  Hrs           24                1320
        p             2026-10-04  BoxUsage:p9.48xlarge  Hrs           24                2400
        """,
    )
    place.write("time.csv", "pool,start,end,chips,state\np,2026-10-03,2026-10-05,8,serving\n")
    place.ingest("october.csv", "time.csv")
    assert place.ask("SELECT CAST(slot_start AS VARCHAR), state FROM ledger.chip_time") == [
        ("2026-10-03 00:00:00", "serving")
    ]


# Nothing that is not one is listed.


@pytest.mark.parametrize("sample", few(["azure-ea", "nise-gcp/standard", "oci-cost-report"]))
def test_no_line_of_a_real_bill_is_taken_for_one(place, sample):
    """Nor any of the bills that test_samples.py ties out."""
    place.ingest(SAMPLES / sample, dataset="actual" if "azure" in sample else None)
    assert place.ask("SELECT count(*) > 0 FROM ledger.charges") == [(True,)]
    assert place.ask("SELECT * FROM ledger.unknown_machines") == []


@pytest.mark.slow
def test_the_example_has_none(ingested_quickstart, command, monkeypatch):
    monkeypatch.chdir(ingested_quickstart)
    assert "every line that bought accelerators" in command("report", "unknown-machines", "--period", "2026-10").err


@pytest.mark.slow
def test_a_negation_is_no_line_without_hours(place):
    """It is in the bill of AWS above: the machine, savings plan as its purchase model, neither unit nor quantity."""
    place.ingest(HERE / "aws_cur.csv")
    asked = "SELECT g.SubAccountId FROM ledger.unknown_machines AS n JOIN ledger.charge_groups AS g ON g.group_id = n.group_id"
    assert {line for (line,) in place.ask(asked)} == {
        *("unknown machine", "unknown SageMaker machine", "dedicated host"),
        *("chips not confirmed", "known machine, quantity missing"),
    }
