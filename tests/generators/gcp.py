"""Months of Google Cloud bills from a seed, as BigQuery exports them: nested Parquet and NDJSON, and CSV flattened to dotted headers.

A month holds usage with none to several credits, three kinds of commitments of which about half is used, promotions, tax, rounding,
adjustments, corrections that take back, usage of the month before that was reported late, and labels of every ugliness. The totals
are added up while the rows are made, by what each row is, and never by looking at costctl's rules.
"""

import csv
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

ACCOUNT = "01A2B3-C4D5E6-F70819"
COMPUTE = ("6F81-5844-456A", "Compute Engine")
REGIONS = ["us-central1", "europe-west4"]
TEAMS = [
    "search",
    "chat",
    "",
    'O\'Hara & "Söhne"',
    "=cmd|' /C calc'!A0",
    "line\nbreak, comma; [x] {y}: \\",
    "None",
    "🙂\u202e",
]
KEYS = ["team", "Team", "cost centre", "app.kubernetes.io/name", "ключ", "a'b", 'a"b', "null"]
FIELDS = {  # what a record holds, in the order of its CSV, and how Parquet types it
    "billing_account_id": "string",
    "service.id": "string",
    "service.description": "string",
    "sku.id": "string",
    "sku.description": "string",
    "usage_start_time": "timestamp",
    "usage_end_time": "timestamp",
    "project.id": "string",
    "project.name": "string",
    "project.labels": "labels",
    "labels": "labels",
    "system_labels": "labels",
    "location.location": "string",
    "location.region": "string",
    "export_time": "timestamp",
    "cost": "number",
    "currency": "string",
    "currency_conversion_rate": "number",
    "usage.amount": "number",
    "usage.unit": "string",
    "usage.amount_in_pricing_units": "number",
    "usage.pricing_unit": "string",
    "credits": "credits",
    "invoice.month": "string",
    "cost_type": "string",
    "cost_at_list": "number",
    "tags": "tags",
    "subscription.instance_id": "string",
    "adjustment_info.id": "string",
    "adjustment_info.type": "string",
}


@dataclass
class Month:
    """One invoice month: its records, and what they must come to."""

    first: datetime
    records: list = field(default_factory=list)
    totals: dict = field(
        default_factory=lambda: dict.fromkeys(
            ["billed", "effective", "list", "contracted", "fees", "promotions"], Decimal(0)
        )
    )
    services: dict = field(default_factory=dict)  # service: BilledCost
    half_used: dict = field(default_factory=dict)  # kind of commitment: (fee, share of it that nothing used)
    charges: int = 0

    @property
    def label(self):
        """The month as its invoices name it."""
        return f"{self.first:%Y%m}"


def month(seed):
    """Make the month of a seed: seed 0 is January 2025, and so on."""
    chance = random.Random(f"gcp {seed}")
    made = Month(datetime(2025 + seed // 12, seed % 12 + 1, 1, 8, tzinfo=UTC))
    for _ in range(160):
        _usage(made, chance)
    for day in range(3):
        _resource_commitment(made, chance, made.first + timedelta(days=4 * day))
        _spend_commitment(made, chance, made.first + timedelta(days=4 * day))
        _offset_commitment(made, chance, made.first + timedelta(days=4 * day))
    _others(made, chance)
    chance.shuffle(made.records)
    return made


def _amount(chance, top=1000):
    """An amount of up to 15 digits, as binary floats keep them; some tiny, as bills have them."""
    digits = chance.choice([2, 6, 9])
    return Decimal(chance.randrange(1, top * 10 ** min(digits, 6))).scaleb(-digits)


def _credit(kind, amount, name="", full_name=None, id_=None):
    return {"name": name or kind.title(), "amount": amount, "full_name": full_name, "id": id_, "type": kind}


def _record(made, chance, *, service=COMPUTE, sku, cost, hour=None, given=(), listed=None, contracted=None, **more):
    """Add a record, and what it comes to: cost and all credits are billed."""
    start = hour or made.first + timedelta(hours=chance.randrange(24 * 20))
    keys = chance.sample(KEYS, chance.randrange(4))
    project = chance.choice(["atlas", "hermes", None])
    record = dict.fromkeys(FIELDS) | {
        "billing_account_id": ACCOUNT,
        "service.id": service[0],
        "service.description": service[1],
        "sku.id": f"{abs(hash_of(sku)) % 10**8:08d}",
        "sku.description": sku,
        "usage_start_time": start,
        "usage_end_time": start + timedelta(hours=1),
        "project.id": project,
        "project.name": project and project.title(),
        "project.labels": [{"key": "env", "value": "prod"}] if project else [],
        "labels": [{"key": key, "value": chance.choice(TEAMS)} for key in keys],
        "system_labels": [{"key": "compute.googleapis.com/cores", "value": "4"}] if chance.random() < 0.3 else [],
        "tags": [{"key": "env", "value": "prod", "inherited": True, "namespace": "123456789012"}]
        if chance.random() < 0.2
        else [],
        "export_time": made.first + timedelta(days=33, seconds=chance.randrange(9999)),
        "cost": cost,
        "currency": "USD",
        "currency_conversion_rate": Decimal(1),
        "credits": list(given),
        "invoice.month": made.label,
        "cost_type": "regular",
    }
    made.records.append(record | more)
    credited = sum((credit["amount"] for credit in given), Decimal(0))
    promoted = sum((credit["amount"] for credit in given if credit["type"] == "PROMOTION"), Decimal(0))
    made.totals["billed"] += cost + credited
    made.totals["effective"] += cost + credited  # a fee is spread, never lost
    made.totals["promotions"] += promoted
    made.totals["list"] += promoted + (cost if listed is None else listed)
    made.totals["contracted"] += promoted + (cost if contracted is None else contracted)
    made.services[service[1]] = made.services.get(service[1], Decimal(0)) + cost + credited
    made.charges += 1 + sum(credit["type"] == "PROMOTION" and credit["amount"] != 0 for credit in given)
    return record


def hash_of(text):
    """A number for a text that does not change from run to run."""
    return int.from_bytes(text.encode()[-7:], "big")


def _usage(made, chance):
    """Usage with up to five credits; sometimes taken back, sometimes of the month before."""
    cost = _amount(chance) * (-1 if chance.random() < 0.1 else 1)
    kinds = chance.choices(
        ["SUSTAINED_USAGE_DISCOUNT", "DISCOUNT", "FREE_TIER", "PROMOTION", "RESELLER_MARGIN", "SUBSCRIPTION_BENEFIT"],
        k=chance.choice([0, 0, 1, 2, 5]),
    )
    more = {
        "cost_at_list": cost * 2,
        "usage.amount": Decimal(3600),
        "usage.unit": "seconds",
        "usage.amount_in_pricing_units": Decimal(1),
        "usage.pricing_unit": "hour",
    }
    if cost < 0:
        more |= {"adjustment_info.id": "case-1", "adjustment_info.type": "USAGE_CORRECTION"}
    _record(
        made,
        chance,
        service=chance.choice([COMPUTE, ("95FF-2EF5-5EA1", "Cloud Storage"), ("C7E2-9256-1C43", "Vertex AI")]),
        sku=chance.choice(
            [
                "E2 Instance Ram running in Americas",
                "Standard Storage US Regional",
                "Gemini 2.5 Flash GA Text Input - Predictions",
            ]
        ),
        cost=cost,
        hour=made.first - timedelta(hours=9)
        if chance.random() < 0.05
        else None,  # the last of the month before, reported late
        given=[
            _credit(kind, -_amount(chance, 10), full_name=chance.choice([None, "", "It's a credit"])) for kind in kinds
        ],
        listed=cost * 2,
        **more,
    )


def _resource_commitment(made, chance, hour):
    """A day's fee for cores of a region, two purchases alike, of which usage draws a part; each at its own price."""
    region, price = chance.choice(REGIONS), Decimal("0.04")
    committed, drawn = [Decimal(24), Decimal(48)], [Decimal(chance.randrange(1, 12)) for _ in range(3)]
    fee = [_amount(chance, 10) for _ in committed]
    for quantity, cost in zip(committed, fee, strict=True):
        _record(
            made,
            chance,
            sku="Commitment v1: N2 Cpu in Americas for 1 Year",
            cost=cost,
            hour=hour,
            listed=Decimal(0),
            contracted=Decimal(0),
            **_measured(quantity, region),
            **{"subscription.instance_id": f"sub-{quantity}"},
        )
    for quantity in drawn:
        used = quantity + chance.randrange(3)  # some of the record's hours were covered, the others not
        _record(
            made,
            chance,
            sku="N2 Instance Core running in Americas",
            cost=used * price,
            hour=hour,
            listed=used * price,
            given=[_credit("COMMITTED_USAGE_DISCOUNT", -quantity * price, "Committed Usage Discount: CPU")],
            cost_at_list=used * price,
            **_measured(used, region),
        )
    _note(made, f"resource {hour:%d}", sum(fee), 1 - sum(drawn) / sum(committed))


def _spend_commitment(made, chance, hour):
    """A day's fee per cent of committed spend, with credits on what it covers."""
    cents, covered, fee = 2400, [_amount(chance, 4) for _ in range(3)], _amount(chance, 20)
    _record(
        made,
        chance,
        sku="Commitment - dollar based v1: GCE for 3 years",
        cost=fee,
        hour=hour,
        listed=Decimal(0),
        contracted=Decimal(0),
        **_measured(Decimal(cents), None),
    )
    for cost in covered:
        _record(
            made,
            chance,
            sku="C3 Instance Ram running in EMEA",
            cost=cost,
            hour=hour,
            listed=cost,
            cost_at_list=cost,
            given=[
                _credit(
                    "COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE",
                    -cost,
                    "GCE Commitments",
                    "GCE Commitments - 3 years",
                    "5e6f",
                )
            ],
            **_measured(Decimal(1), "europe-west4"),
        )
    _note(made, f"spend {hour:%d}", fee, 1 - sum(covered) * 100 / cents)


def _offset_commitment(made, chance, hour):
    """A fee whose use comes back as a credit on the fee itself; an hour that nothing used has no such credit."""
    fee, offset = Decimal(10), -_amount(chance, 5)
    for number, given in enumerate([[_credit("FEE_UTILIZATION_OFFSET", offset)], []]):
        _record(
            made,
            chance,
            sku="Commitment flexible, one year",
            cost=fee,
            hour=hour + timedelta(hours=number),
            given=given,
            listed=Decimal(0),
            contracted=Decimal(0),
            **_measured(Decimal(10), None),
        )
    _note(made, f"offset {hour:%d}", 2 * fee + offset, Decimal(1))


def _measured(quantity, region):
    return {
        "usage.amount": quantity * 3600,
        "usage.unit": "seconds",
        "usage.amount_in_pricing_units": quantity,
        "usage.pricing_unit": "hour",
        "location.region": region,
        "location.location": region or "global",
    }


def _note(made, name, fee, unused):
    made.half_used[name] = (fee, unused)
    made.totals["fees"] += fee


def _others(made, chance):
    """Tax per project, an adjustment, rounding; none of them has a list price."""
    invoice = ("95FF-0000", "Invoice")
    for kind, sign in [("tax", 1), ("tax", 1), ("adjustment", -1), ("rounding_error", 1), ("rounding_error", -1)]:
        _record(
            made,
            chance,
            service=invoice,
            sku=kind.title(),
            cost=sign * _amount(chance, 20),
            cost_type=kind,
            given=[_credit("PROMOTION", -_amount(chance, 1))] if kind == "tax" else [],
        )


def nested(record):
    """Return a record as BigQuery nests it."""
    tree = {}
    for name, value in record.items():
        parent, _, child = name.rpartition(".")
        (tree.setdefault(parent, {}) if parent else tree)[child] = value
    return tree


def write_ndjson(path, records):
    """Write one object per line, numbers as JSON numbers, times as BigQuery writes them."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(_plain(nested(record)), ensure_ascii=False) + "\n" for record in records)
    return path


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return float(value)
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else value


def write_csv(path, records):
    """Write dotted headers; every other record has its lists as Python prints them, as tools in the wild do."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        for number, record in enumerate(records):
            listed = repr if number % 2 else json.dumps
            cells = (_plain(record[name]) for name in FIELDS)
            writer.writerow(
                ["" if cell is None else listed(cell) if isinstance(cell, list) else cell for cell in cells]
            )
    return path


def write_parquet(path, records):
    """Write what EXPORT DATA writes: structs, lists of structs, binary floats, microseconds of UTC."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = pa.string(), pa.float64()
    pair = [("key", text), ("value", text)]
    types = {
        "string": text,
        "number": number,
        "timestamp": pa.timestamp("us", tz="UTC"),
        "labels": pa.list_(pa.struct(pair)),
        "tags": pa.list_(pa.struct([*pair, ("inherited", pa.bool_()), ("namespace", text)])),
        "credits": pa.list_(
            pa.struct([("name", text), ("amount", number), ("full_name", text), ("id", text), ("type", text)])
        ),
    }
    tree = nested({name: types[kind] for name, kind in FIELDS.items()})
    schema = pa.schema(
        [(name, pa.struct(list(kind.items())) if isinstance(kind, dict) else kind) for name, kind in tree.items()]
    )
    rows = [_floats(nested(record)) for record in records]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, write_page_checksum=True)
    return path


def _floats(value):
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value
