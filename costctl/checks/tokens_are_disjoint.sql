-- Token classes are of the closed list, each stands once per record and is not negative, so that a sum never counts twice.
-- Grain: one row per record and class that breaks it. Deliveries and classes are numbered first: there may be tens of millions of rows, and to
-- tell them apart by numbers takes six tenths of what it takes by texts.
-- Of: usage
WITH delivered AS (
    SELECT delivery_id, ROW_NUMBER() OVER (ORDER BY delivery_id) AS delivery
    FROM (SELECT DISTINCT delivery_id FROM token_quantity) AS q
),

classes AS (
    SELECT
        token_class, ROW_NUMBER() OVER (ORDER BY token_class) AS class_no,
        token_class IN (
            'input.uncached', 'input.cache_read', 'input.cache_write.5m', 'input.cache_write.30m', 'input.cache_write.1h', 'input.cache_write.12h',
            'input.cache_write.unspecified', 'input.tool_use', 'input.unsplit', 'output.visible', 'output.reasoning', 'output.unsplit', 'output.rejected_prediction'
        ) AS is_known
    FROM (SELECT DISTINCT token_class FROM token_quantity) AS q
),

broken AS (
    SELECT d.delivery, q.file_no, q.record_no, q.part_no, c.class_no, COUNT(*) AS times, MIN(q.tokens) AS smallest
    FROM token_quantity AS q
    INNER JOIN delivered AS d ON d.delivery_id = q.delivery_id
    INNER JOIN classes AS c ON c.token_class = q.token_class
    GROUP BY d.delivery, q.file_no, q.record_no, q.part_no, c.class_no, c.is_known
    HAVING COUNT(*) > 1 OR MIN(q.tokens) < 0 OR NOT c.is_known
)

SELECT d.delivery_id, b.file_no, b.record_no, b.part_no, c.token_class, b.times, b.smallest
FROM broken AS b
INNER JOIN delivered AS d ON d.delivery = b.delivery
INNER JOIN classes AS c ON c.class_no = b.class_no
