"""Our rules for FOCUS files: what keeps to a version passes, and every rule finds the one thing that breaks it, and nothing else.

tests/focus/good.csv is one good file, a line per column and a column per row, of which each version has its part. A line of
tests/focus/broken.csv says what to change in one of its rows, and the rule that this breaks.
"""

import csv
import gzip
import io
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import few, few_rows

from costctl import focus
from costctl.errors import InputRefused
from costctl.focus import check, rules

HERE = Path(__file__).with_name("focus")
SAMPLE = Path(__file__).parent / "samples" / "focus-1.0" / "focus_sample_part.csv"
TABLE = list(csv.DictReader((HERE / "good.csv").open()))
ROWS = [name for name in TABLE[0] if name != "column"]
GOOD = {row: {line["column"]: line[row] for line in TABLE} for row in ROWS}
BROKEN = {(line["rule"], line["column"]): line for line in csv.DictReader((HERE / "broken.csv").open())}


def written(path, version, rows, newline="\n"):
    """Write rows as a file of a version."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(focus.columns(version)), extrasaction="ignore", lineterminator=newline)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(out.getvalue().encode())
    return path


def changed(line):
    """Return a good row with the one change of a line of broken.csv."""
    parts = (part.partition("=") for part in line["change"].split(" | "))
    return GOOD[line["row"]] | {name: value for name, _, value in parts}


def broken(checked):
    return [(finding.level, finding.rule, finding.column) for finding in checked.findings]


@pytest.mark.parametrize(
    ("version", "count"), few_rows([("1.4", 67), ("1.0", 43), ("1.1", 50), ("1.2", 57), ("1.3", 65)], 2)
)
def test_each_version_has_its_columns_and_a_file_that_passes(version, count, tmp_path):
    assert len(focus.columns(version)) == count
    path = written(tmp_path / "good.csv", version, GOOD.values())
    found = check.check(path)
    assert (found.version, found.rows, broken(found)) == (version, len(ROWS), [])
    assert check.check(path, version).told


@pytest.mark.parametrize("version", few(focus.VERSIONS[::-1]))
def test_each_rule_finds_the_row_that_breaks_it_and_no_rule_another(version, tmp_path):
    asked = [(rule.name, rule.column) for rule in rules.of_rows(version)]
    assert len(asked) == len(set(asked))
    assert set(asked) <= set(BROKEN)  # a rule comes with what breaks it
    path = written(tmp_path / "broken.csv", version, [changed(BROKEN[key]) for key in asked])
    found = {
        (finding.rule, finding.column): (finding.rows, finding.first) for finding in check.check(path, version).findings
    }
    assert found == {key: (1, (record,)) for record, key in enumerate(asked, start=1)}


def test_nothing_is_broken_that_no_rule_forbids():
    assert set(BROKEN) == {(rule.name, rule.column) for version in focus.VERSIONS for rule in rules.of_rows(version)}


@pytest.mark.parametrize("version", focus.VERSIONS)
def test_a_column_that_is_missing_is_named_where_it_must_be_there(version):
    header = tuple(focus.columns(version))
    assert rules.of_columns(header, version) == []
    for name, column in focus.columns(version).items():
        found = rules.of_columns(tuple(other for other in header if other != name), version)
        optional = column.level == "conditional" and column.companion is None
        assert [rule.column for rule in found] == ([] if optional else [name])
        if column.level != "conditional":
            assert found[0].level == ("must" if column.level == "mandatory" else "should")


def test_a_column_of_ones_own_is_named_x(tmp_path):
    header = (*focus.columns("1.2"), "x_Team", "Team", "AllocatedMethodId")
    assert [(rule.name, rule.column) for rule in rules.of_columns(header, "1.2")] == [
        ("custom-name", "Team"),
        ("custom-name", "AllocatedMethodId"),  # of a later version
    ]


@pytest.mark.slow
def test_a_column_without_any_value_may_not_apply(tmp_path):
    # 1.2 asks for the unit of every commitment: missing in one row it is broken, missing in all it may be unknown to the provider
    rows = [GOOD["usage"], GOOD["used"], GOOD["unused"] | {"CommitmentDiscountUnit": ""}]
    some = check.check(written(tmp_path / "some.csv", "1.2", rows))
    none = check.check(written(tmp_path / "none.csv", "1.2", [row | {"CommitmentDiscountUnit": ""} for row in rows]))
    assert broken(some) == [("must", "quantity-of-commitment", "CommitmentDiscountUnit")]
    assert broken(none) == [("should", "quantity-of-commitment", "CommitmentDiscountUnit")]
    assert none.findings[0].rows == 2


def test_a_mandatory_column_without_any_value_is_broken(tmp_path):
    path = written(tmp_path / "none.csv", "1.2", [row | {"PublisherName": ""} for row in GOOD.values()])
    assert broken(check.check(path)) == [("must", "filled", "PublisherName")]


@pytest.mark.parametrize(
    ("cost", "is_broken"), few_rows([("30.00003", False), ("30.000031", True), ("29.99997", False), ("-30", True)], 2)
)
def test_a_product_may_be_a_millionth_off(cost, is_broken, tmp_path):
    path = written(tmp_path / "one.csv", "1.2", [GOOD["usage"] | {"ListCost": cost}])
    assert (("must", "list-product", "ListCost") in broken(check.check(path))) is is_broken


@pytest.mark.slow
def test_how_a_file_is_written_makes_no_difference(tmp_path):
    rows = [*GOOD.values(), changed(BROKEN["purchase-is-spread", "EffectiveCost"])]
    plain = written(tmp_path / "plain.csv", "1.2", rows)
    windows = written(tmp_path / "windows.csv", "1.2", rows, newline="\r\n")
    packed = tmp_path / "packed.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes()))
    unended = tmp_path / "unended.csv"
    unended.write_bytes(windows.read_bytes().rstrip())
    found = {check.check(path) for path in (plain, windows, packed, unended)}
    assert [(item.rows, broken(item)) for item in found] == [(11, [("must", "purchase-is-spread", "EffectiveCost")])]


def test_parquet_has_types_of_its_own(tmp_path):
    typed = {"decimal": pa.decimal128(38, 18), "instant": pa.timestamp("us", tz="UTC")}
    columns = {}
    for name, column in focus.columns("1.2").items():
        texts = [row[name] or None for row in GOOD.values()]
        if column.type == "decimal":
            columns[name] = pa.array([text and Decimal(text) for text in texts], typed["decimal"])
        elif column.type == "instant":
            columns[name] = pa.array(texts).cast(typed["instant"])
        else:
            columns[name] = pa.array(texts, pa.string())
    pq.write_table(pa.table(columns), tmp_path / "good.parquet")
    assert broken(check.check(tmp_path / "good.parquet")) == []
    zoneless = {
        name: column.cast(pa.timestamp("us")) if pa.types.is_timestamp(column.type) else column
        for name, column in columns.items()
    }
    doubles = {
        name: column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column
        for name, column in zoneless.items()
    }
    pq.write_table(pa.table(doubles), tmp_path / "doubles.parquet")
    assert broken(check.check(tmp_path / "doubles.parquet")) == []


def test_the_name_of_a_file_is_no_pattern_and_no_sql(tmp_path):
    rows = pa.table({name: pa.array([row[name] or None for row in GOOD.values()]) for name in focus.columns("1.2")})
    for name in ("b*.parquet", "b[12].parquet", "it's.parquet", "b1.parquet", "b2.parquet"):
        pq.write_table(rows, tmp_path / name)
        assert check.check(tmp_path / name).rows == len(ROWS)


@pytest.mark.slow
def test_what_is_made_on_the_way_may_lie_elsewhere_in_a_folder_named_like_a_column(tmp_path, monkeypatch):
    """The folder for it is one that DuckDB may read anyway; the file's own is not."""
    (tmp_path / "BillingCurrency=no money").mkdir()
    monkeypatch.setattr(check.tempfile, "tempdir", str(tmp_path / "BillingCurrency=no money"))
    written(tmp_path / "good.csv", "1.2", GOOD.values())
    rows = {name: [row[name] or None for row in GOOD.values()] for name in focus.columns("1.2")}
    pq.write_table(pa.table(rows), tmp_path / "good.parquet")
    assert [broken(check.check(tmp_path / name)) for name in ("good.csv", "good.parquet")] == [[], []]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_progress_is_told_of_each_reading(kind, tmp_path):
    """A file that keeps to the rules is read once, another twice."""
    for readings, rows in enumerate([list(GOOD.values()), [GOOD["usage"] | {"BilledCost": ""}]], start=1):
        path, told = written(tmp_path / "bill.csv", "1.2", rows), []
        if kind == "parquet":
            path = tmp_path / "bill.parquet"
            columns = {name: [row[name] or None for row in rows] for name in focus.columns("1.2")}
            pq.write_table(pa.table(columns), path)
        check.check(path, progress=lambda size, _: told.append(size))  # noqa: B023
        assert sum(told) == readings * path.stat().st_size


def test_a_file_that_is_not_read_whole_does_not_pass(tmp_path):
    path = written(tmp_path / "cut.csv", "1.2", GOOD.values())
    path.write_text(path.read_text() + "one,field\n")
    with pytest.raises(InputRefused):
        check.check(path)


def test_the_official_sample_breaks_what_is_known_of_it():
    found = check.check(SAMPLE)
    assert (found.version, found.rows) == ("1.0", 600)
    rows = {(finding.rule, finding.column): finding.rows for finding in found.findings}
    assert ("custom-name", "Id") in rows
    assert rows["type", "ChargePeriodStart"] == 600  # a blank for T, and no Z
    assert rows["value", "ChargeFrequency"] == 5  # Usage-based, by Oracle
    assert rows["filled", "ContractedCost"] == 5  # Oracle again
    assert rows["list-product", "ListCost"] == 21  # quantities divided by the block size twice, by Microsoft


@pytest.mark.parametrize(
    ("change", "code"),
    [({}, 0), ({"ChargeDescription": ""}, 0), ({"BilledCost": ""}, 9)],
    ids=["nothing broken", "a should", "a must"],
)
def test_only_a_must_fails_the_command(change, code, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "bill.csv", "1.2", [GOOD["usage"] | change])
    said = command("focus", "check", "bill.csv", "--format", "csv")
    assert said.code == code
    assert said.err.startswith("FOCUS 1.2, by its columns: 1 rows; rules broken: ")
    assert said.out.splitlines()[1:2] == ([] if not change else [said.out.splitlines()[1]])
    assert all(name in said.out for name in change)


def test_a_table_fits_a_terminal(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    written(tmp_path / "bill.csv", "1.2", [changed(BROKEN["described", "ChargeDescription"])])
    said = command("focus", "check", "bill.csv", "--format", "table")
    assert "described" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
