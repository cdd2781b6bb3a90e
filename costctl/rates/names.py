"""Which model a name means, by the very model that names what bills and token counts say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from costctl.files import cells
from costctl.ledger import build, store
from costctl.nouns import EVER, NEVER
from costctl.rates import tables
from costctl.rates.facts import Facts

STUB = "charge_groups (billing_period DATE, raw_model VARCHAR, x_model_raw VARCHAR, slot_start TIMESTAMP, slot_end TIMESTAMP)"  # what it reads of bills


def models(names: Iterable[str], facts: Facts) -> dict[str, str]:
    """Return the model of each name, in lower case, that an alias in force since then and still knows."""
    aliases = [(raw, model, start or EVER, end or NEVER) for raw, model, start, end in tables.aliases(facts)]
    month = date(2000, 1, 1)
    with store.in_memory() as ledger:
        build.bind(ledger)
        ledger.run(f"CREATE TEMP TABLE {STUB}")
        ledger.insert("temp.charge_groups", [(month, None, name, None, None) for name in names if cells.is_text(name)])
        ledger.insert("ledger.model_aliases", aliases)
        build.derive(ledger, month, ("model_names",))
        query = "SELECT raw, model FROM temp.model_names WHERE model IS NOT NULL AND valid_to = $never"
        return dict(ledger.run(query, {"never": NEVER}).rows)
