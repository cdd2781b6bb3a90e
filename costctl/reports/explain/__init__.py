"""One charge or one cell of a report back to its source rows: posting → group or cell → charge → file, record, line and raw row."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from costctl.ledger import build, models, sources
from costctl.ledger.sources import RawRecord, Source
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Span
from costctl.reports.explain import cells, naming
from costctl.reports.explain.cells import Wanted

DERIVED = ("model_names", "attributed_groups", "chip_hours", "charge_evidence", "pool_cells")
COSTS = {
    "BilledCost": "billed",
    "EffectiveCost": "effective",
    "ListCost": "list",
    "ContractedCost": "contracted",
    "rate_card_cost": "rate_card",
}
KNOWN = ", ".join(
    f"CASE WHEN {cost} <> 0 OR NOT {kind}_incomplete THEN {cost} END AS {cost}" for cost, kind in COSTS.items()
)
GROUP = (
    "SELECT g.group_id, source, slot_start, slot_end, provider, ServiceName, ChargeCategory, RegionId, x_machine, x_token_class, unit, rule, raw_team, pool, raw_model, "
    f"raw_purpose, BillingCurrency, {KNOWN}, quantity, row_count FROM ledger.charge_groups AS g "
    "JOIN ledger.card_costs AS k ON k.group_id = g.group_id AND k.billing_period = g.billing_period WHERE g.billing_period = $period AND g.group_id = $group"
)
RATES = (
    "SELECT card, layer, price_per_chip_hour, BillingCurrency AS currency, chip, machine, chip_hours, rate_cost, is_estimate FROM ledger.rated_chip_hours "
    "WHERE billing_period = $period AND group_id = $group"
)
POSTINGS = (
    "SELECT kind, team, model, purpose, p.pool, passed_by, state, method, reason, evidence, base, base_total, BillingCurrency, "
    f"{KNOWN} "
    "FROM ledger.postings AS p JOIN temp.explained_links AS l USING (posting_id) "
    "LEFT JOIN temp.explained_postings AS e ON e.billing_period = p.billing_period AND e.posting_id = p.posting_id WHERE p.billing_period = $period AND l.billing_period = $period AND l.group_id = $group "
    "ORDER BY e.posting_id IS NULL, abs(p.EffectiveCost) DESC, kind, team, model, purpose, method"
)
LINKS = "CREATE OR REPLACE TEMP TABLE explained_links (billing_period DATE, group_id VARCHAR, posting_id VARCHAR)"
DELIVERY = "SELECT delivery_id, source, scope, dataset, format, manifest, decision FROM ledger.deliveries WHERE delivery_id = $id"
FILE = "SELECT name, sha256, bytes, path, way FROM ledger.delivery_files WHERE delivery_id = $id AND file_no = $file_no"


@dataclass(frozen=True)
class Story:
    """A charge with everything it came from and everything it became."""

    charge: dict[str, Any]
    file: Source
    raw: RawRecord | None
    delivery: dict[str, Any]
    rule: dict[str, Any]
    group: dict[str, Any]
    rates: list[dict[str, Any]]
    postings: list[dict[str, Any]]


def of_record(ledger: Ledger, rules: CompiledRules, text: str) -> list[Story]:
    """Explain the charges of one record, named by its file's hash and its number."""
    prefix, number = naming.parsed(text)
    found = []
    for file in naming.files(ledger, prefix):
        where = {"delivery": file["delivery_id"], "file_no": file["file_no"], "record_no": number}
        months = "SELECT DISTINCT billing_period, source, scope FROM ledger.charges WHERE delivery_id = $delivery AND file_no = $file_no AND record_no = $record_no ORDER BY 1"
        for month in ledger.run(months, where).rows:
            found += _charges(ledger, rules, month, Wanted(top=1_000_000), where)
    if not found:
        raise naming.no_charge(ledger, prefix, number)
    return _told(ledger, rules, found)


def of_cell(ledger: Ledger, rules: CompiledRules, span: Span, wanted: Wanted) -> list[Story]:
    """Explain the largest charges behind a cell of a report."""
    link(ledger, span, wanted)
    months = "SELECT DISTINCT billing_period, source, scope FROM ledger.charge_groups WHERE (billing_period, group_id) IN (FROM temp.explained_groups) ORDER BY ALL"
    found = []
    for month in ledger.run(months).rows:
        found += _charges(ledger, rules, month, wanted, None)
    cost = {"billed": "BilledCost", "list": "ListCost", "contracted": "ContractedCost"}.get(
        wanted.cost, "EffectiveCost"
    )
    found.sort(
        key=lambda charge: (
            -abs(charge[cost] or 0),
            charge["delivery_id"],
            charge["file_no"],
            charge["record_no"],
            charge["part_no"],
            charge["part_start"] or charge["ChargePeriodStart"],
        )
    )
    return _told(ledger, rules, found[: wanted.top])


def link(ledger: Ledger, span: Span, wanted: Wanted) -> None:
    """Note the postings of a cell, and the groups that they come from."""
    cells.choose(ledger, span, wanted)
    periods = ledger.run("SELECT DISTINCT billing_period FROM temp.explained_postings ORDER BY 1").rows
    ledger.run(LINKS)
    for (period,) in periods:
        _link(ledger, period, keep=True)
    ledger.run("CREATE OR REPLACE TEMP TABLE explained_groups (billing_period DATE, group_id VARCHAR)")
    if periods:
        ledger.run(
            "INSERT INTO temp.explained_groups SELECT DISTINCT l.billing_period, l.group_id "
            "FROM temp.explained_postings AS p JOIN temp.explained_links AS l USING (billing_period, posting_id)"
        )


def _nothing_chosen(ledger: Ledger) -> None:
    for table, columns in (
        ("explained_groups", "(billing_period DATE, group_id VARCHAR)"),
        ("explained_postings", cells.POSTINGS),
    ):
        ledger.run(f"CREATE TEMP TABLE IF NOT EXISTS {table} {columns}")


def _link(ledger: Ledger, period: date, *, keep: bool) -> None:
    """Note which postings each charge group of a period ends in."""
    if not keep:
        ledger.run(LINKS)
    build.derive(ledger, period, DERIVED)
    text = models.qualified(_text("links.sql"), set(DERIVED))
    ledger.run(
        f"INSERT INTO temp.explained_links SELECT $billing_period, f.group_id, f.posting_id FROM ({text}) AS f",
        {"billing_period": period},
    )


def _charges(
    ledger: Ledger, rules: CompiledRules, month: tuple[Any, ...], wanted: Wanted, where: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """Return charges of one source, scope and billing period with their groups."""
    _nothing_chosen(ledger)
    return ledger.run(*charges_of(rules, month, wanted, where)).dicts()


def charges_of(
    rules: CompiledRules, month: tuple[Any, ...], wanted: Wanted, where: dict[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """Return the query of those charges, with its values."""
    text = models.qualified(_text("charges.sql"), {"explained_groups"}).replace("RULES()", rules.expression)
    values = dict(zip(("billing_period", "source", "scope"), month, strict=True))
    values |= where or {"delivery": None, "file_no": None, "record_no": None}
    values |= {"service": None, "account": None} | wanted.narrowed | {"cost": wanted.cost, "number": wanted.top}
    used = {key: value for key, value in rules.parameters.items() if re.search(rf"\${key}\b", text)}
    return text, values | used


def _text(name: str) -> str:
    return (resources.files("costctl.reports.explain") / name).read_text(encoding="utf-8")


def _told(ledger: Ledger, rules: CompiledRules, charges: list[dict[str, Any]]) -> list[Story]:
    """Add to each charge its file, raw row, rule, group, rates and postings; each file is verified and read once."""
    records: dict[tuple[str, int], set[int]] = defaultdict(set)
    for charge in charges:
        records[_key(charge)].add(charge["record_no"])
    files = {key: _source(ledger, *key) for key in records}
    raw = {key: sources.read(ledger, file, records[key]) for key, file in files.items()}
    linked: set[date] = (
        {row[0] for row in ledger.run("SELECT DISTINCT billing_period FROM temp.explained_links").rows}
        if _has_links(ledger)
        else set()
    )
    for period in sorted({charge["billing_period"] for charge in charges} - linked):
        _link(ledger, period, keep=bool(linked))
        linked.add(period)
    listed = {
        ordinal: {"ordinal": ordinal, "name": name, "definition": json.loads(definition)}
        for ordinal, name, definition in rules.listed
    }

    @cache
    def asked(query: str, period: date, group: str) -> list[dict[str, Any]]:
        return ledger.run(query, {"period": period, "group": group}).dicts()

    tokens = models.qualified(_text("tokens.sql"))
    deliveries = {key: ledger.run(DELIVERY, {"id": key[0]}).dicts()[0] for key in files}
    stories = []
    for charge in charges:
        at = (charge["billing_period"], charge["group_id"])
        stories.append(
            Story(
                charge=charge,
                file=files[_key(charge)],
                raw=raw[_key(charge)].get(charge["record_no"]),
                delivery=deliveries[_key(charge)],
                rule=listed.get(charge["rule"], {"ordinal": 0, "name": None, "definition": {}})
                | {"rule_set": rules.fingerprint},
                group=asked(GROUP, *at)[0],
                rates=asked(RATES, *at) + asked(tokens, *at),
                postings=asked(POSTINGS, *at),
            )
        )
    return stories


def _has_links(ledger: Ledger) -> bool:
    return bool(ledger.run("SELECT 1 FROM duckdb_tables() WHERE table_name = 'explained_links'").rows)


def _key(charge: dict[str, Any]) -> tuple[str, int]:
    return charge["delivery_id"], charge["file_no"]


def _source(ledger: Ledger, delivery: str, file_no: int) -> Source:
    (row,) = ledger.run(FILE, {"id": delivery, "file_no": file_no}).rows
    return Source(*row)
