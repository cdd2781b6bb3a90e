"""The models described from themselves: sentence, grain, what they read, columns and types; models/README.md is this text."""

from __future__ import annotations

from itertools import takewhile

from costctl.ledger import build, models, store, tags
from costctl.ledger.models import Model

HEAD = """# The data flow

The numbered files of this folder in order are the algorithm: charges become groups, groups become chip-hours, pool cells and
shares, and all of it becomes postings. Each file is one SELECT; its table is named by the file. Tables marked *kept* are stored in
the ledger per billing period, the others live while a period is computed; what *stands with* something is kept until that changes,
and what is *written out* is no table: its SELECT takes the place of its name where it is read.
The tables that Python fills are in [`../ledger/schema.sql`](../ledger/schema.sql); exact arithmetic is in [`macros.sql`](macros.sql). This page is written by
`pytest --update-golden tests/test_catalogue.py`.
"""

SAID = (
    "Keep: ",
    "Inlined: ",
    "Empty without: ",
    "By level: ",
    "Into: ",
    "Stands with: ",
)  # of a model, in its own words below


def text() -> str:
    """Return the description of all models, from an empty ledger in memory."""
    with store.in_memory() as ledger:
        tags.ensure(ledger)
        build.prepare(ledger)
        tables = build.tables(ledger) | {model.name for model in models.listed()}
        return "\n".join([HEAD, *(_section(model, ledger, tables) for model in models.listed())])


def _section(model: Model, ledger: store.Ledger, tables: set[str]) -> str:
    sentence, grain = _header(model.text)
    reads = sorted(models.reads(model) & tables - {model.name})
    columns = build.describe(ledger, model, {model.name for model in models.listed()})
    kept = " *kept*" if model.keep else " *written out*" if model.inlined else ""
    without = f"; empty without {model.without}" if model.without else ""
    into = f"; its rows are for {model.into}" if model.into else ""
    stands = f"; stands with records of usage, {', '.join(model.stands)}" if model.stands else ""
    lines = [
        f"## {model.file}{kept}",
        "",
        sentence,
        "",
        f"Grain: {grain}",
        "",
        f"Reads: {', '.join(reads)}{without}{into}{stands}",
        "",
    ]
    return "\n".join([*lines, "Columns: " + ", ".join(f"`{name}` {kind}" for name, kind in columns), ""])


def _header(text: str) -> tuple[str, str]:
    """Return the sentence and the grain of the comment that a file begins with."""
    lines = [line.removeprefix("-- ") for line in takewhile(lambda line: line.startswith("--"), text.splitlines())]
    at = next(number for number, line in enumerate(lines) if line.startswith("Grain: "))
    grain = [line for line in lines[at:] if not line.startswith(SAID)]
    return " ".join(lines[:at]), " ".join(grain).removeprefix("Grain: ")
