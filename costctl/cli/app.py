"""The commands. Each body is a few lines; what it needs is imported inside it, so that --help stays fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from costctl.cli import focus, rates, rules, trace
from costctl.cli.options import (
    ConfigOption,
    EstimatesOption,
    FormatOption,
    LedgerOption,
    MemoryOption,
    OutputOption,
    PeriodOption,
    WaitOption,
)

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="What an AI company's tokens cost: who owes what, and how many tokens a dollar buys, to the last digit of the bill.",
    epilog="A first look: costctl demo. Exit codes: 0 done, 2 usage or config, 3 input refused, 4 done with records set aside, 5 does not reconcile, 6 busy, 7 storage, 8 ledger version, 9 gate.",
)
app.add_typer(rates.app, name="rates")
app.add_typer(rules.app, name="rules")
app.add_typer(trace.app)
app.add_typer(focus.exports)
app.add_typer(focus.app, name="focus")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the example.")] = Path("costctl-demo"),
) -> None:
    """Show two months of an example company.

    They are ingested, allocated and reported; nothing else is needed.
    """
    from costctl.cli import start

    start.demo(folder)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the files.")] = Path(),
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of costctl.yaml instead, for an editor.")
    ] = False,
) -> None:
    """Write a commented costctl.yaml to begin with.

    Beside it its JSON Schema, teams.csv and a rate card to fill in; nothing that exists is touched.
    """
    from costctl.cli import schema as schema_of
    from costctl.cli import start

    if schema:
        typer.echo(schema_of.text(), nl=False)
    else:
        start.init(folder)


@app.command()
def ingest(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH ...]",
            help="Bills, token counts, chip time: files or folders; default the configured sources.",
        ),
    ] = None,
    as_format: Annotated[
        str | None, typer.Option("--as", metavar="FORMAT", help="Insist on a format instead of looking.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="NAME", help="The source these files belong to; default the format's name."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset", metavar="NAME", help="Which of a format's datasets these are, e.g. actual, amortised."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="These files supersede what the ledger holds for their periods.")
    ] = False,
    add: Annotated[
        bool, typer.Option("--add", help="These files belong beside what the ledger holds for their periods.")
    ] = False,
    quarantine_rows: Annotated[
        int | None,
        typer.Option(
            "--quarantine-rows",
            metavar="N",
            min=0,
            help="Set up to N bad records aside instead of refusing; exit 4 then.",
        ),
    ] = None,
    estimates: EstimatesOption = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
    memory: MemoryOption = None,
) -> None:
    """Take bills, token counts and chip time in.

    Files are identified by their headers. Again is harmless: the same content is nothing to do.
    """
    from costctl.cli import work

    work.ingest(
        work.run(config, ledger, wait, memory, estimates=estimates),
        paths or [],
        as_format=as_format,
        source=source,
        dataset=dataset,
        replace=replace,
        add=add,
        quarantine_rows=quarantine_rows,
    )


@app.command()
def report(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Without a name, the reports are listed.")
    ] = None,
    period: PeriodOption = None,
    last: Annotated[
        str | None, typer.Option("--last", metavar="30d", help="So many days up to yesterday, UTC.")
    ] = None,
    calendar: Annotated[
        str | None, typer.Option("--calendar", metavar="NAME", help="billing or usage; default the report's own.")
    ] = None,
    cost: Annotated[
        str, typer.Option("--cost", metavar="NAME", help="effective, billed, list, contracted or rate_card.")
    ] = "effective",
    currency: Annotated[
        str | None,
        typer.Option(
            "--currency", metavar="EUR", help="Convert to one currency at the rates of `fx:` in the configuration."
        ),
    ] = None,
    rate_type: Annotated[
        str, typer.Option("--rate-type", metavar="NAME", help="period_average, period_end, invoice or budget.")
    ] = "period_average",
    org: Annotated[
        str,
        typer.Option(
            "--org", metavar="TEXT", help="as-posted, or as-of=2026-10-31: teams under their names of that day."
        ),
    ] = "as-posted",
    min_evidence: Annotated[
        str | None,
        typer.Option(
            "--min-evidence",
            metavar="GRADE",
            help="invoiced, contracted, list, estimated or imputed: teams are charged nothing below it.",
        ),
    ] = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    cents: Annotated[
        bool, typer.Option("--cents", help="Show cents in the table; files always hold every digit.")
    ] = False,
    no_refresh: Annotated[
        bool, typer.Option("--no-refresh", help="Show the last state even when it is stale.")
    ] = False,
    estimates: EstimatesOption = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Show a report, or list the reports.

    chargeback, tokens-per-dollar, billed-to-effective, unallocated,
    unknown-machines, unknown-models, reconciliation, revisions,
    rate-variance, token-variance, owned-chips, claims,
    token-match, inclusion, unknown-owners, unit-prices, accounts, prepaid,
    reservations, provisioned, recovery.
    """
    from costctl.cli import reporting, work

    run = work.run(config, ledger, wait, estimates=estimates)
    reporting.report(
        run,
        name,
        period=period,
        last=last,
        calendar=calendar,
        cost=cost,
        format_=format_,
        output=output,
        cents=cents,
        refresh=not no_refresh,
        currency=currency,
        rate_type=rate_type,
        org=org,
        min_evidence=min_evidence,
    )


@app.command()
def tieout(
    period: PeriodOption = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="NAME",
            help="invoice or source; default both, and of a file the invoices where there are any.",
        ),
    ] = None,
    format_: FormatOption = None,
    output: OutputOption = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Tie the invoice to the bill, its charges and postings.

    Each gap is named, every digit shown; exit 5 when something is left.
    """
    from costctl.cli import proof, work

    proof.tieout(work.run(config, ledger, wait), period=period, by=by, format_=format_, output=output)


@app.command()
def status(
    format_: FormatOption = None, ledger: LedgerOption = None, config: ConfigOption = None, wait: WaitOption = 10
) -> None:
    """Show deliveries, periods and what was set aside."""
    from costctl.cli import work

    work.status(work.run(config, ledger, wait), format_)


@app.command()
def run(
    estimates: EstimatesOption = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
    memory: MemoryOption = None,
) -> None:
    """Do what cron calls: ingest to export.

    Ingest the configured sources, allocate, check, write the configured exports.
    """
    from costctl.cli import work

    work.everything(work.run(config, ledger, wait, memory, estimates=estimates))


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(metavar="SELECT", help='One SELECT over the views, e.g. "SELECT * FROM deliveries".')
    ],
    format_: FormatOption = None,
    output: OutputOption = None,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Ask the ledger in plain SQL, read-only."""
    from costctl.cli import work

    work.sql(work.run(config, ledger, wait), query, format_, output)


@app.command()
def doctor(
    no_fingerprint: Annotated[
        bool, typer.Option("--no-fingerprint", help="Skip the fingerprint, which reads the whole ledger.")
    ] = False,
    ledger: LedgerOption = None,
    config: ConfigOption = None,
    wait: WaitOption = 10,
) -> None:
    """Examine configuration and ledger.

    Run every check; print the fingerprint of the content.
    """
    from costctl.cli import work

    work.doctor(work.run(config, ledger, wait), fingerprint=not no_fingerprint)
