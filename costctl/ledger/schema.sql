-- The ledger's tables, written down once. Everything here lives in schema `ledger`; the documented views of the same
-- names are in `main`. Tables made by a model (`costctl/models/NN_name.sql`, header word `keep`) are not listed here:
-- their columns are the model's own and are described in `costctl/models/README.md`.
-- PascalCase columns are FOCUS, snake_case ours. Money is DECIMAL(38,18), a token count BIGINT, a time UTC without zone.

-- One row per fact about the ledger itself: schema_version, created_by, seq, tags (the tag mapping in force).
CREATE TABLE ledger.meta (key VARCHAR PRIMARY KEY, value VARCHAR);

-- One row per delivery ever taken in, bill or usage. delivery_id is a hash of source, scope, dataset and file set.
CREATE TABLE ledger.deliveries (
    delivery_id VARCHAR PRIMARY KEY,
    kind VARCHAR NOT NULL,           -- bill | usage
    source VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,          -- manifest's export and payer, else '-'
    dataset VARCHAR NOT NULL,
    format VARCHAR NOT NULL,         -- folder under costctl/bills or costctl/usage
    definition VARCHAR NOT NULL,     -- fingerprint of the format's files and of the stored columns
    manifest VARCHAR,                -- the manifest's own id, NULL for plain files
    delivered VARCHAR NOT NULL,      -- how, by costctl/bills/deliveries.py: files | append | month_to_date | invoice_month | aws_manifest | azure_manifest
    decision VARCHAR,                -- replace | add, where the user decided an overlap, or it was appended
    seq BIGINT NOT NULL              -- its last intake; arrival data, outside every fingerprint
);

-- Every time that a delivery was taken in, in their order, and what the user decided then: `rebuild` does the same again.
CREATE TABLE ledger.intakes (seq BIGINT PRIMARY KEY, delivery_id VARCHAR NOT NULL, decision VARCHAR);

-- From which deliveries an intake took a period; from itself where another goes on to speak for it.
CREATE TABLE ledger.takeovers (seq BIGINT NOT NULL, period DATE NOT NULL, delivery_id VARCHAR NOT NULL);

-- The files of a delivery, with their row accounting: records = kept + quarantined + excluded.
CREATE TABLE ledger.delivery_files (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, name VARCHAR NOT NULL,
    path VARCHAR NOT NULL,           -- where it was found
    sha256 VARCHAR NOT NULL, bytes BIGINT NOT NULL,
    way VARCHAR NOT NULL,            -- to the records within the values of a JSON file, as costctl/files/unfolded.py reads it; '' where they are the records
    records BIGINT NOT NULL, kept BIGINT NOT NULL, quarantined BIGINT NOT NULL, excluded BIGINT NOT NULL,
    reach TIMESTAMP                  -- of usage in buckets: until when it tells; of two pulls with one bucket the one that goes further counts
);

-- Liveness: which delivery speaks for a period. A bill's period is its billing month, a usage file's a UTC day.
CREATE TABLE ledger.delivery_periods (
    delivery_id VARCHAR NOT NULL, period DATE NOT NULL, version VARCHAR, live BOOLEAN NOT NULL, rows BIGINT NOT NULL
);

-- What a bill delivery's charges add up to, per billing period, account, service and currency. They outlive the charges: those of
-- the live deliveries are compared with the charges by a check, all of them together are the history of a month's revisions.
CREATE TABLE ledger.delivery_totals (
    delivery_id VARCHAR NOT NULL, billing_period DATE NOT NULL, BillingCurrency VARCHAR NOT NULL,
    SubAccountId VARCHAR, ServiceName VARCHAR, charges BIGINT NOT NULL,
    BilledCost DECIMAL(38,18) NOT NULL, EffectiveCost DECIMAL(38,18) NOT NULL,
    ListCost DECIMAL(38,18) NOT NULL, ContractedCost DECIMAL(38,18) NOT NULL
);

-- Records set aside, with everything needed to find and mend them. One row per bad field.
CREATE TABLE ledger.quarantine (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL, line_no BIGINT,
    column_name VARCHAR NOT NULL, reason VARCHAR NOT NULL, value VARCHAR, raw VARCHAR
);

-- What a record in quarantine costs, where the fields that are not bad say it; the others are not here.
CREATE TABLE ledger.quarantine_costs (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL,
    ProviderName VARCHAR, BillingAccountId VARCHAR, InvoiceId VARCHAR, BillingCurrency VARCHAR NOT NULL, billing_period DATE NOT NULL,
    BilledCost DECIMAL(38,18) NOT NULL
);

-- Records left out by a rule the format names, with the billing_period where the rule looks at the other deliveries of the month; or
-- because their file was replaced in that month (of usage: on that day) before. Fewer than none: so many of them count again.
CREATE TABLE ledger.exclusions (delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, billing_period DATE, rule VARCHAR NOT NULL, records BIGINT NOT NULL);

-- Files that a delivery with --replace took a period from: coming again among other files, they stay out of it.
CREATE TABLE ledger.replaced_files (source VARCHAR NOT NULL, scope VARCHAR NOT NULL, dataset VARCHAR NOT NULL, period DATE NOT NULL, sha256 VARCHAR NOT NULL);

-- Binary floats that came as text with more than 18 decimals: how many per file and column, and exactly what rounding took away.
CREATE TABLE ledger.roundings (delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, column_name VARCHAR NOT NULL, records BIGINT NOT NULL, rounded_away DECIMAL(38,30) NOT NULL);

-- One row per FOCUS charge. A NULL cost is unknown, not 0. record_no counts data records of the file from 1; a record may
-- give several charges (part_no). The configured tags follow as columns tag_<name>.
CREATE TABLE ledger.charges (
    source VARCHAR NOT NULL, scope VARCHAR NOT NULL, billing_period DATE NOT NULL,
    ProviderName VARCHAR, PublisherName VARCHAR, InvoiceIssuerName VARCHAR, InvoiceId VARCHAR,
    BillingAccountId VARCHAR, BillingAccountName VARCHAR, SubAccountId VARCHAR, SubAccountName VARCHAR,
    BillingCurrency VARCHAR NOT NULL, BillingPeriodStart TIMESTAMP NOT NULL, BillingPeriodEnd TIMESTAMP NOT NULL,
    ChargePeriodStart TIMESTAMP NOT NULL, ChargePeriodEnd TIMESTAMP NOT NULL,
    ChargeCategory VARCHAR NOT NULL, ChargeClass VARCHAR, ChargeDescription VARCHAR, ChargeFrequency VARCHAR,
    ServiceCategory VARCHAR, ServiceName VARCHAR, SkuId VARCHAR, SkuPriceId VARCHAR, SkuMeter VARCHAR,
    ResourceId VARCHAR, RegionId VARCHAR,
    PricingCategory VARCHAR, PricingQuantity DECIMAL(38,18), PricingUnit VARCHAR,
    ConsumedQuantity DECIMAL(38,18), ConsumedUnit VARCHAR,
    ListUnitPrice DECIMAL(38,18), ContractedUnitPrice DECIMAL(38,18),
    CommitmentDiscountId VARCHAR, CommitmentDiscountCategory VARCHAR, CommitmentDiscountStatus VARCHAR,
    BilledCost DECIMAL(38,18), EffectiveCost DECIMAL(38,18), ListCost DECIMAL(38,18), ContractedCost DECIMAL(38,18),
    Tags VARCHAR,                    -- canonical JSON object, keys sorted, namespaces kept
    x_machine VARCHAR,               -- machine type as the bill spells it, e.g. p5.48xlarge
    x_purchase_model VARCHAR,        -- on_demand | spot | reserved | savings_plan | commitment | capacity_block | private_contract …
    x_model_raw VARCHAR,             -- model as the bill spells it, for token lines
    x_token_class VARCHAR,           -- input | cache_read | cache_write | output, for token lines
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL, part_no INTEGER NOT NULL
);

-- Token counts: one row per event or bucket; its disjoint classes are in token_quantity. What a counter grew by is derived from
-- counter_samples, an hour at a time: it stands under the last sample that it takes in, part_no counts the hours of its step.
CREATE TABLE ledger.token_usage (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL, part_no INTEGER NOT NULL DEFAULT 1,
    source VARCHAR NOT NULL, evidence_role VARCHAR NOT NULL,     -- gateway | client | engine | provider_meter | bill
    ts_start TIMESTAMP NOT NULL, ts_end TIMESTAMP NOT NULL,
    provider VARCHAR NOT NULL,       -- who bills: self | aws | gcp | azure | anthropic | openai …
    billing_account VARCHAR, region VARCHAR,
    model_raw VARCHAR, deployment VARCHAR, pool VARCHAR, chip VARCHAR,
    team_raw VARCHAR,                -- who the source says the team is; the next four may tell it by an alias or a rule
    api_key VARCHAR, project VARCHAR, namespace VARCHAR, principal VARCHAR,   -- never a secret: an id, a name or a hash
    purpose VARCHAR,
    task VARCHAR NOT NULL,           -- generate | embed | rerank | image | audio | video | other
    outcome VARCHAR NOT NULL,        -- ok | client_abort | client_error | platform_error | retry
    requests BIGINT,                 -- NULL where the source has none
    convention VARCHAR NOT NULL,     -- what the source's input and output contain: inclusive | exclusive | unsplit
    convention_proof VARCHAR NOT NULL,   -- proved | declared | ambiguous | contradicted, by the arithmetic of the record
    service_tier VARCHAR,            -- batch | flex | priority | fast | provisioned …; NULL is standard: no source tells more of it
    flags VARCHAR,                   -- words in the order of their letters, a blank between: cache_hit | estimated | gap | incomplete | jump | reset | sampled | spillover
    reported_cost DECIMAL(38,18), reported_currency VARCHAR,     -- what the source says that it cost: to compare, never the bill
    usage_key UUID                   -- hash of what makes the record one of a kind in its source; NULL where nothing does
);

-- Disjoint token classes: they never overlap, so a sum is always right. A class the source does not report is absent.
CREATE TABLE ledger.token_quantity (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL, part_no INTEGER NOT NULL DEFAULT 1,
    token_class VARCHAR NOT NULL,    -- input.uncached | input.cache_read | input.cache_write.RETENTION | input.tool_use | input.unsplit | output.unsplit | output.visible | output.reasoning | output.rejected_prediction
    tokens BIGINT NOT NULL
);

-- Samples of counters as they were scraped: what a counter stood at. Token counts are derived from them.
CREATE TABLE ledger.counter_samples (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL,
    source VARCHAR NOT NULL, evidence_role VARCHAR NOT NULL,
    series VARCHAR NOT NULL,         -- the counter: its name and labels, but for those that only say who scraped it
    scraped_by VARCHAR NOT NULL,     -- those labels: of several scrapers of one counter one counts
    counts VARCHAR NOT NULL,         -- input | input.cache_read | output … , or requests; `input` with what was read from a cache
    worker VARCHAR NOT NULL,         -- who counts: the labels but for those that part its counters
    layer INTEGER NOT NULL, family_rank INTEGER NOT NULL,       -- of a model's tokens the least layer counts, of a worker's families the least rank
    ts TIMESTAMP NOT NULL, value BIGINT NOT NULL,
    started TIMESTAMP,               -- when the counter stood at 0, where that is known
    is_delta BOOLEAN NOT NULL,       -- the value is what was counted since `started`, not since the counter began
    provider VARCHAR NOT NULL, region VARCHAR, model_raw VARCHAR, deployment VARCHAR, pool VARCHAR, chip VARCHAR,
    team_raw VARCHAR, api_key VARCHAR, project VARCHAR, namespace VARCHAR, principal VARCHAR,
    task VARCHAR NOT NULL, outcome VARCHAR NOT NULL
);

-- Where a counter began anew or was not looked at, before its first sample too: what may be missing of it, and how much at most by the highest rate seen;
-- and where it grew faster than anybody counts: it counts, and is told.
CREATE TABLE ledger.counter_gaps (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL,      -- the sample after it
    source VARCHAR NOT NULL, series VARCHAR NOT NULL, counts VARCHAR NOT NULL, model_raw VARCHAR,
    kind VARCHAR NOT NULL,           -- first | reset | gap | jump
    ts_start TIMESTAMP, ts_end TIMESTAMP NOT NULL, at_most BIGINT
);

-- Chip time: intervals of chips in one state. The states of a pool's paid hour tile it, or the hole is shown.
CREATE TABLE ledger.accelerator_usage (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL,
    source VARCHAR NOT NULL, pool VARCHAR,   -- where the source does not name it, by the node, cluster, partition or namespace under `chips:` of a pool
    resource_id VARCHAR,             -- node, machine or reservation, as the bill names it
    cluster VARCHAR, namespace VARCHAR, workload VARCHAR, chip VARCHAR,
    ts_start TIMESTAMP NOT NULL, ts_end TIMESTAMP NOT NULL,
    chips DECIMAL(18,6) NOT NULL,
    state VARCHAR NOT NULL,          -- serving | training | startup | idle | maintenance
    team_raw VARCHAR, model_raw VARCHAR,
    usage_key UUID                   -- as of token_usage
);

-- Records that do not count because another one of the same key, on another day, does: should that day be replaced, they count again.
CREATE TABLE ledger.outdone_token_usage AS SELECT *, CAST(NULL AS VARCHAR) AS rule FROM ledger.token_usage WHERE FALSE;
CREATE TABLE ledger.outdone_token_quantity AS SELECT *, CAST(NULL AS VARCHAR) AS rule FROM ledger.token_quantity WHERE FALSE;
CREATE TABLE ledger.outdone_accelerator_usage AS SELECT *, CAST(NULL AS VARCHAR) AS rule FROM ledger.accelerator_usage WHERE FALSE;

-- What exporters measure of chips: evidence beside the chip time, never what money is split by.
CREATE TABLE ledger.accelerator_gauges (
    delivery_id VARCHAR NOT NULL, file_no INTEGER NOT NULL, record_no BIGINT NOT NULL,
    source VARCHAR NOT NULL, ts TIMESTAMP NOT NULL, measure VARCHAR NOT NULL,   -- busy | tensor_busy | memory_busy | energy | power | memory_used | memory_free
    unit VARCHAR NOT NULL,           -- ratio | J | W | MiB
    value DECIMAL(38,18) NOT NULL,
    resource_id VARCHAR, device VARCHAR, chip VARCHAR, cluster VARCHAR, namespace VARCHAR, workload VARCHAR, model_raw VARCHAR
);

-- Reference facts, loaded from rates/, from the user's cards and from the configuration. valid_to is excluded, NULL is open.
CREATE TABLE ledger.providers (name VARCHAR NOT NULL, provider VARCHAR NOT NULL, channel VARCHAR);  -- as a bill or a gateway says it, lower case → our id, and the channel where the name tells it
CREATE TABLE ledger.units (unit VARCHAR NOT NULL, measure VARCHAR NOT NULL, multiplier BIGINT NOT NULL);  -- lower case; measure: hour | chip_hour | token
CREATE TABLE ledger.chips (chip VARCHAR NOT NULL, short VARCHAR NOT NULL, vendor VARCHAR, title VARCHAR, family VARCHAR, memory_gb VARCHAR, price_visibility VARCHAR, source VARCHAR, as_of VARCHAR, confidence VARCHAR);
CREATE TABLE ledger.owned (                                      -- owned and leased chips, by the cards of an asset register
    card VARCHAR NOT NULL, asset VARCHAR NOT NULL, chip VARCHAR NOT NULL, chips BIGINT NOT NULL, valid_from DATE NOT NULL, valid_to DATE,
    available_percent DECIMAL(9,6),  -- of the paid hours, by the card; NULL where it does not say
    confidence VARCHAR
);
CREATE TABLE ledger.chip_power (
    card VARCHAR NOT NULL, chip VARCHAR NOT NULL, basis VARCHAR NOT NULL, watts BIGINT NOT NULL,   -- basis: all_in (with its share of host and network) | chip
    valid_from DATE, valid_to DATE, as_of DATE, confidence VARCHAR, source VARCHAR
);
CREATE TABLE ledger.machines (
    provider VARCHAR NOT NULL, name VARCHAR NOT NULL,            -- as a bill spells it, lower case; several names may mean one machine
    machine VARCHAR NOT NULL, chip VARCHAR NOT NULL,
    chips_numerator BIGINT NOT NULL, chips_denominator BIGINT NOT NULL
);
CREATE TABLE ledger.machine_parts (
    provider VARCHAR NOT NULL, part VARCHAR NOT NULL,            -- what is billed for the chips of a machine, as machines.machine names it
    machine VARCHAR NOT NULL                                     -- the machine whose card prices it, too
);
CREATE TABLE ledger.machine_families (
    provider VARCHAR NOT NULL, pattern VARCHAR NOT NULL,         -- of names in lower case, as LIKE reads it; provider '*' is any
    chip VARCHAR                                                 -- of one machine whose number of chips is not confirmed, else NULL
);
CREATE TABLE ledger.chip_prices (
    card VARCHAR NOT NULL,           -- file:line
    provider VARCHAR NOT NULL, machine VARCHAR, chip VARCHAR NOT NULL, region VARCHAR NOT NULL, purchase_model VARCHAR NOT NULL,
    term_months INTEGER, layer VARCHAR NOT NULL,                 -- contract | realised | list | model
    price_per_chip_hour DECIMAL(19,12) NOT NULL, currency VARCHAR NOT NULL,
    family VARCHAR NOT NULL,         -- the first card of its tiers, else its own
    tier_from DECIMAL(18,6), tier_to DECIMAL(18,6), tier_mode VARCHAR,   -- chip-hours of a billing period, half-open; graduated | cliff; NULL without tiers
    valid_from DATE, valid_to DATE, as_of DATE, confidence VARCHAR, source VARCHAR
);
CREATE TABLE ledger.model_prices (
    card VARCHAR NOT NULL, provider VARCHAR NOT NULL,
    channel VARCHAR,                 -- anthropic-api | aws-bedrock | google-vertex | azure-foundry …; NULL is any
    model VARCHAR NOT NULL, region VARCHAR NOT NULL, service_tier VARCHAR NOT NULL,
    prompt_above BIGINT, prompt_up_to BIGINT,                    -- prompts of more tokens than, and of at most so many; NULL is without bound
    minute_from INTEGER, minute_to INTEGER,                      -- minutes of the UTC day, half-open and within it; NULL is the whole day
    weekday_from INTEGER NOT NULL, weekday_to INTEGER NOT NULL,  -- the days of those hours, or of all of them: from Monday, 0, to before 7, half-open
    token_class VARCHAR NOT NULL, layer VARCHAR NOT NULL, price_per_million DECIMAL(19,12) NOT NULL, currency VARCHAR NOT NULL,
    valid_from DATE, valid_to DATE, as_of DATE, confidence VARCHAR, source VARCHAR
);
CREATE TABLE ledger.claims (                                     -- what somebody says of a chip against another; never a price
    card VARCHAR NOT NULL, subject VARCHAR NOT NULL, baseline VARCHAR NOT NULL,  -- chips by id, or what was said
    ratio DECIMAL(19,12) NOT NULL, metric VARCHAR, source VARCHAR, date DATE
);
CREATE TABLE ledger.model_aliases (raw VARCHAR NOT NULL, model VARCHAR NOT NULL, valid_from DATE, valid_to DATE);   -- raw in lower case
CREATE TABLE ledger.team_aliases (raw VARCHAR NOT NULL, team VARCHAR NOT NULL, purpose VARCHAR, valid_from DATE, valid_to DATE);  -- raw in lower case
CREATE TABLE ledger.owner_changes (day DATE NOT NULL, raw VARCHAR);   -- the days on which a spelling begins to mean another team, or none; raw is NULL where a rule begins or ends
CREATE TABLE ledger.pools (
    pool VARCHAR NOT NULL, base VARCHAR NOT NULL, grain VARCHAR NOT NULL, method VARCHAR NOT NULL,
    idle_policy VARCHAR NOT NULL, idle_owner VARCHAR,
    tokens_of VARCHAR NOT NULL,      -- the pool whose tokens it goes by, most often itself
    level BIGINT NOT NULL,           -- 1, or one more than the highest of the pools that pass costs on to it
    coverage_owner VARCHAR           -- who bears what its engines counted beyond the tokens of teams
);
CREATE TABLE ledger.hourly_pools (pool VARCHAR NOT NULL);                                                 -- pools of grain hour: their charges are grouped by the hour
CREATE TABLE ledger.pool_tokens (field VARCHAR NOT NULL, value VARCHAR NOT NULL, pool VARCHAR NOT NULL);   -- field: deployment | namespace
CREATE TABLE ledger.driving_roles (                              -- whose counts drive money, the least place that has any; scope: pool NAME, provider NAME, or * for all others
    scope VARCHAR NOT NULL, evidence_role VARCHAR NOT NULL, source VARCHAR, place BIGINT NOT NULL
);
CREATE TABLE ledger.owner_rules (                                -- one row per value that a rule wants of a field; of a rule all fields must fit
    ordinal BIGINT NOT NULL, rule VARCHAR NOT NULL, fields BIGINT NOT NULL, field VARCHAR NOT NULL, pattern VARCHAR NOT NULL,
    team VARCHAR NOT NULL, purpose VARCHAR, valid_from DATE NOT NULL, valid_to DATE NOT NULL
);
CREATE TABLE ledger.pool_chips (field VARCHAR NOT NULL, value VARCHAR NOT NULL, pool VARCHAR NOT NULL);    -- field: resource | namespace | cluster; a value that ends with * is a prefix
CREATE TABLE ledger.pool_weights (pool VARCHAR NOT NULL, token_class VARCHAR NOT NULL, weight DECIMAL(9,6) NOT NULL);
CREATE TABLE ledger.pool_fixed (pool VARCHAR NOT NULL, team VARCHAR, to_pool VARCHAR, share DECIMAL(9,6) NOT NULL);  -- to a team, or passed on to a pool
CREATE TABLE ledger.pool_models (pool VARCHAR NOT NULL, model VARCHAR NOT NULL, share BIGINT NOT NULL);    -- what part of its serving a model is
CREATE TABLE ledger.pool_over (pool VARCHAR NOT NULL, to_pool VARCHAR NOT NULL);                           -- pools that bear a part by their own cost
CREATE TABLE ledger.pool_drivers (pool VARCHAR NOT NULL, valid_from DATE NOT NULL, valid_to DATE NOT NULL, team VARCHAR, to_pool VARCHAR, value DECIMAL(18,6) NOT NULL);
CREATE TABLE ledger.pool_capacity (pool VARCHAR NOT NULL, units DECIMAL(18,6) NOT NULL, tokens_per_unit_minute BIGINT NOT NULL);     -- weighted tokens
CREATE TABLE ledger.pool_reservations (pool VARCHAR NOT NULL, team VARCHAR NOT NULL, chips DECIMAL(18,6) NOT NULL, valid_from DATE NOT NULL, valid_to DATE NOT NULL);
CREATE TABLE ledger.pool_recharges (                             -- pools whose owner charges them onward
    pool VARCHAR NOT NULL, owner VARCHAR NOT NULL,
    by_rates BOOLEAN NOT NULL,       -- by internal rates, else at cost
    markup BIGINT NOT NULL           -- millionths of a percent, on what is recharged
);
CREATE TABLE ledger.pool_rates (                                 -- internal rates: what teams are charged per unit, by policy
    place VARCHAR NOT NULL,          -- file:line
    pool VARCHAR NOT NULL, of_any_pool BOOLEAN NOT NULL,         -- whether the row names no pool: those that do go before it
    unit VARCHAR NOT NULL,           -- million tokens | chip hour | request
    model VARCHAR, token_class VARCHAR,                          -- model in lower case; NULL is any
    price DECIMAL(19,12) NOT NULL, currency VARCHAR NOT NULL, valid_from DATE NOT NULL, valid_to DATE NOT NULL
);
CREATE TABLE ledger.pool_budgets (pool VARCHAR NOT NULL, month DATE NOT NULL, amount DECIMAL(38,18) NOT NULL, currency VARCHAR NOT NULL);   -- what a pool is expected to cost
CREATE TABLE ledger.purpose_accounts (purpose VARCHAR NOT NULL, account VARCHAR NOT NULL);   -- the account of the books that bears what a purpose costs
CREATE TABLE ledger.rule_sets (rule_set VARCHAR NOT NULL, ordinal INTEGER NOT NULL, name VARCHAR NOT NULL, definition VARCHAR NOT NULL);

-- What accounts payable and treasury say, from the files that the configuration names. place is file:line.
CREATE TABLE ledger.invoices (
    place VARCHAR NOT NULL, provider VARCHAR NOT NULL,           -- our id, or the issuer's own name in lower case
    BillingAccountId VARCHAR NOT NULL, InvoiceId VARCHAR NOT NULL, BillingCurrency VARCHAR NOT NULL, billing_period DATE NOT NULL,
    amount DECIMAL(38,18) NOT NULL,                              -- payable: with tax, without what a prepayment settled
    tax DECIMAL(38,18), prepaid DECIMAL(38,18),                  -- NULL where the file does not say
    lines BIGINT NOT NULL, at_most DECIMAL(38,18) NOT NULL,      -- what rounding may explain: half the smallest coin per line
    status VARCHAR NOT NULL, issue_date DATE                     -- open | issued | paid | voided
);
CREATE TABLE ledger.reconciling_items (
    place VARCHAR NOT NULL, provider VARCHAR NOT NULL, BillingAccountId VARCHAR NOT NULL, InvoiceId VARCHAR, BillingCurrency VARCHAR NOT NULL,
    billing_period DATE NOT NULL, amount DECIMAL(38,18) NOT NULL,  -- by how much the invoice is above the bill for this reason
    reason VARCHAR NOT NULL, approver VARCHAR NOT NULL, approved DATE NOT NULL
);
CREATE TABLE ledger.fx_rates (
    place VARCHAR NOT NULL, from_currency VARCHAR NOT NULL, to_currency VARCHAR NOT NULL, rate_type VARCHAR NOT NULL, period DATE NOT NULL,
    rate DECIMAL(19,12) NOT NULL, source VARCHAR
);

-- Prepaid schedules, by the user's file: what each is of, what was paid, or why it moves nothing. What it moves are charges of source own.
CREATE TABLE ledger.prepaid_schedules (
    schedule VARCHAR NOT NULL, place VARCHAR NOT NULL, kind VARCHAR NOT NULL, provider VARCHAR NOT NULL, BillingAccountId VARCHAR NOT NULL,
    BillingCurrency VARCHAR NOT NULL, starts TIMESTAMP NOT NULL, ends TIMESTAMP NOT NULL,
    amount DECIMAL(38,18),           -- the effective cost of its purchases; NULL where that is not known
    reason VARCHAR                   -- why it moves nothing
);

-- State of a billing period, and the fingerprint its postings were computed from.
CREATE TABLE ledger.periods (billing_period DATE PRIMARY KEY, state VARCHAR NOT NULL, fingerprint VARCHAR);
CREATE TABLE ledger.capacity_owner (team VARCHAR);               -- one row: who bears unused commitments by default
CREATE TABLE ledger.calendar (day DATE NOT NULL);                -- every UTC day that a posting may touch
