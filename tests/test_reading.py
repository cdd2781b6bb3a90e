"""One bill, three readers: a value means the same as CSV text, as a typed or nested Parquet column, and in JSON."""

import gzip
import json
import random
import threading
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from conftest import few, few_rows

from costctl import formats, pipeline
from costctl.bills.deliveries import Wanted
from costctl.errors import InputRefused, StorageFault
from costctl.files import objects, packing, parquet
from costctl.ledger import gates, limits, pace, records, store
from costctl.ledger.faults import GateFired

pytestmark = pytest.mark.usefixtures("unposted", "begun")

FOCUS = Path(formats.__file__).parents[1] / "bills" / "focus"
ROW = {
    "EffectiveCost": "0",
    "BillingCurrency": "'USD'",
    "ChargeCategory": "'Usage'",
    "BillingPeriodStart": "TIMESTAMP '2026-10-01'",
    "BillingPeriodEnd": "TIMESTAMP '2026-11-01'",
    "ChargePeriodStart": "TIMESTAMP '2026-10-03'",
    "ChargePeriodEnd": "TIMESTAMP '2026-10-04'",
}


def write_parquet(path, *rows):
    """Write a FOCUS file of rows given as SQL by column; what they do not say is as in ROW."""
    selects = [", ".join(f'{value} AS "{name}"' for name, value in (ROW | row).items()) for row in rows]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.execute(
            f"COPY ({' UNION ALL '.join(f'SELECT {row}' for row in selects)}) TO '{path}' (FORMAT parquet)"
        )
    return path


def column(place, name, source=None, order="file_no, record_no"):
    """Return a column of the charges in the order of the files."""
    where = f"WHERE source = '{source}'" if source else ""
    return [row[0] for row in place.ask(f"SELECT {name} FROM ledger.charges {where} ORDER BY {order}")]


def each(place, name, values):
    """Take in a file for each value of a column, given as SQL, as a source of its own; return what the charges have there."""
    items = []
    for number, value in enumerate(values):
        row = {"BilledCost": "1", "SkuId": f"'{number:02}'"} | {name: value}
        items.append(Wanted(write_parquet(place.home / f"{number}.parquet", row), f"s{number}"))
    pipeline.take_in(place.run, items)
    return dict(zip(values, column(place, name, order="SkuId"), strict=True))


def types(*paths):
    """Return the columns of FOCUS files that are read in the type of the source."""
    item = formats.load(FOCUS.parent, "bill")["focus"]
    readings = []
    for number, path in enumerate(paths, start=1):
        file = formats.inspect(path)
        readings.append(records.Reading(number, file, path, formats.columns_of(item, file)))
    return records.types_of(readings, item)


DOUBLES = [
    *(
        0.1,
        0.1 + 0.2,
        4.35,
        -0.0,
        1e-7,
        3.6e-7,
        1 / 3,
        2 / 3,
        100 / 3,
        1e15 / 3,
        1e18 / 7,
        123456.789,
        999.999999999999,
    ),
    *(
        1000.0000000000001,
        0.010000000000000002,
        0.012345678901234567,
        2.0**53 + 2,
        1e19,
        1.2345678901234567e19,
        5e-13,
        1e-18,
    ),
]


class TestDoubles:
    """A DOUBLE is the shortest decimal that reads back as it, as every exporter prints it."""

    def test_each_is_its_shortest_text(self, place):
        generator = random.Random(3)
        spread = [round(generator.uniform(-1, 1) * 10.0 ** generator.randint(0, 17), 6) for _ in range(500)]
        short = [generator.randint(-(10**6), 10**6) / 10.0 ** generator.randint(0, 18) for _ in range(500)]
        short = [value for value in short if -Decimal(repr(value)).as_tuple().exponent <= 18]
        doubles = [*DOUBLES, *spread, *short]
        file = write_parquet(
            place.home / "b.parquet", *({"BilledCost": f"CAST('{value!r}' AS DOUBLE)"} for value in doubles)
        )
        assert types(file)["BilledCost"] == "DOUBLE"
        place.ingest(file)
        assert column(place, "BilledCost") == [Decimal(repr(value)) for value in doubles]

    @pytest.mark.slow
    def test_what_is_no_amount_is_refused_by_its_value(self, place):
        values = ["inf", "-inf", "nan", "1e+20", "1e+300"]
        file = write_parquet(
            place.home / "b.parquet", *({"BilledCost": f"CAST('{text}' AS DOUBLE)"} for text in ("1", *values))
        )
        with pytest.raises(InputRefused, match="record 2: 5 records cannot be taken in") as refused:
            place.ingest(file)
        assert "BilledCost is not a plain decimal number" in refused.value.evidence[0]
        assert refused.value.evidence[0].endswith(": 'inf'")
        place.ingest(file, quarantine_rows=5)
        aside = place.ask("SELECT column_name, value FROM ledger.quarantine ORDER BY record_no")
        assert aside == [("BilledCost", value) for value in values]

    def test_a_tiny_one_is_rounded_however_short_it_prints(self, place):
        """One in a hundred prints with fewer than 15 digits; 5e-324 is the least there is."""
        values = [8.5969431918758e-07, 1e-19, 5e-324, -2.5e-18]
        file = write_parquet(
            place.home / "b.parquet", *({"BilledCost": f"CAST('{value!r}' AS DOUBLE)"} for value in values)
        )
        place.ingest(file)
        wanted = [Decimal("8.59694319188E-7"), Decimal(0), Decimal(0), Decimal("-3E-18")]
        assert column(place, "BilledCost") == wanted
        lost = sum(Decimal(repr(value)) - kept for value, kept in zip(values, wanted, strict=True))
        assert place.ask("SELECT records, rounded_away FROM ledger.roundings") == [(3, lost.quantize(Decimal("1e-30")))]

    @pytest.mark.parametrize("name", ["file_row_number", "File_Index"])
    def test_a_column_named_like_the_readers_own_is_refused_by_name(self, place, name):
        with pytest.raises(InputRefused, match=f"has a column {name}, which is what the reader calls its own"):
            place.ingest(write_parquet(place.home / "b.parquet", {"BilledCost": "1", name: "7"}))

    def test_more_decimals_than_fit_are_rounded_and_written_down_as_from_text(self, place):
        """0.00042100000000000004 has 20 decimals."""
        value = 0.00042100000000000004
        file = write_parquet(place.home / "b.parquet", {"BilledCost": f"CAST('{value!r}' AS DOUBLE)"})
        place.ingest(file)
        assert column(place, "BilledCost") == [Decimal("0.000421")]
        assert place.ask("SELECT column_name, rounded_away FROM ledger.roundings") == [("BilledCost", Decimal("4E-20"))]


SAME = [  # an amount as several exporters type it
    "CAST(1.5 AS DECIMAL(38,18))",
    "CAST(1.5 AS DECIMAL(18,10))",
    "CAST(1.50 AS DECIMAL(9,2))",
    "CAST(1.5 AS DOUBLE)",
    "CAST(1.5 AS FLOAT)",
    "CAST(1.5 AS DECIMAL(38,20))",
    "'1.5'",
]
WHOLE = [f"CAST(7 AS {type_})" for type_ in ("BIGINT", "INTEGER", "UBIGINT", "UTINYINT", "HUGEINT")]
FOUR = [  # in the morning, in universal time
    "TIMESTAMP '2026-10-03 04:00:00'",
    "TIMESTAMPTZ '2026-10-03 00:00:00-04'",
    "TIMESTAMP_S '2026-10-03 04:00:00'",
    "TIMESTAMP_MS '2026-10-03 04:00:00'",
    "TIMESTAMP_NS '2026-10-03 04:00:00'",
    "'2026-10-03T04:00:00Z'",
    "'2026-10-03 06:00:00+02:00'",
]
MIDNIGHT = "DATE '2026-10-03'"


class TestTypes:
    @pytest.mark.slow
    def test_an_amount_of_any_type_is_the_same_amount(self, place):
        amounts = dict.fromkeys(SAME, Decimal("1.5")) | dict.fromkeys(WHOLE, Decimal(7))
        assert each(place, "BilledCost", [*SAME, *WHOLE]) == amounts

    @pytest.mark.slow
    def test_a_type_is_kept_only_where_all_files_have_it(self, place):
        decimal = write_parquet(place.home / "1.parquet", {"BilledCost": "CAST(1.5 AS DECIMAL(9,2))"})
        double = write_parquet(
            place.home / "2.parquet", {"BilledCost": "CAST(2.5 AS DOUBLE)", "ListCost": "CAST(3.5 AS DOUBLE)"}
        )
        whole = write_parquet(place.home / "3.parquet", {"BilledCost": "CAST(3 AS BIGINT)"})
        assert types(double)["BilledCost"] == "DOUBLE"
        assert "BilledCost" not in types(decimal, double)
        assert types(decimal, whole)["BilledCost"] == "DECIMAL(38,18)"
        place.ingest(decimal, source="a")
        place.ingest(double, whole, decimal, source="b", decision="add")
        assert sorted(column(place, "BilledCost", "b")) == [Decimal("1.5"), Decimal("2.5"), Decimal(3)]
        assert sorted(column(place, "ListCost", "b"), key=str) == [Decimal("3.5"), None, None]

    def test_files_of_one_schema_are_read_at_once_and_each_keeps_its_numbers(self, place):
        folder = place.home / "bills"
        folder.mkdir()

        def amounts(name, type_, *values):
            return write_parquet(folder / name, *({"BilledCost": f"CAST({value} AS {type_})"} for value in values))

        files = [
            amounts("1.parquet", "DOUBLE", 1, 2),
            amounts("2.parquet", "DOUBLE", 3),
            # read by the reader of the others, it would be cast to their type
            amounts("3.parquet", "DECIMAL(9,2)", 4.25),
            amounts("4.parquet", "DECIMAL(9,4)", 5.0625),
            amounts("5.parquet", "DOUBLE", 6, 7),
        ]
        readings = [
            records.Reading(number, formats.inspect(path), path, {}) for number, path in enumerate(files, start=1)
        ]
        assert [[one.file_no for one in part] for part in records.alike(readings)] == [[1, 2], [3], [4], [5]]
        place.ingest(folder)
        assert place.ask("SELECT file_no, record_no, BilledCost FROM ledger.charges ORDER BY ALL") == [
            (1, 1, 1),
            (1, 2, 2),
            (2, 1, 3),
            (3, 1, Decimal("4.25")),
            (4, 1, Decimal("5.0625")),
            (5, 1, 6),
            (5, 2, 7),
        ]

    @pytest.mark.slow
    @pytest.mark.parametrize("folder", few(["BillingCurrency=EUR", "c0=EUR", "json=EUR"]))
    def test_the_name_of_the_ledgers_folder_is_no_column(self, place, folder):
        (place.home / folder).mkdir()
        run = replace(place.run, ledger=place.home / folder / "costctl.duckdb")
        place.bill("1.csv", [{"BillingCurrency": "USD"}])
        write_parquet(place.home / "2.parquet", {"BilledCost": "1", "BillingCurrency": "'USD'"})
        with duckdb.connect() as connection:
            read = f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM '{place.home}/2.parquet'"
            connection.execute(f"COPY ({read}) TO '{place.home}/3.jsonl' (FORMAT json)")
        pipeline.take_in(run, [Wanted(place.home / name, name) for name in ("1.csv", "2.parquet", "3.jsonl")])
        with pipeline.reading(run) as (ledger, _):
            assert ledger.run("SELECT BillingCurrency, count(*) FROM ledger.charges GROUP BY 1").rows == [("USD", 3)]

    def test_names_that_are_no_text_are_a_broken_footer(self, place):
        file = write_parquet(place.home / "b.parquet", {"BilledCost": "CAST(1 AS DOUBLE)", "SkuMeter": "'x'"})
        file.write_bytes(file.read_bytes().replace(b"SkuMeter", b"SkuM\xa3ter"))
        with pytest.raises(InputRefused, match="is not a whole Parquet file"):
            place.ingest(file)

    @pytest.mark.slow
    def test_a_csv_beside_it_makes_all_of_it_text(self, place):
        file = write_parquet(place.home / "b.parquet", {"BilledCost": "CAST(1 AS DOUBLE)"})
        assert types(file, place.bill("c.csv", [{"cost": "2"}])) == {}
        place.ingest(place.home)
        assert sorted(column(place, "BilledCost")) == [1, 2]

    @pytest.mark.slow
    def test_a_moment_is_kept_in_utc_and_a_date_is_its_midnight(self, place):
        found = each(place, "ChargePeriodStart", [*FOUR, MIDNIGHT])
        assert found == dict.fromkeys(FOUR, datetime(2026, 10, 3, 4)) | {MIDNIGHT: datetime(2026, 10, 3)}  # noqa: DTZ001  UTC

    @pytest.mark.parametrize("moment", few(["TIMESTAMP 'infinity'", "TIMESTAMP '20000-01-01'"]))
    def test_a_moment_out_of_all_calendars_is_refused(self, place, moment):
        file = write_parquet(place.home / "b.parquet", {"BilledCost": "1", "ChargePeriodEnd": moment})
        with pytest.raises(InputRefused, match="record 1: 1 record cannot be taken in"):
            place.ingest(file)

    @pytest.mark.slow
    def test_tags_are_one_json_text_whatever_their_type(self, place):
        tags = [
            "MAP {'b': 'x', 'a': NULL, 'team': 'search'}",
            """'{"team": "search", "b":"x", "a": null}'""",
            "{'team': 'search', 'b': 'x', 'a': CAST(NULL AS VARCHAR)}",
        ]
        assert each(place, "Tags", tags) == dict.fromkeys(tags, '{"a":null,"b":"x","team":"search"}')
        assert column(place, "tag_team") == ["search"] * 3

    def test_the_recording_path_gives_the_same_rows(self, place):
        """A record that is set aside sends the whole delivery through text."""
        row = {
            "BilledCost": "CAST(0.00042100000000000004 AS DOUBLE)",
            "Tags": "MAP {'b': 'x', 'a': 'y'}",
            "InvoiceId": "12",
        }
        bad = row | {"BilledCost": "CAST('nan' AS DOUBLE)"}
        place.ingest(write_parquet(place.home / "good.parquet", row), source="typed")
        place.ingest(write_parquet(place.home / "bad.parquet", row, bad), source="text", quarantine_rows=1)
        typed, text = (
            place.ask(f"SELECT * EXCLUDE (source, delivery_id) FROM ledger.charges WHERE source = '{source}'")
            for source in ("typed", "text")
        )
        assert typed == text
        rounded = "SELECT column_name, records, rounded_away FROM ledger.roundings"
        assert len(place.ask(rounded)) == 2
        assert len(set(place.ask(rounded))) == 1


TINY = """
    title: a format of this test
    docs: this file
    readers: [csv, json, parquet]
    deliveries: files
    detect: {all: [invoice.month, cost]}
    tag_prefixes: [{header: "labels.", namespace: ""}]
    columns:
      Cost: {headers: [cost], type: money, required: true, filled: true}
      Start: {headers: [start], type: instant, required: true, filled: true}
      Month: {headers: [invoice.month], required: true}
      Zone: {headers: [place.site.zone]}
      Credits: {headers: [credits], type: nested}
"""
SELECT = """
    SELECT money(Cost) AS BilledCost, 'USD' AS BillingCurrency, instant(Start) AS BillingPeriodStart, instant(Start) + INTERVAL 1 MONTH AS BillingPeriodEnd,
        instant(Start) AS ChargePeriodStart, instant(Start) + INTERVAL 1 DAY AS ChargePeriodEnd, 'Usage' AS ChargeCategory,
        Month AS InvoiceId, Zone AS RegionId, Credits AS ChargeDescription, Tags, file_no, record_no, 1 AS part_no
    FROM records
"""
KEPT = "SELECT BilledCost, InvoiceId, RegionId, ChargeDescription, Tags FROM ledger.charges WHERE source = 'tiny' ORDER BY record_no"
EVIL = """x"y'); DROP TABLE ledger.charges; --"""


@pytest.fixture
def tiny(place, monkeypatch):
    """A place where the format `tiny` is known, and nothing else."""
    place.write("formats/tiny/bill.yaml", TINY)
    place.write("formats/tiny/to_focus.sql", SELECT)
    known = formats.load(place.home / "formats", "bill")
    monkeypatch.setattr(pipeline, "known", lambda *_: known)
    return place


NESTED = [
    {
        "cost": 1.25,
        "start": "2026-10-01 00:00:00",
        "invoice": {"month": "202610"},
        "place": {"site": {"zone": "a"}},
        "labels": {"team": "search", EVIL: "kept"},
        "credits": [{"name": "promotion", "amount": -0.1}],
    },
    {"cost": 2.0, "start": "2026-10-01 00:00:00", "invoice": {"month": None}, "credits": []},
]
AS_CSV = """\
cost,start,invoice.month,place.site.zone,labels.team,"labels.x""y'); DROP TABLE ledger.charges; --",credits
1.25,2026-10-01 00:00:00,202610,a,search,kept,"[{""name"":""promotion"",""amount"":-0.1}]"
2.0,2026-10-01 00:00:00,,,,,[]
"""
TAGS = json.dumps(dict(sorted({"team": "search", EVIL: "kept"}.items())), separators=(",", ":"))
GIVEN = [
    (Decimal("1.25"), "202610", "a", '[{"name":"promotion","amount":-0.1}]', TAGS),
    (Decimal(2), None, None, "[]", None),
]


def as_parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(NESTED), path)


WRITERS = {
    "b.csv": lambda path: path.write_text(AS_CSV),
    "b.parquet": as_parquet,
    "b.jsonl": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in NESTED)),
    "b.json": lambda path: path.write_text(json.dumps(NESTED, indent=2)),
}


class TestNested:
    """Structs and objects are reachable by dotted names; lists and maps come as JSON."""

    @pytest.mark.parametrize("name", few(WRITERS, 2))
    def test_every_reader_gives_the_same_charges(self, tiny, name):
        WRITERS[name](tiny.home / name)
        tiny.ingest(name, source="tiny")
        assert tiny.ask(KEPT) == GIVEN

    @pytest.mark.parametrize("name", ["b.parquet", "b.jsonl"])
    def test_the_header_names_columns_first_then_what_is_inside_them(self, tiny, name):
        WRITERS[name](tiny.home / name)
        header = {"b.parquet": parquet.header, "b.jsonl": objects.header}[name](tiny.home / name)
        assert header == (
            *("cost", "start", "invoice", "place", "labels", "credits"),
            *("invoice.month", "place.site", "place.site.zone", "labels.team", f"labels.{EVIL}"),
        )

    @pytest.mark.parametrize("name", few(["b.parquet", "b.jsonl"]))
    def test_a_name_with_a_dot_of_its_own_is_no_path(self, tiny, name):
        """A flattened export has the columns `invoice.month` and `place.site.zone` themselves."""
        row = {"cost": 1.25, "start": "2026-10-01", "invoice.month": "202610", "place.site.zone": "a"}
        if name == "b.parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist([row]), tiny.home / name)
        else:
            (tiny.home / name).write_text(json.dumps(row))
        tiny.ingest(name, source="tiny")
        assert tiny.ask(KEPT) == [(Decimal("1.25"), "202610", "a", None, None)]

    def test_a_column_wins_over_a_field_of_the_same_name(self, tiny):
        row = NESTED[0] | {"invoice_month": "the column"}
        (tiny.home / "b.jsonl").write_text(json.dumps(row))
        tiny.ingest("b.jsonl", source="tiny")
        assert tiny.ask("SELECT InvoiceId FROM ledger.charges") == [("the column",)]

    @pytest.mark.parametrize("name", few(["b.parquet", "b.jsonl"]))
    def test_a_file_with_a_bad_record_gives_the_same_charges(self, tiny, name):
        """The recording path reads the same places."""
        bad = NESTED[1] | {"start": "yesterday"}
        if name == "b.parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist([*NESTED, bad]), tiny.home / name)
        else:
            (tiny.home / name).write_text("".join(json.dumps(row) + "\n" for row in [*NESTED, bad]))
        tiny.ingest(name, source="tiny", quarantine_rows=1)
        assert tiny.ask(KEPT) == GIVEN

    def test_a_nested_column_that_is_no_json_is_named(self, tiny):
        tiny.write("b.csv", AS_CSV.replace(",[]", ",[oops"))
        with pytest.raises(InputRefused, match=r"b\.csv:3: 1 record cannot be taken in") as refused:
            tiny.ingest("b.csv", source="tiny")
        assert refused.value.evidence[0].endswith("credits is not JSON: '[oops'")


class TestLongNumbers:
    """JSON says how a number is written, not what a reader keeps of it; ours keeps 17 digits and says where there are more."""

    def test_as_many_digits_as_a_double_has_are_read(self, tiny):
        texts = ["0.12345678901234567", "0.00042100000000000004", "123456789012345678", "12345.678901234567"]
        (tiny.home / "b.jsonl").write_text("\n".join(json.dumps(NESTED[0]).replace("1.25", text) for text in texts))
        tiny.ingest("b.jsonl", source="tiny")
        for (kept, *_), text in zip(tiny.ask(KEPT), texts, strict=True):
            assert abs(kept - Decimal(text)) <= Decimal(text) / 10**16

    @pytest.mark.parametrize("text", few(["0.123456789012345678", "1.00000000000000000001", "12345678901234567.25"]))
    def test_more_are_refused_by_line(self, tiny, text):
        lines = [json.dumps(NESTED[1]), json.dumps(NESTED[0]).replace("1.25", text)]
        (tiny.home / "b.jsonl").write_text("\n".join(lines))
        with pytest.raises(InputRefused, match=r"b\.jsonl:2: 1 record cannot be taken in") as refused:
            tiny.ingest("b.jsonl", source="tiny")
        assert "more digits than JSON readers keep" in refused.value.evidence[0]
        assert text in refused.value.evidence[0]

    def test_the_same_digits_as_a_text_are_kept(self, tiny):
        text = "0.123456789012345678"
        (tiny.home / "b.jsonl").write_text(json.dumps(NESTED[0]).replace("1.25", f'"{text}"'))
        tiny.ingest("b.jsonl", source="tiny")
        assert tiny.ask(KEPT)[0][0] == Decimal(text)

    def test_digits_within_a_text_do_not_matter(self, tiny):
        row = NESTED[0] | {"note": "ratio: 0.1234567890123456789"}
        (tiny.home / "b.jsonl").write_text(json.dumps(row))
        tiny.ingest("b.jsonl", source="tiny")
        assert tiny.ask(KEPT) == GIVEN[:1]


def test_a_billing_month_is_the_one_where_it_was_written(place):
    starts = {
        "2026-10-01T00:00:00Z": "2026-10",
        "2026-10-01T00:00:00+02:00": "2026-10",
        "2026-10-01T00:00:00+14:00": "2026-10",
        "2026-10-01T00:00:00-08:00": "2026-10",
        "2026-09-30": "2026-09",
    }
    place.bill("bill.csv", [{"BillingPeriodStart": start, "SkuId": start, "day": "2026-10-03"} for start in starts])
    (outcome,) = place.ingest("bill.csv")
    assert outcome.periods == ("2026-09", "2026-10")
    assert dict(place.ask("SELECT SkuId, strftime(billing_period, '%Y-%m') FROM ledger.charges")) == starts


class TestYears:
    """9999-12-31 is nobody's date: a charge until then would be posted to three million days."""

    @pytest.mark.parametrize("raising", few([True, False]))
    @pytest.mark.parametrize(
        ("form", "inside", "outside"),
        few_rows(
            [
                ("focus", "instant('2199-12-31T23:59:59Z')", "instant('2200-01-01T00:00:00Z')"),
                ("focus", "instant('1900-01-01')", "instant('1899-12-31')"),
                ("focus", "instant(TIMESTAMP '2199-12-31 00:00:00')", "instant(TIMESTAMP '9999-12-31 00:00:00')"),
                ("azure_cost", "us_date('12/31/2199')", "us_date('12/31/9999')"),
                ("gcp_billing", "billing_month('219912')", "billing_month('999912')"),
            ],
            2,
        ),
    )
    def test_they_are_1900_to_2199(self, form, inside, outside, raising):
        with store.in_memory() as ledger:
            gates.bind(ledger, pipeline.known()[form], raising=raising)
            assert ledger.value(f"SELECT {inside}") is not None
            if raising:
                with pytest.raises(GateFired):
                    ledger.value(f"SELECT {outside}")
            else:
                assert ledger.value(f"SELECT {outside}") is None


class Watcher(list):
    """What a long work told: bytes and rows, each time."""

    def __call__(self, amount, rows=0):
        """Write it down."""
        self.append((amount, rows))

    @property
    def sums(self):
        return tuple(map(sum, zip(*self, strict=True)))


class TestLongWork:
    @pytest.mark.slow
    def test_progress_counts_the_bytes_and_rows_of_a_file_block_by_block(self, place, monkeypatch):
        monkeypatch.setattr(packing, "BLOCK", 10_000)
        file, told = place.bill("b.csv", [{"ResourceId": f"i-{number}"} for number in range(1000)]), Watcher()
        pipeline.take_in(replace(place.run, progress=told), [Wanted(file, None)])
        assert told.sums == (file.stat().st_size, 1000)
        assert min(len([number for number in numbers if number]) for numbers in zip(*told, strict=True)) > 3

    @pytest.mark.slow
    def test_progress_counts_the_bytes_of_a_packed_file_as_they_are(self, place):
        file, told = place.home / "b.csv.gz", Watcher()
        file.write_bytes(gzip.compress(place.bill("plain.csv", [{} for _ in range(1000)]).read_bytes()))
        pipeline.take_in(replace(place.run, progress=told), [Wanted(file, None)])
        assert told.sums == (file.stat().st_size, 1000)

    @pytest.mark.slow
    def test_progress_counts_parquet_too(self, place):
        file, told = write_parquet(place.home / "b.parquet", {"BilledCost": "1"}), Watcher()
        pipeline.take_in(replace(place.run, progress=told), [Wanted(file, None)])
        assert told.sums == (file.stat().st_size, 1)

    @pytest.mark.slow
    @pytest.mark.parametrize("cost", ["0.00012345678901234567", "x"], ids=["rounded", "set aside"])
    def test_progress_counts_once_what_is_read_again(self, place, monkeypatch, cost):
        monkeypatch.setattr(packing, "BLOCK", 1_000)
        rows = [{"cost": "1"} for _ in range(200)] + [{"cost": cost}]
        file, told = place.bill("b.csv", rows), Watcher()
        pipeline.take_in(replace(place.run, progress=told), [Wanted(file, None)], quarantine_rows=1)
        assert told.sums == (file.stat().st_size, len(rows))

    def test_progress_moves_while_a_statement_runs(self, monkeypatch):
        estimates, told, moved = iter([-1.0, 10.0, 50.0, 50.0]), Watcher(), threading.Event()

        def estimated():
            found = next(estimates, None)
            if found is None:
                moved.set()
            return found or 0.0

        monkeypatch.setattr(pace, "EVERY", 0.001)
        ledger = SimpleNamespace(connection=SimpleNamespace(query_progress=estimated))
        with pace.told(ledger, 1000, 30, told):
            assert moved.wait(10)
            assert told == [(100, 3), (400, 12)]
        assert told == [(100, 3), (400, 12), (500, 15)]

    def test_too_little_memory_is_said_and_leaves_what_was_there(self, place, monkeypatch):
        place.ingest(place.bill("a.csv", [{}]))
        monkeypatch.setenv("COSTCTL_MEMORY", "5MB")
        with pytest.raises(StorageFault, match="memory limit of 5MB is too small"):
            place.ingest(place.bill("b.csv", [{"cost": "2"}]), source="other")
        monkeypatch.delenv("COSTCTL_MEMORY")
        assert column(place, "BilledCost") == [1]

    @pytest.mark.parametrize(
        ("memory", "usual", "threads"),
        [("900MB", 2, 2), ("900MB", 16, 7), ("512MiB", 16, 4), ("64MB", 16, 1), ("4GB", 16, 16)],
    )
    def test_threads_are_as_many_as_the_memory_reaches_for(self, monkeypatch, memory, usual, threads):
        monkeypatch.setenv("COSTCTL_MEMORY", memory)
        monkeypatch.delenv("COSTCTL_THREADS", raising=False)
        assert limits.threads(usual) == threads
        monkeypatch.setenv("COSTCTL_THREADS", "3")
        assert limits.threads(usual) == 3

    @pytest.mark.slow
    def test_the_memory_limit_is_an_option_and_a_setting(self, place):
        place.bill("b.csv", [{}])
        assert place.costctl("ingest", "b.csv", "--memory", "200MB").returncode == 0
        said = place.costctl("ingest", "b.csv", "--memory", "much")
        assert (said.returncode, "'much' is not an amount of memory" in said.stderr) == (2, True)
        place.write("costctl.yaml", "version: 1\nmemory: plenty\n")
        assert place.costctl("ingest", "b.csv").returncode == 2
        assert place.process("ingest", "b.csv", COSTCTL_MEMORY="1GB").returncode == 0
