"""Run the models in a ledger: a model's SELECT into a table of its name, kept or for the run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from itertools import groupby

from costctl.ledger import checks, models, seals
from costctl.ledger.models import Model
from costctl.ledger.store import Ledger, statements
from costctl.nouns import CompiledRules

SCANNED = (
    "charge_parts",
    "charge_groups",
)  # in this order the charges of a source and billing period become groups, by the rules
GROUPED_BY = (
    "owner_changes",
    "providers",
    "machines",
    "machine_families",
    "hourly_pools",
)  # the reference tables that the scan for charge groups reads
# The months that have something to compute: those that a bill charges, and those of which tokens or chip time are counted.
PERIODS = (
    "SELECT billing_period FROM ledger.charge_groups UNION "
    "SELECT CAST(date_trunc('month', p.period) AS DATE) FROM ledger.delivery_periods AS p JOIN ledger.deliveries AS d USING (delivery_id) "
    "WHERE p.live AND p.rows > 0 AND d.kind = 'usage' UNION "
    "SELECT CAST(date_trunc('month', ts_start) AS DATE) FROM ledger.token_usage "  # what a counter counted may be of the month before its sample
    "WHERE delivery_id IN (SELECT delivery_id FROM ledger.deliveries WHERE dataset = 'counter_samples')"
)
RECORDS = "token_usage"  # what a sealed model is made of
NO_RULES = "{'rule': 0, 'team': CAST(NULL AS VARCHAR), 'model': CAST(NULL AS VARCHAR), 'purpose': CAST(NULL AS VARCHAR), 'pool': CAST(NULL AS VARCHAR)}"


def tables(ledger: Ledger) -> set[str]:
    """Return the names of the ledger's tables, as it has them."""
    return {row[0] for row in ledger.run("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'ledger'").rows}


def bind(ledger: Ledger) -> None:
    """Create the macros that models, checks and reports use, for this connection."""
    for statement in statements(models.macros()):
        ledger.run(statement)


def prepare(ledger: Ledger) -> bool:
    """Create the macros, the kept tables and the views; return whether the models changed since the ledger was written."""
    bind(ledger)
    if ledger.meta("models") == models.fingerprint():
        return False
    shapes = dict[str, str]()
    with ledger.transaction():
        for model in (model for model in models.listed() if not model.inlined):
            typed = ", ".join(f'"{name}" {kind}' for name, kind in describe(ledger, model, shapes.keys()))
            shapes[model.name] = f"CREATE OR REPLACE TEMP TABLE {model.name} ({typed})"
            ledger.run(shapes[model.name])
            if model.keep:
                ledger.run(f"CREATE OR REPLACE TABLE ledger.{model.name} ({typed})")
        forget(ledger)
        ledger.run("DELETE FROM ledger.meta WHERE key = 'groups'")
        seals.lift(ledger)
        ledger.set_meta("shapes", json.dumps(shapes))
        ledger.set_meta("models", models.fingerprint())
    return True


def describe(ledger: Ledger, model: Model, there: AbstractSet[str]) -> list[tuple[str, str]]:
    """Return columns and types of a model, where the TEMP tables of those that it reads are there."""
    text = models.qualified(model.text, there, models.known() - {model.name for model in models.listed()})
    values = models.parameters(date(2000, 1, 1)) | {"source": "", "scope": ""}
    text = text.replace("RULES()", NO_RULES)
    described = ledger.run(f"DESCRIBE {text}", models.used(text, values))  # to run it on nothing takes longer
    return [(name, kind) for name, kind, *_ in described.rows]


def views(ledger: Ledger) -> None:
    """Make the documented views of the same names in schema main."""
    for name in sorted(tables(ledger)):
        ledger.run(f"CREATE OR REPLACE VIEW main.{name} AS SELECT * FROM ledger.{name}")


def groups(ledger: Ledger, source: str, scope: str, period: date, rules: CompiledRules) -> None:
    """Build the charge groups of one source, scope and billing period again; runs inside the caller's transaction."""
    checks.owe(ledger, period, ["charges"])
    empty, of = _empty(ledger), {"billing_period": period, "source": source, "scope": scope}
    for model in (model for model in models.listed() if model.name in SCANNED):
        at = "billing_period = $billing_period AND source = $source AND scope = $scope"
        ledger.run(f"DELETE FROM ledger.{model.name} WHERE {at}", of)
        if model.without not in empty:
            text = models.qualified(model.text).replace("RULES()", rules.expression)
            ledger.run(f"INSERT INTO ledger.{model.name} BY NAME {text}", of | models.used(text, rules.parameters))


def postings(ledger: Ledger, period: date, seal: str) -> None:
    """Compute a billing period's postings in one transaction; note the fingerprint they were computed from, and that nothing checked them yet."""
    with ledger.transaction():
        checks.owe(ledger, period, ["usage"] if post(ledger, period) else [])
        ledger.run(
            "INSERT OR REPLACE INTO ledger.periods SELECT $period, COALESCE((SELECT state FROM ledger.periods WHERE billing_period = $period), 'open'), $seal",
            {"period": period, "seal": seal},
        )


def post(ledger: Ledger, period: date) -> bool:
    """Compute all models for a period, those of pools level by level; what is to be kept goes into the ledger. Runs inside the caller's transaction.

    Returns whether usage was read anew.
    """
    _cover(ledger, period)
    done, empty = set[str](), _empty(ledger)  # done are the TEMP tables of this run
    steps = list(_steps(int(ledger.value("SELECT COALESCE(max(level), 1) FROM ledger.pools"))))
    before = models.needed({name for model in models.listed() for name in model.stands}, set(SCANNED))
    _run(ledger, period, [step for step in steps if step[0].name in before], done, empty)
    sealed = {model: "" if RECORDS in empty else seals.of(ledger, model) for model in models.listed() if model.stands}
    standing = {model.name for model, seal in sealed.items() if seals.held(ledger, model, period) == seal}
    spared = before | _spared(ledger, period, standing, empty)
    _run(ledger, period, [step for step in steps if step[0].name not in spared], done, empty)
    anew = [model for model in sealed if model.name not in standing]
    for model in anew:
        seals.put(ledger, model, period, sealed[model])
    return bool(anew) and RECORDS not in empty


def _spared(ledger: Ledger, period: date, standing: AbstractSet[str], empty: set[str]) -> set[str]:
    """Return the models whose kept rows stand as they are, and those that only they would read; note which of them have none."""
    for name in standing:
        query = f"SELECT 1 FROM ledger.{name} WHERE billing_period = $period LIMIT 1"
        if not ledger.run(query, {"period": period}).rows:
            empty.add(name)
    kept, there = models.kept(), set(SCANNED)
    return models.needed(kept, there, empty) - models.needed(kept, there | standing, empty)


def _run(ledger: Ledger, period: date, steps: Sequence[tuple[Model, int]], done: set[str], empty: set[str]) -> None:
    """Compute some models for a period, in their order; note which TEMP tables there are, and which tables have no rows."""
    shapes = json.loads(ledger.meta("shapes") or "{}")
    for model, level in steps:
        table, first = model.into or model.name, level == 1 and not model.into
        if first and model.keep:
            ledger.run(f"DELETE FROM ledger.{table} WHERE billing_period = $period", {"period": period})
        new = 0
        if model.without not in empty:  # to plan a SELECT takes longer than to run it on little
            new = _compute(ledger, model, period, done, models.known(), level, keep=model.keep)
        elif first and not model.keep:
            ledger.run(shapes[table])
        if new:
            empty.discard(table)
        elif first:
            empty.add(table)
        if not model.keep:
            done.add(table)


def _steps(levels: int) -> Iterator[tuple[Model, int]]:
    """Yield the models in order, without the groups of charges: those of pools again for each further level, on the last one nobody is left to pass on to."""
    for by_level, found in groupby(models.listed(), key=lambda model: model.by_level):
        together = [model for model in found if model.name not in SCANNED and not model.inlined]
        for level in range(1, levels + 1) if by_level else (1,):
            yield from ((model, level) for model in together if not model.into or level < levels)


def _compute(
    ledger: Ledger,
    model: Model,
    period: date,
    done: AbstractSet[str],
    given: AbstractSet[str],
    level: int = 1,
    *,
    keep: bool = False,
) -> int:
    """Fill a model's table for a period, a TEMP one or the ledger's, from those that are done and given; return how many rows are new."""
    text, values = models.qualified(model.text, done, given), models.parameters(period, level)
    if keep:
        head = f"INSERT INTO ledger.{model.name} BY NAME"
    elif level > 1 or model.into:
        head = f"INSERT INTO temp.{model.into or model.name} BY NAME"
    else:
        head = f"CREATE OR REPLACE TEMP TABLE {model.name} AS"
    return int(ledger.value(f"{head} {text}", models.used(text, values)))


def _empty(ledger: Ledger) -> set[str]:
    """Return the tables without rows, of those without which a model has none; not those that models make."""
    needed = {model.without for model in models.listed() if model.without} - {model.name for model in models.listed()}
    return {name for name in needed if not ledger.run(f"SELECT 1 FROM ledger.{name} LIMIT 1").rows}


def sweep(ledger: Ledger) -> None:
    """Forget the open billing periods that have nothing to compute any more, with everything that was computed of them."""
    query = f"SELECT billing_period FROM ledger.periods WHERE state = 'open' AND billing_period NOT IN ({PERIODS})"
    empty = [period for (period,) in ledger.run(query).rows]
    if not empty:
        return
    with ledger.transaction():
        for table in [*models.kept(), "periods"]:
            ledger.run(f"DELETE FROM ledger.{table} WHERE list_contains($periods, billing_period)", {"periods": empty})
        seals.lift(ledger)


def derive(ledger: Ledger, period: date, names: Collection[str]) -> None:
    """Compute some models of a period as TEMP tables, in a ledger that may be open to read only; the others are as it keeps them."""
    given, done = tables(ledger), set[str]()  # one in memory has none of those that models make
    levels = int(ledger.value("SELECT COALESCE(max(level), 1) FROM ledger.pools"))
    for model, level in _steps(levels):
        if model.name in names:
            _compute(ledger, model, period, done, given, level)
            done.add(model.into or model.name)


def forget(ledger: Ledger) -> None:
    """Have every open period count as stale."""
    ledger.run("UPDATE ledger.periods SET fingerprint = NULL WHERE state = 'open'")


def _cover(ledger: Ledger, period: date) -> None:
    """Have the calendar hold every day of the months that the period's charges touch."""
    ledger.run(
        "INSERT INTO ledger.calendar SELECT CAST(d.day AS DATE) FROM (SELECT unnest(generate_series(date_trunc('month', min(slot_start)), date_trunc('month', max(slot_end)) + INTERVAL 1 MONTH, INTERVAL 1 DAY)) AS day "
        "FROM ledger.charge_groups WHERE billing_period = $period) AS d WHERE CAST(d.day AS DATE) NOT IN (SELECT day FROM ledger.calendar)",
        {"period": period},
    )
