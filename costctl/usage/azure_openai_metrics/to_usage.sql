-- Azure Monitor's metrics of Azure OpenAI to token usage. Grain: one row per metric, its dimensions and interval: one token class, or requests.
-- The prompt tokens contain what was read from a cache, and nothing tells how much: they stay unsplit.
WITH cut AS (
    SELECT
        *, instant(stamped) AS started,
        map_from_entries(list_transform(from_json(nested(dimensions), '[{"name": {"value": "VARCHAR"}, "value": "VARCHAR"}]'), lambda d: {'k': lower(d.name.value), 'v': d.value})) AS dims,
        CASE WHEN metric IN ('ProcessedPromptTokens', 'InputTokens') THEN 'input.unsplit' WHEN metric IN ('GeneratedTokens', 'OutputTokens') THEN 'output.unsplit' END AS token_class,
        regexp_replace(resource, '(?i)/providers/Microsoft\.Insights/metrics/.*$', '') AS account
    FROM records
)

SELECT
    file_no, record_no, started AS ts_start, started + to_seconds(time_grain(interval)) AS ts_end, 'azure.ai.openai' AS provider,
    NULLIF(regexp_extract(account, '(?i)^/subscriptions/([^/]+)', 1), '') AS billing_account, COALESCE(dims['region'], region) AS region,
    NULLIF(concat_ws('-', NULLIF(dims['modelname'], ''), NULLIF(dims['modelversion'], '')), '') AS model_raw, NULLIF(dims['modeldeploymentname'], '') AS deployment, account AS project,
    CASE WHEN regexp_matches(dims['modelname'], '(?i)embed') THEN 'embed' WHEN regexp_matches(dims['modelname'], '(?i)rerank') THEN 'rerank' ELSE 'generate' END AS task,
    CASE left(dims['statuscode'], 1) WHEN '4' THEN 'client_error' WHEN '5' THEN 'platform_error' ELSE 'ok' END AS outcome,
    CASE WHEN token_class IS NULL THEN whole(total) END AS requests, 'unsplit' AS convention, 'declared' AS convention_proof,
    NULLIF(NULLIF(lower(dims['servicetierresponse']), 'default'), 'standard') AS service_tier,
    words([CASE WHEN lower(dims['isspillover']) = 'true' THEN 'spillover' END]) AS flags,
    key_of([lower(account), COALESCE(token_class, 'requests'), CAST(started AS VARCHAR), CAST(time_grain(interval) AS VARCHAR), array_to_string(list_sort(list_transform(map_entries(dims), lambda e: key_of([e.key, e.value]))), ' ')]) AS natural_key,
    CASE WHEN token_class IS NOT NULL THEN [{'token_class': token_class, 'tokens': whole(total)}] ELSE [] END AS quantities
FROM cut
