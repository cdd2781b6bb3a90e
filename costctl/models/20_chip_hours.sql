-- Charge groups that bought accelerators, as chip-hours: hours of the machine times its chips, or chip-hours as billed.
-- Grain: one row per charge group whose machine holds chips and whose unit is a time, and per one of the host of such a machine, which has none.
WITH timed AS (
    SELECT
        g.billing_period, g.group_id, g.provider, m.machine, m.chip, g.RegionId, g.x_purchase_model AS purchase_model, g.BillingCurrency,
        g.slot_start, g.slot_end, COALESCE(u.multiplier, CAST(1 AS BIGINT)) AS multiplier,
        CASE WHEN u.measure = 'chip_hour' THEN 1 ELSE m.chips_numerator END AS numerator,
        CASE WHEN u.measure = 'chip_hour' THEN 1 ELSE m.chips_denominator END AS denominator,
        CASE WHEN m.chips_numerator = 0 THEN CAST(0 AS DECIMAL(38, 0)) ELSE CAST(TRY_CAST(g.quantity AS DECIMAL(24, 6)) * 1000000 AS DECIMAL(38, 0)) END AS millionths_of_hours
    FROM attributed_groups AS g
    INNER JOIN machines AS m ON m.provider = g.provider AND m.name = LOWER(TRIM(g.x_machine))
    LEFT JOIN units AS u ON u.unit = LOWER(TRIM(g.billed_unit)) AND u.measure IN ('hour', 'chip_hour')
    WHERE g.nature IN ('usage', 'unused')
        AND (m.chips_numerator = 0 OR (u.unit IS NOT NULL AND TRY_CAST(g.quantity AS DECIMAL(24, 6)) IS NOT NULL))
)

SELECT
    billing_period, group_id, provider, machine, chip, RegionId, purchase_model, BillingCurrency, slot_start, slot_end,
    CAST(TRY_CAST(exact_quotient(
        millionths_of_hours * CAST(multiplier AS DECIMAL(38, 0)) * CAST(numerator AS DECIMAL(38, 0)), CAST(denominator AS DECIMAL(38, 0))
    ) AS DECIMAL(18, 0)) * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(18, 6)) AS chip_hours
FROM timed
