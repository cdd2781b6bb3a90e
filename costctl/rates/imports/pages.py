"""The records of a paged answer: one page, a list of pages, or the bare list of the records."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from costctl.files import nested
from costctl.files.nested import Place


def holds(signs: Collection[str], key: str, names: set[str]) -> bool:
    """Tell whether the records of a file, in any of the three shapes, have all of these names."""
    return any({f"{at}{name}" for name in names} <= set(signs) for at in (f"{key}/*/", f"*/{key}/*/", "*/"))


def records(path: Path, key: str) -> Iterator[tuple[str, Any]]:
    """Yield (where, record) for each record under a key of a page; what stands beside it is about the page."""
    for place, value in nested.walk(path, lambda place: place in ((), (key,))):
        for within, record in _of_page(place, value, key):
            yield f"{path}:{nested.pointer(within)}", record


def _of_page(place: Place, value: Any, key: str) -> Iterator[tuple[Place, Any]]:
    if not place or not isinstance(place[-1], int):
        return
    page = value.get(key) if isinstance(value, dict) and len(place) == 1 else None
    if isinstance(page, list):
        for number, record in enumerate(page):
            yield (*place, key, number), record
    else:
        yield place, value
