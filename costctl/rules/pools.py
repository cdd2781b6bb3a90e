"""Pools: what the configuration says of them, as the ledger's reference tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from typing import Any

from costctl import documents
from costctl.config import Config
from costctl.config.pools import Pool, pool_of
from costctl.errors import UsageError, nearest, shown
from costctl.files.sheets import Row
from costctl.nouns import EVER, NEVER
from costctl.rules import drivers, recharges
from costctl.rules.drivers import Driver

WEIGHTS = ("input", "output", "cache_read", "cache_write")
EVERY = "*"  # weights that hold where no pool says otherwise
PART = 10_000  # a part of a pool that a model is, in whole numbers


def tables(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the pool tables, and who bears unused commitments; raise UsageError for pools that feed each other in a circle."""
    pools = config.pools
    driven = {name: drivers.read(config.at(p.driver)) for name, p in pools.items() if p.driver}
    levels = _levels(config, driven)
    return {
        "pools": [
            (
                *(
                    name,
                    p.base,
                    p.grain,
                    p.weights.method,
                    p.idle.policy,
                    p.idle.owner,
                    p.tokens.of or name,
                    levels[name],
                ),
                p.coverage.owner if p.coverage else None,
            )
            for name, p in pools.items()
        ],
        "hourly_pools": [(name,) for name, p in pools.items() if p.grain == "hour"],
        "pool_tokens": [(*item, name) for name, p in pools.items() for item in p.tokens.listed()],
        "pool_chips": list(dict.fromkeys(found for name, p in pools.items() for found in _chips(name, p))),
        "pool_weights": [
            (name, kind, p.weights.of(kind)) for name, p in {**pools, EVERY: Pool()}.items() for kind in WEIGHTS
        ],
        "pool_fixed": [(name, *_to(key), share) for name, p in pools.items() for key, share in _fixed(p).items()],
        "pool_models": [
            (name, model.lower(), int(share * PART)) for name, p in pools.items() for model, share in p.models.items()
        ],
        "pool_over": [(name, other) for name, p in pools.items() for other in dict.fromkeys(p.over)],
        "pool_drivers": [
            (name, item.valid_from, item.valid_to, *_to(item.key), item.value)
            for name, items in driven.items()
            for item in items
        ],
        "pool_capacity": [
            (name, p.capacity.units, p.capacity.tokens_per_unit_minute) for name, p in pools.items() if p.capacity
        ],
        "pool_reservations": [
            (name, item.team, item.chips, item.valid_from or EVER, item.valid_to or NEVER)
            for name, p in pools.items()
            for item in p.reservations
        ],
        "capacity_owner": [(config.policy.capacity_owner,)],
        **recharges.tables(config),
    }


def _levels(config: Config, driven: dict[str, list[Driver]]) -> dict[str, int]:
    """Return the level of each pool: 1, or one more than the highest of those that pass costs on to it."""
    feeds = {name: _fed(config, name, driven.get(name, ())) for name in config.pools}
    for name, fed in feeds.items():
        for other, place in fed.items():
            if other not in config.pools:
                what = f"passes costs on to the pool {shown(other)}, which is not there"
                remedy = nearest(other, config.pools).rstrip() or "Mend the name, or add the pool."
                raise _error(config, name, place, what, remedy)
    order = TopologicalSorter({name: [other for other, fed in feeds.items() if name in fed] for name in feeds})
    levels = dict[str, int]()
    try:
        for name in order.static_order():
            levels[name] = 1 + max((levels[other] for other, fed in feeds.items() if name in fed), default=0)
    except CycleError as error:
        circle: list[str] = error.args[1][1:]
        start = min(range(len(circle)), key=lambda place: [*feeds].index(circle[place]))
        circle = [*circle[start:], *circle[:start]]
        first, closes = circle[0], circle[-1]
        what = f"passes costs on in a circle: {' > '.join([*circle, first])}"
        raise _error(config, closes, feeds[closes][first], what, "Leave one of them out.") from error
    return levels


def _fed(config: Config, name: str, driven: Iterable[Driver]) -> dict[str, documents.Place | Row]:
    """Return the pools that a pool passes costs on to, each with the place that says so first: in the configuration, or its driver."""
    pool = config.pools[name]
    said: list[tuple[str | None, documents.Place | Row]] = [
        *((pool_of(key), ("pools", name, "shares", key)) for key in pool.shares),
        *((other, ("pools", name, "over", number)) for number, other in enumerate(pool.over)),
        *((pool_of(item.key), item.row) for item in driven),
    ]
    return {other: place for other, place in reversed(said) if other}


def _error(config: Config, pool: str, place: documents.Place | Row, what: str, remedy: str) -> UsageError:
    if isinstance(place, Row):
        where = f"{place.path}:{place.line}:key"
    else:
        where = documents.read(config.file).where(place, key="shares" in place) if config.file else "costctl.yaml"
    return UsageError(where, f"pool {shown(pool)}: {what}", remedy=remedy)


def _to(key: str) -> tuple[str | None, str | None]:
    """Return the team, or the pool, that a key of shares names."""
    pool = pool_of(key)
    return (None, pool) if pool else (key, None)


def _chips(name: str, pool: Pool) -> Iterator[tuple[str, str, str]]:
    return ((field, value, name) for _, field, value in pool.chips.named())


def _fixed(pool: Pool) -> dict[str, Decimal]:
    return dict.fromkeys(pool.shares, Decimal(1)) if pool.base == "even" else pool.shares
