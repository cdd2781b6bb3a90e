-- Hourly token counts to token usage. Grain: one row per record. Its token classes are disjoint as the columns are documented; of an input or
-- output that is given as a whole the parts are taken out, where they fit into it.
WITH counted AS (
    SELECT
        *, whole(input_all) AS given, whole(output) AS made, whole(output_visible) AS seen, whole(output_reasoning) AS thought,
        [
            {'token_class': 'input.cache_read', 'tokens': whole(input_cache_read)},
            {'token_class': 'input.cache_write.unspecified', 'tokens': whole(input_cache_write)},
            {'token_class': 'input.cache_write.5m', 'tokens': whole(input_cache_write_5m)},
            {'token_class': 'input.cache_write.30m', 'tokens': whole(input_cache_write_30m)},
            {'token_class': 'input.cache_write.1h', 'tokens': whole(input_cache_write_1h)},
            {'token_class': 'input.cache_write.12h', 'tokens': whole(input_cache_write_12h)}
        ] AS cached_parts
    FROM records
),

summed AS (
    SELECT *, CAST(list_sum(list_transform(cached_parts, lambda p: p.tokens)) AS BIGINT) AS cached FROM counted     -- NULL where there is none
),

judged AS (
    SELECT
        *, given IS NULL OR cached IS NULL AND input_uncached IS NULL AS is_plain,
        COALESCE(whole(input_uncached) + COALESCE(cached, 0) = given, cached <= given AND input_uncached IS NULL, FALSE) AS fits,
        made IS NULL OR (seen IS NULL OR thought IS NULL OR seen + thought = made) AND COALESCE(seen, thought, 0) <= made AS fits_out
    FROM summed
)

SELECT
    file_no, record_no,
    instant(ts_start) AS ts_start, instant(ts_end) AS ts_end,
    provider, billing_account, region, model_raw, deployment, pool, chip, service_tier, team_raw, api_key, project, namespace, principal, purpose,
    COALESCE(lower(task), 'generate') AS task, COALESCE(lower(outcome), 'ok') AS outcome,
    COALESCE(whole(requests), CASE WHEN instant(ts_start) = instant(ts_end) AND NOT list_contains(present, 'requests') THEN 1 END) AS requests,
    CASE WHEN NOT is_plain THEN 'inclusive' WHEN given IS NOT NULL THEN 'unsplit' ELSE 'exclusive' END AS convention,
    CASE WHEN NOT (is_plain OR fits) OR NOT fits_out THEN 'contradicted' WHEN NOT is_plain AND input_uncached IS NOT NULL THEN 'proved' ELSE 'declared' END AS convention_proof,
    words([CASE WHEN whole(spillover) > 0 THEN 'spillover' END]) AS flags,
    CASE WHEN id IS NOT NULL THEN key_of([id]) END AS natural_key,
    list_concat(
        CASE
            WHEN given IS NOT NULL AND (is_plain OR NOT fits) THEN [{'token_class': 'input.unsplit', 'tokens': given}]
            ELSE list_concat([{'token_class': 'input.uncached', 'tokens': COALESCE(whole(input_uncached), given - cached)}], cached_parts)
        END,
        CASE
            WHEN made IS NULL OR thought IS NOT NULL AND fits_out
            THEN [{'token_class': 'output.visible', 'tokens': COALESCE(seen, made - thought)}, {'token_class': 'output.reasoning', 'tokens': thought}]
            ELSE [{'token_class': 'output.unsplit', 'tokens': made}]
        END
    ) AS quantities
FROM judged
