"""Seals: what the rows that the ledger keeps of a model were made of; where that is as it was, they stand, and nothing is read again."""

from __future__ import annotations

import hashlib
import json
from datetime import date

from costctl.ledger.models import Model
from costctl.ledger.store import Ledger

# What is counted on the days that a period needs, all of it: a delivery that comes later may change what an earlier one counts.
USED = (
    "WITH used AS (SELECT u.* FROM ledger.token_usage AS u CROSS JOIN temp.usage_span AS s "
    "WHERE u.ts_start >= CAST(s.first_day AS TIMESTAMP) AND u.ts_start < CAST(s.end_day AS TIMESTAMP)), "
    "reach AS (SELECT delivery_id, file_no, min(record_no) AS first_record, max(record_no) AS last_record FROM used GROUP BY ALL) "
    "SELECT 'records', count(*), bit_xor(hash(u)), sum(hash(u) % 1000000007) FROM used AS u UNION ALL "
    "SELECT 'tokens', count(*), bit_xor(hash(q)), sum(hash(q) % 1000000007) FROM ledger.token_quantity AS q "
    "JOIN reach AS r ON r.delivery_id = q.delivery_id AND r.file_no = q.file_no AND q.record_no BETWEEN r.first_record AND r.last_record ORDER BY 1"
)


def of(ledger: Ledger, model: Model) -> str:
    """Return a fingerprint of what a model stands with: records of usage, reference tables, and models that were computed in this run."""
    tables = json.loads(ledger.meta("reference_tables") or "{}")
    parts = [str(ledger.run(USED).rows)]
    parts += [
        tables.get(name) or str(ledger.run(f"SELECT * FROM temp.{name} ORDER BY ALL").rows) for name in model.stands
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def held(ledger: Ledger, model: Model, period: date) -> str | None:
    """Return the seal of what the ledger keeps of a model and period."""
    return ledger.meta(_key(model, period))


def put(ledger: Ledger, model: Model, period: date, seal: str) -> None:
    """Note the seal of a model and period, in the transaction that writes its rows."""
    ledger.set_meta(_key(model, period), seal)


def lift(ledger: Ledger) -> None:
    """Have nothing stand."""
    ledger.run("DELETE FROM ledger.meta WHERE key LIKE 'seal %'")


def _key(model: Model, period: date) -> str:
    return f"seal {model.name} {period}"
