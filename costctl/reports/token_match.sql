-- The same tokens as each kind of evidence counted them: what drives money against the best of the others, per day and model, both ways.
-- Grain: one row per day, pool or provider, and model. `against` is the first of bill, provider's meter, engine, gateway and client that has counts and
-- does not drive money; short is what it counted and the driving role did not, over the other way round, of input and of output each.
-- All are millions of tokens. Where driving_sources is more than 1, so many sources of the driving role are added up.
-- Title: token match
-- Calendar: usage
-- Wide: day, scope, model, gateway=gateway Mtok, client, engine, provider_meter=meter, bill, drives, against, coverage_percent=cover%, short, over
-- Narrow: day, scope, model, drives, against, coverage_percent=cover%, short, over
-- Total: none
-- Top: 40
-- Empty: no tokens are counted or billed
WITH roles AS (
    SELECT
        day, CASE WHEN pool = 'api' THEN provider ELSE COALESCE(pool, provider) END AS scope, model, evidence_role,
        CASE evidence_role WHEN 'bill' THEN 1 WHEN 'provider_meter' THEN 2 WHEN 'engine' THEN 3 WHEN 'gateway' THEN 4 ELSE 5 END AS rank, drives,
        MIN(source) AS first_source, COUNT(DISTINCT source) AS sources,
        SUM(CASE WHEN token_class LIKE 'input%' THEN CAST(tokens AS DECIMAL(38, 0)) ELSE CAST(0 AS DECIMAL(38, 0)) END) AS input,
        SUM(CASE WHEN token_class LIKE 'output%' THEN CAST(tokens AS DECIMAL(38, 0)) ELSE CAST(0 AS DECIMAL(38, 0)) END) AS output,
        SUM(CAST(tokens AS DECIMAL(38, 0))) AS tokens
    FROM token_evidence
    WHERE day >= $start AND day < $end AND tokens IS NOT NULL
    GROUP BY day, CASE WHEN pool = 'api' THEN provider ELSE COALESCE(pool, provider) END, model, evidence_role, drives
),

ranked AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY day, scope, model ORDER BY drives, rank) AS place
    FROM roles
),

days AS (
    SELECT
        day, scope, model,
        SUM(CASE WHEN evidence_role = 'gateway' THEN tokens END) AS gateway, SUM(CASE WHEN evidence_role = 'client' THEN tokens END) AS client,
        SUM(CASE WHEN evidence_role = 'engine' THEN tokens END) AS engine, SUM(CASE WHEN evidence_role = 'provider_meter' THEN tokens END) AS provider_meter,
        SUM(CASE WHEN evidence_role = 'bill' THEN tokens END) AS bill,
        MAX(CASE WHEN drives THEN evidence_role END) AS drives, MAX(CASE WHEN drives THEN first_source END) AS driving_source, MAX(CASE WHEN drives THEN sources END) AS driving_sources,
        MAX(CASE WHEN NOT drives AND place = 1 THEN evidence_role END) AS against,
        SUM(CASE WHEN drives THEN tokens END) AS driving, SUM(CASE WHEN drives THEN input END) AS driving_input, SUM(CASE WHEN drives THEN output END) AS driving_output,
        SUM(CASE WHEN NOT drives AND place = 1 THEN tokens END) AS other, SUM(CASE WHEN NOT drives AND place = 1 THEN input END) AS other_input,
        SUM(CASE WHEN NOT drives AND place = 1 THEN output END) AS other_output
    FROM ranked
    GROUP BY day, scope, model
),

compared AS (
    SELECT
        *, CASE WHEN other IS NOT NULL THEN GREATEST(other_input - COALESCE(driving_input, CAST(0 AS DECIMAL(38, 0))), CAST(0 AS DECIMAL(38, 0)))
        + GREATEST(other_output - COALESCE(driving_output, CAST(0 AS DECIMAL(38, 0))), CAST(0 AS DECIMAL(38, 0))) END AS short,
        CASE WHEN other IS NOT NULL THEN GREATEST(driving_input - other_input, CAST(0 AS DECIMAL(38, 0)))
        + GREATEST(driving_output - other_output, CAST(0 AS DECIMAL(38, 0))) END AS over
    FROM days
)

SELECT
    day, scope, model, millions(gateway) AS gateway, millions(client) AS client, millions(engine) AS engine, millions(provider_meter) AS provider_meter, millions(bill) AS bill,
    drives, against, driving_source, driving_sources, TRY_CAST(short_quotient(COALESCE(driving, CAST(0 AS DECIMAL(38, 0))) * 100, NULLIF(other, 0)) AS BIGINT) AS coverage_percent,
    millions(short) AS short, millions(over) AS over, CAST(NULL AS VARCHAR) AS currency
FROM compared
ORDER BY COALESCE(short, 0) + COALESCE(over, 0) DESC, day, scope, model
