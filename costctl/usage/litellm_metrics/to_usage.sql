-- Counters of a LiteLLM proxy to counter samples. Grain: one row per sample of a counter that tells tokens or requests.
WITH named AS (
    SELECT
        *, regexp_replace(name, '^litellm_|_metric_(total|created)$', '', 'g') AS family, ends_with(name, '_created') AS tells_start,
        series_of('', labels, scraper_labels(), target) AS worker
    FROM records
),

meant AS (
    SELECT
        *, max(CASE WHEN tells_start THEN instant(started) END) OVER (PARTITION BY file_no, time, worker) AS begun,
        CASE family
            WHEN 'input_tokens' THEN 'input' WHEN 'output_tokens' THEN 'output' WHEN 'input_cached_tokens' THEN 'input.cache_read'
            WHEN 'input_cache_creation_tokens' THEN 'input.cache_write' WHEN 'output_reasoning_tokens' THEN 'output.reasoning' ELSE 'requests'
        END AS counts
    FROM named
)

SELECT
    file_no, record_no, series_of(family, labels, scraper_labels(), target) AS series, labels_of(labels, scraper_labels()) AS scraped_by, worker,
    counts, 1 AS layer, 1 AS family_rank, instant(time) AS ts, whole(value) AS value, begun AS started, FALSE AS is_delta,
    COALESCE(label(labels, 'api_provider'), 'unknown') AS provider, COALESCE(label(labels, 'litellm_model_name'), label(labels, 'model'), label(labels, 'requested_model')) AS model_raw,
    COALESCE(label(labels, 'team'), label(labels, 'team_alias')) AS team_raw, COALESCE(label(labels, 'api_key_alias'), label(labels, 'hashed_api_key')) AS api_key,
    COALESCE(label(labels, 'user'), label(labels, 'end_user')) AS principal, 'generate' AS task, CASE family WHEN 'proxy_failed_requests' THEN 'platform_error' ELSE 'ok' END AS outcome,
    CASE
        WHEN tells_start THEN 'tells when a counter began'
        WHEN value IS NULL THEN 'no value'
        WHEN family = 'proxy_total_requests' AND NOT regexp_full_match(COALESCE(label(labels, 'status_code'), '200'), '2..') THEN 'a failed request: the counter of failures has it'
    END AS x_excluded
FROM meant
