"""A month that was delivered again: what each revision changed, by account and service; the changes sum to what is in force."""

import csv
import io
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from conftest import examples, without_postings
from hypothesis import given
from hypothesis import strategies as st
from test_deliveries import assembly, before_its_manifest

from costctl import pipeline, reports
from costctl.config.settings import Policy
from costctl.nouns import Span

pytestmark = pytest.mark.usefixtures("unposted")

FIRST = """
    cost  day         SubAccountId  ServiceName
    10    2026-10-03  web           Compute
    2.5   2026-10-04  web           Storage
    7     2026-09-04  web           Storage
"""
SECOND = """
    cost                   day         SubAccountId  ServiceName
    10.000000000000000001  2026-10-03  web           Compute
    4                      2026-10-04  data          Compute
"""
BESIDE = """
    cost  day         SubAccountId  ServiceName
    1     2026-10-03  web           Compute
"""
CHANGES = """
    1  no   web   Compute  10                     10
    1  no   web   Storage  2.5                    2.5
    2  yes  data  Compute  4                      4
    2  yes  web   Compute  10.000000000000000001  0.000000000000000001
    2  yes  web   Storage  0                      -2.5
    3  yes  web   Compute  1                      1
"""


@pytest.fixture(scope="module")
def again(places):
    """A month that was replaced and added to, which is only read."""
    place = places()
    for name, rows in (("first.csv", FIRST), ("second.csv", SECOND), ("beside.csv", BESIDE)):
        place.bill(name, rows)
    with without_postings():
        place.ingest("first.csv")
        place.ingest("second.csv", decision="replace")
    place.ingest("beside.csv", decision="add")
    return place


@pytest.fixture
def revised(again, monkeypatch):
    monkeypatch.chdir(again.home)
    return again


def told(command, *names):
    said = command("report", "revisions", "--period", "2026-10", "--format", "csv")
    return [tuple(row[name] for name in names) for row in csv.DictReader(io.StringIO(said.out))]


def test_each_revision_says_what_it_changed(revised, command):
    found = told(command, "revision", "in_force", "account", "service", "billed", "billed_change")
    assert found == [tuple(line.split()) for line in CHANGES.strip().splitlines()]


@pytest.mark.slow
def test_what_stood_side_by_side_is_replaced_together(place, command, monkeypatch):
    for name, rows in (("first.csv", FIRST), ("beside.csv", BESIDE), ("second.csv", SECOND)):
        place.bill(name, rows)
    place.ingest("first.csv")
    place.ingest("beside.csv", decision="add")
    place.ingest("second.csv", decision="replace")
    monkeypatch.chdir(place.home)
    changes = told(command, "account", "service", "revision", "billed_change")
    computed = [change for account, service, *change in changes if (account, service) == ("web", "Compute")]
    assert computed == [["1", "10"], ["2", "1"], ["3", "-0.999999999999999999"]]


@pytest.mark.slow
def test_a_bill_that_its_manifest_followed_is_a_revision(place, command, monkeypatch):
    """What came without its manifest has no scope; the export that took its place goes on with the same month."""
    before_its_manifest(place)
    place.ingest("cur", decision="replace")
    assembly(place, "cur/b", costs=[1, 2, 4], until=9)
    place.ingest("cur")
    monkeypatch.chdir(place.home)
    names = ("scope", "revision", "in_force", "billed", "billed_change")
    bare, export = ("-", "1", "no", "3", "3"), "daily:111"
    assert told(command, *names) == [bare, (export, "2", "no", "3", "0"), (export, "3", "yes", "7", "4")]


@pytest.mark.slow
def test_who_went_back_is_the_last_revision(place, command, monkeypatch):
    for name, rows in (("first.csv", FIRST), ("second.csv", BESIDE)):
        place.bill(name, rows)
    for name in ("first.csv", "second.csv", "first.csv"):
        place.ingest(name, decision="replace")
    monkeypatch.chdir(place.home)
    names = ("revision", "in_force", "service", "billed_change")
    assert told(command, *names) == [
        ("1", "no", "Compute", "1"),
        ("2", "yes", "Compute", "9"),
        ("2", "yes", "Storage", "2.5"),
    ]
    place.ingest(place.bill("third.csv", FIRST.replace("2.5 ", "4   ")), decision="replace")
    assert told(command, *names)[3:] == [("3", "yes", "Compute", "0"), ("3", "yes", "Storage", "1.5")]


def test_a_month_delivered_once_is_left_out(revised, command):
    said = command("report", "revisions", "--period", "2026-09", "--format", "csv")
    assert said.out.count("\n") == 1
    assert "nothing was delivered again for 2026-09; the ledger holds bills of 2026-09, 2026-10" in said.err


def test_a_table_has_no_total_for_revisions_are_not_added(revised, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = command("report", "revisions", "--period", "2026-10", "--format", "table", "--cents")
    assert "TOTAL" not in said.out
    assert ["2026-10", "2", "web", "Storage", "0.00", "-2.50"] in [line.split() for line in said.out.splitlines()]


def assert_sums(place, months):
    """The changes of all revisions of a month that was delivered again sum to what is charged for it."""
    changed, again = defaultdict(Decimal), set()
    with pipeline.reading(place.run, refresh=False) as (ledger, _):
        for month in months:
            span = Span(date(2026, month, 1), date(2026, month + 1, 1), "month")
            found = reports.run(ledger, reports.named("revisions"), span, calendar=None, cost="billed", policy=Policy())
            for row in found.dicts():
                again.add((row["period"], row["source"]))
                changed[row["period"], row["source"], row["account"], row["service"], row["currency"]] += row[
                    "billed_change"
                ]
    charged = place.ask(
        "SELECT billing_period, source, SubAccountId, ServiceName, BillingCurrency, sum(BilledCost) FROM ledger.charges GROUP BY ALL"
    )
    expected = {tuple(key): cost for *key, cost in charged if tuple(key[:2]) in again and cost}
    assert {key: cost for key, cost in changed.items() if cost} == expected


deliveries = st.lists(
    st.tuples(
        st.sampled_from(["replace", "add"]),
        st.lists(
            st.tuples(
                st.integers(-(10**6), 10**6).map(lambda number: f"{Decimal(number).scaleb(-4)}"),
                st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]), st.sampled_from(["2026-09", "2026-10"]), st.sampled_from(["USD", "EUR"]),
            ),
            min_size=1, max_size=4,
        ),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@pytest.mark.slow
@given(history=deliveries)
@examples(12)
def test_whatever_the_history_its_changes_sum_to_the_charges(places, history):
    place = places()
    for number, (decision, rows) in enumerate(history):
        names = ("cost", "SubAccountId", "ServiceName", "day", "BillingCurrency", "ResourceId")
        bill = [dict(zip(names, (*row[:3], f"{row[3]}-05", row[4], str(number)), strict=True)) for row in rows]
        place.bill(f"{number}.csv", bill)
        place.ingest(f"{number}.csv", decision=decision)
    assert_sums(place, range(9, 11))
