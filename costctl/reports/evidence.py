"""How well a figure is proved: the grades of evidence that postings have, and the mix of them under a report."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from costctl.errors import UsageError, shown
from costctl.ledger import models
from costctl.ledger.store import Ledger
from costctl.nouns import Span

GRADES = ("invoiced", "contracted", "list", "estimated", "imputed")  # the best first, as in models/macros.sql
ANY = GRADES[-1]


def least(text: str | None) -> str:
    """Read `--min-evidence contracted`: the weakest grade by which teams are charged, any where nothing is said."""
    if text is None:
        return ANY
    if text not in GRADES:
        what = f"{shown(text)} is not a grade of evidence"
        raise UsageError("--min-evidence", what, remedy=f"Grades, the best first: {', '.join(GRADES)}.")
    return text


def mix(ledger: Ledger, span: Span, *, calendar: str, cost: str) -> list[str]:
    """Say per currency what part of the absolute cost is of each grade."""
    text = (resources.files("costctl.reports") / "_evidence.sql").read_text(encoding="utf-8")
    values = {"start": span.start, "end": span.end, "calendar": calendar, "cost": cost}
    rows = ledger.run(models.qualified(text), values).rows
    parts = {currency: [row[1:] for row in rows if row[0] == currency] for currency, _, _ in rows}
    return [f"evidence of {currency}: {_listed(found)}" for currency, found in parts.items()]


def _listed(found: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{grade} {percent or '<1'} %" for grade, percent in found)
