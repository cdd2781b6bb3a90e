-- The tokens that were counted in the time of a group of bought ones, in its pool or outside all, at their cards: what model card_costs takes
-- the average of. Grain: one row per card, price and reason of the group's provider, model and token class.
SELECT
    r.card, r.layer, r.price_per_million, r.currency, r.bought_model AS model, r.token_class, CAST(SUM(r.tokens) AS BIGINT) AS tokens,
    SUM(r.rate_cost) AS rate_cost, r.is_estimate, r.reason
FROM charge_groups AS g
LEFT JOIN model_names AS n ON n.billing_period = g.billing_period AND n.raw = LOWER(TRIM(g.x_model_raw))
    AND CAST(g.slot_start AS DATE) >= n.valid_from AND CAST(g.slot_start AS DATE) < n.valid_to
INNER JOIN rated_tokens AS r ON r.provider = g.provider AND r.bought_model = COALESCE(n.model, LOWER(TRIM(g.x_model_raw)), 'unknown')
    AND r.token_class = g.x_token_class AND r.pool = COALESCE(g.pool, 'api') AND r.tokens > 0
    AND r.day >= CAST(g.slot_start AS DATE) AND CAST(r.day AS TIMESTAMP) < g.slot_end
WHERE g.billing_period = $period AND g.group_id = $group
GROUP BY ALL
ORDER BY tokens DESC, r.card, r.reason
