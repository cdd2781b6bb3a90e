"""Run the models and the checks: the numbered files of costctl/models in order, each one SELECT into a table of its name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any

from costctl.ledger.store import Ledger, statements
from costctl.nouns import CompiledRules, Rows

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
NO_RULES = "{'rule': 0, 'team': CAST(NULL AS VARCHAR), 'model': CAST(NULL AS VARCHAR), 'purpose': CAST(NULL AS VARCHAR), 'pool': CAST(NULL AS VARCHAR)}"


@dataclass(frozen=True)
class Model:
    """One numbered file: its table, its SELECT, whether its rows are kept in the ledger, or read anew, the table without which it has none."""

    file: str
    name: str
    text: str
    keep: bool
    view: bool
    without: str | None
    by_level: bool  # computed for the pools of one level after the other
    into: str | None  # the table of another model that its rows are for


@cache
def models() -> tuple[Model, ...]:
    """Return the models in the order of their numbers."""
    files = {item.name: item for item in (resources.files("costctl") / "models").iterdir()}
    return tuple(
        _model(files[name].read_text(encoding="utf-8"), name)
        for name in sorted(files)
        if re.match(r"\d\d_[a-z_]+\.sql$", name)
    )


def _model(text: str, file: str) -> Model:
    without = re.search(r"^-- Empty without: ([a-z_]+)$", text, re.MULTILINE)
    into = re.search(r"^-- Into: ([a-z_]+)$", text, re.MULTILINE)
    keep, view, by_level = (
        re.search(rf"^-- {word}: yes$", text, re.MULTILINE) is not None for word in ("Keep", "View", "By level")
    )
    return Model(
        file, file[3:-4], text, keep, view, without[1] if without else None, by_level, into[1] if into else None
    )


@cache
def checks() -> dict[str, str]:
    """Return the checks by name; each is a SELECT of offending rows."""
    files = (resources.files("costctl") / "checks").iterdir()
    return {
        item.name[:-4]: item.read_text(encoding="utf-8")
        for item in sorted(files, key=lambda item: item.name)
        if item.name.endswith(".sql")
    }


def remedy(check: str) -> str:
    """Return what a check says to do about its rows, where that is for the user to do."""
    found = re.search(r"^-- Remedy: (.+)$", checks()[check], re.MULTILINE)
    return found[1] if found else ""


@cache
def macros() -> str:
    """Return the text of the exact arithmetic that models use."""
    return (resources.files("costctl") / "models" / "macros.sql").read_text(encoding="utf-8")


@cache
def fingerprint() -> str:
    """Return the SHA-256 over all model texts."""
    return hashlib.sha256("\0".join([macros(), *(model.text for model in models())]).encode()).hexdigest()


def parameters(period: date, level: int = 1) -> dict[str, Any]:
    """Return the values that models may refer to: the billing period's first day, the first day after it, and the level of pools."""
    end = date(period.year + period.month // 12, period.month % 12 + 1, 1)
    return {"billing_period": period, "billing_period_end": end, "level": level}


def qualified(text: str, temporary: AbstractSet[str], tables: AbstractSet[str]) -> str:
    """Write out the schema of every table that a SELECT reads: temp for this run's models, ledger for the rest."""

    def place(match: re.Match[str]) -> str:
        name = match["name"]
        if name in temporary:
            return f"{match['word']} temp.{name}"
        return f"{match['word']} ledger.{name}" if name in tables else match[0]

    return re.sub(r"\b(?P<word>FROM|JOIN)\s+(?P<name>[a-z_]+)\b", place, text)


@cache
def known() -> frozenset[str]:
    """Return the names of the tables that every ledger has after `prepare`: to ask it takes longer than most statements do."""
    schema = (resources.files("costctl.ledger") / "schema.sql").read_text(encoding="utf-8")
    kept = {model.name for model in models() if model.keep}
    return frozenset(kept | set(re.findall(r"^CREATE TABLE ledger\.([a-z_]+)", schema, re.MULTILINE)))


def tables(ledger: Ledger) -> set[str]:
    """Return the names of the ledger's tables, as it has them."""
    return {row[0] for row in ledger.run("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'ledger'").rows}


def _used(text: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a text refers to; DuckDB refuses any other."""
    return {key: value for key, value in values.items() if re.search(rf"\${key}\b", text)}


def bind(ledger: Ledger) -> None:
    """Create the macros that models, checks and reports use, for this connection."""
    for statement in statements(macros()):
        ledger.run(statement)


def prepare(ledger: Ledger) -> bool:
    """Create the macros, the kept tables and the views; return whether the models changed since the ledger was written."""
    bind(ledger)
    if ledger.meta("models") == fingerprint():
        return False
    given, shapes = known() - {model.name for model in models()}, dict[str, str]()
    values = parameters(date(2000, 1, 1)) | {"source": "", "scope": ""}
    with ledger.transaction():
        for model in models():
            text = qualified(model.text.replace("RULES()", NO_RULES), shapes.keys(), given)
            columns = ledger.run(f"DESCRIBE {text}", _used(text, values)).rows  # to run it on nothing takes longer
            shapes[model.name] = ", ".join(f'"{column[0]}" {column[1]}' for column in columns)
            ledger.run(f"CREATE OR REPLACE TEMP TABLE {model.name} ({shapes[model.name]})")
            if model.keep:
                ledger.run(f"CREATE OR REPLACE TABLE ledger.{model.name} ({shapes[model.name]})")
        forget(ledger)
        ledger.run("DELETE FROM ledger.meta WHERE key = 'groups'")
        ledger.set_meta("shapes", json.dumps(shapes))
        ledger.set_meta("models", fingerprint())
    return True


def describe(ledger: Ledger, name: str) -> list[tuple[str, str]]:
    """Return columns and types of a model's table, after `prepare` made it in the same run."""
    query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = $name AND database_name = 'temp' ORDER BY column_index"
    return [(row[0], row[1]) for row in ledger.run(query, {"name": name}).rows]


def views(ledger: Ledger) -> None:
    """Make the documented views of the same names in schema main."""
    for name in sorted(tables(ledger)):
        ledger.run(f"CREATE OR REPLACE VIEW main.{name} AS SELECT * FROM ledger.{name}")


def groups(ledger: Ledger, source: str, scope: str, period: date, rules: CompiledRules) -> None:
    """Build the charge groups of one source, scope and billing period again; runs inside the caller's transaction."""
    empty, of = _empty(ledger), {"billing_period": period, "source": source, "scope": scope}
    for model in (model for model in models() if model.name in SCANNED):
        at = "billing_period = $billing_period AND source = $source AND scope = $scope"
        ledger.run(f"DELETE FROM ledger.{model.name} WHERE {at}", of)
        if model.without not in empty:
            text = qualified(model.text.replace("RULES()", rules.expression), set(), known())
            ledger.run(f"INSERT INTO ledger.{model.name} BY NAME {text}", of | _used(text, rules.parameters))


def postings(ledger: Ledger, period: date, seal: str) -> None:
    """Compute a billing period's postings in one transaction and note the fingerprint they were computed from."""
    with ledger.transaction():
        post(ledger, period)
        ledger.run(
            "INSERT OR REPLACE INTO ledger.periods SELECT $period, COALESCE((SELECT state FROM ledger.periods WHERE billing_period = $period), 'open'), $seal",
            {"period": period, "seal": seal},
        )


def post(ledger: Ledger, period: date) -> None:
    """Compute all models for a period, those of pools level by level, and keep what is to be kept; runs inside the caller's transaction."""
    _cover(ledger, period)
    done, empty = set[str](), _empty(ledger)
    shapes = json.loads(ledger.meta("shapes") or "{}")
    levels = int(ledger.value("SELECT COALESCE(max(level), 1) FROM ledger.pools"))
    for model, level in _steps(levels):
        if model.into and level == levels:  # nobody is left to pass on to
            continue
        if level == 1:
            _make_way(ledger, model)
        table = model.into or model.name
        if model.without not in empty:  # to plan a SELECT takes longer than to run it on little
            if _compute(ledger, model, period, done, known(), level):
                empty.discard(table)
            elif level == 1 and not model.into:
                empty.add(table)
        elif level == 1 and not model.into:
            ledger.run(f"CREATE OR REPLACE TEMP TABLE {model.name} ({shapes[model.name]})")
            empty.add(model.name)
        done.add(table)
        if model.keep and level == (levels if model.by_level else 1):
            _keep(ledger, model.name, period, has_rows=model.name not in empty)


def _steps(levels: int) -> Iterator[tuple[Model, int]]:
    """Yield the models in order, those of pools again for each further level, without the groups of charges."""
    for by_level, found in groupby(models(), key=lambda model: model.by_level):
        together = [model for model in found if model.name not in SCANNED]
        for level in range(1, levels + 1) if by_level else (1,):
            yield from ((model, level) for model in together)


def _compute(
    ledger: Ledger, model: Model, period: date, done: AbstractSet[str], given: AbstractSet[str], level: int = 1
) -> int:
    """Fill a model's TEMP table for a period from those that are done; return how many rows are new, of a view more than none."""
    text, values = qualified(model.text, done, given), parameters(period, level)
    if model.view:
        ledger.run(f"CREATE OR REPLACE TEMP VIEW {model.name} AS {text}")
        return 1
    if level > 1 or model.into:
        return int(ledger.value(f"INSERT INTO temp.{model.into or model.name} BY NAME {text}", _used(text, values)))
    return int(ledger.value(f"CREATE OR REPLACE TEMP TABLE {model.name} AS {text}", _used(text, values)))


def _make_way(ledger: Ledger, model: Model) -> None:
    """Drop what has a view's name: it was one, or a table without rows."""
    if model.view:
        query = "SELECT DISTINCT table_type FROM information_schema.tables WHERE table_name = $name AND table_catalog = 'temp'"
        for (kind,) in ledger.run(query, {"name": model.name}).rows:
            ledger.run(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} temp.{model.name}")


def _keep(ledger: Ledger, name: str, period: date, *, has_rows: bool) -> None:
    """Have the ledger hold of a period what a model's TEMP table holds."""
    ledger.run(f"DELETE FROM ledger.{name} WHERE billing_period = $billing_period", {"billing_period": period})
    if has_rows:
        ledger.run(f"INSERT INTO ledger.{name} BY NAME SELECT * FROM temp.{name}")


def _empty(ledger: Ledger) -> set[str]:
    """Return the tables without rows, of those without which a model has none; not those that models make."""
    needed = {model.without for model in models() if model.without} - {model.name for model in models()}
    return {name for name in needed if not ledger.run(f"SELECT 1 FROM ledger.{name} LIMIT 1").rows}


def sweep(ledger: Ledger) -> None:
    """Forget the open billing periods that have nothing to compute any more, with everything that was computed of them."""
    query = f"SELECT billing_period FROM ledger.periods WHERE state = 'open' AND billing_period NOT IN ({PERIODS})"
    empty = [period for (period,) in ledger.run(query).rows]
    kept = [model.name for model in models() if model.keep]
    for table in [*kept, "periods"] if empty else ():
        ledger.run(f"DELETE FROM ledger.{table} WHERE list_contains($periods, billing_period)", {"periods": empty})


def derive(ledger: Ledger, period: date, names: Sequence[str], kept: Sequence[str] = ()) -> None:
    """Have some models of a period as TEMP tables, in a ledger that may be open to read only: computed, or as the ledger keeps them."""
    given, done = tables(ledger), set(kept)  # one in memory has none of those that models make
    for name in kept:
        text = f"SELECT * FROM ledger.{name} WHERE billing_period = $billing_period"
        ledger.run(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}", {"billing_period": period})
    levels = int(ledger.value("SELECT COALESCE(max(level), 1) FROM ledger.pools"))
    for model, level in _steps(levels):
        if model.name in names and not (model.into and level == levels):
            if level == 1:
                _make_way(ledger, model)
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


def check(ledger: Ledger) -> dict[str, Rows]:
    """Run every check; return the offending rows of those that found any."""
    found = {name: ledger.run(qualified(text, set(), known())) for name, text in checks().items()}
    return {name: rows for name, rows in found.items() if rows.rows}
