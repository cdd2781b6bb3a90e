"""Open a ledger file under its lock, or one in memory: its tables made where there are none, locked down, of the version that is known."""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path

import duckdb

from costctl import __version__
from costctl.errors import LedgerVersion, StorageFault, UsageError
from costctl.files import writing
from costctl.files.faulting import fault
from costctl.ledger import faults, limits, lock
from costctl.ledger.store.session import Ledger, spool, statements

SCHEMA_VERSION = "13"
SHOWN_TABLES = 5
REBUILT = ".rebuilt"


@contextmanager
def opened(path: Path, *, write: bool, wait: float = 10, archive: Path | None = None) -> Iterator[Ledger]:
    """Open a ledger file under its lock; its own folders may be read from, nothing else outside may.

    `archive` is where its source bytes are when not beside it. An heir that is named meanwhile takes its place at the end.

    Raises Busy, LedgerVersion, StorageFault, and UsageError where a reader finds no ledger.
    """
    path = path.absolute()
    if not write and not path.exists():
        raise UsageError(
            str(path),
            "there is no ledger here",
            remedy="Make one: costctl ingest PATH, or costctl demo to see an example.",
        )
    if not path.parent.is_dir():
        raise UsageError(
            str(path.parent), "no such folder", remedy="Make it first, or choose another place with --ledger."
        )
    with lock.held(path, write=write, wait=wait):
        if write:
            _swept(path)
        try:
            with _connected(path, archive, write=write) as ledger:
                yield ledger
            if ledger.heir:
                _succeed(path, ledger.heir)
        finally:
            if write:
                _swept(path)


@contextmanager
def _connected(path: Path, archive: Path | None, *, write: bool) -> Iterator[Ledger]:
    """Connect to a ledger file whose lock is held."""
    try:
        connection = duckdb.connect(str(path), read_only=not write)
    except duckdb.Error as error:
        raise faults.opening(error, path) from error
    try:
        ledger = Ledger(connection, path, archive)
        _ready(ledger, [archive] if archive else [], write=write)
        yield ledger
    except duckdb.Error as error:
        raise faults.escaped(error, path) or error from error
    finally:
        _closed(connection)


def _succeed(path: Path, heir: Path) -> None:
    """Put a closed ledger in the place of another closed one: the old file or the new one, never anything between."""
    if Path(f"{path}.wal").exists():
        remedy = "Run the same command again; the ledger is as it was."
        raise StorageFault(str(path), "was not closed cleanly", remedy=remedy)
    fault("rebuilt")
    heir.replace(path)
    writing.fsync_directory(path.parent)
    fault("swapped")


def _swept(path: Path) -> None:
    """Remove what a killed run left beside the ledger; its lock is ours alone, so nobody works there."""
    shutil.rmtree(spool(path), ignore_errors=True)
    for half in (*Path(f"{path}.files").glob(".*.tmp"), *path.parent.glob(f"{glob.escape(path.name)}{REBUILT}*")):
        shutil.rmtree(half, ignore_errors=True) if half.is_dir() else half.unlink(missing_ok=True)


def rebuilt(path: Path) -> Path:
    """Return where a ledger is made again before it takes the old one's place."""
    return path.with_name(path.name + REBUILT)


def _ready(ledger: Ledger, folders: Iterable[Path], *, write: bool) -> None:
    """Make the tables where there are none, lock the connection down, and check the version."""
    if not _is_one(ledger):
        names = "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
        tables = [row[0] for row in ledger.run(names).rows]
        if tables or not write:
            what, remedy = "is a DuckDB file but not a ledger", "Name another file with --ledger."
            raise LedgerVersion(str(ledger.path), what, evidence=", ".join(tables[:SHOWN_TABLES]), remedy=remedy)
        create(ledger)
    _lock_down(ledger.connection, ledger.path, folders)
    _check_version(ledger)


def _is_one(ledger: Ledger) -> bool:
    """Tell a ledger by its table of facts: asking for that one is ten times as fast as for a list of all."""
    try:
        ledger.connection.execute("SELECT value FROM ledger.meta LIMIT 0")
    except duckdb.CatalogException:
        return False
    return True


def create(ledger: Ledger) -> None:
    """Create the ledger's tables in one transaction."""
    with ledger.transaction():
        ledger.run("CREATE SCHEMA ledger")
        for statement in statements((resources.files("costctl.ledger") / "schema.sql").read_text(encoding="utf-8")):
            ledger.run(statement)
        ledger.set_meta("schema_version", SCHEMA_VERSION)
        ledger.set_meta("created_by", __version__)


def _lock_down(connection: duckdb.DuckDBPyConnection, path: Path | None, folders: Iterable[Path]) -> None:
    """Settings first, then the folders, then no external access, then no further settings."""
    temporary = str(spool(path)) if path else tempfile.gettempdir()
    allowed = {str(folder.absolute()) for folder in folders} | ({str(path) + ".files", temporary} if path else set())
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    # A command ends with a checkpoint; one after each month takes as long again.
    connection.execute("SET checkpoint_threshold = '1GB'")
    # DuckDB 2.0.0 takes a sum for 0 in a comparison where an empty table is joined from the left under a condition of its own (tests/test_ledger.py).
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    connection.execute("SET enable_progress_bar = true")  # told by query_progress, never printed
    connection.execute("SET enable_progress_bar_print = false")
    connection.execute("SET memory_limit = ?", [limits.memory()])
    ((usual,),) = connection.execute("SELECT current_setting('threads')").fetchall()
    connection.execute("SET threads = ?", [limits.threads(usual)])
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET temp_directory = ?", [temporary])
    connection.execute("SET allowed_directories = ?", [sorted(allowed)])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _check_version(ledger: Ledger) -> None:
    found = ledger.meta("schema_version")
    if found != SCHEMA_VERSION:
        raise LedgerVersion(
            str(ledger.path),
            f"was written for schema {found}; this costctl {__version__} knows {SCHEMA_VERSION}",
            remedy="Use the costctl that wrote it, or ingest the deliveries into a new ledger (--ledger NEW).",
        )


def _closed(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):
        connection.close()


@contextmanager
def scratch(folders: Iterable[Path]) -> Iterator[Ledger]:
    """Open a database in memory without a ledger's tables, to look into the files of some folders."""
    ledger = Ledger(duckdb.connect(), None)
    try:
        _lock_down(ledger.connection, None, folders)
        yield ledger
    finally:
        ledger.connection.close()


@contextmanager
def in_memory() -> Iterator[Ledger]:
    """Open a ledger that lives in memory only, with all its tables."""
    ledger = Ledger(duckdb.connect(), None)
    try:
        _ready(ledger, [], write=True)
        yield ledger
    finally:
        ledger.connection.close()
