"""An open ledger: SQL is run on it, its faults become ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb

from costctl.errors import CostctlError, UsageError
from costctl.files.faulting import fault
from costctl.ledger import faults, limits
from costctl.nouns import Rows

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


def spool(path: Path) -> Path:
    """Return the folder beside a ledger for pipes, staged files and what spills from memory."""
    return path.with_name(path.name + ".tmp")


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
