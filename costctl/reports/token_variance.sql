-- What bought tokens really cost against the card in force when they were used, per provider, model and token class; no card, or no bill, is `-`.
-- Grain: one row per provider, model, token class and currency. Tokens are at the card by the day of their use, and stand beside the largest cost;
-- where some of them have no price, at card is unknown and reason says why.
-- Title: token variance
-- Calendar: usage
-- Wide: provider, model, token_class=class, billed_mtok=billed Mtok, counted_mtok=counted Mtok, cost, card_cost=at card, variance, cost_per_mtok=$/Mtok, card_per_mtok=card $/M, reason
-- Narrow: provider, model, token_class=class, cost, card_cost=at card, variance
-- Unknown: cost, card_cost, variance
-- Empty: no bought tokens are billed or rated
WITH billed AS (
    SELECT
        g.provider, COALESCE(n.model, LOWER(TRIM(g.x_model_raw)), 'unknown') AS model, g.x_token_class AS token_class, g.BillingCurrency AS currency,
        SUM(measured($cost, g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, NULL)) AS cost,
        SUM(millionths_of_tokens(g.quantity, u.multiplier)) AS millionths,
        BOOL_OR(g.quantity_unknown > 0 OR millionths_of_tokens(g.quantity, u.multiplier) IS NULL) AS has_unread
    FROM charge_groups AS g
    LEFT JOIN model_names AS n ON n.billing_period = g.billing_period AND n.raw = LOWER(TRIM(g.x_model_raw))
        AND CAST(g.slot_start AS DATE) >= n.valid_from AND CAST(g.slot_start AS DATE) < n.valid_to
    LEFT JOIN units AS u ON u.unit = LOWER(TRIM(g.unit)) AND u.measure = 'token'
    WHERE g.x_token_class IS NOT NULL AND g.ChargeCategory = 'Usage'
        AND CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE g.billing_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE g.billing_period END < $end
    GROUP BY ALL
),

placed AS (
    SELECT
        provider, model, token_class, currency, cost, millionths, has_unread,
        ROW_NUMBER() OVER (PARTITION BY provider, model, token_class ORDER BY cost DESC, currency) AS place
    FROM billed
),

rated AS (
    SELECT
        provider, bought_model AS model, token_class, SUM(CAST(tokens AS DECIMAL(38, 0))) AS tokens, MAX(reason) AS reason,
        MIN(currency) AS currency, CASE WHEN MAX(reason) IS NULL AND MIN(currency) = MAX(currency) THEN SUM(rate_cost) END AS card_cost
    FROM rated_tokens
    WHERE day >= $start AND day < $end AND pool = 'api' AND tokens > 0
    GROUP BY provider, bought_model, token_class
),

compared AS (
    SELECT
        COALESCE(b.provider, r.provider) AS provider, COALESCE(b.model, r.model) AS model, COALESCE(b.token_class, r.token_class) AS token_class,
        b.cost, b.millionths, b.has_unread, r.tokens, COALESCE(b.currency, r.currency, '-') AS currency,
        CASE WHEN COALESCE(b.currency, r.currency) = r.currency THEN r.card_cost END AS card_cost,
        CASE
            WHEN b.place > 1 OR r.reason IS NOT NULL THEN r.reason
            WHEN r.tokens IS NULL THEN 'no source counted these tokens'
            WHEN b.currency <> r.currency OR r.card_cost IS NULL THEN 'the card is in another currency'
            WHEN b.provider IS NULL THEN 'on no bill yet'
        END AS reason
    FROM placed AS b
    FULL JOIN rated AS r ON r.provider = b.provider AND r.model = b.model AND r.token_class = b.token_class AND b.place = 1
)

SELECT
    provider, model, token_class, millions(exact_quotient(millionths, CAST('1000000' AS DECIMAL(38, 0)))) AS billed_mtok,
    millions(tokens) AS counted_mtok,
    cost, card_cost, cost - card_cost AS variance,
    CASE WHEN cost >= 0 AND NOT has_unread THEN ratio_of(millionths(cost) * 1000000, NULLIF(exact_quotient(millionths, CAST('1000000' AS DECIMAL(38, 0))), 0)) END AS cost_per_mtok,
    ratio_of(millionths(card_cost) * 1000000, NULLIF(tokens, 0)) AS card_per_mtok, reason, currency
FROM compared
ORDER BY currency, COALESCE(cost, card_cost) DESC, provider, model, token_class
