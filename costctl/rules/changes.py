"""What a ledger is allocated by, and what differs between two such states, in the names that the configuration uses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from costctl.ledger.store import Ledger

POOLS = "pools"
OF_POOLS = (
    "tokens",
    "chips",
    "weights",
    "fixed",
    "models",
    "over",
    "drivers",
    "capacity",
    "reservations",
    "recharges",
    "rates",
    "budgets",
)
NAMED = {  # the table, what its rows are of, the column that tells which one
    POOLS: ("pool", "pool"),
    **{f"pool_{name}": ("pool", "pool") for name in OF_POOLS},
    "owner_rules": ("owner", "rule"),
    "driving_roles": ("tokens of", "scope"),
    "team_aliases": ("team", "team"),
    "model_aliases": ("model", "model"),
    "purpose_accounts": ("purpose", "purpose"),
    "capacity_owner": ("policy", "'capacity_owner'"),
}
SETTINGS = {
    "pool_fixed": "shares",
    "pool_recharges": "recharge",
    "owner_rules": "rule",
    "driving_roles": "roles",
    "capacity_owner": "team",
}
FOLLOWS = {"ordinal", "level", "tokens_of", "place"}  # from other settings, or from how many stand before
DERIVED = {"owner_changes", "hourly_pools"}  # from rules and teams, from the grains of pools
EVERY = "*"

Setting = tuple[str, str]  # what it is and its name: a pool, a rule, an owner
State = dict[Setting, dict[str, Any]]


def in_force(ledger: Ledger) -> State:
    """Return what the ledger holds of each rule, pool, owner, team and model, and the hash of each other table that costs depend on."""
    found: State = dict(_rules(ledger))
    for table, (kind, key) in NAMED.items():
        query = f"SELECT {key} AS named, * FROM ledger.{table} ORDER BY ALL"  # noqa: S608  the names are ours
        for row in ledger.run(query).dicts():
            aspects = found.setdefault((kind, row.pop("named")), {})
            values = {name: _plain(value) for name, value in row.items() if name not in FOLLOWS and name != key}
            if table == POOLS:
                aspects |= values
            else:
                aspects.setdefault(SETTINGS.get(table, table.removeprefix("pool_")), []).append(values)
    seals = _seals(ledger)
    return found | {
        ("table", name): {"rows": seal} for name, seal in seals.items() if name not in NAMED and name not in DERIVED
    }


def _seals(ledger: Ledger) -> dict[str, str]:
    found: dict[str, str] = json.loads(ledger.meta("reference_tables") or "{}")
    return found


def _rules(ledger: Ledger) -> Iterator[tuple[Setting, dict[str, Any]]]:
    """Yield the configured rules in their order; of several with one name the further ones have a number."""
    query = "SELECT name, definition FROM ledger.rule_sets WHERE rule_set = $id AND definition <> '{}' ORDER BY ordinal"
    seen = list[str]()
    for name, definition in ledger.run(query, {"id": ledger.meta("rule_set") or ""}).rows:
        seen.append(name)
        number = f" #{seen.count(name)}" if seen.count(name) > 1 else ""
        yield ("rule", f"{name}{number}"), json.loads(definition)


def _plain(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def fingerprint(ledger: Ledger) -> str:
    """Return a short hash of the rules, pools, owners, teams and models that the ledger is allocated by."""
    seals = _seals(ledger)
    parts = [ledger.meta("rule_set"), {name: seals.get(name) for name in NAMED}]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def between(before: State, after: State) -> list[str]:
    """Name what was added, removed and changed, one line each; of what was changed, its settings."""
    lines = []
    for setting in dict.fromkeys([*before, *after]):
        called = f"{setting[0]} {setting[1] if setting[1] != EVERY else '(where nothing else is said)'}"
        if setting not in before or setting not in after:
            lines.append(f"{called}: {'added' if setting in after else 'removed'}")
        elif before[setting] != after[setting]:
            lines.append(f"{called}: {_told(before[setting], after[setting])}")
    if _order(before, after) != _order(after, before):
        lines.append("rules: in another order")
    return lines


def _told(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = dict.fromkeys([*before, *after])
    return ", ".join(
        _one(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )


def _one(name: str, before: Any, after: Any) -> str:
    """Say what becomes of one setting: from what to what, where that is a word each."""
    if isinstance(before, list | dict) or isinstance(after, list | dict) or name == "rows":
        return f"{name} changed"
    return f"{name} {'-' if before is None else before} → {'-' if after is None else after}"


def _order(state: State, other: State) -> list[Setting]:
    return [setting for setting in state if setting[0] == "rule" and setting in other]
