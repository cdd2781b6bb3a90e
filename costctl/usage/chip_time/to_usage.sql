-- Chip time to accelerator usage. Grain: one row per record.
SELECT
    file_no, record_no, pool, resource_id,
    instant(ts_start) AS ts_start, instant(ts_end) AS ts_end,
    chips(chips) AS chips,
    chip_state(state) AS state, team_raw, model_raw,
    CASE WHEN id IS NOT NULL THEN key_of([id]) END AS natural_key
FROM records
