-- Bought tokens of the period's calendar month, together where everything that decides their price is the same.
-- Grain: one row per lot: day, pool, provider, channel, model, region, route, service tier, team and token class as counted; where cards have
-- prices for some hours the minutes from the first instant of the records to their last; where cards have steps the length that their prompts
-- may have: that of the one request of a record, of several requests anything up to their sum, NULL where nobody counted it.
WITH apart AS (
    SELECT provider, LOWER(model) AS model, COUNT(COALESCE(prompt_above, prompt_up_to)) > 0 AS has_steps, COUNT(minute_from) > 0 AS has_windows
    FROM model_prices
    GROUP BY provider, LOWER(model)
),

bought AS (
    SELECT
        u.day, CAST(u.ts_last AS DATE) AS last_day, u.pool, u.provider, u.channel, u.model, u.bought_model, u.region, u.route, u.service_tier, u.team,
        u.requests, u.delivery_id, u.file_no, u.record_no, COALESCE(a.has_steps, FALSE) AS has_steps,
        CASE WHEN a.has_windows THEN EXTRACT(HOUR FROM u.ts_start) * 60 + EXTRACT(MINUTE FROM u.ts_start) ELSE 0 END AS first_minute,
        CASE WHEN a.has_windows THEN EXTRACT(HOUR FROM u.ts_last) * 60 + EXTRACT(MINUTE FROM u.ts_last) ELSE 1439 END AS last_minute
    FROM driving_usage AS u
    LEFT JOIN apart AS a ON a.provider = u.provider AND a.model = LOWER(u.bought_model)
    WHERE u.provider <> 'self' AND u.day >= $billing_period AND u.day < $billing_period_end
),

prompts AS (
    SELECT b.delivery_id, b.file_no, b.record_no, CAST(SUM(CAST(q.tokens AS DECIMAL(38, 0))) AS BIGINT) AS tokens
    FROM bought AS b
    INNER JOIN token_quantity AS q ON q.delivery_id = b.delivery_id AND q.file_no = b.file_no AND q.record_no = b.record_no
    WHERE b.has_steps AND q.token_class LIKE 'input%'
    GROUP BY b.delivery_id, b.file_no, b.record_no
),

counted AS (
    SELECT
        b.day, b.last_day, b.pool, b.provider, b.channel, b.model, b.bought_model, b.region, b.route, b.service_tier, b.team, b.first_minute, b.last_minute,
        CASE WHEN b.requests = 1 AND p.tokens IS NOT NULL THEN p.tokens ELSE CAST(0 AS BIGINT) END AS shortest_prompt, p.tokens AS longest_prompt,
        q.token_class, SUM(CAST(q.tokens AS DECIMAL(38, 0))) AS tokens
    FROM bought AS b
    INNER JOIN token_quantity AS q ON q.delivery_id = b.delivery_id AND q.file_no = b.file_no AND q.record_no = b.record_no
    LEFT JOIN prompts AS p ON p.delivery_id = b.delivery_id AND p.file_no = b.file_no AND p.record_no = b.record_no
    GROUP BY ALL
)

SELECT
    MD5(ARRAY_TO_STRING([
        CAST(day AS VARCHAR), CAST(last_day AS VARCHAR), keyed(pool), keyed(provider), keyed(channel), keyed(model), keyed(bought_model), keyed(region),
        keyed(route), keyed(service_tier), keyed(team), CAST(first_minute AS VARCHAR), CAST(last_minute AS VARCHAR),
        CAST(shortest_prompt AS VARCHAR), COALESCE(CAST(longest_prompt AS VARCHAR), '~'), keyed(token_class)
    ], '|')) AS lot,
    day, last_day, pool, provider, channel, model, bought_model, region, route, service_tier, team, first_minute, last_minute,
    shortest_prompt, longest_prompt, token_class, CAST(tokens AS BIGINT) AS tokens
FROM counted
