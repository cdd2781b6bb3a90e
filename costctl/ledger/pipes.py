"""Feed files to DuckDB: each CSV through a named pipe, unpacked and counted on the way. No feeder outlives its reader."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from costctl.files import delimited, packing, tables
from costctl.ledger.records import Reading
from costctl.nouns import Progress

PATIENCE_MS = 200  # how soon a feeder notices that nobody wants more
KNOCK_SECONDS = 0.02


@dataclass
class Feeder:
    """A thread that writes one file into its pipe."""

    reading: Reading
    pipe: Path
    progress: Progress
    stopped: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        """Start; the pipe's opening waits for the reader."""
        os.mkfifo(self.pipe, 0o600)
        self.thread = threading.Thread(target=self._fed, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop the thread wherever it is, and wait for it: one whose reader never came is let in by a moment's reader."""
        self.stopped.set()
        while self.thread.is_alive():
            os.close(os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK))
            self.thread.join(KNOCK_SECONDS)

    def _fed(self) -> None:
        try:
            with self.pipe.open("wb", buffering=0) as out:
                os.set_blocking(out.fileno(), False)
                for block in packing.blocks(self.reading.bytes_at, self.progress):
                    before = self.reading.count.records
                    self.reading.count.add(block)
                    self.progress(0, self.reading.count.records - before)
                    self._write(out.fileno(), block)
        except BrokenPipeError:
            pass  # the reader stopped first and says why
        except BaseException as error:  # noqa: BLE001  carried to the thread that waits
            self.reading.fault = error

    def _write(self, out: int, block: bytes) -> None:
        room, view = select.poll(), memoryview(block)
        room.register(out, select.POLLOUT)
        while view:
            if self.stopped.is_set():
                raise BrokenPipeError
            if room.poll(PATIENCE_MS):
                view = view[os.write(out, view) :]


@contextmanager
def piped(readings: list[Reading], folder: Path, progress: Progress) -> Iterator[dict[int, tuple[Path, str]]]:
    """Yield per file the place where DuckDB may read it, and its line end; on leaving, the fault of a feeder is raised."""
    places = {
        reading.file_no: (folder / f"{reading.file_no}.csv", delimited.line_end(reading.bytes_at))
        if reading.file.content == "csv"
        else (plain(reading, folder), "")
        for reading in readings
    }
    feeders = [
        Feeder(reading, places[reading.file_no][0], progress) for reading in readings if reading.file.content == "csv"
    ]
    try:
        yield places
    except Exception:
        _ended(feeders)  # a broken file makes the reader complain; its feeder knows why
        raise
    finally:
        for feeder in feeders:
            feeder.end()
    _ended(feeders)


def _ended(feeders: list[Feeder]) -> None:
    """Wait for all feeders; raise the first fault of one."""
    for feeder in feeders:
        feeder.end()
    for feeder in feeders:
        if feeder.reading.fault is not None:
            raise feeder.reading.fault


def plain(reading: Reading, folder: Path) -> Path:
    """Return a place where DuckDB may read an unpacked JSON or Parquet file: the archive, else the spool folder; metrics as JSON."""
    if reading.file.unfolded:
        place = folder / f"{reading.file_no}.records"
        file = reading.file
        tables.write_records(reading.bytes_at, file.content, file.way, file.name, place)
        return place
    archived = reading.bytes_at != reading.file.path
    if archived and reading.file.compression == "none" and not packing.has_mark(reading.bytes_at):
        return reading.bytes_at
    place = folder / f"{reading.file_no}.{reading.file.content}"
    with place.open("wb") as out:
        out.writelines(packing.blocks(reading.bytes_at))  # without a byte order mark
    return place
