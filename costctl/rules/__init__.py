"""Rules: the ordered list that says which team or pool a charge goes to, compiled into one SQL expression.

First match wins. After the configured rules come two built-in ones: a charge whose tag names a team goes to it, and a token
line that nobody claims goes to the implicit pool `api`; what is left of tax, refunds, marketplace and support goes to its bearer, where it has one. Before them all, an entry of the source `own` (a manual adjustment, a
prepaid schedule) goes where its row says, or where what it moves went: no rule reroutes it. Identifiers come from the stored columns only; values are bound.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from costctl import documents
from costctl.errors import UsageError, nearest, shown
from costctl.nouns import CompiledRules
from costctl.rules import reach, words
from costctl.rules.bearers import bearing
from costctl.rules.reach import Reach
from costctl.rules.words import Facts, Unknown, facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from costctl.config.rules import Bearers, Rule

__all__ = ["Facts", "compile_rules", "facts", "uses_words"]
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
    """A rule, where it stands, the columns it may name, and what is known of the words it may use."""

    rule: Rule
    ordinal: int
    columns: Sequence[str]
    file: Path
    known: Facts

    def where(self, *at: str, key: bool = False) -> str:
        """Return the position of a part of the rule, its number where there is no file."""
        if not self.file.is_file():
            return f"{self.file}: rule {self.ordinal}"
        return documents.read(self.file).where(("rules", self.ordinal - 1, *at), key=key)

    def error(self, what: str, remedy: str, *at: str, evidence: str | list[str] = "") -> UsageError:
        """Return an error at a key of the rule, with line and column where the file can say them."""
        text = f"rule {shown(self.rule.name)}: {what}"
        return UsageError(self.where(*at, key="when" in at), text, evidence=evidence, remedy=remedy)


def uses_words(rules: Sequence[Rule], bearers: Bearers) -> bool:
    """Tell whether a rule uses a word of the trade, for which the facts have to be read, or a marketplace has a bearer."""
    return bearers.marketplace is not None or any(name in words.WORDS for rule in rules for name in rule.when)


def compile_rules(
    rules: Sequence[Rule],
    columns: Sequence[str],
    where: str = "costctl.yaml",
    known: Facts | None = None,
    bearers: Bearers | None = None,
) -> CompiledRules:
    """Compile the rules against the charges' text columns; raise UsageError for a column, or a word, that nobody knows, and for a rule that can never match."""
    values = _Values()
    branches, listed = [], []
    reaches: list[Reach] = []
    for ordinal, rule in enumerate(rules, start=1):
        place = _Place(rule, ordinal, columns, Path(where), known or Facts())
        reaches.append(_reach(place))
        _refuse_unreachable(place, reaches, rules)
        branches.append(f"WHEN {_condition(reaches[-1], values)} THEN {_outcome(ordinal, _targets(place, values))}")
        listed.append((ordinal, rule.name, rule.model_dump_json(exclude_defaults=True)))
    last = len(listed)
    branches.append(f"WHEN NULLIF(TRIM(tag_team), '') IS NOT NULL THEN {_outcome(last + 1, {'team': 'tag_team'})}")
    branches.append(f"WHEN x_token_class IS NOT NULL THEN {_outcome(last + 2, {'pool': values.mark('api')})}")
    listed += [(last + 1, BUILT_IN_TAG, "{}"), (last + 2, BUILT_IN_API, "{}")]
    branches.insert(0, f"WHEN {ENTRY} THEN {_outcome(last + 3, ENTERED)}")
    listed.append((last + 3, BUILT_IN_ENTRY, "{}"))
    borne = bearing(bearers, known or Facts(), values.mark) if bearers else ()
    for number, (kind, condition, target) in enumerate(
        borne, start=1
    ):  # below zero: it is no rule that says whose they are
        listed.append((-number, f"bearer of {kind}", json.dumps(target)))
        bound = {name: values.mark(value) for name, value in target.items()}
        branches.append(f"WHEN {condition} THEN {_outcome(-number, bound)}")
    expression = f"CASE {' '.join(branches)} ELSE {_outcome(0, {})} END"
    seal = json.dumps([expression, {key: str(value) for key, value in values.bound.items()}], sort_keys=True)
    return CompiledRules(expression, values.bound, hashlib.sha256(seal.encode()).hexdigest(), tuple(listed))


def _outcome(ordinal: int, targets: dict[str, str]) -> str:
    parts = ", ".join(f"'{name}': CAST({targets.get(name, 'NULL')} AS VARCHAR)" for name in FIELDS)
    return f"{{'rule': {ordinal}, {parts}}}"


def _targets(place: _Place, values: _Values) -> dict[str, str]:
    """Return the SQL of each attribute the rule names: the row's own text for a template, a bound constant otherwise."""
    named = {name: value for name in FIELDS if (value := getattr(place.rule, name)) is not None}
    taken = {name: _template(place, name) for name in named}
    return {name: f'"{taken[name]}"' if taken[name] else values.mark(value) for name, value in named.items()}


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


def _reach(place: _Place) -> Reach:
    """Return what a rule takes and when; raise UsageError where a key or a value of it is unknown."""
    rule, wishes = place.rule, []
    for name, wanted in rule.when.items():
        try:
            wishes.append(words.wish(name, _column(place, name, "when", name), wanted, place.known, fold=rule.fold))
        except Unknown as unknown:
            what, remedy = unknown.args
            raise place.error(what, remedy, "when", name) from unknown
    templates = [column for name in FIELDS if (column := _template(place, name))]
    return Reach(tuple(wishes), frozenset(templates), rule.valid_from, rule.valid_to)


def _refuse_unreachable(place: _Place, reaches: Sequence[Reach], rules: Sequence[Rule]) -> None:
    if column := reach.contradictory(reaches[-1]):
        what = f"it can never match: no {column} is all that it wants"
        raise place.error(what, "Mend one of its keys, or remove the rule.")
    if takers := sorted(reach.taken(reaches[-1], reaches[:-1])):
        evidence = [f"rule {at + 1}, {rules[at].name}: {replace(place, ordinal=at + 1).where()}" for at in takers]
        what = "it can never match: everything it would take goes to rules before it"
        remedy = "The first rule that matches wins: put the narrower one first, or remove this one."
        raise place.error(what, remedy, evidence=evidence)


def _condition(rule: Reach, values: _Values) -> str:
    parts = [wish.sql(values.mark) for wish in rule.wishes]
    parts += [
        f"NULLIF(TRIM(\"{column}\"), '') IS NOT NULL" for column in sorted(rule.filled)
    ]  # a blank value does not match
    if rule.start:
        parts.append(f"moment >= CAST({values.mark(rule.start.isoformat())} AS TIMESTAMP)")
    if rule.end:
        parts.append(f"moment < CAST({values.mark(rule.end.isoformat())} AS TIMESTAMP)")
    return " AND ".join(parts)


def _column(place: _Place, name: str, *at: str) -> str:
    """Return the stored column that a rule's key names; `tags.team` is the column tag_team, and a word of the trade stands for one."""
    wanted = "tag_" + name.removeprefix("tags.") if name.startswith("tags.") else name
    if name in words.WORDS and "when" in at:
        return words.WORDS[name]
    if wanted in place.columns:
        return wanted
    tags = [f"tags.{column.removeprefix('tag_')}" for column in place.columns if column.startswith("tag_")]
    near = nearest(name, [*place.columns, *tags, *words.WORDS])
    remedy = f"{near}Rules read text columns. A tag of your own is declared under `tags:` and written tags.NAME; another column of the bill under `store_columns:` (then costctl rebuild), written x_NAME."
    raise place.error(f"the charges have no text column {shown(name)}", remedy, *at)
