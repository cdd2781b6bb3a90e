"""Manual adjustments: a CSV of the user's in which each row moves a cost from one team to another, for a reason that somebody approved.

A row is booked as a pair of charges that come to nothing: costctl/bills/own_adjustments turns the statement of a month into them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from costctl.bills import roster
from costctl.bills.roster import Alias
from costctl.files import cells, sheets
from costctl.files.sheets import Field, Problem, Row, Sheet
from costctl.nouns import coin_places

FIELDS = (
    Field("period", cells.month, required=True),
    Field("from_team", required=True),
    Field("to_team", required=True),
    Field("amount", cells.above_zero, required=True),
    Field("currency", cells.currency, required=True),
    Field("reason", required=True),
    Field("approver", required=True),
    Field("model"),
    Field("purpose", cells.name),
    Field("provider", cells.name),
    Field("id"),
)
STATEMENT = (
    *("place", "id", "month", "from_team", "to_team", "amount", "currency"),
    *("model", "purpose", "provider", "reason", "approver"),
)


def read(path: Path, aliases: Sequence[Alias]) -> list[Row]:
    """Read the file; raise UsageError for all that is wrong with it. Without aliases any team will do."""
    sheet = sheets.read(path, Sheet(str(path), path.name, "adjustments"), FIELDS)
    sheet.problems += [problem for row in sheet.rows for problem in _problems(row, aliases)]
    sheet.problems += _repeats(sheet.rows)
    sheets.refuse(sheet.problems)
    return sheet.rows


def _problems(row: Row, aliases: Sequence[Alias]) -> Iterator[Problem]:
    teams = {name: roster.team(aliases, row[name], row["period"]) for name in ("from_team", "to_team")}
    yield from (roster.unknown(row, name, aliases) for name, team in teams.items() if team is None)
    if teams["to_team"] and teams["from_team"] == teams["to_team"]:
        yield row.problem("to_team", "is the team that it comes from", "Name two teams.")
    places = coin_places(row["currency"])
    if row["amount"] != round(row["amount"], places):
        what = f"has more decimals than {row['currency']} has coins ({places})"
        yield row.problem("amount", what, "Round it as the books do.")


def _repeats(rows: Iterable[Row]) -> Iterator[Problem]:
    """Yield the rows that have an id of another, or say without ids what another says."""
    seen: dict[object, Row] = {}
    for row in rows:
        key = row["id"] or tuple(row.texts.get(item.name) for item in FIELDS)
        if other := seen.get(key):
            what = f"is the id of line {other.line} already" if row["id"] else f"the entry stands on line {other.line}"
            remedy = "Give each entry an id of its own." if row["id"] else "Keep one of the two, or give each an id."
            yield row.problem("id", what, remedy)
        seen[key] = row


def statements(rows: Sequence[Row], months: Sequence[date], aliases: Sequence[Alias]) -> dict[date, str]:
    """Return the CSV statement of each month of the ledger that something is booked in; raise UsageError for one that it does not have.

    What is booked in a month after the last of the ledger waits for it.
    """
    sheets.refuse([problem for row in rows for problem in _without_month(row, months)])
    booked = {month: [row for row in rows if row["period"] == month] for month in months}
    return {month: _written(found, aliases) for month, found in booked.items() if found}


def _without_month(row: Row, months: Sequence[date]) -> Iterator[Problem]:
    if months and row["period"] < months[-1] and row["period"] not in months:
        known = f"{months[0]:%Y-%m}" + (f" to {months[-1]:%Y-%m}" if len(months) > 1 else "")
        what = f"is a month of which the ledger has no bill, tokens or chip time; it has {known}"
        yield row.problem("period", what, "Book it in a month that is there.")


def waiting(rows: Sequence[Row], months: Sequence[date]) -> list[Row]:
    """Return the rows that wait for a month which is still to come."""
    return [row for row in rows if months and row["period"] > months[-1]]


def _written(rows: Sequence[Row], aliases: Sequence[Alias]) -> str:
    return csv_text(STATEMENT, (_line(row, aliases) for row in rows))


def _line(row: Row, aliases: Sequence[Alias]) -> Mapping[str, str]:
    teams = {name: roster.team(aliases, row[name], row["period"]) or row[name] for name in ("from_team", "to_team")}
    return row.texts | teams | {"month": f"{row['period']}", "place": row.card}


def csv_text(columns: Sequence[str], lines: Iterable[Mapping[str, str]]) -> str:
    """Return a statement as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()
