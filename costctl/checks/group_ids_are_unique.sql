-- A charge group, and a posting, has its id for itself.
-- Grain: one row per id that stands twice within a billing period.
SELECT 'charge_groups' AS relation, billing_period, group_id AS id, COUNT(*) AS times
FROM charge_groups
GROUP BY billing_period, group_id
HAVING COUNT(*) > 1
UNION ALL
SELECT 'postings', billing_period, posting_id, COUNT(*)
FROM postings
GROUP BY billing_period, posting_id
HAVING COUNT(*) > 1
