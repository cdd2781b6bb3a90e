"""The 140 cases of bad input and faults: where each is tried, or why not (cases.csv); and those that have no better place."""

import csv
import gzip
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import few

pytestmark = pytest.mark.usefixtures("unposted", "begun")

TESTS = Path(__file__).parent
CASES = list(csv.DictReader((TESTS / "cases.csv").open(encoding="utf-8")))
ONE = [{"cost": "1.5"}, {"cost": "2.25", "day": "2026-10-04"}]


def test_every_case_is_listed_once():
    assert [int(case["number"]) for case in CASES] == list(range(1, 141))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["number"])
def test_where_a_case_is_said_to_be_it_is(case):
    places = case["where"].split()
    assert places or case["remark"], "neither a test nor a reason"
    for place in places:
        file, _, name = place.partition("::")
        if file.startswith("errors/"):
            assert (TESTS / file / "expected.txt").is_file(), place
        elif name:
            assert re.search(rf"^\s*(def|class) {name}\b", (TESTS / file).read_text("utf-8"), re.MULTILINE), place
        else:
            assert (TESTS / file).is_file(), place


def sums(place):
    return place.ask("SELECT count(*), sum(BilledCost) FROM ledger.charges")[0]


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place.home)
    return place


def test_a_file_that_cannot_be_read(here, command, monkeypatch):
    path = here.bill("a.csv", ONE)
    opened = Path.open

    def refused(self, *words, **named):
        if self.name == path.name:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *words, **named)

    monkeypatch.setattr(Path, "open", refused)
    said = command("ingest", "a.csv")
    assert said.code == 7
    assert "a.csv: cannot be read\n  Permission denied" in said.err


def test_what_expands_without_end_is_refused_early(here, command):
    with gzip.open(here.home / "a.csv.gz", "wb", compresslevel=1) as file:
        file.write((here.bill("a.csv", ONE)).read_bytes())
        for _ in range(80):
            file.write(b"\n" * (1 << 20))
    said = command("ingest", "a.csv.gz")
    assert said.code == 3
    assert "a.csv.gz: expands to more than 200 times its size" in said.err


def test_a_link_that_leads_out_is_refused(here, command, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "a.csv"
    here.bill("in/b.csv", ONE)
    outside.write_text((here.home / "in/b.csv").read_text())
    (here.home / "in/a.csv").symlink_to(outside)
    said = command("ingest", "in")
    assert said.code == 3
    assert "in/a.csv: is a link that leads out of its folder" in said.err


@pytest.mark.parametrize("folder", [True, False])
def test_a_link_to_a_folder_or_to_nothing_does_not_pass_for_empty(here, command, folder):
    (here.home / "in").mkdir()
    (here.home / "elsewhere").mkdir()
    target = here.home / ("elsewhere" if folder else "gone.csv")
    (here.home / "in" / "october.csv").symlink_to(target)
    here.bill("in/september.csv", ONE)
    said = command("ingest", "in")
    assert said.code == 3
    assert f"in/october.csv: is a link to {'a folder, which is not followed' if folder else 'nothing'}" in said.err


@pytest.mark.parametrize(
    "name", few(["[ab].csv", "a b'\"c.csv", b"\xff.csv", "a*.csv", "x" * 251 + ".csv", "new\nline.csv"])
)
def test_names_are_taken_literally(here, command, name):
    here.bill("ab.csv", [{"cost": "100"}])
    path = here.home / os.fsdecode(name)
    path.write_text(here.bill("a.txt", ONE).read_text())
    said = command("ingest", f"./{path.name}")
    assert said.code == 0, said.err
    assert sums(here) == (2, 3.75)


@pytest.mark.parametrize("marks", few([1, 2]))
def test_byte_order_marks_are_no_part_of_a_name(here, command, marks):
    path = here.bill("a.csv", ONE)
    path.write_bytes(b"\xef\xbb\xbf" * marks + path.read_bytes())
    said = command("ingest", "a.csv")
    assert said.code == 0, said.err
    assert sums(here) == (2, 3.75)


def test_mixed_line_ends_lose_no_record(here, command):
    path = here.bill("a.csv", [{"cost": str(number)} for number in range(1, 11)])
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"".join(line + (b"\n", b"\r\n")[number % 2] for number, line in enumerate(lines)))
    said = command("ingest", "a.csv")
    assert (said.code, sums(here)) == (0, (10, 55)), said.err


def test_unknown_columns_other_order_other_case(here, command):
    rows = [{"x_Whatever": "7", "cost": "1.5"}, {"cost": "2.25"}]
    path = here.bill("a.csv", rows)
    header, *lines = list(csv.reader(path.open(newline="")))
    order = sorted(range(len(header)), key=lambda at: header[at].lower()[::-1])
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([header[at].upper() if at % 2 else header[at].lower() for at in order])
        writer.writerows([[line[at] for at in order] for line in lines])
    said = command("ingest", "a.csv")
    assert said.code == 0, said.err
    assert sums(here) == (2, 3.75)


@pytest.mark.parametrize("number", [500, pytest.param(20_000, marks=pytest.mark.slow)])
def test_many_columns(here, command, number):
    here.bill("a.csv", [row | {f"x_{at}": str(at) for at in range(number)} for row in ONE])
    said = command("ingest", "a.csv")
    assert said.code == 0, said.err
    assert sums(here) == (2, 3.75)


@pytest.mark.parametrize("size", few([60_000, 3_000_000]))
def test_a_long_field(here, command, size):
    here.bill("a.csv", [row | {"ResourceId": "r" * size} for row in ONE])
    said = command("ingest", "a.csv")
    assert said.code == 0, said.err
    assert here.ask("SELECT length(ResourceId), sum(BilledCost) FROM ledger.charges GROUP BY 1") == [(size, 3.75)]


def test_minus_nought_is_nought(here):
    here.bill("a.csv", [{"cost": "-0"}, {"cost": "-0.000"}, {"cost": "0E-7"}])
    here.ingest("a.csv")
    assert here.ask("SELECT DISTINCT CAST(BilledCost AS VARCHAR) FROM ledger.charges") == [("0." + "0" * 18,)]


@pytest.mark.slow
def test_leap_days(here, command):
    here.bill("a.csv", [{"day": "2028-02-29"}])
    assert command("ingest", "a.csv").code == 0
    start = {"ChargePeriodStart": "2027-02-29T00:00:00Z"}
    here.bill("b.csv", [start | {"day": "2027-02-28"}])
    said = command("ingest", "b.csv")
    assert said.code == 3
    assert "ChargePeriodStart is not a date and time" in said.err


def test_an_account_keeps_its_zeros(here):
    here.bill("a.csv", [{"BillingAccountId": "000000000042", "SubAccountId": "007"}])
    here.ingest("a.csv")
    assert here.ask("SELECT BillingAccountId, SubAccountId FROM ledger.charges") == [("000000000042", "007")]


@pytest.mark.slow
def test_a_charge_without_an_account_is_kept(here):
    here.bill("a.csv", [{"BillingAccountId": None, "ServiceName": None, "cost": "3"}, {"cost": "4"}])
    here.ingest("a.csv")
    assert here.broken() == []
    assert here.ask("SELECT BillingAccountId, sum(BilledCost) FROM ledger.postings GROUP BY 1 ORDER BY 1") == [
        ("111", 4),
        (None, 3),
    ]


@pytest.mark.parametrize("sent", few([signal.SIGTERM, signal.SIGINT]))
def test_a_signal_ends_a_run_cleanly(here, sent):
    """It stands still in the middle of its work, gets the signal, and goes on to its end."""
    here.bill("a.csv", ONE)
    there = os.environ | {"COSTCTL_FAULT": "written:stop"}
    words = [sys.executable, "-m", "costctl", "ingest", "a.csv"]
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of a background job would ignore it
    try:
        running = subprocess.Popen(
            words, cwd=here.home, env=there, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    with running:
        os.waitid(os.P_PID, running.pid, os.WSTOPPED)
        running.send_signal(sent)
        running.send_signal(signal.SIGCONT)
        said = running.communicate()[1]
    assert running.returncode == 130, said
    assert "interrupted; the ledger is as it was" in said
    assert sums(here) == (0, None)
    assert not (here.home / "costctl.duckdb.tmp").exists()
    assert list((here.home / "costctl.duckdb.files").glob("*")) == []


@pytest.mark.slow
def test_strange_surroundings(here):
    """No HOME, no terminal, no stdout, a width of nothing, stdout closed by its reader."""
    here.bill("a.csv", ONE)
    bare = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    start = f"{sys.executable} -m costctl"

    def shell(words):
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", words],
            check=False,
            capture_output=True,
            text=True,
            cwd=here.home,
            env=bare,
        )

    for words in (
        f"{start} ingest a.csv",
        f"COLUMNS=0 TERM= {start} report chargeback --period 2026-10 --format table",
        f"{start} report chargeback --period 2026-10 >&-",
        f"{start} sql 'SELECT * FROM range(200000)' | head -1",
    ):
        done = shell(words)
        assert done.returncode == 0, (words, done.stderr)
        assert "Traceback" not in done.stderr
