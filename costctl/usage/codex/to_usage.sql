-- Codex session logs to token usage. Grain: one row per count that moved. Counters are cumulative: what counts is the difference to the
-- count before; where one fell, or at the first of a file, the count of the last answer where it is given. Input contains what was read
-- from a cache and written to one, and output contains reasoning, unless the total puts it on top.
WITH told AS (
    SELECT
        file_no, record_no, line = 'event_msg' AS is_count, instant(ts) AS ts, line, counts,
        last_value(CASE WHEN line = 'session_meta' THEN COALESCE(member(payload, '$.id'), member(payload, '$.session_id')) END IGNORE NULLS) OVER before AS session,
        last_value(CASE WHEN line IN ('session_meta', 'turn_context') THEN member(payload, '$.cwd') END IGNORE NULLS) OVER before AS folder,
        COALESCE(member(payload, '$.info.model'), last_value(CASE WHEN line = 'turn_context' THEN member(payload, '$.model') END IGNORE NULLS) OVER before) AS model,
        regexp_extract(file_name, '([^/\\]+?)(\.jsonl)?(\.gz|\.zip)?$', 1) AS stem,
        [whole(input), whole(read), whole(written), whole(output), whole(reasoning), whole(total)] AS stand,
        [whole(last_input), whole(last_read), whole(last_written), whole(last_output), whole(last_reasoning), whole(last_total)] AS latest
    FROM records
    WINDOW before AS (PARTITION BY file_no ORDER BY record_no ROWS UNBOUNDED PRECEDING)
),

followed AS (
    SELECT *, lag(stand) OVER (PARTITION BY file_no, is_count ORDER BY record_no) AS earlier
    FROM told
),

moved AS (
    SELECT
        *, earlier[1] IS NULL OR stand[1] IS NULL OR list_bool_or(list_transform(list_zip(stand, earlier), lambda p: COALESCE(p[1] < p[2], FALSE))) AS is_anew
    FROM followed
),

used AS (
    SELECT
        *,
        CASE
            WHEN NOT is_anew THEN list_transform(list_zip(stand, earlier), lambda p: p[1] - COALESCE(p[2], 0))
            WHEN latest[1] IS NOT NULL AND latest[4] IS NOT NULL THEN latest
            ELSE stand
        END AS part
    FROM moved
),

judged AS (
    SELECT
        *, key_of(list_concat([COALESCE(session, stem)], list_transform(list_concat(stand, latest), lambda n: CAST(n AS VARCHAR)))) AS natural_key,
        part[5] > 0 AND part[1] + part[4] + part[5] = part[6] AS is_on_top,
        COALESCE(part[2], 0) + COALESCE(part[3], 0) AS cached,
        unknown_counts(CASE WHEN json_valid(counts) THEN counts END, ['input_tokens', 'cached_input_tokens', 'cache_write_input_tokens', 'output_tokens', 'reasoning_output_tokens', 'total_tokens']) AS unknown
    FROM used
),

ruled AS (
    SELECT
        *, inclusion('inclusive', part[1], cached, part[4], part[6] - CASE WHEN COALESCE(is_on_top, FALSE) THEN part[5] ELSE 0 END) AS verdict,
        row_number() OVER (PARTITION BY natural_key ORDER BY ts, file_no, record_no) AS place
    FROM judged
)

SELECT
    file_no, record_no, ts AS ts_start, ts AS ts_end, 'openai' AS provider, model AS model_raw,
    NULLIF(regexp_extract(folder, '([^/\\]+)[/\\]*$', 1), '') AS project,
    'generate' AS task, 'ok' AS outcome, 1 AS requests, verdict.convention AS convention,
    CASE WHEN COALESCE(is_on_top, FALSE) OR len(unknown) > 0 THEN 'contradicted' ELSE verdict.proof END AS convention_proof,
    natural_key,
    list_concat(
        input_classes(verdict, part[1], part[2], part[3], NULL, NULL),
        output_classes(part[4], CASE WHEN verdict.proof <> 'contradicted' THEN part[5] END, COALESCE(is_on_top, FALSE))
    ) AS quantities,
    CASE
        WHEN NOT is_count THEN 'what a session or a turn runs with, no usage'
        WHEN COALESCE(part[1], 0) + COALESCE(part[4], 0) + COALESCE(part[5], 0) = 0 THEN 'a count that did not move'
        WHEN place > 1 THEN 'the same count again'
    END AS x_excluded
FROM ruled
