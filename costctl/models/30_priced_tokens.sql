-- Bought tokens at the card price in force for them; where a record does not tell which of several prices it is there is none, but a reason.
-- Grain: one row per day, pool, provider, channel, model, team, service tier, token class as billed, card, price and reason. The bill stays
-- the cost: this checks it, and prices what no bill does. A lot has a price where all prices that may be its own are the same: at every time
-- of its records, for every length their prompts may have, for every class its tokens may be of.
-- Empty without: bought_tokens
WITH classes AS (
    SELECT m.counted, m.priced FROM (VALUES
        ('input.uncached', 'input'), ('input.tool_use', 'input'), ('input.cache_read', 'cache_read'),
        ('input.unsplit', 'input'), ('input.unsplit', 'cache_read'), ('input.unsplit', 'cache_write'), ('input.unsplit', 'cache_write_long'),
        ('input.cache_write.5m', 'cache_write'), ('input.cache_write.30m', 'cache_write'),
        ('input.cache_write.1h', 'cache_write_long'), ('input.cache_write.12h', 'cache_write_long'),
        ('input.cache_write.unspecified', 'cache_write'), ('input.cache_write.unspecified', 'cache_write_long'),
        ('output.visible', 'output'), ('output.rejected_prediction', 'output'), ('output.reasoning', 'reasoning'),
        ('output.unsplit', 'output'), ('output.unsplit', 'reasoning')
    ) AS m(counted, priced)
),

candidates AS (
    SELECT
        b.lot, p.step, p.token_class, MIN(p.lowest) AS lowest, MAX(p.highest) AS highest, COUNT(p.lowest) < COUNT(*) AS has_gaps,
        MIN(CASE WHEN p.lowest < p.highest OR p.card IS NOT NULL AND p.currency IS NULL THEN 0 ELSE 1 END) AS is_told,
        MIN(p.currency) AS currency, MAX(p.currency) AS other_currency, MIN(p.layer) AS layer, MIN(p.card) AS card, BOOL_OR(p.is_estimate) AS is_estimate
    FROM bought_tokens AS b
    INNER JOIN classes AS m ON m.counted = b.token_class
    INNER JOIN token_prices AS p ON p.provider = b.provider AND p.model = LOWER(b.bought_model) AND p.service_tier = b.service_tier AND p.token_class = m.priced
        AND p.channel IS NOT DISTINCT FROM b.channel AND p.region IS NOT DISTINCT FROM b.region AND p.route IS NOT DISTINCT FROM b.route
        AND p.day >= b.day AND p.day <= b.last_day AND (p.day > b.day OR p.part >= b.first_part) AND (p.day < b.last_day OR p.part <= b.last_part)
        AND p.step >= b.first_step AND (p.step <= b.last_step OR b.last_step IS NULL)
    GROUP BY b.lot, p.step, p.token_class
),

judged AS (
    SELECT
        lot, MIN(lowest) AS price, MIN(currency) AS currency, MIN(layer) AS layer, MIN(card) AS card, BOOL_OR(is_estimate) AS is_estimate,
        CASE
            WHEN COUNT(lowest) = 0 THEN 'no price in force'
            WHEN MIN(is_told) = 0 OR MIN(currency) <> MAX(other_currency) THEN 'several prices: nothing tells the channel, or the currency'
            WHEN BOOL_OR(lowest < highest OR has_gaps AND lowest IS NOT NULL) THEN 'its time spans a change of price'
            WHEN COUNT(lowest) = COUNT(*) AND MIN(lowest) = MAX(highest) THEN NULL
            WHEN COUNT(DISTINCT step) > 1 THEN 'the price depends on the length of each prompt'
            ELSE 'the price depends on classes that are not counted apart'
        END AS reason
    FROM candidates
    GROUP BY lot
),

summed AS (
    SELECT
        b.day, b.pool, b.provider, b.channel, b.model, b.bought_model, b.team, b.service_tier,
        CASE WHEN b.token_class LIKE 'output%' THEN 'output' WHEN b.token_class LIKE 'input.cache_write%' THEN 'cache_write'
            WHEN b.token_class = 'input.cache_read' THEN 'cache_read' ELSE 'input' END AS token_class,
        CASE WHEN j.lot IS NULL THEN 'no card prices it' ELSE j.reason END AS reason,
        CASE WHEN j.reason IS NULL THEN j.card END AS card, CASE WHEN j.reason IS NULL THEN j.layer END AS layer,
        CASE WHEN j.reason IS NULL THEN j.currency END AS currency, CASE WHEN j.reason IS NULL THEN j.price END AS price_per_million,
        j.reason IS NULL AND COALESCE(j.is_estimate, FALSE) AS is_estimate,
        SUM(CAST(b.tokens AS DECIMAL(38, 0))) AS tokens
    FROM bought_tokens AS b
    LEFT JOIN judged AS j ON j.lot = b.lot
    GROUP BY ALL
)

SELECT
    day, pool, provider, channel, model, bought_model, team, service_tier, token_class, card, layer, currency,
    price_per_million, reason, CAST(tokens AS BIGINT) AS tokens,
    CAST(
        CAST(CAST(tokens AS DECIMAL(19, 0)) * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(18, 6)) * CAST(price_per_million AS DECIMAL(19, 12))
        AS DECIMAL(38, 18)
    ) AS rate_cost, is_estimate
FROM summed
