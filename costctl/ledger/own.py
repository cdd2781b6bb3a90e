"""The source `own`: statements of each month that costctl makes itself, and takes in like bills.

What owned and leased chips cost by the cards, manual adjustments, prepaid schedules: each has a format, a dataset of the source, and
one statement a month. A month that no statement is of any more is taken out.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from costctl.files import writing
from costctl.ledger import ingest, settle
from costctl.ledger.intake import Settings
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Format, Outcome

SOURCE = "own"
CHIPS, ADJUSTMENTS, PREPAID = "own_chips", "own_adjustments", "own_prepaid"  # the formats of the statements
ENTRIES = (ADJUSTMENTS, PREPAID)  # those that only move cost: nobody bills them
DATASETS = {CHIPS: "charges", ADJUSTMENTS: "adjustments", PREPAID: "prepaid"}
NAMES = {CHIPS: "own", ADJUSTMENTS: "adjustments", PREPAID: "prepaid"}  # of a statement's file, before the month
MONTHS = (
    "SELECT DISTINCT CAST(date_trunc('month', p.period) AS DATE) FROM ledger.delivery_periods AS p JOIN ledger.deliveries AS d USING (delivery_id) "
    "WHERE p.live AND p.rows > 0 AND CASE WHEN $format IS NULL THEN d.source <> $source ELSE d.source = $source AND d.format = $format END ORDER BY 1"
)
BILLS = (
    "SELECT p.delivery_id, CAST(p.period AS VARCHAR) FROM ledger.delivery_periods AS p JOIN ledger.deliveries AS d USING (delivery_id) "
    "WHERE p.live AND d.kind = 'bill' AND d.source <> $source ORDER BY ALL"
)
COUNTING = (
    "SELECT DISTINCT f.sha256 FROM ledger.delivery_files AS f JOIN ledger.delivery_periods AS p USING (delivery_id) "
    "JOIN ledger.deliveries AS d USING (delivery_id) WHERE d.source = $source AND p.live ORDER BY 1"
)


def months(ledger: Ledger) -> list[date]:
    """Return the months of which the ledger holds a bill, tokens or chip time from elsewhere."""
    return [month for (month,) in ledger.run(MONTHS, {"source": SOURCE, "format": None}).rows]


def booked(ledger: Ledger, item: Format) -> list[date]:
    """Return the months of which the source says something by a format."""
    return [month for (month,) in ledger.run(MONTHS, {"source": SOURCE, "format": item.name}).rows]


def bills(ledger: Ledger) -> list[tuple[str, str]]:
    """Return the live bills of others with their months: what a purchase is looked for in."""
    return [(delivery, month) for delivery, month in ledger.run(BILLS, {"source": SOURCE}).rows]


def vouch(ledger: Ledger, estimates: Mapping[str, str]) -> None:
    """Note the rows that say they are estimates and charge all the same, each with a hash of what was allowed of it, or with none."""
    ledger.set_meta("estimates", json.dumps(dict(estimates), sort_keys=True))


def vouching(ledger: Ledger) -> dict[str, str]:
    """Return what was noted of such rows, by file and line."""
    found: dict[str, str] = json.loads(ledger.meta("estimates") or "{}")
    return found


def vouched(ledger: Ledger) -> set[str]:
    """Return the hashes of what was allowed of such rows."""
    return {digest for digest in vouching(ledger).values() if digest}


def estimated(ledger: Ledger, start: date, end: date) -> list[str]:
    """Return the rows, by file and line, that say they are estimates and charge the months of a span."""
    query = "SELECT 1 FROM ledger.charge_groups WHERE source = $source AND billing_period >= $start AND billing_period < $end LIMIT 1"
    rows = list(vouching(ledger))
    return rows if rows and ledger.run(query, {"source": SOURCE, "start": start, "end": end}).rows else []


def lost(ledger: Ledger) -> set[str]:
    """Return the hashes of the statements that count and are gone from the archive."""
    digests = {digest for (digest,) in ledger.run(COUNTING, {"source": SOURCE}).rows}
    return {digest for digest in digests if not (ledger.archive / digest).exists()}


def book(ledger: Ledger, statements: Mapping[date, str], item: Format, settings: Settings) -> Iterator[Outcome]:
    """Have the source hold what the statements of a format say, month by month, and nothing of other months; what the archive lost is kept again."""
    for month in booked(ledger, item):
        if month not in statements:
            with ledger.transaction():
                settle.withdraw(ledger, SOURCE, item, month, settings.rules)
    # a statement is made and not found, so its bytes are kept in any case, and the newest one counts
    names = {month: f"{NAMES[item.name]}-{month:%Y-%m}.csv" for month in statements}
    digests = {month: hashlib.sha256(text.encode()).hexdigest() for month, text in statements.items()}
    paths, gone = {digests[month]: name for month, name in names.items()}, lost(ledger)
    settings = replace(settings, decision="replace", quarantine_rows=0, archive="copy", paths=paths)
    ledger.spool.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ledger.spool) as folder:
        for month, text in statements.items():
            place = Path(folder) / names[month]
            place.write_text(text, encoding="utf-8")
            if digests[month] in gone:
                ledger.archive.mkdir(mode=0o700, exist_ok=True)
                writing.keep(place, ledger.archive, digests[month])
            file = settings.inspect(place, names[month], item)
            yield ingest.load(ledger, Delivery(SOURCE, "-", DATASETS[item.name], item, (file,)), settings)
