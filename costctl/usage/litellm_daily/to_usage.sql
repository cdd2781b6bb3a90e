-- LiteLLM daily spend to token usage. Grain: one row per day and the columns of the table's cut. Its prompt_tokens contain cache reads and
-- writes, as in the spend logs; no total stands beside them, so this is declared and not proved.
WITH told AS (
    SELECT
        *,
        CASE
            WHEN list_contains(present, 'entity') THEN 'entity' WHEN list_contains(present, 'team') THEN 'team'
            WHEN list_contains(present, 'organization') THEN 'organization' WHEN list_contains(present, 'end_user') THEN 'end user'
            WHEN list_contains(present, 'agent') THEN 'agent' WHEN list_contains(present, 'user') THEN 'user' ELSE 'all'
        END AS cut,
        COALESCE(NULLIF(provider, ''), CASE WHEN contains(model_raw, '/') THEN split_part(model_raw, '/', 1) END) AS billed_by,
        list_contains(present, 'cache_read') AS tells_cached
    FROM records
),

judged AS (
    SELECT
        *,
        CASE
            WHEN NOT tells_cached THEN {'convention': 'unsplit', 'proof': 'declared'}
            ELSE inclusion('inclusive', whole(prompt), COALESCE(whole(cache_read), 0) + COALESCE(whole(cache_write), 0), NULL, NULL)
        END AS verdict
    FROM told
)

SELECT
    file_no, record_no, instant(day) AS ts_start, instant(day) + INTERVAL 1 DAY AS ts_end, COALESCE(billed_by, 'unknown') AS provider,
    NULLIF(regexp_replace(model_raw, '^' || COALESCE(billed_by, '') || '/(converse/|invoke/)?', ''), '') AS model_raw,
    NULLIF(model_group, '') AS deployment, NULLIF(team, '') AS team_raw,
    CASE WHEN starts_with(api_key, 'sk-') THEN sha256(api_key) ELSE NULLIF(api_key, '') END AS api_key,
    NULLIF(COALESCE(organization, agent, entity), '') AS project, NULLIF(COALESCE("user", end_user), '') AS principal,
    CASE
        WHEN contains(endpoint, 'embedding') THEN 'embed' WHEN contains(endpoint, 'rerank') THEN 'rerank' WHEN contains(endpoint, 'image') THEN 'image'
        WHEN contains(endpoint, 'audio') THEN 'audio' WHEN contains(endpoint, 'video') THEN 'video' WHEN regexp_matches(endpoint, 'moderation|ocr|mcp') THEN 'other'
        ELSE 'generate'
    END AS task,
    CASE WHEN whole(successful) = 0 AND whole(failed) > 0 THEN 'platform_error' ELSE 'ok' END AS outcome, whole(requests) AS requests,
    verdict.convention AS convention, verdict.proof AS convention_proof,
    money(spend) AS reported_cost, CASE WHEN spend IS NOT NULL THEN 'USD' END AS reported_currency,
    -- The table's own id where it is there: its unique key lets rows pass that lack a part of it.
    CASE WHEN id IS NOT NULL THEN key_of([cut, id]) ELSE key_of([cut, team, "user", organization, end_user, agent, entity, day, api_key, model_raw, provider, tool, endpoint]) END AS natural_key,
    list_concat(
        input_classes(verdict, whole(prompt), whole(cache_read), whole(cache_write), NULL, NULL), output_classes(whole(completion), NULL, FALSE)
    ) AS quantities
FROM judged
