"""Invoices as accounts payable has them, and the reconciling items that somebody approved: small CSV files of the user's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from costctl.config import Config
from costctl.files import cells, sheets
from costctl.files.cells import Wrong
from costctl.files.sheets import Field, Problem, Row, Sheet
from costctl.nouns import coin_places

STATUSES = ("open", "issued", "paid", "voided")
DETAIL = "InvoiceDetailGrain"  # the column that only FOCUS's Invoice Detail has
INVOICE = (
    Field("provider", required=True),
    Field("billing_account", required=True),
    Field("invoice_id", required=True),
    Field("currency", cells.currency, required=True),
    Field("billing_period", cells.month, required=True),
    Field("amount", cells.money, required=True),
    Field("tax", cells.money),
    Field("prepaid", cells.money),
    Field("lines", cells.whole),
    Field("issue_date", cells.day),
    Field("status", cells.one_of(STATUSES)),
    Field("notes"),
)
ITEM = (
    Field("billing_period", cells.month, required=True),
    Field("provider", required=True),
    Field("billing_account", required=True),
    Field("invoice_id"),
    Field("currency", cells.currency, required=True),
    Field("amount", cells.money, required=True),
    Field("reason", required=True),
    Field("approver", required=True),
    Field("date", cells.day, required=True),
)

Line = tuple[Any, ...]
Key = tuple[str, str, str, date]  # payer, invoice, currency, billing period


def tables(config: Config, providers: Mapping[str, str]) -> dict[str, list[Line]]:
    """Return the rows of the tables invoices and reconciling_items; raise UsageError for what is wrong with a file."""
    name = _namer(providers)
    rows = [line for path in config.invoices for line in _invoices(config.at(path), name)]
    _refuse_repeats(rows)
    items = _items(config.at(config.reconciling_items), name) if config.reconciling_items else []
    return {"invoices": rows, "reconciling_items": items}


def _namer(providers: Mapping[str, str]) -> Callable[[str], str]:
    return lambda text: providers.get(text.lower(), text.lower())


def _invoices(path: Path, name: Callable[[str], str]) -> list[Line]:
    """Read one file of invoices: ours, or FOCUS's Invoice Detail, told by its header."""
    _, header = sheets.header_of(path)
    return _detail(path, header, name) if DETAIL in header else _listed(path, name)


def _sheet(path: Path, fields: tuple[Field, ...]) -> Sheet:
    return sheets.read(path, Sheet(str(path), path.name, "invoices"), fields)


def _listed(path: Path, name: Callable[[str], str]) -> list[Line]:
    """Read our own file: one row per invoice and billing period."""
    sheet = _sheet(path, INVOICE)
    sheets.refuse(sheet.problems)
    return [
        (
            *(row.card, name(row["provider"]), row["billing_account"], row["invoice_id"], row["currency"]),
            *(row["billing_period"], row["amount"], row["tax"], row["prepaid"]),
            *_rounding(row["lines"] or 1, row["currency"]),
            *(row["status"] or "issued", row["issue_date"]),
        )
        for row in sheet.rows
    ]


def _rounding(lines: int, currency: str) -> tuple[int, Decimal]:
    """Return the number of lines and what their rounding may come to: at most half the smallest coin each."""
    return lines, lines * Decimal(5).scaleb(-coin_places(currency) - 1)


def _refuse_repeats(rows: list[Line]) -> None:
    """An invoice that stands twice would be owed twice, whoever is said to have issued it."""
    seen: dict[Key, Line] = {}
    for row in rows:
        payer, invoice, currency, period = key = row[2:6]
        if other := seen.get(key):
            what = f"invoice {invoice} of {payer} in {currency} for {period:%Y-%m} is listed already"
            remedy = "Keep one of the two rows; an invoice over several billing periods has one row for each."
            sheets.refuse([Problem(row[0], what, f"{other[0]} and {row[0]}", remedy)])
        seen[key] = row


def _items(path: Path, name: Callable[[str], str]) -> list[Line]:
    """Read the reconciling items; the same one twice is refused."""
    sheet = _sheet(path, ITEM)
    seen: dict[tuple[str | None, ...], Row] = {}
    for row in sheet.rows:
        key = tuple(row.texts.get(item.name) for item in ITEM)
        if other := seen.get(key):
            problem = row.problem(
                "amount", f"the item stands on line {other.line} already", "Keep one of the two rows."
            )
            sheet.problems.append(problem)
        seen[key] = row
    sheets.refuse(sheet.problems)
    return [
        (
            *(row.card, name(row["provider"]), row["billing_account"], row["invoice_id"], row["currency"]),
            *(row["billing_period"], row["amount"], row["reason"], row["approver"], row["date"]),
        )
        for row in sheet.rows
    ]


# FOCUS 1.4, Invoice Detail: one row per line of an invoice. A line that only converts the total into the currency of
# payment has BilledCost 0, so that the lines add up to what the bill's BilledCost must reach.
def _focus_money(text: str) -> Decimal:
    try:
        return cells.money(f"{Decimal(text):f}" if re.fullmatch(r"[+-]?[0-9.]+[eE][+-]?[0-9]{1,2}", text) else text)
    except InvalidOperation as error:
        raise Wrong("is not a decimal number", "Export it again.") from error


def _focus_month(text: str) -> date:
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]|$)", text):
        raise Wrong("is not a moment", "FOCUS writes it as 2026-10-01T00:00:00Z.")
    return cells.month(text[:7])


def _focus_day(text: str) -> date | None:
    return None if text.lower() == "null" else cells.day(text[:10])


DETAIL_FIELDS = {
    item.name: item
    for item in (
        Field("BilledCost", _focus_money, required=True),
        Field("BillingAccountId", required=True),
        Field("BillingCurrency", cells.currency, required=True),
        Field("BillingPeriodStart", _focus_month, required=True),
        Field("ChargeCategory", required=True),
        Field("InvoiceDetailId", required=True),
        Field("InvoiceId", required=True),
        Field("InvoiceIssuerName", required=True),
        Field("InvoiceIssueStatus", cells.one_of(STATUSES), required=True),
        Field("InvoiceIssueDate", _focus_day),
    )
}


def _detail(path: Path, header: list[str], name: Callable[[str], str]) -> list[Line]:
    """Read an Invoice Detail file and add up the lines of each invoice."""
    others = tuple(Field(column) for column in dict.fromkeys(header) if column not in DETAIL_FIELDS)
    sheet = _sheet(path, (*DETAIL_FIELDS.values(), *others))
    sheet.problems += _line_problems(sheet.rows)
    sheets.refuse(sheet.problems)
    invoices: dict[tuple[str, Key], list[Row]] = {}
    for row in sheet.rows:
        key = row["BillingAccountId"], row["InvoiceId"], row["BillingCurrency"], row["BillingPeriodStart"]
        invoices.setdefault((name(row["InvoiceIssuerName"]), key), []).append(row)
    return [_added_up(provider, key, rows) for (provider, key), rows in invoices.items()]


def _line_problems(rows: list[Row]) -> Iterator[Problem]:
    """Yield the lines that stand twice, and those whose invoice has another status on another line."""
    lines: dict[tuple[str, ...], Row] = {}
    for row in rows:
        document = (row["InvoiceIssuerName"], row["BillingAccountId"], row["InvoiceId"])
        if other := lines.get((*document, row["InvoiceDetailId"])):
            what = (
                f"the line {row['InvoiceDetailId']} of invoice {row['InvoiceId']} stands on line {other.line} already"
            )
            yield row.problem("InvoiceDetailId", what, "Keep the later one of the two.")
        lines[(*document, row["InvoiceDetailId"])] = row
        first = lines.setdefault(document, row)
        if first["InvoiceIssueStatus"] != row["InvoiceIssueStatus"]:
            what = f"invoice {row['InvoiceId']} is {first['InvoiceIssueStatus']} on line {first.line}"
            yield row.problem("InvoiceIssueStatus", what, "Export it again: an invoice has one status.")


def _added_up(provider: str, key: Key, rows: list[Row]) -> Line:
    tax = sum((row["BilledCost"] for row in rows if row["ChargeCategory"] == "Tax"), Decimal(0))
    lines = sum(1 for row in rows if row["BilledCost"]) or 1
    first = rows[0]
    return (
        *(first.card, provider, *key, sum((row["BilledCost"] for row in rows), Decimal(0)), tax, None),
        *_rounding(lines, key[2]),
        *(first["InvoiceIssueStatus"], first["InvoiceIssueDate"]),
    )
