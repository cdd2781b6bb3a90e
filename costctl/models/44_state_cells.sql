-- Pool cells split over the states of their chips; where chip time is not known a cell stays whole, in state `loaded`.
-- Grain: one row per state_cell_id. share_key names the shares that split it further, NULL where nothing does; place 1 is the largest weight, which takes the rest. What serves several models, and no
-- chip time tells which, is split by the parts that the configuration gives them.
-- By level: yes
-- Empty without: pool_cells
WITH parts AS (
    SELECT
        c.cell_id, c.pool, c.slot_start, c.slot_end, c.nature, c.provider, c.api_model, c.api_class, c.model,
        c.BillingCurrency, COALESCE(t.state, CASE c.nature WHEN 'unused' THEN 'unused' ELSE 'loaded' END) AS state, t.team AS state_team, COALESCE(t.model, m.model) AS state_model,
        SUM(COALESCE(t.weight, CAST(1 AS DECIMAL(38, 0))) * CAST(COALESCE(m.share, n.whole, CAST(1 AS BIGINT)) AS DECIMAL(38, 0))) AS weight,
        MAX(GREATEST(c.grade, CASE WHEN m.share < n.whole THEN 5 ELSE 1 END)) AS grade,
        c.BilledCost, c.EffectiveCost, c.ListCost, c.ContractedCost, c.rate_card_cost, c.chip_hours,
        c.billed_unknown, c.effective_unknown, c.list_unknown, c.contracted_unknown, c.rate_card_unknown,
        c.billed_incomplete, c.effective_incomplete, c.list_incomplete, c.contracted_incomplete, c.rate_card_incomplete,
        p.base, p.idle_policy, COALESCE(o.team, p.idle_owner) AS idle_owner
    FROM pool_cells AS c
    LEFT JOIN pools AS p ON p.pool = c.pool
    LEFT JOIN team_aliases AS o ON o.raw = LOWER(p.idle_owner) AND CAST(c.slot_start AS DATE) >= o.valid_from AND CAST(c.slot_start AS DATE) < o.valid_to
    LEFT JOIN pool_time AS t ON t.billing_period = c.billing_period AND t.pool = c.pool AND t.slot_start = c.slot_start AND t.slot_end = c.slot_end AND c.nature <> 'unused'
    LEFT JOIN pool_models AS m ON m.pool = c.pool AND t.model IS NULL AND COALESCE(t.state, 'loaded') IN ('serving', 'startup', 'loaded') AND c.nature <> 'unused'
    LEFT JOIN (SELECT pool, CAST(SUM(share) AS BIGINT) AS whole FROM pool_models GROUP BY pool) AS n ON n.pool = c.pool
    WHERE COALESCE(p.level, CAST(1 AS BIGINT)) = $level
    GROUP BY ALL
),

ranked AS (
    SELECT
        cell_id, pool, slot_start, slot_end, nature, provider, api_model, api_class, model, BillingCurrency, state, state_team, state_model, grade,
        BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours, signed_millionths(BilledCost) AS billed, signed_millionths(EffectiveCost) AS effective, signed_millionths(ListCost) AS list,
        signed_millionths(ContractedCost) AS contracted, signed_millionths(rate_card_cost) AS rate_card, signed_millionths(chip_hours) AS hours,
        billed_unknown, effective_unknown, list_unknown, contracted_unknown, rate_card_unknown,
        billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete, base, idle_policy, idle_owner,
        SUM(weight) OVER (PARTITION BY cell_id) AS total, weight,
        ROW_NUMBER() OVER (PARTITION BY cell_id ORDER BY weight DESC, state, COALESCE(state_team, ''), COALESCE(state_model, '')) AS place
    FROM parts
),

shared AS (
    SELECT
        cell_id, pool, slot_start, slot_end, nature, provider, api_model, api_class, model, BillingCurrency, state, state_team, state_model, grade, weight, total, place,
        BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours, billed_unknown, effective_unknown, list_unknown, contracted_unknown, rate_card_unknown,
        billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete, base, idle_policy, idle_owner,
        part_of(billed, weight, total) AS billed, part_of(effective, weight, total) AS effective, part_of(list, weight, total) AS list,
        part_of(contracted, weight, total) AS contracted, part_of(rate_card, weight, total) AS rate_card, part_of(hours, weight, total) AS hours
    FROM ranked
)

SELECT
    MD5(ARRAY_TO_STRING([keyed(s.cell_id), keyed(s.state), keyed(s.state_team), keyed(s.state_model)], '|')) AS state_cell_id,
    s.cell_id, s.pool, s.slot_start, s.slot_end, s.nature, s.state,
    COALESCE(s.state_team, CASE WHEN s.state IN ('idle', 'maintenance') THEN s.idle_owner END) AS state_team, s.state_model, s.provider, s.api_model, s.api_class, s.model, $level AS level,
    s.weight, s.total, s.place,
    CASE
        WHEN s.pool = 'api' THEN CONCAT('api|', s.provider, '|', s.api_model, '|', COALESCE(s.api_class, '~'))
        WHEN s.state = 'idle' AND s.idle_policy = 'by_reservation' THEN CONCAT('booked|', COALESCE(s.state_model, '*'))
        WHEN s.state IN ('idle', 'unused') AND COALESCE(s.idle_policy, 'separate') <> 'by_use' THEN CONCAT('models|', COALESCE(s.state_model, '*'))
        WHEN s.state IN ('serving', 'startup', 'loaded', 'idle', 'unused') AND s.base = 'direct_cost' THEN CONCAT('cost|', s.BillingCurrency)
        WHEN s.state IN ('serving', 'startup', 'loaded', 'idle', 'unused') THEN CONCAT('teams|', COALESCE(s.state_model, '*'))
    END AS share_key,
    CASE WHEN s.place = 1 THEN s.BilledCost - (SUM(s.billed) OVER cell - s.billed) ELSE s.billed END AS BilledCost,
    CASE WHEN s.place = 1 THEN s.EffectiveCost - (SUM(s.effective) OVER cell - s.effective) ELSE s.effective END AS EffectiveCost,
    CASE WHEN s.place = 1 THEN s.ListCost - (SUM(s.list) OVER cell - s.list) ELSE s.list END AS ListCost,
    CASE WHEN s.place = 1 THEN s.ContractedCost - (SUM(s.contracted) OVER cell - s.contracted) ELSE s.contracted END AS ContractedCost,
    CASE WHEN s.place = 1 THEN s.rate_card_cost - (SUM(s.rate_card) OVER cell - s.rate_card) ELSE s.rate_card END AS rate_card_cost,
    CASE WHEN s.place = 1 THEN s.chip_hours - (SUM(s.hours) OVER cell - s.hours) ELSE s.hours END AS chip_hours,
    CASE WHEN s.place = 1 THEN s.billed_unknown ELSE CAST(0 AS BIGINT) END AS billed_unknown,
    CASE WHEN s.place = 1 THEN s.effective_unknown ELSE CAST(0 AS BIGINT) END AS effective_unknown,
    CASE WHEN s.place = 1 THEN s.list_unknown ELSE CAST(0 AS BIGINT) END AS list_unknown,
    CASE WHEN s.place = 1 THEN s.contracted_unknown ELSE CAST(0 AS BIGINT) END AS contracted_unknown,
    CASE WHEN s.place = 1 THEN s.rate_card_unknown ELSE CAST(0 AS BIGINT) END AS rate_card_unknown,
    s.billed_incomplete, s.effective_incomplete, s.list_incomplete, s.contracted_incomplete, s.rate_card_incomplete, s.grade
FROM shared AS s
WINDOW cell AS (PARTITION BY s.cell_id)
