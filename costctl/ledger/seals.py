"""Seals: what the rows that the ledger keeps of a model were made of; where that is as it was, they stand, and nothing is read again."""

from __future__ import annotations

import hashlib
import json
from datetime import date

from costctl.ledger.models import Model
from costctl.ledger.store import Ledger

# Which records of usage there are on the days that a period needs: each counts once, or not at all, and says what its delivery's format made of it.
USAGE = (
    "SELECT u.delivery_id, d.definition, count(*), sum(u.file_no), sum(u.record_no), sum(u.part_no), count(u.flags) "
    "FROM ledger.token_usage AS u JOIN ledger.deliveries AS d USING (delivery_id) CROSS JOIN temp.usage_span AS s "
    "WHERE u.ts_start >= CAST(s.first_day AS TIMESTAMP) AND u.ts_start < CAST(s.end_day AS TIMESTAMP) GROUP BY ALL ORDER BY ALL"
)


def of(ledger: Ledger, model: Model) -> str:
    """Return a fingerprint of what a model stands with: records of usage, reference tables, and models that were computed in this run."""
    tables = json.loads(ledger.meta("reference_tables") or "{}")
    parts = [str(ledger.run(USAGE).rows)]
    parts += [
        tables.get(name) or str(ledger.run(f"SELECT * FROM temp.{name} ORDER BY ALL").rows) for name in model.stands
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def stands(ledger: Ledger, model: Model, period: date, seal: str) -> bool:
    """Return whether what the ledger keeps of a model and period is of this seal; else note that it will be, in the transaction that writes it."""
    key = f"seal {model.name} {period}"
    if ledger.meta(key) == seal:
        return True
    ledger.set_meta(key, seal)
    return False


def lift(ledger: Ledger) -> None:
    """Have nothing stand."""
    ledger.run("DELETE FROM ledger.meta WHERE key LIKE 'seal %'")
