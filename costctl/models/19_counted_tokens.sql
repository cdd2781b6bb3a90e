-- Tokens and requests of the days that the period needs, together where everything is the same that decides what they are, whose, and at which price.
-- Grain: one row per day and last day, hour where something is split by the hours of the pool, names of named_usage, outcome, token class as counted, and of bought tokens that drive money the pieces of
-- price_bounds that the records touch: parts from the one of their first instant to that of their last, steps from the one of the shortest
-- prompt they may have to that of the longest. One request has its own prompt, several have any up to their sum, NULL where nobody counted it.
-- Requests stand on rows of class '-'. A record is of the day that it begins on, and of its hours there by its minutes in each. This is the one reading of all records; what follows reads these few rows.
-- Empty without: usage_scopes
-- Keep: yes
-- Stands with: usage_span, price_bounds, pools, pool_tokens, driving_roles, owner_rules, team_aliases, model_aliases, providers
WITH cells AS (
    SELECT
        day, last_day, source, evidence_role, drives, is_bought, provider, channel, pool, model, bought_model, region, route,
        service_tier, team, unknown_owner, purpose, task, outcome, first_minute, last_minute, prompt, is_one_prompt,
        BOOL_OR(is_estimated) AS is_estimated, SUM(CAST(requests AS DECIMAL(38, 0))) AS requests,
        SUM(CAST(uncached AS DECIMAL(38, 0))) AS uncached, SUM(CAST(cache_read AS DECIMAL(38, 0))) AS cache_read, SUM(CAST(written_5m AS DECIMAL(38, 0))) AS written_5m,
        SUM(CAST(written_30m AS DECIMAL(38, 0))) AS written_30m, SUM(CAST(written_1h AS DECIMAL(38, 0))) AS written_1h, SUM(CAST(written_12h AS DECIMAL(38, 0))) AS written_12h,
        SUM(CAST(written AS DECIMAL(38, 0))) AS written, SUM(CAST(tool_use AS DECIMAL(38, 0))) AS tool_use, SUM(CAST(input_unsplit AS DECIMAL(38, 0))) AS input_unsplit,
        SUM(CAST(visible AS DECIMAL(38, 0))) AS visible, SUM(CAST(reasoning AS DECIMAL(38, 0))) AS reasoning, SUM(CAST(output_unsplit AS DECIMAL(38, 0))) AS output_unsplit,
        SUM(CAST(rejected AS DECIMAL(38, 0))) AS rejected
    FROM spread_tokens
    GROUP BY ALL
),

hours AS (
    SELECT p.tokens_of AS pool, h.hour, h.hour * 60 AS begins
    FROM (SELECT DISTINCT tokens_of FROM pools WHERE grain = 'hour') AS p
    CROSS JOIN (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)) AS h(hour)
),

lasting AS (
    SELECT
        c.*, h.hour, GREATEST(h.begins, c.first_minute) - c.first_minute AS before, LEAST(h.begins + 60, CASE WHEN c.last_day > c.day THEN 1440 ELSE c.last_minute + 1 END) - c.first_minute AS until,
        CASE WHEN c.last_day > c.day THEN 1440 ELSE c.last_minute + 1 END - c.first_minute AS minutes
    FROM cells AS c
    LEFT JOIN hours AS h ON h.pool = c.pool AND h.begins + 60 > c.first_minute AND (h.begins <= c.last_minute OR c.last_day > c.day)
),

classes AS (
    SELECT m.token_class FROM (VALUES
        ('-'), ('input.uncached'), ('input.cache_read'), ('input.cache_write.5m'), ('input.cache_write.30m'), ('input.cache_write.1h'),
        ('input.cache_write.12h'), ('input.cache_write.unspecified'), ('input.tool_use'), ('input.unsplit'), ('output.visible'),
        ('output.reasoning'), ('output.unsplit'), ('output.rejected_prediction')
    ) AS m(token_class)
),

told AS (
    SELECT
        c.day, c.last_day, c.source, c.evidence_role, c.drives, c.is_bought, c.provider, c.channel, c.pool, c.model, c.bought_model, c.region, c.route,
        c.service_tier, c.team, c.unknown_owner, c.purpose, c.task, c.outcome, c.hour, c.before, c.until, c.minutes, COALESCE(f.from_value, CAST(0 AS BIGINT)) AS first_part,
        COALESCE(l.from_value, CAST(0 AS BIGINT)) AS last_part, COALESCE(CASE WHEN c.is_one_prompt THEN s.from_value END, CAST(-1 AS BIGINT)) AS first_step,
        s.from_value AS last_step, k.token_class,
        CASE k.token_class
            WHEN '-' THEN CAST(0 AS DECIMAL(38, 0))
            WHEN 'input.uncached' THEN c.uncached WHEN 'input.cache_read' THEN c.cache_read WHEN 'input.cache_write.5m' THEN c.written_5m
            WHEN 'input.cache_write.30m' THEN c.written_30m WHEN 'input.cache_write.1h' THEN c.written_1h WHEN 'input.cache_write.12h' THEN c.written_12h
            WHEN 'input.cache_write.unspecified' THEN c.written WHEN 'input.tool_use' THEN c.tool_use WHEN 'input.unsplit' THEN c.input_unsplit
            WHEN 'output.visible' THEN c.visible WHEN 'output.reasoning' THEN c.reasoning WHEN 'output.unsplit' THEN c.output_unsplit
            WHEN 'output.rejected_prediction' THEN c.rejected
        END AS tokens,
        CASE WHEN k.token_class = '-' THEN c.requests END AS requests, c.is_estimated
    FROM lasting AS c
    CROSS JOIN classes AS k
    LEFT JOIN price_bounds AS f ON f.provider = c.provider AND f.model = LOWER(c.bought_model) AND f.kind = 'part' AND f.from_value <= c.first_minute AND c.first_minute < f.to_value
    LEFT JOIN price_bounds AS l ON l.provider = c.provider AND l.model = LOWER(c.bought_model) AND l.kind = 'part' AND l.from_value <= c.last_minute AND c.last_minute < l.to_value
    LEFT JOIN price_bounds AS s ON s.provider = c.provider AND s.model = LOWER(c.bought_model) AND s.kind = 'step' AND s.from_value < c.prompt AND (c.prompt <= s.to_value OR s.to_value IS NULL)
)

SELECT
    $billing_period AS billing_period, day, last_day, source, evidence_role, drives, is_bought, provider, channel, pool, model, bought_model, region, route,
    service_tier, team, unknown_owner, purpose, task, outcome, first_part, last_part, first_step, last_step, token_class, hour,
    SUM(CASE WHEN hour IS NULL THEN tokens ELSE CAST(in_first(tokens, until, minutes) - in_first(tokens, before, minutes) AS DECIMAL(38, 0)) END) AS tokens,
    SUM(CASE WHEN hour IS NULL THEN requests ELSE CAST(in_first(requests, until, minutes) - in_first(requests, before, minutes) AS DECIMAL(38, 0)) END) AS requests, BOOL_OR(is_estimated) AS is_estimated
FROM told
WHERE tokens IS NOT NULL
GROUP BY ALL
