-- What each account of the books bears, by purpose and team; a purpose without an account says so, and the totals add up to the bill.
-- Grain: one row per line, account, purpose, team and currency. Credits, recoverable tax, what is unpriced and what is below the evidence asked for stand in no account.
-- Title: accounts
-- Calendar: billing
-- Wide: account, purpose, owner=team, direct, shared, idle, unused, tax_fee=tax+fee, manual, credits, recharged, markup, total, change_percent=vs prev
-- Narrow: account, purpose, owner=team, total
-- Subtotal: account
-- Reaches: bill
-- Optional: manual, credits, recharged, markup
-- Converts: total = direct + shared + idle + unused + tax_fee + manual + credits + recharged + markup
WITH costs AS (
    SELECT
        p.kind, p.kind AS entry, COALESCE(o.team, p.team) AS team, p.purpose, p.BillingCurrency AS currency, grade_place(p.evidence) > grade_place($min_evidence) AS is_below,
        measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost) AS cost,
        measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete) AS incomplete,
        $cost = 'billed' AND p.kind = 'fee' AND p.BilledCost <> 0 AND p.EffectiveCost = 0 AND NOT p.effective_incomplete AS is_for_later,
        CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END AS moment
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(p.team) AND o.valid_from <= CAST($org AS DATE) AND CAST($org AS DATE) < o.valid_to
    UNION ALL
    SELECT
        r.kind, CASE r.entry WHEN 'cost' THEN r.kind ELSE r.entry END, COALESCE(o.team, r.team), r.purpose, r.BillingCurrency, grade_place(r.evidence) > grade_place($min_evidence),
        measured($cost, r.BilledCost, r.EffectiveCost, r.ListCost, r.ContractedCost, r.rate_card_cost),
        measured($cost, r.billed_incomplete, r.effective_incomplete, r.list_incomplete, r.contracted_incomplete, r.rate_card_incomplete),
        FALSE, CASE $calendar WHEN 'usage' THEN r.day ELSE r.booked_period END
    FROM recharges AS r
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(r.team) AND o.valid_from <= CAST($org AS DATE) AND CAST($org AS DATE) < o.valid_to
),

lined AS (
    SELECT
        c.kind, c.entry, c.purpose, c.currency, c.cost, c.moment, c.incomplete, c.team,
        CASE
            WHEN c.kind = 'credit' AND ($credits = 'before' OR c.team IS NULL) THEN 'credits'
            WHEN c.is_for_later THEN 'bought for later'
            WHEN c.kind = 'tax' AND $tax = 'recoverable' THEN 'recoverable tax'
            WHEN c.kind = 'unpriced' THEN 'unpriced'
            WHEN c.team IS NOT NULL AND c.is_below THEN 'below evidence'
            WHEN c.team IS NOT NULL THEN 'team'
            WHEN c.kind = 'idle' THEN 'idle without owner'
            WHEN c.kind = 'unused' THEN 'unused without owner'
            WHEN c.kind IN ('fee', 'tax', 'prepaid') THEN 'fees without owner'
            ELSE 'unallocated'
        END AS line
    FROM costs AS c
    WHERE (c.moment >= $start AND c.moment < $end) OR (c.moment >= $previous_start AND c.moment < $previous_end)
),

placed AS (
    SELECT
        l.entry, l.currency, l.cost, l.moment, l.incomplete, l.line, CASE WHEN l.line = 'team' THEN l.team END AS team,
        CASE WHEN l.line IN ('credits', 'recoverable tax', 'unpriced', 'bought for later', 'below evidence') THEN CONCAT('(', l.line, ')') ELSE COALESCE(a.account, '(no account)') END AS account,
        CASE WHEN l.line NOT IN ('credits', 'recoverable tax', 'unpriced', 'bought for later', 'below evidence') THEN l.purpose END AS purpose
    FROM lined AS l
    LEFT JOIN purpose_accounts AS a ON a.purpose = l.purpose
),

summed AS (
    SELECT
        line, account, purpose, team, currency,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'direct' THEN cost END) AS direct,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'shared' THEN cost END) AS shared,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'idle' THEN cost END) AS idle,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'unused' THEN cost END) AS unused,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry IN ('tax', 'fee', 'prepaid') THEN cost END) AS tax_fee,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'manual' THEN cost END) AS manual,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'credit' AND line = 'team' THEN cost END) AS credits,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'recharged' AND line = 'team' THEN cost END) AS recharged,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'markup' AND line = 'team' THEN cost END) AS markup,
        SUM(CASE WHEN moment >= $start AND moment < $end THEN cost END) AS total,
        SUM(CASE WHEN moment >= $previous_start AND moment < $previous_end THEN cost END) AS previous_total,
        COALESCE(BOOL_OR(incomplete AND moment >= $start AND moment < $end), FALSE) AS incomplete
    FROM placed
    GROUP BY ALL
),

ranked AS (
    SELECT *, SUM(total) OVER (PARTITION BY account, currency) AS account_total
    FROM summed
    WHERE total IS NOT NULL
)

SELECT
    line, account, purpose, team, direct, shared, idle, unused, tax_fee, manual, credits, recharged, markup,
    CASE WHEN line = 'unpriced' AND $cost = 'effective' THEN CAST(NULL AS DECIMAL(38, 18)) ELSE total END AS total, previous_total,
    CASE WHEN account = '(no account)' THEN CONCAT(purpose, ': ACCOUNT') END AS account_rule,
    CASE WHEN purpose NOT IN ('customer', 'free_users', 'internal', 'eval', 'training', 'synthetic_data', 'unknown') THEN purpose END AS other_purpose,
    currency, incomplete
FROM ranked
ORDER BY
    currency, CASE line WHEN 'below evidence' THEN 5 WHEN 'bought for later' THEN 6 WHEN 'recoverable tax' THEN 7 WHEN 'unpriced' THEN 8 WHEN 'credits' THEN 9 ELSE 0 END,
    CASE account WHEN '(no account)' THEN 1 ELSE 0 END, account_total DESC, account, total DESC, purpose, line, team
