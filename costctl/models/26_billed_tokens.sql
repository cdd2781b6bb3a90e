-- The token lines of the period's bills, and whether they drive money: where nobody counted what a provider bills on a day, and the roles let the bill.
-- Grain: one row per charge group of bought tokens whose unit counts tokens, on the day on which its slot begins. bill_class is as the bill has it.
-- unread is the number of its charges whose quantity is missing, or is none; the others count. Where all together are more than anybody buys, none is.
WITH driven AS (SELECT DISTINCT day, provider FROM counted_tokens WHERE billing_period = $billing_period AND drives AND pool = 'api'),

touched AS (     -- lines of which somebody counted a day
    SELECT DISTINCT g.group_id
    FROM attributed_groups AS g
    INNER JOIN driven AS d ON d.provider = g.provider AND d.day >= CAST(g.slot_start AS DATE) AND CAST(d.day AS TIMESTAMP) < g.slot_end
    WHERE g.is_bought
),

scopes AS (SELECT DISTINCT scope FROM driving_roles),

billed AS (
    SELECT
        g.group_id, CAST(g.slot_start AS DATE) AS day, g.source, g.provider, g.model, g.bought_model, g.team, g.purpose, g.x_token_class AS bill_class,
        g.row_count, g.quantity_unknown, millionths_of_tokens(g.quantity, n.multiplier) AS millionths
    FROM attributed_groups AS g
    INNER JOIN units AS n ON n.unit = LOWER(TRIM(g.billed_unit)) AND n.measure = 'token'
    WHERE g.is_bought AND g.nature = 'usage'
),

counted AS (
    SELECT
        group_id, day, source, provider, model, bought_model, team, purpose, bill_class, row_count, quantity_unknown,
        CASE WHEN SUM(ABS(millionths)) OVER () < CAST('100000000000000000000000' AS DECIMAL(38, 0)) THEN exact_quotient(millionths, CAST('1000000' AS DECIMAL(38, 0))) END AS tokens
    FROM billed
)

SELECT
    g.group_id, g.day, g.source, g.provider, g.model, g.bought_model, g.team, g.purpose, g.bill_class, CAST(g.tokens AS BIGINT) AS tokens,
    CASE WHEN g.tokens IS NULL THEN g.row_count ELSE g.quantity_unknown END AS unread, d.group_id IS NULL AND r.place IS NOT NULL AS drives
FROM counted AS g
LEFT JOIN touched AS d ON d.group_id = g.group_id
LEFT JOIN scopes AS s ON s.scope = CONCAT('provider ', g.provider)
LEFT JOIN driving_roles AS r ON r.scope = COALESCE(s.scope, '*') AND r.evidence_role = 'bill' AND COALESCE(r.source, g.source) = g.source
