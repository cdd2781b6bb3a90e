"""What teams booked of pools beyond what there is of them."""

from __future__ import annotations

from decimal import Decimal

from costctl.ledger.store import Ledger
from costctl.nouns import Span

MICRO = 1_000_000
BEYOND = (  # slots of which more is booked than paid, the worst with its seconds; what a later bill adds of chips is paid, too
    "WITH booked AS (SELECT pool, slot_start, slot_end, max(booked) AS booked FROM ("
    "SELECT pool, billing_period, slot_start, slot_end, sum(booked) AS booked FROM ledger.reserved_time GROUP BY ALL) GROUP BY ALL), "
    "there AS (SELECT pool, slot_start, slot_end, sum(paid) AS paid FROM (SELECT DISTINCT pool, billing_period, slot_start, slot_end, paid FROM ledger.chip_time "
    "WHERE pool NOT IN (SELECT pool FROM ledger.pool_capacity)) GROUP BY ALL UNION ALL SELECT pool, slot_start, slot_end, max(paid) FROM ("
    "SELECT pool, billing_period, slot_start, slot_end, sum(weight) AS paid FROM ledger.pool_time WHERE pool IN (SELECT pool FROM ledger.pool_capacity) GROUP BY ALL) GROUP BY ALL) "
    "SELECT pool, p.grain, k.tokens_per_unit_minute, count(*), min(slot_start), "
    "arg_max([booked, paid, date_diff('second', slot_start, slot_end)], booked - paid) "
    "FROM booked JOIN there USING (pool, slot_start, slot_end) JOIN ledger.pools AS p USING (pool) LEFT JOIN ledger.pool_capacity AS k USING (pool) "
    "WHERE booked > paid AND slot_start >= $start AND slot_start < $end GROUP BY ALL ORDER BY pool"
)


def warnings(ledger: Ledger, span: Span) -> list[str]:
    """Say of which pools reservations sum to more than there is, so that who left what they booked bears idle time in proportion."""
    lines = []
    for pool, grain, tokens, slots, first, (booked, paid, seconds) in ledger.run(
        BEYOND, {"start": span.start, "end": span.end}
    ).rows:
        have, are = (_written(Decimal(weight) / seconds / MICRO / (tokens or 1)) for weight in (booked, paid))
        what, when = "units" if tokens else "chips", f"{'hour' if grain == 'hour' else 'day'}{'s' if slots > 1 else ''}"
        lines.append(
            f"{have} {what} of the pool {pool} are booked where {are} were paid, on {slots} {when} from {first:%Y-%m-%d}: "
            "who left what they booked bears idle time in proportion"
        )
    return lines


def _written(number: Decimal) -> str:
    return f"{round(number, 2).normalize():,f}"
