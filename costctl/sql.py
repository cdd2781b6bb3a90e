"""The only sqlglot: do DuckDB and Spark read a model alike, and how does it look as Spark SQL.

`lint` walks the syntax tree of a model, a check or a report and says, one sentence each, what the two engines would
answer differently, mostly without an error: RULES, at the end, is the list. `spark` writes the same file as Spark SQL.
A run on DuckDB alone never imports this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

MACROS = Path(__file__).parent / "models" / "macros.sql"
NO_RULES = "{'rule': 0, 'team': '', 'model': '', 'purpose': '', 'pool': ''}"
WIDEST = 38
MARK = re.compile(r"(\w+): (.*)")

Macros = dict[str, tuple[list[str], exp.Expr]]


class Rule(NamedTuple):
    """A construct the portable subset leaves out: which nodes, what to do instead, and when it applies."""

    nodes: type[exp.Expr] | tuple[type[exp.Expr], ...]
    words: str
    when: Callable[[exp.Expr], object] = lambda _: True


def lint(text: str, name: str, known: set[str]) -> list[str]:
    """Return a sentence for each thing wrong in a model, check or report that may read the `known` tables."""
    try:
        statements = [statement for statement in sqlglot.parse(text, read="duckdb") if statement]
    except SqlglotError as error:
        return [f"{name}: does not parse: {str(error).splitlines()[0]}"]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return [f"{name}: must be exactly one SELECT"]
    tree = statements[0]
    faults = [*_header_faults(text, name), *_token_faults(text), *_table_faults(tree, known)]
    broken = ((n, rule) for n in tree.walk() for rule in RULES if isinstance(n, rule.nodes) and rule.when(n))
    faults += [f"{_fragment(node)}: {rule.words}" for node, rule in broken]
    if tree.is_star:
        faults.append("the final SELECT must list its columns, never `*`")
    return [f"{name}: {fault}" for fault in dict.fromkeys(faults)]


def spark(text: str, rules: str = NO_RULES) -> str:
    """Return a file as Spark SQL, our macros expanded and RULES() replaced by the given DuckDB expression."""
    macros: Macros = {**_macros(), "rules": ([], sqlglot.parse_one(rules, read="duckdb"))}
    tree = _expanded(sqlglot.parse_one(text, read="duckdb"), macros)
    for node in reversed([*tree.find_all(exp.DateDiff, exp.Anonymous, exp.Window)]):
        _mean_the_same_on_spark(node)
    return tree.sql(dialect="spark", pretty=True, comments=False, unsupported_level=ErrorLevel.RAISE)


def _mean_the_same_on_spark(node: exp.Expr) -> None:
    """Count days between dates, as Spark counts by 24 hours; name error; close `OVER w - x`, where Spark reads w-x."""
    if isinstance(node, exp.DateDiff) and node.text("unit") == "DAY":
        for side in ("this", "expression"):
            node.set(side, exp.cast(node.args[side], exp.DType.DATE))
    elif node.name.lower() == "error":
        node.set("this", "RAISE_ERROR")
    elif isinstance(node, exp.Window) and isinstance(node.parent, exp.Sub):
        node.replace(exp.paren(node))


@cache
def _macros() -> Macros:
    """Return our scalar macros by name: the parameters and the expression of each."""
    made = filter(None, sqlglot.parse(MACROS.read_text("utf-8"), read="duckdb"))
    return {m.this.this.name.lower(): ([name.name for name in m.this.expressions], m.expression) for m in made}


def _expanded(tree: exp.Expr, macros: Macros) -> exp.Expr:
    """Put the bodies of macros in the place of their calls, in the tree itself: to copy it at each takes longer than all the rest."""

    def expand(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Anonymous) or node.name.lower() not in macros:
            return node
        parameters, body = macros[node.name.lower()]
        return _closed(_expanded(_filled(body, dict(zip(parameters, node.expressions, strict=True))), macros))

    return tree.transform(expand, copy=False)


def _filled(body: exp.Expr, arguments: dict[str, exp.Expr]) -> exp.Expr:
    def fill(node: exp.Expr) -> exp.Expr:
        is_parameter = isinstance(node, exp.Column) and not node.table and node.name in arguments
        return _closed(arguments[node.name].copy()) if is_parameter else node

    return body.transform(fill)


def _closed(node: exp.Expr) -> exp.Expr:
    return exp.paren(node, copy=False) if isinstance(node, exp.Binary | exp.Predicate | exp.Neg | exp.Not) else node


def _header_faults(text: str, name: str) -> Iterator[str]:
    comment = takewhile(lambda line: line.startswith("--"), text.splitlines())
    lines = [line.removeprefix("--").strip() for line in comment]
    marks = {mark[1]: mark[2] for line in lines if (mark := MARK.match(line))}
    sentence = " ".join(takewhile(lambda line: not MARK.match(line), lines))
    if not sentence.endswith(".") or re.search(r"\. [A-Z]", sentence):
        yield "the header must begin with one sentence and its full stop"
    if re.match(r"\d\d_", Path(name).name) and "Grain" not in marks:
        yield "the header of a model must have a line `-- Grain: one row per ...`"
    if marks.get("Keep", "yes") != "yes":
        yield "the header says `-- Keep: yes` or nothing about keeping"


def _token_faults(text: str) -> Iterator[str]:
    """Yield what the tree no longer shows: sqlglot completes a bare DECIMAL and reads LEN as LENGTH."""
    words = [token.text.upper() for token in sqlglot.tokenize(text, read="duckdb")]
    for word, following in pairwise([*words, ""]):
        if word in {"DECIMAL", "NUMERIC"} and following != "(":
            yield "bare DECIMAL is (18,3) here and (10,0) on Spark: state precision and scale"
        if word == "LEN" and following == "(":
            yield "LEN: write LENGTH of a text, ARRAY_LENGTH of a list"


def _table_faults(tree: exp.Query, known: set[str]) -> Iterator[str]:
    readable = {table.lower() for table in known} | {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            yield f"{_fragment(table)}: reads no table; a series is FROM t, UNNEST(GENERATE_SERIES(...)) AS s(x)"
        elif table.name.lower() not in readable:
            yield f"reads {table.name}, which is neither a source table nor made by a lower number"


def _fragment(node: exp.Expr) -> str:
    return shorten(node.sql(dialect="duckdb", comments=False), 80, placeholder="…")


def _sides(node: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    return node.args["this"].unnest(), node.args["expression"].unnest()


def _is_cast(node: exp.Expr, types: set[exp.DType]) -> bool:
    return isinstance(node, exp.Cast) and node.to.this in types


def _is_double(node: exp.Expr) -> bool:
    wraps = isinstance(node, exp.Nullif | exp.Neg | exp.Paren)
    return _is_cast(node, {exp.DType.DOUBLE}) or (wraps and _is_double(node.this))


def _is_never_zero(node: exp.Expr) -> bool:
    inner = node.this if isinstance(node, exp.Cast) else node
    return isinstance(inner, exp.Nullif) or (isinstance(inner, exp.Literal) and inner.name.strip("0.") != "")


def _is_no_ratio_of_doubles(node: exp.Expr) -> bool:
    above, below = _sides(node)
    return not (_is_double(above) and _is_double(below) and _is_never_zero(below))


def _precision(node: exp.Expr) -> tuple[int, int]:
    """Return precision and scale of a cast to DECIMAL, else zeros."""
    params = [int(param.name) for param in node.args["to"].expressions] if _is_cast(node, {exp.DType.DECIMAL}) else []
    return (params[0], params[1]) if len(params) > 1 else (sum(params), 0)


def _is_too_wide(node: exp.Expr) -> bool:
    (left, left_scale), (right, right_scale) = map(_precision, _sides(node))
    return bool(left and right and left_scale + right_scale and left + right >= WIDEST)


def _cuts_fraction(node: exp.Expr) -> bool:
    value = node.this.unnest()
    return _is_cast(node, INTEGERS) and (isinstance(value, exp.Div) or _is_double(value) or _precision(value)[1] > 0)


def _is_interval(node: exp.Expr) -> bool:
    return isinstance(node, exp.Interval) or (isinstance(node, exp.Mul) and any(map(_is_interval, _sides(node))))


def _is_bare_date_sum(node: exp.Expr) -> bool:
    is_typed = isinstance(node.parent, exp.Cast) or any(_is_cast(side, STAMPS) for side in _sides(node))
    return any(map(_is_interval, _sides(node))) and not is_typed


def _is_date_difference(node: exp.Expr) -> bool:
    left, right = _sides(node)
    return _is_cast(left, TIMES) and not _is_interval(right)


def _is_unsorted_list(node: exp.Expr) -> bool:
    return not (isinstance(node.parent, exp.Filter) and isinstance(node.parent.parent, exp.ArraySort))


STAMPS = {exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ}
TIMES = {exp.DType.DATE, *STAMPS}
INTEGERS = {exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT}
SCALARS = {exp.DType.DOUBLE, exp.DType.DECIMAL, exp.DType.BOOLEAN, exp.DType.TEXT, exp.DType.VARCHAR}
TYPES = {*TIMES, *INTEGERS, *SCALARS, exp.DType.ARRAY, exp.DType.MAP, exp.DType.STRUCT}
PARTS = {"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE"}
QUANTILES = (exp.WithinGroup, exp.PercentileCont, exp.PercentileDisc, exp.Quantile, exp.ApproxQuantile)
CLOCK = (exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp)
CHANCE = (*CLOCK, exp.Rand, exp.Uuid, exp.TableSample, exp.AnyValue, exp.First, exp.Last)

RULES = (
    # Numbers.
    Rule(exp.Div, "divide CAST(a AS DOUBLE) by NULLIF(CAST(b AS DOUBLE), 0)", _is_no_ratio_of_doubles),
    Rule(exp.IntDiv, "divide only CAST AS BIGINT", lambda n: not all(_is_cast(side, INTEGERS) for side in _sides(n))),
    Rule(exp.Mul, "the product is too wide: cast so that p1 + p2 + 1 <= 38", _is_too_wide),
    Rule(exp.Avg, "has another type on Spark: SUM over COUNT, each CAST AS DOUBLE"),
    Rule(exp.Sum, "depends on the order of rows: SUM decimals, then cast", lambda n: _is_double(n.this)),
    Rule(exp.Cast, "DuckDB rounds, Spark cuts: CAST(ROUND(x, 0) AS BIGINT) of a decimal", _cuts_fraction),
    Rule(exp.Literal, "write CAST('...' AS DECIMAL(p,s))", lambda n: not (n.is_string or n.is_int)),
    Rule(exp.Trunc, "becomes CAST AS BIGINT on Spark: CASE with FLOOR and CEIL"),
    Rule((exp.Floor, exp.Ceil), "has another type on Spark: cast it", lambda n: not isinstance(n.parent, exp.Cast)),
    Rule(exp.Median, "take the MEDIAN of CAST(x AS DOUBLE)", lambda n: not _is_double(n.this)),
    Rule(QUANTILES, "is approximate on Spark, or missing: ROW_NUMBER and the nearest rank"),
    Rule(exp.DataType, "is not a type of both engines", lambda n: n.this not in TYPES),
    # Times.
    Rule(exp.DateDiff, "counts otherwise on Spark: day or second", lambda n: n.text("unit") not in {"DAY", "SECOND"}),
    Rule(exp.Extract, "is numbered otherwise on Spark, or missing", lambda n: n.name.upper() not in PARTS),
    Rule((exp.DayOfWeek, exp.DayOfWeekIso), "write DATE_DIFF('day', DATE '2024-01-01', d) % 7 + 1: Monday is 1"),
    Rule((exp.Add, exp.Sub), "may be DATE or TIMESTAMP: CAST(... AS DATE) or AS TIMESTAMP", _is_bare_date_sum),
    Rule(exp.Sub, "is an interval on Spark: DATE_DIFF('day', a, b)", _is_date_difference),
    Rule((exp.DateAdd, exp.DateSub, exp.DateBin), "is not on Spark: CAST(d + INTERVAL ... AS DATE)"),
    Rule(exp.Interval, "write n * INTERVAL '1' HOUR", lambda n: not isinstance(n.this, exp.Literal)),
    Rule((exp.UnixToTime, exp.TimeToUnix), "write DATE_DIFF('second', TIMESTAMP '1970-01-01', t)"),
    Rule(exp.AtTimeZone, "depends on the session; times are UTC since ingest"),
    Rule(exp.WindowSpec, "write ROWS over a dense calendar", lambda n: n.find(exp.Interval) is not None),
    # Texts, lists and maps.
    Rule(exp.Func, "JSON is read at ingest, not in a query", lambda n: "JSON" in type(n).__name__.upper()),
    Rule(exp.RegexpReplace, "replaces all on Spark: pass 'g'", lambda n: "g" not in n.text("modifiers")),
    Rule(exp.Substring, "positions count from 1", lambda n: n.text("start") == "0"),
    Rule(exp.GroupConcat, "write ARRAY_TO_STRING of a sorted list"),
    Rule(exp.ArrayAgg, "write LIST_SORT(ARRAY_AGG(x) FILTER (WHERE x IS NOT NULL))", _is_unsorted_list),
    Rule(exp.Bracket, "fails on Spark when out of range: SPLIT_PART", lambda n: not n.expressions[0].is_string),
    Rule(exp.Anonymous, "no function of both engines", lambda n: n.name.lower() not in {*_macros(), "rules", "error"}),
    # The shape of a query.
    Rule(exp.Join, "join by plain conditions: valid_from <= day AND day < valid_to", lambda n: n.args.get("method")),
    Rule((exp.Star, exp.Columns), "list the columns", lambda n: any(n.args.values())),
    Rule(exp.SetOperation, "BY NAME is not on Spark: list the columns in order", lambda n: n.args.get("by_name")),
    Rule(exp.With, "RECURSIVE is not on every Spark", lambda n: n.args.get("recursive")),
    Rule(exp.CTE, "MATERIALIZED is not on Spark", lambda n: n.args.get("materialized") is not None),
    Rule(exp.Qualify, "QUALIFY hides a step: a CTE with ROW_NUMBER and WHERE"),
    Rule(exp.Distinct, "DISTINCT ON leaves a row to chance: ROW_NUMBER", lambda n: n.args.get("on")),
    Rule(CHANCE, "leaves the answer to chance or the clock: MIN, MAX, a parameter"),
)
