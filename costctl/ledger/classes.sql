-- Disjoint token classes of what a record reports, and what its arithmetic proves about its input. `to_usage.sql` may use these.

-- What a record's input contains: `declared` is what the source's documentation says of it, `cached` what it read from and wrote to a cache
-- (NULL where it says nothing). The total tells where it can: input + output is it, or input + cached + output is.
CREATE OR REPLACE TEMP MACRO inclusion(declared, input, cached, output, total) AS
    CASE
        WHEN total IS NULL OR output IS NULL OR input IS NULL
        THEN {'convention': declared, 'proof': CASE WHEN declared = 'inclusive' AND COALESCE(cached, 0) > COALESCE(input, 0) THEN 'contradicted' ELSE 'declared' END}
        WHEN COALESCE(cached, 0) = 0 THEN {'convention': declared, 'proof': CASE WHEN input + output = total THEN 'ambiguous' ELSE 'contradicted' END}
        WHEN input + output = total AND cached <= input THEN {'convention': 'inclusive', 'proof': 'proved'}
        WHEN input + cached + output = total THEN {'convention': 'exclusive', 'proof': 'proved'}
        ELSE {'convention': declared, 'proof': 'contradicted'}
    END;

-- The input by class; writes by how long they are kept, where the source tells it. Of a whole whose parts do not fit into it only the whole counts.
CREATE OR REPLACE TEMP MACRO input_classes(verdict, input, read, written, written_5m, written_1h) AS
    CASE
        WHEN verdict.convention <> 'exclusive' AND verdict.proof = 'contradicted' THEN [{'token_class': 'input.unsplit', 'tokens': input}]
        ELSE [
            {
                'token_class': CASE WHEN verdict.convention = 'unsplit' THEN 'input.unsplit' ELSE 'input.uncached' END,
                'tokens': input - CASE WHEN verdict.convention = 'inclusive' THEN COALESCE(read, 0) + COALESCE(written, 0) + COALESCE(written_5m, 0) + COALESCE(written_1h, 0) ELSE 0 END
            },
            {'token_class': 'input.cache_read', 'tokens': read},
            {'token_class': 'input.cache_write.unspecified', 'tokens': written},
            {'token_class': 'input.cache_write.5m', 'tokens': written_5m},
            {'token_class': 'input.cache_write.1h', 'tokens': written_1h}
        ]
    END;

-- The output by class: `reasoning` is a part of it, or comes on top; NULL where the source does not tell it apart.
CREATE OR REPLACE TEMP MACRO output_classes(output, reasoning, on_top) AS
    CASE
        WHEN reasoning IS NULL OR output IS NULL OR (NOT on_top AND reasoning > output) THEN [{'token_class': 'output.unsplit', 'tokens': output}]
        ELSE [
            {'token_class': 'output.visible', 'tokens': output - CASE WHEN on_top THEN 0 ELSE reasoning END},
            {'token_class': 'output.reasoning', 'tokens': reasoning}
        ]
    END;

-- What a record is called by: texts with their lengths, so that no two lists read alike.
CREATE OR REPLACE TEMP MACRO key_of(parts) AS
    array_to_string(list_transform(parts, lambda x: CASE WHEN x IS NULL THEN '~' ELSE concat(length(x), ':', x) END), '|');

-- Words that are there, in the order of their letters; NULL where none is.
CREATE OR REPLACE TEMP MACRO words(found) AS NULLIF(array_to_string(list_sort(list_filter(found, lambda x: x IS NOT NULL)), ' '), '');

-- A count within a JSON text. What stands there and is no whole number refuses the record: no column of the file is to blame, and a
-- count that nobody can read is neither 0 nor absent.
CREATE OR REPLACE TEMP MACRO count_at(json, path) AS
    CASE
        WHEN json_extract_string(json, path) IS NULL THEN NULL
        WHEN whole_fits(json_extract_string(json, path)) THEN whole_cast(json_extract_string(json, path))
        ELSE error(concat(path, ' is not a whole number: ', json_extract_string(json, path)))
    END;

-- The members of a JSON object as texts, in the order of their names; none of what is no object.
CREATE OR REPLACE TEMP MACRO members(json) AS list_sort(map_entries(COALESCE(try_cast(try_cast(json AS JSON) AS MAP(VARCHAR, VARCHAR)), CAST(MAP {} AS MAP(VARCHAR, VARCHAR)))));

-- The names within a JSON text, however deep, that are called tokens, say more than 0 and are none that the source's documentation told us
-- of: what they count is unknown, so nothing of the record is proved.
CREATE OR REPLACE TEMP MACRO unknown_tokens(json, known) AS
    list_filter(regexp_extract_all(CAST(json AS VARCHAR), '"(\w*[Tt]oken\w*)"\s*:\s*"?[1-9]', 1), lambda k: NOT list_contains(known, lower(k)));
