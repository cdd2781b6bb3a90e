-- One key of a rate card has one price at a time.
-- Grain: one row per pair of cards that give two.
SELECT a.card, b.card AS other_card, a.provider, a.machine, a.chip, a.region, a.purchase_model, a.layer, a.price_per_chip_hour AS price, b.price_per_chip_hour AS other_price
FROM chip_prices AS a
INNER JOIN chip_prices AS b ON b.provider = a.provider AND b.chip = a.chip AND b.region = a.region AND b.purchase_model = a.purchase_model
    AND b.layer = a.layer AND b.currency = a.currency AND b.machine IS NOT DISTINCT FROM a.machine AND b.term_months IS NOT DISTINCT FROM a.term_months
    AND a.card < b.card AND a.price_per_chip_hour <> b.price_per_chip_hour
    AND COALESCE(a.valid_from, DATE '0001-01-01') < COALESCE(b.valid_to, DATE '9999-12-31')
    AND COALESCE(b.valid_from, DATE '0001-01-01') < COALESCE(a.valid_to, DATE '9999-12-31')
