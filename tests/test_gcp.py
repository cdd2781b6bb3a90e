"""Google Cloud: commitments spread over what they covered, credits apart, every layout the same, to the last digit."""

import csv
import gzip
import io
import json
import re
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from conftest import THOROUGH, few, few_rows, without_postings
from generators import gcp

from costctl import pipeline
from costctl.errors import InputRefused
from costctl.ledger import gates, store

pytestmark = pytest.mark.usefixtures("unposted")

FOLDER = Path(__file__).parents[1] / "costctl" / "bills" / "gcp_billing"
SEEDS = range(20 if THOROUGH > 1 else 3)
FEE = "Commitment v1: N2 Cpu in Americas for 1 Year"
USAGE = "N2 Instance Core running in Americas"
SPEND_FEE = "Commitment - dollar based v1: GCE for 1 year"


def google(place, name, rows):
    """Write a dotted CSV from rows of a few words: day, sku, cost, quantity, credit (of the kind the SKU has), and any column by name."""
    out = io.StringIO()
    columns = list(dict.fromkeys([*gcp.FIELDS, *(key for row in rows for key in row if "." in key or "_" in key)]))
    writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        day, hour = row.get("day", "2026-10-05"), row.get("hour", "08")
        given = row.get("credits", [])
        writer.writerow(
            {
                "billing_account_id": row.get("account", gcp.ACCOUNT),
                "service.description": "Compute Engine",
                "sku.id": row["sku"],
                "sku.description": row["sku"],
                "usage_start_time": f"{day} {hour}:00:00 UTC",
                "usage_end_time": f"{day} {hour}:59:59 UTC",
                "location.region": row.get("region", "us-central1"),
                "cost": row["cost"],
                "currency": "USD",
                "currency_conversion_rate": row.get("rate", "1"),
                "usage.amount_in_pricing_units": row.get("quantity", "1"),
                "usage.pricing_unit": row.get("unit", "hour"),
                "credits": given
                if isinstance(given, str)
                else json.dumps(
                    [{"name": named, "type": kind, "amount": float(amount)} for kind, amount, named in given]
                ),
                "invoice.month": row.get("month", "202610"),
                "cost_type": row.get("kind", "regular"),
                "export_time": row.get("export", "2026-11-02 00:00:00 UTC"),
            }
            | {key: value for key, value in row.items() if key in columns and key not in ("cost", "credits")}
        )
    return place.write(name, out.getvalue())


def covered(amount):
    return [("COMMITTED_USAGE_DISCOUNT", amount, "Committed Usage Discount: CPU")]


def of_spend(amount):
    return [("COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE", amount, "GCE Commitments")]


def charges(place, where="TRUE"):
    """Return (record, part, billed, effective, status) of some charges, amounts as plain texts."""
    asked = (
        "SELECT record_no, part_no, BilledCost, EffectiveCost, CommitmentDiscountStatus FROM ledger.charges "
        f"WHERE {where} ORDER BY record_no, part_no"
    )
    return [
        (record, part, plain(billed), plain(effective), status)
        for record, part, billed, effective, status in place.ask(asked)
    ]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def plain(value):
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_the_half_used_commitment_of_the_readme_comes_out_as_worked_by_hand(place):
    readme = (FOLDER / "README.md").read_text("utf-8")
    table = re.findall(r"^\| (\d) \| (\d) \|.*\| (\S+) \| (\S+) \|$", readme, re.MULTILINE)
    by_hand = [(int(record), int(part), billed, effective) for record, part, billed, effective in table]
    assert len(by_hand) == 5
    place.ingest(FOLDER / "sample.csv")
    assert [row[:4] for row in charges(place) if row[0] <= 3] == by_hand
    assert place.broken() == []
    assert place.ask("SELECT sum(chip_hours) FROM ledger.postings WHERE kind = 'unused' AND chip LIKE '%h100%'") == [
        (Decimal(24),)
    ]


@pytest.fixture(scope="module")
def months(places):
    """Months, twenty where it is to be thorough, as one delivery in each layout, each a source of its own; and what they must come to."""
    made, place = [gcp.month(seed) for seed in SEEDS], places()
    records = [record for month in made for record in month.records]
    with without_postings():
        for layout, write in LAYOUTS.items():
            path = write(place.home / layout, records)
            place.ingest(path, source=layout)
    return made, place


LAYOUTS = {"dotted.csv": gcp.write_csv, "nested.json": gcp.write_ndjson, "nested.parquet": gcp.write_parquet}


def summed(place, source, what, by, where="TRUE"):
    query = f"SELECT {by}, {what} FROM ledger.charges WHERE source = '{source}' AND {where} GROUP BY ALL"
    return dict(place.ask(query))


@pytest.mark.parametrize("cost", few(["billed", "effective", "list", "contracted"], 2))
def test_generated_months_come_to_their_own_totals(cost, months):
    made, place = months
    found = summed(place, "dotted.csv", f"sum({cost.title()}Cost)", "strftime(billing_period, '%Y%m')")
    assert found == {month.label: month.totals[cost] for month in made}
    assert place.ask(f"SELECT count(*) FROM ledger.charges WHERE {cost.title()}Cost IS NULL") == [(0,)]


def test_generated_months_by_service_promotion_and_number_of_records(months):
    made, place = months
    found = summed(place, "dotted.csv", "sum(BilledCost)", "(strftime(billing_period, '%Y%m'), ServiceName)")
    assert found == {(month.label, name): cost for month in made for name, cost in month.services.items()}
    credit = summed(
        place, "dotted.csv", "sum(BilledCost)", "strftime(billing_period, '%Y%m')", "ChargeCategory = 'Credit'"
    )
    assert credit == {month.label: month.totals["promotions"] for month in made if month.totals["promotions"]}
    counted = summed(place, "dotted.csv", "count(*)", "TRUE", "CommitmentDiscountStatus IS DISTINCT FROM 'Unused'")
    assert list(counted.values()) == [sum(month.charges for month in made)]


def test_what_nothing_used_of_a_fee_is_its_share_to_a_millionth_per_part(months):
    made, place = months
    fees = summed(
        place, "dotted.csv", "sum(BilledCost)", "strftime(billing_period, '%Y%m')", "ChargeCategory = 'Purchase'"
    )
    assert fees == {month.label: month.totals["fees"] for month in made}
    assert place.ask(
        "SELECT count(*) FROM ledger.charges WHERE ChargeCategory = 'Purchase' AND EffectiveCost <> 0"
    ) == [(0,)]
    unused = summed(
        place,
        "dotted.csv",
        "sum(EffectiveCost)",
        "strftime(billing_period, '%Y%m')",
        "CommitmentDiscountStatus = 'Unused'",
    )
    for month in made:
        expected = sum(fee * share for fee, share in month.half_used.values())
        assert abs(unused[month.label] - expected) < Decimal("0.000001") * 8 * len(month.half_used)
        assert Decimal(0) < unused[month.label] < month.totals["fees"]


@pytest.mark.parametrize("layout", ["nested.json", "nested.parquet"])
def test_every_layout_gives_the_same_charges(layout, months):
    _, place = months
    asked = "SELECT * EXCLUDE (source, delivery_id) FROM ledger.charges WHERE source = '{}' ORDER BY file_no, record_no, part_no"
    assert place.ask(asked.format(layout)) == place.ask(asked.format("dotted.csv"))


SPREAD = {  # rows of a bill, and (record, part, billed, effective, status) of its charges
    "the remainder and the digits below a millionth go to the largest part": (
        [
            {"sku": FEE, "cost": "10.0000000000000001", "quantity": "3"},
            {"sku": USAGE, "cost": "1", "credits": covered("-1")},
            {"sku": USAGE, "cost": "1", "credits": covered("-1")},
        ],
        [
            (1, 1, "10.0000000000000001", "0", None),
            (1, 2, "0", "3.333333", "Unused"),
            (2, 1, "0", "3.3333340000000001", "Used"),
            (3, 1, "0", "3.333333", "Used"),
        ],
    ),
    "more drawn than committed: nothing is unused": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2"},
            {"sku": USAGE, "cost": "9", "quantity": "3", "credits": covered("-9")},
        ],
        [(1, 1, "6", "0", None), (2, 1, "0", "6", "Used")],
    ),
    "a correction gives its share back": (
        [
            {"sku": FEE, "cost": "8", "quantity": "8"},
            {"sku": USAGE, "cost": "8", "quantity": "4", "credits": covered("-8")},
            {"sku": USAGE, "cost": "-4", "quantity": "-2", "credits": covered("4")},
        ],
        [(1, 1, "8", "0", None), (1, 2, "0", "6", "Unused"), (2, 1, "0", "4", "Used"), (3, 1, "0", "-2", "Used")],
    ),
    "days are Pacific, and each has its own fee": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2", "day": "2026-10-05", "hour": "08"},
            {"sku": FEE, "cost": "6", "quantity": "2", "day": "2026-10-06", "hour": "08"},
            {"sku": USAGE, "cost": "1", "credits": covered("-1"), "day": "2026-10-06", "hour": "06"},
        ],
        [
            (1, 1, "6", "0", None),
            (1, 2, "0", "3", "Unused"),
            (2, 1, "6", "0", None),
            (2, 2, "0", "6", "Unused"),
            (3, 1, "0", "3", "Used"),
        ],
    ),
    "usage of a day billed without its fee draws from the last one before": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2"},
            {"sku": USAGE, "cost": "1", "credits": covered("-1"), "day": "2026-10-08"},
            {"sku": USAGE, "cost": "1", "credits": covered("-1"), "day": "2026-09-30"},
        ],
        [(1, 1, "6", "0", None), (2, 1, "0", "3", "Used"), (3, 1, "0", "3", "Used")],
    ),
    "another region's credits are none of this fee's": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2"},
            {"sku": USAGE, "cost": "1", "credits": covered("-1"), "region": "europe-west4"},
        ],
        [(1, 1, "6", "0", None), (1, 2, "0", "6", "Unused"), (2, 1, "0", "0", "Used")],
    ),
    "credits that belong to no fee leave the region's undrawn fees whole": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2"},
            {"sku": "Zeta Core running in Americas", "cost": "1", "credits": covered("-1")},
        ],
        [(1, 1, "6", "6", None), (2, 1, "0", "0", "Used")],
    ),
    "a fee in another unit than the usage stays whole": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2", "unit": "month"},
            {"sku": USAGE, "cost": "1", "credits": covered("-1")},
        ],
        [(1, 1, "6", "6", None), (2, 1, "0", "0", "Used")],
    ),
    "a fee without a quantity stays whole": (
        [{"sku": FEE, "cost": "6", "quantity": ""}, {"sku": USAGE, "cost": "1", "credits": covered("-1")}],
        [(1, 1, "6", "6", None), (2, 1, "0", "0", "Used")],
    ),
    "a refunded fee is no fee to spread": (
        [{"sku": FEE, "cost": "-6", "quantity": "-2"}],
        [(1, 1, "-6", "-6", None)],
    ),
    "a discount on the fee is spread with it": (
        [
            {"sku": FEE, "cost": "8", "quantity": "2", "credits": [("DISCOUNT", "-2", "Negotiated")]},
            {"sku": USAGE, "cost": "1", "credits": covered("-1")},
        ],
        [(1, 1, "6", "0", None), (1, 2, "0", "3", "Unused"), (2, 1, "0", "3", "Used")],
    ),
    "a promotion that pays the fee is a charge of its own": (
        [
            {"sku": FEE, "cost": "8", "quantity": "1", "credits": [("PROMOTION", "-2", "Trial")]},
            {"sku": USAGE, "cost": "1", "credits": covered("-1")},
        ],
        [(1, 1, "8", "0", None), (1, 2, "-2", "-2", None), (2, 1, "0", "8", "Used")],
    ),
    "a record covered by both kinds draws from both": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2"},
            {"sku": SPEND_FEE, "cost": "3", "quantity": "200", "region": ""},
            {"sku": USAGE, "cost": "2", "quantity": "2", "credits": [*covered("-1"), *of_spend("-1")]},
        ],
        [
            (1, 1, "6", "0", None),
            (1, 2, "0", "3", "Unused"),
            (2, 1, "3", "0", None),
            (2, 2, "0", "1.5", "Unused"),
            (3, 1, "0", "4.5", "Used"),
        ],
    ),
    "spend is committed in US cents, whatever the currency of the bill": (
        [
            {"sku": SPEND_FEE, "cost": "3", "quantity": "200", "rate": "0.5"},
            {"sku": USAGE, "cost": "0.5", "rate": "0.5", "credits": of_spend("-0.5")},
        ],
        [(1, 1, "3", "0", None), (1, 2, "0", "1.5", "Unused"), (2, 1, "0", "1.5", "Used")],
    ),
    "credits on a record without usage count at the day's price": (
        [
            {"sku": FEE, "cost": "8", "quantity": "4"},
            {"sku": USAGE, "cost": "4", "quantity": "2"},
            {"sku": USAGE, "cost": "0", "quantity": "0", "credits": covered("-2")},
        ],
        [(1, 1, "8", "0", None), (1, 2, "0", "6", "Unused"), (2, 1, "4", "4", None), (3, 1, "-2", "0", "Used")],
    ),
    "a fee of another invoice month is another fee": (
        [
            {"sku": FEE, "cost": "6", "quantity": "2", "month": "202609"},
            {"sku": USAGE, "cost": "1", "credits": covered("-1"), "month": "202610"},
        ],
        [(1, 1, "6", "0", None), (1, 2, "0", "6", "Unused"), (2, 1, "0", "0", "Used")],
    ),
}


@pytest.fixture(scope="module")
def spread(places):
    """All the bills of SPREAD in one file, each a billing account of its own, between which nothing is spread."""
    place = places()
    rows = [row | {"account": name} for name, (bill, _) in SPREAD.items() for row in bill]
    place.ingest(google(place, "bill.csv", rows))
    assert place.broken() == []
    return place


@pytest.mark.parametrize("name", few(SPREAD, 4))
def test_a_fee_is_spread_over_what_drew_it(name, spread):
    first = spread.ask(f"SELECT min(record_no) FROM ledger.charges WHERE BillingAccountId = {quoted(name)}")[0][0]
    found = charges(spread, where=f"BillingAccountId = {quoted(name)}")
    assert [(record - first + 1, *rest) for record, *rest in found] == SPREAD[name][1]


CREDITS = {  # a cell, BilledCost of part 1, and the credits apart: all of a charge of 10
    "none": ("[]", "10", []),
    "nothing at all": ("", "10", []),
    "an object for none": ('{"name": "", "amount": 0, "full_name": "", "id": "", "type": ""}', "10", []),
    "one object": ('{"name": "x", "amount": -1, "type": "DISCOUNT"}', "9", []),
    "Python's words": (
        """[{'name': "it's", 'amount': -1e-07, 'full_name': None, 'id': '', 'type': 'PROMOTION'}]""",
        "10",
        [("it's", "-0.0000001")],
    ),
    "two of a kind": (
        '[{"type": "PROMOTION", "amount": -1, "name": "a"}, {"type": "PROMOTION", "amount": -2, "name": "b"}]',
        "10",
        [("a", "-1"), ("b", "-2")],
    ),
    "19 digits": ('[{"type": "DISCOUNT", "amount": -1.123456789012345678}]', "8.876543210987654322", []),
    "a positive one": ('[{"type": "DISCOUNT", "amount": 1}]', "11", []),
    "no type, by name": (
        '[{"name": "Sustained Usage Discount", "amount": -1}, {"name": "FreeTrial:Credit-1", "amount": -1}]',
        "9",
        [("FreeTrial:Credit-1", "-1")],
    ),
    "an unknown type": (
        '[{"name": "Loyalty", "type": "POINTS", "amount": -1}]',
        "10",
        [("credit of unknown type POINTS: Loyalty", "-1")],
    ),
}


def test_credits_in_every_notation(place):
    google(place, "bill.csv", [{"sku": USAGE, "cost": "10", "credits": cell} for cell, _, _ in CREDITS.values()])
    place.ingest("bill.csv")
    found = place.ask(
        "SELECT record_no, part_no, ChargeDescription, BilledCost FROM ledger.charges ORDER BY record_no, part_no"
    )
    for number, (name, (_, billed, apart)) in enumerate(CREDITS.items(), start=1):
        mine = [(text, plain(amount)) for record, part, text, amount in found if record == number]
        assert mine == [(USAGE, billed), *apart], name


BROKEN = {  # cells that are no credits, or say no amount
    "cut": "[",
    "words": "nothing",
    "no amount": '[{"type": "DISCOUNT"}]',
    "a comma": '[{"amount": "1,5"}]',
    "not a number": '[{"amount": NaN}]',
    "no objects": "[1]",
    "more behind": '{"amount": 1} []',
    "twice": '[{"amount": 1, "amount": 2}]',
}


@pytest.mark.usefixtures("way")
def test_credits_that_are_printed_floats_are_rounded_and_written_down(place):
    """BigQuery keeps credits as binary floats and prints them whole: more decimals than an amount keeps."""
    exact, floats = "-0.25", ("-1.2340000000000001e-05", "-0.000012340000000000001")
    given = [
        f'[{{"name": "a", "type": "PROMOTION", "amount": {text}}}, {{"name": "b", "type": "PROMOTION", "amount": {exact}}}]'
        for text in floats
    ]
    google(place, "bill.csv", [{"sku": USAGE, "cost": "1", "credits": text} for text in given])
    (outcome,) = place.ingest("bill.csv")
    assert place.ask("SELECT sum(BilledCost), count(*) FROM ledger.charges WHERE ChargeCategory = 'Credit'") == [
        (2 * (Decimal(exact) - Decimal("0.00001234")), 4)
    ]
    assert place.ask("SELECT column_name, records, rounded_away FROM ledger.roundings") == [
        ("Credits", 2, 2 * Decimal("-0.000000000000000000001"))
    ]
    assert [note for note in outcome.notes if note.startswith("Credits: 2 binary floats")]
    assert place.broken() == []


def test_credits_that_say_no_amount_are_never_taken_for_none(place):
    rows = [{"sku": USAGE, "cost": "1", "credits": cell} for cell in ["[]", *BROKEN.values()]]
    google(place, "bill.csv", rows)
    with pytest.raises(InputRefused, match=r"bill\.csv:3: 8 records cannot be taken in"):
        place.ingest("bill.csv")
    place.ingest("bill.csv", quarantine_rows=len(BROKEN))
    assert place.ask("SELECT record_no FROM ledger.charges") == [(1,)]
    found = place.ask("SELECT value FROM ledger.quarantine WHERE column_name = 'Credits' ORDER BY record_no")
    assert [value for (value,) in found] == list(BROKEN.values())


LABELS = {  # a cell of labels, and the tags it gives; None is refused
    "[]": {},
    "": {},
    '[{"key": "team", "value": "search"}]': {"team": "search"},
    """[{'key': 'a"b', 'value': "it's"}]""": {'a"b': "it's"},
    '{"team": "search", "n": 1}': {"team": "search", "n": "1"},
    '[{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]': {"a": "1"},
    '[{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]': None,
    '[{"key": "a", "value": ""}, {"key": "b", "value": null}]': {"a": "", "b": None},
    '[{"value": "no key"}]': None,
    '[{"key": "line\\nbreak", "value": "\\u00e9"}]': {"line\nbreak": "é"},
    "team=search": None,
}


@pytest.mark.slow
def test_labels_in_every_notation(place):
    google(place, "bill.csv", [{"sku": USAGE, "cost": "1", "labels": cell} for cell in LABELS])
    refused = [number for number, tags in enumerate(LABELS.values(), start=1) if tags is None]
    place.ingest("bill.csv", quarantine_rows=len(refused))
    found = dict(place.ask("SELECT record_no, Tags FROM ledger.charges"))
    assert {number: json.loads(tags) if tags else {} for number, tags in found.items()} == {
        number: tags for number, tags in enumerate(LABELS.values(), start=1) if tags is not None
    }


JSON_TEXTS = [
    *(
        "[]",
        "{}",
        "[{}]",
        "null",
        "1",
        '"a"',
        "[1]",
        "[null]",
        "[[]]",
        '{"a": 1}',
        ' {"a": "1"} ',
        '[{"a": 1, "a": 2}]',
        '{"a": 1} []',
    ),
    *(
        f'[{{"a": {number}}}]'
        for number in (
            "0",
            "-0",
            "-0.5",
            "0.10",
            "1.205",
            "1.0",
            "1e3",
            "1E-7",
            "-1.25e-05",
            "NaN",
            "Infinity",
            "01",
            ".5",
            "+1",
        )
    ),
    *(
        f'[{{"a": {digits}}}]'
        for digits in (
            "123456789012345",
            "1234567890123456",
            "12345678901234567890",
            "0.1234567890123",
            "0.12345678901234567",
        )
    ),
    *(
        f'[{{"a": {value}}}]'
        for value in ("true", "null", '"x\\u00e9\\n"', '{"b": [1, 0.50, "c d"]}', '"0.10"', '"a:1.0,"', '"}"')
    ),
    *("[{'a': 1}]", '[{"a": None}]', '[{"a": 1},]', "[{", "", "words"),
]


@pytest.mark.slow
def test_json_is_read_as_what_its_tokens_say():
    """What is JSON already, and loses nothing as such, is not taken apart and put together again: with the same result."""
    with store.in_memory() as ledger:
        gates.bind(ledger, pipeline.known()["gcp_billing"], raising=False)
        ledger.run("CREATE TEMP MACRO by_tokens(x) AS objects_of(notation(x))")
        for text in JSON_TEXTS:
            quick, slow = ledger.run("SELECT objects_of($text), by_tokens($text)", {"text": text}).rows[0]
            assert quick == slow, text
        read = [text for text in JSON_TEXTS if ledger.value("SELECT reads_as_json($text)", {"text": text})]
    assert '[{"a": 1.205}]' in read
    assert not {'[{"a": 0.10}]', '[{"a": 1234567890123456}]', '[{"a": 1e3}]', '[{"a": 1.0}]'} & set(read)


@pytest.mark.slow
def test_the_four_kinds_of_labels_have_namespaces(place):
    pair = '[{{"key": "k", "value": "{}", "namespace": "{}"}}]'
    cells = {"labels": ("1", ""), "project.labels": ("2", ""), "system_labels": ("3", ""), "tags": ("4", "1234")}
    google(
        place,
        "bill.csv",
        [{"sku": USAGE, "cost": "1"} | {column: pair.format(*words) for column, words in cells.items()}],
    )
    place.ingest("bill.csv")
    assert [json.loads(tags) for (tags,) in place.ask("SELECT Tags FROM ledger.charges")] == [
        {"k": "1", "project/k": "2", "system/k": "3", "tag/1234/k": "4"}
    ]


SAMPLES = Path(__file__).parent / "samples" / "nise-gcp"
DIGITS = Decimal("1e-18")


def in_files(folder):
    """Add up a folder's files without costctl, per month, service and project: (records, cost and credits)."""
    found = defaultdict(lambda: [0, Decimal(0)])
    for path in sorted((SAMPLES / folder).iterdir()):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file) if path.suffixes[-2] == ".csv" else map(flattened, file):
                given = row["credits"] if isinstance(row["credits"], dict) else {"amount": 0}
                assert given is not row["credits"] or row["credits"]["amount"] == 0
                entry = found[row["invoice.month"], row["service.description"], row["project.id"]]
                entry[0] += 1
                entry[1] += (Decimal(row["cost"]) + given["amount"]).quantize(DIGITS, ROUND_HALF_UP)
    return {key: tuple(entry) for key, entry in found.items()}


def flattened(line):
    record = json.loads(line, parse_float=Decimal)
    return {
        f"{name}.{inner}": value
        for name, fields in record.items()
        if isinstance(fields, dict)
        for inner, value in fields.items()
    } | record


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "files", "records"), few_rows([("resource-jsonl", 1, 576), ("standard", 2, 1152), ("resource", 1, 576)])
)
def test_the_bills_that_nise_made_come_to_what_their_files_say(folder, files, records, place):
    assert len(list((SAMPLES / folder).iterdir())) == files
    (outcome,) = place.ingest(SAMPLES / folder)
    assert (outcome.format, outcome.records) == ("gcp_billing", records)
    for cost in ("Billed", "Effective", "Contracted"):
        asked = f"SELECT strftime(billing_period, '%Y%m'), ServiceName, SubAccountId, count(*), sum({cost}Cost) FROM ledger.charges GROUP BY ALL"
        assert {row[:3]: row[3:] for row in place.ask(asked)} == in_files(folder)
    assert place.ask("SELECT count(*), count(ListCost) FROM ledger.charges") == [
        (records, 0)
    ]  # no cost_at_list: unknown, not 0
    assert place.broken() == []


def run_of(place, name, rows, *, export, files=1):
    """Write a run folder: rows in so many shards, exported when the last of them came."""
    stamped = [row | {"export": export} for row in rows]
    for number in range(files):
        google(place, f"bills/{name}/part-{number}.csv", stamped[number::files])
    return place.home / "bills" / name


OCTOBER = [{"sku": FEE, "cost": "6", "quantity": "2"}, {"sku": USAGE, "cost": "1", "credits": covered("-1")}]
LATE = [*OCTOBER, {"sku": USAGE, "cost": "5", "quantity": "5"}]


@pytest.mark.slow
def test_of_several_runs_of_a_month_the_newest_counts_in_any_order_of_arrival(places):
    states = set()
    for order in (["first", "second", "third"], ["third", "first", "second"], ["second", "third", "first"]):
        place = places()
        run_of(place, "first", OCTOBER, export="2026-10-06 00:00:00 UTC", files=2)
        run_of(place, "second", LATE, export="2026-11-04 09:00:00 UTC", files=3)
        run_of(place, "third", LATE[:2], export="2026-11-04 09:00:00 UTC")  # as late, but a record short
        for name in order:
            place.ingest(place.home / "bills" / name)
        assert place.ask("SELECT count(*), sum(BilledCost), sum(EffectiveCost) FROM ledger.charges") == [(4, 11, 11)]
        states.add(place.fingerprint())
    assert len(states) == 1


@pytest.mark.slow
def test_the_same_records_in_other_shards_are_one_state_too(places):
    states = set()
    for order in ([1, 3], [3, 1]):
        place = places()
        for files in order:
            place.ingest(run_of(place, f"run-{files}", LATE, export="2026-11-04 09:00:00 UTC", files=files))
        assert place.ask("SELECT count(*), sum(BilledCost) FROM ledger.charges") == [(4, 11)]
        states.add(place.fingerprint())
    assert len(states) == 1


@pytest.mark.slow
def test_all_runs_of_a_folder_at_once_and_again(place):
    run_of(place, "202610-run-1", OCTOBER, export="2026-10-06 00:00:00 UTC")
    run_of(place, "202610-run-2", LATE, export="2026-11-04 00:00:00 UTC", files=2)
    run_of(place, "202611-run-1", [row | {"month": "202611"} for row in OCTOBER], export="2026-11-05 00:00:00 UTC")
    place.write("bills/.incoming/202611-run-2/part-0.csv", "half a file")
    for _ in range(2):
        place.ingest(place.home / "bills")
        asked = "SELECT strftime(billing_period, '%Y%m'), count(*), sum(BilledCost) FROM ledger.charges GROUP BY 1 ORDER BY 1"
        assert place.ask(asked) == [("202610", 4, 11), ("202611", 3, 6)]


@pytest.mark.slow
def test_equal_machines_in_two_zones_lie_in_any_shard(place):
    """BigQuery writes a run in shards, and a charge knows its region but not its zone."""
    for name in ("first", "second"):
        rows = [{"sku": USAGE, "cost": "1"}, {"sku": USAGE, "cost": "2"}, {"sku": USAGE, "cost": str(len(name))}]
        google(place, f"bills/202610-run-1/{name}.csv", rows)
    place.ingest(place.home / "bills")
    assert place.ask("SELECT count(*) FROM ledger.charges WHERE part_no = 1") == [(6,)]


@pytest.mark.parametrize("order", few([("a", "b"), ("b", "a")]))
def test_two_accounts_in_one_source_are_not_versions_of_each_other(place, order):
    for name, export in (("a", "2026-11-05"), ("b", "2026-11-04")):
        rows = [row | {"account": f"account-{name}"} for row in OCTOBER]
        run_of(place, f"{name}/202610-run-1", rows, export=f"{export} 00:00:00 UTC")
    first, second = (place.home / "bills" / name for name in order)
    place.ingest(first)
    with pytest.raises(InputRefused, match="nothing of account account-b"):
        place.ingest(second)
    assert place.ask("SELECT DISTINCT BillingAccountId FROM ledger.charges") == [(f"account-{order[0]}",)]


@pytest.mark.slow
def test_gone_back_behind_a_run_what_is_older_than_it_stays_older(place):
    """The state must not depend on which of the older runs were in the ledger before the decision."""
    run_of(place, "202610-run-1", OCTOBER[:1], export="2026-10-06 00:00:00 UTC")
    run_of(place, "202610-run-3", OCTOBER, export="2026-11-04 00:00:00 UTC")
    place.ingest(place.home / "bills")
    place.ingest(place.home / "bills" / "202610-run-1", decision="replace")
    run_of(place, "202610-run-2", OCTOBER[:2], export="2026-10-09 00:00:00 UTC")
    place.ingest(place.home / "bills")
    assert place.ask("SELECT count(*) FROM ledger.charges WHERE part_no = 1") == [(1,)]
    run_of(place, "202610-run-4", LATE, export="2026-11-09 00:00:00 UTC")
    place.ingest(place.home / "bills")
    assert place.ask("SELECT count(*) FROM ledger.charges WHERE part_no = 1") == [(len(LATE),)]


@pytest.mark.slow
def test_of_runs_that_are_to_replace_what_is_there_the_newest_counts(place):
    run_of(place, "202610-a", LATE, export="2026-11-04 00:00:00 UTC")
    run_of(place, "202610-b", OCTOBER, export="2026-10-06 00:00:00 UTC")
    for _ in range(2):
        place.ingest(place.home / "bills", decision="replace")
        assert place.ask("SELECT count(*), sum(BilledCost) FROM ledger.charges") == [(4, 11)]


@pytest.mark.slow
def test_appended_by_export_time_a_fee_meets_its_usage_across_files(place):
    place.write(
        "costctl.yaml", "version: 1\nsources:\n  - {name: gcp, path: bills/, as: gcp-billing, deliveries: append}\n"
    )
    google(place, "bills/2026-10-06.csv", OCTOBER[:1])
    pipeline.take_in(place.run, pipeline.wanted(place.run, [], None, None))
    assert [row[3:] for row in charges(place)] == [("0", None), ("6", "Unused")]
    google(place, "bills/2026-10-07.csv", OCTOBER[1:])
    for _ in range(2):
        pipeline.take_in(place.run, pipeline.wanted(place.run, [], None, None))
        assert sorted(row[3:] for row in charges(place)) == [("0", None), ("3", "Unused"), ("3", "Used")]
