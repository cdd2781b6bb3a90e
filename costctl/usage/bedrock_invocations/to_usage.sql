-- Bedrock's model invocation log to token usage. Grain: one row per request. Bedrock counts the input without what was read from a cache and
-- written to one; the total in the answer proves it. OpenAI's GPT models are known to be counted with both, and then their total counts both
-- twice (input 12401 = read 8367 + written 4032 + 2; the total adds them again), so that it proves nothing: where both fit into the input
-- they are taken out of it, and the record is `ambiguous`.
WITH said AS (
    SELECT
        *, body AS answered, CASE WHEN json_type(body) = 'OBJECT' THEN json_extract(body, '$.usage') END AS told,
        starts_with(model, 'arn:') AND NOT contains(model, ':foundation-model/') AS is_profile
    FROM records
),

-- What the body of the answer says: Converse, Anthropic's and OpenAI's names; Anthropic's streams begin with the input.
read AS (
    SELECT
        *,
        COALESCE(last_said(answered, 'usage.inputTokens'), last_said(answered, 'usage.input_tokens'), last_said(answered, 'message.usage.input_tokens'), last_said(answered, 'usage.prompt_tokens')) AS said_input,
        COALESCE(last_said(answered, 'usage.outputTokens'), last_said(answered, 'usage.output_tokens'), last_said(answered, 'usage.completion_tokens')) AS said_output,
        COALESCE(last_said(answered, 'usage.totalTokens'), last_said(answered, 'usage.total_tokens')) AS said_total,
        COALESCE(
            last_said(answered, 'usage.cacheReadInputTokens'), last_said(answered, 'usage.cache_read_input_tokens'), last_said(answered, 'message.usage.cache_read_input_tokens'),
            last_said(answered, 'usage.input_tokens_details.cached_tokens'), last_said(answered, 'usage.prompt_tokens_details.cached_tokens')
        ) AS said_read,
        COALESCE(
            last_said(answered, 'usage.cacheWriteInputTokens'), last_said(answered, 'usage.cache_creation_input_tokens'), last_said(answered, 'message.usage.cache_creation_input_tokens'),
            last_said(answered, 'usage.input_tokens_details.cache_write_tokens'), last_said(answered, 'usage.prompt_tokens_details.cache_write_tokens')
        ) AS said_written,
        COALESCE(last_said(answered, 'message.usage.cache_creation.ephemeral_5m_input_tokens'), last_said(answered, 'usage.cache_creation.ephemeral_5m_input_tokens')) AS said_5m,
        COALESCE(last_said(answered, 'message.usage.cache_creation.ephemeral_1h_input_tokens'), last_said(answered, 'usage.cache_creation.ephemeral_1h_input_tokens')) AS said_1h,
        from_json(json_extract(told, '$.cacheDetails'), '[{"ttl": "VARCHAR", "inputTokens": "VARCHAR"}]') AS details,
        COALESCE(last_said(answered, 'usage.output_tokens_details.reasoning_tokens'), last_said(answered, 'usage.completion_tokens_details.reasoning_tokens')) AS said_reasoning,
        COALESCE(CASE WHEN is_profile THEN COALESCE(last_said(answered, 'message.model'), last_said(answered, 'model')) END, model) AS named,
        NULLIF(COALESCE(tier, last_said(answered, 'serviceTier.type')), 'default') AS paid_tier,
        COALESCE(len(unknown_counts(told, [
            'inputTokens', 'outputTokens', 'totalTokens', 'cacheReadInputTokens', 'cacheWriteInputTokens', 'cacheReadInputTokenCount', 'cacheWriteInputTokenCount',
            'input_tokens', 'output_tokens', 'total_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens', 'prompt_tokens', 'completion_tokens'
        ])), 0) > 0 AS has_unknown
    FROM said
),

counted AS (
    SELECT
        *, COALESCE(whole(input), whole(said_input)) AS given, COALESCE(whole(output), whole(said_output)) AS made, whole(said_total) AS total,
        COALESCE(whole(cache_read), whole(said_read)) AS read_tokens, COALESCE(whole(cache_write), whole(said_written)) AS written_tokens, whole(said_reasoning) AS reasoning,
        COALESCE(whole(said_5m), CAST(list_sum(list_transform(list_filter(details, lambda d: d.ttl = '5m'), lambda d: whole(d.inputTokens))) AS BIGINT)) AS written_5m,
        COALESCE(whole(said_1h), CAST(list_sum(list_transform(list_filter(details, lambda d: d.ttl = '1h'), lambda d: whole(d.inputTokens))) AS BIGINT)) AS written_1h
    FROM read
),

added AS (SELECT *, COALESCE(read_tokens, 0) + COALESCE(written_tokens, 0) AS cached, COALESCE(written_5m, 0) + COALESCE(written_1h, 0) AS kept FROM counted),

judged AS (
    SELECT
        *,
        CASE
            WHEN has_unknown OR kept > COALESCE(written_tokens, 0) THEN {'convention': 'exclusive', 'proof': 'contradicted'}
            WHEN regexp_matches(named, 'openai\.gpt-\d') AND cached > 0 AND total IS DISTINCT FROM given + made
            THEN {'convention': CASE WHEN cached <= given THEN 'inclusive' ELSE 'exclusive' END, 'proof': 'ambiguous'}
            ELSE inclusion('exclusive', given, cached, made, total)
        END AS verdict
    FROM added
)

SELECT
    file_no, record_no, instant(stamped) AS ts_start, instant(stamped) AS ts_end, 'aws.bedrock' AS provider, account AS billing_account, region,
    named AS model_raw, CASE WHEN is_profile THEN model END AS deployment,
    COALESCE(team, team_id, team_name) AS team_raw, COALESCE(project, project_id) AS project, person AS principal, purpose,
    CASE
        WHEN regexp_matches(model, '(?i)embed') THEN 'embed' WHEN regexp_matches(model, '(?i)rerank') THEN 'rerank' WHEN regexp_matches(model, '(?i)nova-reel') THEN 'video'
        WHEN regexp_matches(model, '(?i)stability\.|canvas|titan-image') THEN 'image' WHEN regexp_matches(model, '(?i)nova-sonic') THEN 'audio' ELSE 'generate'
    END AS task,
    CASE
        WHEN error IS NULL AND NOT COALESCE(regexp_matches(status, '^[45]\d\d$'), FALSE) THEN 'ok'
        WHEN regexp_matches(error, '(?i)throttl|unavailable|timeout|internal|notready|modelerror|streamerror') OR error IS NULL AND starts_with(status, '5') THEN 'platform_error'
        ELSE 'client_error'
    END AS outcome,
    CAST(1 AS BIGINT) AS requests, verdict.convention AS convention, verdict.proof AS convention_proof,
    CASE WHEN contains(model, ':provisioned-model/') THEN 'provisioned' WHEN latency = 'optimized' THEN 'optimized' ELSE paid_tier END AS service_tier,
    key_of([account, region, request]) AS natural_key,
    list_concat(
        CASE
            WHEN kept BETWEEN 1 AND written_tokens THEN input_classes(verdict, given, read_tokens, NULLIF(written_tokens - kept, 0), written_5m, written_1h)
            ELSE input_classes(verdict, given, read_tokens, written_tokens, NULL, NULL)
        END,
        output_classes(made, reasoning, FALSE)
    ) AS quantities
FROM judged
