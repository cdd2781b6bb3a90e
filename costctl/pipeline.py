"""The whole run: paths → deliveries → ledger → references → charge groups → postings → checks. Everything else is called from here."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from costctl import bills, columnmaps, formats, rates, rules, usage
from costctl.bills import deliveries, entries, invoices
from costctl.bills.deliveries import Wanted
from costctl.config import Config
from costctl.errors import Busy, DoesNotReconcile, InputRefused, UsageError, nearest, shown, together
from costctl.files import sheets
from costctl.files.faulting import fault
from costctl.files.sheets import Problem
from costctl.ledger import build, ingest, own, state, store, stored, tags
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Format, Outcome, Progress, Rows, unwatched
from costctl.periods import stale
from costctl.rates import exchange
from costctl.rules import owners, pools, teams


@dataclass(frozen=True)
class Run:
    """One invocation: the configuration and what the command line adds to it."""

    config: Config
    ledger: Path | None = None
    wait: float = 10
    say: Callable[[str], None] = lambda _: None
    progress: Progress = unwatched
    estimates: bool = False  # whether cards that say they are estimates may charge from now on

    @property
    def place(self) -> Path:
        """Return the ledger's path: the flag, the environment, the configuration, the current folder."""
        named = self.ledger or (Path(os.environ["COSTCTL_LEDGER"]) if os.environ.get("COSTCTL_LEDGER") else None)
        if named:
            return named
        return self.config.at(self.config.ledger) if self.config.file else Path(self.config.ledger)

    def settings(self) -> str:
        """Return a fingerprint of everything outside the ledger that decides a number."""
        cards = [self.config.at(card) for card in self.config.cards]
        parts = [self.config.fingerprint(), rates.fingerprint(cards)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def known(config: Config | None = None) -> dict[str, Format]:
    """Return all bill formats and usage sources by name, those of the configuration among them."""
    shipped = bills.known() | usage.known()
    if config is None:
        return shipped
    found = shipped | columnmaps.formats(config, shipped)
    return {name: formats.storing(item, config.store_columns) for name, item in found.items()}


@contextmanager
def writing(run: Run, archive: Path | None = None) -> Iterator[Ledger]:
    """Open the ledger to write, its tables, references and tag columns brought up to date."""
    with store.opened(run.place, write=True, wait=run.wait, archive=archive) as ledger:
        changed = tags.ensure(ledger, tag_keys(run.config))
        changed |= _stored(ledger, run)
        changed |= build.prepare(ledger)
        if changed:
            build.views(ledger)  # before a card can be refused: what is there is there to be asked about
        _references(ledger, run)
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


def wanted(
    run: Run, paths: Sequence[Path], source: str | None, as_format: str | None, dataset: str | None = None
) -> list[Wanted]:
    """Return what to take in: the paths given, as the configuration says of their source, else the sources of the configuration.

    Where none is said, a path is of the source in whose folder it lies.
    """
    if paths:
        return [_given(run, path, source, as_format, dataset) for path in paths]
    if not run.config.sources:
        raise UsageError(
            "ingest",
            "no path is given and the configuration names no sources",
            remedy="costctl ingest PATH, or list `sources:` in costctl.yaml.",
        )
    names = [item.name for item in run.config.sources]
    if source and source not in names:
        remedy = f"{nearest(source, names)}Sources: {', '.join(names)}."
        raise UsageError("--source", f"there is no source {shown(source)} in the configuration", remedy=remedy)
    return [
        Wanted(run.config.at(item.path), item.name, item.format, item.role, dataset or item.dataset, item.deliveries)
        for item in run.config.sources
        if not source or item.name == source
    ]


def _given(run: Run, path: Path, source: str | None, as_format: str | None, dataset: str | None) -> Wanted:
    """Return a path of the command line with what the configuration says of its source."""
    at = {item.name: run.config.at(item.path).resolve() for item in run.config.sources}
    around = [name for name, place in at.items() if path.resolve().is_relative_to(place)]
    innermost = [name for name in around if all(at[name].is_relative_to(at[other]) for other in around)]
    name = source or (innermost[0] if len(innermost) == 1 else None)
    named = next((item for item in run.config.sources if item.name == name), None)
    if named is None:
        return Wanted(path, source, as_format, dataset=dataset)
    said = (as_format or named.format, named.role, dataset or named.dataset, named.deliveries)
    return Wanted(path, named.name, *said)


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
            f"warning: {charges:,} charges of accelerators have no chip-hours; the dearest machine is {provider} {shown(name)}, "
            f"{cost:,.2f} {currency}: costctl report unknown-machines"
        )


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
    _regroup(ledger, found.rules)
    return found


def compiled(ledger: Ledger, config: Config) -> CompiledRules:
    """Compile the configuration's rules against the columns that the charges have."""
    columns = [name for name, type_ in ledger.columns("ledger.charges").items() if type_ == "VARCHAR"]
    billers = [item.constants["ProviderName"] for item in config.formats.values() if "ProviderName" in item.constants]
    bearers = config.policy.bearers
    known = rules.facts(ledger, billers) if rules.uses_words(config.rules, bearers) else None
    return rules.compile_rules(config.rules, columns, str(config.file or "costctl.yaml"), known, bearers)


def allocate(ledger: Ledger, run: Run, told: Callable[[Outcome], None] = lambda _: None) -> None:
    """Bring groups and postings up to date with rules, references and deliveries; then every check must return no rows."""
    _book_own(ledger, run, told)
    _regroup(ledger, compiled(ledger, run.config))
    build.sweep(ledger)
    late = stale(ledger, run.settings())
    for period, seal in late:
        build.postings(ledger, period, seal)
        fault("posted")
    if late:
        try:
            check(ledger)
        except DoesNotReconcile:
            build.forget(ledger)  # so that the next run, and every report, fails again
            raise


def _book_own(ledger: Ledger, run: Run, told: Callable[[Outcome], None]) -> None:
    """Have the ledger hold what the cards and entries of one's own say of its months now."""
    items, months = [known(run.config)[name] for name in own.DATASETS], own.months(ledger)
    billed = own.bills(ledger) if run.config.prepaid else []  # in which their purchases are looked for
    seal = hashlib.sha256(
        repr([run.settings(), [item.fingerprint for item in items], months, billed]).encode()
    ).hexdigest()
    if ledger.meta("own") == seal and not own.lost(ledger):
        return
    statements = {item: _statements(ledger, run, item.name, months) for item in items}
    to_book = [item for item in items if statements[item] or own.booked(ledger, item)]
    for item in to_book:
        for outcome in own.book(ledger, statements[item], item, settings(ledger, run)):
            if outcome.status == "loaded":
                told(outcome)
            fault("booked")
    if to_book:
        ledger.set_meta("own", seal)


def _statements(ledger: Ledger, run: Run, name: str, months: Sequence[date]) -> dict[date, str]:
    """Return the statements of a format of the source `own`, by month."""
    if name == own.CHIPS:
        return rates.statements([run.config.at(card) for card in run.config.cards], months, say=run.say)
    return entries.statements(ledger, run.config, name, months, compiled(ledger, run.config), run.say)


def _regroup(ledger: Ledger, rule_set: CompiledRules) -> None:
    """Scan the charges of open periods again when the rules, the tag columns or the tables they are joined with changed since their groups were built.

    A closed period keeps the groups it was closed with; opened again, it is behind until it is scanned.
    """
    seal, before = _grouping(ledger, rule_set), ledger.meta("groups")
    behind = {date.fromisoformat(month) for month in json.loads(ledger.meta("groups_behind") or "[]")}
    months = {month for (month,) in ledger.run("SELECT DISTINCT billing_period FROM ledger.charges").rows}
    closed = {month for (month,) in ledger.run("SELECT billing_period FROM ledger.periods WHERE state <> 'open'").rows}
    due = months if before != seal else behind & months
    late = due - closed if before else due
    if before == seal and not late:
        return
    with ledger.transaction():
        _group(ledger, rule_set, sorted(late))
        ledger.set_meta("groups", seal)
        ledger.set_meta("groups_behind", json.dumps(sorted(map(str, due - late))))


def _grouping(ledger: Ledger, rule_set: CompiledRules) -> str:
    """Return a fingerprint of what the groups of charges depend on, besides the charges."""
    tables = json.loads(ledger.meta("reference_tables") or "{}")
    parts = [rule_set.fingerprint, ledger.meta("tags") or "", *(tables.get(name, "") for name in build.GROUPED_BY)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _group(ledger: Ledger, rule_set: CompiledRules, months: Sequence[date] | None = None) -> None:
    """Build the groups of charges by these rules, of some billing periods or of all; runs inside the caller's transaction."""
    for source, scope, period in ledger.run(
        "SELECT DISTINCT source, scope, billing_period FROM ledger.charges ORDER BY ALL"
    ).rows:
        if months is None or period in months:
            build.groups(ledger, source, scope, period, rule_set)
    ledger.run("DELETE FROM ledger.rule_sets WHERE rule_set = $id", {"id": rule_set.fingerprint})
    ledger.insert("ledger.rule_sets", [(rule_set.fingerprint, *item) for item in rule_set.listed])
    ledger.set_meta("rule_set", rule_set.fingerprint)


def suppose(ledger: Ledger, config: Config, months: Sequence[date]) -> None:
    """Have some billing periods be as another configuration would make them; for a transaction that is undone.

    Raises UsageError for a configuration that cannot be, DoesNotReconcile for what the checks would refuse. The charges stay as they
    are, those of own chips among them.
    """
    _refer(ledger, referred(config))
    rule_set = compiled(ledger, config)
    if ledger.meta("groups") != _grouping(ledger, rule_set):
        _group(ledger, rule_set, months)
    for month in months:
        build.post(ledger, month)
    check(ledger)


def check(ledger: Ledger) -> None:
    """Run all checks; raise DoesNotReconcile with the first offending rows."""
    failed = build.check(ledger)
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
            remedy=build.remedy(name)
            or "The deliveries are kept; this is a defect of costctl or of the ledger file: please report it.",
        )


def _references(ledger: Ledger, run: Run) -> None:
    """Load rates, teams, aliases and pools when their files changed since the ledger last read them."""
    seal = run.settings()
    if ledger.meta("references") == seal and not run.estimates:
        return
    tables = referred(run.config)
    estimates = _vouched(ledger, run, rates.estimates([run.config.at(card) for card in run.config.cards]))
    with ledger.transaction():
        _refer(ledger, tables)
        own.vouch(ledger, estimates)
        ledger.set_meta("references", seal)


def referred(config: Config) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the ledger's reference tables, as a configuration and the files it names have them."""
    tables = rates.read([config.at(card) for card in config.cards])
    tables |= pools.tables(config) | owners.tables(config) | teams.tables(config, tables["model_aliases"])
    entries.check(config, tables)
    return tables


def _refer(ledger: Ledger, tables: Mapping[str, list[tuple[Any, ...]]]) -> None:
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
    if ledger.meta("models") != build.fingerprint() or ledger.meta("references") != run.settings():
        return True
    if run.estimates and not all(own.vouching(ledger).values()):  # allowed by the configuration so far
        return True
    return bool(stale(ledger, run.settings()))


def quarantined(outcomes: Sequence[Outcome]) -> int:
    """Return how many records were set aside."""
    return sum(outcome.quarantined for outcome in outcomes)


def rows(ledger: Ledger, sql: str) -> Rows:
    """Answer a user's own SELECT over the documented views."""
    return store.refused(ledger, sql)
