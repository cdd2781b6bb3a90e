"""What the commands do: options become one call, its answer is rendered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from costctl import __version__, config, pipeline, reports, terminal
from costctl.bills.deliveries import Wanted
from costctl.cli import export as export_of
from costctl.cli import reporting
from costctl.errors import DoesNotReconcile, UsageError
from costctl.ledger import checks, models, state
from costctl.nouns import Outcome, Rows
from costctl.pipeline import Run
from costctl.reports import footer, mixes, render

QUARANTINED = 4
LISTED_PERIODS = 3
SHOWN_ASIDE = 10


def run(
    config_file: Path | None, ledger: Path | None, wait: float, memory: str | None = None, *, estimates: bool = False
) -> Run:
    """Return one invocation from the options that every command has; the memory limit is the option's, else the environment's."""
    if memory:
        os.environ["COSTCTL_MEMORY"] = memory
    found = config.load(config_file)
    if found.memory:
        os.environ.setdefault("COSTCTL_MEMORY", found.memory)
    return Run(found, ledger, wait, terminal.say, estimates=estimates)


def ingest(
    run: Run,
    paths: Sequence[Path],
    *,
    as_format: str | None,
    source: str | None,
    dataset: str | None,
    replace: bool,
    add: bool,
    quarantine_rows: int | None,
) -> None:
    """Take paths in, say what happened, exit 4 when records were set aside."""
    if replace and add:
        raise UsageError("ingest", "--replace and --add contradict each other", remedy="Say one of them.")
    decision = "replace" if replace else "add" if add else None
    items = pipeline.wanted(run, paths, source, as_format, dataset)
    outcomes = _with_progress(run, items, decision=decision, quarantine_rows=quarantine_rows)
    warn(run)
    if pipeline.quarantined(outcomes):
        raise typer.Exit(QUARANTINED)


def _with_progress(
    run: Run, items: Sequence[Wanted], *, decision: str | None = None, quarantine_rows: int | None = None
) -> list[Outcome]:
    total = sum(
        file.stat().st_size
        for item in items
        for file in ([item.path] if item.path.is_file() else item.path.rglob("*"))
        if file.is_file()
    )
    with terminal.progress("ingest", total) as advance:
        watched = replace(run, progress=advance)
        return pipeline.take_in(watched, items, decision=decision, quarantine_rows=quarantine_rows, told=_tell)


def warn(run: Run) -> None:
    """Say which parts of pools nobody bears since their models have no tokens, where the configuration gives models parts."""
    if any(pool.models for pool in run.config.pools.values()):
        with pipeline.reading(run, refresh=False) as (ledger, _):
            for line in mixes.uncounted(ledger):
                terminal.say(f"warning: {line}")


def _tell(outcome: Outcome) -> None:
    terminal.say(_sentence(outcome))
    for note in outcome.notes:
        terminal.say(f"  note: {note}")


def _sentence(outcome: Outcome) -> str:
    periods_text = ", ".join(outcome.periods)
    if len(outcome.periods) > LISTED_PERIODS:
        periods_text = f"{outcome.periods[0]} to {outcome.periods[-1]}"
    head = f"{outcome.source} ({outcome.format}) {periods_text}".rstrip()
    if outcome.status != "loaded":
        return f"{head}: {outcome.status}"
    aside = f", {outcome.quarantined:,} set aside" if outcome.quarantined else ""
    records = f"{outcome.records:,} record{'' if outcome.records == 1 else 's'}"
    return f"{head}: {records} from {outcome.files} file{'s' if outcome.files > 1 else ''}{aside}"


def status(run: Run, format_: str | None) -> None:
    """Show what the ledger holds."""
    kind = render.chosen(format_, None)
    with pipeline.reading(run, refresh=False) as (ledger, late):
        found, months, aside = state.deliveries(ledger), state.periods(ledger), state.quarantine(ledger)
    if kind != "table":
        render.rows(found, kind)
        return
    for title, rows in (("deliveries: records = kept + aside + excluded", found), ("billing periods", months)):
        if rows.rows:
            render.rows(rows, "table", title=title)
    if aside.rows:
        first = [row[:-1] for row in aside.rows[:SHOWN_ASIDE]]  # without the records' text
        render.rows(Rows(aside.columns[:-1], aside.types[:-1], first), "table", title="set aside")
        terminal.say(
            f"{len(aside.rows):,} bad field{'s' if len(aside.rows) > 1 else ''}; costctl quarantine shows each record's text"
        )
    if late:
        terminal.say(footer.STALE)


def everything(run: Run) -> None:
    """Ingest, allocate, check and export, as the configuration says."""
    if run.config.file is None:
        raise UsageError("run", "needs a configuration", remedy="costctl init writes one; or name it with --config.")
    outcomes = _with_progress(run, pipeline.wanted(run, [], None, None))
    warn(run)
    for export in run.config.exports:
        if export.table:
            export_of.configured(run, export.table, export.format, export.output)
            continue
        wish = reporting.wish(run, export.currency, export.rate_type) if export.currency else None
        found = reporting.answer(run, reports.named(export.report or ""), period=None, wish=wish)
        target = run.config.at(Path(export.output.replace("{period}", found.span.label)))
        render.report(found, export.format, target)
        terminal.say(f"wrote {target}")
    if pipeline.quarantined(outcomes):
        raise typer.Exit(QUARANTINED)


def sql(run: Run, query: str, format_: str | None, output: Path | None) -> None:
    """Answer one SELECT."""
    kind = render.chosen(format_, output)
    with pipeline.reading(run, refresh=False) as (ledger, _):
        found = pipeline.rows(ledger, query)
    render.rows(found, kind, output)


def doctor(run: Run, *, fingerprint: bool) -> None:
    """Print one line per examined part; exit 5 when a check fails."""
    print(f"costctl        {__version__}")
    print(f"configuration  {run.config.file or 'none, built-in settings'}")
    print(f"ledger         {run.place}")
    with pipeline.reading(run, refresh=False) as (ledger, late):
        print(f"created by     costctl {ledger.meta('created_by')}, schema {ledger.meta('schema_version')}")
        print(f"postings       {'STALE; costctl run brings them up to date' if late else 'up to date'}")
        other = ledger.meta("models") != models.fingerprint()  # whose tables may be other ones
        failed = {} if other else checks.failing(ledger)
        for name in checks.listed():
            outcome = "skipped, stale" if other else f"FAILS, {len(failed[name].rows)} rows" if name in failed else "ok"
            print(f"check          {name}: {outcome}")
        if fingerprint:
            print(f"fingerprint    {state.fingerprint(ledger)}")
    if failed:
        raise DoesNotReconcile(
            "doctor",
            f"{len(failed)} of {len(checks.listed())} checks fail",
            evidence=list(failed),
            remedy="The postings are behind: costctl run. What fails after it is a defect: report it with the output above."
            if late
            else "Report it with the output above.",
        )
