"""What teams booked of pools beyond what there is of them."""

from __future__ import annotations

from decimal import Decimal

from costctl import reports
from costctl.ledger.store import Ledger
from costctl.nouns import Span

MICRO = 1_000_000


def warnings(ledger: Ledger, span: Span) -> list[str]:
    """Say of which pools reservations sum to more than there is, so that who left what they booked bears idle time in proportion."""
    lines = []
    query = reports.query("_overbooked.sql")
    for pool, grain, tokens, slots, since, *weights, seconds in ledger.run(
        query, {"start": span.start, "end": span.end}
    ).rows:
        booked, paid = (_written(Decimal(weight) / seconds / MICRO / (tokens or 1)) for weight in weights)
        what, when = "units" if tokens else "chips", f"{'hour' if grain == 'hour' else 'day'}{'s' if slots > 1 else ''}"
        lines.append(
            f"{booked} {what} of the pool {pool} are booked where {paid} were paid, on {slots} {when} from {since:%Y-%m-%d}: "
            "who left what they booked bears idle time in proportion"
        )
    return lines


def _written(number: Decimal) -> str:
    return f"{round(number, 2).normalize():,f}"
