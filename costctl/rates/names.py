"""Which model a name means, by the very model that names what bills and token counts say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from costctl.ledger import build, store
from costctl.rates import tables
from costctl.rates.facts import Facts

EVER, NEVER = date(1900, 1, 1), date(9999, 12, 31)
STUB = "charge_groups (billing_period DATE, raw_model VARCHAR, x_model_raw VARCHAR)"  # what it reads of bills


def models(names: Iterable[str], facts: Facts) -> dict[str, str]:
    """Return the model of each name, in lower case, that an alias in force since then and still knows."""
    aliases = [(raw, model, start or EVER, end or NEVER) for raw, model, start, end in tables.aliases(facts)]
    month = date(2000, 1, 1)
    with store.in_memory() as ledger:
        build.bind(ledger)
        ledger.run(f"CREATE TEMP TABLE {STUB}")
        ledger.insert("temp.charge_groups", [(month, None, name) for name in names if _is_text(name)])
        ledger.insert("ledger.model_aliases", aliases)
        build.derive(ledger, month, ("model_names",))
        query = "SELECT raw, model FROM temp.model_names WHERE model IS NOT NULL AND valid_to = $never"
        return dict(ledger.run(query, {"never": NEVER}).rows)


def _is_text(name: str) -> bool:
    """Tell whether a name can be written down: JSON may spell half a character."""
    return not any("\ud800" <= character <= "\udfff" for character in name)
