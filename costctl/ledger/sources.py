"""The source bytes read back: one record of a file as it was delivered, its hash verified first."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from costctl.errors import CostctlError, StorageFault
from costctl.files import delimited, packing, parquet, tables
from costctl.ledger.store import Ledger

RESTORE = (
    "Put the file back where it was, or restore the folder {archive} from a backup; then run the same command again."
)


@dataclass(frozen=True)
class Source:
    """A file of a delivery, as the ledger knows it."""

    name: str
    sha256: str
    bytes: int
    path: str | None  # where it was when it was taken in
    way: str = ""  # to its records, within the values of a JSON file

    def bytes_at(self, ledger: Ledger) -> Path:
        """Return where the bytes are: the archive, else their own place; raise StorageFault where they are gone or changed."""
        kept = ledger.archive / self.sha256
        place = kept if kept.exists() or not self.path else Path(self.path)
        remedy = RESTORE.format(archive=ledger.archive.name)
        if not place.is_file():
            evidence = f"sha256 {self.sha256}, looked for at {place}"
            raise StorageFault(self.name, "the source is gone", evidence=evidence, remedy=remedy)
        found = packing.sha256(place)
        if found != self.sha256:
            was = [f"at {place}", f"was sha256 {self.sha256}", f"is sha256 {found}"]
            raise StorageFault(self.name, "the source has changed since it was taken in", evidence=was, remedy=remedy)
        return place


@dataclass(frozen=True)
class RawRecord:
    """A record as the file has it: its line where the file has lines, its text, its values by column."""

    line: int | None
    text: str
    values: dict[str, str | None]


def read(ledger: Ledger, source: Source, numbers: set[int]) -> dict[int, RawRecord]:
    """Read records of a file back by their numbers; raise StorageFault where that cannot be done."""
    place = source.bytes_at(ledger)
    try:
        kind = tables.content(place)
        if kind == "csv":
            return _of_csv(place, numbers)
        return _of_parquet(place, numbers) if kind == "parquet" else _of_objects(place, kind, source, numbers)
    except StorageFault:
        raise
    except CostctlError as error:
        raise StorageFault(source.name, error.what, evidence=error.evidence, remedy=error.remedy) from error


def _of_csv(place: Path, numbers: set[int]) -> dict[int, RawRecord]:
    mark = delimited.delimiter(place, delimited.DELIMITERS)
    header, found = delimited.header(place, mark), {}
    for number, line, text in delimited.raw(place, numbers, mark):
        fields = next(csv.reader(text.splitlines(keepends=True), delimiter=mark), [])
        padded = [*fields, *[None] * (len(header) - len(fields))]
        found[number] = RawRecord(line, text, dict(zip(header, padded, strict=False)))
    return found


def _of_objects(place: Path, kind: str, source: Source, numbers: set[int]) -> dict[int, RawRecord]:
    found: dict[int, RawRecord] = {}
    for number, (line, record) in enumerate(tables.records(place, kind, source.way, source.name), start=1):
        if number in numbers:
            values = {name: None if value is None else _text(value) for name, value in record.items()}
            found[number] = RawRecord(line, _text(record), values)
            if len(found) == len(numbers):
                break
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _of_parquet(place: Path, numbers: set[int]) -> dict[int, RawRecord]:
    return {
        number: RawRecord(None, json.dumps(values, ensure_ascii=False), values)
        for number, values in parquet.raw(place, numbers)
    }
