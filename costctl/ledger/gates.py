"""The gates of gates.sql, bound for one connection: each type's cast in the version that raises or in the one that records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import resources

from costctl.files import cells
from costctl.ledger import store
from costctl.ledger.faults import GATE
from costctl.ledger.store import Ledger
from costctl.nouns import COINS, Column, Format

TYPES = (
    "money",
    "quantity",
    "cents",
    "whole",
    "instant",
    "us_date",
    "unix_time",
    "billing_month",
    "currency",
    "category",
    "json",
    "json_unbraced",
    "nested",
    "object",
    "usage_object",
    "answer",
    "metric_label",
    "time_grain",
    "credits",
    "labels",
    "chips",
    "chip_state",
)
SHARED = (
    "ledger/gates.sql",
    "ledger/classes.sql",
    "models/macros.sql",
)  # what a format's SELECT may use beside its gates
DERIVED = {"counter_samples": "ledger/counters.sql"}  # a target → what is made of its rows, with the same macros
ALWAYS = (
    "has_long_number",
    "rounded_away",
    "rounded_away_of_double",
)  # for any format
ROUNDED = ("money", "quantity", "credits")
# The macros of a type that statements name; where nothing is recorded, the first.
PARTS = ("", "_fits", "_cast", "_rounds", "_floats")
PLAIN = ("money", "quantity", "whole", "instant", "usage_object", "credits", "labels")
PROVING = ("json", "json_unbraced")  # casts that are NULL where the text does not fit, so that it is parsed once
LONGEST = 32  # days of a bucket: a month, in whatever time zone
NUMBERS = {"double": "DOUBLE", "decimal": "DECIMAL(38,18)", "integer": "DECIMAL(38,18)"}
TYPED = {  # a gate → what it reads as it is: the kind of a Parquet column → the type under which its macro takes it
    "money": NUMBERS,
    "quantity": NUMBERS,
    "whole": {"integer": "BIGINT"},
    "instant": {"time": "TIMESTAMP"},
    "us_date": {"time": "TIMESTAMP"},
    "json": {"map": "MAP(VARCHAR, VARCHAR)"},
}
MAPS = (  # the entries of a column of type json, and the value of one key, however it comes
    "CREATE OR REPLACE TEMP MACRO entries(x VARCHAR) AS map_entries(CAST(CAST(json(x) AS JSON) AS MAP(VARCHAR, VARCHAR))), (x MAP(VARCHAR, VARCHAR)) AS map_entries(x)",
    "CREATE OR REPLACE TEMP MACRO entry(x VARCHAR, name) AS json(x) ->> ('$.\"' || name || '\"'), (x MAP(VARCHAR, VARCHAR), name) AS x[name]",
)


def bind(ledger: Ledger, item: Format, *, raising: bool, rounding: bool = True) -> None:
    """Bind the macros that a format reads with, its casts in their raising or in their recording version.

    The recording version rounds printed binary floats, the raising one where it is told to.
    """
    parts = PARTS if rounding or not raising else PARTS[:1]
    kinds = [" ".join(f"{column.type}{part}" for part in parts) for column in item.columns]
    spelt = [column.spelling or "" for column in item.columns]
    texts = [item.sql, *(_text(file) for target, file in DERIVED.items() if target == item.target)]
    words = _words(" ".join([*ALWAYS, *kinds, *spelt, *(condition for _, condition in item.exclusions), *texts]))
    needed = []
    for name, statement in reversed(_macros(raising=raising, rounding=rounding)):
        if name in words:
            needed.append((name, statement))
            words |= _words(statement)
    for name, statement in reversed(needed):
        if ledger.gates.get(name) != statement:
            ledger.run(statement)
            ledger.gates[name] = statement


def answers(name: str, texts: Iterable[str]) -> dict[str, str]:
    """Return what a macro of one text, as formats read by, makes of each of some texts; without those it makes nothing of."""
    statement = next(text for macro, text in _macros(raising=True, rounding=True) if macro == name)
    with store.scratch([]) as ledger:
        ledger.run(statement)
        ledger.run("CREATE TEMP TABLE texts (x VARCHAR)")
        ledger.insert("temp.texts", [(text,) for text in texts if cells.is_text(text)])
        return dict(ledger.run(f"SELECT DISTINCT x, {name}(x) FROM temp.texts WHERE {name}(x) IS NOT NULL").rows)


def misplaced(item: Format, column: Column, value: Callable[[Column], str]) -> Iterator[tuple[str, str]]:
    """Yield the conditions under which a moment does not fit another one of its record, and what is wrong then."""
    at = {other.name: other for other in item.columns}
    if column.after:
        other = at[column.after]
        condition = f"{column.type}({value(column)}) <= {other.type}({value(other)})"
        yield condition, f"is not later than {other.header}"
    if column.not_before:
        other = at[column.not_before]
        condition = f"{column.type}({value(column)}) < {other.type}({value(other)})"
        yield condition, f"is earlier than {other.header}"
    if column.ends:
        other = at[column.ends]
        begin = f"{other.type}({value(other)})"
        condition = f"NOT {column.type}({value(column)}) BETWEEN {begin} AND {begin} + INTERVAL {LONGEST} DAY"
        yield condition, f"is earlier than {other.header}, or more than {LONGEST} days later"


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


@cache
def _text(file: str) -> str:
    return (resources.files("costctl") / file).read_text(encoding="utf-8")


@cache
def _macros(*, raising: bool, rounding: bool) -> list[tuple[str, str]]:
    """Return every macro that reads a value, by name: what they share, the gates in one of their versions, the maps."""
    shared = [statement for file in SHARED for statement in store.statements(_text(file))]
    found = [*shared, *(_gate(kind, raising=raising, rounding=rounding) for kind in TYPES), *MAPS, _to_coin()]
    return [(statement.split("MACRO ", 1)[1].split("(", 1)[0], statement) for statement in found]


def _to_coin() -> str:
    """Return the macro that rounds an amount to the smallest coin of its currency, half away from zero."""
    rounded = {places: f"CAST(ROUND(x, {places}) AS DECIMAL(38, 18))" for places in (2, *COINS)}
    cases = " ".join(f"WHEN code IN {tuple(names.split())} THEN {rounded[places]}" for places, names in COINS.items())
    return f"CREATE OR REPLACE TEMP MACRO to_coin(x, code) AS CASE {cases} ELSE {rounded[2]} END"


def _gate(kind: str, *, raising: bool, rounding: bool) -> str:
    """Return the macro of a type: it casts a text, or a value of Parquet, and raises or gives NULL where that would lose something."""
    plain = f"WHEN {kind}_plain(x) THEN {kind}_plain_cast(x) " if raising and kind in PLAIN else ""
    otherwise = f"error('{GATE} {kind} ' || x)" if raising else "NULL"
    if kind in ROUNDED and rounding:
        otherwise = f"CASE WHEN {kind}_rounds(x) THEN {kind}_cast(x) ELSE {otherwise} END"
    refused = f"CASE WHEN x IS NOT NULL THEN {otherwise} END"
    versions = [
        f"(x VARCHAR) AS COALESCE({kind}_cast(x), {refused})"
        if kind in PROVING
        else f"(x VARCHAR) AS CASE WHEN x IS NULL THEN NULL {plain}WHEN {kind}_fits(x) THEN {kind}_cast(x) ELSE {otherwise} END"
    ]
    for type_ in dict.fromkeys(TYPED.get(kind, {}).values()):
        cast = f"{kind}_of_{type_.partition('(')[0].lower()}(x)"
        refusal = f"error('{GATE} {kind} ' || CAST(x AS VARCHAR))" if raising else "NULL"
        versions.append(f"(x {type_}) AS CASE WHEN x IS NULL THEN NULL ELSE COALESCE({cast}, {refusal}) END")
    return f"CREATE OR REPLACE TEMP MACRO {kind}{', '.join(versions)}"
