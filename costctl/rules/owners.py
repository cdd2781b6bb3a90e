"""Whose token counts drive money, and whom they belong to: what the configuration says of both, as the ledger's reference tables."""

from __future__ import annotations

from typing import Any

from costctl.config import Config
from costctl.config.rules import Owner
from costctl.nouns import EVER, NEVER

EVERYWHERE = "*"


def tables(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the tables of driving roles, of owner rules, and of the accounts of purposes."""
    order = [(EVERYWHERE, role, None, place) for place, role in enumerate(config.tokens.order, start=1)]
    chosen = [
        (f"pool {item.pool}" if item.pool else f"provider {item.provider}", item.role, item.source, 0)
        for item in config.tokens.drives
    ]
    rules = [row for ordinal, owner in enumerate(config.owners, start=1) for row in _rows(ordinal, owner)]
    accounts = [(purpose.strip().lower(), account) for purpose, account in config.accounts.items()]
    return {"driving_roles": chosen + order, "owner_rules": rules, "purpose_accounts": accounts}


def _rows(ordinal: int, owner: Owner) -> list[tuple[Any, ...]]:
    about = (owner.team, owner.purpose, owner.valid_from or EVER, owner.valid_to or NEVER)
    return [
        (ordinal, owner.name, len(owner.when), field, _pattern(value), *about)
        for field, values in owner.when.items()
        for value in values
    ]


def _pattern(value: str) -> str:
    """Return a value for LIKE with the escape `!`, in lower case; `*` stands for any text."""
    escaped = value.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return escaped.replace("*", "%")
