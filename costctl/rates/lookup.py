"""The one rate in force for one machine or chip, found by the very model that prices every report."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from costctl.errors import UsageError, shown
from costctl.files import cells
from costctl.ledger import build, store
from costctl.rates import listing, meant, tiers
from costctl.rates.columns import PURCHASE_MODELS
from costctl.rates.facts import Facts
from costctl.rates.intervals import Rate
from costctl.rates.tables import chip_prices

STUB = (  # what the model reads of bills
    "chip_days (provider VARCHAR, machine VARCHAR, chip VARCHAR, RegionId VARCHAR, purchase_model VARCHAR, BillingCurrency VARCHAR, day DATE)"
)


@dataclass(frozen=True)
class Question:
    """What is asked: the rate of a machine, or of a chip by itself, on a day."""

    provider: str
    sku: str
    region: str | None
    day: date
    purchase_model: str = "on_demand"
    currency: str = "USD"
    term_months: int | None = None  # None: whichever is in force, of the shortest term
    volume: Decimal = Decimal(0)  # chip-hours of the month, where the price has tiers
    machine: str | None = None
    chip: str = ""
    whole: tuple[str, ...] = ()  # the machines that it is billed as a part of: their price is its own


def lookup(question: Question, facts: Facts, *, stale_ok: bool = False) -> dict[str, str | None]:
    """Return the rate in force as text, with a note where a stale one was taken.

    Raises UsageError for what nobody knows, for a chip that nobody sells at a public price and no card prices, and where no rate is in
    force.
    """
    asked = named(question, facts)
    _refuse_unpublished(asked, facts)
    near = [rate for rate in facts.chip_rates if _may_price(rate, asked)]
    prices = _priced(asked, near)
    found = {price["day"]: price["card"] for price in prices if _is_reached(price, asked.volume)}
    day = asked.day if asked.day in found else _nearest(asked.day, found)
    if day is None or (day != asked.day and not stale_ok):
        raise _nothing(asked, facts, {price["day"] for price in prices}, f"{found[day]}, of {day}" if day else "")
    note = None if day == asked.day else f"stale: not in force on {asked.day}; it was on {day}"
    # a discount, or a card, may cut a price in pieces
    rate = next((rate for rate in near if rate.card == found[day] and rate.holds(day)), None)
    return _answer(asked, rate, _chips(asked, facts), note)


def _nearest(day: date, days: Iterable[date]) -> date | None:
    return min(days, key=lambda other: (abs(other - day), other), default=None)


def _nothing(asked: Question, facts: Facts, days: Collection[date], nearest: str) -> UsageError:
    """Return the refusal of what has no rate in force, with what is nearest to it."""
    where = f" in {asked.region}" if asked.region else ""
    thing = f"{asked.provider} {asked.machine or asked.chip}, {asked.purchase_model}{where} ({asked.currency})"
    if asked.day in days:
        what = f"no tier of the price of {thing} reaches {asked.volume} chip-hours"
        return UsageError("--chip-hours", what, remedy="Ask for fewer, or add the tier to your card.")
    if nearest:
        what = f"no rate of {thing} is in force on {asked.day}"
        remedy = "Take it with --stale-ok, or add a card that holds on that day."
        return UsageError("--at", what, evidence=f"the nearest is {nearest}", remedy=remedy)
    option, remedy = _known(asked, facts)
    return UsageError(option, f"no rate of {thing} is known", remedy=remedy)


def is_of_chips(provider: str, sku: str, facts: Facts) -> bool:
    """Tell whether a SKU is a machine of the provider, or a chip; else it may be a model."""
    return bool(meant.fitting(provider, sku, facts))


def named(question: Question, facts: Facts) -> Question:
    """Return the question in our names; raise UsageError for a machine or chip nobody knows."""
    provider = meant.seller(question.provider, facts)
    purchase = question.purchase_model.lower()
    if purchase not in PURCHASE_MODELS:
        raise UsageError(
            "--purchase",
            f"there is no purchase model {shown(question.purchase_model)}",
            remedy=cells.nearest(purchase, PURCHASE_MODELS) or f"Known: {', '.join(sorted(PURCHASE_MODELS))}.",
        )
    what = f"{provider} has no machine or chip {shown(question.sku)}"
    unknown = meant.unknown(provider, question.sku, facts, what=what)
    found = meant.one("--sku", question.sku, meant.fitting(provider, question.sku, facts), unknown)
    parts = facts.parts.get((provider, (found["machine"] or "").lower()), ())
    whole = tuple(row["machine"] for row in parts)
    said = {"provider": provider, "purchase_model": purchase, "chip": found["chip"], "machine": found["machine"]}
    return replace(question, **said, whole=whole)


def _refuse_unpublished(asked: Question, facts: Facts) -> None:
    """Refuse a chip without any price: its maker publishes none, and nothing may stand in for it."""
    chip = facts.chips[asked.chip]
    if chip["price_visibility"] != "none" or any(
        (rate.key[0], rate.key[2]) == (asked.provider, asked.chip) for rate in facts.chip_rates
    ):
        return
    what = f"{chip['title']} has no public price, and no card of yours has one"
    raise UsageError("--sku", what, remedy=listing.pricing(chip))


def _may_price(rate: Rate, asked: Question) -> bool:
    provider, machine, chip, _region, purchase_model, term, _layer, currency, _payment = rate.key
    key = (asked.provider, asked.chip, asked.purchase_model, asked.currency)
    same = (provider, chip, purchase_model, currency) == key and machine in (None, asked.machine, *asked.whole)
    return same and asked.term_months in (None, term)


def _priced(asked: Question, rates: list[Rate]) -> list[dict[str, Any]]:
    """Return the cards in force on the day asked for and on the first and last days of each price, with their tiers."""
    with store.in_memory() as ledger:
        ledger.run(f"CREATE TEMP TABLE {STUB}")
        ledger.insert("ledger.chip_prices", chip_prices(rates))
        ledger.insert("ledger.machine_parts", [(asked.provider, asked.machine, machine) for machine in asked.whole])
        where = (asked.provider, asked.machine, asked.chip, asked.region, asked.purchase_model, asked.currency)
        days = {asked.day, *_ends(rates)}
        ledger.insert("chip_days", [(*where, day) for day in sorted(days)])
        build.derive(ledger, asked.day, ("prices_in_force",))
        return ledger.run("SELECT day, card, tier_from, tier_to FROM temp.prices_in_force").dicts()


def _is_reached(price: dict[str, Any], volume: Decimal) -> bool:
    """Tell whether a price is that of a volume: one without tiers, or the tier that the volume falls into."""
    return (price["tier_from"] or 0) <= volume and (price["tier_to"] is None or volume < price["tier_to"])


def _ends(rates: Iterable[Rate]) -> Iterator[date]:
    for rate in rates:
        if rate.valid_from:
            yield rate.valid_from
        if rate.valid_to:
            yield rate.valid_to - timedelta(days=1)


def _known(asked: Question, facts: Facts) -> tuple[str, str]:
    """Return the option to ask otherwise by, and what is known of the machine or chip at this provider."""
    rates = [rate for rate in facts.chip_rates if _may_price(rate, replace(asked, purchase_model=str(rate.key[4])))]
    regions = sorted({str(rate.key[3]) for rate in rates if rate.key[4] == asked.purchase_model})
    if regions:
        return "--region", f"Known: {', '.join(regions)}."
    if bought := sorted({str(rate.key[4]) for rate in rates}):
        return "--purchase", f"Known: {', '.join(bought)}."
    return "--sku", f"A card of yours can hold it: costctl rates template {facts.chips[asked.chip]['short']}"


def _chips(asked: Question, facts: Facts) -> Fraction | None:
    """Return how many chips the machine holds; None for a chip by itself, and where nobody knows."""
    machine = facts.machines[asked.provider, asked.machine.lower()] if asked.machine else None
    return Fraction(*machine["chips"]) if machine and machine["chips"] else None


def _of_machine(rate: Rate | None, chips: Fraction | None) -> str | None:
    """Return the price of the whole machine in an hour, to a millionth."""
    if rate is None or chips is None:
        return None
    price = rate.price * chips.numerator / chips.denominator
    return f"{price.quantize(Decimal('0.000001')).normalize():f}"


def _answer(asked: Question, rate: Rate | None, chips: Fraction | None, note: str | None) -> dict[str, str | None]:
    texts = rate.row.texts if rate else {}
    return {
        "provider": asked.provider,
        "machine": asked.machine,
        "chip": asked.chip,
        "chips": str(chips) if chips else None,
        "region": asked.region,
        "purchase_model": asked.purchase_model,
        "term_months": texts.get("term_months"),
        "day": asked.day.isoformat(),
        "tier": tiers.told(rate.row.texts) if rate else None,
        "price_per_chip_hour": rate.text if rate else None,
        "price_per_machine_hour": _of_machine(rate, chips),
        "currency": asked.currency,
        "layer": str(rate.key[6]) if rate else None,
        "valid_from": _text(rate.valid_from) if rate else None,
        "valid_to": _text(rate.valid_to) if rate else None,
        "as_of": texts.get("as_of"),
        "confidence": texts.get("confidence"),
        "card": rate.card if rate else None,
        "note": note,
    }


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
