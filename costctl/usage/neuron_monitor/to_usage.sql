-- Reports of neuron-monitor to accelerator gauges. Grain: one row per report, runtime and NeuronCore; percent become ratios.
SELECT
    file_no, record_no, instant(time) AS ts, 'busy' AS measure, 'ratio' AS unit, shifted(quantity(value), 2) AS value,
    instance AS resource_id, core AS device, machine AS chip, tag AS workload
FROM records
