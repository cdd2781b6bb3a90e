"""Rules: the ordered list that says which team or pool a charge goes to, compiled into one SQL expression.

First match wins. After the configured rules come two built-in ones: a charge whose tag names a team goes to it, and a token
line that nobody claims goes to the implicit pool `api`. Before them all, an entry of the source `own` (a manual adjustment, a
prepaid schedule) goes where its row says, or where what it moves went: no rule reroutes it. Identifiers come from the stored columns only; values are bound.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costctl import documents
from costctl.errors import UsageError, nearest, shown
from costctl.nouns import CompiledRules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costctl.config.rules import Rule

FIELDS = ("team", "model", "purpose", "pool")
TEMPLATE = re.compile(r"^\{(?P<column>[^{}]+)\}$")
BUILT_IN_TAG, BUILT_IN_API = "built-in: tag names a team", "built-in: token line without a team"
BUILT_IN_ENTRY = "built-in: an entry goes where its row says"
ENTRY = "source = 'own' AND ServiceName IN ('Manual adjustment', 'Prepaid schedule')"
# What the statement of an entry says of it.
ENTERED = {name: f"json_extract_string(Tags, '$.costctl_{name}')" for name in FIELDS}


class _Values:
    """Bound values of the expression, each used once under its own name."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def mark(self, value: object) -> str:
        name = f"r{len(self.bound)}"
        self.bound[name] = value
        return f"${name}"


@dataclass(frozen=True)
class _Place:
    """A rule, where it stands, and the columns it may name."""

    rule: Rule
    ordinal: int
    columns: Sequence[str]
    file: Path

    def error(self, what: str, remedy: str, *at: str) -> UsageError:
        """Return an error at a key of the rule, with line and column where the file can say them."""
        where = f"{self.file}: rule {self.ordinal}"
        if self.file.is_file():
            where = documents.read(self.file).where(("rules", self.ordinal - 1, *at), key="when" in at)
        return UsageError(where, f"rule {shown(self.rule.name)}: {what}", remedy=remedy)


def compile_rules(rules: Sequence[Rule], columns: Sequence[str], where: str = "costctl.yaml") -> CompiledRules:
    """Compile the rules against the charges' text columns; raise UsageError for a column that is not among them."""
    values = _Values()
    branches, listed = [], []
    for ordinal, rule in enumerate(rules, start=1):
        place = _Place(rule, ordinal, columns, Path(where))
        branches.append(f"WHEN {_condition(place, values)} THEN {_outcome(ordinal, _targets(place, values))}")
        listed.append((ordinal, rule.name, rule.model_dump_json(exclude_none=True)))
    last = len(listed)
    branches.append(f"WHEN NULLIF(TRIM(tag_team), '') IS NOT NULL THEN {_outcome(last + 1, {'team': 'tag_team'})}")
    branches.append(f"WHEN x_token_class IS NOT NULL THEN {_outcome(last + 2, {'pool': values.mark('api')})}")
    listed += [(last + 1, BUILT_IN_TAG, "{}"), (last + 2, BUILT_IN_API, "{}")]
    branches.insert(0, f"WHEN {ENTRY} THEN {_outcome(last + 3, ENTERED)}")
    listed.append((last + 3, BUILT_IN_ENTRY, "{}"))
    expression = f"CASE {' '.join(branches)} ELSE {_outcome(0, {})} END"
    seal = json.dumps([expression, {key: str(value) for key, value in values.bound.items()}], sort_keys=True)
    return CompiledRules(expression, values.bound, hashlib.sha256(seal.encode()).hexdigest(), tuple(listed))


def _outcome(ordinal: int, targets: dict[str, str]) -> str:
    parts = ", ".join(f"'{name}': CAST({targets.get(name, 'NULL')} AS VARCHAR)" for name in FIELDS)
    return f"{{'rule': {ordinal}, {parts}}}"


def _targets(place: _Place, values: _Values) -> dict[str, str]:
    """Return the SQL of each attribute the rule names: the row's own text for a template, a bound constant otherwise."""
    named = {name: value for name in FIELDS if (value := getattr(place.rule, name)) is not None}
    return {name: _template(place, name) or values.mark(value) for name, value in named.items()}


def _template(place: _Place, name: str) -> str | None:
    """Return the column that an attribute such as `{tags.team}` takes its value from, None where it is a constant."""
    value = getattr(place.rule, name) or ""
    template = TEMPLATE.match(value)
    if template:
        return _column(place, template["column"], name)
    if "{" in value or "}" in value:
        remedy = 'A template is one column in braces and nothing else: "{tags.team}".'
        raise place.error(f"{shown(value)} is neither a name nor a template", remedy, name)
    return None


def _condition(place: _Place, values: _Values) -> str:
    rule = place.rule
    parts = [_matches(_column(place, name, "when", name), wanted, values) for name, wanted in rule.when.items()]
    templates = [column for name in FIELDS if (column := _template(place, name))]
    parts += [f"NULLIF(TRIM({column}), '') IS NOT NULL" for column in templates]  # a blank value does not match
    if rule.valid_from:
        parts.append(f"ChargePeriodStart >= CAST({values.mark(_day(rule.valid_from))} AS TIMESTAMP)")
    if rule.valid_to:
        parts.append(f"ChargePeriodStart < CAST({values.mark(_day(rule.valid_to))} AS TIMESTAMP)")
    return " AND ".join(parts)


def _day(day: date) -> str:
    return day.isoformat()


def _matches(column: str, wanted: Sequence[str], values: _Values) -> str:
    """Match a column against literals, prefixes where a value ends with `*`, and blank where a value is blank."""
    literals = [value for value in wanted if value and not value.endswith("*")]
    prefixes = [value[:-1] for value in wanted if value.endswith("*")]
    parts = [f"{column} IN ({', '.join(values.mark(value) for value in literals)})"] if literals else []
    parts += [f"NULLIF(TRIM({column}), '') IS NULL"] if "" in wanted else []
    parts += [f"LEFT({column}, {len(prefix)}) = {values.mark(prefix)}" for prefix in prefixes]
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _column(place: _Place, name: str, *at: str) -> str:
    """Return the stored column that a rule's key names; `tags.team` is the column tag_team."""
    wanted = "tag_" + name.removeprefix("tags.") if name.startswith("tags.") else name
    if wanted in place.columns:
        return f'"{wanted}"'
    tags = [f"tags.{column.removeprefix('tag_')}" for column in place.columns if column.startswith("tag_")]
    near = nearest(name, [*place.columns, *tags])
    remedy = f"{near}Rules read text columns. A tag of your own is declared under `tags:` and written tags.NAME; another column of the bill under `store_columns:` (then costctl rebuild), written x_NAME."
    raise place.error(f"the charges have no text column {shown(name)}", remedy, *at)
