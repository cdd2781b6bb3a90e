-- Who token counts belong to, by what their sources say of it: the first rule of the configuration that fits, else the first of team, key, project,
-- namespace, deployment and principal that an alias knows; without a list of teams the team as the source says it.
-- Grain: one row per combination of what sources say, as they say it, and span of days; the spans of a combination tile all days. team is NULL
-- where nobody knows it, and owner says what there is.
-- Empty without: token_usage
WITH owners AS (
    SELECT DISTINCT u.source, u.provider, u.team_raw, u.api_key, u.project, u.namespace, u.principal, u.deployment
    FROM token_usage AS u
    CROSS JOIN usage_span AS s
    WHERE u.ts_start >= CAST(s.first_day AS TIMESTAMP) AND u.ts_start < CAST(s.end_day AS TIMESTAMP)
),

cuts AS (
    SELECT CAST('1900-01-01' AS DATE) AS day
    UNION SELECT valid_from FROM team_aliases UNION SELECT valid_to FROM team_aliases
    UNION SELECT valid_from FROM owner_rules UNION SELECT valid_to FROM owner_rules
    UNION SELECT CAST('9999-12-31' AS DATE)
),

spans AS (SELECT day AS valid_from, LEAD(day) OVER (ORDER BY day) AS valid_to FROM cuts),

numbered AS (
    SELECT
        ROW_NUMBER() OVER (ORDER BY o.source, o.provider, o.team_raw, o.api_key, o.project, o.namespace, o.principal, o.deployment, s.valid_from) AS number, s.valid_from, s.valid_to,
        o.source, o.provider, o.team_raw, o.api_key, o.project, o.namespace, o.principal, o.deployment
    FROM owners AS o
    CROSS JOIN spans AS s
    CROSS JOIN usage_span AS u
    WHERE s.valid_from < u.end_day AND s.valid_to > u.first_day
),

said AS (
    SELECT number, valid_from, 'team' AS field, 1 AS place, LOWER(TRIM(team_raw)) AS value FROM numbered WHERE TRIM(team_raw) <> ''
    UNION ALL SELECT number, valid_from, 'api_key', 2, LOWER(TRIM(api_key)) FROM numbered WHERE TRIM(api_key) <> ''
    UNION ALL SELECT number, valid_from, 'project', 3, LOWER(TRIM(project)) FROM numbered WHERE TRIM(project) <> ''
    UNION ALL SELECT number, valid_from, 'namespace', 4, LOWER(TRIM(namespace)) FROM numbered WHERE TRIM(namespace) <> ''
    UNION ALL SELECT number, valid_from, 'deployment', 5, LOWER(TRIM(deployment)) FROM numbered WHERE TRIM(deployment) <> ''
    UNION ALL SELECT number, valid_from, 'principal', 6, LOWER(TRIM(principal)) FROM numbered WHERE TRIM(principal) <> ''
    UNION ALL SELECT number, valid_from, 'source', 7, LOWER(source) FROM numbered
    UNION ALL SELECT number, valid_from, 'provider', 8, LOWER(provider) FROM numbered
),

fitting AS (
    SELECT f.number, r.ordinal, r.team, r.purpose
    FROM said AS f
    INNER JOIN owner_rules AS r ON r.field = f.field AND f.value LIKE r.pattern ESCAPE '!' AND r.valid_from <= f.valid_from AND f.valid_from < r.valid_to
    GROUP BY f.number, r.ordinal, r.team, r.purpose, r.fields
    HAVING COUNT(DISTINCT f.field) = r.fields
),

ruled AS (SELECT number, team, purpose, ROW_NUMBER() OVER (PARTITION BY number ORDER BY ordinal) AS place FROM fitting),

aliased AS (
    SELECT f.number, t.team, t.purpose, ROW_NUMBER() OVER (PARTITION BY f.number ORDER BY f.place) AS place
    FROM said AS f
    INNER JOIN team_aliases AS t ON t.raw = f.value AND t.valid_from <= f.valid_from AND f.valid_from < t.valid_to
    WHERE f.place <= 6
),

roster AS (SELECT COUNT(*) AS teams FROM team_aliases)

SELECT
    n.valid_from, n.valid_to, n.source, n.provider, n.team_raw, n.api_key, n.project, n.namespace, n.principal, n.deployment,
    COALESCE(r.team, a.team, CASE WHEN t.teams = 0 THEN NULLIF(TRIM(n.team_raw), '') END) AS team,
    r.purpose AS rule_purpose, CASE WHEN r.team IS NULL THEN a.purpose END AS alias_purpose,
    CASE
        WHEN TRIM(n.team_raw) <> '' THEN CONCAT('team ', LOWER(TRIM(n.team_raw))) WHEN TRIM(n.api_key) <> '' THEN CONCAT('api_key ', LOWER(TRIM(n.api_key)))
        WHEN TRIM(n.project) <> '' THEN CONCAT('project ', LOWER(TRIM(n.project))) WHEN TRIM(n.namespace) <> '' THEN CONCAT('namespace ', LOWER(TRIM(n.namespace)))
        WHEN TRIM(n.deployment) <> '' THEN CONCAT('deployment ', LOWER(TRIM(n.deployment))) WHEN TRIM(n.principal) <> '' THEN CONCAT('principal ', LOWER(TRIM(n.principal)))
        ELSE '-'
    END AS owner
FROM numbered AS n
CROSS JOIN roster AS t
LEFT JOIN ruled AS r ON r.number = n.number AND r.place = 1
LEFT JOIN aliased AS a ON a.number = n.number AND a.place = 1
