-- What each charge group comes to at the rate cards: its chips and its bought tokens at the prices in force for them.
-- Grain: one row per charge group; rate_card_unknown is the number of its charges where no card prices all of it. What a card charges (source
-- `own`) is what it says. Taxes, credits, entries that only move cost, the host beside a card's chips, and what costs nothing effectively and buys no chips, come to nothing.
-- Billed tokens that nobody counted are unknown. What is only estimated prices nothing here.
-- Keep: yes
WITH priced AS (
    SELECT
        g.billing_period, g.group_id, g.row_count,
        CASE
            WHEN g.nature IN ('tax', 'credit', 'prepaid', 'manual') OR h.chip_hours = 0 THEN CAST('0' AS DECIMAL(38, 18))
            WHEN g.source = 'own' THEN CASE WHEN NOT g.effective_incomplete THEN g.EffectiveCost END
            WHEN h.group_id IS NOT NULL THEN CASE WHEN NOT h.is_estimate THEN h.rate_cost END
            WHEN n.group_id IS NOT NULL THEN NULL
            WHEN b.rate_cost < 1000000000000000 THEN b.cost
            WHEN g.EffectiveCost = 0 AND NOT g.effective_incomplete AND g.x_token_class IS NULL THEN CAST('0' AS DECIMAL(38, 18))
        END AS cost
    FROM attributed_groups AS g
    LEFT JOIN rated_chip_hours AS h ON h.group_id = g.group_id AND h.billing_period = g.billing_period
    LEFT JOIN unknown_machines AS n ON n.group_id = g.group_id AND n.billing_period = g.billing_period
    LEFT JOIN bought_costs AS b ON b.group_id = g.group_id
)

SELECT
    billing_period, group_id, COALESCE(cost, CAST('0' AS DECIMAL(38, 18))) AS rate_card_cost,
    CASE WHEN cost IS NULL THEN row_count ELSE CAST(0 AS BIGINT) END AS rate_card_unknown, cost IS NULL AS rate_card_incomplete
FROM priced
