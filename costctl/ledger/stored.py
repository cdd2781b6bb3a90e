"""Columns of the bills that are kept besides those every charge has: `store_columns:` in costctl.yaml, as x_NAME of the charges."""

from __future__ import annotations

import json
import re

from costctl.errors import UsageError
from costctl.ledger.store import Ledger
from costctl.nouns import Format


def ensure(ledger: Ledger, wanted: dict[str, list[str]]) -> tuple[bool, list[str]]:
    """Bring the columns in line with the configuration; return whether anything changed, and which have yet to be read from bills."""
    stored = ledger.meta("store_columns")
    had: dict[str, list[str]] = json.loads(stored) if stored else {}
    if had == wanted:
        return False, []
    gone = [name for name in had if wanted.get(name) != had[name]]
    new = [name for name in wanted if wanted[name] != had.get(name)]
    there = ledger.columns("ledger.charges")
    for name in new:
        if f"x_{name}" in there and name not in had:
            remedy = "Name it differently under `store_columns:`."
            raise UsageError(f"store_columns.{name}", f"every charge has a column x_{name} already", remedy=remedy)
    with ledger.transaction():
        for name in gone:
            ledger.run(f'ALTER TABLE ledger.charges DROP COLUMN "x_{name}"')
        for name in new:
            ledger.run(f'ALTER TABLE ledger.charges ADD COLUMN "x_{name}" VARCHAR')
        ledger.set_meta("store_columns", json.dumps(wanted, sort_keys=True))
    return True, new if ledger.run("SELECT 1 FROM ledger.charges LIMIT 1").rows else []


def carried(item: Format) -> bool:
    """Tell whether a format's SELECT brings what is stored to its end."""
    return bool(re.search(r"\bstored\b", item.sql))


def columns(item: Format) -> str:
    """Return the SELECT list that fills the kept columns of new charges; blank is nothing."""
    if not carried(item):
        return ""
    return "".join(f"NULLIF(trim(f.stored['{name}']), '') AS \"x_{name}\", " for name in item.stored)
