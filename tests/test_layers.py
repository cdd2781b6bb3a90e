"""The rooms of the house: arrows point down, siblings stay apart, no cycles, and each library has one home."""

import ast
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "costctl"

LAYERS = [
    {"cli"},
    {"rebuild", "whatif"},
    {"pipeline"},
    {"bills", "usage", "columnmaps", "rates", "rules", "periods", "reports", "focus"},
    {"ledger", "config", "formats"},
    {"files", "documents", "terminal", "sql"},
    {"nouns", "errors"},
]
FREE = {"", "__main__"}  # the package itself, and `python -m costctl`

HOMES = {
    "duckdb": "ledger.store",
    "isal": "files",
    "pyarrow": "files",
    "pydantic": "config",
    "rich": "terminal",
    "sqlglot": "sql",
    "typer": "cli",
    "yaml": "documents",
}


def modules(package):
    """Return each module's tree by its dotted name inside the package; the package itself is the empty name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = ast.parse(path.read_text("utf-8"))
    return found


def imports(name, tree, package, is_package):
    """Yield every import of a module, wherever it stands in the file, as (absolute module, name imported from it)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = [package, *(name.split(".") if name else [])]
            base = here[: len(here) + is_package - node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((origin, alias.name) for alias in node.names)


def arrows(package):
    """Yield (module, module of ours it imports), or (module, foreign library with a dot in front)."""
    trees = modules(package)
    for name, tree in trees.items():
        is_package = (package / name.replace(".", "/") / "__init__.py").exists()
        for origin, what in imports(name, tree, package.name, is_package):
            top, _, inside = origin.partition(".")
            if top == package.name:
                longer = f"{inside}.{what}".removeprefix(".")
                yield name, longer if longer in trees else inside
            elif top not in sys.stdlib_module_names:
                yield name, "." + top


def room(name):
    return name.split(".")[0]


def depth(name):
    return next((index for index, rooms in enumerate(LAYERS) if room(name) in rooms), None)


def faults(package):
    """Return a sentence for each arrow that does not point down, each cycle and each library away from home."""
    graph = {name: set() for name in modules(package)}
    found = [f"{name} is in no layer" for name in graph if name not in FREE and depth(name) is None]
    for name, target in arrows(package):
        if target.startswith("."):
            found += foreign_fault(name, target[1:])
            continue
        graph[name].add(target)
        if name in FREE or target in FREE or room(name) == room(target) or None in (depth(name), depth(target)):
            continue
        if depth(name) >= depth(target):
            found.append(f"{name} must not import {target}")
    return sorted({*found, *cycle_fault(graph)})


def foreign_fault(name, library):
    home = HOMES.get(library)
    if home is None:
        return [f"{name} imports {library}, which has no home"]
    return [] if name == home or name.startswith(home + ".") else [f"{name} imports {library}, whose home is {home}"]


def cycle_fault(graph):
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["cycle: " + " -> ".join(error.args[1])]
    return []


def test_the_house_is_in_order():
    assert faults(PACKAGE) == []


def test_the_walk_sees_the_house():
    seen = set(arrows(PACKAGE))
    assert {("sql", ".sqlglot"), ("__main__", "cli")} <= seen
    assert len(modules(PACKAGE)) > 10


HOUSE = {
    "__init__.py": "",
    "__main__.py": "from costctl.cli import main",
    "cli/__init__.py": "import typer\nfrom costctl.cli import report",
    "cli/report.py": "def main():\n    from costctl import pipeline",
    "pipeline.py": "from costctl import bills, ledger, errors",
    "bills/__init__.py": "from costctl import __version__\nfrom costctl.files import read\nfrom . import identify",
    "bills/identify.py": "from ..errors import InputRefused",
    "ledger/__init__.py": "",
    "ledger/store.py": "import duckdb",
    "files.py": "import os, pyarrow.parquet",
    "errors.py": "",
}

BAD_HOUSES = [
    ({"errors.py": "from costctl import pipeline"}, "errors must not import pipeline"),
    ({"errors.py": "def late():\n    import costctl.pipeline"}, "errors must not import pipeline"),
    ({"bills/identify.py": "from ... import x\nfrom ..pipeline import run"}, "bills.identify must not import pipeline"),
    ({"usage.py": "", "bills/identify.py": "from costctl import usage"}, "bills.identify must not import usage"),
    ({"config.py": "from costctl.ledger.store import open"}, "config must not import ledger.store"),
    ({"nouns.py": "from costctl.errors import shown"}, "nouns must not import errors"),
    (
        {"bills/identify.py": "from costctl.bills import columns", "bills/columns.py": "from . import identify"},
        "cycle: ",
    ),
    ({"ledger/lock.py": "import duckdb"}, "ledger.lock imports duckdb, whose home is ledger.store"),
    ({"filesystem.py": ""}, "filesystem is in no layer"),
    ({"documents.py": "from pyarrow import fs"}, "documents imports pyarrow, whose home is files"),
    ({"clip.py": "import typer"}, "clip imports typer, whose home is cli"),
    ({"errors.py": "def late():\n    import requests"}, "errors imports requests, which has no home"),
]


def build(root, files):
    for name, text in files.items():
        path = root / "costctl" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "costctl"


def test_a_good_house_passes(tmp_path):
    assert faults(build(tmp_path, HOUSE)) == []


@pytest.mark.parametrize(("change", "sentence"), BAD_HOUSES)
def test_a_bad_house_is_told_so(tmp_path, change, sentence):
    assert any(fault.startswith(sentence) for fault in faults(build(tmp_path, HOUSE | change)))


def test_ruff_knows_the_same_homes():
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text("utf-8"))
    assert set(settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]) == set(HOMES)
