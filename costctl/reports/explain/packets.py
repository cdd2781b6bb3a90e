"""Packets: a folder with which anybody can check a cell of a report in plain DuckDB, from the charges to the last digit, without costctl."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from costctl import reports
from costctl.errors import UsageError
from costctl.ledger import build, extract, models
from costctl.ledger.extract import Extract
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Span
from costctl.reports import explain
from costctl.reports.explain import cells
from costctl.reports.explain.cells import Wanted

OF_POOLS = ("path", "cells", "states", "shares", "bases")  # computed for one billing period after the other
OF_ALL = ("postings", "charge_groups", "charges", "charge_parts", "rules")
OF_RECHARGES = ("recharges", "recharged_postings", "recharged_uses")
PLACE = ("delivery_id", "file_no")  # where our ledger has a charge; the reader knows it by its file
COMPUTED = {"pool_cells", "state_cells", "pool_postings", "allocation_bases"}  # what they are read from
COST = {"billed": "BilledCost", "effective": "EffectiveCost", "list": "ListCost", "contracted": "ContractedCost"}
CHARGES = "SELECT billing_period, group_id, delivery_id, file_no, record_no, part_no, part_start, part_end FROM"
NO_CHARGES = "(billing_period DATE, group_id VARCHAR, delivery_id VARCHAR, file_no INTEGER, record_no BIGINT, part_no INTEGER, part_start TIMESTAMP, part_end TIMESTAMP)"
MONTHS = "SELECT DISTINCT billing_period, source, scope FROM ledger.charge_groups WHERE (billing_period, group_id) IN (FROM temp.explained_groups) ORDER BY ALL"
POOLED = (
    "SELECT DISTINCT p.billing_period FROM temp.explained_postings AS e JOIN ledger.postings AS p USING (billing_period, posting_id) "
    "WHERE p.pool IS NOT NULL ORDER BY 1"
)
HOLDS = {
    "cell": "the figure, as the report says it, per currency",
    "postings": "the postings that it adds up, each with its share and the pools that it came through",
    "charge_groups": "sums of charges that nothing tells apart, with the rule that took them",
    "charges": "the charges, with the file, its SHA-256 and the record that each was read from",
    "charge_parts": "what part of each charge is in which group: mostly all of it",
    "rules": "the rules that took those charges",
    "cells": "what each pool costs in each slot",
    "states": "what the chips of a pool did in that time, by weight",
    "shares": "who takes which part of that, by weight: all recipients",
    "bases": "what the weights were made of, by day or hour",
    "recharges": "what of it passes between teams, where a pool is charged onward",
    "recharged_postings": "the postings that recharges are of, by day",
    "recharged_uses": "what was used, and the internal rates that charge it",
}


def check(record: str | None, wanted: Wanted, folder: Path) -> None:
    """Raise UsageError for what cannot be packed, and for a folder that holds something."""
    if record:
        remedy = "Name the cell: --period, --team, --model, --kind …"
        raise UsageError("--packet", "a packet is of a cell, and this is a record", remedy=remedy)
    if wanted.narrowed:
        name = next(iter(wanted.narrowed))
        what = f"--{name} narrows the charges that are shown, and no cell of {wanted.of.title} is of one {name}"
        raise UsageError("--packet", what, remedy=f"Leave --{name} out.")
    if wanted.cost == reports.CARD:
        what = "a packet is checked from the bills, and rate_card is what no bill says"
        raise UsageError("--packet", what, remedy=f"Say --cost {', '.join(COST)}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "is not empty" if folder.is_dir() else "is a file"
        raise UsageError(str(folder), what, remedy="Name a folder that is not there yet, or an empty one.")


def write(ledger: Ledger, rules: CompiledRules, span: Span, wanted: Wanted, folder: Path) -> list[str]:
    """Write a cell's packet, whole or not at all; return what there is to say about it. Raises UsageError where the cell has no postings."""
    explain.link(ledger, span, wanted)
    found = cells.told(ledger, span, wanted)
    if not found:
        raise cells.nothing(ledger, span, wanted)
    rows = _fill(ledger, rules, span, wanted)
    place = folder.resolve()
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        for name in rows:
            columns = ledger.run(f"SELECT * FROM temp.packed_{name} LIMIT 0").columns
            kept = tuple(column for column in columns if column not in PLACE)
            made = Extract(name, f"SELECT {', '.join(kept)} FROM temp.packed_{name}", {}, kept, ({"rows": rows[name]},))
            for kind in ("parquet", "csv"):
                extract.to_file(ledger, made, kind, temporary / f"{name}.{kind}")
        label = wanted.label(span)
        sql, readme = _sql(ledger, span, wanted, label), _readme(label, found, rows)
        (temporary / "cell.sql").write_text(sql, encoding="utf-8")
        (temporary / "README.txt").write_text(readme, encoding="utf-8")
        _put(temporary, place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [*found, f"wrote {folder}: {rows['charges']:,} charges; check it with: cd {folder} && duckdb < cell.sql"]


def _put(temporary: Path, place: Path) -> None:
    """Have a folder in its place; where an empty one is there, which may be where somebody stands, it gets the files."""
    if not place.exists():
        temporary.replace(place)
        return
    for path in sorted(temporary.iterdir(), key=lambda path: (path.suffix == ".sql", path.name)):
        path.replace(place / path.name)


def _fill(ledger: Ledger, rules: CompiledRules, span: Span, wanted: Wanted) -> dict[str, int]:
    """Fill temp.packed_NAME for each table of the packet; return how many rows each has, of those that have any."""
    periods = [row[0] for row in ledger.run(POOLED).rows]
    for number, period in enumerate(periods):
        derived = models.needed(COMPUTED, {model.name for model in models.listed() if model.keep})
        build.derive(ledger, period, derived)
        for name in OF_POOLS:
            _pack(ledger, name, {"billing_period": period}, derived, more=number > 0)
    _note_charges(ledger, rules)
    for name in (*OF_ALL, *OF_RECHARGES):
        _pack(ledger, name, {"rule_set": rules.fingerprint}, set(), more=False)
    values = {"start": span.start, "end": span.end, "calendar": wanted.calendar_in(span), "cost": wanted.cost}
    ledger.run(
        f"CREATE OR REPLACE TEMP TABLE packed_cell AS SELECT currency, cost AS reported, incomplete FROM ({cells.FIGURES})",
        values,
    )
    there = ["cell", *OF_ALL, *OF_RECHARGES, *(OF_POOLS[1:] if periods else ())]
    counted = {name: int(ledger.value(f"SELECT count(*) FROM temp.packed_{name}")) for name in there}
    needed = {*OF_ALL, *OF_RECHARGES} if counted["recharges"] else set()  # what a rate charges is of no posting
    return {name: rows for name, rows in counted.items() if rows or name in needed}


def _pack(ledger: Ledger, name: str, values: dict[str, Any], derived: set[str], *, more: bool) -> None:
    """Have temp.packed_NAME hold what its SELECT gives, behind what it holds already or alone."""
    ours = {f"packed_{table}" for table in (*OF_POOLS, *OF_ALL)}
    noted = {f"explained_{table}" for table in ("postings", "links", "charges", *OF_RECHARGES)}
    text = models.qualified(_text(f"tables/{name}.sql"), derived | ours | noted)
    used = {key: value for key, value in values.items() if f"${key}" in text}
    head = f"INSERT INTO temp.packed_{name}" if more else f"CREATE OR REPLACE TEMP TABLE packed_{name} AS"
    ledger.run(f"{head} {text}", used)


def _note_charges(ledger: Ledger, rules: CompiledRules) -> None:
    """Note which charges, or parts of them, are in the groups of the cell, as temp.explained_charges."""
    ledger.run(f"CREATE OR REPLACE TEMP TABLE explained_charges {NO_CHARGES}")
    for month in ledger.run(MONTHS).rows:
        text, values = explain.charges_of(rules, month, Wanted(top=2**62), None)
        ledger.run(f"INSERT INTO temp.explained_charges {CHARGES} ({text})", values)


def _sql(ledger: Ledger, span: Span, wanted: Wanted, label: str) -> str:
    """Return the SQL that recomputes the cell: its template, with the step of pools as often as they pass on."""
    head, each, passed, last, days, recharged, usage, end = re.split(
        r"^--(?:each|passed|last|days|recharged|usage|end)\n", _text("cell.sql"), flags=re.MULTILINE
    )
    pools = _pools(ledger)
    parts = [head.replace("{cell}", label).replace("{cost}", COST[wanted.cost])]
    for depth, names in enumerate(pools):
        said = f"{'The pool' if ',' not in names else 'The pools'} {names}"
        parts.append(each.replace("{depth}", str(depth)).replace("{pools}", said))
        parts += [passed.replace("{depth}", str(depth))] if depth + 1 < len(pools) else []
    parts += [last] if pools else []
    onward = bool(ledger.run("SELECT 1 FROM temp.packed_recharges LIMIT 1").rows)
    by_day = wanted.calendar_in(span) == "usage"
    parts += [days] if onward or by_day else []
    parts += [recharged] if onward else []
    if by_day:
        parts.append(usage.replace("{start}", str(span.start)).replace("{end}", str(span.end)))
    return "".join(_numbered([*parts, end]))


def _numbered(parts: list[str]) -> Iterator[str]:
    """Yield the parts with the numbers of their steps, which go on behind those of the head."""
    step = 3
    for part in parts:
        yield part.replace("{step}", str(step))
        step += "{step}" in part


def _pools(ledger: Ledger) -> list[str]:
    """Return the names of the pools of each depth: those that charges are given to, then those that these pass on to."""
    if not ledger.run(POOLED).rows:
        return []
    query = "SELECT depth, string_agg(DISTINCT pool, ', ' ORDER BY pool) FROM temp.packed_cells GROUP BY 1 ORDER BY 1"
    return [names for _, names in ledger.run(query).rows]


def _readme(label: str, found: list[str], rows: dict[str, int]) -> str:
    """Return README.txt."""
    figures = "\n".join(line.removeprefix(f"{label}: ") for line in found)
    files = "\n".join(
        f"  {name:<19}{rows[name]:>9,} row{' ' if rows[name] == 1 else 's'}  {HOLDS[name]}"
        for name in HOLDS
        if name in rows
    )
    return _text("README.txt").replace("{cell}", label).replace("{figures}", figures).replace("{files}", files)


def _text(name: str) -> str:
    return (resources.files("costctl.reports.explain") / "packet" / name).read_text(encoding="utf-8")
