-- Lines that bought accelerators and give no chip-hours, by money, with what would count them: their cost is in every report, their chip-hours in none.
-- Grain: one row per provider, machine, unit, reason and currency. CHIP and N in a remedy are yours to fill in.
-- Title: unknown machines
-- Calendar: billing
-- Wide: cost, provider, machine, charges, quantity, unit, reason
-- Narrow: cost, provider, machine, quantity, unit, reason
-- Top: 20
-- Empty: every line that bought accelerators has its chip-hours
WITH costs AS (
    SELECT
        n.provider, MIN(TRIM(g.x_machine)) AS machine, n.chip, n.unit, n.reason, g.BillingCurrency AS currency, TRY_CAST(SUM(n.quantity) AS DECIMAL(28, 6)) AS quantity,
        CAST(SUM(CAST(g.row_count AS DECIMAL(38, 0))) AS BIGINT) AS charges,
        SUM(measured($cost, g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, NULL)) AS cost
    FROM unknown_machines AS n
    INNER JOIN charge_groups AS g ON g.group_id = n.group_id AND g.billing_period = n.billing_period
    WHERE CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE n.billing_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN CAST(g.slot_start AS DATE) ELSE n.billing_period END < $end
    GROUP BY n.provider, n.name, n.chip, n.unit, n.reason, g.BillingCurrency
)

SELECT
    cost, provider, machine, charges, quantity, unit, reason,
    CASE
        WHEN reason LIKE 'machine %' THEN CONCAT(
            provider, ',', CASE WHEN machine LIKE '%,%' OR machine LIKE '%"%' THEN CONCAT('"', REPLACE(machine, '"', '""'), '"') ELSE machine END, ',', COALESCE(chip, 'CHIP'), ',N'
        )
        ELSE CONCAT('the bill must say the time of ', machine, ' in a unit of rates/units.csv')
    END AS remedy,
    currency
FROM costs
ORDER BY currency, ABS(cost) DESC, provider, machine, unit, reason
