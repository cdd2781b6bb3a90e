"""Open the ledger: locked, locked down, versioned; run SQL on it; nothing else in costctl imports duckdb."""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from costctl import __version__
from costctl.errors import CostctlError, LedgerVersion, StorageFault, UsageError
from costctl.files import writing
from costctl.files.faulting import fault
from costctl.ledger import faults, limits, lock
from costctl.nouns import Rows

SCHEMA_VERSION = "13"
SHOWN_TABLES = 5
REBUILT = ".rebuilt"
KEPT = 500  # statements that stay parsed: one command has about 200 of its own


class Ledger:
    """An open ledger: one DuckDB connection, its file and the folder beside it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path | None, archive: Path | None = None) -> None:
        """Wrap an open connection; `path` is None for a ledger in memory."""
        self.connection = connection
        self.path = path
        self.heir: Path | None = None  # a closed ledger that is to take this one's place
        self.gates: dict[str, str] = {}  # the casts that are bound, by name
        self._archive = archive

    @property
    def archive(self) -> Path:
        """Return the folder that keeps source bytes by hash."""
        if self.path is None:
            raise CostctlError("", "a ledger in memory has no archive")
        return self._archive or self.path.with_name(self.path.name + ".files")

    @property
    def spool(self) -> Path:
        """Return the folder for pipes, staged files and what spills from memory."""
        if self.path is None:
            raise CostctlError("", "a ledger in memory has no folder beside it")
        return spool(self.path)

    def run(self, sql: str, parameters: dict[str, Any] | None = None) -> Rows:
        """Run one statement and return its answer; DuckDB's faults become ours."""
        try:
            done = self.connection.execute(_parsed(sql), parameters or None)
            if not done.description:
                return Rows((), (), [])
            names = tuple(item[0] for item in done.description)
            types = tuple(str(item[1]) for item in done.description)
            return Rows(names, types, done.fetchall())
        except (duckdb.Error, RuntimeError) as error:
            raise _ours(error, self.path) from error

    @contextmanager
    def stream(self, sql: str, parameters: dict[str, Any], rows: int) -> Iterator[Any]:
        """Lend an Arrow reader over a statement's answer, so many rows at a time; the answer is never held whole."""
        try:
            yield self.connection.sql(sql, params=parameters or None).to_arrow_reader(rows)
        except (duckdb.Error, RuntimeError) as error:
            raise _ours(error, self.path) from error

    def value(self, sql: str, parameters: dict[str, Any] | None = None) -> Any:
        """Return the first value of a statement's answer, or None."""
        rows = self.run(sql, parameters).rows
        return rows[0][0] if rows else None

    def insert(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Append rows of Python values to a table; the table's name is ours, never the user's."""
        columns = [[_bound(value) for value in column] for column in zip(*rows, strict=True)]
        if not columns:
            return
        listed = ", ".join(f"unnest($c{number})" for number in range(len(columns)))
        values = {f"c{number}": column for number, column in enumerate(columns)}
        try:  # whole columns at once: a row at a time takes thirty times as long
            self.connection.execute(_parsed(f"INSERT INTO {table} SELECT {listed}"), values)
        except (duckdb.Error, RuntimeError) as error:
            raise _ours(error, self.path) from error

    def replace(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Have a table hold these rows and no others."""
        self.run(f"DELETE FROM {table}")
        self.insert(table, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it."""
        self.run("BEGIN")
        try:
            yield
            fault("committing")
            self.run("COMMIT")
            fault("committed")
        except BaseException:
            # After a fatal error the database refuses even ROLLBACK; the transaction is gone with the process then.
            with suppress(duckdb.Error):
                self.connection.execute("ROLLBACK")
            raise

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Take back everything that happens inside, however it ends; TEMP tables and views with it."""
        self.run("BEGIN")
        try:
            yield
            fault("supposed")
        finally:
            with suppress(duckdb.Error):  # as above; what was not committed is in no file
                self.connection.execute("ROLLBACK")

    def columns(self, table: str) -> dict[str, str]:
        """Return the columns of a table, each with its type."""
        return {row[0]: row[1] for row in self.run(f"DESCRIBE {table}").rows}

    def meta(self, key: str) -> str | None:
        """Return a fact about the ledger itself."""
        found: str | None = self.value("SELECT value FROM ledger.meta WHERE key = $key", {"key": key})
        return found

    def set_meta(self, key: str, value: str) -> None:
        """Record a fact about the ledger itself."""
        self.run("INSERT OR REPLACE INTO ledger.meta VALUES ($key, $value)", {"key": key, "value": value})


@lru_cache(KEPT)
def _parsed(sql: str) -> Any:
    """Return a text as the one statement it is, parsed once: to read a model takes as long as to run it on an empty table."""
    try:
        (statement,) = duckdb.extract_statements(sql)
    except (duckdb.Error, ValueError):  # several of them, or none: told where it is run
        return sql
    return statement


def _bound(value: Any) -> Any:
    """A decimal goes as its text: a list of decimals would take the scale of one of them."""
    return str(value) if isinstance(value, Decimal) else value


def _ours(error: Exception, path: Path | None) -> BaseException:
    """Translate what DuckDB raises; an interrupted query is the user's Ctrl-C."""
    if isinstance(error, duckdb.InterruptException) or "Query interrupted" in str(error):
        return KeyboardInterrupt()
    return faults.ours(error, limits.memory(), path)


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


def spool(path: Path) -> Path:
    """Return the folder beside a ledger for pipes, staged files and what spills from memory."""
    return path.with_name(path.name + ".tmp")


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


def statements(text: str) -> list[str]:
    """Split SQL text into its statements."""
    return [item.query for item in duckdb.extract_statements(text)]


def refused(ledger: Ledger, sql: str) -> Rows:
    """Run a user's own query; its mistakes are usage errors."""
    try:
        parsed = duckdb.extract_statements(sql)
        if len(parsed) != 1 or parsed[0].type not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
            raise UsageError(
                "sql", "exactly one SELECT is allowed", remedy="The ledger is changed by ingest and run only."
            )
        return ledger.run(sql)
    except (duckdb.Error, faults.GateFired) as error:
        raise UsageError(
            "sql",
            "the query is not valid",
            evidence=str(error).splitlines()[:3],
            remedy='The views: costctl sql "SELECT * FROM duckdb_views() WHERE NOT internal"',
        ) from error
