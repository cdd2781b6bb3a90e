-- OpenRouter generation records to token usage. Grain: one row per generation. The native prompt contains what was read from a cache, the
-- native completion the reasoning; no total stands beside them.
WITH counted AS (
    SELECT
        *, whole(prompt) AS given, whole(cached) AS cache_read, whole(completion) AS produced, whole(reasoning) AS thought,
        CASE WHEN cached IS NULL THEN {'convention': 'unsplit', 'proof': 'declared'} ELSE inclusion('inclusive', whole(prompt), whole(cached), NULL, NULL) END AS verdict
    FROM records
)

SELECT
    file_no, record_no, instant(created) AS ts_start, instant(created) AS ts_end,
    CASE WHEN own_key = 'true' THEN COALESCE(NULLIF(served_by, ''), 'unknown') ELSE 'openrouter' END AS provider, model_raw,
    NULLIF(app, '') AS project, NULLIF(person, '') AS principal,
    CASE WHEN contains(kind, 'embed') THEN 'embed' WHEN contains(kind, 'rerank') THEN 'rerank' ELSE 'generate' END AS task,
    CASE WHEN cancelled = 'true' THEN 'client_abort' WHEN finish = 'error' THEN 'platform_error' ELSE 'ok' END AS outcome, 1 AS requests,
    verdict.convention AS convention, CASE WHEN thought > produced THEN 'contradicted' ELSE verdict.proof END AS convention_proof,
    list_filter([lower(tier)], lambda t: t NOT IN ('', 'default', 'standard', 'auto'))[1] AS service_tier,
    money(cost) AS reported_cost, CASE WHEN cost IS NOT NULL THEN 'USD' END AS reported_currency, key_of([id]) AS natural_key,
    list_concat(input_classes(verdict, given, cache_read, NULL, NULL, NULL), output_classes(produced, thought, FALSE)) AS quantities
FROM counted
