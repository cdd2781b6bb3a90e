-- The strict casts that `to_focus.sql` and `to_usage.sql` may use. A gate is a predicate: the text survives the cast without
-- losing a digit, and means one thing only. The raising cast stops the fast path at the first text that does not pass; the
-- recording cast gives NULL, and the record is named and set aside by `staging`.

-- Up to 20 digits before and 18 after the point, trailing zeros aside; exponents only where the expansion still fits.
CREATE OR REPLACE TEMP MACRO money_fits(x) AS
    regexp_full_match(x, '\s*[+-]?(\d{1,20}(\.\d{0,18}0*)?|\.\d{1,18}0*)\s*')
    OR CASE
        WHEN regexp_full_match(x, '\s*[+-]?(\d{1,20}(\.\d{0,40})?|\.\d{1,40})[eE][+-]?\d{1,2}\s*')
        THEN length(rtrim(regexp_extract(x, '\.(\d*)[eE]', 1), '0')) - CAST(regexp_extract(x, '[eE]([+-]?\d+)', 1) AS INTEGER) <= 18
            AND length(ltrim(regexp_extract(x, '(\d*)\.?\d*[eE]', 1), '0')) + CAST(regexp_extract(x, '[eE]([+-]?\d+)', 1) AS INTEGER) <= 20
            OR regexp_matches(x, '^\s*[+-]?[0.]+[eE]')     -- a zero is a zero: 0E-20
        ELSE FALSE
    END;
CREATE OR REPLACE TEMP MACRO quantity_fits(x) AS money_fits(x);
-- An amount in hundredths of its currency: the point moves by two places, nothing is divided, and what would have more than 18 decimals then is refused.
CREATE OR REPLACE TEMP MACRO cents_fits(x) AS regexp_full_match(x, '\s*[+-]?(\d+(\.\d*)?|\.\d+)\s*') AND money_fits(trim(x) || 'e-2');
-- A binary float printed in full, some of it beyond the 18th decimal: in powers of ten with 10 to 17 significant digits (one in ten
-- million prints shorter), or written out with 15 to 17. The recording path rounds it there and writes down what it rounded away;
-- any other text with more decimals is refused.
CREATE OR REPLACE TEMP MACRO is_printed_float(x) AS
    NOT money_fits(x)
    AND CASE
        WHEN regexp_full_match(x, '\s*[+-]?\d\.\d{9,16}[eE]-\d{1,3}\s*') THEN TRUE
        WHEN regexp_full_match(x, '\s*[+-]?\d{1,8}\.\d{15,40}\s*') THEN length(ltrim(regexp_replace(regexp_extract(trim(x), '^[+-]?([0-9.]+)', 1), '[.]', ''), '0')) BETWEEN 15 AND 17
        ELSE FALSE
    END
    AND try_cast(trim(x) AS DECIMAL(38, 30)) IS NOT NULL;
CREATE OR REPLACE TEMP MACRO rounded_away(x) AS
    CAST(trim(x) AS DECIMAL(38, 30)) - CAST(CAST(trim(x) AS DECIMAL(38, 18)) AS DECIMAL(38, 30));
CREATE OR REPLACE TEMP MACRO whole_fits(x) AS
    regexp_full_match(x, '\s*\d{1,18}(\.0*)?\s*')
    OR CASE    -- 3.675428e+06, as Prometheus prints a counter
        WHEN regexp_full_match(x, '\s*\d(\.\d{1,17})?[eE]\+?\d{1,2}\s*') AND money_fits(x)
        THEN CAST(trim(x) AS DECIMAL(38, 18)) % 1 = 0 AND CAST(trim(x) AS DECIMAL(38, 18)) < 1000000000000000000
        ELSE FALSE
    END;
-- Seconds, or milliseconds, since 1970 began in UTC, of the years 1973 to 2199; told by the size.
CREATE OR REPLACE TEMP MACRO unix_time_fits(x) AS
    CASE
        WHEN regexp_full_match(x, '\s*\d{9,13}(\.\d{1,9})?\s*')
        THEN CAST(trim(x) AS DECIMAL(38, 9)) < CASE WHEN CAST(trim(x) AS DECIMAL(38, 9)) < 100000000000 THEN 7258118400 ELSE 7258118400000 END
        ELSE FALSE
    END;
-- ISO 8601 with a blank or T, of the years 1900 to 2199 (9999-12-31 means none); without a zone it is UTC. Day and month in words or in another order are a format's own business.
CREATE OR REPLACE TEMP MACRO instant_fits(x) AS
    regexp_full_match(x, '\s*(19|20|21)\d{2}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)?)?\s*')
    AND try_cast(left(trim(x), 10) AS DATE) IS NOT NULL AND try_cast(replace(trim(x), ' UTC', '') AS TIMESTAMPTZ) IS NOT NULL;
-- A date of a bill that may write the month first (Azure): 9/2/2023 is the 2nd of September; with 13/02/2023 it is no date at all.
CREATE OR REPLACE TEMP MACRO us_date_fits(x) AS
    instant_fits(x)
    OR regexp_full_match(x, '\s*(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/(19|20|21)\d{2}( 0?0:00(:00)?| 12:00:00 AM)?\s*')
    AND try_strptime(split_part(trim(x), ' ', 1), '%m/%d/%Y') IS NOT NULL;
CREATE OR REPLACE TEMP MACRO currency_fits(x) AS regexp_full_match(x, '[A-Z]{3}');
-- Of a FOCUS file: what a category we do not know costs would be posted as usage.
CREATE OR REPLACE TEMP MACRO category_fits(x) AS x IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment');
-- What the label of a CloudWatch query says of its metric, in words `name=value`; a property that the metric does not have is empty, or `--`.
CREATE OR REPLACE TEMP MACRO label_word(x, name) AS NULLIF(NULLIF(regexp_extract(x, '(?:^| )' || name || '=(\S*)', 1), ''), '--');
CREATE OR REPLACE TEMP MACRO metric_label_fits(x) AS
    COALESCE(label_word(x, 'stat') = 'Sum', FALSE) AND label_word(x, 'namespace') IS NOT NULL AND label_word(x, 'metric') IS NOT NULL
    AND COALESCE(try_cast(label_word(x, 'period') AS INTEGER) BETWEEN 1 AND 86400, FALSE);
-- How long each interval of a series is, of at most a day: PT5M, P1D, or 0:05:00 as older tools print it; in seconds.
CREATE OR REPLACE TEMP MACRO time_grain_fits(x) AS regexp_full_match(x, 'PT([1-9]\d?M|([1-9]|1\d|2[0-4])H)|P1D|([01]?\d|2[0-3]):[0-5]\d:00|1 day, 0:00:00');
CREATE OR REPLACE TEMP MACRO json_fits(x) AS try_cast(try_cast(x AS JSON) AS MAP(VARCHAR, VARCHAR)) IS NOT NULL;
CREATE OR REPLACE TEMP MACRO nested_fits(x) AS json_valid(x);
-- What is said of a usage, as JSON: an object, or null; where no column reads its counts of tokens, these are whole.
CREATE OR REPLACE TEMP MACRO object_fits(x) AS json_valid(x) AND regexp_matches(x, '^\s*(\{|null\s*$)');
CREATE OR REPLACE TEMP MACRO usage_object_fits(x) AS
    object_fits(x) AND list_bool_and(list_transform(
        regexp_extract_all(x, '"(?:\w+[tT]okens|\w*[tT]oken(?:C|_c)ount)"\s*:\s*("(?:[^"\\]|\\.)*"|[^,}\]\s]+)', 1), lambda n: n = 'null' OR whole_fits(trim(n, '"'))
    )) IS NOT FALSE;
-- What a model answered, or the list of a stream's pieces, as JSON: each usage in it is such an object.
CREATE OR REPLACE TEMP MACRO usages_of(x) AS
    list_concat(
        json_extract(x, ['$.usageMetadata', '$.usage_metadata', '$.usage']),
        list_concat(
            list_concat(json_extract(x, '$[*].usageMetadata'), json_extract(x, '$[*].usage_metadata')),
            list_concat(json_extract(x, '$[*].usage'), json_extract(x, '$[*].message.usage'))
        )
    );
CREATE OR REPLACE TEMP MACRO answer_fits(x) AS
    CASE WHEN json_valid(x) THEN list_bool_and(list_transform(usages_of(x), lambda u: usage_object_fits(CAST(u AS VARCHAR)))) IS NOT FALSE ELSE FALSE END;
-- Azure leaves out the braces of tags and details, or writes an empty text in quotes.
CREATE OR REPLACE TEMP MACRO braced(x) AS
    CASE WHEN trim(x) IN ('', '""', 'null') THEN '{}' WHEN starts_with(ltrim(x), '{') THEN x ELSE '{' || x || '}' END;
CREATE OR REPLACE TEMP MACRO json_unbraced_fits(x) AS json_fits(braced(x));
CREATE OR REPLACE TEMP MACRO chips_fits(x) AS CASE WHEN money_fits(x) THEN COALESCE(try_cast(trim(x) AS DECIMAL(18, 6)) > 0, FALSE) ELSE FALSE END;
CREATE OR REPLACE TEMP MACRO chip_state_fits(x) AS lower(trim(x)) IN ('serving', 'training', 'startup', 'idle', 'maintenance');
CREATE OR REPLACE TEMP MACRO billing_month_fits(x) AS regexp_full_match(x, '\s*(19|20|21)\d{2}(0[1-9]|1[0-2])\s*');
-- A nested value as JSON, or as Python prints it (single quotes, None): its tokens, and from them JSON whose numbers are texts, so
-- that no digit passes through a binary float.
CREATE OR REPLACE TEMP MACRO notation(x) AS
    array_to_string(list_transform(
        regexp_extract_all(x, '(?s)''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|None|True|False|null|true|false|[\[\]{}:,]'),
        lambda t: CASE
            WHEN t[1] = '''' THEN '"' || replace(replace(t[2:-2], '\''', ''''), '"', '\"') || '"'
            WHEN t[1] IN ('"', '[', ']', '{', '}', ':', ',') THEN t
            WHEN t = 'None' THEN 'null' WHEN t IN ('True', 'False') THEN lower(t) WHEN t IN ('null', 'true', 'false') THEN t
            ELSE '"' || t || '"'
        END
    ), '');
-- JSON that needs no such care: no number of it could lose a digit, a last zero or its notation, and none is NaN or infinite.
CREATE OR REPLACE TEMP MACRO reads_as_json(x) AS
    json_valid(x) AND NOT regexp_matches(x, '[0-9.]{16}|[:\[,]\s*(-0\s*[,}\]]|-?[0-9]+(\.[0-9]*0\s*[,}\]]|\.?[0-9]*[eE])|-?([nN][aA]|[iI]))');
CREATE OR REPLACE TEMP MACRO is_notation(x) AS
    json_valid(x) OR regexp_full_match(x, '(?s)\s*(?:(?:''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|None|True|False|null|true|false|[\[\]{}:,])\s*)*');
CREATE OR REPLACE TEMP MACRO named_within(namespace, key) AS CASE WHEN COALESCE(namespace, '') = '' THEN key ELSE namespace || '/' || key END;
-- A list of objects, each as a map of texts; one object stands for a list of one. (A list of one and a lambda compute once what is named twice.)
CREATE OR REPLACE TEMP MACRO objects_of(x) AS
    list_transform([CASE WHEN reads_as_json(x) THEN x ELSE notation(x) END], lambda n: try_cast(try_cast(CASE WHEN starts_with(ltrim(n), '{') THEN '[' || n || ']' ELSE n END AS JSON) AS MAP(VARCHAR, VARCHAR)[]))[1];
-- Google's credits: each has an amount. Its labels: {key, value} each, or one object; a key says one thing only.
CREATE OR REPLACE TEMP MACRO credits_fits(x) AS
    is_notation(x) AND list_transform([objects_of(x)], lambda l:
        l IS NOT NULL AND list_bool_and(list_transform(l, lambda m: COALESCE(money_fits(COALESCE(m['amount'], m['Amount'])), FALSE))) IS NOT FALSE
    )[1];
CREATE OR REPLACE TEMP MACRO credit_amounts(x) AS list_transform(objects_of(x), lambda m: COALESCE(m['amount'], m['Amount']));
-- The printed floats of a text, which the recording path rounds; a text rounds if all in it is either exact or such a float.
CREATE OR REPLACE TEMP MACRO money_floats(x) AS CASE WHEN is_printed_float(x) THEN [x] END;
CREATE OR REPLACE TEMP MACRO quantity_floats(x) AS money_floats(x);
CREATE OR REPLACE TEMP MACRO credits_floats(x) AS CASE WHEN is_notation(x) THEN list_filter(credit_amounts(x), lambda a: is_printed_float(a)) END;
CREATE OR REPLACE TEMP MACRO money_rounds(x) AS is_printed_float(x);
CREATE OR REPLACE TEMP MACRO quantity_rounds(x) AS is_printed_float(x);
CREATE OR REPLACE TEMP MACRO credits_rounds(x) AS
    is_notation(x) AND COALESCE(list_bool_and(list_transform(credit_amounts(x), lambda a: COALESCE(money_fits(a) OR is_printed_float(a), FALSE))), FALSE);
CREATE OR REPLACE TEMP MACRO pairs_of(x) AS
    CASE
        WHEN starts_with(ltrim(x), '{') THEN list_transform(map_entries(objects_of(x)[1]), lambda e: {'k': e.key, 'v': e.value})
        ELSE list_transform(objects_of(x), lambda m: {
            'k': named_within(
                CASE m['x_type'] WHEN 'label' THEN '' WHEN 'project_label' THEN 'project' WHEN 'system_label' THEN 'system' WHEN 'tag' THEN 'tag/' || m['x_namespace'] ELSE COALESCE(m['namespace'], m['x_Namespace']) END,
                COALESCE(m['key'], m['Key'])
            ),
            'v': COALESCE(m['value'], m['Value'])
        })
    END;
CREATE OR REPLACE TEMP MACRO labels_fits(x) AS
    is_notation(x) AND list_transform([list_distinct(pairs_of(x))], lambda l:
        l IS NOT NULL AND list_unique(list_transform(l, lambda p: p.k)) = len(l)
    )[1];

-- What most texts look like, tested and cast cheaply; on the fast path everything else goes through the full gate above.
CREATE OR REPLACE TEMP MACRO money_plain(x) AS regexp_full_match(x, '-?\d{1,20}(\.\d{0,18})?');
CREATE OR REPLACE TEMP MACRO money_plain_cast(x) AS CAST(x AS DECIMAL(38, 18));
CREATE OR REPLACE TEMP MACRO quantity_plain(x) AS money_plain(x);
CREATE OR REPLACE TEMP MACRO quantity_plain_cast(x) AS CAST(x AS DECIMAL(38, 18));
CREATE OR REPLACE TEMP MACRO whole_plain(x) AS regexp_full_match(x, '\d{1,18}');
CREATE OR REPLACE TEMP MACRO whole_plain_cast(x) AS CAST(x AS BIGINT);
CREATE OR REPLACE TEMP MACRO instant_plain(x) AS regexp_full_match(x, '(?:19|20|21)\d{2}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z?');
CREATE OR REPLACE TEMP MACRO instant_plain_cast(x) AS CAST(x AS TIMESTAMP);
CREATE OR REPLACE TEMP MACRO usage_object_plain(x) AS regexp_full_match(x, '\{(?:"[^"\\]*"\s*:\s*(?:\d{1,18}|null|\{)|[\s,}])*');     -- it was cut out of JSON
CREATE OR REPLACE TEMP MACRO usage_object_plain_cast(x) AS x;

-- The usual JSON of labels and credits, without escapes: the parts are cut out, no JSON is built.
CREATE OR REPLACE TEMP MACRO labels_plain(x) AS
    CASE
        WHEN x = '[]' THEN TRUE
        WHEN NOT regexp_full_match(x, '\[\{"key": ?"[^"\\]*", ?"value": ?"[^"\\]*"\}(?:, ?\{"key": ?"[^"\\]*", ?"value": ?"[^"\\]*"\})*\]') THEN FALSE
        ELSE list_unique(regexp_extract_all(x, '\{"key": ?"([^"\\]*)"', 1)) = len(regexp_extract_all(x, '\{"key": ?"([^"\\]*)"', 1))
    END;
CREATE OR REPLACE TEMP MACRO labels_plain_cast(x) AS
    list_transform(
        list_zip(regexp_extract_all(x, '\{"key": ?"([^"\\]*)"', 1), regexp_extract_all(x, ', ?"value": ?"([^"\\]*)"\}', 1)),
        lambda p: {'k': p[1], 'v': p[2]}
    );
CREATE OR REPLACE TEMP MACRO credits_plain(x) AS
    x = '[]' OR regexp_full_match(x, '\[(?:\{"name": ?(?:null|"[^"\\]*"), ?"amount": ?-?\d{1,20}(?:\.\d{0,18})?, ?"full_name": ?(?:null|"[^"\\]*"), ?"id": ?(?:null|"[^"\\]*"), ?"type": ?"[^"\\]*"\}(?:, ?|\]$))+');
CREATE OR REPLACE TEMP MACRO credits_plain_cast(x) AS
    list_transform(
        list_zip(
            regexp_extract_all(x, '"amount": ?(-?[0-9.]+),', 1), regexp_extract_all(x, '"type": ?"([^"\\]*)"\}', 1),
            regexp_extract_all(x, '"id": ?(?:null|"([^"\\]*)"),', 1), regexp_extract_all(x, '"full_name": ?(?:null|"([^"\\]*)"),', 1),
            regexp_extract_all(x, '"name": ?(?:null|"([^"\\]*)"),', 1)
        ),
        lambda c: {
            'amount': CAST(c[1] AS DECIMAL(38, 18)), 'type': upper(c[2]), 'id': NULLIF(c[3], ''),
            'name': COALESCE(NULLIF(c[4], ''), NULLIF(c[5], ''), NULLIF(c[3], ''))
        }
    );

CREATE OR REPLACE TEMP MACRO money_cast(x) AS CAST(trim(x) AS DECIMAL(38, 18));
CREATE OR REPLACE TEMP MACRO quantity_cast(x) AS CAST(trim(x) AS DECIMAL(38, 18));
CREATE OR REPLACE TEMP MACRO cents_cast(x) AS CAST(trim(x) || 'e-2' AS DECIMAL(38, 18));
CREATE OR REPLACE TEMP MACRO whole_cast(x) AS CAST(CAST(trim(x) AS DECIMAL(38, 18)) AS BIGINT);
CREATE OR REPLACE TEMP MACRO unix_time_cast(x) AS
    make_timestamp(CAST(floor(CAST(trim(x) AS DECIMAL(38, 9)) * CASE WHEN CAST(trim(x) AS DECIMAL(38, 9)) < 100000000000 THEN 1000000 ELSE 1000 END) AS BIGINT));
CREATE OR REPLACE TEMP MACRO instant_cast(x) AS
    CASE
        WHEN regexp_matches(x, '[+-]\d{2}(:?\d{2})?\s*$') AND contains(x, ':')
        THEN CAST(CAST(trim(x) AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS TIMESTAMP)
        ELSE CAST(replace(replace(trim(x), ' UTC', ''), 'Z', '') AS TIMESTAMP)
    END;
CREATE OR REPLACE TEMP MACRO us_date_cast(x) AS CASE WHEN contains(x, '/') THEN strptime(split_part(trim(x), ' ', 1), '%m/%d/%Y') ELSE instant_cast(x) END;
CREATE OR REPLACE TEMP MACRO currency_cast(x) AS x;
CREATE OR REPLACE TEMP MACRO category_cast(x) AS x;
CREATE OR REPLACE TEMP MACRO nested_cast(x) AS x;
CREATE OR REPLACE TEMP MACRO object_cast(x) AS x;
CREATE OR REPLACE TEMP MACRO usage_object_cast(x) AS x;
CREATE OR REPLACE TEMP MACRO time_grain_cast(x) AS
    CAST(CASE
        WHEN x IN ('P1D', '1 day, 0:00:00') THEN 86400
        WHEN ends_with(x, 'M') THEN 60 * CAST(regexp_extract(x, '\d+') AS INTEGER)
        WHEN ends_with(x, 'H') THEN 3600 * CAST(regexp_extract(x, '\d+') AS INTEGER)
        ELSE 3600 * CAST(split_part(x, ':', 1) AS INTEGER) + 60 * CAST(split_part(x, ':', 2) AS INTEGER)
    END AS INTEGER);
CREATE OR REPLACE TEMP MACRO answer_cast(x) AS x;
CREATE OR REPLACE TEMP MACRO metric_label_cast(x) AS x;
CREATE OR REPLACE TEMP MACRO billing_month_cast(x) AS CAST(left(trim(x), 4) || '-' || right(trim(x), 2) || '-01' AS TIMESTAMP);
CREATE OR REPLACE TEMP MACRO credits_cast(x) AS
    list_transform(objects_of(x), lambda m: {
        'amount': money_cast(COALESCE(m['amount'], m['Amount'])),
        'type': upper(COALESCE(m['type'], m['Type'], '')),
        'id': NULLIF(COALESCE(m['id'], m['Id']), ''),
        'name': COALESCE(NULLIF(COALESCE(m['full_name'], m['FullName']), ''), NULLIF(COALESCE(m['name'], m['Name']), ''), NULLIF(COALESCE(m['id'], m['Id']), ''))
    });
CREATE OR REPLACE TEMP MACRO labels_cast(x) AS list_sort(list_distinct(pairs_of(x)));
CREATE OR REPLACE TEMP MACRO chips_cast(x) AS CAST(trim(x) AS DECIMAL(18, 6));
CREATE OR REPLACE TEMP MACRO chip_state_cast(x) AS lower(trim(x));
-- Canonical JSON: one member behind the other in the order of their text, values as text.
CREATE OR REPLACE TEMP MACRO json_member(name, value) AS to_json(name) || ':' || COALESCE(to_json(value), 'null');
CREATE OR REPLACE TEMP MACRO tag_member(name, value) AS CASE WHEN value <> '' THEN to_json(name) || ':' || to_json(value) END;
CREATE OR REPLACE TEMP MACRO joined_members(x) AS array_to_string(list_sort(x), ',');
CREATE OR REPLACE TEMP MACRO json_of_map(x) AS '{' || joined_members(list_transform(map_entries(x), lambda e: json_member(e.key, e.value))) || '}';
CREATE OR REPLACE TEMP MACRO json_cast(x) AS json_of_map(try_cast(try_cast(x AS JSON) AS MAP(VARCHAR, VARCHAR)));

-- The share part/whole of an amount, to 12 decimals, half up, in whole numbers throughout; unknown where one of them is, is negative, or
-- is so large that the product would not fit.
CREATE OR REPLACE TEMP MACRO proportion_of(amount, part, whole) AS
    CASE
        WHEN amount >= 0 AND part >= 0 AND whole > 0 AND amount < 10000000 AND part < 10000000 AND whole < 10000000 THEN CAST(try_cast(
            (CAST(amount * 1000000000000 AS HUGEINT) * CAST(part * 1000000000000 AS HUGEINT) + CAST(whole * 1000000000000 AS HUGEINT) // 2)
            // CAST(whole * 1000000000000 AS HUGEINT) AS DECIMAL(26, 0)
        ) * CAST('0.000000000001' AS DECIMAL(12, 12)) AS DECIMAL(38, 18))
    END;
CREATE OR REPLACE TEMP MACRO json_unbraced_cast(x) AS json_cast(braced(x));

-- A price times a quantity where 18 decimals hold it whole, else NULL: nothing is rounded, what does not fit is unknown.
CREATE OR REPLACE TEMP MACRO exact_product(a, b) AS
    CASE
        WHEN b = 1 THEN a
        WHEN try_cast(a AS DECIMAL(18, 9)) = a AND try_cast(b AS DECIMAL(18, 9)) = b THEN CAST(try_cast(a AS DECIMAL(18, 9)) * try_cast(b AS DECIMAL(18, 9)) AS DECIMAL(38, 18))
        WHEN try_cast(a AS DECIMAL(20, 12)) = a AND try_cast(b AS DECIMAL(17, 6)) = b THEN CAST(try_cast(a AS DECIMAL(20, 12)) * try_cast(b AS DECIMAL(17, 6)) AS DECIMAL(38, 18))
        WHEN try_cast(a AS DECIMAL(17, 6)) = a AND try_cast(b AS DECIMAL(20, 12)) = b THEN CAST(try_cast(a AS DECIMAL(17, 6)) * try_cast(b AS DECIMAL(20, 12)) AS DECIMAL(38, 18))
    END;
-- A number with its point moved to the left: a price per 10 hours as one per hour.
CREATE OR REPLACE TEMP MACRO shifted(x, places) AS try_cast(CAST(x AS VARCHAR) || 'e-' || CAST(places AS VARCHAR) AS DECIMAL(38, 18));

-- A number with a point and more than 17 digits in the text of a JSON record: the reader of JSON would round it. Too wide is slow, never wrong.
CREATE OR REPLACE TEMP MACRO has_long_number(x) AS regexp_matches(x, '[:\[,]\s*-?(0\.0*[1-9]\d{17,}|[1-9][0-9.]{18,})');

-- Values that come typed, from Parquet; NULL where the text of the value would not pass its gate. A DOUBLE means its shortest decimal
-- text, of at most 17 digits. A decimal of up to 15 digits that reads back as the same double is that text, for no other of 15 does. From
-- 0.01 on a text has no more than 18 decimals; what a smaller one has beyond them is rounded, and written down (roundings).
CREATE OR REPLACE TEMP MACRO is_short_fraction(x) AS CAST(TRY_CAST(x AS DECIMAL(18, 18)) AS DOUBLE) = x;
CREATE OR REPLACE TEMP MACRO money_of_double(x) AS
    CASE
        WHEN CAST(TRY_CAST(x AS DECIMAL(15, 12)) AS DOUBLE) = x THEN CAST(TRY_CAST(x AS DECIMAL(15, 12)) AS DECIMAL(38, 18))
        WHEN abs(x) < 0.001 AND is_short_fraction(x) THEN CAST(TRY_CAST(x AS DECIMAL(18, 18)) AS DECIMAL(38, 18))
        WHEN abs(x) < 1e20 THEN CAST(CAST(x AS VARCHAR) AS DECIMAL(38, 18))
    END;
CREATE OR REPLACE TEMP MACRO rounded_away_of_double(x) AS
    CASE WHEN abs(x) < 0.01 AND NOT is_short_fraction(x) THEN NULLIF(rounded_away(CAST(x AS VARCHAR)), 0) END;
CREATE OR REPLACE TEMP MACRO money_of_decimal(x) AS x;
CREATE OR REPLACE TEMP MACRO quantity_of_double(x) AS money_of_double(x);
CREATE OR REPLACE TEMP MACRO quantity_of_decimal(x) AS x;
CREATE OR REPLACE TEMP MACRO whole_of_bigint(x) AS CASE WHEN x BETWEEN 0 AND 999999999999999999 THEN x END;
CREATE OR REPLACE TEMP MACRO instant_of_timestamp(x) AS
    CASE WHEN x BETWEEN TIMESTAMP '1900-01-01 00:00:00' AND TIMESTAMP '2199-12-31 23:59:59.999999' THEN x END;
CREATE OR REPLACE TEMP MACRO us_date_of_timestamp(x) AS instant_of_timestamp(x);

-- What a bill's own words say: the token class, the model and the machine of a usage type, meter or SKU text.
-- Azure shortens `cached` (cchd, cach, cd, ch) and `write`; the Gemini API says `Generate content input token count gemini 2.5 flash short …`.
CREATE OR REPLACE TEMP MACRO token_class_of(x) AS
    CASE
        WHEN NOT (contains(x, 'oken') OR contains(x, 'Text ')) THEN NULL
        WHEN NOT regexp_matches(x, '(?i)token|text (in|out)put') OR regexp_matches(x, '(?i)caching storage|provisioned') THEN NULL
        WHEN regexp_matches(x, '(?i)cache[-_ ]?write|\b(cc?h?d|cach) wr') THEN 'cache_write'
        WHEN regexp_matches(x, '(?i)cache[-_ ]?(read|hit)|cached|caching|\b(cchd|cache?|cd|ch) (inp|in\b)') THEN 'cache_read'
        WHEN regexp_matches(x, '(?i)^generate.content.* input token count') THEN 'input'
        WHEN regexp_matches(x, '(?i)\bout(pu?t|p)?|outpu?t|\bopt\b') THEN 'output'
        WHEN regexp_matches(x, '(?i)inpu?t?|\binp\b') THEN 'input'
    END;
CREATE OR REPLACE TEMP MACRO token_model_of(x) AS
    CASE
        WHEN regexp_matches(x, '(?i)^generate.content ') THEN NULLIF(regexp_extract(x, '(?i)token count (?:for )?(gemini .*?)(?: (?:short|long|text|audio|image|video|batch|input|output|thinking|non-thinking|free)\b.*)?$', 1), '')
        ELSE NULLIF(trim(regexp_replace(regexp_replace(x, '^(MP:)?[A-Z]{2,4}[0-9]?[0-9]?[-_]', ''),
            '(?i)[-_ ]+(mantle[-_ ])?(GA |global |regional )?(cache[-_ ]?(read|write|hit)|cached|cache?|cchd|cd|ch|shortco|longco|thinking|batch|text|input|inpt?|output|outpt?|opt)\b.*$', '')), '')
    END;
-- Marketplace usage types do not name the model; the service does, and the aliases know it by that name.
CREATE OR REPLACE TEMP MACRO marketplace_model_of(service) AS CASE WHEN contains(service, ' (Amazon Bedrock Edition)') THEN service END;
-- AWS: the hours of a machine stand under a few usage types, capacity that stood empty among them. `Reservation` and `DedicatedRes` repeat
-- hours that BoxUsage and UnusedBox have, `HostBoxUsage` those of its host; EMR, EKS and EBS charge for a machine beside its own line.
CREATE OR REPLACE TEMP MACRO aws_machine_of(usage, instance, service) AS
    CASE
        WHEN usage IS NULL THEN instance
        WHEN NOT contains(usage, ':') THEN CASE WHEN contains(usage, 'BoxUsage') THEN instance END
        WHEN contains(usage, 'ml.') THEN NULLIF(regexp_extract(usage, ':(?:.*-)?(ml[.][A-Za-z0-9.\-]+)$', 1), '')
        WHEN contains(usage, 'EBS:') OR service ILIKE '%MapReduce%' THEN NULL
        WHEN regexp_matches(usage, '(?:^|-)(?:(?:Box|Spot|Dedicated|Heavy|Medium|Light|Host|ReservedHost)Usage|Unused(?:Box|Ded)|CapacityBlockFee|Node):') THEN split_part(usage, ':', 2)
        WHEN regexp_matches(instance, '[.].*[.]') THEN instance      -- db.r5.large, r5.large.search
    END;
CREATE OR REPLACE TEMP MACRO is_unused_capacity(usage) AS COALESCE(contains(usage, 'UnusedBox:') OR contains(usage, 'UnusedDed:'), FALSE);
-- Google: the SKU of the GPU or TPU, whatever is before and behind it; the cores and the memory of the same machine are SKUs of their own,
-- a licence or a management fee comes on top of it.
CREATE OR REPLACE TEMP MACRO gcp_machine_of(x) AS
    CASE
        WHEN NOT regexp_matches(x, '(?i)gpu|tpu|\bRTX ') OR regexp_matches(x, '(?i)licen[cs]|management fee|^commitment - ') THEN NULL
        WHEN regexp_matches(x, '(?i)nvidia .*gpu slice\)') THEN regexp_extract(x, '(?i)([a-z0-9]+ nvidia .*?gpu slice\))', 1)
        WHEN regexp_matches(x, '(?i)reserved v\S+ tpu') THEN regexp_extract(x, '(?i)(reserved v\S+ tpu)', 1)
        WHEN regexp_matches(x, '(?i)nvidia .*gpu') THEN regexp_extract(x, '(?i)(nvidia .*?gpu)', 1)
        WHEN regexp_matches(x, '(?i)\b[a-z]+[0-9]+ [0-9]+GB.* GPU') THEN regexp_extract(x, '(?i)\b([a-z]+[0-9]+ [0-9]+GB.*? GPU)', 1)
        WHEN regexp_matches(x, '(?i)\bRTX .*[0-9]GB') THEN regexp_extract(x, '(?i)\b(RTX .*?[0-9]GB)', 1)
        WHEN contains(x, ' vGPU') THEN NULLIF(regexp_extract(x, '(\d+/\d+ vGPU)', 1), '')
        WHEN regexp_matches(x, '(?i)\btpu') THEN NULLIF(regexp_extract(x, '(?i)(tpu-?v?[0-9]+[a-z]*(?: accelerator)?)', 1), '')
    END;
CREATE OR REPLACE TEMP MACRO gcp_host_of(x) AS NULLIF(regexp_extract(x, '(?i)\b([ag][2-9][a-z]* instance (?:core|ram))\b', 1), '');
-- Azure: the size as the meter says it. NP machines hold FPGAs.
CREATE OR REPLACE TEMP MACRO azure_machine_of(x) AS
    CASE WHEN regexp_matches(x, '^(Standard_)?N[CDGV]C?[0-9]|(?i)maia') THEN regexp_replace(x, ' (Spot|Low Priority)$', '') END;
-- Others: a meter that names a chip and counts no bytes, requests or tokens.
CREATE OR REPLACE TEMP MACRO rented_machine_of(x, unit) AS
    CASE
        WHEN NOT regexp_matches(COALESCE(unit, ''), '(?i)[gtmk]i?b|request|token|vcpu') AND regexp_matches(x, '(?i)\bGPUs?\b|gpu_[0-9]+x_|\bHGX\b|\bNVL[0-9]+|\bRTX\b|\bGaudi|\bMI[0-9]{3}X?\b|\b(A|B|H|L|T|V|GB|GH)(4|10|16|30|40|40S|100|200|300)\b')
        THEN trim(x)
    END;
-- Oracle names a shape, or bills GPU hours by part number whatever the shape; a software licence per GPU hour is no machine.
CREATE OR REPLACE TEMP MACRO oci_machine_of(sku, description) AS
    CASE
        WHEN NOT contains(description, 'GPU') OR contains(description, 'AI Enterprise') THEN NULL
        WHEN regexp_matches(description, '\b(BM|VM)[.]GPU') THEN regexp_extract(description, '\b((BM|VM)[.]GPU[A-Za-z0-9.\-]*[A-Za-z0-9])', 1)
        WHEN regexp_full_match(sku, 'B[0-9]{5,6}') THEN sku
    END;
-- Of Google's words: which credits lower a price (the others pay), and what a commitment's SKU and the usage it covers have in common.
CREATE OR REPLACE TEMP MACRO credit_type_of(type, name) AS
    CASE
        WHEN type NOT IN ('', 'CREDIT_TYPE_UNSPECIFIED') THEN type
        WHEN name ILIKE 'committed us%' THEN 'COMMITTED_USAGE_DISCOUNT'      -- before September 2020 only the name said it
        WHEN name ILIKE 'sustained us%' THEN 'SUSTAINED_USAGE_DISCOUNT'
        WHEN regexp_matches(name, '(?i)free ?trial|promotion') THEN 'PROMOTION'
        ELSE type
    END;
CREATE OR REPLACE TEMP MACRO is_discount(type) AS
    type IN ('SUSTAINED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', 'FEE_UTILIZATION_OFFSET',
        'DISCOUNT', 'SPENDING_BASED_DISCOUNT', 'FREE_TIER', 'SUBSCRIPTION_BENEFIT', 'RESELLER_MARGIN');
CREATE OR REPLACE TEMP MACRO committed_thing_of(x) AS
    trim(regexp_replace(regexp_replace(
        regexp_extract(lower(x), '^(?:commitment(?: v\d+)?: )?(.*?)(?: running)?(?: in .*?)?(?: for \d+ years?)?$', 1),
        '\b(instance|predefined|custom|n1) ?', '', 'g'), '\bcore\b', 'cpu'));
CREATE OR REPLACE TEMP MACRO committed_product_of(x) AS
    CASE
        WHEN contains(x, 'dollar based') THEN regexp_extract(lower(x), 'dollar based v\d+: (.*?)(?: for \d+ years?)?$', 1)
        ELSE regexp_extract(lower(x), '^(.*?) commitments?\b', 1)
    END;
CREATE OR REPLACE TEMP MACRO namespaced(pairs, namespace) AS list_transform(COALESCE(pairs, []), lambda p: {'k': concat(namespace, p.k), 'v': p.v});
CREATE OR REPLACE TEMP MACRO tags_of(pairs) AS CASE WHEN len(pairs) > 0 THEN CAST(to_json(map_from_entries(list_sort(pairs))) AS VARCHAR) END;
