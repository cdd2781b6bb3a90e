-- Which records of which file have usage of the days that the period needs: what is stored by record is read by these, and told apart by a number and not by texts.
-- Grain: one row per delivery and file, numbered.
-- Empty without: token_usage
SELECT
    ROW_NUMBER() OVER (ORDER BY u.delivery_id, u.file_no) AS reach_no, u.delivery_id, u.file_no, MIN(u.record_no) AS first_record, MAX(u.record_no) AS last_record
FROM token_usage AS u
CROSS JOIN usage_span AS s
WHERE u.ts_start >= CAST(s.first_day AS TIMESTAMP) AND u.ts_start < CAST(s.end_day AS TIMESTAMP)
GROUP BY u.delivery_id, u.file_no
