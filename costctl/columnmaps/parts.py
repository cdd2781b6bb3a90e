"""What column maps of every target have in common: how a map is known, what it leaves out, where its columns come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from costctl.columnmaps import spellings
from costctl.config.bills import ColumnMap
from costctl.documents import Place, Problem
from costctl.errors import nearest, shown
from costctl.formats import as_written
from costctl.nouns import Column, Format


def problems(name: str, item: ColumnMap, columns: Iterable[str], shipped: dict[str, Format]) -> Iterator[Problem]:
    """Find what is wrong with the names of a map, and with how it writes dates."""
    here: Place = ("formats", name)
    known = list(columns)
    if name in shipped:
        yield Problem(here, f"formats.{name}: a format of this name is built in", of_key=True)
    if item.refines and item.refines not in shipped:
        what = f"formats.{name}.refines: there is no format {shown(item.refines)}. {nearest(item.refines, shipped)}"
        yield Problem((*here, "refines"), what.rstrip())
    for part in ("columns", "constants", "values"):
        for column in getattr(item, part):
            if column not in known:
                what = f"formats.{name}.{part}: there is no column {shown(column)}. {nearest(column, known)}"
                yield Problem((*here, part, column), what.rstrip(), of_key=True)
    try:
        spellings.check(item.dates or "")
    except ValueError as error:
        yield Problem((*here, "dates"), f"formats.{name}.dates: {error}")


def made(name: str, item: ColumnMap, base: Format, columns: Iterable[Column], headers: Iterable[str]) -> Format:
    """Return the format of a map, with these columns and what it leaves out; a file is known by the headers."""
    shut_out = [
        Column(f"x_exclude_{number}", (as_written(header),), header, "text", required=True)
        for number, header in enumerate(item.exclude, start=1)
    ]
    definition = json.dumps([name, item.model_dump(mode="json"), base.fingerprint], sort_keys=True)
    return replace(
        base,
        name=name,
        title=f"{name}, as costctl.yaml describes it",
        detect_all=tuple(sorted({as_written(header) for header in [*headers, *item.exclude]})),
        detect_none=(),
        detect_any=(),
        unknown=(),
        refines=item.refines,
        columns=(*columns, *shut_out),
        exclusions=tuple(
            (f"{header} is {' or '.join(words)}", _is_one_of(column.name, words))
            for column, (header, words) in zip(shut_out, item.exclude.items(), strict=True)
        ),
        fingerprint=hashlib.sha256(definition.encode()).hexdigest(),
        delimiter="\t" if item.delimiter == "tab" else item.delimiter,
        as_written=True,
        unended=item.last_line == "unended",
    )


def _is_one_of(column: str, words: list[str]) -> str:
    listed = ", ".join(spellings.quoted(word.lower()) for word in words)
    return f'COALESCE(lower(trim("{column}")) IN ({listed}), FALSE)'


def mapped(column: Column, header: str, spelling: str | None = None, reason: str = "", *, filled: bool) -> Column:
    """Return a column as a map reads it: from a header, which must be there."""
    headers = (as_written(header),)
    return replace(
        column, headers=headers, header=header, required=True, filled=filled, spelling=spelling, reason=reason
    )


def spelt(item: ColumnMap, column: Column, *, is_end: bool) -> tuple[str | None, str]:
    """Return the SQL that reads a mapped column, and what is wrong with a text that does not fit."""
    ends = item.ends == "included" and is_end
    if column.type == "instant" and (item.dates or ends):
        shift = spellings.last(item.dates) if ends else ""
        return spellings.instant(item.dates, shift=shift), spellings.no_date(item.dates)
    if column.header in item.values:
        return spellings.words(item.values[column.header]), spellings.NO_WORD
    return None, ""
