"""How a file writes dates, amounts and words, as SQL over {x} that gives our spelling.

A text that is not written as declared comes back with `!` before it, so that it is set aside and never guessed at; with
`strict=False` it comes back as NULL, for columns that only follow from another one.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from costctl.config.bills import Money

TOKENS = {  # of a date pattern: its regular expression, its strptime code
    "YYYY": (r"\d{4}", "%Y"),
    "YY": (r"\d{2}", "%y"),
    "MMMM": ("[A-Za-z]+", "%B"),
    "MMM": ("[A-Za-z]{3}", "%b"),
    "MM": (r"\d{2}", "%m"),
    "M": (r"\d{1,2}", "%m"),
    "DD": (r"\d{2}", "%d"),
    "D": (r"\d{1,2}", "%d"),
    "HH": (r"\d{2}", "%H"),
    "mm": (r"\d{2}", "%M"),
    "ss": (r"\d{2}", "%S"),
}
STEPS = {"hour": " + INTERVAL 1 HOUR", "day": " + INTERVAL 1 DAY", "month": " + INTERVAL 1 MONTH"}
COUNTED = re.compile(r"(?:unix (seconds|milliseconds)|(seconds|milliseconds) since (\S.*))")  # dates that are numbers
MICROSECONDS = {"seconds": 1_000_000, "milliseconds": 1_000}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 7_258_118_400_000_000  # microseconds: the year 2200 begins
NO_WORD = "is not one of the words under `values:`"
PLAIN_AMOUNT = "CASE WHEN money_fits({x}) OR is_printed_float({x}) THEN {x} END"
BLANKS = " \u00a0\u202f"  # a blank between groups of digits is often one of these


def quoted(text: str) -> str:
    """Quote a text as an SQL literal; a `{x}` in it stays what it is."""
    return "'" + text.replace("'", "''").replace("{x}", "{' || 'x}") + "'"


def date(pattern: str) -> tuple[str, str]:
    """Return the regular expression and the strptime format of a date pattern; raise ValueError for one that is none."""
    parts = re.findall("Y+|M+|D+|H+|m+|s+|T|Z|[^A-Za-z]+|[A-Za-z]", pattern)
    odd = next((part for part in parts if part.isalpha() and part not in TOKENS and part not in "TZ"), None)
    if odd:
        raise ValueError(f"{odd!r} is no part of a date; parts are {', '.join(TOKENS)}")
    for letter, word in (("Y", "year"), ("M", "month")):
        if pattern and sum(part[0] == letter for part in parts) != 1:
            raise ValueError(f"needs one {word}, as in D.M.YYYY")
    regular = "".join(TOKENS[part][0] if part in TOKENS else re.escape(part) for part in parts)
    return regular, "".join(TOKENS[part][1] if part in TOKENS else part.replace("%", "%%") for part in parts)


def counted(pattern: str | None) -> tuple[int, int] | None:
    """Return the microseconds of a unit and of the moment it is counted from, where dates are numbers; raise ValueError for no such moment."""
    found = COUNTED.fullmatch(pattern or "")
    if found is None:
        return None
    since = datetime.fromisoformat(found[3]) if found[3] else EPOCH
    start = since if since.tzinfo else since.replace(tzinfo=UTC)
    return MICROSECONDS[found[1] or found[2]], round((start - EPOCH).total_seconds()) * 1_000_000


def check(pattern: str) -> None:
    """Raise ValueError for what says nothing about dates."""
    if counted(pattern) is None:
        date(pattern)


def no_date(pattern: str | None) -> str:
    """Say what is wrong with a text that is no such date."""
    return f"is not a time in {pattern}" if counted(pattern) else f"is not a date written {pattern or 'YYYY-MM-DD'}"


def has_day(pattern: str | None) -> bool:
    """Tell whether a date pattern says the day."""
    return pattern is None or "D" in pattern or counted(pattern) is not None


def last(pattern: str | None) -> str:
    """Return the SQL that adds the last day, or month, to an end that includes it."""
    return STEPS["day" if has_day(pattern) else "month"]


def instant(pattern: str | None, *, month: bool = False, shift: str = "", strict: bool = True) -> str:
    """Return the SQL of a moment in our spelling: as it is or the start of its month, and then shifted."""
    if number := counted(pattern):
        unit, since = number
        amount = (
            f"CAST(floor(try_cast(trim({{x}}) AS DECIMAL(24,9)) * CAST({unit} AS DECIMAL(7,0))) AS BIGINT) + {since}"
        )
        found = f"make_timestamp({amount})"
        fits = f"regexp_full_match(trim({{x}}), '\\d{{1,15}}(\\.\\d{{1,9}})?') AND {amount} < {LAST}"
    elif pattern:
        regular, code = date(pattern)
        found = f"try_strptime(trim({{x}}), {quoted(code)})"
        fits = f"regexp_full_match(trim({{x}}), {quoted(regular)}) AND {found} IS NOT NULL"
    else:
        found, fits = "instant_cast({x})", "instant_fits({x})"
    start = f"CAST(date_trunc('month', {found}) AS TIMESTAMP)" if month else found
    return _case(f"WHEN {fits} THEN strftime({start}{shift}, '%Y-%m-%dT%H:%M:%S.%fZ')", strict=strict)


def amount(money: Money, *, strict: bool = True) -> str:
    """Return the SQL of an amount as a plain number."""
    blanks = f"[{BLANKS}]"
    group = blanks if money.grouping == "blank" else re.escape(money.grouping)
    digits = rf"(\d+|\d{{1,3}}({group}\d{{3}})+)" if money.grouping else r"\d+"
    number = rf"{digits}({re.escape(money.decimal)}\d+)?"
    symbol = f"({re.escape(money.symbol)})?" if money.symbol else ""
    signed = rf"([+-]?{blanks}*{symbol}|{symbol}{blanks}*[+-])" if symbol else "[+-]?"
    bare = rf"{blanks}*{signed}{blanks}*{number}{blanks}*{symbol}{blanks}*"
    text = f"replace({{x}}, {quoted(money.symbol)}, '')" if money.symbol else "{x}"
    plain = (
        f"replace(regexp_replace({text}, {quoted(f'[^0-9{money.decimal}-]')}, '', 'g'), {quoted(money.decimal)}, '.')"
    )
    cases = f"WHEN regexp_full_match({{x}}, {quoted(bare)}) THEN {plain}"
    if money.brackets == "negative":
        within = rf"{blanks}*\({blanks}*{symbol}{blanks}*{number}{blanks}*{symbol}{blanks}*\){blanks}*"
        cases += f" WHEN regexp_full_match({{x}}, {quoted(within)}) THEN '-' || {plain}"
    if money.decimal == ".":
        cases += " WHEN money_fits({x}) THEN {x}"
    return _case(cases, strict=strict)


def example(money: Money) -> str:
    """Return an amount as a file of this kind writes it."""
    mark = " " if money.grouping == "blank" else money.grouping
    return f"{money.symbol}1{mark}234{money.decimal}50"


def words(replaced: dict[str, str]) -> str:
    """Return the SQL that puts ours in the place of the file's words; case and blanks around them do not count."""
    cases = " ".join(
        f"WHEN lower(trim({{x}})) = {quoted(theirs.lower())} THEN {quoted(ours)}" for theirs, ours in replaced.items()
    )
    return _case(cases, strict=True)


def _case(cases: str, *, strict: bool) -> str:
    otherwise = "'!' || {x}" if strict else "NULL"
    return f"CASE WHEN trim({{x}}) = '' OR {{x}} IS NULL THEN NULL {cases} ELSE {otherwise} END"
