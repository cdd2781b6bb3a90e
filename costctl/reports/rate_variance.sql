-- What a chip-hour really cost against the card in force, per chip, machine, region and purchase model; no card is `-`.
-- Grain: one row per provider, machine, chip, region, purchase model, card and currency. The cost is that of the lines that buy chips.
-- Title: rate variance
-- Calendar: billing
-- Wide: chip, provider, machine, region, purchase, layer, chip_hours=chip-h, cost, card_cost=at card, variance, cost_per_chip_hour=$/chip-h, card_per_chip_hour=card $/h
-- Narrow: chip, machine, region, purchase, chip_hours=chip-h, cost, card_cost=at card, variance
-- Unknown: card_cost, variance
WITH rated AS (
    SELECT
        COALESCE(c.short, r.chip) AS chip, r.provider, r.machine, r.RegionId AS region, r.purchase_model AS purchase, r.layer, r.card,
        r.BillingCurrency AS currency, SUM(CAST(r.chip_hours AS DECIMAL(38, 18))) AS chip_hours, MAX(r.price_per_chip_hour) AS price,
        SUM(measured($cost, g.BilledCost, g.EffectiveCost, g.ListCost, g.ContractedCost, NULL)) AS cost,
        SUM(r.rate_cost) AS card_cost
    FROM rated_chip_hours AS r
    INNER JOIN charge_groups AS g ON g.group_id = r.group_id AND g.billing_period = r.billing_period
    LEFT JOIN chips AS c ON c.chip = r.chip
    WHERE CASE $calendar WHEN 'usage' THEN r.day ELSE r.billing_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN r.day ELSE r.billing_period END < $end
    GROUP BY ALL
)

SELECT
    chip, provider, machine, region, purchase, layer, CAST(chip_hours AS DECIMAL(28, 6)) AS chip_hours, cost, card_cost, cost - card_cost AS variance,
    CASE WHEN cost >= 0 AND chip_hours > 0 THEN ratio_of(millionths(cost) * 1000000, millionths(chip_hours)) END AS cost_per_chip_hour,
    CAST(price AS DECIMAL(28, 6)) AS card_per_chip_hour, card, currency
FROM rated
ORDER BY currency, cost DESC, chip, provider, machine, region, purchase, card
