"""Parquet: schemas and page checksums when a file comes in, exact decimals when one goes out. The only pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused
from costctl.nouns import Rows

TAKEN = ("file_row_number", "file_index")  # by DuckDB's reader
MONEY = (20, 18)  # digits before and after the point that an amount may have


@dataclass(frozen=True)
class Place:
    """A column, or a field inside one: the names that lead to it, and its kind: number, time … or text for all others."""

    path: tuple[str, ...]
    kind: str  # double | decimal | integer | time | map | nested | text


def header(path: Path) -> tuple[str, ...]:
    """Return the names of a Parquet file's columns, then of the fields inside them, dotted; raise InputRefused where its footer is broken."""
    return tuple(".".join(place.path) for place in places(path))


def places(path: Path) -> tuple[Place, ...]:
    """Return the columns of a Parquet file, then the fields of its structs, in the order of `header`."""
    names = _opened(path).schema_arrow
    if taken := next((field.name for field in names if field.name.lower() in TAKEN), None):
        what = f"has a column {taken}, which is what the reader calls its own count of records and files"
        raise InputRefused(str(path), what, remedy="Export it under another name.")
    found = [place for field in names for place in _within((), field)]
    return tuple(sorted(found, key=lambda place: len(place.path) > 1))


def schema(path: Path) -> str:
    """Return names and types of a Parquet file's columns, in their order, as a text that is the same where they are."""
    return str(_opened(path).schema_arrow.to_string(show_field_metadata=False, show_schema_metadata=False))


def _within(parents: tuple[str, ...], field: Any) -> Iterator[Place]:
    """Yield a field, then those inside it; a list or a map stays one."""
    import pyarrow as pa

    path = (*parents, field.name)
    yield Place(path, _kind(field.type))
    for inner in field.type if pa.types.is_struct(field.type) else ():
        yield from _within(path, inner)


def _kind(type_: Any) -> str:
    """Tell what a column holds; what would not survive a typed reading unchanged counts as text."""
    from pyarrow import types

    if types.is_float64(type_):
        return "double"
    if types.is_decimal128(type_) and type_.precision - type_.scale <= MONEY[0] and 0 <= type_.scale <= MONEY[1]:
        return "decimal"
    if types.is_integer(type_):
        return "integer"
    if types.is_date(type_) or (types.is_timestamp(type_) and type_.unit != "ns"):
        return "time"
    if types.is_map(type_) and types.is_string(type_.key_type) and types.is_string(type_.item_type):
        return "map"
    return "nested" if types.is_nested(type_) else "text"


def records(path: Path) -> int:
    """Return the number of rows in a Parquet file's footer."""
    return int(_opened(path).metadata.num_rows)


def raw(path: Path, wanted: set[int]) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield (number, values as text by column) of the wanted rows, counted from 1; row groups without one are not read."""
    file, first = _opened(path), 1
    for group in range(file.num_row_groups):
        behind = first + file.metadata.row_group(group).num_rows
        numbers = sorted(number for number in wanted if first <= number < behind)
        if numbers:
            table = file.read_row_group(group)
            for number in numbers:
                (row,) = table.slice(number - first, 1).to_pylist()
                yield number, {name: None if value is None else str(value) for name, value in row.items()}
        first = behind


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, page_checksum_verification=True, coerce_int96_timestamp_unit="us")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: names that are no text
        remedy = "Fetch the file again, and compare its size with the original's."
        evidence = str(error).splitlines()[0]
        raise InputRefused(str(path), "is not a whole Parquet file", evidence=evidence, remedy=remedy) from error


def write(path: Path, found: Rows) -> None:
    """Write rows as Parquet, decimals as decimals of the same precision and scale."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, _arrow_type(kind)) for name, kind in zip(found.columns, found.types, strict=True)]
    columns = list(zip(*found.rows, strict=True)) if found.rows else [()] * len(fields)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, fields, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path, compression="zstd")


def write_stream(path: Path, readers: Iterable[Any], facts: dict[str, str], progress: Callable[[int], None]) -> None:
    """Write the batches of several Arrow readers of one schema, none of which is held whole; `facts` go into the footer."""
    import pyarrow.parquet as pq

    writer = None
    try:
        for reader in readers:
            writer = writer or pq.ParquetWriter(path, reader.schema.with_metadata(facts), compression="zstd")
            for batch in reader:
                writer.write_batch(batch)
                progress(batch.num_rows)
    finally:
        if writer is not None:
            writer.close()


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    if kind.startswith("DECIMAL"):
        precision, scale = kind[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    simple = {
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us"),
        "DOUBLE": pa.float64(),
    }
    return simple.get(kind, pa.string())
