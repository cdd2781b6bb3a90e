-- What states each of those cells is split over, by chip time or by configured parts; one row of weight 1 where nothing splits it.
-- Grain: one row per state_cell_id. place 1, the largest weight, the first of several by state, team and model, takes the rest.
SELECT s.state_cell_id, s.cell_id, s.pool, s.slot_start, s.slot_end, s.state, s.state_team AS team, s.state_model AS model, s.weight, s.total, s.place
FROM (SELECT DISTINCT cell_id FROM packed_path) AS x
INNER JOIN state_cells AS s ON s.cell_id = x.cell_id
