"""How far a statement has come while it runs, for those who wait for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from costctl.ledger.store import Ledger
from costctl.nouns import Progress

EVERY = 0.2  # seconds


@contextmanager
def told(ledger: Ledger, size: int, rows: int, progress: Progress) -> Iterator[None]:
    """Tell `progress` of bytes and rows while the statements inside read them, by DuckDB's own estimate; behind them, of the rest."""
    if not size:
        yield
        return
    done, seen, seen_rows = threading.Event(), 0, 0

    def watch() -> None:
        nonlocal seen, seen_rows
        while not done.wait(EVERY):
            part = ledger.connection.query_progress() / 100  # less than 0 where it cannot tell
            now, now_rows = int(size * part), int(rows * part)
            if now > seen:
                progress(now - seen, now_rows - seen_rows)
                seen, seen_rows = now, now_rows

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    progress(size - seen, rows - seen_rows)


@contextmanager
def taken_back(progress: Progress) -> Iterator[Progress]:
    """Yield what tells `progress`; where the work fails, and is done again, what was told is taken back."""
    lock, seen = threading.Lock(), [0, 0]

    def tell(amount: int, rows: int = 0) -> None:
        with lock:  # each file's feeder tells of its own
            seen[0] += amount
            seen[1] += rows
        progress(amount, rows)

    try:
        yield tell
    except Exception:
        progress(-seen[0], -seen[1])
        raise
