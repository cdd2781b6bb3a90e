"""The nouns of the trade, as frozen dataclasses.

Format                a bill format or a token source: one folder with a YAML file and one SELECT
├─ Column           a logical column: the headers it may have, its type, whether it must be there
└─ NotRead          a kin of the format that it cannot read
InputFile             one file as found: where it is, what it holds, its header
Delivery              the files that speak together for some periods, and how they are to be read
Rows                  a query's answer: column names, types and rows
Outcome               what an ingest did with one delivery
Span                  days from start to end, as a user names a period
CompiledRules         the ordered rules as one SQL expression with its bound values
Progress              who is told how far a long work is
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Column:
    """A logical column of a format and the headers (folded) under which files carry it."""

    name: str
    headers: tuple[str, ...]
    header: str  # the first of them as the provider writes it, for messages
    type: str  # text | money | quantity | instant | us_date | currency | json | json_unbraced | nested | whole
    required: bool = False  # the header must be there
    filled: bool = False  # a record without a value is set aside
    after: str | None = None  # the column whose moment this one must be later than
    not_before: str | None = None  # the column whose moment this one may be, but not be earlier than
    ends: str | None = None  # the column whose moment this one is the end of: not before it, nor long after it
    constant: str | None = None  # what every record has, where no column of the file says it
    spelling: str | None = None  # SQL over {x}: the file's spelling in ours; what it puts `!` before does not fit
    reason: str = ""  # what is wrong with a text that does not fit


@dataclass(frozen=True)
class NotRead:
    """How a file is known that looks like a format and cannot be read as one, and what to say of it."""

    all: tuple[str, ...]  # folded headers that are there
    none: tuple[str, ...]  # and that are not
    what: str
    remedy: str


@dataclass(frozen=True)
class Format:
    """A bill format or a token source; `home` is its folder, its name the folder's name."""

    name: str
    kind: str  # bill | usage
    title: str
    home: Path
    readers: tuple[str, ...]  # csv | json | parquet | metrics
    deliveries: str  # files | log | aws_manifest | azure_manifest | append | month_to_date | invoice_month
    datasets: tuple[tuple[str, tuple[str, ...]], ...]  # (name, words of a path that tell it); empty: there is one
    across: bool  # the SELECT looks across records: a month is derived from all its live deliveries
    detect_all: tuple[str, ...]
    detect_none: tuple[str, ...]
    refines: str | None
    columns: tuple[Column, ...]
    null_words: tuple[str, ...]
    tag_prefixes: tuple[tuple[str, str], ...]  # (header prefix, namespace put before the key)
    exclusions: tuple[tuple[str, str], ...]  # (name, SQL condition)
    target: str  # charges | token_usage | counter_samples | accelerator_usage | accelerator_gauges
    role: str  # evidence role of a token source
    sql: str
    fingerprint: str
    delimiter: str = ","  # of its CSV
    as_written: bool = False  # headers are compared as they are written, but for case and blanks
    tag_headers: tuple[str, ...] = ()  # columns that are tags by their own name
    unended: bool = False  # a last line without an end is how it comes
    not_read: tuple[NotRead, ...] = ()  # its kin that it cannot read
    stored: tuple[str, ...] = ()  # further columns of the bill that are kept, as x_NAME of the charges
    detect_any: tuple[str, ...] = ()  # folded headers of which one is there at least
    grain: str = "request"  # request | bucket: of usage, which of two records of one key counts; of a bill, that each group of a bucket stands once
    unknown: tuple[str, ...] = ()  # patterns of folded headers: a column of which the format has none is refused
    way: str = ""  # to the records within a JSON value, as `files.unfolded` reads it; empty: each value is a record


def named_content(sha256: str, name: str) -> str:
    """Return a content with the last part of its name."""
    return f"{sha256} {name.rpartition('/')[2]}"


@dataclass(frozen=True)
class InputFile:
    """A file as found on disk, its content known by hash."""

    path: Path
    name: str  # as the user or the manifest names it
    content: str  # csv | json | parquet | metrics
    compression: str  # none | gzip | zip
    header: tuple[str, ...]
    sha256: str = ""
    bytes: int = 0
    delimiter: str = ","
    sealed: bool = False  # a checksum inside (gzip, zip, parquet) proves that the file is whole
    way: str = ""  # to the records within a JSON value

    @property
    def identity(self) -> str:
        """Return what makes it this file and no other: its content, and of metrics its name, which tells when and from whom."""
        return named_content(self.sha256, self.name) if self.content == "metrics" else self.sha256

    @property
    def unfolded(self) -> bool:
        """Tell whether its records are made of it before they are read as a table."""
        return bool(self.way) or self.content == "metrics"


@dataclass(frozen=True)
class Delivery:
    """Files of one source, scope and dataset that replace or join what the ledger holds for their periods."""

    source: str
    scope: str
    dataset: str
    format: Format
    files: tuple[InputFile, ...]
    manifest: str | None = None
    version: str | None = None  # when it was made, as a text that sorts by time; None: only its content can tell
    kind: str = "files"  # what it is by `bills.deliveries`
    declared: bool = False  # the user says that it is of this kind
    period: str | None = None  # what the manifest says, for messages
    older: tuple[str, ...] = ()  # manifests that its folder shows to be older than its own
    role: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> dict[str, str]:
        """Return what it shares with the deliveries that it replaces or joins, as values of a query."""
        return {"source": self.source, "scope": self.scope, "dataset": self.dataset}

    @property
    def plain(self) -> bool:
        """Tell whether it is just files: nothing about them, or in them, says which of several is the newest."""
        return self.kind == "files"

    @property
    def appended(self) -> bool:
        """Tell whether it belongs beside what is there, and supersedes nothing."""
        return self.kind in ("append", "log")

    @property
    def to_date(self) -> bool:
        """Tell whether it holds its months so far: how far its usage goes tells which of several is the newest."""
        return self.kind == "month_to_date"


@dataclass(frozen=True)
class Rows:
    """A query's answer."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        """Return each row as a dictionary by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Outcome:
    """What an ingest did with one delivery, for the person who ran it."""

    source: str
    format: str
    status: str  # loaded | nothing to do | older, skipped | replaced before, skipped
    files: int
    records: int
    quarantined: int
    periods: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class CompiledRules:
    """The ordered rules as one expression over a charge: STRUCT(rule, team, model, purpose, pool)."""

    expression: str
    parameters: dict[str, Any]
    fingerprint: str
    listed: tuple[tuple[int, str, str], ...]  # ordinal, name, definition as JSON


class Progress(Protocol):
    """Told again and again how many more bytes (of an export: rows) are done, and how many rows were in them, where that is known."""

    def __call__(self, amount: int, rows: int = 0) -> None:
        """Add what was done since the last time."""


def unwatched(amount: int, rows: int = 0) -> None:
    """Take no notice: nobody waits for this work."""


EVER, NEVER = date(1900, 1, 1), date(9999, 12, 31)  # what an alias without a beginning, or without an end, has


def shifted(day: date, months: int) -> date:
    """Return the first of the month so many months away."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


# Decimals of the smallest coin where they are not two: ISO 4217, list one.
COINS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


def coin_places(currency: str) -> int:
    """Return how many decimals the smallest coin of a currency has."""
    return next((places for places, names in COINS.items() if currency in names.split()), 2)


@dataclass(frozen=True)
class Span:
    """Days from start to end, the end excluded, as the user named them."""

    start: date
    end: date
    label: str

    @property
    def whole_months(self) -> bool:
        """Tell whether the span consists of calendar months, which billing periods are."""
        return self.start.day == 1 and self.end.day == 1

    def before(self) -> Span:
        """Return the span of the same length that ends where this one starts."""
        if not self.whole_months:
            return Span(self.start - (self.end - self.start), self.start, "before")
        months = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
        return Span(shifted(self.start, -months), self.start, "before")
