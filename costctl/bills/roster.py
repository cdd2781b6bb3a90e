"""The teams that entries of one's own may name: those of teams.csv on a day, by any spelling; without teams.csv every team."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from costctl.errors import nearest
from costctl.files.sheets import Problem, Row

# A row of the ledger's table team_aliases: spelling, team, purpose, valid from and to.
Alias = tuple[str, str, str | None, date, date]


def team(aliases: Sequence[Alias], name: str, day: date) -> str | None:
    """Return the team that a name means on a day; None where it means none."""
    if not aliases:
        return name
    return next((alias[1] for alias in aliases if alias[0] == name.lower() and alias[3] <= day < alias[4]), None)


def unknown(row: Row, column: str, aliases: Sequence[Alias]) -> Problem:
    """Return what is wrong with a cell that names no team."""
    near = nearest(row[column], sorted({alias[1] for alias in aliases}))
    return row.problem(column, "is no team of teams.csv at that time", f"{near}Mend the name, or add a row there.")
