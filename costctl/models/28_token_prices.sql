-- The price of each token class at each hour and length of prompt that a card tells apart, on the days of bought tokens; none where no card is in force.
-- Grain: one row per provider, channel, model, region, route, service tier and day of usage, step and part of price_bounds, and token class.
-- Of the prices in force the first wins: by layer (contract, realised, list, model), by region (the region itself, then the route, then `*`),
-- of the channel before of any, for some hours or days of the week before for the whole day, for a step before for all prompts. lowest and highest are the
-- same but where nothing tells between them: channels, or currencies. A `*` price is of no route where others of its model name routes.
-- Empty without: counted_tokens
WITH cards AS (
    SELECT
        card, provider, channel, LOWER(model) AS model, region, service_tier, token_class, layer, price_per_million, currency, valid_from, valid_to, COALESCE(confidence, '-') = 'estimate' AS is_estimate,
        minute_from, minute_to, weekday_from, weekday_to, prompt_above, prompt_up_to,
        MAX(CASE WHEN region = 'global' OR region LIKE 'geo:%' THEN 1 ELSE 0 END) OVER (PARTITION BY provider, channel, LOWER(model)) AS names_routes
    FROM model_prices
),

spans AS (
    SELECT DISTINCT provider, channel, LOWER(bought_model) AS model, region, route, service_tier, day, last_day
    FROM counted_tokens
    WHERE billing_period = $billing_period AND is_bought AND drives
),

wanted AS (
    SELECT DISTINCT
        u.provider, u.channel, u.model, u.region, u.route, u.service_tier, CAST(s.day AS DATE) AS day,
        DATE_DIFF('day', CAST('1900-01-01' AS DATE), CAST(s.day AS DATE)) % 7 AS weekday      -- that was a Monday
    FROM spans AS u, UNNEST(GENERATE_SERIES(u.day, u.last_day, INTERVAL '1' DAY)) AS s(day)
),

-- reasoning is output where no card has a price of its own for it
classes AS (SELECT provider, model, token_class FROM cards UNION SELECT provider, model, 'reasoning' FROM cards WHERE token_class = 'output'),

ranked AS (
    SELECT
        w.provider, w.channel, w.model, w.region, w.route, w.service_tier, w.day, s.from_value AS step, p.from_value AS part, k.token_class, c.price_per_million, c.currency, c.layer, c.card, c.is_estimate,
        RANK() OVER (
            PARTITION BY w.provider, w.channel, w.model, w.region, w.route, w.service_tier, w.day, s.from_value, p.from_value, k.token_class
            ORDER BY
                CASE c.layer WHEN 'contract' THEN 1 WHEN 'realised' THEN 2 WHEN 'list' THEN 3 ELSE 4 END,
                CASE WHEN c.token_class = k.token_class THEN 1 ELSE 2 END, CASE c.region WHEN w.region THEN 1 WHEN w.route THEN 2 ELSE 3 END,
                CASE WHEN c.channel IS NULL AND w.channel IS NOT NULL THEN 2 ELSE 1 END, CASE WHEN c.minute_from IS NULL THEN 2 ELSE 1 END,
                CASE WHEN c.prompt_above IS NULL AND c.prompt_up_to IS NULL THEN 2 ELSE 1 END
        ) AS place
    FROM wanted AS w
    INNER JOIN price_bounds AS s ON s.provider = w.provider AND s.model = w.model AND s.kind = 'step'
    INNER JOIN price_bounds AS p ON p.provider = w.provider AND p.model = w.model AND p.kind = 'part'
    INNER JOIN classes AS k ON k.provider = w.provider AND k.model = w.model
    LEFT JOIN cards AS c ON c.provider = w.provider AND c.model = w.model AND c.service_tier = w.service_tier
        AND (c.token_class = k.token_class OR k.token_class = 'reasoning' AND c.token_class = 'output')
        AND (c.channel = w.channel OR c.channel IS NULL OR w.channel IS NULL)
        AND (c.region = w.region OR c.region = w.route OR c.region = '*' AND (w.route IS NULL OR c.names_routes = 0))
        AND (c.valid_from <= w.day OR c.valid_from IS NULL) AND (w.day < c.valid_to OR c.valid_to IS NULL)
        AND c.weekday_from <= w.weekday AND w.weekday < c.weekday_to
        AND COALESCE(c.minute_from, 0) <= p.from_value AND p.from_value < COALESCE(c.minute_to, 1440)
        AND (c.prompt_above IS NULL OR c.prompt_above <= s.from_value) AND (c.prompt_up_to IS NULL OR s.from_value < c.prompt_up_to)
)

SELECT
    provider, channel, model, region, route, service_tier, day, step, part, token_class,
    MIN(price_per_million) AS lowest, MAX(price_per_million) AS highest, CASE WHEN MIN(currency) = MAX(currency) THEN MIN(currency) END AS currency,
    MIN(layer) AS layer, MIN(card) AS card, BOOL_OR(COALESCE(is_estimate, FALSE)) AS is_estimate
FROM ranked
WHERE place = 1
GROUP BY provider, channel, model, region, route, service_tier, day, step, part, token_class
