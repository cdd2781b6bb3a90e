-- OpenAI organization usage to token usage. Grain: one row per bucket and group. Its input contains what was read from a cache and
-- written to one; where the answer says the rest itself, the parts must make up the whole.
WITH counted AS (
    SELECT
        *, whole(input) AS given, whole(cached) AS read_tokens, whole(written) AS written_tokens, whole(uncached) AS uncached_tokens,
        max(unix_time("end")) OVER (PARTITION BY file_no) AS page_end
    FROM records
),

judged AS (
    SELECT
        *,
        CASE
            WHEN uncached_tokens IS NOT NULL AND uncached_tokens + COALESCE(read_tokens, 0) + COALESCE(written_tokens, 0) = given THEN {'convention': 'inclusive', 'proof': 'proved'}
            WHEN uncached_tokens IS NOT NULL THEN {'convention': 'inclusive', 'proof': 'contradicted'}
            ELSE inclusion('inclusive', given, COALESCE(read_tokens, 0) + COALESCE(written_tokens, 0), NULL, NULL)
        END AS verdict
    FROM counted
)

SELECT
    file_no, record_no, unix_time(start) AS ts_start, unix_time("end") AS ts_end, 'openai' AS provider, model AS model_raw,
    api_key, project, person AS principal, 'generate' AS task, 'ok' AS outcome, whole(requests) AS requests,
    verdict.convention AS convention, verdict.proof AS convention_proof,
    CASE WHEN batch = 'true' THEN 'batch' ELSE NULLIF(service_tier, 'default') END AS service_tier,
    words([CASE WHEN has_more = 'true' AND unix_time("end") = page_end THEN 'incomplete' END]) AS flags,
    key_of([start, "end", model, project, person, api_key, api_source, batch, service_tier]) AS natural_key,
    list_concat(input_classes(verdict, given, read_tokens, written_tokens, NULL, NULL), output_classes(whole(output), NULL, FALSE)) AS quantities
FROM judged
