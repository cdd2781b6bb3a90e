"""A charge's story for people and for programs: lines that fit a width, plain values for JSON, one row for CSV."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from costctl.nouns import Rows
from costctl.reports.explain import Story

COSTS = {"billed": "BilledCost", "effective": "EffectiveCost", "list": "ListCost", "contracted": "ContractedCost"}
MEASURES = COSTS | {"rate_card": "rate_card_cost"}  # of a charge a bill says the others
LABEL = 11  # columns that a line's label takes
SHOWN_POSTINGS = 8
HASH = 16
UNKNOWN = "-"


def lines(stories: Sequence[Story], width: int, cost: str) -> Iterator[str]:
    """Yield the lines of some stories; the raw row's values stand one below the other where there is one."""
    for number, story in enumerate(stories):
        if number:
            yield ""
        for label, text in _told(story, cost, short=len(stories) > 1):
            yield from _wrapped(label, text, width)


def _wrapped(label: str, text: str, width: int) -> list[str]:
    whole = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return textwrap.wrap(
        whole, width, initial_indent=f"{label:<{LABEL}}", subsequent_indent=" " * LABEL, break_on_hyphens=False
    ) or [label]


def _told(story: Story, cost: str, *, short: bool) -> Iterator[tuple[str, str]]:
    charge, group = story.charge, story.group
    yield (
        "charge",
        _joined(charge, "source", "billing_period", "ServiceName", "ChargeCategory", "SubAccountId", "RegionId"),
    )
    yield (
        "",
        _joined(
            charge, "ChargeDescription", "ResourceId", "x_machine", "x_purchase_model", "x_model_raw", "x_token_class"
        ),
    )
    yield (
        "costs",
        " · ".join(f"{name} {_text(charge[column])}" for name, column in COSTS.items())
        + f" {charge['BillingCurrency']}",
    )
    yield "period", f"{_text(charge['ChargePeriodStart'])} to {_text(charge['ChargePeriodEnd'])} (end excluded)"
    if charge["part_start"]:
        span = f"{_text(charge['part_start'])} to {_text(charge['part_end'])}"
        yield "part", f"{span} of it: a rule or a team changes within the period, and the costs are those of this part"
    yield "file", story.file.name
    yield "sha256", story.file.sha256
    line = f", line {story.raw.line}" if story.raw and story.raw.line else ""
    part = f", part {charge['part_no']} of it" if charge["part_no"] > 1 else ""
    yield "record", f"{charge['record_no']}{line}{part} · explain {story.file.sha256[:HASH]}:{charge['record_no']}"
    yield "delivery", _joined(story.delivery, "format", "scope", "dataset", "manifest", "decision")
    yield "rule", _rule(story.rule)
    yield (
        "group",
        f"{_text(group['slot_start'])} to {_text(group['slot_end'])} · {_counted(group['row_count'])} · {cost} {_text(group[MEASURES[cost]])} {group['BillingCurrency']}",
    )
    for rate in story.rates:
        yield "rate card", (_tokens if "tokens" in rate else _chips)(rate) + _aside(rate, group)
    if any("tokens" in rate for rate in story.rates):
        yield "", f"billed are {_text(group['quantity'])} {group['unit']}, at the average of what was counted"
    elif group["x_token_class"]:
        yield "rate card", "none: no source counted these tokens"
    for number, posting in enumerate(story.postings[:SHOWN_POSTINGS]):
        yield "postings" if not number else "", _posting(posting, cost)
    if len(story.postings) > SHOWN_POSTINGS:
        yield "", f"and {len(story.postings) - SHOWN_POSTINGS} more; --format json has all"
    values = story.raw.values if story.raw else {}
    filled = [(name, value) for name, value in values.items() if value]
    if short:
        yield "raw row", " · ".join(f"{name} = {value}" for name, value in filled)
    for number, (name, value) in enumerate([] if short else filled):
        yield "raw row" if not number else "", f"{name} = {value}"
    if len(filled) < len(values):
        yield "", f"({len(values) - len(filled)} blank columns)"


def _counted(charges: int) -> str:
    """Say how many charges a group counts; one of smaller parts counts none, since each counts where its largest part is."""
    return f"{charges:,} charge{'s' if charges > 1 else ''}" if charges else "parts of charges"


def _chips(rate: dict[str, Any]) -> str:
    if not rate["card"]:
        return f"none in force for {_text(rate['chip_hours'])} chip-hours of {rate['chip']}, or not for all of them"
    price = f"{_text(rate['price_per_chip_hour'])} {rate['currency']} per chip-hour of {rate['chip']} at "
    card = f"{rate['card']} ({rate['layer']}): {price}" if rate["price_per_chip_hour"] else "several tiers or cards: "
    return f"{card}{_text(rate['chip_hours'])} chip-hours of the group = {_text(rate['rate_cost'])} {rate['currency']}"


def _tokens(rate: dict[str, Any]) -> str:
    counted = f"{rate['tokens']:,} {rate['token_class']} tokens of {rate['model']} counted in its time"
    if rate["reason"]:
        return f"none for {counted}: {rate['reason']}"
    price = f"{_text(rate['price_per_million'])} {rate['currency']} per million"
    return f"{rate['card']} ({rate['layer']}): {price} at {counted} = {_text(rate['rate_cost'])} {rate['currency']}"


def _aside(rate: dict[str, Any], group: dict[str, Any]) -> str:
    """Say why a card that is in force does not price the charge."""
    if rate["is_estimate"]:
        return ", an estimate: it charges nobody"
    return "" if rate["currency"] in (None, group["BillingCurrency"]) else f", not in {group['BillingCurrency']}"


def _joined(values: dict[str, Any], *names: str) -> str:
    found = [
        f"{values[name]:%Y-%m}" if name == "billing_period" else str(values[name])
        for name in names
        if values[name] not in (None, "")
    ]
    return " · ".join(found) or UNKNOWN


def _rule(rule: dict[str, Any]) -> str:
    if not rule["ordinal"]:
        return "none applies: unallocated"
    when = rule["definition"].get("when", {})
    parts = [
        f"when {name} is {' or '.join(values) if isinstance(values, list) else values}" for name, values in when.items()
    ]
    parts += [f"{name} {value}" for name, value in rule["definition"].items() if name not in ("name", "when")]
    numbered = f"{rule['ordinal']}, " if rule["ordinal"] > 0 else ""
    return f"{numbered}{rule['name']}" + (f": {', '.join(parts)}" if parts else "")


def _posting(posting: dict[str, Any], cost: str) -> str:
    owner = " / ".join(str(posting[name] or UNKNOWN) for name in ("team", "model", "purpose"))
    state = f" ({posting['state']})" if posting["state"] not in (None, "loaded") else ""
    through = f", passed on by {posting['passed_by']}" if posting["passed_by"] else ""
    pool = f" · pool {posting['pool']}{state}{through}" if posting["pool"] else ""
    share = (
        f" · {_percent(posting['base'], posting['base_total'])} by {posting['method']} ({posting['base']:,} of {posting['base_total']:,})"
        if posting["base_total"]
        else ""
    )
    reason = f" · {posting['reason']}" if posting["reason"] else ""
    return f"{posting['kind']} {owner}{pool}{share} · {_text(posting[MEASURES[cost]])} {posting['BillingCurrency']} · {posting['evidence']}{reason}"


def _percent(part: Decimal, whole: Decimal) -> str:
    return f"{Decimal(part) * 100 / Decimal(whole):.2f} %"


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def plain(story: Story) -> dict[str, Any]:
    """Return a story as JSON has it: decimals and times as text, whole numbers as numbers."""
    raw = story.raw
    where = {"name": story.file.name, "sha256": story.file.sha256, "bytes": story.file.bytes}
    return {
        "file": where | {"record": story.charge["record_no"], "line": raw.line if raw else None},
        "raw": {"text": raw.text, "values": raw.values} if raw else None,
        **{name: _plain(getattr(story, name)) for name in ("charge", "delivery", "rule", "group", "rates", "postings")},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int) else _text(value)


def as_rows(stories: Sequence[Story]) -> Rows:
    """Return the charges as rows, for CSV and Parquet: where each came from, what it is, what decided."""
    columns = ("sha256", "file", "record", "line", "part", "source", "billing_period", "account", "sub_account", "service", "category", "currency",
               "billed", "effective", "list", "contracted", "rule", "group_id", "raw")  # fmt: skip
    types = (
        "VARCHAR",
        "VARCHAR",
        "BIGINT",
        "BIGINT",
        "INTEGER",
        *("VARCHAR",) * 7,
        *("DECIMAL(38,18)",) * 4,
        *("VARCHAR",) * 3,
    )
    rows = []
    for story in stories:
        charge, raw = story.charge, story.raw
        where = (story.file.sha256, story.file.name, charge["record_no"], raw.line if raw else None, charge["part_no"])
        what = (
            charge["source"],
            f"{charge['billing_period']:%Y-%m}",
            *(
                charge[name]
                for name in ("BillingAccountId", "SubAccountId", "ServiceName", "ChargeCategory", "BillingCurrency")
            ),
        )
        costs = tuple(charge[name] for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"))
        rows.append((*where, *what, *costs, story.rule["name"], charge["group_id"], raw.text if raw else None))
    return Rows(columns, types, rows)
