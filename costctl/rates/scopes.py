"""Which requests a token price is for: prompts of some length, some hours of the day; all of them, where it says neither.

context_tier     all | up to 272k | above 272k | above 128k up to 272k; k is a thousand prompt tokens, `up to` includes its last one
time_window_utc  01:00-04:00, half-open; 16:30-00:30 goes past midnight; Mon-Fri 01:00-04:00 and Sat-Sun are of some days of the week

The prompt is everything that goes in: uncached, read from a cache, written into one. The whole request is billed at its step.
Tiers of chip prices are scopes, too: of chip-hours instead of prompts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from costctl.files.cells import Wrong

MINUTES = 60
DAY = 24 * MINUTES
WEEK = 7
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
THOUSAND = 1000
Number = int | float | Decimal
STEP = re.compile(
    r"(?:above (?P<above>[1-9]\d{0,11})(?P<above_k>k)?)?(?:(?:^| )up to (?P<up_to>[1-9]\d{0,11})(?P<up_to_k>k)?)?"
)
NAMED = "|".join(WEEKDAYS)
DAYS = re.compile(rf"(?:(?P<first>{NAMED})(?:-(?P<last>{NAMED}))?)?\s*(?P<hours>.*)", re.IGNORECASE)
HYPHEN = re.compile(r"\s*-\s*")
WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True)
class Scope:
    """Prompts of more than `above` and up to `up_to` tokens, minutes of the day from `start` to before `end`; None is without bound.

    Days of the week go from `day` to before `day_end`, Monday being 0.
    """

    above: int | Decimal | None = None
    up_to: int | Decimal | None = None
    start: int | None = None
    end: int | None = None
    day: int = 0
    day_end: int = WEEK

    def rivals(self, other: Scope) -> bool:
        """Tell whether a request may be of both and neither is the closer one: a step is closer than all prompts, hours than the day."""
        same_kind = (self.has_step, self.has_window) == (other.has_step, other.has_window)
        same_days = _meet((self.day, self.day_end), (other.day, other.day_end))
        return same_kind and same_days and _meet(self._tokens, other._tokens) and _meet(self._minutes, other._minutes)

    @property
    def has_step(self) -> bool:
        """Tell whether it asks for the length of the prompt."""
        return (self.above, self.up_to) != (None, None)

    @property
    def has_window(self) -> bool:
        """Tell whether it asks for the hour."""
        return self.start is not None

    @property
    def _tokens(self) -> tuple[Number, Number]:
        return -1 if self.above is None else self.above, float("inf") if self.up_to is None else self.up_to

    @property
    def _minutes(self) -> tuple[Number, Number]:
        return self.start or 0, DAY if self.end is None else self.end


WHOLE = Scope()


def _meet(one: tuple[Number, Number], other: tuple[Number, Number]) -> bool:
    return max(one[0], other[0]) < min(one[1], other[1])


def context(text: str) -> tuple[int | None, int | None]:
    """Return the prompt tokens above which, and up to which, a price holds."""
    words = " ".join(text.lower().split())
    found = STEP.fullmatch(words)
    if words == "all":
        return None, None
    if not words or not found:
        remedy = "Write all, up to 272k, above 272k, or above 128k up to 272k: 272k are 272000 prompt tokens."
        raise Wrong("is not a step of the prompt's length", remedy)
    above, up_to = (_tokens(found[name], found[f"{name}_k"]) for name in ("above", "up_to"))
    if above and up_to and above >= up_to:
        raise Wrong("ends before it begins", "Write the smaller number first: above 128k up to 272k.")
    return above, up_to


def _tokens(digits: str | None, thousands: str | None) -> int | None:
    return int(digits) * (THOUSAND if thousands else 1) if digits else None


Part = tuple[int, int, int, int]  # minutes of the UTC day, days of the week, both half-open


def window(text: str) -> tuple[Part, ...]:
    """Return the minutes of the UTC day, and the days, on which a price holds, in parts where they go past midnight or past Sunday.

    The whole week has no parts: it is as if no window were there.
    """
    said = DAYS.fullmatch(HYPHEN.sub("-", text.strip()))
    hours = said["hours"] if said else text
    days = _days(said["first"], said["last"]) if said and said["first"] else [(0, WEEK)]
    minutes = [(0, DAY, 0)] if hours in ("", "00:00-24:00") else _minutes(hours)
    parts = tuple(
        (start, end, *part)
        for start, end, later in minutes
        for first, last in days
        for part in _shifted(first, last, later)
    )
    return () if parts == ((0, DAY, 0, WEEK),) else parts


def _minutes(text: str) -> list[tuple[int, int, int]]:
    """Return the parts of a day and how many days after the first each is."""
    found = WINDOW.fullmatch(text)
    start, end = (int(found[hour]) * MINUTES + int(found[hour + 1]) for hour in (1, 3)) if found else (0, DAY + 1)
    if end > DAY:
        remedy = (
            "Write it in UTC as 01:00-04:00, the end excluded; 16:30-00:30 goes past midnight, Mon-Fri may stand before it. "
            "Days or hours that lie apart are a row each."
        )
        raise Wrong("is not a part of the day", remedy)
    if start == end % DAY:
        raise Wrong("begins where it ends", "Leave it empty for a price of the whole day.")
    parts = [(start, end, 0)] if start < end else [(start, DAY, 0), (0, end, 1)]
    return [part for part in parts if part[0] < part[1]]


def _days(first: str, last: str | None) -> list[tuple[int, int]]:
    """Return the parts of a week from the first to the last day named, both of them in it."""
    start, end = WEEKDAYS.index(first.lower()), WEEKDAYS.index((last or first).lower()) + 1
    if start == end % WEEK:
        return [(0, WEEK)]
    return [(start, end)] if start < end else [(start, WEEK), (0, end)]


def _shifted(first: int, last: int, days: int) -> list[tuple[int, int]]:
    """Return days of the week so many days later, in two parts where they go past Sunday."""
    if not days or last - first == WEEK:
        return [(first, last)]
    parts = [(first + days, min(last + days, WEEK)), (0, last + days - WEEK)]
    return [part for part in parts if part[0] < part[1]]
