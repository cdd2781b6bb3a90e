-- Chip-hours with the one card rate in force for them, none where no card prices them.
-- Grain: one row per row of chip_hours.
-- Of the prices in force the first wins: by layer (contract, realised, list, model), by region (the region itself, then
-- `geo:` with the first word of its id, then `*`), of the machine before of the chip in any machine, of the shortest
-- term since a bill does not state one, of the latest start, of the first card by name.
-- Keep: yes
WITH wanted AS (
    SELECT DISTINCT
        provider, machine, chip, RegionId, purchase_model, BillingCurrency, day,
        LOWER(RegionId) AS region,
        CASE
            WHEN LOWER(RegionId) LIKE 'us-gov-%' THEN NULL          -- a partition of its own
            ELSE CONCAT('geo:', SPLIT_PART(LOWER(RegionId), '-', 1))
        END AS geo
    FROM chip_hours
),
in_force AS (
    SELECT
        wanted.provider, wanted.machine, wanted.chip, wanted.RegionId, wanted.purchase_model, wanted.BillingCurrency,
        wanted.day, chip_prices.card, chip_prices.layer, chip_prices.price_per_chip_hour,
        ROW_NUMBER() OVER (
            PARTITION BY
                wanted.provider, wanted.machine, wanted.chip, wanted.RegionId, wanted.purchase_model,
                wanted.BillingCurrency, wanted.day
            ORDER BY
                CASE chip_prices.layer WHEN 'contract' THEN 1 WHEN 'realised' THEN 2 WHEN 'list' THEN 3 ELSE 4 END,
                CASE chip_prices.region WHEN wanted.region THEN 1 WHEN wanted.geo THEN 2 ELSE 3 END,
                CASE WHEN chip_prices.machine IS NULL THEN 2 ELSE 1 END,
                COALESCE(chip_prices.term_months, 0),
                COALESCE(chip_prices.valid_from, DATE '0001-01-01') DESC,
                chip_prices.card
        ) AS place
    FROM wanted
    INNER JOIN chip_prices
        ON chip_prices.provider = wanted.provider
        AND chip_prices.chip = wanted.chip
        AND chip_prices.purchase_model = wanted.purchase_model
        AND chip_prices.currency = wanted.BillingCurrency
        AND (chip_prices.machine = wanted.machine OR chip_prices.machine IS NULL)
        AND (chip_prices.region = '*' OR chip_prices.region = wanted.region OR chip_prices.region = wanted.geo)
        AND (chip_prices.valid_from <= wanted.day OR chip_prices.valid_from IS NULL)
        AND (wanted.day < chip_prices.valid_to OR chip_prices.valid_to IS NULL)
)
SELECT
    hours.billing_period, hours.group_id, hours.provider, hours.machine, hours.chip, hours.RegionId,
    hours.purchase_model, hours.BillingCurrency, hours.day, hours.chip_hours,
    in_force.card, in_force.layer, in_force.price_per_chip_hour,
    CAST(
        CAST(hours.chip_hours AS DECIMAL(18,6)) * CAST(in_force.price_per_chip_hour AS DECIMAL(19,12))
        AS DECIMAL(38,18)
    ) AS rate_cost
FROM chip_hours AS hours
LEFT JOIN in_force
    ON in_force.place = 1
    AND in_force.provider = hours.provider
    AND in_force.chip = hours.chip
    AND in_force.purchase_model = hours.purchase_model
    AND in_force.BillingCurrency = hours.BillingCurrency
    AND in_force.day = hours.day
    AND in_force.machine IS NOT DISTINCT FROM hours.machine
    AND in_force.RegionId IS NOT DISTINCT FROM hours.RegionId
