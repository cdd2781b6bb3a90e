"""Help and version answer at once: they import nothing heavy. Counted in modules, for a busy machine may be slow."""

import subprocess
import sys

import pytest

from costctl import __version__

HEAVY = {"duckdb", "pyarrow", "pydantic", "rich", "sqlglot", "yaml", "isal", "altair"}

SNIPPET = """
import sys
from costctl.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("--modules--", *sys.modules, sep="\\n")
"""


def run(*arguments):
    command = [sys.executable, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answer(*arguments):
    """Return what a fresh process printed, and the top-level modules it had imported at its end."""
    said, _, modules = run("-c", SNIPPET, *arguments).partition("--modules--\n")
    return said, {module.split(".")[0] for module in modules.split()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["report", "--help"],
        ["export", "--help"],
        ["focus", "check", "--help"],
        ["rules", "--help"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(arguments):
    said, modules = answer(*arguments)
    assert said.strip()
    assert "costctl" in modules
    assert modules & HEAVY == set()


def test_version_is_answered_before_typer():
    said, modules = answer("--version")
    assert __version__ in said
    assert "typer" not in modules
    assert "typer" in answer("--help")[1]  # else the line above could not fail


def test_python_m_is_the_same_program():
    assert run("-m", "costctl", "--version") == answer("--version")[0]
