-- What owned and leased chips cost per hour: asset by asset the month's parts, over the hours that are paid, available and used.
-- Grain: one row per asset and currency. Availability is the card's, used are serving and training by the chip time of the asset;
-- both divide the same cost for display, nothing is charged by them. The capital charge is in the cost and not in the books.
-- Title: owned and leased chips
-- Calendar: billing
-- Wide: asset, chip, cost, depreciation=deprec, power, colocation=colo, maintenance=maint, capital, rent, unused, chip_hours=chip-h, cost_per_chip_hour=$/chip-h, available_percent=avail%, cost_per_available_hour=$/avail-h, used_percent=used%, cost_per_used_hour=$/used-h
-- Narrow: asset, chip, cost, chip_hours=chip-h, cost_per_chip_hour=$/chip-h, used_percent=used%, cost_per_used_hour=$/used-h
-- Empty: no owned or leased chips are charged
WITH costs AS (
    SELECT
        ResourceId AS asset, x_machine, BillingCurrency AS currency, SkuMeter AS part, ConsumedQuantity AS hours,
        measured($cost, BilledCost, EffectiveCost, ListCost, ContractedCost, NULL) AS cost
    FROM charges
    WHERE ServiceName IN ('Owned chips', 'Leased chips', 'Capital charge') AND x_purchase_model IN ('owned_amortised', 'private_contract')
        AND CASE $calendar WHEN 'usage' THEN CAST(ChargePeriodStart AS DATE) ELSE billing_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN CAST(ChargePeriodStart AS DATE) ELSE billing_period END < $end
),

held AS (
    SELECT o.asset, MAX(c.short) AS chip, MAX(o.chips) AS chips, MIN(o.available_percent) AS available_percent
    FROM owned AS o
    INNER JOIN chips AS c ON c.chip = o.chip
    WHERE o.valid_from < $end AND (o.valid_to IS NULL OR o.valid_to > $start)
    GROUP BY o.asset
),

used AS (
    SELECT
        a.resource_id AS asset,
        SUM(CASE WHEN a.state IN ('serving', 'training') THEN CAST(CAST(a.chips * 1000000 AS DECIMAL(24, 0)) AS DECIMAL(38, 0)) ELSE CAST(0 AS DECIMAL(38, 0)) END
            * DATE_DIFF('second', GREATEST(a.ts_start, CAST($start AS TIMESTAMP)), LEAST(a.ts_end, CAST($end AS TIMESTAMP)))) AS millionths_of_seconds
    FROM accelerator_usage AS a
    WHERE a.ts_start < CAST($end AS TIMESTAMP) AND a.ts_end > CAST($start AS TIMESTAMP)
    GROUP BY a.resource_id
),

summed AS (
    SELECT
        asset, MAX(x_machine) AS x_machine, currency, SUM(cost) AS cost, COUNT(*) - COUNT(cost) AS unknown_costs, SUM(hours) AS hours,
        SUM(CASE WHEN part = 'depreciation' THEN cost END) AS depreciation, SUM(CASE WHEN part = 'power' THEN cost END) AS power,
        SUM(CASE WHEN part = 'colocation' THEN cost END) AS colocation, SUM(CASE WHEN part = 'maintenance' THEN cost END) AS maintenance,
        SUM(CASE WHEN part = 'capital charge' THEN cost END) AS capital,
        SUM(CASE WHEN part IN ('chip-hours', 'chip-hours beyond the commitment') THEN cost END) AS rent,
        SUM(CASE WHEN part = 'commitment not used' THEN cost END) AS unused
    FROM costs
    GROUP BY asset, currency
),

measured AS (
    SELECT
        s.asset, COALESCE(h.chip, s.x_machine) AS chip, h.chips, s.cost, s.depreciation, s.power, s.colocation, s.maintenance, s.capital, s.rent, s.unused,
        NULLIF(CAST(s.hours AS DECIMAL(28, 6)), 0) AS chip_hours, h.available_percent, u.millionths_of_seconds, s.currency,
        CASE WHEN s.cost >= 0 AND s.unknown_costs = 0 THEN millionths(s.cost) * 1000000 END AS paid, s.unknown_costs > 0 AS incomplete
    FROM summed AS s
    LEFT JOIN held AS h ON h.asset = s.asset
    LEFT JOIN used AS u ON u.asset = s.asset
),

-- a step of its own for each division: one inside another multiplies the text of both, and it takes longer to plan than all else
counted AS (
    SELECT
        asset, chip, chips, cost, depreciation, power, colocation, maintenance, capital, rent, unused, chip_hours, available_percent, currency, paid, incomplete,
        millionths(chip_hours) AS hours, millionths(available_percent) AS available, millionths_of_seconds * 100 AS used
    FROM measured
),

divided AS (
    SELECT
        asset, chip, chips, cost, depreciation, power, colocation, maintenance, capital, rent, unused, chip_hours, available_percent, currency, paid, incomplete, hours,
        NULLIF(exact_quotient(hours * available, CAST('100000000' AS DECIMAL(38, 0))), 0) AS hours_available,
        NULLIF(exact_quotient(used, CAST('360000' AS DECIMAL(38, 0))), 0) AS hours_used, CAST(exact_quotient(used, hours * 3600) AS BIGINT) AS used_percent
    FROM counted
)

SELECT
    asset, chip, chips, cost, depreciation, power, colocation, maintenance, capital, rent, unused, chip_hours,
    ratio_of(paid, hours) AS cost_per_chip_hour, CAST(available_percent AS DECIMAL(28, 6)) AS available_percent,
    ratio_of(paid, hours_available) AS cost_per_available_hour, used_percent, ratio_of(paid, hours_used) AS cost_per_used_hour, currency, incomplete
FROM divided
ORDER BY currency, cost DESC, asset, chip
