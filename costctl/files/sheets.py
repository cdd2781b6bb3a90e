"""One small CSV of ours or of the user's: its rows, each with its place, and everything that is wrong with it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from costctl.errors import UsageError, shown
from costctl.files.cells import Reader, Wrong, nearest, words
from costctl.files.packing import wide

SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class Field:
    """A column: its name, how its cells are read, and whether every row must fill it."""

    name: str
    read: Reader = words
    required: bool = False


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a file, with its place, the value found and the remedy."""

    where: str
    what: str
    value: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Row:
    """One row: its values by column, the texts they were read from, and where it stands."""

    path: str  # as messages show it
    sheet: str  # as the ledger keeps it
    line: int
    texts: dict[str, str]
    values: dict[str, Any]

    def __getitem__(self, column: str) -> Any:
        """Return the value of a column; None is unknown."""
        return self.values.get(column)

    @property
    def card(self) -> str:
        """Return the place that the ledger keeps: file and line, without the folders above."""
        return f"{self.sheet}:{self.line}"

    def problem(self, column: str, what: str, remedy: str) -> Problem:
        """Return a problem with one cell of this row."""
        text = self.texts.get(column, "")
        return Problem(f"{self.path}:{self.line}:{column}", what, shown(text) if text else "", remedy)


@dataclass
class Sheet:
    """A file as read: its whole rows and its problems so far."""

    path: str  # as messages show it
    name: str  # as the ledger keeps it
    holds: str  # the table it fills
    is_card: bool = False
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def refuse(problems: Sequence[Problem]) -> None:
    """Raise one UsageError for all problems: the first in full, the next ones as evidence."""
    if not problems:
        return
    first = problems[0]
    evidence = [f"found: {first.value}"] if first.value else []
    evidence += [f"also {sentence(problem)}" for problem in problems[1:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        evidence.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
    raise UsageError(first.where, first.what, evidence=evidence, remedy=first.remedy)


def sentence(problem: Problem) -> str:
    """Return a problem in one line."""
    return f"{problem.where}: {problem.what}{f' (found {problem.value})' if problem.value else ''}"


def content(path: Path) -> bytes:
    """Return a file's bytes; raise UsageError where there are none to be had."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise UsageError(
            str(path), reason, evidence=str(error), remedy="Check the path and its permissions."
        ) from error


def header_of(path: Path, fields: Sequence[Field] = ()) -> tuple[int, list[str]]:
    """Return the header's line and columns; raise UsageError where there is none, or its columns are not separated by commas."""
    line, header = next(records(path), (0, []))
    if not header:
        columns = ",".join(item.name for item in fields) or "rates/README.md lists the columns"
        raise UsageError(str(path), "is empty", remedy=f"Start it with a header: {columns}.")
    separator = next((mark for mark in ";\t" if len(header) == 1 and mark in header[0]), None)
    if separator:
        what = f"its columns are separated by {shown(separator)}, not by commas"
        raise UsageError(f"{path}:{line}", what, evidence=shown(header[0]), remedy="Save it with commas.")
    return line, header


def records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each record that is not blank, the header first."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    before = 0
    try:
        for record in reader:
            cells = [cell.strip() for cell in record]
            if any(cells):
                yield before + 1, cells
            before = reader.line_num
    except csv.Error as error:
        raise UsageError(
            f"{path}:{before + 1}", "is not CSV", evidence=str(error), remedy="Check the quotes."
        ) from error


def _text(path: Path) -> str:
    found = content(path)
    if encoding := wide(found):
        remedy = f"Save it as CSV UTF-8, or convert it: iconv -f {encoding} -t UTF-8 FILE > NEW"
        raise UsageError(str(path), "is UTF-16 text", evidence=shown(found[:8]), remedy=remedy)
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = found[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{path}:{line}",
            "is not UTF-8 text",
            evidence=f"byte {shown(found[error.start : error.start + 1])}",
            remedy="Save it as CSV UTF-8, or convert it: iconv -f LATIN1 -t UTF-8 FILE > NEW",
        ) from error


def read(path: Path, sheet: Sheet, fields: Sequence[Field]) -> Sheet:
    """Fill a sheet from its file; a wrong header ends it, wrong cells are collected and their rows left out."""
    line, header = header_of(path, fields)
    refuse([*_header_problems(f"{sheet.path}:{line}", header, fields)])
    for number, cells in islice(records(path), 1, None):
        if len(cells) == len(header):
            texts = {column: cell for column, cell in zip(header, cells, strict=True) if cell}
            row = Row(sheet.path, sheet.name, number, texts, {})
            wrong = [*_filled(row, fields)]
            sheet.problems += wrong
            sheet.rows += [] if wrong else [row]
        else:
            counted = f"has {len(cells)} cells where the header has {len(header)}"
            more = len(cells) > len(header)
            remedy = "Put a cell that holds a comma in quotes." if more else "Leave a comma for each empty cell."
            sheet.problems.append(Problem(f"{sheet.path}:{number}", counted, shown(cells[-1]), remedy))
    return sheet


def _header_problems(where: str, header: list[str], fields: Sequence[Field]) -> Iterator[Problem]:
    known = [item.name for item in fields]
    for column in dict.fromkeys(header):
        if column not in known:
            remedy = nearest(column, known) or f"Columns: {', '.join(known)}."
            yield Problem(f"{where}:{column}", "there is no such column", shown(column), remedy)
        elif header.count(column) > 1:
            yield Problem(f"{where}:{column}", "the header names the column twice", "", "Remove one of the two.")
    for item in fields:
        if item.required and item.name not in header:
            yield Problem(f"{where}:{item.name}", "the column is missing", "", f"Add the column {item.name}.")


def _filled(row: Row, fields: Iterable[Field]) -> Iterator[Problem]:
    """Fill a row's values from its texts, yielding what is wrong."""
    for item in fields:
        text = row.texts.get(item.name)
        if text is not None:
            try:
                row.values[item.name] = item.read(text)
            except Wrong as wrong:
                yield row.problem(item.name, f"the {item.name} {wrong.what}", wrong.remedy)
        elif item.required:
            yield row.problem(item.name, f"the {item.name} is missing", "Fill the cell.")
