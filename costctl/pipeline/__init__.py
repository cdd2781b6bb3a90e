"""The whole run: paths → deliveries → ledger → references → charge groups → postings → checks. Everything else is called from here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from costctl.bills import deliveries, invoices
from costctl.bills.deliveries import Wanted
from costctl.config import Config
from costctl.errors import Busy, DoesNotReconcile, InputRefused, UsageError, shown, together
from costctl.files import sheets
from costctl.files.faulting import fault
from costctl.ledger import build, checks, ingest, models, own, state, store, stored, tags
from costctl.ledger.store import Ledger
from costctl.nouns import Outcome, Rows
from costctl.periods import stale
from costctl.pipeline import booking, groups, references
from costctl.pipeline.groups import compiled, settings
from costctl.pipeline.paths import wanted
from costctl.pipeline.runs import Run, known
from costctl.rates import exchange

__all__ = [
    "Run",
    "allocate",
    "check",
    "compiled",
    "documents",
    "known",
    "quarantined",
    "reading",
    "rows",
    "settings",
    "suppose",
    "tag_keys",
    "take_in",
    "wanted",
    "writing",
]


@contextmanager
def writing(run: Run, archive: Path | None = None) -> Iterator[Ledger]:
    """Open the ledger to write, its tables, references and tag columns brought up to date."""
    with store.opened(run.place, write=True, wait=run.wait, archive=archive) as ledger:
        changed = tags.ensure(ledger, tag_keys(run.config))
        changed |= _stored(ledger, run)
        changed |= build.prepare(ledger)
        if changed:
            build.views(ledger)  # before a card can be refused: what is there is there to be asked about
        references.refer(ledger, run)
        yield ledger
        fault("checkpointing")
        ledger.run("CHECKPOINT")
        fault("checkpointed")


def tag_keys(config: Config) -> dict[str, Any]:
    """Return which keys of tags fill which column of the charges."""
    return tags.mapping({name: tag.stored() for name, tag in config.tags.items()})


def _stored(ledger: Ledger, run: Run) -> bool:
    """Bring the columns of `store_columns:` in line; say which are empty in what was taken in before."""
    changed, empty = stored.ensure(ledger, run.config.store_columns)
    if empty:
        names = ", ".join(f"x_{name}" for name in empty)
        run.say(
            f"note: {names}: empty in what was taken in before, until it is read again: by `costctl ingest` from the files where they lie, by `costctl rebuild` from the archive"
        )
    return changed


def take_in(
    run: Run,
    items: Sequence[Wanted],
    *,
    decision: str | None = None,
    quarantine_rows: int | None = None,
    told: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Ingest deliveries one by one, each whole or not at all, then bring the postings up to date.

    Neither a source with a file that cannot be read nor a refused delivery keeps the others out; InputRefused is raised when all
    have had their turn.
    """
    if any(item.source == own.SOURCE for item in items):
        what, remedy = (
            "is the source of what costctl books itself: chips of your own, manual adjustments, prepaid schedules",
            "Give it another name.",
        )
        raise UsageError(f"source {own.SOURCE}", what, remedy=remedy)
    found, refusals = deliveries.find(items, known(run.config), replacing=decision == "replace")
    if not found and refusals:
        raise together(refusals)
    with writing(run) as ledger:
        said = replace(settings(ledger, run), decision=decision)
        said = said if quarantine_rows is None else replace(said, quarantine_rows=quarantine_rows)
        outcomes = []
        for delivery in found:
            try:
                outcomes.append(ingest.load(ledger, delivery, said))
            except InputRefused as refusal:
                refusals.append(refusal)
            else:
                told(outcomes[-1])
            fault("delivered")
        try:
            allocate(ledger, run, told)
        except DoesNotReconcile:
            for refused in refusals:  # they are not the worse, but would not be heard of
                run.say(refused.text())
            raise
        _tell_unknown(run, state.unknown_machines(ledger, [period for found in outcomes for period in found.periods]))
    if refusals:
        raise together(refusals)
    return outcomes


def _tell_unknown(run: Run, machines: Sequence[tuple[str, str, int, Decimal, str]]) -> None:
    """Say once, of the dearest, that accelerators were bought whose chip-hours nobody can count."""
    if machines:
        provider, name, _, cost, currency = machines[0]
        charges = sum(found[2] for found in machines)
        run.say(
            f"warning: {charges:,} {'charge of accelerators has' if charges == 1 else 'charges of accelerators have'} no chip-hours; the dearest machine is {provider} {shown(name)}, "
            f"{cost:,.2f} {currency}: costctl report unknown-machines"
        )


def allocate(ledger: Ledger, run: Run, told: Callable[[Outcome], None] = lambda _: None) -> None:
    """Bring groups and postings up to date with rules, references and deliveries; then every check of what was computed must return no rows."""
    booking.book(ledger, run, told)
    groups.regroup(ledger, compiled(ledger, run.config))
    build.sweep(ledger)
    for period, seal in stale(ledger, run.settings()):
        build.postings(ledger, period, seal)
        fault("posted")
    owed = checks.owed(ledger)  # by a run that was broken off, too
    if owed:
        try:
            check(ledger, list(owed), frozenset().union(*owed.values()))
        except DoesNotReconcile:
            build.forget(ledger)  # so that the next run, and every report, fails again
            raise
        checks.settled(ledger)


def suppose(ledger: Ledger, config: Config, months: Sequence[date]) -> None:
    """Have some billing periods be as another configuration would make them; for a transaction that is undone.

    Raises UsageError for a configuration that cannot be, DoesNotReconcile for what the checks would refuse. The charges stay as they
    are, those of own chips among them.
    """
    references.put(ledger, references.referred(config))
    rule_set = compiled(ledger, config)
    if ledger.meta("groups") != groups.grouping(ledger, rule_set):
        groups.group(ledger, rule_set, months)
    read = set[str]().union(*checks.owed(ledger).values())
    for month in months:
        if build.post(ledger, month):
            read.add("usage")
    check(ledger, months, read)


def check(ledger: Ledger, months: Sequence[date], read: Collection[str]) -> None:
    """Run all checks of some billing periods; raise DoesNotReconcile with the first offending rows."""
    others = ledger.value(
        "SELECT count(*) FROM ledger.periods WHERE NOT list_contains($months, billing_period)", {"months": months}
    )
    failed = checks.failing(ledger, months if others else None, read)
    if failed:
        name, rows = next(iter(failed.items()))
        evidence = [
            ", ".join(f"{column} {value}" for column, value in zip(rows.columns, row, strict=True))
            for row in rows.rows[:3]
        ]
        raise DoesNotReconcile(
            f"check {name}",
            f"{len(rows.rows)} row{'s' if len(rows.rows) > 1 else ''} break it",
            evidence=evidence,
            remedy=checks.remedy(name)
            or "The deliveries are kept; this is a defect of costctl or of the ledger file: please report it.",
        )


def documents(run: Run) -> None:
    """Have the ledger hold invoices, reconciling items and exchange rates as their files are now."""
    files = [*run.config.invoices, run.config.reconciling_items, run.config.fx]
    content = [sheets.content(run.config.at(file)) for file in files if file]
    seal = hashlib.sha256(repr([run.settings(), content]).encode()).hexdigest()
    with store.opened(run.place, write=False, wait=run.wait) as ledger:
        if (ledger.meta("documents") or "") == (seal if content else ""):
            return
    with writing(run) as ledger:
        names = dict(ledger.run("SELECT name, provider FROM ledger.providers").rows)
        tables = invoices.tables(run.config, names) | exchange.tables(run.config)
        with ledger.transaction():
            for table, rows_of_table in tables.items():
                ledger.replace(f"ledger.{table}", rows_of_table)
            ledger.set_meta("documents", seal if content else "")


@contextmanager
def reading(run: Run, *, refresh: bool = True) -> Iterator[tuple[Ledger, bool]]:
    """Open the ledger to read, allocated first where it is out of date; yield it and whether it is STALE all the same."""
    with store.opened(run.place, write=False, wait=run.wait) as ledger:
        late = _is_late(ledger, run)
        if not late or not refresh:
            build.bind(ledger)
            yield ledger, late
            return
    with suppress(Busy), writing(run) as ledger:  # while others read, the last state is shown, and said to be stale
        allocate(ledger, run)
        late = False
    with store.opened(run.place, write=False, wait=run.wait) as ledger:
        build.bind(ledger)
        yield ledger, late


def _is_late(ledger: Ledger, run: Run) -> bool:
    if ledger.meta("models") != models.fingerprint() or ledger.meta("references") != run.settings():
        return True
    if not ledger.meta("groups"):  # made by other models, and not yet by these
        return True
    if run.estimates and not all(own.vouching(ledger).values()):  # allowed by the configuration so far
        return True
    return bool(checks.owed(ledger) or stale(ledger, run.settings()))


def quarantined(outcomes: Sequence[Outcome]) -> int:
    """Return how many records were set aside."""
    return sum(outcome.quarantined for outcome in outcomes)


def rows(ledger: Ledger, sql: str) -> Rows:
    """Answer a user's own SELECT over the documented views."""
    return store.refused(ledger, sql)
