"""Threads, time zone, locale and memory limit change no byte of what is written: one hash over everything, in every environment."""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
THREADS = ("1", "2", "8")
ZONES = ("UTC", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Apia")
LOCALES = ("C", "C.UTF-8", "de_DE.UTF-8")
MEMORY = ("256MB", "1GB", "3GB")
EVERY = list(itertools.product(THREADS, ZONES, LOCALES, MEMORY))
DRIVER = """
import json, sys
from costctl.cli import boundary
for words in json.loads(sys.argv[1]):
    sys.argv = ["costctl", *words]
    code = boundary.guarded()
    assert code == 0, (words, code)
"""
REPORTS = ("chargeback", "tokens-per-dollar", "unallocated", "reconciliation", "rate-variance", "revisions")
ORDERED = "SELECT * FROM {} ORDER BY ALL"
COMMANDS = [
    ["run"],
    *(["report", name, "--period", "2026-10", "--output", f"out/{name}.{kind}"] for name in REPORTS for kind in ("csv", "json", "md", "parquet")),
    *(["sql", ORDERED.format(table), "--output", f"out/{table}.csv"] for table in ("charges", "postings", "posting_days", "token_days")),
    ["export", "focus", "--period", "2026-10", "--output", "out/focus.parquet"],
    ["export", "focus", "--period", "2026-10", "--output", "out/focus.csv"],
    ["tieout", "--output", "out/tieout.csv"],
    ["explain", "--period", "2026-10", "--top", "20", "--output", "out/explain.json"],
    ["doctor"],
]  # fmt: skip


def written(folder, threads, zone, locale, memory):
    """Run everything in an environment; return the hash of each file that was written and of what was printed."""
    home = folder / "quickstart"
    shutil.copytree(QUICKSTART, home, ignore=shutil.ignore_patterns("__pycache__", "*.duckdb*", "out"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COSTCTL_", "LC_", "LANG"))}
    there = {"COSTCTL_THREADS": threads, "COSTCTL_MEMORY": memory, "TZ": zone, "LC_ALL": locale, "LANG": locale}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, json.dumps(COMMANDS)],
        check=False,
        capture_output=True,
        cwd=home,
        env=clean | there,
    )
    assert done.returncode == 0, done.stderr.decode()
    files = {str(path.relative_to(home)): path.read_bytes() for path in sorted((home / "out").rglob("*.*"))}
    contents = files | {"stdout": done.stdout}
    place = str(home).encode()
    return {name: hashlib.sha256(content.replace(place, b"")).hexdigest() for name, content in contents.items()}


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    found = written(tmp_path_factory.mktemp("usual"), "1", "UTC", "C.UTF-8", "1GB")
    assert len(found) >= len(COMMANDS) - 2
    return found


@pytest.mark.parametrize(
    ("threads", "zone", "locale", "memory"),
    EVERY,
)
@pytest.mark.slow
def test_one_hash(usual, tmp_path, threads, zone, locale, memory):
    assert written(tmp_path, threads, zone, locale, memory) == usual


@pytest.mark.parametrize(
    ("name", "value"), [("COSTCTL_THREADS", "0"), ("COSTCTL_THREADS", "x"), ("COSTCTL_MEMORY", "1GB'; --")]
)
def test_a_setting_that_is_none(place, command, monkeypatch, name, value):
    place.bill("a.csv", [{}])
    monkeypatch.chdir(place.home)
    monkeypatch.setenv(name, value)
    said = command("ingest", "a.csv")
    assert said.code == 2
    assert name in said.err
