-- Who used tokens that no team is known for: keys, projects, namespaces and the like, by the money at stake, with the rule that would place them.
-- Grain: one row per pool or provider, owner and currency; the placeholder TEAM is yours to fill in. The cost is the part of what their tokens
-- cost without a team, by the number of tokens of each; an owner whose tokens are on no bill has none.
-- Title: unknown owners of tokens
-- Calendar: usage
-- Wide: cost, mtok=Mtok, requests, scope, owner, owner_rule=rule
-- Narrow: cost, mtok=Mtok, scope, owner
-- Unknown: cost
-- Top: 20
-- Empty: every token that drives money has a team
WITH owners AS (
    SELECT
        CASE WHEN pool = 'api' THEN provider ELSE COALESCE(pool, provider) END AS scope, pool, model, unknown_owner AS owner,
        CASE WHEN pool = 'api' THEN CONCAT('api/', provider, '/', model) ELSE pool END AS unit,
        SUM(CAST(tokens AS DECIMAL(38, 0))) AS tokens, SUM(CAST(requests AS DECIMAL(38, 0))) AS requests
    FROM token_evidence
    WHERE drives AND unknown_owner IS NOT NULL AND tokens IS NOT NULL AND day >= $start AND day < $end
    GROUP BY ALL
),

costs AS (
    SELECT
        p.unit, CASE WHEN p.pool <> 'api' THEN p.model END AS model, p.BillingCurrency AS currency,
        SUM(measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost)) AS cost
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    WHERE p.reason = 'tokens without a known team'
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
    GROUP BY ALL
),

shared AS (
    SELECT
        o.scope, o.owner, o.tokens, o.requests, c.currency,
        CASE WHEN o.tokens > 0 THEN share_of(c.cost, o.tokens, SUM(o.tokens) OVER (PARTITION BY o.unit, CASE WHEN o.pool <> 'api' THEN o.model END, c.currency)) END AS cost
    FROM owners AS o
    LEFT JOIN costs AS c ON c.unit = o.unit AND (c.model IS NULL OR c.model = o.model)
)

SELECT
    SUM(cost) AS cost, millions(SUM(tokens)) AS mtok, CAST(SUM(requests) AS BIGINT) AS requests, scope, owner,
    CASE WHEN owner <> '-' THEN CONCAT(
        '- {name: "', REPLACE(REPLACE(owner, '\', '\\'), '"', '\"'), '", when: {', SPLIT_PART(owner, ' ', 1), ': ["',
        REPLACE(REPLACE(SUBSTR(owner, LENGTH(SPLIT_PART(owner, ' ', 1)) + 2), '\', '\\'), '"', '\"'), '"]}, team: TEAM}'
    ) END AS owner_rule,
    COALESCE(currency, '-') AS currency
FROM shared
GROUP BY scope, owner, currency
ORDER BY currency DESC, ABS(SUM(cost)) DESC, SUM(tokens) DESC, scope, owner
