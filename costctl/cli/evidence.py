"""What explain, quarantine, rules check and rebuild do: options become one call, its answer is rendered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from costctl import periods, pipeline, reports, terminal
from costctl import rebuild as making
from costctl.errors import Busy, UsageError, shown
from costctl.ledger import state
from costctl.pipeline import Run
from costctl.reports import explain as tracing
from costctl.reports import footer, render, taken
from costctl.reports.explain import Story, cells, naming, packets, story
from costctl.reports.explain.cells import Wanted


def explain(run: Run, record: str | None, period: str | None, wanted: Wanted) -> list[Story]:
    """Return the stories of one record's charges, or of the largest charges of a cell."""
    _check(record, period, wanted)
    with pipeline.reading(run) as (ledger, late):
        rules = pipeline.compiled(ledger, run.config)
        if record:
            found = tracing.of_record(ledger, rules, record)
        else:
            span = periods.parse(period) if period else periods.latest(ledger)
            found = tracing.of_cell(ledger, rules, span, wanted)
            for line in cells.told(ledger, span, wanted):
                terminal.say(line)
            if not found:
                terminal.say(f"costctl: no charge of {span.label} is behind this cell")
    if late:
        terminal.say(footer.STALE)
    return found


def _check(record: str | None, period: str | None, wanted: Wanted) -> None:
    """Raise UsageError unless either a record or a cell is named."""
    if wanted.cost not in reports.COSTS:
        raise UsageError("--cost", f"{shown(wanted.cost)} is not a cost", remedy=f"Costs: {', '.join(reports.COSTS)}.")
    filters = period is not None or wanted.report is not None or wanted.filters() or wanted.narrowed
    if bool(record) == bool(filters):
        what = "a record and a filter contradict each other" if record else "what is to be explained?"
        raise UsageError("explain", what, remedy=naming.USAGE)


def packet(run: Run, record: str | None, period: str | None, wanted: Wanted, folder: Path) -> None:
    """Write a folder with which a cell can be checked without costctl, and say what is in it."""
    _check(record, period, wanted)
    packets.check(record, wanted, folder)
    with pipeline.reading(run) as (ledger, late):
        if late:
            what = "the ledger's numbers are not up to date, and others hold it"
            remedy = "Run the same command again when it is done, or wait longer: --wait SECONDS."
            raise Busy(str(folder), what, evidence="a packet of old numbers would prove nothing", remedy=remedy)
        span = periods.parse(period) if period else periods.latest(ledger)
        for line in packets.write(ledger, pipeline.compiled(ledger, run.config), span, wanted, folder):
            terminal.say(line)


def quarantine(run: Run, format_: str | None, output: Path | None) -> None:
    """Show what was set aside: one line per bad field, its record's text as it was delivered."""
    kind = render.chosen(format_, output)
    with pipeline.reading(run, refresh=False) as (ledger, _):
        found = state.quarantine(ledger)
    if kind == "table" and not found.rows:
        terminal.say("costctl: nothing is set aside")
        return
    render.rows(found, kind, output, title="set aside: what kept records out of the ledger")


def rules(run: Run, period: str | None, cost: str, format_: str | None, output: Path | None) -> None:
    """Show what each rule took of the open billing periods, or of those asked for."""
    kind, able = render.chosen(format_, output), reports.COSTS[:-1]
    if cost not in able:
        raise UsageError("--cost", f"{shown(cost)} is not a cost of a bill", remedy=f"Costs: {', '.join(able)}.")
    span = periods.parse(period) if period else None
    if span and not span.whole_months:
        raise UsageError(
            "--period", f"{shown(period)} is no billing months", remedy="Name whole months, such as 2026-10."
        )
    with pipeline.reading(run) as (ledger, late):
        found = taken.by_rules(ledger, pipeline.compiled(ledger, run.config), span, cost)
    render.rows(
        found,
        kind,
        output,
        title=f"rules: {cost} cost of {span.label if span else 'all open billing periods'}",
    )
    if late:
        terminal.say(footer.STALE)


def rebuild(run: Run, *, accept: bool) -> None:
    """Make the ledger again, and say what came of it."""
    with ExitStack() as stack:
        done = making.rebuild(
            run, accept=accept, watched=lambda total: stack.enter_context(terminal.progress("rebuild", total))
        )
    for line in done.forgotten:
        terminal.say(f"note: superseded, and its bytes are gone, so its history ends: {line}")
    if done.changed:
        terminal.say(f"definitions that changed since: {', '.join(done.changed)}")
    for line in done.differences:
        terminal.say(f"  {line}")
    same = "not the content it had" if done.differences else "the content it had"
    terminal.say(f"rebuilt from {done.deliveries} deliver{'y' if done.deliveries == 1 else 'ies'}: {same}")
    print(done.fingerprint)


def show(stories: Sequence[Story], format_: str | None, output: Path | None, cost: str) -> None:
    """Print stories as lines for a person, as JSON with everything, or as one row per charge."""
    kind = render.chosen(format_, output)
    if kind == "json":
        render.put(json.dumps([story.plain(item) for item in stories], ensure_ascii=False, indent=1) + "\n", output)
    elif kind == "table":
        render.put("".join(f"{line}\n" for line in story.lines(stories, terminal.width(), cost)), output)
    else:
        render.rows(story.as_rows(stories), kind, output)
