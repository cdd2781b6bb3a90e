-- Chip-hours by UTC day: those of a slot within a day as they stand, those of a longer slot by its seconds in each day.
-- Grain: one row per row of chip_hours and day. What does not divide stands on the day with the most of the slot, the first of several.
-- Empty without: chip_hours
WITH spread AS (
    SELECT
        h.group_id, CAST(d.day AS DATE) AS day, h.chip_hours,
        CAST(DATE_DIFF('second', GREATEST(h.slot_start, CAST(d.day AS TIMESTAMP)), LEAST(h.slot_end, CAST(d.day AS TIMESTAMP) + INTERVAL 1 DAY)) AS DECIMAL(38, 0)) AS weight,
        CAST(DATE_DIFF('second', h.slot_start, h.slot_end) AS DECIMAL(38, 0)) AS total
    FROM chip_hours AS h
    INNER JOIN calendar AS d ON CAST(d.day AS TIMESTAMP) < h.slot_end AND CAST(d.day AS TIMESTAMP) + INTERVAL 1 DAY > h.slot_start
    WHERE h.slot_end > CAST(DATE_TRUNC('day', h.slot_start) AS TIMESTAMP) + INTERVAL 1 DAY
),

shared AS (
    SELECT
        group_id, day, chip_hours, share_of(chip_hours, weight, total) AS hours,
        ROW_NUMBER() OVER (PARTITION BY group_id ORDER BY weight DESC, day) AS place
    FROM spread
),

days AS (
    SELECT group_id, day, CASE WHEN place = 1 THEN chip_hours - (SUM(hours) OVER whole - hours) ELSE hours END AS chip_hours
    FROM shared
    WINDOW whole AS (PARTITION BY group_id)
    UNION ALL
    SELECT group_id, CAST(slot_start AS DATE), chip_hours
    FROM chip_hours
    WHERE slot_end <= CAST(DATE_TRUNC('day', slot_start) AS TIMESTAMP) + INTERVAL 1 DAY
)

SELECT
    h.billing_period, h.group_id, h.provider, h.machine, h.chip, h.RegionId, h.purchase_model, h.BillingCurrency, d.day,
    CAST(d.chip_hours AS DECIMAL(18, 6)) AS chip_hours
FROM days AS d
INNER JOIN chip_hours AS h ON h.group_id = d.group_id
