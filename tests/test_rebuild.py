"""The source bytes: kept, verified, and enough to make the ledger again, byte for byte what it was."""

import os
import shutil
import signal
from dataclasses import replace
from datetime import date

import pytest
from conftest import few, without_postings

from costctl import bills, config, pipeline, rebuild
from costctl.errors import DoesNotReconcile, InputRefused, StorageFault
from costctl.files import faulting
from costctl.ledger import archive, build, ingest, state
from costctl.nouns import unwatched

OCTOBER = """
    cost  day         team    ServiceName
    10    2026-10-03  search  Compute
    2.5   2026-10-04  ads     Compute
"""
CHANGED = """
    cost  day         team    ServiceName
    11    2026-10-03  search  Compute
"""
BESIDE = """
    cost  day         team    ServiceName
    0.5   2026-10-09  search  Storage
"""
ASIDE = """
    cost  day         team    ServiceName
    x     2026-09-03  search  Compute
    3     2026-09-04  ads     Compute
"""
TOKENS = """
    start,end,provider,pool,model,team,output,requests
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,aws,,atlas,search,5,1
"""
TABLES = ("deliveries", "delivery_files", "delivery_periods", "delivery_totals", "exclusions", "roundings", "rule_sets")


def remade(place, **options):
    return rebuild.rebuild(place.run, accept=options.pop("accept", False), watched=lambda _: unwatched)


def everything(place):
    """Return the content's fingerprint and, without the order of decisions, what is known of the deliveries."""
    with place.opened() as ledger:
        rows = {table: ledger.run(f"SELECT * FROM ledger.{table} ORDER BY ALL").rows for table in TABLES}
        rows["deliveries"] = ledger.run("SELECT * EXCLUDE (seq) FROM ledger.deliveries ORDER BY seq").rows
        return state.fingerprint(ledger), rows


@pytest.fixture(scope="module")
def storied(places):
    """A ledger with a past: replaced, gone back to, added to, set aside, token counts, two sources."""
    place = places()
    for name, rows in {
        "october.csv": OCTOBER,
        "changed.csv": CHANGED,
        "beside.csv": BESIDE,
        "aside.csv": ASIDE,
    }.items():
        place.bill(name, rows)
    place.write("tokens.csv", TOKENS)
    with without_postings():
        place.ingest("october.csv")
        place.ingest("changed.csv", decision="replace")
        place.ingest("october.csv", decision="replace")
        place.ingest("beside.csv", decision="add")
        place.ingest("aside.csv", quarantine_rows=1)
        place.ingest("changed.csv", source="other")
    place.ingest("tokens.csv")
    return place


@pytest.fixture
def past(storied, place):
    """The same in a place of a test's own, whose sources are in the archive only."""
    shutil.copytree(storied.home, place.home, dirs_exist_ok=True)
    for path in place.home.glob("*.csv"):
        path.unlink()
    return place


class TestRebuild:
    def test_the_ledger_is_what_it_was(self, past):
        before = everything(past)
        said = past.costctl("rebuild")
        assert (said.returncode, said.stdout.strip()) == (0, before[0])
        assert said.stderr == "rebuilt from 6 deliveries: the content it had\n"
        assert everything(past) == before
        assert past.broken() == []
        assert sorted(path.name for path in past.home.iterdir()) == [
            "costctl.duckdb", "costctl.duckdb.files", "costctl.duckdb.lock",
        ]  # fmt: skip

    @pytest.mark.slow
    def test_it_goes_on_as_before(self, past, storied):
        """What was decided stays decided: the same files again are nothing to do, what was replaced stays so."""
        remade(past)
        for name in ("october.csv", "beside.csv", "tokens.csv"):
            assert past.ingest(storied.home / name)[0].status == "nothing to do"
        assert past.ingest(storied.home / "changed.csv")[0].status == "replaced before, skipped"

    @pytest.mark.slow
    def test_the_example(self, quickstart):
        run = pipeline.Run(config.load(quickstart / config.NAME))
        with pipeline.reading(run) as (ledger, _):
            before = state.fingerprint(ledger)
        assert rebuild.rebuild(run, accept=False, watched=lambda _: unwatched).fingerprint == before

    def test_no_ledger(self, place, command, monkeypatch):
        monkeypatch.chdir(place.home)
        said = command("rebuild")
        assert said.code == 2
        assert "there is no ledger here" in said.err
        assert list(place.home.iterdir()) == []

    @pytest.mark.slow
    def test_a_ledger_that_was_tampered_with_is_told_from_its_sources(self, past, command, monkeypatch):
        monkeypatch.chdir(past.home)
        right = past.fingerprint()
        past.change("UPDATE ledger.charges SET BilledCost = 9 WHERE BilledCost = 10")
        wrong = past.fingerprint()
        with pytest.raises(DoesNotReconcile, match="the sources give another content") as caught:
            remade(past)
        assert caught.value.evidence == [
            "focus 2026-10 USD: was billed 12, effective 13, is billed 13, effective 13",
            "tables that differ: charges",
        ]
        assert past.fingerprint() == wrong
        said = command("rebuild", "--accept")
        assert said.code == 0
        assert "not the content it had" in said.err
        assert past.fingerprint() == right

    @pytest.mark.slow
    def test_a_format_that_changed_is_named(self, past, monkeypatch):
        known = pipeline.known()
        focus = known["focus"]
        sql = (
            focus.sql.replace("ServiceName", "'renamed' AS ServiceName", 1)
            if "ServiceName AS" not in focus.sql
            else focus.sql
        )
        other = {**known, "focus": focus.__class__(**{**vars(focus), "sql": sql, "fingerprint": "other"})}
        monkeypatch.setattr(pipeline, "known", lambda _: other)
        done = remade(past)
        assert done.changed == ("focus",)
        assert past.ask("SELECT DISTINCT definition FROM ledger.deliveries WHERE format = 'focus'") == [("other",)]

    @pytest.mark.usefixtures("unposted", "begun")
    def test_a_source_that_is_gone(self, place):
        path = place.bill("october.csv", OCTOBER)
        place.ingest("october.csv")
        before = everything(place)
        shutil.rmtree(place.home / "costctl.duckdb.files")
        assert remade(place).deliveries == 1  # it is still where it was found
        shutil.rmtree(place.home / "costctl.duckdb.files")
        path.unlink()
        with pytest.raises(StorageFault, match=r"october.csv: the source is gone"):
            remade(place)
        assert everything(place) == before

    @pytest.mark.slow
    @pytest.mark.usefixtures("unposted", "begun")
    def test_the_source_of_a_superseded_delivery_may_be_gone(self, place):
        place.bill("october.csv", OCTOBER)
        place.bill("changed.csv", CHANGED)
        place.ingest("october.csv")
        place.ingest("changed.csv", decision="replace")
        before = place.fingerprint()
        (name,) = place.ask("SELECT sha256 FROM ledger.delivery_files WHERE name LIKE '%october.csv'")[0]
        (place.home / "costctl.duckdb.files" / name).unlink()
        (place.home / "october.csv").unlink()
        done = remade(place)
        assert place.fingerprint() == before
        assert [line.rpartition("/")[2] for line in done.forgotten] == ["october.csv"]

    @pytest.mark.slow
    @pytest.mark.parametrize("point", ["cleared", "committing", "checkpointed", "rebuilt", "swapped"])
    def test_killed_on_the_way(self, past, point):
        before = everything(past)
        died = past.process("rebuild", **{faulting.VARIABLE: point})
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert everything(past) == before
        assert past.costctl("rebuild").returncode == 0
        assert everything(past) == before
        assert not list(past.home.glob("*.rebuilt*"))

    @pytest.mark.slow
    def test_no_space(self, past, command, monkeypatch):
        before = everything(past)
        monkeypatch.chdir(past.home)
        monkeypatch.setenv(faulting.VARIABLE, "rebuilt:full")
        assert command("rebuild").code == 7
        assert everything(past) == before
        assert not list(past.home.glob("*.rebuilt*"))


def configured(place, text):
    (place.home / "costctl.yaml").write_text(f"version: 1\n{text}\n")


@pytest.mark.usefixtures("unposted", "begun")
class TestTheArchive:
    @pytest.mark.parametrize("mode", few(["copy", "none", "link"]))
    def test_every_mode_explains_and_rebuilds(self, place, command, monkeypatch, mode):
        monkeypatch.chdir(place.home)
        configured(place, f"archive: {mode}")
        path = place.bill("october.csv", OCTOBER)
        place.ingest("october.csv")
        kept = list((place.home / "costctl.duckdb.files").glob("*"))
        assert len(kept) == (mode != "none")
        assert [item.stat().st_ino == path.stat().st_ino for item in kept] == {
            "copy": [False],
            "link": [True],
            "none": [],
        }[mode]
        before = everything(place)
        assert remade(place).deliveries == 1
        assert everything(place) == before
        assert command("explain", "--team", "search").code == 0
        path.unlink()
        assert command("explain", "--team", "search").code == (7 if mode == "none" else 0)

    @pytest.mark.slow
    @pytest.mark.parametrize("mode", few(["copy", "none", "link"]))
    def test_a_source_that_is_written_over_later_is_noticed(self, place, command, monkeypatch, mode):
        monkeypatch.chdir(place.home)
        configured(place, f"archive: {mode}")
        path = place.bill("october.csv", OCTOBER)
        place.ingest("october.csv")
        with path.open("r+") as file:
            file.write("x")
        codes = [command(*words).code for words in (("rebuild",), ("explain", "--team", "search"))]
        assert codes == ([0, 0] if mode == "copy" else [7, 7])

    @pytest.mark.parametrize("mode", few(["link", "none"]))
    def test_a_file_that_changes_while_it_is_read_is_refused(self, place, monkeypatch, mode):
        configured(place, f"archive: {mode}")
        place.bill("september.csv", [{"day": "2026-09-01"}])
        place.ingest("september.csv")
        path, before = place.bill("october.csv", OCTOBER), place.fingerprint()

        def disturb(point):
            if point == "written":
                with path.open("a") as file:
                    file.write("\n")

        monkeypatch.setattr(ingest, "fault", disturb)
        with pytest.raises(InputRefused, match=r"october.csv: changed while it was read"):
            place.ingest("october.csv")
        assert place.fingerprint() == before
        assert place.ask("SELECT count(*) FROM ledger.deliveries") == [(1,)]

    @pytest.mark.parametrize("mode", few(["copy", "none", "link"]))
    def test_a_file_that_is_another_one_when_it_is_read_is_refused(self, place, monkeypatch, mode):
        """Its columns were found in the header that it had before."""
        configured(place, f"archive: {mode}")
        path = place.bill("october.csv", [{"BilledCost": "1", "ListCost": "2"}])
        hashed = archive.hashed

        def disturbed(delivery):
            text = path.read_text()
            path.write_text(
                text.replace("BilledCost", "-").replace("ListCost", "BilledCost").replace("-", "ListCost", 1)
            )
            return hashed(delivery)

        monkeypatch.setattr(archive, "hashed", disturbed)
        with pytest.raises(InputRefused, match=r"october.csv: changed while it was read"):
            place.ingest("october.csv")
        assert place.ask("SELECT count(*) FROM ledger.charges") == [(0,)]
        assert not list((place.home / "costctl.duckdb.files").glob("*"))

    def test_a_copy_is_made_of_what_was_hashed(self, place, monkeypatch):
        path = place.bill("october.csv", OCTOBER)
        hashed = archive.hashed

        def disturbed(delivery):
            found = hashed(delivery)
            with path.open("a") as file:
                file.write("\n")
            return found

        monkeypatch.setattr(archive, "hashed", disturbed)
        with pytest.raises(InputRefused, match=r"october.csv: changed while it was read"):
            place.ingest("october.csv")
        assert not list((place.home / "costctl.duckdb.files").glob("*"))

    def test_nobody_else_may_look_into_it(self, place):
        place.bill("october.csv", OCTOBER)
        place.ingest("october.csv")
        assert (place.home / "costctl.duckdb.files").stat().st_mode & 0o777 == 0o700

    def test_a_link_over_file_systems_is_refused_with_the_remedy(self, place, monkeypatch):
        configured(place, "archive: link")
        place.bill("october.csv", OCTOBER)

        def over(*_):
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", over)
        with pytest.raises(StorageFault, match="cannot be linked into the archive") as caught:
            place.ingest("october.csv")
        assert "archive: copy" in caught.value.remedy


@pytest.mark.usefixtures("unposted")
class TestALargeDrop:
    """`large_drop_percent`: a newer delivery that takes much of a month away is asked about."""

    @pytest.fixture
    def manifests(self, place, monkeypatch):
        """Have plain files tell their version by their name, as a delivery with a manifest does."""
        found = pipeline.deliveries.find

        def dated(items, known, **options):
            deliveries, refusals = found(items, known, **options)
            return [
                replace(delivery, manifest=delivery.files[0].name, version=delivery.files[0].name[-5])
                for delivery in deliveries
            ], refusals

        monkeypatch.setattr(pipeline.deliveries, "find", dated)
        place.bill("1.csv", [{"cost": "100"}, {"cost": "-20"}])
        place.bill("2.csv", [{"cost": "64"}])
        place.bill("3.csv", [{"cost": "63.99"}])
        place.bill("4.csv", [{"BilledCost": "80", "EffectiveCost": "1"}])
        place.bill("5.csv", [{"cost": "80", "BillingCurrency": "EUR"}])
        return place

    @pytest.mark.parametrize("name", few(["3.csv", "4.csv", "5.csv"]))
    def test_is_refused(self, manifests, name):
        configured(manifests, 'policy: {large_drop_percent: "20"}')
        manifests.ingest("1.csv")
        before = manifests.fingerprint()
        with pytest.raises(InputRefused, match="takes more than 20 % of 2026-10 of source focus away") as caught:
            manifests.ingest(name)
        assert "large_drop_percent" in caught.value.evidence[0]
        assert manifests.fingerprint() == before
        assert manifests.ingest(name, decision="replace")[0].status == "loaded"

    @pytest.mark.slow
    def test_of_twenty_percent_exactly_passes(self, manifests):
        configured(manifests, 'policy: {large_drop_percent: "20"}')
        manifests.ingest("1.csv")
        assert manifests.ingest("2.csv")[0].status == "loaded"

    @pytest.mark.slow
    def test_passes_without_the_policy(self, manifests):
        manifests.ingest("1.csv")
        assert manifests.ingest("3.csv")[0].status == "loaded"


def test_nothing_stays_computed_of_a_month_that_went(place, monkeypatch):
    """The format comes to leave September out, which was all that it held."""
    place.bill("bill.csv", [{"cost": "7", "day": "2026-09-03"}, {"cost": "9", "day": "2026-10-03"}])
    place.ingest("bill.csv")
    found = bills.known()
    september = ("september", "\"ChargePeriodStart\" LIKE '2026-09%'")
    other = found | {"focus": replace(found["focus"], exclusions=(september,), fingerprint="another")}
    monkeypatch.setattr(bills, "known", lambda: other)
    place.ingest("bill.csv")
    assert place.ask("SELECT billing_period, EffectiveCost FROM ledger.postings") == [(date(2026, 10, 1), 9)]


@pytest.mark.parametrize("months", few([4, 36]))
def test_one_changed_month_of_many_is_computed_again_and_no_other(place, months, monkeypatch):
    """Counted, not timed: a bill that comes again changes its month, another day of tokens its own."""
    computed, whole = [], build.postings

    def counted(ledger, period, seal):
        computed.append(f"{period:%Y-%m}")
        whole(ledger, period, seal)

    monkeypatch.setattr(build, "postings", counted)
    place.write("costctl.yaml", "version: 1\nrules: [{name: p, when: {SubAccountId: [n]}, pool: p}]\npools: {p: {}}\n")
    listed = [f"{2024 + number // 12}-{number % 12 + 1:02}" for number in range(months)]
    tokens = "start,end,provider,pool,model,team,output,requests\n{0}-03,{0}-03T01:00:00Z,self,p,m,{1},5,1\n"
    for month in listed:
        place.bill(f"{month}.csv", [{"cost": "9", "day": f"{month}-03", "SubAccountId": "n"}])
        place.write(f"tokens-{month}.csv", tokens.format(month, "a"))
    place.ingest(*(f"{month}.csv" for month in listed), *(f"tokens-{month}.csv" for month in listed))
    assert sorted(computed) == listed
    computed.clear()
    place.ingest(*(f"{month}.csv" for month in listed))
    assert computed == []
    third = listed[2]
    place.bill("again.csv", [{"cost": "10", "day": f"{third}-03", "SubAccountId": "n"}])
    place.ingest("again.csv", decision="replace")
    assert computed == [third]
    place.write("more.csv", tokens.format(third, "b").replace(f"{third}-03", f"{third}-04"))
    place.ingest("more.csv")
    assert computed == [third, third]
    assert place.broken() == []
