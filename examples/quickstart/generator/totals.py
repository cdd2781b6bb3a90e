"""The known answers, summed from the written rows and from nothing else, and the checks that they make sense."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from generator.aws import RESEARCH, TOKEN_TYPES
from generator.focus import GPT_METERS
from generator.meridian import CLAUDE, GPT, POOLS
from generator.shape import CLASSES, MILLION, Row, text

Money = dict[str, Decimal]
PAYS = {  # instance type or meter → pool, chip, chips an hour of it is
    "p5.48xlarge": ("h100-aws", "nvidia-h100-sxm", 8),
    "trn2.48xlarge": ("trn2", "aws-trainium2", 16),
    "inf2.48xlarge": ("inf2", "aws-inferentia2", 12),
    "g5.12xlarge": ("(no pool)", "nvidia-a10g", 4),
    "TpuV6e running in South Carolina": ("tpu-v6e", "google-tpu-v6e", 1),
    "Nvidia H100 80GB GPU running in Iowa": ("h100-gcp", "nvidia-h100-sxm", 1),
    "A3 Instance Core running in Iowa": ("h100-gcp", "nvidia-h100-sxm", 0),
    "A3 Instance Ram running in Iowa": ("h100-gcp", "nvidia-h100-sxm", 0),
    "ND96isr H100 v5": ("h100-azure", "nvidia-h100-sxm", 8),
    "Maia 200": ("maia-200", "microsoft-maia-200", 1),
}
DEAREST = 5  # USD per million tokens
PEAK = 5777  # output tokens/s of an H100 with an 8B model, the fastest that throughput.csv has for these chips


@dataclass(frozen=True)
class Month:
    """All rows of a month, as written."""

    start: date
    aws: list[Row]
    gcp: list[Row]
    azure: list[Row]
    usage: list[Row]
    proxy: list[dict[str, Any]]
    chip_time: list[Row]


def number(value: str) -> Decimal:
    """Read a cell; blank is nothing."""
    return Decimal(value or 0)


USAGE = ("Usage", "SavingsPlanCoveredUsage")


def aws_effective(row: Row) -> Decimal:
    """Return the amortised cost of a CUR line."""
    kind = row["lineItem/LineItemType"]
    if kind == "SavingsPlanCoveredUsage":
        return number(row["savingsPlan/SavingsPlanEffectiveCost"])
    if kind == "SavingsPlanRecurringFee":
        return number(row["savingsPlan/TotalCommitmentToDate"]) - number(row["savingsPlan/UsedCommitment"])
    return Decimal(0) if kind == "SavingsPlanNegation" else number(row["lineItem/UnblendedCost"])


def priced_at(kind: str, billed: str) -> Decimal:
    """Return the list cost of a CUR line that is no usage: what it costs; nothing where usage has it already."""
    return Decimal(0) if kind.startswith("SavingsPlan") else number(billed)


def aws_costs(rows: Iterable[Row]) -> Money:
    """Sum a CUR."""
    sums: Money = defaultdict(Decimal)
    for row in rows:
        kind, billed, effective = row["lineItem/LineItemType"], row["lineItem/UnblendedCost"], aws_effective(row)
        sums["BilledCost"] += number(billed)
        sums["EffectiveCost"] += effective
        sums["ListCost"] += number(row["pricing/publicOnDemandCost"]) if kind in USAGE else priced_at(kind, billed)
        sums["unused_commitment"] += effective if kind == "SavingsPlanRecurringFee" else 0
        sums["tax"] += number(billed) if kind == "Tax" else 0
        sums["credit"] += number(billed) if kind == "Credit" else 0
    return sums


def focus_costs(rows: Iterable[Row]) -> Money:
    """Sum a FOCUS file."""
    sums: Money = defaultdict(Decimal)
    for row in rows:
        for cost in ("BilledCost", "EffectiveCost", "ListCost"):
            sums[cost] += number(row[cost])
        sums["unused_commitment"] += number(row["EffectiveCost"]) if row["CommitmentDiscountStatus"] == "Unused" else 0
        sums["tax"] += number(row["BilledCost"]) if row["ChargeCategory"] == "Tax" else 0
    return sums


def fleet(month: Month) -> tuple[Money, Money, Money]:
    """Return effective cost per pool, chip-hours per pool and per chip; unused commitment is in none of them."""
    cost, hours, chips = (defaultdict[str, Decimal](Decimal) for _ in range(3))
    used = [
        (row["product/instanceType"], row["lineItem/UsageAmount"], aws_effective(row), row["lineItem/UsageAccountId"])
        for row in month.aws
    ]
    used += [
        (row["SkuMeter"], row["ConsumedQuantity"], number(row["EffectiveCost"]), "")
        for row in (*month.gcp, *month.azure)
        if row["CommitmentDiscountStatus"] != "Unused"
    ]
    for what, quantity, effective, account in used:
        if what in PAYS:
            pool, chip, count = PAYS[what]
            pool = "(research cluster)" if account == RESEARCH else pool
            cost[pool] += effective
            hours[pool] += number(quantity) * count
            chips[chip] += number(quantity) * count
    return cost, hours, chips


def pool_tokens(rows: Iterable[Row]) -> dict[str, dict[str, dict[str, Counter[str]]]]:
    """Count the pools' tokens: pool, model, then computed (every outcome) and delivered (`ok`), by class."""
    pools = {pool.deployment: pool.name for pool in POOLS}
    found: dict[str, dict[str, dict[str, Counter[str]]]] = {}
    for row in rows:
        if row["provider"] == "self":
            models = found.setdefault(pools[row["deployment"]], {})
            sides = models.setdefault(row["model"], {"computed": Counter(), "delivered": Counter()})
            for side in ("computed", "delivered") if row["outcome"] == "ok" else ("computed",):
                sides[side] += Counter({each: int(row[each]) for each in CLASSES if row[each]})
    return found


def gateway_tokens(month: Month) -> Counter[tuple[str, str]]:
    """Count what both gateways saw of the bought models; what the proxy's own cache answered was not bought."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in month.usage:
        if row["provider"] != "self":
            seen += Counter({(row["model"], each): int(row[each] or 0) for each in CLASSES})
    for line in month.proxy:
        if line["cache_hit"] == "False":
            usage = json.loads(line["metadata"])["usage_object"]
            read, write = usage["prompt_tokens_details"]["cached_tokens"], usage.get("cache_creation_input_tokens", 0)
            counts = (usage["prompt_tokens"] - read - write, read, write, usage["completion_tokens"])
            seen += Counter({(line["model_group"], each): n for each, n in zip(CLASSES, counts, strict=True)})
    return seen


def billed_tokens(month: Month) -> Counter[tuple[str, str]]:
    """Count the tokens of the bought models on the bills, in single tokens."""
    kinds = {f"USE1-Claude4.6Sonnet-{kind}": (CLAUDE, each) for kind, each in zip(TOKEN_TYPES, CLASSES, strict=True)}
    kinds |= {meter.name: (GPT, each) for meter, each in zip(GPT_METERS, CLASSES, strict=True)}
    billed: Counter[tuple[str, str]] = Counter()
    for row in month.aws:
        if row["lineItem/UsageType"] in kinds:
            billed[kinds[row["lineItem/UsageType"]]] += int(number(row["lineItem/UsageAmount"]) * 1000)
    for row in month.azure:
        if row["SkuMeter"] in kinds:
            billed[kinds[row["SkuMeter"]]] += int(row["ConsumedQuantity"])
    return billed


def chip_seconds(rows: Iterable[Row]) -> Counter[str]:
    """Sum chips times seconds per state."""
    seconds: Counter[str] = Counter()
    for row in rows:
        length = datetime.fromisoformat(row["end"]) - datetime.fromisoformat(row["start"])
        seconds[row["state"]] += int(length.total_seconds()) * int(row["chips"])
    return seconds


def expected(month: Month) -> dict[str, Any]:
    """Return a month's known answers; money and hours are text, so that no reader rounds them."""
    cost, hours, chips = fleet(month)
    seconds = chip_seconds(month.chip_time)
    seconds["(hole)"] = int(hours["trn2"]) * 3600 - seconds.total()
    bills = {"aws": (month.aws, aws_costs), "gcp": (month.gcp, focus_costs), "azure": (month.azure, focus_costs)}
    usage = {"tokens": month.usage, "litellm": month.proxy, "chip_time": month.chip_time}
    seen, billed = gateway_tokens(month), billed_tokens(month)
    bought: dict[str, dict[str, dict[str, int]]] = {CLAUDE: {}, GPT: {}}
    for model, each in sorted(seen):
        key = (model, each)
        bought[model][each] = {"gateways": seen[key], "bill": billed[key], "gap": billed[key] - seen[key]}
    return {
        "bills": {source: {"rows": len(rows), **texts(costs(rows))} for source, (rows, costs) in bills.items()},
        "usage_rows": {source: len(rows) for source, rows in usage.items()},
        "pool_effective_cost": texts(cost),
        "pool_chip_hours": texts(hours),
        "chip_hours": texts(chips),
        "pool_tokens": pool_tokens(month.usage),
        "bought_tokens": bought,
        "trn2_chip_seconds": dict(sorted(seconds.items())),
    }


def texts(sums: Mapping[str, Decimal]) -> dict[str, str]:
    """Write sums as text, sorted by name."""
    return {key: text(value) for key, value in sorted(sums.items())}


def check(month: Month, answers: Mapping[str, Any]) -> None:
    """Stop if the month is not coherent or not credible."""
    kinds: Money = defaultdict(Decimal)
    for row in month.aws:
        kinds[row["lineItem/LineItemType"]] += number(row["lineItem/UnblendedCost"])
    covered, negated = kinds["SavingsPlanCoveredUsage"], kinds["SavingsPlanNegation"]
    require("negation cancels what the plan covers", covered + negated == 0)
    for source, costs in answers["bills"].items():
        require(f"{source}: without upfront fees, effective is billed", costs["BilledCost"] == costs["EffectiveCost"])
    cost = {pool: Decimal(value) for pool, value in answers["pool_effective_cost"].items()}
    total = sum(Decimal(costs["EffectiveCost"]) for costs in answers["bills"].values())
    h100 = cost["h100-aws"] + cost["h100-gcp"] + cost["h100-azure"] + cost["(research cluster)"]
    require(f"a month costs one to three millions: {total}", MILLION < total < 3 * MILLION)
    require(f"H100 is the largest part: {h100}", h100 > total * Decimal("0.4"))
    for pool, models in answers["pool_tokens"].items():
        counts: Counter[str] = sum((sides["delivered"] for sides in models.values()), Counter())
        price = cost[pool] * MILLION / counts.total()
        speed = counts["output"] / (Decimal(answers["pool_chip_hours"][pool]) * 3600)
        require(f"{pool}: {price} USD per million tokens", Decimal("0.1") < price < DEAREST)
        require(f"{pool}: {speed} output tokens/s per chip", speed < PEAK * Decimal("0.4"))
    for model, classes in answers["bought_tokens"].items():
        for each, side in classes.items():
            require(f"{model} {each}: the gap is small: {side}", abs(side["gap"]) * 25 <= side["gateways"])
    hole = answers["trn2_chip_seconds"]["(hole)"]
    require(f"the states tile the paid hours, but for {hole} chip-seconds", 0 < hole <= 16 * 3600)


def require(claim: str, holds: bool) -> None:  # noqa: FBT001
    """Stop when a claim does not hold."""
    if not holds:
        raise SystemExit(f"not coherent: {claim}")
