"""costctl explain, quarantine, rebuild: where a number comes from, what was set aside, the ledger made again from its sources."""

from __future__ import annotations

from typing import Annotated

import typer

from costctl.cli.options import ConfigOption, FormatOption, LedgerOption, OutputOption, PeriodOption, WaitOption

app = typer.Typer(rich_markup_mode=None)


@app.command()
def explain(
    record: Annotated[
        str | None,
        typer.Argument(metavar="[SHA256:RECORD]", help="A record: the start of its file's hash, and its number."),
    ] = None,
    period: PeriodOption = None,
    team: Annotated[str | None, typer.Option("--team", metavar="NAME", help="A team; - for nobody's.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model; - for unknown.")] = None,
    service: Annotated[str | None, typer.Option("--service", metavar="NAME", help="A service, as billed.")] = None,
    account: Annotated[str | None, typer.Option("--account", metavar="ID", help="A billing or sub-account.")] = None,
    cost: Annotated[
        str, typer.Option("--cost", metavar="NAME", help="effective, billed, list, contracted or rate_card.")
    ] = "effective",
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="So many charges, the largest first.")] = 5,
    format_: FormatOption = None,
    output: OutputOption = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Trace a record or a cell of the chargeback to its source rows.

    Postings, group, rule, rate card, and the raw row as it was delivered, its file's hash verified.
    """
    from costctl.cli import evidence, work
    from costctl.reports.explain import Wanted

    wanted = Wanted(team, model, service, account, cost, top)
    stories = evidence.explain(work.run(config, ledger, wait), record, period, wanted)
    evidence.show(stories, format_, output, cost)


@app.command()
def quarantine(
    format_: FormatOption = None,
    output: OutputOption = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Show the records that were set aside.

    With file, line, record, column, reason and their text as it was delivered.
    """
    from costctl.cli import evidence, work

    evidence.quarantine(work.run(config, ledger, wait), format_, output)


@app.command()
def rebuild(
    accept: Annotated[
        bool, typer.Option("--accept", help="Take the rebuilt ledger even where the sources give another content.")
    ] = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Make the ledger again from its sources.

    All deliveries and decisions in their order; the old ledger stays until the new one is whole and holds the same.
    """
    from costctl.cli import evidence, work

    evidence.rebuild(work.run(config, ledger, wait), accept=accept)
