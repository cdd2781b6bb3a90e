"""What internal rates leave out: use of pools that no rate names, which is charged to nobody, or whose quantity is not known."""

from __future__ import annotations

from costctl.ledger.store import Ledger
from costctl.nouns import Span

WITHOUT = (
    "SELECT pool, unit, string_agg(DISTINCT model, ', ' ORDER BY model), sum(quantity), count(*) FILTER (WHERE quantity IS NULL) FROM ledger.recharged_use "
    "WHERE day >= $start AND day < $end AND (rate IS NULL OR quantity IS NULL) GROUP BY 1, 2 ORDER BY 1, 2"
)
PLURAL = {"million tokens": "million tokens", "chip hour": "chip-hours", "request": "requests"}


def warnings(ledger: Ledger, span: Span) -> list[str]:
    """Say what of a pool was used and is charged to nobody, since no internal rate names it, or nobody knows how much it is."""
    lines = []
    for pool, unit, models, quantity, unknown in ledger.run(WITHOUT, {"start": span.start, "end": span.end}).rows:
        if quantity:
            lines.append(
                f"{quantity.normalize():,f} {PLURAL[unit]} of the pool {pool} have no internal rate and are charged to nobody ({models}): costctl report recovery"
            )
        if unknown:
            lines.append(f"{PLURAL[unit]} of the pool {pool} are not known and are charged to nobody ({models})")
    return lines
