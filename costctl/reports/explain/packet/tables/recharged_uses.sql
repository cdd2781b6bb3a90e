-- What was used and charged by internal rates, with the line of the file that a price stands on.
-- Grain: one row per recharge, unit, token class and rate.
SELECT recharge, unit, token_class, rate, quantity, price
FROM explained_recharged_uses
