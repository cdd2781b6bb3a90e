-- Bought tokens, of the calendar month and those that the period's bills charge, together where everything that decides their price is the same.
-- Grain: one row per lot: day, pool, provider, channel, model, region, route, service tier, team, token class as counted, and the pieces of
-- price_bounds that its records touch: parts from the one of their first instant to that of their last, steps from the one of the shortest
-- prompt they may have to that of the longest. One request has its own prompt, several have any up to their sum, NULL where nobody counted it.
-- Empty without: named_usage
WITH bought AS (
    SELECT
        u.day, CAST(u.ts_last AS DATE) AS last_day, u.pool, u.provider, u.channel, u.model, u.bought_model, u.region, u.route, u.service_tier, u.team,
        u.requests, u.delivery_id, u.file_no, u.record_no, u.part_no, LOWER(u.bought_model) AS name,
        EXTRACT(HOUR FROM u.ts_start) * 60 + EXTRACT(MINUTE FROM u.ts_start) AS first_minute,
        EXTRACT(HOUR FROM u.ts_last) * 60 + EXTRACT(MINUTE FROM u.ts_last) AS last_minute
    FROM named_usage AS u
    WHERE u.is_bought AND u.drives
),

prompts AS (
    SELECT b.provider, b.name, b.delivery_id, b.file_no, b.record_no, b.part_no, b.requests, SUM(CAST(q.tokens AS DECIMAL(38, 0))) AS tokens
    FROM bought AS b
    INNER JOIN price_bounds AS s ON s.provider = b.provider AND s.model = b.name AND s.kind = 'step' AND s.from_value = -1 AND s.pieces > 1
    INNER JOIN token_quantity AS q ON q.delivery_id = b.delivery_id AND q.file_no = b.file_no AND q.record_no = b.record_no AND q.part_no = b.part_no
    WHERE q.token_class LIKE 'input%'
    GROUP BY b.provider, b.name, b.delivery_id, b.file_no, b.record_no, b.part_no, b.requests
),

stepped AS (
    SELECT p.delivery_id, p.file_no, p.record_no, p.part_no, CASE WHEN p.requests = 1 THEN s.from_value END AS first_step, s.from_value AS last_step
    FROM prompts AS p
    INNER JOIN price_bounds AS s ON s.provider = p.provider AND s.model = p.name AND s.kind = 'step'
        AND (s.from_value < p.tokens AND (p.tokens <= s.to_value OR s.to_value IS NULL))
),

counted AS (
    SELECT
        b.day, b.last_day, b.pool, b.provider, b.channel, b.model, b.bought_model, b.region, b.route, b.service_tier, b.team, q.token_class,
        COALESCE(f.from_value, CAST(0 AS BIGINT)) AS first_part, COALESCE(l.from_value, CAST(0 AS BIGINT)) AS last_part,
        COALESCE(s.first_step, CAST(-1 AS BIGINT)) AS first_step, s.last_step, SUM(CAST(q.tokens AS DECIMAL(38, 0))) AS tokens
    FROM bought AS b
    INNER JOIN token_quantity AS q ON q.delivery_id = b.delivery_id AND q.file_no = b.file_no AND q.record_no = b.record_no AND q.part_no = b.part_no
    LEFT JOIN stepped AS s ON s.delivery_id = b.delivery_id AND s.file_no = b.file_no AND s.record_no = b.record_no AND s.part_no = b.part_no
    LEFT JOIN price_bounds AS f ON f.provider = b.provider AND f.model = b.name AND f.kind = 'part' AND f.from_value <= b.first_minute AND b.first_minute < f.to_value
    LEFT JOIN price_bounds AS l ON l.provider = b.provider AND l.model = b.name AND l.kind = 'part' AND l.from_value <= b.last_minute AND b.last_minute < l.to_value
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
