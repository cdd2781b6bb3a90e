-- Logged answers of Anthropic's Messages API to token usage. Grain: one row per line; of one answer one counts. Its input holds neither what
-- was read from a cache nor what was written to one; what was written is told by how long it is kept where the parts make up the whole.
WITH counted AS (
    SELECT
        *, whole(written) AS all_written, whole(thinking) AS thinking_tokens, whole(output) AS output_tokens,
        COALESCE(whole(written_5m), 0) + COALESCE(whole(written_1h), 0) AS told_written,
        COALESCE(len(unknown_counts(usage, ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens', 'output_tokens'])) > 0, FALSE)
        OR COALESCE(len(unknown_counts(json_extract(usage, '$.cache_creation'), ['ephemeral_5m_input_tokens', 'ephemeral_1h_input_tokens'])) > 0, FALSE)
        OR COALESCE(len(unknown_counts(json_extract(usage, '$.output_tokens_details'), ['thinking_tokens'])) > 0, FALSE) AS has_more_classes
    FROM records
),

judged AS (
    SELECT *, COALESCE(written_5m, written_1h) IS NOT NULL AND told_written = COALESCE(all_written, told_written) AS is_told
    FROM counted
)

SELECT
    file_no, record_no, instant(ended) AS ts_start, instant(ended) AS ts_end, 'anthropic' AS provider,
    CASE inference_geo WHEN 'global' THEN 'global' WHEN 'not_available' THEN NULL ELSE 'geo:' || inference_geo END AS region,
    model AS model_raw, team AS team_raw, api_key, workspace AS project, person AS principal, 'generate' AS task, 'ok' AS outcome, 1 AS requests,
    'exclusive' AS convention,
    CASE
        WHEN has_more_classes OR thinking_tokens > output_tokens THEN 'contradicted'
        WHEN COALESCE(written_5m, written_1h) IS NOT NULL AND NOT is_told THEN 'contradicted'
        ELSE 'declared'
    END AS convention_proof,
    CASE WHEN speed = 'fast' THEN 'fast' ELSE NULLIF(service_tier, 'standard') END AS service_tier,
    key_of([id]) AS natural_key,
    list_concat(
        [
            {'token_class': 'input.uncached', 'tokens': whole(input)},
            {'token_class': 'input.cache_read', 'tokens': whole(cache_read)},
            {'token_class': 'input.cache_write.5m', 'tokens': CASE WHEN is_told THEN whole(written_5m) END},
            {'token_class': 'input.cache_write.1h', 'tokens': CASE WHEN is_told THEN whole(written_1h) END},
            {'token_class': 'input.cache_write.unspecified', 'tokens': CASE WHEN NOT is_told THEN COALESCE(all_written, NULLIF(told_written, 0)) END}
        ],
        output_classes(output_tokens, thinking_tokens, FALSE)
    ) AS quantities
FROM judged
