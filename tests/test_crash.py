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

import costctl

PACKAGE = Path(costctl.__file__).parent
SAMPLES = Path(__file__).parent / "samples"
POINTS = sorted(
    {point for path in PACKAGE.rglob("*.py") for point in re.findall(r'fault\("(\w+)"\)', path.read_text("utf-8"))}
)
BEFORE_COMMIT = {"archived", "written", "settled"}

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
TOKENS = """
    start,end,provider,pool,model,team,output,requests
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,aws,,atlas,search,5,1
"""


def copied(place, places):
    """Return a copy of a place, its ledger and the archive beside it."""
    twin = places()
    shutil.copytree(place.home, twin.home, dirs_exist_ok=True)
    return twin


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
    place = places()
    place.bill("october.csv", OCTOBER)
    place.bill("changed.csv", CHANGED + SEPTEMBER.split("team\n")[1])
    place.write("tokens.csv", TOKENS)
    place.ingest("october.csv")
    return place


COMMAND = ("ingest", "changed.csv", "tokens.csv", "--replace")


@pytest.fixture(scope="module")
def undisturbed(before, places):
    place = copied(before, places)
    assert place.costctl(*COMMAND).returncode == 0
    assert place.ask("SELECT sum(BilledCost) FROM ledger.postings") == [(18,)]
    return place.fingerprint()


def test_there_are_points_to_die_at():
    assert {"archived", "written", "settled", "delivered"} <= set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_dead_at_a_named_point(before, undisturbed, places, point):
    place = copied(before, places)
    died = place.costctl(*COMMAND, COSTCTL_FAULT=point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    if point in BEFORE_COMMIT:
        assert place.fingerprint() == before.fingerprint()
    again = place.costctl(*COMMAND)
    assert again.returncode == 0, again.stderr
    assert place.fingerprint() == undisturbed
    assert place.broken() == []
    assert leftovers(place) == []


@pytest.mark.parametrize("point", POINTS)
def test_dead_at_a_named_point_of_the_first_run_ever(places, point):
    place = places()
    place.bill("october.csv", OCTOBER)
    died = place.costctl("ingest", "october.csv", COSTCTL_FAULT=point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    again = place.costctl("ingest", "october.csv")
    assert again.returncode == 0, again.stderr
    assert place.ask("SELECT sum(BilledCost), count(*) FROM ledger.postings") == [(12.5, 2)]
    assert place.broken() == []
    assert leftovers(place) == []


def test_dead_twice_at_different_points(before, undisturbed, places):
    place = copied(before, places)
    for point in (*POINTS, *reversed(POINTS)):
        place.costctl(*COMMAND, COSTCTL_FAULT=point)
    assert place.costctl(*COMMAND).returncode == 0
    assert place.fingerprint() == undisturbed


BILLS = ("nise", "focus.csv")  # two sources: a Cost and Usage Report of two months, a FOCUS file
TURNS, KILLS = 10, 10


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
        assert full.costctl(*command).returncode == 0
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
def test_a_hundred_kills(loads, places, turn):
    """Ten turns of ten kills each, so that they spread over the cores; SEED repeats a run."""
    seed = int(os.environ.get("SEED", time.time_ns() % 10**9)) + turn
    print(f"SEED={seed - turn}, turn {turn}")
    chance = random.Random(seed)
    hits = 0
    for number in range(KILLS):
        start, command, seconds, end = loads[number % len(loads)]
        place = copied(start, places)
        moment = chance.uniform(0.2, 1) * seconds
        hits += killed(place, command, moment)
        again = place.costctl(*command)
        assert again.returncode == 0, (seed, number, moment, again.stderr)
        assert place.fingerprint() == end, (seed, number, moment)
        assert place.broken() == [], (seed, number, moment)
        assert leftovers(place) == [], (seed, number, moment)
        shutil.rmtree(place.home)
    assert hits >= KILLS / 2, "most runs were over before they were killed"
