"""`store_columns:` keeps further columns of the bills: in the charges, for rules, and read again when the setting changes."""

import csv
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from costctl import bills, pipeline
from costctl.errors import UsageError

BILL = """
    ServiceName  x_Operation   Team Name  cost
    EC2          RunInstances  a "b"      1
    S3           -             c          2
    """


@pytest.fixture
def keeping(place):
    """Return a function: write a configuration that keeps these columns, with a rule on one of them."""

    def write(columns, rule="x_operation"):
        place.write(
            "costctl.yaml",
            f"""
            version: 1
            store_columns: {columns}
            rules:
              - {{name: machines, when: {{{rule}: [RunInstances]}}, team: infra}}
            """,
        )

    return write


def test_kept_columns_reach_charges_rules_and_sql(place, keeping):
    keeping('{operation: [lineItem/Operation, X Operation], people: ["Team Name"], absent: [Nowhere]}')
    place.ingest(place.bill("focus.csv", BILL))
    asked = "SELECT BilledCost, x_operation, x_people, x_absent FROM charges ORDER BY 1"
    assert place.ask(asked) == [(1, "RunInstances", 'a "b"', None), (2, None, "c", None)]
    teams = "SELECT team, sum(EffectiveCost) FROM ledger.postings GROUP BY ALL ORDER BY ALL"
    assert place.ask(teams) == [("infra", Decimal(1)), (None, Decimal(2))]
    assert place.broken() == []


@pytest.mark.slow
def test_a_changed_setting_reads_the_same_file_again(place, keeping, capsys):
    keeping("{operation: [x_Operation]}")
    place.ingest(place.bill("focus.csv", BILL))
    before = place.fingerprint()
    assert place.ingest("focus.csv")[0].status == "nothing to do"
    keeping('{operation: ["Team Name"]}')
    said = []
    run = pipeline.Run(place.run.config, place.path, say=said.append)
    with pipeline.writing(run):
        pass
    assert said == [
        "note: x_operation: empty in what was taken in before, until it is read again: by `costctl ingest` from the files where they lie, by `costctl rebuild` from the archive"
    ]
    assert place.ask("SELECT DISTINCT x_operation FROM charges") == [(None,)]
    assert place.ingest("focus.csv")[0].status == "loaded"
    assert place.ask("SELECT x_operation FROM charges ORDER BY 1") == [('a "b"',), ("c",)]
    keeping("{}", rule="ServiceName")
    place.ingest("focus.csv")
    assert "x_operation" not in [row[0] for row in place.ask("SELECT column_name FROM (DESCRIBE charges)")]
    keeping("{operation: [x_Operation]}")
    place.ingest("focus.csv")
    assert place.fingerprint() == before


def test_a_name_that_charges_have_already_is_refused(place, keeping):
    keeping("{machine: [Instance]}")
    with pytest.raises(UsageError, match="every charge has a column x_machine already"):
        place.ingest(place.bill("focus.csv", BILL))


def test_another_column_in_a_rule_is_an_error_that_says_how_to_keep_it(place, keeping):
    keeping("{}")
    with pytest.raises(UsageError, match=r"the charges have no text column 'x_operation'") as refused:
        place.ingest(place.bill("focus.csv", BILL))
    assert "`store_columns:` (then costctl rebuild)" in refused.value.remedy


@pytest.mark.parametrize("name", sorted(bills.known()))
def test_every_bill_format_carries_what_is_stored_to_its_last_select(name):
    text = re.sub(r"--.*", "", bills.known()[name].sql)
    last = text[text.rindex("SELECT") :] if text.count("SELECT") == 1 else text
    assert re.search(r"\bstored\b", last), f"{name}/to_focus.sql: put `stored` beside file_no in the last SELECT"


@pytest.mark.slow
def test_a_derived_charge_has_the_kept_columns_of_its_record(place, keeping):
    keeping("{operation: [lineItem/Operation], id: [identity/LineItemId]}")
    sample = Path(bills.__file__).parent / "aws_cur" / "sample.csv"
    place.ingest(sample)
    with sample.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [(row["lineItem/Operation"] or None, row["identity/LineItemId"] or None) for row in rows]
    found = place.ask("SELECT record_no, part_no, x_operation, x_id FROM charges")
    assert max(part for _, part, *_ in found) > 1
    assert [(number, values) for number, _, *values in found] == [(number, [*kept[number - 1]]) for number, *_ in found]


@pytest.mark.slow
def test_columns_of_parquet_are_kept_as_text(place, keeping):
    keeping("{operation: [x_Operation], count: [Seats]}")
    with place.bill("focus.csv", BILL).open(encoding="utf-8", newline="") as file:
        rows = [row | {"Seats": number} for number, row in enumerate(csv.DictReader(file), start=7)]
    parquet.write_table(pa.Table.from_pylist(rows), place.home / "focus.parquet")
    place.ingest("focus.parquet")
    assert place.ask("SELECT x_operation, x_count FROM charges ORDER BY BilledCost") == [
        ("RunInstances", "7"),
        (None, "8"),
    ]


@pytest.mark.slow
def test_rebuild_fills_what_was_empty(place, keeping):
    keeping("{}", rule="ServiceName")
    place.ingest(place.bill("focus.csv", BILL))
    keeping("{operation: [x_Operation]}")
    said = place.costctl("rebuild")
    assert "x_operation: empty in what was taken in before" in said.stderr
    assert place.ask("SELECT x_operation FROM charges ORDER BY BilledCost") == [("RunInstances",), (None,)]
    teams = "SELECT team, sum(EffectiveCost) FROM ledger.postings GROUP BY ALL ORDER BY ALL"
    assert place.ask(teams) == [("infra", Decimal(1)), (None, Decimal(2))]
