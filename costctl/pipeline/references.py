"""The reference tables of a ledger: rates, teams, aliases, pools, as the configuration and the files it names have them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from costctl import rates
from costctl.bills import entries
from costctl.config import Config
from costctl.files import sheets
from costctl.files.sheets import Problem
from costctl.ledger import own
from costctl.ledger.store import Ledger
from costctl.pipeline.runs import Run
from costctl.rules import owners, pools, teams


def refer(ledger: Ledger, run: Run) -> None:
    """Load rates, teams, aliases and pools when their files changed since the ledger last read them."""
    seal = run.settings()
    if ledger.meta("references") == seal and not run.estimates:
        return
    tables = referred(run.config)
    estimates = _vouched(ledger, run, rates.estimates([run.config.at(card) for card in run.config.cards]))
    with ledger.transaction():
        put(ledger, tables)
        own.vouch(ledger, estimates)
        ledger.set_meta("references", seal)


def referred(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the ledger's reference tables, as a configuration and the files it names have them."""
    tables = rates.read([config.at(card) for card in config.cards])
    tables |= pools.tables(config) | owners.tables(config) | teams.tables(config, tables["model_aliases"])
    entries.check(config, tables)
    return tables


def put(ledger: Ledger, tables: Mapping[str, list[tuple[Any, ...]]]) -> None:
    """Have the reference tables hold these rows; runs inside the caller's transaction."""
    seals = {table: hashlib.sha256(repr(rows_of_table).encode()).hexdigest() for table, rows_of_table in tables.items()}
    known = json.loads(ledger.meta("reference_tables") or "{}")
    for table, rows_of_table in tables.items():
        if known.get(table) != seals[table]:
            ledger.replace(f"ledger.{table}", rows_of_table)
    ledger.set_meta("reference_tables", json.dumps(seals, sort_keys=True))


def _vouched(ledger: Ledger, run: Run, estimates: Mapping[str, tuple[str, Problem]]) -> dict[str, str]:
    """Return the rows that say they are estimates and charge all the same, each with a hash of what was allowed of it.

    What `--allow-estimates` allowed stays so, as long as the row says the same; what the configuration allows has no hash, and ends with
    it. Raises UsageError for a row that nobody allowed.
    """
    allowed = {digest for digest, _ in estimates.values()} if run.estimates else own.vouched(ledger)
    if not run.config.policy.allow_estimates:
        sheets.refuse([problem for digest, problem in estimates.values() if digest not in allowed])
    return {card: digest if digest in allowed else "" for card, (digest, _) in estimates.items()}
