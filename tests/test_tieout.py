"""The tie-out by invoice: every gap has its name by evidence, or it is left and the exit code is 5; nothing nets silently."""

import csv
import io
import json
import shutil
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import examples, few
from hypothesis import given
from hypothesis import strategies as st

import costctl
from costctl import pipeline, reports

WORKED = Path(__file__).with_name("tieout")
SAMPLE = Path(costctl.__file__).parent / "bills" / "aws_cur" / "sample.csv"
BILL = """
    cost                  InvoiceId  BillingAccountId  BillingCurrency  ProviderName  ChargeCategory  ChargeFrequency  PublisherName  ListUnitPrice
    60.004                A-1        111               USD              AWS           Usage           Usage-Based      AWS  -
    40                    A-1        111               USD              AWS           Usage           Usage-Based      AWS  -
    50                    A-2        111               USD              AWS           Usage           Usage-Based      AWS  -
    50                    A-3        111               USD              AWS           Usage           Usage-Based      AWS  -
    50                    A-4        111               USD              AWS           Usage           Usage-Based      AWS  -
    30                    A-5        111               USD              AWS           Usage           Usage-Based      -  -
    12.5                  A-5        111               USD              AWS           Usage           Usage-Based      Acme Sensors  -
    70                    A-6        111               USD              AWS           Usage           Usage-Based      AWS  -
    1000                  A-6        111               USD              AWS           Purchase        One-Time         AWS  -
    100                   A-7        111               USD              AWS           Usage           Usage-Based      AWS  -
    9                     A-8        111               USD              AWS           Usage           Usage-Based      AWS  -
    11                    A-9        111               USD              AWS           Usage           Usage-Based      AWS  -
    3                     A-10       111               USD              AWS           Usage           Usage-Based      AWS  -
    7.000000000000000001  -          111               USD              AWS           Usage           Usage-Based      AWS  -
    1.00                  A-13       111               USD              AWS           Usage           Usage-Based      AWS  -
    bad                   A-12       111               USD              AWS           Usage           Usage-Based      AWS  -
    5.75                  A-14       111               USD              AWS           Usage           Usage-Based      AWS  -
    4.25                  A-14       111               USD              AWS           Usage           Usage-Based      AWS  n/a
    20.499                -          222               EUR              Google        Usage           Usage-Based      Google  -
    30.035                F-1        333               USD              AWS           Usage           Usage-Based      AWS  -
    1000.4                J-1        444               JPY              AWS           Usage           Usage-Based      AWS  -
"""
SUMS = ("charges", "postings", "invoice")


@pytest.fixture(scope="module")
def month(places):
    """The worked month, taken in once and only copied."""
    place = places()
    for name in ("costctl.yaml", "invoices.csv", "invoice-detail.csv", "items.csv"):
        shutil.copy(WORKED / name, place.home)
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv")
    return place


@pytest.fixture
def worked(month, place, monkeypatch):
    monkeypatch.chdir(place.home)
    return place.copy(month)


def as_rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def blocks(rows):
    """Return the legs of each invoice: {(period, provider, payer, invoice, currency): [(leg, amount)]}."""
    found = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in ("billing_period", "provider", "payer", "invoice", "currency"))
        found[key].append((row["leg"], None if row["amount"] in (None, "") else Decimal(row["amount"])))
    return found


@pytest.mark.parametrize("columns", few(["80", "120"]))
def test_the_worked_month_as_a_table(worked, command, golden, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    said = command("tieout", "--by", "invoice", "--format", "table")
    assert said.code == 5
    golden(WORKED / f"expected-{columns}.txt", said.out)
    golden(WORKED / "expected-error.txt", said.err)


def test_the_worked_month_in_every_other_format(worked, command, golden):
    said = command("tieout", "--format", "csv")
    assert said.code == 5
    golden(WORKED / "expected.csv", said.out)
    rows = as_rows(said.out)
    records = json.loads(command("tieout", "--format", "json").out)
    assert [{name: "" if value is None else str(value) for name, value in record.items()} for record in records] == rows
    command("tieout", "--output", "tieout.parquet")
    table = pq.read_table("tieout.parquet")
    assert str(table.schema.field("amount").type) == "decimal128(38, 18)"
    assert table.column("amount").to_pylist() == [Decimal(row["amount"]) if row["amount"] else None for row in rows]


def test_each_leg_is_what_the_readme_works_out(worked, command):
    """The README's table, read: invoice, charges and left of every line."""
    found = {}
    for (_, _, _, invoice, _), legs in blocks(as_rows(command("tieout", "--format", "csv").out)).items():
        parts = dict(legs)
        found[invoice.replace("-", "(none)", 1) if invoice == "-" else invoice] = (
            parts.get("invoice"),
            parts["charges"],
            parts["left"],
        )
    lines = [
        line.split("|")[1:-1]
        for line in (WORKED / "README.md").read_text("utf-8").splitlines()
        if line.startswith("| ")
    ][1:]
    worked_out = {}
    for name, _, invoice, charges, _, left in (
        [cell.strip().replace("\u2212", "-") for cell in line] for line in lines
    ):
        worked_out[name] = (Decimal(invoice) if invoice else None, Decimal(charges), Decimal(left))
    assert found == worked_out
    assert len(found) == 17


@pytest.mark.slow
def test_without_invoices_it_is_the_tie_out_by_source(place, command, monkeypatch):
    place.bill("bill.csv", "cost  InvoiceId\n1.5  A-1\n")
    place.ingest("bill.csv")
    monkeypatch.chdir(place.home)
    said = command("tieout", "--format", "csv")
    assert said.code == 0
    assert said.out.startswith("source,billing_period,currency,cost,")
    said = command("tieout", "--by", "invoice")
    assert said.code == 2
    assert "the configuration names no invoices" in said.err


@pytest.mark.slow
def test_changed_invoices_are_read_again_and_reprice_nothing(worked, command):
    before = worked.ask("SELECT billing_period, fingerprint FROM ledger.periods")
    assert command("tieout").code == 5
    invoices = worked.home / "invoices.csv"
    invoices.write_text(invoices.read_text().replace("A-3,USD,2026-10,45.00", "A-3,USD,2026-10,50.00"))
    legs = blocks(as_rows(command("tieout", "--format", "csv").out))
    assert ("left", Decimal(0)) in legs[("2026-10", "aws", "111", "A-3", "USD")]
    assert worked.ask("SELECT billing_period, fingerprint FROM ledger.periods") == before


def test_a_month_that_ties_out_exits_0(place, command, monkeypatch):
    place.write("costctl.yaml", "version: 1\ninvoices: invoices.csv\n")
    place.write(
        "invoices.csv",
        "provider,billing_account,invoice_id,currency,billing_period,amount\naws,111,A-1,USD,2026-10,1.50\n",
    )
    place.bill("bill.csv", "cost  InvoiceId\n1.5  A-1\n")
    place.ingest("bill.csv")
    monkeypatch.chdir(place.home)
    assert command("tieout").code == 0
    assert command("tieout", "--period", "2026-09").out.count("\n") == 1  # nothing but the header


INVOICES = ["-", "A", "B", "C"]
cents = st.integers(-300, 300).map(lambda number: f"{Decimal(number).scaleb(-2)}")
fine = st.one_of(
    cents,
    st.integers(-(10**6), 10**6).map(lambda number: f"{Decimal(number).scaleb(-4)}"),
    st.just("0.000000000000000001"),
)
charges = st.lists(
    st.tuples(
        fine, st.sampled_from(INVOICES), st.sampled_from(["1", "2"]), st.sampled_from(["USD", "EUR"]), st.sampled_from(["2026-09", "2026-10"]),
        st.sampled_from([("Usage", "AWS"), ("Usage", "Acme"), ("Tax", "AWS"), ("Purchase", "AWS")]),
    ),
    min_size=1, max_size=8,
)  # fmt: skip
documents = st.dictionaries(
    st.tuples(st.sampled_from(["1", "2"]), st.sampled_from(INVOICES[1:]), st.sampled_from(["USD", "EUR"]), st.sampled_from(["2026-09", "2026-10"])),
    st.tuples(cents, st.one_of(st.just(""), cents), st.one_of(st.just(""), cents), st.integers(1, 3), st.sampled_from(["", "open", "paid", "voided"])),
    max_size=5,
)  # fmt: skip
approved = st.lists(
    st.tuples(st.sampled_from(["1", "2"]), st.sampled_from(["", "A", "B"]), st.sampled_from(["USD", "EUR"]), st.sampled_from(["2026-09", "2026-10"]), cents),
    max_size=3, unique=True,
)  # fmt: skip


@given(bill=charges, invoices=documents, items=approved)
@examples(2)
def test_whatever_the_invoices_the_parts_add_up_and_nothing_is_lost(places, bill, invoices, items):
    """invoice = charges + named parts + left, exactly; every charge, invoice and item is in one block; rounding keeps its bound."""
    place = places()
    place.write("costctl.yaml", "version: 1\ninvoices: i.csv\nreconciling_items: r.csv\n")
    header = "provider,billing_account,invoice_id,currency,billing_period,amount,tax,prepaid,lines,status\n"
    place.write(
        "i.csv",
        header + "".join(f"aws,{','.join(key)},{','.join(map(str, values))}\n" for key, values in invoices.items()),
    )
    header = "provider,billing_account,invoice_id,currency,billing_period,amount,reason,approver,date\n"
    place.write(
        "r.csv",
        header + "".join(f"aws,{','.join(item)},known,me,2026-11-0{number + 1}\n" for number, item in enumerate(items)),
    )
    place.bill(
        "bill.csv",
        [
            {"cost": cost, "InvoiceId": invoice, "BillingAccountId": payer, "BillingCurrency": currency, "day": f"{month}-03",
             "ChargeCategory": category, "PublisherName": publisher, "ChargeFrequency": "One-Time"}
            for cost, invoice, payer, currency, month, (category, publisher) in bill
        ],
    )  # fmt: skip
    place.ingest("bill.csv")
    pipeline.documents(place.run)
    with pipeline.reading(place.run) as (ledger, _):
        rows = reports.tieout_by_invoice(ledger, None).dicts()
    for legs in blocks(rows).values():
        parts = [amount for leg, amount in legs if leg not in SUMS and leg != "set aside, cost not known"]
        once = dict(legs)
        assert sum(parts, once["charges"]) == once.get("invoice", 0)
        assert once["charges"] == once["postings"]
    assert all(abs(Decimal(row["amount"])) <= Decimal(row["at_most"]) for row in rows if row["leg"] == "rounding")
    whole = {
        leg: sum((Decimal(row["amount"]) for row in rows if row["leg"] == leg), Decimal(0))
        for leg in ("charges", "invoice", "reconciling item")
    }
    assert whole["charges"] == sum((Decimal(row[0]) for row in bill), Decimal(0))
    assert whole["invoice"] == sum((Decimal(row[0]) for row in invoices.values() if row[4] != "voided"), Decimal(0))
    assert whole["reconciling item"] == sum((Decimal(item[4]) for item in items), Decimal(0))


@pytest.mark.slow
def test_a_bad_field_elsewhere_does_not_hide_what_a_record_of_another_format_costs(place):
    """A line of an AWS report whose list price cannot be read is in quarantine, and its own amount is known all the same."""
    rows = list(csv.DictReader(SAMPLE.open(encoding="utf-8", newline="")))
    at = next(number for number, row in enumerate(rows) if row["lineItem/LineItemType"] == "Usage")
    rows[at]["pricing/publicOnDemandCost"] = "n/a"
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    lines = out.getvalue().splitlines(keepends=True)
    place.write("bill.csv", "".join([*lines, "too,few\n"]))
    place.ingest("bill.csv", quarantine_rows=2)
    found = place.ask("SELECT record_no, BillingAccountId, BillingCurrency, BilledCost FROM ledger.quarantine_costs")
    bad = rows[at]
    amount = Decimal(bad["lineItem/UnblendedCost"])
    assert found == [(at + 1, bad["bill/PayerAccountId"], bad["lineItem/CurrencyCode"], amount)]
    assert place.ask("SELECT count(DISTINCT record_no) FROM ledger.quarantine") == [(2,)]
    place.ingest("bill.csv", quarantine_rows=2, decision="replace")  # again: they stand there once
    assert place.ask("SELECT count(*) FROM ledger.quarantine_costs") == [(1,)]
