-- The bought tokens of the period's calendar month at the card prices: what is used in a month, whenever it is billed.
-- Grain: one row per day, pool, provider, channel, model, team, service tier, token class as billed, card, price and reason.
-- Empty without: priced_tokens
-- Keep: yes
SELECT
    $billing_period AS billing_period, day, pool, provider, channel, model, bought_model, team, service_tier, token_class, card, layer, currency,
    price_per_million, reason, tokens, rate_cost, is_estimate
FROM priced_tokens
WHERE day >= $billing_period AND day < $billing_period_end
