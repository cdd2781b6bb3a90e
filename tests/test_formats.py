"""Every bill format and token source, by its folder: `sample*` is recognised, loads, and gives what `expected*` says.

A new format needs no line here: its folder brings sample.csv (or .jsonl, .parquet) and expected.csv, and more pairs named
alike (sample-net.csv, expected-net.csv). `pytest --update-golden tests/test_formats.py` writes what is expected; read it.
"""

import csv
import functools
import gzip
import io
import json
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from conftest import few

from costctl import formats, pipeline
from costctl.errors import InputRefused
from costctl.ledger import gates, own, store
from costctl.ledger import records as ledger_records

pytestmark = pytest.mark.usefixtures("unposted")

PACKAGE = Path(__file__).parents[1] / "costctl"
FOLDERS = sorted(path.parent for kind in ("bill", "usage") for path in PACKAGE.glob(f"*/*/{kind}.yaml"))
FIRST = {
    min(folder.glob("sample*"), key=lambda path: (len(path.name), path)) for folder in FOLDERS
}  # and the most usual
SAMPLES = sorted(
    (path for folder in FOLDERS for path in folder.glob("sample*")), key=lambda path: (path not in FIRST, path)
)
CUR, FOCUS = PACKAGE / "bills" / "aws_cur", PACKAGE / "bills" / "focus"
TABLES = {  # what a format fills, without where it came from
    "charges": "SELECT * EXCLUDE (source, scope, delivery_id) FROM ledger.charges WHERE source = $source ORDER BY file_no, record_no, part_no",
    "accelerator_usage": "SELECT * EXCLUDE (source, delivery_id, usage_key) FROM ledger.accelerator_usage WHERE source = $source ORDER BY file_no, record_no",
    "accelerator_gauges": "SELECT * EXCLUDE (source, delivery_id) FROM ledger.accelerator_gauges WHERE source = $source ORDER BY file_no, record_no",
    "token_usage": """
        WITH counted AS (
            SELECT delivery_id, file_no, record_no, part_no, string_agg(token_class || '=' || tokens, ' ' ORDER BY token_class) AS tokens
            FROM ledger.token_quantity GROUP BY ALL
        )
        SELECT u.* EXCLUDE (source, delivery_id, part_no, usage_key), c.tokens
        FROM ledger.token_usage AS u LEFT JOIN counted AS c USING (delivery_id, file_no, record_no, part_no)
        WHERE u.source = $source ORDER BY u.file_no, u.record_no, u.ts_start""",
}
TABLES["counter_samples"] = TABLES["token_usage"]  # they are what is made of the samples


def name(path):
    return f"{path.parent.name}/{path.name}"


def records(path):
    """Return header and rows of a sample as the file spells them."""
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return list(lines[0]), [list(line.values()) for line in lines]
    if path.suffix == ".json":
        found = [paged(result) for result in results(path)]
        header = list(dict.fromkeys(title for record in found for title in record))
        return header, [[record.get(title, "") for title in header] for record in found]
    header, *rows = csv.reader(io.StringIO(path.read_text("utf-8"), newline=""))
    return header, rows


def results(path):
    """Return the results in the pages of an API, `data` and `results` in them, numbers as they are written."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    text, at, pages = path.read_text("utf-8").strip(), 0, []
    while at < len(text):
        page, at = decoder.raw_decode(text, at)
        at += len(text[at:]) - len(text[at:].lstrip())
        pages.append(page)
    return [{"data": {"results": result}} for page in pages for bucket in page["data"] for result in bucket["results"]]


def paged(record, parents=()):
    """Return a record's values under dotted names."""
    inside = {".".join((*parents, key)): value for key, value in record.items() if not isinstance(value, dict)}
    for key, value in record.items():
        if isinstance(value, dict):
            inside |= paged(value, (*parents, key))
    return inside


def as_csv(header, rows, end="\n"):
    """Write records as CSV; a value that is JSON in the sample becomes its text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    writer.writerows([header, *([as_text(value) for value in row] for row in rows)])
    return out.getvalue().encode()


def as_text(value):
    return json.dumps(value) if isinstance(value, dict | list) else value


def other_case(header):
    """Headers in capitals, but a tag's key as its owner wrote it."""
    return [title if title.lower().startswith(("resource", "cost", "tags/")) else title.upper() for title in header]


def written_as(variant, sample, folder):
    """Write the same records in a packing or a spelling that must not matter; return the file."""
    plain, end = sample.read_bytes(), ""
    if variant == "gzip":
        content, end = gzip.compress(plain), ".gz"
    elif variant == "zip":
        packed, end = io.BytesIO(), ".zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(sample.name, plain)
        content = packed.getvalue()
    elif variant == "byte order mark":
        content = b"\xef\xbb\xbf" + plain
    else:
        header, rows = records(sample)
        content = {
            "array": lambda: json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=2).encode(),
            "as CSV": lambda: as_csv(header, rows),
            "CRLF": lambda: as_csv(header, rows, "\r\n"),
            "reordered": lambda: as_csv(header[::-1], [row[::-1] for row in rows]),
            "header case": lambda: as_csv(other_case(header), rows),
            "another column": lambda: as_csv(["Surprise", *header], [["=1+1", *row] for row in rows]),
        }[variant]()
    file = folder / variant / f"{sample.name}{end}"  # the name of metrics tells when they were scraped
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    return file


SPELT = {  # how the records of a sample may be spelt otherwise
    ".jsonl": ["array", "as CSV"],
    ".csv": ["CRLF", "reordered", "header case", "another column"],
}
VARIANTS = {  # what written_as() writes of each
    sample: ["gzip", "zip", "byte order mark", *SPELT.get(sample.suffix, [])] for sample in SAMPLES
}
ALIKE = {suffix: [s for s in SAMPLES if s.suffix == suffix] for suffix in dict.fromkeys(s.suffix for s in SAMPLES)}
QUICK = {  # of each kind of file one packing, another one each, and each spelling once, of another sample; the others are slow
    (alike[number * len(alike) // len(VARIANTS[alike[0]])], variant)
    for kind, alike in enumerate(ALIKE.values())
    for number, variant in enumerate(VARIANTS[alike[0]])
    if number in {kind % 3, *range(3, 9)}
}


@pytest.fixture(scope="session")
def loaded(places):
    """Return a function: the ledger of a sample, or of a variant of it, under that name as its source."""

    @functools.cache
    def load(sample, variant="plain"):
        place = places()
        file = sample if variant == "plain" else written_as(variant, sample, place.home)
        place.ingest(file, source=variant, dataset=None if variant == "plain" else dataset_of(sample))
        return place.path

    return load


def dataset_of(sample):
    """Return which dataset of its format a sample is, by its name; the variants of it have other names."""
    datasets = dict(pipeline.known()[sample.parent.name].datasets)
    return next((dataset for dataset in datasets if dataset in sample.stem), None)


def stored(ledger, target, source):
    """Return columns and rows of what a source has in the ledger."""
    with duckdb.connect(ledger, read_only=True) as connection:
        found = connection.execute(TABLES[target], {"source": source})
        return [column[0] for column in found.description], found.fetchall()


def written(value):
    """A value in full: decimals without trailing zeros, empty for NULL."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return "" if value is None else str(value)


def as_expected(ledger, target, source):
    """Return what a source has in the ledger as `expected.csv` writes it: without the columns that nothing fills."""
    columns, rows = stored(ledger, target, source)
    filled = [number for number in range(len(columns)) if any(row[number] is not None for row in rows)]
    filled.sort(key=lambda number: columns[number] if columns[number].startswith("tag_") else "")
    return as_csv([columns[n] for n in filled], [[written(row[n]) for n in filled] for row in rows]).decode()


def target_of(sample):
    return pipeline.known()[sample.parent.name].target


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_format_is_a_folder_without_python_with_samples_and_what_is_expected_of_them(folder):
    samples = {path.stem.removeprefix("sample") for path in folder.glob("sample*")}
    assert samples
    assert samples == {path.stem.removeprefix("expected") for path in folder.glob("expected*")}
    assert [path.name for path in folder.rglob("*.py")] == []


@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_exactly_one_format_recognises_a_sample(sample):
    file = formats.inspect(sample, candidates=formats.delimiters(pipeline.known()))
    assert formats.identify(file, pipeline.known()).name == sample.parent.name
    recognising = []
    for format_name, item in pipeline.known().items():
        try:
            recognising.append(formats.identify(file, {format_name: item}))
        except InputRefused:
            continue
    refined = {item.refines for item in recognising}  # the most refined one wins
    assert [item.name for item in recognising if item.name not in refined] == [sample.parent.name]


@pytest.mark.parametrize("sample", few(SAMPLES, len(FIRST)), ids=name)
def test_a_sample_gives_what_is_expected_of_it(sample, loaded, golden):
    text = as_expected(loaded(sample), target_of(sample), "plain")
    golden(sample.parent / (sample.stem.replace("sample", "expected") + ".csv"), text)


@pytest.mark.parametrize(
    ("sample", "variant"),
    [
        pytest.param(
            sample,
            variant,
            id=f"{name(sample)}-{variant}",
            marks=() if (sample, variant) in QUICK else pytest.mark.slow,
        )
        for sample in SAMPLES
        for variant in VARIANTS[sample]
    ],
)
def test_packing_and_spelling_do_not_matter(sample, variant, loaded):
    target = target_of(sample)
    assert stored(loaded(sample, variant), target, variant) == stored(loaded(sample), target, "plain")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_fast_reader_reads_lines_of_either_end(end, tmp_path):
    """Said to be strict beside CRLF, DuckDB reads no row: such files went the slow way, unseen."""
    file = tmp_path / "bill.csv"
    file.write_bytes(as_csv(["a", "b"], [["1", 'x "y"'], ["2", "in\r\ntwo"]], end))
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM {ledger_records.read_csv(file, 2, end)}").fetchall()
    assert found == [("1", 'x "y"'), ("2", "in\r\ntwo")]
    file.write_bytes(as_csv(["a", "b"], [["1", "2"], ["1"]], end))
    with duckdb.connect() as connection, pytest.raises(duckdb.Error):
        connection.execute(f"SELECT * FROM {ledger_records.read_csv(file, 2, end)}").fetchall()


def exact_sum(sample, header, *, words=("", "NULL", "null", "None")):
    """Sum a column of a file without costctl: the texts as Decimal, words for nothing left out."""
    titles, rows = records(sample)
    position = [formats.fold(title) for title in titles].index(formats.fold(header))
    return sum((Decimal(row[position]) for row in rows if row[position] not in words), Decimal(0))


def credited(sample):
    """Sum the credits that stand in a list of their own, beside the cost: Google's, as JSON or as Python writes it."""
    titles, rows = records(sample)
    folded = {
        header
        for column in pipeline.known()[sample.parent.name].columns
        if column.type == "credits"
        for header in column.headers
    }
    texts = [row[number] for number, title in enumerate(titles) if formats.fold(title) in folded for row in rows]
    amounts = [amount for text in texts for amount in re.findall(r"""['"]amount['"]: (-?[0-9.e+-]+)""", text)]
    return sum(map(Decimal, amounts), Decimal(0))


def total(ledger, column):
    columns, rows = stored(ledger, "charges", "plain")
    return sum((row[columns.index(column)] or Decimal(0) for row in rows), Decimal(0))


BILLED = [
    s for s in SAMPLES if s.parents[1].name == "bills" and s.parent.name not in own.ENTRIES
]  # entries only move cost


@pytest.mark.parametrize("sample", few(BILLED, len(FIRST.intersection(BILLED))), ids=name)
def test_billed_cost_is_the_exact_sum_of_a_money_column_of_the_file(sample, loaded):
    there = {formats.fold(title) for title in records(sample)[0]}
    columns = pipeline.known()[sample.parent.name].columns
    money = {header for column in columns if column.type in ("money", "cents") for header in column.headers} & there
    places = -2 if any(column.type == "cents" for column in columns) else 0
    cost = "EffectiveCost" if dataset_of(sample) == "amortised" else "BilledCost"  # amortised cost is nobody's invoice
    sums = {exact_sum(sample, header) + credited(sample) for header in money}
    assert total(loaded(sample), cost) in {amount.scaleb(places) for amount in sums}


@pytest.mark.parametrize("cost", ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"])
@pytest.mark.parametrize("sample", few([s for s in SAMPLES if s.parent == FOCUS]), ids=name)
def test_focus_keeps_each_of_its_four_costs(sample, cost, loaded):
    assert total(loaded(sample), cost) == exact_sum(sample, cost)


EXACTLY = {"Cost": "DECIMAL(38,18)", "UnitPrice": "DECIMAL(38,18)", "Quantity": "DECIMAL(38,18)"}


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f.parent.name == "bills"], ids=lambda folder: folder.name)
def test_no_branch_of_a_select_cuts_the_decimals_of_its_amounts(folder):
    """A CASE of DECIMAL(38,18) and of one with fewer decimals has the fewer: every amount would be rounded, and nothing say so."""
    item = pipeline.known()[folder.name]
    named = [f'CAST(NULL AS VARCHAR) AS "{column.name}"' for column in item.columns]
    extra = ["1 AS file_no", "CAST(1 AS BIGINT) AS record_no", "['x'] AS present", "CAST(NULL AS VARCHAR) AS dataset"]
    extra += ["CAST(NULL AS VARCHAR) AS stored", "'x' AS file_name"]
    tags = [] if any(column.name == "Tags" for column in item.columns) else ['CAST(NULL AS VARCHAR) AS "Tags"']
    with store.in_memory() as ledger:
        gates.bind(ledger, item, raising=False)
        select = item.sql.strip().rstrip(";")
        described = ledger.run(
            f"DESCRIBE WITH records AS (SELECT {', '.join(named + extra + tags)}) SELECT * FROM ({select})"
        ).rows
    found = {row[0]: row[1] for row in described}
    wanted = {name: kind for name in found for end, kind in EXACTLY.items() if name.endswith(end)}
    assert {name: found[name] for name in wanted} == wanted


def amortised(row):
    """What a CUR line costs when commitments are spread over what they cover, by AWS's description of the columns; None is unknown."""
    net = "lineitemnetunblendedcost" in row

    def money(header):
        text = row.get(formats.fold(header))
        return Decimal(text) if text else None

    def added(*headers):
        found = [money(header) for header in headers]
        return None if None in found else sum(found, Decimal(0))

    kind = row["lineitemlineitemtype"]
    used = {
        "SavingsPlanCoveredUsage": ("savingsPlan/SavingsPlanEffectiveCost", "savingsPlan/NetSavingsPlanEffectiveCost"),
        "DiscountedUsage": ("reservation/EffectiveCost", "reservation/NetEffectiveCost"),
    }
    if kind in used:
        return money(used[kind][net])
    if kind == "SavingsPlanRecurringFee":
        total, used = money("savingsPlan/TotalCommitmentToDate"), money("savingsPlan/UsedCommitment")
        paid = added("lineItem/NetUnblendedCost", "savingsPlan/NetAmortizedUpfrontCommitmentForBillingPeriod")
        if total is None or used is None:
            return None
        return total - used if not net else (None if paid is None else paid * (total - used) / total)
    if kind == "RIFee":
        twin = "reservation/Net" if net else "reservation/"
        return added(f"{twin}UnusedAmortizedUpfrontFeeForBillingPeriod", f"{twin}UnusedRecurringFee")
    paid_ahead = kind == "Fee" and row["reservationreservationarn"]
    given_back = kind == "Refund" and row["lineitemproductcode"].endswith("SavingsPlans")
    if kind.startswith("SavingsPlan") or paid_ahead or given_back:
        return Decimal(0)
    return (money("lineItem/NetUnblendedCost") or Decimal(0)) if net else money("lineItem/UnblendedCost")


@pytest.mark.parametrize("sample", sorted(CUR.glob("sample*")), ids=name)
def test_a_cur_spreads_commitments_over_what_they_cover(sample, loaded):
    titles, rows = records(sample)
    folded = [formats.fold(title) for title in titles]
    wanted = [amortised(dict(zip(folded, row, strict=True))) for row in rows]
    assert total(loaded(sample), "EffectiveCost") == sum((cost for cost in wanted if cost is not None), Decimal(0))
    columns, stored_rows = stored(loaded(sample), "charges", "plain")
    unknown = [row for row in stored_rows if row[columns.index("EffectiveCost")] is None]
    assert len(unknown) == wanted.count(None)


def test_the_tags_of_athena_headers_reach_their_columns(loaded):
    columns, rows = stored(loaded(CUR / "sample-athena.csv"), "charges", "plain")
    found = [{name: value for name, value in zip(columns, row, strict=True) if value} for row in rows]
    assert found[0]["tag_team"] == "search"
    assert found[0]["tag_model"] == "atlas-70b"
    assert json.loads(found[0]["Tags"]) == {
        "user:team": "search",
        "user:model": "atlas-70b",
        "aws:created_by": "AssumedRole:x",
        "cost_category/cost_centre": "R&D",
    }


MONEY = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"]
TIMES = ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"]
PARQUET = {  # how exporters type the columns of the FOCUS sample; what is not named stays text
    "text": {},
    "decimals": dict.fromkeys([*MONEY, "PricingQuantity"], "DECIMAL(38,18)") | dict.fromkeys(TIMES, "TIMESTAMP"),
    "doubles": dict.fromkeys([*MONEY, "ListUnitPrice"], "DOUBLE") | dict.fromkeys(TIMES, "TIMESTAMP_MS"),
    "zones": dict.fromkeys(TIMES, "TIMESTAMPTZ") | {"Tags": "MAP(VARCHAR, VARCHAR)"},
}


@pytest.mark.slow
def test_the_focus_sample_as_parquet_gives_the_same_charges(place, loaded):
    sample = FOCUS / "sample.csv"
    titles = records(sample)[0]
    for name, types in PARQUET.items():
        listed = ", ".join(typed(title, types[title]) if title in types else f'"{title}"' for title in titles)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'America/New_York'")
            connection.execute(
                f"COPY (SELECT {listed} FROM read_csv('{sample}', all_varchar = true, header = true)) TO '{place.home}/{name}.parquet' (FORMAT parquet)"
            )
    place.take({name: f"{name}.parquet" for name in PARQUET})
    for name in PARQUET:
        assert stored(place.path, "charges", name) == stored(loaded(sample), "charges", "plain"), name


def test_the_focus_sample_as_json_gives_the_same_charges(places, loaded):
    sample, place = FOCUS / "sample.csv", places()
    header, rows = records(sample)
    listed = [{title: value or None for title, value in zip(header, row, strict=True)} for row in rows]
    for row in listed:
        row["Tags"] = row["Tags"] and json.loads(row["Tags"])
    place.write("focus.json", json.dumps(listed))
    place.ingest("focus.json", source="plain")
    assert stored(place.path, "charges", "plain") == stored(loaded(sample), "charges", "plain")


def typed(title, kind):
    """Return the SQL of a text column as a type; JSON becomes a map by way of JSON."""
    value = f'CAST("{title}" AS JSON)' if kind.startswith("MAP") else f'"{title}"'
    return f'CAST({value} AS {kind}) AS "{title}"'


EXACT = {  # how amounts are written, and what they are
    "0.123456789012345678": "0.123456789012345678",
    "-0.1234567890123456780": "-0.123456789012345678",
    "12345678901234567890": "12345678901234567890",
    " +1.50 ": "1.5",
    ".5": "0.5",
    "7.": "7",
    "5.2E-9": "0.0000000052",
    "1.5e+3": "1500",
    "1e-18": "0.000000000000000001",
    "0E-20": "0",
}
REFUSED = [
    "0.1234567890123456789",
    "1e-19",
    "123456789012345678901",
    "1e20",
    "1,5",
    "1_000",
    "NaN",
    "inf",
    "0x10",
    "$5",
    "--1",
]


def test_amounts_are_stored_to_the_last_digit(place):
    place.bill("bill.csv", [{"cost": text} for text in EXACT])
    place.ingest("bill.csv")
    found = place.ask("SELECT BilledCost FROM ledger.charges ORDER BY record_no")
    assert [row[0] for row in found] == [Decimal(value) for value in EXACT.values()]


def test_an_amount_that_cannot_be_kept_whole_is_refused_and_not_rounded(place):
    files = {text: f"{number}.csv" for number, text in enumerate(REFUSED[:4])}
    for text, name in files.items():
        place.bill(name, [{"cost": "1"}, {"cost": text}])
    said = place.refused(files)
    assert {
        text: said[text] for text in files if f"{files[text]}:3: 1 record cannot be taken in" not in said[text]
    } == {}
    assert place.ask("SELECT * FROM ledger.charges") == []


def test_whatever_is_no_plain_number_is_set_aside_by_name(place):
    place.bill("bill.csv", [{"cost": "1"}, *({"cost": text} for text in REFUSED)])
    place.ingest("bill.csv", quarantine_rows=len(REFUSED))
    asked = "SELECT DISTINCT record_no, value FROM ledger.quarantine WHERE column_name = 'BilledCost' ORDER BY 1"
    assert [value for _, value in place.ask(asked)] == REFUSED
    assert place.ask("SELECT sum(BilledCost) FROM ledger.charges") == [(Decimal(1),)]


@pytest.mark.slow
def test_a_charge_that_ends_before_it_starts_is_set_aside_and_one_of_a_moment_is_kept(place):
    bill = """
        ChargePeriodStart         ChargePeriodEnd           cost
        2026-10-03T00:00:00Z      2026-10-04T00:00:00Z      1
        2026-10-03T00:00:00Z      2026-10-03T00:00:00Z      2
        2026-10-03T01:00:00Z      2026-10-03T02:30:00+02:00  4
    """
    place.bill("bill.csv", bill)
    place.ingest("bill.csv", quarantine_rows=1)
    assert place.ask("SELECT record_no, column_name, reason FROM ledger.quarantine") == [
        (3, "ChargePeriodEnd", "is earlier than ChargePeriodStart")  # half past midnight in UTC
    ]
    assert place.ask("SELECT sum(BilledCost) FROM ledger.charges") == [(3,)]
    assert place.ask("SELECT BilledCost FROM ledger.quarantine_costs") == [(4,)]
    assert place.broken() == []


@pytest.mark.parametrize(
    "folder", [folder for folder in FOLDERS if folder.parent.name == "bills"], ids=lambda at: at.name
)
def test_where_a_bill_says_when_charges_end_it_is_not_before_they_start(folder):
    found = pipeline.known()[folder.name]
    end = re.search(r"\w+\((\w+)\) AS ChargePeriodEnd", found.sql)
    assert not end or any(column.name == end[1] and (column.not_before or column.after) for column in found.columns)
