-- The slots in which direct cost is a base.
-- Grain: one row per grain of a pool that is split by direct cost, and slot.
-- Empty without: base_slots
SELECT grain, slot_start, slot_end
FROM base_slots
WHERE grain IN (SELECT grain FROM pools WHERE base = 'direct_cost')
