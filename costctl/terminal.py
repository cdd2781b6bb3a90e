"""What people see: tables, progress and colour. The only Rich; data goes to stdout, talk to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

MIN_WIDTH = 60


def width() -> int:
    """Return the width to lay tables out for: COLUMNS, else the terminal's, else 120."""
    import shutil

    return max(shutil.get_terminal_size((120, 24)).columns, MIN_WIDTH)


def interactive() -> bool:
    """Tell whether a person reads stdout."""
    return sys.stdout.isatty()


def say(text: str) -> None:
    """Talk to the person: one line on stderr."""
    print(text, file=sys.stderr)


def plain(text: object) -> str:
    """Return a value as text that cannot steer a terminal: control characters are shown, not sent."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: set[int], rules: set[int] = frozenset(), notes: Sequence[str] = ()) -> None:  # type: ignore[assignment]
    """Print a table to stdout; `right` columns are numbers, a rule is drawn before each row number in `rules`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=width(), highlight=False, no_color=_plain_output(), soft_wrap=False)
    if title:
        console.print(Text(plain(title), style="bold"))
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(columns):
        numeric = number in right
        grid.add_column(plain(name), justify="right" if numeric else "left", no_wrap=True, overflow="ellipsis", min_width=len(name) if numeric else None)
    for number, row in enumerate(rows):
        if number in rules:
            grid.add_section()
        grid.add_row(*[Text(plain(cell)) for cell in row], end_section=number + 1 in rules)
    console.print(grid)
    for note in notes:
        console.print(Text(plain(note), style="dim"))


def _plain_output() -> bool:
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or not interactive()


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a long work is, on stderr and only to a person; yield the function that moves it on."""
    if not sys.stderr.isatty() or total <= 0:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task(title, total=total)
        yield lambda amount: bar.advance(task, amount)
