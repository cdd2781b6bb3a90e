-- What each team owes per model and purpose, and every line that no team bears; the totals add up to the bill.
-- Grain: one row per line, team, model, purpose and currency. Only rows of line `team` are owed by someone.
-- Title: chargeback
-- Calendar: billing
-- Wide: owner=team, model, purpose, direct, shared, idle, unused, tax_fee=tax+fee, credits, manual, recharged, markup, total, change_percent=vs prev, mtok=Mtok, cost_per_mtok=$/Mtok
-- Narrow: owner=team, model, direct, shared, other, total, cost_per_mtok=$/Mtok
-- Subtotal: owner
-- Reaches: bill
-- Optional: credits, manual, recharged, markup
-- Converts: total = direct + shared + idle + unused + tax_fee + credits + manual + recharged + markup
WITH costs AS (
    SELECT
        p.kind, p.kind AS entry, COALESCE(o.team, p.team) AS team, p.model, p.purpose, p.BillingCurrency AS currency, grade_place(p.evidence) > grade_place($min_evidence) AS is_below,
        measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, d.rate_card_cost) AS cost,
        measured($cost, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete) AS incomplete,
        $cost = 'billed' AND p.kind = 'fee' AND p.BilledCost <> 0 AND p.EffectiveCost = 0 AND NOT p.effective_incomplete AS is_for_later,
        CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END AS moment
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(p.team) AND o.valid_from <= CAST($org AS DATE) AND CAST($org AS DATE) < o.valid_to
    UNION ALL
    SELECT
        r.kind, CASE r.entry WHEN 'cost' THEN r.kind ELSE r.entry END, COALESCE(o.team, r.team), r.model, r.purpose, r.BillingCurrency, grade_place(r.evidence) > grade_place($min_evidence),
        measured($cost, r.BilledCost, r.EffectiveCost, r.ListCost, r.ContractedCost, r.rate_card_cost),
        measured($cost, r.billed_incomplete, r.effective_incomplete, r.list_incomplete, r.contracted_incomplete, r.rate_card_incomplete),
        FALSE, CASE $calendar WHEN 'usage' THEN r.day ELSE r.booked_period END
    FROM recharges AS r
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(r.team) AND o.valid_from <= CAST($org AS DATE) AND CAST($org AS DATE) < o.valid_to
),

lined AS (
    SELECT
        kind, entry, currency, cost, moment, incomplete,
        CASE
            WHEN kind = 'credit' AND ($credits = 'before' OR team IS NULL) THEN 'credits'
            WHEN is_for_later THEN 'bought for later'
            WHEN kind = 'tax' AND $tax = 'recoverable' THEN 'recoverable tax'
            WHEN kind = 'unpriced' THEN 'unpriced'
            WHEN team IS NOT NULL AND is_below THEN 'below evidence'
            WHEN team IS NOT NULL THEN 'team'
            WHEN kind = 'idle' THEN 'idle without owner'
            WHEN kind = 'unused' THEN 'unused without owner'
            WHEN kind IN ('fee', 'tax', 'prepaid') THEN 'fees without owner'
            ELSE 'unallocated'
        END AS line,
        team, model, purpose
    FROM costs
    WHERE (moment >= $start AND moment < $end) OR (moment >= $previous_start AND moment < $previous_end)
),

summed AS (
    SELECT
        line, CASE WHEN line = 'team' THEN team END AS team, CASE WHEN line = 'team' THEN model END AS model,
        CASE WHEN line = 'team' THEN purpose END AS purpose, currency,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'direct' THEN cost END) AS direct,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'shared' THEN cost END) AS shared,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'idle' THEN cost END) AS idle,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'unused' THEN cost END) AS unused,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry IN ('tax', 'fee', 'prepaid') THEN cost END) AS tax_fee,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'credit' AND line = 'team' THEN cost END) AS credits,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'manual' THEN cost END) AS manual,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'recharged' AND line = 'team' THEN cost END) AS recharged,
        SUM(CASE WHEN moment >= $start AND moment < $end AND entry = 'markup' AND line = 'team' THEN cost END) AS markup,
        SUM(CASE WHEN moment >= $start AND moment < $end THEN cost END) AS total,
        SUM(CASE WHEN moment >= $previous_start AND moment < $previous_end THEN cost END) AS previous_total,
        BOOL_OR(incomplete AND moment >= $start AND moment < $end) AS incomplete
    FROM lined
    GROUP BY ALL
),

tokens AS (
    SELECT
        CASE WHEN t.team IS NULL THEN 'unallocated' ELSE 'team' END AS line, COALESCE(o.team, t.team) AS team, CASE WHEN t.team IS NOT NULL THEN t.model END AS model,
        CASE WHEN t.team IS NOT NULL THEN t.purpose END AS purpose, CAST(SUM(CAST(t.delivered_tokens AS DECIMAL(38, 0))) AS BIGINT) AS delivered_tokens
    FROM token_days AS t
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(t.team) AND o.valid_from <= CAST($org AS DATE) AND CAST($org AS DATE) < o.valid_to
    WHERE t.day >= $start AND t.day < $end AND t.is_billed
    GROUP BY ALL
),

-- tokens stand once, beside the largest cost, and have no single price where several currencies paid for them; where a part of the
-- cost is below the evidence that is asked for, nobody says which of them the rest has bought
joined AS (
    SELECT
        s.line, s.team, s.model, s.purpose, s.currency, s.direct, s.shared, s.idle, s.unused, s.tax_fee, s.credits, s.manual, s.recharged, s.markup, s.total, s.previous_total, s.incomplete,
        t.delivered_tokens, SUM(s.total) OVER (PARTITION BY s.line, s.team, s.currency) AS owner_total,
        MAX(CASE WHEN s.line = 'below evidence' THEN 1 ELSE 0 END) OVER () = 1 AS has_below,
        COUNT(*) OVER (PARTITION BY s.line, s.team, s.model, s.purpose) AS currencies,
        ROW_NUMBER() OVER (PARTITION BY s.line, s.team, s.model, s.purpose ORDER BY s.total DESC, s.currency) AS place
    FROM summed AS s
    LEFT JOIN tokens AS t ON t.line = s.line AND t.team IS NOT DISTINCT FROM s.team AND t.model IS NOT DISTINCT FROM s.model
        AND t.purpose IS NOT DISTINCT FROM s.purpose
    WHERE s.total IS NOT NULL
)

SELECT
    line, team, model, purpose, direct, shared, idle, unused, tax_fee, credits, manual, recharged, markup,
    CASE WHEN line = 'unpriced' AND $cost = 'effective' THEN CAST(NULL AS DECIMAL(38, 18)) ELSE total END AS total, previous_total,
    CASE WHEN place = 1 AND NOT has_below THEN delivered_tokens END AS delivered_tokens,
    CASE WHEN line = 'team' AND NOT has_below AND currencies = 1 AND delivered_tokens > 0 AND total >= 0 AND NOT incomplete
        THEN ratio_of(millionths(total) * 1000000, CAST(delivered_tokens AS DECIMAL(38, 0))) END AS cost_per_mtok,
    currency, incomplete
FROM joined
ORDER BY
    currency, CASE line WHEN 'team' THEN 0 WHEN 'unallocated' THEN 1 WHEN 'unpriced' THEN 8 WHEN 'credits' THEN 9 WHEN 'recoverable tax' THEN 7 WHEN 'bought for later' THEN 6 ELSE 2 END,
    owner_total DESC, line, team, total DESC, model, purpose
