-- What rate cards say is conserved, too: per billing period the postings of it, and the counts of charges that no card prices, equal the charge groups.
-- Grain: one row per billing period where they differ.
WITH priced AS (
    SELECT billing_period, SUM(rate_card_cost) AS cost, SUM(CAST(rate_card_unknown AS DECIMAL(38, 0))) AS unknown
    FROM card_costs
    GROUP BY billing_period
),

posted AS (
    SELECT billing_period, SUM(rate_card_cost) AS cost, SUM(CAST(rate_card_unknown AS DECIMAL(38, 0))) AS unknown
    FROM postings
    GROUP BY billing_period
)

SELECT
    COALESCE(k.billing_period, p.billing_period) AS period, k.cost AS at_cards, p.cost AS posted, k.unknown AS unknown_at_cards, p.unknown AS unknown_posted
FROM priced AS k
FULL JOIN posted AS p ON p.billing_period = k.billing_period
WHERE k.cost IS DISTINCT FROM p.cost OR k.unknown IS DISTINCT FROM p.unknown
