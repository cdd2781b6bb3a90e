-- Every token is counted: what the records of a source count of a class is what counted_tokens holds of it on the days of its own months.
-- Grain: one row per source and token class where they differ.
-- Of: ledger
WITH delivered AS (
    SELECT delivery_id, token_class, SUM(CAST(tokens AS DECIMAL(38, 0))) AS tokens
    FROM token_quantity
    GROUP BY delivery_id, token_class
),

recorded AS (
    SELECT d.source, q.token_class, SUM(q.tokens) AS tokens
    FROM delivered AS q
    INNER JOIN deliveries AS d ON d.delivery_id = q.delivery_id
    GROUP BY d.source, q.token_class
),

counted AS (
    SELECT source, token_class, SUM(tokens) AS tokens
    FROM counted_tokens
    WHERE token_class <> '-' AND CAST(DATE_TRUNC('month', day) AS DATE) = billing_period
    GROUP BY source, token_class
)

SELECT COALESCE(r.source, c.source) AS source, COALESCE(r.token_class, c.token_class) AS token_class, r.tokens AS recorded, c.tokens AS counted
FROM recorded AS r
FULL JOIN counted AS c ON c.source = r.source AND c.token_class = r.token_class
WHERE r.tokens IS DISTINCT FROM c.tokens
