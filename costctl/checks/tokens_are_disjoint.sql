-- Token classes are of the closed list, each stands once per record and is not negative, so that a sum never counts twice.
-- Grain: one row per record and class that breaks it.
SELECT delivery_id, file_no, record_no, part_no, token_class, COUNT(*) AS times, MIN(tokens) AS smallest
FROM token_quantity
GROUP BY delivery_id, file_no, record_no, part_no, token_class
HAVING COUNT(*) > 1 OR MIN(tokens) < 0 OR token_class NOT IN (
    'input.uncached', 'input.cache_read', 'input.cache_write.5m', 'input.cache_write.30m', 'input.cache_write.1h', 'input.cache_write.12h',
    'input.cache_write.unspecified', 'input.tool_use', 'input.unsplit', 'output.visible', 'output.reasoning', 'output.unsplit', 'output.rejected_prediction'
)
