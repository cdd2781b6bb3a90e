"""The example company: its files are what its generator writes, and costctl finds the totals that were summed without it."""

import csv
import gzip
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
QUICKSTART = EXAMPLES / "quickstart"
KNOWN = json.loads((QUICKSTART / "expected_totals.json").read_text("utf-8"))["months"]
MONTHS = sorted(KNOWN)
CLASSES = {
    "input": "input_uncached",
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write",
    "output": "output",
}
ROUNDING = Decimal("0.001")  # of a day's split: within 1e-6 per share


@pytest.fixture
def ask(ingested_quickstart):
    """Ask the ingested quickstart about a month; return rows. Opened per question: one process opens a ledger one way only."""

    def rows(query, month):
        with duckdb.connect(ingested_quickstart / "costctl.duckdb", read_only=True) as connection:
            return connection.execute(query, {"month": month}).fetchall()

    return rows


def exact(found):
    """Write sums as the known totals are written."""
    return {key: f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}" for key, value in found}


def contents(folder):
    """Return what the generator writes: file contents by name, unpacked, since zlib packs differently elsewhere."""
    names = ("bills/**/*", "usage/**/*", "expected_totals.json", "README.md")
    files = [path for name in names for path in folder.glob(name) if path.is_file()]
    return {
        str(path.relative_to(folder)): gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in files
    }


def test_the_generator_writes_the_same_files_again(tmp_path):
    shutil.copy(QUICKSTART / "README.md", tmp_path)
    # -B: no __pycache__ in the example
    subprocess.run([sys.executable, "-B", QUICKSTART / "generate.py", tmp_path], check=True, timeout=60)
    assert contents(tmp_path) == contents(QUICKSTART)
    assert len(contents(tmp_path)) == 18


@pytest.mark.parametrize("month", MONTHS)
def test_bills_come_to_their_known_totals(month, ask):
    found = ask(
        "SELECT source, count(DISTINCT (delivery_id, file_no, record_no)), sum(BilledCost), sum(EffectiveCost), sum(ListCost), "
        "sum(EffectiveCost) FILTER (WHERE CommitmentDiscountStatus = 'Unused'), sum(BilledCost) FILTER (WHERE ChargeCategory = 'Tax'), "
        "sum(BilledCost) FILTER (WHERE ChargeCategory = 'Credit') FROM charges WHERE strftime(billing_period, '%Y-%m') = $month GROUP BY 1",
        month,
    )
    names = ("rows", "BilledCost", "EffectiveCost", "ListCost", "unused_commitment", "tax", "credit")
    for source, rows, *costs in found:
        known = KNOWN[month]["bills"][source]
        mine = {"rows": rows} | exact((name, cost or 0) for name, cost in zip(names[1:], costs, strict=True))
        assert mine == {"credit": "0"} | known, source
    assert {source for source, *_ in found} == set(KNOWN[month]["bills"])


@pytest.mark.parametrize("month", MONTHS)
def test_the_tie_out_says_the_same_and_nothing_is_left(month, ingested_quickstart, command, monkeypatch):
    monkeypatch.chdir(ingested_quickstart)
    said = command("tieout", "--period", month, "--format", "csv")
    assert said.code == 0, said.err
    for row in csv.DictReader(said.out.splitlines()):
        assert row["difference"] == row["unknown"] == row["quarantined"] == "0"
        if row["source"] in KNOWN[month]["bills"] and row["cost"] != "contracted":
            known = KNOWN[month]["bills"][row["source"]][f"{row['cost'].capitalize()}Cost"]
            assert row["bill"] == row["charges"] == row["postings"] == known


@pytest.mark.parametrize("month", MONTHS)
def test_usage_is_all_there(month, ask):
    tokens = "SELECT source, count(*) FROM token_usage WHERE strftime(ts_start, '%Y-%m') = $month GROUP BY 1"
    chips = "SELECT source, count(*) FROM accelerator_usage WHERE strftime(ts_start, '%Y-%m') = $month GROUP BY 1"
    known = KNOWN[month]["usage_rows"]
    assert dict(ask(tokens, month)) == {"gateway": known["tokens"], "proxy": known["litellm"]}
    assert dict(ask(chips, month)) == {"trn2-nodes": known["chip_time"]}


@pytest.mark.parametrize("month", MONTHS)
def test_pools_cost_and_last_what_is_known(month, ask):
    found = ask(
        "SELECT COALESCE(pool, CASE team WHEN 'research' THEN '(research cluster)' ELSE '(no pool)' END), sum(EffectiveCost), sum(chip_hours) "
        "FROM postings WHERE strftime(billing_period, '%Y-%m') = $month AND kind <> 'unused' AND (pool <> 'api' OR chip_hours <> 0) GROUP BY 1",
        month,
    )
    assert exact((pool, cost) for pool, cost, _ in found) == KNOWN[month]["pool_effective_cost"]
    assert exact((pool, hours) for pool, _, hours in found) == KNOWN[month]["pool_chip_hours"]
    chips = ask(
        "SELECT chip, sum(chip_hours) FROM postings WHERE strftime(billing_period, '%Y-%m') = $month AND kind <> 'unused' "
        "AND chip IS NOT NULL GROUP BY 1",
        month,
    )
    assert exact(chips) == KNOWN[month]["chip_hours"]


@pytest.mark.parametrize("month", MONTHS)
def test_pools_have_the_known_tokens_of_each_model_and_class(month, ask):
    found = ask(
        "SELECT pool, model, token_class, sum(tokens), sum(delivered_tokens) FROM token_days "
        "WHERE strftime(day, '%Y-%m') = $month AND pool <> 'api' AND token_class <> '-' GROUP BY ALL",
        month,
    )
    pools = defaultdict(dict)
    for pool, model, token_class, computed, delivered in found:
        sides = pools[pool].setdefault(model, {"computed": {}, "delivered": {}})
        sides["computed"][CLASSES[token_class]] = computed
        sides["delivered"][CLASSES[token_class]] = delivered
    assert pools == KNOWN[month]["pool_tokens"]


@pytest.mark.parametrize("month", MONTHS)
def test_bought_tokens_are_known_on_both_sides(month, ask):
    seen = ask(
        "SELECT model, token_class, sum(tokens) FROM token_days "
        "WHERE strftime(day, '%Y-%m') = $month AND pool = 'api' AND token_class <> '-' GROUP BY ALL",
        month,
    )
    billed = ask(
        "SELECT a.model, c.x_token_class, CAST(sum(c.ConsumedQuantity * u.multiplier) AS BIGINT) FROM charges AS c "
        "JOIN units AS u ON u.unit = lower(c.ConsumedUnit) AND u.measure = 'token' JOIN model_aliases AS a ON a.raw = lower(c.x_model_raw) "
        "WHERE strftime(c.billing_period, '%Y-%m') = $month AND c.x_token_class IS NOT NULL GROUP BY ALL",
        month,
    )
    bills = {(model, token_class): number for model, token_class, number in billed}
    found = defaultdict(dict)
    for model, token_class, number in seen:
        bill = bills[model, token_class]
        found[model][CLASSES[token_class]] = {"gateways": number, "bill": bill, "gap": bill - number}
    assert found == KNOWN[month]["bought_tokens"]


@pytest.mark.parametrize("month", MONTHS)
def test_the_states_of_trn2_tile_what_was_paid(month, ask):
    known = KNOWN[month]["trn2_chip_seconds"]
    recorded = dict(
        ask(
            "SELECT state, sum(chips * epoch(ts_end - ts_start)::BIGINT) FROM accelerator_usage "
            "WHERE strftime(ts_start, '%Y-%m') = $month AND pool = 'trn2' GROUP BY 1",
            month,
        )
    )
    hole = Decimal(KNOWN[month]["pool_chip_hours"]["trn2"]) * 3600 - sum(recorded.values())
    assert recorded | {"(hole)": hole} == known
    posted = dict(
        ask(
            "SELECT state, sum(chip_hours) FROM postings WHERE strftime(billing_period, '%Y-%m') = $month AND pool = 'trn2' GROUP BY 1",
            month,
        )
    )
    assert posted.keys() == known.keys() - {"(hole)"} | {"unknown"}
    for state, hours in posted.items():
        assert abs(hours * 3600 - known["(hole)" if state == "unknown" else state]) < 3600 * ROUNDING
    assert sum(posted.values()) * 3600 == sum(known.values())


def lines_of(pattern):
    """Yield the rows of the example's CSV files that match, without costctl."""
    for path in sorted(QUICKSTART.glob(pattern)):
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def untagged(month):
    """What the README calls nobody's: disks, NAT, transfer and a forgotten g5 on AWS, transfer on the others."""
    meters = ("EBS:VolumeUsage.gp3", "NatGateway-Bytes", "DataTransfer-Out-Bytes", "BoxUsage:g5.12xlarge")
    folder = month.replace("-", "") + "01-*"
    aws = (row for row in lines_of(f"bills/aws/cur/*/{folder}/*/*.gz") if row["lineItem/UsageType"] in meters)
    focus = {"gcp": "Networking", "azure": "Bandwidth"}
    return {
        "aws": sum(Decimal(row["lineItem/UnblendedCost"]) for row in aws if not row["resourceTags/user:team"]),
    } | {
        cloud: sum(
            Decimal(row["EffectiveCost"])
            for row in lines_of(f"bills/{cloud}/focus-{month}.csv")
            if row["ServiceName"] == service and "team" not in row["Tags"].lower()
        )
        for cloud, service in focus.items()
    }


def ownerless(month):
    """The part of h100-gcp that tokens without a team take, day by day: weights 1, 0.1 for cached, 4 for output."""
    cost, whole, nobody = defaultdict(Decimal), defaultdict(Decimal), defaultdict(Decimal)
    for row in lines_of(f"bills/gcp/focus-{month}.csv"):
        if "/instances/a3-serve-" in row["ResourceId"]:
            cost[row["ChargePeriodStart"][:10]] += Decimal(row["EffectiveCost"])
    for row in lines_of(f"usage/tokens/tokens-{month}.csv"):
        if row["deployment"] == "atlas-8b-a3-usc1":
            weights = {"input_uncached": Decimal(1), "input_cache_read": Decimal("0.1"), "output": Decimal(4)}
            weight = sum(int(row[each]) * times for each, times in weights.items())
            whole[row["start"][:10]] += weight
            nobody[row["start"][:10]] += 0 if row["team"] else weight
    return sum(cost[day] * nobody[day] / whole[day] for day in cost)


@pytest.mark.parametrize("month", MONTHS)
def test_what_is_unallocated_is_what_the_readme_says_nobody_owns(month, ask):
    found = dict(
        ask(
            "SELECT COALESCE(pool, provider), sum(EffectiveCost) FROM postings "
            "WHERE strftime(billing_period, '%Y-%m') = $month AND kind = 'unallocated' AND COALESCE(pool, '') <> 'api' GROUP BY 1",
            month,
        )
    )
    assert abs(found.pop("h100-gcp") - ownerless(month)) < ROUNDING
    # a node missing for 1 h, 15 min: 16 chips of 35.7608 / 16 an hour, paid, state unknown
    assert found.pop("trn2") == {"2026-09": Decimal("35.7608"), "2026-10": Decimal("8.9402")}[month]
    assert found == untagged(month)


@pytest.mark.parametrize("month", MONTHS)
def test_bought_tokens_that_no_gateway_saw_are_unallocated(month, ask):
    gap = KNOWN[month]["bought_tokens"]["claude-sonnet-4-6"]
    # Bedrock: 0.003 and 0.015 USD per 1,000 tokens; 22 weekdays of 2.4 and 0.7 million: 389.4 USD a month
    cost = gap["input_uncached"]["gap"] * Decimal("0.000003") + gap["output"]["gap"] * Decimal("0.000015")
    assert cost == Decimal("389.4")
    found = ask(
        "SELECT sum(EffectiveCost) FROM postings WHERE strftime(billing_period, '%Y-%m') = $month AND kind = 'unallocated' AND pool = 'api'",
        month,
    )
    assert abs((found[0][0] or 0) - cost) < ROUNDING


def commands(readme):
    """Return the command lines of the fenced sh and console blocks of a page, without prompt and comment."""
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", readme.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


PAGES = sorted(EXAMPLES.rglob("README.md"))
RUN_ELSEWHERE = [
    EXAMPLES / name / "README.md"
    for name in (
        *("owned-chips", "capacity-block", "idle-policies", "provisioned", "embeddings", "internal-rates"),
        *("quickstart", "reorganisation", "deepseek-day"),
    )
]  # test_owned, test_prepaid, test_worked, test_docs, test_rules, test_unit_prices: they read the numbers


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page in RUN_ELSEWHERE else ()) for page in PAGES],
    ids=lambda page: str(page.relative_to(EXAMPLES)),
)
def test_the_commands_of_an_example_work(page, tmp_path, command, monkeypatch):
    folder = tmp_path / "example"
    shutil.copytree(page.parent, folder, ignore=shutil.ignore_patterns("*.duckdb*", "__pycache__"))
    monkeypatch.chdir(folder)
    for program, *words in commands(page):
        assert program == "costctl"
        said = command(*words)
        assert said.code == 0, f"costctl {shlex.join(words)}\n{said.err}"


def test_the_quickstart_page_has_commands_and_every_example_has_a_page():
    assert len(commands(QUICKSTART / "README.md")) >= 3
    folders = {path for path in EXAMPLES.iterdir() if path.is_dir()}
    assert folders == {page.parent for page in PAGES} - {EXAMPLES}
    index = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"]({folder.name}/README.md)" in index for folder in folders)
