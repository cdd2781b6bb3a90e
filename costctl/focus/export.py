"""The charges of a period as a FOCUS 1.2 Cost and Usage file; export.sql says what each column holds."""

from __future__ import annotations

from typing import Any

from costctl import focus
from costctl.ledger import models
from costctl.ledger.extract import IN_STRETCH, Extract, stretches
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Span

VERSION = "1.2"
ORDER = ("x_source", "x_delivery_id", "x_file_no", "x_record_no", "x_part_no", "ChargePeriodStart")
KEYS = ("delivery_id", "file_no", "record_no", "part_no")
PARTED = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity", "PricingQuantity")
TYPES = {"decimal": "DECIMAL(38, 18)"}


def extract(ledger: Ledger, rules: CompiledRules, span: Span, sources: tuple[str, ...] = ()) -> Extract:
    """Return the file's query: whole months are billing periods, other spans take charges by the day they start."""
    services, (when, bounds) = focus.table("services.csv"), _when(span)
    held = stretches(ledger, when, bounds)
    text = focus.text("export.sql").replace("RULES()", rules.expression)
    text = text.replace("CHARGES()", _charges(ledger, when))
    values: dict[str, Any] = {
        **bounds,
        "service_names": [item["service"] for item in services],
        "service_meters": [item["meter"] for item in services],
        "service_categories": [item["ServiceCategory"] for item in services],
        **rules.parameters,
    }
    return Extract(
        name="focus",
        sql=models.qualified(text),
        values=values,
        order=ORDER,
        parts=tuple(_cut(ledger, part, when, bounds) for part in held if not sources or part["source"] in sources),
        facts={"focus_version": VERSION, "focus_dataset": "Cost and Usage", "period": f"{span.start}..{span.end}"},
    )


def _charges(ledger: Ledger, when: str) -> str:
    """Return the period's charges, cut where the ledger cut them, with every column of the version, NULL where none of that name is stored."""
    stored = ledger.columns("ledger.charges")
    absent = [column for name, column in focus.columns(VERSION).items() if name not in stored]
    listed = ", ".join(f"CAST(NULL AS {TYPES.get(column.type, 'VARCHAR')}) AS {column.name}" for column in absent)
    given = {name: name for name in PARTED} | {"ChargePeriodStart": "part_start", "ChargePeriodEnd": "part_end"}
    cut = ", ".join(f"COALESCE(p.{part}, c.{name}) AS {name}" for name, part in given.items())
    return (
        f"(SELECT c.* REPLACE ({cut}), COALESCE(p.part_start, c.ChargePeriodStart) AS moment{', ' + listed if listed else ''} "
        f"FROM (SELECT * FROM ledger.charges WHERE {IN_STRETCH} AND {when}) AS c "
        f"LEFT JOIN ledger.charge_parts AS p USING ({', '.join(KEYS)}))"
    )


def _cut(ledger: Ledger, stretch: dict[str, Any], when: str, bounds: dict[str, Any]) -> dict[str, Any]:
    """Return a stretch with as many rows as its charges are in parts."""
    query = (
        f"SELECT count(*) FROM (SELECT {', '.join(KEYS)} FROM ledger.charges WHERE {IN_STRETCH} AND {when}) AS c "
        f"JOIN ledger.charge_parts AS p USING ({', '.join(KEYS)}) WHERE p.place > 1"
    )
    values = {name: value for name, value in {**stretch, **bounds}.items() if f"${name}" in query}
    return stretch | {"rows": stretch["rows"] + ledger.value(query, values)}


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
