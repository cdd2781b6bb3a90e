-- Hourly token counts to token usage. Grain: one row per record; its token classes are disjoint as the columns are documented.
SELECT
    file_no, record_no,
    instant(ts_start) AS ts_start, instant(ts_end) AS ts_end,
    provider, billing_account, region, model_raw, deployment, pool, chip, service_tier, team_raw, purpose,
    COALESCE(lower(task), 'generate') AS task, COALESCE(lower(outcome), 'ok') AS outcome, whole(requests) AS requests,
    'exclusive' AS convention, 'declared' AS convention_proof,
    [
        {'token_class': 'input.uncached', 'tokens': whole(input_uncached)},
        {'token_class': 'input.cache_read', 'tokens': whole(input_cache_read)},
        {'token_class': 'input.cache_write.unspecified', 'tokens': whole(input_cache_write)},
        {'token_class': 'input.unsplit', 'tokens': whole(input_unsplit)},
        {'token_class': 'output.unsplit', 'tokens': whole(output)},
        {'token_class': 'output.visible', 'tokens': whole(output_visible)},
        {'token_class': 'output.reasoning', 'tokens': whole(output_reasoning)}
    ] AS quantities
FROM records
