"""costctl rules: who the rules give the charges to, and what other rules would do to each team's money."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costctl.cli.options import (
    ConfigOption,
    FormatOption,
    LedgerOption,
    OutputOption,
    PeriodOption,
    WaitOption,
)

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="What the rules take, and what others would.")

PoolOption = Annotated[str | None, typer.Option("--pool", metavar="NAME", help="Of one pool; default all of them.")]
CostOption = Annotated[
    str, typer.Option("--cost", metavar="NAME", help="effective, billed, list, contracted or rate_card.")
]
CentsOption = Annotated[bool, typer.Option("--cents", help="Show cents in the table; files always hold every digit.")]


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


@app.command()
def plan(
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE.yaml",
            help="The other configuration; default the one in force, if it was changed since the ledger was allocated.",
        ),
    ] = None,
    last: Annotated[
        int | None, typer.Option("--last", metavar="N", min=1, help="So many billing months; default 3.")
    ] = None,
    period: Annotated[
        str | None, typer.Option("--period", metavar="PERIOD", help="2026-10, 2026-Q4 or 2026 instead.")
    ] = None,
    cost: CostOption = "effective",
    format_: FormatOption = None,
    output: OutputOption = None,
    cents: CentsOption = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Show what each team would gain or lose by other rules.

    Nothing is changed: postings under the other configuration are computed, summed and undone.
    """
    from costctl.cli import supposing, work

    run = work.run(config, ledger, wait)
    supposing.plan(run, against, period=period, last=last, cost=cost, to=(format_, output, cents))


@app.command("compare-idle")
def compare_idle(
    pool: PoolOption = None,
    owner: Annotated[
        str | None,
        typer.Option("--owner", metavar="TEAM", help="Who would own the idle time of pools that name nobody."),
    ] = None,
    period: PeriodOption = None,
    cost: CostOption = "effective",
    format_: FormatOption = None,
    output: OutputOption = None,
    cents: CentsOption = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Show each team's money under every idle policy.

    Side by side, the one in force marked; nothing is changed.
    """
    from costctl.cli import supposing, work

    run = work.run(config, ledger, wait)
    supposing.compare_idle(run, pool, owner, period=period, cost=cost, to=(format_, output, cents))


@app.command("compare-weights")
def compare_weights(
    pool: PoolOption = None,
    period: PeriodOption = None,
    cost: CostOption = "effective",
    format_: FormatOption = None,
    output: OutputOption = None,
    cents: CentsOption = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Show each team's money under every method of weighing.

    What a token of each class weighs, side by side, the method in force marked; nothing is changed.
    """
    from costctl.cli import supposing, work

    run = work.run(config, ledger, wait)
    supposing.compare_weights(run, pool, period=period, cost=cost, to=(format_, output, cents))
