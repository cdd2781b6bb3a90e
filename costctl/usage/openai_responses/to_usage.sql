-- Logged answers of OpenAI to token usage. Grain: one row per line; of one answer one counts. The input holds what was read from a cache and
-- written to one, the output what was reasoned and what was predicted in vain; the total proves the first.
WITH counted AS (
    SELECT
        *, COALESCE(unix_time(created), unix_time(created_at)) AS began, COALESCE(whole(prompt), whole(input)) AS given, COALESCE(whole(completion), whole(output)) AS output_tokens, whole(total) AS total_tokens,
        COALESCE(whole(prompt_cached), whole(input_cached)) AS read_tokens, COALESCE(whole(prompt_written), whole(input_written)) AS written_tokens,
        COALESCE(whole(completion_reasoning), whole(output_reasoning)) AS reasoning_tokens, whole(rejected) AS rejected_tokens,
        COALESCE(len(unknown_counts(usage, ['prompt_tokens', 'completion_tokens', 'input_tokens', 'output_tokens', 'total_tokens'])) > 0, FALSE) AS has_more_classes
    FROM records
),

judged AS (
    SELECT
        *, inclusion('inclusive', given, COALESCE(read_tokens, 0) + COALESCE(written_tokens, 0), output_tokens, total_tokens) AS verdict,
        COALESCE(reasoning_tokens, 0) + COALESCE(rejected_tokens, 0) <= output_tokens AS output_fits
    FROM counted
)

SELECT
    file_no, record_no, began AS ts_start, COALESCE(unix_time(completed), began) AS ts_end, 'openai' AS provider,
    model AS model_raw, COALESCE(team, team_tag) AS team_raw, api_key, project, COALESCE(person, safety_identifier, "user") AS principal, 'generate' AS task,
    CASE status WHEN 'failed' THEN 'platform_error' WHEN 'cancelled' THEN 'client_abort' ELSE 'ok' END AS outcome, 1 AS requests,
    verdict.convention AS convention, CASE WHEN has_more_classes OR NOT output_fits THEN 'contradicted' ELSE verdict.proof END AS convention_proof,
    CASE WHEN service_tier NOT IN ('default', 'auto', 'standard') THEN service_tier END AS service_tier, key_of([id]) AS natural_key,
    list_concat(
        list_concat(
            input_classes(verdict, given, read_tokens, written_tokens, NULL, NULL),
            CASE
                WHEN output_fits THEN output_classes(output_tokens - COALESCE(rejected_tokens, 0), reasoning_tokens, FALSE)
                ELSE [{'token_class': 'output.unsplit', 'tokens': output_tokens}]
            END
        ),
        [{'token_class': 'output.rejected_prediction', 'tokens': CASE WHEN output_fits THEN rejected_tokens END}]
    ) AS quantities
FROM judged
