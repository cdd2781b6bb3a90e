-- How well the cost under a report is proved: what part of it is of each grade of evidence, in whole percent of the absolute cost.
-- Grain: one row per currency and grade, the best first; the percents of a currency come to 100: what is left goes to those that are nearest to one more.
WITH costs AS (
    SELECT
        p.BillingCurrency AS currency, p.evidence, grade_place(p.evidence) AS place,
        SUM(ABS(measured($cost, d.BilledCost, d.EffectiveCost, d.ListCost, d.ContractedCost, NULL))) AS cost
    FROM postings AS p
    INNER JOIN posting_days AS d ON d.posting_id = p.posting_id AND d.billing_period = p.billing_period
    WHERE CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END >= $start
        AND CASE $calendar WHEN 'usage' THEN d.day ELSE p.booked_period END < $end
    GROUP BY p.BillingCurrency, p.evidence
),

parts AS (
    SELECT
        currency, place, evidence, millionths(cost) * 100 AS hundredfold, SUM(millionths(cost)) OVER (PARTITION BY currency) AS whole
    FROM costs
    WHERE millionths(cost) > 0
),

cut AS (
    SELECT
        currency, place, evidence, exact_quotient(hundredfold, whole) AS percent,
        ROW_NUMBER() OVER (PARTITION BY currency ORDER BY hundredfold % whole DESC, place) AS nearest
    FROM parts
)

SELECT
    currency, evidence,
    CAST(percent + CASE WHEN nearest <= 100 - SUM(percent) OVER (PARTITION BY currency) THEN 1 ELSE 0 END AS BIGINT) AS percent
FROM cut
ORDER BY currency, place
