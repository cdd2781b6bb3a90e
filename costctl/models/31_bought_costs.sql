-- What the charge groups of bought tokens come to at the card prices of those that were counted.
-- Grain: one row per charge group of billed tokens that somebody counted in their slot: their tokens at the average price of those of their pool, or of
-- none, whatever month is billed, cut to millionths. rate_cost is what all that were counted come to, NULL where a card does not price all of them, or only estimates.
-- Empty without: priced_tokens
WITH billed AS (
    SELECT
        g.group_id, g.provider, COALESCE(g.pool, 'api') AS pool, g.bought_model, g.x_token_class AS token_class, g.BillingCurrency, g.slot_start, g.slot_end,
        exact_quotient(millionths_of_tokens(g.quantity, u.multiplier), CAST('1000000' AS DECIMAL(38, 0))) AS tokens
    FROM attributed_groups AS g
    INNER JOIN units AS u ON u.unit = LOWER(TRIM(g.billed_unit)) AND u.measure = 'token'
    WHERE g.x_token_class IS NOT NULL AND g.quantity_unknown = 0
),

bought AS (
    SELECT
        b.group_id, b.tokens, NULLIF(SUM(CAST(r.tokens AS DECIMAL(38, 0))), 0) AS counted,
        CASE WHEN COUNT(*) = COUNT(CASE WHEN NOT r.is_estimate THEN r.rate_cost END) AND MIN(r.currency) = b.BillingCurrency AND MAX(r.currency) = b.BillingCurrency THEN SUM(r.rate_cost) END AS rate_cost
    FROM billed AS b
    INNER JOIN priced_tokens AS r ON r.provider = b.provider AND r.bought_model = b.bought_model AND r.token_class = b.token_class AND r.pool = b.pool AND r.tokens > 0
        AND r.day >= CAST(b.slot_start AS DATE) AND CAST(r.day AS TIMESTAMP) < b.slot_end
    GROUP BY b.group_id, b.tokens, b.BillingCurrency
)

SELECT
    group_id, rate_cost,
    CASE WHEN rate_cost < 1000000000000000 THEN share_of(rate_cost, ABS(tokens), counted) * (CASE WHEN tokens < 0 THEN -1 ELSE 1 END) END AS cost
FROM bought
