-- LiteLLM spend logs to token usage. Grain: one row per request. LiteLLM's prompt_tokens contain cache reads and writes (its own
-- code adds them back in for every provider), so they are taken out; where they exceed the prompt the row is `contradicted`
-- and its input stays unsplit. A response-cache hit reached no model: it counts as a request without tokens.
WITH parsed AS (
    SELECT
        *,
        whole(prompt_tokens) AS prompt, whole(completion_tokens) AS completion, whole(total_tokens) AS total,
        COALESCE(lower(cache_hit), '') = 'true' AS answered_from_cache,
        CASE WHEN json_valid(metadata) THEN json_extract(metadata, '$.usage_object') END AS usage_object,
        CASE WHEN json_valid(metadata) THEN json_extract_string(metadata, '$.user_api_key_team_alias') END AS team_alias,
        CASE WHEN json_valid(request_tags) THEN from_json(request_tags, '["VARCHAR"]') END AS tag_list
    FROM records
),

counted AS (
    SELECT
        *,
        COALESCE(
            CAST(json_extract_string(usage_object, '$.cache_read_input_tokens') AS BIGINT),
            CAST(json_extract_string(usage_object, '$.prompt_tokens_details.cached_tokens') AS BIGINT)
        ) AS cache_read,
        CAST(json_extract_string(usage_object, '$.cache_creation_input_tokens') AS BIGINT) AS cache_write,
        list_filter(tag_list, lambda tag: starts_with(tag, 'purpose:')) AS purposes
    FROM parsed
),

proved AS (
    SELECT
        *,
        CASE
            WHEN COALESCE(cache_read, 0) + COALESCE(cache_write, 0) > prompt THEN 'contradicted'
            WHEN total = prompt + completion THEN 'proved'
            WHEN total IS NULL THEN 'declared'
            ELSE 'contradicted'
        END AS proof
    FROM counted
)

SELECT
    file_no, record_no,
    instant(started) AS ts_start, instant(ended) AS ts_end,
    COALESCE(NULLIF(provider, ''), 'unknown') AS provider,
    CAST(NULL AS VARCHAR) AS billing_account, CAST(NULL AS VARCHAR) AS region,
    NULLIF(regexp_replace(model_raw, '^' || COALESCE(provider, '') || '/(converse/|invoke/)?', ''), '') AS model_raw,
    CAST(NULL AS VARCHAR) AS deployment, CAST(NULL AS VARCHAR) AS pool, CAST(NULL AS VARCHAR) AS chip,
    COALESCE(NULLIF(team_raw, ''), team_alias) AS team_raw, substr(purposes[1], 9) AS purpose,
    'generate' AS task, CASE WHEN COALESCE(status, 'success') = 'success' THEN 'ok' ELSE 'platform_error' END AS outcome, 1 AS requests,
    'inclusive' AS convention, proof AS convention_proof,
    CASE
        WHEN answered_from_cache THEN CAST([] AS STRUCT(token_class VARCHAR, tokens BIGINT)[])
        WHEN proof = 'contradicted' THEN [{'token_class': 'input.unsplit', 'tokens': prompt}, {'token_class': 'output.unsplit', 'tokens': completion}]
        ELSE [
            {'token_class': 'input.uncached', 'tokens': prompt - COALESCE(cache_read, 0) - COALESCE(cache_write, 0)},
            {'token_class': 'input.cache_read', 'tokens': cache_read},
            {'token_class': 'input.cache_write.unspecified', 'tokens': cache_write},
            {'token_class': 'output.unsplit', 'tokens': completion}
        ]
    END AS quantities
FROM proved
