-- Statements of owned and leased chips to charges. Grain: per record one charge for each component and day in service, so that an owned
-- pod is shared out by the day like a rented one; the rent that a lease commits to is one charge of its month.
-- What a month costs is computed first and then spread over its days: it does not depend on how long the month is, but for power and
-- the chip-hours of a lease. What must be known and is not makes a cost unknown, never 0. Nobody invoices what is owned: its BilledCost
-- is 0. The chip-hours stand on the first component, the others have none of their own. Depreciation is the register's: straight line over so many months from that of in_service, to the currency's coin, the last takes the rest.
WITH typed AS (
    SELECT
        file_no, record_no, stored, trim(asset) AS asset, lower(trim(chip)) AS chip, currency(currency) AS currency, provider, account, site, card,
        '{' || NULLIF(joined_members([tag_member('model', model), tag_member('purpose', purpose), tag_member('team', team)]), '') || '}' AS tags,
        CAST(date_trunc('month', instant(month_start)) AS TIMESTAMP) AS month_start,
        CAST(date_trunc('day', instant(starts)) AS TIMESTAMP) AS starts, CAST(date_trunc('day', instant(ends)) AS TIMESTAMP) AS ends,
        date_diff('day', instant(starts), instant(ends)) AS days, date_diff('month', instant(in_service), instant(month_start)) + 1 AS age,
        COALESCE(quantity(chip_hours), CAST(whole(chips) * 24 * date_diff('day', instant(starts), instant(ends)) AS DECIMAL(38, 18))) AS hours,
        money(acquisition_cost) AS acquired, money(acquisition_cost) - COALESCE(money(residual_value), 0) AS to_depreciate,
        whole(useful_life_months) AS life, money(depreciation_per_month) AS stated, quantity(capital_rate_percent) AS capital_rate,
        lower(trim(power)) = 'card' AS with_power, lower(trim(colocation)) = 'card' AS with_colocation, lower(trim(maintenance)) = 'card' AS with_maintenance,
        CAST(quantity(kw_per_chip) AS DECIMAL(9, 6)) AS kw, CAST(COALESCE(quantity(pue), 1) AS DECIMAL(9, 6)) AS pue,
        CAST(money(price_per_kwh) AS DECIMAL(19, 12)) AS kwh_price, money(colocation_per_month) AS colocation, money(maintenance_per_month) AS maintenance,
        money(commitment_per_month) AS committed, CAST(money(price_per_chip_hour) AS DECIMAL(19, 12)) AS price
    FROM records
),

monthly AS (
    SELECT
        *, COALESCE(stated, to_coin(share_of(to_depreciate, 1, life), currency)) AS instalment, committed IS NOT NULL OR price IS NOT NULL AS leased,
        CASE WHEN price IS NULL THEN committed ELSE CAST(CAST(hours AS DECIMAL(18, 6)) * price AS DECIMAL(38, 18)) END AS rent,
        CAST(CAST(CAST(hours AS DECIMAL(18, 6)) * kw AS DECIMAL(18, 6)) * pue AS DECIMAL(18, 6)) AS kwh
    FROM typed
),

booked AS (
    SELECT
        *, LEAST(rent, COALESCE(committed, rent)) AS covered,
        CASE WHEN age IS NULL THEN stated WHEN age < 1 OR age > life THEN 0 WHEN age = life THEN to_depreciate - instalment * (life - 1) ELSE instalment END AS depreciation,
        CASE WHEN age < 1 THEN 0 WHEN age > life THEN acquired - to_depreciate ELSE acquired - instalment * (age - 1) END AS book_value
    FROM monthly
),

components AS (
    SELECT *, unnest([
        {'place': 1, 'name': CASE WHEN leased THEN 'chip-hours' ELSE 'depreciation' END, 'cost': CASE WHEN leased THEN covered ELSE depreciation END,
            'billed': CASE WHEN leased AND committed IS NULL THEN rent ELSE 0 END, 'status': CASE WHEN committed IS NOT NULL THEN 'Used' END, 'applies': TRUE},
        {'place': 2, 'name': 'chip-hours beyond the commitment', 'cost': rent - covered, 'billed': rent - covered, 'status': NULL, 'applies': rent > covered},
        {'place': 3, 'name': 'commitment not used', 'cost': committed - covered, 'billed': 0, 'status': 'Unused', 'applies': committed > covered},
        {'place': 4, 'name': 'commitment', 'cost': 0, 'billed': committed, 'status': NULL, 'applies': committed IS NOT NULL},
        {'place': 5, 'name': 'power', 'cost': CAST(kwh * kwh_price AS DECIMAL(38, 18)), 'billed': 0, 'status': NULL, 'applies': with_power},
        {'place': 6, 'name': 'colocation', 'cost': colocation, 'billed': 0, 'status': NULL, 'applies': with_colocation},
        {'place': 7, 'name': 'maintenance', 'cost': maintenance, 'billed': 0, 'status': NULL, 'applies': with_maintenance},
        {'place': 8, 'name': 'capital charge', 'cost': share_of(book_value, capital_rate * 1000000, 1200 * 1000000), 'billed': 0, 'status': NULL, 'applies': capital_rate > 0}
    ]) AS component
    FROM booked
),

spread AS (
    SELECT *, CASE WHEN component.name = 'commitment' THEN 1 ELSE days END AS parts,
        unnest(CASE WHEN component.name = 'commitment' THEN [starts] ELSE generate_series(starts, ends - INTERVAL 1 DAY, INTERVAL 1 DAY) END) AS day
    FROM components
    WHERE component.applies
),

charged AS (  -- what does not divide stays on the first day
    SELECT *,
        share_of(component.cost, 1, parts) AS cost_a_day, share_of(component.billed, 1, parts) AS billed_a_day,
        share_of(CASE WHEN component.place = 1 THEN hours ELSE 0 END, 1, parts) AS hours_a_day,
        CASE WHEN component.place = 1 THEN hours ELSE 0 END AS paid_hours
    FROM spread
),

dated AS (
    SELECT *, CASE WHEN day = starts THEN paid_hours - hours_a_day * (parts - 1) ELSE hours_a_day END AS hours_of_day,
        component.name NOT IN ('commitment', 'commitment not used') AS consumes
    FROM charged
)

SELECT
    CASE WHEN day = starts THEN component.billed - billed_a_day * (parts - 1) ELSE billed_a_day END AS BilledCost,
    CASE WHEN day = starts THEN component.cost - cost_a_day * (parts - 1) ELSE cost_a_day END AS EffectiveCost,
    CAST(NULL AS DECIMAL(38, 18)) AS ListCost, CAST(NULL AS DECIMAL(38, 18)) AS ContractedCost,
    currency AS BillingCurrency, month_start AS BillingPeriodStart, month_start + INTERVAL 1 MONTH AS BillingPeriodEnd,
    day AS ChargePeriodStart, CASE WHEN parts = 1 THEN ends ELSE day + INTERVAL 1 DAY END AS ChargePeriodEnd,
    CASE WHEN component.name = 'commitment' THEN 'Purchase' ELSE 'Usage' END AS ChargeCategory,
    asset || ': ' || component.name || COALESCE(' (' || card || ')', '') AS ChargeDescription,
    CASE WHEN component.name IN ('power', 'chip-hours', 'chip-hours beyond the commitment') THEN 'Usage-Based' ELSE 'Recurring' END AS ChargeFrequency,
    COALESCE(provider, 'own') AS ProviderName, COALESCE(provider, 'own') AS PublisherName, COALESCE(provider, 'own') AS InvoiceIssuerName,
    COALESCE(account, 'own') AS BillingAccountId, 'Compute' AS ServiceCategory,
    CASE WHEN component.name = 'capital charge' THEN 'Capital charge' WHEN leased THEN 'Leased chips' ELSE 'Owned chips' END AS ServiceName,
    component.name AS SkuId, component.name AS SkuMeter, asset AS ResourceId, site AS RegionId,
    CASE WHEN component.status IS NOT NULL THEN 'Committed' WHEN leased THEN 'Standard' ELSE 'Other' END AS PricingCategory,
    CASE WHEN component.status IS NOT NULL OR component.name = 'commitment' THEN asset END AS CommitmentDiscountId,
    CASE WHEN component.status IS NOT NULL OR component.name = 'commitment' THEN 'Spend' END AS CommitmentDiscountCategory,
    component.status AS CommitmentDiscountStatus,
    CASE WHEN consumes THEN hours_of_day END AS ConsumedQuantity, CASE WHEN consumes THEN 'Chip-Hours' END AS ConsumedUnit,
    CASE WHEN component.name = 'commitment' THEN 1 ELSE hours_of_day END AS PricingQuantity,
    CASE WHEN component.name = 'commitment' THEN 'Months' ELSE 'Chip-Hours' END AS PricingUnit,
    tags AS Tags, chip AS x_machine, CASE WHEN leased THEN 'private_contract' ELSE 'owned_amortised' END AS x_purchase_model,
    stored, file_no, record_no, CAST(ROW_NUMBER() OVER (PARTITION BY file_no, record_no ORDER BY component.place, day) AS INTEGER) AS part_no
FROM dated
