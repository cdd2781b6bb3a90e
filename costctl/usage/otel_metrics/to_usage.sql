-- OpenTelemetry GenAI metrics to counter samples. Grain: one row per sample of a counter of tokens.
WITH named AS (
    SELECT
        *, regexp_replace(replace(name, '.', '_'), '^gen_ai_client_|_total$|(_token)?_sum$', '', 'g') AS family,
        COALESCE(label(labels, 'gen_ai.operation.name'), label(labels, 'gen_ai_operation_name')) AS operation,
        COALESCE(label(labels, 'gen_ai.token.type'), label(labels, 'gen_ai_token_type')) AS kind,
        COALESCE(label(labels, 'gen_ai.provider.name'), label(labels, 'gen_ai_provider_name'), label(labels, 'gen_ai.system'), label(labels, 'gen_ai_system')) AS provider,
        COALESCE(label(labels, 'gen_ai.response.model'), label(labels, 'gen_ai_response_model'), label(labels, 'gen_ai.request.model'), label(labels, 'gen_ai_request_model')) AS model
    FROM records
),

meant AS (
    SELECT
        *,
        CASE
            WHEN family = 'inference_usage_input_tokens' OR family = 'token_usage' AND kind = 'input' THEN 'input'
            WHEN family = 'inference_usage_output_tokens' OR family = 'token_usage' AND kind IN ('output', 'completion') THEN 'output'
            WHEN family = 'inference_usage_cache_read_input_tokens' THEN 'input.cache_read' WHEN family = 'inference_usage_cache_write_input_tokens' THEN 'input.cache_write'
            WHEN family = 'inference_usage_reasoning_output_tokens' THEN 'output.reasoning'
        END AS counts
    FROM named
)

SELECT
    file_no, record_no, series_of(family, labels, scraper_labels(), target) AS series, labels_of(labels, scraper_labels()) AS scraped_by,
    series_of('', labels, list_concat(scraper_labels(), ['gen_ai.token.type', 'gen_ai_token_type', 'gen_ai.token.modality', 'gen_ai_token_modality', 'le']), target) AS worker,
    counts, 1 AS layer, CASE WHEN family = 'token_usage' THEN 2 ELSE 1 END AS family_rank, instant(time) AS ts, whole(value) AS value, instant(started) AS started,
    COALESCE(temporality = 'delta', FALSE) AS is_delta, COALESCE(provider, 'unknown') AS provider, model AS model_raw,
    COALESCE(label(labels, 'team'), label(labels, 'team.name'), label(labels, 'team_name')) AS team_raw,
    COALESCE(label(labels, 'service.name'), label(labels, 'service_name'), label(labels, 'exported_job')) AS project,
    COALESCE(label(labels, 'k8s.namespace.name'), label(labels, 'k8s_namespace_name'), label(labels, 'exported_namespace'), label(labels, 'namespace')) AS namespace,
    CASE WHEN operation = 'embeddings' THEN 'embed' ELSE 'generate' END AS task, 'ok' AS outcome,
    CASE
        WHEN operation IN ('invoke_agent', 'create_agent', 'execute_tool', 'invoke_workflow') THEN 'of an agent or a tool: the calls to models within it count'
        WHEN counts IS NULL THEN 'neither input nor output: a total, or a kind that is not known'
        WHEN value IS NULL THEN 'no value'
    END AS x_excluded
FROM meant
