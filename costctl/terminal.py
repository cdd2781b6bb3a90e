"""What people see: tables, progress and colour. The only Rich; data goes to stdout, talk to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Literal

from costctl.nouns import Progress, unwatched

MIN_WIDTH = 60
BAR = 20
SHORTEST = 6  # a text column is not cut below this


def width() -> int:
    """Return the width to lay tables out for: COLUMNS, else the terminal's, else 120."""
    import shutil

    return max(shutil.get_terminal_size((120, 24)).columns, MIN_WIDTH)


def interactive() -> bool:
    """Tell whether a person reads stdout."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """Talk to the person on stderr; what a name or a source holds cannot steer the terminal."""
    sys.stderr.write("\n".join(plain(line) for line in text.split("\n")) + "\n")


def plain(text: object) -> str:
    """Return a value as text that cannot steer a terminal: control characters are shown, not sent."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: AbstractSet[int],
    rules: AbstractSet[int] = frozenset(),
    notes: Sequence[str] = (),
) -> None:
    """Print a table to stdout; `right` columns are numbers and never cut, a rule is drawn before each row number in `rules`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[plain(cell) for cell in row] for row in rows]
    widths, gap = fitted([[plain(name) for name in columns], *cells], right, width())
    room = max(width(), sum(widths) + gap * len(widths))  # digits are never cut: a line too long wraps
    console = Console(width=room, highlight=False, no_color=_plain_output())
    if title:
        console.print(Text(plain(title), style="bold"), width=width())
    grid = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for number, name in enumerate(columns):
        justify: Literal["left", "right"] = "right" if number in right else "left"
        grid.add_column(Text(plain(name)), justify=justify, no_wrap=True, overflow="ellipsis", width=widths[number])
    for number, row in enumerate(cells):
        if number in rules:
            grid.add_row(*["─" * width for width in widths], style="dim")
        grid.add_row(*[Text(cell) for cell in row])
    console.print(grid)
    for note in notes:
        console.print(
            Text(plain(note), style="dim"), soft_wrap=note.startswith("  ")
        )  # an indented note is for copying


def fitted(lines: Sequence[Sequence[str]], right: AbstractSet[int], room: int) -> tuple[list[int], int]:
    """Return column widths and the gap between them: numbers whole, texts shortened from the longest where there is no room."""
    widths = [max(len(line[number]) for line in lines) for number in range(len(lines[0]))]
    texts = [number for number in range(len(widths)) if number not in right]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= room else 1
    while texts and sum(widths) + gap * (len(widths) - 1) > room:
        longest = max(texts, key=lambda number: widths[number])
        if widths[longest] <= SHORTEST:
            break
        widths[longest] -= 1
    return widths, gap


def _plain_output() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or not interactive()


@contextmanager
def progress(title: str, total: int, *, by_rows: bool = False) -> Iterator[Progress]:
    """Show how far a long work is, in bytes (and the rows in them) or in rows, on stderr and only to a person; yield what moves it on."""
    if not sys.stderr.isatty() or total <= 0:
        yield unwatched
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=BAR),
        MofNCompleteColumn() if by_rows else DownloadColumn(),
        TextColumn("{task.fields[seen]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task, seen = bar.add_task(title, total=total, seen=""), 0

        def advance(amount: int, rows: int = 0) -> None:
            nonlocal seen
            seen += rows
            bar.update(task, advance=amount, seen=f"{seen:,} rows" if seen else "")

        yield advance
