-- The card price in force for what was bought on a day: of all that may price it the first, with all the tiers of its volume.
-- Grain: one row per provider, machine, chip, region, purchase model, currency and day of chip_days, and tier; none where no card prices it.
-- Of the prices in force the first wins: by layer (contract, realised, list, model), by region (the region itself, then
-- `geo:` with the first word of its id, then `*`), of the machine before of one that it is a part of before of the
-- chip in any machine, of the shortest term since a bill does not state one, of the latest start, of the first card by name. Tiers of one price are one family.
-- Where the machines that a SKU is a part of have several prices, nothing tells which: it has none.
-- Empty without: chip_days
WITH wanted AS (
    SELECT DISTINCT
        provider, machine, chip, RegionId, purchase_model, BillingCurrency, day,
        LOWER(RegionId) AS region,
        CASE
            WHEN LOWER(RegionId) LIKE 'us-gov-%' THEN NULL          -- a partition of its own
            ELSE CONCAT('geo:', SPLIT_PART(LOWER(RegionId), '-', 1))
        END AS geo
    FROM chip_days
),

-- a card is of the machine, of one that the billed SKU is a part of, or of the chip in any machine
priced AS (
    SELECT provider, machine, chip, RegionId, purchase_model, BillingCurrency, day, region, geo, machine AS named, 1 AS machine_rank
    FROM wanted
    WHERE machine IS NOT NULL
    UNION ALL
    SELECT w.provider, w.machine, w.chip, w.RegionId, w.purchase_model, w.BillingCurrency, w.day, w.region, w.geo, m.machine, 2
    FROM wanted AS w
    INNER JOIN machine_parts AS m ON m.provider = w.provider AND m.part = w.machine
    UNION ALL
    SELECT provider, machine, chip, RegionId, purchase_model, BillingCurrency, day, region, geo, CAST(NULL AS VARCHAR), 3
    FROM wanted
),

in_force AS (
    SELECT
        w.provider, w.machine, w.chip, w.RegionId, w.purchase_model, w.BillingCurrency, w.day, w.machine_rank,
        CASE p.layer WHEN 'contract' THEN 1 WHEN 'realised' THEN 2 WHEN 'list' THEN 3 ELSE 4 END AS layer_rank,
        CASE p.region WHEN w.region THEN 1 WHEN w.geo THEN 2 ELSE 3 END AS region_rank,
        COALESCE(p.term_months, 0) AS term,
        MAX(COALESCE(p.valid_from, DATE '0001-01-01')) OVER (
            PARTITION BY w.provider, w.machine, w.chip, w.RegionId, w.purchase_model, w.BillingCurrency, w.day, p.family
        ) AS begins,
        p.card, p.layer, p.price_per_chip_hour, p.family, p.tier_from, p.tier_to, p.tier_mode, COALESCE(p.confidence, '-') = 'estimate' AS is_estimate
    FROM priced AS w
    INNER JOIN chip_prices AS p
        ON p.provider = w.provider AND p.chip = w.chip AND p.purchase_model = w.purchase_model AND p.currency = w.BillingCurrency
        AND p.machine IS NOT DISTINCT FROM w.named
        AND (p.region = '*' OR p.region = w.region OR p.region = w.geo)
        AND (p.valid_from <= w.day OR p.valid_from IS NULL) AND (w.day < p.valid_to OR p.valid_to IS NULL)
),

ranked AS (
    SELECT
        provider, machine, chip, RegionId, purchase_model, BillingCurrency, day, card, layer, price_per_chip_hour, family, tier_from, tier_to, tier_mode, is_estimate,
        machine_rank, MIN(price_per_chip_hour) OVER alike AS lowest, MAX(price_per_chip_hour) OVER alike AS highest,
        RANK() OVER (
            PARTITION BY provider, machine, chip, RegionId, purchase_model, BillingCurrency, day
            ORDER BY layer_rank, region_rank, machine_rank, term, begins DESC, family
        ) AS place
    FROM in_force
    WINDOW alike AS (PARTITION BY provider, machine, chip, RegionId, purchase_model, BillingCurrency, day, layer_rank, region_rank, machine_rank, term)
)

SELECT
    provider, machine, chip, RegionId, purchase_model, BillingCurrency, day, card, layer, price_per_chip_hour, family, tier_from, tier_to, tier_mode, is_estimate
FROM ranked
WHERE place = 1 AND (machine_rank <> 2 OR lowest = highest)
