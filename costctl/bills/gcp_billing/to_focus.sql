-- Google Cloud's billing export to charges. Grain: one charge per record (part_no 1), then one for what nothing used of a commitment's fee,
-- then one per promotional credit. Discounts are inside the charge: the parts sum to cost and all credits in BilledCost. A fee is spread
-- over what it covered, per pool of like commitments, billing period and day (Google's days are Pacific), as README.md works out by hand.
WITH typed AS MATERIALIZED (
    SELECT
        *, billing_month(InvoiceMonth) AS period, money(Cost) AS gross, quantity(PricingAmount) AS priced, COALESCE(lower(CostType), 'regular') AS cost_type,
        CAST(instant(UsageStart) AT TIME ZONE 'UTC' AT TIME ZONE 'America/Los_Angeles' AS DATE) AS day,
        concat_ws('|', left(trim(InvoiceMonth), 6), BillingAccountId, Currency) AS owner,
        list_transform(COALESCE(credits(Credits), []), lambda c: {'amount': c.amount, 'type': credit_type_of(c.type, c.name), 'id': c.id, 'name': c.name}) AS given
    FROM records
),

netted AS MATERIALIZED (
    SELECT
        *, gross + COALESCE(list_sum([c.amount for c in given if is_discount(c.type)]), CAST(0 AS DECIMAL(38, 18))) AS net,
        [c for c in given if c.amount <> 0 AND NOT is_discount(c.type)] AS apart,
        [c for c in given if c.type IN ('COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE')] AS covering,
        -- a fee that carries its own use as a credit: what the credit leaves is what nothing used
        COALESCE(SkuId, Sku) IN (SELECT COALESCE(SkuId, Sku) FROM typed WHERE list_contains([c.type for c in given], 'FEE_UTILIZATION_OFFSET')) AS is_offset,
        cost_type = 'regular' AND Sku LIKE 'Commitment%' AS is_commitment, Sku LIKE 'Commitment%dollar based%' AS is_of_spend
    FROM typed
),

fees AS MATERIALIZED (
    SELECT
        file_no, record_no, day, net AS fee, signed_millionths(net) AS size, signed_millionths(priced) AS committed,
        CASE WHEN is_of_spend THEN concat_ws('|', owner, 'spend') ELSE concat_ws('|', owner, 'resource', Region) END AS place,
        CASE WHEN is_of_spend THEN committed_product_of(Sku) ELSE concat_ws('|', PricingUnit, committed_thing_of(Sku)) END AS thing
    FROM netted
    WHERE is_commitment AND NOT is_offset
),

slots AS MATERIALIZED (
    SELECT place, thing, day, SUM(fee) AS fee, SUM(size) AS size, SUM(committed) AS committed
    FROM fees
    GROUP BY ALL
    HAVING SUM(size) > 0 AND COUNT(*) = COUNT(committed)
),

covers AS MATERIALIZED (
    SELECT
        file_no, record_no, owner, day, SkuId, Region, rate, c.type = 'COMMITTED_USAGE_DISCOUNT' AS is_resource, -SUM(c.amount) AS credit,
        CASE WHEN is_resource THEN concat_ws('|', owner, 'resource', Region) ELSE concat_ws('|', owner, 'spend') END AS place,
        CASE WHEN is_resource THEN concat_ws('|', PricingUnit, committed_thing_of(Sku)) ELSE committed_product_of(c.name) END AS thing
    FROM (SELECT *, quantity(ConversionRate) AS rate, unnest(covering) AS c FROM netted WHERE len(covering) > 0 AND NOT is_commitment)
    GROUP BY ALL
),

prices AS (
    SELECT owner, day, SkuId, Region, SUM(signed_millionths(gross)) AS gross, SUM(signed_millionths(priced)) AS priced
    FROM netted
    WHERE SkuId IN (SELECT SkuId FROM covers WHERE is_resource)
    GROUP BY ALL
    HAVING SUM(signed_millionths(gross)) > 0 AND SUM(signed_millionths(priced)) > 0
),

-- How much of a commitment a record used: of a resource, its credit over the day's price of its SKU; of spend, its credit in US cents.
-- On a day without a fee (usage reported late) it used the last fee before, or the first.
used AS MATERIALIZED (
    SELECT file_no, record_no, place, thing, day, exact_quotient(size, price) AS weight
    FROM (
        SELECT
            c.file_no, c.record_no, c.place, c.thing, COALESCE(list_max([d for d in s.days if d <= c.day]), list_min(s.days)) AS day,
            signed_millionths(c.credit) * (CASE WHEN c.is_resource THEN p.priced ELSE CAST(100000000 AS DECIMAL(38, 0)) END) AS size,
            CASE WHEN c.is_resource THEN p.gross ELSE millionths(COALESCE(c.rate, CAST(1 AS DECIMAL(38, 18)))) END AS price
        FROM covers AS c
        LEFT JOIN (SELECT place, thing, list(day) AS days FROM slots GROUP BY ALL) AS s ON s.place = c.place AND s.thing = c.thing
        LEFT JOIN prices AS p ON p.owner = c.owner AND p.day = c.day AND p.SkuId = c.SkuId AND p.Region IS NOT DISTINCT FROM c.Region
    )
),

-- A fee is spread where something used it and is unused where nothing did; but where credits of its place belong to no fee, one that
-- nothing seems to use may be theirs: it stays whole. What nothing used takes part in the spreading like any other user.
users AS (
    SELECT place, thing, day, file_no, record_no, weight
    FROM used
    WHERE day IS NOT NULL AND weight IS NOT NULL
    UNION ALL
    SELECT s.place, s.thing, s.day, NULL, NULL, GREATEST(s.committed - COALESCE(u.weight, 0), 0)
    FROM slots AS s
    LEFT JOIN (SELECT place, thing, day, SUM(weight) AS weight FROM used GROUP BY ALL) AS u ON u.place = s.place AND u.thing = s.thing AND u.day = s.day
    WHERE u.weight IS NOT NULL OR s.place NOT IN (SELECT place FROM used WHERE day IS NULL OR weight IS NULL)
),

ranked AS (
    SELECT
        u.*, s.fee, SUM(u.weight) OVER (PARTITION BY u.place, u.thing, u.day) AS total,
        ROW_NUMBER() OVER (PARTITION BY u.place, u.thing, u.day ORDER BY u.weight DESC, u.file_no, u.record_no) AS rank
    FROM users AS u
    INNER JOIN slots AS s ON s.place = u.place AND s.thing = u.thing AND s.day = u.day
),

shares AS MATERIALIZED (
    SELECT
        place, thing, day, file_no, record_no, weight,
        CASE WHEN rank = 1 THEN fee - (SUM(part) OVER slot - part) ELSE part END AS share
    FROM (SELECT *, share_of(fee, weight, total) AS part FROM ranked WHERE total > 0)
    WINDOW slot AS (PARTITION BY place, thing, day)
),

portions AS (
    SELECT *, share_of(share, size, total) AS part, share_of(hours, size, total) AS hours_part
    FROM (
        SELECT
            f.file_no, f.record_no, u.share, CAST(CAST(u.weight AS DECIMAL(24, 0)) * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(38, 18)) AS hours,
            f.size, SUM(f.size) OVER (PARTITION BY f.place, f.thing, f.day) AS total,
            ROW_NUMBER() OVER (PARTITION BY f.place, f.thing, f.day ORDER BY f.size DESC, f.file_no, f.record_no) AS rank, f.place, f.thing, f.day
        FROM fees AS f
        INNER JOIN shares AS u ON u.place = f.place AND u.thing = f.thing AND u.day = f.day AND u.record_no IS NULL
    )
),

unused AS (
    SELECT
        file_no, record_no,
        CASE WHEN rank = 1 THEN share - (SUM(part) OVER slot - part) ELSE part END AS unused,
        CASE WHEN rank = 1 THEN hours - (SUM(hours_part) OVER slot - hours_part) ELSE hours_part END AS unused_hours
    FROM portions
    WINDOW slot AS (PARTITION BY place, thing, day)
),

-- The table only grows: of two exports of a month the one with the later rows is newer, then the one with more rows.
versions AS (
    SELECT InvoiceMonth, concat(strftime(max(instant(ExportTime)), '%Y-%m-%dT%H:%M:%S.%fZ'), ' ', lpad(CAST(count(*) AS VARCHAR), 12, '0')) AS version
    FROM typed
    GROUP BY ALL
),

whole AS (
    SELECT
        n.*, s.share, CASE WHEN n.is_offset THEN n.net ELSE u.unused END AS unused, CASE WHEN NOT n.is_of_spend THEN u.unused_hours END AS unused_hours,
        n.is_commitment OR n.is_offset AS is_fee, n.is_offset OR u.unused IS NOT NULL AS is_spread,
        NOT (n.is_commitment OR n.is_offset) AND (len(n.covering) > 0 OR COALESCE(n.ConsumptionModel, 'Default') <> 'Default') AS is_covered,
        lower(n.UsageUnit) = 'seconds' AND lower(n.PricingUnit) = 'hour' AS is_timed, regexp_matches(n.Sku, '\b(Spot|Preemptible)\b') AS is_spot,
        flatten(list_transform(
            [{'of': '', 'text': Labels}, {'of': 'project/', 'text': ProjectLabels}, {'of': 'system/', 'text': SystemLabels}, {'of': 'tag/', 'text': TagBindings}],
            lambda c: namespaced(labels(c.text), c.of)
        )) AS labelled
    FROM netted AS n
    LEFT JOIN (SELECT file_no, record_no, SUM(share) AS share FROM shares GROUP BY ALL) AS s ON s.file_no = n.file_no AND s.record_no = n.record_no
    LEFT JOIN unused AS u ON u.file_no = n.file_no AND u.record_no = n.record_no
),

listed AS (
    SELECT
        *,
        list_concat(
            [{'kind': CASE WHEN is_fee THEN 'fee' WHEN cost_type = 'regular' THEN 'usage' ELSE cost_type END, 'amount': net, 'type': '', 'name': COALESCE(AdjustmentText, Sku)}],
            CASE WHEN is_spread AND unused <> 0 THEN [{'kind': 'unused', 'amount': unused, 'type': '', 'name': Sku}] ELSE [] END,
            [{'kind': 'credit', 'amount': c.amount, 'type': c.type, 'name': c.name} for c in apart]
        ) AS list
    FROM whole
),

parts AS (SELECT *, p.kind AS kind FROM (SELECT *, unnest(list) AS p, generate_subscripts(list, 1) AS part_no FROM listed))

SELECT
    CASE kind WHEN 'unused' THEN CAST(0 AS DECIMAL(38, 18)) ELSE p.amount END AS BilledCost,
    CASE WHEN kind = 'fee' AND is_spread THEN CAST(0 AS DECIMAL(38, 18)) WHEN kind = 'usage' AND share IS NOT NULL THEN p.amount + share ELSE p.amount END AS EffectiveCost,
    CASE
        WHEN kind IN ('fee', 'unused') THEN CAST(0 AS DECIMAL(38, 18))     -- what a fee covers has the list and contracted cost itself
        WHEN kind = 'credit' THEN p.amount
        WHEN kind = 'usage' THEN money(CostAtList)
        ELSE COALESCE(money(CostAtList), gross)
    END AS ListCost,
    CASE WHEN kind IN ('fee', 'unused') THEN CAST(0 AS DECIMAL(38, 18)) WHEN kind = 'credit' THEN p.amount ELSE COALESCE(money(CostAtDefaultPrice), gross) END AS ContractedCost,
    currency(Currency) AS BillingCurrency, period AS BillingPeriodStart, period + INTERVAL 1 MONTH AS BillingPeriodEnd,
    instant(UsageStart) AS ChargePeriodStart, instant(UsageEnd) AS ChargePeriodEnd,
    CASE kind WHEN 'credit' THEN 'Credit' WHEN 'fee' THEN 'Purchase' WHEN 'usage' THEN 'Usage' WHEN 'unused' THEN 'Usage' WHEN 'tax' THEN 'Tax' ELSE 'Adjustment' END AS ChargeCategory,
    CASE WHEN COALESCE(AdjustmentId, AdjustmentType, AdjustmentText) IS NOT NULL THEN 'Correction' END AS ChargeClass,
    CASE WHEN kind = 'credit' AND p.type NOT IN ('PROMOTION', 'CREDIT_TYPE_UNSPECIFIED') THEN concat('credit of unknown type ', COALESCE(NULLIF(p.type, ''), '(none)'), ': ', p.name) ELSE p.name END AS ChargeDescription,
    CASE WHEN kind IN ('fee', 'unused') THEN 'Recurring' WHEN kind = 'usage' THEN 'Usage-Based' ELSE 'One-Time' END AS ChargeFrequency,
    'Google Cloud' AS ProviderName, COALESCE(Seller, 'Google Cloud') AS PublisherName, 'Google Cloud' AS InvoiceIssuerName,
    BillingAccountId, ProjectId AS SubAccountId, ProjectName AS SubAccountName, Service AS ServiceName, SkuId, Sku AS SkuMeter,
    COALESCE(Resource, ResourceName) AS ResourceId, COALESCE(Region, Location) AS RegionId,
    CASE WHEN kind = 'unused' OR kind = 'usage' AND is_covered THEN 'Committed' WHEN kind = 'usage' AND is_spot THEN 'Dynamic' WHEN kind IN ('usage', 'fee') THEN 'Standard' END AS PricingCategory,
    CASE WHEN kind = 'usage' THEN priced END AS PricingQuantity, CASE WHEN kind = 'usage' THEN PricingUnit END AS PricingUnit,
    -- seconds of something priced by the hour are told in hours, which chips are counted in; so are the hours that nothing used
    CASE WHEN kind = 'unused' THEN unused_hours WHEN kind = 'usage' AND is_timed THEN priced WHEN kind = 'usage' THEN quantity(UsageAmount) END AS ConsumedQuantity,
    CASE WHEN kind = 'unused' AND unused_hours IS NOT NULL OR kind = 'usage' AND is_timed THEN PricingUnit WHEN kind = 'usage' THEN UsageUnit END AS ConsumedUnit,
    CASE WHEN kind IN ('fee', 'unused') THEN COALESCE(SubscriptionId, SkuId, Sku) WHEN kind = 'usage' AND is_covered THEN COALESCE(SubscriptionId, covering[1].id, covering[1].name) END AS CommitmentDiscountId,
    CASE
        WHEN kind IN ('fee', 'unused') THEN CASE WHEN is_of_spend OR is_offset THEN 'Spend' ELSE 'Usage' END
        WHEN kind = 'usage' AND is_covered THEN CASE WHEN covering[1].type = 'COMMITTED_USAGE_DISCOUNT' THEN 'Usage' ELSE 'Spend' END
    END AS CommitmentDiscountCategory,
    CASE WHEN kind = 'unused' THEN 'Unused' WHEN kind = 'usage' AND is_covered THEN 'Used' END AS CommitmentDiscountStatus,
    tags_of(labelled) AS Tags,
    CASE WHEN kind IN ('usage', 'unused') THEN COALESCE(gcp_machine_of(Sku), gcp_host_of(Sku)) END AS x_machine,
    CASE
        WHEN kind IN ('fee', 'unused') OR kind = 'usage' AND is_covered THEN 'commitment'
        WHEN kind = 'usage' AND regexp_matches(Sku, 'DWS Calendar Mode|in Calendar Mode') THEN 'calendar_reservation'
        WHEN kind = 'usage' AND regexp_matches(Sku, '(?i)DWS|flex[- ]start') THEN 'flex_start'
        WHEN kind = 'usage' THEN CASE WHEN is_spot THEN 'spot' ELSE 'on_demand' END
    END AS x_purchase_model,
    CASE WHEN kind = 'usage' AND token_class_of(Sku) IS NOT NULL THEN token_model_of(Sku) END AS x_model_raw,
    CASE WHEN kind = 'usage' THEN token_class_of(Sku) END AS x_token_class,
    v.version AS x_version,
    stored, file_no, record_no, part_no
FROM parts
INNER JOIN versions AS v ON v.InvoiceMonth = parts.InvoiceMonth
