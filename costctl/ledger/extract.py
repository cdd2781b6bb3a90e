"""Extracts: the rows of a query or a table written to a file while they are read, so that their number does not matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from costctl.errors import UsageError, nearest, shown
from costctl.files import parquet, writing
from costctl.ledger import build
from costctl.ledger.store import Ledger
from costctl.nouns import Span

BATCH = 100_000
CHARGES, KEYS = "charges", ("source", "delivery_id", "file_no", "record_no", "part_no")
STRETCH = 250_000  # records
PLACE = "(CAST(file_no AS BIGINT) * 1000000000 + record_no // $stretch)"
IN_STRETCH = f"source = $source AND delivery_id = $delivery_id AND {PLACE} BETWEEN $first_place AND $last_place"
MONTH, MOMENTS = "billing_period", ("ChargePeriodStart", "slot_start", "ts_start", "day")
INSIDE = ("meta",)  # no business of a reader


@dataclass(frozen=True)
class Extract:
    """What is written: a SELECT with its values, its order within a part, and the parts one after the other."""

    name: str
    sql: str
    values: dict[str, Any]
    order: tuple[str, ...]
    parts: tuple[dict[str, Any], ...]  # per part its values, and how many `rows` it has
    facts: dict[str, str] = field(default_factory=dict)  # said in the file itself where it can say something

    @property
    def rows(self) -> int:
        """Return how many rows will be written."""
        return sum(part["rows"] for part in self.parts)

    def values_of(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return the values that the query of a part refers to; DuckDB refuses any other."""
        return {key: value for key, value in {**self.values, **part}.items() if re.search(rf"\${key}\b", self.sql)}


def known(ledger: Ledger) -> list[str]:
    """Return the tables that can be extracted."""
    return sorted(build.tables(ledger) - set(INSIDE))


def table(ledger: Ledger, name: str, span: Span | None) -> Extract:
    """Return a table of the ledger, of one period where its rows have one; raise UsageError for a name there is not."""
    name = name.replace("-", "_")
    if name not in known(ledger):
        near = nearest(name, ["focus", *known(ledger)])
        raise UsageError(
            "export",
            f"there is nothing named {shown(name)} to export",
            remedy=f"{near}costctl export lists what there is.",
        )
    columns = ledger.run(f"SELECT * FROM ledger.{name} LIMIT 0").columns
    when, values = _when(columns, span)
    if name == CHARGES:
        sql = f"SELECT * FROM ledger.charges WHERE {when} AND {IN_STRETCH}"
        return Extract(name, sql, values, KEYS, stretches(ledger, when, values))
    sql = f"SELECT * FROM ledger.{name} WHERE {when}"
    rows = ledger.value(f"SELECT count(*) FROM ({sql})", values)
    return Extract(name, sql, values, columns, ({"rows": rows},))


def _when(columns: tuple[str, ...], span: Span | None) -> tuple[str, dict[str, Any]]:
    """Return the condition that keeps a table to a period: by billing months where both know them, else by moments."""
    moment = next((name for name in MOMENTS if name in columns), None)
    column = MONTH if MONTH in columns and (moment is None or not span or span.whole_months) else moment
    if span is None or column is None:
        return "TRUE", {}
    return f"{column} >= $start AND {column} < $end", {"start": span.start, "end": span.end}


def stretches(ledger: Ledger, when: str, values: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the stretches of records that hold the charges of a condition, in order, each small enough to be sorted in memory."""
    query = f"SELECT source, delivery_id, {PLACE} AS first_place, {PLACE} AS last_place, count(*) AS rows FROM ledger.charges WHERE {when} GROUP BY ALL ORDER BY ALL"
    parts: list[dict[str, Any]] = []
    for part in ledger.run(query, {**values, "stretch": STRETCH}).dicts():
        last = parts[-1] if parts else None
        if last and last["delivery_id"] == part["delivery_id"] and last["rows"] + part["rows"] <= STRETCH:
            parts[-1] = last | {"last_place": part["last_place"], "rows": last["rows"] + part["rows"]}
        else:
            parts.append({**part, "stretch": STRETCH})
    return tuple(parts)


def to_file(
    ledger: Ledger, made: Extract, kind: str, path: Path, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Write an extract as `parquet` or `csv`, whole or not at all."""
    if kind == "parquet":
        readers = _readers(ledger, made, f"SELECT * FROM ({made.sql}) ORDER BY {', '.join(made.order)}")
        writing.write_atomic(path, lambda place: parquet.write_stream(place, readers, made.facts, progress))
        return

    def filled(place: Path) -> None:
        with place.open("wb") as out:
            to_stream(ledger, made, out, progress)

    writing.write_atomic(path, filled)


def to_stream(ledger: Ledger, made: Extract, out: IO[bytes], progress: Callable[[int], None] = lambda _: None) -> None:
    """Write an extract as CSV: LF, quotes where needed, decimals in plain digits, times as ISO 8601 in UTC."""
    first = made.parts[0] if made.parts else _nothing(made)
    shape = ledger.run(f"SELECT * FROM ({made.sql}) LIMIT 0", made.values_of(first))
    out.write((",".join(shape.columns) + "\n").encode())
    cells = ", ".join(
        f"COALESCE({_cell(name, kind)}, '')" for name, kind in zip(shape.columns, shape.types, strict=True)
    )
    line = f"SELECT concat_ws(',', {cells}) || chr(10) AS line, {', '.join(made.order)} FROM ({made.sql})"
    for reader in _readers(ledger, made, f"SELECT line FROM ({line}) ORDER BY {', '.join(made.order)}"):
        for batch in reader:
            out.write("".join(batch.column(0).to_pylist()).encode())
            progress(batch.num_rows)


def _readers(ledger: Ledger, made: Extract, sql: str) -> Iterator[Any]:
    for part in made.parts or (_nothing(made),):
        with ledger.stream(sql, made.values_of(part), BATCH) as reader:
            yield reader


def _nothing(made: Extract) -> dict[str, Any]:
    """Return a part without rows, so that a file without rows still has its columns."""
    return dict.fromkeys(re.findall(r"\$(\w+)", made.sql)) | {"rows": 0}


def _cell(name: str, kind: str) -> str:
    """Return the SQL of a CSV field: the shortest text that reads back as the same value."""
    if kind.startswith("DECIMAL") and not kind.endswith(",0)"):
        return f"rtrim(rtrim(CAST({name} AS VARCHAR), '0'), '.')"
    if kind.startswith("TIMESTAMP"):
        moment = f"({name} AT TIME ZONE 'UTC')" if kind.endswith("ZONE") else name
        whole, parts = (f"strftime({moment}, '%Y-%m-%dT%H:%M:%{digits}Z')" for digits in ("S", "S.%f"))
        return f"CASE WHEN date_trunc('second', {moment}) = {moment} THEN {whole} ELSE {parts} END"
    text = f"CAST({name} AS VARCHAR)"
    if kind in ("BIGINT", "INTEGER", "HUGEINT", "BOOLEAN", "DATE") or kind.startswith("DECIMAL"):
        return text
    return f"CASE WHEN {text} = '' OR regexp_matches({text}, '[\",\\r\\n]') THEN '\"' || replace({text}, '\"', '\"\"') || '\"' ELSE {text} END"
