"""What one set of rates changes against another, on a day: prices that are new, gone or other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

from costctl.errors import UsageError
from costctl.rates import facts
from costctl.rates.facts import Facts
from costctl.rates.intervals import Rate

Texts = dict[str, str | None]
TENTH = Decimal("0.1")
NAMED = ("provider", "what", "bought", "currency", "per", "region", "layer")
COLUMNS = ("change", "before", "after", "percent", *NAMED, "card_before", "card_after")
ORDER = ("provider", "what", "bought", "region", "layer", "currency")


def load(path: Path, home: Path) -> Facts:
    """Return the rates of a folder like rates/, or the shipped ones with a card on them; raise UsageError for what is wrong."""
    found = facts.load(path) if path.is_dir() else facts.load(home, [path])
    if not found.sheets:
        remedy = "A folder of rates holds chips.csv, chip_prices/ and the others that rates/README.md lists."
        raise UsageError(str(path), "holds no rates", remedy=remedy)
    return found


def changes(before: Facts, after: Facts, day: date) -> list[Texts]:
    """Return a line for each price in force on a day that is not the same in both."""
    lines = [
        *_lines(before.chip_rates, after.chip_rates, day, _chip_hour),
        *_lines(before.model_rates, after.model_rates, day, _million_tokens),
    ]
    return sorted(lines, key=lambda line: [line[name] or "" for name in ORDER])


def _lines(
    before: Sequence[Rate], after: Sequence[Rate], day: date, named: Callable[[Rate], Iterable[object]]
) -> Iterator[Texts]:
    was, now = ({(rate.key, rate.scope): rate for rate in rates if rate.holds(day)} for rates in (before, after))
    for key in was | now:
        first, second = was.get(key), now.get(key)
        rate = first or second
        if rate and (first is None or second is None or first.price != second.price):
            yield _compared(map(str, named(rate)), first, second)


def _chip_hour(rate: Rate) -> Iterable[object]:
    """Return what a price is of, in the order of NAMED."""
    provider, machine, chip, region, purchase_model, term, layer, currency, payment = rate.key
    bought = " ".join(str(word) for word in (purchase_model, f"{term}m" if term else None, payment) if word)
    return provider, machine or chip, bought, currency, "chip-hour", region, layer


def _million_tokens(rate: Rate) -> Iterable[object]:
    """Return what a price is of, in the order of NAMED."""
    provider, channel, model, region, service_tier, token_class, layer, currency = rate.key
    scope = (rate.row.texts.get("context_tier", "all"), rate.row.texts.get("time_window_utc"))
    bought = " ".join(str(word) for word in (token_class, service_tier, *scope, channel) if word)
    return provider, model, bought, currency, "Mtok", region, layer


def _compared(named: Iterable[str], before: Rate | None, after: Rate | None) -> Texts:
    percent = None
    if before and after:
        percent = f"{((after.price / before.price - 1) * 100).quantize(TENTH, ROUND_HALF_EVEN):+f}"
    change = "new" if before is None else "gone" if after is None else "other"
    prices = (rate.text if rate else None for rate in (before, after))
    cards = (rate.card if rate else None for rate in (before, after))
    return dict(zip(COLUMNS, (change, *prices, percent, *named, *cards), strict=True))
