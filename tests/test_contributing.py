"""What CONTRIBUTING.md says is so: its worked example, laid into a copy of the package, is a source like any other."""

import re
import shutil
from pathlib import Path

import pytest
from test_formats import as_expected
from test_layers import LAYERS

from costctl import rates, usage

PACKAGE = Path(usage.__file__).parents[1]
PAGE = (PACKAGE.parent / "CONTRIBUTING.md").read_text("utf-8")
NAME = "tollgate"


@pytest.fixture
def example():
    """Return the files of the example by name, as the page shows them."""
    part = PAGE.partition("## Adding a source")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\*\*`([\w.]+)`\*\*.*?^```\w+\n(.*?)^```$", part, re.MULTILINE | re.DOTALL))


def test_the_worked_example_is_a_source_as_it_stands(example, place, tmp_path_factory):
    assert sorted(example) == ["expected.csv", "sample.csv", "to_usage.sql", "usage.yaml"]
    assert NAME not in usage.known()
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, copy / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "rates").symlink_to(rates.home())
    (copy / PACKAGE.name / "usage" / NAME).mkdir()
    for name, text in example.items():
        (copy / PACKAGE.name / "usage" / NAME / name).write_text(text, "utf-8")
    place.write("calls.csv", example["sample.csv"])
    said = place.process("ingest", "calls.csv", PYTHONPATH=str(copy))
    assert said.returncode == 0, said.stderr
    assert said.stderr.startswith(f"{NAME} ({NAME}) 2026-10-01: 6 records from 1 file")
    assert as_expected(place.path, "token_usage", NAME) == example["expected.csv"]
    rules = "SELECT rule, records FROM ledger.exclusions ORDER BY 1"
    assert place.ask(rules) == [("a health check of the gateway itself", 1), ("the same record again", 1)]


def test_the_layers_are_those_that_imports_are_held_to():
    (line,) = re.findall(r"^ +(cli → .*)$", PAGE, re.MULTILINE)
    assert [set(rooms.split()) for rooms in line.split(" → ")] == LAYERS
