-- What serving costs by day: the postings that tokens per dollar are measured by, without training, taxes, credits, fees, entries that only move cost, and uncounted tokens.
-- Grain: one row per booked period, day, model, chip and source of the unit, state, currency, and watts of the chips that are paid for.
-- Keep: yes
SELECT
    $billing_period AS billing_period, p.booked_period, d.day, p.model, COALESCE(c.short, p.unit_chip, '-') AS chip, COALESCE(p.unit_source, '-') AS source,
    COALESCE(p.state, 'loaded') AS state, p.BillingCurrency, COALESCE(whole.watts, package.watts) AS watts,
    CASE WHEN d.chip_hours = 0 THEN NULL WHEN whole.watts IS NOT NULL THEN whole.basis ELSE COALESCE(package.basis, '-') END AS power_basis,
    SUM(d.BilledCost) AS BilledCost, SUM(d.EffectiveCost) AS EffectiveCost, SUM(d.ListCost) AS ListCost, SUM(d.ContractedCost) AS ContractedCost,
    SUM(d.rate_card_cost) AS rate_card_cost,
    CASE WHEN COUNT(*) = COUNT(d.chip_hours) THEN SUM(d.chip_hours) END AS chip_hours, BOOL_OR(p.billed_incomplete) AS billed_incomplete, BOOL_OR(p.effective_incomplete) AS effective_incomplete,
    BOOL_OR(p.list_incomplete) AS list_incomplete, BOOL_OR(p.contracted_incomplete) AS contracted_incomplete, BOOL_OR(p.rate_card_incomplete) AS rate_card_incomplete
FROM postings AS p
INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = $billing_period
LEFT JOIN chips AS c ON c.chip = p.unit_chip
LEFT JOIN chip_power AS whole ON whole.chip = p.chip AND whole.basis = 'all_in'
    AND (whole.valid_from IS NULL OR whole.valid_from <= d.day) AND (whole.valid_to IS NULL OR d.day < whole.valid_to)
LEFT JOIN chip_power AS package ON package.chip = p.chip AND package.basis = 'chip'
    AND (package.valid_from IS NULL OR package.valid_from <= d.day) AND (package.valid_to IS NULL OR d.day < package.valid_to)
WHERE p.billing_period = $billing_period AND p.kind NOT IN ('tax', 'credit', 'fee', 'prepaid', 'manual') AND p.purpose <> 'training' AND COALESCE(p.state, '') <> 'training' AND p.method <> 'not counted'
GROUP BY ALL
