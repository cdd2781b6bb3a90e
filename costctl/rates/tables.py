"""The facts laid out as the ledger's reference tables, columns in the order of schema.sql."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from costctl.files.sheets import Row
from costctl.rates import owned, tiers
from costctl.rates.columns import MATCHED
from costctl.rates.facts import Facts
from costctl.rates.intervals import Rate

CHIP_COLUMNS = (
    *("chip", "short", "vendor", "title", "family", "memory_gb"),
    *("price_visibility", "source", "as_of", "confidence"),
)

Line = tuple[Any, ...]


def tables(facts: Facts) -> dict[str, list[Line]]:
    """Return the rows of each reference table."""
    return {
        "providers": providers(facts),
        "units": [(row["unit"], row["measure"], row["multiplier"]) for row in facts.rows("units")],
        "chips": [tuple(row[column] for column in CHIP_COLUMNS) for row in facts.rows("chips")],
        "chip_power": [_power(rate) for rate in facts.power],
        "claims": [_claim(row, facts) for row in facts.rows("claims")],
        "owned": [*owned.lines(facts.rows("owned"))],
        "machines": [*_machines(facts)],
        "machine_parts": [*parts(facts)],
        "machine_families": [*_families(facts)],
        "chip_prices": chip_prices(facts.chip_rates),
        "model_prices": [model_price(rate) for rate in facts.model_rates],
        "model_aliases": [*aliases(facts)],
    }


def providers(facts: Facts) -> list[Line]:
    """Return the rows of providers."""
    return [(row["name"], row["provider"], row["channel"]) for row in facts.rows("providers")]


def chip_prices(rates: Iterable[Rate]) -> list[Line]:
    """Return the rows of chip_prices."""
    return [_chip_price(rate, family) for rate, family in tiers.named(rates)]


def _chip_price(rate: Rate, family: str) -> Line:
    *named, layer, currency, _payment = rate.key
    tier = (family, rate.scope.above, rate.scope.up_to, rate.row["tier_mode"])
    return _line(rate, (*named, layer, rate.price, currency, *tier))


def _line(rate: Rate, middle: Line) -> Line:
    row = rate.row
    return rate.card, *middle, rate.valid_from, rate.valid_to, row["as_of"], row["confidence"], row["source"]


def _power(rate: Rate) -> Line:
    """Return a row of chip_power."""
    return _line(rate, (*rate.key, int(rate.price)))


def _claim(row: Row, facts: Facts) -> Line:
    """Return a row of claims; a chip goes by its id, by whichever name it is called."""
    chips = (facts.chips.get(row[name].lower()) for name in ("subject", "baseline"))
    subject, baseline = (found["chip"] if found else None for found in chips)
    named = (subject or row["subject"], baseline or row["baseline"])
    return row.card, *named, row["ratio"], row["metric"], row["source"], row["date"]


def _machines(facts: Facts) -> Iterator[Line]:
    """Yield the machines to match bill lines with: their number of chips is known, their name the provider's."""
    matched = {named: row for named, row in facts.machines.items() if _is_matched(row)}
    for (provider, name), row in matched.items():
        yield provider, name, row["machine"], row["chip"], *row["chips"]
    for (provider, name), (row, *_) in facts.parts.items():
        if (provider, name) not in facts.machines:  # the host of a machine: its cost is that of the chips
            machine = facts.machines[provider, row["machine"].lower()]
            yield provider, name, machine["machine"], machine["chip"], 0, 1
    for provider, name, chip in owned.named(facts.rows("owned"), facts.chips):
        # one that is matched is a machine of the lessor, whose chip-hours are the chip's as well
        if (provider, name) not in matched:
            yield provider, name, name, chip, 1, 1


def parts(facts: Facts) -> Iterator[Line]:
    """Yield the SKUs of chips, each with a machine whose card prices it, too."""
    for key, rows in facts.parts.items():
        for row in rows if key in facts.machines else ():
            yield row["provider"], facts.machines[key]["machine"], row["machine"]


def _is_matched(machine: Row) -> bool:
    return bool(machine["chips"]) and (machine["status"] is None or machine["status"] in MATCHED)


def _families(facts: Facts) -> Iterator[Line]:
    """Yield what names of machines with accelerators look like, and the names of those whose number of chips is not confirmed."""
    patterns = {(row["provider"], row["pattern"]): None for row in facts.rows("families")}
    names = {(provider, name): row["chip"] for (provider, name), row in facts.machines.items() if not _is_matched(row)}
    yield from ((*key, chip) for key, chip in (patterns | names).items())


def model_price(rate: Rate) -> Line:
    """Return a row of model_prices."""
    *named, token_class, layer, currency = rate.key
    scope = rate.scope
    asked = (scope.above, scope.up_to, scope.start, scope.end, scope.day, scope.day_end)
    return _line(rate, (*named, *asked, token_class, layer, rate.price, currency))


def aliases(facts: Facts) -> Iterator[Line]:
    """Yield the aliases; a name the user maps is mapped by the user alone."""
    sheets = facts.of("model_aliases")
    own = {row["raw"] for sheet in sheets if sheet.is_card for row in sheet.rows}
    for sheet in sheets:
        for row in sheet.rows:
            if sheet.is_card or row["raw"] not in own:
                yield row["raw"], row["model"], row["valid_from"], row["valid_to"]
