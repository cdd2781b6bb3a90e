"""What the fast path finds in a second reading of a delivery's files: records that rules left out, floats that were rounded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from costctl.files.delimited import RecordCount
from costctl.ledger import pipes, records, roundings, staging
from costctl.ledger.intake import Excluded
from costctl.ledger.records import Reading
from costctl.ledger.store import Ledger
from costctl.nouns import Format, unwatched


def left_out(ledger: Ledger, readings: list[Reading], item: Format, folder: Path) -> list[Excluded]:
    """Count the records that each rule of the format leaves out."""
    with _read_again(readings, item, folder, raising=False) as relation:
        return staging.left_out(ledger, item, relation)


def rounded(ledger: Ledger, readings: list[Reading], item: Format, folder: Path) -> list[roundings.Rounding]:
    """Find what was rounded of the files' texts: of records that were counted."""
    with _read_again(readings, item, folder, raising=True) as relation:
        return roundings.of_texts(ledger, item, records.types_of(readings, item), relation)


def unread(readings: list[Reading]) -> list[Reading]:
    """Return files to be read from their beginning, with nothing counted yet."""
    return [replace(reading, count=RecordCount(), fault=None) for reading in readings]


@contextmanager
def _read_again(readings: list[Reading], item: Format, folder: Path, *, raising: bool) -> Iterator[str]:
    """Yield the text of a relation of the files' records; where nothing raises, of all of them as they are."""
    again = unread(readings)
    with tempfile.TemporaryDirectory(dir=folder) as place, pipes.piped(again, Path(place), unwatched) as places:
        yield f"({records.relation(again, item, places, raising=raising)})"
