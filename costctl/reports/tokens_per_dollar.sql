-- How many delivered tokens a dollar buys, per model, chip and source: all costs of what serves the model; training, and bought tokens that nobody counted, left out.
-- Grain: one row per model, chip, source and currency, grouped by model, best first. Ratios are truncated, never totalled. Tokens per joule
-- are at the rated power of all paid hours, with host and network (all_in) or of the package alone (chip), as power_basis says.
-- Title: tokens per dollar
-- Calendar: usage
-- Wide: model, chip, source, cost, mtok=Mtok, cached_percent=cache%, output_percent=out%, tokens_per_unit=tok/$, cost_per_mtok=$/Mtok, cost_per_weighted_mtok=$/Mwtd, chip_hours=chip-h, cost_per_chip_hour=$/chip-h, serving_percent=serv%
-- Narrow: model, chip, source, cost, mtok=Mtok, tokens_per_unit=tok/$, cost_per_mtok=$/Mtok, serving_percent=serv%
-- Converts: cost
WITH costs AS (
    SELECT
        model, chip, source, BillingCurrency AS currency, state, chip_hours, power_basis,
        CAST(chip_hours AS DECIMAL(28, 6)) * CAST(watts AS DECIMAL(9, 0)) AS watt_hours,
        measured($cost, BilledCost, EffectiveCost, ListCost, ContractedCost, rate_card_cost) AS cost,
        measured($cost, billed_incomplete, effective_incomplete, list_incomplete, contracted_incomplete, rate_card_incomplete) AS incomplete
    FROM serving_days
    WHERE CASE $calendar WHEN 'usage' THEN day ELSE booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN day ELSE booked_period END < $end
),

summed AS (
    SELECT
        model, chip, source, currency, SUM(cost) AS cost, CASE WHEN COUNT(*) = COUNT(chip_hours) THEN SUM(chip_hours) END AS chip_hours,
        SUM(watt_hours) AS watt_hours, MIN(power_basis) AS least_basis, MAX(power_basis) AS power_basis,
        SUM(CASE WHEN state IN ('serving', 'startup') THEN chip_hours END) AS serving_hours,
        BOOL_OR(state NOT IN ('loaded', 'unused')) AS state_known, BOOL_OR(incomplete) AS incomplete
    FROM costs
    GROUP BY model, chip, source, currency
),

-- tokens stand once, beside the largest cost, and buy at no single price where several currencies paid for them
spent AS (
    SELECT
        model, chip, source, currency, cost, chip_hours, serving_hours, state_known, incomplete,
        CASE WHEN least_basis <> '-' AND watt_hours > 0 THEN CAST(watt_hours AS DECIMAL(28, 0)) * 3600 END AS joules,
        CASE WHEN least_basis = power_basis THEN NULLIF(power_basis, '-') WHEN least_basis <> '-' THEN 'mixed' END AS power_basis,
        COUNT(*) OVER (PARTITION BY model, chip, source) AS currencies,
        ROW_NUMBER() OVER (PARTITION BY model, chip, source ORDER BY cost DESC, currency) AS place
    FROM summed
),

delivered AS (
    SELECT
        t.model, COALESCE(c.short, t.unit_chip) AS chip, t.unit_source AS source,
        SUM(CAST(t.delivered_tokens AS DECIMAL(38, 0))) AS tokens,
        SUM(CAST(CASE WHEN t.token_class = 'cache_read' THEN t.delivered_tokens ELSE 0 END AS DECIMAL(38, 0))) AS cached,
        SUM(CAST(CASE WHEN t.token_class <> 'output' THEN t.delivered_tokens ELSE 0 END AS DECIMAL(38, 0))) AS entered,
        SUM(CAST(CASE WHEN t.token_class = 'output' THEN t.delivered_tokens ELSE 0 END AS DECIMAL(38, 0))) AS written,
        CAST(SUM(t.weighted_tokens) AS DECIMAL(38, 0)) AS weighted
    FROM token_days AS t
    LEFT JOIN chips AS c ON c.chip = t.unit_chip
    WHERE t.day >= $start AND t.day < $end AND t.is_billed
    GROUP BY ALL
),

joined AS (
    SELECT
        COALESCE(s.model, t.model) AS model, COALESCE(s.chip, t.chip) AS chip, COALESCE(s.source, t.source) AS source, s.currency, s.cost,
        CASE WHEN s.chip_hours <> 0 THEN CAST(s.chip_hours AS DECIMAL(28, 6)) END AS chip_hours, s.state_known, s.serving_hours, s.incomplete,
        CASE WHEN COALESCE(s.currencies, 1) = 1 AND s.cost >= 0 AND NOT s.incomplete THEN millionths(s.cost) END AS paid,
        CASE WHEN s.currencies = 1 THEN s.joules END AS joules, s.power_basis,
        NULLIF(t.tokens, 0) AS tokens, t.cached, NULLIF(t.entered, 0) AS entered, t.written, NULLIF(t.weighted, 0) AS weighted
    FROM spent AS s
    FULL JOIN delivered AS t ON t.model = s.model AND t.chip = s.chip AND t.source = s.source AND s.place = 1
    LEFT JOIN delivered AS e ON e.model = s.model AND e.chip = s.chip AND e.source = s.source     -- beside another currency
    WHERE COALESCE(e.tokens, 0) <> 0 OR COALESCE(s.chip_hours, CAST('0' AS DECIMAL(38, 18))) <> 0 OR COALESCE(t.tokens, 0) <> 0 OR (s.model IS NOT NULL AND s.chip_hours IS NULL)
)

SELECT
    model, chip, source, CASE WHEN cost <> 0 OR NOT incomplete THEN cost END AS cost, CAST(tokens AS BIGINT) AS delivered_tokens, TRY_CAST(weighted AS BIGINT) AS weighted_tokens,
    CAST(short_quotient(cached * 100, entered) AS BIGINT) AS cached_percent, CAST(short_quotient(written * 100, tokens) AS BIGINT) AS output_percent,
    TRY_CAST(exact_quotient(tokens * 1000000, NULLIF(paid, 0)) AS BIGINT) AS tokens_per_unit,
    ratio_of(paid * 1000000, tokens) AS cost_per_mtok, ratio_of(paid * 1000000, weighted) AS cost_per_weighted_mtok,
    chip_hours, ratio_of(paid * 1000000, millionths(chip_hours)) AS cost_per_chip_hour,
    CASE WHEN state_known THEN CAST(short_quotient(millionths(COALESCE(serving_hours, CAST('0' AS DECIMAL(38, 18)))) * 100, millionths(chip_hours)) AS BIGINT) END AS serving_percent,
    ratio_of(tokens * 1000000, NULLIF(joules, 0)) AS tokens_per_joule, power_basis, currency, incomplete
FROM joined
ORDER BY model, currency, tokens_per_unit DESC, chip, source
