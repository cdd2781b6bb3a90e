-- Row accounting: the records read from a file are those kept, set aside, and left out by a named rule; and the named ones are there.
-- Grain: one row per file where they are not.
WITH aside AS (
    SELECT delivery_id, file_no, COUNT(DISTINCT record_no) AS records
    FROM quarantine
    GROUP BY delivery_id, file_no
),

excluded AS (
    SELECT delivery_id, file_no, SUM(CAST(records AS DECIMAL(38, 0))) AS records
    FROM exclusions
    GROUP BY delivery_id, file_no
)

SELECT f.delivery_id, f.file_no, f.name, f.records, f.kept, f.quarantined, f.excluded
FROM delivery_files AS f
LEFT JOIN aside AS a ON a.delivery_id = f.delivery_id AND a.file_no = f.file_no
LEFT JOIN excluded AS e ON e.delivery_id = f.delivery_id AND e.file_no = f.file_no
WHERE f.records <> f.kept + f.quarantined + f.excluded
    OR f.quarantined <> COALESCE(a.records, CAST(0 AS BIGINT))
    OR CAST(f.excluded AS DECIMAL(38, 0)) <> COALESCE(e.records, CAST(0 AS DECIMAL(38, 0)))
