"""Pools: what the configuration says of them, as the ledger's reference tables."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from costctl.config import Config
from costctl.config.pools import Pool

WEIGHTS = ("input", "output", "cache_read", "cache_write")
EVERY = "*"  # weights that hold where no pool says otherwise


def tables(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the pool tables, and who bears unused commitments."""
    pools = config.pools
    return {
        "pools": [(name, p.base, p.grain, p.weights.method, p.idle.policy, p.idle.owner) for name, p in pools.items()],
        "pool_tokens": [(*item, name) for name, p in pools.items() for item in p.tokens.listed()],
        "pool_chips": list(dict.fromkeys(found for name, p in pools.items() for found in _chips(name, p))),
        "pool_weights": [
            (name, kind, p.weights.of(kind)) for name, p in {**pools, EVERY: Pool()}.items() for kind in WEIGHTS
        ],
        "pool_fixed": [(name, team, share) for name, p in pools.items() for team, share in _fixed(p).items()],
        "capacity_owner": [(config.policy.capacity_owner,)],
    }


def _chips(name: str, pool: Pool) -> Iterator[tuple[str, str, str]]:
    return ((field, value, name) for _, field, value in pool.chips.named())


def _fixed(pool: Pool) -> dict[str, Decimal]:
    return dict.fromkeys(pool.shares, Decimal(1)) if pool.base == "even" else pool.shares
