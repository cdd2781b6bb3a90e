"""What is asked of a report in words: whose teams, by which evidence; and whether it can answer that."""

from __future__ import annotations

import re
from datetime import date

from costctl.errors import UsageError, shown
from costctl.reports import CARD, Owed, Report, able, evidence


def org_of(report: Report, text: str | None) -> date | None:
    """Read `as-posted` or `as-of=2026-10-31`: the day whose teams count; None for those of their time."""
    if text in (None, "as-posted"):
        return None
    if "$org" not in report.sql:
        raise UsageError(
            "--org", f"the report {report.name.replace('_', '-')} names no teams", remedy=f"It is for {able('$org')}."
        )
    try:
        return date.fromisoformat(re.sub("^as-of[ =:]", "", text))
    except ValueError as error:
        remedy = "Say as-posted, or as-of=2026-10-31 for the teams of that day."
        raise UsageError("--org", f"{shown(text)} is no organisation", remedy=remedy) from error


def least_evidence(report: Report, text: str | None, cost: str) -> str:
    """Read `--min-evidence contracted` for a report: of what is below it no team is charged."""
    least = evidence.least(text)
    if text and "$min_evidence" not in report.sql:
        what = f"the report {report.name.replace('_', '-')} charges no teams"
        raise UsageError("--min-evidence", what, remedy=f"It is for {able('$min_evidence')}.")
    if text and cost == CARD:
        what = "what rate cards come to is on no bill, so it has no grade of evidence"
        raise UsageError("--min-evidence", what, remedy="Leave it out, or say another --cost.")
    return least


def teams_of(report: Report, owed: Owed) -> str:
    """Say whose names the teams of a report have, where it has any that may change, and by which evidence they are charged."""
    if "$org" not in report.sql:
        return ""
    names = f", teams as of {owed.org}" if owed.org else ", teams as posted"
    return names if owed.min_evidence == evidence.ANY else f"{names}, charged by evidence {owed.min_evidence} or better"
