-- The records of a source that do not count, because another of the same key does: of buckets the one of the file that goes further,
-- then the one that says more, then the first by its file's content. Nothing here depends on the order in which they came.
-- Grain: one row per record that does not count; the day of one that does may be replaced without its own (by_another_day).
-- {table}, {said} and {size} are those of the kind of usage.
WITH mine AS (
    SELECT usage_key FROM ledger.{table} WHERE delivery_id = $id AND usage_key IS NOT NULL
    UNION
    SELECT usage_key FROM temp.counting_again
),

several AS (
    SELECT usage_key
    FROM ledger.{table}
    WHERE source = $source AND usage_key IN (SELECT usage_key FROM mine)
    GROUP BY usage_key
    HAVING count(*) > 1
),

held AS (
    SELECT u.delivery_id, u.file_no, u.record_no, u.usage_key, CAST(u.ts_start AS DATE) AS day, {said} AS said, {size} AS size, f.reach, f.sha256
    FROM ledger.{table} AS u
    JOIN several USING (usage_key)
    JOIN ledger.delivery_files AS f USING (delivery_id, file_no)
    WHERE u.source = $source
),

placed AS (
    SELECT *, row_number() OVER best AS place, first_value(said) OVER best AS winner, first_value(day) OVER best AS winning_day
    FROM held
    WINDOW best AS (PARTITION BY usage_key ORDER BY reach DESC, size DESC, sha256, record_no)
)

SELECT delivery_id, file_no, record_no, CASE WHEN said = winner THEN $repeated ELSE $outdone END AS rule, day, day <> winning_day AS by_another_day
FROM placed
WHERE place > 1
