"""Owned and leased chips: the cards of an asset register, what is wrong with them, and the statement of a month for the ledger.

A row says what an asset costs from valid_from to valid_to: an owned one its acquisition cost and life, a leased one its commitment or
its price per chip-hour. It is in service from in_service until the valid_to of its last row. The statement repeats the terms that hold
in a month; costctl/bills/own_chips turns it into charges.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Any

from costctl.files.sheets import Problem, Row
from costctl.nouns import shifted
from costctl.rates import intervals
from costctl.rates.columns import RUNNING, UNSURE

SELF = "self"  # the provider of what is one's own
STATEMENT = (  # the columns of a month's statement: what the asset is, then its terms as the card writes them
    *("asset", "month", "start", "end", "chip", "chips", "chip_hours", "provider", "account", "site", "currency"),
    *("in_service", "acquisition_cost", "residual_value", "useful_life_months", "depreciation_per_month"),
    *("capital_rate_percent", "power", "kw_per_chip", "pue", "price_per_kwh", "colocation", "colocation_per_month"),
    *("maintenance", "maintenance_per_month", "commitment_per_month", "price_per_chip_hour"),
    *("team", "model", "purpose", "card"),
)
REGISTERED = ("chip", "in_service", "currency", "acquisition_cost", "residual_value", "useful_life_months")
AMOUNTS = {
    "power": ("kw_per_chip", "price_per_kwh"),
    "colocation": ("colocation_per_month",),
    "maintenance": ("maintenance_per_month",),
}
WHOLE = 100  # percent
COIN = Decimal(1)  # the most by which a register rounds a month, in any currency
MOST_CHIPS = 10**7


def statements(rows: Sequence[Row], months: Iterable[date]) -> dict[date, str]:
    """Return the CSV statement of each month in which something is in service."""
    found = {month: [*_lines(rows, month)] for month in months}
    return {month: _written(lines) for month, lines in found.items() if lines}


def _written(lines: Sequence[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, STATEMENT, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _lines(rows: Sequence[Row], month: date) -> Iterator[dict[str, str]]:
    for row in sorted(rows, key=lambda row: (row["asset"], row["valid_from"] or date.min)):
        first, end = max(_begins(row), month), min(row["valid_to"] or date.max, shifted(month, 1))
        if first < end:
            terms = {column: row.texts.get(column, "") for column in STATEMENT}
            days = {"month": month.isoformat(), "start": first.isoformat(), "end": end.isoformat()}
            yield terms | days | {"card": row.card}


def _begins(row: Row) -> date:
    day: date = max(row["in_service"], row["valid_from"] or date.min)
    return day


def named(rows: Iterable[Row], chips: Mapping[str, Row]) -> Iterator[tuple[str, str, str]]:
    """Yield (provider, name, chip) of the chips by the names that a statement may give them: its machines are chips."""
    for provider, chip in sorted({(row["provider"] or SELF, row["chip"]) for row in rows}):
        for name in dict.fromkeys((chip, chips[chip]["short"], chips[chip]["title"].lower())):
            yield provider, name, chip


def lines(rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the ledger's table of what is owned and leased."""
    for row in rows:
        yield (
            row.card,
            row["asset"],
            row["chip"],
            row["chips"],
            _begins(row),
            row["valid_to"],
            row["availability_percent"],
            row["confidence"],
        )


def unmetered(rows: Iterable[Row], month: date) -> Iterator[Problem]:
    """Yield the last row of each asset of which hours are metered, but none of a month or before it; of 0 hours it says that it is over."""
    last = {row["asset"]: row for row in sorted(rows, key=lambda row: row["valid_from"] or date.min)}
    for row in last.values():
        if row["chip_hours"] and row["valid_to"] <= month:
            what = f"ends the metered chip-hours of the asset {row['asset']}: it is charged nothing after that"
            remedy = "Add a row for each month since; a last one with chip_hours 0 says that it is over."
            yield row.problem("valid_to", what, remedy)


def estimates(rows: Iterable[Row]) -> Iterator[tuple[Row, Problem]]:
    """Yield the rows that nobody vouches for, and what is wrong with them."""
    for row in rows:
        if row["confidence"] in ("estimate", *UNSURE):
            remedy = "Say contract or vendor once it is agreed, or charge it all the same: --allow-estimates, once, with ingest PATH or report."
            yield row, row.problem("confidence", "is not what teams are charged by", remedy)


def problems(row: Row) -> Iterator[Problem]:
    """Yield what is wrong with one row beyond its single cells."""
    leased = row["commitment_per_month"] is not None or row["price_per_chip_hour"] is not None
    if (row["acquisition_cost"] is not None) == leased:
        what = "is both owned and leased" if leased else "is neither owned nor leased"
        remedy = "Fill acquisition_cost, or commitment_per_month and price_per_chip_hour."
        yield row.problem("asset", what, remedy)
    elif not leased:
        yield from _owned_problems(row)
    for name in RUNNING:
        yield from _running_problems(row, name)
    yield from _interval_problems(row)
    if row["chips"] > MOST_CHIPS:
        yield row.problem("chips", f"is above {MOST_CHIPS:,}", "Check the number.")
    if (row["availability_percent"] or 0) > WHOLE:
        yield row.problem("availability_percent", "is above 100 percent", "Write 98.5 for 98.5 percent.")


def _owned_problems(row: Row) -> Iterator[Problem]:
    for name in ("useful_life_months", *RUNNING):
        if row[name] is None:
            remedy = "Fill the cell." if name not in RUNNING else "Say card, or bill where another bill charges it."
            yield row.problem(name, f"the {name} is missing", remedy)
    left = row["acquisition_cost"] - (row["residual_value"] or Decimal(0))
    if left < 0:
        yield row.problem("residual_value", "is above the acquisition_cost", "Check both amounts.")
    stated, life = row["depreciation_per_month"], row["useful_life_months"]
    if stated is not None and life and abs(left - stated * life) > life * COIN:
        what = f"does not come to {left.normalize():f} in {life} months"
        yield row.problem("depreciation_per_month", what, "The last month takes the rest; leave it empty to divide.")


def _running_problems(row: Row, name: str) -> Iterator[Problem]:
    for column in AMOUNTS[name] if row[name] == "card" else ():
        if row[column] is None:
            yield row.problem(
                column, f"the {column} is missing, which {name} by card needs", f"Fill it, or say {name} bill."
            )


def _interval_problems(row: Row) -> Iterator[Problem]:
    first, ends = row["valid_from"], row["valid_to"]
    if ends and ends <= row["in_service"]:
        yield row.problem("valid_to", f"is not after the in_service {row['in_service']}", "Check both days.")
    one_month = first and first.day == 1 and ends == shifted(first, 1)
    if row["chip_hours"] is not None and not one_month:
        remedy = "Give each month a row of its own: valid_from its first day, valid_to the first of the next."
        yield row.problem("chip_hours", "are of no single month", remedy)


def disagreements(rows: Sequence[Row]) -> Iterator[Problem]:
    """Yield a problem for each two rows of one asset that hold on the same days, or of which the register could not be one."""
    assets: dict[str, list[Row]] = {}
    for row in rows:
        assets.setdefault(row["asset"], []).append(row)
    for same in assets.values():
        ordered = sorted(same, key=lambda row: row["valid_from"] or date.min)
        for earlier, later in combinations(ordered, 2):
            yield from _disagreement(earlier, later)
        yield from _holes(ordered)


def _holes(rows: Sequence[Row]) -> Iterator[Problem]:
    """Yield the rows that begin later than the asset, or than the row before them ends: between, it would cost nothing."""
    covered = rows[0]["in_service"]
    for row in rows:
        if (row["valid_from"] or date.min) > covered:
            what = f"leaves the asset {row['asset']} without a cost from {covered}"
            yield row.problem("valid_from", what, "Begin where the row before ends, the first one at in_service.")
        covered = row["valid_to"] or date.max


def _disagreement(earlier: Row, later: Row) -> Iterator[Problem]:
    where = f"{earlier.path}:{earlier.line}"
    first = later["valid_from"] or date.min
    if first < (earlier["valid_to"] or date.max):
        what = f"holds on the same days as {where} for the asset {later['asset']}"
        closed = intervals.closing(earlier["valid_from"], later["valid_from"])
        yield later.problem("valid_from", what, f"Close the earlier row: {closed}.")
    elif first.day != 1 and first > later["in_service"]:
        yield later.problem("valid_from", "changes the terms within a month", "Terms change on the first of a month.")
    for name in REGISTERED:
        if earlier[name] != later[name]:
            what = f"is another {name} than in {where}, for the asset {later['asset']}"
            yield later.problem(name, what, "An asset has one; give what was bought later an asset of its own.")
