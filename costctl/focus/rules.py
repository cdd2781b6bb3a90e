"""The rules of a version: those that columns.csv implies for each column, and those of rules.yaml, each as one SQL condition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from costctl import documents, focus
from costctl.focus import FocusColumn

NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
INSTANT = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"
TYPES = {  # the condition that breaks a type, of the text {raw} and the typed value {column}; what is wrong then
    "decimal": (
        f"NOT regexp_full_match({{raw}}, '{NUMBER}') OR {{column}} IS NULL",
        "is not a plain number of at most 20 digits before the point",
    ),
    "instant": (
        f"NOT regexp_full_match({{raw}}, '{INSTANT}') OR {{column}} IS NULL",
        "is not written like 2026-10-01T00:00:00Z",
    ),
    "currency": ("NOT regexp_full_match({raw}, '[A-Z]{3}')", "is not a code of three capital letters"),
    "json": (
        "CASE WHEN json_valid({raw}) THEN json_type({raw}) <> 'OBJECT' ELSE TRUE END",
        "is not a JSON object",
    ),
}
STAND_INS = ("N/A", "NA", "NONE", "-", "NOT APPLICABLE", "UNDEFINED")
MAY_STAND_IN = "HostProviderName"  # FOCUS itself says Not Applicable there


@dataclass(frozen=True)
class Rule:
    """A rule about one column: its name, how binding it is, the condition of a row that breaks it, and what is wrong then."""

    name: str
    column: str
    level: str  # must | should
    when: str
    what: str
    other: str = ""  # the column it is compared with


def of_columns(header: tuple[str, ...], version: str) -> list[Rule]:
    """Return the rules that a header breaks by itself: columns that are missing, and names that are not of FOCUS."""
    known, what = focus.columns(version), f"is no column of FOCUS {version}, and its name lacks x_"
    absent = [rule for column in known.values() if (rule := _absent(column, header))]
    foreign = [name for name in header if name not in known and not name.startswith("x_")]
    return absent + [Rule("custom-name", name, "must", "TRUE", what) for name in foreign]


def _absent(column: FocusColumn, header: tuple[str, ...]) -> Rule | None:
    """Say that a column is missing where every file has it, or where this one has the column that it comes with."""
    if column.name in header:
        return None
    if column.companion in header:
        level = "should" if column.level == "recommended" else "must"
        return Rule("present", column.name, level, "TRUE", f"is missing, while {column.companion} is there")
    if column.level == "conditional":  # only the provider knows whether it applies
        return None
    return Rule("present", column.name, "must" if column.level == "mandatory" else "should", "TRUE", "is missing")


def of_rows(version: str) -> list[Rule]:
    """Return the rules about rows: of each column by itself, then those between columns."""
    own = [rule for column in focus.columns(version).values() for rule in _of_one(column)]
    return own + [rule for item in _declared() for rule in _spelt_out(item, version)]


def _of_one(column: FocusColumn) -> list[Rule]:
    name, raw = column.name, f'"raw {column.name}"'
    found = []
    if not column.nulls:
        found.append(Rule("filled", name, "must", f"{raw} IS NULL", "is empty"))
    if column.type in TYPES:
        when, what = TYPES[column.type]
        found.append(Rule("type", name, "must", f"{raw} IS NOT NULL AND ({_named(when, name)})", what))
    elif column.values:
        listed = ", ".join(f"'{value}'" for value in column.values)
        found.append(
            Rule("value", name, "must", f"{name} NOT IN ({listed})", f"is not one of {', '.join(column.values)}")
        )
    elif column.type == "string":
        words = ", ".join(f"'{word}'" for word in STAND_INS if (name, word) != (MAY_STAND_IN, "NOT APPLICABLE"))
        found.append(
            Rule(
                "stand-in",
                name,
                "must",
                f"trim({raw}) = '' OR upper(trim({raw})) IN ({words})",
                "holds a stand-in where it should be empty",
            )
        )
    return found


@cache
def _declared() -> tuple[dict[str, Any], ...]:
    with resources.as_file(resources.files("costctl.focus") / "rules.yaml") as path:
        return tuple(documents.read(Path(path)).value)


def _spelt_out(item: dict[str, Any], version: str) -> list[Rule]:
    """Return a declared rule for each of its columns that the version has."""
    known, columns = focus.columns(version), item["columns"]
    pairs = columns.items() if isinstance(columns, dict) else [(name, "") for name in columns]
    return [
        Rule(
            item["rule"],
            name,
            item["level"],
            _named(item["when"], name, other),
            _named(item["what"], name, other),
            other,
        )
        for name, other in pairs
        if name in known and item.get("since", "1.0") <= version
    ]


def _named(text: str, column: str, other: str = "") -> str:
    """Return a declared text with its marks replaced by names of columns."""
    return text.replace("{column}", column).replace("{other}", other).replace("{raw}", f'"raw {column}"')
