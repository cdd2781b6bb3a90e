"""The lines of a report as people read it: rows that look alike added up, subtotals, and the totals at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from costctl.reports import Answer, Report

OTHER = ("idle", "unused", "tax_fee", "credits", "manual", "recharged", "markup")
SUMMED = ("delivered_tokens", "chip_hours", "unknown_costs", "charges")
MONEY = "DECIMAL(38,18)"
CHANGING = (("total", "cost_then"), ("previous_total", "cost_now"))

Record = dict[str, Any]


def derived(record: Record) -> Record:
    """Add the columns that only a reader needs: the owner's label, millions of tokens, change, what is left over."""
    found = dict(record)
    if "line" in record:
        found["owner"] = record["team"] if record["line"] == "team" else f"({record['line']})"
        found["other"] = _sum(record.get(name) for name in OTHER)
        found["change_percent"] = _changed(record)
    if "delivered_tokens" in record:
        found["mtok"] = record["delivered_tokens"]
    return found


def merged(report: Report, records: Sequence[Record], texts: Sequence[str], types: dict[str, str]) -> list[Record]:
    """Add up rows that would look alike because a narrow table leaves out what tells them apart."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault((record.get("currency"), *(record.get(column) for column in texts)), []).append(record)
    merged = [
        group[0] if len(group) == 1 else group[0] | _summed(group, types, report.unknown) for group in groups.values()
    ]
    return [record | {"share_percent": _share(record, merged)} for record in merged]


def _share(record: Record, records: Sequence[Record]) -> Decimal | None:
    """Return a cost's part of its currency's whole, in percent; none where the whole is nothing."""
    if record.get("cost") is None:
        return None
    whole = _sum(other["cost"] for other in records if other["currency"] == record["currency"])
    return Decimal(record["cost"] * 100 / whole) if whole else None


def _sum(values: Iterable[Decimal | int | None]) -> Decimal | None:
    known = [Decimal(value) for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None


def _changed(record: Record) -> Decimal | None:
    """Return by how many percent a total is above the one before, or what would be owed above what is."""
    now, before = (record.get(new, record.get(supposed)) for new, supposed in CHANGING)
    return (now - before) * 100 / abs(before) if now is not None and before else None


def _summed(group: Sequence[Record], types: dict[str, str], unknown: Iterable[str] = ()) -> Record:
    """Sum money, hours and tokens; a ratio is never summed: cost per token of one owner and model is taken anew."""
    names = [name for name, kind in types.items() if kind == MONEY or name in SUMMED]
    found: Record = {name: _sum(record.get(name) for record in group) for name in [*names, "other", "mtok"]}
    for name in unknown:
        found[name] = None if any(record.get(name) is None for record in group) else found[name]
    found["change_percent"] = _changed(found)
    found["incomplete"] = any(record.get("incomplete") for record in group)
    tokens, total = found.get("delivered_tokens"), found.get("total")
    found["cost_per_mtok"] = total * 1_000_000 / tokens if total and tokens and not found["incomplete"] else None
    return found


def with_subtotals(
    report: Report, records: Sequence[Record], types: dict[str, str], texts: Sequence[str]
) -> tuple[list[Record], set[int]]:
    """Insert a subtotal after each owner with several rows; return the lines and where a rule is drawn."""
    lines: list[Record] = []
    rules: set[int] = set()
    if report.subtotal is None:
        return list(records), rules
    owners = list(dict.fromkeys(_owner(report, record) for record in records))
    for owner in owners:
        group = [record for record in records if _owner(report, record) == owner]
        lines += group
        if len(group) > 1:
            whole = _summed(group, types) | {report.subtotal: group[0][report.subtotal], texts[1]: "subtotal"}
            lines.append(whole | {"cost_per_mtok": None, "currency": group[0].get("currency")})
            rules.add(len(lines))
    return lines, rules


def _owner(report: Report, record: Record) -> tuple[Any, Any]:
    return record.get("currency"), record.get(report.subtotal or "")


def add_totals(
    lines: list[Record],
    rules: set[int],
    answer: Answer,
    records: Sequence[Record],
    types: dict[str, str],
    texts: Sequence[str],
) -> None:
    """Add a total per currency and, where the report must reach it, the bill and the difference, or the calendars' bridge."""
    first = texts[0] if texts else ""
    rules.add(len(lines))
    for currency in dict.fromkeys(record.get("currency") for record in records):
        group = [record for record in records if record.get("currency") == currency]
        total = _summed(group, types, answer.report.unknown)
        lines.append(total | {"cost_per_mtok": None, first: "TOTAL" if first else None, "currency": currency})
        if answer.bill is not None:
            bill = answer.bill.get(str(currency), Decimal(0))
            bridge = "difference" if answer.calendar == "billing" else "other months' bills"
            plain = {"exact": True, "currency": currency}
            lines.append({first: "bill total", "total": bill} | plain)
            lines.append({first: bridge, "total": (total["total"] or Decimal(0)) - bill} | plain)
