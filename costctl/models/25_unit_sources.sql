-- What each unit runs on: its one chip and its one source (provider/purchase), or 'mixed' where there are several.
-- Grain: one row per unit.
WITH used AS (
    SELECT
        g.unit, g.pool, g.provider, CASE WHEN h.chip_hours <> 0 THEN h.chip END AS chip,
        CASE
            WHEN g.is_bought THEN CONCAT(g.provider, '/api')
            WHEN h.purchase_model = 'owned_amortised' THEN 'own'
            WHEN h.chip_hours <> 0 THEN CONCAT(g.provider, '/', CASE h.purchase_model
                WHEN 'on_demand' THEN 'on-demand' WHEN 'capacity_block' THEN 'block' WHEN 'savings_plan' THEN 'sp' WHEN 'commitment' THEN 'cud'
                WHEN 'private_contract' THEN 'lease' WHEN 'provisioned_throughput' THEN 'ptu' ELSE COALESCE(h.purchase_model, 'on-demand')
            END)
        END AS source_label
    FROM attributed_groups AS g
    LEFT JOIN chip_hours AS h ON h.group_id = g.group_id
    WHERE g.nature IN ('usage', 'unused')
)

SELECT
    unit,
    CASE COUNT(DISTINCT chip) WHEN 0 THEN '-' WHEN 1 THEN MAX(chip) ELSE 'mixed' END AS chip,
    CASE COUNT(DISTINCT source_label)
        WHEN 0 THEN CASE WHEN COUNT(DISTINCT provider) = 1 THEN MAX(provider) ELSE 'mixed' END
        WHEN 1 THEN MAX(source_label)
        ELSE CASE WHEN COUNT(DISTINCT CASE WHEN source_label IS NOT NULL THEN provider END) = 1
            THEN CONCAT(MAX(CASE WHEN source_label IS NOT NULL THEN provider END), '/mixed') ELSE 'mixed' END
    END AS source_label
FROM used
GROUP BY unit
