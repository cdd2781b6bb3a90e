-- OpenRouter activity to token usage. Grain: one row per UTC day, model and endpoint (and workspace). Its prompt contains what was read from
-- a cache, which it does not tell; its completion contains the reasoning.
SELECT
    file_no, record_no, instant(day) AS ts_start, instant(day) + INTERVAL 1 DAY AS ts_end,
    CASE WHEN money(byok) > 0 THEN COALESCE(NULLIF(served_by, ''), 'unknown') ELSE 'openrouter' END AS provider,
    model_raw, NULLIF(workspace, '') AS project,
    CASE WHEN contains(model_raw, 'embed') THEN 'embed' WHEN contains(model_raw, 'rerank') THEN 'rerank' ELSE 'generate' END AS task, 'ok' AS outcome,
    whole(requests) AS requests, 'unsplit' AS convention, CASE WHEN whole(reasoning) > whole(completion) THEN 'contradicted' ELSE 'declared' END AS convention_proof,
    money(usage) AS reported_cost, CASE WHEN usage IS NOT NULL THEN 'USD' END AS reported_currency,
    key_of([day, slug, model_raw, endpoint, served_by, workspace]) AS natural_key,
    list_concat([{'token_class': 'input.unsplit', 'tokens': whole(prompt)}], output_classes(whole(completion), whole(reasoning), FALSE)) AS quantities
FROM records
