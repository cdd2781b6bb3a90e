-- Names of models that no alias knows, by the money at stake, with the alias line to add; the placeholder MODEL is yours to fill in.
-- Grain: one row per provider, name and currency. Tokens are those of the bills, else the counted ones; a name that is on no bill has no cost.
-- Title: unknown models
-- Calendar: usage
-- Wide: provider, name, cost, mtok=Mtok, alias
-- Narrow: provider, name, cost, mtok=Mtok
-- Unknown: cost
-- Top: 20
-- Empty: every name that bills and token counts give a model is known
WITH billed AS (
    SELECT
        g.provider, n.raw AS name, g.BillingCurrency AS currency,
        SUM(measured($cost, g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, NULL)) AS cost,
        SUM(CAST(TRY_CAST(g.quantity AS DECIMAL(24, 6)) * 1000000 AS DECIMAL(38, 0)) * CAST(u.multiplier AS DECIMAL(38, 0))) AS millionths_of_tokens
    FROM charge_groups AS g
    INNER JOIN model_names AS n ON n.billing_period = g.billing_period AND n.raw = LOWER(TRIM(g.x_model_raw)) AND n.model IS NULL
        AND CAST(g.slot_start AS DATE) >= n.valid_from AND CAST(g.slot_start AS DATE) < n.valid_to
    LEFT JOIN units AS u ON u.unit = LOWER(TRIM(g.unit)) AND u.measure = 'token'
    WHERE CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE g.billing_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE g.billing_period END < $end
    GROUP BY g.provider, n.raw, g.BillingCurrency
),

counted AS (
    SELECT provider, bought_model AS name, SUM(CAST(tokens AS DECIMAL(38, 0))) AS tokens
    FROM rated_tokens
    WHERE model = 'unknown' AND day >= $start AND day < $end
    GROUP BY provider, bought_model
),

named AS (
    SELECT
        COALESCE(b.provider, c.provider) AS provider, COALESCE(b.name, c.name) AS name, b.cost, COALESCE(b.currency, '-') AS currency,
        COALESCE(exact_quotient(b.millionths_of_tokens, CAST('1000000' AS DECIMAL(38, 0))), c.tokens) AS tokens
    FROM billed AS b
    FULL JOIN counted AS c ON c.provider = b.provider AND c.name = b.name
)

SELECT
    provider, name, cost, millions(tokens) AS mtok,
    CONCAT('"', REPLACE(name, '"', '""'), '",MODEL') AS alias, currency
FROM named
ORDER BY currency DESC, ABS(cost) DESC, tokens DESC, provider, name
