"""A report as people read it: which columns, and how a value is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from costctl.nouns import coin_places
from costctl.reports import EXACT, Answer, Report, lines
from costctl.reports.lines import MONEY, Record

WIDE_FROM = 116
ADDED = ("other", "mtok", "change_percent", "share_percent")
UNKNOWN = "-"
HINTS_SHOWN = 5
HINTS = {
    "rule": "what would place the largest; rules go below your own in costctl.yaml, with a team in place of TEAM:",
    "owner_rule": "what would place the largest; these go under owners: in costctl.yaml, with a team in place of TEAM:",
    "account_rule": "purposes without an account; these go under accounts: in costctl.yaml, with an account in place of ACCOUNT:",
    "other_purpose": "purposes that costctl has no word for (it has customer, free_users, internal, eval, training, synthetic_data, unknown):",
    "why": "what moves nothing, and why:",
    "left_unknown": "where it is not known what is left, and why:",
    "remedy": "what would count the largest; a line of provider,machine,chip,chips goes into a card of machines, named under cards: in costctl.yaml:",
}
NAMED = ("drives", "against")  # texts of which nothing is a finding
COUNTED = ("gateway", "client", "engine", "provider_meter", "bill")  # millions of tokens
FINE = (
    "cost_per",
    "card_per",
    "ratio_",
    "short",
    "over",
    "weight",
    "rated",
    "unrated",
)  # columns of which a thousandth matters
WHOLE_MILLIONS = 100


@dataclass(frozen=True)
class Grid:
    """Text cells ready to print: headings, rows, which columns are numbers, where a rule is drawn, notes below."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int]
    rules: frozenset[int]
    notes: tuple[str, ...] = ()


def lay_out(answer: Answer, width: int, *, cents: bool) -> Grid:
    """Lay a report out for a width: whole currency units unless cents are asked for."""
    with localcontext(EXACT):
        return _lay_out(answer, width, cents=cents)


def _lay_out(answer: Answer, width: int, *, cents: bool) -> Grid:
    report = answer.report
    chosen = _columns(answer, width)
    types = dict(zip(answer.rows.columns, answer.rows.types, strict=True))
    texts = [column for column, _ in chosen if not _numeric(column, types)]
    records = lines.merged(report, [lines.derived(record) for record in answer.rows.dicts()], texts, types)
    shown = records[: report.top] if report.top else records
    shown_lines, rules = lines.with_subtotals(report, shown, types, texts)
    if report.totalled:
        lines.add_totals(shown_lines, rules, answer, records, types, texts)
    cells = tuple(
        tuple(_written(column, record.get(column), types, record, cents=cents) for column, _ in chosen)
        for record in shown_lines
    )
    right = frozenset(number for number, (column, _) in enumerate(chosen) if _numeric(column, types))
    headings = tuple(_heading(heading, column, records) for column, heading in chosen)
    notes = (
        *_left_out(report, chosen, records),
        *_shortened(records, shown),
        *_hints(answer.rows.dicts()),
        *answer.footer,
    )
    return Grid(_title(answer), headings, cells, right, frozenset(rules), notes)


def _left_out(report: Report, chosen: Sequence[tuple[str, str]], records: Sequence[Record]) -> list[str]:
    """Name the columns that a narrow table has no room for, and in which something stands."""
    there = {column for column, _ in chosen}
    left = [
        heading
        for column, heading in report.wide
        if column not in there and any(record.get(column) for record in records)
    ]
    return [f"a terminal of {WIDE_FROM} columns shows also: {', '.join(left)}"] if left else []


def _columns(answer: Answer, width: int) -> tuple[tuple[str, str], ...]:
    """Return the columns for a width; where several currencies meet, each row says its own."""
    listed = answer.report.wide if width >= WIDE_FROM else answer.report.narrow
    missing = answer.report.optional - {*answer.rows.columns}
    chosen = tuple(item for item in listed if item[0] not in missing)
    at = answer.rows.columns.index("currency")
    currencies = {row[at] for row in answer.rows.rows} - {None}
    if len(currencies) > 1:
        rest = ((column, heading.replace("$/", "/")) for column, heading in chosen[1:])
        return (*chosen[:1], ("currency", "cur"), *rest)
    if currencies and currencies != {"USD"}:
        currency = next(iter(currencies))
        return tuple(
            (column, heading.replace("$/", f"{currency}/").replace("/$", f"/{currency}")) for column, heading in chosen
        )
    return chosen


def _heading(heading: str, column: str, records: Sequence[Record]) -> str:
    """Money columns that stand for the whole carry the currency."""
    currencies = {record["currency"] for record in records if record.get("currency")}
    return f"{heading} {currencies.pop()}" if column in ("total", "cost") and len(currencies) == 1 else heading


def _title(answer: Answer) -> str:
    what = {
        **dict.fromkeys(
            ("chargeback", "accounts"), f"{answer.cost}, {answer.credits_} credits, without recoverable tax"
        ),
        "tokens_per_dollar": (
            f"delivered tokens · {answer.cost}, loaded (serving, startup, idle, unused chips) · no training, no credits"
        ),
        "billed_to_effective": "every part and its difference",
        "inclusion": "whether input contains what was read from a cache",
        "token_match": "what each kind of evidence counted, in millions of tokens",
    }.get(answer.report.name, f"{answer.cost} cost")
    month = "month" if answer.span.whole_months else "days"
    return f"{answer.span.label} {answer.calendar} {month} · {answer.report.title} · {what}"


def _shortened(records: Sequence[Record], shown: Sequence[Record]) -> list[str]:
    """Say what a shortened table leaves out."""
    left = len(records) - len(shown)
    return [f"{left} smaller rows are in --format csv; the total holds them"] if left else []


def _hints(records: Sequence[Record]) -> list[str]:
    """Say what would mend the largest rows, also of those that a narrow table adds up."""
    notes = []
    for column, sentence in HINTS.items():
        hints = list(dict.fromkeys(record[column] for record in records if record.get(column)))
        if hints:
            notes += [sentence, *(f"  {hint}" for hint in hints[:HINTS_SHOWN])]
    return notes


def _numeric(column: str, types: dict[str, str]) -> bool:
    return column in ADDED or types.get(column, "").startswith(("DECIMAL", "BIGINT", "INTEGER"))


def _written(column: str, value: Any, types: dict[str, str], record: Record, *, cents: bool) -> str:
    """Write one value; unknown is `-`, an incomplete sum carries `≥`."""
    is_money = types.get(column) == MONEY or column == "other"
    if value is None or (is_money and not value and record.get("incomplete") and column != "difference"):
        dashed = _numeric(column, types) or column in NAMED
        return UNKNOWN if dashed and "exact" not in record else ""
    if column == "change_percent":
        return f"{_rounded(value, 1):+,}%"
    if column == "mtok" and "delivered_tokens" in record:
        return _millions(value)
    if is_money:
        partial = record.get("incomplete") and (column == "total" or column.startswith("cost"))
        return ("≥" if partial else "") + _money(value, coin_places(record.get("currency") or "") if cents else 0)
    if isinstance(value, Decimal) or _numeric(column, types):
        fine = column.startswith(FINE) or (column in COUNTED and value < WHOLE_MILLIONS)
        return f"{_rounded(value, 3 if fine else 0):,}"
    return f"{value:%Y-%m}" if column == "period" else str(value)


def _rounded(value: Decimal | int, places: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _money(value: Decimal, places: int) -> str:
    """Whole units, or coins; what rounds away to nothing but is not nothing keeps its first digits."""
    if value and not _rounded(value, places):
        return f"{value:.2g}" if abs(value) >= Decimal("0.0001") else f"{value:.1e}"
    return f"{_rounded(value, places):,}"


def _millions(tokens: Decimal | int) -> str:
    value = Decimal(tokens) / 1_000_000
    return f"{_rounded(value, 0 if value >= WHOLE_MILLIONS else 1):,}"
