"""AWS Price List: the offer file of Amazon EC2, as JSON or as CSV, of one region or of all.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html
An upfront fee is spread over the hours of its term. A price of dedicated tenancy is taken where there is none of shared tenancy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

from costctl.errors import InputRefused, shown
from costctl.rates.facts import Facts
from costctl.rates.imports import aws_file, found
from costctl.rates.imports.aws_file import Rate, Term, Texts
from costctl.rates.imports.found import Cells, Found, Left, Offer, Price, Unfit

TITLE = "AWS Price List"
HOLDS = "chip_prices"
SERVICE = "AmazonEC2"
WANTED = {  # attribute: the values that are taken, and the reason under which the others are counted
    "productFamily": (("Compute Instance", "Compute Instance (bare metal)"), "products that are no instance"),
    "locationType": (("AWS Region",), "places that are no region, such as local zones"),
    "operatingSystem": (("Linux",), "other operating systems than Linux"),
    "preInstalledSw": (("NA",), "machines with software installed"),
    "capacitystatus": (("Used",), "capacity reservations that are not used"),
    "operation": (("RunInstances",), "operations other than RunInstances"),
    "tenancy": (("Shared", "Dedicated"), "tenancies other than shared and dedicated"),
    "marketoption": (("", "OnDemand", "CapacityBlock"), "markets other than on demand and capacity blocks"),
}
PAYMENTS = {"No Upfront": "none", "Partial Upfront": "partial", "All Upfront": "all_upfront"}
YEARS = {"1yr": 1, "3yr": 3}
ONCE = "Quantity"  # the unit of an upfront fee


def recognises(signs: Collection[str]) -> bool:
    """Tell whether a file is an offer file of one service."""
    return {"offerCode", "publicationDate"} <= set(signs) or {"FormatVersion", "Publication Date"} <= set(signs)


def stated_day(path: Path) -> str:
    """Return the day the file was published; raise InputRefused for a file of another service."""
    about = aws_file.about(path)
    if about.get("offerCode") != SERVICE:
        evidence = f"offerCode: {shown(about.get('offerCode', ''))}"
        remedy = "Its prices are not of machines that hold chips; fetch the offer file of AmazonEC2."
        raise InputRefused(str(path), f"is not the offer file of {SERVICE}", evidence=evidence, remedy=remedy)
    return found.day(about.get("publicationDate", ""))


def prices(path: Path, facts: Facts) -> Iterator[Found]:
    """Yield every price of a machine that holds chips, those of shared tenancy first."""
    dedicated: list[Price] = []
    shared: set[tuple[str, ...]] = set()
    for term in aws_file.terms(path, partial(_refuse_others, facts)):
        for price in [term] if isinstance(term, Left) else _of_term(term, facts):
            if isinstance(price, Price) and isinstance(term, Term) and term.product.get("tenancy") == "Dedicated":
                dedicated.append(price)
                continue
            if isinstance(price, Price):
                shared.add(_key(price))
            yield price
    for price in dedicated:
        reason = "dedicated tenancy, where the shared one has a price"
        yield Left(price.where, reason, shown(price.cells["machine"])) if _key(price) in shared else price


def _key(price: Price) -> tuple[str, ...]:
    names = ("machine", "region", "purchase_model", "term_months", "payment", "currency")
    return tuple(price.cells[name] for name in names)


def _refuse_others(facts: Facts, product: Texts) -> None:
    for name, (taken, reason) in WANTED.items():
        if product.get(name, "") not in taken:
            raise Unfit(reason, product.get(name, ""))
    found.machine("aws", product.get("instanceType", ""), facts)


def _of_term(term: Term, facts: Facts) -> Iterator[Found]:
    currencies = dict.fromkeys(rate.currency for rate in term.rates)
    if not currencies:
        yield Left(term.where, "terms without a price", shown(term.kind))
    for currency in currencies:
        yield found.attempt(term.where, _cells, term, [rate for rate in term.rates if rate.currency == currency], facts)


def _cells(term: Term, rates: list[Rate], facts: Facts) -> Cells:
    hourly, once = _hourly(rates, facts), [rate for rate in rates if rate.unit == ONCE]
    is_block = term.product.get("marketoption") == "CapacityBlock"
    offer = partial(
        Offer,
        provider="aws",
        machine=term.product.get("instanceType", ""),
        regions=(term.product.get("regionCode", ""),),
        currency=rates[0].currency,
        valid_from=found.day(term.effective),
    )
    tenancy = f"Linux, {term.product.get('tenancy', '').lower()} tenancy"
    if term.kind == "OnDemand":
        if once:
            raise Unfit("fees that are paid once, without a reservation", once[0].price)
        market = "capacity_block" if is_block else "on_demand"
        return found.chip_price(offer(purchase_model=market, hourly=hourly, printed=hourly, notes=(tenancy,)), facts)
    hours = _years(term) * found.HOURS_OF_YEAR
    fee = sum((found.amount(rate.price) for rate in once), Fraction(0))
    note = f"{' + '.join(rate.price for rate in once)} {rates[0].currency} once, spread over {hours} hours"
    bought = offer(
        purchase_model="reserved",
        hourly=hourly + fee / hours,
        printed=None if fee else hourly,
        term_months=str(12 * _years(term)),
        payment=_payment(term),
        notes=(tenancy, note) if fee else (tenancy,),
    )
    return found.chip_price(bought, facts)


def _hourly(rates: list[Rate], facts: Facts) -> Fraction:
    """Return the sum of what is paid by the hour: a term has one such price, from the first hour on."""
    hourly = [rate for rate in rates if rate.unit != ONCE]
    if len(hourly) > 1 or any(rate.begins not in ("0", "") or rate.ends not in ("Inf", "") for rate in hourly):
        raise Unfit("tiers: prices from a quantity on", hourly[0].begins)
    return sum((found.amount(rate.price) / found.hours(rate.unit, facts) for rate in hourly), Fraction(0))


def _years(term: Term) -> int:
    if term.kind != "Reserved":
        raise Unfit("terms other than OnDemand and Reserved", term.kind)
    if term.bought.get("OfferingClass") != "standard":
        raise Unfit(
            "convertible reservations: a card does not tell them from standard ones", term.bought.get("OfferingClass")
        )
    lease = str(term.bought.get("LeaseContractLength", "")).replace(" ", "")
    if lease not in YEARS:
        raise Unfit("terms that are not of one or three years", lease)
    return YEARS[lease]


def _payment(term: Term) -> str:
    option = str(term.bought.get("PurchaseOption", ""))
    if option not in PAYMENTS:
        raise Unfit("reservations without a way to pay", option)
    return PAYMENTS[option]
