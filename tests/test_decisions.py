"""What was decided about deliveries stands: when their folders come again, formats change, months are derived again, the ledger is rebuilt."""

import shutil
from contextlib import suppress
from dataclasses import replace

import pytest
from conftest import examples, few
from hypothesis import given
from hypothesis import strategies as st
from test_deliveries import assembly, before_its_manifest, billed, rebuilt, statuses
from test_gcp import google
from test_revisions import assert_sums

from costctl import bills, pipeline
from costctl.errors import InputRefused, UsageError

pytestmark = pytest.mark.usefixtures("unposted", "begun")

SOURCE = """
    version: 1
    {more}
    sources:
      - {{name: {name}, path: bills, deliveries: {kind}}}
"""


def configure(place, name, kind, more=""):
    place.write("costctl.yaml", SOURCE.format(name=name, kind=kind, more=more))


def daily(place):
    """Run what cron runs; return what became of each delivery."""
    said = place.costctl("ingest")
    assert said.returncode == 0, said.stderr
    return said.stderr.splitlines()


def until(day, **more):
    return [{"cost": "1", "day": f"2026-10-{number:02}"} | more for number in range(1, day + 1)]


def october_is_replaced(place):
    """A file has 7 in September and 10 in October, which another with 9 took from it."""
    configure(place, "neo", "files")
    place.bill("bills/a.csv", [{"cost": "7", "day": "2026-09-03"}, {"cost": "10"}])
    daily(place)
    place.bill("fix/b.csv", [{"cost": "9"}])
    place.ingest("fix/b.csv", source="neo", decision="replace")


class TestTheDefinitionChanges:
    """A format's files, or the columns to store, are others than when the bills were read."""

    STORED = "store_columns: {note: [x_note]}"

    @pytest.mark.slow
    def test_what_lost_a_month_does_not_win_it_back(self, place):
        october_is_replaced(place)
        configure(place, "neo", "files", self.STORED)
        assert any("neo (focus) 2026-09: 2 records" in line for line in daily(place))
        assert billed(place) == {("neo", "2026-09"): 7, ("neo", "2026-10"): 9}
        rebuilt(place)
        assert billed(place) == {("neo", "2026-09"): 7, ("neo", "2026-10"): 9}

    @pytest.mark.slow
    def test_what_was_replaced_stays_so_among_appended_files(self, place):
        configure(place, "oci", "append")
        place.bill("bills/a.csv", [{"cost": "10", "SkuId": "s1"}, {"cost": "10", "SkuId": "s2"}])
        daily(place)
        place.bill("fix/b.csv", [{"cost": "9", "SkuId": "s1"}, {"cost": "9", "SkuId": "s2"}])
        place.ingest("fix/b.csv", source="oci", decision="replace")
        configure(place, "oci", "append", self.STORED)
        daily(place)
        assert billed(place) == {("oci", "2026-10"): 18}
        rebuilt(place)

    @pytest.mark.slow
    def test_who_went_back_stays_there(self, place):
        configure(place, "neo", "month_to_date")
        place.bill("bills/to-5.csv", until(5))
        place.bill("bills/to-9.csv", until(9))
        daily(place)
        place.ingest("bills/to-5.csv", source="neo", decision="replace")
        assert billed(place) == {("neo", "2026-10"): 5}
        configure(place, "neo", "month_to_date", self.STORED)
        daily(place)
        assert billed(place) == {("neo", "2026-10"): 5}
        rebuilt(place)

    @pytest.mark.slow
    def test_what_was_added_although_it_looks_doubled_is_read_again(self, place):
        configure(place, "neo", "month_to_date")
        place.bill("bills/a.csv", until(3))
        daily(place)
        place.write("more/a.csv", (place.home / "bills/a.csv").read_text())
        place.bill("more/b.csv", until(4))
        place.ingest("more", source="other", decision="add")
        assert billed(place) == {("neo", "2026-10"): 3, ("other", "2026-10"): 7}
        configure(place, "neo", "month_to_date", self.STORED)
        place.ingest("more", source="other")
        daily(place)
        rebuilt(place)
        assert billed(place) == {("neo", "2026-10"): 3, ("other", "2026-10"): 7}

    @pytest.mark.slow
    def test_a_month_that_it_leaves_out_comes_back_with_the_one_before(self, place, monkeypatch):
        """What counts for a month counts for it, also while the definition says nothing of the month."""
        october_is_replaced(place)
        known = bills.known
        september = ("september", "\"ChargePeriodStart\" LIKE '2026-09%'")

        def without(*words):
            found = known(*words)
            other = replace(found["focus"], exclusions=(september,), fingerprint="another")
            return found | {"focus": other}

        with monkeypatch.context() as patch:
            patch.setattr(bills, "known", without)
            place.ingest("bills", source="neo")
            assert billed(place) == {("neo", "2026-10"): 9}
            rebuilt(place)
        place.ingest("bills", source="neo")
        assert billed(place) == {("neo", "2026-09"): 7, ("neo", "2026-10"): 9}
        rebuilt(place)

    def test_some_of_the_files_are_no_longer_there(self, place):
        configure(place, "neo", "files")
        for day in (1, 2, 3):
            place.bill(f"bills/{day}.csv", [{"cost": f"{day}", "day": f"2026-10-0{day}"}])
        daily(place)
        (place.home / "bills/1.csv").unlink()
        configure(place, "neo", "files", self.STORED)
        assert any("read as its format was defined before" in line for line in daily(place))
        assert billed(place) == {("neo", "2026-10"): 6}

    @pytest.mark.slow
    def test_the_history_of_what_was_superseded_stays(self, place):
        configure(place, "neo", "month_to_date")
        two = [{"cost": "7", "day": "2026-09-03"}, {"cost": "1", "day": "2026-10-01"}]
        place.bill("bills/1.csv", two)
        daily(place)
        place.bill("bills/2.csv", [{"cost": "2", "day": "2026-10-02"}])
        daily(place)
        history = "SELECT billing_period, BilledCost FROM ledger.delivery_totals ORDER BY ALL"
        before = place.ask(history)
        assert len(before) == 3
        configure(place, "neo", "month_to_date", self.STORED)
        daily(place)
        assert place.ask(history) == before


class TestAnOldLedgerIsMadeAgain:
    @pytest.mark.slow
    def test_after_a_file_went_and_came_back(self, place):
        place.bill("bills/a.csv", [{"cost": "7", "day": "2026-09-03"}, {"cost": "10"}])
        place.ingest("bills/a.csv")
        place.bill("bills/b.csv", [{"cost": "9"}])
        place.ingest("bills/b.csv", decision="replace")
        place.ingest("bills")
        place.ingest("bills/a.csv", decision="add")
        assert billed(place) == {("focus", "2026-09"): 7, ("focus", "2026-10"): 19}
        rebuilt(place)
        assert statuses(place.ingest("bills/a.csv")) == ["nothing to do"]

    @pytest.mark.slow
    def test_with_what_was_said_since(self, place):
        """Behind a run that was gone back from, what is older than it stays older in the new ledger too."""
        for day, name in (("06", "a"), ("08", "b")):
            google(place, f"{name}/1.csv", [{"sku": name, "cost": "1", "export": f"2026-10-{day} 00:00:00 UTC"}])
            place.ingest(name)
        place.ingest("a", decision="replace")
        rebuilt(place)
        google(place, "c/1.csv", [{"sku": "c", "cost": "1", "export": "2026-10-07 00:00:00 UTC"}])
        assert statuses(place.ingest("c")) == ["older, skipped"]


class TestMonthsOfOneDelivery:
    """Each month is decided for itself."""

    @pytest.mark.slow
    @pytest.mark.parametrize("order", few([(2, 1), (1, 2)]))
    def test_one_is_the_same_and_one_is_newer(self, place, order):
        old = [{"sku": "a", "cost": "10", "day": "2026-09-05", "month": "202609", "export": "2026-10-01 00:00:00 UTC"}]
        first = [*old, {"sku": "a", "cost": "1", "export": "2026-10-02 00:00:00 UTC"}]
        google(place, "1/part.csv", first)
        google(place, "2/part.csv", [*first, {"sku": "b", "cost": "1", "export": "2026-10-03 00:00:00 UTC"}])
        for name in order:
            place.ingest(str(name))
        assert billed(place) == {("gcp_billing", "2026-09"): 10, ("gcp_billing", "2026-10"): 2}
        assert statuses(place.ingest("1", "2")) == ["nothing to do"] * 2
        rebuilt(place)

    @pytest.mark.slow
    @pytest.mark.parametrize("order", few([("early", "late"), ("late", "early")]))
    def test_one_goes_further_and_one_less_far(self, place, order):
        configure(place, "neo", "month_to_date")
        september = {
            day: [{"cost": "1", "day": f"2026-09-{number:02}"} for number in range(1, day + 1)] for day in (29, 30)
        }
        bills = {"early": september[30] + until(3), "late": september[29] + until(9)}
        for name in order:
            place.bill(f"bills/{name}.csv", bills[name])
            daily(place)
        assert billed(place) == {("neo", "2026-09"): 30, ("neo", "2026-10"): 9}
        rebuilt(place)

    @pytest.mark.slow
    def test_a_month_that_is_the_same_does_not_stand_in_the_way(self, place):
        configure(place, "neo", "month_to_date")
        september = [{"cost": "7", "day": "2026-09-30"}]
        place.bill("bills/1.csv", september + until(3))
        place.bill("bills/2.csv", september + until(4))
        daily(place)
        assert billed(place) == {("neo", "2026-09"): 7, ("neo", "2026-10"): 4}

    @pytest.mark.slow
    def test_what_one_lost_is_not_derived_again(self, place):
        configure(place, "g", "append")
        old = {"day": "2026-09-05", "month": "202609"}
        google(place, "bills/1.csv", [{"sku": "a", "cost": "10"} | old, {"sku": "b", "cost": "20"}])
        daily(place)
        google(place, "fix/b.csv", [{"sku": "b", "cost": "19"}])
        place.ingest("fix/b.csv", source="g", decision="replace")
        google(place, "bills/2.csv", [{"sku": "c", "cost": "1"} | old, {"sku": "d", "cost": "2"}])
        daily(place)
        assert billed(place) == {("g", "2026-09"): 11, ("g", "2026-10"): 21}
        rebuilt(place)

    @pytest.mark.slow
    def test_a_file_of_which_a_month_stays_out_does_not_count_already(self, place):
        october_is_replaced(place)
        place.bill("bills/c.csv", [{"cost": "4", "day": "2026-11-02"}])
        daily(place)
        expected = {("neo", "2026-09"): 7, ("neo", "2026-10"): 9, ("neo", "2026-11"): 4}
        assert billed(place) == expected
        assert statuses(place.ingest("bills/a.csv", source="neo")) == ["replaced before, skipped"]
        configure(place, "neo", "files", TestTheDefinitionChanges.STORED)
        daily(place)
        assert billed(place) == expected
        rebuilt(place)

    @pytest.mark.slow
    def test_a_file_that_was_replaced_is_not_derived_again(self, place):
        configure(place, "g", "files")
        google(place, "bills/1.csv", [{"sku": "a", "cost": "10"}])
        daily(place)
        google(place, "bills/2.csv", [{"sku": "a", "cost": "9"}])
        place.ingest("bills/2.csv", source="g", decision="replace")
        daily(place)
        google(place, "more/3.csv", [{"sku": "c", "cost": "1"}])
        place.ingest("more/3.csv", source="g", decision="add")
        assert billed(place) == {("g", "2026-10"): 10}
        rebuilt(place)


class TestWhatWasAdded:
    """It stays beside what is there, whatever becomes of that."""

    @pytest.mark.slow
    def test_to_the_month_to_date(self, place):
        configure(place, "neo", "month_to_date")
        place.bill("bills/now.csv", until(3))
        daily(place)
        place.bill("extra/support.csv", [{"cost": "5", "SkuId": "e", "day": "2026-10-31"}])
        place.ingest("extra/support.csv", source="neo", decision="add")
        place.bill("bills/now.csv", until(4))
        daily(place)
        assert billed(place) == {("neo", "2026-10"): 9}
        rebuilt(place)

    @pytest.mark.slow
    def test_from_another_folder(self, place):
        configure(place, "neo", "files")
        place.bill("bills/oct.csv", [{"cost": "10"}])
        daily(place)
        place.bill("extra/e.csv", [{"cost": "5", "SkuId": "e"}])
        place.ingest("extra/e.csv", source="neo", decision="add")
        place.bill("bills/nov.csv", [{"cost": "11", "day": "2026-11-03"}])
        daily(place)
        assert billed(place) == {("neo", "2026-10"): 15, ("neo", "2026-11"): 11}
        place.bill("else/f.csv", [{"cost": "4", "SkuId": "f"}])
        place.ingest("else/f.csv", source="neo", decision="replace")
        assert billed(place) == {("neo", "2026-10"): 4, ("neo", "2026-11"): 11}

    @pytest.mark.slow
    def test_alone_it_is_asked_about_like_any_other(self, place):
        place.bill("a.csv", [{"cost": "10"}])
        place.ingest("a.csv", decision="add")
        place.bill("b.csv", [{"cost": "11"}])
        with pytest.raises(InputRefused, match="from other files"):
            place.ingest("b.csv")


class TestEveryDay:
    """Cron goes on, whatever was decided once."""

    def test_the_oldest_of_daily_files_goes_and_a_new_one_comes(self, place):
        for day in range(1, 4):
            place.bill(f"bills/{day}.csv", [{"cost": f"{day}", "day": f"2026-10-0{day}"}])
        place.ingest("bills")
        (place.home / "bills/1.csv").unlink()
        place.bill("bills/4.csv", [{"cost": "4", "day": "2026-10-04"}])
        with pytest.raises(InputRefused, match="from other files") as refusal:
            place.ingest("bills")
        assert refusal.value.where.endswith("4.csv")
        place.ingest("bills/4.csv", decision="add")
        assert statuses(place.ingest("bills")) == ["nothing to do"]
        assert billed(place) == {("focus", "2026-10"): 10}

    @pytest.mark.slow
    def test_one_replaced_and_one_added_of_a_folder(self, place):
        for name in ("a", "b"):
            place.bill(f"bills/{name}.csv", [{"SkuId": name}])
        place.ingest("bills")
        place.ingest("bills/a.csv", decision="replace")
        assert statuses(place.ingest("bills")) == ["replaced before, skipped"]
        place.ingest("bills/b.csv", decision="add")
        assert statuses(place.ingest("bills")) == ["nothing to do"]
        assert billed(place) == {("focus", "2026-10"): 2}

    @pytest.mark.slow
    def test_files_are_said_to_hold_the_month_to_date_only_later(self, place):
        configure(place, "neo", "files")
        place.bill("bills/d3.csv", until(3))
        daily(place)
        configure(place, "neo", "month_to_date")
        place.bill("bills/d4.csv", until(4))
        daily(place)
        assert billed(place) == {("neo", "2026-10"): 4}
        assert not any("2026-10: 3 records" in line for line in daily(place))

    @pytest.mark.slow
    def test_an_account_that_is_gone_was_agreed_to(self, place):
        configure(place, "neo", "month_to_date")
        place.bill("bills/3.csv", until(3, SubAccountId="a"))
        place.bill("more/4.csv", until(4, SubAccountId="b"))
        assert place.costctl("ingest", "more/4.csv", "--source", "neo").returncode == 0
        assert "has nothing of account a" in place.costctl("ingest").stderr
        said = place.costctl("ingest", "more/4.csv", "--source", "neo", "--replace")
        assert (said.returncode, "nothing to do" in said.stderr) == (0, True)
        assert any("older, skipped" in line for line in daily(place))
        assert billed(place) == {("neo", "2026-10"): 4}

    def test_a_source_that_cannot_be_read_does_not_keep_the_others_out(self, place):
        place.write(
            "costctl.yaml",
            """
            version: 1
            sources:
              - {name: broken, path: broken}
              - {name: neo, path: bills}
            """,
        )
        place.bill("bills/a.csv", [{"cost": "5"}])
        place.write("broken/half.csv", "what,is,this\n1,2,3\n")
        said = place.costctl("ingest")
        assert said.returncode == 3
        assert "half.csv: no format recognises this file" in said.stderr
        assert billed(place) == {("neo", "2026-10"): 5}

    @pytest.mark.slow
    def test_a_file_that_lacks_a_column_keeps_its_source_out_and_no_other(self, place):
        place.write(
            "costctl.yaml",
            """
            version: 1
            sources:
              - {name: lacking, path: lacking, as: focus, deliveries: append}
              - {name: neo, path: bills}
            """,
        )
        place.bill("bills/a.csv", [{"cost": "5"}])
        place.bill("lacking/a.csv", [{"cost": "7"}])
        place.write("lacking/b.csv", "BilledCost,BillingCurrency\n1,USD\n")
        said = place.costctl("ingest")
        assert said.returncode == 3
        assert "b.csv:1: lacks the columns EffectiveCost" in said.stderr
        assert billed(place) == {("neo", "2026-10"): 5}


class TestWithoutItsManifest:
    """A file of a manifest's delivery was there first, by itself."""

    @pytest.fixture
    def loose(self, place):
        before_its_manifest(place)
        return place

    @pytest.mark.slow
    def test_it_comes_with_it(self, loose):
        with pytest.raises(InputRefused, match="same bytes are in the ledger already") as refusal:
            loose.ingest("cur")
        assert "--replace" in refusal.value.remedy
        loose.ingest("cur", decision="replace")
        assert billed(loose) == {("aws_cur", "2026-10"): 3}
        assert statuses(loose.ingest("cur")) == ["nothing to do"]
        (loose.home / "cur/a/daily-Manifest.json").unlink()
        (outcome,) = loose.ingest("cur")
        assert (outcome.status, outcome.notes) == (
            "replaced before, skipped",
            ("what a manifest lists counts in its place",),
        )
        rebuilt(loose)

    @pytest.mark.slow
    def test_the_next_comes_with_its_own(self, loose):
        assembly(loose, "cur/b", costs=[1, 2, 3], until=9)
        shutil.rmtree(loose.home / "cur/a")
        with pytest.raises(InputRefused, match="holds already, from files without a manifest"):
            loose.ingest("cur")
        loose.ingest("cur", decision="replace")
        assert billed(loose) == {("aws_cur", "2026-10"): 6}
        rebuilt(loose)

    @pytest.mark.slow
    def test_it_comes_without_it_later(self, place):
        assembly(place, "cur/a", costs=[1, 2], until=5)
        place.ingest("cur")
        assembly(place, "other", costs=[1, 2, 3], until=9)
        (place.home / "other/daily-Manifest.json").unlink()
        for decision in (None, "replace"):
            with pytest.raises(InputRefused, match="holds already, from files with a manifest"):
                place.ingest("other", decision=decision)
        place.ingest("other", decision="add")
        assert billed(place) == {("aws_cur", "2026-10"): 9}


class TestWhatIsSaidOfASource:
    @pytest.mark.slow
    def test_replace_finds_nothing_to_replace_but_another_source_with_the_bill(self, place):
        configure(place, "neo", "files")
        place.bill("bills/a.csv", [{"cost": "20"}])
        daily(place)
        place.bill("fix/a.csv", [{"cost": "19"}])
        with pytest.raises(InputRefused, match="which is nothing") as refusal:
            place.ingest("fix/a.csv", decision="replace")
        assert "--source neo" in refusal.value.remedy
        place.ingest("fix/a.csv", source="neo", decision="replace")
        assert billed(place) == {("neo", "2026-10"): 19}

    def test_a_name_that_no_source_has(self, place):
        configure(place, "neo", "files")
        said = place.costctl("ingest", "--source", "noe")
        assert (said.returncode, "Did you mean neo?" in said.stderr) == (UsageError.exit_code, True)

    @pytest.mark.slow
    def test_the_same_lines_at_other_amounts_are_the_same_charges(self, place):
        lines = [{"SkuId": f"s{number}", "ConsumedQuantity": "3", "ConsumedUnit": "h"} for number in range(3)]
        place.bill("bills/a.csv", [line | {"cost": "10"} for line in lines])
        place.ingest("bills")
        place.bill("bills/b.csv", [line | {"cost": "9"} for line in lines])
        with pytest.raises(InputRefused, match="holds charges of 2026-10 that"):
            place.ingest("bills")


KINDS = ["files", "append", "month_to_date", "invoice_month"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "every day", "every day", "one", "one", "folder", "define"]),
        st.integers(0, 3),
        st.sampled_from([None, None, "replace", "add"]),
    ),
    min_size=4,
    max_size=9,
)
COUNTED = "SELECT SkuId, count(*) FROM ledger.charges GROUP BY 1 HAVING count(*) > 1"
ACCOUNTED = "SELECT name FROM ledger.delivery_files WHERE records <> kept + quarantined + excluded"
SPOKEN_FOR = """
    SELECT delivery_id, billing_period FROM ledger.charges
    EXCEPT SELECT delivery_id, period FROM ledger.delivery_periods WHERE live
"""


class TestWhateverIsSaid:
    """Random commands over random bills: nothing counts twice, every record is accounted for, and a new ledger is the same."""

    @pytest.mark.slow
    @examples(2)
    @given(kind=st.sampled_from(KINDS), steps=STEPS)
    def test_in_whatever_order(self, places, kind, steps):
        place, written, defined, added = places(), 0, False, False
        configure(place, "neo", kind)
        for name in (0, 1):
            self.write(place, name, written := written + 1)
        for step, number, decision in [("every day", 0, None), *steps]:
            if step == "write":
                self.write(place, number, written := written + 1)
            elif step == "define":
                defined = not defined
                configure(place, "neo", kind, TestTheDefinitionChanges.STORED if defined else "")
            else:
                paths = {"every day": [], "folder": ["bills"], "one": [f"bills/{number}.csv"]}[step]
                said = None if step == "every day" else decision
                added = added or said == "add"
                self.take_in(place, [place.home / path for path in paths], said)
                assert place.ask(ACCOUNTED) == []
                assert place.ask(SPOKEN_FOR) == []
                assert added or place.ask(COUNTED) == []
        rebuilt(place)
        assert_sums(place, range(8, 11))
        assert place.broken() == []

    def write(self, place, number, written):
        """Write a file with lines of its own in one month or in two."""
        months = ["08", "09", "10"][written % 3 :][:2]
        lines = [(month, day) for month in months for day in range(1, 2 + written % 2)]
        rows = [
            {"cost": f"{written}", "day": f"2026-{month}-0{day}", "SkuId": f"{written}-{month}-{day}"}
            for month, day in lines
        ]
        place.bill(f"bills/{number}.csv", rows)

    def take_in(self, place, paths, decision):
        """Take in what may be refused; nothing else may go wrong."""
        with suppress(InputRefused):
            pipeline.take_in(place.run, pipeline.wanted(place.run, paths, None, None), decision=decision)
