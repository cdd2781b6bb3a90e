"""costctl rules: who the rules of the configuration give the charges to."""

from __future__ import annotations

from typing import Annotated

import typer

from costctl.cli.options import ConfigOption, FormatOption, LedgerOption, OutputOption, WaitOption

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What the rules take, and what they would.")


@app.callback()
def group() -> None:
    """Keep `check` a command of the group, also while it is the only one."""


@app.command()
def check(
    period: Annotated[
        str | None,
        typer.Option("--period", metavar="PERIOD", help="2026-10, 2026-Q4 or 2026; default all open periods."),
    ] = None,
    cost: Annotated[
        str, typer.Option("--cost", metavar="NAME", help="effective, billed, list or contracted.")
    ] = "effective",
    format_: FormatOption = None,
    output: OutputOption = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Check the rules; list what each took.

    In their order with charges and money, those that took nothing, and what fell to no rule.
    """
    from costctl.cli import evidence, work

    evidence.rules(work.run(config, ledger, wait), period, cost, format_, output)
