"""Reports say the same in every format, add up to the bill on both calendars, and cannot be made to attack their reader."""

import csv
import io
import itertools
import json
import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import few

from costctl import reports

GOLDEN = Path(__file__).parent / "golden"
REPORTS = sorted(name.replace("_", "-") for name in reports.known())
SHOWN = [
    name
    for name in REPORTS
    if name
    not in (
        "revisions",
        "owned-chips",
        "prepaid",
        "provisioned",
        "reservations",
        "recovery",
        "unknown-machines",
        "unknown-models",
    )
]  # of which the example has none
COSTS = ("effective", "billed", "list", "contracted")
OCTOBER = ("--period", "2026-10")


def as_csv(command, *words):
    """Return a command's CSV as dictionaries of texts."""
    said = command(*words, "--format", "csv")
    assert said.code == 0, said.err
    return list(csv.DictReader(io.StringIO(said.out, newline="")))


def as_parquet(command, *words):
    assert command(*words, "--output", "answer.parquet").code == 0
    return pq.read_table("answer.parquet")


def as_text(value):
    """A value as CSV has it: a decimal in full without trailing zeros, nothing for None, a quote before a formula."""
    if isinstance(value, str) and re.match(r"[=+@-].", value) and not re.fullmatch(r"-?[\d.]+", value):
        return f"'{value}"
    if isinstance(value, Decimal):
        whole, _, places = f"{value:f}".partition(".")
        return f"{whole}.{places}".rstrip("0").rstrip(".")
    return (
        {None: "", True: "true", False: "false"}.get(value) if value is None or isinstance(value, bool) else str(value)
    )


def total_of(rows, column="total"):
    return sum((Decimal(row[column]) for row in rows if row[column]), Decimal(0))


def tied(command, cost, *words):
    """Return what `tieout` says all charges of a cost come to."""
    rows = as_csv(command, "tieout", *words)
    return Decimal(next(row["charges"] for row in rows if (row["source"], row["cost"]) == ("TOTAL", cost)))


@pytest.mark.parametrize("name", few(SHOWN, 2))
def test_every_format_has_the_same_rows_and_no_number_is_binary(name, quickstart, command):
    rows = as_csv(command, "report", name, *OCTOBER)
    assert rows
    table = as_parquet(command, "report", name, *OCTOBER)
    assert [{key: as_text(value) for key, value in row.items()} for row in table.to_pylist()] == rows
    records = json.loads(command("report", name, *OCTOBER, "--format", "json").out)
    assert [{key: as_text(value) for key, value in row.items()} for row in records] == rows
    lines = command("report", name, *OCTOBER, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == records
    decimals = [field.name for field in pq.read_schema("answer.parquet") if pa.types.is_decimal(field.type)]
    assert decimals
    assert not [field.name for field in pq.read_schema("answer.parquet") if pa.types.is_floating(field.type)]
    assert {type(row[column]) for row in records for column in decimals} <= {str, type(None)}
    assert not [key for row in records for key, value in row.items() if isinstance(value, float)]


@pytest.mark.parametrize("cost", few(COSTS, 2))
@pytest.mark.parametrize("period", few(["2026-09", "2026-10", "2026"]))
def test_chargeback_adds_up_to_the_tie_out_in_every_cost(period, cost, ingested_quickstart, command, monkeypatch):
    monkeypatch.chdir(ingested_quickstart)
    words = ("--period", period)
    rows = as_csv(command, "report", "chargeback", *words, "--cost", cost)
    assert total_of(rows) == tied(command, cost, *words) != 0
    parts = ("direct", "shared", "idle", "unused", "tax_fee")
    owed = [row for row in rows if row["line"] == "team"]
    assert sum(total_of(owed, part) for part in parts) == total_of(owed)


@pytest.mark.parametrize("cost", few(COSTS))
def test_both_calendars_have_the_same_total_over_a_span_that_covers_everything(
    cost, ingested_quickstart, command, monkeypatch
):
    monkeypatch.chdir(ingested_quickstart)
    days = as_csv(command, "sql", "SELECT min(day) AS first, max(day) AS last FROM posting_days")
    assert days == [{"first": "2026-09-01", "last": "2026-10-31"}]
    words = ("report", "chargeback", "--period", "2026-09-01..2026-11-01", "--cost", cost)
    billing, usage = (as_csv(command, *words, "--calendar", calendar) for calendar in ("billing", "usage"))
    assert total_of(billing) == total_of(usage) != 0
    assert {row["team"]: row["line"] for row in billing} == {row["team"]: row["line"] for row in usage}


@pytest.mark.slow
def test_weeks_of_the_usage_calendar_add_up_to_its_month(ingested_quickstart, command, monkeypatch):
    monkeypatch.chdir(ingested_quickstart)
    ends = ["2026-10-01", "2026-10-08", "2026-10-15", "2026-10-22", "2026-11-01"]
    weeks = [
        total_of(as_csv(command, "report", "chargeback", "--period", f"{start}..{end}"))
        for start, end in itertools.pairwise(ends)
    ]
    whole = total_of(as_csv(command, "report", "chargeback", *OCTOBER, "--calendar", "usage"))
    assert sum(weeks) == whole
    assert min(weeks) > 0
    refused = command("report", "chargeback", "--period", "2026-10-01..2026-10-08", "--calendar", "billing")
    assert refused.code == 2
    assert "the billing calendar knows whole months only" in refused.err


@pytest.mark.parametrize("width", few([80, 120]))
@pytest.mark.parametrize("name", ["chargeback", "tokens-per-dollar"])
def test_the_headline_tables(name, width, ingested_quickstart, command, golden, monkeypatch):
    monkeypatch.chdir(ingested_quickstart)
    monkeypatch.setenv("COLUMNS", str(width))
    said = command("report", name, *OCTOBER, "--format", "table")
    assert said.code == 0, said.err
    assert max(len(line.rstrip()) for line in said.out.splitlines()) <= width
    golden(GOLDEN / f"{name}-{width}.txt", said.out)


def test_the_headline_tables_agree_with_what_the_quickstart_was_made_from():
    """The goldens' own numbers against expected_totals.json, which was summed without costctl."""
    known = json.loads((Path(__file__).parents[1] / "examples/quickstart/expected_totals.json").read_text("utf-8"))
    month = known["months"]["2026-10"]

    def half_up(value, places):
        return f"{Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):,}"

    lines = (GOLDEN / "tokens-per-dollar-120.txt").read_text("utf-8").splitlines()
    for pool, row in {
        "maia-200": ("atlas-70b", "maia200", "azure/lease"),
        "h100-aws": ("atlas-70b", "h100", "aws/mixed"),
        "h100-azure": ("atlas-70b", "h100", "azure/on-demand"),
        "tpu-v6e": ("atlas-8b", "tpu-v6e", "gcp/mixed"),
        "h100-gcp": ("atlas-8b", "h100", "gcp/on-demand"),
        "inf2": ("embed-v2", "inf2", "aws/on-demand"),
    }.items():
        cells = next(line.split() for line in lines if line.split()[:3] == list(row))[3:]
        cost, hours = Decimal(month["pool_effective_cost"][pool]), Decimal(month["pool_chip_hours"][pool])
        tokens = sum(month["pool_tokens"][pool][row[0]]["delivered"].values())
        assert cells[:2] == [half_up(cost, 0), half_up(Decimal(tokens) / 1_000_000, 0)]
        assert cells[4:6] == [f"{tokens // cost:,}", half_up(cost * 1_000_000 / tokens, 3)]
        assert cells[-3:-1] == [half_up(hours, 0), half_up(cost / hours, 3)]
    seconds = month["trn2_chip_seconds"]  # training pays for itself, maintenance and the hole serve nobody
    serving = seconds["serving"] + seconds["startup"]
    cells = next(line.split() for line in lines if line.split()[:3] == ["atlas-70b", "trn2", "aws/on-demand"])
    loaded = serving + seconds["idle"]
    assert (cells[-3], cells[-1]) == (half_up(Decimal(loaded) / 3600, 0), str(serving * 100 // loaded))
    bill = sum(Decimal(costs["EffectiveCost"]) for costs in month["bills"].values())
    for width in (80, 120):
        lines = (GOLDEN / f"chargeback-{width}.txt").read_text("utf-8").splitlines()
        found = {line.split()[0].strip("()"): line for line in lines if line.strip()}
        assert half_up(bill, 0) in found["TOTAL"]
        assert half_up(sum(Decimal(costs["tax"]) for costs in month["bills"].values()), 0) in found["recoverable"]
        assert half_up(month["bills"]["aws"]["credit"], 0) in found["credits"]
        unused = sum(Decimal(costs["unused_commitment"]) for costs in month["bills"].values())
        assert width == 80 or half_up(unused, 0) in found["TOTAL"].split()


def test_markdown_is_one_table_with_a_total(ingested_quickstart, command, golden, monkeypatch):
    monkeypatch.chdir(ingested_quickstart)
    text = command("report", "chargeback", *OCTOBER, "--format", "md").out
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {table[0].count("|")}
    assert re.fullmatch(r"\|( -{3}:? \|)+", table[1])
    assert any(line.startswith("| TOTAL |") for line in table)
    golden(GOLDEN / "chargeback.md", text)


def test_an_unknown_report_or_format_or_cost_is_a_usage_error_that_lists_the_known_ones(
    ingested_quickstart, command, monkeypatch
):
    monkeypatch.chdir(ingested_quickstart)
    said = command("report", "chargebak")
    assert (said.code, said.out) == (2, "")
    assert "there is no report 'chargebak'" in said.err
    assert all(name in said.err for name in REPORTS)
    assert command("report", "chargeback", "--format", "xls").code == 2
    assert command("report", "chargeback", "--cost", "net").code == 2
    assert command("report", "chargeback", "--format", "parquet").code == 2  # no file to write to
    listed = command("report")
    assert listed.code == 0
    assert [line.split()[0] for line in listed.out.splitlines()] == REPORTS


ARMED = ["=cmd()", "+1", "-1+2", "@SUM(A1)"]


def test_a_team_that_is_a_formula_stays_text_in_a_spreadsheet(place, command, monkeypatch):
    place.bill("bill.csv", [{"team": team, "cost": "-2"} for team in ARMED])
    place.ingest("bill.csv")
    monkeypatch.chdir(place.home)
    rows = as_csv(command, "report", "chargeback")
    assert sorted(row["team"] for row in rows) == sorted(f"'{team}" for team in ARMED)
    assert {row["total"] for row in rows} == {"-2"}  # a number may begin with a sign
    records = json.loads(command("report", "chargeback", "--format", "json").out)
    assert sorted(record["team"] for record in records) == sorted(ARMED)


STEERING = {  # a tag, and what a terminal is shown instead
    "\x1b[31mred": r"\x1b[31mred",
    "bell\x07": r"bell\x07",
    "new\nline": r"new\x0aline",
    "back\u202ewards": r"back\x202ewards",
    "[bold]markup[/bold]": "[bold]markup[/bold]",
}


@pytest.mark.slow
def test_a_tag_cannot_steer_a_terminal(place, command, monkeypatch):
    place.bill("bill.csv", [{"team": tag, "cost": "7"} for tag in STEERING])
    place.ingest("bill.csv")
    monkeypatch.chdir(place.home)
    monkeypatch.setenv("COLUMNS", "120")
    for words in (["report", "chargeback"], ["sql", "SELECT tag_team FROM charges"]):
        out = command(*words, "--format", "table").out
        assert [shown for shown in STEERING.values() if shown not in out] == []
        assert all(char.isprintable() or char == "\n" for char in out)


@pytest.mark.slow
def test_a_tag_cannot_break_out_of_a_markdown_cell(place, command, monkeypatch):
    place.bill("bill.csv", [{"team": tag, "cost": "7"} for tag in ("a|b", "c\nd", "\x1b[31mred")])
    place.ingest("bill.csv")
    monkeypatch.chdir(place.home)
    out = command("report", "chargeback", "--format", "md").out
    assert all(char.isprintable() or char == "\n" for char in out)
    cells = [re.split(r"(?<!\\)\|", line) for line in out.splitlines() if line.startswith("|")]
    assert {len(row) for row in cells} == {len(cells[0])}


def test_tokens_per_joule_are_at_the_power_that_is_known(ingested_quickstart, command, monkeypatch):
    """All paid hours at all-in watts where somebody says them, else at the package's; a joule is a watt for a second."""
    monkeypatch.chdir(ingested_quickstart)
    rows = as_csv(command, "report", "tokens-per-dollar", *OCTOBER)
    found = {(row["chip"], row["source"]): row for row in rows if row["model"] == "atlas-70b"}
    for chip, source, watts, basis in (
        ("h100", "azure/on-demand", 1370, "all_in"),
        ("maia200", "azure/lease", 750, "chip"),
    ):
        row = found[chip, source]
        joules = Decimal(row["chip_hours"]) * watts * 3600
        assert row["power_basis"] == basis
        assert Decimal(row["tokens_per_joule"]) == (Decimal(row["delivered_tokens"]) / joules).quantize(
            Decimal("0.000001"), ROUND_DOWN
        )
    bought = next(row for row in rows if row["chip"] == "-")
    assert (bought["tokens_per_joule"], bought["power_basis"]) == ("", "")


@pytest.mark.slow
def test_a_lone_dash_is_no_formula(ingested_quickstart, command, monkeypatch):
    monkeypatch.chdir(ingested_quickstart)
    rows = as_csv(command, "report", "tokens-per-dollar", *OCTOBER)
    assert {row["chip"] for row in rows if row["source"].endswith("/api")} == {"-"}


@pytest.mark.slow
def test_a_bill_of_less_than_half_a_millionth_has_a_report(place):
    """Of nothing in whole millionths no percentage is known."""
    place.bill("bill.csv", [{"cost": "0.0000001", "team": "search"}])
    place.ingest("bill.csv")
    said = place.costctl("report", "chargeback", "--period", "2026-10", "--format", "table")
    assert (said.returncode, "USD: - of cost has a team" in said.stdout) == (0, True)
