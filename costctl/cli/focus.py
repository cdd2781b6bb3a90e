"""costctl export and focus: charges as a FOCUS file, tables as files; does a file keep to the specification."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costctl.cli.options import ConfigOption, LedgerOption, OutputOption, PeriodOption, WaitOption

exports = typer.Typer(rich_markup_mode=None)
app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Does a FOCUS file keep to the specification.")


@exports.command()
def export(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="focus, charges, postings …; without a name, all are listed."),
    ] = None,
    period: PeriodOption = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="For focus: this source only; repeatable.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="csv or parquet; default by the file's suffix, else csv."),
    ] = None,
    output: OutputOption = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Write charges as a FOCUS 1.2 file, or a table of the ledger.

    Every digit, whatever the size. Without --output, CSV goes to stdout.
    """
    from costctl.cli import export as export_of
    from costctl.cli import work

    run = work.run(config, ledger, wait)
    export_of.export(run, name, period=period, sources=tuple(source or ()), format_=format_, output=output)


@app.callback()
def group() -> None:
    """Does a FOCUS file keep to the specification."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A Cost and Usage file: CSV, gzip, zip or Parquet.")],
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="1.2", help="1.0 to 1.4; default what the file's columns say."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="table, csv or json; default as for reports.")
    ] = None,
) -> None:
    """Check a FOCUS file against our rules for its version.

    Advice, never a gate on loading: exit 9 when a must is broken, 0 when only a should is.
    """
    from costctl import terminal
    from costctl.errors import GateFailed
    from costctl.focus import check as focus_check
    from costctl.reports import render

    size = file.stat().st_size if file.is_file() else 0
    with terminal.progress("check", focus_check.PASSES * size) as advance:
        found = focus_check.check(file, version, advance)
    terminal.say(found.sentence)
    records = [finding.record() for finding in found.findings]
    if records:
        render.emit(f"{file.name} against FOCUS {found.version}", records, format_)
    broken = [finding for finding in found.findings if finding.level == "must"]
    if broken:
        raise GateFailed(
            str(file),
            f"breaks {len(broken)} rule{'s' if len(broken) > 1 else ''} that FOCUS {found.version} calls a must",
            remedy="It can be taken in all the same; an export says no more than its bill does.",
        )
