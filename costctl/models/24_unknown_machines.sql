-- Charge groups that bought accelerators and give no chip-hours, with the reason: their chip-hours are unknown, not 0.
-- Grain: one row per charge group of usage. The negation of a savings plan takes back cost and no hours, and is no such group.
-- Keep: yes
WITH machine_usage AS (
    SELECT g.billing_period, g.group_id, g.provider, LOWER(TRIM(g.x_machine)) AS name, g.unit, g.quantity
    FROM charge_groups AS g
    WHERE g.billing_period = $billing_period AND g.ChargeCategory = 'Usage' AND g.x_machine IS NOT NULL AND g.x_token_class IS NULL
        AND NOT (COALESCE(g.x_purchase_model, '-') = 'savings_plan' AND g.unit IS NULL)
),

families AS (
    SELECT n.provider, n.name, MAX(f.chip) AS chip
    FROM (SELECT DISTINCT provider, name FROM machine_usage) AS n
    INNER JOIN machine_families AS f ON f.provider IN (n.provider, '*') AND n.name LIKE f.pattern
    GROUP BY n.provider, n.name
)

SELECT
    b.billing_period, b.group_id, b.provider, b.name, m.machine, COALESCE(m.chip, f.chip) AS chip, b.unit, b.quantity,
    CASE
        WHEN m.name IS NULL AND f.chip IS NOT NULL THEN 'machine not confirmed'
        WHEN m.name IS NULL THEN 'machine not known'
        WHEN b.unit IS NULL THEN 'no unit'
        WHEN u.unit IS NULL THEN 'unit not known as a time'
        WHEN b.quantity IS NULL THEN 'no quantity'
        ELSE 'quantity too large'
    END AS reason
FROM machine_usage AS b
LEFT JOIN machines AS m ON m.provider = b.provider AND m.name = b.name
LEFT JOIN families AS f ON f.provider = b.provider AND f.name = b.name
LEFT JOIN units AS u ON u.unit = LOWER(TRIM(b.unit)) AND u.measure IN ('hour', 'chip_hour')
LEFT JOIN chip_hours AS h ON h.group_id = b.group_id
WHERE h.group_id IS NULL AND (m.name IS NOT NULL OR f.name IS NOT NULL)
