"""What was counted: the serving pools' and gateways' token buckets, the LiteLLM proxy's log, the trn2 chip time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from generator.meridian import GROWTH, INCIDENTS, METERED, MONTHS, NAMED_POOLS, POOLS, PRICES, PROXIED, Bought, Pool
from generator.shape import CLASSES, DAY, MILLION, PROMILLE, Counts, Row, Tokens, code, iso, text, weekend

KEYS = ("provider", "pool", "deployment", "model", "team", "purpose", "task", "outcome")
USAGE_COLUMNS = ("start", "end", *KEYS, *CLASSES, "requests")
CHIP_COLUMNS = ("pool", "resource", "start", "end", "chips", "state", "team", "model")


def demand(rng: random.Random, day: date, weekend_level: int) -> int:
    """Return a day's demand per thousand: the week's shape, October's growth, noise of 4 % either way."""
    level = weekend_level if weekend(day) else PROMILLE
    return (960 + int(rng.random() * 81)) * (GROWTH if day >= MONTHS[1] else PROMILLE) * level // MILLION


def usage_rows(day: date, rng: random.Random, tokens: Tokens) -> Iterator[Row]:
    """Write a day of token buckets and add the bought ones to `tokens`, from which the providers bill."""
    for pool in POOLS:
        yield from pool_rows(pool, day, rng)
    for item in METERED:
        counts = bought(item, day, rng, tokens)
        yield bucket(day, (item.provider, "", "", item.model, item.team, item.purpose, "generate", "ok"), counts, 9000)


def pool_rows(pool: Pool, day: date, rng: random.Random) -> Iterator[Row]:
    """Write a pool's day by tenant, with the work that failed beside the work that was delivered."""
    total = pool.chips * pool.speed * 86_400 * demand(rng, day, pool.weekend) // PROMILLE
    where = ("self", pool.name if pool.name in NAMED_POOLS else "", pool.deployment, pool.model)
    for team, purpose, share in pool.tenants:
        counts = [None if part is None else total * share * part // MILLION for part in pool.mix]
        outcomes = {"ok": 1}
        if team == "assistant" and day.weekday() == 0:
            outcomes["client_abort"] = 160
        if INCIDENTS.get(day) == pool.name:
            outcomes["platform_error"] = 24
        for outcome, divisor in outcomes.items():
            done = [None if n is None else n // divisor for n in counts]
            yield bucket(day, (*where, team, purpose, pool.task, outcome), done, pool.request)


def bucket(day: date, keys: Sequence[str], counts: Counts, request: int) -> Row:
    """Write one bucket of a UTC day; a class the source does not report stays blank, never 0."""
    requests = max(1, sum(n or 0 for n in counts) // request)
    cells = (iso(day), iso(day + DAY), *keys, *counts, requests)
    return dict(zip(USAGE_COLUMNS, map(text, cells), strict=True))


def bought(item: Bought, day: date, rng: random.Random, tokens: Tokens) -> list[int | None]:
    """Draw one gateway line of a bought model, to the single token, and add it to what the provider bills."""
    level = demand(rng, day, 700)
    scaled = [None if n is None else n * MILLION // item.runs * level // PROMILLE for n in item.millions]
    counts = [None if n is None else n + int(rng.random() * 9973) for n in scaled]
    seen = tokens.setdefault((item.model.removeprefix("anthropic."), day), [0, 0, 0, 0])
    seen[:] = [have + (more or 0) for have, more in zip(seen, counts, strict=True)]
    return counts


def proxy_lines(day: date, rng: random.Random, tokens: Tokens) -> Iterator[dict[str, object]]:
    """Write the proxy's day: one line for an agent run, one run of each kind on weekends."""
    for item in PROXIED:
        for run in range(1 if weekend(day) else item.runs):
            counts = bought(item, day, rng, tokens)
            start = datetime.combine(day, time(7 + 5 * run), UTC) + timedelta(seconds=int(rng.random() * 9000))
            yield spend_log(item, start, counts, "success")
            if day.day in (11, 23) and run == 0:  # answered from the proxy's own cache, and refused: neither is billed
                yield spend_log(item, start + timedelta(hours=2), counts, "cache_hit")
                yield spend_log(item, start + timedelta(hours=3), (0, 0, 0, 0), "failure")


def spend_log(item: Bought, start: datetime, counts: Counts, kind: str) -> dict[str, object]:
    """Write one SpendLogs record; its prompt_tokens contain the cached ones, its times carry no zone."""
    uncached, read, write, output = (n or 0 for n in counts)
    prompt, hit, model = uncached + read + write, kind == "cache_hit", item.model.removeprefix("anthropic.")
    size = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    usage = size | {"prompt_tokens_details": {"cached_tokens": read}}
    if item.provider == "bedrock":
        usage |= {"cache_read_input_tokens": read, "cache_creation_input_tokens": write}
    priced = zip((uncached, read, write, output), PRICES[model], strict=True)
    spend = Decimal(0) if hit else sum((n * price for n, price in priced), Decimal(0)) / MILLION
    status, clock = "failure" if kind == "failure" else "success", "%Y-%m-%d %H:%M:%S.%f"
    return {
        "request_id": f"chatcmpl-{code(item, start)}" + (f"_cache_hit{start.timestamp():.0f}" if hit else ""),
        "call_type": "acompletion", "api_key": code("key", item.team), "startTime": f"{start:{clock}}",
        "endTime": f"{start + timedelta(minutes=47, seconds=13):{clock}}", "model": item.model, "model_group": model,
        "custom_llm_provider": item.provider, "team_id": item.team, **size, "spend": float(spend),
        "cache_hit": str(hit), "status": status, "request_tags": json.dumps([f"purpose:{item.purpose}"]),
        "metadata": json.dumps({"status": status, "usage_object": usage}),
    }  # fmt: skip


SERVING, TRAINING = ("serving", "", "atlas-70b"), ("training", "research", "atlas-70b")
STARTUP, IDLE, REPAIR = ("startup", "", "atlas-70b"), ("idle", "", ""), ("maintenance", "", "")
TRN2 = tuple(f"i-0{code('trn2', node)}" for node in range(6))
HOLES = {(date(2026, 9, 17), 3): (840, 900), (date(2026, 10, 22), 3): (600, 615)}  # minutes the exporter was down


def plan(node: int, day: date) -> list[tuple[int, int, tuple[str, str, str]]]:
    """Return a node's day in minutes: 0 to 2 serve, 3 sleeps at night, 4 trains at night, 5 trains on weekdays."""
    if node == 1 and day.weekday() == 1:
        return [(0, 120, SERVING), (120, 225, REPAIR), (225, 240, STARTUP), (240, 1440, SERVING)]
    begin, end = HOLES.get((day, node), (1380, 1380))
    plans = {
        3: [(0, 360, IDLE), (360, 380, STARTUP), (380, begin, SERVING), (end, 1380, SERVING), (1380, 1440, IDLE)],
        4: [(0, 480, TRAINING), (480, 500, STARTUP), (500, 1320, SERVING), (1320, 1440, IDLE)],
        5: [(0, 1440, IDLE if weekend(day) else TRAINING)],
    }
    return [interval for interval in plans.get(node, [(0, 1440, SERVING)]) if interval[0] < interval[1]]


def chip_rows(day: date) -> Iterator[Row]:
    """Write the intervals that tile the paid hours of the six trn2 nodes, 16 chips each, but for the holes."""
    midnight = datetime.combine(day, time(), UTC)
    for node, resource in enumerate(TRN2):
        for begin, end, state in plan(node, day):
            times = (iso(midnight + timedelta(minutes=minute)) for minute in (begin, end))
            yield dict(zip(CHIP_COLUMNS, ("trn2", resource, *times, "16", *state), strict=True))
