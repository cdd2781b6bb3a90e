"""The ledger's own lock: DuckDB's can be lost without a word when the file is opened in another way (reliability, b4)."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from costctl.errors import Busy, StorageFault

RETRY_SECONDS = 0.05
NOTE_LENGTH = 200


@contextmanager
def held(ledger: Path, *, write: bool, wait: float) -> Iterator[None]:
    """Hold the ledger's lock: writers alone, readers together. Raise Busy when it cannot be had within `wait` seconds."""
    handle = _opened(ledger.with_name(ledger.name + ".lock"), write=write)
    if handle is None:
        yield
        return
    try:
        _acquire(handle, fcntl.LOCK_EX if write else fcntl.LOCK_SH, ledger, wait)
        if write:
            _note(handle, f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            if write:
                _note(handle, "")
    finally:
        os.close(handle)


def _opened(path: Path, *, write: bool) -> int | None:
    """Open the lock file; a reader of a folder in which nobody may write needs none."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if write:
            what, remedy = (
                "the lock file cannot be opened",
                "The ledger and its folder must be yours to write: check their permissions.",
            )
            raise StorageFault(str(path), what, evidence=error.strerror or "", remedy=remedy) from error
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def _note(handle: int, text: str) -> None:
    """Say who holds the lock, for those who wait."""
    os.truncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)


def _acquire(handle: int, mode: int, ledger: Path, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _busy(handle, ledger, wait) from None
            time.sleep(RETRY_SECONDS)
        except OSError as error:
            what, remedy = "cannot be locked", "Keep the ledger on a local disk: this file system has no locks."
            raise StorageFault(str(ledger), what, evidence=error.strerror or "", remedy=remedy) from error
        else:
            return


def _busy(handle: int, ledger: Path, wait: float) -> Busy:
    holder = os.pread(handle, NOTE_LENGTH, 0).decode("utf-8", "replace") or "a reader: report, sql, status"
    return Busy(
        str(ledger),
        "another run holds the ledger",
        evidence=f"holder: {holder}; waited {wait:g} s",
        remedy="Run the same command again when it is done, or wait longer: --wait SECONDS.",
    )
