"""teams.csv and the model aliases: which spellings mean which team or model, and from when to when."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from costctl.config import Config
from costctl.errors import UsageError, shown

EVER, NEVER = date(1900, 1, 1), date(9999, 12, 31)
COLUMNS = ("team", "parent", "cost_centre", "entity", "owner", "purpose", "aliases", "valid_from", "valid_to")


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
    own = models(config.at(config.model_aliases)) if config.model_aliases else []
    taken = {raw for raw, *_ in own}
    rest = [(raw, model, start or EVER, end or NEVER) for raw, model, start, end in shipped if raw not in taken]
    named = read(config.at(config.teams)) if config.teams else []
    return {
        "team_aliases": [(item.raw, item.team, item.purpose, item.valid_from, item.valid_to) for item in named],
        "model_aliases": [*own, *rest],
    }


def read(path: Path) -> list[Alias]:
    """Read teams.csv; raise UsageError for a bad date, a missing name, or a spelling that two teams claim at one time."""
    aliases: list[Alias] = []
    for line, row in _rows(path):
        team = row["team"]
        if not team:
            raise UsageError(f"{path}:{line}:team", "the team has no name", remedy="Name it, or remove the row.")
        start, end = _day(path, line, row, "valid_from", EVER), _day(path, line, row, "valid_to", NEVER)
        if start >= end:
            raise UsageError(
                f"{path}:{line}:valid_to",
                "the row ends before it starts",
                evidence=f"{start} .. {end}",
                remedy="valid_to is the first day on which it no longer holds.",
            )
        spellings = dict.fromkeys(
            name.strip().lower() for name in [team, *row.get("aliases", "").split("|")] if name.strip()
        )
        aliases += [
            Alias(raw, team, (row.get("purpose") or "").strip().lower() or None, start, end, line) for raw in spellings
        ]
    _refuse_two_owners(path, aliases)
    return aliases


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(
            str(path), "no such file", remedy="The setting `teams:` names it; `costctl init` writes one."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            str(path), "cannot be read", evidence=str(error), remedy="It must be a CSV file in UTF-8."
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = [name.strip() for name in reader.fieldnames or []]
    unknown = [name for name in names if name not in COLUMNS]
    if "team" not in names or unknown:
        what = f"has an unknown column {shown(unknown[0])}" if unknown else "has no column `team`"
        raise UsageError(
            f"{path}:1", what, evidence=f"columns found: {', '.join(names)}", remedy=f"Columns: {', '.join(COLUMNS)}."
        )
    return [(reader.line_num, {name: (value or "").strip() for name, value in row.items() if name}) for row in reader]


def _day(path: Path, line: int, row: dict[str, str], name: str, otherwise: date) -> date:
    text = row.get(name, "")
    try:
        return date.fromisoformat(text) if text else otherwise
    except ValueError as error:
        raise UsageError(
            f"{path}:{line}:{name}", f"{shown(text)} is not a date", remedy="Write it as 2026-10-01."
        ) from error


def _refuse_two_owners(path: Path, aliases: list[Alias]) -> None:
    """Two teams under one spelling at one time would count its cost twice."""
    by_raw: dict[str, list[Alias]] = {}
    for alias in aliases:
        for other in by_raw.setdefault(alias.raw, []):
            if alias.valid_from < other.valid_to and other.valid_from < alias.valid_to:
                raise UsageError(
                    f"{path}:{alias.line}:aliases",
                    f"{shown(alias.raw)} already means {other.team} at that time",
                    evidence=f"line {other.line}: {other.team}; line {alias.line}: {alias.team}",
                    remedy="Give each spelling to one team, or end the older row with valid_to.",
                )
        by_raw[alias.raw].append(alias)


def models(path: Path) -> list[tuple[str, str, date, date]]:
    """Read the user's model aliases: raw, model, valid_from, valid_to (and a note); raw compares in lower case."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(
            str(path), "cannot be read", evidence=str(error), remedy="The setting `model_aliases:` names it."
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if not {"raw", "model"} <= set(reader.fieldnames or []):
        raise UsageError(
            f"{path}:1",
            "needs the columns raw and model",
            evidence=f"columns found: {', '.join(reader.fieldnames or [])}",
            remedy="Columns: raw, model, valid_from, valid_to, note.",
        )
    found = []
    for row in reader:
        line = reader.line_num
        values = {name: (value or "").strip() for name, value in row.items() if name}
        found.append(
            (
                values["raw"].lower(),
                values["model"],
                _day(path, line, values, "valid_from", EVER),
                _day(path, line, values, "valid_to", NEVER),
            )
        )
    return found
