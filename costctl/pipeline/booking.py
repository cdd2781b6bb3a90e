"""What costctl books itself: the months of chips of one's own, of manual adjustments and of prepaid schedules."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date

from costctl import rates
from costctl.bills import entries
from costctl.files.faulting import fault
from costctl.ledger import own
from costctl.ledger.store import Ledger
from costctl.nouns import Outcome
from costctl.pipeline import groups
from costctl.pipeline.runs import Run, known


def book(ledger: Ledger, run: Run, told: Callable[[Outcome], None]) -> None:
    """Have the ledger hold what the cards and entries of one's own say of its months now."""
    items, months = [known(run.config)[name] for name in own.DATASETS], own.months(ledger)
    billed = own.bills(ledger) if run.config.prepaid else []  # in which their purchases are looked for
    seal = hashlib.sha256(
        repr([run.settings(), [item.fingerprint for item in items], months, billed]).encode()
    ).hexdigest()
    if ledger.meta("own") == seal and not own.lost(ledger):
        return
    statements = {item: _statements(ledger, run, item.name, months) for item in items}
    to_book = [item for item in items if statements[item] or own.booked(ledger, item)]
    for item in to_book:
        for outcome in own.book(ledger, statements[item], item, groups.settings(ledger, run)):
            if outcome.status == "loaded":
                told(outcome)
            fault("booked")
    if to_book:
        ledger.set_meta("own", seal)


def _statements(ledger: Ledger, run: Run, name: str, months: Sequence[date]) -> dict[date, str]:
    """Return the statements of a format of the source `own`, by month."""
    if name == own.CHIPS:
        return rates.statements([run.config.at(card) for card in run.config.cards], months, say=run.say)
    return entries.statements(ledger, run.config, name, months, groups.compiled(ledger, run.config), run.say)
