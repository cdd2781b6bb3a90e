"""The exact arithmetic of apportioning against fractions: the macros by themselves, and the three models that split with them.

A unit is a millionth. Whoever has the largest weight takes what the others leave, so that the shares sum to the amount.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from costctl.ledger import build, models, store, tags

UNIT = Fraction(1, 10**6)
WHOLE = 10**38 - 1  # the largest DECIMAL(38,0)
LAST = 10**23  # the quotient of what lies closer than this to the end may be an error instead
LARGEST = 10**32 - 10**12  # in 1e-18: the last amount below 1e14 with six decimals
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "chip_hours")

QUICK = settings(deadline=None, max_examples=30)
wholes = st.integers(0, 38).flatmap(lambda digits: st.integers(-(10**digits) + 1, 10**digits - 1))
divisors = st.integers(0, 38).flatmap(lambda digits: st.integers(1, max(10**digits - 1, 1)))
amounts = st.integers(0, 32).flatmap(lambda digits: st.integers(max(-(10**digits), -LARGEST), min(10**digits, LARGEST)))
weights = st.one_of(
    st.lists(st.integers(1, 3), min_size=1, max_size=7),
    st.lists(st.integers(1, 10**17), min_size=1, max_size=4),
    st.builds(lambda weight, n: [weight] * n, st.integers(1, 10**17), st.integers(1, 9)),
    st.builds(lambda small, huge: [huge, *small], st.lists(st.integers(1, 9), max_size=5), st.integers(10**16, 10**17)),
)


@pytest.fixture(scope="module")
def ledger():
    """An empty ledger in memory, with the tables of all models."""
    with store.in_memory() as ledger:
        tags.ensure(ledger)
        build.prepare(ledger)
        yield ledger


@pytest.fixture(scope="module")
def sql(ledger):
    """Its connection, which knows the macros."""
    return ledger.connection


def decimal(value, scale=0):
    """Write a whole number of 10^-scale as a DECIMAL(38,scale)."""
    sign, digits = "-" if value < 0 else "", f"{abs(value):0{scale + 1}d}"
    text = f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"
    return f"CAST('{text}' AS DECIMAL(38, {scale}))"


def money(value):
    return decimal(value, 18)


def exact(value):
    """Return an answer's amount as a whole number of 1e-18."""
    return int(value.scaleb(18, Context(prec=60)))


def listed(rows, columns):
    return f"(VALUES {', '.join('(' + ', '.join(row) + ')' for row in rows)}) AS v({', '.join(columns)})"


def toward_zero(n, t):
    return abs(n) // t * (-1 if n < 0 else 1)


def expected(amount, named):
    """Return what each name gets of an amount (in 1e-18) by its weight: the rule of the models in whole numbers."""
    units, total = (abs(amount) + 5 * 10**11) // 10**12, sum(named.values())
    first, *others = sorted(named, key=lambda name: (-named[name], name))
    shares = {name: (1 if amount >= 0 else -1) * (units * named[name] // total) * 10**12 for name in others}
    return shares | {first: amount - sum(shares.values())}


def follows_the_law(amount, named, shares):
    """Whether shares sum to the amount, keep its sign, and lie where the law says."""
    total, first = sum(named.values()), min(named, key=lambda name: (-named[name], name))
    assert sum(shares.values()) == amount
    for name, share in shares.items():
        assert share * amount >= 0
        far = abs(Fraction(share, 10**18) - Fraction(amount, 10**18) * Fraction(named[name], total))
        # Half a unit of the amount's own digits beyond 1e-6 counts too, by the share's part in it: a quarter at most.
        assert far < (len(named) * UNIT if name == first else UNIT * Fraction(5, 4))


@QUICK
@given(st.lists(st.tuples(wholes, divisors), min_size=1, max_size=60))
@example([(0, 1), (WHOLE - LAST, 1), (WHOLE - LAST, 3), (LAST - WHOLE, 7), (7, WHOLE), (WHOLE - LAST, WHOLE - LAST)])
@example([(2**53 + 1, 1), (10**37 + 1, 2**53 - 1), (10**37 - 1, 10**37), (3 * 10**36 - 1, 3)])
def test_the_quotient_is_exact(sql, pairs):
    pairs = [(n, t) for n, t in pairs if abs(n) <= WHOLE - LAST] or [(1, 1)]
    rows = listed([(decimal(n), decimal(t), str(i)) for i, (n, t) in enumerate(pairs)], ("n", "t", "i"))
    found = sql.execute(f"SELECT exact_quotient(n, t) FROM {rows} ORDER BY i").fetchall()
    assert [int(row[0]) for row in found] == [toward_zero(n, t) for n, t in pairs]


@QUICK
@given(st.lists(st.tuples(st.integers(0, 10**24 - 1), divisors, st.integers(0, 10**14)), min_size=1, max_size=60))
@example([(10**24 - 1, 10**14, 10**14 - 1), (2**80 - 1, 10**13 - 1, 10**13 - 2), (1, 1, 0)])
def test_the_quotient_of_shares_is_exact(sql, cases):
    """Its estimate is at its worst where the quotient is long and the division leaves almost one more."""
    pairs = [(q * t + rest % t, t) for q, t, rest in cases]
    pairs = [(n, t) for n, t in pairs if n <= WHOLE - LAST] or [(1, 1)]
    rows = listed([(decimal(n), decimal(t), str(i)) for i, (n, t) in enumerate(pairs)], ("n", "t", "i"))
    found = sql.execute(f"SELECT short_quotient(n, t) FROM {rows} ORDER BY i").fetchall()
    assert [int(row[0]) for row in found] == [n // t for n, t in pairs]


@QUICK
@given(
    st.lists(
        st.tuples(
            st.integers(0, 26).flatmap(lambda digits: st.integers(0, 10**digits - 1)),
            st.sampled_from((0, 1, 5 * 10**11 - 1, 5 * 10**11, 5 * 10**11 + 1, 10**12 - 1)),
            st.sampled_from((1, -1)),
        ),
        min_size=1,
        max_size=60,
    )
)
@example(
    [(10**26 - 1, 5 * 10**11 - 1, -1), (2**53 + 1, 5 * 10**11, 1), (2**86 - 1, 10**12 - 1, 1), (0, 10**12 - 1, -1)]
)
def test_millionths_are_rounded_half_up_without_their_sign(sql, cases):
    """Next to a tie the double that they start from is the least help."""
    cases = [case for case in cases if case[0] * 10**12 + case[1] < 10**38 - 10**12] or [(1, 0, 1)]
    rows = listed([(money(sign * (m * 10**12 + rest)), str(i)) for i, (m, rest, sign) in enumerate(cases)], ("a", "i"))
    found = sql.execute(f"SELECT millionths(a) FROM {rows} ORDER BY i").fetchall()
    assert [int(row[0]) for row in found] == [m + (rest >= 5 * 10**11) for m, rest, _ in cases]


@QUICK
@given(st.integers(WHOLE - LAST, WHOLE), divisors)
@example(WHOLE, 1)
@example(WHOLE, 3)
@example(WHOLE, WHOLE)
def test_next_to_the_end_a_quotient_is_exact_or_an_error(sql, n, t):
    try:
        found = sql.execute(f"SELECT exact_quotient({decimal(n)}, {decimal(t)})").fetchone()[0]
    except (duckdb.OutOfRangeException, duckdb.ConversionException):
        return
    assert int(found) == n // t


def test_a_quotient_by_nothing_is_unknown(sql):
    assert sql.execute(f"SELECT exact_quotient({decimal(7)}, {decimal(0)})").fetchone() == (None,)


@QUICK
@given(st.lists(st.tuples(amounts, st.lists(st.integers(0, 10**17), min_size=1, max_size=5).filter(any)), max_size=20))
@example([(1, [1, 1]), (-1, [1, 0]), (LARGEST, [10**17, 10**17, 0]), (-LARGEST, [3, 3, 3])])
@example([(5 * 10**11, [1, 1]), (1499999999999, [1, 1]), (2499999999999, [4999, 5001]), (10**18, [1] * 7)])
def test_a_share_is_its_part_in_whole_units(sql, cells):
    """The macro by itself, weights of zero among them."""
    parts = [(amount, weight, sum(named)) for amount, named in cells for weight in named] or [(0, 0, 1)]
    rows = [(money(amount), decimal(weight), decimal(total), str(i)) for i, (amount, weight, total) in enumerate(parts)]
    found = sql.execute(f"SELECT share_of(a, w, t) FROM {listed(rows, ('a', 'w', 't', 'i'))} ORDER BY i").fetchall()
    units = [(abs(amount) + 5 * 10**11) // 10**12 * (-1 if amount < 0 else 1) for amount, _, _ in parts]
    assert [exact(row[0]) for row in found] == [
        toward_zero(n * weight, total) * 10**12 for n, (_, weight, total) in zip(units, parts, strict=True)
    ]


@pytest.mark.parametrize(
    ("amount", "weight", "total"),
    [
        (10**32, 1, 1),  # 1e14 is 21 digits of millionths
        (10**38 - 1, 1, 2),
        (LARGEST, 10**19, 10**19),  # 1e20 millionths x 1e19
        (-LARGEST, 10**19, 10**19),
        (10**18, WHOLE, WHOLE),
        (10**18, 10**32, 1),  # a weight beyond its total
    ],
)
def test_overflow_is_an_error(sql, amount, weight, total):
    with pytest.raises((duckdb.OutOfRangeException, duckdb.ConversionException)):
        sql.execute(f"SELECT share_of({money(amount)}, {decimal(weight)}, {decimal(total)})").fetchall()


def test_it_fits_up_to_the_last_digit(sql):
    """999,999,999,999,999,999 weighs as much as 38 digits leave for an amount just below 1e14."""
    weight = 10**18 - 1
    found = sql.execute(f"SELECT share_of({money(LARGEST)}, {decimal(weight)}, {decimal(weight)})").fetchone()[0]
    assert exact(found) == LARGEST


SLOT = "TIMESTAMP '2026-10-03' AS slot_start, TIMESTAMP '2026-10-04' AS slot_end"
MONTH = "DATE '2026-10-01' AS billing_period"
NONE_UNKNOWN = ", ".join(
    f"CAST(2 AS BIGINT) AS {name}_unknown" for name in ("billed", "effective", "list", "contracted")
)


MODELS = {item.name: item.text for item in models.listed()}


def fill(ledger, name, select):
    """Give a model's table these rows and no others; columns not named are NULL."""
    ledger.run(f"DELETE FROM temp.{name}")
    ledger.run(f"INSERT INTO temp.{name} BY NAME SELECT {select}")


def answer(ledger, model, columns, sources):
    """Run a model's own text over the rows given to its sources."""
    text = text_of(ledger, model, sources)
    values = models.used(text, models.parameters(date(2026, 10, 1)))
    return ledger.run(f"SELECT {columns} FROM ({text})", values).rows


def text_of(ledger, model, sources):
    return models.qualified(MODELS[model], set(sources), build.tables(ledger))


def by_cell(rows):
    """Return {cell: {owner: costs}} of rows that begin with cell and owner; each owner stands once."""
    found = {}
    for cell, owner, *values in rows:
        assert owner not in found.setdefault(cell, {})
        found[cell][owner] = tuple(map(exact, values))
    return found


def over_teams(ledger, cells):
    """Split by pool_postings: a state cell over the teams of its shares."""
    costs = [(f"'{i}'", *map(money, values)) for i, (values, _) in enumerate(cells)]
    fill(
        ledger,
        "state_cells",
        f"id AS state_cell_id, id AS cell_id, id AS pool, 'usage' AS nature, 'loaded' AS state, 'teams|*' AS share_key, 1 AS level, "
        f"{SLOT}, {', '.join(COSTS)}, {NONE_UNKNOWN}, TRUE AS billed_incomplete FROM {listed(costs, ('id', *COSTS))}",
    )
    owners = [
        (f"'{i}'", f"'{name}'", decimal(weight), decimal(sum(named.values())))
        for i, (_, named) in enumerate(cells)
        for name, weight in named.items()
    ]
    fill(
        ledger,
        "allocation_shares",
        f"{MONTH}, id AS pool, {SLOT}, 'teams|*' AS share_key, team, 'm' AS model, 'p' AS purpose, 'x' AS method, weight, total FROM {listed(owners, ('id', 'team', 'weight', 'total'))}",
    )
    columns = f"state_cell_id, team, {', '.join(COSTS)}"
    return by_cell(answer(ledger, "pool_postings", columns, ["state_cells", "allocation_shares"]))


def over_states(ledger, cells):
    """Split by state_cells: a pool cell over the states of its chips, here told apart by the team they name."""
    costs = [(f"'{i}'", *map(money, values)) for i, (values, _) in enumerate(cells)]
    fill(
        ledger,
        "pool_cells",
        f"id AS cell_id, id AS pool, {SLOT}, 'usage' AS nature, 'aws' AS provider, {', '.join(COSTS)}, {NONE_UNKNOWN} FROM {listed(costs, ('id', *COSTS))}",
    )
    states = [
        (f"'{i}'", f"'{name}'", decimal(weight)) for i, (_, named) in enumerate(cells) for name, weight in named.items()
    ]
    fill(
        ledger,
        "pool_time",
        f"{MONTH}, id AS pool, {SLOT}, 'training' AS state, team, weight FROM {listed(states, ('id', 'team', 'weight'))}",
    )
    columns = f"cell_id, state_team, {', '.join(COSTS)}"
    return by_cell(answer(ledger, "state_cells", columns, ["pool_cells", "pool_time"]))


@pytest.mark.parametrize("split", [over_teams, pytest.param(over_states, marks=pytest.mark.slow)])
@QUICK
@given(st.lists(st.tuples(st.tuples(*[amounts] * 5), weights), min_size=1, max_size=8))
@example([((1, -1, 10**12, -(10**12), 0), [1, 1, 1]), ((LARGEST, -LARGEST, 10**18, 7, -7), [10**17] * 9)])
def test_a_model_splits_to_the_last_digit(ledger, split, cells):
    cells = [(values, {f"t{n}": weight for n, weight in enumerate(named)}) for values, named in cells]
    found = split(ledger, cells)
    for i, (values, named) in enumerate(cells):
        for place, amount in enumerate(values):
            shares = {name: costs[place] for name, costs in found[str(i)].items()}
            assert shares == expected(amount, named)
            follows_the_law(amount, named, shares)


START = datetime(2026, 10, 1, tzinfo=UTC)


@QUICK
@given(
    st.lists(
        st.tuples(st.tuples(*[amounts] * 5), st.integers(0, 30 * 86400), st.integers(1, 92 * 86400)),
        min_size=1,
        max_size=6,
    )
)
@example([((1, -1, 10**18, -LARGEST, LARGEST), 86399, 2)])
@example([((1, -1, 10**18, -LARGEST, LARGEST), 0, 86400)])
def test_days_split_to_the_last_digit(ledger, postings):
    """A posting over the UTC days it lies in, by its seconds in each."""
    rows = [
        (f"'{i}'", *(f"'{START + timedelta(seconds=at):%F %T}'" for at in (begin, begin + length)), *map(money, values))
        for i, (values, begin, length) in enumerate(postings)
    ]
    fill(
        ledger,
        "postings",
        f"{MONTH}, DATE '2026-10-01' AS booked_period, id AS posting_id, CAST(b AS TIMESTAMP) AS slot_start, CAST(e AS TIMESTAMP) AS slot_end, {', '.join(COSTS)} FROM {listed(rows, ('id', 'b', 'e', *COSTS))}",
    )
    ledger.run("DELETE FROM ledger.calendar")
    ledger.run("INSERT INTO ledger.calendar SELECT DATE '2026-10-01' + CAST(n AS INTEGER) FROM range(150) AS days(n)")
    columns = f"posting_id, CAST(day AS VARCHAR), {', '.join(COSTS)}"
    for model, source in (("long_postings", "postings"), ("long_days", "long_postings")):
        text = text_of(ledger, model, [source])
        values = models.used(text, models.parameters(date(2026, 10, 1)))
        ledger.run(f"CREATE OR REPLACE TEMP TABLE {model} AS {text}", values)
    found = by_cell(answer(ledger, "posting_days", columns, ["postings", "long_days"]))
    for i, (values, begin, length) in enumerate(postings):
        seconds = {}
        for day in range(begin // 86400, (begin + length - 1) // 86400 + 1):
            inside = min(begin + length, (day + 1) * 86400) - max(begin, day * 86400)
            seconds[f"{START + timedelta(days=day):%F}"] = inside
        for place, amount in enumerate(values):
            days = {day: costs[place] for day, costs in found[str(i)].items()}
            assert days == expected(amount, seconds)
            follows_the_law(amount, seconds, days)


def test_the_unknown_go_whole_to_the_largest(ledger):
    """A count of unknown costs cannot be split: it stays one number, with the largest weight."""
    over_teams(ledger, [((10**18, 0, 0, 0, 0), {"a": 1, "b": 5, "c": 5})])
    found = answer(
        ledger, "pool_postings", "team, billed_unknown, billed_incomplete", ["state_cells", "allocation_shares"]
    )
    assert sorted(found) == [("a", 0, True), ("b", 2, True), ("c", 0, True)]


def test_decimal_reads_what_this_file_writes(sql):
    """The helpers lose nothing themselves."""
    assert sql.execute(f"SELECT {money(-1)}, {money(LARGEST)}").fetchone() == (
        Decimal("-0.000000000000000001"),
        Decimal("99999999999999.999999"),
    )
