"""Split a million charges over ten owners: exactly, as the models do, beside naive doubles; prints the ratio of each round's pair and the median.

    python split.py --rows 1_000_000 -n 5

Both read the same table and write one row per charge and owner; the exact one is 45_allocation_shares' arithmetic: four costs in whole millionths, the
remainder to the largest weight. What the doubles miss of the whole is printed, too.
"""

import argparse
import statistics
import time
from importlib import resources

import duckdb

OWNERS = 10
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
CHARGES = """
    CREATE OR REPLACE TABLE charges AS
    SELECT i AS charge, CAST(hash(i) % 100000000000 AS DECIMAL(38, 0)) * CAST('0.0000001' AS DECIMAL(8, 7)) AS BilledCost
    FROM range({rows}) AS r(i)
"""
OWNERS_OF = f"CREATE OR REPLACE TABLE owners AS SELECT i AS owner, CAST(1000 + hash(i) % 100000 AS DECIMAL(38, 0)) AS weight FROM range({OWNERS}) AS r(i)"


def exact():
    """Return the split as the models write it."""
    parts = ", ".join(f"share_of({cost}, weight, total) AS s{cost}" for cost in COSTS)
    whole = ", ".join(
        f"CASE WHEN place = 1 THEN {cost} - (SUM(s{cost}) OVER cell - s{cost}) ELSE s{cost} END AS {cost}"
        for cost in COSTS
    )
    return (
        f"CREATE OR REPLACE TABLE split AS SELECT charge, owner, {whole} FROM (SELECT charge, owner, {', '.join(COSTS)}, {parts}, "
        "ROW_NUMBER() OVER (PARTITION BY charge ORDER BY weight DESC, owner) AS place "
        "FROM charges CROSS JOIN (SELECT *, SUM(weight) OVER () AS total FROM owners)) WINDOW cell AS (PARTITION BY charge)"
    )


def naive():
    """Return the split by doubles."""
    parts = ", ".join(f"CAST({cost} AS DOUBLE) * weight / total AS {cost}" for cost in COSTS)
    return (
        f"CREATE OR REPLACE TABLE split AS SELECT charge, owner, {parts} "
        "FROM charges CROSS JOIN (SELECT owner, CAST(weight AS DOUBLE) AS weight, CAST(SUM(weight) OVER () AS DOUBLE) AS total FROM owners)"
    )


def timed(connection, sql):
    wall, cpu = time.perf_counter(), time.process_time()
    connection.execute(sql)
    return time.perf_counter() - wall, time.process_time() - cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("-n", type=int, default=5)
    given = parser.parse_args()
    with duckdb.connect() as connection:
        for statement in duckdb.extract_statements(
            (resources.files("costctl") / "models" / "macros.sql").read_text("utf-8")
        ):
            connection.execute(statement)
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(CHARGES.format(rows=given.rows))
        for number, cost in enumerate(COSTS[1:], start=2):
            connection.execute(f"ALTER TABLE charges ADD COLUMN {cost} DECIMAL(38, 18)")
            connection.execute(f"UPDATE charges SET {cost} = BilledCost * {number}")
        connection.execute("ALTER TABLE charges ALTER BilledCost TYPE DECIMAL(38, 18)")
        connection.execute(OWNERS_OF)
        whole = connection.execute("SELECT sum(EffectiveCost) FROM charges").fetchone()[0]
        rounds = []
        for _ in range(given.n):
            doubles = timed(connection, naive())
            lost = float(whole) - connection.execute("SELECT sum(EffectiveCost) FROM split").fetchone()[0]
            exactly = timed(connection, exact())
            assert connection.execute("SELECT sum(EffectiveCost) FROM split").fetchone()[0] == whole
            rounds.append((exactly, doubles))
        for name, place in (("wall", 0), ("cpu", 1)):
            ratios = [a[place] / b[place] for a, b in rounds]
            seconds = [statistics.median(pair[side][place] for pair in rounds) for side in (0, 1)]
            print(
                f"{name:4} exact / doubles {statistics.median(ratios):5.2f} (budget 3.00)   {seconds[0]:6.2f} s / {seconds[1]:5.2f} s   of {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
            )
        print(f"the exact parts add up to the whole, {whole.normalize():f}; the doubles are off by {lost:.9f}")


if __name__ == "__main__":
    main()
