-- Counters of serving engines to counter samples. Grain: one row per sample of a counter that tells tokens or requests.
-- vLLM's and SGLang's prompt tokens contain those read from a cache; a decode worker counts the prompts that a prefill worker computed once more.
-- A source of prompt tokens that vLLM's documentation does not name is unsplit.
WITH named AS (
    SELECT
        *, regexp_replace(regexp_replace(name, '^(ray_)?(kserve_)?(vllm|sglang)_', '\3:'), '_(total|created)$', '') AS family,
        ends_with(name, '_created') OR name = 'process_start_time_seconds' AS tells_start,
        json_extract_string(labels, ['$.model_name', '$.model', '$.source', '$.cache_source', '$.finished_reason', '$.status']) AS l,
        series_of('', labels, list_concat(scraper_labels(), ['source', 'cache_source', 'is_streaming', 'finished_reason', 'status', 'le', 'engine']), target) AS worker,
        lower(COALESCE(label(labels, 'disaggregation_role'), label(labels, 'llm_d_ai_role'), label(labels, 'dynamo_component'), label(labels, 'role'), '')) AS part
    FROM records
),

begun AS (     -- the counters of an engine began as one; where they do not say when, its process does
    SELECT
        *, COALESCE(
            max(CASE WHEN ends_with(name, '_created') THEN instant(started) END) OVER (PARTITION BY file_no, time, worker),
            max(CASE WHEN name = 'process_start_time_seconds' THEN instant(started) END) OVER (PARTITION BY file_no, time, label(labels, 'instance'), label(labels, 'pod'))
        ) AS begun
    FROM named
),

meant AS (
    SELECT
        *,
        CASE family
            WHEN 'vllm:prompt_tokens' THEN {'counts': 'input', 'layer': 2, 'rank': 1} WHEN 'vllm:generation_tokens' THEN {'counts': 'output', 'layer': 2, 'rank': 1}
            WHEN 'vllm:prompt_tokens_cached' THEN {'counts': 'input.cache_read', 'layer': 2, 'rank': 1}
            WHEN 'vllm:prompt_tokens_by_source' THEN {'counts': CASE WHEN l[3] = 'local_compute' THEN 'input.uncached' WHEN l[3] IN ('local_cache_hit', 'external_kv_transfer') THEN 'input.cache_read' ELSE 'input.unsplit' END, 'layer': 2, 'rank': 2}
            WHEN 'vllm:prefix_cache_hits' THEN {'counts': 'input.cache_read', 'layer': 2, 'rank': 3}
            WHEN 'vllm:external_prefix_cache_hits' THEN {'counts': 'input.cache_read', 'layer': 2, 'rank': 3}
            WHEN 'vllm:request_success' THEN {'counts': 'requests', 'layer': 2, 'rank': 1}
            WHEN 'sglang:prompt_tokens' THEN {'counts': 'input', 'layer': 2, 'rank': 1} WHEN 'sglang:generation_tokens' THEN {'counts': 'output', 'layer': 2, 'rank': 1}
            WHEN 'sglang:cached_tokens' THEN {'counts': 'input.cache_read', 'layer': 2, 'rank': CASE l[4] WHEN 'total' THEN 2 ELSE 1 END}
            WHEN 'sglang:num_requests' THEN {'counts': 'requests', 'layer': 2, 'rank': 1}
            WHEN 'tgi_request_input_length_sum' THEN {'counts': 'input', 'layer': 2, 'rank': 1} WHEN 'tgi_request_generated_tokens_sum' THEN {'counts': 'output', 'layer': 2, 'rank': 1}
            WHEN 'tgi_request_count' THEN {'counts': 'requests', 'layer': 2, 'rank': 1}
            WHEN 'dynamo_frontend_input_sequence_tokens_sum' THEN {'counts': 'input', 'layer': 1, 'rank': 1} WHEN 'dynamo_frontend_cached_tokens_sum' THEN {'counts': 'input.cache_read', 'layer': 1, 'rank': 1}
            WHEN 'dynamo_frontend_output_tokens' THEN {'counts': 'output', 'layer': 1, 'rank': 1} WHEN 'dynamo_frontend_output_sequence_tokens_sum' THEN {'counts': 'output', 'layer': 1, 'rank': 2}
            WHEN 'dynamo_frontend_requests' THEN {'counts': 'requests', 'layer': 1, 'rank': 1}
        END AS means
    FROM begun
)

SELECT
    file_no, record_no, series_of(family, labels, scraper_labels(), target) AS series, labels_of(labels, scraper_labels()) AS scraped_by,
    worker, means.counts AS counts, means.layer AS layer, means.rank AS family_rank, instant(time) AS ts, whole(value) AS value, begun AS started, FALSE AS is_delta,
    'self' AS provider, COALESCE(l[1], l[2]) AS model_raw, COALESCE(label(labels, 'deployment'), l[1], l[2]) AS deployment, label(labels, 'pool') AS pool,
    COALESCE(label(labels, 'team'), label(labels, 'tenant')) AS team_raw, COALESCE(label(labels, 'exported_namespace'), label(labels, 'namespace')) AS namespace, 'generate' AS task,
    CASE WHEN means.counts <> 'requests' OR COALESCE(l[5], l[6], 'ok') IN ('stop', 'length', 'success', 'ok', '200') THEN 'ok' WHEN l[5] = 'abort' THEN 'client_abort' ELSE 'platform_error' END AS outcome,
    CASE
        WHEN tells_start THEN 'tells when a counter began'
        WHEN value IS NULL THEN 'no value'
        WHEN part LIKE '%decode%' AND starts_with(means.counts, 'input') THEN 'prompt of a decode worker: the prefill worker counts it'
        WHEN part LIKE '%prefill%' AND means.counts IN ('output', 'requests') THEN 'output of a prefill worker: the decode worker counts it'
    END AS x_excluded
FROM meant
