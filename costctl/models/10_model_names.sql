-- Every model name that the period's bills, and the token counts and chip time that it may need, use, with the one model that it means on a day, NULL where no alias knows it, and the route it names.
-- Grain: one row per name in lower case and span of days; the spans of a name tile all days, so that a join by day finds exactly one.
-- An alias is the whole name, or a pattern: `*` stands for any text, `?` for one character. The whole name wins, then the pattern with
-- the most other characters; where two of these mean two models nobody knows which, and the name is as unknown as one without an alias.
-- A route is where a cloud may serve it, which decides its price: `us.` of an inference profile and `us/` of a data zone are geo:us.
-- Keep: yes
WITH span AS (      -- of months, so that it holds all days that the period needs; chip time may have begun long before
    SELECT
        LEAST(CAST($billing_period AS TIMESTAMP), COALESCE(CAST(DATE_TRUNC('month', MIN(slot_start)) AS TIMESTAMP), CAST($billing_period AS TIMESTAMP))) AS begins,
        GREATEST(CAST($billing_period_end AS TIMESTAMP), COALESCE(CAST(DATE_TRUNC('month', MAX(slot_end)) AS TIMESTAMP) + INTERVAL '1' MONTH, CAST($billing_period_end AS TIMESTAMP))) AS ends
    FROM charge_groups
    WHERE billing_period = $billing_period
),

used AS (
    SELECT raw_model AS name FROM charge_groups WHERE billing_period = $billing_period
    UNION SELECT x_model_raw FROM charge_groups WHERE billing_period = $billing_period
    UNION SELECT u.model_raw FROM token_usage AS u CROSS JOIN span AS s WHERE u.ts_start >= s.begins AND u.ts_start < s.ends
    UNION SELECT a.model_raw FROM accelerator_usage AS a CROSS JOIN span AS s WHERE a.ts_start < s.ends
),

names AS (SELECT DISTINCT LOWER(TRIM(name)) AS raw FROM used WHERE TRIM(name) <> ''),

aliases AS (
    SELECT
        raw, model, valid_from, valid_to, LENGTH(REPLACE(REPLACE(raw, '*', ''), '?', '')) AS literals,
        REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(raw, '!', '!!'), '%', '!%'), '_', '!_'), '*', '%'), '?', '_') AS pattern
    FROM model_aliases
),

meanings AS (
    SELECT n.raw, a.model, a.valid_from, a.valid_to, 1 AS is_whole, a.literals
    FROM names AS n
    INNER JOIN aliases AS a ON a.raw = n.raw
    UNION ALL
    SELECT n.raw, a.model, a.valid_from, a.valid_to, 0, a.literals
    FROM names AS n
    INNER JOIN aliases AS a ON n.raw LIKE a.pattern ESCAPE '!' AND a.literals < LENGTH(a.raw)
),

cuts AS (
    SELECT raw, CAST('1900-01-01' AS DATE) AS day FROM names
    UNION SELECT raw, valid_from FROM meanings
    UNION SELECT raw, valid_to FROM meanings
    UNION SELECT raw, CAST('9999-12-31' AS DATE) FROM names
),

spans AS (SELECT raw, day AS valid_from, LEAD(day) OVER (PARTITION BY raw ORDER BY day) AS valid_to FROM cuts),

ranked AS (
    SELECT
        s.raw, s.valid_from, s.valid_to, m.model,
        RANK() OVER (PARTITION BY s.raw, s.valid_from ORDER BY m.is_whole DESC, m.literals DESC) AS place
    FROM spans AS s
    LEFT JOIN meanings AS m ON m.raw = s.raw AND m.valid_from <= s.valid_from AND s.valid_from < m.valid_to
    WHERE s.valid_to IS NOT NULL
)

SELECT
    $billing_period AS billing_period, raw, CASE WHEN MIN(model) = MAX(model) THEN MIN(model) END AS model,
    CASE
        WHEN raw LIKE 'global.%' OR raw LIKE '%/global.%' THEN 'global'
        WHEN SPLIT_PART(REGEXP_REPLACE(raw, '^.*/', '', 'g'), '.', 1) IN ('us', 'eu', 'apac', 'jp', 'au', 'us-gov')
            THEN CONCAT('geo:', SPLIT_PART(REGEXP_REPLACE(raw, '^.*/', '', 'g'), '.', 1))
        WHEN raw LIKE 'us/%' OR raw LIKE '%/us/%' THEN 'geo:us'
        WHEN raw LIKE 'eu/%' OR raw LIKE '%/eu/%' THEN 'geo:eu'
    END AS route, valid_from, valid_to
FROM ranked
WHERE place = 1
GROUP BY raw, valid_from, valid_to
