"""Counters of engines, gateways and clients: what they counted by the hour, from raw samples; resets, gaps, twice scraped, twice exported."""

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import examples, few
from hypothesis import given
from hypothesis import strategies as st

from costctl.errors import InputRefused

SAMPLES = Path(__file__).parent / "samples" / "tokens"
PROMETHEUS = sorted((SAMPLES / "prometheus-derived").glob("query_range_*.json"))
TOKENS = """
    SELECT CAST(u.ts_start AS VARCHAR) AS hour, q.token_class, CAST(sum(q.tokens) AS BIGINT)
    FROM ledger.token_usage AS u JOIN ledger.token_quantity AS q USING (delivery_id, file_no, record_no, part_no) GROUP BY ALL ORDER BY ALL
"""
TOTALS = """
    SELECT q.token_class, CAST(sum(q.tokens) AS BIGINT)
    FROM ledger.token_usage AS u JOIN ledger.token_quantity AS q USING (delivery_id, file_no, record_no, part_no) GROUP BY ALL ORDER BY ALL
"""
MODELS = """
    SELECT u.model_raw, CAST(COALESCE(sum(q.tokens), 0) AS BIGINT), min(u.ts_start), max(u.ts_start)
    FROM ledger.token_usage AS u LEFT JOIN ledger.token_quantity AS q USING (delivery_id, file_no, record_no, part_no) GROUP BY ALL ORDER BY ALL
"""
GAPS = "SELECT kind, counts, at_most FROM ledger.counter_gaps ORDER BY ALL"
MIDNIGHT = 1790812800  # 2026-10-01T00:00:00Z

unposted = pytest.mark.usefixtures("unposted")
pytestmark = pytest.mark.usefixtures("begun")


def series(name, *samples, **labels):
    """A series as Prometheus answers it: (seconds after midnight, value) each."""
    values = [[MIDNIGHT + seconds, str(value)] for seconds, value in samples]
    return {"metric": {"__name__": name, "model_name": "m"} | labels, "values": values}


def answer(*found):
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(found)}})


def output(*samples, **labels):
    return series("vllm:generation_tokens_total", *samples, **labels)


def prompt(*samples, **labels):
    return series("vllm:prompt_tokens_total", *samples, **labels)


def prompts_by_source(source, grew):
    return series("vllm:prompt_tokens_by_source_total", (0, 0), (60, grew), source=source)


@unposted
def test_two_replicas_of_which_one_restarts_give_what_the_samples_hold(place):
    """The known answers of samples/tokens/README.md, here and of 18,059,974 in truth: what was lost is less than the bound that is told."""
    (outcome,) = place.ingest(*PROMETHEUS)
    assert place.ask(TOTALS) == [("input.unsplit", 17_924_008), ("output.unsplit", 243_848)]
    assert place.ask("SELECT CAST(sum(requests) AS BIGINT) FROM ledger.token_usage") == [(8_745,)]
    bounds = {counts: at_most for _, counts, at_most in place.ask(GAPS)}
    assert bounds == {"input": 485_222, "output": 6_071, "requests": 238}
    assert bounds["input"] > 135_966
    assert any("began anew: at most 485,222 are missing" in note for note in outcome.notes)


@unposted
def test_a_capture_of_vllm_splits_into_computed_and_cached_and_proves_it(place):
    file = place.write("vllm-0-2026-09-09T12:00:00Z.prom", next((SAMPLES / "vllm").glob("*.prom")).read_text("utf-8"))
    place.ingest(file)
    assert place.ask(TOTALS) == [
        ("input.cache_read", 3_241_216),
        ("input.uncached", 434_212),
        ("output.unsplit", 44_995),
    ]
    assert place.ask(
        "SELECT CAST(sum(requests) AS BIGINT), min(convention_proof), max(convention_proof) FROM ledger.token_usage"
    ) == [(26, "proved", "proved")]


def test_an_answer_to_an_expression_is_no_sample(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = command("ingest", str(SAMPLES / "prometheus-derived" / "query_increase_1h.json"))
    assert said.code == 3
    assert "is the answer to an expression" in said.err
    assert "make up fractions of tokens" in said.err


CASES = {  # series → tokens by class, gaps
    "a first sample is where counting begins": (
        [output((0, 500), (60, 700))],
        [("output.unsplit", 200)],
        [("first", "output", None)],
    ),
    "from nothing nothing is missing": ([output((0, 0), (60, 700))], [("output.unsplit", 700)], []),
    "a value below the last began anew": (
        [output((0, 0), (60, 600), (120, 50))],
        [("output.unsplit", 650)],
        [("reset", "output", 600)],
    ),
    "long without a look": (
        [output((0, 0), (60, 60), (120, 120), (180, 180), (3600, 9000))],
        [("output.unsplit", 9000)],
        [("gap", "output", None)],
    ),
    "a counter that jumps": (
        [output((0, 0), (60, 200), (120, 400), (180, 900_000_000), (240, 900_000_200))],
        [("output.unsplit", 900_000_200)],
        [("jump", "output", None)],
    ),
    "a counter that jumps and falls back": (
        [output((0, 0), (60, 99_999_999_999), (120, 400))],
        [("output.unsplit", 100_000_000_399)],
        [("jump", "output", None), ("reset", "output", 99_999_999_999)],
    ),
    "a counter that wakes up": (
        [output((0, 0), (60, 0), (120, 0), (180, 50_000_000), (240, 50_000_000))],
        [("output.unsplit", 50_000_000)],
        [],
    ),
    "samples that come twice": ([output((0, 0), (60, 700), (60, 700))], [("output.unsplit", 700)], []),
    "one replica scraped twice": (
        [
            output((0, 0), (60, 700), pod="a", prometheus_replica="x"),
            output((1, 10), (31, 300), (61, 700), pod="a", prometheus_replica="y"),
        ],
        [("output.unsplit", 690)],
        [("first", "output", None)],
    ),
    "one target under two jobs": (
        [output((0, 0), (60, 700), pod="a", job="x"), output((0, 0), (60, 700), pod="a", job="y")],
        [("output.unsplit", 700)],
        [],
    ),
    "two replicas": (
        [output((0, 0), (60, 700), pod="a"), output((0, 0), (60, 700), pod="b")],
        [("output.unsplit", 1400)],
        [],
    ),
    "a frontend and its workers": (
        [
            output((0, 0), (60, 700), pod="a"),
            series("dynamo_frontend_output_tokens_total", (0, 0), (60, 690), model="m", model_name="m"),
        ],
        [("output.unsplit", 690)],
        [],
    ),
    "a prompt at the prefill and at the decode worker": (
        [
            prompt((0, 0), (60, 100), pod="a", role="prefill"),
            prompt((0, 0), (60, 100), pod="b", role="decode"),
            output((0, 0), (60, 1), pod="a", role="prefill"),
            output((0, 0), (60, 20), pod="b", role="decode"),
        ],
        [("input.unsplit", 100), ("output.unsplit", 20)],
        [],
    ),
    "what SGLang read from a cache, in parts and in total": (
        [
            series("sglang:prompt_tokens_total", (0, 0), (60, 100)),
            series("sglang:cached_tokens_total", (0, 0), (60, 30), cache_source="device"),
            series("sglang:cached_tokens_total", (0, 0), (60, 10), cache_source="host"),
            series("sglang:cached_tokens_total", (0, 0), (60, 40), cache_source="total"),
            series("sglang:generation_tokens_total", (0, 0), (60, 5), is_streaming="true"),
            series("sglang:generation_tokens_total", (0, 0), (60, 6), is_streaming="false"),
        ],
        [("input.cache_read", 40), ("input.uncached", 60), ("output.unsplit", 11)],
        [],
    ),
    "a source of prompts that nobody knows": (
        [
            prompt((0, 0), (60, 100)),
            prompts_by_source("local_compute", 60),
            prompts_by_source("astral", 40),
        ],
        [("input.unsplit", 100)],
        [],
    ),
    "a source that nobody knows, beside no whole": (
        [
            prompts_by_source("local_compute", 60),
            prompts_by_source("local_cache_hit", 30),
            prompts_by_source("astral", 40),
        ],
        [("input.unsplit", 130)],
        [],
    ),
    "sources of prompts, beside no whole": (
        [prompts_by_source("local_compute", 60), prompts_by_source("external_kv_transfer", 90)],
        [("input.cache_read", 90), ("input.uncached", 60)],
        [],
    ),
    "more read from a cache than there was": (
        [prompt((0, 0), (60, 100)), series("vllm:prompt_tokens_cached_total", (0, 0), (60, 130))],
        [("input.unsplit", 100)],
        [],
    ),
}


@unposted
def test_a_counter_counts(place):
    """Each case a file and a source of its own."""
    files = {name: f"{number}.json" for number, name in enumerate(CASES)}
    for name, (found, *_) in CASES.items():
        place.write(files[name], answer(*found))
    place.take(files)
    counted = place.by_source()
    gaps = place.ask("SELECT source, kind, counts, at_most FROM ledger.counter_gaps ORDER BY ALL")
    assert {
        name: (sorted(counted.get(name, {}).items()), [gap for source, *gap in gaps if source == name])
        for name in CASES
    } == {name: (tokens, [list(gap) for gap in wanted]) for name, (_, tokens, wanted) in CASES.items()}


@pytest.mark.slow
@unposted
def test_hours_with_a_source_that_nobody_knows_are_told_with_their_place(place):
    place.write(
        "a.json",
        answer(prompt((0, 0), (60, 100)), prompts_by_source("local_compute", 60), prompts_by_source("astral", 40)),
    )
    (outcome,) = place.ingest("a.json")
    assert [note.partition(", or ")[2] for note in outcome.notes] == [
        f"that count what nobody knows; the first is {place.home}/a.json:record 6"
    ]


@pytest.mark.slow
@unposted
def test_a_counter_that_jumps_is_told_with_its_place(place):
    file = "e-2026-10-01T00:0{}:00Z.prom"
    for minute, value in enumerate((0, 200, 400, 900_000_000)):
        place.write(file.format(minute), f'vllm:generation_tokens_total{{model_name="m"}} {value}\n')
    (outcome,) = place.ingest(*(file.format(minute) for minute in range(4)))
    (note,) = outcome.notes
    assert f"{file.format(3)}:record 1 from 2026-10-01 00:02:00 on" in note
    assert place.ask("SELECT flags FROM ledger.token_usage") == [("jump",)]


@unposted
def test_a_step_over_hours_is_split_by_time_in_whole_tokens(place):
    place.write("a.json", answer(output((3000, 0), (9000, 101))))
    place.ingest("a.json")
    hours = [(hour[11:16], tokens) for hour, _, tokens in place.ask(TOKENS)]
    assert hours == [("00:00", 10), ("01:00", 60), ("02:00", 31)]  # 600, 3,600 and 1,800 of 6,000 seconds


@pytest.mark.slow
@unposted
def test_what_an_engine_counted_since_it_began_is_counted_where_it_says_when(place):
    scrape = 'vllm:generation_tokens_total{{model_name="m"}} {}\nvllm:generation_tokens_created{{model_name="m"}} {}\n'
    place.write("e-2026-10-01T01:00:00Z.prom", scrape.format(600, MIDNIGHT + 1800))
    place.ingest("e-2026-10-01T01:00:00Z.prom")
    assert place.ask(TOKENS) == [("2026-10-01 00:00:00", "output.unsplit", 600)]
    place.write("e-2026-10-01T02:00:00Z.prom", scrape.format(700, MIDNIGHT + 5400))  # more than before, and began later
    place.ingest("e-2026-10-01T02:00:00Z.prom")
    assert place.ask(TOKENS) == [
        ("2026-10-01 00:00:00", "output.unsplit", 600),
        ("2026-10-01 01:00:00", "output.unsplit", 700),
    ]
    assert [kind for kind, *_ in place.ask(GAPS)] == ["reset"]


@pytest.mark.slow
@unposted
def test_a_counter_that_began_long_before_its_first_sample_is_a_gap(place):
    """Of two engines that are looked at each hour from the 1st of October on, one began in July, the other three hours before."""
    scrape = 'vllm:generation_tokens_total{{model_name="m"}} {}\nvllm:generation_tokens_created{{model_name="m"}} {}\n'
    for name, days in {"old": 92, "new": 0.125}.items():
        for hour, value in enumerate((9_200_000, 9_200_100)):
            file = f"{name}-2026-10-01T0{hour}:00:00Z.prom"
            place.write(file, scrape.format(value, MIDNIGHT - days * 86400))
    (outcome,) = place.ingest(*sorted(path.name for path in place.home.glob("*.prom")))
    assert place.ask("SELECT kind, ts_start, ts_end FROM ledger.counter_gaps") == [
        ("gap", datetime(2026, 7, 1), datetime(2026, 10, 1))  # noqa: DTZ001
    ]
    assert any("not looked at for long, first since 2026-07-01" in note for note in outcome.notes)
    flagged = "SELECT count(*) FROM ledger.token_usage WHERE flags = 'gap'"
    assert place.ask(flagged) == [(92 * 24,)]
    assert place.ask(TOTALS) == [("output.unsplit", 18_400_200)]


@unposted
@pytest.mark.parametrize("order", few(list(itertools.permutations(range(3)))[::-1]))
def test_days_that_come_in_any_order_and_meet_or_overlap_give_what_one_file_gives(order, places):
    samples = [
        (0, 0),
        (3000, 50),
        (7000, 120),
        (80000, 900),
        (90000, 10),
        (100000, 777),
        (170000, 1000),
        (180000, 1500),
    ]
    whole = places()
    whole.write("a.json", answer(output(*samples), prompt(*((seconds, 3 * value) for seconds, value in samples))))
    whole.ingest("a.json")
    days = [
        samples[:4],
        samples[3:6],
        samples[4:],
    ]  # the second meets the first at a sample, the third overlaps the second
    place = places()
    for number in order:
        place.write(
            f"{number}.json",
            answer(output(*days[number]), prompt(*((seconds, 3 * value) for seconds, value in days[number]))),
        )
        place.ingest(f"{number}.json")
    assert place.ask(TOKENS) == whole.ask(TOKENS)
    assert sorted(set(place.ask(GAPS))) == sorted(set(whole.ask(GAPS)))


STEPS = st.lists(st.tuples(st.integers(1, 20_000), st.integers(0, 5_000), st.booleans()), min_size=1, max_size=12)


@unposted
@examples(3)
@given(counters=st.lists(STEPS, min_size=4, max_size=4))
def test_whatever_a_counter_grows_by_is_counted_to_the_last_token(counters, places):
    """Each step counts, and a restart counts what came after it; by the hour it adds up to the same. Four counters in a file."""
    found, wanted = [], {}
    for number, steps in enumerate(counters):
        seconds, value, samples, counted = 0, 0, [(0, 0)], 0
        for later, grew, restarts in steps:
            seconds += later
            value = grew if restarts and grew < value else value + grew
            counted += grew
            samples.append((seconds, value))
        found.append(output(*samples, model_name=f"m{number}"))
        wanted[f"m{number}"] = (counted, datetime.fromtimestamp(MIDNIGHT + seconds, tz=UTC).replace(tzinfo=None))
    place = places()
    place.write("a.json", answer(*found))
    place.ingest("a.json")
    said = place.ask(MODELS)
    assert {model: tokens for model, tokens, *_ in said} == {model: counted for model, (counted, _) in wanted.items()}
    assert {first for *_, first, _ in said} == {datetime(2026, 10, 1)}  # noqa: DTZ001
    assert all(last < wanted[model][1] for model, *_, last in said)


@pytest.mark.slow
@unposted
def test_a_value_that_is_no_count_is_named(place):
    files = {value: f"{number}.json" for number, value in enumerate(["NaN", "+Inf", "-5", "12.5", "x", "1e30"])}
    for value, name in files.items():
        place.write(name, answer(output((0, 0), (60, value), (120, 700))))
    said = place.refused(files)
    wanted = {value: f"{name}:record 2: value is not a whole number: '{value}'" for value, name in files.items()}
    assert {value: said[value] for value in files if wanted[value] not in said[value]} == {}


@pytest.mark.slow
@unposted
def test_what_is_set_aside_leaves_the_others_to_count(place):
    place.write("a.json", answer(output((0, 0), (60, "NaN"), (120, 700))))
    (outcome,) = place.ingest("a.json", quarantine_rows=1)
    assert (outcome.records, outcome.quarantined) == (3, 1)
    assert place.ask(TOTALS) == [("output.unsplit", 700)]
    assert place.ask("SELECT record_no, value FROM ledger.quarantine") == [(2, "NaN")]


REFUSED = {
    "two engines under one name": (
        [output((0, 0), (60, 5)), output((60, 7), (120, 9))],
        "says that one counter stood at two values at one moment",
    ),
}


@unposted
@pytest.mark.parametrize(("found", "what"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_one_counter_is_refused(found, what, place):
    place.write("a.json", answer(*found))
    with pytest.raises(InputRefused, match=what):
        place.ingest("a.json")
    assert place.ask("SELECT count(*) FROM ledger.counter_samples") == [(0,)]


TEXTS = {
    "truncated": (answer(output((0, 0), (60, 5)))[:-30], "is not JSON from here on"),
    "an error of Prometheus": (
        '{"status":"error","errorType":"bad_data","error":"parse error"}',
        "is an error of Prometheus",
    ),
    "a line that is no sample": (
        '# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{model_name="m" 5\n',
        "is no sample of a metric",
    ),
    "without a time": (
        '# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{model_name="m"} 5\n',
        "has a sample without a time",
    ),
}


@unposted
def test_a_broken_export_is_refused_with_its_place(place):
    files = {name: f"{number}.prom" for number, name in enumerate(TEXTS)}
    for name, (text, _) in TEXTS.items():
        place.write(files[name], text)
    said = place.refused(files)
    assert {name: said[name] for name, (_, what) in TEXTS.items() if what not in said[name]} == {}
    assert not place.path.exists() or place.ask("SELECT count(*) FROM ledger.deliveries") == [(0,)]


IDLE = 'vllm:generation_tokens_total{{model_name="m"}} {}\n'


@pytest.mark.slow
@unposted
def test_scrapes_that_say_the_same_are_scrapes_of_their_own(place):
    """Two engines that begin alike, and one that stands still over midnight: what a file is called tells which and when."""
    scrapes = {"w1-2026-10-01T05:00:00Z": 0, "w2-2026-10-01T05:00:00Z": 0, "w1-2026-10-01T06:00:00Z": 1000}
    scrapes |= {"w2-2026-10-01T06:00:00Z": 2000, "w1-2026-10-02T06:00:00Z": 1000, "w1-2026-10-02T07:00:00Z": 1500}
    for name, value in scrapes.items():
        place.write(f"pull/{name}.prom", IDLE.format(value))
    place.ingest("pull")
    assert [(hour[8:13], tokens) for hour, _, tokens in place.ask(TOKENS) if tokens] == [
        ("01 05", 3000),
        ("02 06", 500),
    ]
    place.write("pull/w2-2026-10-02T06:00:00Z.prom", IDLE.format(2000))
    (outcome,) = place.ingest("pull")
    assert (outcome.status, outcome.files) == ("loaded", 1)
    assert [outcome.status for outcome in place.ingest("pull")] == ["nothing to do"]


@pytest.mark.slow
@unposted
def test_a_frontend_that_is_looked_at_on_one_day_counts_on_that_day_alone(places):
    """The worker counts 100 an hour for four days; the frontend, of the second day only, no more than that day's."""
    hours = [(hour * 3600, 100 * hour) for hour in range(97)]
    front = [(hour * 3600, 90 * (hour - 24)) for hour in range(24, 48)]
    worker, frontend = output(*hours), series("dynamo_frontend_output_tokens_total", *front)
    found = []
    for files in ([answer(worker, frontend)], [answer(worker), answer(frontend)], [answer(frontend), answer(worker)]):
        place = places()
        for number, text in enumerate(files):
            place.write(f"{number}.json", text)
            place.ingest(f"{number}.json")
        found.append(
            place.ask(
                "SELECT CAST(ts_start AS DATE), CAST(sum(tokens) AS BIGINT) FROM ledger.token_usage JOIN ledger.token_quantity USING (delivery_id, file_no, record_no, part_no) GROUP BY 1 ORDER BY 1"
            )
        )
    assert found[0] == found[1] == found[2]
    assert [tokens for _, tokens in found[0]] == [2400, 2070, 2400, 2400]  # its last hour nobody looked at


@unposted
def test_a_frontend_of_one_namespace_leaves_the_engines_of_another(place):
    a, b = {"namespace": "a"}, {"namespace": "b"}
    found = [
        output((0, 0), (60, 6000), **b),
        output((0, 0), (60, 70), **a),
        series("dynamo_frontend_output_tokens_total", (0, 0), (60, 60), **a),
    ]
    place.write("a.json", answer(*found))
    place.ingest("a.json")
    assert place.ask(TOTALS) == [("output.unsplit", 6060)]


@pytest.mark.slow
def test_what_was_counted_in_the_month_before_its_sample_is_in_the_reports_of_that_month(place):
    """The first sample of October tells since when the counter counts: September. No bill is there yet."""
    place.write(
        "vllm-2025-10-01T00:00:00Z.prom",
        """
        vllm:prompt_tokens_total{model_name="m"} 1000
        vllm:generation_tokens_total{model_name="m"} 10
        process_start_time_seconds 1758067200
        """,  # since 2025-09-17
    )
    done = place.costctl("ingest", "vllm-2025-10-01T00:00:00Z.prom")
    assert done.returncode == 0, done.stderr
    told = place.costctl("report", "token-match", "--period", "2025-09", "--format", "csv").stdout
    assert "2025-09-30" in told
