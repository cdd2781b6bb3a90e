-- {cell}
--
-- Recomputes the cell from the charges, and prints it beside what the report says. It is plain DuckDB and reads the files of its own folder only:
--     cd into the folder, then: duckdb < cell.sql
-- charges > parts > groups > cells of pools > states > shares > postings of the cell > its sum. README.txt says what each file holds.

-- The part of an amount that a weight takes of a total, in whole millionths, rounded toward zero; the largest weight takes what is left.
CREATE OR REPLACE TEMP MACRO part_of(amount, weight, total) AS
    CAST(CAST(CAST(CAST(ABS(amount) AS DECIMAL(26, 6)) * 1000000 AS HUGEINT) * CAST(weight AS HUGEINT) // CAST(total AS HUGEINT) AS DECIMAL(20, 0))
        * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(38, 18)) * (CASE WHEN amount < 0 THEN -1 ELSE 1 END);

-- 1. Charges, or parts of them, are summed to groups. A charge is in one group, but where a rule or a team changes within its period; a cost that
--    no bill says counts as 0.
CREATE OR REPLACE TEMP TABLE group_cost AS
WITH weighed AS (
    SELECT
        p.billing_period, p.group_id, p.charge, c.{cost} AS cost, p.weight, SUM(p.weight) OVER (PARTITION BY p.charge) AS total,
        ROW_NUMBER() OVER (PARTITION BY p.charge ORDER BY p.weight DESC, p.part_start) AS place
    FROM read_parquet('charge_parts.parquet') AS p
    JOIN read_parquet('charges.parquet') AS c USING (charge)
),
parted AS (SELECT *, part_of(cost, weight, total) AS part FROM weighed),
whole AS (SELECT *, CASE WHEN place = 1 THEN cost - (SUM(part) OVER (PARTITION BY charge) - part) ELSE part END AS taken FROM parted)
SELECT billing_period, group_id, COALESCE(SUM(taken), 0) AS cost
FROM whole
WHERE group_id IS NOT NULL
GROUP BY ALL;

-- 2. Groups that a rule gives to a team are postings as they are; those of a pool are summed to its cells.
CREATE OR REPLACE TEMP TABLE posting_cost AS
SELECT g.billing_period, g.posting_id, c.cost
FROM read_parquet('charge_groups.parquet') AS g
JOIN group_cost AS c USING (billing_period, group_id)
WHERE g.posting_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE cell_cost AS
SELECT g.cell_id, SUM(c.cost) AS cost
FROM read_parquet('charge_groups.parquet') AS g
JOIN group_cost AS c USING (billing_period, group_id)
WHERE g.cell_id IS NOT NULL
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE recharge_cost (currency VARCHAR, cost DECIMAL(38, 18));
CREATE OR REPLACE TEMP TABLE state_cost (state_cell_id VARCHAR, cost DECIMAL(38, 18));
CREATE OR REPLACE TEMP TABLE share_cost (state_cell_id VARCHAR, to_pool VARCHAR, billing_period DATE, posting_id VARCHAR, cost DECIMAL(38, 18));
--each
-- {step}. {pools}: each cell over the states of its chips, each state over its shares.
INSERT INTO state_cost
WITH parted AS (
    SELECT s.state_cell_id, s.cell_id, s.place, c.cost, part_of(c.cost, s.weight, SUM(s.weight) OVER (PARTITION BY s.cell_id)) AS part
    FROM read_parquet('states.parquet') AS s
    JOIN read_parquet('cells.parquet') AS k USING (cell_id)
    JOIN cell_cost AS c USING (cell_id)
    WHERE k.depth = {depth}
)
SELECT state_cell_id, CASE WHEN place = 1 THEN cost - (SUM(part) OVER (PARTITION BY cell_id) - part) ELSE part END
FROM parted;

INSERT INTO share_cost
WITH parted AS (
    SELECT
        s.state_cell_id, s.to_pool, s.billing_period, s.posting_id, c.cost,
        part_of(c.cost, s.weight, SUM(s.weight) OVER (PARTITION BY s.state_cell_id)) AS part,
        ROW_NUMBER() OVER (
            PARTITION BY s.state_cell_id ORDER BY s.weight DESC, COALESCE(s.team, ''), s.model, s.purpose, s.method, COALESCE(s.to_pool, '')
        ) AS place
    FROM read_parquet('shares.parquet') AS s
    JOIN read_parquet('states.parquet') AS t USING (state_cell_id)
    JOIN read_parquet('cells.parquet') AS k USING (cell_id)
    JOIN state_cost AS c USING (state_cell_id)
    WHERE k.depth = {depth}
)
SELECT
    state_cell_id, to_pool, billing_period, posting_id,
    CASE WHEN place = 1 THEN cost - (SUM(part) OVER (PARTITION BY state_cell_id) - part) ELSE part END
FROM parted;
--passed

-- What is passed on to another pool is a cell of that one.
INSERT INTO cell_cost
SELECT k.cell_id, SUM(s.cost)
FROM read_parquet('cells.parquet') AS k
JOIN share_cost AS s ON s.state_cell_id = k.passed_on_by AND s.to_pool = k.pool
WHERE k.depth = {depth} + 1
GROUP BY ALL;
--last

-- {step}. The shares that are postings of the cell.
INSERT INTO posting_cost SELECT billing_period, posting_id, cost FROM share_cost WHERE posting_id IS NOT NULL;
--days

-- {step}. The days of those postings: one that is longer than a day is split by its seconds in each, the largest, the first of several, takes the rest.
CREATE OR REPLACE TEMP TABLE posting_day AS
WITH days AS (
    SELECT p.billing_period, p.posting_id, p.slot_start, p.slot_end, c.cost, UNNEST(GENERATE_SERIES(DATE_TRUNC('day', p.slot_start), p.slot_end - INTERVAL 1 MICROSECOND, INTERVAL 1 DAY)) AS day
    FROM read_parquet('postings.parquet') AS p
    JOIN posting_cost AS c USING (billing_period, posting_id)
),
weighed AS (
    SELECT
        *, DATE_DIFF('second', GREATEST(slot_start, CAST(day AS TIMESTAMP)), LEAST(slot_end, CAST(day AS TIMESTAMP) + INTERVAL 1 DAY)) AS weight,
        DATE_DIFF('second', slot_start, slot_end) AS total
    FROM days
),
parted AS (
    SELECT
        *, CASE WHEN slot_end > DATE_TRUNC('day', slot_start) + INTERVAL 1 DAY THEN part_of(cost, weight, total) ELSE cost END AS part,
        ROW_NUMBER() OVER (PARTITION BY billing_period, posting_id ORDER BY weight DESC, day) AS place
    FROM weighed
),
whole AS (SELECT *, CASE WHEN place = 1 THEN cost - (SUM(part) OVER (PARTITION BY billing_period, posting_id) - part) ELSE part END AS taken FROM parted)
SELECT billing_period, posting_id, CAST(day AS DATE) AS day, taken AS cost
FROM whole;
--recharged

-- {step}. Where a pool is charged onward, its cost goes from who used it to its owner, and what is recharged, with a markup, from the owner to who used it. At cost that
--    is the cost of those days again, by internal rates quantities times prices; the markup is so many millionths of a percent of it.
INSERT INTO recharge_cost
WITH charged AS (
    SELECT p.recharge, SUM(d.cost) AS cost
    FROM read_parquet('recharged_postings.parquet') AS p
    JOIN posting_day AS d USING (billing_period, posting_id, day)
    GROUP BY ALL
    UNION ALL
    SELECT recharge, SUM(CAST(quantity * price AS DECIMAL(38, 18)))
    FROM read_parquet('recharged_uses.parquet')
    GROUP BY ALL
)
SELECT
    r.BillingCurrency, (CASE WHEN (r.entry = 'cost') = (r.team = r.used_by) THEN -1 ELSE 1 END)
        * CASE r.entry WHEN 'markup' THEN part_of(c.cost, r.markup, 100000000) ELSE c.cost END
FROM read_parquet('recharges.parquet') AS r
JOIN charged AS c USING (recharge);
--usage

-- {step}. Of the postings of the cell the days of the report alone.
CREATE OR REPLACE TEMP TABLE posting_cost AS
SELECT billing_period, posting_id, SUM(cost) AS cost
FROM posting_day
WHERE day >= DATE '{start}' AND day < DATE '{end}'
GROUP BY ALL;
--end

-- {step}. The cell, beside what the report says: the difference is 0, in every digit.
WITH recomputed AS (
    SELECT currency, SUM(cost) AS cost
    FROM (
        SELECT p.BillingCurrency AS currency, c.cost
        FROM read_parquet('postings.parquet') AS p
        JOIN posting_cost AS c USING (billing_period, posting_id)
        WHERE p.in_cell
        UNION ALL
        SELECT currency, cost FROM recharge_cost
    )
    GROUP BY ALL
)
SELECT r.currency, COALESCE(c.cost, 0) AS recomputed, r.reported, COALESCE(c.cost, 0) - r.reported AS difference
FROM read_parquet('cell.parquet') AS r
LEFT JOIN recomputed AS c USING (currency)
ORDER BY r.currency;
