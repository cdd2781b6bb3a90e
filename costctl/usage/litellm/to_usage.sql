-- LiteLLM spend logs to token usage. Grain: one row per call of a model. LiteLLM's prompt_tokens contain cache reads and writes (its own
-- code adds them back in for every provider), its completion_tokens contain the reasoning. A response-cache hit reached no model: it
-- counts as a request without tokens. An attempt after which attempts were left is no answer to anybody: `retry`.
WITH parsed AS (
    SELECT
        * EXCLUDE (usage),
        whole(prompt_tokens) AS prompt, whole(completion_tokens) AS completion, whole(total_tokens) AS total, lower(COALESCE(call_type, '')) AS call,
        CASE WHEN json_valid(unprinted(metadata)) THEN unprinted(metadata) END AS meta,
        CASE WHEN contains(request_tags, 'purpose:') AND json_valid(request_tags) THEN from_json(request_tags, '["VARCHAR"]') END AS tags
    FROM records
),

opened AS (     -- the metadata are read once: all that is wanted of them in one list
    SELECT
        *,
        json_extract(meta, [
            '$.usage_object', '$.additional_usage_values', '$.error_information.error_code', '$.internal_call_origin', '$.status', '$.attempted_retries',
            '$.max_retries', '$.azure_spillover', '$.user_api_key_team_alias', '$.user_api_key_project_id', '$.user_api_key_org_id'
        ]) AS m
    FROM parsed
),

told AS (
    SELECT
        *,
        usage_object(COALESCE(m[1], m[2])) AS usage, text_of(m[3]) AS error, text_of(m[4]) AS origin, text_of(m[6]) AS attempted, text_of(m[7]) AS most_attempts,
        COALESCE(CAST(m[8] AS VARCHAR), 'null') <> 'null' AS spilled, text_of(m[9]) AS team_alias, text_of(m[10]) AS project_id, text_of(m[11]) AS org_id,
        COALESCE(lower(status), text_of(m[5]), 'success') = 'failure' AS failed,
        COALESCE(lower(cache_hit), '') = 'true' OR contains(request_id, '_cache_hit') AND regexp_matches(request_id, '_cache_hit[0-9.]*$') AS answered_from_cache
    FROM opened
),

read_out AS (
    SELECT
        *,
        json_extract_string(usage, [
            '$.cache_read_input_tokens', '$.prompt_tokens_details.cached_tokens', '$.cache_creation_input_tokens', '$.prompt_tokens_details.cache_creation_tokens',
            '$.prompt_tokens_details.cache_write_tokens', '$.prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens',
            '$.cache_creation.ephemeral_5m_input_tokens', '$.prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens',
            '$.cache_creation.ephemeral_1h_input_tokens', '$.completion_tokens_details.reasoning_tokens', '$.reasoning_tokens',
            '$.completion_tokens_details.rejected_prediction_tokens', '$.speed', '$.service_tier', '$.estimated'
        ]) AS u
    FROM told
),

counted AS (
    SELECT
        *,
        COALESCE(usage <> 'null', FALSE) AS is_told, lower(u[13]) AS speed, lower(u[14]) AS tier, COALESCE(u[15] = 'true', FALSE) AS is_estimated,
        COALESCE(whole(u[1]), whole(u[2])) AS read, COALESCE(whole(u[3]), whole(u[4]), whole(u[5])) AS written,
        COALESCE(whole(u[6]), whole(u[7])) AS short, COALESCE(whole(u[8]), whole(u[9])) AS long,
        COALESCE(whole(u[10]), whole(u[11])) AS reasoning, NULLIF(whole(u[12]), 0) AS rejected,
        len(unknown_tokens(usage, [
            'prompt_tokens', 'completion_tokens', 'total_tokens', 'input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens',
            'cached_tokens', 'cache_creation_tokens', 'cache_write_tokens', 'ephemeral_5m_input_tokens', 'ephemeral_1h_input_tokens', 'prompt_cache_hit_tokens',
            'prompt_cache_miss_tokens', 'reasoning_tokens', 'accepted_prediction_tokens', 'rejected_prediction_tokens', 'text_tokens', 'audio_tokens', 'image_tokens', 'video_tokens'
        ])) > 0 AS unclear
    FROM read_out
),

judged AS (
    SELECT
        *,
        COALESCE(short, 0) + COALESCE(long, 0) = COALESCE(written, COALESCE(short, 0) + COALESCE(long, 0)) AS written_by_age,
        inclusion('inclusive', prompt, COALESCE(read, 0) + GREATEST(COALESCE(written, 0), COALESCE(short, 0) + COALESCE(long, 0)), completion, total) AS found
    FROM counted
),

ruled AS (
    SELECT
        *,
        CASE
            WHEN unclear OR COALESCE(reasoning, 0) + COALESCE(rejected, 0) > completion THEN {'convention': 'inclusive', 'proof': 'contradicted'}
            WHEN NOT is_told AND found.proof <> 'contradicted' THEN {'convention': 'unsplit', 'proof': found.proof}
            ELSE found
        END AS verdict
    FROM judged
)

SELECT
    file_no, record_no, instant(started) AS ts_start, instant(ended) AS ts_end,
    COALESCE(NULLIF(provider, ''), 'unknown') AS provider,
    NULLIF(
        CASE WHEN starts_with(model_raw, concat(provider, '/')) THEN regexp_replace(substr(model_raw, length(concat(provider, '/')) + 1), '^(converse|invoke)/', '') ELSE model_raw END, ''
    ) AS model_raw,
    NULLIF(model_group, '') AS deployment, COALESCE(NULLIF(team_raw, ''), team_alias) AS team_raw,
    CASE WHEN starts_with(api_key, 'sk-') THEN sha256(api_key) ELSE NULLIF(api_key, '') END AS api_key,     -- as LiteLLM itself keeps it
    COALESCE(project_id, NULLIF(organization, ''), org_id) AS project,
    COALESCE(NULLIF("user", ''), NULLIF(end_user, '')) AS principal,
    substr(list_filter(tags, lambda t: starts_with(t, 'purpose:'))[1], 9) AS purpose,
    CASE
        WHEN call IN ('acompletion', 'completion') THEN 'generate'
        WHEN contains(call, 'embedding') THEN 'embed' WHEN contains(call, 'rerank') THEN 'rerank' WHEN contains(call, 'image') THEN 'image'
        WHEN regexp_matches(call, 'speech|transcription|audio') THEN 'audio' WHEN contains(call, 'video') THEN 'video'
        WHEN regexp_matches(call, 'moderation|ocr|search|mcp|vector_store|file') THEN 'other' ELSE 'generate'
    END AS task,
    CASE
        WHEN contains(COALESCE(origin, ''), 'retry') THEN 'retry'
        WHEN NOT failed THEN 'ok'
        WHEN error = '499' THEN 'client_abort'
        WHEN regexp_full_match(error, '4\d\d') AND error NOT IN ('408', '429') THEN 'client_error'
        WHEN try_cast(attempted AS INTEGER) < try_cast(most_attempts AS INTEGER) THEN 'retry'
        ELSE 'platform_error'
    END AS outcome,
    1 AS requests, verdict.convention AS convention, verdict.proof AS convention_proof,
    CASE
        WHEN call = 'aretrieve_batch' OR call = 'retrieve_batch' THEN 'batch'
        WHEN speed = 'fast' THEN 'fast'
        WHEN tier NOT IN ('', 'default', 'standard', 'auto') THEN tier
    END AS service_tier,
    words([
        CASE WHEN answered_from_cache THEN 'cache_hit' END,
        CASE WHEN failed AND prompt + completion > 0 AND COALESCE(money(spend), 0) = 0 OR is_estimated THEN 'estimated' END,
        CASE WHEN spilled THEN 'spillover' END
    ]) AS flags,
    money(spend) AS reported_cost, CASE WHEN spend IS NOT NULL THEN 'USD' END AS reported_currency,
    -- A batch is looked at again and again: its rows are called by the batch; where a hash of the answer stands there, by day and what they count.
    CASE
        WHEN call NOT IN ('retrieve_batch', 'aretrieve_batch') THEN key_of([request_id])
        WHEN NOT regexp_full_match(request_id, '[0-9a-f]{32}') THEN key_of(['batch', regexp_replace(request_id, '_batch_cost$', '')])
        ELSE key_of(['batch', CAST(CAST(instant(started) AS DATE) AS VARCHAR), api_key, model_raw, team_raw, prompt_tokens, completion_tokens])
    END AS natural_key,
    CASE WHEN prompt + completion = 0 AND regexp_matches(call, 'batch|file|fine_tuning|vector_store|mcp') THEN 'a call about files, batches or tools, of no model' END AS x_excluded,
    CASE
        WHEN answered_from_cache THEN CAST([] AS STRUCT(token_class VARCHAR, tokens BIGINT)[])
        ELSE list_concat(
            input_classes(verdict, prompt, read, CASE WHEN written_by_age AND COALESCE(short, long) IS NOT NULL THEN NULL ELSE written END,
                CASE WHEN written_by_age THEN short END, CASE WHEN written_by_age THEN long END),
            CASE
                WHEN verdict.proof = 'contradicted' THEN output_classes(completion, NULL, FALSE)
                WHEN rejected IS NULL THEN output_classes(completion, reasoning, FALSE)
                ELSE list_concat(output_classes(completion - rejected, reasoning, FALSE), [{'token_class': 'output.rejected_prediction', 'tokens': rejected}])
            END
        )
    END AS quantities
FROM ruled
