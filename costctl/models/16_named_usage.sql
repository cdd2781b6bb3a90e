-- The usage records of the days that the period needs, with the names they are attributed to, and whether they drive money.
-- Grain: one row per usage record. Its time goes from ts_start to ts_last, the last instant within it; is_bought tells those of a provider on the
-- days of the calendar month, or of tokens that the period's bills charge. There may be tens of millions: they are read where they are needed.
-- Inlined: yes
SELECT
    c.day, c.provider, c.channel, c.pool, c.by_hour, COALESCE(a.model, CASE WHEN c.provider = 'self' THEN LOWER(TRIM(u.model_raw)) END, 'unknown') AS model,
    COALESCE(a.model, LOWER(TRIM(u.model_raw)), 'unknown') AS bought_model, LOWER(TRIM(u.region)) AS region, a.route,
    COALESCE(LOWER(TRIM(u.service_tier)), CASE WHEN LOWER(TRIM(u.model_raw)) LIKE '%-fast' AND a.model NOT LIKE '%-fast' THEN 'fast' END, 'standard') AS service_tier,
    o.team, CASE WHEN o.team IS NULL THEN o.owner END AS unknown_owner, COALESCE(o.rule_purpose, LOWER(TRIM(u.purpose)), o.alias_purpose, 'unknown') AS purpose,
    u.task, u.outcome, u.requests, c.provider <> 'self' AND c.day >= s.bought_from AND c.day < s.bought_until AS is_bought,
    u.ts_start, GREATEST(u.ts_start, CAST(u.ts_end - INTERVAL '1' MICROSECOND AS TIMESTAMP)) AS ts_last,
    u.source, u.evidence_role, c.drives, COALESCE(u.flags LIKE '%estimated%' OR u.flags LIKE '%sampled%', FALSE) AS is_estimated, c.spilled, c.pool_raw, c.deployment, c.namespace, r.reach_no, u.delivery_id, u.file_no, u.record_no, u.part_no
FROM token_usage AS u
CROSS JOIN usage_span AS s
INNER JOIN usage_reach AS r ON r.delivery_id = u.delivery_id AND r.file_no = u.file_no AND r.first_record <= u.record_no AND u.record_no <= r.last_record
INNER JOIN usage_scopes AS c ON c.day = CAST(u.ts_start AS DATE) AND c.source = u.source AND c.evidence_role = u.evidence_role AND c.provider_raw = u.provider
    AND c.pool_raw IS NOT DISTINCT FROM u.pool AND c.deployment IS NOT DISTINCT FROM u.deployment AND c.namespace IS NOT DISTINCT FROM u.namespace
    AND c.spilled = (CONCAT(' ', u.flags, ' ') LIKE '% spillover %')
INNER JOIN token_owners AS o ON o.source = u.source AND o.provider = u.provider AND o.team_raw IS NOT DISTINCT FROM u.team_raw
    AND o.api_key IS NOT DISTINCT FROM u.api_key AND o.project IS NOT DISTINCT FROM u.project AND o.namespace IS NOT DISTINCT FROM u.namespace
    AND o.principal IS NOT DISTINCT FROM u.principal AND o.deployment IS NOT DISTINCT FROM u.deployment
    AND o.valid_from <= CAST(u.ts_start AS DATE) AND CAST(u.ts_start AS DATE) < o.valid_to
LEFT JOIN model_names AS a ON a.billing_period = s.billing_period AND a.raw = LOWER(TRIM(u.model_raw)) AND CAST(u.ts_start AS DATE) >= a.valid_from AND CAST(u.ts_start AS DATE) < a.valid_to
