"""Seals: what the rows that the ledger keeps of a model were made of; where that is as it was, they stand, and nothing is read again.

Of records of usage a seal says nothing: who changes them lifts the seals, which is where deliveries are settled.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date

from costctl.ledger.models import Model
from costctl.ledger.store import Ledger


def of(ledger: Ledger, model: Model) -> str:
    """Return a fingerprint of what a model stands with: reference tables, and models that were computed in this run."""
    tables = json.loads(ledger.meta("reference_tables") or "{}")
    parts = [
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
    """Have nothing stand, as in the transaction that changes records of usage: a delivery may change what others count."""
    ledger.run("DELETE FROM ledger.meta WHERE key LIKE 'seal %'")


def _key(model: Model, period: date) -> str:
    return f"seal {model.name} {period}"
