-- Data points of Bedrock's CloudWatch metrics to token usage. Grain: one row per metric, its dimensions and minute: one token class, or requests.
-- AWS counts the input of AWS/Bedrock without what was read from a cache and written to one; of mantle's it does not say.
SELECT
    file_no, record_no, unix_time(stamped) AS ts_start, unix_time(stamped) + INTERVAL 1 MINUTE AS ts_end, 'aws.bedrock' AS provider, account AS billing_account, region,
    COALESCE(model_id, model) AS model_raw, CASE WHEN starts_with(model_id, 'arn:') AND NOT contains(model_id, ':foundation-model/') THEN model_id END AS deployment, project,
    CASE WHEN regexp_matches(COALESCE(model_id, model), '(?i)embed') THEN 'embed' WHEN regexp_matches(COALESCE(model_id, model), '(?i)rerank') THEN 'rerank' ELSE 'generate' END AS task,
    bedrock_outcome(metric) AS outcome, CASE WHEN bedrock_class(metric) IS NULL THEN whole(counted) END AS requests,
    CASE namespace WHEN 'AWS/Bedrock' THEN 'exclusive' ELSE 'unsplit' END AS convention, 'declared' AS convention_proof,
    key_of([account, region, namespace, COALESCE(bedrock_class(metric), metric), model_id, project, model, stamped]) AS natural_key,
    CASE WHEN bedrock_class(metric) IS NOT NULL THEN [{'token_class': bedrock_class(metric), 'tokens': whole(counted)}] ELSE [] END AS quantities
FROM records
