"""What clients say they used: session logs of Claude Code and of Codex, spans of OpenTelemetry. Each answer counts once, and nothing twice."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import few

from costctl.errors import InputRefused

pytestmark = pytest.mark.usefixtures("unposted", "begun")

SAMPLES = Path(__file__).parent / "samples" / "tokens" / "ccusage"
TOKENS = "(SELECT string_agg(token_class || '=' || tokens, ' ' ORDER BY token_class) FROM ledger.token_quantity AS q WHERE (q.delivery_id, q.file_no, q.record_no) = (u.delivery_id, u.file_no, u.record_no))"
CLASSES = "SELECT token_class, CAST(sum(tokens) AS BIGINT) FROM ledger.token_quantity GROUP BY 1 ORDER BY 1"


def usage(place, columns=TOKENS):
    """Return the records of the ledger in the order of their time."""
    rows = place.ask(f"SELECT {columns} FROM ledger.token_usage AS u ORDER BY ts_start, ts_end, file_no, record_no")
    return [row[0] if len(row) == 1 else row for row in rows]


def lines(place, name, *records):
    """Write JSON lines."""
    return place.write(name, "".join(json.dumps(record) + "\n" for record in records))


def left_out(place):
    return dict(place.ask("SELECT rule, CAST(sum(records) AS BIGINT) FROM ledger.exclusions GROUP BY 1"))


# Claude Code


def answer(message="msg_1", request="req_1", tokens=(1, 0, 0, 1), **more):
    """Return a line of an answer; its tokens are input, written, read and output."""
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    counts = dict(zip(names, tokens, strict=True)) | more.pop("usage", {})
    said = {"id": message, "model": more.pop("model", "claude-sonnet-4-5"), "usage": counts}
    line = {"type": "assistant", "timestamp": "2026-10-01T09:00:00Z", "sessionId": "s", "requestId": request}
    line |= {"cwd": "/srv/parser", "message": said} | more
    return {key: value for key, value in line.items() if value is not None}


def test_a_session_of_claude_code_counts_as_its_authors_say(place):
    assert place.costctl("ingest", SAMPLES / "claude-project-alpha-chat.jsonl").returncode == 0
    parts = "sum(tokens) FILTER (WHERE token_class = 'input.uncached'), sum(tokens) FILTER (WHERE token_class = 'output.unsplit'), sum(tokens) FILTER (WHERE token_class LIKE '%write%'), sum(tokens) FILTER (WHERE token_class LIKE '%read')"
    by = "SELECT {0}, count(DISTINCT record_no), {1} FROM ledger.token_usage JOIN ledger.token_quantity USING (delivery_id, file_no, record_no) GROUP BY 1 ORDER BY 1"
    assert place.ask(by.format("evidence_role", parts)) == [("client", 3, 600, 250, 75, 70)]
    assert place.ask(by.format("day(ts_start)", parts)) == [(9, 2, 300, 125, 75, 30), (10, 1, 300, 125, 0, 40)]
    assert place.ask(by.format("model_raw", parts)) == [
        ("claude-opus-4-20250514", 1, 200, 75, 50, 20),
        ("claude-sonnet-4-20250514", 2, 400, 175, 25, 50),
    ]
    assert usage(place, "service_tier, reported_cost") == [
        (None, Decimal("0.12")),
        ("fast", Decimal("0.34")),
        (None, Decimal("0.56")),
    ]
    assert usage(place, "sum(reported_cost) OVER ()")[0] == Decimal("1.02")


@pytest.mark.slow
def test_a_transcript_without_ids_or_times_is_refused_or_set_aside_and_counts_nothing(place):
    path = SAMPLES / "claude-transcript-no-ids.jsonl"
    said = place.costctl("ingest", path)
    assert said.returncode == 3
    assert "2 records cannot be taken in" in said.stderr
    assert "message.id is empty" in said.stderr
    place.ingest(path, quarantine_rows=2)
    assert usage(place) == []
    assert place.ask("SELECT DISTINCT line_no, column_name FROM ledger.quarantine ORDER BY ALL") == [
        (2, "message_id"),
        (2, "ts"),
        (4, "message_id"),
        (4, "ts"),
    ]
    assert left_out(place) == {"a line without usage": 2}


FULL, EARLY = (4, 0, 900, 310), (4, 0, 900, 2)
REPLAYS = {  # what is written of one answer, and how often it counts
    "as one line per block": ([answer(tokens=EARLY), answer(tokens=FULL)], 1),
    "the last one cut short": ([answer(tokens=FULL), answer(tokens=EARLY)], 1),
    "by a sidechain under a request id of its own": (
        [answer(tokens=FULL), answer(request="req_2", isSidechain=True, tokens=FULL)],
        1,
    ),
    "in a session that copies it": (
        [answer(tokens=FULL), answer(sessionId="t", tokens=FULL, timestamp="2026-10-02T09:00:00Z")],
        1,
    ),
    "without a request id": ([answer(request=None, tokens=FULL), answer(request=None, sessionId="t", tokens=FULL)], 1),
    "by a gateway that calls all answers alike, in two sessions": (
        [answer("ocgo", None, FULL), answer("ocgo", None, FULL, sessionId="t")],
        2,
    ),
    "by a gateway twice in one session": ([answer("ocgo", None, EARLY), answer("ocgo", None, FULL)], 1),
    "another answer": ([answer(tokens=FULL), answer("msg_2", "req_2", FULL)], 2),
}


def of_case(line, name):
    """Return a line as one of a case, which has a folder, sessions, requests and answers of its own; what a gateway calls all of them stays."""
    message, own = line["message"], {"cwd": f"/srv/{name}", "sessionId": f"{line['sessionId']} {name}"}
    if "requestId" in line:
        own["requestId"] = f"{line['requestId']} {name}"
    identity = f"{message['id']} {name}" if message["id"].startswith("msg_") else message["id"]
    return line | own | {"message": message | {"id": identity}}


@pytest.mark.parametrize("apart", few([False, True]), ids=["one file", "two files"])
def test_an_answer_counts_once_with_the_larger_total_however_often_it_is_written(places, apart):
    once = {"input.cache_read": 900, "input.cache_write.unspecified": 0, "input.uncached": 4, "output.unsplit": 310}
    for order in (0, 1), (1, 0):
        place = places()
        parts = [[of_case(records[at], name) for name, (records, _) in REPLAYS.items()] for at in order]
        for number, part in enumerate(parts if apart else [parts[0] + parts[1]]):
            place.ingest(lines(place, f"{number}.jsonl", *part))
        found = {name: [] for name in REPLAYS}
        for tokens, project in place.records("project"):
            found[project].append(tokens)
        assert found == {name: [once] * times for name, (_, times) in REPLAYS.items()}, order


CLAUDE = {
    "a synthetic notice": (answer(model="<synthetic>"), None),
    "the user's line": ({"type": "user", "isSidechain": False, "timestamp": "2026-10-01T09:00:00Z", "message": {"role": "user", "content": "x"}}, None),
    "a summary": ({"type": "summary", "leafUuid": "u", "summary": "x"}, None),
    "no usage but null": ({"type": "assistant", "isSidechain": False, "message": {"id": "m", "usage": None}}, None),
    "writes by how long": (
        answer(tokens=(1, 30, 0, 2), usage={"cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}),
        ("exclusive", "declared", "input.cache_read=0 input.cache_write.1h=20 input.cache_write.5m=10 input.uncached=1 output.unsplit=2"),
    ),
    "writes whose parts are another sum": (
        answer(tokens=(1, 31, 0, 2), usage={"cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}}),
        ("exclusive", "contradicted", "input.cache_read=0 input.cache_write.unspecified=31 input.uncached=1 output.unsplit=2"),
    ),
    "a count that nobody knows": (
        answer(usage={"thinking_tokens": 7}),
        ("exclusive", "contradicted", "input.cache_read=0 input.cache_write.unspecified=0 input.uncached=1 output.unsplit=1"),
    ),
    "one that is 0": (
        answer(usage={"thinking_tokens": 0}),
        ("exclusive", "declared", "input.cache_read=0 input.cache_write.unspecified=0 input.uncached=1 output.unsplit=1"),
    ),
}  # fmt: skip


def test_a_line_of_claude_code_counts_by_what_it_says(place):
    given = [named(line, f"msg_{number}") for number, (line, _) in enumerate(CLAUDE.values())]
    (outcome,) = place.ingest(lines(place, "s.jsonl", *given))
    told = place.ask(f"SELECT record_no, convention, convention_proof, {TOKENS} FROM ledger.token_usage AS u")
    found = {number: tuple(said) for number, *said in told}
    assert {name: found.get(number) for number, name in enumerate(CLAUDE, 1)} == {
        name: said for name, (_, said) in CLAUDE.items()
    }
    assert outcome.quarantined == 0
    assert sum(left_out(place).values()) == sum(said is None for _, said in CLAUDE.values())


def named(line, message):
    """Return a line whose answer, where it has one, is another than that of the other lines."""
    said = line.get("message", {})
    return line | {"message": said | {"id": message}} if said.get("usage") else line


def test_who_billed_an_answer_and_for_which_project_is_told_by_its_line(place):
    cases = [
        ("msg_01", "claude-sonnet-4-5", "/srv/parser", "anthropic", "parser"),
        ("msg_bdrk_01", "us.anthropic.claude-sonnet-4-5-v1:0", "C:\\work\\billing\\", "aws.bedrock", "billing"),
        ("msg_vrtx_01", "claude-sonnet-4-5@20250929", None, "gcp.vertex_ai", None),
        ("chatcmpl-1", "kimi-k2.5", "/", "unknown", None),
    ]
    given = [answer(message, model=model, cwd=folder) for message, model, folder, *_ in cases]
    place.ingest(lines(place, "s.jsonl", *given))
    found = place.records("provider", "project")
    assert [(*case[:3], *told) for case, (_, *told) in zip(cases, found, strict=True)] == cases


@pytest.mark.slow
def test_a_count_that_is_none_is_named_and_set_aside(place):
    counts = [-5, "many", 1.5, "NaN"]
    files = {f"{count}": f"{number}.jsonl" for number, count in enumerate(counts)}
    for count, name in zip(counts, files.values(), strict=True):
        lines(place, name, answer(), answer("msg_2", usage={"cache_read_input_tokens": count}))
    said = place.refused(files)
    wanted = {
        count: f"{name}:2: message.usage.cache_read_input_tokens is not a whole number: '{count}'"
        for count, name in files.items()
    }
    assert {count: said[count] for count in files if wanted[count] not in said[count]} == {}
    place.take(files, quarantine_rows=1)
    assert sorted(source for _, source in place.records("source")) == sorted(files)


@pytest.mark.slow
def test_what_first_comes_after_a_thousand_lines_is_read_too(place):
    other = {"type": "user", "isSidechain": False, "timestamp": "2026-10-01T09:00:00Z", "message": {"role": "user"}}
    place.ingest(lines(place, "s.jsonl", *[other] * 1001, answer(usage={"speed": "fast"})))
    assert usage(place, "service_tier") == ["fast"]


@pytest.mark.slow
def test_a_long_number_in_a_line_that_does_not_count_is_no_matter(place):
    other = '{"type": "user", "isSidechain": false, "message": {}, "toolUseResult": {"x": 0.12345678901234567890123}}'
    place.write("s.jsonl", f"{other}\n{json.dumps(answer())}\n")
    (outcome,) = place.ingest("s.jsonl")
    assert (outcome.quarantined, len(usage(place)), left_out(place)) == (0, 1, {"a line without usage": 1})


def test_a_log_that_is_cut_in_a_line_is_refused(place):
    (place.home / "s.jsonl").write_text(json.dumps(answer()) + "\n" + json.dumps(answer("msg_2"))[:90])
    with pytest.raises(InputRefused, match="not whole JSON"):
        place.ingest("s.jsonl")


# Codex


def counter(total, last=None, at=0, **more):
    """Return a count of tokens: input, cached, output, reasoning and their total, so far and of the last answer."""
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens")
    info = {"total_token_usage": total and dict(zip(names, total, strict=True))}
    info["last_token_usage"] = last and dict(zip(names, last, strict=True))
    return {
        "timestamp": f"2026-10-01T10:{at:02}:00Z",
        "type": "event_msg",
        "payload": {"type": "token_count", "info": info | more},
    }


def meta(session, at=0, **more):
    return {
        "timestamp": f"2026-10-01T10:{at:02}:00Z",
        "type": "session_meta",
        "payload": {"id": session, "cwd": "/w/parser"} | more,
    }


def turn(model, at=0):
    return {
        "timestamp": f"2026-10-01T10:{at:02}:00Z",
        "type": "turn_context",
        "payload": {"model": model, "cwd": "/w/parser"},
    }


def test_a_session_of_codex_counts_as_its_authors_say(place):
    said = place.costctl("ingest", SAMPLES / "codex-session-alpha.jsonl")
    assert (said.returncode, "2 records whose parts do not add up" in said.stdout + said.stderr) == (0, True)
    assert place.ask(CLASSES) == [
        ("input.cache_read", 750),
        ("input.uncached", 2750),
        ("output.reasoning", 275),
        ("output.visible", 425),
    ]
    assert usage(place, "CAST(ts_start AS VARCHAR), model_raw, convention, convention_proof") == [
        ("2026-05-13 09:01:00", "gpt-5.2-codex", "inclusive", "contradicted"),
        ("2026-05-14 10:00:00", "gpt-5.3-codex", "inclusive", "contradicted"),
    ]


@pytest.mark.slow
def test_an_archived_session_counts_once(place):
    for folder in ("sessions/2026/05/13", "archived_sessions"):
        (place.home / folder).mkdir(parents=True)
        shutil.copy(SAMPLES / "codex-session-alpha.jsonl", place.home / folder)
    with (place.home / "archived_sessions" / "codex-session-alpha.jsonl").open("a") as longer:
        longer.write(json.dumps(counter((3600, 750, 430, 275, 4305))) + "\n")
    for _ in range(2):
        place.ingest("sessions", "archived_sessions")
    assert place.ask(CLASSES) == [
        ("input.cache_read", 750),
        ("input.uncached", 2850),
        ("output.reasoning", 275),
        ("output.visible", 430),
    ]


FIRST = counter((1000, 600, 100, 40, 1100), (1000, 600, 100, 40, 1100), 1)
SECOND = counter((3000, 2000, 150, 40, 3150), (2000, 1400, 50, 0, 2050), 2)
COUNTED = [
    "input.cache_read=600 input.uncached=400 output.reasoning=40 output.visible=60",
    "input.cache_read=1400 input.uncached=600 output.reasoning=0 output.visible=50",
]
COUNTERS = {  # what the counter stood at, and what counts
    "two answers": ([FIRST, SECOND], COUNTED),
    "the same count again": ([FIRST, FIRST, SECOND, SECOND], COUNTED),
    "a limit without counts between": ([FIRST, {"timestamp": "2026-10-01T10:01:30Z", "type": "event_msg", "payload": {"type": "token_count", "info": None}}, SECOND], COUNTED),
    "a line was lost": ([FIRST, counter((3000, 2000, 150, 40, 3150), (10, 0, 1, 0, 11), 2)], COUNTED),
    "a context that was full": (
        [FIRST, counter((0, 0, 0, 0, 272000), (0, 0, 0, 0, 1), 2), counter((2000, 1400, 50, 0, 274050), (2000, 1400, 50, 0, 2050), 3)],
        COUNTED,
    ),
    "a counter that begins anew without a word": ([FIRST, counter((500, 0, 20, 0, 520), None, 2)], [COUNTED[0], "input.cache_read=0 input.uncached=500 output.reasoning=0 output.visible=20"]),
    "a compaction, which says what is left": ([FIRST, counter((1000, 600, 100, 40, 1100), (0, 0, 0, 0, 300), 2), SECOND], COUNTED),
    "what an earlier session used before": ([counter((9000, 0, 900, 0, 9900), (1000, 600, 100, 40, 1100), 1)], COUNTED[:1]),
    "no totals": ([counter(None, (1000, 600, 100, 40, 1100), 1), counter(None, (1000, 600, 100, 40, 1100), 1), counter(None, (2000, 1400, 50, 0, 2050), 2)], COUNTED),
    "two sessions in a file": ([meta("a"), FIRST, meta("b", 2), counter((2000, 1400, 50, 0, 2050), (2000, 1400, 50, 0, 2050), 2)], COUNTED),
    "more cached than there is": ([counter((100, 200, 10, 0, 110), None, 1)], ["input.unsplit=100 output.unsplit=10"]),
    "a total that is none": ([counter((100, 50, 10, 5, 999), None, 1)], ["input.unsplit=100 output.unsplit=10"]),
}  # fmt: skip


def test_of_a_counter_the_differences_count_and_never_less_than_nothing(place):
    """A session each."""
    files = {name: f"rollout-{number}.jsonl" for number, name in enumerate(COUNTERS)}
    for name, (records, _) in COUNTERS.items():
        lines(place, files[name], meta("s"), turn("gpt-5.2-codex"), *records)
    place.take(files)
    rows = place.ask(
        f"SELECT source, {TOKENS} FROM ledger.token_usage AS u ORDER BY ts_start, ts_end, file_no, record_no"
    )
    assert {name: [tokens for source, tokens in rows if source == name] for name in COUNTERS} == {
        name: found for name, (_, found) in COUNTERS.items()
    }


def test_what_is_written_to_a_cache_is_a_part_of_the_input(place):
    record = counter((1000, 600, 100, 40, 1100))
    record["payload"]["info"]["total_token_usage"] |= {"cache_write_input_tokens": 300, "audio_tokens": 0}
    place.ingest(lines(place, "rollout.jsonl", meta("s"), record))
    assert usage(place, f"convention_proof, {TOKENS}") == [
        (
            "proved",
            "input.cache_read=600 input.cache_write.unspecified=300 input.uncached=100 output.reasoning=40 output.visible=60",
        )
    ]


def test_a_count_of_codex_that_nobody_knows_is_not_passed_over(place):
    record = counter((1000, 600, 100, 40, 1100))
    record["payload"]["info"]["total_token_usage"]["audio_tokens"] = 5
    place.ingest(lines(place, "rollout.jsonl", meta("s"), record))
    assert usage(place, "convention_proof") == ["contradicted"]


@pytest.mark.parametrize("apart", few([False, True]), ids=["one command", "two commands"])
@pytest.mark.parametrize("first", few(["parent", "fork"]))
def test_a_fork_repeats_what_its_parent_used_and_that_counts_once(place, apart, first):
    parent = [meta("parent"), turn("gpt-5.2-codex"), FIRST, SECOND]
    again = [line | {"timestamp": "2026-10-01T10:30:00Z"} for line in parent]  # a fork dates them anew
    fork = [
        meta("fork", 30, forked_from_id="parent"),
        *again,
        counter((3500, 2000, 160, 40, 3660), (500, 0, 10, 0, 510), 31),
    ]
    files = {"parent": lines(place, "rollout-1.jsonl", *parent), "fork": lines(place, "rollout-2.jsonl", *fork)}
    order = sorted(files, key=lambda name: name != first)
    for names in [[name] for name in order] if apart else [order]:
        place.ingest(*(files[name] for name in names))
    assert sorted(usage(place)) == sorted(
        [*COUNTED, "input.cache_read=0 input.uncached=500 output.reasoning=0 output.visible=10"]
    )
    if not apart:
        minutes = "SELECT minute(ts_start) FROM ledger.token_usage ORDER BY 1"
        assert place.ask(minutes) == [(1,), (2,), (31,)]


@pytest.mark.slow
def test_a_count_of_codex_that_is_none_is_named_and_set_aside(place):
    files = {f"{count}": f"rollout-{number}.jsonl" for number, count in enumerate([-5, "many", 1.5])}
    for count, name in zip([-5, "many", 1.5], files.values(), strict=True):
        lines(place, name, meta("s"), FIRST, counter((count, 0, 1, 0, 1), None, 2), SECOND)
    place.take(files, quarantine_rows=1)
    rows = place.ask(
        f"SELECT source, {TOKENS} FROM ledger.token_usage AS u ORDER BY ts_start, ts_end, file_no, record_no"
    )
    assert {name: [tokens for source, tokens in rows if source == name] for name in files} == dict.fromkeys(
        files, COUNTED
    )
    aside = "SELECT source, column_name, value FROM ledger.quarantine JOIN ledger.deliveries USING (delivery_id) ORDER BY ALL"
    assert place.ask(aside) == sorted((count, "input", count) for count in files)


@pytest.mark.slow
def test_a_usage_of_a_session_that_is_no_object_is_set_aside(place):
    """It is not left out as a count that did not move."""
    odd = counter(None, None, 3)
    odd["payload"]["info"]["total_token_usage"] = 12
    lines(place, "rollout.jsonl", meta("s"), FIRST, SECOND, odd)
    message = answer("msg_2")["message"] | {"usage": "5"}
    lines(place, "claude.jsonl", answer(), answer("msg_2") | {"message": message})
    place.take({"codex": "rollout.jsonl", "claude": "claude.jsonl"}, quarantine_rows=1)
    aside = "SELECT source, record_no, min(reason) FROM ledger.quarantine JOIN ledger.deliveries USING (delivery_id) GROUP BY ALL ORDER BY ALL"
    assert place.ask(aside) == [("claude", 2, "is empty"), ("codex", 4, "is not a JSON object")]


@pytest.mark.slow
def test_a_session_without_answers_is_no_error(place):
    (outcome,) = place.ingest(lines(place, "rollout.jsonl", meta("s", cli_version="0.145.0"), turn("gpt-5.2-codex")))
    assert outcome.notes[0].startswith("no records in ")


# OpenTelemetry

PREFIX = "gen_ai.usage."


def attributes(values):
    kinds = {int: "intValue", float: "doubleValue", str: "stringValue"}
    return [
        {"key": key, "value": {kinds[type(value)]: str(value) if isinstance(value, int) else value}}
        for key, value in values.items()
    ]


def span(name="1", trace="a", parent="", resource=None, **more):
    """Return an OTLP request with one span; keywords in words become attributes: gen_ai_provider_name → gen_ai.provider.name."""
    usual = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"}
    found = {
        "traceId": trace,
        "spanId": name,
        "parentSpanId": parent,
        "startTimeUnixNano": "1790845200000000000",
        "endTimeUnixNano": "1790845201500000123",
    }
    found |= more.pop("with_", {})
    said = usual | {
        "gen_ai." + key[7:].replace("_", ".") if key.startswith("gen_ai") else PREFIX + key: value
        for key, value in more.items()
    }
    found["attributes"] = attributes({key: value for key, value in said.items() if value is not None})
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(resource or {})},
                "scopeSpans": [{"scope": {"name": "x"}, "spans": [found]}],
            }
        ]
    }


CACHED = {PREFIX[13:] + "cache_read.input_tokens": 900, "cache_creation.input_tokens": 100}
SPANS = {  # what a span says, and what that is
    "as the conventions have it": (span(input_tokens=1000, output_tokens=50, **{"cache_read.input_tokens": 900}), "inclusive declared input.cache_read=900 input.uncached=100 output.unsplit=50"),
    "proved to have the cache in it": (span(input_tokens=1012, output_tokens=50, total_tokens=1062, **CACHED), "inclusive proved input.cache_read=900 input.cache_write.unspecified=100 input.uncached=12 output.unsplit=50"),
    "proved to be without it": (span(input_tokens=12, output_tokens=50, total_tokens=1062, **CACHED), "exclusive proved input.cache_read=900 input.cache_write.unspecified=100 input.uncached=12 output.unsplit=50"),
    "a cache greater than the input": (span(input_tokens=12, output_tokens=50, **CACHED), "exclusive proved input.cache_read=900 input.cache_write.unspecified=100 input.uncached=12 output.unsplit=50"),
    "a vendor that counts without it, no total": (span(gen_ai_provider_name="anthropic", input_tokens=1012, output_tokens=50, **CACHED), "inclusive ambiguous input.cache_read=900 input.cache_write.unspecified=100 input.uncached=12 output.unsplit=50"),
    "a total of something else": (span(input_tokens=1012, output_tokens=50, total_tokens=7, **CACHED), "inclusive contradicted input.unsplit=1012 output.unsplit=50"),
    "deprecated names": (span(prompt_tokens=10, completion_tokens=5), "inclusive declared input.uncached=10 output.unsplit=5"),
    "reasoning in the output": (span(input_tokens=10, output_tokens=50, total_tokens=60, **{"reasoning.output_tokens": 40}), "inclusive ambiguous input.uncached=10 output.reasoning=40 output.visible=10"),
    "reasoning on top": (span(input_tokens=10, output_tokens=50, total_tokens=100, reasoning_tokens=40), "inclusive ambiguous input.uncached=10 output.reasoning=40 output.visible=50"),
    "reasoning greater than the output": (span(input_tokens=10, output_tokens=5, reasoning_tokens=40), "inclusive declared input.uncached=10 output.unsplit=5"),
    "a count that nobody knows": (span(input_tokens=10, output_tokens=5, output_audio_tokens=3), "inclusive contradicted input.uncached=10 output.unsplit=5"),
}  # fmt: skip


def test_a_span_proves_what_its_input_contains(place):
    """Each a trace of its own, of which a page is a line."""
    pages = [of_trace(page, f"trace {number}") for number, (page, _) in enumerate(SPANS.values())]
    place.ingest(lines(place, "traces.json", *pages))
    found = place.ask(
        f"SELECT concat_ws(' ', convention, convention_proof, {TOKENS}) FROM ledger.token_usage AS u ORDER BY record_no"
    )
    assert dict(zip(SPANS, (row[0] for row in found), strict=True)) == {name: said for name, (_, said) in SPANS.items()}


def of_trace(page, trace):
    """Return a page with its spans in another trace."""
    (resource,) = page["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    spans = [found | {"traceId": trace} for found in scope["spans"]]
    return {"resourceSpans": [resource | {"scopeSpans": [scope | {"spans": spans}]}]}


def test_what_stands_above_a_call_repeats_its_tokens_and_does_not_count(place):
    known, unknown = ["invoke_agent", "create_agent", "execute_tool", "invoke_workflow"], "swarm"
    files = {operation: f"{operation}.json" for operation in [*known, unknown]}
    for operation, name in files.items():
        agent = span("0", input_tokens=10, output_tokens=5, gen_ai_operation_name=operation)
        calls = [
            span("1", parent="0", input_tokens=6, output_tokens=3),
            span("2", parent="0", input_tokens=4, output_tokens=2),
        ]
        lines(place, name, agent, *calls)
    place.take(files)
    assert place.by_source() == {operation: {"input.uncached": 10, "output.unsplit": 5} for operation in files}
    rules = (
        "SELECT source, rule, records FROM ledger.exclusions JOIN ledger.deliveries USING (delivery_id) ORDER BY ALL"
    )
    wanted = [(operation, "a span of an agent, a workflow or a tool: its calls count", 1) for operation in known]
    assert place.ask(rules) == sorted(
        [*wanted, (unknown, "usage of an operation that is not known as a call to a model", 1)]
    )


def test_a_call_around_another_call_counts_once(place):
    place.ingest(lines(place, "traces.json", span("0", input_tokens=10), span("1", parent="0", input_tokens=10)))
    assert usage(place) == ["input.uncached=10"]
    assert left_out(place) == {"a call above another call: the one below counts": 1}


@pytest.mark.slow
def test_spans_that_come_again_count_once_in_whatever_order(places):
    pages = [span("1", input_tokens=6), span("2", input_tokens=4), span("1", trace="b", input_tokens=5)]
    found = set()
    for order in (pages, pages[::-1]):
        place = places()
        place.ingest(lines(place, "a.json", *order[:2]))
        place.ingest(lines(place, "b.json", *order[1:]))
        place.ingest("a.json")
        found.add(tuple(sorted(usage(place))))
    assert found == {("input.uncached=4", "input.uncached=5", "input.uncached=6")}


@pytest.mark.slow
def test_spans_without_a_call_are_left_out_by_name(place):
    other = span("1", gen_ai_operation_name=None)
    place.ingest(lines(place, "traces.json", other, span("2", input_tokens=1)))
    assert left_out(place) == {"no call to a model": 1}


def test_a_failed_call_is_a_request_with_what_came_of_it(place):
    cases = [
        ({}, "ok"),
        ({"with_": {"status": {"code": 1}}}, "ok"),
        ({"with_": {"status": {"code": 2}}}, "platform_error"),
        ({"with_": {"status": {"code": "STATUS_CODE_ERROR"}}}, "platform_error"),
    ]
    given = [span(trace=f"trace {number}", **dict(more)) for number, (more, _) in enumerate(cases)]
    place.ingest(lines(place, "traces.json", *given))
    found = place.records("outcome", "requests")
    assert [(more, *said) for (more, _), (_, *said) in zip(cases, found, strict=True)] == [
        (more, outcome, 1) for more, outcome in cases
    ]


def test_owners_are_read_from_the_resource_and_the_span(place):
    resource = {
        "service.name": "assistant",
        "k8s.namespace.name": "chat",
        "deployment.environment": "prod",
        "team": "search",
    }
    place.ingest(
        lines(
            place,
            "traces.json",
            span(input_tokens=1, resource=resource),
            span("2", input_tokens=1, resource={"deployment.environment": "lab"}),
        )
    )
    assert usage(place, "team_raw, project, namespace") == [("search", "assistant", "chat"), (None, None, "lab")]


@pytest.mark.slow
def test_the_time_of_a_span_is_kept_to_the_microsecond(place):
    place.ingest(lines(place, "traces.json", span(input_tokens=1)))
    assert usage(place, "CAST(ts_start AS VARCHAR), CAST(ts_end AS VARCHAR)") == [
        ("2026-10-01 09:00:00", "2026-10-01 09:00:01.5")
    ]


@pytest.mark.slow
def test_a_count_of_a_span_that_is_none_is_named_and_set_aside(place):
    counts = [-5, "many", 1.5]
    files = {f"{count}": f"traces-{number}.json" for number, count in enumerate(counts)}
    for count, name in zip(counts, files.values(), strict=True):
        lines(place, name, span("1", input_tokens=1), span("2", input_tokens=count))
    said = place.refused(files)
    wanted = {count: f"attributes (input) is not a whole number: '{count}'" for count in files}
    assert {count: said[count] for count in files if wanted[count] not in said[count]} == {}
    place.take(files, quarantine_rows=1)
    assert sorted(place.records("source"), key=lambda row: row[1]) == [
        ({"input.uncached": 1}, count) for count in sorted(files)
    ]


@pytest.mark.slow
def test_a_span_that_has_not_ended_is_set_aside(place):
    place.ingest(
        lines(
            place, "traces.json", span("1", input_tokens=1), span("2", input_tokens=1, with_={"endTimeUnixNano": "0"})
        ),
        quarantine_rows=1,
    )
    assert len(usage(place)) == 1


@pytest.mark.slow
def test_one_request_over_many_lines_is_read_as_one_per_line_is(place):
    page = span("1", input_tokens=6)
    page["resourceSpans"][0]["scopeSpans"][0]["spans"] += span("2", input_tokens=4)["resourceSpans"][0]["scopeSpans"][
        0
    ]["spans"]
    place.write("traces.json", json.dumps(page, indent=2))
    place.ingest("traces.json")
    assert sorted(usage(place)) == ["input.uncached=4", "input.uncached=6"]


def test_traces_that_are_cut_short_are_refused(place):
    (place.home / "traces.json").write_text(json.dumps(span("1", input_tokens=6)) + "\n" + json.dumps(span("2"))[:200])
    with pytest.raises(InputRefused, match="not whole JSON"):
        place.ingest("traces.json")
