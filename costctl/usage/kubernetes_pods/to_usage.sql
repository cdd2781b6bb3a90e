-- Kubernetes pods to accelerator usage. Grain: one row per pod and start.
SELECT
    file_no, record_no, instant(ts_start) AS ts_start, instant(ts_end) AS ts_end, node AS resource_id, cluster, namespace, pod AS workload, chip,
    chips(chips) AS chips, COALESCE(chip_state(state), chip_state(entry(labels, 'chip_state')), 'serving') AS state,
    COALESCE(team_raw, entry(labels, 'team')) AS team_raw, COALESCE(model_raw, entry(labels, 'model')) AS model_raw,
    key_of([cluster, namespace, pod, ts_start]) AS natural_key
FROM records
