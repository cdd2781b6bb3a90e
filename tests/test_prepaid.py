"""Prepaid schedules: what the example works out by hand, balances that roll forward, and that whatever is moved comes to nothing."""

import csv
import re
import shutil
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st

from costctl import rebuild
from costctl.nouns import shifted, unwatched

pytestmark = pytest.mark.usefixtures("begun")

EXAMPLE = Path(__file__).parents[1] / "examples" / "capacity-block"
HEADER = "id,kind,provider,billing_account,currency,start,end,invoice_id,resource_id,amount,team,pool,machine,machines,drawn_by"
CONFIGURED = """
    version: 1
    prepaid: prepaid.csv
    pools:
      h100: {base: fixed, shares: {search: 1, ads: 2}}
    rules:
      - {name: by source, when: {source: [cloud], ResourceId: [pooled]}, pool: h100}
      - {name: by tag, when: {ResourceId: [tagged]}, team: "{tags.team}"}
"""
MOVED = "FROM ledger.charges WHERE source = 'own' AND ServiceName = 'Prepaid schedule'"
BY_MONTH = f"SELECT strftime(billing_period, '%Y-%m'), SkuMeter, sum(EffectiveCost) {MOVED} GROUP BY ALL ORDER BY ALL"


def scheduled(place, *rows):
    place.write("costctl.yaml", CONFIGURED)
    place.write("prepaid.csv", "\n".join([HEADER, *rows, ""]))
    return place


def rows_of(place, *words):
    return list(csv.DictReader(place.costctl("report", *words, "--format", "csv").stdout.splitlines()))


def balances(place, period="2026"):
    """Return the balances: schedule, month, opening, paid, used, expired, closing; nothing where unknown."""
    names = ("opening", "paid", "used", "expired", "closing")
    rows = rows_of(place, "prepaid", "--period", period)
    return [(row["schedule"], row["period"][:7], *(row[name] for name in names)) for row in rows]


@pytest.fixture(scope="module")
def worked(places):
    place = places()
    shutil.copytree(EXAMPLE, place.home, dirs_exist_ok=True)
    for line in re.search(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text("utf-8"), re.DOTALL)[1].splitlines():
        done = place.costctl(*line.split("#")[0].split()[1:])
        assert done.returncode == 0, done.stderr
    return place


class TestTheExample:
    """The numbers are those of examples/capacity-block/README.md, which were worked out by hand."""

    def test_the_balance_rolls_forward(self, worked):
        assert balances(worked) == [
            ("block-14d", "2026-10", "0", "21504", "10016", "0", "11488"),
            ("block-14d", "2026-11", "11488", "0", "11488", "0", "0"),
        ]

    @pytest.mark.parametrize(
        ("month", "owed", "tokens", "hours"),
        [
            ("2026-10", {"search": "7512", "assistant": "2504", "platform": "100"}, "33546", "2504"),
            ("2026-11", {"search": "6744", "assistant": "4744", "platform": "50"}, "33426", "2872"),
        ],
    )
    def test_who_pays_and_what_a_dollar_buys(self, worked, month, owed, tokens, hours):
        found = dict.fromkeys(owed, Decimal(0))
        for row in rows_of(worked, "chargeback", "--period", month):
            found[row["team"]] += Decimal(row["total"])
        assert found == {team: Decimal(amount) for team, amount in owed.items()}
        (line,) = rows_of(worked, "tokens-per-dollar", "--period", month)
        assert (line["source"], line["tokens_per_unit"], line["chip_hours"]) == ("aws/block", tokens, hours)
        assert line["cost_per_chip_hour"] == "4"

    def test_the_bridge_names_it_and_the_purchase_comes_to_nothing_where_it_went(self, worked):
        rows = rows_of(worked, "billed-to-effective", "--period", "2026-10")
        found = {row["part"]: (row["billed"], row["effective"]) for row in rows}
        assert found["purchases of the month"] == ("21504", "21504")
        assert found["prepaid, for later"] == ("0", "-21504")
        assert found["prepaid, used"] == ("0", "10016")
        fees = "SELECT team, kind, EffectiveCost FROM ledger.postings WHERE kind IN ('fee', 'prepaid') ORDER BY ALL"
        paid = Decimal(21504)
        assert worked.ask(fees) == [("platform", "fee", paid), ("platform", "prepaid", -paid)]
        grades = "SELECT DISTINCT evidence FROM ledger.postings WHERE source = 'own' AND kind = 'prepaid'"
        assert worked.ask(grades) == [("contracted",)]  # by the schedule, whatever invoice the purchase is on

    def test_a_posting_leads_to_the_row_and_to_the_purchase(self, worked):
        ((sha256,),) = worked.ask("SELECT sha256 FROM ledger.delivery_files WHERE name = 'prepaid-2026-11.csv'")
        said = worked.costctl("explain", f"{sha256}:1").stdout
        assert "prepaid.csv:2" in said
        purchase = re.search(r",([0-9a-f]{16}:\d+)", said)[1]
        assert "Capacity Block of 2 p5.48xlarge" in worked.costctl("explain", purchase).stdout

    @pytest.mark.slow
    def test_a_rebuild_gives_the_same(self, worked, place):
        place.copy(worked)
        assert rebuild.rebuild(place.run, accept=False, watched=lambda _: unwatched).differences == ()
        assert place.broken() == []

    @pytest.mark.slow
    def test_hours_that_the_bill_counts_itself_count_once(self, place):
        """Two machines for three hours under the block, at a price of 0: with machines the schedule moves nothing, without it has no hours."""
        shutil.copytree(EXAMPLE, place.home, dirs_exist_ok=True)
        bill = place.home / "bills" / "october.csv"
        header, fee, storage = bill.read_text("utf-8").splitlines()
        hours = (
            fee.replace(",Fee,", ",Usage,")
            .replace("2026-10-20T09", "2026-10-26T09")
            .replace("2026-10-20T10", "2026-10-26T12")
        )
        hours = hours.replace("CapacityBlockFee", "BoxUsage").replace(",1,USD,21504.00,,", ",6,USD,0,Hrs,")
        lines = [
            f"{header},capacity_reservation_capacity_reservation_type",
            f"{fee},",
            f"{storage},",
            f"{hours},EC2 Capacity Block for ML",
        ]
        place.write("bills/october.csv", "\n".join([*lines, ""]))
        assert "counts the hours of its machines itself" in place.costctl("ingest").stderr
        assert balances(place) == [("block-14d", "", "", "", "", "", "")]
        schedule = (place.home / "prepaid.csv").read_text("utf-8")
        place.write("prepaid.csv", schedule.replace("p5.48xlarge,2", ","))
        assert balances(place)[0][2:] == ("0", "21504", "10016", "0", "11488")
        assert place.ask("SELECT sum(chip_hours) FROM ledger.postings") == [(Decimal(48),)]
        assert place.broken() == []


PURCHASES = """
    day         cost  ChargeCategory  ResourceId  InvoiceId  team
    2026-10-05  900   Purchase        pooled      A-1        -
    2026-10-06  500   Purchase        tagged      A-1        ads
    2026-10-07  0.01  Purchase        nobodys     A-2        -
    2026-10-08  5     Usage           other       A-1        search
"""
WINDOW = "2026-10-11T00:00:00Z,2026-12-10T00:00:00Z"  # 21 days of October, 30 of November, 9 of December
THREE = (
    f"pool,term,aws,111,USD,{WINDOW},,pooled,,ads,,,,",
    f"tag,term,aws,111,USD,{WINDOW},,tagged,500,,h100,,,",
    f"coin,term,aws,111,USD,{WINDOW},A-2,,,search,,,,",
)


@pytest.fixture(scope="module")
def made(places):
    place = scheduled(places(), *THREE)
    place.bill("october.csv", PURCHASES)
    place.ingest("october.csv", source="cloud")
    return place


@pytest.fixture
def ledger(made, place):
    """A place of its own with the same."""
    return place.copy(made)


def test_what_is_for_later_goes_where_the_purchase_went_and_the_rest_where_the_row_says(made):
    """By hand: of 900 ads has 21/60 = 315; of 500 the pool 175, a third of it search's; of one cent 21 days of 60 at 0.000166."""
    postings = "SELECT InvoiceId, kind, team, sum(EffectiveCost) FROM ledger.postings WHERE source = 'own' GROUP BY ALL ORDER BY ALL"
    found = made.ask(postings)
    assert [row for row in found if row[1] == "prepaid"] == [
        ("A-1", "prepaid", "ads", Decimal(-1100)),  # two thirds of the pool's 900, and the tag's 500
        ("A-1", "prepaid", "search", Decimal(-300)),
        ("A-2", "prepaid", None, Decimal("-0.01")),
    ]
    # what does not divide stays on the first day
    cent, tag = (
        21 * day + whole - 60 * day
        for whole, day in [(Decimal("0.01"), Decimal("0.000166")), (500, Decimal("8.333333"))]
    )
    thirds = {row[2]: row[3] for row in found if row[1] == "shared"}
    assert [row for row in found if row[1] == "direct"] == [
        ("A-1", "direct", "ads", Decimal(315)),
        ("A-2", "direct", "search", cent),
    ]
    assert sum(thirds.values()) == tag == Decimal("175.000013")
    assert abs(thirds["search"] - Decimal(175) / 3) < Decimal("0.001")
    assert made.ask(f"SELECT max(abs(BilledCost)), max(abs(ListCost)), max(abs(ContractedCost)) {MOVED}") == [(0, 0, 0)]
    left = "SELECT COALESCE(team, '-'), sum(EffectiveCost) FROM ledger.postings WHERE kind IN ('fee', 'prepaid') GROUP BY 1"
    assert {amount for _, amount in made.ask(left)} == {0}
    assert made.broken() == []


@pytest.mark.slow
def test_months_are_booked_as_far_as_the_ledger_reaches_and_a_month_between_too(ledger):
    """Nothing of November or December is booked before there is a bill; a bill of December books both."""
    assert {month for month, _, _ in ledger.ask(BY_MONTH)} == {"2026-10"}
    ledger.bill("december.csv", [{"day": "2026-12-20", "cost": "1", "team": "ads"}])
    ledger.ingest("december.csv", source="cloud")
    assert balances(ledger)[:3] == [
        ("coin", "2026-10", "0", "0.01", "0.003526", "0", "0.006474"),
        ("coin", "2026-11", "0.006474", "0", "0.00498", "0", "0.001494"),
        ("coin", "2026-12", "0.001494", "0", "0.001494", "0", "0"),
    ]
    assert balances(ledger, "2026-11")[1] == ("pool", "2026-11", "585", "0", "450", "0", "135")
    assert ledger.ask(f"SELECT InvoiceId, sum(EffectiveCost) {MOVED} GROUP BY 1 ORDER BY 1") == [("A-1", 0), ("A-2", 0)]
    assert ledger.broken() == []


@pytest.mark.slow
def test_a_purchase_that_the_bill_spreads_after_all_is_moved_no_more(ledger):
    """The month is delivered again with an effective cost of 0, and the pool's purchase alone is left to move."""
    header, *lines = [line for line in PURCHASES.splitlines() if line.strip()]
    costs = ["0" if "tagged" in line else line.split()[1] for line in lines]
    text = "\n".join(
        [f"{header}  EffectiveCost", *(f"{line}  {cost}" for line, cost in zip(lines, costs, strict=True))]
    )
    ledger.bill("october.csv", text)
    ledger.ingest("october.csv", source="cloud", decision="replace")
    assert {schedule: paid for schedule, _, _, paid, *_ in balances(ledger)} == {
        "coin": "0.01",
        "pool": "900",
        "tag": "",
    }
    (why,) = [row["why"] for row in rows_of(ledger, "prepaid") if not row["closing"]]
    assert why == "tag, prepaid.csv:3: its purchase has no effective cost: the bill spreads it itself"
    scheduled(ledger)
    assert balances(ledger) == []
    assert ledger.ask(f"SELECT count(*) {MOVED}") == [(0,)]


CREDITS = """
    day         cost  ChargeCategory  InvoiceId  ChargeDescription  team
    2026-10-01  1000  Purchase        P-1        credits            platform
    2026-10-10  300   Usage           U-1        tokens             search
    2026-10-10  -300  Credit          U-1        prepaid credit     -
    2026-10-12  -20   Credit          U-1        promotion          -
    2026-11-04  450   Usage           U-2        tokens             ads
    2026-11-04  -450  Credit          U-2        prepaid credit     -
"""
DRAWN = "api,api_credits,aws,111,USD,2026-10-01,2026-12-01,P-1,,,platform,,,,prepaid credit"


@pytest.mark.slow
def test_credits_that_were_paid_for_are_no_discount_and_what_is_left_expires(place):
    """By hand: 300 and 450 of 1,000 are drawn where the credits stand, 250 are left at the end of November and expire."""
    scheduled(place, DRAWN)
    place.bill("bill.csv", CREDITS)
    place.ingest("bill.csv", source="cloud")
    assert balances(place) == [
        ("api", "2026-10", "0", "1000", "300", "0", "700"),
        ("api", "2026-11", "700", "0", "450", "250", "0"),
    ]
    credited = "SELECT strftime(billing_period, '%m'), sum(EffectiveCost) FROM ledger.postings WHERE kind = 'credit' GROUP BY 1 ORDER BY 1"
    assert place.ask(credited) == [("10", Decimal(-20)), ("11", Decimal(0))]  # the promotion is one
    assert place.ask("SELECT team, EffectiveCost FROM ledger.postings WHERE kind = 'unused'") == [("platform", 250)]
    assert place.ask(f"SELECT sum(EffectiveCost) {MOVED}") == [(0,)]
    assert place.broken() == []
    parts = {row["part"]: row["effective"] for row in rows_of(place, "billed-to-effective", "--period", "2026-11")}
    assert (parts["prepaid, used"], parts["prepaid, expired"]) == ("450", "250")


@pytest.mark.slow
def test_no_more_is_drawn_than_was_paid_for(place):
    """1,000 were paid, credits of 1,200 name themselves so: the last 200 are a discount."""
    scheduled(place, DRAWN)
    place.bill("bill.csv", CREDITS.replace("-450", "-900"))
    place.ingest("bill.csv", source="cloud")
    assert balances(place)[1] == ("api", "2026-11", "700", "0", "700", "0", "0")


AMOUNTS = st.decimals("0.000000000000000001", "999999999999", places=18)
WHEN = st.datetimes(datetime(2026, 9, 1), datetime(2026, 12, 1)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001


@pytest.mark.slow
@examples(3)
@given(amount=AMOUNTS, start=WHEN, length=st.timedeltas(timedelta(seconds=1), timedelta(days=80)))
def test_whatever_is_paid_for_whatever_window_comes_to_nothing_and_each_balance_follows(places, amount, start, length):
    """With bills of every month to the window's end: each month's opening is the closing before, and days have their parts."""
    end = start + timedelta(seconds=length.days * 86400 + length.seconds or 1)
    place = scheduled(places(), f"any,term,aws,111,USD,{start.isoformat()}Z,{end.isoformat()}Z,A-1,,,search,,,,")
    purchase = {"day": "2026-10-05", "cost": f"{amount:f}", "ChargeCategory": "Purchase", "InvoiceId": "A-1"}
    later = [{"day": f"{shifted(date(2026, 10, 1), n)}", "cost": "1", "team": "ads"} for n in range(1, 6)]
    place.bill("bill.csv", [purchase, *later])
    place.ingest("bill.csv", source="cloud")
    assert place.ask(f"SELECT sum(EffectiveCost) {MOVED}") == [(0,)]
    rolled = [tuple(Decimal(value) for value in row[2:]) for row in balances(place, "2026-01-01..2028-01-01")]
    assert [row[4] for row in rolled] == [row[0] + row[1] - row[2] - row[3] for row in rolled]
    assert [row[0] for row in rolled[1:]] == [row[4] for row in rolled[:-1]]
    assert rolled[0][0] == rolled[-1][4] == 0
    seconds = Decimal(int((end - start).total_seconds()))
    days = place.ask(
        f"SELECT ChargePeriodStart, ChargePeriodEnd, EffectiveCost {MOVED} AND SkuMeter = 'spread' ORDER BY 1"
    )
    parts = [(amount * Decimal(int((until - begins).total_seconds())) / seconds, cost) for begins, until, cost in days]
    outside = [cost for part, cost in parts if abs(cost - part) > Decimal("0.000001")]
    assert len(outside) <= 1  # the first of the longest days has what does not divide
    assert (days[0][0], days[-1][1]) == (start, end)
    assert place.broken() == []
