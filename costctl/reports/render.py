"""Write a report: a table for a person; CSV, JSON, JSON lines, Markdown or Parquet for everything else."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from costctl import terminal
from costctl.errors import UsageError, shown
from costctl.files import parquet, writing
from costctl.nouns import Rows
from costctl.reports import Answer, layout

FORMATS = ("table", "csv", "json", "jsonl", "md", "parquet")
READABLE = 14  # a text column narrower than this says too little
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\x00")


def chosen(name: str | None, output: Path | None) -> str:
    """Return the format in force: the flag, the output's suffix, a table on a terminal, CSV when piped."""
    if name is None and output is not None:
        name = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".md": "md", ".parquet": "parquet"}.get(
            output.suffix.lower(), "csv"
        )
    name = name or ("table" if terminal.interactive() else "csv")
    if name not in FORMATS:
        raise UsageError("--format", f"there is no format {shown(name)}", remedy=f"Formats: {', '.join(FORMATS)}.")
    if name == "parquet" and output is None:
        raise UsageError("--format parquet", "needs a file to write to", remedy="Add --output FILE.parquet.")
    return name


def report(answer: Answer, format_: str, output: Path | None, *, cents: bool = False) -> None:
    """Write a report to stdout or, atomically, to a file."""
    if format_ == "table":
        grid = layout.lay_out(answer, terminal.width(), cents=cents)
        terminal.table(
            grid.title, grid.headings, grid.rows, right=set(grid.right), rules=set(grid.rules), notes=grid.notes
        )
        return
    if format_ == "md":
        put(_markdown(layout.lay_out(answer, layout.WIDE_FROM, cents=cents)), output)
        return
    rows(answer.rows, format_, output)


def rows(found: Rows, format_: str, output: Path | None = None, *, title: str = "") -> None:
    """Write plain rows: decimals exactly as stored, without trailing zeros; times as ISO 8601."""
    if format_ == "parquet":
        if output is None:
            raise UsageError("--format parquet", "needs a file to write to", remedy="Add --output FILE.parquet.")
        writing.write_atomic(output, lambda temporary: parquet.write(temporary, found))
    elif format_ == "table":
        right = {
            number
            for number, kind in enumerate(found.types)
            if kind.startswith(("DECIMAL", "BIGINT", "INTEGER", "HUGEINT", "DOUBLE"))
        }
        terminal.table(
            title,
            found.columns,
            [["" if value is None else text(value) for value in row] for row in found.rows],
            right=right,
        )
    elif format_ == "md":
        cells = tuple(tuple("" if value is None else text(value) for value in row) for row in found.rows)
        put(_markdown(layout.Grid("", found.columns, cells, frozenset(), frozenset())), output)
    else:
        put({"csv": _csv, "json": _json, "jsonl": _jsonl}[format_](found), output)


def emit(
    title: str, records: Sequence[dict[str, str | None]], format_: str | None, columns: Iterable[str] = ()
) -> None:
    """Print a small list of text records, such as rates, in the format asked for; a single one stands upright, none has these columns."""
    columns = tuple(records[0] if records else columns)
    name = chosen(format_, None)
    if name != "table":
        found = [tuple(record.values()) for record in records]
        rows(Rows(columns, ("VARCHAR",) * len(columns), found), name)
    elif len(records) == 1:
        upright = [[column, value or layout.UNKNOWN] for column, value in records[0].items()]
        terminal.table(title, ("", ""), upright, right=set())
    else:
        cells = [[value or layout.UNKNOWN for value in record.values()] for record in records]
        _emit_table(title, columns, cells)


def _emit_table(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Print records side by side; the last columns stay out where they would make every text unreadable."""
    numbers = _numbers(cells)
    widths = [max(len(line[at]) for line in [columns, *cells]) for at in range(len(columns))]
    least = [width if at in numbers else min(width, READABLE) for at, width in enumerate(widths)]
    count = len(columns)
    while count > 1 and sum(least[:count]) + count > terminal.width():
        count -= 1
    left = ", ".join(columns[count:])
    notes = [f"also in --format csv: {left}"] if left else []
    right = {at for at in numbers if at < count}
    terminal.table(title, columns[:count], [line[:count] for line in cells], right=right, notes=notes)


def _numbers(cells: Sequence[Sequence[str]]) -> set[int]:
    """Return the columns in which every value is a number or unknown."""
    columns = list(zip(*cells, strict=True))
    return {at for at, column in enumerate(columns) if all(re.fullmatch(r"-|-?\d+(\.\d+)?", value) for value in column)}


def put(text: str, output: Path | None) -> None:
    """Write a text to stdout or, atomically, to a file."""
    if output is None:
        sys.stdout.write(text)
    else:
        writing.write_text(output, text)


def text(value: Any) -> str:
    """A value as text that reads back as the same: a decimal in full, a date as ISO 8601."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _csv(found: Rows) -> str:
    """CSV for people with spreadsheets: a text cell that would start a formula gets a quote before it, numbers stay."""
    out = io.StringIO()
    for row in (found.columns, *found.rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(["" if value is None else _unarmed(value) for value in row])
        out.write(line.getvalue()[:-2] + "\n")  # a lone CR in a text is quoted, as a line end would be
    return out.getvalue()


def _unarmed(value: Any) -> str:
    return (
        "'" + value
        if isinstance(value, str) and value.startswith(FORMULA_STARTS) and value != layout.UNKNOWN
        else text(value)
    )


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int) else text(value)


def _json(found: Rows) -> str:
    """One array; decimals are strings, so that no reader makes them binary."""
    records = [{name: _plain(value) for name, value in record.items()} for record in found.dicts()]
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _jsonl(found: Rows) -> str:
    return "".join(
        json.dumps({name: _plain(value) for name, value in record.items()}, ensure_ascii=False) + "\n"
        for record in found.dicts()
    )


def _markdown(grid: layout.Grid) -> str:
    marks = ["---:" if number in grid.right else "---" for number in range(len(grid.headings))]
    lines = [f"**{grid.title}**", ""] if grid.title else []
    lines += ["| " + " | ".join(grid.headings) + " |", "| " + " | ".join(marks) + " |"]
    lines += ["| " + " | ".join(terminal.plain(cell).replace("|", "\\|") for cell in row) + " |" for row in grid.rows]
    return "\n".join([*lines, "", *grid.notes]) + "\n"
