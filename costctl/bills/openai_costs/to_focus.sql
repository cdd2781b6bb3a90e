-- OpenAI organization costs to charges. Grain: one charge per bucket and group. The amount is in whole dollars, its currency in small letters.
-- A line item is a text: `priority | gpt-5.6-sol, cached input, long context` has the tier, the model, what is charged for and the length of
-- the prompt; `gpt-image-1 image, output` names the modality behind the model. What reads otherwise is no tokens of a model.
WITH typed AS (
    SELECT
        *, money(amount) AS cost, unix_time(starts) AS day, CAST(date_trunc('month', unix_time(starts)) AS TIMESTAMP) AS month_start,
        regexp_extract(
            line_item,
            '^(?:[a-z_ ]+ \| )?(.+?)(?: (?:text|audio|image))?, ?(cached[ _]input|input[ _]cached|input[ _]cache[ _]write|cache[ _]writes?|input|output)(?:[ _]tokens)?(?: - [0-9]+ ?h[a-z]*)?(?:, [a-z ]+)?$',
            ['model', 'charged'], 'i'
        ) AS item
    FROM records
),

told AS (
    SELECT
        *,
        CASE
            WHEN quantity_unit NOT IN ('tokens', '1000_tokens') THEN NULL
            WHEN item.charged ILIKE '%write%' THEN 'cache_write'
            WHEN item.charged ILIKE '%cached%' THEN 'cache_read'
            ELSE NULLIF(lower(item.charged), '')
        END AS token_class
    FROM typed
)

SELECT
    cost AS BilledCost, cost AS EffectiveCost, CAST(NULL AS DECIMAL(38, 18)) AS ListCost, CAST(NULL AS DECIMAL(38, 18)) AS ContractedCost,
    currency(upper(currency)) AS BillingCurrency, month_start AS BillingPeriodStart, month_start + INTERVAL 1 MONTH AS BillingPeriodEnd,
    day AS ChargePeriodStart, unix_time(ends) AS ChargePeriodEnd,
    'Usage' AS ChargeCategory, line_item AS ChargeDescription, 'Usage-Based' AS ChargeFrequency,
    'OpenAI' AS ProviderName, 'OpenAI' AS PublisherName, 'OpenAI' AS InvoiceIssuerName,
    COALESCE(organization, 'openai') AS BillingAccountId, organization_name AS BillingAccountName, project AS SubAccountId, project_name AS SubAccountName,
    'AI and Machine Learning' AS ServiceCategory, 'OpenAI API' AS ServiceName,
    line_item AS SkuId, NULLIF(concat_ws('/', person, api_source), '') AS SkuPriceId, COALESCE(token_class, line_item) AS SkuMeter, api_key AS ResourceId,
    'Standard' AS PricingCategory, 'on_demand' AS x_purchase_model,
    quantity(quantity) AS ConsumedQuantity,
    CASE quantity_unit
        WHEN 'tokens' THEN 'Tokens' WHEN '1000_tokens' THEN '1K tokens' WHEN 'images' THEN 'Images' WHEN 'characters' THEN 'Characters'
        WHEN 'duration_seconds' THEN 'Seconds' WHEN 'duration_minutes' THEN 'Minutes' WHEN 'duration_hours' THEN 'Hours' WHEN 'gibibyte_hours' THEN 'GiB-Hours'
        ELSE quantity_unit
    END AS ConsumedUnit,
    CASE WHEN token_class IS NOT NULL THEN item.model END AS x_model_raw, token_class AS x_token_class,
    CAST(NULL AS VARCHAR) AS Tags, stored, file_no, record_no, 1 AS part_no
FROM told
