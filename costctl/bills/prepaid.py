"""Prepaid schedules: a CSV of the user's in which each row says what a purchase was paid for, and for which window of time.

What a schedule moves is worked out by `purchases`; costctl/bills/own_prepaid turns the statement of a month into charges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costctl.bills import roster
from costctl.bills.roster import Alias
from costctl.errors import nearest
from costctl.files import cells, sheets
from costctl.files.sheets import Field, Problem, Row, Sheet

KINDS = ("capacity_block", "term", "api_credits")
MATCHED = ("invoice_id", "sku_id", "resource_id")  # by what a purchase is found on the bill
FIELDS = (
    Field("id", required=True),
    Field("kind", cells.one_of(KINDS), required=True),
    Field("provider", cells.name, required=True),
    Field("billing_account", required=True),
    Field("currency", cells.currency, required=True),
    Field("start", cells.instant, required=True),
    Field("end", cells.instant, required=True),
    *(Field(name) for name in MATCHED),
    Field("amount", cells.above_zero),
    Field("team"),
    Field("pool"),
    Field("model"),
    Field("purpose", cells.name),
    Field("machine", cells.name),
    Field("machines", cells.whole),
    Field("drawn_by"),
)


@dataclass(frozen=True)
class Known:
    """What the rows may name: teams by their spellings, pools, providers by their names, machines of a provider."""

    aliases: Sequence[Alias]
    pools: Collection[str]
    providers: Mapping[str, str]
    machines: Collection[tuple[str, str]]

    def provider(self, row: Row) -> str:
        """Return the provider of a row by our id."""
        return self.providers.get(row["provider"], row["provider"])

    def team(self, row: Row) -> str | None:
        """Return the team that a row names, None where it names a pool."""
        return roster.team(self.aliases, row["team"], row["start"].date()) if row["team"] else None


def known(pools: Collection[str], tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> Known:
    """Return what rows may name by the configuration and the reference tables."""
    providers = {name: provider for name, provider, *_ in tables["providers"]}
    machines = {(provider, name) for provider, name, *_ in tables["machines"]}
    return Known(tables["team_aliases"], pools, providers, machines)


def read(path: Path, names: Known) -> list[Row]:
    """Read the file; raise UsageError for all that is wrong with it."""
    sheet = sheets.read(path, Sheet(str(path), path.name, "prepaid"), FIELDS)
    sheet.problems += [problem for row in sheet.rows for problem in _problems(row, names)]
    sheet.problems += _repeats(sheet.rows)
    sheets.refuse(sheet.problems)
    return sheet.rows


def _problems(row: Row, names: Known) -> Iterator[Problem]:
    if row["end"] <= row["start"]:
        yield row.problem("end", "is not after the start", "The end is the first moment that is not paid for any more.")
    if not any(row[name] for name in MATCHED):
        remedy = f"Fill one of {', '.join(MATCHED)}, or several, as the bill has them."
        yield row.problem("invoice_id", "nothing tells which purchase it is of", remedy)
    yield from _target_problems(row, names)
    yield from _machine_problems(row, names)
    if row["drawn_by"] and row["kind"] != "api_credits":
        yield row.problem("drawn_by", "is of api_credits only", "Leave it empty: the window's hours tell the parts.")


def _target_problems(row: Row, names: Known) -> Iterator[Problem]:
    if bool(row["team"]) == bool(row["pool"]):
        what = "names a team as well as a pool" if row["team"] else "names neither a team nor a pool"
        yield row.problem("team", what, "Fill one of the two.")
    elif row["team"] and names.team(row) is None:
        yield roster.unknown(row, "team", names.aliases)
    elif row["pool"] and row["pool"] not in names.pools:
        near = nearest(row["pool"], sorted(names.pools))
        yield row.problem("pool", "is no pool under `pools:`", f"{near}Mend the name, or add the pool.")


def _machine_problems(row: Row, names: Known) -> Iterator[Problem]:
    if row["machines"] and row["kind"] == "api_credits":
        yield row.problem("machines", "are no part of api_credits", "Leave the cell empty.")
    elif bool(row["machine"]) != bool(row["machines"]):
        remedy = "Say both, so that their hours count; or neither, where the bill counts the hours itself."
        yield row.problem("machines", "machine and machines go together", remedy)
    elif row["machine"] and (names.provider(row), row["machine"]) not in names.machines:
        near = nearest(
            row["machine"], sorted(name for provider, name in names.machines if provider == names.provider(row))
        )
        remedy = f"{near}costctl rates list shows them; another goes into a card of machines."
        yield row.problem("machine", f"is no machine of {row['provider']} that is known", remedy)


def _repeats(rows: Iterable[Row]) -> Iterator[Problem]:
    seen: dict[str, Row] = {}
    for row in rows:
        if other := seen.get(row["id"]):
            yield row.problem("id", f"is the id of line {other.line} already", "Give each schedule an id of its own.")
        seen[row["id"]] = row
