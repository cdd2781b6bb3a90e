-- Every bought token is rated once, with a price or with a reason: what is unpriced is not lost.
-- Grain: one row per day, pool, provider, model, team and token class whose tokens differ, and per row that has neither price nor reason, or both.
SELECT day, pool, provider, model, team, token_class, SUM(tokens) AS difference
FROM (
    SELECT billing_period, day, pool, provider, model, team, token_class, CAST(tokens AS DECIMAL(38, 0)) AS tokens
    FROM token_days
    WHERE provider <> 'self' AND NOT by_bill
    UNION ALL
    SELECT billing_period, day, pool, provider, model, team, token_class, -CAST(tokens AS DECIMAL(38, 0))
    FROM rated_tokens
) AS sides
GROUP BY billing_period, day, pool, provider, model, team, token_class
HAVING SUM(tokens) <> 0
UNION ALL
SELECT day, pool, provider, model, team, token_class, CAST(tokens AS DECIMAL(38, 0))
FROM rated_tokens
WHERE (reason IS NULL) = (price_per_million IS NULL) OR (rate_cost IS NULL) <> (price_per_million IS NULL)
