-- The days of postings that those recharges are of: what went to the owner, and what it charges at cost.
-- Grain: one row per recharge, posting and day.
SELECT recharge, billing_period, posting_id, day
FROM explained_recharged_postings
