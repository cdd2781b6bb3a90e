-- The lengths of prompt, and the parts of the day, that the cards of a model tell apart.
-- Grain: one row per provider, model in lower case, kind and piece. A step goes from more than from_value to and with to_value tokens of prompt
-- (NULL: without end), a part of the day from minute from_value to before to_value; those of a model tile all prompts, and the day.
-- Empty without: model_prices
WITH cards AS (
    SELECT provider, LOWER(model) AS model, prompt_above, prompt_up_to, CAST(minute_from AS BIGINT) AS minute_from, CAST(minute_to AS BIGINT) AS minute_to
    FROM model_prices
),

bounds AS (
    SELECT provider, model, 'step' AS kind, CAST(-1 AS BIGINT) AS value FROM cards
    UNION SELECT provider, model, 'step', prompt_above FROM cards WHERE prompt_above IS NOT NULL
    UNION SELECT provider, model, 'step', prompt_up_to FROM cards WHERE prompt_up_to IS NOT NULL
    UNION SELECT provider, model, 'part', CAST(0 AS BIGINT) FROM cards
    UNION SELECT provider, model, 'part', minute_from FROM cards WHERE minute_from IS NOT NULL
    UNION SELECT provider, model, 'part', minute_to FROM cards WHERE minute_to < 1440
)

SELECT
    provider, model, kind, value AS from_value,
    COALESCE(LEAD(value) OVER (PARTITION BY provider, model, kind ORDER BY value), CASE kind WHEN 'part' THEN CAST(1440 AS BIGINT) END) AS to_value,
    COUNT(*) OVER (PARTITION BY provider, model, kind) AS pieces
FROM bounds
