-- Anthropic cost report to charges. Grain: one charge per bucket and group. The amount is in cents. The report names no organization and no
-- invoice, says no list price and no quantity; workspaces are the sub-accounts, the default one has no id.
WITH typed AS (
    SELECT *, cents(amount) AS cost, instant(starts) AS day, CAST(date_trunc('month', instant(starts)) AS TIMESTAMP) AS month_start
    FROM records
)

SELECT
    cost AS BilledCost, cost AS EffectiveCost, CAST(NULL AS DECIMAL(38, 18)) AS ListCost, CAST(NULL AS DECIMAL(38, 18)) AS ContractedCost,
    currency(currency) AS BillingCurrency, month_start AS BillingPeriodStart, month_start + INTERVAL 1 MONTH AS BillingPeriodEnd,
    day AS ChargePeriodStart, instant(ends) AS ChargePeriodEnd,
    'Usage' AS ChargeCategory, description AS ChargeDescription, 'Usage-Based' AS ChargeFrequency,
    'Anthropic' AS ProviderName, 'Anthropic' AS PublisherName, 'Anthropic' AS InvoiceIssuerName,
    'anthropic' AS BillingAccountId, workspace AS SubAccountId,
    'AI and Machine Learning' AS ServiceCategory, 'Claude API' AS ServiceName,
    NULLIF(concat_ws('/', COALESCE(model, cost_type), token_type, context_window, service_tier), '') AS SkuId, COALESCE(token_type, cost_type) AS SkuMeter,
    NULLIF(inference_geo, 'not_available') AS RegionId, 'Standard' AS PricingCategory, 'on_demand' AS x_purchase_model,
    CASE WHEN token_type IS NOT NULL THEN model END AS x_model_raw,
    CASE
        WHEN token_type = 'uncached_input_tokens' THEN 'input'
        WHEN token_type = 'cache_read_input_tokens' THEN 'cache_read'
        WHEN token_type LIKE 'cache_creation%' THEN 'cache_write'
        WHEN token_type = 'output_tokens' THEN 'output'
        WHEN token_type LIKE '%input%' THEN 'input'
        WHEN token_type LIKE '%output%' THEN 'output'
    END AS x_token_class,
    CAST(NULL AS VARCHAR) AS Tags, stored, file_no, record_no, 1 AS part_no
FROM typed
