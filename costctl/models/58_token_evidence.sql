-- What each source counted, in whatever role, of the days of the calendar month, and what the bills of the period charge: to be compared, never added.
-- Grain: one row per day, provider, pool, model, role, source, whether it drives money, owner that no team is known for, and token class; requests stand on rows of class '-'.
-- unread charges are those on the bill whose number of tokens cannot be read; where nothing else is known, tokens is NULL.
-- Keep: yes
WITH counted AS (
    SELECT
        day, provider, pool, CASE WHEN pool = 'api' THEN bought_model ELSE model END AS model, evidence_role, source, drives, unknown_owner, token_class,
        tokens, COALESCE(requests, CAST(0 AS DECIMAL(38, 0))) AS requests, CAST(0 AS BIGINT) AS unread
    FROM counted_tokens
    WHERE billing_period = $billing_period AND day >= $billing_period AND day < $billing_period_end AND (token_class <> '-' OR requests IS NOT NULL)
    UNION ALL
    SELECT
        day, provider, 'api', bought_model, 'bill', source, drives, CASE WHEN team IS NULL THEN '-' END,
        CASE bill_class WHEN 'input' THEN 'input.uncached' WHEN 'cache_read' THEN 'input.cache_read' WHEN 'output' THEN 'output.unsplit' ELSE 'input.cache_write.unspecified' END,
        CAST(tokens AS DECIMAL(38, 0)), CAST(0 AS DECIMAL(38, 0)), unread
    FROM billed_tokens
)

SELECT
    $billing_period AS billing_period, day, provider, pool, model, evidence_role, source, drives, unknown_owner, token_class,
    CAST(SUM(tokens) AS BIGINT) AS tokens, CAST(SUM(requests) AS BIGINT) AS requests,
    CAST(SUM(CAST(unread AS DECIMAL(38, 0))) AS BIGINT) AS unread
FROM counted
GROUP BY ALL
