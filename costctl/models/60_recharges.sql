-- What passes between teams where the owner of a pool charges it onward: the pool's cost goes to its owner, who charges for it, at cost or by internal rates.
-- Grain: one row per day, pool, entry, kind, owner, team that used it, model, purpose, currency and evidence, and per side: what one team has more, the other
-- has less, so that each entry sums to 0. entry is `cost` (from who used it to the owner), `recharged` and `markup` (from the owner to who used it). What is
-- unpriced, and what is bought for later, stays where it is. Rates are the same in every cost; a markup is a
-- percentage of what is recharged, cut to whole millionths: the column markup has it in millionths of a percent.
-- Empty without: pool_recharges
-- Keep: yes
WITH passed AS (
    SELECT
        p.pool, d.day, p.kind, p.team AS used_by, p.model, p.purpose, p.BillingCurrency, p.evidence,
        SUM(d.BilledCost) AS billed, SUM(d.EffectiveCost) AS effective, SUM(d.ListCost) AS list, SUM(d.ContractedCost) AS contracted, SUM(d.rate_card_cost) AS rate_card,
        BOOL_OR(p.billed_incomplete) AS billed_incomplete, BOOL_OR(p.effective_incomplete) AS effective_incomplete, BOOL_OR(p.list_incomplete) AS list_incomplete,
        BOOL_OR(p.contracted_incomplete) AS contracted_incomplete, BOOL_OR(p.rate_card_incomplete) AS rate_card_incomplete
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = $billing_period
    INNER JOIN pool_recharges AS r ON r.pool = p.pool
    WHERE p.billing_period = $billing_period AND p.team IS NOT NULL AND p.kind <> 'unpriced'
        AND NOT (p.kind = 'fee' AND p.BilledCost <> 0 AND p.EffectiveCost = 0 AND NOT p.effective_incomplete)
    GROUP BY p.pool, d.day, p.kind, p.team, p.model, p.purpose, p.BillingCurrency, p.evidence
),

rated AS (
    SELECT pool, day, team, model, purpose, currency, evidence, SUM(amount) AS amount
    FROM recharged_use
    WHERE billing_period = $billing_period AND amount IS NOT NULL
    GROUP BY pool, day, team, model, purpose, currency, evidence
),

entries AS (
    SELECT 'cost' AS entry, pool, day, kind, used_by, model, purpose, BillingCurrency, evidence, -billed AS billed, -effective AS effective, -list AS list, -contracted AS contracted,
        -rate_card AS rate_card, billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete
    FROM passed
    UNION ALL
    SELECT 'recharged', p.pool, p.day, p.kind, p.used_by, p.model, p.purpose, p.BillingCurrency, p.evidence, p.billed, p.effective, p.list, p.contracted,
        p.rate_card, p.billed_incomplete, p.effective_incomplete, p.list_incomplete, p.contracted_incomplete, p.rate_card_incomplete
    FROM passed AS p
    INNER JOIN pool_recharges AS r ON r.pool = p.pool AND NOT r.by_rates
    UNION ALL
    SELECT 'recharged', pool, day, 'recharge', team, model, purpose, currency, evidence, amount, amount, amount, amount, amount, FALSE, FALSE, FALSE, FALSE, FALSE
    FROM rated
),

owed AS (
    SELECT
        e.entry, e.pool, e.day, e.kind, COALESCE(o.team, r.owner) AS owner, e.used_by, e.model, e.purpose, e.BillingCurrency, e.evidence, r.markup,
        e.billed, e.effective, e.list, e.contracted, e.rate_card,
        e.billed_incomplete, e.effective_incomplete, e.list_incomplete, e.contracted_incomplete, e.rate_card_incomplete
    FROM entries AS e
    INNER JOIN pool_recharges AS r ON r.pool = e.pool
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(r.owner) AND e.day >= o.valid_from AND e.day < o.valid_to
    WHERE e.used_by <> COALESCE(o.team, r.owner)
),

whole AS (
    SELECT entry, pool, day, kind, owner, used_by, model, purpose, BillingCurrency, evidence, CAST(NULL AS BIGINT) AS markup, billed, effective, list, contracted, rate_card,
        billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete
    FROM owed
    UNION ALL
    SELECT 'markup', pool, day, kind, owner, used_by, model, purpose, BillingCurrency, evidence, markup,
        share_of(billed, markup, 100000000), share_of(effective, markup, 100000000), share_of(list, markup, 100000000), share_of(contracted, markup, 100000000),
        share_of(rate_card, markup, 100000000), billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete
    FROM owed
    WHERE entry = 'recharged' AND markup > 0
)

SELECT
    $billing_period AS billing_period, $billing_period AS booked_period, w.day, w.pool, w.entry, w.kind, w.owner, w.used_by,
    CASE s.side WHEN 1 THEN w.used_by ELSE w.owner END AS team, w.model, w.purpose, w.BillingCurrency, w.evidence, w.markup,
    w.billed * s.side AS BilledCost, w.effective * s.side AS EffectiveCost, w.list * s.side AS ListCost,
    w.contracted * s.side AS ContractedCost, w.rate_card * s.side AS rate_card_cost,
    w.billed_incomplete, w.effective_incomplete, w.list_incomplete, w.contracted_incomplete, w.rate_card_incomplete
FROM whole AS w
CROSS JOIN (VALUES (1), (-1)) AS s(side)
