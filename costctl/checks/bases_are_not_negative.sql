-- No recipient of a pool's cost has an allocation base below zero, such as a team that was refunded more in a slot than it was charged.
-- Grain: one row per pool, slot and recipient that has. Base and total are in millionths.
-- Remedy: Split that pool with `grain: period`, or by another base: who is owed money takes no part of a cost.
SELECT pool, slot_start, share_key, team, to_pool, model, weight AS base, total
FROM allocation_shares
WHERE weight < 0
