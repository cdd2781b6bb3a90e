-- Kong AI Gateway logs to token usage. Grain: one row per call of a model. The prompt is what the provider says of its own, so nobody
-- knows whether it contains what was read from a cache; the total must be prompt and completion.
WITH counted AS (
    SELECT *, COALESCE(whole(prompt), whole(prompt_before)) AS given, COALESCE(whole(completion), whole(completion_before)) AS produced FROM records
)

SELECT
    file_no, record_no, unix_time(started) AS ts_start, unix_time(started) AS ts_end, COALESCE(NULLIF(provider, ''), 'unknown') AS provider,
    COALESCE(NULLIF(answered, ''), NULLIF(requested, '')) AS model_raw, NULLIF(workspace, '') AS project, NULLIF(consumer, '') AS principal,
    CASE
        WHEN contains(path, 'embedding') THEN 'embed' WHEN contains(path, 'rerank') THEN 'rerank' WHEN contains(path, '/images') THEN 'image'
        WHEN contains(path, '/audio') THEN 'audio' WHEN contains(path, '/video') THEN 'video' ELSE 'generate'
    END AS task,
    CASE
        WHEN COALESCE(try_cast(status AS INTEGER), 200) BETWEEN 200 AND 299 THEN 'ok' WHEN status = '499' THEN 'client_abort'
        WHEN status LIKE '4__' AND status NOT IN ('408', '429') THEN 'client_error' ELSE 'platform_error'
    END AS outcome,
    1 AS requests, 'unsplit' AS convention,
    CASE WHEN given + produced <> whole(total) THEN 'contradicted' ELSE 'declared' END AS convention_proof,
    words([CASE WHEN lower(cache) = 'hit' THEN 'cache_hit' END]) AS flags,
    CASE WHEN request IS NOT NULL THEN key_of([request, plugin]) END AS natural_key,
    CASE WHEN provider IS NULL AND COALESCE(given, produced) IS NULL THEN 'a part of the log that is no call of a model' END AS x_excluded,
    CASE
        WHEN lower(cache) = 'hit' THEN CAST([] AS STRUCT(token_class VARCHAR, tokens BIGINT)[])
        ELSE [{'token_class': 'input.unsplit', 'tokens': given}, {'token_class': 'output.unsplit', 'tokens': produced}]
    END AS quantities
FROM counted
