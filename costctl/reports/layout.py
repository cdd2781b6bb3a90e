"""A report as people read it: which columns, how a value is written, subtotals and the total row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from costctl.reports import Answer, Report

WIDE_FROM = 100
OTHER = ("idle", "unused", "tax_fee")
UNKNOWN = "-"
MONEY = "DECIMAL(38,18)"


@dataclass(frozen=True)
class Grid:
    """Text cells ready to print: headings, rows, which columns are numbers, where a rule is drawn."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int]
    rules: frozenset[int]


def lay_out(answer: Answer, width: int, *, cents: bool) -> Grid:
    """Lay a report out for a width: whole currency units unless cents are asked for."""
    report = answer.report
    chosen = report.wide if width >= WIDE_FROM else report.narrow
    types = dict(zip(answer.rows.columns, answer.rows.types, strict=True))
    records = [_derived(report, record) for record in answer.rows.dicts()]
    lines, rules = _with_totals(report, records, types)
    cells = tuple(
        tuple(_written(column, record.get(column), types.get(column), record, cents=cents) for column, _ in chosen)
        for record in lines
    )
    right = frozenset(number for number, (column, _) in enumerate(chosen) if _numeric(column, types))
    return Grid(
        _title(answer),
        tuple(_heading(heading, column, records) for column, heading in chosen),
        cells,
        right,
        frozenset(rules),
    )


def _heading(heading: str, column: str, records: Sequence[dict[str, Any]]) -> str:
    """Money columns that stand for the whole carry the currency."""
    currencies = {record["currency"] for record in records if record.get("currency")}
    return f"{heading} {currencies.pop()}" if column in ("total", "cost") and len(currencies) == 1 else heading


def _title(answer: Answer) -> str:
    what = {
        "chargeback": f"{answer.cost}, before credits, without recoverable tax",
        "tokens_per_dollar": f"delivered tokens · {answer.cost} cost, loaded (serving, startup, idle, unused chips) · no training, no credits",
    }.get(answer.report.name, f"{answer.cost} cost")
    month = "month" if answer.span.whole_months else "days"
    return f"{answer.span.label} {answer.calendar} {month} · {answer.report.title} · {what}"


def _derived(report: Report, record: dict[str, Any]) -> dict[str, Any]:
    """Add the columns that only a reader needs: the owner's label, millions of tokens, change, what is left over."""
    found = dict(record)
    if "line" in record:
        found["owner"] = record["team"] if record["line"] == "team" else f"({record['line']})"
        found["other"] = _sum(record.get(name) for name in OTHER)
        found["change_percent"] = _change(record.get("total"), record.get("previous_total"))
    if "delivered_tokens" in record:
        found["mtok"] = record["delivered_tokens"]
    return found


def _sum(values: Any) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None


def _change(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    return (now - before) * 100 / abs(before) if now is not None and before else None


def _with_totals(
    report: Report, records: list[dict[str, Any]], types: dict[str, str]
) -> tuple[list[dict[str, Any]], set[int]]:
    """Insert a subtotal after each owner with several rows, and one total row per currency at the end."""
    lines: list[dict[str, Any]] = []
    rules: set[int] = set()
    for number, record in enumerate(records):
        lines.append(record)
        following = records[number + 1] if number + 1 < len(records) else None
        if report.subtotal and (following is None or _owner(report, following) != _owner(report, record)):
            group = [item for item in records if _owner(report, item) == _owner(report, record)]
            if len(group) > 1:
                lines.append(_summed(group, types) | {"model": "subtotal", "owner": record[report.subtotal]})
            if len(group) > 1 and following is not None:
                rules.add(len(lines))
    for currency in dict.fromkeys(record.get("currency") for record in records):
        rules.add(len(lines))
        group = [record for record in records if record.get("currency") == currency]
        first = next(iter(column for column, _ in report.wide if not _numeric(column, types)), "")
        total = _summed(group, types) | {first: "TOTAL", "currency": currency}
        lines.append(total)
    return lines, rules


def _owner(report: Report, record: dict[str, Any]) -> tuple[Any, Any]:
    return record.get(report.subtotal or ""), record.get("currency")


def _summed(group: list[dict[str, Any]], types: dict[str, str]) -> dict[str, Any]:
    """Sum money, hours and tokens; a ratio is never summed, but cost per token of one owner may be taken anew."""
    names = [
        name
        for name, kind in types.items()
        if kind == MONEY or name in ("delivered_tokens", "chip_hours", "unknown_costs")
    ]
    found: dict[str, Any] = {name: _sum(record.get(name) for record in group) for name in [*names, "other", "mtok"]}
    found["change_percent"] = _change(found.get("total"), found.get("previous_total"))
    found["incomplete"] = any(record.get("incomplete") for record in group)
    return found


def _numeric(column: str, types: dict[str, str]) -> bool:
    return column in ("other", "mtok", "change_percent") or types.get(column, "").startswith(
        ("DECIMAL", "BIGINT", "INTEGER")
    )


def _written(column: str, value: Any, kind: str | None, record: dict[str, Any], *, cents: bool) -> str:
    """Write one value; unknown is `-`, an incomplete sum `≥`, a cost that no row knows `-` too."""
    if value is None:
        return UNKNOWN if _numeric(column, {column: kind or ""}) else ""
    if column == "change_percent":
        return f"{_rounded(value, 1):+,}%"
    if column == "mtok":
        return _millions(value)
    if column.startswith("usd_per"):
        return f"{_rounded(value, 3):,}"
    if kind == MONEY or column == "other":
        mark = "≥" if record.get("incomplete") and column in ("total", "cost") else ""
        return mark + _money(value, cents=cents)
    if kind is not None and kind.startswith("DECIMAL"):
        return f"{_rounded(value, 0):,}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:%Y-%m}" if column == "period" else str(value)


def _rounded(value: Decimal | int, places: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _money(value: Decimal, *, cents: bool) -> str:
    """Whole units; what rounds away to nothing but is not nothing keeps its first digits."""
    places = 2 if cents else 0
    if value and not _rounded(value, places):
        return f"{value:.2g}" if abs(value) >= Decimal("0.0001") else f"{value:.1e}"
    return f"{_rounded(value, places):,}"


def _millions(tokens: int) -> str:
    value = Decimal(tokens) / 1_000_000
    return f"{_rounded(value, 0):,}" if value >= 100 else f"{_rounded(value, 1):,}"
