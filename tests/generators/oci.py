"""Months of OCI cost reports from a seed: six-hourly files that only ever add, with totals of their own.

A month holds GPUs by part number, processors, storage, data transfer, free tiers, zero costs and amounts as small as they come;
corrections as records of their own with the number of what they correct, records that arrive days late, some of the month before;
tags whose namespaces come and go from file to file, with every ugliness; files that are split because they are large, older ones
that lack columns. What it costs is added up while the records are made.
"""

import csv
import gzip
import io
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

SPLIT = 20  # records of a file; Oracle splits at a million
PLACES = Decimal(1).scaleb(-18)
TENANCY, SUBSCRIPTION = "ocid1.tenancy.oc1..aaaa", "0020717"
COMPARTMENTS = ["serving", "research", 'quoted "lab"', "root, the"]
SOLD = [  # service, part number, description, unit, readable unit, price
    ("COMPUTE", "B98415", "GPU - H100", "GPU Hours", "1 NONE HOURS GPUS", "7.5"),
    ("COMPUTE", "B93113", "Standard - E4", "OCPU Hours", "1 NONE HOURS OCPUS", "0.025"),
    ("TELEMETRY", "B90926", "Monitoring Service - Retrieval", "Million Datapoints", "1000000 NONE NONE DATAPOINTS", "0.00116188"),
    ("BLOCK_STORAGE", "B91961", "Block Volume - Storage", "GB Months", "1 GiB MONTHS STORAGE_SIZE", "0.0255"),
    ("NETWORK", "B88327", "Outbound Data Transfer\nZone 1", "GB Months", "1 GiB HOURS DATA_TRANSFERRED", "0"),
    ("SOMETHING_NEW", "B99999", 'A "service", not seen yet', "Ünits", "", "123456.123456789012345678"),
]  # fmt: skip
TAGS = [
    "tags/Oracle-Tags.CreatedBy",
    "tags/Finance.team",
    "tags/DevRel\\redbull-4cb4.release",
    "tags/free.form key, 'x'",
]
VALUES = ["", "search", " ads ", "=1+1", 'a "b", c', "☃\nü", "default/user1@example.com"]
HEADER = [
    "lineItem/referenceNo", "lineItem/tenantId", "lineItem/intervalUsageStart", "lineItem/intervalUsageEnd", "product/service",
    "product/compartmentId", "product/compartmentName", "product/region", "product/availabilityDomain", "product/resourceId",
    "usage/billedQuantity", "usage/billedQuantityOverage", "cost/subscriptionId", "cost/productSku", "product/Description",
    "cost/unitPrice", "cost/unitPriceOverage", "cost/myCost", "cost/myCostOverage", "cost/currencyCode", "cost/billingUnitReadable",
    "cost/skuUnitDescription", "cost/overageFlag", "lineItem/isCorrection", "lineItem/backreferenceNo",
]  # fmt: skip
OFTEN_MISSING = ["product/availabilityDomain", "cost/billingUnitReadable", "usage/billedQuantityOverage"]


class Month:
    """The files of one month and what they must come to, per (billing month, service, compartment): records and cost."""

    def __init__(self, seed, first):
        self.dice = random.Random(seed)
        self.first = first
        self.totals = defaultdict(lambda: [0, Decimal(0)])
        self.corrections = 0
        self.number = 30_000_000 + seed * 1000
        self.files = {}
        self._fill()

    def _fill(self):
        dice, windows = self.dice, defaultdict(list)
        for _ in range(dice.randint(30, 60)):
            hours = dice.choice([-5, *range(24 * 28)])  # the first hours of a month still bring the last ones before it
            row = self._record(self.first + timedelta(hours=hours))
            arrives = max(hours, 0) // 6 * 6 + 6 * dice.choice([0, 0, 0, 0, 1, 13])  # some come days late
            windows[arrives // 360].append(row)  # fifteen days of files in one, to keep it small
            if dice.random() < 0.2:
                windows[(arrives + 48) // 360].append(self._correction(row))
        for window, rows in sorted(windows.items()):
            dice.shuffle(rows)
            self._write(window, rows)

    def _record(self, start):
        dice = self.dice
        service, sku, description, unit, readable, price = dice.choice(SOLD)
        quantity = Decimal(dice.randint(0, 10**18)).scaleb(-18) * dice.choice([1, 8, 744])
        cost = (quantity * Decimal(price)).quantize(PLACES)
        if dice.random() < 0.1:  # a free tier: used, and not charged
            cost = Decimal(0)
        compartment = dice.choice(COMPARTMENTS)
        row = dict.fromkeys(HEADER, "") | {
            "lineItem/referenceNo": f"{dice.getrandbits(128):032x}",
            "lineItem/tenantId": TENANCY,
            "lineItem/intervalUsageStart": f"{start:%Y-%m-%dT%H:%MZ}",
            "lineItem/intervalUsageEnd": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            "product/service": service,
            "product/compartmentId": f"ocid1.compartment.oc1..{compartment[:4]}",
            "product/compartmentName": compartment,
            "product/region": "us-sanjose-1",
            "product/resourceId": f"ocid1.thing.oc1..{dice.randint(1, 5)}",
            "usage/billedQuantity": f"{quantity.quantize(PLACES):f}",
            "cost/subscriptionId": dice.choice([SUBSCRIPTION, SUBSCRIPTION, ""]),
            "cost/productSku": sku,
            "product/Description": description,
            "cost/unitPrice": price,
            "cost/myCost": self._text(cost),
            "cost/myCostOverage": dice.choice(["", "", "99.5"]),  # never to be added
            "cost/currencyCode": "USD",
            "cost/billingUnitReadable": readable,
            "cost/skuUnitDescription": unit,
            "cost/overageFlag": "false",
            "lineItem/isCorrection": dice.choice(["false", "false", ""]),
            "lineItem/backreferenceNo": dice.choice(["", str(dice.randint(1, 99999))]),  # on ordinary records too
        }
        self._count(row, cost)
        return row | {tag: dice.choice(VALUES) for tag in TAGS}

    def _correction(self, row):
        """Take a record back, wholly or in part, by one of its own."""
        cost = -(Decimal(row["cost/myCost"]) * self.dice.choice([1, Decimal("0.25")])).quantize(PLACES)
        self._count(row, cost)
        self.corrections += 1
        return row | {
            "lineItem/referenceNo": f"{self.dice.getrandbits(128):032x}",
            "lineItem/isCorrection": self.dice.choice(["true", "TRUE"]),
            "lineItem/backreferenceNo": row["lineItem/referenceNo"],
            "usage/billedQuantity": "-" + row["usage/billedQuantity"],
            "cost/myCost": self._text(cost),
        }

    def _count(self, row, cost):
        key = row["lineItem/intervalUsageStart"][:7], row["product/service"], row["product/compartmentName"]
        self.totals[key][0] += 1
        self.totals[key][1] += cost

    def _text(self, cost):
        """Write an amount as Oracle does: with 18 decimals, shorter, or with an exponent."""
        forms = [f"{cost:f}", f"{cost.normalize():f}" if cost else "0", f"{cost.normalize():E}" if cost else "0E-18"]
        return self.dice.choice(forms)

    def _write(self, window, rows):
        """Write one report, as several files where it is large; each has the tags and columns of its day."""
        dice = self.dice
        tags = [tag for tag in TAGS if dice.random() < 0.8]
        gone = [name for name in OFTEN_MISSING if dice.random() < 0.2]
        for row in rows:
            for tag in set(TAGS) - set(tags):
                row.pop(tag)
        header = [name for name in HEADER if name not in gone] + tags
        parts = [rows[start : start + SPLIT] for start in range(0, len(rows), SPLIT)]
        for part, chunk in enumerate(parts, start=1):
            suffix = f"-{part:05}" if len(parts) > 1 else ""
            out = io.StringIO()
            writer = csv.DictWriter(out, header, extrasaction="ignore", lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(chunk)
            name = f"reports/cost-csv/{self.number + window:016}{suffix}.csv.gz"
            self.files[name] = gzip.compress(out.getvalue().encode(), mtime=0)


def month(seed):
    """Return the month of a seed."""
    return Month(seed, datetime(2026, 1 + seed % 12, 1, tzinfo=UTC))


def write(made, folder):
    """Write the files of a month beneath a folder; return their paths."""
    paths = []
    for name, content in made.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    return paths
