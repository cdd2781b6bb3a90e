-- The days whose token counts a billing period needs: its calendar month, and the days that its bills charge; of bought tokens only those that they charge.
-- Grain: one row.
WITH slots AS (
    SELECT
        x_token_class, CAST(slot_start AS DATE) AS first_day,
        CAST(CAST(slot_end + INTERVAL '86399999999' MICROSECOND AS TIMESTAMP) AS DATE) AS end_day     -- the day after the last that it touches
    FROM attributed_groups
)

SELECT
    LEAST($billing_period, COALESCE(MIN(first_day), $billing_period)) AS first_day,
    GREATEST($billing_period_end, COALESCE(MAX(end_day), $billing_period_end)) AS end_day,
    LEAST($billing_period, COALESCE(MIN(CASE WHEN x_token_class IS NOT NULL THEN first_day END), $billing_period)) AS bought_from,
    GREATEST($billing_period_end, COALESCE(MAX(CASE WHEN x_token_class IS NOT NULL THEN end_day END), $billing_period_end)) AS bought_until
FROM slots
