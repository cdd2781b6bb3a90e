-- OpenCost allocations to accelerator usage. Grain: one row per allocation of a window. The chips are its GPU-hours over its hours, in
-- whole numbers throughout, half up; its own count of them where that comes to the same hours, as they are rounded.
WITH lasted AS (
    SELECT
        *, date_diff('microsecond', instant(started), instant(ended)) AS microseconds,
        CAST(CAST(chips(gpu_hours) AS DECIMAL(18, 6)) * 1000000 AS HUGEINT) * 3600000000 AS paid,
        CAST(TRY_CAST(quantity(gpu_count) AS DECIMAL(18, 6)) * 1000000 AS HUGEINT) AS told,
        contains(name, '__idle__') AS is_idle, lower(COALESCE(entry(labels, 'chip_state'), '')) AS said, COALESCE(lower(controller_kind), '') AS kind
    FROM records
)

SELECT
    file_no, record_no, instant(started) AS ts_start, instant(ended) AS ts_end,
    node AS resource_id, cluster, CASE WHEN NOT starts_with(namespace, '__') THEN namespace END AS namespace,
    CASE WHEN NOT is_idle THEN COALESCE(pod || COALESCE('/' || container, ''), controller, name) END AS workload,
    CAST(CAST(
        CASE WHEN abs(told * microseconds - paid) <= 5 * 3600000000 THEN told ELSE (paid + microseconds // 2) // microseconds END AS DECIMAL(24, 0)
    ) * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(18, 6)) AS chips,
    CASE
        WHEN is_idle THEN 'idle'
        WHEN said IN ('serving', 'training', 'startup', 'idle', 'maintenance') THEN said
        WHEN kind IN ('job', 'pytorchjob', 'mpijob', 'trainjob', 'rayjob', 'jobset') THEN 'training'
        ELSE 'serving'
    END AS state,
    COALESCE(entry(labels, 'team'), entry(namespace_labels, 'team')) AS team_raw, COALESCE(entry(labels, 'model'), entry(namespace_labels, 'model')) AS model_raw,
    key_of([cluster, node, name, started]) AS natural_key,
    CASE WHEN paid * 2 < microseconds THEN 'less than a millionth of a chip' END AS x_excluded
FROM lasted
