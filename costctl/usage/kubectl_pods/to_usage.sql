-- Pods as kubectl lists them to accelerator usage. Grain: one row per pod. What has ended did so with its last container, what has not
-- lasts until the list was taken.
WITH read AS (
    SELECT
        *, regexp_extract(file_name, '[^/]*$') AS file,
        CAST(NULLIF(regexp_replace(
            regexp_extract(file, '20\d\d-?\d\d-?\d\d[T_]\d\d[:-]?\d\d[:-]?\d\dZ'),
            '(\d{4})-?(\d\d)-?(\d\d)[T_](\d\d)[:-]?(\d\d)[:-]?(\d\d)Z', '\1-\2-\3 \4:\5:\6'
        ), '') AS TIMESTAMP) AS taken,
        phase IN ('Succeeded', 'Failed') AS is_over,
        list_max(list_transform(json_extract_string(statuses, '$[*].state.terminated.finishedAt'), lambda x: instant(x))) AS ended,
        list_transform([containers, COALESCE(starters, '[]')], lambda list: list_transform(
            list_transform(json_extract(list, '$[*].resources.requests'), lambda x:
                COALESCE(x ->> '$."nvidia.com/gpu"', x ->> '$."amd.com/gpu"', x ->> '$."google.com/tpu"', x ->> '$."aws.amazon.com/neuron"', x ->> '$."habana.ai/gaudi"')),
            lambda text: CASE WHEN regexp_full_match(text, '\d{1,9}') THEN CAST(text AS BIGINT) ELSE 0 END
        )) AS held
    FROM records
)

SELECT
    file_no, record_no, instant(started) AS ts_start,
    CASE
        WHEN is_over THEN ended
        WHEN taken IS NOT NULL THEN taken
        ELSE CAST(error('a pod that runs, until when is not told: name the file by the moment it was taken, such as pods-20261001T000000Z.json, not ' || file) AS TIMESTAMP)
    END AS ts_end,
    node AS resource_id, namespace, pod AS workload, CAST(GREATEST(list_sum(held[1]), COALESCE(list_max(held[2]), 0)) AS DECIMAL(18, 6)) AS chips,
    COALESCE(
        CASE WHEN lower(entry(labels, 'chip_state')) IN ('serving', 'training', 'startup', 'idle', 'maintenance') THEN lower(entry(labels, 'chip_state')) END,
        CASE WHEN regexp_matches(owners, '"kind": ?"[A-Za-z]*Job(Set)?"') THEN 'training' END, 'serving'
    ) AS state,
    entry(labels, 'team') AS team_raw, entry(labels, 'model') AS model_raw, key_of([uid, namespace, pod, started]) AS natural_key,
    CASE
        WHEN list_sum(held[1]) + COALESCE(list_max(held[2]), 0) = 0 THEN 'requests no whole number of chips above 0'
        WHEN is_over AND ended IS NULL THEN 'ended at a moment that is not told'
        WHEN is_over AND ended <= instant(started) THEN 'ended as it started'
    END AS x_excluded
FROM read
