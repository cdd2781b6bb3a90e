"""Months of AWS bills from a seed: the lines of one payer's month, with totals of their own.

A month holds on-demand usage, savings plans without, with some and with all of the fee upfront that are partly used, a
reservation, support, marketplace, tax, credits, refunds, discount lines, tokens, shares of machines for pods, a line type nobody
has seen yet, and tags of every ugliness; with private discounts, the net columns besides. What it costs is added up while the
lines are made, by what each line is, in fractions, and never by looking at costctl's rules. A cost that the file cannot tell is None.
"""

import csv
import io
import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pyarrow as pa
from pyarrow import parquet

ZERO = Decimal(0)
PAYER = "012345678901"
ACCOUNTS = ["000000000042", "111111111111", "222222222222"]
EC2 = ("AmazonEC2", "Amazon Elastic Compute Cloud")
SERVICES = [  # product code, product name, usage type, unit, price
    (*EC2, "BoxUsage:p5.48xlarge", "Hrs", "55.04"),
    (*EC2, "USE2-BoxUsage:trn2.48xlarge", "Hrs", "35.7608"),
    (*EC2, "USW2-SpotUsage:g5.xlarge", "Hrs", "0.4712"),
    ("AmazonS3", "Amazon Simple Storage Service", "EUC1-Requests-Tier2", "Requests", "4E-7"),
    ("AmazonBedrock", "Amazon Bedrock", "USE1-Claude4.6Sonnet-input-tokens", "1K tokens", "0.003"),
]
MARKET = ("4tqzz1example", 'A vendor\'s "best", product')
PLANS = ("ComputeSavingsPlans", "Savings Plans for AWS Compute usage")
SUPPORT = ("AWSSupportEnterprise", "AWS Support (Enterprise)")
TAGS = [
    {},
    {"user:team": "search"},
    {"user:team": 'data, "quoted"', "aws:createdBy": "AssumedRole:x"},
    {"user:team": "ads", "user:note": "line one\nline two", "user:Kostenstelle ü": '☃ {"user_x":""}'},
    {"user:team": " ads", "user:formula": "=1+1", "user:blank": ""},
]  # fmt: skip
KEYS = sorted({key for tags in TAGS for key in tags})
MONEY = re.compile(r"Cost|Commitment|Fee|Amount|Rate|Quantity|UpfrontValue")
COSTS = ("billed", "effective", "list", "contracted")


@dataclass
class Total:
    """What some lines add up to: records, and per cost the known sum and how many charges have none."""

    records: int = 0
    sums: dict = field(default_factory=lambda: dict.fromkeys(COSTS, ZERO))
    unknown: dict = field(default_factory=lambda: dict.fromkeys(COSTS, 0))

    def add(self, costs):
        for name, cost in zip(COSTS, costs, strict=True):
            if cost is None:
                self.unknown[name] += 1
            else:
                self.sums[name] += cost


@dataclass
class Month:
    """One billing month of a payer: its lines by the header names of the legacy report, and what they come to."""

    start: date
    net: bool
    lines: list = field(default_factory=list)
    excluded: int = 0
    totals: dict = field(default_factory=lambda: defaultdict(Total))  # by service name and account
    teams: dict = field(default_factory=lambda: defaultdict(lambda: ZERO))  # effective cost by tag

    @property
    def end(self):
        return (self.start + timedelta(days=31)).replace(day=1)

    def rows(self, style):
        """Return the lines under the headers of a style: legacy, athena or cur2."""
        header = list(dict.fromkeys(name for line in self.lines for name in line if name != "tags"))
        return [_styled(line, header, style) for line in self.lines]

    def text(self, style):
        """Return the month as CSV."""
        rows = self.rows(style)
        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()

    def write_parquet(self, path, style):
        """Write the month as Parquet with the types that AWS uses: doubles, timestamps, and maps in CUR 2.0."""
        rows = self.rows(style)
        types = {name: _type(name) for name in rows[0]}
        columns = {name: pa.array([_typed(row[name], types[name]) for row in rows], types[name]) for name in types}
        parquet.write_table(pa.table(columns), path)


def snake(name):
    """Return a header of the legacy report as Athena and CUR 2.0 spell it: every capital starts a word."""
    return re.sub(r"_+", "_", re.sub(r"([A-Z])", r"_\1", name.replace("/", "_"))).lower()


def _styled(line, header, style):
    tags = line.get("tags", {})
    row = {name if style == "legacy" else snake(name): line.get(name, "") for name in header}
    if style == "legacy":
        return row | {f"resourceTags/{key}": tags.get(key, "") for key in KEYS}
    named = {key: re.sub(r"[^a-zü0-9]+_?", "_", snake(key)) for key in KEYS}
    if style == "athena":
        return row | {f"resource_tags_{named[key]}": tags.get(key, "") for key in KEYS}
    product = {"product_name": row.pop("product_product_name"), "region": "us-east-1"}
    row["product"] = json.dumps(product, ensure_ascii=False)
    row["resource_tags"] = json.dumps({named[key]: value for key, value in tags.items()}, ensure_ascii=False)
    return row


def _type(name):
    if name in ("product", "resource_tags"):
        return pa.map_(pa.string(), pa.string())
    if name.endswith(("_start_date", "_end_date")):
        return pa.timestamp("ms")
    return pa.float64() if MONEY.search("".join(part.title() for part in name.split("_"))) else pa.string()


def _typed(text, kind):
    if pa.types.is_map(kind):
        return list(json.loads(text).items())
    if not text:
        return None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(text).replace(tzinfo=None)
    return float(text) if pa.types.is_floating(kind) else text


def month(seed, start, *, net=False):
    """Make a month of about 200 lines."""
    maker = _Maker(random.Random(seed), Month(start, net))
    for _ in range(70):
        maker.on_demand()
    maker.half_used_plan(hours=14)
    maker.partly_upfront_plan(hours=8)
    maker.upfront_plan(hours=3)
    maker.reservation(hours=12)
    for _ in range(6):
        maker.pod()
    maker.the_rest()
    return maker.month


def share(amount, part, whole):
    """Return the share part/whole of an amount to 12 decimals, half up."""
    units = Fraction(amount) * Fraction(part) / Fraction(whole) * 10**12
    whole_units = Decimal(units.numerator * 2 + units.denominator) / (units.denominator * 2)
    return whole_units.to_integral_value("ROUND_FLOOR") * Decimal("1e-12")


def _text(value):
    """Write an amount as AWS does: some in exponent form, some with zeros behind."""
    if value is None:
        return ""
    text = f"{value:f}"
    return f"{value:E}" if 0 < abs(value) < Decimal("0.00001") else f"{text}.0" if "." not in text else text


class _Maker:
    """Makes the lines of a month; each method says in `costs` what its lines cost: billed, effective, list, contracted."""

    def __init__(self, chance, month):
        self.chance, self.month = chance, month
        self.off = Decimal(chance.choice(["0.1", "0.07", "0.125"])) if month.net else ZERO

    def paid(self, amount):
        """Return an amount after private discounts, rounded as AWS rounds, to ten decimals."""
        if not self.month.net:
            return amount
        return (amount * (1 - self.off)).quantize(Decimal("1e-10"), ROUND_HALF_UP).normalize()

    def twin(self, header, amount):
        """Return an amortised cost after discounts and its net column; a net file that leaves that one blank leaves it unknown."""
        if not self.month.net:
            return amount, {}
        after = self.paid(amount) if self.chance.random() < 0.9 else None
        return after, {header: after}

    def line(self, kind, unblended, *charges, net=..., product=EC2, **values):
        """Add a line and what its charges cost; nothing else adds to the totals."""
        start = datetime.combine(self.month.start, datetime.min.time()) + timedelta(hours=self.chance.randrange(600))
        account, tags = self.chance.choice(ACCOUNTS), values.pop("tags", {})
        net = self.paid(unblended) if net is ... else net
        self.month.lines.append(
            {
                "identity/LineItemId": f"li{len(self.month.lines) % 50}",
                "bill/PayerAccountId": PAYER,
                "bill/InvoiceId": "1234567890",
                "bill/BillingPeriodStartDate": f"{self.month.start}T00:00:00.000Z",
                "bill/BillingPeriodEndDate": f"{self.month.end}T00:00:00.000Z",
                "lineItem/UsageAccountId": account,
                "lineItem/LineItemType": kind,
                "lineItem/UsageStartDate": f"{start:%Y-%m-%dT%H:%M:%S.000Z}",
                "lineItem/UsageEndDate": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M:%S.000Z}",
                "lineItem/ProductCode": product[0],
                "product/ProductName": product[1],
                "lineItem/CurrencyCode": "USD",
                "lineItem/UnblendedCost": _text(unblended),
                **({"lineItem/NetUnblendedCost": _text(net)} if self.month.net else {}),
                "lineItem/UsageAmount": "1",
                **{name: value if isinstance(value, str) else _text(value) for name, value in values.items()},
                "tags": tags,
            }
        )
        if charges:
            self._add(product[1], account, tags, charges)
        else:
            self.month.excluded += 1

    def _add(self, service, account, tags, charges):
        total = self.month.totals[service, account]
        total.records += 1
        for costs in charges:
            total.add(costs)
            self.month.teams[tags.get("user:team", "").strip() or None] += costs[1] or ZERO

    def on_demand(self):
        code, name, usage, unit, price = self.chance.choice(SERVICES)
        amount = Decimal(self.chance.randrange(1, 5000)) / 1000
        cost = amount * Decimal(price)
        price_known = self.chance.random() < 0.9
        written = cost if price_known else self.chance.choice([None, ZERO])  # 0 where something is charged is no price
        self.line(
            "Usage",
            cost,
            (self.paid(cost), self.paid(cost), cost if price_known else None, self.paid(cost)),
            product=(code, name),
            tags=self.chance.choice(TAGS),
            **{
                "lineItem/UsageType": usage,
                "lineItem/Operation": "RunInstances",
                "lineItem/UsageAmount": amount,
                "pricing/unit": unit,
                "pricing/publicOnDemandCost": written,
                "product/instanceType": usage.partition(":")[2],
            },
        )

    def covered(self, plan, used, on_demand):
        """An hour covered by a plan: the usage at its on-demand price, and the negation that takes it back."""
        about = {
            "savingsPlan/SavingsPlanARN": plan,
            "lineItem/UsageType": "BoxUsage:p5.48xlarge",
            "pricing/unit": "Hrs",
        }
        after = self.paid(on_demand)
        effective, twin = self.twin("savingsPlan/NetSavingsPlanEffectiveCost", used)
        self.line(
            "SavingsPlanCoveredUsage",
            on_demand,
            (after, effective, on_demand, after),
            tags=self.chance.choice(TAGS),
            **about,
            **twin,
            **{"savingsPlan/SavingsPlanEffectiveCost": used, "pricing/publicOnDemandCost": on_demand},
        )
        self.line("SavingsPlanNegation", -on_demand, (-after, ZERO, ZERO, ZERO), **about)

    def fee(self, plan, recurring, total, used, *, upfront_after=ZERO):
        """An hour's fee of a plan: cash, and where not all of it was used, the unused part as a charge of its own."""
        unused = total - used
        if self.month.net and unused:
            known = upfront_after is not None or recurring == total
            unused = share(self.paid(recurring) + (upfront_after or ZERO), unused, total) if known else None
        twin = {"savingsPlan/NetAmortizedUpfrontCommitmentForBillingPeriod": upfront_after} if self.month.net else {}
        parts = [(self.paid(recurring), ZERO, ZERO, ZERO)]
        if unused is None or unused:
            parts.append((ZERO, unused, ZERO, ZERO))
        about = {"savingsPlan/TotalCommitmentToDate": total, "savingsPlan/UsedCommitment": used}
        about |= {"savingsPlan/SavingsPlanARN": plan} | twin
        self.line("SavingsPlanRecurringFee", recurring, *parts, product=PLANS, **about)

    def half_used_plan(self, hours):
        plan, commitment = "arn:aws:savingsplans::012345678901:savingsplan/half-used", Decimal("12.4")
        for hour in range(hours):
            used = commitment * hour / hours if hour % 3 else commitment
            used = used.quantize(Decimal("0.0000000001")).normalize()
            if used:
                self.covered(plan, used, used * Decimal("1.6"))
            self.fee(plan, commitment, commitment, used)

    def partly_upfront_plan(self, hours):
        plan = "arn:aws:savingsplans::012345678901:savingsplan/partly-upfront"
        self.line(
            "SavingsPlanUpfrontFee",
            Decimal(3504),
            (self.paid(Decimal(3504)), ZERO, ZERO, ZERO),
            product=PLANS,
            **{"savingsPlan/SavingsPlanARN": plan},
        )
        for _ in range(hours):
            used = Decimal(self.chance.randrange(1, 700)) / 100
            self.covered(plan, used, used * 2)
            self.fee(plan, Decimal(3), Decimal(7), used, upfront_after=self.paid(Decimal(4)))
        self.line(
            "Refund",
            Decimal(-1200),
            (self.paid(Decimal(-1200)), ZERO, ZERO, ZERO),
            product=PLANS,
            **{"lineItem/LineItemDescription": "Refund for one-time fee for Savings Plan ID 0815"},
        )

    def upfront_plan(self, hours):
        """All paid upfront; a net file that does not say what the upfront fee is after discounts leaves the unused part unknown."""
        for _ in range(hours):
            used = Decimal(self.chance.randrange(1, 500)) / 100
            plan = "arn:aws:savingsplans::012345678901:savingsplan/upfront"
            self.fee(plan, ZERO, Decimal(5), used, upfront_after=None if self.month.net else ZERO)

    def reservation(self, hours):
        about = {"reservation/ReservationARN": "arn:aws:ec2:us-east-1:012345678901:reserved-instances/3333"}
        about |= {"lineItem/UsageType": "BoxUsage:inf2.48xlarge", "pricing/unit": "Hrs"}
        upfront = Decimal(4000)
        self.line("Fee", upfront, (self.paid(upfront), ZERO, ZERO, ZERO), **about)
        for _ in range(hours):
            effective = Decimal(self.chance.randrange(1, 9000)) / 1000
            after, twin = self.twin("reservation/NetEffectiveCost", effective)
            self.line(
                "DiscountedUsage",
                ZERO,
                (ZERO, after, Decimal("12.98127"), None),
                tags=self.chance.choice(TAGS),
                **about,
                **twin,
                **{"reservation/EffectiveCost": effective, "pricing/publicOnDemandCost": Decimal("12.98127")},
            )
        # what was not used: known, nothing, not told; told by what was paid upfront, by the fee, by the hours
        for upfront, recurring, fee, paid, left in [
            (Decimal("10.5"), Decimal("20.7"), Decimal("700.25"), None, "3"),
            (ZERO, ZERO, Decimal("700.25"), None, "0"),
            (Decimal("1.5"), None, Decimal("700.25"), None, "3"),
            (None, Decimal("1.5"), Decimal("700.25"), None, "3"),
            (None, Decimal("1.5"), Decimal("700.25"), ZERO, "3"),
            (Decimal("2.5"), None, ZERO, None, "3"),
            (None, None, Decimal("700.25"), None, "0"),
        ]:
            known = (upfront is not None or paid == 0) and (recurring is not None or fee == 0)
            unused = self.paid(upfront or ZERO) + self.paid(recurring or ZERO) if known or left == "0" else None
            twin = {
                "reservation/NetUnusedAmortizedUpfrontFeeForBillingPeriod": None
                if upfront is None
                else self.paid(upfront),
                "reservation/NetUnusedRecurringFee": None if recurring is None else self.paid(recurring),
            }
            parts = [(self.paid(fee), ZERO, ZERO, ZERO)]
            if unused is None or unused:
                parts.append((ZERO, unused, ZERO, ZERO))
            self.line(
                "RIFee",
                fee,
                *parts,
                **about,
                **(twin if self.month.net else {}),
                **{
                    "reservation/UnusedAmortizedUpfrontFeeForBillingPeriod": upfront,
                    "reservation/UnusedRecurringFee": recurring,
                    "reservation/UpfrontValue": paid,
                    "reservation/UnusedQuantity": left,
                },
            )

    def pod(self):
        """A share of a machine that is on the bill already: not a charge."""
        product = ("AmazonEKS", "Amazon Elastic Kubernetes Service")
        operation = self.chance.choice(["EKSPod-EC2", "ECSTask-EC2"])
        cost = Decimal(self.chance.randrange(1, 900)) / 100
        self.line("Usage", cost, product=product, tags=TAGS[1], **{"lineItem/Operation": operation})

    def the_rest(self):
        """Lines that cost what they say in every sense, and discounts that the net columns have inside already."""
        as_they_are = [
            ("Fee", "29000.01", SUPPORT),
            ("Usage", "7.5", MARKET),
            ("Tax", "97.31", EC2),
            ("Tax", "0.0", EC2),
            ("Credit", "-250.5", SERVICES[4][:2]),
            ("Refund", "-2.75", EC2),
            ("MysteryFee", "1.5", ("AmazonNew", "Amazon New")),
        ]
        for kind, cost, product in as_they_are:
            amount = Decimal(cost)
            known = kind != "Usage"
            self.line(kind, amount, (amount, amount, amount if known else None, amount), net=amount, product=product)
        for kind in ["EdpDiscount", "PrivateRateDiscount", "SppDiscount", "BundledDiscount", "Discount"]:
            off = Decimal(self.chance.randrange(-900, -1)) / 100
            found = ZERO if self.month.net else off
            inside = self.chance.choice([ZERO, None])
            self.line(kind, off, (found, found, ZERO, found), net=inside, tags=self.chance.choice(TAGS))
