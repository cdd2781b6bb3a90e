"""Column maps: a bill that only its owner knows is read by what costctl.yaml says of it, exactly, and what does not fit is set aside."""

import csv
import itertools
import shutil
from decimal import Decimal
from importlib import resources
from pathlib import Path

import duckdb
import pytest
from conftest import few

from costctl import config, documents, formats, pipeline
from costctl.columnmaps import spellings
from costctl.config import bills
from costctl.errors import InputRefused, UsageError
from costctl.ledger import store

pytestmark = pytest.mark.usefixtures("unposted", "begun")

EXAMPLE = Path(__file__).parents[1] / "examples" / "column-maps"
MAP = """
    version: 1
    formats:
      mill:
        columns: {BilledCost: Amount (USD), ChargePeriodStart: Day, ServiceName: Product}
        constants: {BillingCurrency: USD}
    """


def mapped(place, more="", text=MAP):
    """Write a configuration with the map `mill`, and lines added to it."""
    lines = "".join(f"        {line}\n" for line in more.splitlines())
    place.write(
        "costctl.yaml", text.rstrip().replace("\n    ", "\n").lstrip("\n") + "\n" + lines.replace("        ", "    ")
    )


def taken(place, text, columns="BilledCost", **options):
    """Ingest one statement; return what its charges hold."""
    place.ingest(place.write("mill.csv", text), **options)
    return place.ask(f"SELECT {columns} FROM ledger.charges ORDER BY record_no")


@pytest.fixture(scope="module")
def spelt():
    """Return a function: what an SQL over {x} makes of a text."""
    connection = duckdb.connect()
    for statement in store.statements((resources.files("costctl.ledger") / "gates.sql").read_text(encoding="utf-8")):
        connection.execute(statement)
    return lambda sql, text: connection.execute(
        f"SELECT {sql.replace('{x}', 'x')} FROM (SELECT $1 AS x)", [text]
    ).fetchone()[0]


def text_of(value):
    return "" if value is None else f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, Decimal) else str(value)


def test_the_two_bills_of_the_example_give_what_is_expected(place, golden):
    shutil.copytree(EXAMPLE, place.home, dirs_exist_ok=True)
    run = pipeline.Run(config.load(place.home / "costctl.yaml"), place.path)
    pipeline.take_in(run, pipeline.wanted(run, [], None, None))
    columns = (
        "source, record_no, BillingPeriodStart, BillingPeriodEnd, ChargePeriodStart, ChargePeriodEnd, ChargeCategory, ProviderName, "
        "BilledCost, EffectiveCost, ListCost, ContractedCost, BillingCurrency, ServiceName, ConsumedQuantity, ConsumedUnit, "
        "x_machine, x_model_raw, x_token_class, Tags"
    )
    rows = place.ask(f"SELECT {columns} FROM ledger.charges ORDER BY source, record_no")
    written = "\n".join("|".join(map(text_of, row)) for row in [columns.split(", "), *rows]) + "\n"
    golden(Path(__file__).parent / "golden" / "column-maps.txt", written)
    billed = dict(place.ask("SELECT source, sum(BilledCost) FROM ledger.charges GROUP BY 1"))
    assert billed == {
        "nordgpu": Decimal("13689.60")
        + Decimal("883.20")
        + Decimal("0.123456789")
        - Decimal("55.20")
        + Decimal("2758.37"),
        "tokenmill": Decimal(180) + Decimal("22.5") + Decimal(54) + Decimal("0.0015") + Decimal("0.0006") - 25,
    }
    left_out = (
        "SELECT source, rule, records FROM ledger.exclusions JOIN ledger.deliveries USING (delivery_id) ORDER BY ALL"
    )
    assert place.ask(left_out) == [
        ("nordgpu", "Leistung is Summe or Zwischensumme", 2),
        ("tokenmill", "Product is Total", 1),
    ]


def test_what_is_not_mapped_follows_or_is_unknown(place):
    mapped(place)
    found = taken(
        place,
        "Day,Product,Amount (USD)\n2026-02-28,Tokens,1.5\n",
        "BilledCost, EffectiveCost, ListCost, ContractedCost, CAST(BillingPeriodStart AS VARCHAR), CAST(BillingPeriodEnd AS VARCHAR), "
        "CAST(ChargePeriodEnd AS VARCHAR), ChargeCategory, ProviderName",
    )
    months = ("2026-02-01 00:00:00", "2026-03-01 00:00:00", "2026-03-01 00:00:00")
    assert found == [(Decimal("1.5"), Decimal("1.5"), None, None, *months, "Usage", "mill")]


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("D.M.YYYY", "1.2.2026", "2026-02-01"),
        ("DD.MM.YYYY", "01.02.2026", "2026-02-01"),
        ("M/D/YYYY", "1/2/2026", "2026-01-02"),
        ("M/D/YY", "4/1/25", "2025-04-01"),
        ("YYYY/MM/DD", "2026/02/01", "2026-02-01"),
        ("MMMM D, YYYY", "February 1, 2026", "2026-02-01"),
        ("DD-MMM-YYYY", "01-Feb-2026", "2026-02-01"),
        ("YYYYMMDD", "20260201", "2026-02-01"),
        ("YYYY-MM", "2026-02", "2026-02-01"),
        ("YYYY-MM-DD HH:mm:ss", "2026-02-01 23:59:59", "2026-02-01 23:59:59"),
    ],
)
def test_dates_are_read_as_declared(pattern, text, found, spelt):
    day, _, time = found.partition(" ")
    assert spelt(spellings.instant(pattern), text) == f"{day}T{time or '00:00:00'}.000000Z"
    assert spelt(spellings.instant(pattern, month=True), text) == f"{day[:7]}-01T00:00:00.000000Z"
    assert spelt(spellings.instant(pattern, strict=False), text) == spelt(spellings.instant(pattern), text)
    assert spellings.has_day(pattern) == (pattern != "YYYY-MM")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("D.M.YYYY", "31.2.2026"),
        ("D.M.YYYY", "2.31.2026"),
        ("D.M.YYYY", "1/2/2026"),
        ("D.M.YYYY", "1.2.26"),
        ("DD.MM.YYYY", "1.2.2026"),
        ("M/D/YYYY", "13/2/2026"),
        ("M/D/YYYY", "2/13/2026 x"),
        ("M/D/YYYY", "soon"),
    ],
)
def test_another_date_is_never_guessed_at(pattern, text, spelt):
    assert spelt(spellings.instant(pattern), text) == f"!{text}"
    assert spelt(spellings.instant(pattern, strict=False), text) is None


EURO = bills.Money(decimal=",", grouping=".", symbol="€")
DOLLAR = bills.Money(grouping=",", symbol="$", brackets="negative")


@pytest.mark.parametrize(
    ("money", "text", "found"),
    [
        (EURO, "1.234,56", "1234.56"),
        (EURO, "€ 1.234.567,000000000000000001", "1234567.000000000000000001"),
        (EURO, "-12,5 €", "-12.5"),
        (EURO, "€-0,01", "-0.01"),
        (EURO, "1234", "1234"),
        (DOLLAR, "$50,000.00 ", "50000"),
        (DOLLAR, "0.00 ", "0"),
        (DOLLAR, "($1,234.50)", "-1234.5"),
        (DOLLAR, "-$3.00", "-3"),
        (DOLLAR, "2.3E-9", "0.0000000023"),
        (bills.Money(decimal=",", grouping="blank"), "1\u00a0234\u202f567,8", "1234567.8"),
        (bills.Money(grouping="'", symbol="CHF"), "CHF 1'234.50", "1234.5"),
    ],
)
def test_amounts_are_read_as_declared(money, text, found, spelt):
    assert spelt(f"money_cast({spellings.amount(money)})", text) == Decimal(found)
    assert spelt(spellings.amount(money, strict=False), text) == spelt(spellings.amount(money), text)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (EURO, "1.5"),
        (EURO, "1,234.56"),
        (EURO, "12.34,5"),
        (EURO, "(5,00)"),
        (EURO, "--5,00"),
        (EURO, "5,00-"),
        (EURO, "USD 5,00"),
        (EURO, "1.234.56"),
        (DOLLAR, "1.234,56"),
        (DOLLAR, "$1,23"),
        (DOLLAR, "-($5.00)"),
        (DOLLAR, "€5.00"),
    ],
)
def test_another_amount_is_never_guessed_at(money, text, spelt):
    assert spelt(spellings.amount(money), text) == f"!{text}"
    assert spelt(spellings.amount(money, strict=False), text) is None


@pytest.mark.slow
def test_what_is_not_written_as_declared_is_set_aside_with_its_line_and_text(place):
    mapped(place, 'dates: D.M.YYYY\nmoney: {decimal: ",", grouping: "."}')
    bill = 'Day,Product,Amount (USD)\n1.2.2026,T,"1.234,5"\n2/1/2026,T,"2,0"\n3.2.2026,T,1.5\n4.2.2026,T,\n,T,1\n'
    place.write("mill.csv", bill)
    with pytest.raises(InputRefused) as refused:
        place.ingest("mill.csv")
    assert [line.partition("mill.csv:")[2] for line in refused.value.evidence if line] == [
        "3: Day is not a date written D.M.YYYY: '2/1/2026'",
        "4: Amount (USD) is not an amount written like 1.234,50: '1.5'",
        "5: Amount (USD) is empty",
        "6: Day is empty",
    ]
    place.ingest("mill.csv", quarantine_rows=4)
    assert place.ask("SELECT BilledCost, EffectiveCost FROM ledger.charges") == [(Decimal("1234.5"), Decimal("1234.5"))]


@pytest.mark.slow
def test_words_are_replaced_and_one_that_is_not_listed_is_set_aside(place):
    mapped(place, "values: {ServiceName: {LLM API: Inference, Rück'lage: 'a {x} b'}}")
    bill = "Day,Product,Amount (USD)\n2026-10-01, llm api ,1\n2026-10-01,Rück'lage,2\n2026-10-01,,4\n"
    assert taken(place, bill, "ServiceName") == [("Inference",), ("a {x} b",), (None,)]
    with pytest.raises(InputRefused) as refused:
        taken(place, bill + "2026-10-01,Training,8\n", decision="replace")
    assert refused.value.evidence[0].endswith("mill.csv:5: Product is not one of the words under `values:`: 'Training'")


@pytest.mark.slow
def test_headers_are_compared_as_they_are_written(place):
    mapped(place, "tags: [Amount (EUR)]")
    text = "Amount (EUR),day , PRODUCT,amount  (usd)\n9,2026-10-01,T,1\n"
    assert taken(place, text, "BilledCost, Tags") == [(Decimal(1), '{"Amount (EUR)":"9"}')]


@pytest.mark.slow
def test_a_changed_map_reads_the_same_file_again(place):
    mapped(place)
    bill = "Day,Product,Amount (USD),Net\n2026-10-01,T,1,2\n"
    assert taken(place, bill) == [(1,)]
    assert place.ingest("mill.csv")[0].status == "nothing to do"
    mapped(place, text=MAP.replace("BilledCost: Amount (USD)", "BilledCost: Net"))
    assert place.ingest("mill.csv")[0].status == "loaded"
    assert place.ask("SELECT BilledCost FROM ledger.charges") == [(2,)]


@pytest.mark.parametrize("delimiter", few([";", "tab"]))
def test_a_delimiter_is_told_by_the_header(delimiter, place):
    mapped(place, f'delimiter: "{delimiter}"')
    mark = "\t" if delimiter == "tab" else delimiter
    rows = [["Day", "Product", "Amount (USD)"], ["2026-10-01", f'a{mark} "b"\nc, d', "1"], ["2026-10-02", "", "bad"]]
    path = place.home / "mill.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=mark, lineterminator="\n").writerows(rows)
    place.ingest("mill.csv", quarantine_rows=1)
    assert place.ask("SELECT ServiceName, BilledCost FROM ledger.charges") == [(rows[1][1], 1)]
    assert place.ask("SELECT line_no, value, raw FROM ledger.quarantine") == [(4, "bad", f"2026-10-02{mark}{mark}bad")]


def test_a_bill_that_two_formats_recognise_is_refused_naming_both_unless_the_map_refines(place):
    mapped(
        place,
        text=MAP.replace(
            "BilledCost: Amount (USD), ChargePeriodStart: Day",
            "BilledCost: BilledCost, ChargePeriodStart: ChargePeriodStart",
        ),
    )
    place.bill("focus.csv", [{"ServiceName": "T", "Product": "T"}])
    with pytest.raises(InputRefused, match="several formats recognise this file: focus, mill"):
        place.ingest("focus.csv")
    mapped(
        place,
        "refines: focus",
        MAP.replace(
            "BilledCost: Amount (USD), ChargePeriodStart: Day",
            "BilledCost: BilledCost, ChargePeriodStart: ChargePeriodStart",
        ),
    )
    assert place.ingest("focus.csv")[0].format == "mill"


def test_a_last_line_without_an_end_is_taken_only_where_the_map_says_that_it_comes_so(place):
    mapped(place)
    place.write("mill.csv", "Day,Product,Amount (USD)\n2026-10-01,T,1")
    with pytest.raises(InputRefused, match="ends in the middle of a line"):
        place.ingest("mill.csv")
    mapped(place, "last_line: unended")
    place.ingest("mill.csv")
    assert place.ask("SELECT BilledCost FROM ledger.charges") == [(1,)]


@pytest.mark.parametrize("pattern", ["YYYY", "D/YYYY", "M/D/YYYY/M", "DDD.M.YYYY", "M/D/YYYY h:mm A"])
def test_a_pattern_that_is_none_is_refused(pattern, place):
    mapped(place, f'dates: "{pattern}"')
    with pytest.raises(UsageError, match=r"costctl.yaml:6:12: formats.mill.dates: "):
        pipeline.known(place.run.config)
    with pytest.raises(ValueError, match=r"part of a date|needs one"):
        spellings.date(pattern)


def test_the_template_s_map_is_a_valid_one(place):
    template = resources.files("costctl.templates").joinpath("costctl.yaml").read_text(encoding="utf-8").splitlines()
    start = template.index("formats: {}")
    body = itertools.takewhile(lambda line: line.startswith("#"), template[start + 1 :])
    place.write("costctl.yaml", "\n".join(["version: 1", "formats:", *(line[1:] for line in body)]) + "\n")
    found = pipeline.known(place.run.config)
    for name, headers in {
        "mill": {"amount (usd)", "day", "instance"},
        "chat": {"ts", "prompt_cached", "request"},
    }.items():
        assert {header for column in found[name].columns for header in column.headers} >= headers
    described = documents.read(place.home / "costctl.yaml").value["formats"]
    assert set(bills.ColumnMap.model_fields) == {part for item in described.values() for part in item}


def test_every_shipped_format_still_reads_commas_only_but_for_slurm():
    assert formats.delimiters(pipeline.known()) == [",", "|"]
    assert [name for name, item in pipeline.known().items() if item.delimiter == "|"] == ["slurm_sacct"]
    assert {item.as_written for item in pipeline.known().values()} == {False}
