"""Rules: the ordered list that says which team or pool a charge goes to, compiled into one SQL expression.

First match wins. After the configured rules come two built-in ones: a charge whose tag names a team goes to it, and a token
line that nobody claims goes to the implicit pool `api`. Identifiers come from the stored columns only; values are bound.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from datetime import date
from typing import TYPE_CHECKING, Any

from costctl.errors import UsageError, shown
from costctl.nouns import CompiledRules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costctl.config import Rule

FIELDS = ("team", "model", "purpose", "pool")
TEMPLATE = re.compile(r"^\{(?P<column>[A-Za-z_.:]+)\}$")
BUILT_IN_TAG, BUILT_IN_API = "built-in: tag names a team", "built-in: token line without a team"


class _Values:
    """Bound values of the expression, each used once under its own name."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def mark(self, value: object) -> str:
        name = f"r{len(self.bound)}"
        self.bound[name] = value
        return f"${name}"


def compile_rules(rules: Sequence[Rule], columns: Sequence[str], where: str = "costctl.yaml") -> CompiledRules:
    """Compile the rules against the charges' columns; raise UsageError for a column that is not stored."""
    values = _Values()
    branches, listed = [], []
    for ordinal, rule in enumerate(rules, start=1):
        branches.append(
            f"WHEN {_condition(rule, columns, values, where)} THEN {_outcome(ordinal, _targets(rule, columns, values, where))}"
        )
        listed.append((ordinal, rule.name, rule.model_dump_json(exclude_none=True)))
    last = len(listed)
    branches.append(f"WHEN NULLIF(TRIM(tag_team), '') IS NOT NULL THEN {_outcome(last + 1, {'team': 'tag_team'})}")
    branches.append(f"WHEN x_token_class IS NOT NULL THEN {_outcome(last + 2, {'pool': values.mark('api')})}")
    listed += [(last + 1, BUILT_IN_TAG, "{}"), (last + 2, BUILT_IN_API, "{}")]
    expression = f"CASE {' '.join(branches)} ELSE {_outcome(0, {})} END"
    seal = json.dumps([expression, {key: str(value) for key, value in values.bound.items()}], sort_keys=True)
    return CompiledRules(expression, values.bound, hashlib.sha256(seal.encode()).hexdigest(), tuple(listed))


def _outcome(ordinal: int, targets: dict[str, str]) -> str:
    parts = ", ".join(f"'{name}': CAST({targets.get(name, 'NULL')} AS VARCHAR)" for name in FIELDS)
    return f"{{'rule': {ordinal}, {parts}}}"


def _targets(rule: Rule, columns: Sequence[str], values: _Values, where: str) -> dict[str, str]:
    """Return the SQL of each attribute the rule names: the row's own text for a template, a bound constant otherwise."""
    named = {name: getattr(rule, name) for name in FIELDS if getattr(rule, name) is not None}
    found = {}
    for name, value in named.items():
        template = TEMPLATE.match(value)
        found[name] = _column(template["column"], columns, rule, where) if template else values.mark(value)
    return found


def _condition(rule: Rule, columns: Sequence[str], values: _Values, where: str) -> str:
    parts = [_matches(_column(name, columns, rule, where), wanted, values) for name, wanted in rule.when.items()]
    for target in FIELDS:
        template = TEMPLATE.match(getattr(rule, target) or "")
        if template:  # a blank template value means that the rule does not match
            parts.append(f"NULLIF(TRIM({_column(template['column'], columns, rule, where)}), '') IS NOT NULL")
    if rule.valid_from:
        parts.append(f"ChargePeriodStart >= CAST({values.mark(_day(rule.valid_from))} AS TIMESTAMP)")
    if rule.valid_to:
        parts.append(f"ChargePeriodStart < CAST({values.mark(_day(rule.valid_to))} AS TIMESTAMP)")
    return " AND ".join(parts)


def _day(day: date) -> str:
    return day.isoformat()


def _matches(column: str, wanted: Sequence[str], values: _Values) -> str:
    """Match a column against literals, and against prefixes where a value ends with `*`."""
    literals = [value for value in wanted if not value.endswith("*")]
    prefixes = [value[:-1] for value in wanted if value.endswith("*")]
    parts = [f"{column} IN ({', '.join(values.mark(value) for value in literals)})"] if literals else []
    parts += [f"LEFT({column}, {len(prefix)}) = {values.mark(prefix)}" for prefix in prefixes]
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _column(name: str, columns: Sequence[str], rule: Rule, where: str) -> str:
    """Return the stored column that a rule's key names; `tags.team` is the column tag_team."""
    wanted = "tag_" + name.removeprefix("tags.") if name.startswith("tags.") else name
    if wanted in columns:
        return f'"{wanted}"'
    near = difflib.get_close_matches(name, [*columns, *(f"tags.{c[4:]}" for c in columns if c.startswith("tag_"))], n=1)
    remedy = f"Did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"{where}: rule {shown(rule.name)}",
        f"the charges have no column {shown(name)}",
        remedy=f"{remedy}A tag of your own is declared under `tags:` and written tags.NAME.",
    )
