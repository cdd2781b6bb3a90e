"""What is wrong with a configuration, in words and at its place: what pydantic finds, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, get_args, get_origin

from costctl.config.parts import Part
from costctl.config.settings import NOT_SETTINGS, Config
from costctl.documents import Problem
from costctl.errors import nearest, shown

WORDS = {
    "Field required": "is missing",
    "Input should be a valid integer, unable to parse string as an integer": "must be a whole number",
    "Input should be a valid ": "must be a ",
    "Value should have at least 1 item after validation, not 0": "is empty: name at least one value",
    "String should match pattern '^[A-Z]{3}$'": "must be three capital letters such as EUR",
    "String should match pattern '^[a-z][a-z0-9_]*$'": "must be lower case letters, digits and _",
    "Input should": "must",
}


def contradictions(config: Config) -> Iterator[Problem]:
    """Find rules and bearers that name a pool which is not there, pools and sources of one name, a deployment and chips of two pools."""
    yield from _pools_that_are_not_there(config)
    yield from _pools_of_one_name(config)
    served: dict[tuple[str, str], str] = {}
    for pool, settings in config.pools.items():
        for field, value in settings.tokens.listed():
            if served.setdefault((field, value), pool) != pool:
                what = f"the {field} {shown(value)} belongs to the pool {shown(served[field, value])} already"
                yield Problem(("pools", pool, "tokens", field), what)
    yield from _driven_twice(config)
    yield from _pools_that_do_not_fit(config)
    yield from _chips_of_two_pools(config)
    purposes = [purpose.strip().lower() for purpose in config.accounts]
    for number, purpose in enumerate(config.accounts):
        if purposes[number] in purposes[:number]:
            what = f"the purpose {shown(purposes[number])} has an account already; purposes compare in lower case"
            yield Problem(("accounts", purpose), what, of_key=True)
    names = [source.name for source in config.sources]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Problem(
                ("sources", number, "name"), f"two sources have the name {shown(name)}; a source is one export"
            )


def _pools_that_are_not_there(config: Config) -> Iterator[Problem]:
    """Find those that a rule or a bearer names."""
    for number, rule in enumerate(config.rules):
        if rule.pool and rule.pool not in config.pools and not rule.pool.startswith("{"):
            near = nearest(rule.pool, config.pools)
            what = f"rule {shown(rule.name)} names the pool {shown(rule.pool)}, which is not under `pools:`. {near}"
            yield Problem(("rules", number, "pool"), what.rstrip())
    for kind, target in config.policy.bearers.named():
        if (pool := target.get("pool")) and pool not in config.pools:
            what = f"{kind} goes to the pool {shown(pool)}, which is not under `pools:`. {nearest(pool, config.pools)}"
            yield Problem(("policy", "bearers", kind, "pool"), what.rstrip())


def _pools_of_one_name(config: Config) -> Iterator[Problem]:
    """Find pools that the difference of upper and lower case alone keeps apart: who reads a report takes them for one."""
    first: dict[str, str] = {}
    for pool in config.pools:
        if (other := first.setdefault(pool.lower(), pool)) != pool:
            what = f"the pools {shown(other)} and {shown(pool)} differ by upper and lower case only: rename one"
            yield from (Problem(("pools", name), what, of_key=True) for name in (other, pool))


def _driven_twice(config: Config) -> Iterator[Problem]:
    """Find scopes that two entries of `drives` name, and pools that are not there."""
    named: set[tuple[str | None, str | None]] = set()
    for number, item in enumerate(config.tokens.drives):
        at = ("tokens", "drives", number)
        if (item.pool, item.provider) in named:
            yield Problem(at, f"{shown(item.pool or item.provider)} is named twice; one role drives money there")
        if item.pool and item.pool not in config.pools:
            near = nearest(item.pool, config.pools)
            yield Problem(at, f"there is no pool {shown(item.pool)} under `pools:`. {near}".rstrip())
        if item.source and config.sources and item.source not in {source.name for source in config.sources}:
            near = nearest(item.source, [source.name for source in config.sources])
            yield Problem((*at, "source"), f"there is no source {shown(item.source)} under `sources:`. {near}".rstrip())
        named.add((item.pool, item.provider))


def _pools_that_do_not_fit(config: Config) -> Iterator[Problem]:
    """Find pools that go by the tokens of one that is not there or has none itself, and reservations of one team that overlap."""
    for name, pool in config.pools.items():
        other = config.pools.get(pool.tokens.of or name)
        if other is None or (pool.tokens.of and other.tokens.of):
            own = [other for other, found in config.pools.items() if other != name and not found.tokens.of]
            near = nearest(str(pool.tokens.of), own)
            what = f"goes by the tokens of {shown(pool.tokens.of)}, which is no pool with tokens of its own. {near}"
            if pool.tokens.of == name:
                what = "goes by the tokens of itself, as every pool does: leave `of` out, or name another pool"
            yield Problem(("pools", name, "tokens", "of"), what.rstrip())
        for number, item in enumerate(pool.reservations):
            for earlier in pool.reservations[:number]:
                starts, ends = (item.valid_from or date.min), (item.valid_to or date.max)
                if (
                    item.team == earlier.team
                    and starts < (earlier.valid_to or date.max)
                    and (earlier.valid_from or date.min) < ends
                ):
                    what = f"two reservations of {shown(item.team)} hold at the same time; say one number of chips for each time"
                    yield Problem(("pools", name, "reservations", number), what)


def _chips_of_two_pools(config: Config) -> Iterator[Problem]:
    held: dict[tuple[str, str], str] = {}
    for pool, settings in config.pools.items():
        for setting, field, value in settings.chips.named():
            if held.setdefault((field, value), pool) != pool:
                what = f"the {setting} {shown(value)} belongs to the pool {shown(held[field, value])} already"
                yield Problem(("pools", pool, "chips", setting), what)


def problem(found: Any) -> Problem:
    """Put one of pydantic's findings into words."""
    location, kind = found["loc"], found["type"]
    at = tuple(part for part in location if part != "[key]")
    path = "".join(f" #{part + 1}" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")
    if kind == "extra_forbidden":
        near = nearest(str(location[-1]), settings_of(location[:-1]))
        return Problem(at, f"{path}: there is no such setting. {near}".rstrip(), of_key=True)
    if kind == "model_type":
        return Problem(at, f"{path}: must be a mapping with {', '.join(settings_of(location)[:2])} …")
    message = found["msg"].removeprefix("Value error, ")
    for theirs, word in WORDS.items():
        message = message.replace(theirs, word)
    value = found.get("input")
    got = f" (got {shown(value)})" if isinstance(value, str | int) else ""
    return Problem(at, f"{path}: {message}{got}", of_key="[key]" in location, missing=kind == "missing")


def settings_of(location: tuple[int | str, ...]) -> list[str]:
    """Return the names of the settings that a part of the configuration has."""
    kind: Any = Config
    for part in location:
        if isinstance(kind, type) and issubclass(kind, Part):
            fields = {field.alias or name: field for name, field in kind.model_fields.items()}
            kind = fields[str(part)].annotation
        else:
            kind = get_args(kind)[-1]
        kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if not (isinstance(kind, type) and issubclass(kind, Part)):
        return []
    return [field.alias or name for name, field in kind.model_fields.items() if name not in NOT_SETTINGS]
