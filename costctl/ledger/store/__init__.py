"""Open the ledger: locked, locked down, versioned; run SQL on it; nothing else in costctl imports duckdb."""

from costctl.ledger.store.opening import SCHEMA_VERSION, create, in_memory, opened, rebuilt, scratch
from costctl.ledger.store.session import Ledger, refused, spool, statements

__all__ = [
    "SCHEMA_VERSION",
    "Ledger",
    "create",
    "in_memory",
    "opened",
    "rebuilt",
    "refused",
    "scratch",
    "spool",
    "statements",
]
