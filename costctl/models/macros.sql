-- The exact arithmetic of apportioning, once. DuckDB has these as macros; for Spark they are written out in place.
-- Everything is portable: decimals of scale 0, `%`, and a quotient that starts from DOUBLE and is corrected to the exact one.

-- The quotient of two whole numbers, without remainder, toward zero. The DOUBLE estimate is off by at most one part in 2^52;
-- each correction divides that by 2^52 again, so three steps are exact below 10^38 - 10^23; beyond, where the estimate itself may
-- not fit, the answer is exact or an error.
CREATE OR REPLACE TEMP MACRO quotient_estimate(n, t) AS CAST(ROUND(CAST(n AS DOUBLE) / NULLIF(CAST(t AS DOUBLE), 0), 0) AS DECIMAL(38, 0));
CREATE OR REPLACE TEMP MACRO quotient_corrected(n, q, t) AS q + quotient_estimate(n - q * t, t);
CREATE OR REPLACE TEMP MACRO exact_quotient(n, t) AS
    quotient_corrected(n - n % t, quotient_corrected(n - n % t, quotient_estimate(n - n % t, t), t), t);

-- The same of whole numbers that are not below zero, where the quotient stays below 10^24: it starts from one that is never above, by up to 2^34 of it, and
-- what is left is divided without its remainder. A remainder of 38 digits takes four times as long; each name is written out in few places, as planning is what small ledgers wait for.
CREATE OR REPLACE TEMP MACRO quotient_below(n, t) AS CAST(FLOOR(CAST(n AS DOUBLE) / NULLIF(CAST(t AS DOUBLE), 0) * CAST('0.99999999999999' AS DOUBLE)) AS DECIMAL(38, 0));
CREATE OR REPLACE TEMP MACRO quotient_with(q, rest, t) AS q + quotient_estimate(rest - rest % t, t);
CREATE OR REPLACE TEMP MACRO quotient_from(n, q, t) AS quotient_with(q, n - q * t, t);
CREATE OR REPLACE TEMP MACRO short_quotient(n, t) AS quotient_from(n, quotient_below(n, t), t);

-- An amount of money or hours in whole millionths, without its sign, half up; an error from 10^20 on. To cast to fewer decimals takes three times as long.
CREATE OR REPLACE TEMP MACRO of_millionths(m) AS CAST(CAST(m AS DECIMAL(26, 0)) * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(38, 18));
CREATE OR REPLACE TEMP MACRO millionths_below(size) AS CAST(FLOOR(CAST(size AS DOUBLE) * 1000000) AS DECIMAL(38, 0));
CREATE OR REPLACE TEMP MACRO millionths_half_up(rest, m) AS m + (CASE WHEN rest - of_millionths(m) >= CAST('0.0000005' AS DECIMAL(8, 7)) THEN 1 ELSE 0 END);
CREATE OR REPLACE TEMP MACRO millionths_with(m, rest) AS m + millionths_half_up(rest, millionths_below(rest));
CREATE OR REPLACE TEMP MACRO millionths_from(size, m) AS millionths_with(m, size - of_millionths(m));
CREATE OR REPLACE TEMP MACRO millionths_of(size) AS millionths_from(size, millionths_below(size));
CREATE OR REPLACE TEMP MACRO millionths(amount) AS millionths_of(ABS(amount));

-- The same with its sign, where corrections take back.
CREATE OR REPLACE TEMP MACRO signed_millionths(amount) AS millionths(amount) * (CASE WHEN amount < 0 THEN -1 ELSE 1 END);

-- What one of so many costs, with six decimals, rounded toward zero: an amount in millionths, times 10^6 for a price per million.
CREATE OR REPLACE TEMP MACRO ratio_of(millionths_of_amount, number) AS
    CAST(CAST(short_quotient(millionths_of_amount, number) AS DECIMAL(22, 0)) * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(28, 6));

-- What of a whole number falls into the first so many of all minutes, if it comes evenly, without the fraction.
CREATE OR REPLACE TEMP MACRO in_first(n, part, minutes) AS
    CAST(n AS BIGINT) // CAST(minutes AS BIGINT) * part + CAST(CAST(n AS BIGINT) % minutes * part AS BIGINT) // CAST(minutes AS BIGINT);

-- A number of tokens in millions, to the last one.
CREATE OR REPLACE TEMP MACRO millions(tokens) AS CAST(CAST(tokens AS DECIMAL(22, 0)) * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(28, 6));

-- What a bill's quantity is in millionths of tokens, by what its unit counts; unknown where no line of a bill has as many, from 10^15 on.
CREATE OR REPLACE TEMP MACRO tokens_billed(quantity, multiplier) AS CAST(TRY_CAST(quantity AS DECIMAL(24, 6)) * 1000000 AS DECIMAL(38, 0)) * CAST(multiplier AS DECIMAL(38, 0));
CREATE OR REPLACE TEMP MACRO millionths_of_tokens(quantity, multiplier) AS
    CASE WHEN ABS(tokens_billed(quantity, multiplier)) < CAST('1000000000000000000000' AS DECIMAL(38, 0)) THEN tokens_billed(quantity, multiplier) END;

-- The part of an amount, taken in whole millionths, that a weight takes of a total, rounded toward zero; whoever has the largest
-- weight takes what is left instead, the digits below a millionth included. Overflow (millionths x weight beyond 38 digits) is an error, never a wrap.
-- A model that splits many amounts takes their millionths first: that is planned three times as fast.
CREATE OR REPLACE TEMP MACRO part_of(signed_millionths, weight, total) AS
    CAST(CAST(short_quotient(ABS(signed_millionths) * CAST(weight AS DECIMAL(38, 0)), CAST(total AS DECIMAL(38, 0))) AS DECIMAL(20, 0))
        * CAST('0.000001' AS DECIMAL(7, 6)) AS DECIMAL(38, 18)) * (CASE WHEN signed_millionths < 0 THEN -1 ELSE 1 END);
CREATE OR REPLACE TEMP MACRO share_of(amount, weight, total) AS part_of(signed_millionths(amount), weight, total);

-- The cost that a report is asked for, of the five that a posting has.
CREATE OR REPLACE TEMP MACRO measured(measure, billed, effective, list, contracted, rate_card) AS
    CASE measure WHEN 'billed' THEN billed WHEN 'list' THEN list WHEN 'contracted' THEN contracted WHEN 'rate_card' THEN rate_card ELSE effective END;

-- The place of a grade of evidence, the best first, and the grade of a place. Where several meet, the greatest, which is the weakest, holds.
CREATE OR REPLACE TEMP MACRO grade_place(evidence) AS CASE evidence WHEN 'invoiced' THEN 1 WHEN 'contracted' THEN 2 WHEN 'list' THEN 3 WHEN 'estimated' THEN 4 ELSE 5 END;
CREATE OR REPLACE TEMP MACRO grade_named(place) AS CASE place WHEN 1 THEN 'invoiced' WHEN 2 THEN 'contracted' WHEN 3 THEN 'list' WHEN 4 THEN 'estimated' ELSE 'imputed' END;

-- A text with its length before it, to stand in a list that names something: whatever the texts hold, no two lists read alike,
-- and no text reads as the one that is missing.
CREATE OR REPLACE TEMP MACRO keyed(x) AS CASE WHEN x IS NULL THEN '~' ELSE CONCAT(CAST(LENGTH(x) AS VARCHAR), ':', x) END;

-- Whether a name is the one that the configuration gives, or begins as that does where it ends with *.
CREATE OR REPLACE TEMP MACRO is_named(x, given) AS
    x = given OR (SUBSTR(given, LENGTH(given), 1) = '*' AND SUBSTR(x, 1, LENGTH(given) - 1) = SUBSTR(given, 1, LENGTH(given) - 1));
