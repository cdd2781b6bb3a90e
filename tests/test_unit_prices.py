"""What a million tokens of a class cost on chips of a pool: by the pool's weights, adding up to what its serving costs."""

import csv
import io
import shutil
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from conftest import few_rows, without_postings

DAY = Path(__file__).parents[1] / "examples" / "deepseek-day"
COST = Decimal(87072)  # 226.75 nodes x 8 chips x 24 hours x 2 USD
CALIBRATED = "method: phase.calibrated, tokens_per_second: {{prefill: '{}', decode: '14800'}}, cache_read: '{}'"
METHODS = {  # weights → USD per million tokens of input not in the cache, read from it, and output; as published analyses of the day have it
    "flat": ("output: '1', cache_read: '1'", ("0.1122", "0.1122", "0.1122")),
    "an output token is two": ("output: '2', cache_read: '1'", ("0.0922", "0.0922", "0.1845")),
    "two and a half": ("output: '2.5', cache_read: '1'", ("0.0847", "0.0847", "0.2118")),
    "four": ("output: '4', cache_read: '1'", ("0.0680", "0.0680", "0.2721")),
    "four, a read a tenth": ("output: '4', cache_read: '0.1'", ("0.0896", "0.0090", "0.3582")),
    "measured": (CALIBRATED.format(73700, 1), ("0.0603", "0.0603", "0.3001")),
    "measured, reads free": (
        CALIBRATED.format("32243.75", 0),
        ("0.1378", "0.0000", "0.3001"),
    ),  # 73,700 x 266 / 608 computed a second
}


@pytest.fixture(scope="module")
def taken(places):
    """The day with its ledger, of which nothing is posted yet: every method posts it anew."""
    place = places()
    shutil.copytree(DAY, place.home, dirs_exist_ok=True)
    with without_postings():
        assert place.costctl("ingest").returncode == 0
    return place


@pytest.fixture
def day(taken, tmp_path, monkeypatch):
    shutil.copytree(taken.home, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prices(command):
    said = command("report", "unit-prices", "--period", "2025-02", "--format", "csv")
    assert said.code == 0, said.err
    return {row["token_class"]: row for row in csv.DictReader(io.StringIO(said.out, newline=""))}


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "wanted"), few_rows(METHODS.values(), 1), ids=METHODS)
def test_a_published_day_costs_what_is_published_by_every_method(weights, wanted, day, command):
    lines = (day / "costctl.yaml").read_text("utf-8").splitlines()
    changed = [f"    weights: {{{weights}}}" if line.strip().startswith("weights:") else line for line in lines]
    (day / "costctl.yaml").write_text("\n".join(changed) + "\n", "utf-8")
    rows = prices(command)
    found = [Decimal(rows[name]["cost_per_mtok"]) for name in ("input", "cache_read", "output")]
    assert [price.quantize(Decimal("0.0001"), ROUND_HALF_UP) for price in found] == [Decimal(price) for price in wanted]
    assert abs(sum(Decimal(row["cost"]) for row in rows.values()) - COST) < Decimal("0.00001")


def test_the_shipped_configuration_is_the_measured_one(day, command):
    assert command("ingest").code == 0
    assert {row["method"] for row in prices(command).values()} == {"phase.calibrated"}
    assert prices(command)["output"]["weight"] == "4.97973"


WRONG = {
    "method: phase.calibrated": "goes with `tokens_per_second",
    "tokens_per_second: {prefill: '1', decode: '1'}": "goes with `tokens_per_second",
    "method: phase.calibrated, tokens_per_second: {prefill: '9', decode: '1'}, output: '4'": "leave one of the two out",
    "method: phase.calibrated, tokens_per_second: {prefill: '9000', decode: '1'}": "would weigh 1000 input tokens or more",
    "method: phase.calibrated, tokens_per_second: {prefill: '9', decode: '0'}": "greater than 0",
}


@pytest.mark.parametrize(("weights", "what"), WRONG.items(), ids=WRONG)
def test_weights_that_cannot_be_are_refused(weights, what, day, command):
    text = (day / "costctl.yaml").read_text("utf-8").splitlines()
    changed = [f"    weights: {{{weights}}}" if line.strip().startswith("weights:") else line for line in text]
    (day / "costctl.yaml").write_text("\n".join(changed) + "\n", "utf-8")
    said = command("ingest")
    assert said.code == 2
    assert what in said.err
