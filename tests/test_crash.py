"""kill -9 at any moment, then the same command again: no row lost, none doubled, every check silent, nothing left lying about."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import few

import costctl
from costctl.files import faulting

PACKAGE = Path(costctl.__file__).parent
SAMPLES = Path(__file__).parent / "samples"
ELSEWHERE = {"rebuilt", "swapped", "supposed"}  # test_rebuild and test_whatif die there
POINTS = sorted(
    {point for path in PACKAGE.rglob("*.py") for point in re.findall(r'fault\("(\w+)"\)', path.read_text("utf-8"))}
    - ELSEWHERE
)
# Nothing is committed yet when these are first reached; the others may lie behind an earlier commit of the same run.
BEFORE_COMMIT = {"archived", "cleared", "committing", "filled", "renamed", "settled", "staged", "synced", "written"}
MODES = {"kill": -signal.SIGKILL, "exit": faulting.EXIT, "raise": 1, "full": 7}

SEPTEMBER = """
    cost  day         team
    7     2026-09-30  search
"""
OCTOBER = """
    cost  day         team
    10    2026-10-03  search
    2.5   2026-10-04  ads
"""
CHANGED = """
    cost  day         team
    11    2026-10-03  search
"""
ODD = """
    cost                    day         team
    1.2345678901234567e-05  2026-08-03  search
"""
OWN = """
    asset,chip,chips,in_service,currency,acquisition_cost,useful_life_months,power,colocation,maintenance
    pod,h100,1,2026-09-01,USD,4800.00,48,bill,bill,bill
"""
TOKENS = """
    start,end,provider,pool,model,team,output,requests
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,aws,,atlas,search,5,1
"""


def copied(place, places):
    """Return a copy of a place, its ledger and the archive beside it."""
    twin = places()
    shutil.copytree(place.home, twin.home, dirs_exist_ok=True)
    return twin


def owning(place):
    """Have a place an owned chip of 100 a month, so that each month is booked after its bills."""
    place.write("own.csv", OWN)
    place.write("costctl.yaml", "version: 1\ncards: [own.csv]\n")
    return place


def leftovers(place):
    """Return what a dead run left beside the ledger that no later run will use."""
    folder = place.home / "costctl.duckdb.tmp"
    archive = place.home / "costctl.duckdb.files"
    known = {row[0] for row in place.ask("SELECT sha256 FROM ledger.delivery_files")}
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return found + sorted(path.name for path in archive.iterdir() if path.name not in known)


@pytest.fixture(scope="module")
def before(places):
    """October is in the ledger; its re-delivery and two new deliveries lie ready."""
    place = owning(places())
    place.bill("october.csv", OCTOBER)
    place.bill("changed.csv", CHANGED + SEPTEMBER.split("team\n")[1])
    odd = place.bill("odd.csv", ODD)
    odd.write_bytes(odd.read_bytes().replace(b"\n", b"\r"))  # lines that end in a lone CR take the recording path
    place.write("tokens.csv", TOKENS)
    place.ingest("october.csv")
    return place


COMMAND = ("ingest", "changed.csv", "tokens.csv", "--replace")
RECORDING = ("ingest", "odd.csv", "--source", "odd")


@pytest.fixture(scope="module")
def undisturbed(before, places):
    """Return the fingerprints after one command and after both."""
    place, found = copied(before, places), []
    for command in (COMMAND, RECORDING):
        assert place.costctl(*command).returncode == 0
        found.append(place.fingerprint())
    posted = "SELECT source, round(sum(EffectiveCost)) FROM ledger.postings GROUP BY ALL ORDER BY ALL"
    assert place.ask(posted) == [("focus", 18), ("odd", 0), ("own", 200)]
    return found


def test_there_are_points_to_die_at():
    assert {"archived", "written", "settled", "delivered", "staged", "committed", "renamed"} <= set(POINTS)


def suffered(place, point, mode, command, monkeypatch):
    """Run COMMAND with a fault: `raise` and `full` in this process, which lives on; return how it ended and what it said."""
    words = RECORDING if point == "staged" else COMMAND
    if MODES[mode] in (1, 7):
        with monkeypatch.context() as patch:
            patch.chdir(place.home)
            patch.setenv(faulting.VARIABLE, f"{point}:{mode}")
            said = command(*words)
        return said.code, said.err
    died = place.process(*words, **{faulting.VARIABLE: f"{point}:{mode}"})
    return died.returncode, died.stderr


QUICK = {("committing", "kill")}
FAULTS = [
    pytest.param(point, mode, marks=() if (point, mode) in QUICK else pytest.mark.slow)
    for point in POINTS
    for mode in MODES
]


@pytest.mark.parametrize(("point", "mode"), FAULTS)
def test_a_fault_at_a_named_point(before, undisturbed, places, command, monkeypatch, point, mode):
    place = copied(before, places)
    code, said = suffered(place, point, mode, command, monkeypatch)
    assert code == MODES[mode], said
    assert ("No space left" in said) == (mode == "full")
    if point in BEFORE_COMMIT:
        assert place.fingerprint() == before.fingerprint()
    monkeypatch.chdir(place.home)
    for words, expected in zip((COMMAND, RECORDING), undisturbed, strict=True):
        again = command(*words)
        assert again.code == 0, again.err
        if point != "staged":
            assert place.fingerprint() == expected
    assert place.fingerprint() == undisturbed[-1]
    assert place.broken() == []
    assert leftovers(place) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "point",
    few([point for point in POINTS if point != "staged"]),
)
def test_dead_at_a_named_point_of_the_first_run_ever(places, point):
    place = owning(places())
    place.bill("october.csv", OCTOBER)
    died = place.process("ingest", "october.csv", COSTCTL_FAULT=point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    again = place.costctl("ingest", "october.csv")
    assert again.returncode == 0, again.stderr
    posted = "SELECT source, sum(EffectiveCost) FROM ledger.postings GROUP BY ALL ORDER BY ALL"
    assert place.ask(posted) == [("focus", 12.5), ("own", 100)]
    assert place.broken() == []
    assert leftovers(place) == []


TWICE = ("archived", "committing", "checkpointing")


@pytest.mark.slow
def test_dead_twice_at_different_points(before, undisturbed, places):
    place = copied(before, places)
    for point in (*TWICE, *reversed(TWICE)):
        place.process(*COMMAND, COSTCTL_FAULT=point)
    assert place.costctl(*COMMAND).returncode == 0
    assert place.fingerprint() == undisturbed[0]


class TestAnExport:
    """`report --output` killed on the way: the old file, or the new one."""

    REPORT = ("report", "chargeback", "--period", "2026-10", "--output")

    @pytest.fixture(params=few(["csv", "parquet"]))
    def target(self, before, places, request, command, monkeypatch):
        """A place, the file to write, what it held before, and what it is to hold."""
        place = copied(before, places)
        monkeypatch.chdir(place.home)
        path = place.home / f"chargeback.{request.param}"
        assert command(*self.REPORT, path).code == 0
        new = path.read_bytes()
        path.write_bytes(b"old")
        return place, path, new

    @pytest.mark.parametrize("mode", few(["kill", "full"]))
    @pytest.mark.parametrize("point", few(["filled", "synced", "renamed"]))
    def test_dead_at_a_named_point(self, target, point, mode, command):
        place, path, new = target
        died = place.process(*self.REPORT, path, **{faulting.VARIABLE: f"{point}:{mode}"})
        assert died.returncode == MODES[mode], died.stderr
        assert path.read_bytes() == (new if point == "renamed" else b"old")
        assert command(*self.REPORT, path).code == 0
        assert path.read_bytes() == new

    @pytest.mark.slow
    def test_killed_at_any_moment(self, target):
        place, path, new = target
        began = time.monotonic()
        assert place.process(*self.REPORT, path).returncode == 0
        seconds = time.monotonic() - began
        for number in range(25):
            path.write_bytes(b"old")
            killed(place, (*self.REPORT, str(path)), random.Random(number).uniform(0.3, 1) * seconds)
            assert path.read_bytes() in (b"old", new)


@pytest.mark.slow
def test_a_leftover_of_a_killed_export_is_not_the_report(before, places):
    place = copied(before, places)
    path = place.home / "chargeback.csv"
    place.process("report", "chargeback", "--output", path, COSTCTL_FAULT="filled")
    assert not path.exists()
    assert place.costctl("report", "chargeback", "--output", path).returncode == 0
    assert "search" in path.read_text()


STARTED = 120  # seconds in which a process must have started, on a busy machine


@pytest.mark.slow
@pytest.mark.parametrize("starts", few([4, 50]))
def test_many_starts_at_once(before, undisturbed, places, starts):
    """One works; the others exit 6 and use less than a second each. The one that works stands still until they are done."""
    place = copied(before, places)
    words = [sys.executable, "-m", "costctl", *COMMAND, "--wait", "0"]
    there = os.environ | {faulting.VARIABLE: "checkpointing:stop"}
    running = [
        subprocess.Popen(
            words,
            cwd=place.home,
            env=there,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(starts)
    ]
    ended, deadline = {}, time.monotonic() + STARTED
    while len(ended) < starts - 1 and time.monotonic() < deadline:
        for process in [item for item in running if item.pid not in ended]:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                ended[pid] = process.returncode, used.ru_utime + used.ru_stime
        time.sleep(0.05)
    (winner,) = [item for item in running if item.pid not in ended]
    os.waitid(os.P_PID, winner.pid, os.WSTOPPED)
    winner.send_signal(signal.SIGCONT)
    said = winner.communicate(timeout=STARTED)[1].decode()
    assert winner.returncode == 0, said
    for process in running:
        if process is not winner:
            assert b"another run holds the ledger" in process.stderr.read()
        process.stderr.close()
    assert {code for code, _ in ended.values()} == {6}
    assert max(seconds for _, seconds in ended.values()) < 1
    assert place.fingerprint() == undisturbed[0]
    assert place.broken() == []


BILLS = ("nise", "focus.csv")  # two sources: a Cost and Usage Report of two months, a FOCUS file
TURNS, KILLS = 100, 10


@pytest.fixture(scope="module")
def loads(places):
    """For a first run and for a re-delivery: the folder before it, its command, how long it takes, and where it ends."""
    empty = places()
    shutil.copytree(SAMPLES / "nise-aws-cur", empty.home / "nise")
    lines = (SAMPLES / "focus-1.0" / "focus_sample_part.csv").read_text("utf-8").splitlines(keepends=True)
    (empty.home / "focus.csv").write_text("".join(lines), encoding="utf-8")
    (empty.home / "focus, changed.csv").write_text("".join(lines[:-50]), encoding="utf-8")
    found = []
    full = empty
    for command in (("ingest", *BILLS), ("ingest", "focus, changed.csv", "--replace")):
        start, full = full, copied(full, places)
        began = time.monotonic()
        assert full.process(*command).returncode == 0
        found.append((start, command, time.monotonic() - began, full.fingerprint()))
    assert found[0][3] != found[1][3]
    return found


def killed(place, command, after):
    """Run the program and kill it after so many seconds; tell whether it was still alive."""
    running = subprocess.Popen(
        [sys.executable, "-m", "costctl", *command],
        cwd=place.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        running.wait(after)
    except subprocess.TimeoutExpired:
        running.kill()
    return running.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(TURNS))
def test_a_thousand_kills(loads, places, turn):
    """A hundred turns of ten kills each, so that they spread over the cores; SEED repeats a run."""
    seed = int(os.environ.get("SEED", time.time_ns() % 10**9)) + turn
    print(f"SEED={seed - turn}, turn {turn}")
    chance = random.Random(seed)
    hits, whole = 0, [seconds for _, _, seconds, _ in loads]
    for number in range(KILLS):
        load = number % len(loads)
        start, command, _, end = loads[load]
        place = copied(start, places)
        moment = chance.uniform(0.2, 1) * whole[load]
        began = time.monotonic()
        if killed(place, command, moment):
            hits += 1
        else:  # the machine is less busy than when it was measured
            whole[load] = time.monotonic() - began
        again = place.costctl(*command)
        assert again.returncode == 0, (seed, number, moment, again.stderr)
        assert place.fingerprint() == end, (seed, number, moment)
        assert place.broken() == [], (seed, number, moment)
        assert leftovers(place) == [], (seed, number, moment)
        shutil.rmtree(place.home)
    assert hits >= KILLS / 2, "most runs were over before they were killed"
