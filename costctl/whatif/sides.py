"""Side by side: each team's money under every idle policy, and under every method of weighing tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

from costctl import reports, whatif
from costctl.config import Config
from costctl.config.pools import Idle, Pool, Weights
from costctl.errors import UsageError, nearest, shown
from costctl.pipeline import Run
from costctl.reports import Answer
from costctl.whatif import Line, Owed

RATIOS = ("2", "2.5", "4")  # what VTC, OpenCost and GKE take an output token to be worth
COIN = Decimal("0.01")
MEASURED = "measured speeds (tokens_per_second)"
Sums = dict[tuple[str, str, str], Owed]
Turned = Callable[[Pool], Pool | None]  # a pool as it would be, None where that cannot be


@dataclass(frozen=True)
class Side:
    """One way to set the pools: its name, what becomes of a pool, and what a pool lacks for which it cannot."""

    name: str
    turned: Turned
    lacking: str = ""

    @property
    def column(self) -> str:
        """Return the column of its money."""
        return "cost_" + self.name.replace(" ", "_").replace(".", "_")


def idle(run: Run, pool: str | None, owner: str | None, *, period: str | None, cost: str) -> Answer:
    """Compare the four idle policies; a pool that names no owner has none, but where one is given."""

    def as_policy(pool: Pool, policy: str, owner: str | None) -> Pool:
        return pool.model_copy(update={"idle": Idle.model_construct(policy=policy, owner=owner)})

    def owned(pool: Pool) -> Pool | None:
        named = pool.idle.owner or owner
        return as_policy(pool, "owner", named) if named else None

    def by_reservation(pool: Pool) -> Pool | None:
        return as_policy(pool, "by_reservation", pool.idle.owner or owner) if pool.reservations else None

    sides = [
        Side("separate", lambda pool: as_policy(pool, "separate", None)),
        Side("owner", owned, "an owner of the idle time (--owner TEAM supposes one)"),
        Side("by_use", lambda pool: as_policy(pool, "by_use", pool.idle.owner or owner)),
        Side("by_reservation", by_reservation, "reservations"),
    ]
    return _compared("rules compare-idle", run, _of(run.config, pool), sides, period=period, cost=cost)


def weights(run: Run, pool: str | None, *, period: str | None, cost: str) -> Answer:
    """Compare the methods of weighing in pools that are split by weighted tokens; what a read of the cache weighs stays as it is set."""
    pools = {name: found for name, found in _of(run.config, pool).items() if _is_weighed(found)}
    if not pools:
        what = (
            "is not split by weighted tokens of both phases"
            if pool
            else "no pool is split by weighted tokens of both phases"
        )
        raise UsageError(
            f"pool {pool}" if pool else "rules compare-weights",
            what,
            remedy="There is no other method to compare with.",
        )

    def weighing(pool: Pool, **classes: Decimal) -> Pool:
        kept = {name: pool.weights.of(name) for name in ("input", "cache_read", "cache_write")}
        return pool.model_copy(update={"weights": Weights.model_construct(None, **(kept | classes))})

    def at_ratio(ratio: Decimal, pool: Pool) -> Pool:
        return weighing(pool, output=ratio * pool.weights.input)

    one = Decimal(1)
    sides = [
        Side("flat", lambda pool: weighing(pool, input=one, output=one, cache_read=one, cache_write=one)),
        *(Side(f"ratio {ratio}", partial(at_ratio, Decimal(ratio))) for ratio in RATIOS),
        Side("calibrated", lambda pool: pool if pool.weights.tokens_per_second else None, MEASURED),
    ]
    return _compared("rules compare-weights", run, pools, sides, period=period, cost=cost)


def _is_weighed(pool: Pool) -> bool:
    return pool.base == "weighted_tokens" and pool.weights.method != "phase.pools"


def _of(config: Config, name: str | None) -> Mapping[str, Pool]:
    """Return the pool of a name, or all; raise UsageError where there is none."""
    if name is None and config.pools:
        return config.pools
    if name is None or name not in config.pools:
        what = f"there is no pool {shown(name)}" if name else "the configuration has no pools"
        raise UsageError(
            "--pool" if name else "rules",
            what,
            remedy=f"{nearest(name, config.pools)}Pools: {', '.join(config.pools)}."
            if name and config.pools
            else "Pools stand under `pools:` in costctl.yaml.",
        )
    return {name: config.pools[name]}


def _compared(
    title: str, run: Run, pools: Mapping[str, Pool], sides: Sequence[Side], *, period: str | None, cost: str
) -> Answer:
    """Compute what is owed on each side; where the configuration is on none of them, it is a side of its own."""
    with whatif.opened(run) as ledger:
        asked = whatif.months(ledger, period, 1)
        now = whatif.now(ledger, run, asked, cost)
        found: dict[Side, Sums] = {}
        marked, notes = list[Side](), list[str]()
        for side in sides:
            turned = {name: made for name, pool in pools.items() if (made := side.turned(pool))}
            notes += _left(side, turned, pools)
            if turned and all(made == pools[name] for name, made in turned.items()):
                marked.append(side)
                found[side] = _sums(now.owed)
            elif turned:
                config = run.config.model_copy(update={"pools": run.config.pools | turned})
                found[side] = _sums(whatif.then(ledger, config, asked, cost).owed)
    if not marked:
        marked = [Side("as set", lambda pool: pool)]
        sides = [*marked, *sides]
        found[marked[0]] = _sums(now.owed)
    shown = {side.column: f"{side.name}*" if side in marked else side.name for side in sides}
    months = ", ".join(f"{month:%Y-%m}" for month in asked)
    where = f"the pool {next(iter(pools))}" if len(pools) == 1 else f"{len(pools)} pools"
    basis = f"basis: {cost} cost, billing months {months} · rules {now.fingerprint} but for what is compared in {where} · the same charges and counts; nothing was changed"
    notes = ["* in force", *notes, *_most(list(found.values())), basis]
    return whatif.answer(title, shown, list(_records(sides, found, marked)), asked, cost, notes)


def _left(side: Side, turned: Mapping[str, Pool], pools: Mapping[str, Pool]) -> Iterator[str]:
    """Say which pools a side leaves as they are set."""
    if not turned:
        yield f"{side.name}: needs {side.lacking}, which {'no pool has' if len(pools) > 1 else 'the pool does not have'}"
    elif len(turned) < len(pools):
        yield f"{side.name}: needs {side.lacking}, which only {', '.join(turned)} {'has' if len(turned) == 1 else 'have'}; other pools stay as they are set"


def _most(found: Sequence[Sums]) -> Iterator[str]:
    """Say of each currency by how much at most the sides differ, and for whom; that nothing does only where that is so to the last digit."""
    largest = dict[str, tuple[Decimal, str]]()
    for who in sorted({who for sums in found for who in sums}):
        costs = [owed.cost for owed in (sums.get(who, whatif.NOTHING) for sums in found) if owed.cost is not None]
        currency, line, team = who
        with localcontext(reports.EXACT):
            differ = max(costs) - min(costs) if costs else Decimal(0)
        if differ > largest.get(currency, (Decimal(0), ""))[0]:
            largest[currency] = differ, team or line
    for currency, (differ, whose) in largest.items():
        yield f"the largest difference is {_told(differ)} {currency} ({whose})"
    if len(found) > 1 and not largest:
        known = not any(owed.cost is None or owed.incomplete for sums in found for owed in sums.values())
        yield f"nobody's {'' if known else 'known '}money depends on it"


def _told(amount: Decimal) -> str:
    """Write an amount to the coin; what is less than one in full."""
    return f"{amount:,.2f}" if amount >= COIN else f"{amount.normalize():f}"


def _sums(owed: Mapping[Line, Owed]) -> Sums:
    """Add up the periods of each line."""
    return {
        who: whatif.summed([found for line, found in owed.items() if line.who == who])
        for who in {line.who for line in owed}
    }


def _records(sides: Sequence[Side], found: Mapping[Side, Sums], marked: Sequence[Side]) -> Iterator[dict[str, Any]]:
    """Yield one record per line, the team first that owes the most as it is set."""
    lines = {who for sums in found.values() for who in sums}
    in_force = found[marked[0]]
    for who in sorted(
        lines, key=lambda who: (who[0], who[1] != "team", -(in_force.get(who, whatif.NOTHING).cost or 0), who)
    ):
        currency, line, team = who
        owed = {side: sums.get(who, whatif.NOTHING) for side, sums in found.items()}
        yield {
            "line": line,
            "team": team or None,
            **{side.column: owed[side].cost if side in owed else None for side in sides},
            "in_force": marked[0].column,
            "currency": currency,
            "incomplete": any(item.incomplete for item in owed.values()),
        }
