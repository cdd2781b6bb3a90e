"""Google Cloud Billing Catalog: the SKUs of Compute Engine as JSON, one page or a list of pages.

https://docs.cloud.google.com/billing/v1/how-tos/catalog-api
A TPU is sold by the chip. A GPU's SKU is the GPU alone, its host being SKUs of their own: such a price is `partial` and prices
nothing. A SKU's prices follow one another in time, each from its effectiveTime.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from costctl.ledger import gates
from costctl.rates.facts import Facts
from costctl.rates.imports import found, pages
from costctl.rates.imports.found import Cells, Found, Left, Offer, Unfit, text_of

TITLE = "Google Cloud Billing Catalog"
HOLDS = "chip_prices"
USAGE = {
    "OnDemand": ("on_demand", ""),
    "Preemptible": ("spot", ""),
    "Commit1Yr": ("commitment", "12"),
    "Commit3Yr": ("commitment", "36"),
}
NANOS = 10**9


def recognises(signs: Collection[str]) -> bool:
    """Tell whether the records of a file are SKUs of Google Cloud."""
    return pages.holds(signs, "skus", {"skuId", "pricingInfo"})


def stated_day(_path: Path) -> str:
    """Return no day: the catalogue dates its prices, not itself."""
    return ""


def prices(path: Path, facts: Facts) -> Iterator[Found]:
    """Yield the prices of every SKU."""
    named = gates.answers("gcp_machine_of", (text_of(sku, "description") for _, sku in pages.records(path, "skus")))
    for where, sku in pages.records(path, "skus"):
        try:
            machine = _machine(sku, named)
            found.machine("gcp", machine, facts)
            times = _times(sku)
        except Unfit as unfit:
            yield Left(where, unfit.reason, unfit.example)
            continue
        ends = [*(begins for begins, _ in times[1:]), ""]
        for number, ((begins, info), end) in enumerate(zip(times, ends, strict=True)):
            place = f"{where}/pricingInfo/{number}"
            yield found.attempt(place, _cells, machine, sku, info, (begins, end), facts)


def _machine(sku: Any, named: Mapping[str, str]) -> str:
    """Return what bills call the machine of a SKU, as its text is read there."""
    if not isinstance(sku, dict):
        raise Unfit("values that are no SKU", sku)
    text = text_of(sku, "description")
    if re.search("reserved ", text, re.IGNORECASE):
        raise Unfit("prices of capacity that is reserved", text)
    if text not in named and text_of(sku.get("category"), "resourceGroup") not in ("GPU", "TPU"):
        raise Unfit("SKUs that are neither a GPU nor a TPU", text)
    return named.get(text, text)


def _times(sku: Any) -> list[tuple[str, Any]]:
    """Return a SKU's prices with the days they begin on, which rise."""
    infos = sku.get("pricingInfo")
    times = (
        [(found.day(text_of(info, "effectiveTime")), info) for info in infos if isinstance(info, dict)]
        if isinstance(infos, list)
        else []
    )
    days = [begins for begins, _ in times]
    if not times or days != sorted(set(days)):
        raise Unfit("SKUs without a price, or whose prices do not follow one another", text_of(sku, "description"))
    return times


def _cells(machine: str, sku: Any, info: Any, days: tuple[str, str], facts: Facts) -> Cells:
    category = sku.get("category")
    usage = text_of(category, "usageType")
    if usage not in USAGE:
        raise Unfit("usage types other than on demand, preemptible and committed", usage)
    bought, months = USAGE[usage]
    hourly, currency = _rate(info, facts)
    is_gpu = found.machine("gcp", machine, facts)[0]["bill_unit"].startswith("GPU")
    regions = sku.get("serviceRegions")
    offer = Offer(
        provider="gcp",
        machine=machine,
        regions=tuple(name for name in regions if isinstance(name, str)) if isinstance(regions, list) else (),
        purchase_model=_reserved(text_of(sku, "description")) or bought,
        currency=currency,
        hourly=hourly,
        printed=hourly,
        term_months=months,
        valid_from=days[0],
        valid_to=days[1],
        confidence="partial" if is_gpu else "",
        notes=("the GPU alone, vCPU and memory are further SKUs",) if is_gpu else (),
    )
    return found.chip_price(offer, facts)


def _reserved(description: str) -> str:
    """Return the purchase model that only the words tell, as bills are read."""
    if "DWS Calendar Mode" in description:
        return "calendar_reservation"
    return "flex_start" if re.search("DWS|flex[- ]start", description, re.IGNORECASE) else ""


def _rate(info: Any, facts: Facts) -> tuple[Fraction, str]:
    """Return the one price of an hour, units and nanos together, and its currency."""
    expression = info.get("pricingExpression")
    rates = expression.get("tieredRates") if isinstance(expression, dict) else None
    if not isinstance(rates, list) or len(rates) != 1 or not isinstance(rates[0], dict):
        raise Unfit("tiers: prices from a quantity on", len(rates) if isinstance(rates, list) else rates)
    if found.number(rates[0].get("startUsageAmount", "0")) != 0:
        raise Unfit("tiers: prices from a quantity on", rates[0].get("startUsageAmount"))
    unit = rates[0].get("unitPrice")
    price = unit if isinstance(unit, dict) else {}
    whole = found.amount(price.get("units", "0")) + found.amount(price.get("nanos", "0")) / NANOS
    return whole / found.hours(text_of(expression, "usageUnit"), facts), text_of(price, "currencyCode")
