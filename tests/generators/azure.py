"""Months of Azure bills from a seed: the actual and the amortised file of one billing period, with totals of their own.

A month holds on-demand usage, a reservation and a savings plan that are half used, their purchases and refunds, tax, credits,
rounding, marketplace, shared cost moved between subscriptions, tokens, free usage, and tags of every ugliness. The totals are
added up while the rows are made, by what each row is, and never by looking at costctl's rules.
"""

import csv
import io
import json
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

ZERO = Decimal(0)
ACTUAL, AMORTISED = "actual", "amortised"
RESERVATION = "/providers/Microsoft.Capacity/reservationOrders/0AAA/reservations/0BBB"
PLAN = "/providers/Microsoft.BillingBenefits/savingsPlanOrders/0CCC/savingsPlans/0DDD"
GPU = (
    "Virtual Machines",
    "Compute",
    "ND96isr H100 v5",
    "1 Hour",
    "Virtual Machines NDsr H100 v5 Series",
    "Standard_ND96isr_H100_v5",
)
VM = ("Virtual Machines", "Compute", "D4s v5", "10 Hours", "Virtual Machines Dsv5 Series", "Standard_D4s_v5")
METERS = [  # MeterCategory, ServiceFamily, MeterName, UnitOfMeasure, ProductName, ServiceType
    GPU,
    VM,
    ("Storage", "Storage", "Hot LRS Write Operations", "10K", "Blob Storage", None),
    ("Bandwidth", "Networking", "Standard Data Transfer Out", "1 GB", "Bandwidth Inter-Region", None),
    ("Foundry Models", "AI + Machine Learning", "gpt 4o 1120 Inp glbl Tokens", "1K", "Azure OpenAI", None),
]
TAGS = [  # as the files write them
    "",
    "null",
    '""',
    '{"team": "search", "env": "prod"}',
    '"team": "search","env": "prod"',
    '"team": "data, \\"quoted\\"","Team": "other case"',
    '"tab\\tand\\nnewline": "ü ☃","": "empty key"',
    '"key with spaces": "","owner": null',
    '{"formula": "=1+1", "path": "C:\\\\temp"}',
]
ENTERPRISE = {  # our name of a field: the header of it
    "date": "Date",
    "cost": "CostInBillingCurrency",
    "currency": "BillingCurrencyCode",
    "start": "BillingPeriodStartDate",
    "end": "BillingPeriodEndDate",
    "type": "ChargeType",
    "frequency": "Frequency",
    "model": "PricingModel",
    "benefit": "benefitId",
    "reservation": "ReservationId",
    "account": "BillingAccountId",
    "profile": "BillingProfileId",
    "subscription": "SubscriptionId",
    "resource": "ResourceId",
    "location": "ResourceLocation",
    "family": "ServiceFamily",
    "category": "MeterCategory",
    "service": "ConsumedService",
    "meter": "MeterName",
    "product": "ProductName",
    "publisher": "PublisherType",
    "unit": "UnitOfMeasure",
    "quantity": "Quantity",
    "price": "UnitPrice",
    "payg": "PayGPrice",
    "info": "AdditionalInfo",
    "tags": "Tags",
}
HEADERS = {
    "ea": ENTERPRISE,
    "mca": ENTERPRISE
    | {
        "date": "date",
        "cost": "costInBillingCurrency",
        "currency": "billingCurrency",
        "start": "billingPeriodStartDate",
        "end": "billingPeriodEndDate",
        "category": "meterCategory",
        "invoice": "invoiceId",
        "pricing_currency": "pricingCurrency",
        "rate": "exchangeRatePricingToBilling",
        "usd": "costInUsd",
    },
    "c360": ENTERPRISE | {"cost": "Cost", "currency": "BillingCurrency", "product": "Product"},
}
LOCALISED = {"MeterCategory": "Kategorie der Verbrauchseinheit (MeterCategory)", "Quantity": "Menge (Quantity)"}


@dataclass
class Totals:
    """What a month comes to: sums of the known costs, and how many rows of each are unknown."""

    rows: int = 0
    billed: Decimal = ZERO
    effective: Decimal = ZERO
    effective_unknown: int = 0

    def add(self, billed, effective):
        self.rows += 1
        self.billed += billed
        if effective is None:
            self.effective_unknown += 1
        else:
            self.effective += effective


@dataclass
class Month:
    """One billing period: the rows of both files, and the totals of both together and of each alone."""

    start: date
    agreement: str
    localised: bool
    rows: dict = field(default_factory=lambda: {ACTUAL: [], AMORTISED: []})
    totals: dict = field(default_factory=lambda: {"both": Totals(), ACTUAL: Totals(), AMORTISED: Totals()})
    invoice: Decimal = ZERO
    recipe: Decimal = ZERO  # BilledCost by Microsoft's recipe: amortised rows, and the purchases of the actual file

    @property
    def end(self):
        """Return the day after the last one."""
        return (self.start.replace(day=28) + timedelta(days=4)).replace(day=1)

    def text(self, dataset, *, until=31):
        """Return the CSV of a dataset, month to date until a day."""
        names = HEADERS[self.agreement]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow([LOCALISED.get(name, name) if self.localised else name for name in names.values()])
        for row in self.rows[dataset]:
            if row["on"].day <= until:
                writer.writerow([row.get(name, "") for name in names])
        return "\ufeff" + out.getvalue()


def month(seed, start=date(2026, 10, 1), days=31):
    """Make a month; the same seed gives the same bytes."""
    dice = random.Random(seed)
    made = Month(start, ("ea", "mca", "c360")[seed % 3], localised=seed % 4 == 1)
    for offset in range(min(days, (made.end - start).days)):
        _day(dice, made, start + timedelta(days=offset))
    _once(dice, made)
    for rows in made.rows.values():
        dice.shuffle(rows)
    return made


def _day(dice, made, on):
    """A day: usage on demand, and a reservation and a savings plan of which half is drawn."""
    for meter in dice.sample(METERS, 2):
        cost = _amount(dice)
        wobble = Decimal("0.000001") if dice.random() < 0.05 else ZERO  # the two files do not always agree
        about = _used(dice, meter) | {"model": "OnDemand"}
        _both(made, on, about, cost, amortised=cost + wobble)
    for model, benefit, meter, unused in (
        ("Reservation", RESERVATION, GPU, "UnusedReservation"),
        ("SavingsPlan", PLAN, VM, "UnusedSavingsPlan"),
    ):
        about = {"model": model, "benefit": benefit} | ({"reservation": "0BBB"} if model == "Reservation" else {})
        _covered(made, on, _used(dice, meter) | about | {"quantity": "12"}, _amount(dice))
        rest = about | {"type": unused, "frequency": "UsageBased", "quantity": "12", "unit": "1 Hour"}
        _unused(
            made,
            on,
            rest | {"product": "Reserved VM Instance, Standard_ND96isr_H100_v5, US East, 3 Years"},
            _amount(dice),
        )


def _once(dice, made):
    """What comes once a month: purchases, refunds, tax, credits, rounding, marketplace, moved cost, free usage."""
    first, last = made.start, made.end - timedelta(days=1)
    for model, benefit in (("Reservation", RESERVATION), ("SavingsPlan", PLAN)):
        about = {"model": model, "benefit": benefit, "product": model}
        _commitment(made, first, about | {"type": "Purchase", "frequency": "Recurring"}, _amount(dice) * 500)
        _commitment(made, last, about | {"type": "Refund", "frequency": "OneTime"}, -_amount(dice))
    market = {"publisher": "Marketplace", "category": "SaaS", "product": "Vector store"}
    for about, cost in (
        (market | {"type": "Purchase", "frequency": "Recurring"}, _amount(dice)),
        (market | {"type": "Usage", "unit": "1", "quantity": "3", "model": "OnDemand"}, _amount(dice)),
        ({"type": "Refund", "product": "Support"}, -_amount(dice)),
        ({"type": "Tax", "product": "VAT"}, _amount(dice)),
        ({"type": "Credit", "product": "Azure credit"}, -_amount(dice)),
        ({"type": "RoundingAdjustment"}, Decimal("-0.00000000123")),
        ({"type": "SomethingNew", "product": "a type nobody knows"}, _amount(dice)),
        (_used(dice, METERS[3]) | {"model": "OnDemand", "quantity": "5"}, ZERO),
    ):
        _both(made, last, about, cost)
    moved = _amount(dice)
    for cost in (moved, -moved):  # cost allocation between subscriptions
        _both(made, last, _used(dice, METERS[1]) | {"model": "OnDemand"}, cost)


def _used(dice, meter):
    category, family, name, unit, product, machine = meter
    info = json.dumps({"ServiceType": machine, "VMName": "node-1"}) if machine else ""
    return {
        "type": "Usage",
        "frequency": "UsageBased",
        "category": category,
        "family": family,
        "service": "Microsoft." + family.split()[0],
        "meter": name,
        "unit": unit,
        "product": product,
        "quantity": str(dice.randint(1, 24)),
        "info": info if dice.random() < 0.5 else info.strip("{}"),
        "tags": dice.choice(TAGS),
        "resource": f"/Subscriptions/42/resourceGroups/RG-{dice.randint(1, 3)}/vm",
        "location": dice.choice(["EastUS", "US East", "westeurope", "EU West", ""]),
    }


def _amount(dice):
    """An amount as bills have them: cents, 15 decimals, or tiny."""
    scale = dice.choice([2, 9, 15])
    return Decimal(dice.randint(1, 10**6)).scaleb(-scale)


def _written(value):
    """A number as Azure writes it: plain, or with an exponent when it is small."""
    return f"{value:E}" if value and abs(value) < Decimal("0.0001") else f"{value:f}"


def _put(made, dataset, on, about, cost):
    ea = made.agreement != "mca"
    row = about | {
        "on": on,
        "date": f"{on.month}/{on.day}/{on.year}" if made.agreement == "ea" else f"{on:%m/%d/%Y}",
        "start": f"{made.start:%m/%d/%Y}",
        "end": f"{made.end - timedelta(days=1):%m/%d/%Y}",
        "cost": _written(cost),
        "currency": "EUR",
        "account": "12345678",
        "profile": "12345678" if ea else "PROF-1",
        "subscription": "42",
        "invoice": "G042",
        "pricing_currency": "USD",
        "rate": "0.9",
        "usd": "999999",
    }
    made.rows[dataset].append(row)


def _count(made, *, both=None, actual=None, amortised=None):
    """Add (billed, effective) of a charge to the totals of the month with both files, with one, with the other."""
    for name, costs in (("both", both), (ACTUAL, actual), (AMORTISED, amortised)):
        if costs is not None:
            made.totals[name].add(*costs)


def _both(made, on, about, cost, amortised=None):
    """A charge that stands in both files: the actual one is invoiced."""
    shown = cost if amortised is None else amortised
    _put(made, ACTUAL, on, about, cost)
    _put(made, AMORTISED, on, about, shown)
    made.invoice += cost
    made.recipe += shown
    _count(made, both=(cost, cost), actual=(cost, cost), amortised=(shown, shown))


def _covered(made, on, about, share):
    """Usage that a commitment pays: free on the invoice, its share in the amortised file."""
    _put(made, ACTUAL, on, about, ZERO)
    _put(made, AMORTISED, on, about, share)
    _count(made, both=(ZERO, share), actual=(ZERO, None), amortised=(ZERO, share))


def _unused(made, on, about, waste):
    """What of a commitment nobody drew: in the amortised file only."""
    _put(made, AMORTISED, on, about, waste)
    _count(made, both=(ZERO, waste), amortised=(ZERO, waste))


def _commitment(made, on, about, cost):
    """A purchase or refund of a commitment: on the invoice only, and no cost of its own month."""
    _put(made, ACTUAL, on, about, cost)
    made.invoice += cost
    made.recipe += cost
    _count(made, both=(cost, ZERO), actual=(cost, ZERO))
