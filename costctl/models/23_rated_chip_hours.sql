-- Chip-hours at the card prices in force, day by day and tier by tier; unknown where no card prices all of them.
-- Grain: one row per row of chip_hours; card and price stand there where one of them prices all its hours.
-- Tiers count the chip-hours of the billing period that their family prices, in the order of days: each hour at the price of the tier it falls
-- into (graduated), or all of them at that of the tier the month's hours reach (cliff).
-- Empty without: chip_hours
-- Keep: yes
WITH families AS (
    SELECT DISTINCT provider, machine, chip, RegionId, purchase_model, BillingCurrency, day, family, tier_mode
    FROM prices_in_force
),

counted AS (
    SELECT
        d.group_id, d.provider, d.machine, d.chip, d.RegionId, d.purchase_model, d.BillingCurrency, d.day, d.chip_hours, f.family,
        SUM(d.chip_hours) OVER (PARTITION BY f.family ORDER BY d.day, d.group_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS reached,
        SUM(d.chip_hours) OVER (PARTITION BY f.family) AS whole
    FROM chip_days AS d
    INNER JOIN families AS f
        ON f.provider = d.provider AND f.chip = d.chip AND f.purchase_model = d.purchase_model AND f.BillingCurrency = d.BillingCurrency AND f.day = d.day
        AND f.machine IS NOT DISTINCT FROM d.machine AND f.RegionId IS NOT DISTINCT FROM d.RegionId
),

tiered AS (
    SELECT
        c.group_id, p.card, p.layer, p.price_per_chip_hour, p.tier_mode, p.is_estimate,
        CASE
            WHEN p.tier_mode IS NULL THEN c.chip_hours
            WHEN p.tier_mode = 'cliff' THEN CASE WHEN c.whole >= p.tier_from AND (c.whole < p.tier_to OR p.tier_to IS NULL) THEN c.chip_hours END
            ELSE LEAST(c.reached, COALESCE(p.tier_to, c.reached)) - GREATEST(c.reached - c.chip_hours, p.tier_from)
        END AS hours
    FROM counted AS c
    INNER JOIN prices_in_force AS p
        ON p.provider = c.provider AND p.chip = c.chip AND p.purchase_model = c.purchase_model AND p.BillingCurrency = c.BillingCurrency AND p.day = c.day
        AND p.machine IS NOT DISTINCT FROM c.machine AND p.RegionId IS NOT DISTINCT FROM c.RegionId AND p.family = c.family
),

paid AS (SELECT group_id, card, layer, price_per_chip_hour, is_estimate, CASE WHEN hours > 0 OR tier_mode IS NULL THEN hours END AS hours FROM tiered),

priced AS (
    SELECT
        group_id, COALESCE(SUM(hours), CAST('0' AS DECIMAL(18, 6))) AS hours, MAX(layer) AS layer,
        MIN(CASE WHEN hours IS NOT NULL THEN card END) AS first_card, MAX(CASE WHEN hours IS NOT NULL THEN card END) AS card,
        MAX(CASE WHEN hours IS NOT NULL THEN price_per_chip_hour END) AS price_per_chip_hour, BOOL_OR(is_estimate AND hours IS NOT NULL) AS is_estimate,
        COALESCE(SUM(CAST(CAST(hours AS DECIMAL(18, 6)) * CAST(price_per_chip_hour AS DECIMAL(19, 12)) AS DECIMAL(38, 18))), CAST('0' AS DECIMAL(38, 18))) AS rate_cost
    FROM paid
    GROUP BY group_id
)

SELECT
    h.billing_period, h.group_id, h.provider, h.machine, h.chip, h.RegionId, h.purchase_model, h.BillingCurrency, CAST(h.slot_start AS DATE) AS day, h.chip_hours,
    CASE WHEN p.hours = h.chip_hours AND p.first_card = p.card THEN p.card WHEN p.hours = h.chip_hours THEN 'several' END AS card,
    CASE WHEN p.hours = h.chip_hours THEN p.layer END AS layer,
    CASE WHEN p.hours = h.chip_hours AND p.first_card = p.card THEN p.price_per_chip_hour END AS price_per_chip_hour,
    CASE WHEN p.hours = h.chip_hours THEN p.rate_cost END AS rate_cost, COALESCE(p.is_estimate, FALSE) AS is_estimate
FROM chip_hours AS h
LEFT JOIN priced AS p ON p.group_id = h.group_id
