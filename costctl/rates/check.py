"""What is old, implausible or contradictory in the rates: errors that fail the gate, warnings that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from costctl.files import cells
from costctl.files.sheets import Problem, Row, Sheet, sentence
from costctl.nouns import shifted
from costctl.rates import owned, tiers
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
    """What was found: errors fail the check, warnings are for reading, of the user's cards and of what is shipped."""

    errors: list[Problem]
    warnings: list[Problem]
    shipped: list[Problem]

    def advice(self, *, shipped: bool) -> list[str]:
        """Return each warning as a sentence, the user's first; of what is shipped only how many, unless asked."""
        told = [sentence(problem) for problem in (*self.warnings, *(self.shipped if shipped else ()))]
        left = len(self.shipped) if not shipped else 0
        return [*told, f"{left} on the shipped rates; --shipped lists them"] if left else told


def check(facts: Facts, today: date) -> Findings:
    """Return what is wrong or doubtful with the rates on a day."""
    theirs, shipped = _parted([*facts.chip_rates, *facts.model_rates], _is_the_users)
    binding, listed = _parted(facts.chip_rates, _binds)
    errors = [*facts.clashes(), *_contradictions(facts), *_implausible(theirs), *_stale_cards(theirs, today)]
    late = dict.fromkeys(tiers.late(facts.chip_rates))
    odd = [*_above_list(binding, listed), *late, *_unknown_providers(facts), *_idle_overlays(facts)]
    unmetered = owned.unmetered(facts.rows("owned"), shifted(today.replace(day=1), -1))
    old = [*_stale_lists(shipped, today), *_implausible(shipped)]
    return Findings(errors, [*odd, *unmetered, *_unused(facts, is_card=True)], [*old, *_unused(facts, is_card=False)])


def _parted(rates: Iterable[Rate], chosen: Callable[[Rate], bool]) -> tuple[list[Rate], list[Rate]]:
    """Return the rates that are chosen, and the others."""
    found: tuple[list[Rate], list[Rate]] = [], []
    for rate in rates:
        found[not chosen(rate)].append(rate)
    return found


def _binds(rate: Rate) -> bool:
    return rate.key[6] in BINDING


def _is_the_users(rate: Rate) -> bool:
    """Tell whether a price is the user's to mend; what is shipped is ours, and nobody's nightly run fails for it."""
    return rate.is_card or _binds(rate)


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
        if rate.column == "price_per_chip_hour" and rate.key[7] == "USD" and not lowest <= rate.price <= highest:
            what = f"is outside {lowest} to {highest} USD per chip-hour"
            yield rate.row.problem(rate.column, what, "Divide a machine's price by its chips.")


def _stale(rates: list[Rate], today: date) -> list[Rate]:
    """Return the prices that are taken to hold still and were seen too long ago for it."""
    return [
        rate
        for rate in _once(rates)
        if rate.valid_to is None and rate.row["as_of"] is not None and (today - rate.row["as_of"]).days > STALE_DAYS
    ]


def _stale_cards(rates: list[Rate], today: date) -> Iterator[Problem]:
    """Yield contracts of which nobody says since when they hold, each by itself, then all other prices."""
    contracts, others = _parted(rates, _binds)
    for rate in _stale([rate for rate in contracts if rate.row["valid_from"] is None], today):
        what = f"was seen {(today - rate.row['as_of']).days} days ago and has no valid_from"
        yield rate.row.problem("as_of", what, "Say from when the price holds, and until when: valid_from, valid_to.")
    for rows, what in _stale_lots(others, today):
        remedy = "Look them up again: a new row for each price, or a valid_to for what is no longer sold."
        yield rows[0].problem("as_of", what, remedy)


def _stale_lists(rates: list[Rate], today: date) -> Iterator[Problem]:
    for rows, what in _stale_lots(rates, today):
        yield Problem(f"{rows[0].path}:as_of", what, "", "Look them up again.")


def _stale_lots(rates: list[Rate], today: date) -> Iterator[tuple[list[Row], str]]:
    """Yield the old rows of each file and day of observation, and what is to be said of them; a price list is read as a whole."""
    lots: dict[tuple[str, date], list[Row]] = {}
    for rate in _stale(rates, today):
        lots.setdefault((rate.row.path, rate.row["as_of"]), []).append(rate.row)
    for (_, seen), rows in sorted(lots.items()):
        yield rows, f"prices in force that were seen on {seen}, {(today - seen).days} days ago: {len(rows)}"


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


def _unused(facts: Facts, *, is_card: bool) -> Iterator[Problem]:
    for sheet in (sheet for sheet in facts.sheets if sheet.is_card is is_card):
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
