-- OpenCost inference costs to token usage. Grain: one row per model, namespace and window. The prompt contains what was read from a cache
-- (the engine counts it so), of which only a share of money is told: the input stays unsplit.
SELECT
    file_no, record_no, instant(started) AS ts_start, instant(ended) AS ts_end, 'self' AS provider,
    COALESCE(model, regexp_replace(name, '/[^/]*$', '')) AS model_raw, namespace, 'generate' AS task, 'ok' AS outcome,
    'unsplit' AS convention, CASE WHEN whole(total) <> whole(prompt) + whole(generation) THEN 'contradicted' ELSE 'declared' END AS convention_proof,
    words([CASE WHEN whole(omitted) > 0 THEN 'incomplete' END]) AS flags,
    money(cost) AS reported_cost, CASE WHEN cost IS NOT NULL THEN 'USD' END AS reported_currency,
    key_of([started, cluster, name, model, namespace]) AS natural_key,
    [{'token_class': 'input.unsplit', 'tokens': whole(prompt)}, {'token_class': 'output.unsplit', 'tokens': whole(generation)}] AS quantities
FROM records
