-- One key of a rate card has one price at a time; of token prices, for one length of the prompt and one hour of the day, of chip prices for one volume.
-- Grain: one row per pair of cards that give two.
SELECT a.card, b.card AS other_card, a.provider, a.chip AS what, a.region, a.layer, a.price_per_chip_hour AS price, b.price_per_chip_hour AS other_price
FROM chip_prices AS a
INNER JOIN chip_prices AS b ON b.provider = a.provider AND b.chip = a.chip AND b.region = a.region AND b.purchase_model = a.purchase_model
    AND b.layer = a.layer AND b.currency = a.currency AND b.machine IS NOT DISTINCT FROM a.machine AND b.term_months IS NOT DISTINCT FROM a.term_months
    AND a.card < b.card AND a.price_per_chip_hour <> b.price_per_chip_hour
    AND (b.tier_to IS NULL OR COALESCE(a.tier_from, CAST('0' AS DECIMAL(18, 6))) < b.tier_to)
    AND (a.tier_to IS NULL OR COALESCE(b.tier_from, CAST('0' AS DECIMAL(18, 6))) < a.tier_to)
    AND COALESCE(a.valid_from, DATE '0001-01-01') < COALESCE(b.valid_to, DATE '9999-12-31')
    AND COALESCE(b.valid_from, DATE '0001-01-01') < COALESCE(a.valid_to, DATE '9999-12-31')
UNION ALL
SELECT a.card, b.card, a.provider, CONCAT(a.model, ' ', a.token_class), a.region, a.layer, a.price_per_million, b.price_per_million
FROM model_prices AS a
INNER JOIN model_prices AS b ON b.provider = a.provider AND b.model = a.model AND b.region = a.region AND b.service_tier = a.service_tier
    AND b.token_class = a.token_class AND b.layer = a.layer AND b.currency = a.currency AND b.channel IS NOT DISTINCT FROM a.channel
    AND a.card < b.card AND a.price_per_million <> b.price_per_million
    AND (a.minute_from IS NULL) = (b.minute_from IS NULL) AND a.weekday_from < b.weekday_to AND b.weekday_from < a.weekday_to
    AND (COALESCE(a.prompt_above, a.prompt_up_to) IS NULL) = (COALESCE(b.prompt_above, b.prompt_up_to) IS NULL)
    AND COALESCE(a.minute_from, 0) < COALESCE(b.minute_to, 1440) AND COALESCE(b.minute_from, 0) < COALESCE(a.minute_to, 1440)
    AND (a.prompt_above IS NULL OR b.prompt_up_to IS NULL OR a.prompt_above < b.prompt_up_to)
    AND (b.prompt_above IS NULL OR a.prompt_up_to IS NULL OR b.prompt_above < a.prompt_up_to)
    AND COALESCE(a.valid_from, DATE '0001-01-01') < COALESCE(b.valid_to, DATE '9999-12-31')
    AND COALESCE(b.valid_from, DATE '0001-01-01') < COALESCE(a.valid_to, DATE '9999-12-31')
