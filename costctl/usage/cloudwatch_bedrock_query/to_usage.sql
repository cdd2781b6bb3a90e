-- What get-metric-data answers of Bedrock's metrics to token usage. Grain: one row per metric, its dimensions and period: one token class, or requests.
-- AWS counts the input of AWS/Bedrock without what was read from a cache and written to one; of mantle's it does not say.
WITH labelled AS (
    SELECT
        *, instant(stamped) AS started, label_word(metric_label(label), 'namespace') AS namespace, label_word(label, 'metric') AS metric, CAST(label_word(label, 'period') AS INTEGER) AS seconds,
        label_word(label, 'account') AS account, label_word(label, 'region') AS region, label_word(label, 'model') AS model, label_word(label, 'project') AS project
    FROM records
)

SELECT
    file_no, record_no, started AS ts_start, started + to_seconds(seconds) AS ts_end, 'aws.bedrock' AS provider, account AS billing_account, region,
    model AS model_raw, CASE WHEN starts_with(model, 'arn:') AND NOT contains(model, ':foundation-model/') THEN model END AS deployment, project,
    CASE WHEN regexp_matches(model, '(?i)embed') THEN 'embed' WHEN regexp_matches(model, '(?i)rerank') THEN 'rerank' ELSE 'generate' END AS task,
    bedrock_outcome(metric) AS outcome, CASE WHEN bedrock_class(metric) IS NULL THEN whole(counted) END AS requests,
    CASE namespace WHEN 'AWS/Bedrock' THEN 'exclusive' ELSE 'unsplit' END AS convention, 'declared' AS convention_proof,
    words([CASE WHEN state <> 'Complete' THEN 'incomplete' END]) AS flags,
    key_of([account, region, namespace, COALESCE(bedrock_class(metric), metric), model, project, CAST(started AS VARCHAR), CAST(seconds AS VARCHAR)]) AS natural_key,
    CASE WHEN bedrock_class(metric) IS NOT NULL THEN [{'token_class': bedrock_class(metric), 'tokens': whole(counted)}] ELSE [] END AS quantities
FROM labelled
