-- What the counters of a source counted, by the hour, from the samples taken of them; of the whole days from $since to before $until.
-- A step is what a counter grew by from one sample to the next. A value below the last one, or a later beginning, is a counter that began anew: it grew
-- by its value. The first sample of a series is where counting begins, unless it says since when it counts; where that is long ago it is a gap, as
-- if it had stood at 0 then and nobody had looked since. A step over several hours is split by time, in whole tokens. Nothing is made up for what was
-- counted between the last sample and a restart: how much it may be is said.

-- Grain: one row per series and day that counts. Of a model's tokens counted by a frontend and by its workers, of one namespace, the
-- frontend's count; of the families of one worker that say the same the best.
CREATE OR REPLACE TEMP TABLE counter_choices AS
WITH seen AS (
    SELECT DISTINCT series, worker, counts, layer, family_rank, COALESCE(model_raw, '') AS name, COALESCE(namespace, '') AS place, CAST(ts AS DATE) AS day
    FROM ledger.counter_samples
    WHERE source = $source AND ts >= $since AND ts < $until
),

layers AS (SELECT name, place, counts, day, min(layer) AS layer FROM seen GROUP BY ALL),

families AS (SELECT worker, counts, day, layer, min(family_rank) AS family_rank FROM seen GROUP BY ALL)

SELECT s.series, s.day
FROM seen AS s
SEMI JOIN layers USING (name, place, counts, day, layer)
SEMI JOIN families USING (worker, counts, day, layer, family_rank);

-- Grain: one row per worker, what it counts, and day of which something was sampled.
CREATE OR REPLACE TEMP TABLE counter_days AS
SELECT DISTINCT worker, counts, CAST(ts AS DATE) AS day FROM ledger.counter_samples WHERE source = $source AND ts >= $since AND ts < $until;

-- Grain: one row per sample, with its step. Of several that scrape one counter the one with the most samples of a day counts.
CREATE OR REPLACE TEMP TABLE counter_steps AS
WITH edges AS (
    SELECT series, max(ts) FILTER (WHERE ts < $since) AS before, min(ts) FILTER (WHERE ts >= $until) AS behind
    FROM ledger.counter_samples
    WHERE source = $source
    GROUP BY series
),

days AS (    -- of the samples before and behind, so that what is chosen of a day never depends on how it is asked for
    SELECT CAST(before AS DATE) AS day FROM edges UNION SELECT CAST(behind AS DATE) FROM edges
),

seen AS (
    SELECT *, CAST(ts AS DATE) AS day
    FROM ledger.counter_samples
    WHERE source = $source AND (ts >= $since AND ts < $until OR CAST(ts AS DATE) IN (SELECT day FROM days))
),

scrapers AS (
    SELECT series, day, scraped_by
    FROM seen
    GROUP BY series, day, scraped_by
    QUALIFY row_number() OVER (PARTITION BY series, day ORDER BY count(DISTINCT ts) DESC, scraped_by) = 1
),

samples AS (
    SELECT s.*
    FROM seen AS s
    SEMI JOIN scrapers USING (series, day, scraped_by)
    QUALIFY row_number() OVER (PARTITION BY s.series, s.ts ORDER BY s.delivery_id, s.file_no, s.record_no) = 1
),

following AS (     -- of every series, so that no step reaches over a day on which another one counts
    SELECT *, lag(ts) OVER one AS last_ts, lag(value) OVER one AS last_value
    FROM samples
    WINDOW one AS (PARTITION BY series ORDER BY ts)
),

steps AS (
    SELECT
        *,
        CASE
            WHEN is_delta THEN 'delta'
            WHEN last_ts IS NULL THEN 'first'
            WHEN value < last_value OR started > last_ts THEN 'reset'
            ELSE 'step'
        END AS kind
    FROM following
),

usual AS (
    SELECT
        series, quantile_disc(date_diff('second', last_ts, ts), 0.5) AS seconds,
        max(CASE WHEN kind = 'step' THEN (value - last_value) / date_diff('microsecond', last_ts, ts) END) AS fastest,
        CASE WHEN count(*) FILTER (WHERE kind = 'step') > 1 THEN quantile_disc((value - last_value) / date_diff('microsecond', last_ts, ts), 0.5) FILTER (WHERE kind = 'step') ELSE 0 END AS rate
    FROM steps
    WHERE last_ts IS NOT NULL
    GROUP BY series
),

grown AS (
    SELECT
        s.*, CASE s.kind WHEN 'step' THEN s.value - s.last_value WHEN 'first' THEN CASE WHEN s.started < s.ts THEN s.value ELSE 0 END ELSE s.value END AS grew,
        c.series IS NOT NULL AS is_chosen
    FROM steps AS s
    LEFT JOIN temp.counter_choices AS c ON c.series = s.series AND c.day = s.day
)

SELECT
    s.*,
    sum(s.grew) FILTER (WHERE s.counts = 'input' AND s.is_chosen) OVER scrape
    = sum(s.grew) FILTER (WHERE s.counts = 'input.uncached' AND s.is_chosen) OVER scrape
    + COALESCE(sum(s.grew) FILTER (WHERE s.counts IN ('input.cache_read', 'input.cache_write') AND s.is_chosen) OVER scrape, 0)
    AND COALESCE(sum(s.grew) FILTER (WHERE s.counts = 'input.unsplit' AND s.is_chosen) OVER scrape, 0) = 0 AS adds_up,
    CASE WHEN s.kind IN ('delta', 'first') THEN LEAST(s.started, s.ts) WHEN s.kind = 'reset' THEN GREATEST(s.started, s.last_ts) ELSE s.last_ts END AS since,
    s.kind IN ('step', 'reset') AND date_diff('second', s.last_ts, s.ts) > 5 * u.seconds
    OR s.kind = 'first' AND s.grew > 0 AND date_diff('second', s.started, s.ts) > GREATEST(5 * u.seconds, 3600) AS is_gap,
    s.kind = 'step' AND s.grew / date_diff('microsecond', s.last_ts, s.ts) > GREATEST(1000 * u.rate, 1) AS is_jump,     -- a million a second
    CASE WHEN s.kind = 'reset' THEN CAST(ceil(u.fastest * date_diff('microsecond', s.last_ts, CASE WHEN s.started > s.last_ts THEN s.started ELSE s.ts END)) AS BIGINT) END AS at_most
FROM grown AS s
LEFT JOIN usual AS u USING (series)
WINDOW scrape AS (PARTITION BY s.worker, s.ts);

-- Grain: one row per step that counts and hour that it touches, in the order of the hours. A day of which nothing was sampled is of all.
CREATE OR REPLACE TEMP TABLE counter_parts AS
WITH long AS (
    SELECT *, unnest(generate_series(date_trunc('hour', since), ts - INTERVAL 1 MICROSECOND, INTERVAL 1 HOUR)) AS hour
    FROM temp.counter_steps
    WHERE since < ts
),

cut AS (
    SELECT
        * EXCLUDE (grew), CAST(date_diff('hour', date_trunc('hour', since), hour) AS INTEGER) + 1 AS part_no,
        CAST(grew AS HUGEINT) * date_diff('microsecond', since, LEAST(ts, hour + INTERVAL 1 HOUR)) // date_diff('microsecond', since, ts) AS until_then,
        CAST(grew AS HUGEINT) * date_diff('microsecond', since, GREATEST(since, hour)) // date_diff('microsecond', since, ts) AS until_before
    FROM long
)

SELECT p.* EXCLUDE (until_then, until_before), CAST(p.until_then - p.until_before AS BIGINT) AS tokens
FROM cut AS p
LEFT JOIN temp.counter_choices AS c ON c.series = p.series AND c.day = CAST(p.hour AS DATE)
LEFT JOIN temp.counter_days AS d ON d.worker = p.worker AND d.counts = p.counts AND d.day = CAST(p.hour AS DATE)
WHERE p.hour >= $since AND p.hour < $until AND (c.series IS NOT NULL OR d.day IS NULL AND p.is_chosen)
UNION ALL BY NAME
SELECT * EXCLUDE (grew), date_trunc('hour', ts) AS hour, 1 AS part_no, grew AS tokens
FROM temp.counter_steps
WHERE (since = ts OR since IS NULL) AND kind = 'delta' AND is_chosen AND ts >= $since AND ts < $until;

-- Grain: one row per hour and everything that counters are labelled with; it stands under the last sample of the hour.
CREATE OR REPLACE TEMP TABLE counted_hours AS
WITH summed AS (
    SELECT
        evidence_role, hour, provider, region, model_raw, deployment, pool, chip, team_raw, api_key, project, namespace, principal, task, outcome,
        max({'ts': ts, 'delivery_id': delivery_id, 'file_no': file_no, 'record_no': record_no, 'part_no': part_no}) AS place,
        CAST(COALESCE(
            sum(tokens) FILTER (WHERE counts = 'input'),
            CASE WHEN bool_or(counts IN ('input.uncached', 'input.unsplit')) THEN sum(tokens) FILTER (WHERE starts_with(counts, 'input.')) END
        ) AS BIGINT) AS input,     -- the sources of the prompts are the whole where nothing else is
        CAST(sum(tokens) FILTER (WHERE counts = 'input.cache_read') AS BIGINT) AS read, CAST(sum(tokens) FILTER (WHERE counts = 'input.cache_write') AS BIGINT) AS written,
        CAST(sum(tokens) FILTER (WHERE counts = 'output') AS BIGINT) AS output, CAST(sum(tokens) FILTER (WHERE counts = 'output.reasoning') AS BIGINT) AS reasoning,
        CAST(sum(tokens) FILTER (WHERE counts = 'requests') AS BIGINT) AS requests,
        bool_and(adds_up) AS adds_up, bool_or(kind = 'reset') AS has_reset, bool_or(is_gap) AS has_gap, bool_or(is_jump) AS has_jump
    FROM temp.counter_parts
    GROUP BY ALL
),

judged AS (
    SELECT
        *,
        CASE
            WHEN adds_up IS NOT NULL THEN {'convention': 'inclusive', 'proof': CASE WHEN adds_up THEN 'proved' ELSE 'contradicted' END}
            WHEN read IS NULL AND written IS NULL THEN {'convention': 'unsplit', 'proof': 'declared'}
            ELSE inclusion('inclusive', input, COALESCE(read, 0) + COALESCE(written, 0), NULL, NULL)
        END AS verdict
    FROM summed
)

SELECT
    * EXCLUDE (place, verdict), place.delivery_id AS delivery_id, place.file_no AS file_no, place.record_no AS record_no, place.part_no AS part_no,
    verdict.convention AS convention, verdict.proof AS convention_proof, words([CASE WHEN has_reset THEN 'reset' END, CASE WHEN has_gap THEN 'gap' END, CASE WHEN has_jump THEN 'jump' END]) AS flags,
    list_concat(input_classes(verdict, input, read, written, NULL, NULL), output_classes(output, reasoning, FALSE)) AS quantities
FROM judged;

-- The hours as token counts, in the place of what was derived before.
DELETE FROM ledger.token_quantity AS q USING ledger.token_usage AS u, ledger.deliveries AS d
WHERE u.source = $source AND u.ts_start >= $since AND u.ts_start < $until AND d.delivery_id = u.delivery_id AND d.dataset = 'counter_samples'
    AND q.delivery_id = u.delivery_id AND q.file_no = u.file_no AND q.record_no = u.record_no AND q.part_no = u.part_no;

DELETE FROM ledger.token_usage AS u USING ledger.deliveries AS d
WHERE u.source = $source AND u.ts_start >= $since AND u.ts_start < $until AND d.delivery_id = u.delivery_id AND d.dataset = 'counter_samples';

INSERT INTO ledger.token_usage BY NAME
SELECT
    delivery_id, file_no, record_no, part_no, $source AS source, evidence_role, hour AS ts_start, hour + INTERVAL 1 HOUR AS ts_end,
    provider, region, model_raw, deployment, pool, chip, team_raw, api_key, project, namespace, principal, task, outcome, requests, convention, convention_proof, flags
FROM temp.counted_hours;

INSERT INTO ledger.token_quantity BY NAME
SELECT delivery_id, file_no, record_no, part_no, q.token_class, q.tokens
FROM (SELECT delivery_id, file_no, record_no, part_no, unnest(quantities) AS q FROM temp.counted_hours)
WHERE q.tokens IS NOT NULL;

-- Where something may be missing, or is more than anybody counts.
DELETE FROM ledger.counter_gaps WHERE source = $source AND ts_end >= $since AND ts_end < $until;

INSERT INTO ledger.counter_gaps BY NAME
SELECT
    delivery_id, file_no, record_no, $source AS source, series, counts, model_raw, CASE WHEN is_jump THEN 'jump' WHEN is_gap AND kind <> 'reset' THEN 'gap' ELSE kind END AS kind,
    COALESCE(last_ts, started) AS ts_start, ts AS ts_end, at_most
FROM temp.counter_steps
WHERE is_chosen AND (kind = 'reset' OR is_gap OR is_jump OR kind = 'first' AND started IS NULL AND value > 0) AND ts >= $since AND ts < $until;
