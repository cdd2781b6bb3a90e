"""Where deliveries arrive, how files of one's own are read, and what `costctl run` writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from costctl.config.parts import Part, Role, Texts, Wanted


class Source(Part):
    """Where deliveries arrive: a folder or file, and what it is when it should not be guessed."""

    name: str = Field(min_length=1)
    path: Path
    format: str | None = Field(default=None, alias="as")
    role: Role | None = None
    dataset: str | None = None
    deliveries: Literal["files", "log", "append", "month_to_date", "invoice_month"] | None = None


class Money(Part):
    """How a file writes amounts that are not plain numbers."""

    decimal: Literal[".", ","] = "."
    grouping: Literal["", ",", ".", "'", "blank"] = ""
    symbol: str = ""
    brackets: Literal["refused", "negative"] = "refused"

    @model_validator(mode="after")
    def _marks_apart(self) -> Money:
        if self.decimal == self.grouping:
            raise ValueError("`decimal` and `grouping` are the same mark")
        if re.search(r"[-+()\d]", self.symbol):
            raise ValueError("`symbol` holds a sign or a digit, which belong to the amount")
        return self


class ColumnMap(Part):
    """A file whose columns only its owner knows: which of them are which FOCUS columns, or which of usage, and how they write things."""

    target: Literal["bill", "tokens", "chip_time"] = "bill"
    columns: dict[str, str] = Field(min_length=1)
    constants: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    exclude: dict[str, Wanted] = {}
    tags: Texts = []
    dates: str | None = None
    grain: Literal["hour", "day", "month"] | None = None
    ends: Literal["excluded", "included"] = "excluded"
    money: Money | None = None
    delimiter: Literal[",", ";", "|", "tab"] = ","
    last_line: Literal["ended", "unended"] = "ended"
    refines: str | None = None
    key: Texts = []
    role: Literal["gateway", "client", "engine", "provider_meter"] | None = None
    deliveries: Literal["files", "log", "append", "month_to_date"] | None = None

    @model_validator(mode="after")
    def _ends_on_a_day(self) -> ColumnMap:
        if self.ends == "included" and re.search("[Hh]|seconds", self.dates or ""):
            raise ValueError("`ends: included` is for files that end on a day; with a time of day they end `excluded`")
        return self


class Export(Part):
    """A report or a table that `costctl run` writes; `{period}` in the path is replaced."""

    report: str | None = None
    table: str | None = None  # focus, or a table of the ledger
    format: Literal["csv", "parquet", "json", "md"] = "csv"
    output: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    rate_type: Literal["period_average", "period_end", "invoice", "budget"] = "period_average"

    @model_validator(mode="after")
    def _one_thing(self) -> Export:
        if (self.report is None) == (self.table is None):
            raise ValueError("an export names either a report or a table")
        if self.table and self.format not in ("csv", "parquet"):
            raise ValueError("a table is exported as csv or parquet")
        if self.table and self.currency:
            raise ValueError("a table is exported as it is; only a report is converted to a `currency`")
        return self
