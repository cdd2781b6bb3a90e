-- Answers of Gemini to token usage. Grain: one row per answer, or per chunk of a stream, of which one counts by its key. The prompt contains what was
-- read from a cache; thoughts and what tools answered come on top of prompt and candidates, as the total proves.
WITH said AS (
    SELECT
        *, answer AS answered,
        COALESCE(whole(prompt), whole(gemini_said(answer, 'prompt')), whole(gemini_said_snake(answer, 'prompt'))) AS prompt_tokens,
        COALESCE(whole(cached), whole(gemini_said(answer, 'cachedContent')), whole(gemini_said_snake(answer, 'cached_content'))) AS cached_tokens,
        COALESCE(whole(candidates), whole(gemini_said(answer, 'candidates')), whole(gemini_said_snake(answer, 'candidates'))) AS candidate_tokens,
        COALESCE(whole(thoughts), whole(gemini_said(answer, 'thoughts')), whole(gemini_said_snake(answer, 'thoughts'))) AS thought_tokens,
        COALESCE(whole(tools), whole(gemini_said(answer, 'toolUsePrompt')), whole(gemini_said_snake(answer, 'tool_use_prompt'))) AS tool_tokens,
        COALESCE(whole(total), whole(gemini_said(answer, 'total')), whole(gemini_said_snake(answer, 'total'))) AS total_tokens
    FROM records
),

named AS (
    SELECT
        *,
        COALESCE(traffic, last_said(answered, 'usageMetadata.trafficType'), last_said(answered, 'usage_metadata.traffic_type')) AS paid_by,
        lower(COALESCE(tier, last_said(answered, 'usageMetadata.serviceTier'))) AS paid_tier,
        COALESCE(answer_id, last_said(answered, 'responseId'), last_said(answered, 'response_id')) AS id,
        COALESCE(version, last_said(answered, 'modelVersion'), last_said(answered, 'model_version')) AS told_model,
        COALESCE(error, last_said(answered, 'error.code')) AS code,
        COALESCE(blocked, last_said(answered, 'promptFeedback.blockReason'), last_said(answered, 'prompt_feedback.block_reason')) AS block_reason,
        COALESCE(created, last_said(answered, 'createTime'), last_said(answered, 'create_time')) AS made_at,
        gemini_verdict(prompt_tokens, cached_tokens, candidate_tokens, thought_tokens, tool_tokens, total_tokens) AS verdict,
        COALESCE(len(unknown_counts(COALESCE(usage, CASE WHEN json_type(answered) = 'OBJECT' THEN json_extract(answered, '$.usageMetadata') END), [
            'promptTokenCount', 'cachedContentTokenCount', 'candidatesTokenCount', 'responseTokenCount', 'thoughtsTokenCount', 'toolUsePromptTokenCount', 'totalTokenCount',
            'prompt_token_count', 'cached_content_token_count', 'candidates_token_count', 'response_token_count', 'thoughts_token_count', 'tool_use_prompt_token_count', 'total_token_count'
        ])), 0) > 0 AS has_unknown
    FROM said
),

judged AS (
    SELECT
        * EXCLUDE (verdict),
        CASE WHEN has_unknown AND verdict.proof = 'declared' THEN {'convention': 'inclusive', 'proof': 'contradicted', 'on_top': TRUE} ELSE verdict END AS verdict
    FROM named
)

SELECT
    file_no, record_no, instant(stamped) AS ts_start, instant(stamped) AS ts_end,
    CASE WHEN paid_by IS NOT NULL OR made_at IS NOT NULL OR processed IS NOT NULL THEN 'gcp.vertex_ai' ELSE 'gcp.gemini' END AS provider,
    regexp_replace(COALESCE(told_model, model), '@default$', '') AS model_raw, COALESCE(team, team_label) AS team_raw, project, person AS principal, COALESCE(purpose, purpose_label) AS purpose,
    CASE WHEN contains(COALESCE(told_model, model), 'embedding') THEN 'embed' ELSE 'generate' END AS task,
    CASE
        WHEN starts_with(code, '4') OR block_reason IS NOT NULL OR starts_with(status, 'Bad Request') THEN 'client_error'
        WHEN starts_with(code, '5') OR processed IS NOT NULL AND answered IS NULL THEN 'platform_error' ELSE 'ok'
    END AS outcome,
    CAST(1 AS BIGINT) AS requests, verdict.convention AS convention, verdict.proof AS convention_proof,
    CASE WHEN processed IS NOT NULL THEN 'batch' ELSE COALESCE(gemini_tier(paid_by), NULLIF(paid_tier, 'standard')) END AS service_tier,
    CASE WHEN id IS NOT NULL THEN key_of([id]) END AS natural_key,
    gemini_classes(verdict, prompt_tokens, cached_tokens, candidate_tokens, thought_tokens, tool_tokens) AS quantities
FROM judged
