-- GenAI spans to token usage. Grain: one row per span of a call to a model. The total, or a cache that is greater than the input, proves what
-- the input contains; without either it is as the conventions say, and ambiguous for vendors that count their input without the cache.
WITH named AS (
    SELECT
        *, whole(input) AS given, whole(output) AS made, whole(reasoning) AS thought, whole(total) AS whole_count,
        COALESCE(whole(read), 0) + COALESCE(whole(written), 0) AS cached,
        COALESCE(attribute(attributes, 'gen_ai.provider.name'), attribute(attributes, 'gen_ai.system'), CASE WHEN starts_with(scope, 'vllm') THEN 'self' END, 'unknown') AS provider,
        COALESCE(attribute(attributes, 'gen_ai.response.model'), attribute(attributes, 'gen_ai.request.model')) AS model,
        COALESCE(attribute(attributes, 'openai.response.service_tier'), attribute(attributes, 'gen_ai.openai.response.service_tier')) AS tier,
        COALESCE(attribute(attributes, 'team'), attribute(attributes, 'team.name'), attribute(attributes, 'team.id'), attribute(attributes, 'owner.team')) AS span_team,
        COALESCE(attribute(resource, 'team'), attribute(resource, 'team.name'), attribute(resource, 'team.id'), attribute(resource, 'owner.team')) AS resource_team,
        COALESCE(status, '') IN ('2', 'STATUS_CODE_ERROR') AS is_failed, lower(attribute(attributes, 'error.type')) AS error,
        ltrim(regexp_extract(COALESCE(state, ''), 'ot=[^,]*\bth:([0-9a-f]+)', 1), '0') <> '' AS is_sampled
    FROM records
),

judged AS (
    SELECT
        *, provider IN ('anthropic', 'aws.bedrock', 'aws_bedrock') OR contains(lower(model), 'claude') AS is_apart_at_vendor,
        COALESCE(thought > 0 AND whole_count IN (given + made + thought, given + cached + made + thought) AND whole_count NOT IN (given + made, given + cached + made), FALSE) AS is_on_top,
        unknown_counts(CASE WHEN json_valid(usage) THEN usage END, [
            'input_tokens', 'prompt_tokens', 'output_tokens', 'completion_tokens', 'total_tokens', 'cache_read.input_tokens', 'cache_read_input_tokens', 'cached_input_tokens', 'cached_tokens',
            'cache_write.input_tokens', 'cache_creation.input_tokens', 'cache_creation_input_tokens', 'cache_write_input_tokens', 'reasoning.output_tokens', 'reasoning_output_tokens', 'reasoning_tokens'
        ]) AS unknown
    FROM named
),

proved AS (
    SELECT
        *,
        CASE
            WHEN cached > given AND whole_count IS NULL THEN {'convention': 'exclusive', 'proof': 'proved'}
            WHEN cached > given THEN inclusion('exclusive', given, cached, made, whole_count - CASE WHEN is_on_top THEN thought ELSE 0 END)
            WHEN cached > 0 AND whole_count IS NULL AND is_apart_at_vendor THEN {'convention': 'inclusive', 'proof': 'ambiguous'}
            ELSE inclusion('inclusive', given, cached, made, whole_count - CASE WHEN is_on_top THEN thought ELSE 0 END)
        END AS verdict
    FROM judged
),

above AS (SELECT DISTINCT trace AS above_trace, parent AS above_span FROM records WHERE COALESCE(parent, '') <> '' AND usage IS NOT NULL)

SELECT
    file_no, record_no, unix_time(started) AS ts_start, unix_time(ended) AS ts_end, provider, model AS model_raw,
    CASE WHEN starts_with(provider, 'az') THEN attribute(attributes, 'gen_ai.request.model') WHEN provider = 'self' THEN attribute(resource, 'service.name') END AS deployment,
    COALESCE(span_team, resource_team) AS team_raw, attribute(resource, 'service.name') AS project,
    COALESCE(
        attribute(resource, 'k8s.namespace.name'), attribute(resource, 'service.namespace'),
        attribute(resource, 'deployment.environment.name'), attribute(resource, 'deployment.environment')
    ) AS namespace,
    COALESCE(attribute(attributes, 'enduser.id'), attribute(attributes, 'user.id')) AS principal,
    CASE operation WHEN 'embeddings' THEN 'embed' WHEN 'rerank' THEN 'rerank' ELSE 'generate' END AS task,
    CASE
        WHEN NOT is_failed THEN 'ok'
        WHEN contains(error, 'cancel') THEN 'client_abort'
        WHEN regexp_full_match(error, '4\d\d') THEN 'client_error'
        ELSE 'platform_error'
    END AS outcome,
    1 AS requests, verdict.convention AS convention, CASE WHEN len(unknown) > 0 THEN 'contradicted' ELSE verdict.proof END AS convention_proof,
    NULLIF(NULLIF(tier, 'default'), 'auto') AS service_tier, words([CASE WHEN is_sampled THEN 'sampled' END]) AS flags,
    money(cost) AS reported_cost, CASE WHEN cost IS NOT NULL THEN 'USD' END AS reported_currency, key_of([trace, span]) AS natural_key,
    list_concat(
        input_classes(verdict, given, whole(read), whole(written), NULL, NULL),
        output_classes(made, CASE WHEN verdict.proof <> 'contradicted' THEN thought END, is_on_top)
    ) AS quantities,
    CASE WHEN above_span IS NOT NULL THEN 'a call above another call: the one below counts' END AS x_excluded
FROM proved
LEFT JOIN above ON above_trace = trace AND above_span = span
