"""The source bytes: hashed before they are read, and kept under their hash beside the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from costctl.errors import InputRefused, StorageFault
from costctl.files import packing, tables, writing
from costctl.ledger.intake import Intake
from costctl.ledger.records import Reading
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery


def hashed(delivery: Delivery) -> Delivery:
    """Fill in hash and size; the same content under two names counts once."""
    seen: dict[str, object] = {}
    unique, notes = [], list(delivery.notes)
    for file in delivery.files:
        known = replace(file, sha256=packing.sha256(file.path), bytes=file.path.stat().st_size)
        if known.identity in seen:
            notes.append(f"{file.name} has the same content as {seen[known.identity]}; taken once")
            continue
        seen[known.identity] = file.name
        unique.append(known)
    return replace(delivery, files=tuple(unique), notes=tuple(notes))


@contextmanager
def kept(ledger: Ledger, intake: Intake) -> Iterator[None]:
    """Keep the source bytes under their hash; take back what was added when the delivery is not taken in."""
    added: list[Path] = []
    try:
        for reading in intake.readings if intake.settings.archive != "none" else []:
            if not reading.bytes_at.exists():
                added.append(reading.bytes_at)
                _keep(ledger, reading, intake.settings.archive)
        for reading in intake.readings:
            _compare_header(reading)
        yield
    except BaseException:
        for path in added:
            if not _is_wanted(ledger, path.name):
                path.unlink(missing_ok=True)
        raise


def _is_wanted(ledger: Ledger, digest: str) -> bool:
    """Tell whether a delivery in the ledger has this content: what went wrong may have come after the commit."""
    try:
        query = "SELECT count(*) FROM ledger.delivery_files WHERE sha256 = $digest"
        return bool(ledger.value(query, {"digest": digest}))
    except Exception:  # noqa: BLE001  the ledger cannot say, so its sources stay
        return True


def _compare_header(reading: Reading) -> None:
    """Refuse a file that has other columns than when it was looked at."""
    file = reading.file
    if tables.header(reading.bytes_at, file.content, file.delimiter, file.way) != file.header:
        raise _changed(reading)


def verify(intake: Intake) -> None:
    """Refuse files that changed while they were read: those that are read where others can write."""
    for reading in intake.readings if intake.settings.archive != "copy" else []:
        if packing.sha256(reading.bytes_at) != reading.file.sha256:
            raise _changed(reading)


def _changed(reading: Reading) -> InputRefused:
    remedy = "Wait until its delivery is complete, then run the command again."
    return InputRefused(reading.file.name, "changed while it was read", remedy=remedy)


def _keep(ledger: Ledger, reading: Reading, mode: str) -> None:
    ledger.archive.mkdir(mode=0o700, exist_ok=True)
    file = reading.file
    if mode == "link":
        _link(file.path, reading.bytes_at)
    else:
        writing.keep(file.path, ledger.archive, file.sha256)
    if packing.sha256(reading.bytes_at) != file.sha256:
        raise _changed(reading)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        remedy = "Say `archive: copy`: a link must be on the ledger's own file system, and to a file of one's own."
        raise StorageFault(
            str(source), "cannot be linked into the archive", evidence=str(error), remedy=remedy
        ) from error
