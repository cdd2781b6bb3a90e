"""FOCUS, the FinOps Open Cost and Usage Specification, as declared data: its columns by version, and what belongs to which.

columns.csv says per column of Cost and Usage its type, the version that brought it, its feature level (mandatory, recommended,
conditional), whether it may be null, the column it comes with, and its allowed values. README.md names the sources.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from costctl.errors import UsageError, shown

VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4")
MARKS = (  # columns that a version brought: the first line that a header matches tells its version
    ("1.4", ("InvoiceDetailId",)),
    ("1.3", ("AllocatedMethodId", "ServiceProviderName", "HostProviderName")),
    ("1.2", ("InvoiceId", "PricingCurrency")),
    ("1.1", ("SkuMeter", "CommitmentDiscountQuantity", "ServiceSubcategory")),
)


@dataclass(frozen=True)
class FocusColumn:
    """A column of Cost and Usage."""

    name: str
    type: str  # string | decimal | instant | currency | json | subcategory (subcategories.csv)
    since: str
    level: str  # mandatory | recommended | conditional
    nulls: bool
    companion: str | None  # where this one is, it is
    values: tuple[str, ...]


@cache
def columns(version: str) -> dict[str, FocusColumn]:
    """Return the columns of a version by name, in the order of the specification: 43, 50, 57, 65 or 67 of them."""
    found = (_column(record) for record in table("columns.csv"))
    return {column.name: column for column in found if column.since <= version}


def _column(record: dict[str, str]) -> FocusColumn:
    return FocusColumn(
        name=record["column"],
        type=record["type"],
        since=record["since"],
        level=record["level"],
        nulls=record["nulls"] == "yes",
        companion=record["with"] or None,
        values=tuple(filter(None, record["values"].split("|"))),
    )


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """Return the records of one of the CSV files here."""
    return tuple(csv.DictReader(text(name).splitlines()))


def text(name: str) -> str:
    """Return one of the files here."""
    return (resources.files("costctl.focus") / name).read_text(encoding="utf-8")


def version_of(header: Iterable[str]) -> str:
    """Tell the version of a file from the columns it has; 1.0 where none that came later is there."""
    names = set(header)
    return next((version for version, marks in MARKS if names.intersection(marks)), VERSIONS[0])


def known(version: str) -> str:
    """Return a version that a user named; raise UsageError for one there are no rules for."""
    if version not in VERSIONS:
        raise UsageError(
            "--version", f"{shown(version)} is no version with rules", remedy=f"Versions: {', '.join(VERSIONS)}."
        )
    return version
