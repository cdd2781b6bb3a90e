"""What each rule took: the rules in their order with their charges and money, those that took nothing, and what fell to none."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from costctl import reports
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Rows, Span

NOTHING: dict[str, Any] = {"charges": 0, "cost": Decimal(0), "unknown": 0, "currency": None}
NO_RULE = (0, "(no rule)", "{}")
ENTRY = "built-in: an entry goes where its row says"  # of no interest where there is none
BUILT_IN = {
    "built-in: tag names a team": "team by its tag",
    "built-in: token line without a team": "pool api",
    ENTRY: "as its row says",
    "(no rule)": "unallocated",
}
COLUMNS = {"rule": "INTEGER", "name": "VARCHAR", "goes_to": "VARCHAR", "charges": "BIGINT", "cost": "DECIMAL(38,18)"}
COLUMNS |= {"currency": "VARCHAR", "note": "VARCHAR"}


def by_rules(ledger: Ledger, rules: CompiledRules, span: Span | None, cost: str) -> Rows:
    """Return one row per rule and currency, of the open billing periods where no span is named; the last are of no rule."""
    values = {"cost": cost, "start": span.start if span else None, "end": span.end if span else None}
    taken: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for found in ledger.run(reports.query("_rules.sql"), values).dicts():
        taken[found["rule"]].append(found)
    rows: list[tuple[Any, ...]] = []
    for ordinal, name, definition in [*rules.listed, NO_RULE]:
        held = json.loads(definition)
        said = [
            f"{word} {held[name]}" for name, word in (("valid_from", "from"), ("valid_to", "until")) if name in held
        ]
        for found in taken[ordinal] or ([] if name == ENTRY else [NOTHING]):
            note = ", ".join([*said, *_remarks(ordinal, found, cost)]) or None
            row = (name, _target(name, held), found["charges"], _cost(found), found["currency"], note)
            rows.append((ordinal if ordinal > 0 else None, *row))
    return Rows(tuple(COLUMNS), tuple(COLUMNS.values()), rows)


def _target(name: str, definition: dict[str, Any]) -> str:
    kind = next((kind for kind in ("pool", "team") if kind in definition), None)
    return f"{kind} {definition[kind]}" if kind else BUILT_IN[name]


def _cost(found: dict[str, Any]) -> Decimal | None:
    return found["cost"] if found["unknown"] < found["charges"] or found["cost"] or not found["charges"] else None


def _remarks(ordinal: int, found: dict[str, Any], cost: str) -> Iterator[str]:
    if ordinal and found is NOTHING:
        yield "took nothing"
    if found["unknown"]:
        yield f"{found['unknown']:,} without {cost} cost"
