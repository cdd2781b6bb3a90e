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

-- What lies within a JSON text at a path, as text; NULL where the text is no JSON. For the `spelling` of a column whose header is around it.
CREATE OR REPLACE TEMP MACRO member(x, path) AS CASE WHEN json_valid(x) THEN json_extract_string(x, path) END;
-- The first of several that is there, as the JSON that it is.
CREATE OR REPLACE TEMP MACRO first_part(x, paths) AS CASE WHEN json_valid(x) THEN CAST(list_filter(json_extract(x, paths), lambda part: part IS NOT NULL)[1] AS VARCHAR) END;
-- A text that may be JSON as Python prints it, as JSON.
CREATE OR REPLACE TEMP MACRO unprinted(x) AS CASE WHEN starts_with(x, '{''') AND is_notation(x) THEN notation(x) ELSE x END;

-- An attribute of OpenTelemetry by its name, as text: of a list of {key, value: {stringValue | intValue | …}}. The first that is there.
CREATE OR REPLACE TEMP MACRO attribute(attributes, name) AS
    list_transform(
        list_filter(try_cast(attributes AS JSON[]), lambda a: json_extract_string(a, '$.key') = name),
        lambda a: COALESCE(
            json_extract_string(a, '$.value.stringValue'), json_extract_string(a, '$.value.intValue'),
            json_extract_string(a, '$.value.doubleValue'), json_extract_string(a, '$.value.boolValue')
        )
    )[1];
-- Unix nanoseconds as seconds, exact.
CREATE OR REPLACE TEMP MACRO of_nanoseconds(x) AS CASE WHEN regexp_full_match(x, '\d{18,19}') THEN left(x, length(x) - 9) || '.' || right(x, 9) ELSE x END;
-- What a span says of usage: its attributes gen_ai.usage.*, as JSON by their names without that; NULL where there are none.
CREATE OR REPLACE TEMP MACRO usage_attributes(attributes) AS
    list_transform(
        [list_transform(
            list_filter(try_cast(attributes AS JSON[]), lambda a: starts_with(json_extract_string(a, '$.key'), 'gen_ai.usage.')),
            lambda a: {'k': substr(json_extract_string(a, '$.key'), 14), 'v': attribute([a], json_extract_string(a, '$.key'))}
        )],
        lambda found: CASE WHEN len(found) > 0 THEN CAST(to_json(map_from_entries(list_distinct(found))) AS VARCHAR) END
    )[1];

-- The value at a path of an answer; of an answer that came in pieces the last that any of them has.
CREATE OR REPLACE TEMP MACRO last_said(answer, path) AS
    CASE
        WHEN json_type(answer) = 'ARRAY' THEN list_filter(json_extract_string(answer, '$[*].' || path), lambda piece: piece IS NOT NULL)[-1]
        ELSE json_extract_string(answer, '$.' || path)
    END;

-- Counts of tokens, by name, that a usage has and the format does not know: what they count may be missing, or be counted twice.
CREATE OR REPLACE TEMP MACRO unknown_counts(usage, known) AS
    list_filter(json_keys(usage), lambda k: regexp_matches(k, '(?i)token(s|_?count)$') AND NOT list_contains(known, k) AND COALESCE(try_cast(json_extract_string(usage, '$."' || k || '"') AS HUGEINT), 0) > 0);

-- What a CloudWatch metric of Bedrock counts, in whichever of its names: a token class, or requests of an outcome.
CREATE OR REPLACE TEMP MACRO bedrock_class(metric) AS
    CASE
        WHEN metric = 'InputTokenCount' THEN 'input.uncached'
        WHEN metric IN ('CacheReadInputTokens', 'CacheReadInputTokenCount') THEN 'input.cache_read'
        WHEN metric IN ('CacheWriteInputTokens', 'CacheWriteInputTokenCount') THEN 'input.cache_write.unspecified'
        WHEN metric = 'InputTokens' THEN 'input.unsplit'
        WHEN metric IN ('OutputTokenCount', 'OutputTokens') THEN 'output.unsplit'
    END;
CREATE OR REPLACE TEMP MACRO bedrock_outcome(metric) AS
    CASE WHEN contains(metric, 'ClientErrors') THEN 'client_error' WHEN metric IN ('InvocationServerErrors', 'InvocationThrottles') THEN 'platform_error' ELSE 'ok' END;

-- Gemini's counts: what was read from a cache is a part of the prompt, what tools answered and thoughts come on top. A total proves which; where
-- it says that thoughts are a part of the candidates they are told so. Zeros are left out of its answers.
CREATE OR REPLACE TEMP MACRO gemini_verdict(prompt, cached, candidates, thoughts, tools, total) AS
    CASE
        WHEN COALESCE(cached, 0) > COALESCE(prompt, 0) THEN {'convention': 'inclusive', 'proof': 'contradicted', 'on_top': TRUE}
        WHEN total IS NULL OR prompt IS NULL THEN {'convention': 'inclusive', 'proof': 'declared', 'on_top': TRUE}
        WHEN prompt + COALESCE(candidates, 0) + COALESCE(thoughts, 0) + COALESCE(tools, 0) = total THEN {'convention': 'inclusive', 'proof': CASE WHEN COALESCE(thoughts, 0) + COALESCE(tools, 0) + COALESCE(cached, 0) > 0 THEN 'proved' ELSE 'ambiguous' END, 'on_top': TRUE}
        WHEN thoughts <= candidates AND prompt + candidates + COALESCE(tools, 0) = total THEN {'convention': 'inclusive', 'proof': 'proved', 'on_top': FALSE}
        ELSE {'convention': 'inclusive', 'proof': 'contradicted', 'on_top': TRUE}
    END;
CREATE OR REPLACE TEMP MACRO gemini_classes(verdict, prompt, cached, candidates, thoughts, tools) AS
    list_concat(
        list_concat(input_classes(verdict, prompt, cached, NULL, NULL, NULL), [{'token_class': 'input.tool_use', 'tokens': tools}]),
        CASE
            WHEN verdict.proof = 'contradicted' THEN [{'token_class': 'output.unsplit', 'tokens': CASE WHEN candidates IS NULL THEN thoughts ELSE candidates + COALESCE(thoughts, 0) END}]
            WHEN thoughts IS NULL THEN [{'token_class': 'output.unsplit', 'tokens': candidates}]
            ELSE [{'token_class': 'output.visible', 'tokens': candidates - CASE WHEN verdict.on_top THEN 0 ELSE thoughts END}, {'token_class': 'output.reasoning', 'tokens': thoughts}]
        END
    );
-- The service tier by the traffic type of an answer of Vertex AI; NULL is pay-as-you-go.
CREATE OR REPLACE TEMP MACRO gemini_tier(traffic) AS
    CASE WHEN traffic = 'PROVISIONED_THROUGHPUT' THEN 'provisioned' WHEN starts_with(traffic, 'ON_DEMAND_') THEN lower(substr(traffic, 11)) END;
CREATE OR REPLACE TEMP MACRO gemini_said(answer, name) AS last_said(answer, 'usageMetadata.' || name || 'TokenCount');
CREATE OR REPLACE TEMP MACRO gemini_said_snake(answer, name) AS last_said(answer, 'usage_metadata.' || name || '_token_count');
-- Labels of a metric: one of them, and the counter that they name. Some say only by which way it was scraped.
CREATE OR REPLACE TEMP MACRO label(labels, name) AS NULLIF(json_extract_string(labels, '$."' || name || '"'), '');
CREATE OR REPLACE TEMP MACRO scraper_labels() AS ['job', 'endpoint', 'service', 'prometheus', 'prometheus_replica', '__replica__', 'receive', 'monitor'];
CREATE OR REPLACE TEMP MACRO label_entries(labels) AS map_entries(CAST(CAST(labels AS JSON) AS MAP(VARCHAR, VARCHAR)));
CREATE OR REPLACE TEMP MACRO labels_of(labels, names) AS
    '{' || joined_members(list_transform(list_filter(label_entries(labels), lambda e: list_contains(names, e.key)), lambda e: json_member(e.key, e.value))) || '}';
CREATE OR REPLACE TEMP MACRO series_of(name, labels, without, target) AS
    concat(name, '{', joined_members(list_transform(list_filter(label_entries(labels), lambda e: NOT list_contains(without, e.key)), lambda e: json_member(e.key, e.value))), '}',
        CASE WHEN target IS NOT NULL THEN ' of ' || target ELSE '' END);
-- The text of a value that was cut out of a JSON text; NULL where it is null.
CREATE OR REPLACE TEMP MACRO text_of(json) AS CASE WHEN json IS NOT NULL THEN json_extract_string(json, '$') END;

-- The members of a JSON object as texts, in the order of their names; none of what is no object.
CREATE OR REPLACE TEMP MACRO members(json) AS list_sort(map_entries(COALESCE(try_cast(try_cast(json AS JSON) AS MAP(VARCHAR, VARCHAR)), CAST(MAP {} AS MAP(VARCHAR, VARCHAR)))));

-- The names within a JSON text, however deep, that are called tokens, say more than 0 and are none that the source's documentation told us
-- of: what they count is unknown, so nothing of the record is proved. (Most texts need no list of them: without escapes, and every name is known, has no k, or stands before no count.)
CREATE OR REPLACE TEMP MACRO unknown_tokens(json, known) AS
    CASE
        WHEN regexp_full_match(CAST(json AS VARCHAR), concat('(?:[^"\\]|"[^"\\k]*"|"(?:', array_to_string(known, '|'), ')"|"[^"\\]*"\s*:\s*[^"\\\s1-9])*')) THEN CAST([] AS VARCHAR[])
        ELSE list_filter(regexp_extract_all(CAST(json AS VARCHAR), '"(\w*[Tt]oken\w*)"\s*:\s*"?[1-9]', 1), lambda k: NOT list_contains(known, lower(k)))
    END;
