-- The usage records of named_usage with the tokens of each class beside each other, so that names are looked up once per record and not once per class.
-- Grain: one row per usage record; a class that it does not have is NULL. The length of its prompt stands only where cards of a bought
-- model tell by it, of one that is not longer than the first step as no tokens; the minutes of its first and last instant so, too, or where its pool goes by
-- hours: then both as the first of the hour that it lies in.
-- Inlined: yes
WITH spread AS (
    SELECT
        r.reach_no, q.record_no, q.part_no,
        MAX(CASE WHEN q.token_class = 'input.uncached' THEN q.tokens END) AS uncached, MAX(CASE WHEN q.token_class = 'input.cache_read' THEN q.tokens END) AS cache_read,
        MAX(CASE WHEN q.token_class = 'input.cache_write.5m' THEN q.tokens END) AS written_5m, MAX(CASE WHEN q.token_class = 'input.cache_write.30m' THEN q.tokens END) AS written_30m,
        MAX(CASE WHEN q.token_class = 'input.cache_write.1h' THEN q.tokens END) AS written_1h, MAX(CASE WHEN q.token_class = 'input.cache_write.12h' THEN q.tokens END) AS written_12h,
        MAX(CASE WHEN q.token_class = 'input.cache_write.unspecified' THEN q.tokens END) AS written, MAX(CASE WHEN q.token_class = 'input.tool_use' THEN q.tokens END) AS tool_use,
        MAX(CASE WHEN q.token_class = 'input.unsplit' THEN q.tokens END) AS input_unsplit, MAX(CASE WHEN q.token_class = 'output.visible' THEN q.tokens END) AS visible,
        MAX(CASE WHEN q.token_class = 'output.reasoning' THEN q.tokens END) AS reasoning, MAX(CASE WHEN q.token_class = 'output.unsplit' THEN q.tokens END) AS output_unsplit,
        MAX(CASE WHEN q.token_class = 'output.rejected_prediction' THEN q.tokens END) AS rejected
    FROM token_quantity AS q
    INNER JOIN usage_reach AS r ON r.delivery_id = q.delivery_id AND r.file_no = q.file_no AND q.record_no >= r.first_record AND q.record_no <= r.last_record
    GROUP BY r.reach_no, q.record_no, q.part_no
),

told_apart AS (
    SELECT provider, model, MAX(CASE WHEN kind = 'part' THEN pieces END) AS parts, MAX(CASE WHEN kind = 'step' AND from_value = -1 THEN to_value END) AS first_step_to
    FROM price_bounds
    WHERE pieces > 1
    GROUP BY provider, model
),

named AS (
    SELECT
        u.day, CAST(u.ts_last AS DATE) AS last_day, u.source, u.evidence_role, u.drives, u.is_bought, u.provider, u.channel, u.pool, u.model, u.bought_model, u.region, u.route,
        u.service_tier, u.team, u.unknown_owner, u.purpose, u.task, u.outcome, u.requests, u.is_estimated,
        CASE
            WHEN a.parts > 1 OR (u.by_hour AND DATE_TRUNC('hour', u.ts_start) < DATE_TRUNC('hour', u.ts_last)) THEN EXTRACT(HOUR FROM u.ts_start) * 60 + EXTRACT(MINUTE FROM u.ts_start)
            WHEN u.by_hour THEN EXTRACT(HOUR FROM u.ts_start) * 60
        END AS first_minute,
        CASE
            WHEN a.parts > 1 OR (u.by_hour AND DATE_TRUNC('hour', u.ts_start) < DATE_TRUNC('hour', u.ts_last)) THEN EXTRACT(HOUR FROM u.ts_last) * 60 + EXTRACT(MINUTE FROM u.ts_last)
            WHEN u.by_hour THEN EXTRACT(HOUR FROM u.ts_start) * 60
        END AS last_minute, a.first_step_to,
        CASE
            WHEN a.first_step_to IS NOT NULL AND COALESCE(q.uncached, q.cache_read, q.written_5m, q.written_30m, q.written_1h, q.written_12h, q.written, q.tool_use, q.input_unsplit) IS NOT NULL
            THEN COALESCE(q.uncached, 0) + COALESCE(q.cache_read, 0) + COALESCE(q.written_5m, 0) + COALESCE(q.written_30m, 0) + COALESCE(q.written_1h, 0)
                + COALESCE(q.written_12h, 0) + COALESCE(q.written, 0) + COALESCE(q.tool_use, 0) + COALESCE(q.input_unsplit, 0)
        END AS prompt,
        q.uncached, q.cache_read, q.written_5m, q.written_30m, q.written_1h, q.written_12h, q.written, q.tool_use, q.input_unsplit, q.visible, q.reasoning, q.output_unsplit, q.rejected
    FROM named_usage AS u
    LEFT JOIN spread AS q ON q.reach_no = u.reach_no AND q.record_no = u.record_no AND q.part_no = u.part_no
    LEFT JOIN told_apart AS a ON a.provider = u.provider AND a.model = CASE WHEN u.is_bought AND u.drives THEN LOWER(u.bought_model) END
)

SELECT
    day, last_day, source, evidence_role, drives, is_bought, provider, channel, pool, model, bought_model, region, route,
    service_tier, team, unknown_owner, purpose, task, outcome, requests, is_estimated, first_minute, last_minute,
    CASE WHEN prompt <= first_step_to THEN CAST(0 AS BIGINT) ELSE prompt END AS prompt, CASE WHEN prompt > first_step_to THEN requests = 1 END AS is_one_prompt,
    uncached, cache_read, written_5m, written_30m, written_1h, written_12h, written, tool_use, input_unsplit, visible, reasoning, output_unsplit, rejected
FROM named
