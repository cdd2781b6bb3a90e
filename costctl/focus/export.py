"""The charges of a period as a FOCUS 1.2 Cost and Usage file; export.sql says what each column holds."""

from __future__ import annotations

from typing import Any

from costctl import focus
from costctl.ledger import build
from costctl.ledger.extract import IN_STRETCH, Extract, stretches
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Span

VERSION = "1.2"
ORDER = ("x_source", "x_delivery_id", "x_file_no", "x_record_no", "x_part_no")
TYPES = {"decimal": "DECIMAL(38, 18)"}


def extract(ledger: Ledger, rules: CompiledRules, span: Span, sources: tuple[str, ...] = ()) -> Extract:
    """Return the file's query: whole months are billing periods, other spans take charges by the day they start."""
    text = focus.text("export.sql").replace("RULES()", rules.expression)
    text = text.replace("CHARGES()", _charges(ledger)).replace("IN_PERIOD()", _when(span)[0])
    services = focus.table("services.csv")
    values: dict[str, Any] = {
        "start": span.start,
        "end": span.end,
        "service_names": [item["service"] for item in services],
        "service_meters": [item["meter"] for item in services],
        "service_categories": [item["ServiceCategory"] for item in services],
        **rules.parameters,
    }
    return Extract(
        name="focus",
        sql=build.qualified(text, set(), build.known()),
        values=values,
        order=ORDER,
        parts=tuple(part for part in stretches(ledger, *_when(span)) if not sources or part["source"] in sources),
        facts={"focus_version": VERSION, "focus_dataset": "Cost and Usage", "period": f"{span.start}..{span.end}"},
    )


def _charges(ledger: Ledger) -> str:
    """Return the charges with every column of the version, NULL where the ledger stores none of that name."""
    stored = ledger.columns("ledger.charges")
    absent = [column for name, column in focus.columns(VERSION).items() if name not in stored]
    listed = ", ".join(f"CAST(NULL AS {TYPES.get(column.type, 'VARCHAR')}) AS {column.name}" for column in absent)
    return f"(SELECT *{', ' + listed if listed else ''} FROM ledger.charges WHERE {IN_STRETCH})"


def _when(span: Span) -> tuple[str, dict[str, Any]]:
    """Return the condition of a charge of the period, and its values."""
    column = "billing_period" if span.whole_months else "ChargePeriodStart"
    return f"{column} >= $start AND {column} < $end", {"start": span.start, "end": span.end}


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
