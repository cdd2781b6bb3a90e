"""The facts laid out as the ledger's reference tables, columns in the order of schema.sql."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from costctl.files.sheets import Row
from costctl.rates import owned
from costctl.rates.columns import MATCHED
from costctl.rates.facts import Facts
from costctl.rates.intervals import Key, Rate

CHIP_COLUMNS = (
    *("chip", "short", "vendor", "title", "family", "memory_gb"),
    *("price_visibility", "source", "as_of", "confidence"),
)

Line = tuple[Any, ...]


def tables(facts: Facts) -> dict[str, list[Line]]:
    """Return the rows of each reference table."""
    return {
        "providers": [(row["name"], row["provider"]) for row in facts.rows("providers")],
        "units": [(row["unit"], row["measure"], row["multiplier"]) for row in facts.rows("units")],
        "chips": [tuple(row[column] for column in CHIP_COLUMNS) for row in facts.rows("chips")],
        "chip_power": [_power(rate) for rate in facts.power],
        "claims": [_claim(row, facts) for row in facts.rows("claims")],
        "owned": [*owned.lines(facts.rows("owned"))],
        "machines": [*_machines(facts)],
        "machine_families": [*_families(facts)],
        "chip_prices": [chip_price(rate) for rate in facts.chip_rates],
        "model_prices": [*_model_prices(facts.model_rates)],
        "model_aliases": [*_aliases(facts)],
    }


def chip_price(rate: Rate) -> Line:
    """Return a row of chip_prices."""
    *named, layer, currency, _payment = rate.key
    return _line(rate, (*named, layer, rate.price, currency))


def _line(rate: Rate, middle: Line) -> Line:
    row = rate.row
    return rate.card, *middle, rate.valid_from, rate.valid_to, row["as_of"], row["confidence"], row["source"]


def _power(rate: Rate) -> Line:
    """Return a row of chip_power."""
    row = rate.row
    return (
        row.card,
        *rate.key,
        int(rate.price),
        rate.valid_from,
        rate.valid_to,
        row["as_of"],
        row["confidence"],
        row["source"],
    )


def _claim(row: Row, facts: Facts) -> Line:
    """Return a row of claims; a chip goes by its id, by whichever name it is called."""
    chips = (facts.chips.get(row[name].lower()) for name in ("subject", "baseline"))
    subject, baseline = (found["chip"] if found else None for found in chips)
    named = (subject or row["subject"], baseline or row["baseline"])
    return row.card, *named, row["ratio"], row["metric"], row["source"], row["date"]


def _machines(facts: Facts) -> Iterator[Line]:
    """Yield the machines to match bill lines with: their number of chips is known, their name the provider's."""
    for (provider, name), row in facts.machines.items():
        if _is_matched(row):
            yield provider, name, row["machine"], row["chip"], *row["chips"]
    yield from owned.machines(facts.rows("owned"), facts.chips)


def _is_matched(machine: Row) -> bool:
    return bool(machine["chips"]) and (machine["status"] is None or machine["status"] in MATCHED)


def _families(facts: Facts) -> Iterator[Line]:
    """Yield what names of machines with accelerators look like, and the names of those whose number of chips is not confirmed."""
    patterns = {(row["provider"], row["pattern"]): None for row in facts.rows("families")}
    names = {(provider, name): row["chip"] for (provider, name), row in facts.machines.items() if not _is_matched(row)}
    yield from ((*key, chip) for key, chip in (patterns | names).items())


def _model_prices(rates: Iterable[Rate]) -> Iterator[Line]:
    """Yield each price once, also where two channels of a provider sell at the same one."""
    seen: set[tuple[Key, Any, Any]] = set()
    for rate in rates:
        interval = (rate.key, rate.valid_from, rate.valid_to)
        if interval not in seen:
            seen.add(interval)
            *named, currency = rate.key
            yield _line(rate, (*named, rate.price, currency))


def _aliases(facts: Facts) -> Iterator[Line]:
    """Yield the aliases; a name the user maps is mapped by the user alone."""
    sheets = facts.of("model_aliases")
    own = {row["raw"] for sheet in sheets if sheet.is_card for row in sheet.rows}
    for sheet in sheets:
        for row in sheet.rows:
            if sheet.is_card or row["raw"] not in own:
                yield row["raw"], row["model"], row["valid_from"], row["valid_to"]
