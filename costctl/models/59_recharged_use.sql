-- What each team used of the pools that are charged onward by internal rates, with the rate in force; what no rate names has none, and is told.
-- Grain: one row per pool, day, unit, team, model, purpose and token class, which is '-' where the unit is no token. Only units that the rates of the pool know.
-- quantity is in millions of tokens delivered, in chip-hours or in requests, unknown where the chips of a charge are; amount is quantity x price. Of
-- the rates that fit, those of the pool go before those of any pool, then one with model and class before one with a model, a class, neither.
-- Empty without: pool_rates
-- Keep: yes
WITH used AS (
    SELECT
        p.pool, 'million tokens' AS unit, t.day, t.team, t.model, t.purpose, t.token_class,
        CAST(millions(SUM(CAST(t.delivered_tokens AS DECIMAL(38, 0)))) AS DECIMAL(18, 6)) AS quantity, MAX(CASE WHEN t.is_estimated THEN 4 ELSE 2 END) AS grade
    FROM token_use AS t
    INNER JOIN pools AS p ON p.tokens_of = t.pool
    WHERE t.day >= $billing_period AND t.day < $billing_period_end AND t.token_class <> '-'
    GROUP BY p.pool, t.day, t.team, t.model, t.purpose, t.token_class
    UNION ALL
    SELECT p.pool, 'request', t.day, t.team, t.model, t.purpose, '-', CAST(SUM(CAST(t.requests AS DECIMAL(38, 0))) AS DECIMAL(18, 6)), 2
    FROM token_use AS t
    INNER JOIN pools AS p ON p.tokens_of = t.pool
    WHERE t.day >= $billing_period AND t.day < $billing_period_end AND t.token_class = '-'
    GROUP BY p.pool, t.day, t.team, t.model, t.purpose
    UNION ALL
    SELECT
        p.pool, 'chip hour', d.day, p.team, p.model, p.purpose, '-',
        CASE WHEN COUNT(*) = COUNT(d.chip_hours) THEN CAST(SUM(d.chip_hours) AS DECIMAL(18, 6)) END, GREATEST(2, MAX(grade_place(p.evidence)))
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = $billing_period
    WHERE p.billing_period = $billing_period AND p.pool IS NOT NULL
    GROUP BY p.pool, d.day, p.team, p.model, p.purpose
),

fitting AS (
    SELECT
        u.pool, u.unit, u.day, u.team, u.model, u.purpose, u.token_class, u.quantity, u.grade, r.place AS rate, r.price, r.currency,
        ROW_NUMBER() OVER (
            PARTITION BY u.pool, u.unit, u.day, u.team, u.model, u.purpose, u.token_class
            ORDER BY r.of_any_pool, CASE WHEN r.model IS NULL THEN 1 ELSE 0 END, CASE WHEN r.token_class IS NULL THEN 1 ELSE 0 END
        ) AS choice
    FROM used AS u
    INNER JOIN (SELECT DISTINCT pool, unit FROM pool_rates) AS k ON k.pool = u.pool AND k.unit = u.unit
    LEFT JOIN pool_rates AS r ON r.pool = u.pool AND r.unit = u.unit AND u.day >= r.valid_from AND u.day < r.valid_to
        AND COALESCE(r.model, LOWER(u.model)) = LOWER(u.model) AND COALESCE(r.token_class, u.token_class) = u.token_class
    WHERE u.team IS NOT NULL AND COALESCE(u.quantity, CAST('1' AS DECIMAL(18, 6))) <> 0
)

SELECT
    $billing_period AS billing_period, pool, unit, day, team, model, purpose, token_class, quantity, rate, price, currency,
    CAST(quantity * price AS DECIMAL(38, 18)) AS amount, grade_named(grade) AS evidence
FROM fitting
WHERE choice = 1
