-- Claude Code session logs to token usage. Grain: one row per line with usage; those of one answer have one key. Anthropic's input is
-- without what was read from a cache and written to one; a write is told by how long it is kept where the two make up the whole.
WITH counted AS (
    SELECT
        *, whole(written) AS written_tokens, whole(written_5m) AS short_tokens, whole(written_1h) AS long_tokens,
        COALESCE(whole(written_5m), 0) + COALESCE(whole(written_1h), 0) AS split_tokens,
        COALESCE(speed = 'fast', FALSE) AS is_fast,
        unknown_counts(CASE WHEN json_valid(usage) THEN usage END, ['input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens']) AS unknown
    FROM (SELECT *, member(usage, '$.speed') AS speed, member(usage, '$.service_tier') AS tier FROM records)
),

judged AS (
    SELECT
        *, split_tokens > 0 AND split_tokens = COALESCE(written_tokens, split_tokens) AS is_split,
        {
            'convention': 'exclusive',
            'proof': CASE WHEN len(unknown) > 0 OR split_tokens > 0 AND split_tokens <> written_tokens THEN 'contradicted' ELSE 'declared' END
        } AS verdict
    FROM counted
)

SELECT
    file_no, record_no, instant(ts) AS ts_start, instant(ts) AS ts_end,
    CASE
        WHEN starts_with(message_id, 'msg_bdrk_') THEN 'aws.bedrock' WHEN starts_with(message_id, 'msg_vrtx_') THEN 'gcp.vertex_ai'
        WHEN contains(lower(model), 'claude') THEN 'anthropic' ELSE 'unknown'     -- a gateway may serve other models
    END AS provider,
    model AS model_raw, NULLIF(regexp_extract(folder, '([^/\\]+)[/\\]*$', 1), '') AS project,
    'generate' AS task, 'ok' AS outcome, 1 AS requests, verdict.convention AS convention, verdict.proof AS convention_proof,
    CASE WHEN is_fast THEN 'fast' WHEN tier <> 'standard' THEN tier END AS service_tier,
    money(cost) AS reported_cost, CASE WHEN cost IS NOT NULL THEN 'USD' END AS reported_currency,
    key_of([message_id, CASE WHEN request_id IS NULL AND NOT starts_with(message_id, 'msg_') THEN COALESCE(session, '') END]) AS natural_key,
    list_concat(
        input_classes(
            verdict, whole(input), whole(read), CASE WHEN NOT is_split THEN written_tokens END,
            CASE WHEN is_split THEN short_tokens END, CASE WHEN is_split THEN long_tokens END
        ),
        output_classes(whole(output), NULL, FALSE)
    ) AS quantities
FROM judged
