"""Owned and leased chips: what the example works out by hand, depreciation to the last cent, and a register that changes."""

import csv
import functools
import re
import shutil
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from conftest import examples, few, few_rows
from hypothesis import given
from hypothesis import strategies as st

from costctl import bills, pipeline, rates, rebuild
from costctl.errors import UsageError
from costctl.ledger import build, gates, own, store
from costctl.nouns import shifted, unwatched
from costctl.rates import check, owned

pytestmark = pytest.mark.usefixtures("begun")

EXAMPLE = Path(__file__).parents[1] / "examples" / "owned-chips"
CONFIGURED = "version: 1\ncards: [own.csv]\n"
POD = "asset,chip,chips,in_service,valid_from,valid_to,currency,acquisition_cost,useful_life_months,power,colocation,maintenance,maintenance_per_month"
MONEY = st.integers(0, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))


def register(place, *rows, header=POD):
    place.write("own.csv", "\n".join([header, *rows, ""]))


def tokens(place, *days):
    lines = [f"{day}T00:00:00Z,{day}T01:00:00Z,self,atlas,search,1,100" for day in days]
    place.write("tokens.csv", "\n".join(["start,end,provider,model,team,requests,output", *lines, ""]))
    return place.ingest("tokens.csv", source="meter")


@pytest.fixture(scope="module")
def made(places):
    """One owned chip, 4,800.00 over 48 months from January, and tokens counted in February and March."""
    place = places()
    place.write("costctl.yaml", CONFIGURED)
    register(place, "pod,h100,1,2026-01-20,,,USD,4800.00,48,bill,bill,card,10")
    tokens(place, "2026-02-10", "2026-03-10")
    return place


@pytest.fixture
def pod(made, place):
    """A place of its own with the same."""
    shutil.copytree(made.home, place.home, dirs_exist_ok=True)
    return place


@pytest.fixture
def booking(monkeypatch):
    """Have months booked and not posted: for what the register comes to."""
    monkeypatch.setattr(build, "postings", lambda *_: None)
    monkeypatch.setattr(pipeline, "check", lambda _: None)


def booked(place):
    """Return what own chips cost, by month."""
    query = "SELECT strftime(billing_period, '%Y-%m'), sum(EffectiveCost) FROM ledger.charges WHERE source = 'own' GROUP BY 1"
    return dict(place.ask(query))


def path_of(place, name, which=""):
    """Return where the archive keeps a statement."""
    query = "SELECT f.sha256 FROM ledger.delivery_files AS f JOIN ledger.delivery_periods AS p USING (delivery_id)"
    ((digest,),) = place.ask(f"{query} WHERE f.name = '{name}' {which}")
    return place.path.with_name(f"{place.path.name}.files") / digest


@pytest.fixture(scope="module")
def worked(places):
    place = places()
    shutil.copytree(EXAMPLE, place.home, dirs_exist_ok=True)
    for line in re.search(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text("utf-8"), re.DOTALL)[1].splitlines():
        done = place.costctl(*line.split("#")[0].split()[1:])
        assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def report(worked):
    """Return a function: the rows of a report of a month, which is asked once."""

    @functools.cache
    def rows(name, month):
        done = worked.costctl("report", name, "--period", month, "--format", "csv")
        return list(csv.DictReader(done.stdout.splitlines()))

    return rows


class TestTheExample:
    """The numbers are those of examples/owned-chips/README.md, which were worked out by hand."""

    @pytest.mark.parametrize(
        ("month", "asset", "column", "amount"),
        [
            ("2026-02", "pod-a", "depreciation", "5600"),
            ("2026-03", "pod-a", "depreciation", "5600"),
            ("2026-02", "pod-a", "power", "736.512"),
            ("2026-03", "pod-a", "power", "815.424"),
            ("2026-02", "pod-a", "capital", "1316"),
            ("2026-03", "pod-a", "capital", "1288"),
            ("2026-02", "pod-a", "colocation", ""),
            ("2026-02", "pod-a", "maintenance", "448"),
            ("2026-02", "pod-a", "cost", "8100.512"),
            ("2026-03", "pod-a", "cost", "8151.424"),
            ("2026-02", "pod-a", "chip_hours", "5376"),
            ("2026-03", "pod-a", "chip_hours", "5952"),
            ("2026-02", "pod-a", "cost_per_chip_hour", "1.506791"),
            ("2026-02", "pod-a", "cost_per_available_hour", "1.569574"),
            ("2026-02", "pod-a", "used_percent", "75"),
            ("2026-02", "pod-a", "cost_per_used_hour", "2.009055"),
            ("2026-02", "maia-lease", "rent", "229500"),
            ("2026-03", "maia-lease", "rent", "306000"),
            ("2026-02", "maia-lease", "unused", "20500"),
            ("2026-03", "maia-lease", "unused", ""),
            ("2026-02", "maia-lease", "cost", "250000"),
        ],
    )
    def test_what_each_asset_costs(self, report, month, asset, column, amount):
        (row,) = [row for row in report("owned-chips", month) if row["asset"] == asset]
        assert row[column] == amount

    @pytest.mark.parametrize(
        ("month", "search", "assistant", "idle", "unused"),
        [
            ("2026-02", "5681.538", "1893.846", "2025.128", "20500"),
            ("2026-03", "5710.176", "1903.392", "2037.856", None),
        ],
    )
    def test_who_owes_what_and_that_it_stands_there_once(self, report, month, search, assistant, idle, unused):
        rows = report("chargeback", month)
        lease = {"2026-02": Decimal(229500), "2026-03": Decimal(306000)}[month]
        expected = {
            "search": Decimal(search),
            "assistant": Decimal(assistant) + lease,
            "idle without owner": Decimal(idle),
        }
        expected |= {"platform": Decimal(unused)} if unused else {}
        found = {row["team"] or row["line"]: Decimal(row["total"]) for row in rows}
        assert {who: round(amount, 3) for who, amount in found.items()} == expected  # each day's shares are cut at 1e-6
        assert sum(found.values()) == sum(expected.values())
        pool, rack = sum(map(Decimal, (search, assistant, idle))), Decimal(1500)
        assert pool == {"2026-02": Decimal("8100.512"), "2026-03": Decimal("8151.424")}[month] + rack

    @pytest.mark.parametrize(
        ("month", "tokens_per_dollar", "hours"), [("2026-02", "699962", "5376"), ("2026-03", "770870", "5952")]
    )
    def test_how_many_tokens_a_dollar_buys(self, report, month, tokens_per_dollar, hours):
        rows = report("tokens-per-dollar", month)
        assert [row["source"] for row in rows] == ["own", "azure/lease"]
        assert (rows[0]["tokens_per_unit"], rows[0]["chip_hours"]) == (tokens_per_dollar, hours)

    def test_what_nobody_invoices_has_parts_of_its_own(self, report):
        rows = report("billed-to-effective", "2026-02")
        found = {row["part"]: (row["billed"], row["effective"]) for row in rows}
        assert found["owned chips"] == ("0", "6784.512")
        assert found["capital charge on owned chips"] == ("0", "1316")
        assert found["prepaid purchases"] == ("250000", "0")
        assert found["usage covered by commitments"] == ("0", "229500")
        assert found["unused commitments"] == ("0", "20500")

    def test_the_cards_pass_their_check_and_the_hours_are_all_counted(self, worked, report):
        assert worked.costctl("rates", "check").returncode == 0
        assert report("unknown-machines", "2026-02") == []

    def test_what_is_paid_for_an_hour_holds_all_parts(self, report):
        """All that the card charges over the hours of the pod; the price per hour of the lease, whatever was committed."""
        rows = {row["machine"]: row for row in report("rate-variance", "2026-03")}
        assert (rows["h100"]["cost"], rows["h100"]["chip_hours"]) == ("8151.424", "5952")
        assert rows["maia200"]["cost_per_chip_hour"] == "5.1"

    @pytest.mark.slow
    def test_a_posting_leads_back_to_the_card(self, worked):
        ((sha256,),) = worked.ask("SELECT sha256 FROM ledger.delivery_files WHERE name = 'own-2026-02.csv'")
        said = worked.costctl("explain", f"{sha256}:2").stdout
        assert "h100.csv:2" in said
        assert "268800.00" in said


def charged(rows):
    """Return what the format's SELECT makes of statements: month, component, cost."""
    item = bills.known()["own_chips"]
    names = [column.name for column in item.columns]
    with store.in_memory() as ledger:
        gates.bind(ledger, item, raising=True)
        listed = ", ".join(f"{name} VARCHAR" for name in names)
        ledger.run(f"CREATE TEMP TABLE records (file_no INTEGER, record_no BIGINT, stored VARCHAR, {listed})")
        values = [[row.get(column.header) for column in item.columns] for row in rows]
        ledger.insert("temp.records", [(1, number, None, *cells) for number, cells in enumerate(values, start=1)])
        return ledger.run(
            f"SELECT CAST(BillingPeriodStart AS DATE), SkuMeter, sum(EffectiveCost) FROM ({item.sql}) GROUP BY ALL ORDER BY ALL"
        ).rows


@pytest.mark.slow
@examples(6)
@given(
    cost=MONEY,
    residual=st.fractions(0, 1),
    life=st.integers(1, 60),
    begins=st.dates(date(2020, 1, 1), date(2024, 12, 31)),
    price=st.integers(1, 10**6).map(lambda number: Decimal(number).scaleb(-6)),
    coin=st.sampled_from(["USD 0.01", "JPY 1", "CLP 1", "KWD 0.001", "CLF 0.0001"]),
)
def test_depreciation_sums_to_what_is_depreciated_and_power_follows_the_hours(
    cost, residual, life, begins, price, coin
):
    """Every month of an asset, and two more: each month but the last is alike, whatever its length."""
    left = (cost * residual.numerator / residual.denominator).quantize(Decimal("0.01"))
    months = [shifted(date(begins.year, begins.month, 1), number) for number in range(life + 2)]
    currency, smallest = coin.split()
    row = {"asset": "pod", "chip": "h100", "chips": "3", "currency": currency, "in_service": str(begins)}
    row |= {"acquisition_cost": f"{cost:f}", "residual_value": f"{left:f}", "useful_life_months": str(life)}
    row |= {"power": "card", "kw_per_chip": "1.37", "pue": "1.1", "price_per_kwh": f"{price:f}"}
    days = [{"month": str(month), "start": str(max(begins, month)), "end": str(shifted(month, 1))} for month in months]
    found = charged([row | of_month for of_month in days])
    depreciation = [amount for _, component, amount in found if component == "depreciation"]
    monthly = ((cost - left) / life).quantize(Decimal(smallest), ROUND_HALF_UP)
    assert depreciation[: life - 1] == [monthly] * (life - 1)
    assert sum(depreciation[:life]) == cost - left
    assert depreciation[life:] == [0, 0]
    power = {month: amount for month, component, amount in found if component == "power"}
    for month in months:
        hours = (shifted(month, 1) - max(begins, month)).days * 24
        kwh = (hours * 3 * Decimal("1.37") * Decimal("1.1")).quantize(Decimal("0.000001"))
        assert power[month] == kwh * price


class TestTheRegister:
    """Which months are booked, and what becomes of them when a card changes."""

    @pytest.mark.slow
    @pytest.mark.usefixtures("booking")
    def test_every_month_of_which_others_say_something_is_booked(self, pod):
        assert booked(pod) == {"2026-02": 110, "2026-03": 110}
        tokens(pod, "2026-05-02")
        assert booked(pod) == {"2026-02": 110, "2026-03": 110, "2026-05": 110}  # nothing is known of April yet

    @pytest.mark.slow
    def test_again_is_nothing_to_do(self, pod):
        before = pod.ask("SELECT count(*), max(seq) FROM ledger.intakes")
        assert [done.status for done in tokens(pod, "2026-02-10", "2026-03-10")] == ["nothing to do"]
        assert pod.costctl("report", "owned-chips").returncode == 0
        assert pod.ask("SELECT count(*), max(seq) FROM ledger.intakes") == before

    @pytest.mark.slow
    @pytest.mark.usefixtures("booking")
    def test_a_changed_card_books_again_and_the_change_is_a_revision(self, pod):
        register(pod, "pod,h100,1,2026-01-20,,,USD,9600.00,48,bill,bill,card,10")
        done = pod.costctl("report", "revisions", "--period", "2026-03", "--format", "csv")
        assert booked(pod) == {"2026-02": 210, "2026-03": 210}
        changes = [
            row["effective_change"] for row in csv.DictReader(done.stdout.splitlines()) if row["revision"] == "2"
        ]
        assert changes == ["100"]

    @pytest.mark.slow
    @pytest.mark.usefixtures("booking")
    def test_back_to_the_card_before(self, pod):
        before = pod.fingerprint()
        register(pod, "pod,h100,1,2026-01-20,,,USD,9600.00,48,bill,bill,card,10")
        pod.costctl("report", "owned-chips")
        register(pod, "pod,h100,1,2026-01-20,,,USD,4800.00,48,bill,bill,card,10")
        pod.costctl("report", "owned-chips")
        assert booked(pod) == {"2026-02": 110, "2026-03": 110}
        assert pod.fingerprint() == before

    @pytest.mark.slow
    def test_an_asset_that_went_costs_nothing_any_more(self, pod):
        register(pod, "pod,h100,1,2026-01-20,,2026-03-01,USD,4800.00,48,bill,bill,card,10")
        pod.costctl("report", "owned-chips")
        assert booked(pod) == {"2026-02": 110}
        assert pod.broken() == []

    @pytest.mark.slow
    @pytest.mark.parametrize("text", few(["version: 1\n", CONFIGURED]))
    def test_without_the_card_nothing_is_left(self, pod, text):
        pod.write("costctl.yaml", text)
        register(pod)
        pod.costctl("report", "chargeback")
        assert booked(pod) == {}
        assert pod.broken() == []

    @pytest.mark.slow
    @pytest.mark.parametrize("config", few(["version: 1\n", CONFIGURED]))
    def test_what_no_card_names_any_more_does_not_come_back_when_the_ledger_is_rebuilt(self, pod, config):
        pod.write("costctl.yaml", config)
        register(pod)
        pod.costctl("report", "chargeback")
        done = rebuild.rebuild(pod.run, accept=False, watched=lambda _: unwatched)
        assert (done.differences, booked(pod)) == ((), {})

    @pytest.mark.slow
    @pytest.mark.usefixtures("booking")
    def test_an_asset_may_stand_in_two_cards(self, pod):
        pod.write("costctl.yaml", "version: 1\ncards: [own.csv, more.csv]\n")
        register(pod, "pod,h100,1,2026-01-20,,2026-03-01,USD,4800.00,48,bill,bill,card,10")
        pod.write("more.csv", f"{POD}\npod,H100,1,2026-01-20,2026-03-01,,USD,4800.00,48,bill,bill,card,25\n")
        assert pod.costctl("report", "owned-chips").returncode == 0
        assert booked(pod) == {"2026-02": 110, "2026-03": 125}

    @pytest.mark.usefixtures("booking")
    def test_terms_change_on_the_first_of_a_month(self, pod):
        register(
            pod,
            "pod,h100,1,2026-01-20,,2026-03-01,USD,4800.00,48,bill,bill,card,10",
            "pod,h100,1,2026-01-20,2026-03-01,,USD,4800.00,48,bill,bill,card,25",
        )
        pod.costctl("report", "owned-chips")
        assert booked(pod) == {"2026-02": 110, "2026-03": 125}

    @pytest.mark.slow
    def test_a_rebuilt_ledger_holds_the_same(self, pod):
        register(pod, "pod,h100,1,2026-01-20,,2026-03-01,USD,9600.00,48,bill,bill,card,10")
        pod.costctl("report", "owned-chips")
        before = pod.fingerprint()
        done = rebuild.rebuild(pod.run, accept=False, watched=lambda _: unwatched)
        assert (done.differences, pod.fingerprint()) == ((), before)
        assert booked(pod) == {"2026-02": 210}

    @pytest.mark.slow
    def test_a_statement_that_the_archive_lost_is_kept_again(self, pod):
        before = pod.fingerprint()
        february = path_of(pod, "own-2026-02.csv")
        text = february.read_bytes()
        february.unlink()
        assert pod.costctl("explain", f"{february.name}:1").returncode == 7
        assert [done.status for done in tokens(pod, "2026-02-10", "2026-03-10")] == ["nothing to do"]
        assert february.read_bytes() == text
        assert pod.costctl("explain", f"{february.name}:1").returncode == 0
        done = rebuild.rebuild(pod.run, accept=False, watched=lambda _: unwatched)
        assert (done.differences, pod.fingerprint()) == ((), before)

    @pytest.mark.slow
    @pytest.mark.usefixtures("booking")
    def test_what_the_archive_lost_of_an_older_card_is_not_looked_for(self, pod):
        older = path_of(pod, "own-2026-02.csv")
        register(pod, "pod,h100,1,2026-01-20,,,USD,9600.00,48,bill,bill,card,10")
        pod.costctl("report", "owned-chips")
        older.unlink()
        with store.opened(pod.path, write=False) as ledger:
            assert own.lost(ledger) == set()
        path_of(pod, "own-2026-02.csv", "AND p.live").unlink()
        with store.opened(pod.path, write=False) as ledger:
            assert len(own.lost(ledger)) == 1

    @pytest.mark.slow
    def test_the_card_may_come_before_or_after_the_tokens(self, pod, places):
        late = places()
        tokens(late, "2026-02-10", "2026-03-10")
        late.write("costctl.yaml", CONFIGURED)
        late.write("own.csv", (pod.home / "own.csv").read_text())
        late.costctl("report", "owned-chips")
        assert booked(late) == booked(pod)
        assert late.fingerprint() == pod.fingerprint()

    @pytest.mark.slow
    def test_chips_that_train_are_used(self, pod):
        """A week of February's four."""
        header = "pool,resource,start,end,chips,state"
        pod.write("chips.csv", f"{header}\ngpu,pod,2026-02-03T00:00:00Z,2026-02-10T00:00:00Z,1,training\n")
        pod.ingest("chips.csv")
        done = pod.costctl("report", "owned-chips", "--period", "2026-02", "--format", "csv")
        (row,) = csv.DictReader(done.stdout.splitlines())
        assert (row["chip_hours"], row["used_percent"]) == ("672", "25")

    @pytest.mark.slow
    def test_an_estimate_charges_nobody_unless_it_is_said_to(self, pod):
        register(pod, "pod,h100,1,2026-01-20,,,USD,4800.00,48,bill,bill,card,12,estimate", header=f"{POD},confidence")
        done = pod.costctl("report", "owned-chips")
        assert done.returncode == 2
        assert "own.csv:2:confidence: is not what teams are charged by" in done.stderr
        assert "--allow-estimates" in done.stderr
        assert booked(pod) == {"2026-02": 110, "2026-03": 110}
        assert pod.costctl("tieout").returncode == 2
        assert pod.costctl("report", "owned-chips", "--allow-estimates").returncode == 0
        assert booked(pod) == {"2026-02": 112, "2026-03": 112}
        for words in (["report", "owned-chips"], ["tieout"], ["rebuild"], ["status"]):
            assert pod.costctl(*words).returncode == 0
        said = pod.costctl("report", "chargeback", "--format", "table").stdout
        assert "what own chips cost is by own.csv:2, which says that it is an estimate" in " ".join(said.split())
        assert booked(pod) == {"2026-02": 112, "2026-03": 112}

    @pytest.mark.slow
    @pytest.mark.usefixtures("booking")
    def test_what_the_configuration_allows_ends_with_it(self, pod):
        register(pod, "pod,h100,1,2026-01-20,,,USD,4800.00,48,bill,bill,card,13,estimate", header=f"{POD},confidence")
        pod.write("costctl.yaml", f"{CONFIGURED}policy: {{allow_estimates: true}}\n")
        assert pod.costctl("report", "owned-chips").returncode == 0
        assert booked(pod) == {"2026-02": 113, "2026-03": 113}
        pod.write("costctl.yaml", CONFIGURED)
        assert pod.costctl("report", "owned-chips").returncode == 2

    @pytest.mark.slow
    def test_a_rebuild_allows_no_more_than_was_allowed(self, pod):
        """One row by the flag, one by the configuration; the flag beside the configuration stays."""
        rows = [f"{name},h100,1,2026-01-20,,,USD,4800.00,48,bill,bill,card,13,estimate" for name in ("pod", "more")]
        header = f"{POD},confidence"
        report = ("report", "owned-chips")
        register(pod, rows[0], header=header)
        assert pod.costctl(*report, "--allow-estimates").returncode == 0
        register(pod, *rows, header=header)
        pod.write("costctl.yaml", f"{CONFIGURED}policy: {{allow_estimates: true}}\n")
        assert pod.costctl("rebuild").returncode == 0
        pod.write("costctl.yaml", CONFIGURED)
        said = pod.costctl(*report)
        assert (said.returncode, "own.csv:3" in said.stderr, "own.csv:2" in said.stderr) == (2, True, False)
        pod.write("costctl.yaml", f"{CONFIGURED}policy: {{allow_estimates: true}}\n")
        assert pod.costctl(*report, "--allow-estimates").returncode == 0
        pod.write("costctl.yaml", CONFIGURED)
        assert pod.costctl(*report).returncode == 0

    @pytest.mark.slow
    def test_a_bill_is_not_taken_in_beside_an_estimate_that_nobody_allowed(self, places):
        place = places()
        place.write("costctl.yaml", CONFIGURED)
        register(place, "pod,h100,1,2026-01-20,,,USD,4800.00,48,bill,bill,card,12,estimate", header=f"{POD},confidence")
        place.bill("february.csv", [{"cost": "1", "day": "2026-02-03"}])
        done = place.costctl("ingest", "february.csv")
        assert (done.returncode, "own.csv:2:confidence" in done.stderr) == (2, True)
        assert place.ask("SELECT count(*) FROM ledger.charges") == [(0,)]
        assert place.costctl("ingest", "february.csv", "--allow-estimates").returncode == 0
        assert place.ask("SELECT sum(EffectiveCost) FROM ledger.postings") == [(113,)]

    @pytest.mark.slow
    def test_a_lessor_may_call_a_machine_like_the_chip(self, pod):
        """CoreWeave's machine L40S holds eight chips L40S; a lease of them counts chips."""
        header = "asset,chip,chips,in_service,currency,provider,price_per_chip_hour"
        register(pod, "lease,l40s,8,2026-01-01,USD,coreweave,2", "more,Maia 200,1,2026-01-01,USD,,3", header=header)
        rows = list(csv.DictReader(pod.costctl("report", "owned-chips", "--format", "csv").stdout.splitlines()))
        assert [(row["asset"], row["chip"], row["chip_hours"]) for row in rows] == [
            ("lease", "l40s", "5952"),
            ("more", "maia200", "744"),
        ]
        assert pod.broken() == []

    @pytest.mark.slow
    @pytest.mark.usefixtures("booking")
    def test_months_after_the_last_metered_hours_are_told(self, pod):
        header = "asset,chip,chips,in_service,valid_from,valid_to,currency,price_per_chip_hour,chip_hours"
        metered = "lease,h100,1,2026-02-01,2026-02-01,2026-03-01,USD,2,500"
        register(pod, metered, header=header)
        said = pod.costctl("report", "owned-chips", "--period", "2026-02").stderr
        assert "own.csv:2:valid_to: ends the metered chip-hours of the asset lease: it is charged nothing after" in said
        assert "(found '2026-03-01'). Add a row for each month since" in said
        assert booked(pod) == {"2026-02": 1000}
        for over in ("0", "400"):
            register(pod, metered, f"lease,h100,1,2026-02-01,2026-03-01,2026-04-01,USD,2,{over}", header=header)
            assert "metered" not in pod.costctl("report", "owned-chips", "--period", "2026-02").stderr

    def test_no_other_source_is_named_own(self, pod):
        with pytest.raises(UsageError, match="what costctl books itself"):
            pod.ingest("tokens.csv", source="own")

    def test_a_statement_has_the_columns_that_its_format_reads(self):
        item = bills.known()["own_chips"]
        assert set(owned.STATEMENT) == {column.header for column in item.columns}


GOOD = {
    "asset": "pod",
    "chip": "h100",
    "chips": "8",
    "in_service": "2026-01-20",
    "currency": "USD",
    "acquisition_cost": "4800.00",
    "useful_life_months": "48",
    "power": "bill",
    "colocation": "bill",
    "maintenance": "bill",
}
LEASE = {"acquisition_cost": "", "useful_life_months": "", "commitment_per_month": "100", "price_per_chip_hour": "5"}


@pytest.mark.parametrize(
    ("rows", "where", "what"),
    [
        ([{"acquisition_cost": ""}], "2:asset", "neither owned nor leased"),
        ([LEASE | {"acquisition_cost": "5"}], "2:asset", "both owned and leased"),
        ([{"acquisition_cost": "4,800.00"}], "2:acquisition_cost", "is not a plain decimal number"),
        ([{"acquisition_cost": "-1"}], "2:acquisition_cost", "is below zero"),
        ([{"acquisition_cost": "0.0000001"}], "2:acquisition_cost", "has more than"),
        ([{"residual_value": "4800.01"}], "2:residual_value", "is above the acquisition_cost"),
        ([{"depreciation_per_month": "10"}], "2:depreciation_per_month", "does not come to 4800 in 48 months"),
        ([{"useful_life_months": ""}], "2:useful_life_months", "is missing"),
        ([{"useful_life_months": "0"}], "2:useful_life_months", "is not a positive whole number"),
        ([{"power": ""}], "2:power", "the power is missing"),
        ([{"power": "both"}], "2:power", "is not one of bill, card"),
        ([{"power": "card", "price_per_kwh": "0.1"}], "2:kw_per_chip", "which power by card needs"),
        ([{"colocation": "card"}], "2:colocation_per_month", "which colocation by card needs"),
        ([{"chip": "h1000"}], "2:chip", "there is no such chip"),
        ([{"chips": "1/2"}], "2:chips", "is not a positive whole number"),
        ([{"in_service": "20.01.2026"}], "2:in_service", "is not a day"),
        ([{"currency": "usd"}], "2:currency", "is not a currency"),
        ([{"valid_to": "2026-01-20"}], "2:valid_to", "is not after the in_service"),
        ([{"chip_hours": "5"}], "2:chip_hours", "are of no single month"),
        ([{"acquisition_cost": "0"}], "2:acquisition_cost", "is not above zero"),
        ([{"acquisition_cost": "1000000000000"}], "2:acquisition_cost", "has more than 12 digits"),
        ([{"chips": "10000001"}], "2:chips", "is above 10,000,000"),
        ([{"valid_from": "2026-02-01"}], "2:valid_from", "without a cost from 2026-01-20"),
        ([{"valid_to": "2026-03-01"}, {"valid_from": "2026-04-01"}], "3:valid_from", "without a cost from 2026-03-01"),
        ([{"availability_percent": "101"}], "2:availability_percent", "is above 100 percent"),
        ([{}, {}], "3:valid_from", "holds on the same days as own.csv:2"),
        (
            [{"valid_to": "2026-03-05"}, {"valid_from": "2026-03-05"}],
            "3:valid_from",
            "changes the terms within a month",
        ),
        (
            [{"valid_to": "2026-03-01"}, {"valid_from": "2026-03-01", "acquisition_cost": "5000"}],
            "3:acquisition_cost",
            "is another acquisition_cost than in own.csv:2",
        ),
    ],
)
def test_what_a_card_must_not_say(place, monkeypatch, rows, where, what):
    monkeypatch.chdir(place.home)
    columns = list(dict.fromkeys([*GOOD, *(key for row in rows for key in row)]))
    lines = [",".join(f'"{(GOOD | row).get(column, "")}"' for column in columns) for row in rows]
    Path("own.csv").write_text("\n".join([",".join(columns), *lines, ""]))
    with pytest.raises(UsageError) as found:
        rates.load([Path("own.csv")])
    assert found.value.where == f"own.csv:{where}"
    assert what in found.value.what
    assert found.value.remedy


@pytest.mark.parametrize(
    ("rows", "day", "told"),
    few_rows(
        [
            (["2026-02-01,2026-03-01,500"], "2026-03-31", []),  # the meter of March is not read yet
            (["2026-02-01,2026-03-01,500"], "2026-04-01", ["own.csv:2:valid_to"]),
            (["2026-03-01,2026-04-01,500", "2026-02-01,2026-03-01,500"], "2026-05-01", ["own.csv:2:valid_to"]),
            (["2026-02-01,2026-03-01,500", "2026-03-01,2026-04-01,0"], "2026-06-01", []),
            (["2026-02-01,2026-03-01,500", "2026-03-01,2026-04-01,"], "2026-06-01", []),
        ],
        2,
    ),
)
def test_the_check_asks_for_the_next_month_of_metered_hours(place, monkeypatch, rows, day, told):
    monkeypatch.chdir(place.home)
    header = "asset,chip,chips,in_service,currency,price_per_chip_hour,valid_from,valid_to,chip_hours"
    register(place, *(f"lease,h100,1,2026-02-01,USD,2,{row}" for row in rows), header=header)
    found = check.check(rates.load([Path("own.csv")]), date.fromisoformat(day))
    assert [problem.where for problem in found.warnings if "metered" in problem.what] == told
    assert found.errors == []


def test_a_register_is_no_bill(place):
    register(place, "pod,h100,1,2026-01-20,,,USD,4800.00,48,bill,bill,card,10")
    done = place.costctl("ingest", "own.csv")
    assert done.returncode == 3
    assert "is a register of owned chips, not a bill" in done.stderr
    assert "`cards:`" in done.stderr


def test_a_template_is_a_card_to_fill_in(place, monkeypatch):
    monkeypatch.chdir(place.home)
    text = place.costctl("rates", "template", "h100", "--owned").stdout
    header, row = csv.reader(text.splitlines())
    Path("own.csv").write_text(text)
    with pytest.raises(UsageError, match="is missing"):
        rates.load([Path("own.csv")])
    filled = [cell or GOOD.get(column, "") for column, cell in zip(header, row, strict=True)]
    Path("own.csv").write_text("\n".join([",".join(header), ",".join(filled)]))
    (found,) = rates.load([Path("own.csv")]).rows("owned")
    assert found["acquisition_cost"] == Decimal(4800)
