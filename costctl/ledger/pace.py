"""How far a statement has come while it runs, for those who wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from costctl.ledger.store import Ledger

EVERY = 0.2  # seconds


@contextmanager
def told(ledger: Ledger, size: int, progress: Callable[[int], None]) -> Iterator[None]:
    """Tell `progress` of `size` bytes while the statements inside read them, by DuckDB's own estimate; behind them, of the rest."""
    if not size:
        yield
        return
    done, seen = threading.Event(), 0

    def watch() -> None:
        nonlocal seen
        while not done.wait(EVERY):
            now = int(size * ledger.connection.query_progress() / 100)  # -1 where it cannot tell
            if now > seen:
                progress(now - seen)
                seen = now

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    progress(size - seen)
