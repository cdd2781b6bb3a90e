"""Token counts from the samples of counters: derived anew for the days that a delivery's samples touch, from all samples of the source."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources

from costctl.errors import InputRefused
from costctl.ledger import problems, store
from costctl.ledger.intake import Intake
from costctl.ledger.store import Ledger

TARGET = "counter_samples"
REACH = (  # the days from the sample before the delivery's, or from the counter's beginning, to the sample behind them
    "WITH mine AS (SELECT series, min(ts) AS lo, max(ts) AS hi, min(started) AS begun FROM ledger.counter_samples WHERE delivery_id = $id GROUP BY 1), "
    "around AS (SELECT m.lo, m.hi, m.begun, max(s.ts) FILTER (WHERE s.ts < m.lo) AS before, min(s.ts) FILTER (WHERE s.ts > m.hi) AS behind "
    "FROM mine AS m JOIN ledger.counter_samples AS s ON s.source = $source AND s.series = m.series GROUP BY ALL) "
    "SELECT CAST(min(COALESCE(before, LEAST(lo, begun))) AS DATE), CAST(max(COALESCE(behind, hi)) AS DATE) FROM around"
)
AT_ONCE = (  # one counter that stood at two values at one moment, as one scraper says
    "SELECT series, ts, min(value), max(value), max(file_no) FILTER (WHERE delivery_id = $id) FROM ledger.counter_samples AS s "
    "WHERE source = $source AND series IN (SELECT series FROM ledger.counter_samples WHERE delivery_id = $id) "
    "GROUP BY series, scraped_by, ts HAVING min(value) <> max(value) AND bool_or(delivery_id = $id) ORDER BY ts, series LIMIT 1"
)
KINDS = {
    "reset": "{number:,} time{s} a counter of {counts} began anew: at most {at_most:,} are missing, by the highest rate seen",
    "gap": "{number:,} time{s} a counter of {counts} was not looked at for long, first since {since:%Y-%m-%d}: what it grew by is spread over that time",
    "jump": "{number:,} time{s} a counter of {counts} grew by more than a million a second, and 1,000 times as fast as usual, first at {place} from {since:%Y-%m-%d %H:%M:%S} on: "
    "it counts; look whether it is a count",
    "first": "{number:,} counter{s} of {counts} begin with a first sample: what was counted before is not known",
}


def derive(ledger: Ledger, intake: Intake, periods: Iterable[date]) -> None:
    """Count the hours of the source anew where this delivery, or what it took the place of, has samples."""
    about = {"id": intake.identity, "source": intake.delivery.source}
    _refuse_two_at_once(ledger, intake, about)
    ((first, last),) = ledger.run(REACH, about).rows
    days = [day for day in (first, last, *periods) if day is not None]
    if not days:
        return
    values = {
        "source": intake.delivery.source,
        "since": _midnight(min(days)),
        "until": _midnight(max(days)) + timedelta(days=1),
    }
    for statement in _statements():
        ledger.run(statement, {name: value for name, value in values.items() if f"${name}" in statement})


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  the ledger's times are UTC without a zone


@cache
def _statements() -> tuple[str, ...]:
    return tuple(store.statements((resources.files("costctl.ledger") / "counters.sql").read_text(encoding="utf-8")))


def _refuse_two_at_once(ledger: Ledger, intake: Intake, about: dict[str, str]) -> None:
    for series, moment, least, most, file_no in ledger.run(AT_ONCE, about).rows:
        raise InputRefused(
            intake.delivery.files[file_no - 1].name,
            "says that one counter stood at two values at one moment",
            evidence=[series, f"{least:,} and {most:,} at {moment}"],
            remedy="Two engines need something that tells them apart: a label such as instance or pod, or their names in the names of the files.",
        )


def notes(ledger: Ledger, intake: Intake) -> list[str]:
    """Say where something of the counters may be missing, and how much at most, or is more than anybody counts."""
    query = (
        "SELECT kind, counts, count(*), COALESCE(sum(at_most), 0), min({'since': ts_start, 'file': file_no, 'record': record_no}) "
        "FROM ledger.counter_gaps WHERE delivery_id = $id GROUP BY ALL ORDER BY ALL"
    )
    return [
        KINDS[kind].format(
            number=number,
            s="" if number == 1 else "s",
            counts=_named(counts),
            at_most=int(at_most),
            since=first["since"],
            place=problems.place_of(intake.readings[first["file"] - 1], first["record"]) if kind == "jump" else "",
        )
        for kind, counts, number, at_most, first in ledger.run(query, {"id": intake.identity}).rows
    ]


def _named(counts: str) -> str:
    return counts if counts == "requests" else f"{counts} tokens"
