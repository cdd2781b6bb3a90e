-- A spelling means one team, and one model, at a time; otherwise a join would count its cost twice.
-- Grain: one row per spelling with two meanings that overlap.
SELECT 'team' AS kind, a.raw, a.team AS meaning, b.team AS other
FROM team_aliases AS a
INNER JOIN team_aliases AS b ON b.raw = a.raw AND a.valid_from < b.valid_from AND b.valid_from < a.valid_to
UNION ALL
SELECT 'team', raw, MIN(team), MAX(team)
FROM team_aliases
GROUP BY raw, valid_from
HAVING COUNT(*) > 1
UNION ALL
SELECT 'model', a.raw, a.model, b.model
FROM model_aliases AS a
INNER JOIN model_aliases AS b ON b.raw = a.raw AND a.valid_from < b.valid_from AND b.valid_from < a.valid_to
UNION ALL
SELECT 'model', raw, MIN(model), MAX(model)
FROM model_aliases
GROUP BY raw, valid_from
HAVING COUNT(*) > 1
UNION ALL
SELECT field, value, MIN(pool), MAX(pool)
FROM pool_tokens
GROUP BY field, value
HAVING COUNT(*) > 1
UNION ALL
SELECT 'chips', CONCAT(field, ' ', value), MIN(pool), MAX(pool)
FROM pool_chips
GROUP BY field, value
HAVING COUNT(*) > 1
UNION ALL
SELECT 'provider', name, MIN(provider), MAX(provider)
FROM providers
GROUP BY name
HAVING COUNT(*) > 1
UNION ALL
SELECT 'machine', CONCAT(provider, ' ', name), MIN(machine), MAX(machine)
FROM machines
GROUP BY provider, name
HAVING COUNT(*) > 1
UNION ALL
SELECT 'unit', unit, MIN(measure), MAX(measure)
FROM units
GROUP BY unit
HAVING COUNT(*) > 1
UNION ALL
SELECT 'change', CONCAT(CAST(day AS VARCHAR), ' ', raw), raw, raw
FROM owner_changes
WHERE raw IS NOT NULL
GROUP BY day, raw
HAVING COUNT(*) > 1
UNION ALL
SELECT 'account', purpose, MIN(account), MAX(account)
FROM purpose_accounts
GROUP BY purpose
HAVING COUNT(*) > 1
