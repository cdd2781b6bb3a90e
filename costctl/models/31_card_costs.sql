-- What each charge group comes to at the rate cards: its chips and its bought tokens at the prices in force for them.
-- Grain: one row per charge group; rate_card_unknown is the number of its charges where no card prices all of it. What a card charges (source
-- `own`) is what it says. Taxes, credits, entries that only move cost, the host beside a card's chips, and what costs nothing effectively and buys no chips, come to nothing.
-- Billed tokens are at the average card price of those of their pool, or of none, that were counted in their slot, cut to millionths, whatever
-- month is billed; where nobody counted any, nobody knows it. What is only estimated prices nothing here.
-- Keep: yes
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
),

priced AS (
    SELECT
        g.billing_period, g.group_id, g.row_count,
        CASE
            WHEN g.nature IN ('tax', 'credit', 'prepaid', 'manual') OR h.chip_hours = 0 THEN CAST('0' AS DECIMAL(38, 18))
            WHEN g.source = 'own' THEN CASE WHEN NOT g.effective_incomplete THEN g.EffectiveCost END
            WHEN h.group_id IS NOT NULL THEN CASE WHEN NOT h.is_estimate THEN h.rate_cost END
            WHEN n.group_id IS NOT NULL THEN NULL
            WHEN b.rate_cost < 1000000000000000 THEN share_of(b.rate_cost, ABS(b.tokens), b.counted) * (CASE WHEN b.tokens < 0 THEN -1 ELSE 1 END)
            WHEN g.EffectiveCost = 0 AND NOT g.effective_incomplete AND g.x_token_class IS NULL THEN CAST('0' AS DECIMAL(38, 18))
        END AS cost
    FROM attributed_groups AS g
    LEFT JOIN rated_chip_hours AS h ON h.group_id = g.group_id AND h.billing_period = $billing_period
    LEFT JOIN unknown_machines AS n ON n.group_id = g.group_id AND n.billing_period = $billing_period
    LEFT JOIN bought AS b ON b.group_id = g.group_id
)

SELECT
    billing_period, group_id, COALESCE(cost, CAST('0' AS DECIMAL(38, 18))) AS rate_card_cost,
    CASE WHEN cost IS NULL THEN row_count ELSE CAST(0 AS BIGINT) END AS rate_card_unknown, cost IS NULL AS rate_card_incomplete
FROM priced
