"""Gateways and trackers: whose tokens they count, each of them once, and none of them in two classes."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from costctl.errors import InputRefused

pytestmark = pytest.mark.usefixtures("unposted")

USAGE = Path(__file__).parents[1] / "costctl" / "usage"
LITELLM = Path(__file__).parent / "samples" / "tokens" / "litellm" / "spend_logs_payload.json"
LOGS = {  # sources of one record per line or value: what lies around the records
    "litellm": None,
    "langfuse": None,
    "helicone": None,
    "portkey": None,
    "openrouter_activity": "data",
    "openrouter_generation": "data",
}
TOKENS = "SELECT token_class, CAST(sum(tokens) AS BIGINT) FROM ledger.token_quantity GROUP BY 1"


def first(source):
    """Return the first record of a source's sample, without what lies around it."""
    text = next(USAGE.glob(f"{source}/sample.json*")).read_text("utf-8")
    record = json.JSONDecoder().raw_decode(text)[0]
    record = record["data"] if LOGS[source] else record
    return record[0] if isinstance(record, list) else record


def written(place, source, name, records):
    """Write records as the source writes them; each value on its own."""
    around = LOGS[source]
    texts = [json.dumps({around: record} if around else record) for record in records]
    return place.write(name, "".join(f"{text}\n" for text in texts))


def log(**words):
    """Return a LiteLLM record: `usage` is its usage_object, `meta` what else its metadata says."""
    usage, meta = words.pop("usage", {}), words.pop("meta", {})
    prompt, completion = words.get("prompt_tokens", 100), words.get("completion_tokens", 10)
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    record = first("litellm") | counts | {"request_id": "r", "team_id": "search", "status": "success"}
    return record | {"metadata": json.dumps({"usage_object": counts | usage} | meta)} | words


def tokens(place):
    return dict(place.ask(TOKENS))


def told(place, column):
    """Return what the records say in a column, in the order in which they stand."""
    return [row[0] for row in place.ask(f"SELECT {column} FROM ledger.token_usage ORDER BY file_no, record_no")]


def test_the_known_answer_of_the_litellm_record_through_the_command_line(place):
    place.write("spend.json", LITELLM.read_text("utf-8"))
    assert place.costctl("ingest", "spend.json").returncode == 0
    assert tokens(place) == {"input.uncached": 10, "output.unsplit": 20}
    assert told(place, "reported_cost") == [Decimal("0.000225")]  # of 10 * 2.5e-06 + 20 * 1e-05


@pytest.mark.parametrize(
    ("source", "expected", "requests"),
    [
        ("langfuse_pages", {"input.cache_read": 7200, "input.cache_write.unspecified": 3000, "input.uncached": 1800, "output.reasoning": 100, "output.unsplit": 800, "output.visible": 300}, 3),
        ("helicone", {"input.cache_read": 7200, "input.cache_write.unspecified": 2000, "input.uncached": 2700, "input.unsplit": 1000, "output.reasoning": 50, "output.unsplit": 1020, "output.visible": 150}, 8),
        ("openrouter_activity", {"input.unsplit": 4100, "output.reasoning": 25, "output.unsplit": 125, "output.visible": 900}, 12),
        ("openrouter_generation", {"input.cache_read": 36082, "input.uncached": 18080, "input.unsplit": 36108, "output.reasoning": 120, "output.visible": 367}, 6),
        ("portkey", {"input.cache_read": 12600, "input.cache_write.1h": 2000, "input.cache_write.5m": 4000, "input.uncached": 3300, "input.unsplit": 3000, "output.reasoning": 50, "output.unsplit": 2200, "output.visible": 150}, 10),
        ("litellm_pages", {"input.cache_read": 6000, "input.cache_write.1h": 1000, "input.cache_write.5m": 2000, "input.uncached": 1060, "input.unsplit": 10, "output.reasoning": 300, "output.unsplit": 28, "output.visible": 500}, 3),
        ("kong_ai", {"input.unsplit": 1062, "output.unsplit": 104}, 8),
        ("litellm_daily", {"input.cache_read": 90000, "input.cache_write.unspecified": 45000, "input.uncached": 105500, "input.unsplit": 100, "output.unsplit": 12025}, 64),
    ],
)  # fmt: skip
def test_a_sample_gives_its_tokens_and_requests_through_the_command_line(source, expected, requests, place):
    sample = next(USAGE.glob(f"{source}/sample.*"))
    assert place.costctl("ingest", sample).returncode == 0
    assert tokens(place) == expected
    assert sum(told(place, "requests")) == requests


@pytest.mark.parametrize("source", ["litellm", "langfuse", "helicone", "portkey", "openrouter_generation"])
@pytest.mark.parametrize("second", ["again", "overlapping", "the other way round"])
def test_a_record_counts_once_in_whatever_files_and_order_it_comes(source, second, place):
    """Three records a, b, c, in files that share b."""
    a, b, c = (first(source) | dict.fromkeys(("id", "request_id", "response_id"), key) for key in "abc")
    files = {"again": [[a, b, c], [a, b, c]], "overlapping": [[a, b], [b, c]], "the other way round": [[c, b], [b, a]]}
    for number, records in enumerate(files[second]):
        written(place, source, f"{number}.jsonl", records)
        place.ingest(f"{number}.jsonl", source="log")
    alone = Counter(tokens(place))
    assert len(told(place, "requests")) == 3
    assert {key: count % 3 for key, count in alone.items()} == dict.fromkeys(alone, 0)
    assert place.broken() == []


def test_the_answer_that_goes_further_tells_what_a_day_was(place):
    """A day of OpenRouter with 70 prompt tokens, and with 50 in the answer that has the next day, too."""
    day = first("openrouter_activity")
    for number, rows in enumerate([[(1, 70)], [(1, 50), (2, 5)]]):
        records = [day | {"date": f"2026-10-0{at}", "prompt_tokens": prompt} for at, prompt in rows]
        written(place, "openrouter_activity", f"{number}.json", [records])
        place.ingest(f"{number}.json", source="log")
    assert tokens(place)["input.unsplit"] == 55


def test_pages_in_any_order_are_one_answer_and_the_missing_last_one_is_told(place):
    sample = (USAGE / "langfuse_pages" / "sample.json").read_text("utf-8")
    pages, at = [], 0
    while at < len(sample.rstrip()):
        page, at = json.JSONDecoder().raw_decode(sample, at)
        pages.append(page)
        at += 1
    for number, page in enumerate(reversed(pages)):
        place.write(f"{number}.json", json.dumps(page))
    place.ingest("0.json", "1.json", source="log")
    assert told(place, "flags") == ["incomplete", None, None]


@pytest.mark.parametrize(
    ("source", "words", "column"),
    [
        ("litellm", {"prompt_tokens": -1}, "prompt_tokens"),
        ("litellm", {"completion_tokens": "NaN"}, "completion_tokens"),
        ("helicone", {"prompt_cache_read_tokens": "many"}, "prompt_cache_read_tokens"),
        ("openrouter_activity", {"reasoning_tokens": 1.5}, "reasoning_tokens"),
        ("openrouter_generation", {"native_tokens_cached": -7}, "native_tokens_cached"),
        ("portkey", {"res_units": "NaN"}, "res_units"),
    ],
)
def test_what_is_no_count_is_refused_by_name(source, words, column, place):
    records = [first(source), first(source) | {"id": "2", "request_id": "2"} | words]
    written(place, source, "log.jsonl", [records] if source == "openrouter_activity" else records)
    said = place.costctl("ingest", "log.jsonl")
    assert said.returncode == 3
    assert column in said.stderr
    assert "is not a whole number" in said.stderr


@pytest.mark.parametrize(
    ("source", "count"), [("litellm", -1), ("litellm", "NaN"), ("litellm", 1.5), ("portkey", "many")]
)
def test_what_is_no_count_within_the_usage_refuses_its_record(source, count, place):
    """One of 1.5 must not become one of 2."""
    usage = {"cache_read_input_tokens": count}
    words = {"metadata": json.dumps({"usage_object": usage})} if source == "litellm" else {"response": {"usage": usage}}
    written(place, source, "log.jsonl", [first(source), first(source) | {"id": "2", "request_id": "2"} | words])
    said = place.costctl("ingest", "log.jsonl")
    assert said.returncode == 3
    assert "log.jsonl:2: this record cannot be taken in" in said.stderr
    assert f"$.cache_read_input_tokens is not a whole number: {count}" in said.stderr


@pytest.mark.parametrize("source", LOGS)
def test_a_file_that_is_cut_short_is_refused(source, place):
    text = written(place, source, "log.jsonl", [first(source)]).read_text("utf-8")
    place.write("log.jsonl", text[:-9])
    with pytest.raises(InputRefused):
        place.ingest("log.jsonl", form=source)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"cache_read_input_tokens": 60}, {"input.uncached": 40, "input.cache_read": 60}),
        ({"prompt_tokens_details": {"cached_tokens": 60}}, {"input.uncached": 40, "input.cache_read": 60}),
        ({"cache_creation_input_tokens": 70}, {"input.uncached": 30, "input.cache_write.unspecified": 70}),
        ({"prompt_tokens_details": {"cache_creation_tokens": 70, "cache_creation_token_details": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 20}}}, {"input.uncached": 30, "input.cache_write.5m": 50, "input.cache_write.1h": 20}),
        ({"cache_creation_input_tokens": 70, "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 0}}, {"input.uncached": 30, "input.cache_write.unspecified": 70}),
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, {"input.uncached": 100, "output.visible": 6, "output.reasoning": 4}),
        ({"cache_read_input_tokens": 101}, {"input.unsplit": 100}),
        ({"completion_tokens_details": {"reasoning_tokens": 11}}, {"input.unsplit": 100}),
        ({"prompt_tokens_details": {"cached_tokens": 60, "hover_tokens": 5}}, {"input.unsplit": 100}),
        ({"hover_tokens": 5}, {"input.unsplit": 100}),
        ({"hover_tokens": 0}, {"input.uncached": 100}),
    ],
)  # fmt: skip
def test_litellm_tells_classes_by_its_usage_object_in_all_its_shapes(usage, expected, place, way):
    place.write("log.jsonl", json.dumps(log(usage=usage)) + "\n")
    place.ingest("log.jsonl")
    rest = {} if any(key.startswith("output") for key in expected) else {"output.unsplit": 10}
    assert tokens(place) == expected | rest
    assert sum(tokens(place).values()) == 110
    assert (told(place, "convention_proof") == ["contradicted"]) == ("input.unsplit" in expected)


@pytest.mark.parametrize("lost", ["{}", "not json", None])
def test_litellm_rows_that_lost_their_metadata_say_nothing_of_a_cache(lost, place):
    place.write("log.jsonl", json.dumps(log(metadata=lost)) + "\n")
    place.ingest("log.jsonl")
    assert tokens(place) == {"input.unsplit": 100, "output.unsplit": 10}


def failure(code, **meta):
    return {"status": "failure", "meta": {"error_information": {"error_code": code}} | meta}


@pytest.mark.parametrize(
    ("words", "outcome", "flags"),
    [
        ({}, "ok", None),
        (failure("500"), "platform_error", "estimated"),
        (failure("500") | {"spend": 0.1}, "platform_error", None),
        (failure("429"), "platform_error", "estimated"),
        (failure("400"), "client_error", "estimated"),
        (failure("499"), "client_abort", "estimated"),
        (failure("503", attempted_retries=1, max_retries=2), "retry", "estimated"),
        (failure("503", attempted_retries=2, max_retries=2), "platform_error", "estimated"),
        (failure("401", attempted_retries=0, max_retries=2), "client_error", "estimated"),
        ({"meta": {"attempted_retries": 1, "max_retries": 2}}, "ok", None),
        ({"meta": {"internal_call_origin": "retry"}}, "retry", None),
        ({"meta": {"azure_spillover": {"from_deployment": "ptu"}}}, "ok", "spillover"),
        ({"cache_hit": "True"}, "ok", "cache_hit"),
        ({"request_id": "r_cache_hit1759310000.25"}, "ok", "cache_hit"),
    ],
)
def test_litellm_tells_outcomes_and_flags(words, outcome, flags, place):
    place.write("log.jsonl", json.dumps(log(**{"spend": 0.0} | words)) + "\n")
    place.ingest("log.jsonl")
    assert (told(place, "outcome"), told(place, "flags")) == ([outcome], [flags])
    assert (tokens(place) == {}) == (flags == "cache_hit")


def test_a_batch_that_was_looked_at_often_counts_once_and_another_one_too(place):
    polls = [
        ("h1", 0, 0),
        ("h2", 5000, 900),
        ("h3", 5000, 900),
        ("h4", 5000, 901),
        ("batch_x", 7, 1),
        ("batch_x_batch_cost", 7, 1),
    ]
    rows = [log(request_id=i, call_type="aretrieve_batch", prompt_tokens=p, completion_tokens=c) for i, p, c in polls]
    place.write("log.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    place.ingest("log.jsonl")
    assert tokens(place) == {"input.uncached": 10007, "output.unsplit": 1802}
    assert set(told(place, "service_tier")) == {"batch"}
    counted = place.ask("SELECT rule, records FROM ledger.exclusions ORDER BY rule")
    assert counted == [("a call about files, batches or tools, of no model", 1), ("the same record again", 2)]


def test_no_key_of_litellm_is_stored_as_it_is(place):
    place.write("log.jsonl", json.dumps(log(api_key="sk-1234")) + "\n")
    place.ingest("log.jsonl")
    assert told(place, "api_key") == ["88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"]  # sha256


CUT = "date,{},api_key,model,custom_llm_provider,prompt_tokens,completion_tokens,cache_read_input_tokens,cache_creation_input_tokens,spend,api_requests,successful_requests,failed_requests\n"


def cut(place, entity, name, prompt=100, requests=3):
    place.write(
        name, CUT.format(entity) + f"2026-10-01,x,k,gpt-5,openai,{prompt},10,60,0,0.1,{requests},{requests},0\n"
    )
    return name


@pytest.mark.parametrize(
    ("entity", "column"),
    [("team_id", "team_raw"), ("user_id", "principal"), ("end_user_id", "principal"), ("organization_id", "project"), ("agent_id", "project")],
)  # fmt: skip
def test_a_daily_table_tells_its_owner_by_its_cut(entity, column, place):
    place.ingest(cut(place, entity, "days.csv"))
    assert told(place, column) == ["x"]


def test_a_daily_table_again_is_the_later_state(place):
    place.ingest(cut(place, "team_id", "early.csv"), source="days")
    late = cut(place, "team_id", "late.csv", prompt=90, requests=2)
    with (place.home / late).open("a") as rows:
        rows.write("2026-10-02,x,k,gpt-5,openai,1,1,0,0,0,1,1,0\n")
    place.ingest(late, source="days")
    assert told(place, "requests") == [2, 1]


def test_another_cut_is_not_the_same_record(place):
    """Both are there: to take in two cuts is a mistake, which must be seen and not be hidden by chance."""
    place.ingest(cut(place, "team_id", "teams.csv"), cut(place, "user_id", "users.csv"), source="days")
    assert told(place, "requests") == [3, 3]


def test_the_cut_by_tag_is_refused(place):
    with pytest.raises(InputRefused, match="a request counts once for each of its tags"):
        place.ingest(cut(place, "tag", "tags.csv"))


@pytest.mark.parametrize(
    ("usage", "proof", "expected"),
    [
        # disjoint, as the integrations of Langfuse itself write it
        ({"input": 40, "input_cached_tokens": 60, "output": 6, "output_reasoning_tokens": 4, "total": 110}, "proved", [40, 60, 6, 4]),
        # within, as others do: the total is input and output
        ({"input": 100, "cache_read_input_tokens": 60, "output": 10, "output_reasoning": 4, "total": 110}, "proved", [40, 60, 6, 4]),
        # one side each
        ({"input": 40, "input_cache_read": 60, "output": 10, "output_reasoning": 4, "total": 110}, "proved", [40, 60, 6, 4]),
        ({"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 6, "thoughtsTokenCount": 4, "totalTokenCount": 110}, "proved", [40, 60, 6, 4]),
        # nobody gave a total: disjoint, as the documentation says
        ({"input": 40, "input_cached_tokens": 60, "output": 6, "output_reasoning_tokens": 4}, "declared", [40, 60, 6, 4]),
    ],
)  # fmt: skip
def test_langfuse_tells_by_the_total_what_its_input_contains(usage, proof, expected, place, way):
    record = first("langfuse") | {"usageDetails": usage, "providedUsageDetails": usage}
    written(place, "langfuse", "log.jsonl", [record])
    place.ingest("log.jsonl")
    classes = ["input.uncached", "input.cache_read", "output.visible", "output.reasoning"]
    assert tokens(place) == dict(zip(classes, expected, strict=True))
    assert told(place, "convention_proof") == [proof]


def test_a_total_that_langfuse_computed_proves_nothing(place):
    usage = {"input": 100, "cache_read_input_tokens": 60, "output": 10, "total": 170}
    written(place, "langfuse", "log.jsonl", [first("langfuse") | {"usageDetails": usage, "providedUsageDetails": None}])
    place.ingest("log.jsonl")
    assert told(place, "convention_proof") == ["declared"]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input": 10, "output": 20, "magic_tokens": 5, "total": 35}, {"input.unsplit": 15, "output.unsplit": 20}),
        ({"input": 10, "output": 20, "magic_tokens": 5}, {"input.unsplit": 15, "output.unsplit": 20}),
        ({"input": 10, "output": 20, "seconds": 5}, {"input.unsplit": 10, "output.unsplit": 20}),
        (
            {"input": 10, "input_cached_tokens": 4, "output": 20, "total": 31},
            {"input.unsplit": 11, "output.unsplit": 20},
        ),
        ({"input": -10, "output": 20}, {"output.unsplit": 20}),
        ({"input": 1.5, "output": 20}, {"output.unsplit": 20}),
    ],
)
def test_langfuse_loses_no_key_that_it_does_not_know(usage, expected, place):
    """What a text or a negative number stands for is unknown: no 0."""
    record = first("langfuse") | {"usageDetails": usage, "providedUsageDetails": usage}
    written(place, "langfuse", "log.jsonl", [record])
    place.ingest("log.jsonl")
    assert tokens(place) == expected
    assert told(place, "convention_proof") == ["contradicted"]


def test_langfuse_reads_generations_only_and_counts_the_others(place):
    kinds = ("GENERATION", "EMBEDDING", "SPAN", "EVENT", "AGENT", "TOOL")
    records = [first("langfuse") | {"id": kind, "type": kind} for kind in kinds]
    written(place, "langfuse", "log.jsonl", records)
    place.ingest("log.jsonl")
    assert told(place, "task") == ["generate", "embed"]
    assert place.ask("SELECT rule, records FROM ledger.exclusions") == [("an observation that is no generation", 4)]


@pytest.mark.parametrize(
    ("source", "owner"),
    [
        ("langfuse", ("search", "customer", "u-1", "cm-prod")),
        ("helicone", ("search", "customer", "u-1", None)),
        ("portkey", ("search", "customer", "u-1", None)),
        ("openrouter_generation", (None, None, "customer-7", "42")),
    ],
)
def test_owners(source, owner, place):
    written(place, source, "log.jsonl", [first(source)])
    place.ingest("log.jsonl")
    assert place.ask("SELECT team_raw, purpose, principal, project FROM ledger.token_usage") == [owner]


def test_openrouter_takes_the_billed_tokens_and_of_own_keys_the_tokens_but_not_the_money(place):
    """tokens_prompt is 17000 by a tokenizer for all models; billed are 18054, and with an own key by Anthropic."""
    own = first("openrouter_generation") | {"is_byok": True, "total_cost": 0.0003, "upstream_inference_cost": 0.006}
    written(place, "openrouter_generation", "log.jsonl", [own])
    place.ingest("log.jsonl")
    assert sum(count for name, count in tokens(place).items() if name.startswith("input")) == 18054
    assert place.ask("SELECT provider, reported_cost FROM ledger.token_usage") == [("Anthropic", Decimal("0.0003"))]


def test_the_csv_of_openrouters_page_is_refused(place):
    place.write("page.csv", "generation_id,created_at,cost_total,byok_usage_inference,tokens_prompt,tokens_completion,model_permaslug,provider_name\ng,2026-10-01,1,0,5,6,m,p\n")  # fmt: skip
    with pytest.raises(InputRefused, match="which tokenizer counted"):
        place.ingest("page.csv")


@pytest.mark.parametrize(("cost", "dollars"), [(24300000, "0.0243"), (0.0243, "0.0243"), (0, "0"), (None, None)])
def test_helicones_database_keeps_billionths_of_a_dollar(cost, dollars, place):
    written(place, "helicone", "log.jsonl", [first("helicone") | {"cost": cost}])
    place.ingest("log.jsonl")
    assert told(place, "reported_cost") == [dollars and Decimal(dollars)]


@pytest.mark.parametrize(
    ("words", "convention", "proof"),
    [
        ({}, "inclusive", "proved"),
        ({"total_units": None}, "inclusive", "declared"),
        ({"total_units": 1800}, "exclusive", "proved"),
        ({"total_units": 1801}, "inclusive", "contradicted"),
        ({"ai_org": "anthropic", "total_units": None}, "exclusive", "declared"),
        ({"response": None}, "unsplit", "declared"),
    ],
)
def test_portkey_proves_by_the_total_what_the_provider_counts(words, convention, proof, place):
    """1,000 units in of which 600 were cached, or beside which they were; 200 out."""
    written(place, "portkey", "log.jsonl", [first("portkey") | words])
    place.ingest("log.jsonl")
    assert place.ask("SELECT convention, convention_proof FROM ledger.token_usage") == [(convention, proof)]
