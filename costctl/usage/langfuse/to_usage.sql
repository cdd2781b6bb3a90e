-- Langfuse generations to token usage. Grain: one row per observation. The names of `usageDetails` are free. They are meant to be disjoint
-- (Langfuse adds up all that contain `input`, or `output`), but integrations exist that leave cached tokens within the input: the total
-- that the integration gave tells. A total that Langfuse computed by adding everything up proves nothing.
WITH read AS (
    SELECT
        *,
        list_transform(list_filter(members(usage), lambda e: e.value IS NOT NULL AND NOT regexp_matches(lower(e.key), 'cost|^unit$')), lambda e: {
            'kind': CASE
                WHEN regexp_full_match(lower(e.key), 'total([_-]?token(s|_?count))?') THEN 'total'
                WHEN regexp_matches(lower(e.key), 'cache[ds]?[_.-]?(creat|writ)') AND contains(lower(e.key), '1h') THEN 'written 1h'
                WHEN regexp_matches(lower(e.key), 'cache[ds]?[_.-]?(creat|writ)') AND contains(lower(e.key), '5m') THEN 'written 5m'
                WHEN regexp_matches(lower(e.key), 'cache[ds]?[_.-]?(creat|writ)') THEN 'written'
                WHEN contains(lower(e.key), 'cache') AND NOT contains(lower(e.key), 'miss') THEN 'read'
                WHEN contains(lower(e.key), 'rejected') THEN 'rejected'
                WHEN regexp_matches(lower(e.key), 'reason|thought|thinking') THEN 'reasoning'
                WHEN regexp_matches(lower(e.key), 'tool[_-]?use') THEN 'tool use'
                WHEN regexp_matches(lower(e.key), 'input|prompt') THEN 'input'
                WHEN regexp_matches(lower(e.key), 'output|completion|candidates') THEN 'output'
                WHEN contains(lower(e.key), 'token') THEN 'unknown'
                ELSE 'no token'
            END,
            'text': e.value, 'tokens': CASE WHEN whole_fits(e.value) THEN whole_cast(e.value) END
        }) AS parts,
        list_filter(members(provided), lambda e: regexp_full_match(lower(e.key), 'total([_-]?token(s|_?count))?'))[1].value AS provided_total,
        CASE WHEN json_valid(tags) THEN from_json(tags, '["VARCHAR"]') END AS tag_list,
        COALESCE(money(cost), list_transform([json_extract_string(costs, '$.total')], lambda c: CASE WHEN money_fits(c) OR is_printed_float(c) THEN money_cast(c) END)[1]) AS costed
    FROM records
),

added AS (
    SELECT
        *,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'input'), lambda p: p.tokens)) AS input,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'output'), lambda p: p.tokens)) AS output,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'read'), lambda p: p.tokens)) AS cached,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'written'), lambda p: p.tokens)) AS written,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'written 5m'), lambda p: p.tokens)) AS written_5m,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'written 1h'), lambda p: p.tokens)) AS written_1h,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'reasoning'), lambda p: p.tokens)) AS reasoning,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'rejected'), lambda p: p.tokens)) AS rejected,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'tool use'), lambda p: p.tokens)) AS tool_use,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind NOT IN ('total', 'output', 'reasoning', 'rejected', 'unknown', 'no token')), lambda p: p.tokens)) AS all_input,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind IN ('output', 'reasoning', 'rejected')), lambda p: p.tokens)) AS all_output,
        list_sum(list_transform(list_filter(parts, lambda p: p.kind = 'unknown'), lambda p: p.tokens)) AS unknown,
        COALESCE(list_sum(list_transform(list_filter(parts, lambda p: p.kind <> 'total'), lambda p: p.tokens)), 0) AS everything,
        list_filter(parts, lambda p: p.kind = 'total')[1].tokens AS own_total,
        COALESCE(list_bool_or(list_transform(parts, lambda p: p.tokens IS NULL OR p.kind IN ('unknown', 'no token') AND p.tokens > 0)), FALSE) AS unclear
    FROM read
),

weighed AS (
    SELECT
        *,
        COALESCE(cached, 0) + GREATEST(COALESCE(written, 0), COALESCE(written_5m, 0) + COALESCE(written_1h, 0)) AS beside_input,
        COALESCE(reasoning, 0) + COALESCE(rejected, 0) AS beside_output, COALESCE(input, 0) AS ins, COALESCE(output, 0) AS outs,
        COALESCE(written_5m, 0) + COALESCE(written_1h, 0) AS aged,
        CASE WHEN whole_fits(provided_total) THEN whole_cast(provided_total) WHEN own_total <> everything THEN own_total END AS total
    FROM added
),

judged AS (
    SELECT
        *,
        CASE
            WHEN len(parts) = 0 THEN {'convention': 'unsplit', 'proof': 'declared', 'output_within': FALSE}
            WHEN unclear OR aged > COALESCE(written, aged) THEN {'convention': 'exclusive', 'proof': 'contradicted', 'output_within': FALSE}
            WHEN total IS NULL THEN {'convention': 'exclusive', 'proof': 'declared', 'output_within': FALSE}
            WHEN beside_input + beside_output = 0
            THEN {'convention': 'exclusive', 'proof': CASE WHEN ins + COALESCE(tool_use, 0) + outs = total THEN 'ambiguous' ELSE 'contradicted' END, 'output_within': FALSE}
            WHEN ins + beside_input + COALESCE(tool_use, 0) + outs + beside_output = total THEN {'convention': 'exclusive', 'proof': 'proved', 'output_within': FALSE}
            WHEN ins + COALESCE(tool_use, 0) + outs = total AND beside_input <= ins AND beside_output <= outs THEN {'convention': 'inclusive', 'proof': 'proved', 'output_within': TRUE}
            WHEN ins + beside_input + COALESCE(tool_use, 0) + outs = total AND beside_output <= outs THEN {'convention': 'exclusive', 'proof': 'proved', 'output_within': TRUE}
            WHEN ins + COALESCE(tool_use, 0) + outs + beside_output = total AND beside_input <= ins THEN {'convention': 'inclusive', 'proof': 'proved', 'output_within': FALSE}
            ELSE {'convention': 'exclusive', 'proof': 'contradicted', 'output_within': FALSE}
        END AS verdict
    FROM weighed
)

SELECT
    file_no, record_no, instant(started) AS ts_start, COALESCE(instant(ended), instant(started)) AS ts_end,
    COALESCE(
        json_extract_string(metadata, '$.ls_provider'), json_extract_string(metadata, '$.attributes."gen_ai.provider.name"'),
        json_extract_string(metadata, '$.attributes."gen_ai.system"'), 'unknown'
    ) AS provider,
    NULLIF(model_raw, '') AS model_raw, substr(list_filter(tag_list, lambda t: starts_with(t, 'team:'))[1], 6) AS team_raw,
    NULLIF(project, '') AS project, NULLIF(environment, '') AS namespace, NULLIF(person, '') AS principal,
    substr(list_filter(tag_list, lambda t: starts_with(t, 'purpose:'))[1], 9) AS purpose,
    CASE upper(type) WHEN 'EMBEDDING' THEN 'embed' ELSE 'generate' END AS task,
    CASE WHEN upper(level) = 'ERROR' THEN 'platform_error' ELSE 'ok' END AS outcome, 1 AS requests,
    verdict.convention AS convention, verdict.proof AS convention_proof,
    words([
        CASE WHEN provided IS NOT NULL AND len(members(provided)) = 0 AND everything > 0 THEN 'estimated' END,
        CASE WHEN whole(page) < whole(pages) AND whole(page) = max(whole(page)) OVER () THEN 'incomplete' END
    ]) AS flags,
    costed AS reported_cost, CASE WHEN costed IS NOT NULL THEN 'USD' END AS reported_currency,
    key_of([project, id]) AS natural_key,
    CASE WHEN upper(unit) <> 'TOKENS' THEN 'counted in another unit than tokens' END AS x_excluded,
    CASE
        WHEN len(parts) = 0 THEN CAST([] AS STRUCT(token_class VARCHAR, tokens BIGINT)[])
        -- What adds up to no total counts as a whole, by the total where one is there, and nothing of it is lost.
        WHEN verdict.proof = 'contradicted' THEN [
            {'token_class': 'input.unsplit', 'tokens': CAST(CASE WHEN total >= all_output THEN total - all_output WHEN unknown > 0 THEN COALESCE(all_input, 0) + unknown ELSE all_input END AS BIGINT)},
            {'token_class': 'output.unsplit', 'tokens': CAST(all_output AS BIGINT)}
        ]
        ELSE [
            {'token_class': 'input.uncached', 'tokens': CAST(input - CASE WHEN verdict.convention = 'inclusive' THEN beside_input ELSE 0 END AS BIGINT)},
            {'token_class': 'input.cache_read', 'tokens': CAST(cached AS BIGINT)},
            {'token_class': 'input.cache_write.unspecified', 'tokens': CAST(CASE WHEN aged > 0 AND aged = COALESCE(written, aged) THEN NULL ELSE written END AS BIGINT)},
            {'token_class': 'input.cache_write.5m', 'tokens': CAST(CASE WHEN aged = COALESCE(written, aged) THEN written_5m END AS BIGINT)},
            {'token_class': 'input.cache_write.1h', 'tokens': CAST(CASE WHEN aged = COALESCE(written, aged) THEN written_1h END AS BIGINT)},
            {'token_class': 'input.tool_use', 'tokens': CAST(tool_use AS BIGINT)},
            {
                'token_class': CASE WHEN reasoning IS NULL THEN 'output.unsplit' ELSE 'output.visible' END,
                'tokens': CAST(output - CASE WHEN verdict.output_within THEN beside_output ELSE 0 END AS BIGINT)
            },
            {'token_class': 'output.reasoning', 'tokens': CAST(reasoning AS BIGINT)},
            {'token_class': 'output.rejected_prediction', 'tokens': CAST(rejected AS BIGINT)}
        ]
    END AS quantities
FROM judged
