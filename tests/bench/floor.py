"""The floor: the one statement that fills the same columns from the same files without costctl: no digest, no gate, no check, no rollup.

    python floor.py cur2 'd/cur2-1m/*/*.parquet' x.db            AWS CUR 2.0 in Parquet
    python floor.py legacy 'd/legacy-1m/*/*.csv.gz' x.db         the legacy CUR in CSV.gz
    python floor.py cur2 'd/cur2-1m/*/*.parquet' x.db --double   the same with amounts as DOUBLE, which is not exact

Memory limit, threads and order of rows are those of costctl; the tags are a JSON text as in its table.
"""

import argparse
from pathlib import Path

import duckdb

MEMORY = "900MB"
EXACT = "CASE WHEN CAST(TRY_CAST({x} AS DECIMAL(38,12)) AS DOUBLE) = {x} THEN CAST(CAST({x} AS DECIMAL(38,12)) AS DECIMAL(38,18)) ELSE CAST(CAST({x} AS VARCHAR) AS DECIMAL(38,18)) END"
CUR2 = {
    "start": "bill_billing_period_start_date",
    "end": "bill_billing_period_end_date",
    "from": "line_item_usage_start_date",
    "to": "line_item_usage_end_date",
    "kind": "line_item_line_item_type",
    "issuer": "bill_invoicing_entity",
    "invoice": "bill_invoice_id",
    "payer": "bill_payer_account_id",
    "account": "line_item_usage_account_id",
    "account_name": "line_item_usage_account_name",
    "currency": "line_item_currency_code",
    "description": "line_item_line_item_description",
    "service": "product['product_name']",
    "sku": "product_sku",
    "rate_code": "pricing_rate_code",
    "meter": "line_item_usage_type",
    "resource": "line_item_resource_id",
    "region": "product_region_code",
    "unit": "pricing_unit",
    "plan": "savings_plan_savings_plan_a_r_n",
    "machine": "product_instance_type",
    "amount": "line_item_usage_amount",
    "rate": "pricing_public_on_demand_rate",
    "net": "line_item_net_unblended_cost",
    "plan_cost": "savings_plan_savings_plan_effective_cost",
    "list": "pricing_public_on_demand_cost",
    "tags": "CAST(to_json(resource_tags) AS VARCHAR)",
    "team": "resource_tags['user_team']",
    "model": "resource_tags['user_model']",
}
LEGACY = {
    "start": "bill/BillingPeriodStartDate",
    "end": "bill/BillingPeriodEndDate",
    "from": "lineItem/UsageStartDate",
    "to": "lineItem/UsageEndDate",
    "kind": "lineItem/LineItemType",
    "issuer": "bill/InvoicingEntity",
    "invoice": "bill/InvoiceId",
    "payer": "bill/PayerAccountId",
    "account": "lineItem/UsageAccountId",
    "account_name": "lineItem/UsageAccountName",
    "currency": "lineItem/CurrencyCode",
    "description": "lineItem/LineItemDescription",
    "service": "product/ProductName",
    "sku": "product/sku",
    "rate_code": "pricing/RateCode",
    "meter": "lineItem/UsageType",
    "resource": "lineItem/ResourceId",
    "region": "product/regionCode",
    "unit": "pricing/unit",
    "plan": "savingsPlan/SavingsPlanARN",
    "machine": "product/instanceType",
    "amount": "lineItem/UsageAmount",
    "rate": "pricing/publicOnDemandRate",
    "net": "lineItem/NetUnblendedCost",
    "plan_cost": "savingsPlan/SavingsPlanEffectiveCost",
    "list": "pricing/publicOnDemandCost",
    "team": "resourceTags/user:team",
    "model": "resourceTags/user:model",
}
TAGS = ("Name", "cost-center", "env", "model", "team")
AMOUNTS = ("amount", "rate", "net", "plan_cost", "list")
TIMES = ("start", "end", "from", "to")
SELECT = """
SELECT 's' AS source, '-' AS scope, CAST(date_trunc('month', {start}) AS DATE) AS billing_period,
    'AWS' AS ProviderName, {issuer} AS PublisherName, {issuer} AS InvoiceIssuerName, {invoice} AS InvoiceId,
    {payer} AS BillingAccountId, CAST(NULL AS VARCHAR) AS BillingAccountName, {account} AS SubAccountId, {account_name} AS SubAccountName,
    {currency} AS BillingCurrency, {start} AS BillingPeriodStart, {end} AS BillingPeriodEnd, {from} AS ChargePeriodStart, {to} AS ChargePeriodEnd,
    CASE {kind} WHEN 'Tax' THEN 'Tax' WHEN 'Credit' THEN 'Credit' WHEN 'RIFee' THEN 'Purchase' ELSE 'Usage' END AS ChargeCategory,
    CASE {kind} WHEN 'Refund' THEN 'Correction' END AS ChargeClass, {description} AS ChargeDescription, 'Usage-Based' AS ChargeFrequency,
    CAST(NULL AS VARCHAR) AS ServiceCategory, {service} AS ServiceName, {sku} AS SkuId, {rate_code} AS SkuPriceId, {meter} AS SkuMeter,
    {resource} AS ResourceId, {region} AS RegionId, CASE {kind} WHEN 'SavingsPlanCoveredUsage' THEN 'Committed' ELSE 'Standard' END AS PricingCategory,
    {amount} AS PricingQuantity, {unit} AS PricingUnit, {amount} AS ConsumedQuantity, {unit} AS ConsumedUnit, {rate} AS ListUnitPrice,
    CAST(NULL AS DECIMAL(38,18)) AS ContractedUnitPrice, {plan} AS CommitmentDiscountId,
    CASE WHEN {plan} IS NOT NULL THEN 'Spend' END AS CommitmentDiscountCategory, CASE {kind} WHEN 'SavingsPlanCoveredUsage' THEN 'Used' END AS CommitmentDiscountStatus,
    {net} AS BilledCost, CASE {kind} WHEN 'SavingsPlanCoveredUsage' THEN {plan_cost} ELSE {net} END AS EffectiveCost, {list} AS ListCost, {net} AS ContractedCost,
    {tags} AS Tags, {machine} AS x_machine, CASE {kind} WHEN 'SavingsPlanCoveredUsage' THEN 'savings_plan' ELSE 'on_demand' END AS x_purchase_model,
    CAST(NULL AS VARCHAR) AS x_model_raw, CAST(NULL AS VARCHAR) AS x_token_class, 'one' AS delivery_id, 1 AS file_no, {number} AS record_no, 1 AS part_no,
    {team} AS tag_team, {model} AS tag_model, CAST(NULL AS VARCHAR) AS tag_purpose
FROM {reader}
"""


def statement(kind, files, double=False):
    if kind == "cur2":
        parts = dict(CUR2) | {name: CUR2[name] if double else EXACT.format(x=CUR2[name]) for name in AMOUNTS}
        parts["rate"] = f"CAST({CUR2['rate']} AS {'DOUBLE' if double else 'DECIMAL(38,18)'})"  # a text in CUR 2.0
        parts |= {
            "number": "file_row_number",
            "reader": f"read_parquet('{files}', file_row_number = true, hive_partitioning = false)",
        }
        return SELECT.format(**parts)
    type_ = "DOUBLE" if double else "DECIMAL(38,18)"
    parts = {name: f'"{column}"' for name, column in LEGACY.items()}
    parts |= {name: f"CAST({parts[name]} AS {type_})" for name in AMOUNTS} | {
        name: f"CAST({parts[name]} AS TIMESTAMP)" for name in TIMES
    }
    members = ", ".join(f"""'user:{name}', "resourceTags/user:{name}\"""" for name in TAGS)
    reader = f"read_csv('{files}', all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"', hive_partitioning = false)"
    return SELECT.format(
        **parts, number="row_number() OVER ()", reader=reader, tags=f"CAST(json_object({members}) AS VARCHAR)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["cur2", "legacy"])
    parser.add_argument("files")
    parser.add_argument("database")
    parser.add_argument("--double", action="store_true")
    parser.add_argument("--memory", default=MEMORY)
    given = parser.parse_args()
    Path(given.database).unlink(missing_ok=True)
    with duckdb.connect(given.database) as connection:
        connection.execute(
            "SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET enable_progress_bar = false"
        )
        connection.execute(f"SET memory_limit = '{given.memory}'")
        connection.execute("CREATE TABLE charges AS " + statement(given.kind, given.files, given.double))


if __name__ == "__main__":
    main()
