-- Bought tokens, of the calendar month and those that the period's bills charge, together where everything that decides their price is the same.
-- Grain: one row per lot: day, pool, provider, channel, model, region, route, service tier, team, token class as counted, and the pieces of
-- price_bounds that its records touch.
-- Empty without: counted_tokens
WITH counted AS (
    SELECT
        day, last_day, pool, provider, channel, model, bought_model, region, route, service_tier, team, token_class,
        first_part, last_part, first_step, last_step, SUM(tokens) AS tokens
    FROM counted_tokens
    WHERE billing_period = $billing_period AND is_bought AND drives AND token_class <> '-'
    GROUP BY ALL
)

SELECT
    MD5(ARRAY_TO_STRING([
        CAST(day AS VARCHAR), CAST(last_day AS VARCHAR), keyed(pool), keyed(provider), keyed(channel), keyed(model), keyed(bought_model), keyed(region),
        keyed(route), keyed(service_tier), keyed(team), keyed(token_class), CAST(first_part AS VARCHAR), CAST(last_part AS VARCHAR),
        CAST(first_step AS VARCHAR), COALESCE(CAST(last_step AS VARCHAR), '~')
    ], '|')) AS lot,
    day, last_day, pool, provider, channel, model, bought_model, region, route, service_tier, team, token_class, first_part, last_part,
    first_step, last_step, CAST(tokens AS BIGINT) AS tokens
FROM counted
