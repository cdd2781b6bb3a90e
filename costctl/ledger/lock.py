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


@contextmanager
def held(ledger: Path, *, write: bool, wait: float) -> Iterator[None]:
    """Hold the ledger's lock: writers alone, readers together. Raise Busy when it cannot be had within `wait` seconds."""
    path = ledger.with_name(ledger.name + ".lock")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageFault(
            str(path), "the lock file cannot be opened", evidence=str(error), remedy="Check the folder's permissions."
        ) from error
    try:
        _acquire(handle, fcntl.LOCK_EX if write else fcntl.LOCK_SH, ledger, wait)
        if write:
            os.truncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, mode: int, ledger: Path, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 200, 0).decode("utf-8", "replace") or "a reader"
                raise Busy(
                    str(ledger),
                    "another run holds the ledger",
                    evidence=f"holder: {holder}",
                    remedy="Try again when it is done, or wait longer: --wait SECONDS.",
                ) from None
            time.sleep(RETRY_SECONDS)
        else:
            return
