"""Open the ledger: locked, locked down, versioned; run SQL on it; nothing else in costctl imports duckdb."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from costctl import __version__
from costctl.errors import Busy, CostctlError, InputRefused, LedgerVersion, StorageFault, UsageError
from costctl.ledger import lock
from costctl.nouns import Rows

SCHEMA_VERSION = "1"
MEMORY_LIMIT = "1GB"
GATE = "costctl-gate"
BATCH = 200  # rows of one INSERT; one by one is five times slower


class GateFired(Exception):
    """A strict cast on the fast path met a text that does not pass; the delivery goes through the recording path."""


class Ledger:
    """An open ledger: one DuckDB connection, its file and the folder beside it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path | None) -> None:
        """Wrap an open connection; `path` is None for a ledger in memory."""
        self.connection = connection
        self.path = path

    @property
    def archive(self) -> Path:
        """Return the folder that keeps source bytes by hash."""
        if self.path is None:
            raise CostctlError("", "a ledger in memory has no archive")
        return self.path.with_name(self.path.name + ".files")

    def run(self, sql: str, parameters: dict[str, Any] | None = None) -> Rows:
        """Run one statement and return its answer; DuckDB's faults become ours."""
        try:
            done = self.connection.execute(sql, parameters) if parameters else self.connection.execute(sql)
            if not done.description:
                return Rows((), (), [])
            names = tuple(item[0] for item in done.description)
            types = tuple(str(item[1]) for item in done.description)
            return Rows(names, types, done.fetchall())
        except duckdb.Error as error:
            raise _ours(error, self.path) from error

    def value(self, sql: str, parameters: dict[str, Any] | None = None) -> Any:
        """Return the first value of a statement's answer, or None."""
        rows = self.run(sql, parameters).rows
        return rows[0][0] if rows else None

    def insert(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Append rows of Python values to a table; the table's name is ours, never the user's."""
        rows = list(rows)
        try:
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                marks = "(" + ", ".join("?" for _ in batch[0]) + ")"
                self.connection.execute(
                    f"INSERT INTO {table} VALUES {', '.join([marks] * len(batch))}",
                    [value for row in batch for value in row],
                )
        except duckdb.Error as error:
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
        except BaseException:
            # After a fatal error the database refuses even ROLLBACK; the transaction is gone with the process then.
            with suppress(duckdb.Error):
                self.connection.execute("ROLLBACK")
            raise
        self.run("COMMIT")

    def meta(self, key: str) -> str | None:
        """Return a fact about the ledger itself."""
        found: str | None = self.value("SELECT value FROM ledger.meta WHERE key = $key", {"key": key})
        return found

    def set_meta(self, key: str, value: str) -> None:
        """Record a fact about the ledger itself."""
        self.run("INSERT OR REPLACE INTO ledger.meta VALUES ($key, $value)", {"key": key, "value": value})


def _ours(error: duckdb.Error, path: Path | None) -> Exception:
    """Translate a DuckDB error: a gate, a damaged ledger, a full disk, a lock, or the message as it is."""
    text = str(error)
    if GATE in text:
        return GateFired(text)
    if "Corrupt database file" in text or ("Could not read enough bytes" in text and f'"{path}"' in text):
        return StorageFault(
            str(path or "the ledger"),
            "is damaged",
            evidence=text.splitlines()[0],
            remedy="Put a copy of it in its place, or move it aside; ingesting the deliveries again makes a new one.",
        )
    if "No space left" in text or isinstance(error, duckdb.FatalException) or errno.errorcode[errno.ENOSPC] in text:
        return StorageFault(
            "the ledger",
            "the storage failed; the last committed state is safe",
            evidence=text.splitlines()[0],
            remedy="Free some space, then run the same command again.",
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageFault(
            "the ledger",
            f"the memory limit of {MEMORY_LIMIT} or the disk for spilling is used up",
            evidence=text.splitlines()[0],
            remedy="Free some disk space beside the ledger.",
        )
    return error


@contextmanager
def opened(path: Path, *, write: bool, wait: float = 10, folders: Iterable[Path] = ()) -> Iterator[Ledger]:
    """Open a ledger file under its lock; `folders` may be read from and exported to, nothing else outside may.

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
        connection = _connected(path, write=write)
        try:
            ledger = Ledger(connection, path)
            if write and ledger.value("SELECT count(*) = 0 FROM duckdb_tables()"):
                create(connection)
            _lock_down(connection, path, folders)
            _check_version(ledger)
            yield ledger
        finally:
            _closed(connection)


def _swept(path: Path) -> None:
    """Remove what a killed run left beside the ledger; its lock is ours alone, so nobody works there."""
    shutil.rmtree(f"{path}.tmp", ignore_errors=True)
    for half in Path(f"{path}.files").glob(".*.tmp"):
        half.unlink(missing_ok=True)


def _connected(path: Path, *, write: bool) -> duckdb.DuckDBPyConnection:
    try:
        connection = duckdb.connect(str(path), read_only=not write)
    except duckdb.IOException as error:
        text = str(error).splitlines()[0]
        if "lock" in text.lower():
            raise Busy(
                str(path), "another program has the ledger open", evidence=text, remedy="Close it and try again."
            ) from error
        raise StorageFault(
            str(path),
            "cannot be opened as a ledger",
            evidence=text,
            remedy="Move the file aside; ingesting the deliveries again makes a new one.",
        ) from error
    except duckdb.Error as error:
        raise StorageFault(
            str(path),
            "cannot be opened as a ledger",
            evidence=str(error).splitlines()[0],
            remedy="Move the file aside; ingesting the deliveries again makes a new one.",
        ) from error
    return connection


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the ledger's tables in one transaction."""
    connection.execute("BEGIN")
    connection.execute("CREATE SCHEMA ledger")
    for statement in duckdb.extract_statements(
        (resources.files("costctl.ledger") / "schema.sql").read_text(encoding="utf-8")
    ):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO ledger.meta VALUES ('schema_version', $v), ('created_by', $by)",
        {"v": SCHEMA_VERSION, "by": __version__},
    )
    connection.execute("COMMIT")


def _lock_down(connection: duckdb.DuckDBPyConnection, path: Path | None, folders: Iterable[Path]) -> None:
    """Settings first, then the folders, then no external access, then no further settings."""
    temporary = str(path) + ".tmp" if path else tempfile.gettempdir()
    allowed = {str(folder.absolute()) for folder in folders} | ({str(path) + ".files", temporary} if path else set())
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET temp_directory = ?", [temporary])
    connection.execute("SET allowed_directories = ?", [sorted(allowed)])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _check_version(ledger: Ledger) -> None:
    try:
        found = ledger.meta("schema_version")
    except duckdb.Error as error:
        raise LedgerVersion(
            str(ledger.path),
            "is a DuckDB file but not a ledger",
            evidence=str(error).splitlines()[0],
            remedy="Name another file with --ledger.",
        ) from error
    if found != SCHEMA_VERSION:
        raise LedgerVersion(
            str(ledger.path),
            f"was written for schema {found}; this costctl {__version__} knows {SCHEMA_VERSION}",
            remedy="Use the costctl that wrote it, or ingest the deliveries into a new ledger.",
        )


def _closed(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):
        connection.close()


@contextmanager
def in_memory() -> Iterator[Ledger]:
    """Open a ledger that lives in memory only, with all its tables."""
    connection = duckdb.connect()
    try:
        create(connection)
        _lock_down(connection, None, [])
        yield Ledger(connection, None)
    finally:
        connection.close()


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
    except (duckdb.Error, GateFired) as error:
        raise UsageError(
            "sql",
            "the query is not valid",
            evidence=str(error).splitlines()[:3],
            remedy='The views: costctl sql "SELECT * FROM duckdb_views() WHERE NOT internal"',
        ) from error


def input_fault(error: Exception, name: str) -> InputRefused | None:
    """Return DuckDB's complaint about an input file as a refusal, or None where it is something else."""
    if isinstance(
        error,
        duckdb.InvalidInputException
        | duckdb.ConversionException
        | duckdb.IOException
        | duckdb.OutOfRangeException
        | GateFired,
    ):
        return InputRefused(
            name, "cannot be read", evidence=str(error).splitlines()[:2], remedy="Fetch or export it again."
        )
    return None
