-- State cells split by their shares; a cell without a share stays whole and says why.
-- Grain: one row per state cell, team, pool that it is passed on to, model, purpose and method.
-- By level: yes
-- Empty without: state_cells
WITH cells AS (
    SELECT
        c.*, signed_millionths(c.BilledCost) AS billed, signed_millionths(c.EffectiveCost) AS effective, signed_millionths(c.ListCost) AS list,
        signed_millionths(c.ContractedCost) AS contracted, signed_millionths(c.rate_card_cost) AS rate_card, signed_millionths(c.chip_hours) AS hours
    FROM state_cells AS c
    WHERE c.level = $level
),

shares AS (     -- in the same order for every cell that has them
    SELECT
        s.pool, s.slot_start, s.slot_end, s.share_key, s.team, s.to_pool, s.model, s.purpose, s.method, s.weight, s.total, s.is_estimated,
        ROW_NUMBER() OVER (PARTITION BY s.pool, s.slot_start, s.slot_end, s.share_key ORDER BY s.weight DESC, COALESCE(s.team, ''), s.model, s.purpose, s.method, COALESCE(s.to_pool, '')) AS place
    FROM allocation_shares AS s
    WHERE s.billing_period = $billing_period
),

parts AS (
    SELECT
        c.state_cell_id, c.cell_id, c.pool, c.nature, c.state, c.share_key,
        COALESCE(s.team, CASE WHEN s.share_key IS NULL THEN c.state_team END) AS team, s.to_pool,
        COALESCE(s.model, c.state_model, c.model, 'unknown') AS model, COALESCE(s.purpose, CASE c.state WHEN 'training' THEN 'training' ELSE 'unknown' END) AS purpose,
        GREATEST(c.grade, CASE WHEN s.method = 'not covered' OR (s.method = 'fixed' AND s.weight < s.total) THEN 5 WHEN s.is_estimated AND s.weight < s.total THEN 4 ELSE 1 END) AS grade,
        COALESCE(s.method, '-') AS method, s.share_key IS NULL AS unsplit, COALESCE(s.place, CAST(1 AS BIGINT)) AS place,
        COALESCE(s.weight, CAST(1 AS DECIMAL(38, 0))) AS weight, COALESCE(s.total, CAST(1 AS DECIMAL(38, 0))) AS total,
        c.BilledCost, c.EffectiveCost, c.ListCost, c.ContractedCost, c.rate_card_cost, c.chip_hours, c.billed, c.effective, c.list, c.contracted, c.rate_card, c.hours,
        c.billed_unknown, c.effective_unknown, c.list_unknown, c.contracted_unknown, c.rate_card_unknown,
        c.billed_incomplete, c.effective_incomplete, c.list_incomplete, c.contracted_incomplete, c.rate_card_incomplete
    FROM cells AS c
    LEFT JOIN shares AS s ON s.pool = c.pool AND s.slot_start = c.slot_start AND s.slot_end = c.slot_end AND s.share_key = c.share_key
),

shared AS (
    SELECT
        state_cell_id, cell_id, pool, nature, state, share_key, team, to_pool, model, purpose, method, grade, unsplit, weight, total, place,
        BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours, billed_unknown, effective_unknown, list_unknown, contracted_unknown, rate_card_unknown,
        billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete,
        part_of(billed, weight, total) AS billed, part_of(effective, weight, total) AS effective, part_of(list, weight, total) AS list,
        part_of(contracted, weight, total) AS contracted, part_of(rate_card, weight, total) AS rate_card, part_of(hours, weight, total) AS hours
    FROM parts
)

SELECT
    state_cell_id, cell_id, pool, nature, state, team, to_pool, model, purpose, method, grade, weight, total,
    CASE
        WHEN to_pool IS NOT NULL THEN NULL
        WHEN method = 'not counted' THEN 'tokens on the bill that no source counted'
        WHEN method = 'not covered' THEN 'tokens that the engines counted and no team'
        WHEN NOT unsplit AND team IS NULL AND state NOT IN ('idle', 'unused') THEN 'tokens without a known team'
        WHEN unsplit AND pool = 'api' THEN 'no tokens counted for this model, class and day'
        WHEN unsplit AND state = 'unknown' THEN 'paid chip time that no state covers'
        WHEN unsplit AND state = 'maintenance' THEN 'maintenance'
        WHEN unsplit AND team IS NULL AND state = 'training' THEN 'training without a known team'
        WHEN unsplit AND team IS NULL THEN 'no allocation base in this slot'
    END AS reason,
    CASE WHEN place = 1 THEN BilledCost - (SUM(billed) OVER cell - billed) ELSE billed END AS BilledCost,
    CASE WHEN place = 1 THEN EffectiveCost - (SUM(effective) OVER cell - effective) ELSE effective END AS EffectiveCost,
    CASE WHEN place = 1 THEN ListCost - (SUM(list) OVER cell - list) ELSE list END AS ListCost,
    CASE WHEN place = 1 THEN ContractedCost - (SUM(contracted) OVER cell - contracted) ELSE contracted END AS ContractedCost,
    CASE WHEN place = 1 THEN rate_card_cost - (SUM(rate_card) OVER cell - rate_card) ELSE rate_card END AS rate_card_cost,
    CASE WHEN place = 1 THEN chip_hours - (SUM(hours) OVER cell - hours) ELSE hours END AS chip_hours,
    CASE WHEN place = 1 THEN billed_unknown ELSE CAST(0 AS BIGINT) END AS billed_unknown,
    CASE WHEN place = 1 THEN effective_unknown ELSE CAST(0 AS BIGINT) END AS effective_unknown,
    CASE WHEN place = 1 THEN list_unknown ELSE CAST(0 AS BIGINT) END AS list_unknown,
    CASE WHEN place = 1 THEN contracted_unknown ELSE CAST(0 AS BIGINT) END AS contracted_unknown,
    CASE WHEN place = 1 THEN rate_card_unknown ELSE CAST(0 AS BIGINT) END AS rate_card_unknown,
    billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete
FROM shared
WINDOW cell AS (PARTITION BY state_cell_id)
