"""The charges of a period as a FOCUS 1.2 Cost and Usage file; export.sql says what each column holds."""

from __future__ import annotations

from typing import Any

from costctl import focus
from costctl.ledger import build
from costctl.ledger.extract import Extract
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Span

VERSION = "1.2"
ORDER = ("x_source", "x_delivery_id", "x_file_no", "x_record_no", "x_part_no")
STRETCH = 250_000  # records
PLACE = "(CAST(file_no AS BIGINT) * 1000000000 + record_no // $stretch)"
TYPES = {"decimal": "DECIMAL(38, 18)"}


def extract(ledger: Ledger, rules: CompiledRules, span: Span, sources: tuple[str, ...] = ()) -> Extract:
    """Return the file's query: whole months are billing periods, other spans take charges by the day they start."""
    text = focus.text("export.sql").replace("RULES()", rules.expression).replace("CHARGES()", _charges(ledger))
    services = focus.table("services.csv")
    values: dict[str, Any] = {
        "start": span.start,
        "end": span.end,
        "whole_months": span.whole_months,
        "stretch": STRETCH,
        "service_names": [item["service"] for item in services],
        "service_meters": [item["meter"] for item in services],
        "service_categories": [item["ServiceCategory"] for item in services],
        **rules.parameters,
    }
    return Extract(
        name="focus",
        sql=build.qualified(text, set(), build.tables(ledger)),
        values=values,
        order=ORDER,
        parts=_parts(ledger, span, sources),
        facts={"focus_version": VERSION, "focus_dataset": "Cost and Usage", "period": f"{span.start}..{span.end}"},
    )


def _charges(ledger: Ledger) -> str:
    """Return the charges with every column of the version, NULL where the ledger stores none of that name."""
    stored = {
        row[0]
        for row in ledger.run(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'ledger' AND table_name = 'charges'"
        ).rows
    }
    absent = [column for name, column in focus.columns(VERSION).items() if name not in stored]
    listed = ", ".join(f"CAST(NULL AS {TYPES.get(column.type, 'VARCHAR')}) AS {column.name}" for column in absent)
    part = f"source = $source AND delivery_id = $delivery_id AND {PLACE} BETWEEN $first_place AND $last_place"
    return f"(SELECT *{', ' + listed if listed else ''} FROM ledger.charges WHERE {part})"


def _parts(ledger: Ledger, span: Span, sources: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """Return the stretches of records that the file is written from, in its order, each small enough to be sorted in memory."""
    when = (
        "billing_period >= $start AND billing_period < $end"
        if span.whole_months
        else "ChargePeriodStart >= $start AND ChargePeriodStart < $end"
    )
    found = ledger.run(
        f"SELECT source, delivery_id, {PLACE} AS first_place, {PLACE} AS last_place, count(*) AS rows FROM ledger.charges WHERE {when} GROUP BY ALL ORDER BY ALL",
        {"start": span.start, "end": span.end, "stretch": STRETCH},
    ).dicts()
    parts: list[dict[str, Any]] = []
    for stretch in found:
        if sources and stretch["source"] not in sources:
            continue
        last = parts[-1] if parts else None
        if last and last["delivery_id"] == stretch["delivery_id"] and last["rows"] + stretch["rows"] <= STRETCH:
            parts[-1] = last | {"last_place": stretch["last_place"], "rows": last["rows"] + stretch["rows"]}
        else:
            parts.append(stretch)
    return tuple(parts)


def gaps(ledger: Ledger, made: Extract) -> list[tuple[str, int]]:
    """Return the columns that FOCUS never leaves empty and the bills left so, with the number of such rows."""
    filled = [
        name for name, column in focus.columns(VERSION).items() if column.level == "mandatory" and not column.nulls
    ]
    listed = ", ".join(f"count(*) - count({name}) AS {name}" for name in filled)
    missing = dict.fromkeys(filled, 0)
    for part in made.parts:
        found = ledger.run(f"SELECT {listed} FROM ({made.sql})", made.values_of(part))
        missing = {name: missing[name] + found.rows[0][at] for at, name in enumerate(found.columns)}
    return [(name, rows) for name, rows in missing.items() if rows]
