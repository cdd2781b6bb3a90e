-- What is claimed of a chip against what one's own bill shows: how many times as many weighted tokens a currency unit buys on it.
-- Grain: one row per claim, and for those about performance per dollar per model and chip that both are measured on. A claim without a named
-- baseline stands against every other chip that serves the model. Ratios are truncated, never totalled; a claim never becomes a price.
-- Title: claims against one's own bill
-- Calendar: usage
-- Wide: subject, ratio_claimed=claimed, ratio_measured=measured, model, against, cost_per_weighted_mtok=$/Mwtd, cost_per_mtok_against=its $/Mwtd, metric, baseline, date
-- Narrow: subject, ratio_claimed=claimed, ratio_measured=measured, model, against, metric
-- Total: none
WITH costs AS (
    SELECT
        model, chip, BillingCurrency AS currency,
        SUM(measured($cost, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost)) AS cost,
        BOOL_OR(measured($cost, billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete)) AS incomplete
    FROM serving_days
    WHERE CASE $calendar WHEN 'usage' THEN day ELSE booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN day ELSE booked_period END < $end
    GROUP BY model, chip, BillingCurrency
),

weighted AS (
    SELECT t.model, COALESCE(c.short, t.unit_chip) AS chip, NULLIF(CAST(SUM(t.weighted_tokens) AS DECIMAL(38, 0)), 0) AS tokens
    FROM token_days AS t
    LEFT JOIN chips AS c ON c.chip = t.unit_chip
    WHERE t.day >= $start AND t.day < $end AND t.is_billed
    GROUP BY ALL
),

single AS (SELECT model, chip FROM costs GROUP BY model, chip HAVING COUNT(*) = 1),

measured AS (
    SELECT c.model, c.chip, c.currency, ratio_of(millionths(c.cost) * 1000000, w.tokens) AS cost_per_mtok
    FROM costs AS c
    INNER JOIN single AS s ON s.model = c.model AND s.chip = c.chip
    INNER JOIN weighted AS w ON w.model = c.model AND w.chip = c.chip
    WHERE c.cost > 0 AND NOT c.incomplete AND w.tokens > 0 AND c.chip <> '-' AND c.chip <> 'mixed'
),

named AS (
    SELECT k.card, k.subject, COALESCE(s.short, k.subject) AS chip, k.baseline, b.short AS baseline_chip, k.ratio, k.metric, k.source, k.date
    FROM claims AS k
    LEFT JOIN chips AS s ON s.chip = k.subject
    LEFT JOIN chips AS b ON b.chip = k.baseline
),

compared AS (
    SELECT n.card, m.model, o.chip AS against, m.currency, m.cost_per_mtok, o.cost_per_mtok AS cost_per_mtok_against
    FROM named AS n
    INNER JOIN measured AS m ON m.chip = n.chip
    INNER JOIN measured AS o ON o.model = m.model AND o.currency = m.currency AND o.chip <> m.chip AND (n.baseline_chip IS NULL OR o.chip = n.baseline_chip)
    WHERE n.metric = 'performance per dollar' AND m.cost_per_mtok > 0
)

SELECT
    n.chip AS subject, CAST(n.ratio AS DECIMAL(28, 6)) AS ratio_claimed, ratio_of(millionths(c.cost_per_mtok_against) * 1000000, millionths(c.cost_per_mtok)) AS ratio_measured,
    c.model, c.against, c.cost_per_mtok AS cost_per_weighted_mtok, c.cost_per_mtok_against, n.metric, COALESCE(n.baseline_chip, n.baseline) AS baseline, n.date, n.source,
    n.card, c.currency
FROM named AS n
LEFT JOIN compared AS c ON c.card = n.card
ORDER BY n.chip, n.metric, n.card, c.model, c.against
