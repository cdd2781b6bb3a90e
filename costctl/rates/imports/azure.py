"""Azure Retail Prices API: its answer as JSON, one page or a list of pages.

https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
A reservation's price is for its whole term whatever its unit says; the rates of a savings plan are per hour.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from costctl.rates.facts import Facts
from costctl.rates.imports import found, pages
from costctl.rates.imports.found import Cells, Found, Left, Offer, Unfit, text_of

TITLE = "Azure Retail Prices API"
HOLDS = "chip_prices"
_YEARS = re.compile(r"([1-9]) Years?")


def recognises(signs: Collection[str]) -> bool:
    """Tell whether the records of a file are retail prices of Azure."""
    return pages.holds(signs, "Items", {"armSkuName", "retailPrice"})


def stated_day(_path: Path) -> str:
    """Return no day: the answer does not say when it was given."""
    return ""


def prices(path: Path, facts: Facts) -> Iterator[Found]:
    """Yield every retail price, then the savings plans beside it."""
    for where, item in pages.records(path, "Items"):
        try:
            offer = _offer(item, facts)
        except Unfit as unfit:
            yield Left(where, unfit.reason, unfit.example)
        else:
            yield found.attempt(where, found.chip_price, offer, facts)
            yield from _savings(where, item, offer, facts)


def _offer(item: Any, facts: Facts) -> Offer:
    _refuse_others(item)
    found.machine("azure", text_of(item, "armSkuName"), facts)
    term, spot = text_of(item, "reservationTerm"), " Spot" in text_of(item, "skuName") + text_of(item, "meterName")
    printed = found.amount(item.get("retailPrice"))
    offer = Offer(
        provider="azure",
        machine=text_of(item, "armSkuName"),
        regions=(text_of(item, "armRegionName"),),
        purchase_model="spot" if spot else "on_demand",
        currency=text_of(item, "currencyCode"),
        hourly=printed,
        valid_from=found.day(text_of(item, "effectiveStartDate")),
        valid_to=found.day(text_of(item, "effectiveEndDate")),
        notes=("Linux",),
    )
    if text_of(item, "type") == "Reservation":
        return _reservation(offer, term, text_of(item, "retailPrice"))
    hourly = printed / found.hours(text_of(item, "unitOfMeasure"), facts)
    return replace(offer, hourly=hourly, printed=hourly)


def _refuse_others(item: Any) -> None:
    """Refuse what is no price of a Linux machine for everybody."""
    if not isinstance(item, dict):
        raise Unfit("values that are no price", item)
    product, meter = text_of(item, "productName"), text_of(item, "skuName") or text_of(item, "meterName")
    if text_of(item, "serviceName") not in ("", "Virtual Machines"):
        raise Unfit("prices of other services than Virtual Machines", text_of(item, "serviceName"))
    if "Windows" in product:
        raise Unfit("Windows machines", product)
    if "Low Priority" in meter + text_of(item, "meterName"):
        raise Unfit("Low Priority machines of Azure Batch: bills call them spot, at another price", meter)
    if text_of(item, "type") not in ("Consumption", "Reservation"):
        raise Unfit("prices for other than consumption and reservations", text_of(item, "type"))
    if found.number(item.get("tierMinimumUnits", "0")) != 0:
        raise Unfit("tiers: prices from a quantity on", text_of(item, "tierMinimumUnits"))


def _reservation(offer: Offer, term: str, total: str) -> Offer:
    years = _years(term)
    hours = years * found.HOURS_OF_YEAR
    note = f"{total} {offer.currency} for {term}, divided by {hours} hours"
    hourly = offer.hourly / hours
    months = str(12 * years)
    return replace(offer, purchase_model="reserved", hourly=hourly, term_months=months, notes=(*offer.notes, note))


def _years(term: str) -> int:
    years = _YEARS.fullmatch(term)
    if not years:
        raise Unfit("terms that are not in years", term)
    return int(years[1])


def _savings(where: str, item: Any, offer: Offer, facts: Facts) -> Iterator[Found]:
    plans = item.get("savingsPlan")
    for number, plan in enumerate(plans if isinstance(plans, list) else ()):
        yield found.attempt(f"{where}/savingsPlan/{number}", _saved, offer, plan, item, facts)


def _saved(offer: Offer, plan: Any, item: Any, facts: Facts) -> Cells:
    rate: Fraction = found.amount(text_of(plan, "retailPrice") or text_of(plan, "unitPrice"))
    hourly = rate / found.hours(text_of(item, "unitOfMeasure"), facts)
    months = str(12 * _years(text_of(plan, "term")))
    saved = replace(offer, purchase_model="savings_plan", hourly=hourly, printed=hourly, term_months=months)
    return found.chip_price(saved, facts)
