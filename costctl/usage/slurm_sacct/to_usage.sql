-- Slurm jobs to accelerator usage. Grain: one row per run of a job. Typed and untyped GPUs are listed both
-- (gres/gpu=8,gres/gpu:h100=8): the untyped are all of them, and only where there are none the typed ones are added.
WITH held AS (
    SELECT
        *, list_filter(regexp_extract_all(tres, '(?:^|,)gres/gpu(?::[^=,]+)?=([^,]*)', 1), lambda x: NOT regexp_full_match(x, '\d{1,9}')) AS odd,
        TRY_CAST(NULLIF(regexp_extract(tres, '(?:^|,)gres/gpu=(\d+)', 1), '') AS BIGINT) AS untyped,
        list_sum(list_transform(regexp_extract_all(tres, '(?:^|,)gres/gpu:[^=,]+=(\d+)', 1), lambda x: CAST(x AS BIGINT))) AS typed,
        list_distinct(regexp_extract_all(tres, '(?:^|,)gres/gpu:([^=,]+)=', 1)) AS kinds
    FROM records
)

SELECT
    file_no, record_no, instant(started) AS ts_start, instant(ended) AS ts_end,
    CASE WHEN NOT regexp_matches(nodes, '[\[,]') THEN nodes END AS resource_id, cluster, partition AS namespace, job AS workload,
    CASE WHEN len(kinds) = 1 THEN lower(kinds[1]) END AS chip,
    CAST(CASE
        WHEN len(odd) = 0 THEN COALESCE(untyped, typed)
        ELSE CAST(error('AllocTRES counts GPUs in no whole number: ask sacct with --noconvert, not ' || odd[1]) AS BIGINT)
    END AS DECIMAL(18, 6)) AS chips,
    'training' AS state, account AS team_raw, key_of([cluster, job, started]) AS natural_key
FROM held
