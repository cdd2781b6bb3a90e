-- The allocation bases that the shares were made of, for the pools and the days, or hours, of the cell.
-- Grain: one row per pool, slot, base_key, recipient, model, purpose and method. Fixed parts and reservations are no base: they are in the shares as configured.
SELECT DISTINCT b.pool, b.slot_start, b.slot_end, b.base_key, b.team, b.to_pool, b.model, b.purpose, b.method, b.weight
FROM packed_path AS x
INNER JOIN pool_cells AS c ON c.cell_id = x.cell_id
INNER JOIN allocation_bases AS b ON b.pool = c.pool AND b.slot_start < c.slot_end AND b.slot_end > c.slot_start
    AND (c.pool <> 'api' OR b.base_key = CONCAT('api|', c.provider, '|', c.api_model, '|', c.api_class))
