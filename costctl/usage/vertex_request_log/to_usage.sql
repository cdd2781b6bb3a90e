-- Vertex AI's request-response log to token usage. Grain: one row per request. Gemini's prompt contains what was read from a cache, thoughts come on
-- top; Claude's input is without what was read and written. Of a stream the last piece that says a count tells it.
WITH said AS (
    SELECT
        *, CASE WHEN json_valid(asked) THEN asked END AS request_body, regexp_extract(concat_ws(' ', endpoint, model), 'locations/([^/ ]+)', 1) AS place,
        COALESCE(last_said(answer, 'message.usage.input_tokens'), last_said(answer, 'usage.input_tokens')) IS NOT NULL AS is_claude,
        whole(COALESCE(gemini_said(answer, 'prompt'), last_said(answer, 'usage.input_tokens'), last_said(answer, 'message.usage.input_tokens'))) AS given,
        whole(COALESCE(gemini_said(answer, 'candidates'), last_said(answer, 'usage.output_tokens'), last_said(answer, 'message.usage.output_tokens'))) AS made,
        whole(COALESCE(gemini_said(answer, 'cachedContent'), last_said(answer, 'usage.cache_read_input_tokens'), last_said(answer, 'message.usage.cache_read_input_tokens'))) AS read_tokens,
        whole(COALESCE(last_said(answer, 'usage.cache_creation_input_tokens'), last_said(answer, 'message.usage.cache_creation_input_tokens'))) AS written_tokens,
        whole(COALESCE(last_said(answer, 'usage.cache_creation.ephemeral_5m_input_tokens'), last_said(answer, 'message.usage.cache_creation.ephemeral_5m_input_tokens'))) AS written_5m,
        whole(COALESCE(last_said(answer, 'usage.cache_creation.ephemeral_1h_input_tokens'), last_said(answer, 'message.usage.cache_creation.ephemeral_1h_input_tokens'))) AS written_1h,
        whole(gemini_said(answer, 'thoughts')) AS thought_tokens, whole(gemini_said(answer, 'toolUsePrompt')) AS tool_tokens, whole(gemini_said(answer, 'total')) AS total_tokens,
        COALESCE(len(unknown_counts(
            CASE WHEN json_type(answer) = 'OBJECT' THEN json_extract(answer, '$.usage') END, ['input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens']
        )), 0) > 0 AS has_unknown,
        last_said(answer, 'usageMetadata.trafficType') AS traffic, last_said(answer, 'error.code') AS code, last_said(answer, 'promptFeedback.blockReason') AS block_reason
    FROM records
),

judged AS (
    SELECT
        *, COALESCE(written_5m, 0) + COALESCE(written_1h, 0) AS kept,
        bool_or(COALESCE(traffic = 'PROVISIONED_THROUGHPUT', FALSE)) OVER (PARTITION BY endpoint, model, left(CAST(stamped AS VARCHAR), 10)) AS has_provisioned,
        gemini_verdict(given, read_tokens, made, thought_tokens, tool_tokens, total_tokens) AS gemini,
        CASE
            WHEN has_unknown OR COALESCE(written_5m, 0) + COALESCE(written_1h, 0) > COALESCE(written_tokens, 0) THEN {'convention': 'exclusive', 'proof': 'contradicted'}
            ELSE inclusion('exclusive', given, COALESCE(read_tokens, 0) + COALESCE(written_tokens, 0), made, NULL)
        END AS claude
    FROM said
)

SELECT
    file_no, record_no, instant(stamped) AS ts_start, instant(stamped) AS ts_end, 'gcp.vertex_ai' AS provider, NULLIF(place, '') AS region, model AS model_raw, endpoint AS deployment,
    NULLIF(regexp_extract(concat_ws(' ', endpoint, model), 'projects/([^/ ]+)', 1), '') AS project,
    json_extract_string(request_body, '$.labels.team') AS team_raw, json_extract_string(request_body, '$.labels.purpose') AS purpose,
    COALESCE(json_extract_string(request_body, '$.labels.principal_email'), json_extract_string(request_body, '$.labels.user_email')) AS principal,
    CASE WHEN contains(model, 'embedding') THEN 'embed' ELSE 'generate' END AS task,
    CASE WHEN starts_with(code, '4') OR block_reason IS NOT NULL THEN 'client_error' WHEN starts_with(code, '5') THEN 'platform_error' ELSE 'ok' END AS outcome,
    CAST(1 AS BIGINT) AS requests,
    CASE WHEN is_claude THEN claude.convention ELSE gemini.convention END AS convention, CASE WHEN is_claude THEN claude.proof ELSE gemini.proof END AS convention_proof,
    gemini_tier(traffic) AS service_tier,
    words([CASE WHEN quantity(rate) < 1 THEN 'sampled' END, CASE WHEN has_provisioned AND traffic = 'ON_DEMAND' THEN 'spillover' END]) AS flags,
    key_of([endpoint, model, request]) AS natural_key,
    CASE
        WHEN NOT is_claude THEN gemini_classes(gemini, given, read_tokens, made, thought_tokens, tool_tokens)
        WHEN kept BETWEEN 1 AND written_tokens THEN list_concat(input_classes(claude, given, read_tokens, NULLIF(written_tokens - kept, 0), written_5m, written_1h), output_classes(made, NULL, FALSE))
        ELSE list_concat(input_classes(claude, given, read_tokens, written_tokens, NULL, NULL), output_classes(made, NULL, FALSE))
    END AS quantities
FROM judged
