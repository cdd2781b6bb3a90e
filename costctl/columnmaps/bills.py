"""Maps of bills: which of their columns are which FOCUS columns, and what follows from those for the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from costctl.columnmaps import parts, spellings
from costctl.config.bills import ColumnMap
from costctl.documents import Place, Problem
from costctl.errors import shown
from costctl.formats import as_written
from costctl.nouns import Column, Format

MONEY = ("money", "quantity")
TYPED = (*MONEY, "instant", "json")
STARTS = ("ChargePeriodStart", "BillingPeriodStart")
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")


def problems(name: str, item: ColumnMap, base: Format, shipped: dict[str, Format]) -> Iterator[Problem]:
    """Find what makes a map one that cannot be read by."""
    types = {column.name: column.type for column in base.columns}
    yield from parts.problems(name, item, types, shipped)
    yield from _constants(name, item, types)
    yield from _gaps(name, item, types)
    for part in ("role", "deliveries", "key"):
        if getattr(item, part):
            yield Problem(("formats", name, part), f"formats.{name}.{part}: is for `target: tokens` or `chip_time`")


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


def format_of(name: str, item: ColumnMap, base: Format) -> Format:
    """Return the format that a map describes."""
    columns = [_column(name, item, column) for column in base.columns if column.name != "Tags" or not item.tags]
    found = parts.made(name, item, base, columns, [*item.columns.values(), *item.tags])
    return replace(found, readers=("csv",), tag_headers=tuple(map(as_written, item.tags)))


def _column(name: str, item: ColumnMap, column: Column) -> Column:
    """Return a column of FOCUS as the map fills it: from a header, by a constant, from another column, or not at all."""
    constants = {"ChargeCategory": "Usage", "ProviderName": name} | item.constants
    header = item.columns.get(column.name)
    if header is None and column.name in constants:
        return replace(column, headers=(), constant=constants[column.name], required=False)
    if header is not None:
        return parts.mapped(column, header, *_spelling(item, column), filled=column.filled)
    origin = _origin(item, column.name)
    if origin is None:
        return replace(column, headers=(), required=False, filled=False)
    return parts.mapped(column, item.columns[origin], _derived(item, column.name, origin), filled=False)


def _spelling(item: ColumnMap, column: Column) -> tuple[str | None, str]:
    """Return the SQL that reads a mapped column, and what is wrong with a text that does not fit."""
    if column.type in MONEY and item.money:
        return spellings.amount(item.money), f"is not an amount written like {spellings.example(item.money)}"
    return parts.spelt(item, column, is_end=column.name.endswith("PeriodEnd"))


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
