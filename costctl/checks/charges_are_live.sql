-- Every charge belongs to a delivery that is live for its billing period, and no two deliveries speak for one period unless added.
-- Grain: one row per delivery and period that should not be there, or per source, scope, dataset and period with several.
WITH held AS (
    SELECT DISTINCT delivery_id, billing_period
    FROM charges
)

SELECT h.delivery_id AS who, h.billing_period AS period, 'charges without a live delivery' AS what
FROM held AS h
LEFT JOIN delivery_periods AS p ON p.delivery_id = h.delivery_id AND p.period = h.billing_period AND p.live
WHERE p.delivery_id IS NULL
UNION ALL
SELECT CONCAT(d.source, ' ', d.scope, ' ', d.dataset), p.period, 'several live deliveries'
FROM delivery_periods AS p
INNER JOIN deliveries AS d ON d.delivery_id = p.delivery_id
WHERE p.live AND p.rows > 0
GROUP BY d.source, d.scope, d.dataset, p.period
HAVING COUNT(CASE WHEN d.decision IS DISTINCT FROM 'add' THEN 1 END) > 1
