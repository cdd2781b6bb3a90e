-- Every posting is of exactly one known kind and grade of evidence, and what has no team says why.
-- Grain: one row per posting that does not.
SELECT billing_period AS period, posting_id, kind, team, reason
FROM postings
WHERE kind NOT IN ('direct', 'shared', 'idle', 'unused', 'unallocated', 'unpriced', 'tax', 'fee', 'credit', 'prepaid', 'manual', 'recharge')
    OR (kind IN ('direct', 'shared') AND team IS NULL)
    OR evidence IS NULL OR evidence NOT IN ('invoiced', 'contracted', 'list', 'estimated', 'imputed')
    OR (kind = 'unallocated' AND (team IS NOT NULL OR reason IS NULL))
