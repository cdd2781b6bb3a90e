"""Currencies are kept apart; converted only at the user's own rates, each line once, with the rounding as a line of its own."""

import csv
import io
import shutil
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from conftest import examples, few
from hypothesis import given
from hypothesis import strategies as st

from costctl import pipeline, reports
from costctl.config.settings import Policy
from costctl.nouns import Span
from costctl.reports import conversion
from costctl.reports.conversion import Wish

CONFIG = "version: 1\nfx: fx.csv\nrules:\n  - {name: api, when: {SubAccountId: [api]}, team: search}\n"
RATES = """
    from,to,rate_type,period,rate,date,source
    USD,EUR,period_average,2026-09,0.853333333333,,treasury
    USD,EUR,period_average,2026-10,0.8612,,treasury
    USD,EUR,period_end,2026-10,0.9,2026-10-31,treasury
    USD,JPY,period_average,2026-10,151.5,,treasury
    EUR,JPY,period_average,2026-10,175.123456789012,,treasury
"""
DOLLARS = """
    cost      day         team    CommitmentDiscountStatus  ChargeCategory  x_Model  x_TokenClass  ConsumedQuantity  ConsumedUnit
    100.01    2026-09-03  search  -                         Usage           -        -             -                 -
    33.333    2026-10-03  search  -                         Usage           -        -             -                 -
    0.005     2026-10-04  ads     -                         Usage           -        -             -                 -
    -4.005    2026-10-04  ads     -                         Credit          -        -             -                 -
    19        2026-10-01  -       -                         Tax             -        -             -                 -
    10.10     2026-10-05  -       Unused                    Usage           -        -             -                 -
    7         2026-10-05  -       -                         Usage           -        -             -                 -
"""
EUROS = """
    cost                   day         team    BillingCurrency  ProviderName  BillingAccountId
    50.000000000000000001  2026-10-03  search  EUR              Google        222
    3                      2026-10-04  -       EUR              Google        222
"""
SEVERAL = [name.replace("_", "-") for name in reports.known()]
CENTRAL = ("chargeback", "tokens-per-dollar", "reconciliation", "unallocated")


@pytest.fixture(scope="module")
def ingested(places):
    """Return two folders, made once and only copied: one with the dollars in its ledger, one with the euros beside them."""
    alone = places()
    prepared(alone).ingest("usd.csv", source="dollars")
    together = places()
    shutil.copytree(alone.home, together.home, dirs_exist_ok=True)
    together.ingest("eur.csv", source="euros")
    return alone.home, together.home


def prepared(place):
    place.write("costctl.yaml", CONFIG)
    place.write("fx.csv", "".join(line.strip() + "\n" for line in RATES.strip().splitlines()))
    place.bill("usd.csv", DOLLARS)
    place.bill("eur.csv", EUROS)
    return place


@pytest.fixture
def ledger(place, monkeypatch):
    monkeypatch.chdir(place.home)
    return prepared(place)


@pytest.fixture
def both(ingested, place, monkeypatch):
    shutil.copytree(ingested[1], place.home, dirs_exist_ok=True)
    monkeypatch.chdir(place.home)
    return place


def as_rows(command, *words):
    said = command(*words, "--format", "csv")
    assert said.code == 0, said.err
    return list(csv.DictReader(io.StringIO(said.out, newline="")))


def amount(text):
    return Decimal(text) if text else None


def cents(value):
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


WITHOUT_MONEY_HERE = (
    *("tokens-per-dollar", "rate-variance", "token-variance", "unknown-models", "unknown-machines"),
    *("owned-chips", "claims", "revisions", "token-match", "inclusion", "unknown-owners"),
    *("unit-prices", "prepaid", "provisioned", "reservations", "recovery"),
)


@pytest.mark.parametrize(
    "words",
    few(
        [
            ("tieout", "--by", "source"),
            *(("report", name) for name in sorted(SEVERAL, key=lambda name: name not in CENTRAL)),
        ],
        1 + len(CENTRAL),
    ),
    ids=lambda words: words[1],
)
def test_no_figure_of_one_currency_changes_when_another_arrives(ingested, command, words, monkeypatch):
    """What is said in dollars of a ledger of dollars is said word for word beside euros: no sum crosses the line."""
    words = (*words, "--period", "2026-10")
    found = []
    for folder in ingested:
        monkeypatch.chdir(folder)
        found.append(as_rows(command, *words))
    alone, together = found
    assert [row for row in together if row["currency"] == "USD"] == [row for row in alone if row["currency"]]
    assert {row["currency"] for row in together} <= {"USD", "EUR", ""}  # a claim that is measured nowhere has none
    assert words[1] in WITHOUT_MONEY_HERE or {row["currency"] for row in together} == {
        "USD",
        "EUR",
    }


def test_a_table_has_a_total_per_currency_and_none_of_both(both, command):
    said = command("report", "chargeback", "--period", "2026-10", "--format", "table", "--cents")
    totals = [line.split()[:3] for line in said.out.splitlines() if line.startswith("TOTAL")]
    assert sorted(line[1] for line in totals) == ["EUR", "USD"]


def test_each_line_is_converted_once_and_the_rounding_is_a_line(both, command):
    """33.333 x 0.8612 = 28.7063…, rounded to 28.71; 50.000000000000000001 EUR stays whole."""
    rows = as_rows(command, "report", "chargeback", "--period", "2026-10", "--currency", "EUR")
    found = {(row["line"], row["team"]): amount(row["total"]) for row in rows}
    assert found == {
        ("team", "search"): Decimal("28.71") + Decimal("50.000000000000000001"),
        ("team", "ads"): Decimal("0.00"),  # 0.005 x 0.8612 = 0.004306
        ("unused without owner", ""): Decimal("8.70"),  # 8.69812
        ("unallocated", ""): Decimal("6.03") + 3,  # 6.0284
        ("credits", ""): Decimal("-3.45"),  # -3.449106
        ("recoverable tax", ""): Decimal("16.36"),  # 16.3628
        ("fx rounding", ""): cents(Decimal("65.433") * Decimal("0.8612")) - Decimal("56.35"),
    }
    assert {row["currency"] for row in rows} == {"EUR"}
    whole = cents(Decimal("65.433") * Decimal("0.8612")) + Decimal("53.000000000000000001")
    assert sum(found.values()) == whole == Decimal("109.350000000000000001")


def test_each_month_has_its_own_rate(both, command):
    rows = as_rows(command, "report", "chargeback", "--period", "2026-09-01..2026-11-01", "--currency", "EUR")
    search = next(row for row in rows if row["team"] == "search")
    assert amount(search["total"]) == cents(Decimal("100.01") * Decimal("0.853333333333")) + Decimal("28.71") + Decimal(
        "50.000000000000000001"
    )
    october = as_rows(command, "report", "chargeback", "--period", "2026-10", "--currency", "EUR")
    assert amount(next(row for row in october if row["team"] == "search")["previous_total"]) == Decimal("85.34")


@pytest.mark.slow
def test_the_rate_type_and_the_basis_are_stated(both, command):
    said = command(
        "report",
        "chargeback",
        "--period",
        "2026-10",
        "--currency",
        "EUR",
        "--rate-type",
        "period_end",
        "--format",
        "table",
        "--cents",
    )
    assert "converted to EUR at period_end rates" in said.out
    text = " ".join(said.out.split())
    assert "USD 2026-10 x 0.9 (fx.csv:4, treasury)" in text
    assert "the month before is not shown: there is no period_end rate USD to EUR for 2026-09" in text
    lines = [line.split() for line in said.out.splitlines()]
    assert ["difference", "0.00"] in lines  # to the converted bill


@pytest.mark.slow
def test_a_coin_may_have_no_cents(both, command):
    rows = as_rows(command, "report", "chargeback", "--period", "2026-10", "--currency", "JPY")
    assert {amount(row["total"]) % 1 for row in rows} == {0}
    words = ("report", "chargeback", "--period", "2026-10", "--format", "table", "--cents", "--currency")
    assert "0.00" in command(*words, "EUR").out
    assert "0.00" not in command(*words, "JPY").out


def test_the_bridge_still_sums_after_conversion(both, command):
    rows = as_rows(command, "report", "billed-to-effective", "--period", "2026-10", "--currency", "EUR")
    assert all(amount(row["billed"]) + amount(row["difference"]) == amount(row["effective"]) for row in rows)
    assert rows[-1]["provider"] == "fx rounding"
    assert sum(amount(row["effective"]) for row in rows) == Decimal("109.350000000000000001")


@pytest.mark.slow
def test_tokens_per_dollar_takes_its_ratios_anew(quickstart, command):
    quickstart.joinpath("fx.csv").write_text("from,to,rate_type,period,rate,source\nUSD,EUR,budget,2026-10,0.5,plan\n")
    config = quickstart / "costctl.yaml"
    config.write_text(config.read_text() + "\nfx: fx.csv\n")
    words = ("report", "tokens-per-dollar", "--period", "2026-10")
    dollars = as_rows(command, *words)
    *euros, rounding = as_rows(command, *words, "--currency", "EUR", "--rate-type", "budget")
    assert [row["model"] for row in euros] == [row["model"] for row in dollars]
    assert rounding["model"] == "fx rounding"
    seen = 0
    for dollar, euro in zip(dollars, euros, strict=True):
        assert amount(euro["cost"]) == cents(amount(dollar["cost"]) / 2)
        if dollar["cost_per_weighted_mtok"]:
            for name, divisor in (("cost_per_mtok", "delivered_tokens"), ("cost_per_weighted_mtok", "weighted_tokens")):
                exact = amount(euro["cost"]) * 1_000_000 / int(dollar[divisor])
                assert 0 <= exact - amount(euro[name]) < Decimal("0.000001")
            assert int(euro["tokens_per_unit"]) == int(dollar["delivered_tokens"]) // amount(euro["cost"])
            seen += 1
        assert euro["cached_percent"] == dollar["cached_percent"]
        assert euro["chip_hours"] == dollar["chip_hours"]
    assert seen > 3


@pytest.mark.slow
def test_rates_that_change_reprice_nothing(both, command):
    before = both.ask("SELECT billing_period, fingerprint FROM ledger.periods")
    words = ("report", "chargeback", "--period", "2026-10", "--currency", "EUR")
    first = as_rows(command, *words)
    rates = both.home / "fx.csv"
    rates.write_text(rates.read_text().replace("0.8612", "0.9999"))
    assert as_rows(command, *words) != first
    assert both.ask("SELECT billing_period, fingerprint FROM ledger.periods") == before


amounts = st.integers(-(10**12), 10**12).map(lambda number: f"{Decimal(number).scaleb(-6)}")
worth = st.integers(1, 10**15).map(lambda number: f"{Decimal(number).scaleb(-12):f}")
lines = st.lists(
    st.tuples(
        st.one_of(amounts, st.just("-0.000000000000000001"), st.just("12345678901234567.123456789012345678")),
        st.sampled_from(["USD", "EUR", "GBP"]), st.sampled_from(["2026-09", "2026-10"]), st.sampled_from(["a", "b", "-"]), st.sampled_from(["Usage", "Tax"]),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(bill=lines, rates=st.tuples(worth, worth, worth, worth))
@examples(2)
def test_whatever_the_amounts_and_rates_the_lines_and_their_rounding_are_the_converted_total(places, bill, rates):
    place = places()
    pairs = [(currency, month) for currency in ("USD", "GBP") for month in ("2026-09", "2026-10")]
    worth_of = {pair: Decimal(rate) for pair, rate in zip(pairs, rates, strict=True)}
    rows = "".join(
        f"{currency},EUR,invoice,{month},{rate},made up\n" for (currency, month), rate in zip(pairs, rates, strict=True)
    )
    place.write("fx.csv", "from,to,rate_type,period,rate,source\n" + rows)
    place.write("costctl.yaml", "version: 1\nfx: fx.csv\n")
    names = ("cost", "BillingCurrency", "day", "team", "ChargeCategory")
    place.bill("bill.csv", [dict(zip(names, (*row[:2], f"{row[2]}-05", *row[3:]), strict=True)) for row in bill])
    place.ingest("bill.csv")
    pipeline.documents(place.run)
    how = {"calendar": "billing", "cost": "billed", "policy": Policy(tax="cost")}
    with pipeline.reading(place.run) as (ledger, _), localcontext(reports.EXACT):
        span = Span(date(2026, 9, 1), date(2026, 11, 1), "both")
        found = conversion.converted(ledger, reports.named("chargeback"), span, Wish("EUR", "invoice", "fx.csv"), **how)
        expected = Decimal(0)
        for currency, month in {row[1:3] for row in bill}:
            exact = sum((Decimal(row[0]) for row in bill if row[1:3] == (currency, month)), Decimal(0))
            expected += exact if currency == "EUR" else cents(exact * worth_of[currency, month])
        records = found.rows.dicts()
        assert sum((record["total"] for record in records), Decimal(0)) == expected == found.bill["EUR"]
        rounding = [record["total"] for record in records if record["line"] == "fx rounding"]
        assert sum(map(abs, rounding)) <= Decimal("0.005") * (len(bill) + 4)


@pytest.mark.slow
def test_run_writes_an_export_in_another_currency(both, command):
    config = both.home / "costctl.yaml"
    sources = "sources:\n  - {name: dollars, path: usd.csv}\n  - {name: euros, path: eur.csv}\n"
    exports = 'exports:\n  - {report: chargeback, output: "out-{period}.csv", currency: EUR}\n'
    config.write_text(config.read_text() + sources + exports)
    assert command("run").code == 0
    written = (both.home / "out-2026-10.csv").read_text()
    assert written == command("report", "chargeback", "--period", "2026-10", "--currency", "EUR", "--format", "csv").out
    assert "fx rounding" in written
