"""The AWS bill: a legacy Cost and Usage Report in daily lines, with a Savings Plan on part of the H100 pool."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from generator.meridian import CLAUDE, MONTHS, NOTEBOOK, PRICES, TAX
from generator.shape import DAY, Cell, Cells, Row, Tokens, after, cents, code, days, iso, text, weekend
from generator.tokens import TRN2

GROUPS = {
    "identity": "LineItemId TimeInterval",
    "bill": "InvoiceId InvoicingEntity BillingEntity BillType PayerAccountId BillingPeriodStartDate"
    " BillingPeriodEndDate",
    "lineItem": "UsageAccountId LineItemType UsageStartDate UsageEndDate ProductCode UsageType Operation"
    " AvailabilityZone ResourceId UsageAmount CurrencyCode UnblendedRate UnblendedCost LineItemDescription TaxType"
    " LegalEntity",
    "product": "ProductName instanceType region regionCode servicecode sku",
    "pricing": "publicOnDemandCost publicOnDemandRate term unit RateCode",
    "reservation": "EffectiveCost ReservationARN UnusedAmortizedUpfrontFeeForBillingPeriod UnusedRecurringFee",
    "savingsPlan": "SavingsPlanARN SavingsPlanEffectiveCost TotalCommitmentToDate UsedCommitment SavingsPlanRate",
    "resourceTags": "user:team user:model user:purpose",
}
CUR_COLUMNS = tuple(f"{group}/{column}" for group, columns in GROUPS.items() for column in columns.split())
PAYER, SERVING, RESEARCH, SHARED = "111122223333", "222233334444", "333344445555", "444455556666"
SELLER, INVOICE, FULL = "Amazon Web Services, Inc.", "2098114577", Decimal(24)
REGIONS = {"USE2": "us-east-2", "USW2": "us-west-2"}  # by the usage type's prefix; without one it is us-east-1
NAMES = {
    "AmazonEC2": "Amazon Elastic Compute Cloud",
    "AmazonBedrock": "Amazon Bedrock",
    "AmazonS3": "Amazon Simple Storage Service",
    "AmazonEKS": "Amazon Elastic Container Service for Kubernetes",
    "AWSDataTransfer": "AWS Data Transfer",
    "ComputeSavingsPlans": "Savings Plans for AWS Compute usage",
    "AWSSupportEnterprise": "AWS Support (Enterprise)",
}


@dataclass(frozen=True)
class Sku:
    """What AWS sells: product, usage type, unit and list price; an instance's usage type ends in its type."""

    product: str
    usage_type: str
    unit: str = ""
    price: Decimal = Decimal(0)
    operation: str = ""

    @property
    def machine(self) -> str:
        """Return the instance type, blank for other services."""
        return self.usage_type.partition("BoxUsage:")[2]


def box(usage_type: str, price: str) -> Sku:
    """Return the SKU of an EC2 instance."""
    return Sku("AmazonEC2", usage_type, "Hrs", Decimal(price), "RunInstances")


P5, P5_WEST = box("BoxUsage:p5.48xlarge", "55.04"), box("USW2-BoxUsage:p5.48xlarge", "55.04")
TRN, INF = box("USE2-BoxUsage:trn2.48xlarge", "35.7608"), box("BoxUsage:inf2.48xlarge", "12.98127")
G5 = box("BoxUsage:g5.12xlarge", "5.672")
TOKEN_TYPES = ("input-tokens", "cache-read-input-token-count", "cache-write-input-token-count", "output-tokens")
BEDROCK = tuple(
    Sku("AmazonBedrock", f"USE1-Claude4.6Sonnet-{kind}", "1K tokens", price / 1000, "InvokeModelInference")
    for kind, price in zip(TOKEN_TYPES, PRICES[CLAUDE], strict=True)
)
STEADY = (  # product, usage type, unit, price, operation · account, resource, units a day, team tag, purpose tag
    (("AmazonS3", "TimedStorage-ByteHrs", "GB-Mo", Decimal("0.022"), "StandardStorage"),
     SHARED, "meridian-lake", 29000, "plat", "internal"),
    (("AmazonS3", "USW2-TimedStorage-ByteHrs", "GB-Mo", Decimal("0.022"), "StandardStorage"),
     RESEARCH, "meridian-checkpoints", 11000, "research-ml", "training"),
    (("AmazonEC2", "EBS:VolumeUsage.gp3", "GB-Mo", Decimal("0.08"), "CreateVolume-Gp3"),
     SERVING, f"vol-0{code('vol')}", 1500, "", ""),
    (("AmazonEC2", "NatGateway-Bytes", "GB", Decimal("0.045"), "NatGateway"),
     SERVING, f"nat-0{code('nat')}", 2100, "", ""),
    (("AmazonCloudWatch", "DataProcessing-Bytes", "GB", Decimal("0.50"), "PutLogEvents"),
     SHARED, "log-group:serving", 70, "infra", ""),
    (("AmazonEKS", "USE1-AmazonEKS-Hours:perCluster", "Hrs", Decimal("0.10"), "CreateOperation"),
     SHARED, "cluster/serving", 96, "infra", ""),
    (("AWSDataTransfer", "DataTransfer-Out-Bytes", "GB", Decimal("0.05")), SERVING, "", 1600, "", ""),
)  # fmt: skip
PLAN, PLAN_RATE, PLAN_NODES = f"arn:aws:savingsplans::{PAYER}:savingsplan/{code('plan')}", Decimal("34.40"), 11
PLAN_FEE = Sku("ComputeSavingsPlans", "USE1-EC2SP:p5.1yrNoUpfront")
REPAIRS = (date(2026, 10, 17), date(2026, 10, 18))
SUPPORT = Decimal("0.0675")  # of the month's use, about what the tiers of Enterprise Support come to
CREDIT = Decimal(-15000)


def line(begin: date, end: date, sku: Sku, kind: str, account: str, amount: Decimal, more: Mapping[str, Cell]) -> Row:
    """Write one line, priced at list; `more` adds columns or replaces them."""
    month, region = begin.replace(day=1), REGIONS.get(sku.usage_type[:4], "us-east-1") if sku.usage_type else ""
    sku_id = base64.b32encode(code(sku.usage_type).encode()).decode()[:16] if sku.usage_type else ""
    cells: Cells = {
        "identity/LineItemId": f"{code(sku.usage_type, kind, more.get('lineItem/ResourceId'))}k5hq",
        "identity/TimeInterval": f"{iso(begin)}/{iso(end)}",
        "bill/InvoiceId": INVOICE if month == MONTHS[0] else "", "bill/InvoicingEntity": SELLER,
        "bill/BillingEntity": "AWS", "bill/BillType": "Anniversary", "bill/PayerAccountId": PAYER,
        "bill/BillingPeriodStartDate": iso(month), "bill/BillingPeriodEndDate": iso(after(month)),
        "lineItem/UsageAccountId": account, "lineItem/LineItemType": kind, "lineItem/UsageStartDate": iso(begin),
        "lineItem/UsageEndDate": iso(end), "lineItem/ProductCode": sku.product, "lineItem/UsageType": sku.usage_type,
        "lineItem/Operation": sku.operation, "lineItem/UsageAmount": amount, "lineItem/CurrencyCode": "USD",
        "lineItem/UnblendedCost": sku.price * amount, "lineItem/LegalEntity": SELLER,
        "product/ProductName": NAMES.get(sku.product, sku.product), "product/region": region,
        "product/regionCode": region, "product/servicecode": sku.product, "product/sku": sku_id,
        "pricing/publicOnDemandCost": Decimal(0),
    }  # fmt: skip
    if kind in ("Usage", "SavingsPlanCoveredUsage"):
        cells |= {
            "lineItem/LineItemDescription": f"${text(sku.price)} per {sku.machine or sku.usage_type} {sku.unit}",
            "lineItem/UnblendedRate": sku.price, "lineItem/AvailabilityZone": f"{region}a" if sku.machine else "",
            "product/instanceType": sku.machine, "pricing/publicOnDemandCost": sku.price * amount,
            "pricing/publicOnDemandRate": sku.price, "pricing/term": "OnDemand", "pricing/unit": sku.unit,
            "pricing/RateCode": f"{sku_id}.JRTCKXETXF.6YS6EN2CT7",
        }  # fmt: skip
    return {column: text((cells | dict(more)).get(column)) for column in CUR_COLUMNS}


def owner(resource: str, tags: Sequence[str] = ("", "", "")) -> Cells:
    """Return the resource and tag columns; tags are team, model, purpose."""
    return {"lineItem/ResourceId": resource, **dict(zip(CUR_COLUMNS[-3:], tags, strict=True))}


def p5_rows(day: date) -> Iterator[Row]:
    """Write the H100 pool: covered by the Savings Plan up to its commitment, on demand above, unused below."""
    nodes = 9 if day in REPAIRS else 10 if weekend(day) else 13
    covered, end = min(nodes, PLAN_NODES), day + DAY
    arn: Cells = {"savingsPlan/SavingsPlanARN": PLAN}
    rate = arn | {"savingsPlan/SavingsPlanRate": PLAN_RATE, "savingsPlan/SavingsPlanEffectiveCost": PLAN_RATE * FULL}
    for node in range(nodes):
        kind, plan = ("SavingsPlanCoveredUsage", rate) if node < covered else ("Usage", {})
        owned = owner(f"i-0{code('p5', node)}", ("infra", "atlas-70b", ""))
        yield line(day, end, P5, kind, SERVING, FULL, owned | plan)
    note = f"SavingsPlanNegation used by AccountId : {SERVING} and UsageSku : {code(P5.usage_type).upper()}"
    negation = arn | {"lineItem/UnblendedCost": -P5.price * FULL * covered, "lineItem/LineItemDescription": note}
    yield line(day, end, P5, "SavingsPlanNegation", SERVING, FULL * covered, negation)
    paid, drawn = PLAN_RATE * FULL * PLAN_NODES, PLAN_RATE * FULL * covered
    fee = arn | {"savingsPlan/TotalCommitmentToDate": paid, "savingsPlan/UsedCommitment": drawn}
    fee |= {"lineItem/LineItemDescription": "1 year No Upfront p5 EC2 Instance Savings Plan in us-east-1"}
    yield line(day, end, PLAN_FEE, "SavingsPlanRecurringFee", PAYER, FULL, fee | {"lineItem/UnblendedCost": paid})


def day_rows(day: date, tokens: Tokens) -> Iterator[Row]:
    """Write a day of the bill."""
    yield from p5_rows(day)
    trainers = [f"i-0{code('training', node)}" for node in range(4)]
    machines = [(P5_WEST, RESEARCH, resource, ("Research-ML", "", "training")) for resource in trainers]
    machines += [(TRN, SERVING, resource, ("infra", "atlas-70b", "")) for resource in TRN2]
    machines += [(INF, SERVING, f"i-0{code('inf2', node)}", ("infra", "embed-v2", "")) for node in range(3)]
    if day >= date(2026, 10, 9):  # somebody's notebook: never tagged, never stopped
        machines.append((G5, SHARED, f"i-0{code('notebook')}", ("", "", "")))
    for sku, account, resource, tags in machines:
        yield line(day, day + DAY, sku, "Usage", account, FULL, owner(resource, tags))
    for sku, seen, more in zip(BEDROCK, tokens[CLAUDE, day], NOTEBOOK, strict=True):
        thousands = Decimal(seen + (0 if weekend(day) else more)) / 1000
        yield line(day, day + DAY, sku, "Usage", SERVING, thousands, {})
    for item, account, resource, units, team, purpose in STEADY:
        yield line(day, day + DAY, Sku(*item), "Usage", account, Decimal(units), owner(resource, (team, "", purpose)))


def month_rows(month: date, tokens: Tokens) -> list[Row]:
    """Write a month: its days, then support, a promotional credit and tax per product."""
    rows = [row for day in days(month) for row in day_rows(day, tokens)]
    spent: dict[str, Decimal] = {row["lineItem/ProductCode"]: Decimal(0) for row in rows}
    for row in rows:
        spent[row["lineItem/ProductCode"]] += Decimal(row["lineItem/UnblendedCost"])
    spent["AWSSupportEnterprise"] = cents(sum(spent.values(), Decimal(0)) * SUPPORT)
    extra = [("Fee", "AWSSupportEnterprise", spent["AWSSupportEnterprise"], "AWS Support (Enterprise)")]
    extra += [("Credit", "AmazonBedrock", CREDIT, "AWS_Generative_AI_Promotional_Credit")]
    extra += [("Tax", name, cents(cost * TAX), f"Tax for product code {name}") for name, cost in sorted(spent.items())]
    for kind, product, cost, note in extra:
        more: Cells = {"lineItem/UnblendedCost": cost, "lineItem/LineItemDescription": note}
        more |= {"lineItem/TaxType": "USSalesTax"} if kind == "Tax" else {}
        rows.append(line(month, after(month), Sku(product, ""), kind, PAYER, Decimal(1), more))
    return rows
