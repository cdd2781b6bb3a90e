"""costctl explain, quarantine, rebuild: where a number comes from, what was set aside, the ledger made again from its sources."""

from __future__ import annotations

from pathlib import Path
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
    report: Annotated[
        str | None,
        typer.Option("--report", metavar="NAME", help="chargeback (default), accounts, or tokens-per-dollar."),
    ] = None,
    team: Annotated[str | None, typer.Option("--team", metavar="NAME", help="A team; - for nobody's.")] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="A model; - for unknown.")] = None,
    purpose: Annotated[str | None, typer.Option("--purpose", metavar="NAME", help="A purpose; - for unknown.")] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="NAME",
            help="A column: direct, shared, idle, unused, tax+fee, manual, recharged, markup; or a line: unallocated, credit …",
        ),
    ] = None,
    pool: Annotated[str | None, typer.Option("--pool", metavar="NAME", help="A pool; - for none.")] = None,
    chip: Annotated[str | None, typer.Option("--chip", metavar="NAME", help="A chip of tokens-per-dollar.")] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="NAME", help="A source of it: aws/block.")] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", metavar="ID", help="A billing or sub-account; of --report accounts one of the books."
        ),
    ] = None,
    service: Annotated[str | None, typer.Option("--service", metavar="NAME", help="A service, as billed.")] = None,
    calendar: Annotated[
        str | None, typer.Option("--calendar", metavar="NAME", help="billing or usage; default the report's own.")
    ] = None,
    cost: Annotated[
        str, typer.Option("--cost", metavar="NAME", help="effective, billed, list, contracted or rate_card.")
    ] = "effective",
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="So many charges, the largest first.")] = 5,
    packet: Annotated[
        Path | None,
        typer.Option(
            "--packet", metavar="DIR", help="Write all that the cell is made of, and cell.sql, which recomputes it."
        ),
    ] = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Trace a record or a cell of a report to its source rows.

    Postings with their share and the pools they came through, group, rule, rate card, and the raw row as it was delivered, its file's
    hash verified. `--packet DIR` writes a folder with which anybody can check the cell in DuckDB, without costctl.
    """
    from costctl.cli import evidence, work
    from costctl.reports.explain.cells import Wanted

    run = work.run(config, ledger, wait)
    wanted = Wanted(
        team,
        model,
        purpose,
        kind,
        pool,
        chip,
        source,
        account,
        service,
        report,
        calendar,
        cost,
        top,
        run.config.policy.tax,
        run.config.policy.credits,
    )
    if packet:
        evidence.packet(run, record, period, wanted, packet)
    else:
        evidence.show(evidence.explain(run, record, period, wanted), format_, output, cost)


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

    run = work.run(config, ledger, wait)
    evidence.rebuild(run, accept=accept)
    work.warn(run)
