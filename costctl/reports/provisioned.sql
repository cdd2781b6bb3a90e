-- Capacity bought by the unit, pool by pool: what it could serve, what it served, what it cost and what of that stood unused; beside it what spilled over.
-- Grain: one row per pool and currency. Capacity and use are weighted tokens, in millions, of the days that the pool is paid for. Spilled tokens are bought
-- one by one: their cost, a part of the pool `api`, is what the bill tells of those that are on it, unknown where it tells none; so are they where no
-- source tells of any.
-- Title: provisioned capacity
-- Calendar: usage
-- Wide: pool, units, capacity=capacity Mwtd, used=used Mwtd, used_percent=used %, cost, unused_cost=unused, spilled=spilled Mtok, spilled_requests=requests, spilled_billed=on a bill, spilled_cost=spilled cost
-- Narrow: pool, used_percent=used %, cost, unused_cost=unused, spilled=spilled Mtok, spilled_cost=spilled cost
-- Total: none
-- Empty: no pool has a capacity
WITH paid AS (
    SELECT
        p.pool, p.BillingCurrency AS currency, p.state, d.day,
        measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost) AS cost,
        measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete) AS incomplete
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    INNER JOIN pool_capacity AS k ON k.pool = p.pool
    WHERE p.kind NOT IN ('credit', 'tax')
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
),

days AS (SELECT DISTINCT pool, day FROM paid),

able AS (
    SELECT k.pool, SUM(CAST(k.units * 1000000 AS DECIMAL(38, 0)) * k.tokens_per_unit_minute * 1440) AS capacity
    FROM days AS d
    INNER JOIN pool_capacity AS k ON k.pool = d.pool
    GROUP BY k.pool
),

served AS (
    SELECT d.pool, SUM(CAST(CAST(t.tokens AS DECIMAL(19, 0)) * COALESCE(w.weight, CAST('1' AS DECIMAL(9, 6))) * 1000000 AS DECIMAL(38, 0))) AS used
    FROM days AS d
    INNER JOIN pools AS p ON p.pool = d.pool
    INNER JOIN token_days AS t ON t.pool = p.tokens_of AND t.day = d.day AND t.token_class <> '-'
    LEFT JOIN pool_weights AS w ON w.pool = d.pool AND w.token_class = t.token_class
    GROUP BY d.pool
),

-- what was told at the time of the span; a late bill of it counts with the bill's month in the calendar of bills
told AS (
    SELECT
        pool, currency, tokens, requests,
        measured($cost, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost) AS cost
    FROM spillover
    WHERE CASE $calendar WHEN 'usage' THEN day ELSE billing_period END >= $start AND CASE $calendar WHEN 'usage' THEN day ELSE billing_period END < $end
),

spilled AS (SELECT pool, SUM(tokens) AS tokens, SUM(requests) AS requests FROM told WHERE currency IS NULL GROUP BY pool),

bought AS (
    SELECT pool, currency, SUM(tokens) AS tokens, CASE WHEN COUNT(*) = COUNT(cost) THEN SUM(cost) END AS cost
    FROM told
    WHERE currency IS NOT NULL
    GROUP BY pool, currency
),

costs AS (
    SELECT pool, currency, SUM(cost) AS cost, SUM(CASE WHEN state IN ('idle', 'unused') THEN cost ELSE CAST('0' AS DECIMAL(38, 18)) END) AS unused_cost, BOOL_OR(incomplete) AS incomplete
    FROM paid
    GROUP BY pool, currency
),

lines AS (SELECT pool, currency FROM costs UNION SELECT pool, currency FROM bought)

SELECT
    k.pool, CAST(k.units AS DECIMAL(28, 6)) AS units,
    millions(exact_quotient(a.capacity, CAST('1000000' AS DECIMAL(38, 0)))) AS capacity,
    CASE WHEN a.pool IS NOT NULL THEN millions(exact_quotient(COALESCE(s.used, CAST(0 AS DECIMAL(38, 0))), CAST('1000000' AS DECIMAL(38, 0)))) END AS used,
    ratio_of(COALESCE(s.used, CAST(0 AS DECIMAL(38, 0))) * 100000000, a.capacity) AS used_percent,
    c.cost, c.unused_cost, millions(o.tokens) AS spilled, CAST(o.requests AS BIGINT) AS spilled_requests,
    millions(b.tokens) AS spilled_billed, b.cost AS spilled_cost, l.currency, COALESCE(c.incomplete, FALSE) AS incomplete
FROM pool_capacity AS k
LEFT JOIN lines AS l ON l.pool = k.pool
LEFT JOIN costs AS c ON c.pool = l.pool AND c.currency = l.currency
LEFT JOIN able AS a ON a.pool = k.pool
LEFT JOIN served AS s ON s.pool = k.pool
LEFT JOIN spilled AS o ON o.pool = k.pool
LEFT JOIN bought AS b ON b.pool = l.pool AND b.currency = l.currency
ORDER BY l.currency, k.pool
