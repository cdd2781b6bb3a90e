-- What no team bears, by money, with the rule that would place it; the placeholder TEAM is yours to fill in.
-- Grain: one row per reason, provider, service, account, machine, pool, what would place it, and currency.
-- Title: unallocated
-- Calendar: billing
-- Wide: cost, share_percent=%, provider, service, account, machine, reason
-- Narrow: cost, share_percent=%, provider, service, reason
-- Top: 20
WITH baseless AS (      -- why a pool had nothing to be split by
    SELECT
        p.posting_id, p.billing_period,
        CASE
            WHEN s.base = 'driver' THEN ': its driver has no value for some of its days'
            WHEN s.base = 'direct_cost' THEN ': nobody has a direct cost on some of its days'
            WHEN s.base = 'chip_seconds' THEN ': no chip time of a team on some of its days'
            WHEN COUNT(t.pool) = 0 OR COUNT(h.pool) > 0 THEN CONCAT(
                ' has no tokens counted ', CASE s.grain WHEN 'hour' THEN 'in some of its hours' ELSE 'on some of its days' END, ': see its token source'
            )
            WHEN p.model <> 'unknown' AND SUM(CASE WHEN t.model = p.model THEN 1 ELSE 0 END) = 0 THEN CONCAT(
                ' has tokens counted, and on some of its days none of ', p.model, CASE WHEN COUNT(m.pool) > 0 THEN ', which has a part under `models:`' ELSE ', which its chips served' END
            )
            ELSE CONCAT(' has tokens counted that weigh nothing by ', s.base, ': see its `base:` and `weights:`')
        END AS hint
    FROM postings AS p
    INNER JOIN pools AS s ON s.pool = p.pool
    LEFT JOIN token_days AS t ON t.pool = s.tokens_of AND (t.tokens > 0 OR t.requests > 0) AND CASE s.grain
        WHEN 'period' THEN DATE_TRUNC('month', CAST(t.day AS TIMESTAMP)) = DATE_TRUNC('month', p.slot_start) ELSE t.day >= CAST(p.slot_start AS DATE) AND CAST(t.day AS TIMESTAMP) < p.slot_end END
    LEFT JOIN (SELECT DISTINCT pool, CAST(slot_start AS DATE) AS day FROM allocation_shares) AS h ON s.grain = 'hour' AND h.pool = p.pool AND h.day = CAST(p.slot_start AS DATE)
    LEFT JOIN pool_models AS m ON m.pool = p.pool AND m.model = p.model
    WHERE p.kind = 'unallocated' AND p.reason = 'no allocation base in this slot'
        AND CASE $calendar WHEN 'usage' THEN CAST(p.slot_end AS DATE) ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN CAST(p.slot_start AS DATE) ELSE p.booked_period END < $end
    GROUP BY p.posting_id, p.billing_period, p.model, s.base, s.grain
),

costs AS (
    SELECT
        p.reason, b.hint, p.provider, g.ServiceName AS service, g.SubAccountId AS account, g.x_machine AS machine, p.pool, p.BillingCurrency AS currency,
        SUM(measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost)) AS cost,
        BOOL_OR(measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete)) AS incomplete
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    LEFT JOIN baseless AS b ON b.posting_id = p.posting_id AND b.billing_period = p.billing_period
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
        WHEN hint IS NOT NULL THEN CONCAT('pool ', pool, hint)
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
ORDER BY currency, ABS(cost) DESC, provider, service, account, machine, reason, pool, hint
