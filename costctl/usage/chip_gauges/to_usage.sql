-- Gauges of accelerators to accelerator gauges. Grain: one row per sample. `places` is how far the point moves to the left, from percent
-- and from thousandths. What is measured for the pod that holds a chip has its labels, under other names where the scraper kept its own.
WITH families(pattern, measure, unit, places) AS (
    VALUES
        ('DCGM_FI_DEV_GPU_UTIL', 'busy', 'ratio', 2),
        ('DCGM_FI_DEV_POWER_USAGE', 'power', 'W', 0),
        ('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', 'energy', 'J', 3),
        ('DCGM_FI_DEV_FB_USED', 'memory_used', 'MiB', 0),
        ('DCGM_FI_DEV_FB_FREE', 'memory_free', 'MiB', 0),
        ('DCGM_FI_PROF_(GR_ENGINE|SM)_ACTIVE', 'busy', 'ratio', 0),
        ('DCGM_FI_PROF_PIPE_TENSOR_ACTIVE', 'tensor_busy', 'ratio', 0),
        ('DCGM_FI_PROF_DRAM_ACTIVE', 'memory_busy', 'ratio', 0),
        ('neuroncore_utilization_ratio', 'busy', 'ratio', 0),
        ('(kubernetes_io:(node|container)_accelerator_)?duty_cycle(_node)?', 'busy', 'ratio', 2),
        ('(kubernetes_io:(node|container)_accelerator_)?tensorcore_utilization(_node)?', 'tensor_busy', 'ratio', 2),
        ('(kubernetes_io:(node|container)_accelerator_)?memory_bandwidth_utilization(_node)?', 'memory_busy', 'ratio', 2),
        ('(kubernetes_io:(node|container)_accelerator_)?memory_used(_node)?', 'memory_used', 'bytes', 0)
)

SELECT
    n.file_no, n.record_no, instant(n.time) AS ts,
    f.measure, replace(f.unit, 'bytes', 'MiB') AS unit,
    CASE
        WHEN f.unit = 'bytes' THEN CAST(CAST(quantity(n.value) AS DECIMAL(18, 0)) * CAST('0.00000095367431640625' AS DECIMAL(20, 20)) AS DECIMAL(38, 18))
        WHEN f.places = 0 THEN quantity(n.value)
        ELSE shifted(quantity(n.value), f.places)
    END AS value,
    COALESCE(label(n.labels, 'Hostname'), label(n.labels, 'node'), label(n.labels, 'node_name'), label(n.labels, 'instance_id'), label(n.labels, 'instance'), NULLIF(n.target, '')) AS resource_id,
    COALESCE(
        label(n.labels, 'UUID') || COALESCE('/' || label(n.labels, 'GPU_I_ID'), ''), label(n.labels, 'neuroncore'), label(n.labels, 'accelerator_id'), label(n.labels, 'gpu')
    ) AS device,
    COALESCE(
        label(n.labels, 'modelName') || COALESCE(' ' || label(n.labels, 'GPU_I_PROFILE'), ''), label(n.labels, 'instance_type'),
        CASE WHEN n.name NOT LIKE 'DCGM%' THEN label(n.labels, 'model') END
    ) AS chip,
    COALESCE(label(n.labels, 'cluster'), label(n.labels, 'cluster_name')) AS cluster,
    COALESCE(label(n.labels, 'exported_namespace'), label(n.labels, 'namespace'), label(n.labels, 'namespace_name')) AS namespace,
    COALESCE(label(n.labels, 'exported_pod'), label(n.labels, 'pod'), label(n.labels, 'pod_name')) AS workload
FROM records AS n
JOIN families AS f ON regexp_full_match(n.name, f.pattern)
