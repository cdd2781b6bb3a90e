"""Manual adjustments: each row comes to nothing, goes where it says, moves the effective cost alone, and leads back to its line."""

import csv
from decimal import Decimal

import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st

from costctl import rebuild
from costctl.nouns import unwatched

pytestmark = pytest.mark.usefixtures("begun")

TEAMS = "team,purpose,aliases\nsearch,customer,srch\nads,customer,\nresearch,training,\n"
CONFIGURED = """
    version: 1
    teams: teams.csv
    adjustments: adjustments.csv
    invoices: invoices.csv
    rules:
      - {name: everything, when: {BillingCurrency: [USD, EUR]}, team: research}
"""
BILL = """
    day         cost  team    BillingCurrency  InvoiceId
    2026-10-03  100   search  USD              A-1
    2026-10-04  40    ads     EUR              A-1
"""
INVOICE = "provider,billing_account,invoice_id,currency,billing_period,amount\naws,111,A-1,USD,2026-10,100\naws,111,A-1,EUR,2026-10,40\n"
HEADER = "period,from_team,to_team,amount,currency,reason,approver,model,purpose,provider,id"
ROWS = (
    "2026-10,search,ads,10.25,USD,the pilot,R. Meyer,,,,A-1",
    "2026-10,Srch,ads,4.75,USD,its end,R. Meyer,,,,A-2",
    "2026-10,ads,research,300,EUR,nodes lent,J. Ortiz,atlas-70b,Training,aws,",
    "2026-12,ads,search,1,USD,in advance,R. Meyer,,,,A-3",
)
POSTED = (
    "SELECT team, model, purpose, provider, BillingCurrency, sum(EffectiveCost) FROM ledger.postings "
    "WHERE kind = 'manual' GROUP BY ALL ORDER BY ALL"
)
ACCOUNTS = "SELECT source, sum(BilledCost), sum(ListCost), sum(ContractedCost), sum(EffectiveCost) FROM ledger.postings GROUP BY 1 ORDER BY 1"


def adjusted(place, *rows):
    place.write("costctl.yaml", CONFIGURED)
    place.write("teams.csv", TEAMS)
    place.write("invoices.csv", INVOICE)
    place.write("adjustments.csv", "\n".join([HEADER, *rows, ""]))
    return place


@pytest.fixture(scope="module")
def made(places):
    place = adjusted(places(), *ROWS)
    place.bill("october.csv", BILL)
    place.ingest("october.csv", source="cloud")
    return place


@pytest.fixture
def ledger(made, place):
    """A place of its own with the same."""
    return place.copy(made)


def test_each_row_goes_where_it_says_and_comes_to_nothing(made):
    """By hand: search gives 10.25 and 4.75 = 15; a rule that takes all takes none of it; December waits for its bill."""
    assert made.ask(POSTED) == [
        ("ads", "atlas-70b", "training", "aws", "EUR", Decimal(-300)),
        ("ads", "unknown", "customer", "self", "USD", Decimal(15)),
        ("research", "atlas-70b", "training", "aws", "EUR", Decimal(300)),
        ("search", "unknown", "customer", "self", "USD", Decimal(-15)),
    ]
    assert made.ask("SELECT DISTINCT team FROM ledger.postings WHERE source = 'cloud'") == [("research",)]
    cloud = (Decimal(140),) * 4
    assert made.ask(ACCOUNTS) == [("cloud", *cloud), ("own", *(Decimal(0),) * 4)]
    assert made.ask(
        "SELECT max(abs(rate_card_cost)), sum(rate_card_unknown) FROM ledger.postings WHERE source = 'own'"
    ) == [(Decimal(0), 0)]
    assert made.ask("SELECT count(*) FROM ledger.serving_days WHERE EffectiveCost NOT IN (100, 40)") == [(0,)]
    assert made.broken() == []


@pytest.mark.slow
def test_the_reports_show_it_in_a_column_of_its_own_and_the_invoice_is_untouched(made, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # at 80 it is part of `other`
    rows = list(csv.DictReader(made.costctl("report", "chargeback", "--format", "csv").stdout.splitlines()))
    manual = {(row["team"], row["currency"]): row["manual"] for row in rows if row["manual"]}
    assert manual == {
        ("ads", "EUR"): "-300",
        ("ads", "USD"): "15",
        ("research", "EUR"): "300",
        ("search", "USD"): "-15",
    }
    assert "manual" in made.costctl("report", "chargeback", "--format", "table").stdout
    columns = ("direct", "shared", "idle", "unused", "tax_fee", "manual")
    for row in csv.DictReader(made.costctl("report", "accounts", "--format", "csv").stdout.splitlines()):
        assert sum(Decimal(row[name] or 0) for name in columns) == Decimal(row["total"])
    bridge = list(csv.DictReader(made.costctl("report", "billed-to-effective", "--format", "csv").stdout.splitlines()))
    moved = {
        (row["provider"], row["currency"]): row["effective"] for row in bridge if row["part"] == "manual adjustments"
    }
    assert moved == {("aws", "EUR"): "0", ("self", "USD"): "0"}
    done = made.costctl("tieout", "--by", "invoice", "--format", "csv")
    assert {row["provider"] for row in csv.DictReader(done.stdout.splitlines())} == {"aws"}
    assert made.costctl("tieout").returncode == 0


def test_a_cell_leads_back_to_the_line_the_reason_and_the_approver(made):
    said = made.costctl("explain", "--team", "ads", "--service", "Manual adjustment", "--format", "table").stdout
    for words in ("adjustments.csv:2", "the pilot", "approved by R. Meyer", "adjustments.csv:4", "J. Ortiz"):
        assert words in " ".join(said.split())


@pytest.mark.slow
def test_a_changed_row_books_the_month_again_and_without_rows_nothing_is_left(ledger):
    adjusted(ledger, ROWS[0])
    assert ledger.costctl("report", "chargeback").returncode == 0
    assert [row[-1] for row in ledger.ask(POSTED)] == [Decimal("10.25"), Decimal("-10.25")]
    told = rebuild.rebuild(ledger.run, accept=False, watched=lambda _: unwatched)
    assert told.differences == ()
    adjusted(ledger)
    said = ledger.costctl("report", "chargeback", "--format", "csv")
    assert "manual" not in said.stdout  # a column that is empty is not there
    assert ledger.ask(POSTED) == []
    assert ledger.ask("SELECT count(*) FROM ledger.charges WHERE source = 'own'") == [(0,)]


@pytest.mark.slow
def test_a_month_that_is_to_come_is_told_and_booked_when_its_bill_is_there(ledger):
    adjusted(ledger, *ROWS)
    ledger.bill("december.csv", [{"day": "2026-12-05", "cost": "7", "team": "ads"}])
    ledger.ingest("december.csv", source="cloud")
    found = ledger.ask(
        "SELECT team, EffectiveCost FROM ledger.postings WHERE billing_period = DATE '2026-12-01' AND kind = 'manual' ORDER BY 1"
    )
    assert found == [("ads", Decimal(-1)), ("search", Decimal(1))]
    assert ledger.broken() == []


AMOUNTS = st.integers(1, 10**12).map(lambda cents: Decimal(cents).scaleb(-2))
TEAM = st.sampled_from(["search", "ads", "research"])
ENTRIES = st.lists(st.tuples(TEAM, TEAM, AMOUNTS).filter(lambda entry: entry[0] != entry[1]), min_size=1, max_size=6)


@pytest.mark.slow
@examples(3)
@given(entries=ENTRIES)
def test_whatever_is_moved_totals_stay_and_each_team_has_the_sum_of_its_rows(places, entries):
    rows = [f"2026-10,{give},{take},{amount:f},USD,why,who,,,,{n}" for n, (give, take, amount) in enumerate(entries)]
    place = adjusted(places(), *rows)
    place.bill("october.csv", [{"day": "2026-10-03", "cost": "1"}])
    place.ingest("october.csv", source="cloud")
    expected = dict.fromkeys((team for give, take, _ in entries for team in (give, take)), Decimal(0))
    for give, take, amount in entries:
        expected[give] -= amount
        expected[take] += amount
    query = "SELECT team, sum(EffectiveCost) FROM ledger.postings WHERE kind = 'manual' GROUP BY 1"
    assert dict(place.ask(query)) == expected
    assert place.ask("SELECT sum(EffectiveCost), sum(BilledCost) FROM ledger.postings") == [(Decimal(1), Decimal(1))]
    assert place.broken() == []
