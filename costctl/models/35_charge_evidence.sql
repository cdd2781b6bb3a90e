-- How well the amount of each charge group is proved: one of the two links of a posting's evidence, the other is the split of its pool (pool_postings).
-- Grain: one row per charge group. grade is the place of a grade, the best first; of several links the weakest holds.
-- 1 invoiced: on a bill, with the invoice that it is on. 2 contracted: on a bill without an invoice so far; a schedule of what was prepaid; own or
-- leased chips by a card that a contract or the vendor stands behind. 3 list: such chips by a card of list prices, or of what others say.
-- 4 estimated: such chips by a card that says it is an estimate; a part of a pool by tokens of which some were estimated, or sampled.
-- 5 imputed: moved by hand; a part of a pool that nobody measured: fixed parts, or tokens of no team that somebody bears all the same.
WITH carded AS (     -- a group of own chips does not tell assets apart: of several cards of a chip the weakest
    SELECT
        g.group_id,
        MAX(CASE WHEN o.confidence IN ('estimate', 'conflict', 'partial', 'rumour') THEN 4 WHEN COALESCE(o.confidence, 'contract') IN ('contract', 'vendor') THEN 2 ELSE 3 END) AS grade
    FROM attributed_groups AS g
    INNER JOIN machines AS m ON m.provider = g.provider AND m.name = LOWER(TRIM(g.x_machine))
    INNER JOIN owned AS o ON o.chip = m.chip AND CAST(o.valid_from AS TIMESTAMP) < g.slot_end AND (CAST(o.valid_to AS TIMESTAMP) > g.slot_start OR o.valid_to IS NULL)
    WHERE g.source = 'own' AND g.x_purchase_model IN ('owned_amortised', 'private_contract')
    GROUP BY g.group_id
)

SELECT
    g.group_id,
    CASE
        WHEN g.nature = 'manual' THEN 5
        WHEN g.source = 'own' THEN COALESCE(c.grade, 2)
        WHEN g.InvoiceId IS NULL THEN 2
        ELSE 1
    END AS grade
FROM attributed_groups AS g
LEFT JOIN carded AS c ON c.group_id = g.group_id
