"""Beginnings: the demo and the first configuration of one's own."""

from __future__ import annotations

import shutil
import textwrap
from importlib import resources
from pathlib import Path

from costctl import config, pipeline, reports, terminal
from costctl.cli import reporting, schema, work
from costctl.errors import UsageError
from costctl.pipeline import Run
from costctl.reports import render

PACKAGE = Path(__file__).parents[1]
SHOWN = ("chargeback", "tokens_per_dollar")
LEFT_OUT = shutil.ignore_patterns("*.py", "generator", "__pycache__", "*.duckdb*", "expected_totals.json")
LISTED, COMMENT = "# FORMATS", 150  # where a template lists the formats, and how wide
HOLDING = {
    "Bills": ("charges",),
    "Token counts": ("token_usage", "counter_samples"),
    "Chip time": ("accelerator_usage",),
    "Gauges of chips": ("accelerator_gauges",),
}


def example() -> Path:
    """Return the example's folder: the checkout's own, else the copy inside the wheel."""
    checkout = PACKAGE.parent / "examples" / "quickstart"
    return checkout if checkout.is_dir() else PACKAGE / "_quickstart"


def demo(folder: Path) -> None:
    """Copy the example, ingest it, show both headline reports."""
    if folder.exists() and any(folder.iterdir()) and not (folder / config.NAME).is_file():
        raise UsageError(str(folder), "is not empty and is not a demo", remedy="Name another folder: costctl demo DIR")
    shutil.copytree(example(), folder, ignore=LEFT_OUT, dirs_exist_ok=True)
    run = work.run(folder / config.NAME, folder / config.DEFAULT_LEDGER, 10)
    work.everything(run)
    for name in SHOWN:
        print()
        show(run, name)
    terminal.say(
        f"\nThe example is in {folder}. Next: cd {folder} && costctl report unallocated, costctl tieout, and its README.md"
    )


def show(run: Run, name: str) -> None:
    """Print one report as a table, whatever stdout is."""
    render.report(reporting.answer(run, reports.named(name), period=None), "table", None)


def init(folder: Path) -> None:
    """Write the starting files; refuse where one of them exists."""
    folder.mkdir(parents=True, exist_ok=True)
    templates = resources.files("costctl") / "templates"
    names = sorted(item.name for item in templates.iterdir() if item.is_file() and not item.name.startswith("__"))
    taken = [name for name in (*names, schema.FILE) if (folder / name).exists()]
    if taken:
        raise UsageError(
            str(folder),
            f"{', '.join(taken)} is there already",
            remedy="Nothing was written. Move it away, or choose another folder: costctl init DIR",
        )
    written = {name: (templates / name).read_text(encoding="utf-8") for name in names} | {schema.FILE: schema.text()}
    written[config.NAME] = written[config.NAME].replace(LISTED, _formats())
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
        terminal.say(f"wrote {folder / name}")
    terminal.say("Next: name your sources in costctl.yaml, then costctl run")


def _formats() -> str:
    """List the formats by what their files hold, as a comment."""
    found = pipeline.known()
    kinds = {
        what: ", ".join(sorted(name for name, item in found.items() if item.target in targets))
        for what, targets in HOLDING.items()
    }
    listed = " ".join(f"{what}: {names}." for what, names in kinds.items())
    return textwrap.fill(listed, COMMENT, initial_indent="# ", subsequent_indent="# ")
