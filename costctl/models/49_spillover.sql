-- What spilled over from each pool's capacity, and its part of what the bill charges for tokens of its model and class.
-- Grain: one row per day, pool, provider, name as bought, token class, and currency: the tokens and requests of the calendar month stand once, without a
-- currency, and their part of the period's bills with the tokens that are on them. A cost that a bill does not tell is unknown. It is a view on
-- postings of the pool `api`, which it is a part of, never a cost beside them.
-- Empty without: spilled_tokens
-- Keep: yes
WITH totals AS (
    SELECT DISTINCT slot_start, slot_end, share_key, total
    FROM allocation_shares
    WHERE billing_period = $billing_period AND pool = 'api'
),

charged AS (
    SELECT
        s.day, s.pool, s.provider, s.bought_model, s.token_class, s.tokens, c.BillingCurrency,
        CASE WHEN NOT c.billed_incomplete THEN share_of(c.BilledCost, s.tokens, t.total) END AS billed,
        CASE WHEN NOT c.effective_incomplete THEN share_of(c.EffectiveCost, s.tokens, t.total) END AS effective,
        CASE WHEN NOT c.list_incomplete THEN share_of(c.ListCost, s.tokens, t.total) END AS list,
        CASE WHEN NOT c.contracted_incomplete THEN share_of(c.ContractedCost, s.tokens, t.total) END AS contracted,
        CASE WHEN NOT c.rate_card_incomplete THEN share_of(c.rate_card_cost, s.tokens, t.total) END AS rate_card
    FROM spilled_tokens AS s
    INNER JOIN pool_cells AS c ON c.pool = 'api' AND c.nature = 'usage' AND c.provider = s.provider AND c.api_model = s.bought_model AND c.api_class = s.token_class
        AND s.day >= CAST(c.slot_start AS DATE) AND CAST(s.day AS TIMESTAMP) < c.slot_end
    INNER JOIN totals AS t ON t.slot_start = c.slot_start AND t.slot_end = c.slot_end AND t.share_key = CONCAT('api|', c.provider, '|', c.api_model, '|', c.api_class)
)

SELECT
    $billing_period AS billing_period, day, pool, provider, bought_model, token_class, CAST(NULL AS VARCHAR) AS currency, tokens, requests,
    CAST(NULL AS DECIMAL(38, 18)) AS BilledCost, CAST(NULL AS DECIMAL(38, 18)) AS EffectiveCost, CAST(NULL AS DECIMAL(38, 18)) AS ListCost,
    CAST(NULL AS DECIMAL(38, 18)) AS ContractedCost, CAST(NULL AS DECIMAL(38, 18)) AS rate_card_cost
FROM spilled_tokens
WHERE day >= $billing_period AND day < $billing_period_end
UNION ALL
SELECT
    $billing_period, day, pool, provider, bought_model, token_class, BillingCurrency, MAX(tokens), CAST(NULL AS DECIMAL(38, 0)),
    CASE WHEN COUNT(*) = COUNT(billed) THEN SUM(billed) END, CASE WHEN COUNT(*) = COUNT(effective) THEN SUM(effective) END,
    CASE WHEN COUNT(*) = COUNT(list) THEN SUM(list) END, CASE WHEN COUNT(*) = COUNT(contracted) THEN SUM(contracted) END,
    CASE WHEN COUNT(*) = COUNT(rate_card) THEN SUM(rate_card) END
FROM charged
GROUP BY day, pool, provider, bought_model, token_class, BillingCurrency
