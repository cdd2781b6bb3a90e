"""Periods: what `--period` and `--last` mean, and whether a billing period's postings are up to date."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date, timedelta

from costctl.errors import UsageError, shown
from costctl.ledger import build, models
from costctl.ledger.store import Ledger
from costctl.nouns import Span, shifted

REMEDY = "Write 2026-10, 2026-Q4, 2026, or 2026-10-01..2026-11-01 (the end is excluded)."


def parse(text: str) -> Span:
    """Read a period as the user writes it; raise UsageError when it is none."""
    try:
        if match := re.fullmatch(r"(\d{4})-(\d{2})", text):
            start = date(int(match[1]), int(match[2]), 1)
            return Span(start, shifted(start, 1), text)
        if match := re.fullmatch(r"(\d{4})-Q([1-4])", text, re.IGNORECASE):
            start = date(int(match[1]), int(match[2]) * 3 - 2, 1)
            return Span(start, shifted(start, 3), text.upper())
        if re.fullmatch(r"\d{4}", text):
            return Span(date(int(text), 1, 1), date(int(text) + 1, 1, 1), text)
        if match := re.fullmatch(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})", text):
            start, end = date.fromisoformat(match[1]), date.fromisoformat(match[2])
            if start < end:
                return Span(start, end, text)
    except ValueError as error:
        raise UsageError("--period", f"{shown(text)} is not a period", evidence=str(error), remedy=REMEDY) from error
    raise UsageError("--period", f"{shown(text)} is not a period", remedy=REMEDY)


def last(text: str, today: date) -> Span:
    """Read `30d`: so many days up to and with yesterday, UTC."""
    match = re.fullmatch(r"(\d{1,4})d", text)
    if not match or int(match[1]) == 0:
        raise UsageError("--last", f"{shown(text)} is not a number of days", remedy="Write 30d.")
    start = today - timedelta(days=int(match[1]))
    return Span(start, today, f"{start}..{today}")


def latest(ledger: Ledger, *, billed: bool = False) -> Span:
    """Return the last billing period that cost something, else, but where it must be billed, the last month of tokens or chip time.

    Raises UsageError where there is none.
    """
    found = ledger.value(
        "SELECT billing_period FROM ledger.charge_groups GROUP BY billing_period "
        "ORDER BY sum(abs(EffectiveCost)) <> 0 DESC, billing_period DESC LIMIT 1"
    )
    if not billed:
        found = found or ledger.value(f"{build.PERIODS} ORDER BY 1 DESC")
    if found is None:
        raise UsageError(
            str(ledger.path), "the ledger holds no charges yet", remedy="costctl ingest PATH takes bills in."
        )
    return Span(found, shifted(found, 1), f"{found:%Y-%m}")


def held(ledger: Ledger) -> str:
    """Say of which months the ledger holds bills, and of which others tokens or chip time."""
    billed = ledger.run("SELECT DISTINCT billing_period FROM ledger.charge_groups ORDER BY 1").rows
    counted = [row for row in ledger.run(f"{build.PERIODS} ORDER BY 1").rows if row not in billed]
    kinds = {"bills of": billed, "only tokens or chip time of": counted}
    found = [f"{kind} {', '.join(f'{month:%Y-%m}' for (month,) in rows)}" for kind, rows in kinds.items() if rows]
    return f"the ledger holds {' and '.join(found) or 'nothing yet'}"


# What a period's postings depend on: its bills, and the usage of its month and of the months that they charge. Chip time may have begun long
# before, and samples of a counter may tell of the time up to the one before them.
LIVE = """
    WITH span AS (
        SELECT least($period, date_trunc('month', min(slot_start))) AS first_day, greatest($end, date_trunc('month', max(slot_end)) + INTERVAL 1 MONTH) AS end_day
        FROM ledger.charge_groups
        WHERE billing_period = $period
    )
    SELECT d.delivery_id, d.definition, CAST(p.period AS VARCHAR)
    FROM ledger.delivery_periods AS p
    JOIN ledger.deliveries AS d USING (delivery_id)
    CROSS JOIN span AS s
    WHERE p.live AND CASE
        WHEN d.kind <> 'usage' THEN p.period = $period
        WHEN d.dataset = 'counter_samples' THEN TRUE
        WHEN d.dataset = 'accelerator_usage' THEN p.period < s.end_day
        ELSE p.period >= s.first_day AND p.period < s.end_day
    END
    ORDER BY ALL
"""


def fingerprint(ledger: Ledger, period: date, settings: str) -> str:
    """Return what a period's postings depend on: live deliveries, token sources, settings and SQL, as one hash."""
    live = ledger.run(LIVE, {"period": period, "end": shifted(period, 1)}).rows
    return hashlib.sha256(json.dumps([live, settings, models.fingerprint()]).encode()).hexdigest()


def stale(ledger: Ledger, settings: str) -> list[tuple[date, str]]:
    """Return the open billing periods whose postings are missing or out of date, each with its new fingerprint."""
    known = {
        row[0]: row[1:] for row in ledger.run("SELECT billing_period, state, fingerprint FROM ledger.periods").rows
    }
    periods = ledger.run(f"{build.PERIODS} ORDER BY 1").rows
    wanted = [(period, fingerprint(ledger, period, settings)) for (period,) in periods]
    return [
        (period, seal)
        for period, seal in wanted
        if known.get(period, ("open", None))[0] == "open" and known.get(period, ("open", None))[1] != seal
    ]
