"""Maps of token counts and of chip time: which of their columns are which of the documented sources `hourly` and `chip_time`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from costctl.columnmaps import parts, spellings
from costctl.config.bills import ColumnMap
from costctl.documents import Place, Problem
from costctl.errors import shown
from costctl.formats import as_written, fold
from costctl.nouns import Column, Format

MOMENT = "time"  # of a request: when it was done
START, END = "ts_start", "ts_end"
RECORDS, KEYED = "FROM records", "FROM (SELECT * REPLACE ({key} AS id) FROM records) AS records"
WORDS = {  # what a constant of a column may be: what fits it, and in words
    "whole": (r"\d{1,18}", "a whole number"),
    "chips": (r"(?=.*[1-9])\d{1,12}(\.\d{1,6})?", "a number of chips above 0"),
    "chip_state": ("serving|training|startup|idle|maintenance", "serving, training, startup, idle or maintenance"),
    "task": ("generate|embed|rerank|image|audio|video|other", "a task such as generate or embed"),
    "outcome": ("ok|client_abort|client_error|platform_error|retry", "an outcome such as ok or retry"),
}
FIXED = ("whole", "chips", "instant")  # types whose texts are no words


def _titles(base: Format) -> list[str]:
    """Return the names under which a source documents its columns."""
    return list(
        dict.fromkeys([column.header for column in base.columns] + [h for c in base.columns for h in c.headers[1:]])
    )


def _named(column: Column, names: dict[str, str]) -> str | None:
    """Return what a map says of a column, by whichever of its names."""
    return next((value for name, value in names.items() if fold(name) in column.headers), None)


def problems(name: str, item: ColumnMap, base: Format, shipped: dict[str, Format]) -> Iterator[Problem]:
    """Find what makes a map one that cannot be read by."""
    yield from parts.problems(name, item, _titles(base), shipped)
    yield from _twice(name, item, base)
    yield from _constants(name, item, base)
    yield from _gaps(name, item, base)
    types = {column.header: column.type for column in base.columns}
    for title in item.values:
        at = ("formats", name, "values", title)
        if title not in item.columns:
            yield Problem(at, f"formats.{name}.values.{title}: the column is not mapped", of_key=True)
        elif types.get(title, "instant") in FIXED:
            yield Problem(at, f"formats.{name}.values.{title}: only words can be replaced", of_key=True)
    if item.role and base.target != "token_usage":
        yield Problem(("formats", name, "role"), f"formats.{name}.role: is for `target: tokens`")
    for part in ("money", "tags"):
        if getattr(item, part):
            yield Problem(("formats", name, part), f"formats.{name}.{part}: is for bills; usage has no {part}")


def _twice(name: str, item: ColumnMap, base: Format) -> Iterator[Problem]:
    """Find columns that are filled from two places."""
    for column in base.columns:
        both = [title for title in item.columns if fold(title) in column.headers]
        if len(both) > 1:
            what = f"formats.{name}.columns: {both[0]} and {both[1]} both say {column.header}; keep one of the two"
            yield Problem(("formats", name, "columns", both[1]), what, of_key=True)


def _constants(name: str, item: ColumnMap, base: Format) -> Iterator[Problem]:
    """Find constants that cannot hold for every record."""
    types = {column.header: column.type for column in base.columns}
    for title, value in item.constants.items():
        at, said = ("formats", name, "constants", title), f"formats.{name}.constants.{title}"
        fits, words = WORDS.get(types.get(title, ""), WORDS.get(title, (".*", "")))
        if title in item.columns:
            yield Problem(at, f"{said}: the column is mapped already", of_key=True)
        elif types.get(title, "instant") == "instant":
            yield Problem(at, f"{said}: a time cannot be the same in every record", of_key=True)
        elif not re.fullmatch(fits, value.lower(), re.DOTALL):
            yield Problem(at, f"{said}: must be {words} (got {shown(value)})")


def _gaps(name: str, item: ColumnMap, base: Format) -> Iterator[Problem]:
    """Find what such a record cannot do without."""
    here: Place = ("formats", name, "columns")
    for column in base.columns:
        follows = column.name == END and item.grain and _named(_column_of(base, START), item.columns)
        if not column.filled or follows or _named(column, item.columns) or _named(column, item.constants):
            continue
        hints = {
            START: f": or map {MOMENT}, when a request was done" if _has_moment(base) else "",
            END: ": map it, or say `grain:`, how long a record lasts",
        }
        what = f"formats.{name}.columns: {column.header} is missing{hints.get(column.name, ': map it, or name it under `constants:`')}"
        if column.name != END or _named(_column_of(base, START), item.columns):
            yield Problem(here, what, missing=True)
    counts = [column for column in base.columns if column.type == "whole"]
    if counts and not any(_named(column, item.columns) for column in counts):
        yield Problem(
            here,
            f"formats.{name}.columns: no count is mapped: which column is input, output or requests?",
            missing=True,
        )


def _column_of(base: Format, name: str) -> Column:
    return next(column for column in base.columns if column.name == name)


def _has_moment(base: Format) -> bool:
    return MOMENT in _column_of(base, START).headers


def format_of(name: str, item: ColumnMap, base: Format) -> Format:
    """Return the format that a map describes."""
    keys = [
        Column(f"x_key_{number}", (as_written(header),), header, "text", required=True, filled=len(item.key) == 1)
        for number, header in enumerate(item.key, start=1)
    ]
    columns = [*(_column(item, base, column) for column in base.columns), *keys]
    found = parts.made(name, item, base, columns, [*item.columns.values(), *item.key])
    return replace(
        found,
        readers=("csv", "json", "parquet"),
        role=item.role or base.role,
        deliveries=item.deliveries or ("log" if keys else base.deliveries),
        grain="request" if MOMENT in item.columns else "bucket",
        sql=_keyed(base.sql, [key.name for key in keys]) if keys else base.sql,
    )


def _column(item: ColumnMap, base: Format, column: Column) -> Column:
    """Return a column of the source as the map fills it: from a header, by a constant, an end from its start, or not at all."""
    header, constant = _named(column, item.columns), _named(column, item.constants)
    if column.name == END and MOMENT in item.columns:  # what is wrong with it is said of the start
        spelling = spellings.instant(item.dates, strict=False)
        return parts.mapped(column, item.columns[MOMENT], spelling, filled=False)
    if header is not None:
        return parts.mapped(column, header, *parts.spelt(item, column, is_end=column.name == END), filled=column.filled)
    if constant is not None:
        return replace(column, headers=(), constant=constant, required=False, filled=False)
    start = _named(_column_of(base, START), item.columns)
    if column.name == END and start is not None and item.grain:
        step = spellings.STEPS[item.grain]
        return parts.mapped(column, start, spellings.instant(item.dates, shift=step, strict=False), filled=False)
    return replace(column, headers=(), required=False, filled=False)


def _keyed(sql: str, keys: list[str]) -> str:
    """Return the SELECT of a source whose records are called by these columns; a record that has none of them has no key."""
    listed = ", ".join(keys)
    key = f"CASE WHEN COALESCE({listed}, NULL) IS NOT NULL THEN key_of([{listed}]) END"
    return sql.replace(RECORDS, KEYED.replace("{key}", key))
