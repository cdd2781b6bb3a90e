-- What the input of each source contains, as the arithmetic of its records proves: whether reads from a cache and writes to one are parts of it.
-- Grain: one row per source, provider, model and verdict. inclusive: they are parts; exclusive: they come on top; unsplit: nothing tells. proved by a
-- total; declared by the source's documentation; ambiguous: the records with a cache would tell; contradicted: the parts do not add up, and
-- the input counts as a whole. A vendor that changes its meaning shows as one more verdict of the same model, from the day on which it begins.
-- Title: inclusion
-- Calendar: usage
-- Wide: source, provider, model, convention, proof, first_day, last_day, records, mtok=Mtok, verdicts
-- Narrow: source, model, convention, proof, first_day, records
-- Total: none
-- Top: 40
-- Empty: no tokens are counted
WITH tokens AS (
    SELECT delivery_id, file_no, record_no, part_no, SUM(CAST(tokens AS DECIMAL(38, 0))) AS tokens
    FROM token_quantity
    GROUP BY delivery_id, file_no, record_no, part_no
),

counted AS (
    SELECT
        u.source, u.provider, COALESCE(u.model_raw, '-') AS model, u.convention, u.convention_proof AS proof,
        MIN(CAST(u.ts_start AS DATE)) AS first_day, MAX(CAST(u.ts_start AS DATE)) AS last_day, COUNT(*) AS records, SUM(t.tokens) AS tokens
    FROM token_usage AS u
    LEFT JOIN tokens AS t ON t.delivery_id = u.delivery_id AND t.file_no = u.file_no AND t.record_no = u.record_no AND t.part_no = u.part_no
    WHERE CAST(u.ts_start AS DATE) >= $start AND CAST(u.ts_start AS DATE) < $end
    GROUP BY u.source, u.provider, COALESCE(u.model_raw, '-'), u.convention, u.convention_proof
)

SELECT
    source, provider, model, convention, proof, first_day, last_day, records, millions(tokens) AS mtok,
    COUNT(*) OVER (PARTITION BY source, provider, model) AS verdicts, CAST(NULL AS VARCHAR) AS currency
FROM counted
ORDER BY COUNT(*) OVER (PARTITION BY source, provider, model) DESC, source, provider, model, first_day, convention, proof
