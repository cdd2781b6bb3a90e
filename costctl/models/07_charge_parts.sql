-- The charges within whose period a rule or a team changes, cut on the days on which it changes for them.
-- Grain: one row per part of such a charge; what changes for others leaves a charge whole, and it is not here. A part takes of the costs and
-- the quantities what its seconds are of the charge's, the largest (place 1, the first of several) the rest, and a quantity that is too large to be split.
-- Empty without: owner_changes
-- Keep: yes
WITH intervals AS (
    SELECT DISTINCT ChargePeriodStart, ChargePeriodEnd
    FROM charges
    WHERE billing_period = $billing_period AND source = $source AND scope = $scope
        AND ChargePeriodEnd > CAST(DATE_TRUNC('day', ChargePeriodStart) AS TIMESTAMP) + INTERVAL 1 DAY
),

cuts AS (
    SELECT i.ChargePeriodStart AS charge_start, i.ChargePeriodEnd AS charge_end, CAST(d.day AS TIMESTAMP) AS moment
    FROM intervals AS i
    INNER JOIN owner_changes AS d ON i.ChargePeriodStart < CAST(d.day AS TIMESTAMP) AND CAST(d.day AS TIMESTAMP) < i.ChargePeriodEnd
    UNION
    SELECT i.ChargePeriodStart, i.ChargePeriodEnd, i.ChargePeriodStart
    FROM intervals AS i
    INNER JOIN owner_changes AS d ON i.ChargePeriodStart < CAST(d.day AS TIMESTAMP) AND CAST(d.day AS TIMESTAMP) < i.ChargePeriodEnd
),

ruled AS (
    SELECT
        delivery_id, file_no, record_no, part_no, moment, charge_end, RULES() AS outcome,
        BilledCost, EffectiveCost, ListCost, ContractedCost, ConsumedQuantity, PricingQuantity
    FROM (
        SELECT c.*, k.charge_end, k.moment
        FROM charges AS c
        INNER JOIN cuts AS k ON k.charge_start = c.ChargePeriodStart AND k.charge_end = c.ChargePeriodEnd
        WHERE c.billing_period = $billing_period AND c.source = $source AND c.scope = $scope
    ) AS c
),

before AS (
    SELECT
        r.*, t.day IS NOT NULL AS is_other_team, LAG(r.outcome.rule) OVER charge AS rule, LAG(r.outcome.team) OVER charge AS team,
        LAG(r.outcome.model) OVER charge AS model, LAG(r.outcome.purpose) OVER charge AS purpose, LAG(r.outcome.pool) OVER charge AS pool
    FROM ruled AS r
    LEFT JOIN owner_changes AS t ON t.raw = LOWER(TRIM(r.outcome.team)) AND CAST(t.day AS TIMESTAMP) = r.moment
    WINDOW charge AS (PARTITION BY r.delivery_id, r.file_no, r.record_no, r.part_no ORDER BY r.moment)
),

parts AS (
    SELECT
        b.*, COALESCE(LEAD(moment) OVER (PARTITION BY delivery_id, file_no, record_no, part_no ORDER BY moment), charge_end) AS part_end,
        COUNT(*) OVER (PARTITION BY delivery_id, file_no, record_no, part_no) AS parts,
        CAST(DATE_DIFF('second', MIN(moment) OVER (PARTITION BY delivery_id, file_no, record_no, part_no), charge_end) AS DECIMAL(38, 0)) AS total
    FROM before AS b
    WHERE is_other_team OR rule IS DISTINCT FROM outcome.rule OR team IS DISTINCT FROM outcome.team OR model IS DISTINCT FROM outcome.model
        OR purpose IS DISTINCT FROM outcome.purpose OR pool IS DISTINCT FROM outcome.pool
),

weighed AS (SELECT p.*, CAST(DATE_DIFF('second', moment, part_end) AS DECIMAL(38, 0)) AS weight FROM parts AS p WHERE parts > 1),

shared AS (
    SELECT
        w.*, share_of(BilledCost, weight, total) AS billed, share_of(EffectiveCost, weight, total) AS effective, share_of(ListCost, weight, total) AS list,
        share_of(ContractedCost, weight, total) AS contracted,
        CASE WHEN ABS(ConsumedQuantity) >= 100000000000000 THEN CAST('0' AS DECIMAL(38, 18)) ELSE share_of(ConsumedQuantity, weight, total) END AS consumed,
        CASE WHEN ABS(PricingQuantity) >= 100000000000000 THEN CAST('0' AS DECIMAL(38, 18)) ELSE share_of(PricingQuantity, weight, total) END AS pricing,
        ROW_NUMBER() OVER (PARTITION BY delivery_id, file_no, record_no, part_no ORDER BY weight DESC, moment) AS place
    FROM weighed AS w
)

SELECT
    $billing_period AS billing_period, $source AS source, $scope AS scope, delivery_id, file_no, record_no, part_no, place, moment AS part_start, part_end,
    CASE WHEN place = 1 THEN BilledCost - (SUM(billed) OVER charge - billed) ELSE billed END AS BilledCost,
    CASE WHEN place = 1 THEN EffectiveCost - (SUM(effective) OVER charge - effective) ELSE effective END AS EffectiveCost,
    CASE WHEN place = 1 THEN ListCost - (SUM(list) OVER charge - list) ELSE list END AS ListCost,
    CASE WHEN place = 1 THEN ContractedCost - (SUM(contracted) OVER charge - contracted) ELSE contracted END AS ContractedCost,
    CASE WHEN place = 1 THEN ConsumedQuantity - (SUM(consumed) OVER charge - consumed) ELSE consumed END AS ConsumedQuantity,
    CASE WHEN place = 1 THEN PricingQuantity - (SUM(pricing) OVER charge - pricing) ELSE pricing END AS PricingQuantity
FROM shared
WINDOW charge AS (PARTITION BY delivery_id, file_no, record_no, part_no)
