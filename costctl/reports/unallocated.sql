-- What no team bears, by money, with the rule that would place it; the placeholder TEAM is yours to fill in.
-- Grain: one row per reason, provider, service, account, machine and currency.
-- Title: unallocated
-- Calendar: billing
-- Wide: cost, share_percent=%, provider, service, account, machine, reason
-- Narrow: cost, share_percent=%, provider, service, reason
-- Top: 20
WITH costs AS (
    SELECT
        p.reason, p.provider, g.ServiceName AS service, g.SubAccountId AS account, g.x_machine AS machine, p.pool, p.BillingCurrency AS currency,
        SUM(measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost)) AS cost,
        BOOL_OR(measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete)) AS incomplete
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    LEFT JOIN charge_groups AS g ON g.group_id = p.origin AND g.billing_period = p.billing_period AND p.pool IS NULL
    WHERE p.kind = 'unallocated'
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
    GROUP BY ALL
)

SELECT
    cost, provider, service, account, machine, pool, reason,
    CASE
        WHEN reason LIKE 'unknown team %' THEN CONCAT('teams.csv needs a row, or an alias, for ', SUBSTR(reason, 14))
        WHEN reason = 'no allocation base in this slot' THEN CONCAT(
            'pool ', pool, ' has no tokens counted ', CASE WHEN pool IN (SELECT pool FROM hourly_pools) THEN 'in some of its hours' ELSE 'on some of its days' END,
            ': see its token source'
        )
        WHEN reason LIKE 'tokens %' OR reason LIKE 'no tokens %' THEN CONCAT('pool ', pool, ': tokens are missing, or have no team, in its token source')
        WHEN pool IS NOT NULL THEN CONCAT('pool ', pool, ': see its chip time')
        WHEN account IS NOT NULL OR service IS NOT NULL THEN CONCAT(
            '- {name: "', REPLACE(REPLACE(COALESCE(service, account), '\', '\\'), '"', '\"'), '", when: {tags.team: [""]',
            CASE WHEN account IS NOT NULL THEN CONCAT(', SubAccountId: ["', REPLACE(REPLACE(account, '\', '\\'), '"', '\"'), '"]') ELSE '' END,
            CASE WHEN service IS NOT NULL THEN CONCAT(', ServiceName: ["', REPLACE(REPLACE(service, '\', '\\'), '"', '\"'), '"]') ELSE '' END,
            CASE WHEN machine IS NOT NULL THEN CONCAT(', x_machine: ["', REPLACE(REPLACE(machine, '\', '\\'), '"', '\"'), '"]') ELSE '' END,
            '}, team: TEAM}'
        )
    END AS rule,
    currency, incomplete
FROM costs
ORDER BY currency, ABS(cost) DESC, provider, service, account, machine, reason
