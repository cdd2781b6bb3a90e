-- What part of each charge is in which group: all of it, or what its seconds are of the charge's where a rule or a team changes within.
-- Grain: one row per charge and part; a part without a group is others', and there because the largest part takes the rest.
SELECT c.charge, x.billing_period, x.group_id, x.part_start, x.part_end, CAST(1 AS BIGINT) AS weight
FROM packed_charges AS c
INNER JOIN explained_charges AS x ON x.delivery_id = c.delivery_id AND x.file_no = c.file_no AND x.record_no = c.record AND x.part_no = c.part
WHERE x.part_start IS NULL
UNION ALL
SELECT c.charge, p.billing_period, x.group_id, p.part_start, p.part_end, DATE_DIFF('second', p.part_start, p.part_end)
FROM packed_charges AS c
INNER JOIN charge_parts AS p ON p.delivery_id = c.delivery_id AND p.file_no = c.file_no AND p.record_no = c.record AND p.part_no = c.part
LEFT JOIN explained_charges AS x ON x.delivery_id = p.delivery_id AND x.file_no = p.file_no AND x.record_no = p.record_no AND x.part_no = p.part_no AND x.part_start = p.part_start
