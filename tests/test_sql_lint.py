"""Each rule of the portable subset is seen to fire, and good SQL passes."""

import pytest

from costctl import sql

MACROS = """-- Two macros, the second built on the first.
CREATE TEMP MACRO half(n) AS ROUND(CAST(n AS DECIMAL(38,0)), 0);
CREATE TEMP MACRO half_of_sum(n, t) AS half(n + t) + (SELECT MAX(q) FROM (SELECT n AS q));
"""

HEADER = "-- Charges, told apart.\n-- Grain: one row per charge. It never changes.\n"

BAD = [
    # the file as a whole
    ("SELECT a FROM", "does not parse"),
    ("SELECT a FROM t; SELECT b FROM t", "exactly one SELECT"),
    ("", "exactly one SELECT"),
    ("CREATE TABLE x AS SELECT a FROM t", "exactly one SELECT"),
    ("COPY t TO 'x.csv'", "exactly one SELECT"),
    ("SELECT * FROM t", "never `*`"),
    ("SELECT t.* FROM t", "never `*`"),
    ("SELECT a FROM t UNION ALL SELECT * FROM u", "never `*`"),
    ("FROM t", "never `*`"),
    ("SELECT a FROM postings", "reads postings"),
    ("WITH x AS (SELECT a FROM t) SELECT x.a FROM x JOIN y ON x.a = y.a", "reads y"),
    ("SELECT a FROM t WHERE a IN (SELECT a FROM elsewhere)", "reads elsewhere"),
    ("SELECT a FROM 'bill.csv'", "reads bill.csv"),
    ("SELECT a FROM read_csv('bill.csv')", "reads no table"),
    ("SELECT a FROM read_parquet('bill.parquet')", "reads no table"),
    ("SELECT a FROM glob('*')", "reads no table"),
    ("SELECT a FROM duckdb_tables()", "reads no table"),
    ("SELECT a FROM range(3) AS s(a)", "reads no table"),
    ("SELECT s.d FROM generate_series(DATE '2026-10-01', DATE '2026-10-31', INTERVAL 1 DAY) AS s(d)", "UNNEST"),
    # numbers
    ("SELECT a / b FROM t", "NULLIF(CAST(b AS DOUBLE), 0)"),
    ("SELECT CAST(a AS DOUBLE) / CAST(b AS DOUBLE) FROM t", "NULLIF(CAST(b AS DOUBLE), 0)"),
    ("SELECT CAST(a AS DOUBLE) / NULLIF(b, 0) FROM t", "NULLIF(CAST(b AS DOUBLE), 0)"),
    ("SELECT a / NULLIF(CAST(b AS DOUBLE), 0) FROM t", "NULLIF(CAST(b AS DOUBLE), 0)"),
    ("SELECT a // b FROM t", "divide only CAST AS BIGINT"),
    ("SELECT CAST(a AS BIGINT) // b FROM t", "divide only CAST AS BIGINT"),
    ("SELECT CAST(a AS DECIMAL(38,18)) * CAST(b AS DECIMAL(19,12)) FROM t", "p1 + p2 + 1 <= 38"),
    ("SELECT (CAST(a AS DECIMAL(20,6))) * CAST(b AS DECIMAL(18,6)) FROM t", "p1 + p2 + 1 <= 38"),
    ("SELECT AVG(a) FROM t", "SUM over COUNT"),
    ("SELECT MEAN(a) FROM t", "no function of both engines"),
    ("SELECT SUM(CAST(a AS DOUBLE)) FROM t", "order of rows"),
    ("SELECT CAST(CAST(a AS DECIMAL(10,2)) AS BIGINT) FROM t", "DuckDB rounds, Spark cuts"),
    ("SELECT CAST(CAST(a AS DOUBLE) / CAST(2 AS DOUBLE) AS INTEGER) FROM t", "DuckDB rounds, Spark cuts"),
    ("SELECT CAST(a AS DECIMAL) FROM t", "bare DECIMAL"),
    ("SELECT a::NUMERIC FROM t", "bare DECIMAL"),
    ("SELECT 0.5 FROM t", "CAST('...' AS DECIMAL(p,s))"),
    ("SELECT a FROM t WHERE a > 1e-6", "CAST('...' AS DECIMAL(p,s))"),
    ("SELECT TRUNC(a) FROM t", "FLOOR and CEIL"),
    ("SELECT ROUND_EVEN(a, 2) FROM t", "no function of both engines"),
    ("SELECT FLOOR(a) FROM t", "cast it"),
    ("SELECT CEIL(a) FROM t", "cast it"),
    ("SELECT MEDIAN(a) FROM t", "MEDIAN of CAST(x AS DOUBLE)"),
    ("SELECT PERCENTILE_CONT(CAST('0.5' AS DOUBLE)) WITHIN GROUP (ORDER BY a) FROM t", "nearest rank"),
    ("SELECT QUANTILE_CONT(a, b) FROM t", "nearest rank"),
    ("SELECT QUANTILE_DISC(a, b) FROM t", "nearest rank"),
    ("SELECT APPROX_QUANTILE(a, b) FROM t", "nearest rank"),
    ("SELECT MAD(a) FROM t", "no function of both engines"),
    ("SELECT CAST(a AS HUGEINT) FROM t", "not a type of both engines"),
    ("SELECT CAST(a AS UBIGINT) FROM t", "not a type of both engines"),
    ("SELECT CAST(a AS FLOAT) FROM t", "not a type of both engines"),
    ("SELECT CAST(a AS TIMESTAMPTZ) FROM t", "not a type of both engines"),
    ("SELECT CAST(a AS JSON) FROM t", "not a type of both engines"),
    # times
    ("SELECT DATE_DIFF('hour', a, b) FROM t", "day or second"),
    ("SELECT DATEDIFF('month', a, b) FROM t", "day or second"),
    ("SELECT DATE_SUB('day', a, b) FROM t", "no function of both engines"),
    ("SELECT EXTRACT(dow FROM a) FROM t", "numbered otherwise"),
    ("SELECT EXTRACT(isodow FROM a) FROM t", "numbered otherwise"),
    ("SELECT EXTRACT(epoch FROM a) FROM t", "numbered otherwise"),
    ("SELECT DATE_PART('dow', a) FROM t", "no function of both engines"),
    ("SELECT DAYOFWEEK(a) FROM t", "Monday is 1"),
    ("SELECT ISODOW(a) FROM t", "Monday is 1"),
    ("SELECT a FROM t WHERE a < b + INTERVAL 1 MONTH", "CAST(... AS DATE)"),
    ("SELECT a - 2 * INTERVAL '1' HOUR FROM t", "CAST(... AS DATE)"),
    ("SELECT DATE '2026-10-01' + INTERVAL 1 MONTH AS d FROM t", "CAST(... AS DATE)"),
    ("SELECT CAST(a AS DATE) - CAST(b AS DATE) FROM t", "DATE_DIFF('day', a, b)"),
    ("SELECT DATE_ADD(a, INTERVAL 1 DAY) FROM t", "is not on Spark"),
    ("SELECT TIME_BUCKET(INTERVAL '1' HOUR, a) FROM t", "is not on Spark"),
    ("SELECT CAST(a + INTERVAL (b) HOUR AS TIMESTAMP) FROM t", "n * INTERVAL '1' HOUR"),
    ("SELECT EPOCH_MS(a) FROM t", "DATE_DIFF('second', TIMESTAMP '1970-01-01', t)"),
    ("SELECT EPOCH(a) FROM t", "DATE_DIFF('second', TIMESTAMP '1970-01-01', t)"),
    ("SELECT a AT TIME ZONE 'UTC' FROM t", "depends on the session"),
    ("SELECT TIMEZONE('UTC', a) FROM t", "no function of both engines"),
    ("SELECT SUM(a) OVER (ORDER BY d RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW) FROM t", "dense calendar"),
    ("SELECT CURRENT_DATE FROM t", "chance or the clock"),
    ("SELECT CURRENT_TIMESTAMP FROM t", "chance or the clock"),
    ("SELECT NOW() FROM t", "no function of both engines"),
    # texts, lists and maps
    ("SELECT a->'b' FROM t", "JSON is read at ingest"),
    ("SELECT a->>'b' FROM t", "JSON is read at ingest"),
    ("SELECT JSON_EXTRACT_STRING(a, 'b') FROM t", "JSON is read at ingest"),
    ("SELECT JSON_KEYS(a) FROM t", "JSON is read at ingest"),
    ("SELECT TO_JSON(a) FROM t", "no function of both engines"),
    ("SELECT REGEXP_REPLACE(a, 'x', 'y') FROM t", "pass 'g'"),
    ("SELECT SUBSTR(a, 0, 3) FROM t", "count from 1"),
    ("SELECT SUBSTRING(a, 0) FROM t", "count from 1"),
    ("SELECT STRING_AGG(a, ',' ORDER BY a) FROM t", "ARRAY_TO_STRING"),
    ("SELECT GROUP_CONCAT(a) FROM t", "ARRAY_TO_STRING"),
    ("SELECT LIST(a ORDER BY b) FROM t", "LIST_SORT(ARRAY_AGG(x) FILTER (WHERE x IS NOT NULL))"),
    ("SELECT ARRAY_AGG(a) FROM t", "LIST_SORT(ARRAY_AGG(x) FILTER (WHERE x IS NOT NULL))"),
    ("SELECT LIST_SORT(ARRAY_AGG(a)) FROM t", "LIST_SORT(ARRAY_AGG(x) FILTER (WHERE x IS NOT NULL))"),
    ("SELECT LEN(a) FROM t", "ARRAY_LENGTH of a list"),
    ("SELECT a[1] FROM t", "out of range"),
    ("SELECT a[2:3] FROM t", "out of range"),
    ("SELECT ELEMENT_AT(a, 'k') FROM t", "no function of both engines"),
    ("SELECT MAP_CONTAINS(a, 'k') FROM t", "no function of both engines"),
    ("SELECT GETVARIABLE('a') FROM t", "no function of both engines"),
    # the shape of a query
    ("SELECT t.a FROM t ASOF JOIN u ON t.a >= u.a", "valid_from <= day"),
    ("SELECT t.a FROM t POSITIONAL JOIN u", "valid_from <= day"),
    ("SELECT t.a FROM t NATURAL JOIN u", "valid_from <= day"),
    ("WITH x AS (SELECT * REPLACE (1 AS a) FROM t) SELECT a FROM x", "list the columns"),
    ("WITH x AS (SELECT * EXCLUDE (a) FROM t) SELECT b FROM x", "list the columns"),
    ("SELECT COLUMNS('a.*') FROM t", "list the columns"),
    ("SELECT a FROM t UNION ALL BY NAME SELECT a FROM u", "BY NAME"),
    ("WITH RECURSIVE x AS (SELECT a FROM t) SELECT a FROM x", "RECURSIVE"),
    ("WITH x AS MATERIALIZED (SELECT a FROM t) SELECT a FROM x", "MATERIALIZED"),
    ("WITH x AS NOT MATERIALIZED (SELECT a FROM t) SELECT a FROM x", "MATERIALIZED"),
    ("SELECT a FROM t QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1", "QUALIFY"),
    ("SELECT DISTINCT ON (a) a, b FROM t", "DISTINCT ON"),
    ("SELECT RANDOM() FROM t", "chance or the clock"),
    ("SELECT UUID() FROM t", "chance or the clock"),
    ("SELECT ANY_VALUE(a) FROM t", "chance or the clock"),
    ("SELECT FIRST(a) FROM t", "chance or the clock"),
    ("SELECT a FROM t TABLESAMPLE 10%", "chance or the clock"),
]

GOOD = [
    "SELECT a FROM t",
    "SELECT a FROM t;",
    "SELECT a FROM ledger.t WHERE b = $billing_period",
    "WITH x AS (SELECT * FROM t) SELECT x.a, COUNT(*) AS n FROM x JOIN U ON x.a = u.a GROUP BY ALL",
    "SELECT a FROM t UNION ALL SELECT a FROM u",
    "SELECT CAST(a AS DOUBLE) / NULLIF(CAST(b AS DOUBLE), 0) AS r FROM t",
    "SELECT -CAST(a AS DOUBLE) / (CAST(NULLIF(b, 0) AS DOUBLE)) AS r FROM t",
    "SELECT CAST(a AS DOUBLE) / CAST(1000000 AS DOUBLE) AS r FROM t",
    "SELECT CAST(a AS BIGINT) // CAST(b AS BIGINT) AS r, a % b AS m FROM t",
    "SELECT CAST(CAST(a AS DECIMAL(19,12)) * CAST(b AS DECIMAL(18,6)) AS DECIMAL(38,18)) AS m FROM t",
    "SELECT CAST(a AS DECIMAL(38,0)) * CAST(b AS DECIMAL(38,0)) AS units FROM t",
    "SELECT CAST('0.5' AS DECIMAL(2,1)) AS half, CAST(ROUND(a, 0) AS BIGINT) AS whole FROM t",
    "SELECT CAST(FLOOR(a) AS BIGINT) AS low, MEDIAN(CAST(a AS DOUBLE)) AS middle FROM t",
    "SELECT DATE_DIFF('day', a, b) AS days, DATE_DIFF('second', a, b) AS seconds, EXTRACT(year FROM a) AS y FROM t",
    "SELECT CAST(a + INTERVAL 1 MONTH AS DATE) AS later, CAST(a - 2 * INTERVAL '1' HOUR AS TIMESTAMP) AS b FROM t",
    "SELECT CAST(a AS TIMESTAMP) + INTERVAL 1 DAY AS b, TIMESTAMP '2026-10-01 00:00:00' - INTERVAL 1 HOUR AS c FROM t",
    "SELECT t.a, s.d FROM t, UNNEST(GENERATE_SERIES(t.a, t.b, INTERVAL 1 DAY)) AS s(d)",
    "SELECT SUM(a) OVER (ORDER BY d ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS week FROM t",
    "SELECT ARRAY_TO_STRING(LIST_SORT(ARRAY_AGG(DISTINCT a) FILTER (WHERE a IS NOT NULL)), ',') AS l FROM t",
    "SELECT a['k'] AS v, SUBSTR(b, 1, 3) AS s, REGEXP_REPLACE(c, 'x', 'y', 'g') AS r, LENGTH(b) AS n FROM t",
    "SELECT HALF(a) AS h, RULES().team AS team, ERROR('no') AS e, TRY_CAST(b AS BIGINT) AS n FROM t",
    "SELECT MAX_BY(a, b) AS m, COALESCE(a, b) AS c, ROW_NUMBER() OVER (ORDER BY a, b) AS n FROM t",
]


@pytest.fixture(autouse=True)
def macros(tmp_path, monkeypatch):
    """Lend the lint macros of its own, so that this file does not depend on the models."""
    path = tmp_path / "macros.sql"
    path.write_text(MACROS)
    monkeypatch.setattr(sql, "MACROS", path)
    sql._macros.cache_clear()
    yield
    sql._macros.cache_clear()


def lint(query, name="10_charges.sql", header=HEADER):
    return sql.lint(header + query, name, {"t", "u"})


@pytest.mark.parametrize(("query", "words"), BAD)
def test_a_fault_is_named(query, words):
    faults = lint(query)
    assert any(words in fault for fault in faults), faults
    assert all(fault.startswith("10_charges.sql: ") for fault in faults)


@pytest.mark.parametrize("query", GOOD)
def test_good_sql_passes_and_becomes_spark(query):
    assert lint(query) == []
    assert sql.spark(query)


def test_every_rule_has_a_bad_example():
    said = {fault for query, _ in BAD for fault in lint(query)}
    silent = [rule.words for rule in sql.RULES if not any(rule.words in fault for fault in said)]
    assert silent == []


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "one sentence"),
        ("-- Charges\n-- Grain: one row per charge.\n", "one sentence"),
        ("-- Charges. And more.\n-- Grain: one row per charge.\n", "one sentence"),
        ("-- Grain: one row per charge.\n", "one sentence"),
        ("-- Charges, told apart.\n", "-- Grain: one row per"),
        (HEADER + "-- Keep: no\n", "-- Keep: yes"),
    ],
)
def test_a_model_says_what_it_is(header, words):
    assert any(words in fault for fault in lint("SELECT a FROM t", header=header))


def test_headers_that_pass():
    assert (
        lint("SELECT a FROM t", header="-- Charges,\n-- told apart.\n-- Grain: one per charge.\n-- Keep: yes\n") == []
    )
    assert lint("SELECT a FROM t", name="conservation.sql", header="-- Postings that do not add up.\n") == []


def test_a_fault_is_said_once_and_cut_short():
    column = "a_column_with_a_rather_long_name"
    faults = lint(f"SELECT AVG({column} + {column} + {column}) AS x, AVG({column} + {column} + {column}) AS y FROM t")
    assert len(faults) == 1
    assert "…" in faults[0]


def spark(query, **rules):
    return " ".join(sql.spark(query, **rules).split())


def test_spark_expands_macros_inside_out():
    text = spark("SELECT HALF_OF_SUM(a, HALF(n)) AS h FROM t")
    assert "HALF" not in text
    assert "CAST(( a + ROUND(CAST(n AS DECIMAL(38, 0)), 0) ) AS DECIMAL(38, 0))" in text
    assert "SELECT a AS q" in text


def test_spark_text_keeps_the_meaning():
    assert "DATEDIFF(DAY, CAST(a AS DATE), CAST(b AS DATE))" in spark("SELECT DATE_DIFF('day', a, b) AS d FROM t")
    assert ":billing_period" in spark("SELECT $billing_period AS p FROM t")
    assert "RAISE_ERROR('no')" in spark("SELECT ERROR('no') AS e FROM t")
    assert "STRUCT(0 AS rule" in spark("SELECT RULES() AS rule FROM t")
    assert "CASE WHEN a THEN 1 END" in spark("SELECT RULES() AS r FROM t", rules="CASE WHEN a THEN 1 END")


def test_spark_closes_a_named_window_before_a_minus():
    text = spark("SELECT SUM(DATE_DIFF('day', a, b)) OVER w - a AS rest FROM t WINDOW w AS (PARTITION BY b)")
    assert "( SUM(DATEDIFF(DAY, CAST(a AS DATE), CAST(b AS DATE))) OVER w ) - a" in text
