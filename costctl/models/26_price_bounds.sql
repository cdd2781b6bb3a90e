-- The lengths of prompt, and the parts of the day, that the cards of a model tell apart.
-- Grain: one row per provider, model in lower case, kind and piece. A step goes from more than from_value to and with to_value tokens of prompt
-- (NULL: without end), a part of the day from minute from_value to before to_value; those of a model tile all prompts, and the day.
WITH bounds AS (
    SELECT provider, LOWER(model) AS model, 'step' AS kind, CAST(-1 AS BIGINT) AS value FROM model_prices
    UNION SELECT provider, LOWER(model), 'step', prompt_above FROM model_prices WHERE prompt_above IS NOT NULL
    UNION SELECT provider, LOWER(model), 'step', prompt_up_to FROM model_prices WHERE prompt_up_to IS NOT NULL
    UNION SELECT provider, LOWER(model), 'part', CAST(0 AS BIGINT) FROM model_prices
    UNION SELECT provider, LOWER(model), 'part', CAST(minute_from AS BIGINT) FROM model_prices WHERE minute_from IS NOT NULL
    UNION SELECT provider, LOWER(model), 'part', CAST(minute_to AS BIGINT) FROM model_prices WHERE minute_to < 1440
)

SELECT
    provider, model, kind, value AS from_value,
    COALESCE(LEAD(value) OVER (PARTITION BY provider, model, kind ORDER BY value), CASE kind WHEN 'part' THEN CAST(1440 AS BIGINT) END) AS to_value,
    COUNT(*) OVER (PARTITION BY provider, model, kind) AS pieces
FROM bounds
