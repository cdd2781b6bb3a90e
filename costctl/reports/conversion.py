"""A report in one currency: each statement line is converted once, per month, at the user's own rate, and rounded to the coin.

An amount times a rate has more digits than a stored amount may have, so the product is taken here, in decimals of any length, and
rounded half away from zero where the line stands. Totals are converted from the exact total; what the rounded lines are short of
it is the line `fx rounding`. Amounts that are in the currency already stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from costctl import reports
from costctl.errors import UsageError
from costctl.ledger.store import Ledger
from costctl.nouns import Rows, Span, coin_places, shifted
from costctl.reports import Report

ROUNDING = "fx rounding"
PER = {
    "cost_per_mtok": "delivered_tokens",
    "cost_per_weighted_mtok": "weighted_tokens",
    "cost_per_chip_hour": "chip_hours",
}
MILLION = 1_000_000

Record = dict[str, Any]
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Wish:
    """What the user wants: a currency, a kind of rate, and the file that must have it."""

    currency: str
    rate_type: str
    file: str


@dataclass(frozen=True)
class Converted:
    """A report's rows in one currency, its bill, and the basis that its footer must state."""

    rows: Rows
    bill: dict[str, Decimal]
    notes: tuple[str, ...]


@dataclass
class _Rates:
    """The rates into the wanted currency, and those that were missed."""

    wish: Wish
    known: dict[tuple[str, date], tuple[Decimal, str, str]]
    used: dict[tuple[str, date], str] = field(default_factory=dict)

    def missing(self, wanted: Iterable[tuple[str, date]]) -> list[tuple[str, date]]:
        return sorted({pair for pair in wanted if pair[0] != self.wish.currency} - set(self.known))

    def convert(self, amount: Decimal | None, currency: str, month: date) -> Decimal | None:
        """Return an amount in the wanted currency, rounded to its coin; unknown stays unknown."""
        if amount is None or currency == self.wish.currency:
            return amount
        rate, place, source = self.known[currency, month]
        self.used[currency, month] = f"{currency} {month:%Y-%m} x {rate.normalize():f} ({place}, {source})"
        coin = Decimal(1).scaleb(-coin_places(self.wish.currency))
        return (amount * rate).quantize(coin, ROUND_HALF_UP)


def converted(ledger: Ledger, report: Report, span: Span, wish: Wish, **how: Any) -> Converted:
    """Run a report and convert it; raise UsageError for a report that has no rule for it, and for a rate that is not there; `how` is as `reports.run` takes it."""
    if not report.converts:
        able = ", ".join(name.replace("_", "-") for name, item in reports.known().items() if item.converts)
        what = f"the report {report.name.replace('_', '-')} is not converted"
        raise UsageError("--currency", what, remedy=f"Reports that are: {able}.")
    with localcontext(reports.EXACT):
        return _converted(ledger, report, span, wish, how)


def _converted(ledger: Ledger, report: Report, span: Span, wish: Wish, how: dict[str, Any]) -> Converted:
    rates = _Rates(wish, _known(ledger, wish))
    whole = reports.run(ledger, report, span, **how)
    now = [*_by_month(ledger, report, span, how)]
    bills = [(month, reports.bill(ledger, part, how["cost"])) for part, month in _months(span)]
    wanted = [(record["currency"], month) for month, record in now]
    wanted += [(currency, month) for month, found in bills if report.reaches_bill for currency in found]
    _refuse_missing(wish, rates.missing((currency, month) for currency, month in wanted if currency))
    keys = [
        name
        for name, kind in zip(whole.columns, whole.types, strict=True)
        if kind in ("VARCHAR", "DATE") and name != "currency"
    ]
    money, rounding = _added_up(report, rates, now, keys)
    notes = []
    if "previous_total" in whole.columns:
        notes += _previous(ledger, report, span, how, rates, money, keys)
    lines = [*_lines(report, whole, wish, money, keys)]
    if rates.used:
        lines.append(dict.fromkeys(whole.columns) | rounding | {keys[0]: ROUNDING, "currency": wish.currency})
    rows = Rows(whole.columns, whole.types, [tuple(line.get(name) for name in whole.columns) for line in lines])
    reached = bills if report.reaches_bill else []
    each = [rates.convert(amount, currency, month) for month, found in reached for currency, amount in found.items()]
    bill = sum((amount for amount in each if amount is not None), Decimal(0))
    basis = f"converted to {wish.currency} at {wish.rate_type} rates, each line once, half up to the coin"
    used = "; ".join(text for _, text in sorted(rates.used.items()))
    return Converted(rows, {wish.currency: bill}, (f"{basis}: {used or 'nothing had to be'}", *notes))


def _known(ledger: Ledger, wish: Wish) -> dict[tuple[str, date], tuple[Decimal, str, str]]:
    query = "SELECT from_currency, period, rate, place, source FROM ledger.fx_rates WHERE to_currency = $currency AND rate_type = $rate_type"
    found = ledger.run(query, {"currency": wish.currency, "rate_type": wish.rate_type}).rows
    return {(currency, period): (rate, place, source) for currency, period, rate, place, source in found}


def _refuse_missing(wish: Wish, missing: Sequence[tuple[str, date]]) -> None:
    if not missing:
        return
    first, *others = [f"{currency} to {wish.currency} for {month:%Y-%m}" for currency, month in missing]
    currency, month = missing[0]
    raise UsageError(
        wish.file,
        f"has no {wish.rate_type} rate {first}",
        evidence=[f"nor {other}" for other in others],
        remedy=f"Add the row {currency},{wish.currency},{wish.rate_type},{month:%Y-%m},RATE,,SOURCE; rates are not looked up, turned round or chained.",
    )


def _months(span: Span) -> Iterator[tuple[Span, date]]:
    """Yield the parts of a span that lie in one month each, with the month whose rate they take."""
    start = span.start
    while start < span.end:
        end = min(shifted(start, 1), span.end)
        yield Span(start, end, span.label), start.replace(day=1)
        start = end


def _by_month(ledger: Ledger, report: Report, span: Span, how: dict[str, Any]) -> Iterator[tuple[date, Record]]:
    for part, month in _months(span):
        for record in reports.run(ledger, report, part, **how).dicts():
            yield month, record


def _added_up(
    report: Report, rates: _Rates, months: Sequence[tuple[date, Record]], keys: Sequence[str]
) -> tuple[dict[Key, Record], Record]:
    """Return the converted amounts of every line, over the months, and what each column's rounding comes to."""
    money: dict[Key, Record] = {}
    exact: dict[tuple[str, date, str], Decimal] = {}
    lines: dict[tuple[str, date, str], Decimal] = {}
    for month, record in months:
        if record["currency"] is None:
            continue
        cells = _cells(report, rates, record, month)
        _add(money.setdefault(tuple(record[name] for name in keys), {}), cells)
        for name in report.converts:
            at = (record["currency"], month, name)
            exact[at] = exact.get(at, Decimal(0)) + (record[name] or 0)
            lines[at] = lines.get(at, Decimal(0)) + (cells[name] or 0)
    rounding: Record = dict.fromkeys(report.converts, Decimal(0))
    for (currency, month, name), amount in exact.items():
        rounding[name] += (rates.convert(amount, currency, month) or 0) - lines[currency, month, name]
    for name, parts in report.converts.items():
        if len(rest := [part for part in parts if part not in rounding]) == 1:
            others = sum((rounding[part] for part in parts if part != rest[0]), Decimal(0))
            rounding[rest[0]] = rounding[name] - others
    return money, rounding


def _add(line: Record, cells: Record) -> None:
    for name, amount in cells.items():
        if amount is not None:
            line[name] = line.get(name, Decimal(0)) + amount


def _cells(report: Report, rates: _Rates, record: Record, month: date) -> Record:
    """Convert one line: its finest amounts are rounded, what is their sum is summed again."""
    cells: Record = {}
    for name, parts in report.converts.items():
        cells |= {part: rates.convert(record[part], record["currency"], month) for part in (*parts, name)}
        known = [part for part in parts if record[part] is not None]
        if known and sum((record[part] for part in known), Decimal(0)) == record[name]:
            cells[name] = sum((cells[part] for part in known), Decimal(0))
    return cells


def _previous(
    ledger: Ledger,
    report: Report,
    span: Span,
    how: dict[str, Any],
    rates: _Rates,
    money: dict[Key, Record],
    keys: Sequence[str],
) -> list[str]:
    """Add the converted total of the span before; where a rate of then is missing, none is shown and a note says so."""
    before = [(month, record) for month, record in _by_month(ledger, report, span.before(), how) if record["currency"]]
    if missing := rates.missing((record["currency"], month) for month, record in before):
        currency, month = missing[0]
        return [
            f"the month before is not shown: there is no {rates.wish.rate_type} rate {currency} to {rates.wish.currency} for {month:%Y-%m}"
        ]
    for month, record in before:
        line = money.get(tuple(record[name] for name in keys))
        if line is not None:
            _add(line, {"previous_total": _cells(report, rates, record, month)["total"]})
    return []


def _lines(report: Report, whole: Rows, wish: Wish, money: dict[Key, Record], keys: Sequence[str]) -> Iterator[Record]:
    """Yield the report's lines with converted amounts; what several currencies paid for one line is one line now."""
    amounts = {*report.converts, *(part for parts in report.converts.values() for part in parts), "previous_total"}
    groups: dict[Key, list[Record]] = {}
    for record in whole.dicts():
        groups.setdefault(tuple(record[name] for name in keys), []).append(record)
    for key, records in groups.items():
        line = {
            name: _one(name, [record[name] for record in records if record[name] is not None]) for name in whole.columns
        }
        line |= {name: money.get(key, {}).get(name) for name in amounts if name in whole.columns}
        line |= {"currency": wish.currency}
        if "incomplete" in line:
            line["incomplete"] = any(record["incomplete"] for record in records)
        yield line | _ratios(line, report)


def _one(name: str, values: Sequence[Any]) -> Any:
    """Return what the rows of a line agree on: counts and hours are added, percentages of several currencies are not known."""
    if name in ("chip_hours", "charges", "unknown_costs") and values:
        return sum(values)
    return values[0] if values and all(value == values[0] for value in values) else None


def _ratios(line: Record, report: Report) -> Record:
    """Take the ratios of cost anew, truncated as the report's own are."""
    cost = line.get(next(iter(report.converts)))
    bears = cost is not None and cost >= 0 and not line.get("incomplete") and line.get("line", "team") == "team"
    units = int(cost.quantize(Decimal("0.000001"), ROUND_HALF_UP) * MILLION) if cost is not None else 0
    found: Record = {}
    for name, divisor in PER.items():
        if name in line:
            per = int((line[divisor] or 0) * (MILLION if divisor == "chip_hours" else 1))
            found[name] = Decimal(units * MILLION // per).scaleb(-6) if bears and per > 0 else None
    if "tokens_per_unit" in line:
        found["tokens_per_unit"] = (
            int(line["delivered_tokens"]) * MILLION // units if bears and units and line["delivered_tokens"] else None
        )
    return found
