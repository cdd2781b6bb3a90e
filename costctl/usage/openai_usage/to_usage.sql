-- OpenAI organization usage to token usage. Grain: one row per bucket and group. Its input contains what was read from a cache and
-- written to one; where the answer says the rest itself, the parts must make up the whole. Of the older fields the audio comes on top,
-- and holds what was cached of it.
WITH counted AS (
    SELECT
        *, whole(input) AS given, whole(cached) AS read_tokens, whole(written) AS written_tokens, whole(written_12h) AS written_12h_tokens,
        whole(uncached) AS uncached_tokens, whole(output) AS output_tokens,
        COALESCE(whole(cached), 0) + COALESCE(whole(written), 0) + COALESCE(whole(written_12h), 0) AS with_cache,
        COALESCE(uncached, text, image, cached_text, cached_audio, cached_image, written, output_image) IS NULL AS is_older,
        COALESCE(
            replace(replace(endpoint, 'organization.usage.', ''), '.result', ''),
            CASE WHEN output IS NOT NULL THEN 'completions' WHEN images IS NOT NULL THEN 'images' WHEN COALESCE(characters, seconds) IS NOT NULL THEN 'audio' ELSE 'other' END
        ) AS kind,
        max(unix_time("end")) OVER (PARTITION BY file_no, next_page) AS page_end,
        COALESCE(len(unknown_counts(result, [
            'input_tokens', 'input_uncached_tokens', 'input_cached_tokens', 'input_cache_write_tokens', 'input_cache_write_12h_tokens', 'input_text_tokens',
            'input_audio_tokens', 'input_image_tokens', 'input_cached_text_tokens', 'input_cached_audio_tokens', 'input_cached_image_tokens',
            'output_tokens', 'output_text_tokens', 'output_audio_tokens', 'output_image_tokens'
        ])) > 0, FALSE) AS has_more_classes
    FROM records
),

judged AS (
    SELECT
        *,
        CASE WHEN is_older THEN NULLIF(whole(audio), 0) END AS audio_on_top,
        output_tokens + CASE WHEN is_older THEN COALESCE(whole(output_audio), 0) ELSE 0 END AS all_output,
        CASE
            WHEN kind = 'completions' AND (given IS NULL OR output_tokens IS NULL) THEN {'convention': 'inclusive', 'proof': 'contradicted'}
            WHEN uncached_tokens + with_cache = given THEN {'convention': 'inclusive', 'proof': CASE WHEN has_more_classes THEN 'contradicted' ELSE 'proved' END}
            WHEN uncached_tokens IS NOT NULL OR has_more_classes THEN {'convention': 'inclusive', 'proof': 'contradicted'}
            ELSE inclusion('inclusive', given, with_cache, NULL, NULL)
        END AS verdict
    FROM counted
)

SELECT
    file_no, record_no, unix_time(start) AS ts_start, unix_time("end") AS ts_end, 'openai' AS provider, model AS model_raw,
    api_key, project, person AS principal,
    CASE
        WHEN kind IN ('completions', 'decisions') THEN 'generate'
        WHEN kind = 'embeddings' THEN 'embed'
        WHEN kind = 'images' THEN 'image'
        WHEN kind LIKE 'audio%' THEN 'audio'
        WHEN kind LIKE 'video%' THEN 'video'
        ELSE 'other'
    END AS task,
    'ok' AS outcome, whole(requests) AS requests, verdict.convention AS convention, verdict.proof AS convention_proof,
    CASE WHEN batch = 'true' THEN 'batch' ELSE NULLIF(service_tier, 'default') END AS service_tier,
    words([CASE WHEN has_more = 'true' AND unix_time("end") = page_end THEN 'incomplete' END]) AS flags,
    key_of([kind, start, "end", model, project, person, api_key, api_source, batch, service_tier, size, made_by]) AS natural_key,
    CASE
        WHEN verdict.proof = 'contradicted' AND NOT (uncached_tokens + with_cache = given) IS TRUE
        THEN [{'token_class': 'input.unsplit', 'tokens': given + COALESCE(audio_on_top, 0)}, {'token_class': 'output.unsplit', 'tokens': all_output}]
        ELSE [
            {'token_class': 'input.uncached', 'tokens': given - with_cache},
            {'token_class': 'input.cache_read', 'tokens': read_tokens},
            {'token_class': CASE WHEN written_12h_tokens IS NULL THEN 'input.cache_write.unspecified' ELSE 'input.cache_write.30m' END, 'tokens': written_tokens},
            {'token_class': 'input.cache_write.12h', 'tokens': written_12h_tokens},
            {'token_class': 'input.unsplit', 'tokens': audio_on_top},
            {'token_class': 'output.unsplit', 'tokens': all_output}
        ]
    END AS quantities
FROM judged
