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
        SUM(CASE $cost WHEN 'billed' THEN d.BilledCost WHEN 'list' THEN d.ListCost WHEN 'contracted' THEN d.ContractedCost ELSE d.EffectiveCost END) AS cost
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    LEFT JOIN charge_groups AS g ON g.group_id = p.origin AND g.billing_period = p.billing_period AND p.pool IS NULL
    WHERE p.kind = 'unallocated'
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
    GROUP BY ALL
)

SELECT
    cost,
    CAST(exact_quotient(millionths(cost) * 100, NULLIF(SUM(millionths(cost)) OVER (PARTITION BY currency), 0)) AS BIGINT) AS share_percent,
    provider, service, account, machine, pool, reason,
    CASE
        WHEN pool IS NOT NULL THEN CONCAT('the tokens or chip time of pool ', pool, ' need a team: see its token source')
        WHEN account IS NULL AND service IS NULL THEN CONCAT('- {name: ', provider, ', when: {ProviderName: [PROVIDER]}, team: TEAM}')
        ELSE CONCAT(
            '- {name: ', REPLACE(COALESCE(service, account), ',', ' '), ', when: {',
            CASE WHEN account IS NULL THEN '' ELSE CONCAT('SubAccountId: ["', account, '"]', CASE WHEN service IS NULL THEN '' ELSE ', ' END) END,
            CASE WHEN service IS NULL THEN '' ELSE CONCAT('ServiceName: ["', REPLACE(service, '"', ''), '"]') END,
            CASE WHEN machine IS NULL THEN '' ELSE CONCAT(', x_machine: ["', REPLACE(machine, '"', ''), '"]') END,
            '}, team: TEAM}'
        )
    END AS rule,
    currency
FROM costs
ORDER BY currency, ABS(cost) DESC, provider, service, account, machine, reason
