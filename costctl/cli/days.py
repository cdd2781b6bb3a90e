"""Days and instants as they are written on the command line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from costctl.errors import UsageError, shown


def day(at: str | None, option: str = "--at") -> date:
    """Return the day of an option, today where it is not given; raise UsageError where it is none."""
    if at is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(at)
    except ValueError as error:
        raise UsageError(option, f"{shown(at)} is not a date", remedy="Write it as 2026-10-01.") from error


def instants(at: str | None) -> tuple[datetime, datetime]:
    """Return the instants between which the answer must hold, in UTC: the one that was asked about, or a whole day."""
    if at is None or "T" not in at:
        start = datetime.combine(day(at), datetime.min.time()) if at else datetime.now(UTC).replace(tzinfo=None)
        return start, start + timedelta(days=1) if at else start
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        remedy = "Write it as 2026-11-10T01:00:00Z, or as the day 2026-11-10."
        raise UsageError("--at", f"{shown(at)} is no time", remedy=remedy) from error
    instant = (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)
    return instant, instant
