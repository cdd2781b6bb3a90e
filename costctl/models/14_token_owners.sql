-- Who token counts belong to, by what their sources say of it: the first rule of the configuration that fits, else the first of team, key, project,
-- namespace, deployment and principal that an alias knows; without a list of teams the team as the source says it.
-- Grain: one row per day and combination of what sources say, as they say it; team is NULL where nobody knows it, and owner then says what there is.
-- Empty without: token_usage
WITH owners AS (
    SELECT DISTINCT CAST(u.ts_start AS DATE) AS day, u.source, u.provider, u.team_raw, u.api_key, u.project, u.namespace, u.principal, u.deployment
    FROM token_usage AS u
    CROSS JOIN usage_span AS s
    WHERE CAST(u.ts_start AS DATE) >= s.first_day AND CAST(u.ts_start AS DATE) < s.end_day
),

numbered AS (
    SELECT ROW_NUMBER() OVER (ORDER BY day, source, provider, team_raw, api_key, project, namespace, principal, deployment) AS number, day, source, provider, team_raw, api_key, project, namespace, principal, deployment
    FROM owners
),

said AS (
    SELECT number, day, 'team' AS field, 1 AS place, LOWER(TRIM(team_raw)) AS value FROM numbered WHERE TRIM(team_raw) <> ''
    UNION ALL SELECT number, day, 'api_key', 2, LOWER(TRIM(api_key)) FROM numbered WHERE TRIM(api_key) <> ''
    UNION ALL SELECT number, day, 'project', 3, LOWER(TRIM(project)) FROM numbered WHERE TRIM(project) <> ''
    UNION ALL SELECT number, day, 'namespace', 4, LOWER(TRIM(namespace)) FROM numbered WHERE TRIM(namespace) <> ''
    UNION ALL SELECT number, day, 'deployment', 5, LOWER(TRIM(deployment)) FROM numbered WHERE TRIM(deployment) <> ''
    UNION ALL SELECT number, day, 'principal', 6, LOWER(TRIM(principal)) FROM numbered WHERE TRIM(principal) <> ''
    UNION ALL SELECT number, day, 'source', 7, LOWER(source) FROM numbered
    UNION ALL SELECT number, day, 'provider', 8, LOWER(provider) FROM numbered
),

fitting AS (
    SELECT f.number, r.ordinal, r.team, r.purpose
    FROM said AS f
    INNER JOIN owner_rules AS r ON r.field = f.field AND f.value LIKE r.pattern ESCAPE '!' AND r.valid_from <= f.day AND f.day < r.valid_to
    GROUP BY f.number, r.ordinal, r.team, r.purpose, r.fields
    HAVING COUNT(DISTINCT f.field) = r.fields
),

ruled AS (
    SELECT number, team, purpose, ROW_NUMBER() OVER (PARTITION BY number ORDER BY ordinal) AS place
    FROM fitting
),

aliased AS (
    SELECT f.number, t.team, t.purpose, ROW_NUMBER() OVER (PARTITION BY f.number ORDER BY f.place) AS place
    FROM said AS f
    INNER JOIN team_aliases AS t ON t.raw = f.value AND t.valid_from <= f.day AND f.day < t.valid_to
    WHERE f.place <= 6
),

first_said AS (
    SELECT number, CONCAT(field, ' ', value) AS owner, ROW_NUMBER() OVER (PARTITION BY number ORDER BY place) AS place
    FROM said
    WHERE place <= 6
),

roster AS (SELECT COUNT(*) AS teams FROM team_aliases)

SELECT
    n.day, n.source, n.provider, n.team_raw, n.api_key, n.project, n.namespace, n.principal, n.deployment,
    COALESCE(r.team, a.team, CASE WHEN t.teams = 0 THEN NULLIF(TRIM(n.team_raw), '') END) AS team,
    r.purpose AS rule_purpose, CASE WHEN r.team IS NULL THEN a.purpose END AS alias_purpose, COALESCE(o.owner, '-') AS owner
FROM numbered AS n
CROSS JOIN roster AS t
LEFT JOIN ruled AS r ON r.number = n.number AND r.place = 1
LEFT JOIN aliased AS a ON a.number = n.number AND a.place = 1
LEFT JOIN first_said AS o ON o.number = n.number AND o.place = 1
