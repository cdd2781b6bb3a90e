-- The days of postings that are longer than one: each takes of the costs and the chip-hours what its seconds are of the whole.
-- Grain: one row per such posting and day. The day with the most seconds, the first of several, takes the rest.
-- Empty without: long_postings
WITH spread AS (
    SELECT
        p.billing_period, p.booked_period, p.posting_id, CAST(d.day AS DATE) AS day, p.BilledCost, p.EffectiveCost, p.ListCost, p.ContractedCost, p.rate_card_cost, p.chip_hours,
        signed_millionths(p.BilledCost) AS billed, signed_millionths(p.EffectiveCost) AS effective, signed_millionths(p.ListCost) AS list, signed_millionths(p.ContractedCost) AS contracted,
        signed_millionths(p.rate_card_cost) AS rate_card, signed_millionths(p.chip_hours) AS hours,
        CAST(DATE_DIFF('second', GREATEST(p.slot_start, CAST(d.day AS TIMESTAMP)), LEAST(p.slot_end, CAST(d.day AS TIMESTAMP) + INTERVAL 1 DAY)) AS DECIMAL(38, 0)) AS weight,
        CAST(DATE_DIFF('second', p.slot_start, p.slot_end) AS DECIMAL(38, 0)) AS total
    FROM long_postings AS p
    INNER JOIN calendar AS d ON CAST(d.day AS TIMESTAMP) < p.slot_end AND CAST(d.day AS TIMESTAMP) + INTERVAL 1 DAY > p.slot_start
),

shared AS (
    SELECT
        billing_period, booked_period, posting_id, day, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost, chip_hours,
        part_of(billed, weight, total) AS billed, part_of(effective, weight, total) AS effective, part_of(list, weight, total) AS list,
        part_of(contracted, weight, total) AS contracted, part_of(rate_card, weight, total) AS rate_card, part_of(hours, weight, total) AS hours,
        ROW_NUMBER() OVER (PARTITION BY posting_id ORDER BY weight DESC, day) AS place
    FROM spread
)

SELECT
    billing_period, booked_period, posting_id, day,
    CASE WHEN place = 1 THEN BilledCost - (SUM(billed) OVER whole - billed) ELSE billed END AS BilledCost,
    CASE WHEN place = 1 THEN EffectiveCost - (SUM(effective) OVER whole - effective) ELSE effective END AS EffectiveCost,
    CASE WHEN place = 1 THEN ListCost - (SUM(list) OVER whole - list) ELSE list END AS ListCost,
    CASE WHEN place = 1 THEN ContractedCost - (SUM(contracted) OVER whole - contracted) ELSE contracted END AS ContractedCost,
    CASE WHEN place = 1 THEN rate_card_cost - (SUM(rate_card) OVER whole - rate_card) ELSE rate_card END AS rate_card_cost,
    CASE WHEN place = 1 THEN chip_hours - (SUM(hours) OVER whole - hours) ELSE hours END AS chip_hours
FROM shared
WINDOW whole AS (PARTITION BY posting_id)
