-- Portkey logs to token usage. Grain: one row per request. What the input contains is what the provider says of its own: Portkey hands it
-- on, so the total tells, and else the provider. What was cached stands only in the answer's usage.
WITH told AS (
    SELECT
        *,
        whole(input) AS given, whole(output) AS produced, try_cast(status AS INTEGER) AS code,
        CASE
            WHEN json_type(CASE WHEN json_valid(metadata) THEN metadata END, '$.key') = 'ARRAY'     -- names and values side by side
            THEN list_transform(list_zip(from_json(json_extract(metadata, '$.key'), '["VARCHAR"]'), from_json(json_extract(metadata, '$.value'), '["VARCHAR"]')), lambda p: {'key': p[1], 'value': p[2]})
            ELSE list_transform(members(metadata), lambda e: {'key': e.key, 'value': e.value})
        END AS named,
        regexp_matches(lower(COALESCE(cache, '')), '(^|\s)hit') AS answered_from_cache,
        regexp_matches(lower(COALESCE(provider, '')), 'anthropic|bedrock') AS apart
    FROM records
),

counted AS (
    SELECT
        *,
        COALESCE(whole(usage ->> '$.cache_read_input_tokens'), whole(usage ->> '$.prompt_tokens_details.cached_tokens'), whole(usage ->> '$.input_tokens_details.cached_tokens')) AS read,
        whole(usage ->> '$.cache_creation_input_tokens') AS written,
        whole(usage ->> '$.cache_creation.ephemeral_5m_input_tokens') AS short, whole(usage ->> '$.cache_creation.ephemeral_1h_input_tokens') AS long,
        COALESCE(whole(usage ->> '$.completion_tokens_details.reasoning_tokens'), whole(usage ->> '$.output_tokens_details.reasoning_tokens')) AS reasoning,
        len(unknown_tokens(usage, [
            'prompt_tokens', 'completion_tokens', 'total_tokens', 'input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens', 'cached_tokens',
            'ephemeral_5m_input_tokens', 'ephemeral_1h_input_tokens', 'reasoning_tokens', 'accepted_prediction_tokens', 'rejected_prediction_tokens', 'text_tokens', 'audio_tokens', 'image_tokens'
        ])) > 0 AS unclear
    FROM told
),

judged AS (
    SELECT
        *,
        short + long = written AS by_age,
        CASE
            WHEN unclear OR reasoning > produced THEN {'convention': 'inclusive', 'proof': 'contradicted'}
            WHEN COALESCE(usage, 'null') = 'null' THEN {'convention': 'unsplit', 'proof': 'declared'}
            ELSE inclusion(CASE WHEN apart THEN 'exclusive' ELSE 'inclusive' END, given, COALESCE(read, 0) + COALESCE(written, 0), produced, whole(total))
        END AS verdict
    FROM counted
)

SELECT
    file_no, record_no, instant(created) AS ts_start, instant(created) AS ts_end, COALESCE(NULLIF(provider, ''), 'unknown') AS provider,
    NULLIF(model_raw, '') AS model_raw, list_filter(named, lambda e: lower(e.key) IN ('team', '_team'))[1].value AS team_raw,
    NULLIF(virtual_key, '') AS api_key, list_filter(named, lambda e: e.key = '_user')[1].value AS principal,
    list_filter(named, lambda e: lower(e.key) = 'purpose')[1].value AS purpose,
    CASE
        WHEN contains(url, 'embedding') THEN 'embed' WHEN contains(url, 'rerank') THEN 'rerank' WHEN contains(url, '/images') THEN 'image'
        WHEN contains(url, '/audio') THEN 'audio' WHEN contains(url, '/video') THEN 'video' WHEN contains(url, 'moderation') THEN 'other' ELSE 'generate'
    END AS task,
    CASE
        WHEN code BETWEEN 200 AND 299 OR code IS NULL AND COALESCE(lower(success), '1') IN ('1', 'true') THEN 'ok' WHEN code = 499 THEN 'client_abort'
        WHEN code BETWEEN 400 AND 498 AND code NOT IN (408, 429) THEN 'client_error' ELSE 'platform_error'
    END AS outcome,
    1 AS requests, verdict.convention AS convention, verdict.proof AS convention_proof,
    list_filter([lower(json_extract_string(usage, '$.service_tier'))], lambda t: t NOT IN ('', 'default', 'standard', 'auto'))[1] AS service_tier,
    words([CASE WHEN answered_from_cache THEN 'cache_hit' END]) AS flags,
    shifted(money(cost), 2) AS reported_cost, CASE WHEN cost IS NOT NULL THEN upper(COALESCE(NULLIF(currency, ''), 'USD')) END AS reported_currency,
    CASE WHEN COALESCE(NULLIF(id, ''), NULLIF(trace, '')) IS NOT NULL THEN key_of([id, trace, CASE WHEN id IS NULL THEN created END]) END AS natural_key,
    CASE
        WHEN answered_from_cache THEN CAST([] AS STRUCT(token_class VARCHAR, tokens BIGINT)[])
        ELSE list_concat(
            input_classes(verdict, given, read, CASE WHEN by_age THEN NULL ELSE written END, CASE WHEN by_age THEN short END, CASE WHEN by_age THEN long END),
            output_classes(produced, CASE WHEN verdict.proof <> 'contradicted' THEN reasoning END, FALSE)
        )
    END AS quantities
FROM judged
