-- Helicone requests to token usage. Grain: one row per request. Its counts are disjoint by its own code: prompts without what was cached,
-- completions without reasoning. Audio was apart once and is within now; no field says which, so such a record stays unsplit.
WITH told AS (
    SELECT
        *,
        whole(prompt) AS prompt_count, whole(completion) AS completion_count, whole(reasoning) AS reasoning_count,
        whole(prompt_audio) > 0 OR whole(completion_audio) > 0 AS has_audio, try_cast(status AS INTEGER) AS code,
        -- Its CSV doubles the quotes of JSON once too often.
        members(CASE WHEN json_valid(properties) THEN properties ELSE replace(properties, '""', '"') END) AS named,
        COALESCE(NULLIF(cached_from, '00000000-0000-0000-0000-000000000000'), '') <> '' AS answered_from_cache,
        -- Its database keeps billionths of a dollar as whole numbers, its API dollars with a point.
        CASE WHEN cost_usd IS NOT NULL THEN money(cost_usd) WHEN regexp_full_match(cost, '[1-9]\d*') THEN shifted(money(cost), 9) ELSE money(cost) END AS costed
    FROM records
)

SELECT
    file_no, record_no, instant(started) AS ts_start, COALESCE(instant(ended), instant(started)) AS ts_end,
    COALESCE(NULLIF(provider, ''), 'unknown') AS provider, NULLIF(model_raw, '') AS model_raw,
    list_filter(named, lambda e: lower(e.key) = 'team')[1].value AS team_raw, NULLIF(key, '00000000-0000-0000-0000-000000000000') AS api_key,
    NULLIF(person, '') AS principal, list_filter(named, lambda e: lower(e.key) = 'purpose')[1].value AS purpose,
    CASE
        WHEN contains(path, 'embedding') THEN 'embed' WHEN contains(path, 'rerank') THEN 'rerank' WHEN contains(path, '/images') THEN 'image'
        WHEN contains(path, '/audio') THEN 'audio' WHEN contains(path, '/video') THEN 'video' WHEN contains(path, 'moderation') THEN 'other' ELSE 'generate'
    END AS task,
    CASE
        WHEN code BETWEEN 200 AND 299 THEN 'ok' WHEN code IN (-3, 499) THEN 'client_abort'
        WHEN code BETWEEN 400 AND 498 AND code NOT IN (408, 429) THEN 'client_error' ELSE 'platform_error'
    END AS outcome,
    1 AS requests, CASE WHEN has_audio THEN 'unsplit' ELSE 'exclusive' END AS convention, CASE WHEN has_audio THEN 'contradicted' ELSE 'declared' END AS convention_proof,
    words([CASE WHEN answered_from_cache THEN 'cache_hit' END]) AS flags,
    costed AS reported_cost, CASE WHEN costed IS NOT NULL THEN 'USD' END AS reported_currency,
    key_of([COALESCE(NULLIF(response_id, ''), request_id)]) AS natural_key,
    CASE WHEN code = -2 THEN 'a request that was still running' END AS x_excluded,
    CASE
        WHEN answered_from_cache THEN CAST([] AS STRUCT(token_class VARCHAR, tokens BIGINT)[])
        WHEN has_audio THEN [
            {'token_class': 'input.unsplit', 'tokens': prompt_count + COALESCE(whole(cache_read), 0) + COALESCE(whole(cache_write), 0)},
            {'token_class': 'output.unsplit', 'tokens': completion_count + COALESCE(reasoning_count, 0)}
        ]
        ELSE list_concat(
            input_classes({'convention': 'exclusive', 'proof': 'declared'}, prompt_count, whole(cache_read), whole(cache_write), NULL, NULL),
            output_classes(completion_count, reasoning_count, TRUE)
        )
    END AS quantities
FROM told
