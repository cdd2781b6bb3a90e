-- What stands under every report: how much of the cost and of the tokens has an owner, what is unallocated, unpriced or unknown, and which accelerators have no chip-hours.
-- Grain: one row per currency.
WITH costs AS (
    SELECT
        p.BillingCurrency AS currency, p.kind, p.team,
        measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost) AS cost,
        measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete) AS incomplete
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    WHERE CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
),

unknown AS (
    SELECT
        BillingCurrency AS currency,
        SUM(CAST(measured($cost, billed_unknown, effective_unknown, list_unknown, contracted_unknown, rate_card_unknown) AS DECIMAL(38, 0))) AS incomplete_rows
    FROM postings
    WHERE booked_period >= $start AND booked_period < $end
    GROUP BY BillingCurrency
),

uncounted AS (
    SELECT
        g.BillingCurrency AS currency, SUM(CAST(g.row_count AS DECIMAL(38, 0))) AS unknown_machine_rows,
        SUM(measured($cost, g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, NULL)) AS unknown_machine_cost
    FROM unknown_machines AS n
    INNER JOIN charge_groups AS g ON g.group_id = n.group_id AND g.billing_period = n.billing_period
    WHERE CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE n.billing_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE n.billing_period END < $end
    GROUP BY g.BillingCurrency
),

counted AS (
    SELECT
        SUM(CAST(CASE WHEN team IS NOT NULL THEN delivered_tokens ELSE 0 END AS DECIMAL(38, 0))) AS owned,
        NULLIF(SUM(CAST(delivered_tokens AS DECIMAL(38, 0))), 0) AS delivered
    FROM token_days
    WHERE day >= $start AND day < $end
),

summed AS (
    SELECT
        currency, SUM(CASE WHEN team IS NOT NULL THEN ABS(cost) ELSE CAST('0' AS DECIMAL(38, 18)) END) AS owned, NULLIF(SUM(ABS(cost)), 0) AS whole,
        COALESCE(SUM(CASE WHEN kind = 'unallocated' THEN cost END), CAST('0' AS DECIMAL(38, 18))) AS unallocated,
        COALESCE(BOOL_OR(incomplete AND kind = 'unallocated'), FALSE) AS unallocated_incomplete,
        COUNT(CASE WHEN kind = 'unpriced' THEN 1 END) AS unpriced_rows
    FROM costs
    GROUP BY currency
)

SELECT
    s.currency, CAST(short_quotient(millionths(s.owned) * 100, NULLIF(millionths(s.whole), 0)) AS BIGINT) AS attributed_percent,
    CAST(short_quotient(c.owned * 100, c.delivered) AS BIGINT) AS owned_percent,
    s.unallocated, s.unallocated_incomplete, s.unpriced_rows, CAST(u.incomplete_rows AS BIGINT) AS incomplete_rows,
    CAST(n.unknown_machine_rows AS BIGINT) AS unknown_machine_rows, n.unknown_machine_cost
FROM summed AS s
CROSS JOIN counted AS c
LEFT JOIN unknown AS u ON u.currency = s.currency
LEFT JOIN uncounted AS n ON n.currency = s.currency
ORDER BY s.currency
