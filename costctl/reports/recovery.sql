-- Pools that are charged onward: what each cost, what its owner charged for it, what is left, and why, by cost above the budget and by charges below it.
-- Grain: one row per pool and currency. under_recovery = cost - recharged - own_use, below 0 where more was charged than it cost; spending_variance = cost - budget,
-- volume_variance = budget - recharged - own_use, the two sum to it: the spending and the volume variance of standard costing, as textbooks of management accounting have
-- them for fixed overhead. own_use is at the same rates as others pay, at cost what the owner bears but idle and unused; no_team is what of the cost nobody bears. A markup is apart.
-- Unknown are variances without a budget of every month, what is left where rates are in another currency, and all that hangs on an unknown cost or quantity;
-- left_unknown says which of the last three it is.
-- Title: recovery
-- Calendar: billing
-- Wide: pool, owner, cost, recharged, own_use=own use, under_recovery=under-recovery, no_team=no team, budget, spending_variance=spending, volume_variance=volume, markup, rated_mtok=Mtok, rated_chip_hours=chip-h, rated_requests=requests, unrated_mtok=Mtok no rate, unrated_chip_hours=chip-h no rate, unrated_requests=requests no rate
-- Narrow: pool, cost, recharged, own_use=own use, under_recovery=under-recovery, spending_variance=spending, volume_variance=volume
-- Optional: no_team, markup, rated_mtok, rated_chip_hours, rated_requests, unrated_mtok, unrated_chip_hours, unrated_requests, left_unknown
-- Unknown: under_recovery, budget, spending_variance, volume_variance
-- Empty: no pool has `recharge:`, or none of those cost anything
WITH posted AS (
    SELECT
        p.pool, p.BillingCurrency AS currency, p.team, p.kind, COALESCE(o.team, r.owner) AS owner, r.by_rates,
        measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost) AS cost,
        measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete) AS incomplete
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    INNER JOIN pool_recharges AS r ON r.pool = p.pool
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(r.owner) AND d.day >= o.valid_from AND d.day < o.valid_to
    WHERE CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
        AND p.kind <> 'unpriced' AND NOT (p.kind = 'credit' AND ($credits = 'before' OR p.team IS NULL)) AND NOT (p.kind = 'tax' AND $tax = 'recoverable')
        AND NOT (p.kind = 'fee' AND p.BilledCost <> 0 AND p.EffectiveCost = 0 AND NOT p.effective_incomplete)
),

rated AS (
    SELECT u.pool, u.unit, u.currency, u.rate, u.quantity, u.amount, u.team = COALESCE(o.team, r.owner) AS is_own
    FROM recharged_use AS u
    INNER JOIN pool_recharges AS r ON r.pool = u.pool AND r.by_rates
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(r.owner) AND u.day >= o.valid_from AND u.day < o.valid_to
    WHERE CASE $calendar WHEN 'usage' THEN u.day ELSE u.billing_period END >= $start AND CASE $calendar WHEN 'usage' THEN u.day ELSE u.billing_period END < $end
),

parts AS (
    SELECT pool, currency, cost, CASE WHEN NOT by_rates AND team = owner AND kind NOT IN ('idle', 'unused') THEN cost END AS own_use,
        CASE WHEN team IS NULL THEN cost END AS no_team, CAST(NULL AS DECIMAL(38, 18)) AS recharged, CAST(NULL AS DECIMAL(38, 18)) AS markup, incomplete, FALSE AS is_unknown, 1 AS costs
    FROM posted
    UNION ALL
    SELECT pool, currency, CAST(NULL AS DECIMAL(38, 18)), CASE WHEN is_own THEN amount END, CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)), FALSE, amount IS NULL, 0
    FROM rated
    WHERE rate IS NOT NULL
    UNION ALL
    SELECT
        r.pool, r.BillingCurrency, CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)), CAST(NULL AS DECIMAL(38, 18)),
        CASE r.entry WHEN 'recharged' THEN measured($cost, r.BilledCost, r.EffectiveCost, r.ListCost, r.ContractedCost, r.rate_card_cost) END,
        CASE r.entry WHEN 'markup' THEN measured($cost, r.BilledCost, r.EffectiveCost, r.ListCost, r.ContractedCost, r.rate_card_cost) END, FALSE, FALSE, 0
    FROM recharges AS r
    WHERE r.entry <> 'cost' AND r.team = r.used_by AND NOT (r.kind = 'credit' AND $credits = 'before') AND NOT (r.kind = 'tax' AND $tax = 'recoverable')
        AND CASE $calendar WHEN 'usage' THEN r.day ELSE r.booked_period END >= $start AND CASE $calendar WHEN 'usage' THEN r.day ELSE r.booked_period END < $end
),

summed AS (
    SELECT
        pool, currency, SUM(cost) AS cost, SUM(own_use) AS own_use, SUM(no_team) AS no_team, SUM(recharged) AS recharged, SUM(markup) AS markup, BOOL_OR(incomplete) AS incomplete,
        BOOL_OR(is_unknown) AS is_unknown, COUNT(*) OVER (PARTITION BY pool) AS currencies, ROW_NUMBER() OVER (PARTITION BY pool ORDER BY SUM(costs) DESC, currency) AS place
    FROM parts
    GROUP BY pool, currency
),

budgeted AS (
    SELECT pool, currency, SUM(amount) AS budget
    FROM pool_budgets
    WHERE month >= $start AND month < $end
    GROUP BY pool, currency
    HAVING COUNT(*) = (EXTRACT(YEAR FROM CAST($end AS DATE)) - EXTRACT(YEAR FROM CAST($start AS DATE))) * 12 + EXTRACT(MONTH FROM CAST($end AS DATE)) - EXTRACT(MONTH FROM CAST($start AS DATE))
        AND EXTRACT(DAY FROM CAST($start AS DATE)) = 1 AND EXTRACT(DAY FROM CAST($end AS DATE)) = 1
),

quantities AS (
    SELECT
        pool, SUM(CASE WHEN rate IS NOT NULL AND unit = 'million tokens' THEN quantity END) AS rated_mtok, SUM(CASE WHEN rate IS NOT NULL AND unit = 'chip hour' THEN quantity END) AS rated_chip_hours,
        SUM(CASE WHEN rate IS NOT NULL AND unit = 'request' THEN quantity END) AS rated_requests, SUM(CASE WHEN rate IS NULL AND unit = 'million tokens' THEN quantity END) AS unrated_mtok,
        SUM(CASE WHEN rate IS NULL AND unit = 'chip hour' THEN quantity END) AS unrated_chip_hours, SUM(CASE WHEN rate IS NULL AND unit = 'request' THEN quantity END) AS unrated_requests
    FROM rated
    GROUP BY pool
),

-- what is unknown makes unknown what it is a part of
known AS (
    SELECT
        s.pool, r.owner, s.currency, s.place, s.cost, s.no_team, s.markup, s.incomplete, b.budget,
        CASE WHEN NOT r.by_rates OR s.currencies = 1 THEN COALESCE(s.recharged, CAST('0' AS DECIMAL(38, 18))) ELSE s.recharged END AS recharged,
        CASE WHEN NOT r.by_rates OR s.currencies = 1 THEN COALESCE(s.own_use, CAST('0' AS DECIMAL(38, 18))) ELSE s.own_use END AS own_use,
        CASE WHEN NOT s.incomplete THEN s.cost END AS whole_cost,
        CASE WHEN (NOT r.by_rates OR s.currencies = 1) AND NOT s.is_unknown AND (r.by_rates OR NOT s.incomplete)
            THEN COALESCE(s.recharged, CAST('0' AS DECIMAL(38, 18))) + COALESCE(s.own_use, CAST('0' AS DECIMAL(38, 18))) END AS absorbed,
        CASE
            WHEN r.by_rates AND s.currencies > 1 THEN 'costs and internal rates are not all in one currency, so what is left of them is in none'
            WHEN s.is_unknown THEN 'of what was used a quantity is not known'
            WHEN s.incomplete THEN 'a part of its cost is not known'
        END AS left_unknown
    FROM summed AS s
    INNER JOIN pool_recharges AS r ON r.pool = s.pool
    LEFT JOIN budgeted AS b ON b.pool = s.pool AND b.currency = s.currency
)

SELECT
    k.pool, k.owner, k.cost, k.recharged, k.own_use, k.whole_cost - k.absorbed AS under_recovery, k.no_team, k.budget, k.whole_cost - k.budget AS spending_variance,
    k.budget - k.absorbed AS volume_variance, k.markup, CASE WHEN k.place = 1 THEN q.rated_mtok END AS rated_mtok, CASE WHEN k.place = 1 THEN q.rated_chip_hours END AS rated_chip_hours,
    CASE WHEN k.place = 1 THEN q.rated_requests END AS rated_requests, CASE WHEN k.place = 1 THEN q.unrated_mtok END AS unrated_mtok,
    CASE WHEN k.place = 1 THEN q.unrated_chip_hours END AS unrated_chip_hours, CASE WHEN k.place = 1 THEN q.unrated_requests END AS unrated_requests, CASE WHEN k.left_unknown IS NOT NULL THEN CONCAT('pool ', k.pool, ': ', k.left_unknown) END AS left_unknown, k.currency, k.incomplete
FROM known AS k
LEFT JOIN quantities AS q ON q.pool = k.pool
ORDER BY k.currency, k.cost DESC NULLS LAST, k.pool
