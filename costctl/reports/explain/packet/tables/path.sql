-- The state cells that the postings of the cell come from, and those that passed a cost on to them.
-- Grain: one row per state cell.
WITH RECURSIVE parents AS (
    SELECT DISTINCT MD5(ARRAY_TO_STRING([keyed(state_cell_id), keyed(to_pool)], '|')) AS cell_id, state_cell_id
    FROM pool_postings
    WHERE to_pool IS NOT NULL
),

path AS (
    SELECT DISTINCT p.origin AS state_cell_id
    FROM explained_postings AS e
    INNER JOIN postings AS p ON p.billing_period = e.billing_period AND p.posting_id = e.posting_id
    WHERE p.pool IS NOT NULL AND p.billing_period = $billing_period
    UNION
    SELECT u.state_cell_id
    FROM path AS x
    INNER JOIN state_cells AS s ON s.state_cell_id = x.state_cell_id
    INNER JOIN parents AS u ON u.cell_id = s.cell_id
)

SELECT x.state_cell_id, s.cell_id, u.state_cell_id AS passed_on_by
FROM path AS x
INNER JOIN state_cells AS s ON s.state_cell_id = x.state_cell_id
LEFT JOIN parents AS u ON u.cell_id = s.cell_id
