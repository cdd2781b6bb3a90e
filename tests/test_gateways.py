"""Gateways and trackers: whose tokens they count, each of them once, and none of them in two classes."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from costctl.errors import InputRefused

pytestmark = pytest.mark.usefixtures("unposted", "begun")

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


def keyed(source, key, **words):
    """Return the first record of a source's sample as another one: under this key, and with these words."""
    return first(source) | dict.fromkeys(("id", "request_id", "response_id"), key) | words


def log(key="r", **words):
    """Return a LiteLLM record: `usage` is its usage_object, `meta` what else its metadata says."""
    usage, meta = words.pop("usage", {}), words.pop("meta", {})
    prompt, completion = words.get("prompt_tokens", 100), words.get("completion_tokens", 10)
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    record = first("litellm") | counts | {"request_id": key, "team_id": "search", "status": "success"}
    return record | {"metadata": json.dumps({"usage_object": counts | usage} | meta)} | words


def taken_in(place, source, records):
    """Take in the records of cases, {case: record}, as one file."""
    written(place, source, "log.jsonl", records.values())
    place.ingest("log.jsonl", source="log")


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


SAMPLED = {  # source: its tokens and requests
    "langfuse_pages": ({"input.cache_read": 7200, "input.cache_write.unspecified": 3000, "input.uncached": 1800, "output.reasoning": 100, "output.unsplit": 800, "output.visible": 300}, 3),
    "helicone": ({"input.cache_read": 7200, "input.cache_write.unspecified": 2000, "input.uncached": 2700, "input.unsplit": 1000, "output.reasoning": 50, "output.unsplit": 1020, "output.visible": 150}, 8),
    "openrouter_activity": ({"input.unsplit": 4100, "output.reasoning": 25, "output.unsplit": 125, "output.visible": 900}, 12),
    "openrouter_generation": ({"input.cache_read": 36082, "input.uncached": 18080, "input.unsplit": 36108, "output.reasoning": 120, "output.visible": 367}, 6),
    "portkey": ({"input.cache_read": 12600, "input.cache_write.1h": 2000, "input.cache_write.5m": 4000, "input.uncached": 3300, "input.unsplit": 3000, "output.reasoning": 50, "output.unsplit": 2200, "output.visible": 150}, 10),
    "litellm_pages": ({"input.cache_read": 6000, "input.cache_write.1h": 1000, "input.cache_write.5m": 2000, "input.uncached": 1060, "input.unsplit": 10, "output.reasoning": 300, "output.unsplit": 28, "output.visible": 500}, 3),
    "kong_ai": ({"input.unsplit": 1062, "output.unsplit": 104}, 8),
    "litellm_daily": ({"input.cache_read": 90000, "input.cache_write.unspecified": 45000, "input.uncached": 105500, "input.unsplit": 100, "output.unsplit": 12025}, 64),
}  # fmt: skip


@pytest.mark.slow
def test_a_sample_gives_its_tokens_and_requests_through_the_command_line(place):
    """Each by its format, which names the source."""
    said = place.costctl("ingest", *(next(USAGE.glob(f"{source}/sample.*")) for source in SAMPLED))
    assert said.returncode == 0, said.stderr
    requests = dict(place.ask("SELECT source, CAST(sum(requests) AS BIGINT) FROM ledger.token_usage GROUP BY 1"))
    found = place.by_source()
    assert {source: (found[source], requests[source]) for source in requests} == SAMPLED


@pytest.mark.slow
def test_a_record_counts_once_in_whatever_files_and_order_it_comes(place):
    """Three records a, b, c, in two files that share b; each format and each way to share is a source of its own."""
    formats = ["litellm", "langfuse", "helicone", "portkey", "openrouter_generation"]
    ways = {"again": ["abc", "abc"], "overlapping": ["ab", "bc"], "the other way round": ["cb", "ba"]}
    cases = {f"{source} {way}": (source, files) for source in formats for way, files in ways.items()}
    for number in range(2):
        for name, (source, files) in cases.items():
            written(place, source, f"{name} {number}.jsonl", [keyed(source, key) for key in files[number]])
        place.take({name: f"{name} {number}.jsonl" for name in cases})
    records = "SELECT source, count(*) FROM ledger.token_usage GROUP BY 1"
    assert dict(place.ask(records)) == dict.fromkeys(cases, 3)
    found = place.by_source()
    uneven = {name: {key: count % 3 for key, count in found[name].items()} for name in cases}
    assert uneven == {name: dict.fromkeys(found[name], 0) for name in cases}
    assert place.broken() == []


@pytest.mark.slow
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


NO_COUNTS = [  # source, what its second record says, and which column that is
    ("litellm", {"prompt_tokens": -1}, "prompt_tokens"),
    ("litellm", {"completion_tokens": "NaN"}, "completion_tokens"),
    ("helicone", {"prompt_cache_read_tokens": "many"}, "prompt_cache_read_tokens"),
    ("openrouter_activity", {"reasoning_tokens": 1.5}, "reasoning_tokens"),
    ("openrouter_generation", {"native_tokens_cached": -7}, "native_tokens_cached"),
    ("portkey", {"res_units": "NaN"}, "res_units"),
]


@pytest.mark.slow
def test_what_is_no_count_is_refused_by_name(place):
    files, wanted = {}, {}
    for number, (source, words, column) in enumerate(NO_COUNTS):
        records = [first(source), first(source) | {"id": "2", "request_id": "2"} | words]
        written(place, source, f"{number}.jsonl", [records] if source == "openrouter_activity" else records)
        files[f"{source} {column}"], wanted[f"{source} {column}"] = f"{number}.jsonl", f"{column} is not a whole number"
    said = place.costctl("ingest", "0.jsonl")
    assert said.returncode == 3
    assert "prompt_tokens is not a whole number" in said.stderr
    assert {name: text for name, text in place.refused(files).items() if wanted[name] not in text} == {}
    assert place.records() == []


NO_USAGE = {  # by case: the source, and the usage within its second record
    "negative": ("litellm", {"cache_read_input_tokens": -1}),
    "no number": ("litellm", {"cache_read_input_tokens": "NaN"}),
    "nearly two": ("litellm", {"prompt_tokens_details": {"cached_tokens": 1.5}}),
    "of an object": ("litellm", {"cache_read_input_tokens": {"of": 1}}),
    "as Python prints it": ("litellm", "{'usage_object': {'cache_read_input_tokens': -1}}"),
    "text": ("litellm", "100"),
    "a list": ("litellm", [100]),
    "many": ("portkey", {"cache_read_input_tokens": "many"}),
    "a number": ("portkey", 100),
    "a key that is a list": ("langfuse", [100]),
}


@pytest.mark.slow
def test_what_is_no_count_within_the_usage_sets_its_record_aside(place):
    """One of 1.5 must not become one of 2, and what nobody can read must not become a request without tokens."""
    files, wanted = {}, {}
    for number, (name, (source, usage)) in enumerate(NO_USAGE.items()):
        metadata = usage if str(usage).startswith("{'usage") else json.dumps({"usage_object": usage})
        inside = {"litellm": {"metadata": metadata}, "portkey": {"response": {"usage": usage}}}
        other = first(source) | {"id": "2", "request_id": "2"} | inside.get(source, {"usageDetails": usage})
        files[name] = written(place, source, f"{number}.jsonl", [first(source), other]).name
        wanted[name] = f"{number}.jsonl:2: "
    assert place.costctl("ingest", "0.jsonl").returncode == 3
    said = place.refused(files)
    assert {
        name: text for name, text in said.items() if wanted[name] not in text or "not a JSON object" not in text
    } == {}
    place.take(files, quarantine_rows=1)
    aside = "SELECT source, record_no FROM ledger.quarantine JOIN ledger.deliveries USING (delivery_id) ORDER BY ALL"
    assert place.ask(aside) == sorted((name, 2) for name in files)
    assert place.ask("SELECT count(*) FROM ledger.token_usage") == [(len(files),)]


def test_a_file_that_is_cut_short_is_refused(place):
    files = {source: f"{source}.jsonl" for source in LOGS}
    for source, name in files.items():
        text = written(place, source, name, [first(source)]).read_text("utf-8")
        place.write(name, text[:-9])
    said = place.refused(files, forms={source: source for source in LOGS})
    assert {source: text for source, text in said.items() if "is not whole JSON" not in text} == {}


SHAPES = {  # a usage_object, and the classes that it tells
    "read": ({"cache_read_input_tokens": 60}, {"input.uncached": 40, "input.cache_read": 60}),
    "cached": ({"prompt_tokens_details": {"cached_tokens": 60}}, {"input.uncached": 40, "input.cache_read": 60}),
    "written": ({"cache_creation_input_tokens": 70}, {"input.uncached": 30, "input.cache_write.unspecified": 70}),
    "written for how long": ({"prompt_tokens_details": {"cache_creation_tokens": 70, "cache_creation_token_details": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 20}}}, {"input.uncached": 30, "input.cache_write.5m": 50, "input.cache_write.1h": 20}),
    "written, another sum of parts": ({"cache_creation_input_tokens": 70, "cache_creation": {"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 0}}, {"input.uncached": 30, "input.cache_write.unspecified": 70}),
    "reasoning": ({"completion_tokens_details": {"reasoning_tokens": 4}}, {"input.uncached": 100, "output.visible": 6, "output.reasoning": 4}),
    "more read than there is": ({"cache_read_input_tokens": 101}, {"input.unsplit": 100}),
    "more reasoning than there is": ({"completion_tokens_details": {"reasoning_tokens": 11}}, {"input.unsplit": 100}),
    "a detail that nobody knows": ({"prompt_tokens_details": {"cached_tokens": 60, "hover_tokens": 5}}, {"input.unsplit": 100}),
    "a count that nobody knows": ({"hover_tokens": 5}, {"input.unsplit": 100}),
    "one that is 0": ({"hover_tokens": 0}, {"input.uncached": 100}),
}  # fmt: skip


def test_litellm_tells_classes_by_its_usage_object_in_all_its_shapes(place, way):
    taken_in(place, "litellm", {name: log(name, usage=usage) for name, (usage, _) in SHAPES.items()})
    found = dict(zip(SHAPES, place.records("convention_proof = 'contradicted'"), strict=True))
    for name, (_, expected) in SHAPES.items():
        rest = {} if any(key.startswith("output") for key in expected) else {"output.unsplit": 10}
        assert found[name] == (expected | rest, "input.unsplit" in expected), name
        assert sum(found[name][0].values()) == 110, name


@pytest.mark.slow
def test_litellm_rows_that_lost_their_metadata_say_nothing_of_a_cache(place):
    lost = {"empty": "{}", "no JSON": "not json", "gone": None}
    taken_in(place, "litellm", {name: log(name, metadata=text) for name, text in lost.items()})
    found = [tokens for (tokens,) in place.records()]
    wanted = {name: {"input.unsplit": 100, "output.unsplit": 10} for name in lost}
    assert dict(zip(lost, found, strict=True)) == wanted


def failure(code, **meta):
    return {"status": "failure", "meta": {"error_information": {"error_code": code}} | meta}


OUTCOMES = {  # what a record says, and which outcome and flags that is
    "nothing of it": ({}, "ok", None),
    "500": (failure("500"), "platform_error", "estimated"),
    "500 with a cost": (failure("500") | {"spend": 0.1}, "platform_error", None),
    "429": (failure("429"), "platform_error", "estimated"),
    "400": (failure("400"), "client_error", "estimated"),
    "499": (failure("499"), "client_abort", "estimated"),
    "503, retried": (failure("503", attempted_retries=1, max_retries=2), "retry", "estimated"),
    "503, the last retry": (failure("503", attempted_retries=2, max_retries=2), "platform_error", "estimated"),
    "401, not retried": (failure("401", attempted_retries=0, max_retries=2), "client_error", "estimated"),
    "ok, retried": ({"meta": {"attempted_retries": 1, "max_retries": 2}}, "ok", None),
    "a call by the gateway": ({"meta": {"internal_call_origin": "retry"}}, "retry", None),
    "spilled over": ({"meta": {"azure_spillover": {"from_deployment": "ptu"}}}, "ok", "spillover"),
    "cache_hit": ({"cache_hit": "True"}, "ok", "cache_hit"),
    "cache_hit by its id": ({"request_id": "r_cache_hit1759310000.25"}, "ok", "cache_hit"),
}


@pytest.mark.slow
def test_litellm_tells_outcomes_and_flags(place):
    taken_in(place, "litellm", {name: log(name, **{"spend": 0.0} | words) for name, (words, *_) in OUTCOMES.items()})
    found = dict(zip(OUTCOMES, place.records("outcome", "flags"), strict=True))
    assert {name: tuple(said) for name, (_, *said) in found.items()} == {
        name: tuple(said) for name, (_, *said) in OUTCOMES.items()
    }
    assert {name: tokens == {} for name, (tokens, *_) in found.items()} == {
        name: flags == "cache_hit" for name, (*_, flags) in OUTCOMES.items()
    }


@pytest.mark.slow
def test_a_batch_that_was_looked_at_often_counts_once_and_another_one_too(place):
    """Each under a hash of the answer, as LiteLLM called it once; or under its name, whatever that looks like."""
    polls = [  # the id, the tokens, the day
        ("0" * 32, 0, 0, 1),
        ("1" * 32, 5000, 900, 1),
        ("2" * 32, 5000, 900, 1),
        ("3" * 32, 5000, 901, 1),
        ("4" * 32, 5000, 900, 2),
        ("batch_x", 7, 1, 1),
        ("batch_x_batch_cost", 7, 1, 2),
        ("msgbatch_1_batch_cost", 60, 3, 1),
        ("msgbatch_1_batch_cost", 60, 3, 2),
        ("bGl0ZWxsbV9wcm94eTtt_batch_cost", 60, 3, 1),
    ]
    about = {"call_type": "aretrieve_batch", "endTime": "2026-10-03 00:00:00"}
    rows = [
        log(request_id=i, prompt_tokens=p, completion_tokens=c, startTime=f"2026-10-0{day} 09:00:00", **about)
        for i, p, c, day in polls
    ]
    place.write("log.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    place.ingest("log.jsonl")
    assert tokens(place) == {"input.uncached": 15000 + 7 + 120, "output.unsplit": 2701 + 1 + 6}
    assert set(told(place, "service_tier")) == {"batch"}
    counted = place.ask("SELECT rule, CAST(sum(records) AS BIGINT) FROM ledger.exclusions GROUP BY 1 ORDER BY 1")
    assert counted == [("a call about files, batches or tools, of no model", 1), ("the same record again", 3)]


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


def test_a_daily_table_tells_its_owner_by_its_cut(place):
    owners = {"team_id": "team_raw", "user_id": "principal", "end_user_id": "principal", "organization_id": "project", "agent_id": "project"}  # fmt: skip
    place.take({entity: cut(place, entity, f"{entity}.csv") for entity in owners})
    found = place.records("source", "team_raw", "principal", "project")
    said = {source: owner for _, source, *owner in found}
    assert len(found) == len(owners)
    columns = ("team_raw", "principal", "project")
    assert {entity: dict(zip(columns, said[entity], strict=True))[column] for entity, column in owners.items()} == dict.fromkeys(owners, "x")  # fmt: skip


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


TOTALS = {  # the usage of an observation, its proof, and what is uncached, read, visible and reasoning
    "disjoint, as the integrations of Langfuse itself write it": ({"input": 40, "input_cached_tokens": 60, "output": 6, "output_reasoning_tokens": 4, "total": 110}, "proved", [40, 60, 6, 4]),
    "within, as others do: the total is input and output": ({"input": 100, "cache_read_input_tokens": 60, "output": 10, "output_reasoning": 4, "total": 110}, "proved", [40, 60, 6, 4]),
    "one side each": ({"input": 40, "input_cache_read": 60, "output": 10, "output_reasoning": 4, "total": 110}, "proved", [40, 60, 6, 4]),
    "Google's names": ({"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 6, "thoughtsTokenCount": 4, "totalTokenCount": 110}, "proved", [40, 60, 6, 4]),
    "nobody gave a total: disjoint, as the documentation says": ({"input": 40, "input_cached_tokens": 60, "output": 6, "output_reasoning_tokens": 4}, "declared", [40, 60, 6, 4]),
}  # fmt: skip


def observed(key, usage):
    return keyed("langfuse", key, usageDetails=usage, providedUsageDetails=usage)


def test_langfuse_tells_by_the_total_what_its_input_contains(place, way):
    taken_in(place, "langfuse", {name: observed(name, usage) for name, (usage, *_) in TOTALS.items()})
    classes = ["input.uncached", "input.cache_read", "output.visible", "output.reasoning"]
    wanted = {name: (dict(zip(classes, counts, strict=True)), proof) for name, (_, proof, counts) in TOTALS.items()}
    assert dict(zip(TOTALS, place.records("convention_proof"), strict=True)) == wanted


@pytest.mark.slow
def test_a_total_that_langfuse_computed_proves_nothing(place):
    usage = {"input": 100, "cache_read_input_tokens": 60, "output": 10, "total": 170}
    written(place, "langfuse", "log.jsonl", [first("langfuse") | {"usageDetails": usage, "providedUsageDetails": None}])
    place.ingest("log.jsonl")
    assert told(place, "convention_proof") == ["declared"]


UNKNOWN = {  # a usage with what nobody knows or what is no count, and what it tells
    "a key in the total": ({"input": 10, "output": 20, "magic_tokens": 5, "total": 35}, {"input.unsplit": 15, "output.unsplit": 20}),
    "a key": ({"input": 10, "output": 20, "magic_tokens": 5}, {"input.unsplit": 15, "output.unsplit": 20}),
    "a key of no tokens": ({"input": 10, "output": 20, "seconds": 5}, {"input.unsplit": 10, "output.unsplit": 20}),
    "another total": ({"input": 10, "input_cached_tokens": 4, "output": 20, "total": 31}, {"input.unsplit": 11, "output.unsplit": 20}),
    "a negative": ({"input": -10, "output": 20}, {"output.unsplit": 20}),
    "a fraction": ({"input": 1.5, "output": 20}, {"output.unsplit": 20}),
}  # fmt: skip


@pytest.mark.slow
def test_langfuse_loses_no_key_that_it_does_not_know(place):
    """What a text or a negative number stands for is unknown: no 0."""
    taken_in(place, "langfuse", {name: observed(name, usage) for name, (usage, _) in UNKNOWN.items()})
    wanted = {name: (tokens, "contradicted") for name, (_, tokens) in UNKNOWN.items()}
    assert dict(zip(UNKNOWN, place.records("convention_proof"), strict=True)) == wanted


@pytest.mark.slow
def test_langfuse_reads_generations_only_and_counts_the_others(place):
    kinds = ("GENERATION", "EMBEDDING", "SPAN", "EVENT", "AGENT", "TOOL")
    records = [first("langfuse") | {"id": kind, "type": kind} for kind in kinds]
    written(place, "langfuse", "log.jsonl", records)
    place.ingest("log.jsonl")
    assert told(place, "task") == ["generate", "embed"]
    assert place.ask("SELECT rule, records FROM ledger.exclusions") == [("an observation that is no generation", 4)]


def test_owners(place):
    owners = {
        "langfuse": ("search", "customer", "u-1", "cm-prod"),
        "helicone": ("search", "customer", "u-1", None),
        "portkey": ("search", "customer", "u-1", None),
        "openrouter_generation": (None, None, "customer-7", "42"),
    }
    for source in owners:
        written(place, source, f"{source}.jsonl", [first(source)])
    place.take({source: f"{source}.jsonl" for source in owners})
    found = place.records("source", "team_raw", "purpose", "principal", "project")
    assert {source: tuple(owner) for _, source, *owner in found} == owners
    assert len(found) == len(owners)


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


def test_helicones_database_keeps_billionths_of_a_dollar(place):
    dollars = {24300000: Decimal("0.0243"), 0.0243: Decimal("0.0243"), 0: Decimal(0), None: None}
    taken_in(place, "helicone", {cost: keyed("helicone", f"{cost}", cost=cost) for cost in dollars})
    assert dict(zip(dollars, told(place, "reported_cost"), strict=True)) == dollars


PROVED = {  # what a record says, and which convention and proof that is
    "a total of both": ({}, "inclusive", "proved"),
    "no total": ({"total_units": None}, "inclusive", "declared"),
    "a total of three": ({"total_units": 1800}, "exclusive", "proved"),
    "another total": ({"total_units": 1801}, "inclusive", "contradicted"),
    "Anthropic, no total": ({"ai_org": "anthropic", "total_units": None}, "exclusive", "declared"),
    "no response": ({"response": None}, "unsplit", "declared"),
}


def test_portkey_proves_by_the_total_what_the_provider_counts(place):
    """1,000 units in of which 600 were cached, or beside which they were; 200 out."""
    taken_in(place, "portkey", {name: keyed("portkey", name, **words) for name, (words, *_) in PROVED.items()})
    found = dict(zip(PROVED, place.records("convention", "convention_proof"), strict=True))
    assert {name: said[1:] for name, said in found.items()} == {name: said[1:] for name, said in PROVED.items()}
