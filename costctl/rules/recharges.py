"""Recharges: pools whose owner charges them onward, the internal rates that it charges by, and what each pool is expected to cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from costctl import documents
from costctl.config import Config
from costctl.errors import UsageError, shown
from costctl.files import cells, sheets
from costctl.files.sheets import Field, Problem, Row, Sheet
from costctl.nouns import EVER, NEVER

UNITS = ("million tokens", "chip hour", "request")
TOKENS = UNITS[0]  # which have classes
CLASSES = ("input", "cache_read", "cache_write", "output")
MILLION = 1_000_000

Key = tuple[str, str, str, str]


def tables(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the tables of recharges; raise UsageError for internal rates that cannot be, with the place of each."""
    charged = {name: pool.recharge for name, pool in config.pools.items() if pool.recharge}
    return {
        "pool_recharges": [
            (name, found.owner, found.rates is not None, int(found.markup_percent * MILLION))
            for name, found in charged.items()
        ],
        "pool_rates": [row for path, pools in _files(config).items() for row in _rates(config, path, pools)],
        "pool_budgets": [
            (name, month, amount, found.budget.currency)
            for name, found in charged.items()
            if found.budget
            for month, amount in found.budget.months.items()
        ],
    }


def _files(config: Config) -> dict[Path, list[str]]:
    """Return each file of rates with the pools that name it."""
    found: dict[Path, list[str]] = defaultdict(list)
    for name, pool in config.pools.items():
        if pool.recharge and pool.recharge.rates:
            found[config.at(pool.recharge.rates)].append(name)
    return found


def _rates(config: Config, path: Path, pools: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield a file's rates for each of its pools: a row that names none is for all of them."""
    rows = read(path, pools)
    for pool in pools:
        if not any(row["pool"] in (pool, None) for row in rows):
            raise _without_rates(config, path, pool)
        for row in rows:
            if row["pool"] in (pool, None):
                about = (row["unit"], row["model"], row["token_class"], row["price"], row["currency"])
                days = (row["valid_from"] or EVER, row["valid_to"] or NEVER)
                yield (row.card, pool, row["pool"] is None, *about, *days)


def _without_rates(config: Config, path: Path, pool: str) -> UsageError:
    where = str(config.file)
    if config.file:
        where = documents.read(config.file).where(("pools", pool, "recharge", "rates"))
    remedy = "Add its rates, or leave `rates:` out: then it is charged onward at cost."
    return UsageError(where, f"pool {shown(pool)}: {path} has no rate for it", remedy=remedy)


def read(path: Path, pools: list[str]) -> list[Row]:
    """Read a file of internal rates that some pools name.

    Raises UsageError for a unit or a class that there is none of, a price that is not one, a pool that does not name the file, a row that
    ends before it starts, and two rates for one thing on a day.
    """
    fields = (
        Field("pool"),
        Field("unit", cells.one_of(UNITS), required=True),
        Field("model", cells.name),
        Field("token_class", cells.one_of(CLASSES)),
        Field("price", _price, required=True),
        Field("currency", cells.currency, required=True),
        Field("valid_from", cells.day),
        Field("valid_to", cells.day),
    )
    sheet = sheets.read(path, Sheet(str(path), path.name, "internal rates"), fields)
    problems = [*sheet.problems, *(found for row in sheet.rows for found in _unfit(row, pools)), *_twice(sheet.rows)]
    sheets.refuse(problems)
    return sheet.rows


def _price(text: str) -> Decimal:
    """Return a price; 0 is one, since what is charged to nobody may be said to be free."""
    return Decimal(0) if cells.SIGNED.fullmatch(text) and not Decimal(text) else cells.price(text)


def _unfit(row: Row, pools: list[str]) -> Iterator[Problem]:
    """Find what does not go together in a row."""
    if row["pool"] not in (None, *pools):
        remedy = cells.nearest(row["pool"], pools) or f"Pools: {', '.join(pools)}."
        yield row.problem("pool", "no pool of that name has its internal rates in this file", remedy)
    if row["token_class"] and row["unit"] != TOKENS:
        yield row.problem("token_class", f"a {row['unit']} has no token class", f"Leave it empty, or say {TOKENS}.")
    if (row["valid_from"] or EVER) >= (row["valid_to"] or NEVER):
        yield row.problem(
            "valid_to", "the row ends before it starts", "valid_to is the first day on which it no longer holds."
        )


def _twice(rows: list[Row]) -> Iterator[Problem]:
    """Find rows for one thing that hold on the same day."""
    by_key: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[row["pool"] or "", row["unit"], row["model"] or "", row["token_class"] or ""].append(row)
    for items in by_key.values():
        items.sort(key=lambda row: (row["valid_from"] or EVER, row.line))
        for before, row in pairwise(items):
            if (row["valid_from"] or EVER) < (before["valid_to"] or NEVER):
                what = f"there is a rate for that in line {before.line} already, on the same days"
                yield row.problem("price", what, "End the older one with valid_to, or remove one of the two.")
