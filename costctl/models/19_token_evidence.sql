-- What each source counted, in whatever role, of the days of the calendar month, and what the bills of the period charge: to be compared, never added.
-- Grain: one row per day, provider, pool, model, role, source, whether it drives money, owner that no team is known for, and token class; requests stand on rows of class '-'.
-- Keep: yes
WITH counted AS (
    SELECT u.day, u.provider, u.pool, CASE WHEN u.pool = 'api' THEN u.bought_model ELSE u.model END AS model, u.evidence_role, u.source, u.drives, u.unknown_owner, q.token_class, q.tokens, CAST(0 AS BIGINT) AS requests
    FROM named_usage AS u
    INNER JOIN token_quantity AS q ON q.delivery_id = u.delivery_id AND q.file_no = u.file_no AND q.record_no = u.record_no AND q.part_no = u.part_no
    WHERE u.day >= $billing_period AND u.day < $billing_period_end
    UNION ALL
    SELECT day, provider, pool, CASE WHEN pool = 'api' THEN bought_model ELSE model END, evidence_role, source, drives, unknown_owner, '-', CAST(0 AS BIGINT), requests
    FROM named_usage
    WHERE day >= $billing_period AND day < $billing_period_end AND requests IS NOT NULL
    UNION ALL
    SELECT
        day, provider, 'api', bought_model, 'bill', source, drives, CASE WHEN team IS NULL THEN '-' END,
        CASE bill_class WHEN 'input' THEN 'input.uncached' WHEN 'cache_read' THEN 'input.cache_read' WHEN 'output' THEN 'output.unsplit' ELSE 'input.cache_write.unspecified' END,
        tokens, CAST(0 AS BIGINT)
    FROM billed_tokens
)

SELECT
    $billing_period AS billing_period, day, provider, pool, model, evidence_role, source, drives, unknown_owner, token_class,
    CAST(SUM(CAST(tokens AS DECIMAL(38, 0))) AS BIGINT) AS tokens, CAST(SUM(CAST(requests AS DECIMAL(38, 0))) AS BIGINT) AS requests
FROM counted
GROUP BY ALL
