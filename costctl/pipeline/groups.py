"""The groups of charges: the rules that they are grouped by, and when they are grouped again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date

from costctl import formats, rules
from costctl.config import Config
from costctl.ledger import build, ingest
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules
from costctl.pipeline.runs import Run


def settings(ledger: Ledger, run: Run) -> ingest.Settings:
    """Return how deliveries are taken in by the configuration; the groups are brought in line with its rules."""
    found = ingest.Settings(
        rules=compiled(ledger, run.config),
        columns_of=formats.columns_of,
        inspect=formats.inspect_as,
        archive=run.config.archive,
        quarantine_rows=run.config.policy.quarantine_rows,
        large_drop_percent=run.config.policy.large_drop_percent,
        progress=run.progress,
    )
    regroup(ledger, found.rules)
    return found


def compiled(ledger: Ledger, config: Config) -> CompiledRules:
    """Compile the configuration's rules against the columns that the charges have."""
    columns = [name for name, type_ in ledger.columns("ledger.charges").items() if type_ == "VARCHAR"]
    billers = [item.constants["ProviderName"] for item in config.formats.values() if "ProviderName" in item.constants]
    bearers = config.policy.bearers
    known = rules.facts(ledger, billers) if rules.uses_words(config.rules, bearers) else None
    return rules.compile_rules(config.rules, columns, str(config.file or "costctl.yaml"), known, bearers)


def regroup(ledger: Ledger, rule_set: CompiledRules) -> None:
    """Scan the charges of open periods again when the rules, the tag columns or the tables they are joined with changed since their groups were built.

    A closed period keeps the groups it was closed with; opened again, it is behind until it is scanned.
    """
    seal, before = grouping(ledger, rule_set), ledger.meta("groups")
    behind = {date.fromisoformat(month) for month in json.loads(ledger.meta("groups_behind") or "[]")}
    if before == seal and not behind:
        return
    months = {month for (month,) in ledger.run("SELECT DISTINCT billing_period FROM ledger.charges").rows}
    closed = {month for (month,) in ledger.run("SELECT billing_period FROM ledger.periods WHERE state <> 'open'").rows}
    due = months if before != seal else behind & months
    late = due - closed if before else due
    with ledger.transaction():
        group(ledger, rule_set, sorted(late))
        ledger.set_meta("groups", seal)
        ledger.set_meta("groups_behind", json.dumps(sorted(map(str, due - late))))


def grouping(ledger: Ledger, rule_set: CompiledRules) -> str:
    """Return a fingerprint of what the groups of charges depend on, besides the charges."""
    tables = json.loads(ledger.meta("reference_tables") or "{}")
    parts = [rule_set.fingerprint, ledger.meta("tags") or "", *(tables.get(name, "") for name in build.GROUPED_BY)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def group(ledger: Ledger, rule_set: CompiledRules, months: Sequence[date] | None = None) -> None:
    """Build the groups of charges by these rules, of some billing periods or of all; runs inside the caller's transaction."""
    for source, scope, period in ledger.run(
        "SELECT DISTINCT source, scope, billing_period FROM ledger.charges ORDER BY ALL"
    ).rows:
        if months is None or period in months:
            build.groups(ledger, source, scope, period, rule_set)
    ledger.run("DELETE FROM ledger.rule_sets WHERE rule_set = $id", {"id": rule_set.fingerprint})
    ledger.insert("ledger.rule_sets", [(rule_set.fingerprint, *item) for item in rule_set.listed])
    ledger.set_meta("rule_set", rule_set.fingerprint)
