"""What is old, implausible or contradictory in the rates: errors that fail the gate, warnings that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from costctl.files import cells
from costctl.files.sheets import Problem, Row, Sheet
from costctl.rates.columns import UNSURE
from costctl.rates.facts import Facts
from costctl.rates.intervals import Rate

STALE_DAYS = 180
PLAUSIBLE_USD = (Decimal("0.05"), Decimal(60))
ROUNDING = Fraction(1, 10_000)  # of the machine's price: what printed prices per chip are rounded by, and more
BINDING = ("contract", "realised")  # layers that money is charged by
PER_MACHINE = ("instance-hour", "ultraserver-hour", "slice-hour")
PER_CHIP = ("chip-hour", "gpu-hour")


@dataclass(frozen=True)
class Findings:
    """What was found: errors fail the check, warnings are for reading."""

    errors: list[Problem]
    warnings: list[Problem]


def check(facts: Facts, today: date) -> Findings:
    """Return what is wrong or doubtful with the rates on a day."""
    binding = [rate for rate in facts.chip_rates if rate.key[6] in BINDING]
    listed = [rate for rate in facts.chip_rates if rate.key[6] not in BINDING]
    errors = [*facts.clashes(), *_contradictions(facts), *_implausible(binding), *_stale_contracts(binding, today)]
    warnings = [
        *_stale_lists([*listed, *facts.model_rates], today),
        *_implausible(listed),
        *_above_list(binding, listed),
    ]
    return Findings(errors, [*warnings, *_unknown_providers(facts), *_idle_overlays(facts), *_unused(facts)])


def _contradictions(facts: Facts) -> Iterator[Problem]:
    """Yield rows whose price per chip and price per machine cannot both be right."""
    for row in facts.rows("chip_prices"):
        chips = _chips(row, facts)
        if row["unit_price"] and row["price_per_chip_hour"] and chips:
            whole = Fraction(row["unit_price"])
            if abs(whole - Fraction(row["price_per_chip_hour"]) * chips) > whole * ROUNDING:
                what = f"contradicts the unit_price {row.texts['unit_price']} of {chips} chips"
                yield row.problem("price_per_chip_hour", what, "The unit_price is chips times price_per_chip_hour.")


def _chips(row: Row, facts: Facts) -> Fraction | None:
    unit = (row["price_unit"] or "").lower()
    machine = facts.machines.get((row["provider"], (row["machine"] or "").lower()))
    if unit in PER_CHIP:
        return Fraction(1)
    return Fraction(*machine["chips"]) if unit in PER_MACHINE and machine and machine["chips"] else None


def _once(rates: list[Rate]) -> list[Rate]:
    """Return one rate of each row: a row with several regions is one finding."""
    return list({rate.row.card: rate for rate in rates}.values())


def _implausible(rates: list[Rate]) -> Iterator[Problem]:
    lowest, highest = PLAUSIBLE_USD
    for rate in _once(rates):
        if rate.key[7] == "USD" and not lowest <= rate.price <= highest:
            what = f"is outside {lowest} to {highest} USD per chip-hour"
            yield rate.row.problem(rate.column, what, "Divide a machine's price by its chips.")


def _stale(rates: list[Rate], today: date) -> list[Rate]:
    """Return the prices that are taken to hold still and were seen too long ago for it."""
    return [
        rate
        for rate in _once(rates)
        if rate.valid_to is None and rate.row["as_of"] is not None and (today - rate.row["as_of"]).days > STALE_DAYS
    ]


def _stale_contracts(rates: list[Rate], today: date) -> Iterator[Problem]:
    for rate in _stale([rate for rate in rates if rate.row["valid_from"] is None], today):
        what = f"was seen {(today - rate.row['as_of']).days} days ago and has no valid_from"
        yield rate.row.problem("as_of", what, "Say from when the price holds, and until when: valid_from, valid_to.")


def _stale_lists(rates: list[Rate], today: date) -> Iterator[Problem]:
    """Yield one warning per file and day of observation; a price list is read as a whole."""
    counted = Counter((rate.row.path, rate.row["as_of"]) for rate in _stale(rates, today))
    for (path, seen), rows in sorted(counted.items()):
        what = f"prices in force that were seen on {seen}, {(today - seen).days} days ago: {rows}"
        yield Problem(f"{path}:as_of", what, "", "Look them up again.")


def _above_list(contracts: list[Rate], listed: list[Rate]) -> Iterator[Problem]:
    """Yield contract prices above a list price of the same thing: often a price per machine taken for one per chip."""
    for rate in _once(contracts):
        for other in listed:
            if _same_thing(rate, other) and rate.price > other.price and rate.overlaps(other):
                what = f"is above the list price {other.text} ({other.card})"
                yield rate.row.problem(rate.column, what, "Divide a machine's price by its chips.")
                break


def _same_thing(rate: Rate, other: Rate) -> bool:
    where = {rate.key[3], "*"}
    same = all(rate.key[part] == other.key[part] for part in (0, 2, 4, 7))
    return same and other.key[6] == "list" and rate.key[1] in (None, other.key[1]) and other.key[3] in where


def _unknown_providers(facts: Facts) -> Iterator[Problem]:
    known = {*facts.providers.values(), "*"}
    for sheet in facts.sheets:
        for row in sheet.rows if sheet.is_card and sheet.holds != "model_aliases" else ():
            if row["provider"] and row["provider"] not in known:
                remedy = cells.nearest(row["provider"], known) or "It prices only bills that name the provider so."
                yield row.problem("provider", "is a provider nobody knows", remedy)


def _idle_overlays(facts: Facts) -> Iterator[Problem]:
    """Yield discounts that no price has: a scope narrower than every price, or a name of nothing."""
    acting = {card for rate in facts.chip_rates for card in rate.overlays}
    for row in facts.rows("overlays"):
        if row.card not in acting:
            remedy = "A price lies within an overlay where it is of the machine, chip, region and purchase model that the overlay names."
            yield row.problem("discount", "acts on no list price", remedy)


def _unused(facts: Facts) -> Iterator[Problem]:
    for sheet in facts.sheets:
        unsure = sum(row["confidence"] in UNSURE for row in sheet.rows if sheet.holds.endswith("_prices"))
        if unsure:
            what = f"rows that price nothing, being of confidence {', '.join(UNSURE[:-1])} or {UNSURE[-1]}: {unsure}"
            yield Problem(sheet.path, what, "", "Settle them, and say list or contract.")
        yield from _uncounted(sheet)


def _uncounted(sheet: Sheet) -> Iterator[Problem]:
    uncounted = sum(row["chips"] is None for row in sheet.rows) if sheet.holds == "machines" else 0
    if uncounted:
        what = f"machines without a known number of chips, which no bill line is matched with: {uncounted}"
        yield Problem(f"{sheet.path}:chips", what, "", "Give the number in a card with the columns of machines.csv.")
