"""What of chip time cannot be used as it stands: of no pool, of more chips than there are, beyond the hours that were paid."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from costctl import reports
from costctl.errors import shown
from costctl.ledger.store import Ledger
from costctl.nouns import Rows, Span

MOST = 3  # machines that are named; of more there is the number
REMEDY = "name its node, namespace, partition or cluster under `chips:` of a pool"
EXCEEDED = (
    "SELECT pool, count(*) FROM (SELECT pool, slot_start FROM ledger.chip_time WHERE slot_start >= $start AND slot_start < $end "
    "GROUP BY ALL HAVING sum(weight) > max(paid)) GROUP BY 1 ORDER BY 1"
)


def warnings(ledger: Ledger, span: Span) -> Iterator[str]:
    """Say which chip time of a span reaches no pool, is of too many chips at once, or exceeds what was paid."""
    if not ledger.value("SELECT count(*) FROM (SELECT 1 FROM ledger.accelerator_usage LIMIT 1)"):
        return
    for found in _asked(ledger, span, "_unpooled.sql").dicts():
        hours = f"{Decimal(found['weight']) / 3_600_000_000:,.1f} chip-hours of {found['source']}"
        if found["pool"]:
            yield f"{hours} name the pool {found['pool']}, which the configuration does not have"
        else:
            yield f"{hours} belong to no pool{_place(found)}: {REMEDY}"
    crowded = _asked(ledger, span, "_overfull.sql").dicts()
    for found in crowded[:MOST]:
        has = Decimal(found["millionths"]) / 1_000_000 / found["parts"]
        yield (
            f"chip time of {shown(found['resource_id'])} by {found['source']} is of {found['chips'].normalize():f} chips at one time "
            f"({found['moment']}), and the machine on the bill has {has.normalize():f}: is one of its records there twice?"
        )
    if len(crowded) > MOST:
        yield f"chip time of {len(crowded) - MOST:,} more machines is of more chips at one time than the bill says they have"
    for pool, slots in ledger.run(EXCEEDED, {"start": span.start, "end": span.end}).rows:
        yield f"chip time of pool {pool} exceeds its paid chip-hours on {slots} day{'s' if slots > 1 else ''}; its states are taken in proportion"


def _asked(ledger: Ledger, span: Span, name: str) -> Rows:
    return ledger.run(reports.query(name), {"start": span.start, "end": span.end})


def _place(found: dict[str, object]) -> str:
    """Name a place of chip time that has no pool, as far as it is known."""
    places = {"node": found["resource_id"], "namespace": found["namespace"], "cluster": found["cluster"]}
    named = ", ".join(f"{kind} {shown(str(value))}" for kind, value in places.items() if value)
    return f" (some of it: {named})" if named else ""
