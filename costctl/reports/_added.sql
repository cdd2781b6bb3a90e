-- Sources of different formats that count tokens of one model and day in one role, other than gateways: they are added up, and may be the same tokens.
-- Grain: one row per provider and model.
WITH forms AS (SELECT DISTINCT source, format FROM deliveries WHERE kind = 'usage'),

days AS (
    SELECT e.day, e.provider, e.pool, e.model, e.evidence_role, MIN(e.source) AS first_source, MAX(e.source) AS last_source
    FROM token_evidence AS e
    INNER JOIN forms AS f ON f.source = e.source
    WHERE e.drives AND e.evidence_role <> 'gateway' AND e.day >= $start AND e.day < $end
    GROUP BY e.day, e.provider, e.pool, e.model, e.evidence_role
    HAVING COUNT(DISTINCT f.format) > 1
)

SELECT provider, model, MIN(first_source) AS first_source, MAX(last_source) AS last_source, COUNT(*) AS days
FROM days
GROUP BY provider, model
ORDER BY COUNT(*) DESC, provider, model
