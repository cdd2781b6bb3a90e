"""The entries of one's own that only move cost, manual adjustments and prepaid schedules: their statements, month by month."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from costctl.bills import adjustments, prepaid, purchases, recognised
from costctl.config import Config
from costctl.ledger import own
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules


def check(config: Config, tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
    """Raise UsageError for what is wrong with a row by itself, before anything is taken in."""
    if config.adjustments:
        adjustments.read(config.at(config.adjustments), tables["team_aliases"])
    if config.prepaid:
        prepaid.read(config.at(config.prepaid), prepaid.known(config.pools, tables))


def statements(
    ledger: Ledger, config: Config, name: str, months: Sequence[date], rules: CompiledRules, say: Callable[[str], None]
) -> dict[date, str]:
    """Return the statements of a format by month; raise UsageError for an entry that has no place in the months of the ledger."""
    return (
        _adjustments(ledger, config, months, say)
        if name == own.ADJUSTMENTS
        else _prepaid(ledger, config, months, rules, say)
    )


def _adjustments(ledger: Ledger, config: Config, months: Sequence[date], say: Callable[[str], None]) -> dict[date, str]:
    """Return the statements of manual adjustments; say which of them wait for a month."""
    if config.adjustments is None:
        return {}
    aliases = ledger.run("FROM ledger.team_aliases").rows
    rows = adjustments.read(config.at(config.adjustments), aliases)
    for row in adjustments.waiting(rows, months):
        say(f"note: {row.path}:{row.line}: waits for the bill of {row['period']:%Y-%m}")
    return adjustments.statements(rows, months, aliases)


def _prepaid(
    ledger: Ledger, config: Config, months: Sequence[date], rules: CompiledRules, say: Callable[[str], None]
) -> dict[date, str]:
    """Return the statements of prepaid schedules, which the ledger keeps a list of; say which of them move nothing, and why."""
    schedules: list[purchases.Schedule] = []
    if config.prepaid:
        tables = {table: ledger.run(f"FROM ledger.{table}").rows for table in ("providers", "machines", "team_aliases")}
        names = prepaid.known(config.pools, tables)
        schedules = purchases.find(ledger, prepaid.read(config.at(config.prepaid), names), names, rules)
    for schedule in schedules:
        if schedule.reason and months:
            say(f"warning: {schedule.row.path}:{schedule.row.line}: it moves nothing: {schedule.reason}")
    if schedules or ledger.run("FROM ledger.prepaid_schedules LIMIT 1").rows:
        with ledger.transaction():
            ledger.replace("ledger.prepaid_schedules", [schedule.stored() for schedule in schedules])
    return recognised.statements(schedules, months)
