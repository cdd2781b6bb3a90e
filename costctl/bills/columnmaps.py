"""Column maps: bills whose columns only their owner knows, written down under `formats:` in costctl.yaml.

A map becomes a format like any other: its columns are those of FOCUS, its SELECT is the one of FOCUS. What a file spells its own
way (dates, amounts, words) is put into ours by an SQL text per column; a text that does not fit is set aside, never guessed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace

from costctl import documents
from costctl.bills import spellings
from costctl.config import DESCRIBED, ColumnMap, Config
from costctl.documents import Place, Problem
from costctl.errors import UsageError, nearest, shown
from costctl.formats import as_written
from costctl.nouns import Column, Format

FOCUS = "focus"
MONEY = ("money", "quantity")
TYPED = (*MONEY, "instant", "json")
STARTS = ("ChargePeriodStart", "BillingPeriodStart")
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")


def formats(config: Config, shipped: dict[str, Format]) -> dict[str, Format]:
    """Return the column maps of a configuration as formats, by name; raise UsageError with a position."""
    if not config.formats:
        return {}
    base = shipped[FOCUS]
    problems = [problem for name, item in config.formats.items() for problem in _problems(name, item, base, shipped)]
    if problems:
        if config.file is None:
            raise UsageError("formats", problems[0].what, remedy=DESCRIBED)
        raise documents.read(config.file).refusal(problems, DESCRIBED)
    return {name: _format(name, item, base) for name, item in config.formats.items()}


def _problems(name: str, item: ColumnMap, base: Format, shipped: dict[str, Format]) -> Iterator[Problem]:
    """Find what makes a map one that cannot be read by."""
    types = {column.name: column.type for column in base.columns}
    here: Place = ("formats", name)
    if name in shipped:
        yield Problem(here, f"formats.{name}: a format of this name is built in", of_key=True)
    if item.refines and item.refines not in shipped:
        what = f"formats.{name}.refines: there is no format {shown(item.refines)}. {nearest(item.refines, shipped)}"
        yield Problem((*here, "refines"), what.rstrip())
    for part in ("columns", "constants", "values"):
        for column in getattr(item, part):
            if column not in types:
                what = f"formats.{name}.{part}: there is no column {shown(column)}. {nearest(column, types)}"
                yield Problem((*here, part, column), what.rstrip(), of_key=True)
    yield from _constants(name, item, types)
    yield from _gaps(name, item, types)
    try:
        spellings.date(item.dates or "")
    except ValueError as error:
        yield Problem((*here, "dates"), f"formats.{name}.dates: {error}")


def _constants(name: str, item: ColumnMap, types: dict[str, str]) -> Iterator[Problem]:
    """Find constants that cannot hold for every record."""
    for column, value in item.constants.items():
        at, said = ("formats", name, "constants", column), f"formats.{name}.constants.{column}"
        if column in item.columns:
            yield Problem(at, f"{said}: the column is mapped already", of_key=True)
        elif types.get(column) in TYPED:
            yield Problem(at, f"{said}: an amount, a date or tags cannot be the same in every record", of_key=True)
        elif types.get(column) == "currency" and not re.fullmatch("[A-Z]{3}", value):
            yield Problem(at, f"{said}: must be a currency code of three capital letters (got {shown(value)})")
        elif column == "ChargeCategory" and value not in CATEGORIES:
            yield Problem(at, f"{said}: must be one of {', '.join(CATEGORIES)} (got {shown(value)})")


def _gaps(name: str, item: ColumnMap, types: dict[str, str]) -> Iterator[Problem]:
    """Find what a bill cannot do without, and parts of the map that have no effect."""
    here: Place = ("formats", name, "columns")
    if "BilledCost" not in item.columns:
        yield Problem(here, f"formats.{name}.columns: BilledCost is missing: which column is the amount?", missing=True)
    if not any(start in item.columns for start in STARTS):
        yield Problem(
            here, f"formats.{name}.columns: ChargePeriodStart is missing: which column is the date?", missing=True
        )
    if "BillingCurrency" not in item.columns and "BillingCurrency" not in item.constants:
        yield Problem(here, f"formats.{name}: BillingCurrency is missing: map it, or name it under `constants:`")
    if "Tags" in item.columns and item.tags:
        yield Problem(("formats", name, "tags"), f"formats.{name}.tags: Tags is mapped already; keep one of the two")
    for column in item.values:
        at = ("formats", name, "values", column)
        if column not in item.columns:
            yield Problem(at, f"formats.{name}.values.{column}: the column is not mapped", of_key=True)
        elif types.get(column) in TYPED:
            yield Problem(at, f"formats.{name}.values.{column}: only words can be replaced", of_key=True)


def _format(name: str, item: ColumnMap, base: Format) -> Format:
    """Return the format that a map describes."""
    columns = [_column(name, item, column) for column in base.columns if column.name != "Tags" or not item.tags]
    shut_out = [
        Column(f"x_exclude_{number}", (as_written(header),), header, "text", required=True)
        for number, header in enumerate(item.exclude, start=1)
    ]
    headers = {as_written(header) for header in [*item.columns.values(), *item.exclude, *item.tags]}
    definition = json.dumps([name, item.model_dump(mode="json"), base.fingerprint], sort_keys=True)
    return replace(
        base,
        name=name,
        title=f"{name}, as costctl.yaml describes it",
        readers=("csv",),
        detect_all=tuple(sorted(headers)),
        detect_none=(),
        refines=item.refines,
        columns=(*columns, *shut_out),
        exclusions=tuple(
            (f"{header} is {' or '.join(words)}", _is_one_of(column.name, words))
            for column, (header, words) in zip(shut_out, item.exclude.items(), strict=True)
        ),
        fingerprint=hashlib.sha256(definition.encode()).hexdigest(),
        delimiter="\t" if item.delimiter == "tab" else item.delimiter,
        as_written=True,
        tag_headers=tuple(map(as_written, item.tags)),
        unended=item.last_line == "unended",
    )


def _is_one_of(column: str, words: list[str]) -> str:
    listed = ", ".join(spellings.quoted(word.lower()) for word in words)
    return f'COALESCE(lower(trim("{column}")) IN ({listed}), FALSE)'


def _column(name: str, item: ColumnMap, column: Column) -> Column:
    """Return a column of FOCUS as the map fills it: from a header, by a constant, from another column, or not at all."""
    constants = {"ChargeCategory": "Usage", "ProviderName": name} | item.constants
    header, spelling, reason = item.columns.get(column.name), None, ""
    if header is None and column.name in constants:
        return replace(column, headers=(), constant=constants[column.name], required=False)
    if header is not None:
        spelling, reason = _spelling(item, column)
        return _mapped(column, header, spelling, reason, filled=column.filled)
    origin = _origin(item, column.name)
    if origin is None:
        return replace(column, headers=(), required=False, filled=False)
    return _mapped(column, item.columns[origin], _derived(item, column.name, origin), "", filled=False)


def _mapped(column: Column, header: str, spelling: str | None, reason: str, *, filled: bool) -> Column:
    headers = (as_written(header),)
    return replace(
        column, headers=headers, header=header, required=True, filled=filled, spelling=spelling, reason=reason
    )


def _spelling(item: ColumnMap, column: Column) -> tuple[str | None, str]:
    """Return the SQL that reads a mapped column, and what is wrong with a text that does not fit."""
    if column.type in MONEY and item.money:
        return spellings.amount(item.money), f"is not an amount written like {spellings.example(item.money)}"
    if column.type == "instant" and (item.dates or _adds_a_day(item, column.name)):
        shift = _last_included(item) if _adds_a_day(item, column.name) else ""
        return spellings.instant(item.dates, shift=shift), f"is not a date written {item.dates or 'YYYY-MM-DD'}"
    if column.name in item.values:
        return spellings.words(item.values[column.name]), "is not one of the words under `values:`"
    return None, ""


def _adds_a_day(item: ColumnMap, column: str) -> bool:
    return item.ends == "included" and column.endswith("PeriodEnd")


def _last_included(item: ColumnMap) -> str:
    return spellings.STEPS["day" if spellings.has_day(item.dates) else "month"]


def _origin(item: ColumnMap, column: str) -> str | None:
    """Return the mapped column from which one that is not mapped follows."""
    follows = {
        "EffectiveCost": ("BilledCost",),
        "ChargePeriodStart": ("BillingPeriodStart",),
        "BillingPeriodStart": ("ChargePeriodStart",),
        "BillingPeriodEnd": ("BillingPeriodStart", "ChargePeriodStart"),
        "ChargePeriodEnd": ("ChargePeriodStart", "BillingPeriodStart"),
    }
    return next((name for name in follows.get(column, ()) if name in item.columns), None)


def _derived(item: ColumnMap, column: str, origin: str) -> str:
    """Return the SQL of a column that follows from another; NULL where that one does not fit, which is said of it."""
    if column == "EffectiveCost":
        return spellings.amount(item.money, strict=False) if item.money else spellings.PLAIN_AMOUNT
    month = column.startswith("Billing") or origin.startswith("Billing")
    step = "" if column.endswith("Start") else spellings.STEPS["month" if month else item.grain or _grain(item)]
    return spellings.instant(item.dates, month=column.startswith("Billing"), shift=step, strict=False)


def _grain(item: ColumnMap) -> str:
    return "day" if spellings.has_day(item.dates) else "month"
