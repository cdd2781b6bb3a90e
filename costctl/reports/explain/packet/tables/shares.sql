-- Who takes which part of those state cells that the cell has a part of: all recipients, teams and pools that it is passed on to.
-- Grain: one row per state cell and recipient; posting_id is there where the part is a posting of the cell.
SELECT
    s.state_cell_id, c.billing_period, s.pool, c.slot_start, c.slot_end, s.state, s.team, s.to_pool, s.model, s.purpose, s.method, s.weight, s.total, p.posting_id
FROM packed_path AS x
INNER JOIN pool_postings AS s ON s.state_cell_id = x.state_cell_id
INNER JOIN pool_cells AS c ON c.cell_id = s.cell_id
CROSS JOIN capacity_owner AS o
LEFT JOIN (
    SELECT p.origin, p.posting_id, p.team, p.model, p.purpose, p.method
    FROM postings AS p
    INNER JOIN explained_postings AS e ON e.billing_period = p.billing_period AND e.posting_id = p.posting_id
    WHERE p.billing_period = $billing_period
) AS p ON p.origin = s.state_cell_id AND s.to_pool IS NULL AND p.model = s.model AND p.purpose = s.purpose AND p.method = s.method
    AND p.team IS NOT DISTINCT FROM CASE WHEN s.team IS NULL AND s.nature = 'unused' THEN o.team ELSE s.team END
