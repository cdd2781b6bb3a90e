-- The rules that took those charges: in their order the first that matches wins; 0 is none.
-- Grain: one row per rule.
SELECT DISTINCT g.rule AS ordinal, COALESCE(r.name, 'none applies: unallocated') AS name, COALESCE(r.definition, '{}') AS definition, $rule_set AS rule_set
FROM packed_charge_groups AS g
LEFT JOIN rule_sets AS r ON r.ordinal = g.rule AND r.rule_set = $rule_set
