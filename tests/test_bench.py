"""The benchmark's scripts run; what they measure is nobody's test."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent / "bench"


def script(name, *words):
    done = subprocess.run([sys.executable, BENCH / name, *map(str, words)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "flag", "goals"),
    [
        ("aws-legacy", "--legacy", ["2"]),
        pytest.param("aws-cur2", "--cur2", ["1", "4", "11", "10", "3"], marks=pytest.mark.slow),
    ],
)
def test_the_goals_are_printed_beside_their_budgets(kind, flag, goals, tmp_path):
    script("generate.py", kind, "--rows", 40, "--rows-per-file", 20, "--jobs", 1, "--out", tmp_path)
    header, *lines = script("goals.py", flag, tmp_path, "-n", 1).splitlines()
    assert "budget" in header
    assert [line.split()[0] for line in lines] == goals


@pytest.mark.slow
def test_requests_are_measured_against_the_bare_statement(tmp_path):
    file = tmp_path / "requests.jsonl"
    script("requests.py", "generate", file, "--rows", 200)
    lines = script("goals.py", "--requests", file, "-n", 1).splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["14", "15"]
    assert lines[0].split()[-3] == "1.30"


def test_the_split_is_measured_against_doubles():
    *lines, last = script("split.py", "--rows", 50, "-n", 1).splitlines()
    assert [line.split()[0] for line in lines] == ["wall", "cpu"]
    assert last.startswith("the exact parts add up to the whole")


@pytest.mark.slow
def test_attribution_is_measured_beside_the_peers_that_are_there(tmp_path):
    bill, tokens = tmp_path / "bill", tmp_path / "tokens"
    script("generate.py", "aws-legacy", "--format", "parquet", "--rows", 200, "--jobs", 1, "--out", bill)
    script("generate.py", "tokens", "--rows", 2000, "--jobs", 1, "--out", tokens)
    out = script("attribution.py", "--bill", bill, "--tokens", tokens, "-n", 1)
    assert "costctl, cpu s of the last round: scan of the charges " in out
    for peer in ("polars", "pandas"):
        assert f"costctl / {peer}" in out or f"{peer} is not installed here: not measured" in out


@pytest.mark.slow
def test_what_a_change_of_the_configuration_computes_again_is_counted(tmp_path):
    """Two of four months are closed before the last two changes; a rule scans the charges of those that are open, a price none."""
    _, header, *lines = script(
        "rebuild.py", "--rows", 40, "--tokens", 400, "--months", 4, "-n", 1, "--place", tmp_path
    ).splitlines()
    assert header.split()[2:5] == ["scanned", "charges", "posted"]
    counted = {line[:34].strip(): line[34:].split()[:3] for line in lines}
    assert counted == {
        "ingest": ["4", "40", "4"],
        "nothing": ["0", "0", "0"],
        "prices of the rate card": ["0", "0", "4"],
        "a weight of every pool": ["0", "0", "4"],
        "a rule": ["4", "40", "4"],
        "a rule, 2 months closed": ["2", "20", "2"],
        "a weight, 2 months closed": ["0", "0", "2"],
    }
