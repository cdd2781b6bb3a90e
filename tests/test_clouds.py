"""Token counts of the clouds: what their samples come to by the command line, what is refused, and which bill lines are tokens.

Known answers are worked out by hand beside the data.
"""

import csv
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from costctl import pipeline, usage
from costctl.ledger import gates, store

pytestmark = pytest.mark.usefixtures("unposted", "begun")

SAMPLES = Path(usage.__file__).parent
CLOUDS = (
    "bedrock_invocations",
    "cloudwatch_bedrock",
    "cloudwatch_bedrock_query",
    "azure_openai_metrics",
    "gemini_responses",
    "vertex_request_log",
)
PARTS = "ledger.token_usage AS u LEFT JOIN ledger.token_quantity AS q USING (delivery_id, file_no, record_no, part_no)"


def classes(place):
    """Return what a place counts, by token class."""
    rows = place.ask(f"SELECT token_class, sum(tokens) FROM {PARTS} WHERE token_class IS NOT NULL GROUP BY 1")
    return {name: int(tokens) for name, tokens in rows if tokens}


def by_source(place):
    """Return what a place counts, by source and token class."""
    return {
        source: {name: tokens for name, tokens in found.items() if tokens}
        for source, found in place.by_source().items()
    }


def lines(place, name, *records):
    """Write records one per line."""
    return place.write(name, "".join(json.dumps(record) + "\n" for record in records))


def invocation(request, usage=None, **more):
    """Return a record of Bedrock's invocation log; `usage` is what the answer says, the log says the same."""
    said = usage or {}
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-10-02T09:00:00Z",
        "accountId": "111122223333",
        "region": "us-east-1",
        "requestId": request,
        "modelId": "anthropic.claude-sonnet-4-6",
        "input": {
            "inputTokenCount": said.get("inputTokens"),
            "cacheReadInputTokenCount": said.get("cacheReadInputTokens"),
            "cacheWriteInputTokenCount": said.get("cacheWriteInputTokens"),
        },
        "output": {"outputTokenCount": said.get("outputTokens"), "outputBodyJson": {"usage": said} if usage else None},
    } | more


def gemini(answer, usage, **more):
    """Return an answer of Gemini as a line of a log."""
    return {"timestamp": "2026-10-02T09:00:00Z", "usageMetadata": usage, "responseId": answer} | more


def logged(request, response, **more):
    """Return a row of Vertex AI's request-response log."""
    endpoint = "projects/p-1/locations/us-central1/publishers/google/models/gemini-2.5-pro"
    row = {"endpoint": endpoint, "logging_time": "2026-10-02 09:00:00 UTC", "request_id": request}
    return row | {"model": "publishers/google/models/gemini-2.5-pro", "full_response": response} | more


def asked(metric, *points, words="stat=Sum period=3600"):
    """Return an answer of get-metric-data for a metric of one model."""
    label = f"namespace=AWS/Bedrock metric={metric} {words} region=us-east-1 model=amazon.nova-lite-v1:0"
    times, values = zip(*points, strict=True)
    result = {"Id": "q", "Label": label, "Timestamps": times, "Values": values, "StatusCode": "Complete"}
    return {"MetricDataResults": [result]}


def measured(metric, *points, dimensions=None):
    """Return an answer of Azure's metrics API for one deployment."""
    cut = {"modeldeploymentname": "chat"} if dimensions is None else dimensions
    data = [{"timeStamp": time, "total": total} for time, total in points]
    series = {"metadatavalues": [{"name": {"value": k}, "value": v} for k, v in cut.items()], "data": data}
    resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
    value = {"id": f"{resource}/providers/Microsoft.Insights/metrics/{metric}", "name": {"value": metric}}
    return {"interval": "PT1H", "value": [value | {"timeseries": [series]}]}


ANSWERS = {  # source: what its first sample comes to
    # 368+9+3+2+145+7+0+4; reads 10536+8367+1408; 717+25037 for 5 minutes; of r-4 4032 for a time not told
    "bedrock_invocations": {
        "input.uncached": 538,
        "input.cache_read": 20311,
        "input.cache_write.5m": 25754,
        "input.cache_write.1h": 1000,
        "input.cache_write.unspecified": 4032,
        "output.unsplit": 19 + 315 + 13 + 40 + 38,
        "output.visible": 20,
        "output.reasoning": 8,
    },
    "cloudwatch_bedrock": {  # mantle: 1000 and 100, said at four levels
        "input.uncached": 377,
        "input.cache_read": 10536,
        "input.cache_write.unspecified": 1717,
        "output.unsplit": 334 + 100,
        "input.unsplit": 1000,
    },
    "cloudwatch_bedrock_query": {"input.uncached": 1_000_377, "input.cache_read": 10536, "output.unsplit": 100},
    "azure_openai_metrics": {"input.unsplit": 120_000, "output.unsplit": 8017},  # InputTokens says the first again
    "gemini_responses": {  # of the two chunks of a-2 the last; of a-3 thoughts are in the 10
        "input.uncached": 8 + 8 + 5,
        "input.cache_read": 4,
        "input.tool_use": 65,
        "input.unsplit": 5,
        "output.visible": 71 + 677 + 6,
        "output.reasoning": 89 + 447 + 4,
        "output.unsplit": 10,
    },
    "vertex_request_log": {
        "input.uncached": 200 + 200 + 200 + 10 + 100 + 25,
        "input.cache_read": 1000 + 5000 + 400,
        "input.tool_use": 6,
        "input.cache_write.5m": 500,
        "input.cache_write.1h": 200,
        "output.visible": 30,
        "output.reasoning": 70,
        "output.unsplit": 30 + 30 + 4 + 60 + 15,
    },
}


@pytest.mark.slow
def test_a_sample_comes_to_its_known_answer_however_often_it_comes(place):
    samples = [SAMPLES / source / "sample.json" for source in CLOUDS]
    again = [place.write(f"{file.parent.name}.json", file.read_text("utf-8") + "\n") for file in samples]
    for files in (samples, again):  # other files of the same records
        done = place.costctl("ingest", *files)
        assert done.returncode == 0, done.stderr
        assert by_source(place) == ANSWERS
    assert place.broken() == []


CLAUDE = {"inputTokens": 9, "outputTokens": 5, "cacheReadInputTokens": 100, "cacheWriteInputTokens": 50}
GPT = {"modelId": "us.openai.gpt-5.6-sol"}
PROOFS = {  # what the answer says, and what that proves
    "a total of four": ({}, CLAUDE | {"totalTokens": 164}, "exclusive proved"),
    "a total of something else": ({}, CLAUDE | {"totalTokens": 163}, "exclusive contradicted"),
    "no total": ({}, CLAUDE, "exclusive declared"),
    "were AWS to change its mind": ({}, CLAUDE | {"inputTokens": 200, "totalTokens": 205}, "inclusive proved"),
    "a kind nobody knows": ({}, CLAUDE | {"totalTokens": 164, "videoTokens": 3}, "exclusive contradicted"),
    "no cache": ({}, {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}, "exclusive ambiguous"),
    "GPT, all in the input": (GPT, CLAUDE | {"inputTokens": 152, "totalTokens": 307}, "inclusive ambiguous"),
    "GPT, more in the cache": (GPT, CLAUDE | {"inputTokens": 2, "totalTokens": 157}, "exclusive ambiguous"),
    "open GPT": ({"modelId": "openai.gpt-oss-120b-1:0"}, CLAUDE | {"totalTokens": 164}, "exclusive proved"),
}


def test_the_total_of_an_answer_of_bedrock_proves_what_its_input_contains(place):
    records = [invocation(name, usage, **more) for name, (more, usage, _) in PROOFS.items()]
    place.ingest(lines(place, "log.json", *records))
    found = [" ".join(said) for _, *said in place.records("convention", "convention_proof")]
    wanted = {name: verdict for name, (_, _, verdict) in PROOFS.items()}
    assert dict(zip(PROOFS, found, strict=True)) == wanted


@pytest.mark.slow
def test_more_read_and_written_than_there_was_is_never_a_negative(place):
    usage = CLAUDE | {"cacheDetails": [{"ttl": "1h", "inputTokens": 51}]}
    gpt = invocation("g", CLAUDE | {"totalTokens": 164}, modelId="openai.gpt-5.6-sol")
    place.ingest(lines(place, "log.json", invocation("r", usage), gpt))
    answer = gemini("a", {"promptTokenCount": 9, "cachedContentTokenCount": 10, "candidatesTokenCount": 1})
    place.ingest(lines(place, "gemini.json", answer))
    assert place.ask("SELECT min(tokens) >= 0 FROM ledger.token_quantity") == [(True,)]
    said = place.ask("SELECT convention_proof FROM ledger.token_usage ORDER BY ALL")
    assert said == [("ambiguous",), ("contradicted",), ("contradicted",)]
    assert place.broken() == []


BAD = {  # a count that is none, or a usage that is no object, and where it stands
    "input": (invocation("r", input={"inputTokenCount": -1}), "input"),
    "body": (invocation("r", CLAUDE | {"totalTokens": -3}), "body"),
    "stream": (
        invocation("r", output={"outputBodyJson": [{"message": {"usage": {"input_tokens": "many"}}}]}),
        "body",
    ),
    "gemini": (gemini("a", {"promptTokenCount": 1.5}), "prompt"),
    "chunks": (
        {"timestamp": "2026-10-02T09:00:00Z", "response": {"usageMetadata": {"promptTokenCount": "NaN"}}},
        "answer",
    ),
    "vertex": (logged("1", {"usageMetadata": {"candidatesTokenCount": -4}}), "answer"),
    "vertex as text": (logged("1", json.dumps({"usage": {"output_tokens": -4}})), "answer"),
    "a usage that is a list": (invocation("r", output={"outputBodyJson": {"usage": [5]}}), "body"),
    "a usage that is a text": (gemini("a", "5"), "usage"),
    "a usage that is a number": (
        {"timestamp": "2026-10-02T09:00:00Z", "response": {"usageMetadata": 5}},
        "answer",
    ),
    "a usage that is a number, in chunks": (logged("1", [{"usageMetadata": {}}, {"usageMetadata": 5}]), "answer"),
    "a usage that is JSON in a text": (logged("1", {"usageMetadata": '{"promptTokenCount": 5}'}), "answer"),
    "azure": (measured("GeneratedTokens", ("2026-10-02T09:00:00Z", -1)), "total"),
    "cloudwatch": (asked("OutputTokenCount", ("2026-10-02T09:00:00Z", 0.5)), "counted"),
    "a label of another shape": (asked("OutputTokenCount", ("2026-10-02T09:00:00Z", 5), words="nova out"), "label"),
    "an average": (
        asked("OutputTokenCount", ("2026-10-02T09:00:00Z", 5), words="stat=Average period=3600"),
        "label",
    ),
}


@pytest.mark.slow
def test_a_count_that_is_no_count_is_named_and_set_aside(place):
    """Each in a file of its own, whose source is named after the case."""
    files = {name: lines(place, f"bad {name}.json", record).name for name, (record, _) in BAD.items()}
    refused = place.costctl("ingest", "bad input.json")
    assert refused.returncode == 3
    assert "bad input.json" in refused.stderr
    assert "cannot be taken in" in refused.stderr
    assert {name: said for name, said in place.refused(files).items() if "cannot be taken in" not in said} == {}
    place.take(files, quarantine_rows=1)
    columns = "SELECT DISTINCT source, column_name FROM ledger.quarantine JOIN ledger.deliveries USING (delivery_id) ORDER BY ALL"
    assert place.ask(columns) == sorted((name, column) for name, (_, column) in BAD.items())
    assert place.ask("SELECT count(*) FROM ledger.token_usage") == [(0,)]


def test_a_file_that_was_cut_is_refused_whole(place):
    files = {source: f"cut {source}.json" for source in CLOUDS}
    for source, name in files.items():
        text = (SAMPLES / source / "sample.json").read_text("utf-8")
        place.write(name, text[: len(text) * 2 // 3])
    refused = place.costctl("ingest", "--as", CLOUDS[0], files[CLOUDS[0]])
    assert refused.returncode == 3
    assert files[CLOUDS[0]] in refused.stderr
    said = place.refused(files, forms={source: source for source in CLOUDS})
    assert {source: text for source, text in said.items() if not text} == {}


def test_overlapping_pulls_of_metrics_count_each_bucket_once_whichever_came_first(place):
    nine, ten, eleven = (f"2026-10-02T{hour}:00:00Z" for hour in ("09", "10", "11"))
    early = asked("OutputTokenCount", (nine, 10), (ten, 3))  # ten o'clock was not over
    late = asked("OutputTokenCount", (ten, 20), (eleven, 30))
    azure = [measured("GeneratedTokens", (nine, 5), (ten, last)) for last in (None, 7)]
    pulls = {"the early one first": [early, late], "the late one first": [late, early], "azure": azure}
    for number in range(2):
        for source, answers in pulls.items():
            lines(
                place, f"{source} {number}.json", answers[number] | {"Messages": [source]}
            )  # no two alike to the byte
        place.take({source: f"{source} {number}.json" for source in pulls})
    assert by_source(place) == {
        "the early one first": {"output.unsplit": 60},
        "the late one first": {"output.unsplit": 60},
        "azure": {"output.unsplit": 12},
    }


@pytest.mark.slow
def test_the_order_of_pages_does_not_matter(place):
    rows = [json.loads(line) for line in (SAMPLES / "vertex_request_log" / "sample.json").read_text().splitlines()]
    lines(place, "a.json", *rows)
    lines(place, "b.json", *rows[::-1])
    place.take({"a": "a.json", "b": "b.json"})
    assert by_source(place)["a"] == by_source(place)["b"] != {}
    flags = "SELECT flags, count(*) FROM ledger.token_usage WHERE source = '{}' GROUP BY 1 ORDER BY 1"
    assert place.ask(flags.format("a")) == place.ask(flags.format("b")) != []


@pytest.mark.slow
def test_what_is_left_out_is_told_by_name(place):
    place.ingest(*(SAMPLES / source / "sample.json" for source in ("cloudwatch_bedrock", "azure_openai_metrics")))
    told = dict(place.ask("SELECT rule, CAST(sum(records) AS INTEGER) FROM ledger.exclusions GROUP BY 1"))
    assert told == {
        "a metric of another service": 1,
        "a metric of Bedrock that counts no tokens and no requests": 2,
        "a sum over models": 1,
        "a part of what the metric by model says": 1,
        "mantle: a sum over the account": 1,
        "mantle: a sum over models": 1,
        "mantle: a sum over projects": 1,
        "the same record again": 2,
        "TokenTransaction: prompt and generated tokens again, as one sum": 1,
        "a metric that counts no tokens and no requests, a share or a time": 1,
        "without data": 1,
    }
    status = place.costctl("status").stdout
    assert "mantle: a sum over projects" in status


@pytest.mark.slow
def test_a_log_of_vertex_as_parquet_gives_the_same(place):
    sample = SAMPLES / "vertex_request_log" / "sample.json"
    columns = "{'endpoint': 'VARCHAR', 'logging_time': 'VARCHAR', 'request_id': 'DECIMAL(38,9)', 'model': 'VARCHAR', 'full_request': 'VARCHAR', 'full_response': 'VARCHAR', 'sampling_rate': 'DOUBLE'}"
    duckdb.connect().execute(
        f"COPY (SELECT * REPLACE (CAST(replace(logging_time, ' UTC', '+00') AS TIMESTAMPTZ) AS logging_time) "
        f"FROM read_json('{sample}', columns = {columns})) TO '{place.home}/rows.parquet' (FORMAT parquet)"
    )
    place.ingest("rows.parquet")
    assert classes(place) == ANSWERS["vertex_request_log"]


BILLED = """
    input        Claude4.6Sonnet            USE1-Claude4.6Sonnet-input-tokens
    output       Claude4.6Sonnet            EUW1-Claude4.6Sonnet-output-tokens-cross-region-global
    cache_read   Claude4.6Sonnet            USE1-Claude4.6Sonnet-cache-read-input-token-count-cross-region-global
    cache_write  Claude4.6Sonnet            USE1-Claude4.6Sonnet-cache-write-input-token-count
    cache_write  Claude4.6Sonnet            USE1-Claude4.6Sonnet-cache-write-input-token-count-1h
    input        NovaMicro                  USE1-NovaMicro-input-tokens-batch
    input        Nova2.0Lite                USE1-Nova2.0Lite-input-tokens-flex
    output       gpt-oss-120b               USE1-gpt-oss-120b-output-tokens-priority
    input        Nova2.0Pro                 USE1-Nova2.0Pro-text-input-tokens-priority
    input        openai.gpt-oss-120b        USE1-openai.gpt-oss-120b-mantle-input-tokens-standard
    input        anthropic.claude-opus-4-8  USW2-anthropic.claude-opus-4-8-mantle-input-tokens-global-standard
    cache_write  qwen.qwen3-coder-next      USE1-qwen.qwen3-coder-next-cache-write-tokens
    input        *                          USE1-MP:USE1_InputTokenCount_Global-Units
    cache_read   *                          USE1-MP:USE1_CacheReadInputTokenCount-Units
    cache_write  *                          USE1-MP:USE1_CacheWrite1hInputTokenCount_Global-Units
    output       *                          USE1-MP:USE1_output_tokens_global_standard-Units
    cache_read   *                          USE1-MP:USE1_cache_read_tokens_global_standard-Units
    -            *                          USE1-BedrockKnowledgeBase-searchunits-token
    -            *                          USE1-Claude4.6Sonnet-ProvisionedThroughput-NoCommit-ModelUnits
    input        gpt 4o 1120                gpt 4o 1120 Inp glbl Tokens
    cache_read   gpt 4.1 nano               gpt 4.1 nano cached Inp glbl Tokens
    output       gpt 4o 1120                gpt 4o 1120 Outp glbl Tokens
    input        o4-mini 0416               o4-mini 0416 Batch Inp Data Zone Tokens
    input        5.4                        5.4 inp Gl 1M Tokens
    cache_read   5.4                        5.4 cd inp Gl 1M Tokens
    cache_write  5.4                        5.4 Cd Wr Gl 1M Tokens
    output       5.4                        5.4 opt Dz 1M Tokens
    cache_read   GPT 5                      GPT 5 cchd Inpt Glbl 1M Tokens
    output       GPT 5                      GPT 5 outpt Glbl 1M Tokens
    cache_read   5.6 sol                    5.6 sol ShortCo Cd Inp Std Gl 1M Tokens
    cache_write  5.6 sol                    5.6 sol ShortCo Cd Wr Std Gl 1M Tokens
    input        Grok 4.1                   Grok 4.1 Inp DZone Tokens
    input        Phi-4                      Phi-4-Input Tokens
    input        Gemini 2.5 Flash           Gemini 2.5 Flash GA Text Input - Predictions
    output       Gemini 2.5 Flash           Gemini 2.5 Flash GA Thinking Text Output - Predictions
    output       Gemini 2.5 Flash           Gemini 2.5 Flash Text Output (Thinking On) - Predictions
    cache_read   Gemini 3.0 Pro             Gemini 3.0 Pro Text Input Caching (Long)
    -            *                          Gemini 3 Flash Text Input Caching Storage
    output       Gemini 3.5 Flash           Gemini 3.5 Flash Regional Text Output - Predictions
    input        Gemini 2.5 Flash           Gemini 2.5 Flash Text Input Tokens - Predictions
    input        gemini 3 pro               Generate_content text input token count for gemini 3 pro short
    cache_read   gemini 3.8 flash tts       Generate content cached input token count gemini 3.8 flash tts text
    output       gemini 2.5 flash           Generate content output token count gemini 2.5 flash short input text
"""


def test_the_lines_of_cloud_bills_that_are_tokens_are_known_by_class_and_model():
    wanted = [line.strip().split("  ") for line in BILLED.strip().splitlines()]
    wanted = [[part.strip() for part in parts if part.strip()] for parts in wanted]
    with store.in_memory() as ledger:
        gates.bind(ledger, pipeline.known()["aws_cur"], raising=True)
        for token_class, model, name in wanted:
            found = ledger.run("SELECT token_class_of($name), token_model_of($name)", {"name": name}).rows[0]
            assert (found[0] or "-", model if model == "*" else found[1]) == (token_class, model), name


CARD = (
    "provider,channel,model,region,service_tier,context_tier,time_window_utc,token_class,price_per_million,currency\n"
)
UNITS = {
    "1K tokens": 1000,
    "1M tokens": 10**6,
    "1K": 1000,
    "1M": 10**6,
    "10K": 10**4,
    "count": 1,
    "requests": 1,
}


def test_the_scale_of_a_token_line_is_read_from_its_unit(place):
    """A line of each unit, for a model of its own."""
    models = {f"gemini-2.5-flash-{number}": unit for number, unit in enumerate(UNITS)}
    place.write("costctl.yaml", "version: 1\ncards: [card.csv]\n")
    place.write("card.csv", CARD + "".join(f"gcp,,{model},*,,,,input,3,USD\n" for model in models))
    line = {"ProviderName": "Google Cloud", "x_TokenClass": "input", "cost": "6", "ConsumedQuantity": "2"}
    place.bill("bill.csv", [line | {"x_Model": model, "ConsumedUnit": unit} for model, unit in models.items()])
    place.ingest("bill.csv")
    said = place.costctl("report", "token-variance", "--period", "2026-10", "--format", "csv")
    found = {models[row["model"]]: Decimal(row["billed_mtok"]) for row in csv.DictReader(said.stdout.splitlines())}
    assert {unit: tokens * 1_000_000 for unit, tokens in found.items()} == {unit: 2 * UNITS[unit] for unit in UNITS}
