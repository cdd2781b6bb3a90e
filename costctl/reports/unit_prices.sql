-- What a million tokens of each class cost on chips of a pool, by the weights that its serving cost is shared with; the classes add up to that cost.
-- Grain: one row per pool, model, token class and currency. All computed tokens count, delivered or not; a class costs its weighted tokens' part of
-- what the pool's serving costs, cut to millionths, and a price is that over its tokens. Other weights give other prices: method says which.
-- Title: unit prices
-- Calendar: usage
-- Wide: pool, model, token_class=class, method, weight, mtok=Mtok, mtok_weighted=weighted Mtok, cost, cost_per_mtok=$/Mtok
-- Narrow: pool, model, token_class=class, weight, mtok=Mtok, cost, cost_per_mtok=$/Mtok
-- Converts: cost
-- Empty: no pool shares its cost by tokens
WITH costs AS (
    SELECT
        p.pool, p.model, p.BillingCurrency AS currency,
        SUM(measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost)) AS cost
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    INNER JOIN pools AS s ON s.pool = p.pool AND s.base = 'weighted_tokens' AND s.method = p.method
    WHERE p.kind IN ('shared', 'unallocated') AND COALESCE(p.state, 'loaded') IN ('loaded', 'serving', 'startup')
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
    GROUP BY p.pool, p.model, p.BillingCurrency
),

counted AS (
    SELECT t.pool, t.model, t.token_class, COALESCE(w.weight, CAST('1' AS DECIMAL(9, 6))) AS weight, SUM(CAST(t.tokens AS DECIMAL(38, 0))) AS tokens
    FROM token_days AS t
    LEFT JOIN pool_weights AS w ON w.pool = t.pool AND w.token_class = t.token_class
    WHERE t.day >= $start AND t.day < $end AND t.token_class <> '-'
    GROUP BY t.pool, t.model, t.token_class, COALESCE(w.weight, CAST('1' AS DECIMAL(9, 6)))
),

weighed AS (
    SELECT
        c.pool, c.model, c.token_class, s.method, c.weight, c.tokens, k.cost, k.currency,
        CAST(CAST(c.tokens AS DECIMAL(19, 0)) * c.weight * 1000000 AS DECIMAL(38, 0)) AS base
    FROM counted AS c
    INNER JOIN pools AS s ON s.pool = c.pool
    INNER JOIN costs AS k ON k.pool = c.pool AND k.model = c.model
),

shared AS (
    SELECT
        pool, model, token_class, method, weight, tokens, base, currency,
        share_of(cost, base, NULLIF(SUM(base) OVER (PARTITION BY pool, model, currency), 0)) AS cost
    FROM weighed
)

SELECT
    pool, model, token_class, method, weight, millions(tokens) AS mtok, millions(exact_quotient(base, CAST('1000000' AS DECIMAL(38, 0)))) AS mtok_weighted, cost,
    CASE WHEN cost >= 0 THEN ratio_of(millionths(cost) * 1000000, NULLIF(tokens, 0)) END AS cost_per_mtok, currency
FROM shared
ORDER BY currency, pool, model, CASE token_class WHEN 'input' THEN 1 WHEN 'cache_read' THEN 2 WHEN 'cache_write' THEN 3 ELSE 4 END
