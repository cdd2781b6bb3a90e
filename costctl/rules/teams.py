"""teams.csv and the model aliases: which spellings mean which team or model, and from when to when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from costctl import documents
from costctl.config import Config
from costctl.config.pools import pool_of
from costctl.errors import InputRefused, UsageError, nearest, shown
from costctl.files import delimited
from costctl.nouns import EVER, NEVER
from costctl.rules import drivers

COLUMNS = ("team", "parent", "cost_centre", "entity", "owner", "purpose", "aliases", "valid_from", "valid_to")
MODEL_COLUMNS = ("raw", "model", "valid_from", "valid_to", "note")


@dataclass(frozen=True)
class Alias:
    """One spelling of a team, while it holds."""

    raw: str
    team: str
    purpose: str | None
    valid_from: date
    valid_to: date
    line: int


def tables(config: Config, shipped: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the alias tables; a model spelling of the user's own file replaces the shipped one."""
    named = read(config.at(config.teams)) if config.teams else []
    _refuse_unknown(config, {item.raw for item in named})
    return {
        "team_aliases": [(item.raw, item.team, item.purpose, item.valid_from, item.valid_to) for item in named],
        "model_aliases": model_aliases(config, shipped),
        "owner_changes": [*((day, None) for day in _turns(config)), *_changes(named)],
    }


def _turns(config: Config) -> list[date]:
    """Return the days on which a rule begins or ends."""
    return sorted({day for rule in config.rules for day in (rule.valid_from, rule.valid_to) if day})


def _changes(aliases: Iterable[Alias]) -> Iterator[tuple[date, str]]:
    """Yield each day on which a spelling begins to mean another team, or none, with the spelling."""
    meanings: dict[str, dict[date, tuple[str, str | None] | None]] = {}
    for item in sorted(aliases, key=lambda item: (item.raw, item.valid_from)):
        days = meanings.setdefault(item.raw, {EVER: None})
        days |= {item.valid_from: (item.team, item.purpose), item.valid_to: None}
    for raw, days in meanings.items():
        yield from ((day, raw) for (_, had), (day, has) in pairwise(days.items()) if had != has and day != NEVER)


def model_aliases(config: Config, shipped: Iterable[tuple[Any, ...]]) -> list[tuple[str, str, date, date]]:
    """Return the rows of model_aliases: the user's own file, and the shipped ones that it does not name."""
    own = models(config.at(config.model_aliases)) if config.model_aliases else []
    taken = {raw for raw, *_ in own}
    return [
        *own,
        *((raw, model, start or EVER, end or NEVER) for raw, model, start, end in shipped if raw not in taken),
    ]


def _refuse_unknown(config: Config, spellings: set[str]) -> None:
    """A team that the configuration, or a driver, names must be one of teams.csv, where that has any."""
    for where, team in _placed(config) if spellings else ():
        if team.lower() not in spellings:
            remedy = f"{nearest(team, spellings)}Mend the name, or add a row."
            raise UsageError(where, f"there is no team {shown(team)} in {config.teams}", remedy=remedy)


def _placed(config: Config) -> Iterator[tuple[str, str]]:
    """Yield each team that the configuration and its drivers name, with file and line."""
    for place, team in _named(config):
        yield documents.read(config.file).where(place, key=place[-1] == team) if config.file else "costctl.yaml", team
    for pool in config.pools.values():
        for item in drivers.read(config.at(pool.driver)) if pool.driver else ():
            if not pool_of(item.key):
                yield f"{item.row.path}:{item.row.line}:key", item.key


def _named(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each team that the configuration names, with its place."""
    for number, rule in enumerate(config.rules):
        if rule.team and "{" not in rule.team:
            yield ("rules", number, "team"), rule.team
    for name, pool in config.pools.items():
        yield from [(("pools", name, "idle", "owner"), pool.idle.owner)] if pool.idle.owner else []
        yield from ((("pools", name, "shares", team), team) for team in pool.shares if not pool_of(team))
        yield from (
            (("pools", name, "reservations", number, "team"), item.team)
            for number, item in enumerate(pool.reservations)
        )
        yield from [(("pools", name, "coverage", "owner"), pool.coverage.owner)] if pool.coverage else []
        yield from [(("pools", name, "recharge", "owner"), pool.recharge.owner)] if pool.recharge else []
    yield from ((("owners", number, "team"), owner.team) for number, owner in enumerate(config.owners))
    yield from [(("policy", "capacity_owner"), config.policy.capacity_owner)] if config.policy.capacity_owner else []
    bearers = config.policy.bearers.named()
    yield from ((("policy", "bearers", kind), target["team"]) for kind, target in bearers if "team" in target)


def read(path: Path) -> list[Alias]:
    """Read teams.csv; raise UsageError for a bad date, a missing name, or a spelling that two teams claim at one time."""
    aliases: list[Alias] = []
    for line, row in _rows(path, "teams", ("team",), COLUMNS):
        team = _filled(path, line, row, "team")
        start, end = _span(path, line, row)
        spellings = dict.fromkeys(
            name.strip().lower() for name in [team, *row.get("aliases", "").split("|")] if name.strip()
        )
        purpose = row.get("purpose", "").lower() or None
        aliases += [Alias(raw, team, purpose, start, end, line) for raw in spellings]
    _refuse_two_owners(path, aliases, "aliases")
    return aliases


def models(path: Path) -> list[tuple[str, str, date, date]]:
    """Read the user's model aliases: raw, model, valid_from, valid_to (and a note); raw compares in lower case."""
    aliases = []
    for line, row in _rows(path, "model_aliases", ("raw", "model"), MODEL_COLUMNS):
        raw, model = _filled(path, line, row, "raw"), _filled(path, line, row, "model")
        aliases.append(Alias(raw.lower(), model, None, *_span(path, line, row), line))
    _refuse_two_owners(path, aliases, "raw")
    return [(item.raw, item.team, item.valid_from, item.valid_to) for item in aliases]


def _rows(
    path: Path, setting: str, needed: Sequence[str], known: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line and values of each row of a small table of the user's; its columns may stand in any order."""
    try:
        found = [(lines.start, [value.strip() for value in row]) for lines, row in delimited.read(path)]
    except InputRefused as error:
        remedy = (
            f"The setting `{setting}:` names it; `costctl init` writes one."
            if "no such" in error.what
            else error.remedy
        )
        raise UsageError(error.where, error.what, evidence=error.evidence, remedy=remedy) from error
    header = found[0][1] if found else []
    _check_header(path, header, needed, known)
    for line, row in found[1:]:
        if len(row) > len(header):
            what = f"has {len(row)} fields where the header has {len(header)}"
            remedy = 'A value with a comma in it stands in quotes: "one, two".'
            raise UsageError(f"{path}:{line}", what, evidence=shown(",".join(row)), remedy=remedy)
        yield line, dict(zip(header, row, strict=False))


def _check_header(path: Path, header: Sequence[str], needed: Sequence[str], known: Sequence[str]) -> None:
    lacking = [name for name in needed if name not in header]
    unknown = [name for name in header if name not in known]
    twice = [name for name in header if header.count(name) > 1]
    what = (
        f"has an unknown column {shown(unknown[0])}"
        if unknown
        else f"has no column {lacking[0]}"
        if lacking
        else f"has the column {twice[0]} twice"
        if twice
        else ""
    )
    if what:
        near = nearest(unknown[0], known) if unknown else ""
        evidence = f"columns found: {', '.join(header) or '(none)'}"
        raise UsageError(f"{path}:1", what, evidence=evidence, remedy=f"{near}Columns: {', '.join(known)}.")


def _filled(path: Path, line: int, row: dict[str, str], name: str) -> str:
    value = row.get(name, "")
    if not value:
        raise UsageError(f"{path}:{line}:{name}", f"the {name} has no name", remedy="Name it, or remove the row.")
    return value


def _span(path: Path, line: int, row: dict[str, str]) -> tuple[date, date]:
    start, end = _day(path, line, row, "valid_from", EVER), _day(path, line, row, "valid_to", NEVER)
    if start >= end:
        raise UsageError(
            f"{path}:{line}:valid_to",
            "the row ends before it starts",
            evidence=f"{start} .. {end}",
            remedy="valid_to is the first day on which it no longer holds.",
        )
    return start, end


def _day(path: Path, line: int, row: dict[str, str], name: str, otherwise: date) -> date:
    text = row.get(name, "")
    try:
        return datetime.strptime(text, "%Y-%m-%d").date() if text else otherwise  # noqa: DTZ007  a day has no zone
    except ValueError as error:
        raise UsageError(
            f"{path}:{line}:{name}", f"{shown(text)} is not a date", remedy="Write it as 2026-10-01."
        ) from error


def _refuse_two_owners(path: Path, aliases: list[Alias], column: str) -> None:
    """Two meanings of one spelling at one time would count its cost twice."""
    by_raw: dict[str, list[Alias]] = {}
    for alias in aliases:
        for other in by_raw.setdefault(alias.raw, []):
            if alias.valid_from < other.valid_to and other.valid_from < alias.valid_to:
                raise UsageError(
                    f"{path}:{alias.line}:{column}",
                    f"{shown(alias.raw)} already means {other.team} at that time",
                    evidence=f"line {other.line}: {other.team}; line {alias.line}: {alias.team}",
                    remedy="Give each spelling one meaning, or end the older row with valid_to.",
                )
        by_raw[alias.raw].append(alias)
