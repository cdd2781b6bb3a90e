"""Law 3, a delivery replaces: same again, changed, older, newer, beside; and law 2, every record of it is accounted for."""

import gzip
import json
import shutil
from decimal import Decimal

import pytest
from conftest import few, few_rows, without_postings

from costctl import pipeline
from costctl.bills.deliveries import Wanted
from costctl.errors import InputRefused
from costctl.ledger import checks, doubled, state

pytestmark = pytest.mark.usefixtures("unposted", "begun")

OCTOBER = """
    cost  day         team
    10    2026-10-03  search
    2.5   2026-10-04  ads
"""
CHANGED = """
    cost  day         team
    11    2026-10-03  search
"""
SEPTEMBER = """
    cost  day         team
    7     2026-09-30  search
"""
TOKENS = """
    start,end,provider,pool,model,team,output,requests
    2026-10-{day}T00:00:00Z,2026-10-{day}T01:00:00Z,self,gpu,atlas,{team},{count},1
"""


def statuses(outcomes):
    return [outcome.status for outcome in outcomes]


def billed(place):
    """Return BilledCost by source and period, as a report would add it up."""
    query = "SELECT source, strftime(billing_period, '%Y-%m'), sum(BilledCost) FROM ledger.charges GROUP BY ALL"
    return {(source, period): cost for source, period, cost in place.ask(query)}


RECORDED = ("deliveries", "delivery_files", "delivery_periods", "exclusions", "roundings", "intakes")


def everything(place):
    """Return what a refusal must leave as it was: the content, what is recorded of the deliveries, the kept bytes."""
    kept = sorted(path.name for path in (place.home / "costctl.duckdb.files").iterdir())
    with place.opened() as ledger:
        recorded = [ledger.run(f"SELECT * FROM ledger.{table} ORDER BY ALL").rows for table in RECORDED]
        return state.fingerprint(ledger), recorded, kept


OF_BILLS = {
    *("charges_are_live", "records_are_accounted_for", "totals_equal_charges"),
    *("groups_equal_charges", "group_ids_are_unique", "tokens_are_disjoint"),
}


def rebuilt(place):
    """Make the ledger again; it must have the content that it had, whose bills no check finds anything in."""
    with place.opened() as ledger:
        assert OF_BILLS.isdisjoint(checks.failing(ledger))
    said = place.costctl("rebuild")
    assert (said.returncode, ": the content it had" in said.stderr) == (0, True), said.stderr


@pytest.fixture(scope="module")
def months(places):
    """What many tests begin with, each in a ledger of its own: the bill of October, and that of September."""
    found = {"october": places(), "september": places()}
    with without_postings():
        for (name, place), rows in zip(found.items(), (OCTOBER, SEPTEMBER), strict=True):
            place.bill(f"{name}.csv", rows)
            place.ingest(f"{name}.csv")
    return found


@pytest.fixture
def october(months, place):
    return place.copy(months["october"])


@pytest.fixture
def september(months, place):
    return place.copy(months["september"])


@pytest.fixture
def refused(place):
    """Ingest what must be refused, and see that nothing changed."""

    def ingest(*names, **options):
        before = everything(place)
        with pytest.raises(InputRefused) as refusal:
            place.ingest(*names, **options)
        assert refusal.value.exit_code == 3
        assert everything(place) == before
        return refusal.value

    return ingest


class TestPlainFiles:
    @pytest.mark.usefixtures("october")
    def test_the_same_content_again_is_nothing_to_do(self, place):
        before = everything(place)
        assert statuses(place.ingest("october.csv")) == ["nothing to do"]
        place.bill("october, the same.csv", OCTOBER)
        assert statuses(place.ingest("october, the same.csv")) == ["nothing to do"]
        assert everything(place) == before

    @pytest.mark.usefixtures("october")
    def test_other_files_for_the_same_period_are_refused(self, place, refused):
        place.bill("changed.csv", CHANGED)
        refusal = refused("changed.csv")
        assert refusal.where.endswith("changed.csv")
        assert "2026-10 of source focus" in refusal.what
        assert all(word in refusal.remedy for word in ("--replace", "--add", "--source"))

    @pytest.mark.usefixtures("october")
    def test_another_period_goes_beside(self, place):
        place.bill("september.csv", SEPTEMBER)
        place.ingest("september.csv")
        assert billed(place) == {("focus", "2026-09"): 7, ("focus", "2026-10"): Decimal("12.5")}

    @pytest.mark.usefixtures("october")
    def test_replace_supersedes_and_goes_back_but_not_by_itself(self, place):
        place.bill("changed.csv", CHANGED)
        before = place.fingerprint()
        place.ingest("changed.csv", decision="replace")
        assert statuses(place.ingest("october.csv")) == ["replaced before, skipped"]  # as cron would, each day
        assert billed(place) == {("focus", "2026-10"): 11}
        place.ingest("october.csv", decision="replace")
        assert place.fingerprint() == before
        assert statuses(place.ingest("october.csv", decision="replace")) == ["nothing to do"]
        assert place.broken() == []

    @pytest.mark.slow
    def test_replace_goes_back_where_only_one_of_two_periods_was_lost(self, place):
        place.bill("both.csv", OCTOBER + SEPTEMBER.split("team\n")[1])
        place.bill("changed.csv", CHANGED)
        place.ingest("both.csv")
        before = place.fingerprint()
        place.ingest("changed.csv", decision="replace")
        assert billed(place) == {("focus", "2026-09"): 7, ("focus", "2026-10"): 11}
        place.ingest("both.csv", decision="replace")
        assert place.fingerprint() == before

    @pytest.mark.slow
    @pytest.mark.usefixtures("october")
    def test_replace_takes_out_what_was_added(self, place):
        place.bill("changed.csv", CHANGED)
        before = place.fingerprint()
        place.ingest("changed.csv", decision="add")
        place.ingest("october.csv", decision="replace")
        assert place.fingerprint() == before

    @pytest.mark.slow
    def test_add_goes_beside_in_any_order(self, place, places):
        prints = set()
        for order in (("october.csv", "more.csv"), ("more.csv", "october.csv")):
            place = places()
            place.bill("october.csv", OCTOBER)
            place.bill("more.csv", CHANGED)
            place.ingest(order[0])
            place.ingest(order[1], decision="add")
            assert billed(place) == {("focus", "2026-10"): Decimal("23.5")}
            prints.add(place.fingerprint())
        assert len(prints) == 1
        assert place.broken() == []

    @pytest.mark.slow
    def test_another_source_that_bills_the_same_account_is_noted(self, place):
        place.bill("october.csv", OCTOBER)
        place.bill("changed.csv", [{"cost": "11"}, {"SubAccountId": "/subscriptions/ANOTHER"}])
        place.bill("third.csv", [{"SubAccountId": "another"}])
        (first,), (second,) = place.ingest("october.csv"), place.ingest("changed.csv", source="subsidiary")
        (third,) = place.ingest("third.csv", source="third")
        assert first.notes == ()
        assert [note.partition(" bills ")[0] for note in second.notes] == ["source focus"]
        assert [note.partition(" in ")[0] for note in third.notes] == ["source subsidiary bills another"]

    @pytest.mark.slow
    def test_bills_that_no_amount_can_hold_together_are_refused(self, place, refused):
        place.bill("october.csv", [{"cost": "5" + "0" * 19}])
        place.bill("september.csv", [{"cost": "5" + "0" * 19, "day": "2026-09-03"}])
        place.ingest("october.csv")
        assert "more than an amount can hold" in refused("september.csv").what

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_amounts_that_cancel_out_must_not_overflow_on_the_way(self, place, refused):
        """In which order a report adds them up is nobody's choice."""
        large = "6" + "0" * 19
        teams = [{"cost": cost, "team": team} for cost, team in ((large, "a"), (f"-{large}", "b"))]
        place.bill("october.csv", teams * 2)
        assert "more than an amount can hold" in refused("october.csv").what

    @pytest.mark.usefixtures("october")
    def test_another_source_is_another_export(self, place):
        place.bill("changed.csv", CHANGED)
        place.ingest("changed.csv", source="subsidiary")
        assert billed(place) == {("focus", "2026-10"): Decimal("12.5"), ("subsidiary", "2026-10"): 11}

    @pytest.mark.slow
    @pytest.mark.usefixtures("october")
    def test_the_same_bytes_are_no_other_export(self, place, refused):
        for decision in (None, "replace"):
            again = refused("october.csv", source="subsidiary", decision=decision)
            assert again.what == "the same bytes are in the ledger already, as source focus"
        assert billed(place) == {("focus", "2026-10"): Decimal("12.5")}
        place.ingest("october.csv", source="subsidiary", decision="add")
        assert billed(place) == dict.fromkeys([("focus", "2026-10"), ("subsidiary", "2026-10")], Decimal("12.5"))
        assert place.broken() == []

    def test_a_folder_that_is_added_to_counts_no_file_twice(self, place, refused):
        place.bill("bills/october.csv", OCTOBER)
        place.ingest("bills/october.csv")
        place.bill("bills/changed.csv", CHANGED)
        place.ingest("bills", decision="add")
        assert billed(place) == {("focus", "2026-10"): Decimal("12.5") + 11}
        place.bill("other/changed.csv", CHANGED)
        place.bill("other/third.csv", [{"cost": "3"}])
        assert "counts already for 2026-10" in refused("other", decision="add").what
        place.ingest("other/third.csv", decision="add")
        assert billed(place) == {("focus", "2026-10"): Decimal("12.5") + 11 + 3}
        rebuilt(place)

    def test_a_file_and_its_packed_copy_are_refused_however_they_are_named(self, place):
        plain = place.bill("october.csv", OCTOBER)
        packed = plain.with_name("october.csv.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        for names in ((".",), ("october.csv", "october.csv.gz")):
            with pytest.raises(InputRefused, match="lies beside october"):
                place.ingest(*names)
        place.ingest("october.csv.gz")
        assert billed(place) == {("focus", "2026-10"): Decimal("12.5")}

    def test_the_same_file_twice_counts_once(self, place):
        place.bill("october.csv", OCTOBER)
        place.bill("copy.csv", OCTOBER)
        (outcome,) = place.ingest("october.csv", "copy.csv", "october.csv")
        assert (outcome.files, outcome.records) == (1, 2)
        assert billed(place) == {("focus", "2026-10"): Decimal("12.5")}
        assert sum("taken once" in note for note in outcome.notes) == 2

    def test_the_files_of_one_command_are_one_delivery(self, place):
        place.bill("october.csv", OCTOBER)
        place.bill("more.csv", CHANGED)
        (outcome,) = place.ingest("october.csv", "more.csv")
        assert (outcome.files, outcome.records) == (2, 3)
        assert statuses(place.ingest("more.csv", "october.csv")) == ["nothing to do"]

    @pytest.mark.usefixtures("september")
    def test_a_folder_of_the_month_to_date_is_refused(self, place, refused):
        """Each day's file begins with the charges of the files before it."""
        days = [{"cost": f"{day}.5", "day": f"2026-10-{day:02}"} for day in range(1, 5)]
        for day in range(1, 4):
            place.bill(f"bills/{day}.csv", days[: day + 1])
        refusal = refused("bills")
        assert refusal.where.endswith("3.csv")
        assert refusal.what.endswith("2.csv holds too: 3 of its 3 of the same days")
        assert all(word in refusal.remedy for word in ("--replace", "--add", "deliveries: files"))
        place.ingest("bills/1.csv")
        place.ingest("bills/3.csv", decision="replace")
        assert billed(place)["focus", "2026-10"] == 12
        place.ingest("bills", decision="add")
        assert billed(place)["focus", "2026-10"] == Decimal("23.5")

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_of_very_many_charges_some_are_looked_at_and_all_where_these_are_alike(self, place, refused, monkeypatch):
        monkeypatch.setattr(doubled, "SAMPLE", 100)
        rows = [{"cost": "2", "SkuId": str(number), "ResourceId": str(number)} for number in range(200)]
        place.bill("bills/a.csv", rows)
        place.bill("bills/b.csv", [*rows, {"cost": "3"}])
        assert refused("bills").what.endswith("a.csv holds too: 200 of its 201 of the same days")
        for number in range(9):  # of each the sample may hold nothing but the charge that is alike
            place.bill(f"more/{number}.csv", [rows[number], *({"SkuId": f"{number} {row}"} for row in range(2))])
        place.bill("more/a.csv", rows)
        place.ingest("more")
        assert billed(place)["focus", "2026-10"] == 200 * 2 + 9 * (2 + 2)

    @pytest.mark.usefixtures("september")
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            pytest.param({"InvoiceId": "-"}, {"InvoiceId": "I-1"}, id="the final bill has its invoice"),
            pytest.param({}, {"team": "search"}, id="a tag became known", marks=pytest.mark.slow),
            pytest.param({"EffectiveCost": "1"}, {"EffectiveCost": "0.5"}, id="amortised anew", marks=pytest.mark.slow),
            pytest.param(
                {"day": "2026-10-01", "ChargePeriodEnd": "2026-10-03T00:00:00Z", "cost": "2"},
                {"day": "2026-10-01", "ChargePeriodEnd": "2026-10-08T00:00:00Z", "cost": "7"},
                id="a line that grows",
                marks=pytest.mark.slow,
            ),
        ],
    )
    def test_what_a_later_file_knows_better_is_the_same_charge(self, place, refused, before, after):
        for name, known in (("a", before), ("b", after)):
            place.bill(f"bills/{name}.csv", [known | {"SkuId": f"sku-{number}"} for number in range(3)])
        assert refused("bills").what.endswith("holds too: 3 of its 3 of the same days")

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_rolling_weeks_share_days(self, place, refused):
        for first in (1, 5):
            days = [{"day": f"2026-10-{day:02}", "SkuId": str(day)} for day in range(first, first + 7)]
            place.bill(f"bills/from-{first}.csv", days)
        assert refused("bills").what.endswith("holds too: 3 of its 3 of the same days")

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_charges_of_two_invoices_are_two(self, place):
        for name in ("I-1", "I-2"):
            place.bill(f"bills/{name}.csv", [{"InvoiceId": name}])
        place.ingest("bills")
        assert billed(place)["focus", "2026-10"] == 2

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_files_that_are_said_to_belong_together_are_not_compared(self, place, refused):
        for name in ("a", "b"):
            place.bill(f"bills/{name}.csv", [{"SkuId": sku} for sku in ("x", "y", name)])
        refused("bills")
        pipeline.take_in(place.run, [Wanted(place.home / "bills", "focus", deliveries="files")])
        assert billed(place)["focus", "2026-10"] == 6

    @pytest.mark.slow
    def test_what_was_replaced_stays_replaced_when_the_folder_comes_again(self, place):
        """The replaced file lies where it lay, beside the one that took its place."""
        place.bill("bills/a.csv", [{"cost": "10"}])
        place.ingest("bills")
        place.bill("bills/b.csv", [{"cost": "9"}])
        (outcome,) = place.ingest("bills/b.csv", decision="replace")
        assert outcome.notes == ("2026-10 of source focus: billed 10 USD before, 9 now",)
        (outcome,) = place.ingest("bills")
        assert (outcome.status, outcome.records) == ("loaded", 2)
        assert statuses(place.ingest("bills")) == ["nothing to do"]
        rules = "SELECT rule, sum(records) FROM ledger.exclusions GROUP BY 1"
        assert place.ask(rules) == [("replaced by other files before", 1)]
        place.bill("bills/c.csv", [{"cost": "1", "SkuId": "c"}])
        place.ingest("bills")
        assert billed(place) == {("focus", "2026-10"): 10}
        rebuilt(place)
        place.ingest("bills", decision="replace")
        assert billed(place) == {("focus", "2026-10"): 20}
        place.bill("bills/d.csv", [{"cost": "1", "SkuId": "d"}])
        place.ingest("bills")
        assert billed(place) == {("focus", "2026-10"): 21}

    @pytest.mark.slow
    def test_what_was_replaced_comes_back_when_it_is_added(self, place):
        for name, cost in (("a", "10"), ("b", "9")):
            place.bill(f"bills/{name}.csv", [{"cost": cost}])
            place.ingest(f"bills/{name}.csv", decision="replace")
        place.ingest("bills/a.csv", decision="add")
        assert billed(place) == {("focus", "2026-10"): 19}
        place.bill("bills/c.csv", [{"cost": "1", "SkuId": "c"}])
        place.ingest("bills")
        assert billed(place) == {("focus", "2026-10"): 20}

    @pytest.mark.slow
    def test_a_file_that_lost_one_of_its_months_keeps_the_other(self, place):
        place.bill("bills/both.csv", [{"cost": "7", "day": "2026-09-03"}, {"cost": "10"}, {"cost": "2.5"}])
        place.bill("bills/august.csv", [{"cost": "8", "day": "2026-08-03"}])
        place.ingest("bills")
        place.bill("bills/october.csv", [{"cost": "9"}])
        place.ingest("bills/october.csv", decision="replace")
        for _ in range(2):
            place.ingest("bills")
            assert billed(place) == {("focus", "2026-08"): 8, ("focus", "2026-09"): 7, ("focus", "2026-10"): 9}
        rebuilt(place)
        assert statuses(place.ingest("bills")) == ["nothing to do"]

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    @pytest.mark.parametrize(("alike", "taken"), [(2, True), (3, False)])
    def test_files_may_share_charges_but_not_most_of_them(self, place, refused, alike, taken):
        shared = [{"cost": "5", "ServiceName": f"support {number}"} for number in range(alike)]
        for name in ("a", "b"):
            free = {"cost": "0", "ServiceName": "free"}
            place.bill(
                f"bills/{name}.csv", [*shared, *({"ServiceName": f"{name}{row}"} for row in range(2)), free, free]
            )
        if taken:
            place.ingest("bills")
            assert billed(place)["focus", "2026-10"] == 24
        else:
            assert refused("bills").what.endswith("a.csv holds too: 3 of its 5 of the same days")

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_one_file_packed_in_another_folder_counts_once(self, place, refused):
        plain = place.bill("bills/monday/october.csv", OCTOBER)
        packed = place.home / "bills" / "tuesday" / "october.csv.gz"
        packed.parent.mkdir()
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert "holds too: 2 of its 2 of the same days" in refused("bills").what

    @pytest.mark.slow
    def test_a_folder_that_gains_a_file_is_taken_in(self, place):
        """What cron sees: the configured folder holds one file more each month."""
        place.bill("bills/september.csv", SEPTEMBER)
        place.ingest("bills")
        place.bill("bills/october.csv", OCTOBER)
        place.ingest("bills")
        assert billed(place) == {("focus", "2026-09"): 7, ("focus", "2026-10"): Decimal("12.5")}

    @pytest.mark.slow
    def test_a_part_of_what_is_there_is_nothing_to_do(self, place):
        place.bill("bills/september.csv", SEPTEMBER)
        place.bill("bills/october.csv", OCTOBER)
        place.ingest("bills")
        before = place.fingerprint()
        assert statuses(place.ingest("bills/october.csv")) == ["nothing to do"]
        assert place.fingerprint() == before
        place.write("t/third.csv", TOKENS.format(day="03", team="search", count=5))
        place.ingest("t")
        place.write("t/fourth.csv", TOKENS.format(day="04", team="search", count=6))
        assert statuses(place.ingest("t")) == ["loaded"]
        (place.home / "t/third.csv").unlink()
        place.write("t/fifth.csv", TOKENS.format(day="05", team="search", count=7))
        assert statuses(place.ingest("t")) == ["loaded"]
        assert place.broken() == []
        assert place.ask("SELECT sum(tokens) FROM ledger.token_days") == [(18,)]

    def test_a_folder_where_a_file_changed_is_refused(self, place, refused):
        place.bill("bills/september.csv", SEPTEMBER)
        place.bill("bills/october.csv", OCTOBER)
        place.ingest("bills")
        place.bill("bills/october.csv", CHANGED)
        assert "2026-10" in refused("bills").what

    def test_replace_and_add_contradict_each_other(self, place):
        place.bill("october.csv", OCTOBER)
        done = place.costctl("ingest", "october.csv", "--replace", "--add")
        assert done.returncode == 2
        assert not place.path.exists()


class TestMonthToDate:
    """An export that writes the month so far, over the last file or beside it, tells by its usage which file is the newest."""

    CONFIG = """
        sources:
          - {name: nebius, path: bills, deliveries: month_to_date}
    """

    @staticmethod
    def until(place, name, day, **more):
        days = [{"cost": "1", "day": f"2026-10-{number:02}"} | more for number in range(1, day + 1)]
        return place.bill(f"bills/{name}.csv", days)

    @staticmethod
    def run(place):
        run = place.run
        return pipeline.take_in(run, pipeline.wanted(run, [], None, None))

    @pytest.mark.slow
    def test_the_file_that_goes_furthest_counts_in_any_order_of_arrival(self, places):
        prints = set()
        for order in ((3, 5, 9), (9, 3, 5)):
            place = places()
            place.write("costctl.yaml", self.CONFIG)
            for day in order:
                self.until(place, f"to-{day}", day)
                self.run(place)
            assert billed(place) == {("nebius", "2026-10"): 9}
            assert set(statuses(self.run(place))) <= {"older, skipped", "nothing to do"}
            prints.add(place.fingerprint())
        assert len(prints) == 1
        rebuilt(place)
        assert set(statuses(self.run(place))) <= {"older, skipped", "nothing to do"}

    def test_a_file_that_is_written_over(self, place):
        place.write("costctl.yaml", self.CONFIG)
        for day in (3, 5):
            self.until(place, "current", day)
            assert statuses(self.run(place)) == ["loaded"]
        assert billed(place) == {("nebius", "2026-10"): 5}

    @pytest.mark.slow
    def test_the_final_bill_is_newer_than_an_open_one(self, place):
        place.write("costctl.yaml", self.CONFIG)
        self.until(place, "open", 9)
        self.run(place)
        self.until(place, "final", 9, InvoiceId="I-1", cost="2")
        self.run(place)
        assert billed(place) == {("nebius", "2026-10"): 18}

    @pytest.mark.slow
    def test_how_far_it_goes_comes_before_the_invoice(self, place):
        """One line without an invoice must not keep the month at an older state."""
        place.write("costctl.yaml", self.CONFIG)
        self.until(place, "to-5", 5, InvoiceId="I-1")
        self.run(place)
        self.until(place, "to-6", 6)
        self.run(place)
        assert billed(place) == {("nebius", "2026-10"): 6}

    @pytest.mark.slow
    @pytest.mark.parametrize("more", [{"ChargePeriodEnd": "2026-11-01T00:00:00Z"}, {"ChargeCategory": "Purchase"}])
    def test_lines_of_a_whole_month_do_not_hide_how_far_the_others_go(self, place, more):
        place.write("costctl.yaml", self.CONFIG)
        for day in (3, 5):
            place.bill(f"bills/to-{day}.csv", [{"day": f"2026-10-{number:02}"} | more for number in range(1, day + 1)])
            self.run(place)
        assert billed(place) == {("nebius", "2026-10"): 5}

    @pytest.mark.slow
    def test_where_they_go_as_far_the_date_in_the_name_decides(self, place):
        place.write("costctl.yaml", self.CONFIG)
        for name, cost in (("nebius-2026-10-07", "7"), ("nebius-2026-10-09", "9"), ("nebius-2026-10-08", "8")):
            place.bill(f"bills/{name}.csv", [{"cost": cost, "ChargePeriodEnd": "2026-11-01T00:00:00Z"}])
            self.run(place)
        assert billed(place) == {("nebius", "2026-10"): 9}

    @pytest.mark.parametrize("order", few([("a", "b"), ("b", "a")]))
    def test_the_files_of_two_accounts_are_not_versions_of_each_other(self, place, order):
        place.write("costctl.yaml", self.CONFIG)
        for name, day in (("a", 5), ("b", 4)):
            self.until(place, name, day, SubAccountId=f"project-{name}")
        first, second = ([place.home / "bills" / f"{name}.csv"] for name in order)
        pipeline.take_in(place.run, pipeline.wanted(place.run, first, "nebius", None))
        with pytest.raises(InputRefused, match="nothing of account project-b"):
            pipeline.take_in(place.run, pipeline.wanted(place.run, second, "nebius", None))

    @pytest.mark.slow
    def test_where_usage_goes_as_far_nothing_tells_which_is_newer(self, place):
        place.write("costctl.yaml", self.CONFIG)
        self.until(place, "first", 9)
        self.run(place)
        self.until(place, "second", 9, cost="2")
        with pytest.raises(InputRefused, match="from other files"):
            self.run(place)
        assert billed(place) == {("nebius", "2026-10"): 9}
        # nor do those that are to replace replace each other
        with pytest.raises(InputRefused, match="from other files"):
            pipeline.take_in(place.run, pipeline.wanted(place.run, [], None, None), decision="replace")
        named = pipeline.wanted(place.run, [place.home / "bills" / "second.csv"], "nebius", None)
        pipeline.take_in(place.run, named, decision="replace")
        assert billed(place) == {("nebius", "2026-10"): 18}
        self.until(place, "third", 10)
        (place.home / "bills" / "first.csv").unlink()
        self.run(place)
        assert billed(place) == {("nebius", "2026-10"): 10}


class TestPathsOfSources:
    """A path of the command line is of the source in whose folder it lies: as another source, it would count beside it."""

    @pytest.fixture
    def place(self, place):
        place.write(
            "costctl.yaml",
            """
            sources:
              - {name: all, path: bills}
              - {name: nebius, path: bills/nebius, deliveries: month_to_date}
              - {name: one, path: shared}
              - {name: two, path: shared}
            """,
        )
        return place

    @pytest.mark.parametrize(
        ("path", "said", "name", "kind"),
        [
            ("bills/nebius/a.csv", None, "nebius", "month_to_date"),
            ("bills/nebius", None, "nebius", "month_to_date"),
            ("bills/a.csv", None, "all", None),
            ("bills/nebius/a.csv", "all", "all", None),
            ("bills/nebius/a.csv", "another", "another", None),
            ("shared/a.csv", None, None, None),
            ("elsewhere/a.csv", None, None, None),
        ],
    )
    def test_the_nearest_source_has_it(self, place, path, said, name, kind):
        (found,) = pipeline.wanted(place.run, [place.home / path], said, None)
        assert (found.source, found.deliveries) == (name, kind)


class TestUsage:
    """Token counts replace by UTC day."""

    def test_another_day_goes_beside_and_the_same_day_is_refused(self, place, refused):
        place.bill("october.csv", OCTOBER)
        place.write("third.csv", TOKENS.format(day="03", team="search", count=5))
        place.write("fourth.csv", TOKENS.format(day="04", team="search", count=6))
        place.write("third, changed.csv", TOKENS.format(day="03", team="ads", count=7))
        place.ingest("october.csv", "third.csv")
        place.ingest("fourth.csv")
        assert "2026-10-03 of source hourly" in refused("third, changed.csv").what
        place.ingest("third, changed.csv", decision="replace")
        assert place.broken() == []
        counted = place.ask("SELECT team, tokens FROM ledger.token_days WHERE token_class = 'output' ORDER BY day")
        assert counted == [("ads", 7), ("search", 6)]

    @pytest.mark.slow
    def test_a_day_that_was_replaced_stays_replaced_when_the_folder_comes_again(self, place):
        place.bill("october.csv", OCTOBER)
        place.write("usage/third.csv", TOKENS.format(day="03", team="search", count=5))
        place.write("usage/fourth.csv", TOKENS.format(day="04", team="search", count=6))
        place.ingest("october.csv", "usage")
        place.write("usage/third, changed.csv", TOKENS.format(day="03", team="ads", count=7))
        place.ingest("usage/third, changed.csv", decision="replace")
        for _ in range(2):
            place.ingest("usage")
            assert place.ask(
                "SELECT team_raw, tokens FROM ledger.token_quantity JOIN ledger.token_usage USING (delivery_id, file_no, record_no) WHERE token_class LIKE 'output%' ORDER BY ts_start"
            ) == [("ads", 7), ("search", 6)]
        assert place.broken() == []


CUR = (
    "lineItem/LineItemType,lineItem/UnblendedCost,lineItem/CurrencyCode,bill/BillingPeriodStartDate,bill/BillingPeriodEndDate,"
    "lineItem/UsageStartDate,lineItem/UsageEndDate,bill/PayerAccountId,bill/InvoiceId,lineItem/ProductCode\n"
)
ENDS = {"2026-09": "2026-10", "2026-10": "2026-11"}


def assembly(place, folder, *, costs, until, month="2026-10", invoice="", listed=("part-1.csv",), report="daily"):
    """Write a Cost and Usage Report as AWS delivers it: a manifest and its file, usage of an hour per cost until a day."""
    start, end = f"{month}-01T00:00:00Z", f"{ENDS[month]}-01T00:00:00Z"
    lines = [
        f"Usage,{cost},USD,{start},{end},{month}-{until:02}T00:00:00Z,{month}-{until:02}T01:00:00Z,111,{invoice},AmazonEC2\n"
        for cost in costs
    ]
    place.write(f"{folder}/part-1.csv", CUR + "".join(lines))
    manifest = {
        "assemblyId": folder,
        "account": "111",
        "reportName": report,
        "billingPeriod": {"start": f"{month.replace('-', '')}01T000000.000Z"},
        "reportKeys": [f"cur/{report}/{folder}/{name}" for name in listed],
    }
    place.write(f"{folder}/{report}-Manifest.json", json.dumps(manifest))
    return folder


def before_its_manifest(place):
    """Take in the file of an assembly by itself; its manifest lies there afterwards."""
    manifest = place.home / assembly(place, "cur/a", costs=[1, 2], until=5) / "daily-Manifest.json"
    text = manifest.read_text()
    manifest.unlink()
    place.ingest("cur")
    manifest.write_text(text)


class TestManifests:
    def test_a_later_assembly_replaces_and_the_older_one_is_skipped_when_it_comes_again(self, place):
        assembly(place, "first", costs=[1, 2], until=5)
        assembly(place, "second", costs=[1, 2, 3], until=9)
        place.ingest("first")
        assert statuses(place.ingest("second")) == ["loaded"]
        assert billed(place) == {("aws_cur", "2026-10"): 6}
        assert place.broken() == []
        before = everything(place)
        assert statuses(place.ingest("first")) == ["older, skipped"]
        assert everything(place) == before

    @pytest.mark.slow
    def test_an_older_assembly_is_skipped(self, place):
        assembly(place, "first", costs=[1, 2], until=5)
        assembly(place, "second", costs=[1, 2, 3], until=9)
        place.ingest("second")
        before = everything(place)
        assert statuses(place.ingest("first")) == ["older, skipped"]
        assert everything(place) == before

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "order", few([("third", "first", "second"), ("first", "second", "third"), ("second", "third", "first")])
    )
    def test_any_order_gives_the_same_ledger(self, places, order):
        prints = []
        for turn in (("third",), order):
            place = places()
            assembly(place, "first", costs=[1, 2], until=5)
            assembly(place, "second", costs=[1, 2, 3], until=9)
            assembly(place, "third", costs=[1, 2, 2.5], until=9, invoice="INV-1")  # the final bill, with its invoice
            for folder in turn:
                place.ingest(folder)
            prints.append(place.fingerprint())
        assert prints[0] == prints[1]

    @pytest.mark.slow
    def test_records_set_aside_from_an_older_assembly_leave_no_trace(self, places):
        """The same ledger whether the older one, with a bad record in it, came first or never."""
        prints = []
        for turn in (["second"], ["first", "second"]):
            place = places()
            assembly(place, "first", costs=[1, "bad"], until=5)
            assembly(place, "second", costs=[1, 2, 3], until=9)
            for folder in turn:
                place.ingest(folder, quarantine_rows=1)
            prints.append(place.fingerprint())
        assert prints[0] == prints[1]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "order",
        few([("second", "first"), ("first", "second")]),
    )
    def test_two_assemblies_in_one_command(self, place, order):
        assembly(place, "first", costs=[1, 2], until=5)
        assembly(place, "second", costs=[1, 2, 3], until=9)
        place.ingest(*order)
        assert billed(place) == {("aws_cur", "2026-10"): 6}

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("older", "newer"),
        few_rows([("b", "a"), ("a", "b")]),
    )
    def test_two_assemblies_in_one_folder(self, place, older, newer):
        assembly(place, f"cur/{older}", costs=[1, 2], until=5)
        assembly(place, f"cur/{newer}", costs=[1, 2, 3], until=9)
        place.ingest("cur")
        assert billed(place) == {("aws_cur", "2026-10"): 6}

    @pytest.mark.slow
    def test_without_evidence_which_is_newer_it_is_refused(self, place, refused):
        assembly(place, "first", costs=[1, 2], until=5)
        assembly(place, "second", costs=[1, 3], until=5)
        place.ingest("first")
        assert "nothing in the files tells which is newer" in refused("second").evidence[0]
        place.ingest("second", decision="replace")
        assert billed(place) == {("aws_cur", "2026-10"): 4}

    @pytest.mark.slow
    def test_a_listed_file_that_is_missing(self, place, refused):
        assembly(place, "first", costs=[1, 2], until=5)
        place.ingest("first")
        assembly(place, "second", costs=[1, 2, 3], until=9, listed=("part-1.csv", "part-2.csv"))
        refusal = refused("second")
        assert refusal.what == "lists a file that is not there"
        assert "part-2.csv" in refusal.evidence[0]

    @pytest.mark.slow
    def test_a_redelivery_replaces_its_period_and_nothing_else(self, place):
        """Same source: another month, another report, a usage file; another source: the same month."""
        place.write("tokens.csv", TOKENS.format(day="03", team="search", count=5))
        place.bill("focus.csv", OCTOBER)
        september = assembly(place, "september", costs=[4], until=30, month="2026-09")
        place.ingest(
            assembly(place, "first", costs=[1, 2], until=5),
            september,
            assembly(place, "other", costs=[9], until=5, report="hourly"),
        )
        place.ingest("focus.csv", "tokens.csv")

        def untouched():
            assert place.broken() == []
            kept = {}
            for name in ("charges", "charge_groups", "postings"):
                mine = "source = 'aws_cur' AND billing_period = DATE '2026-10-01' AND origin NOT IN (SELECT group_id FROM ledger.charge_groups WHERE scope = 'hourly:111')"
                if name != "postings":
                    mine = "source = 'aws_cur' AND billing_period = DATE '2026-10-01' AND scope = 'daily:111'"
                kept[name] = place.ask(f"SELECT * FROM ledger.{name} WHERE NOT ({mine}) ORDER BY ALL")
            return kept | {"tokens": place.ask("SELECT * FROM ledger.token_days ORDER BY ALL")}

        before = untouched()
        assert {len(rows) > 0 for rows in before.values()} == {True}
        place.ingest(assembly(place, "second", costs=[1, 2, 3], until=9))
        assert untouched() == before
        assert billed(place)["aws_cur", "2026-10"] == 6 + 9


class TestRowAccounting:
    BILL = """
        cost  day         team    BillingCurrency
        10    2026-10-03  search  USD
        1,5   2026-10-03  search  USD
        2.5   2026-10-04  ads     dollars
        4     2026-10-04  ads     USD
        x     2026-10-04  ads     -
    """

    def test_every_record_is_somewhere(self, place):
        place.bill("october.csv", self.BILL)
        (outcome,) = place.ingest("october.csv", quarantine_rows=3)
        assert (outcome.status, outcome.records, outcome.quarantined) == ("loaded", 5, 3)
        counts = place.ask("SELECT records, kept, quarantined, excluded FROM ledger.delivery_files")
        assert counts == [(5, 2, 3, 0)]
        aside = place.ask("SELECT record_no, line_no, column_name, value FROM ledger.quarantine ORDER BY 1, 3")
        assert [row for row in aside if row[0] != 5] == [
            (2, 3, "BilledCost", "1,5"),
            (2, 3, "ContractedCost", "1,5"),
            (2, 3, "EffectiveCost", "1,5"),
            (2, 3, "ListCost", "1,5"),
            (3, 4, "BillingCurrency", "dollars"),
        ]
        assert {(row[2], row[3]) for row in aside if row[0] == 5} >= {("BilledCost", "x"), ("BillingCurrency", None)}
        assert billed(place) == {("focus", "2026-10"): 14}
        assert place.broken() == []

    @pytest.mark.slow
    def test_the_exit_code_is_4_when_records_are_set_aside(self, place):
        place.bill("october.csv", self.BILL)
        done = place.costctl("ingest", "october.csv", "--quarantine-rows", 3)
        assert "5 records from 1 file, 3 set aside" in done.stderr
        assert done.returncode == 4
        assert place.costctl("ingest", "october.csv", "--quarantine-rows", 3).returncode == 0  # nothing to do

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_the_policy_decides_how_many(self, place, refused):
        place.bill("october.csv", self.BILL)
        refusal = refused("october.csv", quarantine_rows=2)
        assert refusal.where.endswith("october.csv:3")
        assert "3 records cannot be taken in; policy quarantine_rows allows 2" in refusal.what
        assert "BilledCost" in refusal.evidence[0]
        assert "'1,5'" in refusal.evidence[0]

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_a_file_of_bad_records_only(self, place):
        place.bill("october.csv", "cost  day\nx     2026-10-03\n")
        (outcome,) = place.ingest("october.csv", quarantine_rows=1)
        assert (outcome.records, outcome.quarantined, outcome.periods) == (1, 1, ())
        assert place.broken() == []
        assert statuses(place.ingest("october.csv", quarantine_rows=1)) == ["nothing to do"]

    @pytest.mark.slow
    def test_ragged_records_are_named(self, place):
        path = place.bill("october.csv", OCTOBER)
        path.write_text(path.read_text("utf-8") + "one,field too few\n", encoding="utf-8")
        place.ingest("october.csv", quarantine_rows=1)
        assert place.ask("SELECT record_no, line_no, column_name, raw FROM ledger.quarantine") == [
            (3, 4, "(record)", "one,field too few")
        ]

    def test_newlines_in_quotes_are_one_record(self, place):
        place.bill("october.csv", [{"ServiceName": 'two\nlines, "quoted"'}, {"ServiceName": "\n"}, {"cost": "x"}])
        place.ingest("october.csv", quarantine_rows=1)
        assert place.ask("SELECT records, kept, quarantined FROM ledger.delivery_files") == [(3, 2, 1)]
        assert place.ask("SELECT DISTINCT record_no, line_no FROM ledger.quarantine") == [(3, 6)]


class TestRoundings:
    """A binary float printed in full has more than 18 decimals; what rounding takes away is written down, exactly."""

    FLOATS = ("0.00012345678901234567", "0.0000018518518518518519", "1.2345678901234567E-7")
    BILL = [{"cost": "1", "ListCost": text} for text in FLOATS] + [{"cost": "0.1", "ListCost": "0.1"}]

    def expected(self, texts):
        """Return count, rounded sum and what was rounded away, half away from zero, by Decimal."""
        exact = [Decimal(text) for text in texts]
        kept = [value.quantize(Decimal("1e-18"), "ROUND_HALF_UP") for value in exact]
        return len(texts), sum(kept), sum(exact) - sum(kept)

    @pytest.mark.usefixtures("way")
    def test_they_are_rounded_and_recorded(self, place):
        place.bill("october.csv", self.BILL)
        (outcome,) = place.ingest("october.csv")
        count, kept, away = self.expected(self.FLOATS)
        assert away != 0
        assert place.ask("SELECT file_no, column_name, records, rounded_away FROM ledger.roundings") == [
            (1, "ListCost", count, away)
        ]
        assert place.ask("SELECT sum(ListCost) FROM ledger.charges") == [(kept + Decimal("0.1"),)]
        assert (
            outcome.notes[-1]
            == f"ListCost: 3 binary floats with more than 18 decimals, rounded; {away.normalize():f} in all"
        )
        assert place.broken() == []

    @pytest.mark.slow
    def test_records_set_aside_are_not_among_them(self, place):
        place.bill("october.csv", [*self.BILL, {"cost": "x", "ListCost": self.FLOATS[0]}])
        place.ingest("october.csv", quarantine_rows=1)
        count, _, away = self.expected(self.FLOATS)
        assert place.ask("SELECT column_name, records, rounded_away FROM ledger.roundings") == [
            ("ListCost", count, away)
        ]

    @pytest.mark.slow
    @pytest.mark.usefixtures("september")
    def test_other_texts_with_more_decimals_are_refused(self, place, refused):
        place.bill("october.csv", [{"cost": "1", "ListCost": "0.1234567890123456789"}])
        assert "ListCost is not a plain decimal number" in refused("october.csv").evidence[0]

    @pytest.mark.slow
    def test_a_replaced_delivery_takes_its_roundings_along(self, place):
        place.bill("october.csv", self.BILL)
        place.bill("changed.csv", CHANGED)
        place.ingest("october.csv")
        place.ingest("changed.csv", decision="replace")
        live = "SELECT count(*) FROM ledger.roundings JOIN ledger.delivery_periods USING (delivery_id) WHERE live"
        assert place.ask(live) == [(0,)]


class TestTheArchive:
    @pytest.mark.usefixtures("october")
    def test_the_bytes_are_kept_by_their_hash(self, place):
        ((digest,),) = place.ask("SELECT sha256 FROM ledger.delivery_files")
        assert (place.home / "costctl.duckdb.files" / digest).read_bytes() == (place.home / "october.csv").read_bytes()

    def test_without_an_archive_nothing_is_kept(self, place):
        place.write("costctl.yaml", "version: 1\narchive: none\n")
        place.bill("october.csv", OCTOBER)
        place.ingest("october.csv")
        assert not (place.home / "costctl.duckdb.files").exists()
        assert billed(place) == {("focus", "2026-10"): Decimal("12.5")}

    @pytest.mark.usefixtures("october")
    def test_a_moved_ledger_knows_its_deliveries(self, place, places):
        moved = places()
        shutil.copy(place.path, moved.path)
        moved.bill("october.csv", OCTOBER)
        assert statuses(moved.ingest("october.csv")) == ["nothing to do"]
