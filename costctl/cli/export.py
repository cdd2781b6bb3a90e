"""costctl export: charges as a FOCUS file, or a table of the ledger, to a file or to stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from costctl import periods, pipeline, terminal
from costctl.errors import UsageError, shown
from costctl.focus import export as focus_export
from costctl.ledger import extract
from costctl.ledger.extract import Extract
from costctl.ledger.store import Ledger
from costctl.nouns import Span
from costctl.pipeline import Run
from costctl.reports import footer

FORMATS = ("csv", "parquet")
FOCUS = "focus"


def export(
    run: Run,
    name: str | None,
    *,
    period: str | None,
    sources: tuple[str, ...],
    format_: str | None,
    output: Path | None,
) -> None:
    """Write what is named for a period, or list what can be written."""
    if name is None:
        _list(run)
        return
    kind = chosen(format_, output)
    with pipeline.reading(run) as (ledger, late):
        span = periods.parse(period) if period else _last(ledger, name)
        made = _made(run, ledger, name, span, sources)
        with terminal.progress(f"export {name}", made.rows, by_rows=True) as advance:
            if output is None:
                extract.to_stream(ledger, made, sys.stdout.buffer, advance)
            else:
                extract.to_file(ledger, made, kind, output, advance)
        _tell(ledger, made, span, output, late=late)


def _last(ledger: Ledger, name: str) -> Span | None:
    """Return the last billing month; a table of a ledger without charges is written whole."""
    held = ledger.value("SELECT count(*) FROM ledger.charge_groups")
    return periods.latest(ledger, billed=True) if held or name == FOCUS else None


def configured(run: Run, name: str, kind: str, output: str) -> None:
    """Write an export of the configuration for the last month, of FOCUS a billed one; `{period}` in its path is that month."""
    with pipeline.reading(run) as (ledger, _):
        label = periods.latest(ledger, billed=name == FOCUS).label
    export(
        run, name, period=label, sources=(), format_=kind, output=run.config.at(Path(output.replace("{period}", label)))
    )


def chosen(name: str | None, output: Path | None) -> str:
    """Return the format in force: the flag, the output's suffix, else CSV; Parquet needs a file."""
    kind = name or ("parquet" if output and output.suffix.lower() == ".parquet" else "csv")
    if kind not in FORMATS:
        raise UsageError("--format", f"there is no format {shown(kind)}", remedy=f"Formats: {', '.join(FORMATS)}.")
    if kind == "parquet" and output is None:
        raise UsageError("--format parquet", "needs a file to write to", remedy="Add --output FILE.parquet.")
    return kind


def _made(run: Run, ledger: Ledger, name: str, span: Span | None, sources: tuple[str, ...]) -> Extract:
    if name != FOCUS or span is None:
        return extract.table(ledger, name, span)
    held = [row[0] for row in ledger.run("SELECT DISTINCT source FROM ledger.charges ORDER BY 1").rows]
    for source in sources:
        if source not in held:
            raise UsageError("--source", f"there is no source {shown(source)}", remedy=f"Sources: {', '.join(held)}.")
    return focus_export.extract(ledger, pipeline.compiled(ledger, run.config), span, sources)


def _list(run: Run) -> None:
    with pipeline.reading(run, refresh=False) as (ledger, _):
        names = [FOCUS, *extract.known(ledger)]
    sys.stdout.write("\n".join(names) + "\n")


def _tell(ledger: Ledger, made: Extract, span: Span | None, output: Path | None, *, late: bool) -> None:
    """Say what was written, and what is missing in it."""
    label = f" of {span.label}" if span and "start" in made.values else ""  # some tables have no periods
    if not made.rows and label:
        terminal.say(f"costctl: no rows{label}; {periods.held(ledger)}")
    if output is not None:
        terminal.say(f"wrote {output}: {made.name}{label}, {made.rows:,} rows")
    if made.name == FOCUS:
        for column, rows in focus_export.gaps(ledger, made):
            terminal.say(
                f"  note: {rows:,} of {made.rows:,} rows have no {column}, which FOCUS never leaves empty; the bills say none"
            )
    if late:
        terminal.say(footer.STALE)
