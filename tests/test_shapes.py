"""Bills of unusual shape: hundreds of columns, thousands of tags, fields as long as a book; a column that means another thing later."""

import csv
import io
from decimal import Decimal

import pytest
from generators import oci

from costctl.errors import InputRefused


def wide(place, name, header, rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([header, *rows])
    return place.write(name, out.getvalue())


def test_five_hundred_columns_that_nobody_reads(place):
    bill = place.bill("narrow.csv", [{"cost": "1"}, {"cost": "2"}]).read_text(encoding="utf-8")
    header, *rows = csv.reader(io.StringIO(bill))
    more = [f"x_Surprise{number}" for number in range(500)]
    place.ingest(wide(place, "wide.csv", [*more, *header], [["?"] * 500 + row for row in rows]))
    assert place.ask("SELECT sum(BilledCost), count(*) FROM ledger.charges") == [(Decimal(3), 2)]


@pytest.mark.slow
def test_thousands_of_tag_columns(place):
    row = dict.fromkeys(oci.HEADER, "") | {
        "lineItem/intervalUsageStart": "2026-10-01T00:00Z",
        "lineItem/intervalUsageEnd": "2026-10-01T01:00:00Z",
        "product/service": "COMPUTE",
        "cost/myCost": "1.5",
        "cost/currencyCode": "USD",
    }
    tags = [f"tags/space.key{number:05}" for number in range(2000)]
    bill = wide(place, "tags.csv", [*row, *tags], [[*row.values(), *("v" if n % 2 else "" for n in range(2000))]] * 3)
    place.ingest(bill)
    assert place.ask("SELECT sum(BilledCost), max(json_array_length(json_keys(Tags))) FROM ledger.charges") == [
        (Decimal("4.5"), 1000)
    ]


@pytest.mark.slow
def test_long_fields_are_read(place):
    resource, text = "i-" + "x" * 60_000, "y" * 3_000_000
    place.ingest(place.bill("long.csv", [{"cost": "1", "ResourceId": resource, "ChargeDescription": text}]))
    assert place.ask("SELECT length(ResourceId), length(ChargeDescription) FROM ledger.charges") == [
        (60_002, 3_000_000)
    ]


def test_a_column_that_holds_something_else_in_a_later_file_is_named(place):
    place.bill("bills/1.csv", [{"cost": "1"}])
    place.bill("bills/2.csv", [{"cost": "1", "PricingQuantity": "2"}, {"cost": "1", "PricingQuantity": "two"}])
    with pytest.raises(InputRefused) as refused:
        place.ingest("bills")
    assert refused.value.evidence[0].endswith(
        "2.csv:3: PricingQuantity is not a plain decimal number of at most 20 digits before and 18 after the point: 'two'"
    )
