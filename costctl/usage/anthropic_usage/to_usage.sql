-- Anthropic messages usage report to token usage. Grain: one row per bucket and group. The classes are fields of their own: `uncached` says
-- that it holds no cached tokens, the writes are told by how long they are kept. A count that no field here names is told as one that
-- does not add up; the classes that are known count all the same.
WITH counted AS (
    SELECT
        *, max(instant(ends)) OVER (PARTITION BY file_no, next_page) AS page_end,
        COALESCE(len(unknown_counts(result, ['uncached_input_tokens', 'cache_read_input_tokens', 'output_tokens'])) > 0, FALSE)
        OR COALESCE(len(unknown_counts(json_extract(result, '$.cache_creation'), ['ephemeral_5m_input_tokens', 'ephemeral_1h_input_tokens'])) > 0, FALSE) AS has_more_classes
    FROM records
)

SELECT
    file_no, record_no, instant(starts) AS ts_start, instant(ends) AS ts_end, 'anthropic' AS provider,
    CASE inference_geo WHEN 'global' THEN 'global' WHEN 'not_available' THEN NULL ELSE 'geo:' || inference_geo END AS region,
    model AS model_raw, api_key, workspace AS project, COALESCE(account, service_account) AS principal,
    'generate' AS task, 'ok' AS outcome,
    'exclusive' AS convention, CASE WHEN has_more_classes THEN 'contradicted' ELSE 'declared' END AS convention_proof,
    CASE WHEN speed = 'fast' THEN 'fast' ELSE NULLIF(service_tier, 'standard') END AS service_tier,
    words([CASE WHEN has_more = 'true' AND instant(ends) = page_end THEN 'incomplete' END]) AS flags,
    key_of([
        CAST(instant(starts) AS VARCHAR), CAST(instant(ends) AS VARCHAR), model, api_key, workspace, account, service_account, service_tier,
        context_window, inference_geo, speed
    ]) AS natural_key,
    [
        {'token_class': 'input.uncached', 'tokens': whole(uncached)},
        {'token_class': 'input.cache_read', 'tokens': whole(cache_read)},
        {'token_class': 'input.cache_write.5m', 'tokens': whole(written_5m)},
        {'token_class': 'input.cache_write.1h', 'tokens': whole(written_1h)},
        {'token_class': 'output.unsplit', 'tokens': whole(output)}
    ] AS quantities
FROM counted
