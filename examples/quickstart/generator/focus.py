"""The Google Cloud and Azure bills: FOCUS 1.2 as CSV, daily lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from generator.meridian import GPT, LATE, MONTHS, PRICES, TAX
from generator.shape import DAY, MILLION, Cell, Cells, Row, Tokens, after, cents, code, days, iso, text, weekend

COLUMNS = """
    AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency BillingPeriodEnd
    BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription
    ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId
    CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus CommitmentDiscountType
    CommitmentDiscountUnit ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost InvoiceId
    InvoiceIssuerName ListCost ListUnitPrice PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice
    PricingCurrencyEffectiveCost PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName
    RegionId RegionName ResourceId ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId
    SkuMeter SkuPriceDetails SkuPriceId SubAccountId SubAccountName SubAccountType Tags"""
FOCUS_COLUMNS = tuple(COLUMNS.split())
AZURE_COLUMNS = (*FOCUS_COLUMNS, "x_PurchaseModel")
SUBSCRIPTION = "/subscriptions/5f1c9a70-3b7e-4c58-9d21-6a0e84c7b1f3"
CLOUDS: dict[str, Cells] = {
    "Google Cloud": {
        "BillingAccountId": "01D4E7-8A3F52-C96B10", "BillingAccountType": "Billing Account", "InvoiceId": "5274190866",
        "InvoiceIssuerName": "Google LLC", "SubAccountId": "meridian-serving", "SubAccountType": "Project",
    },
    "Microsoft": {
        "BillingAccountId": "/providers/Microsoft.Billing/billingAccounts/8611537", "InvoiceId": "G072615943",
        "BillingAccountType": "Billing Profile", "InvoiceIssuerName": "Microsoft", "SubAccountId": SUBSCRIPTION,
        "SubAccountType": "Subscription",
    },
}  # fmt: skip
INSTANCES = "//compute.googleapis.com/projects/meridian-serving/zones/us-central1-a/instances"
SLICES = "//tpu.googleapis.com/projects/meridian-serving/locations/us-east1-d/nodes"
GROUP = f"{SUBSCRIPTION}/resourcegroups/serving/providers"
Place = tuple[str, str]  # RegionId, RegionName
IOWA, CAROLINA = ("us-central1", "Iowa"), ("us-east1", "South Carolina")
EAST, CENTRAL = ("eastus", "East US"), ("centralus", "Central US")


@dataclass(frozen=True)
class Meter:
    """What is measured and priced: provider, service, meter, unit, list and contracted price, place."""

    cloud: str
    category: str
    service: str
    name: str
    unit: str
    listed: Decimal
    contracted: Decimal
    region: Place


def google(service: str, name: str, unit: str, price: str, contracted: str = "", region: Place = IOWA) -> Meter:
    """Return a meter of Google Cloud; the service is its category too, but for machines."""
    category = "Compute" if service == "Compute Engine" else service
    return Meter("Google Cloud", category, service, name, unit, Decimal(price), Decimal(contracted or price), region)


def azure(category: str, service: str, name: str, unit: str, prices: tuple[Decimal, Decimal], at: Place) -> Meter:
    """Return a meter of Azure."""
    return Meter("Microsoft", category, service, name, unit, *prices, at)


TPU = google("Compute Engine", "TpuV6e running in South Carolina", "hour", "2.70", region=CAROLINA)
A3 = (  # one VM is three meters; with the amounts of an a3-highgpu-8g
    (google("Compute Engine", "Nvidia H100 80GB GPU running in Iowa", "hour", "9.796558", "8.327074"), 8),
    (google("Compute Engine", "A3 Instance Core running in Iowa", "hour", "0.025692", "0.021838"), 208),
    (google("Compute Engine", "A3 Instance Ram running in Iowa", "gibibyte hour", "0.00255", "0.002168"), 1872),
)
GCS = google("Storage", "Standard Storage US Regional", "gibibyte month", "0.02")
EGRESS = google("Networking", "Network Inter Region Egress from Americas", "gibibyte", "0.05")
CUD_ID = "projects/meridian-serving/regions/us-east1/commitments/v6e-1y"
CUD_RATE, CUD_CHIPS, SLICE = Decimal("1.89"), 40, 32  # 40 chips for a year; the pool is two slices of 32
CUD: Cells = {
    "CommitmentDiscountId": CUD_ID, "CommitmentDiscountName": "v6e-1y", "CommitmentDiscountCategory": "Usage",
    "CommitmentDiscountType": "Resource-based CUD", "CommitmentDiscountUnit": "hour",
}  # fmt: skip
ND96 = azure("Compute", "Virtual Machines", "ND96isr H100 v5", "Hours", (Decimal("98.32"), Decimal("63.908")), EAST)
BLOB = azure("Storage", "Storage Accounts", "Hot LRS Data Stored", "GB/Month", (Decimal("0.018"),) * 2, EAST)
BANDWIDTH = azure("Networking", "Bandwidth", "Standard Data Transfer Out", "GB", (Decimal("0.05"),) * 2, EAST)
GPT_METERS = tuple(
    azure("AI and Machine Learning", "Foundry Models", f"GPT 5 {kind} Glbl 1M Tokens", "1M Tokens", (price,) * 2, EAST)
    for kind, price in zip(("Inp", "cached Inp", "", "outpt"), PRICES[GPT], strict=True)
)
INFRA_8B, INFRA_70B = {"team": "infra", "model": "atlas-8b"}, {"Team": "infra", "Model": "atlas-70b"}


def row(cloud: str, begin: date, end: date, category: str, cost: Decimal, **more: Cell) -> Row:
    """Write one charge, all four costs alike unless `more` says otherwise."""
    month = begin.replace(day=1)
    cells: Cells = {
        "ProviderName": cloud, "PublisherName": cloud, "BillingAccountName": "Meridian AI", "SubAccountName": "serving",
        **CLOUDS[cloud], "BillingCurrency": "USD", "PricingCurrency": "USD", "ChargeCategory": category,
        "BillingPeriodStart": iso(month), "BillingPeriodEnd": iso(after(month)),
        "ChargePeriodStart": iso(begin), "ChargePeriodEnd": iso(end), "ChargeFrequency": "Recurring",
        "ListCost": cost, "ContractedCost": cost, "BilledCost": cost, "EffectiveCost": cost, **more,
    }  # fmt: skip
    cells |= {} if month == MONTHS[0] else {"InvoiceId": None}
    return {column: text(cells.get(column)) for column in AZURE_COLUMNS}


def used(day: date, meter: Meter, quantity: Decimal, resource: str, tags: dict[str, str], **more: Cell) -> Row:
    """Write a day of a meter: what, where, how much, at list and as contracted."""
    cells: Cells = {
        "ServiceName": meter.service, "ServiceCategory": meter.category, "SkuMeter": meter.name,
        "SkuId": code(meter.name)[:12].upper(), "SkuPriceId": code(meter.name, meter.contracted)[:12].upper(),
        "RegionId": meter.region[0], "RegionName": meter.region[1], "ResourceId": resource,
        "ResourceName": resource.rpartition("/")[2], "ChargeDescription": meter.name, "ChargeFrequency": "Usage-Based",
        "PricingCategory": "Standard", "PricingQuantity": quantity, "PricingUnit": meter.unit,
        "ConsumedQuantity": quantity, "ConsumedUnit": meter.unit, "ListUnitPrice": meter.listed,
        "ContractedUnitPrice": meter.contracted, "ListCost": meter.listed * quantity,
        "Tags": json.dumps(tags) if tags else "",
    }  # fmt: skip
    category = str(more.pop("ChargeCategory", "Usage"))
    return row(meter.cloud, day, day + DAY, category, meter.contracted * quantity, **cells | more)


def committed(day: date, chips: int, status: str, resource: str) -> Row:
    """Write chips that the commitment covers, used or not."""
    hours = Decimal(24 * chips)
    more = CUD | {"CommitmentDiscountStatus": status, "CommitmentDiscountQuantity": hours, "BilledCost": Decimal(0)}
    more |= {"PricingCategory": "Committed", "EffectiveCost": CUD_RATE * hours}
    if status == "Unused":
        more |= {"ConsumedQuantity": None, "ConsumedUnit": None, "ListCost": Decimal(0), "ContractedCost": Decimal(0)}
    return used(day, TPU, hours, resource, INFRA_8B if status == "Used" else {}, **more)


def tpu_rows(day: date) -> Iterator[Row]:
    """Write the TPU pool: 40 chips committed; two slices run on weekdays, one on weekends, so 8 chips stay unused."""
    hours = Decimal(24 * CUD_CHIPS)
    fee = dict.fromkeys(("BilledCost", "ListCost", "ContractedCost"), CUD_RATE * hours)
    name, free = "Commitment v1: TpuV6e in South Carolina for 1 Year", {"EffectiveCost": Decimal(0)}
    blank: Cells = {"ConsumedQuantity": None, "ConsumedUnit": None, "ListUnitPrice": CUD_RATE}
    bought = CUD | blank | fee | free | {"SkuMeter": name, "ChargeDescription": name, "ChargeFrequency": "Recurring"}
    bought |= {"ContractedUnitPrice": CUD_RATE, "CommitmentDiscountQuantity": hours, "ChargeCategory": "Purchase"}
    yield used(day, TPU, hours, CUD_ID, {}, **bought)
    yield committed(day, SLICE, "Used", f"{SLICES}/v6e-serve-0")
    if weekend(day):
        yield committed(day, CUD_CHIPS - SLICE, "Unused", CUD_ID)
    else:
        yield committed(day, CUD_CHIPS - SLICE, "Used", f"{SLICES}/v6e-serve-1")
        yield used(day, TPU, Decimal(24 * (2 * SLICE - CUD_CHIPS)), f"{SLICES}/v6e-serve-1", INFRA_8B)


def google_day(day: date) -> Iterator[Row]:
    """Write a day of the Google Cloud bill."""
    yield from tpu_rows(day)
    for vm in range(2):
        hours = 17 if vm == 1 and day == date(2026, 9, 24) else 24  # host maintenance
        for meter, amount in A3:
            yield used(day, meter, Decimal(hours * amount), f"{INSTANCES}/a3-serve-{vm}", INFRA_8B)
    yield used(day, GCS, Decimal(6200), "//storage.googleapis.com/meridian-index", {"team": "srch"})
    yield used(day, EGRESS, Decimal(900), "", {})


def azure_day(day: date, tokens: Tokens, maia: Meter) -> Iterator[Row]:
    """Write a day of the Azure bill."""
    size = json.dumps({"InstanceType": "Standard_ND96isr_H100_v5", "GpuCount": 8})
    scale_set = f"{GROUP}/microsoft.compute/virtualmachinescalesets/nd96-serve"  # four VMs, metered as one resource
    yield used(day, ND96, Decimal(4 * 24), scale_set, INFRA_70B, SkuPriceDetails=size)
    leased: Cells = {"PricingCategory": "Other", "ListUnitPrice": None, "x_PurchaseModel": "private_contract"}
    yield used(day, maia, Decimal(64 * 24), f"{GROUP}/microsoft.compute/leases/maia-dsm-01", INFRA_70B, **leased)
    for meter, seen in zip(GPT_METERS, tokens[GPT, day], strict=True):
        if seen and (GPT, day) != LATE:
            counted: Cells = {"ConsumedQuantity": seen, "ConsumedUnit": "Tokens"}
            account = f"{GROUP}/microsoft.cognitiveservices/accounts/gpt"
            yield used(day, meter, Decimal(seen) / MILLION, account, {}, **counted)
    weights = f"{GROUP}/microsoft.storage/storageaccounts/meridianweights"
    yield used(day, BLOB, Decimal(3100), weights, {"Team": "Platform"})
    yield used(day, BANDWIDTH, Decimal(700), "", {})


def google_month(month: date) -> list[Row]:
    """Write a month of Google Cloud; the last line is tax."""
    return with_tax("Google Cloud", month, [line for day in days(month) for line in google_day(day)])


def azure_month(month: date, tokens: Tokens, cards: Path) -> list[Row]:
    """Write a month of Azure, Maia at the price of the contract card; the last lines are support and tax."""
    with (cards / "maia.csv").open(encoding="utf-8", newline="") as file:
        prices = {card["valid_from"]: Decimal(card["unit_price"]) for card in csv.DictReader(file)}
    price = prices[max(start for start in prices if start <= f"{month}")]
    maia = azure("Compute", "Virtual Machines", "Maia 200", "Hours", (price, price), CENTRAL)
    rows = [line for day in days(month) for line in azure_day(day, tokens, maia)]
    plan: Cells = {"ServiceName": "Microsoft Unified Support", "ServiceCategory": "Other"}
    plan |= {"ChargeDescription": "Unified Support, monthly fee", "PricingCategory": "Standard"}
    rows.append(row("Microsoft", month, after(month), "Purchase", Decimal(9500), **plan))
    return with_tax("Microsoft", month, rows)


def with_tax(cloud: str, month: date, rows: list[Row]) -> list[Row]:
    """Add the tax on everything billed."""
    due = cents(sum((Decimal(line["BilledCost"]) for line in rows), Decimal(0)) * TAX)
    more: Cells = {"ServiceName": "Invoice", "ServiceCategory": "Other", "ChargeDescription": "State sales tax"}
    return [*rows, row(cloud, month, after(month), "Tax", due, **more)]
