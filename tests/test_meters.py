"""What model providers report themselves: usage by buckets, counted once and by class; costs by buckets, which are bills."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import few

from costctl import formats, pipeline
from costctl.errors import InputRefused

pytestmark = pytest.mark.usefixtures("unposted", "begun")

SAMPLES = Path(__file__).parent / "samples" / "tokens"
DAY = 86400
OCTOBER = 1790812800  # the 1st, 2026
TOKENS = "SELECT token_class, CAST(sum(tokens) AS BIGINT) FROM ledger.token_quantity GROUP BY 1 ORDER BY 1"
PROOFS = "SELECT convention_proof, count(*) FROM ledger.token_usage GROUP BY 1 ORDER BY 1"


def openai(day, *results, more=False):
    """A page of OpenAI with one bucket, of that day of October."""
    start = OCTOBER + (day - 1) * DAY
    bucket = {"object": "bucket", "start_time": start, "end_time": start + DAY, "results": list(results)}
    return {"object": "page", "data": [bucket], "has_more": more, "next_page": "more" if more else None}


def completions(input_tokens=1000, output_tokens=500, **fields):
    kind = {"object": "organization.usage.completions.result", "num_model_requests": 5, "model": "gpt-5"}
    return kind | {"input_tokens": input_tokens, "output_tokens": output_tokens} | fields


def costs(value, item="gpt-5, output", **fields):
    amount = {"value": value, "currency": "usd"}
    return {"object": "organization.costs.result", "amount": amount, "line_item": item} | fields


def anthropic(day, *results, more=False):
    """A page of Anthropic with one bucket, of that day of October (32 is the 1st of November)."""
    starts, ends = (f"2026-{'10' if at < 32 else '11'}-{(at - 1) % 31 + 1:02}T00:00:00Z" for at in (day, day + 1))
    return {"data": [{"starting_at": starts, "ending_at": ends, "results": list(results)}], "has_more": more}


def messages(uncached=10, output=1, **fields):
    return {"uncached_input_tokens": uncached, "output_tokens": output, "model": "claude-sonnet-4-6"} | fields


def cost(amount, **fields):
    named = {"currency": "USD", "model": "claude-sonnet-4-6", "token_type": "output_tokens", "description": "Output"}
    return {"amount": amount} | named | fields


def written(place, name, *pages):
    return place.write(name, "\n".join(json.dumps(page) for page in pages))


# Usage


def test_the_example_of_openais_reference(place):
    place.ingest(SAMPLES / "openai" / "usage_completions_reference_example.json")
    assert place.ask(TOKENS) == [("input.cache_read", 800), ("input.uncached", 200), ("output.unsplit", 500)]
    found = "SELECT requests, flags, ts_start::VARCHAR, ts_end::VARCHAR FROM ledger.token_usage"
    assert place.ask(found) == [(5, "incomplete", "2024-11-01 00:00:00", "2024-11-02 00:00:00")]


COMPLETIONS = {  # the fields of a result, the classes that they are, and the proof
    # older: text alone, audio on top with what was cached of it
    "no parts": ({}, {"input.uncached": 1000, "output.unsplit": 500}, "declared"),
    "audio on top": (
        {"input_cached_tokens": 800, "input_audio_tokens": 300, "output_audio_tokens": 20},
        {"input.uncached": 200, "input.cache_read": 800, "input.unsplit": 300, "output.unsplit": 520},
        "declared",
    ),
    "more cached than there is": (
        {"input_cached_tokens": 1001, "input_audio_tokens": 300},
        {"input.unsplit": 1300, "output.unsplit": 500},
        "contradicted",
    ),
    # newer: all modalities are in it
    "audio within": (
        {"input_uncached_tokens": 150, "input_cached_tokens": 850, "input_audio_tokens": 30, "output_audio_tokens": 20},
        {"input.uncached": 150, "input.cache_read": 850, "output.unsplit": 500},
        "proved",
    ),
    "text, and what was cached": (
        {"input_text_tokens": 170, "input_cached_tokens": 800, "input_audio_tokens": 30},
        {"input.uncached": 200, "input.cache_read": 800, "output.unsplit": 500},
        "declared",
    ),
    "cache writes": (
        {"input_cached_tokens": 800, "input_cache_write_tokens": 100},
        {"input.uncached": 100, "input.cache_read": 800, "input.cache_write.unspecified": 100, "output.unsplit": 500},
        "declared",
    ),
    "cache writes of two times": (
        {"input_uncached_tokens": 50, "input_cached_tokens": 800, "input_cache_write_tokens": 100, "input_cache_write_12h_tokens": 50},
        {"input.uncached": 50, "input.cache_read": 800, "input.cache_write.30m": 100, "input.cache_write.12h": 50, "output.unsplit": 500},
        "proved",
    ),
    "parts of another sum": ({"input_uncached_tokens": 199, "input_cached_tokens": 800}, {"input.unsplit": 1000, "output.unsplit": 500}, "contradicted"),
    # a count that no field of ours names
    "a count that nobody knows": (
        {"input_uncached_tokens": 200, "input_cached_tokens": 800, "input_video_tokens": 7},
        {"input.uncached": 200, "input.cache_read": 800, "output.unsplit": 500},
        "contradicted",
    ),
    "one that is 0": ({"input_uncached_tokens": 1000, "input_video_tokens": 0}, {"input.uncached": 1000, "output.unsplit": 500}, "proved"),
}  # fmt: skip


@pytest.mark.slow
def test_both_generations_of_openais_fields(place):
    """In one file: what fields its other records have does not decide what a record says."""
    results = {name: completions(**fields, project_id=name) for name, (fields, *_) in COMPLETIONS.items()}
    written(place, "usage.json", openai(1, *results.values()))
    place.ingest("usage.json")
    wanted = {name: said for name, (_, *said) in COMPLETIONS.items()}
    found = place.records("convention_proof")
    assert {name: list(said) for name, said in zip(COMPLETIONS, found, strict=True)} == wanted
    assert place.broken() == []


@pytest.mark.slow
def test_a_result_that_does_not_name_its_endpoint_is_told_by_its_fields(place):
    """Some clients leave the name of the object out."""
    fields = [
        {"input_tokens": 9, "output_tokens": 1},
        {"images": 1},
        {"characters": 5},
        {"seconds": 5},
        {"input_tokens": 9},
    ]
    written(place, "usage.json", openai(1, *(found | {"num_model_requests": 1, "model": "m"} for found in fields)))
    place.ingest("usage.json", quarantine_rows=0)
    found = place.ask("SELECT task FROM ledger.token_usage ORDER BY record_no")
    assert [row[0] for row in found] == ["generate", "image", "audio", "other"]


@pytest.mark.slow
def test_tools_count_no_tokens_and_are_left_out_by_name(place):
    searches = {"object": "organization.usage.web_searches.result", "num_requests": 7, "num_model_requests": 5}
    stores = {"object": "organization.usage.vector_stores.result", "usage_bytes": 1024}
    written(place, "searches.json", openai(1, searches), openai(2, completions()))
    written(place, "stores.json", openai(1, stores))
    place.ingest("searches.json", "stores.json")
    assert place.ask("SELECT sum(requests) FROM ledger.token_usage") == [(5,)]
    assert place.ask("SELECT sum(excluded), sum(kept) FROM ledger.delivery_files") == [(2, 1)]


def test_anthropics_classes_are_fields_of_their_own(place):
    more = {
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 3},
        "cache_read_input_tokens": 7,
    }
    written(place, "usage.json", anthropic(1, messages(**more)))
    place.ingest("usage.json")
    wanted = {"input.uncached": 10, "input.cache_write.5m": 5, "input.cache_write.1h": 3, "input.cache_read": 7}
    assert dict(place.ask(TOKENS)) == wanted | {"output.unsplit": 1}
    assert place.ask(PROOFS) == [("declared", 1)]


@pytest.mark.slow
def test_a_count_that_no_field_names_is_told(place):
    day = {"ephemeral_24h_input_tokens": 3, "ephemeral_5m_input_tokens": 0}
    for number, more in enumerate([{"reasoning_tokens": 3}, {"cache_creation": day}]):
        written(place, f"{number}.json", anthropic(1, messages(**more)))
    outcomes = place.take({"a count": "0.json", "a part": "1.json"})
    told = "1 record whose parts do not add up as the source declares, or that count what nobody knows; the first is "
    assert [outcome.notes for outcome in outcomes] == [
        (f"{told}{place.home}/{number}.json:record 1",) for number in range(2)
    ]
    assert [tokens["input.uncached"] for (tokens,) in place.records()] == [10, 10]


@pytest.mark.slow
def test_tier_speed_and_region(place):
    cases = [
        ({}, None, None),
        ({"service_tier": "standard", "inference_geo": "not_available"}, None, None),
        ({"service_tier": "flex_discount", "inference_geo": "global"}, "flex_discount", "global"),
        ({"service_tier": "standard", "speed": "fast", "inference_geo": "us"}, "fast", "geo:us"),
    ]
    written(place, "usage.json", anthropic(1, *(messages(**said) for said, *_ in cases)))
    place.ingest("usage.json")
    found = place.records("service_tier", "region")
    assert [(said, *where) for (said, *_), (_, *where) in zip(cases, found, strict=True)] == cases


@pytest.mark.parametrize("page", few([anthropic, openai]))
def test_pages_come_in_any_order_in_one_file_or_in_several(page, place):
    result = messages if page is anthropic else completions
    first, second = page(1, result(), more=True), page(2, result())
    written(place, "b.json", first)
    written(place, "a.json", second)
    written(place, "c.json", second, first)
    for source, names in {"several": ["b.json", "a.json"], "one": ["c.json"]}.items():
        outcomes = place.ingest(*names, source=source, decision="add")
        assert [outcome.notes for outcome in outcomes] == [()]
    written(place, "d.json", page(3, result(), more=True))
    (outcome,) = place.ingest("d.json", source="cut")
    assert "fetch the next page too" in outcome.notes[0]
    found = place.ask("SELECT source, count(*), count(flags) FROM ledger.token_usage GROUP BY 1 ORDER BY 1")
    assert found == [("cut", 1, 1), ("one", 2, 0), ("several", 2, 0)]


@pytest.mark.slow
def test_each_endpoint_may_be_asked_for_in_its_own_way(place):
    """Completions by key, moderations and images as a whole: other counts, which are added. A second cut of one is refused."""
    whole = {
        name: {"object": f"organization.usage.{name}.result", "num_model_requests": 1}
        for name in ("images", "moderations")
    }
    written(place, "completions.json", openai(1, completions(api_key_id="k")))
    written(place, "others.json", *(openai(1, found) for found in whole.values()))
    place.ingest("completions.json", "others.json")
    assert place.ask("SELECT count(*) FROM ledger.token_usage") == [(3,)]
    written(place, "total.json", openai(1, completions(model=None)))
    with pytest.raises(InputRefused, match="both as a whole and by groups"):
        place.ingest("total.json")


@pytest.mark.parametrize("backwards", few([False, True]))
def test_of_pulls_that_overlap_each_bucket_and_group_counts_once(backwards, place):
    """The 2nd of October was counted too high at the first pull."""
    written(place, "first.json", anthropic(1, messages(100)), anthropic(2, messages(90), messages(5, api_key_id="k")))
    written(place, "later.json", anthropic(2, messages(70), messages(5, api_key_id="k")), anthropic(3, messages(1)))
    names = ["first.json", "later.json"]
    for name in reversed(names) if backwards else names:
        place.ingest(name)
    assert dict(place.ask(TOKENS))["input.uncached"] == 100 + 70 + 5 + 1
    assert [outcome.status for outcome in place.ingest("later.json")] == ["nothing to do"]
    assert place.broken() == []


BAD = {
    "a negative count": messages(-1),
    "not a number": messages(float("nan")),
    "a text": messages("many"),
    "a fraction": messages(1.5),
    "no count": messages(None),
}


@pytest.mark.slow
def test_a_record_that_cannot_be_counted_is_refused_and_named(place):
    files = {what: f"{number}.json" for number, what in enumerate(BAD)}
    for what, name in files.items():
        written(place, name, anthropic(1, messages(), BAD[what]))
    said = place.refused(files)
    assert {what: said[what] for what in BAD if "1 record cannot be taken in" not in said[what]} == {}
    assert {what: said[what] for what in BAD if "uncached" not in said[what]} == {}
    outcomes = place.take(files, quarantine_rows=1)
    assert {found.source: (found.records, found.quarantined) for found in outcomes} == dict.fromkeys(BAD, (2, 1))


def test_what_was_cut_is_refused(place):
    whole = written(place, "usage.json", anthropic(1, messages(), messages(api_key_id="k"))).read_text()
    place.write("cut.json", whole[:-40])
    said = place.costctl("ingest", "cut.json")
    assert said.returncode == 3
    assert "cut.json:1: the record that starts here is not whole JSON" in said.stderr


def test_enterprise_analytics_are_refused_by_name(place):
    results = {
        "product": messages(product="claude_code"),
        "group": messages(rbac_group_id="g"),
        "list": {"amount": "1", "list_amount": "2", "currency": "USD"},
    }
    files = {name: f"{name}.json" for name in results}
    for name, result in results.items():
        written(place, files[name], anthropic(1, result))
    assert place.costctl("ingest", "product.json").returncode == 3
    said = place.refused(files)
    assert {name: said[name] for name in files if "is an Enterprise analytics report" not in said[name]} == {}


# Logged answers


def answer(number, output=2, **fields):
    """An answer of Anthropic's Messages API, with the time at which it was logged."""
    named = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5",
        "stop_reason": None,
    }
    return named | {
        "timestamp": "2026-10-01T10:00:00Z",
        "usage": {"input_tokens": 10, "output_tokens": output} | fields,
    }


def completion(number, prompt=10, output=2, total=12, **details):
    """An answer of OpenAI's Chat Completions API."""
    named = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": OCTOBER, "model": "gpt-5"}
    return named | {"usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": total} | details}


def test_a_stream_that_says_its_usage_again_and_again_counts_once(place):
    """Its counts are cumulative; the last has the most. The line may come in another log, too."""
    written(place, "log.jsonl", answer(1, 1), answer(1, 30), answer(1, 7), answer(2))
    written(place, "again.jsonl", answer(1, 30), answer(3, 4))
    place.ingest("log.jsonl")
    place.ingest("again.jsonl")
    assert dict(place.ask(TOKENS)) == {"input.uncached": 30, "output.unsplit": 30 + 2 + 4}
    assert place.ask("SELECT sum(requests) FROM ledger.token_usage") == [(3,)]


ANSWERS = {  # an answer, the classes that are looked at, and the proof
    "written": (answer(1, cache_creation_input_tokens=5), {"input.cache_write.unspecified": 5}, "declared"),
    "written for how long": (answer(1, cache_creation={"ephemeral_5m_input_tokens": 5}), {"input.cache_write.5m": 5}, "declared"),
    "written, another sum of parts": (
        answer(1, cache_creation_input_tokens=6, cache_creation={"ephemeral_5m_input_tokens": 5}),
        {"input.cache_write.unspecified": 6},
        "contradicted",
    ),
    "thought": (answer(1, 9, output_tokens_details={"thinking_tokens": 4}), {"output.visible": 5, "output.reasoning": 4}, "declared"),
    "more thought than there is": (answer(1, 9, output_tokens_details={"thinking_tokens": 10}), {"output.unsplit": 9}, "contradicted"),
    "no parts": (completion(1), {"input.uncached": 10}, "ambiguous"),
    "cached within": (completion(1, prompt_tokens_details={"cached_tokens": 4}), {"input.uncached": 6, "input.cache_read": 4}, "proved"),
    "cached beside": (completion(1, total=16, prompt_tokens_details={"cached_tokens": 4}), {"input.uncached": 10, "input.cache_read": 4}, "proved"),
    "another total": (completion(1, total=99, prompt_tokens_details={"cached_tokens": 4}), {"input.unsplit": 10}, "contradicted"),
    "more cached than there is": (completion(1, total=16, prompt_tokens_details={"cached_tokens": 11}), {"input.unsplit": 10}, "contradicted"),
    "reasoning and a prediction": (
        completion(1, 10, 9, 19, completion_tokens_details={"reasoning_tokens": 4, "rejected_prediction_tokens": 2}),
        {"output.visible": 3, "output.reasoning": 4, "output.rejected_prediction": 2},
        "ambiguous",
    ),
    "more of both than there is": (
        completion(1, 10, 5, 15, completion_tokens_details={"reasoning_tokens": 4, "rejected_prediction_tokens": 2}),
        {"output.unsplit": 5},
        "contradicted",
    ),
}  # fmt: skip


NO_USAGE = {"a number": 5, "a list": [5], "a text": "5", "words": "five", "no JSON": "{"}


@pytest.mark.slow
def test_a_usage_that_is_no_object_is_set_aside_and_none_at_all_is_a_request(place):
    files = {what: f"{number}.json" for number, what in enumerate(NO_USAGE)}
    for what, usage in NO_USAGE.items():
        written(place, files[what], completion(1), completion(2) | {"usage": None}, completion(3) | {"usage": usage})
    said = place.refused(files)
    assert {what: text for what, text in said.items() if ":3: usage is not a JSON object" not in text} == {}
    place.take(files, quarantine_rows=1)
    found = "SELECT DISTINCT source, count(*), sum(requests) FROM ledger.token_usage GROUP BY 1 ORDER BY 1"
    assert place.ask(found) == [(what, 2, 2) for what in sorted(NO_USAGE)]


@pytest.mark.slow
def test_the_parts_of_an_answer(place):
    """In one log of each format, every answer under an id of its own."""
    logs = {"anthropic": {}, "openai": {}}
    for name, (given, *_) in ANSWERS.items():
        logs["anthropic" if "type" in given else "openai"][name] = given | {"id": name}
    for source, given in logs.items():
        written(place, f"{source}.json", *given.values())
    place.take({source: f"{source}.json" for source in logs})
    names = [*logs["anthropic"], *logs["openai"]]
    found = dict(zip(names, place.records("convention_proof"), strict=True))
    for name, (_, classes, proof) in ANSWERS.items():
        tokens, proved = found[name]
        assert ({key: tokens.get(key) for key in classes}, proved) == (classes, proof), name
    assert place.broken() == []


# Bills


def test_cents_are_shifted_and_dollars_are_not(place):
    written(place, "a.json", anthropic(1, cost("123.45"), cost("0.0000000000000001", model="m"), cost("-5", model="n")))
    written(place, "o.json", openai(1, costs(123.45), costs("1e-7", "x, input"), costs(0.1, "y")))
    place.ingest("a.json", "o.json")
    query = "SELECT BilledCost FROM ledger.charges WHERE source = '{}' ORDER BY record_no"
    found = {name: [row[0] for row in place.ask(query.format(name))] for name in ("anthropic_cost", "openai_costs")}
    assert found["anthropic_cost"] == [Decimal("1.2345"), Decimal("1e-18"), Decimal("-0.05")]
    assert found["openai_costs"] == [Decimal("123.45"), Decimal("1e-7"), Decimal("0.1")]


@pytest.mark.slow
def test_cents_that_cannot_be_kept_whole_are_refused(place):
    amounts = ["0.00000000000000001", "1e3", "NaN", "$5", "1,234", None]
    files = {f"{amount}": f"{number}.json" for number, amount in enumerate(amounts)}
    for amount, name in zip(amounts, files.values(), strict=True):
        written(place, name, anthropic(1, cost("1"), cost(amount)))
    said = place.refused(files)
    assert {name: said[name] for name in files if "1 record cannot be taken in" not in said[name]} == {}


@pytest.mark.slow
def test_a_currency_that_is_none_is_refused(place):
    written(place, "bill.json", openai(1, costs(1) | {"amount": {"value": 1, "currency": "dollars"}}))
    with pytest.raises(InputRefused):
        place.ingest("bill.json")


def test_the_month_is_that_of_the_bucket_in_utc(place):
    written(place, "bill.json", anthropic(31, cost("100")), anthropic(32, cost("200")))
    place.ingest("bill.json")
    query = "SELECT strftime(billing_period, '%Y-%m'), BilledCost FROM ledger.charges ORDER BY 1"
    assert place.ask(query) == [("2026-10", Decimal(1)), ("2026-11", Decimal(2))]


BILLED = "SELECT sum(BilledCost), count(*) FROM ledger.charges"
PAGES = {  # a page of a cost report of one day that costs so many dollars
    "anthropic": lambda day, dollars, **fields: anthropic(day, cost(f"{dollars}00", **fields), more=True),
    "openai": lambda day, dollars, **fields: openai(day, costs(dollars, **fields), more=True),
}


@pytest.fixture(params=few(PAGES))
def page(request):
    return PAGES[request.param]


def test_the_pages_of_one_command_are_one_delivery_and_come_again_in_vain(page, place):
    written(place, "1.json", page(1, 1))
    written(place, "2.json", page(2, 2), page(3, 3))
    assert len(place.ingest("2.json", "1.json")) == 1
    assert place.ask(BILLED) == [(Decimal(6), 3)]
    for names in (["1.json", "2.json"], ["1.json"], ["2.json"]):
        assert [outcome.status for outcome in place.ingest(*names)] == ["nothing to do"]
    written(place, "3.json", page(4, 4))
    assert [outcome.status for outcome in place.ingest("1.json", "2.json", "3.json")] == ["loaded"]
    assert place.ask(BILLED) == [(Decimal(10), 4)]


def test_a_later_pull_of_a_month_is_refused_until_somebody_says_what_it_is(page, place):
    written(place, "first.json", page(1, 1), page(2, 2))
    written(place, "later.json", page(1, 1), page(2, 5), page(3, 3))
    place.ingest("first.json")
    said = place.costctl("ingest", "later.json")
    assert said.returncode == 3
    assert "is in the ledger already, from other files" in said.stderr
    assert place.ask(BILLED) == [(Decimal(3), 2)]
    assert place.costctl("ingest", "later.json", "--replace").returncode == 0
    assert place.ask(BILLED) == [(Decimal(9), 3)]


TWICE = {
    "another amount": (lambda page: [page(1, 1), page(2, 2)], lambda page: [page(2, 9)]),
    "not told what for": (lambda page: [page(1, 1)], lambda page: [page(1, 1, description=None, line_item=None)]),
}


@pytest.mark.parametrize("what", few(TWICE))
def test_two_pulls_of_a_day_in_one_command_are_refused_whatever_they_cost(what, page, place):
    one, other = TWICE[what]
    written(place, "a.json", *one(page))
    written(place, "b.json", *other(page))
    said = place.costctl("ingest", "a.json", "b.json")
    assert said.returncode == 3
    assert "b.json: holds charges of 2026-10 that" in said.stderr
    assert "a.json holds too: 1 of its 1" in said.stderr
    assert place.ask(BILLED) == [(None, 0)]


def test_a_page_twice_in_a_file_is_refused(page, place):
    written(place, "a.json", page(1, 1), page(2, 2), page(1, 1))
    with pytest.raises(InputRefused, match="holds charges of 2026-10 twice: 2 of its 3"):
        place.ingest("a.json")


def test_other_groups_of_a_day_may_come_in_another_file(page, place):
    """A pull for each project or workspace."""
    for name in ("a", "b"):
        written(place, f"{name}.json", page(1, 1, project_id=name, workspace_id=name))
    place.ingest("a.json", "b.json")
    assert place.ask(BILLED) == [(Decimal(2), 2)]


def test_the_month_to_date_counts_as_far_as_it_goes(page, place):
    place.write("costctl.yaml", "version: 1\nsources: [{name: api, path: bills, deliveries: month_to_date}]\n")
    written(place, "bills/2026-10-02.json", page(1, 1))
    written(place, "bills/2026-10-03.json", page(1, 4), page(2, 2))
    assert place.costctl("ingest").returncode == 0
    assert place.ask(BILLED) == [(Decimal(6), 2)]


ITEMS = [  # a line item and its unit, and the model and class that it names
    ("gpt-5.5-2026-04-23, input", "tokens", "gpt-5.5-2026-04-23", "input"),
    ("gpt-5.5-2026-04-23, cached input", "tokens", "gpt-5.5-2026-04-23", "cache_read"),
    ("gpt-5.6-luna, cache writes", "1000_tokens", "gpt-5.6-luna", "cache_write"),
    ("gpt-5.6-luna, cache writes - 12hr", "tokens", "gpt-5.6-luna", "cache_write"),
    ("gpt-5.4-2026-03-05, cached input, long context", "tokens", "gpt-5.4-2026-03-05", "cache_read"),
    ("priority | gpt-5.6-sol, output, long context", "tokens", "gpt-5.6-sol", "output"),
    ("gpt-6-astra, input_tokens", "tokens", "gpt-6-astra", "input"),
    ("gpt-6-astra, cached_input_tokens", "tokens", "gpt-6-astra", "cache_read"),
    ("gpt-6-astra, input_cached_tokens", "tokens", "gpt-6-astra", "cache_read"),
    ("gpt-6-astra, output_tokens", "tokens", "gpt-6-astra", "output"),
    ("GPT-4o, input", None, "GPT-4o", "input"),
    ("ft-gpt-4o-2024-08-06, input", None, "ft-gpt-4o-2024-08-06", "input"),
    ("gpt-audio-mini-2025-12-15 audio, input", None, "gpt-audio-mini-2025-12-15", "input"),
    ("gpt-image-1 image, output", None, "gpt-image-1", "output"),
    ("gpt-image-2 text, cached input", None, "gpt-image-2", "cache_read"),
    ("gpt-4o-transcribe, input", "duration_seconds", None, None),
    ("whisper-1, audio", None, None, None),
    ("web search tool calls", None, None, None),
    ("Vector store storage", "gibibyte_hours", None, None),
    (None, None, None, None),
]


@pytest.mark.slow
def test_what_a_line_item_says(place):
    """Each of a project of its own."""
    results = [
        costs(1, item, quantity=3, quantity_unit=unit, project_id=f"p{number}")
        for number, (item, unit, *_) in enumerate(ITEMS)
    ]
    written(place, "bill.json", openai(1, *results))
    place.ingest("bill.json")
    found = place.ask("SELECT x_model_raw, x_token_class FROM ledger.charges ORDER BY record_no")
    assert [(item, unit, *said) for (item, unit, *_), said in zip(ITEMS, found, strict=True)] == ITEMS


@pytest.mark.parametrize(
    "name",
    [*("anthropic_usage", "openai_usage", "anthropic_cost", "openai_costs"), "anthropic_messages", "openai_responses"],
)
def test_a_report_is_read_by_one_format(name):
    known = pipeline.known()
    for sample in known[name].home.glob("sample*"):
        assert formats.identify(formats.inspect(sample), known).name == name
