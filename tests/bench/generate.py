# ruff: noqa: E731, ISC004, PLW2901, PTH103, PTH120, SIM905
"""Write big, realistic, deterministic AWS bills and token counts: load, not an oracle of correctness.

    python generate.py aws-cur2   --rows 10_000_000 --out d/cur2-10m      Parquet, 116 columns, maps, amounts as DOUBLE
    python generate.py aws-legacy --rows 5_000_000  --out d/legacy-5m     CSV.gz, 154 columns, one amount in twelve as 3.6E-7
    python generate.py tokens --rows 6_100_000 --months 6 --out d/tokens  Parquet, per hour, team and model, as the source `hourly` has it

Every value is computed from (seed, row number, the file's month) by whole-number arithmetic in SQL, so that the same arguments give
the same rows on any machine and any version of DuckDB. 100,000 resources in 40 accounts and 8 regions, about 4 % of the lines
accelerators, 50 teams and 40 models as tags, 15 % of the resources without a team; rows of a month in no useful order, many files.
"""

import argparse
import multiprocessing
import os
import sys

import duckdb

RESOURCES, TEAMS, MODELS, ACCOUNTS = 100_000, 50, 40, 40
FIRST_YEAR = 2025  # month 0 is January of this year

# --- deterministic pseudo-random numbers: three rounds of a modular mix, no hash() (its values may change by version)
MACROS = """
create or replace macro mix0(i, k) as ((i::bigint + {seed}) * 1103515245 + k * 7919 + 12345) % 2147483647;
create or replace macro mix1(a, k) as (xor(a, a >> 13) * (48271 + 2 * k) + k * 104729) % 2147483647;
create or replace macro mix(i, k) as xor(mix1(mix0(i, k), k), mix1(mix0(i, k), k) >> 15) * 69621 % 2147483647;
create or replace macro pick(i, k, n) as mix(i, k) % n;                      -- uniform 0..n-1
create or replace macro hex(i, k, n) as right('0000000000' || to_hex(mix(i, k) * 2147483647 + mix(i, k + 1)), n);
create or replace macro monthstart(m) as (date '{year}-01-01' + to_months(m::int))::timestamp;
create or replace macro hours(m) as date_diff('hour', monthstart(m), monthstart(m + 1));
"""

RESOURCE_TABLE = """
create or replace temp table res as
with a as (
  select r, pick(r,1,1000) as u, pick(r,2,{accounts}) as acct, pick(r,3,8) as rg, pick(r,4,{teams}) as team,
         pick(r,5,{models}) as model, pick(r,6,100) < 85 as tagged, pick(r,7,4) as env from range({resources}) t(r)
), b as (
  select *, u < 40 as accel, case when u < 40 then pick(r,8,8) else 8 + pick(r,8,12) end as kind from a
), k(kind, svc, service, family, usagetype, op, unit, rate, chip, chips) as (values
  (0,'AmazonEC2','Amazon Elastic Compute Cloud','p5.48xlarge','BoxUsage:p5.48xlarge','RunInstances','Hrs',98.32,'H100',8),
  (1,'AmazonEC2','Amazon Elastic Compute Cloud','p4d.24xlarge','BoxUsage:p4d.24xlarge','RunInstances','Hrs',32.7726,'A100',8),
  (2,'AmazonEC2','Amazon Elastic Compute Cloud','p5e.48xlarge','SpotUsage:p5e.48xlarge','RunInstances:SV002','Hrs',41.6120,'H200',8),
  (3,'AmazonEC2','Amazon Elastic Compute Cloud','g6e.12xlarge','BoxUsage:g6e.12xlarge','RunInstances','Hrs',10.49264,'L40S',4),
  (4,'AmazonEC2','Amazon Elastic Compute Cloud','g5.48xlarge','BoxUsage:g5.48xlarge','RunInstances','Hrs',16.288,'A10G',8),
  (5,'AmazonEC2','Amazon Elastic Compute Cloud','trn1.32xlarge','BoxUsage:trn1.32xlarge','RunInstances','Hrs',21.5,'Trainium1',16),
  (6,'AmazonEC2','Amazon Elastic Compute Cloud','inf2.48xlarge','BoxUsage:inf2.48xlarge','RunInstances','Hrs',12.98127,'Inferentia2',12),
  (7,'AmazonSageMaker','Amazon SageMaker','ml.p4d.24xlarge','Host:ml.p4d.24xlarge','RunInstance','Hrs',37.688,'A100',8),
  (8,'AmazonS3','Amazon Simple Storage Service',null,'Requests-Tier1','PutObject','Requests',0.000005,null,null),
  (9,'AmazonS3','Amazon Simple Storage Service',null,'TimedStorage-ByteHrs','StandardStorage','GB-Mo',0.023,null,null),
  (10,'AWSLambda','AWS Lambda',null,'Lambda-GB-Second','Invoke','Second',0.0000166667,null,null),
  (11,'AmazonEC2','Amazon Elastic Compute Cloud','m6i.large','BoxUsage:m6i.large','RunInstances','Hrs',0.096,null,null),
  (12,'AmazonEC2','Amazon Elastic Compute Cloud','c7g.xlarge','BoxUsage:c7g.xlarge','RunInstances','Hrs',0.145,null,null),
  (13,'AmazonEC2','Amazon Elastic Compute Cloud',null,'EBS:VolumeUsage.gp3','CreateVolume-Gp3','GB-Mo',0.08,null,null),
  (14,'AmazonRDS','Amazon Relational Database Service','db.r6g.large','InstanceUsage:db.r6g.large','CreateDBInstance:0014','Hrs',0.26,null,null),
  (15,'AmazonDynamoDB','Amazon DynamoDB',null,'ReadRequestUnits','PayPerRequestThroughput','ReadRequestUnits',0.00000025,null,null),
  (16,'AmazonCloudWatch','AmazonCloudWatch',null,'CW:MetricMonitorUsage','MetricStorage','Metrics',0.3,null,null),
  (17,'AWSDataTransfer','AWS Data Transfer',null,'DataTransfer-Out-Bytes','','GB',0.09,null,null),
  (18,'AmazonVPC','Amazon Virtual Private Cloud',null,'NatGateway-Hours','NatGateway','Hrs',0.045,null,null),
  (19,'AmazonECR','Amazon EC2 Container Registry',null,'TimedStorage-ByteHrs','EcrStorage','GB-Mo',0.1,null,null))
select b.r, b.kind, b.accel, b.tagged, k.svc, k.service, k.family, k.op, k.unit, k.rate::decimal(18,10) as rate, k.chip, k.chips,
  (100000000000 + acct * 7919000017 % 900000000000)::varchar as account, 'account-' || acct as account_name,
  ['us-east-1','us-west-2','eu-west-1','eu-central-1','ap-southeast-1','us-east-2','ap-northeast-1','ca-central-1'][rg+1] as region,
  ['USE1','USW2','EUW1','EUC1','APS1','USE2','APN1','CAN1'][rg+1] || '-' || k.usagetype as usagetype,
  case when tagged then printf('team-%02d', team) end as team,
  case when tagged and accel then printf('model-%02d', model) end as model,
  ['prod','staging','dev','research'][env+1] as env, printf('cc-%04d', team * 37) as cost_center,
  case k.svc when 'AmazonS3' then printf('data-lake-%s-%s', hex(r,30,8), hex(r,31,6))
    when 'AWSLambda' then printf('arn:aws:lambda:%s:fn-%s-%s', hex(r,32,8), hex(r,33,10), 'handler')
    when 'AmazonRDS' then printf('arn:aws:rds:%s:db:%s', hex(r,34,10), hex(r,35,10))
    when 'AWSDataTransfer' then '' else printf('i-0%s%s', hex(r,36,9), hex(r,37,7)) end as resource_id,
  printf('%s-%s-%s', lower(k.svc), ['prod','staging','dev','research'][env+1], hex(r,38,6)) as name,
  upper(hex(b.kind * 8 + rg, 40, 10)) || upper(hex(b.kind * 8 + rg, 41, 6)) as sku,
  printf('$%s per %s for %s', k.rate::varchar, k.unit, k.usagetype) as description
from b join k using (kind) order by r;
"""

# one row per line item: v = amount in units, cost = exact decimal; e = one in twelve printed in scientific notation
LINES = """
  select i, r.*, {month} as m,
    monthstart({month}) + to_hours((pick(i,11,hours({month})))::int) as h0,
    case when r.unit = 'Hrs' then 1.0 when r.unit in ('Requests','ReadRequestUnits') then 1 + pick(i,12,90000)
         when r.unit = 'Second' then round(pick(i,12,1000000) / 777.0, 6) else round(pick(i,12,1000000) / 9973.0, 10)
         end::decimal(18,10) as amount,
    case when pick(i,13,1000) < 30 then 'SavingsPlanCoveredUsage' when pick(i,13,1000) < 32 then 'Tax'
         when pick(i,13,1000) < 34 then 'Credit' else 'Usage' end as ltype
  from range({lo}, {hi}) t(i) join res r on r.r = pick(pick(i,9,{resources}) + pick(i,10,997), 14, {resources})
"""
COST = "(case when ltype = 'Credit' then -1 else 1 end * amount::double * rate::double)"
EFF = f"({COST} * case when ltype = 'SavingsPlanCoveredUsage' then 0.72 else 1 end)"


def number(expr):
    """A CUR-like decimal string; about one in twelve in scientific notation."""
    return (
        f"case when i % 12 = 0 and abs({expr}) > 0 then replace(replace(printf('%.9E', {expr}), 'E-0', 'E-'), 'E+0', 'E') "
        f"else printf('%.10f', {expr}) end"
    )


# name, expression; a None expression is an empty column (as most CUR columns are)
PRODUCT_EMPTY = """availability capacitystatus classicnetworkingsupport clockSpeed currentGeneration databaseEngine
dedicatedEbsThroughput deploymentOption durability ecu engineCode enhancedNetworkingSupported fromLocation fromLocationType
fromRegionCode gpuMemory group groupDescription instanceTypeFamily intelAvx2Available intelAvxAvailable
intelTurboAvailable licenseModel maxIopsBurstPerformance maxIopsvolume maxThroughputvolume maxVolumeSize
networkPerformance normalizationSizeFactor physicalProcessor processorArchitecture processorFeatures storage storageClass
storageMedia toLocation toLocationType transferType volumeApiName volumeType vpcnetworkingsupport""".split()
TAG_EMPTY = [
    "user:backup",
    "user:compliance",
    "user:data-class",
    "user:owner-email",
    "user:project",
    "user:schedule",
    "user:terraform",
    "aws:autoscaling:groupName",
    "aws:cloudformation:stack-name",
    "aws:eks:cluster-name",
    "aws:createdBy",
    "user:app",
    "user:component",
    "user:tier",
]
TS = "strftime({}, '%Y-%m-%dT%H:%M:%SZ')"


def aws_legacy_columns():
    end = "h0 + interval 1 hour"
    nul = None
    c = [
        ("identity/LineItemId", "hex(i,50,10) || hex(i,51,10) || hex(i,52,10) || hex(i,53,10) || hex(i,54,10)"),
        ("identity/TimeInterval", f"{TS.format('h0')} || '/' || {TS.format(end)}"),
        ("bill/InvoiceId", "''"),
        ("bill/InvoicingEntity", "'Amazon Web Services, Inc.'"),
        ("bill/BillingEntity", "'AWS'"),
        ("bill/BillType", "'Anniversary'"),
        ("bill/PayerAccountId", "'123456789012'"),
        ("bill/BillingPeriodStartDate", TS.format("monthstart(m)")),
        ("bill/BillingPeriodEndDate", TS.format("monthstart(m+1)")),
        ("lineItem/UsageAccountId", "account"),
        ("lineItem/UsageAccountName", "account_name"),
        ("lineItem/LineItemType", "ltype"),
        ("lineItem/UsageStartDate", TS.format("h0")),
        ("lineItem/UsageEndDate", TS.format(end)),
        ("lineItem/ProductCode", "svc"),
        ("lineItem/UsageType", "usagetype"),
        ("lineItem/Operation", "op"),
        ("lineItem/AvailabilityZone", "region || 'a'"),
        (
            "lineItem/ResourceId",
            "case when resource_id like 'i-%' then 'arn:aws:ec2:' || region || ':' || account || ':instance/' || resource_id else resource_id end",
        ),
        ("lineItem/UsageAmount", number("amount::double")),
        ("lineItem/NormalizationFactor", nul),
        ("lineItem/NormalizedUsageAmount", nul),
        ("lineItem/CurrencyCode", "'USD'"),
        ("lineItem/UnblendedRate", "rate::varchar"),
        ("lineItem/UnblendedCost", number(COST)),
        ("lineItem/BlendedRate", "rate::varchar"),
        ("lineItem/BlendedCost", number(COST)),
        ("lineItem/NetUnblendedCost", number(EFF)),
        ("lineItem/NetUnblendedRate", nul),
        ("lineItem/LineItemDescription", "description"),
        ("lineItem/TaxType", nul),
        ("lineItem/LegalEntity", "'Amazon Web Services, Inc.'"),
        ("product/ProductName", "service"),
        ("product/instanceType", "family"),
        ("product/instanceFamily", "case when accel then 'GPU instance' end"),
        ("product/gpu", "chips::varchar"),
        ("product/location", "region"),
        ("product/locationType", "'AWS Region'"),
        ("product/marketoption", "'OnDemand'"),
        ("product/memory", "case when family is not null then '2048 GiB' end"),
        ("product/vcpu", "case when family is not null then '96' end"),
        ("product/operatingSystem", "case when family is not null then 'Linux' end"),
        ("product/operation", "op"),
        ("product/preInstalledSw", "'NA'"),
        ("product/productFamily", "'Compute Instance'"),
        ("product/region", "region"),
        ("product/regionCode", "region"),
        ("product/servicecode", "svc"),
        ("product/servicename", "service"),
        ("product/sku", "sku"),
        ("product/tenancy", "'Shared'"),
        ("product/usagetype", "usagetype"),
        ("product/PurchaseOption", "'On-Demand'"),
    ]
    c += [(f"product/{n}", nul) for n in PRODUCT_EMPTY]
    c += [
        ("pricing/LeaseContractLength", nul),
        ("pricing/OfferingClass", nul),
        ("pricing/PurchaseOption", nul),
        ("pricing/RateCode", "sku || '.JRTCKXETXF.6YS6EN2CT7'"),
        ("pricing/RateId", "hex(kind,55,10)"),
        ("pricing/currency", "'USD'"),
        ("pricing/publicOnDemandCost", number(COST)),
        ("pricing/publicOnDemandRate", "rate::varchar"),
        ("pricing/term", "'OnDemand'"),
        ("pricing/unit", "unit"),
    ]
    c += [
        (f"reservation/{n}", nul)
        for n in "AmortizedUpfrontCostForUsage AmortizedUpfrontFeeForBillingPeriod EffectiveCost EndTime "
        "ModificationStatus NetAmortizedUpfrontCostForUsage NetEffectiveCost NormalizedUnitsPerReservation NumberOfReservations "
        "RecurringFeeForUsage ReservationARN StartTime SubscriptionId TotalReservedNormalizedUnits TotalReservedUnits "
        "UnitsPerReservation UnusedAmortizedUpfrontFeeForBillingPeriod UnusedNormalizedUnitQuantity UnusedQuantity "
        "UnusedRecurringFee UpfrontValue".split()
    ]
    sp = "case when ltype = 'SavingsPlanCoveredUsage' then {} end"
    c += [
        (
            "savingsPlan/SavingsPlanARN",
            sp.format("'arn:aws:savingsplans::123456789012:savingsplan/' || hex(r % 9,56,10)"),
        ),
        ("savingsPlan/SavingsPlanEffectiveCost", sp.format(number(EFF))),
        ("savingsPlan/SavingsPlanRate", sp.format("rate::varchar")),
        ("savingsPlan/OfferingType", nul),
        ("savingsPlan/PaymentOption", nul),
        ("savingsPlan/PurchaseTerm", nul),
        ("savingsPlan/Region", nul),
        ("savingsPlan/TotalCommitmentToDate", nul),
        ("savingsPlan/UsedCommitment", nul),
    ]
    c += [
        ("resourceTags/user:team", "team"),
        ("resourceTags/user:model", "model"),
        ("resourceTags/user:env", "env"),
        ("resourceTags/user:cost-center", "cost_center"),
        ("resourceTags/user:Name", "name"),
    ]
    return c + [(f"resourceTags/{n}", nul) for n in TAG_EMPTY]


def select(cols, typed_null="varchar"):
    return ",\n  ".join(f'{e if e is not None else f"null::{typed_null}"} as "{n}"' for n, e in cols)


def aws_legacy(fmt):
    cols = aws_legacy_columns()
    if fmt == "parquet":  # the legacy Parquet report: snake_case names, doubles and timestamps
        import re

        out = []
        for n, e in cols:
            s = re.sub(
                r"_+",
                "_",
                re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", n).lower()),
            )
            leaf = n.split("/")[1]
            if leaf.endswith("Date") and "Commitment" not in leaf:
                e = {
                    "BillingPeriodStartDate": "monthstart(m)",
                    "BillingPeriodEndDate": "monthstart(m+1)",
                    "UsageStartDate": "h0",
                    "UsageEndDate": "h0 + interval 1 hour",
                }[leaf]
            elif re.search(r"Cost$|Rate$|Amount$|Commitment|RecurringFee|UpfrontFee|CostForUsage", leaf):
                e = f"({e or 'null'})::double"
            out.append((s, e))
        cols = out
    return "select " + select(cols) + " from (" + LINES + ")"


DATES = ("_start_date", "_end_date")


def aws_cur2(fmt):
    n = lambda names, t: [(x, f"null::{t}") for x in names.split()]
    cols = [
        ("bill_bill_type", "'Anniversary'"),
        ("bill_billing_entity", "'AWS'"),
        ("bill_billing_period_end_date", "monthstart(m+1)"),
        ("bill_billing_period_start_date", "monthstart(m)"),
        ("bill_invoice_id", "null::varchar"),
        ("bill_invoicing_entity", "'Amazon Web Services, Inc.'"),
        ("bill_payer_account_id", "'123456789012'"),
        ("bill_payer_account_name", "'payer'"),
        ("cost_category", "map {'unit': cost_center}"),
        ("discount", "map([]::varchar[], []::double[])"),
        ("discount_bundled_discount", "null::double"),
        ("discount_total_discount", "null::double"),
        ("identity_line_item_id", "hex(i,50,10) || hex(i,51,10) || hex(i,52,10) || hex(i,53,10) || hex(i,54,10)"),
        ("identity_time_interval", f"{TS.format('h0')} || '/' || {TS.format('h0 + interval 1 hour')}"),
        ("line_item_availability_zone", "region || 'a'"),
        ("line_item_blended_cost", COST),
        ("line_item_blended_rate", "rate::varchar"),
        ("line_item_currency_code", "'USD'"),
        ("line_item_legal_entity", "'Amazon Web Services, Inc.'"),
        ("line_item_line_item_description", "description"),
        ("line_item_line_item_type", "ltype"),
        ("line_item_net_unblended_cost", EFF),
        ("line_item_net_unblended_rate", "null::varchar"),
        ("line_item_normalization_factor", "null::double"),
        ("line_item_normalized_usage_amount", "null::double"),
        ("line_item_operation", "op"),
        ("line_item_product_code", "svc"),
        (
            "line_item_resource_id",
            "case when resource_id like 'i-%' then 'arn:aws:ec2:' || region || ':' || account || ':instance/' || resource_id else resource_id end",
        ),
        ("line_item_tax_type", "null::varchar"),
        ("line_item_unblended_cost", COST),
        ("line_item_unblended_rate", "rate::varchar"),
        ("line_item_usage_account_id", "account"),
        ("line_item_usage_account_name", "account_name"),
        ("line_item_usage_amount", "amount::double"),
        ("line_item_usage_end_date", "h0 + interval 1 hour"),
        ("line_item_usage_start_date", "h0"),
        ("line_item_usage_type", "usagetype"),
        ("pricing_currency", "'USD'"),
        ("pricing_lease_contract_length", "null::varchar"),
        ("pricing_offering_class", "null::varchar"),
        ("pricing_public_on_demand_cost", COST),
        ("pricing_public_on_demand_rate", "rate::varchar"),
        ("pricing_purchase_option", "null::varchar"),
        ("pricing_rate_code", "sku || '.JRTCKXETXF.6YS6EN2CT7'"),
        ("pricing_rate_id", "hex(kind,55,10)"),
        ("pricing_term", "'OnDemand'"),
        ("pricing_unit", "unit"),
        (
            "product",
            "map {'instance_type': coalesce(family,''), 'gpu': coalesce(chips::varchar,''), 'region': region, 'product_name': service, 'tenancy': 'Shared'}",
        ),
        ("product_comment", "null::varchar"),
        ("product_fee_code", "null::varchar"),
        ("product_fee_description", "null::varchar"),
        ("product_from_location", "null::varchar"),
        ("product_from_location_type", "null::varchar"),
        ("product_from_region_code", "null::varchar"),
        ("product_instance_family", "case when accel then 'GPU instance' end"),
        ("product_instance_type", "family"),
        ("product_instancesku", "null::varchar"),
        ("product_location", "region"),
        ("product_location_type", "'AWS Region'"),
        ("product_operation", "op"),
        ("product_pricing_unit", "null::varchar"),
        ("product_product_family", "'Compute Instance'"),
        ("product_region_code", "region"),
        ("product_servicecode", "svc"),
        ("product_sku", "sku"),
        ("product_to_location", "null::varchar"),
        ("product_to_location_type", "null::varchar"),
        ("product_to_region_code", "null::varchar"),
        ("product_usagetype", "usagetype"),
    ]
    cols += n(
        "reservation_amortized_upfront_cost_for_usage reservation_amortized_upfront_fee_for_billing_period reservation_effective_cost "
        "reservation_net_amortized_upfront_cost_for_usage reservation_net_effective_cost reservation_net_unused_recurring_fee "
        "reservation_recurring_fee_for_usage reservation_unused_amortized_upfront_fee_for_billing_period reservation_unused_quantity "
        "reservation_unused_recurring_fee reservation_upfront_value",
        "double",
    )
    cols += n(
        "reservation_availability_zone reservation_end_time reservation_modification_status reservation_normalized_units_per_reservation "
        "reservation_number_of_reservations reservation_reservation_a_r_n reservation_start_time reservation_subscription_id "
        "reservation_total_reserved_normalized_units reservation_total_reserved_units reservation_units_per_reservation",
        "varchar",
    )
    cols += [
        (
            "resource_tags",
            "map_from_entries(list_filter([{'k':'user_team','v':team},{'k':'user_model','v':model},{'k':'user_env','v':env},"
            "{'k':'user_cost_center','v':cost_center},{'k':'user_name','v':name}], lambda x: x.v is not null))",
        )
    ]
    sp = "case when ltype = 'SavingsPlanCoveredUsage' then {} end"
    cols += [
        (
            "savings_plan_savings_plan_a_r_n",
            sp.format("'arn:aws:savingsplans::123456789012:savingsplan/' || hex(r % 9,56,10)"),
        ),
        ("savings_plan_savings_plan_effective_cost", sp.format(EFF)),
        ("savings_plan_savings_plan_rate", sp.format("rate::double")),
    ]
    cols += n(
        "savings_plan_offering_type savings_plan_payment_option savings_plan_purchase_term savings_plan_region savings_plan_start_time",
        "varchar",
    )
    cols += n(
        "savings_plan_total_commitment_to_date savings_plan_used_commitment savings_plan_net_savings_plan_effective_cost "
        "split_line_item_actual_usage split_line_item_net_split_cost split_line_item_net_unused_cost split_line_item_public_on_demand_split_cost "
        "split_line_item_public_on_demand_unused_cost split_line_item_reserved_usage split_line_item_split_cost "
        "split_line_item_split_usage split_line_item_split_usage_ratio split_line_item_unused_cost",
        "double",
    )
    cols += n("split_line_item_parent_resource_id tags_extra", "varchar")
    if fmt == "csv.gz":  # maps as JSON objects, times as AWS writes them
        maps = ("cost_category", "discount", "product", "resource_tags")
        cols = [(x, f"to_json({e})" if x in maps else TS.format(e) if x.endswith(DATES) else e) for x, e in cols]
    return "select " + select(cols) + " from (" + LINES + ")"


def tokens(fmt):
    """Return the hourly counts of about seven in ten of the teams and models; a model runs on one chip, in three deployments."""
    start = TS.format("h0") if fmt == "csv.gz" else "h0"
    return (
        f"select {start} as start, {start.replace('h0', 'h0 + interval 1 hour')} as \"end\", 'self' as provider, "
        f"printf('team-%02d', (i // {MODELS}) % {TEAMS}) as team, printf('model-%02d', i % {MODELS}) as model, "
        f"printf('dep-%02d-%d', i % {MODELS}, (i // {MODELS}) % 3) as deployment, (50000 + pick(i, 80, 90000000))::bigint as input_uncached, "
        "(1000 + pick(i, 82, 20000000))::bigint as output, (1 + pick(i, 83, 90000))::bigint as requests from (select k * 10 // 7 as i, "
        f"monthstart({{month}}) + to_hours((k * 10 // 7 // {TEAMS * MODELS} % hours({{month}}))::int) as h0 from range({{lo}}, {{hi}}) t(k))"
    )


KINDS = {"aws-cur2": (aws_cur2, "parquet"), "aws-legacy": (aws_legacy, "csv.gz"), "tokens": (tokens, "parquet")}
WRITE = {
    "parquet": "format parquet, compression snappy, row_group_size 122880",
    "csv.gz": "format csv, header, compression gzip",
}


def connect(seed):
    con = duckdb.connect(config={"threads": 1})
    con.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
    con.execute(MACROS.format(seed=seed, year=FIRST_YEAR))
    return con


def write_files(job):
    kind, fmt, seed, files = job
    con = connect(seed)
    con.execute(RESOURCE_TABLE.format(accounts=ACCOUNTS, teams=TEAMS, models=MODELS, resources=RESOURCES))
    sql = KINDS[kind][0](fmt)
    for path, month, lo, hi in files:
        q = (
            sql.replace("{month}", str(month))
            .replace("{lo}", str(lo))
            .replace("{hi}", str(hi))
            .replace("{resources}", str(RESOURCES))
        )
        os.makedirs(os.path.dirname(path), exist_ok=True)
        con.execute(f"copy ({q}) to '{path}' ({WRITE[fmt]})")
    return len(files)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("kind", choices=KINDS)
    p.add_argument("--rows", type=int, default=1_000_000)
    p.add_argument("--rows-per-file", type=int, default=500_000)
    p.add_argument("--months", type=int, default=1, help="spread the rows over this many billing months")
    p.add_argument("--first-month", type=int, default=0, help=f"0 is January {FIRST_YEAR}")
    p.add_argument("--format", choices=WRITE)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    p.add_argument("--out", required=True)
    a = p.parse_args()
    fmt = a.format or KINDS[a.kind][1]
    files, n = [], 0
    for m in range(a.first_month, a.first_month + a.months):
        y, mo = FIRST_YEAR + m // 12, m % 12 + 1
        lo, hi = a.rows * (m - a.first_month) // a.months, a.rows * (m - a.first_month + 1) // a.months
        step = a.rows_per_file
        for k, s in enumerate(range(lo, hi, step)):
            files.append((f"{a.out}/BILLING_PERIOD={y}-{mo:02d}/part-{k:05d}.{fmt}", m, s, min(s + step, hi)))
    jobs = [(a.kind, fmt, a.seed, files[j :: a.jobs]) for j in range(a.jobs) if files[j :: a.jobs]]
    with multiprocessing.Pool(len(jobs)) as pool:
        for k in pool.imap_unordered(write_files, jobs):
            n += k
    print(f"{n} files under {a.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
