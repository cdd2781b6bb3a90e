"""Column maps of token counts and chip time: what only its owner knows is counted exactly, and what does not fit is set aside."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from conftest import few

from costctl import pipeline
from costctl.columnmaps import spellings
from costctl.errors import InputRefused, UsageError

pytestmark = pytest.mark.usefixtures("unposted", "begun")

SAMPLES = Path(__file__).parent / "samples" / "tokens"
AZURE = SAMPLES / "azure-llm-2023" / "AzureLLMInferenceTrace_code.csv"
MOONCAKE = SAMPLES / "mooncake" / "conversation_trace.jsonl.gz"
BLOCK = 512  # tokens of a prefix block
CLASSES = "SELECT token_class, CAST(sum(tokens) AS BIGINT) FROM ledger.token_quantity GROUP BY 1 ORDER BY 1"
USAGE = "SELECT CAST(ts_start AS VARCHAR), CAST(ts_end AS VARCHAR), {} FROM ledger.token_usage ORDER BY ALL"


def mapped(place, body, name="mine"):
    """Write a configuration with one map, its lines as they are given."""
    lines = "".join(f"    {line.strip()}\n" for line in body.strip().splitlines())
    (place.home / "costctl.yaml").write_text(f"version: 1\nformats:\n  {name}:\n{lines}", encoding="utf-8")


def test_a_trace_of_requests_counts_to_the_token_by_the_hour(place):
    mapped(
        place,
        """
        target: tokens
        columns: {time: TIMESTAMP, input: ContextTokens, output: GeneratedTokens}
        constants: {provider: self, pool: code, model: code, team: research}
        last_line: unended
        role: engine
        """,
    )
    assert place.costctl("ingest", AZURE).returncode == 0
    hours = """
        SELECT hour(u.ts_start), count(DISTINCT u.record_no), sum(q.tokens) FILTER (WHERE token_class = 'input.unsplit'),
            sum(q.tokens) FILTER (WHERE token_class = 'output.unsplit')
        FROM ledger.token_usage AS u JOIN ledger.token_quantity AS q USING (delivery_id, file_no, record_no)
        WHERE CAST(u.ts_start AS DATE) = '2023-11-16' GROUP BY 1 ORDER BY 1
    """
    assert place.ask(hours) == [(18, 7717, 15_710_990, 213_958), (19, 1102, 2_348_984, 31_938)]
    assert place.ask(CLASSES) == [("input.unsplit", 18_059_974), ("output.unsplit", 245_896)]
    alike = "SELECT DISTINCT provider, pool, model_raw, team_raw, evidence_role, requests, task, outcome FROM ledger.token_usage"
    assert place.ask(alike) == [("self", "code", "code", "research", "engine", 1, "generate", "ok")]
    assert place.ask("SELECT count(*), min(ts_start) = min(ts_end) FROM ledger.token_usage") == [(8819, True)]
    assert place.ask("SELECT CAST(min(ts_start) AS VARCHAR) FROM ledger.token_usage") == [
        ("2023-11-16 18:17:03.97996",)
    ]


def test_a_last_line_without_an_end_is_refused_where_the_map_does_not_say_so(place):
    mapped(place, "target: tokens\ncolumns: {time: TIMESTAMP, input: ContextTokens}\nconstants: {provider: self}")
    assert "ends in the middle of a line" in place.costctl("ingest", AZURE).stderr


def reusable(rows):
    """Yield each row with the tokens of its leading blocks that an earlier row had: what an unlimited prefix cache would read."""
    seen = set()
    for row in rows:
        leading = next(
            (number for number, block in enumerate(row["hash_ids"]) if block not in seen), len(row["hash_ids"])
        )
        yield row | {"cached": min(BLOCK * leading, row["input_length"])}
        seen.update(row["hash_ids"])


@pytest.mark.slow
def test_a_trace_in_milliseconds_counts_what_a_prefix_cache_reads_apart(place):
    rows = [json.loads(line) for line in gzip.decompress(MOONCAKE.read_bytes()).splitlines()]
    (place.home / "chat.jsonl").write_text("".join(json.dumps(row) + "\n" for row in reusable(rows)))
    mapped(
        place,
        """
        target: tokens
        columns: {time: timestamp, input: input_length, input_cache_read: cached, output: output_length}
        constants: {provider: self, pool: chat, model: kimi}
        dates: milliseconds since 2026-01-01T00:00:00Z
        """,
    )
    assert place.costctl("ingest", "chat.jsonl").returncode == 0
    assert place.ask(CLASSES) == [
        ("input.cache_read", 54_098_411),
        ("input.uncached", 144_793_823 - 54_098_411),
        ("output.unsplit", 4_122_048),
    ]
    span = "SELECT count(*), CAST(min(ts_start) AS VARCHAR), CAST(max(ts_end) AS VARCHAR) FROM ledger.token_usage"
    assert place.ask(span) == [(12_031, "2026-01-01 00:00:00", "2026-01-01 00:58:56.999")]


@pytest.mark.slow
def test_the_packed_trace_counts_as_it_is(place):
    mapped(
        place,
        """
        target: tokens
        columns: {time: timestamp, input: input_length, output: output_length}
        constants: {provider: self, pool: chat}
        dates: milliseconds since 2026-01-01
        """,
    )
    assert place.costctl("ingest", MOONCAKE).returncode == 0
    assert place.ask(CLASSES) == [("input.unsplit", 144_793_823), ("output.unsplit", 4_122_048)]


@pytest.mark.parametrize(
    ("dates", "text", "found"),
    [
        ("unix seconds", "1767225600", "2026-01-01T00:00:00.000000Z"),
        ("unix seconds", "1767225600.25", "2026-01-01T00:00:00.250000Z"),
        ("unix milliseconds", "1767225600001", "2026-01-01T00:00:00.001000Z"),
        ("unix seconds", "0", "1970-01-01T00:00:00.000000Z"),
        ("seconds since 2026-01-01T00:00:00+01:00", "3600", "2026-01-01T00:00:00.000000Z"),
        ("milliseconds since 2026-01-01", "3536999", "2026-01-01T00:58:56.999000Z"),
    ],
)
def test_dates_that_are_numbers_are_read_as_declared(dates, text, found):
    assert spelt(spellings.instant(dates), text) == found


@pytest.mark.parametrize(
    "text", ["-1", "1e9", "2026-01-01", "7258118400", "99999999999999999999", "1767225600x", "\u0661"]
)
def test_another_number_is_never_guessed_at(text):
    assert spelt(spellings.instant("unix seconds"), text) == f"!{text}"
    assert spelt(spellings.instant("unix seconds", strict=False), text) is None


def spelt(sql, text):
    with duckdb.connect() as connection:
        return connection.execute(f"SELECT {sql.replace('{x}', 'x')} FROM (SELECT $1 AS x)", [text]).fetchone()[0]


LOG = """
    target: tokens
    columns: {time: ts, model: engine, api_key: key_id, input: prompt, input_cache_read: hit, output: completion, outcome: status}
    constants: {provider: self, pool: h100}
    dates: unix milliseconds
    values: {outcome: {"200": ok, "499": client_abort}}
    exclude: {kind: [probe]}
    key: [request, attempt]
    """


def log(place, name, *rows):
    keys = ("request", "attempt", "kind", "ts", "engine", "key_id", "prompt", "hit", "completion", "status")
    records = [dict(zip(keys, row, strict=True)) for row in rows]
    return place.write(name, "".join(json.dumps(record) + "\n" for record in records))


def test_a_log_with_a_key_counts_each_record_once_in_whatever_files_it_comes(place):
    mapped(place, LOG)
    first = ["a", 1, "chat", 1767225600000, "atlas", "key-1", 100, 60, 10, 200]
    second = ["a", 2, "chat", 1767225601000, "atlas", "key-1", 50, None, 5, 499]
    log(place, "one.jsonl", first, second, ["p", 1, "probe", 1767225600000, "atlas", "", 1, 0, 1, 200])
    log(place, "two.jsonl", first, ["b", 1, "chat", 1767225600000, "atlas", "key-2", 7, 7, 1, 200])
    for name in ("one.jsonl", "two.jsonl", "one.jsonl"):
        assert place.costctl("ingest", name).returncode == 0
    assert place.ask(USAGE.format("api_key, outcome, convention_proof")) == [
        ("2026-01-01 00:00:00", "2026-01-01 00:00:00", "key-1", "ok", "declared"),
        ("2026-01-01 00:00:00", "2026-01-01 00:00:00", "key-2", "ok", "declared"),
        ("2026-01-01 00:00:01", "2026-01-01 00:00:01", "key-1", "client_abort", "declared"),
    ]
    assert place.ask(CLASSES) == [
        ("input.cache_read", 67),
        ("input.uncached", 40),
        ("input.unsplit", 50),
        ("output.unsplit", 16),
    ]
    rules = "SELECT rule, sum(records) FROM ledger.exclusions GROUP BY 1 ORDER BY 1"
    assert place.ask(rules) == [("kind is probe", 1), ("the same record again", 1)]


UNFIT = [  # a record, and what is said of it
    (["a", 1, "chat", 1767225600000, "atlas", "", -5, 0, 1, 200], "prompt is not a whole number: '-5'"),
    (["a", 1, "chat", 1767225600000, "atlas", "", "many", 0, 1, 200], "prompt is not a whole number: 'many'"),
    (["a", 1, "chat", "soon", "atlas", "", 1, 0, 1, 200], "ts is not a time in unix milliseconds: 'soon'"),
    (["a", 1, "chat", None, "atlas", "", 1, 0, 1, 200], "ts is empty"),
    (
        ["a", 1, "chat", 1767225600000, "atlas", "", 1, 0, 1, 418],
        "status is not one of the words under `values:`: '418'",
    ),
]


@pytest.mark.slow
def test_what_does_not_fit_is_set_aside_with_its_line(place):
    mapped(place, LOG)
    files = {evidence: f"log-{number}.jsonl" for number, (_, evidence) in enumerate(UNFIT)}
    for row, evidence in UNFIT:
        log(place, files[evidence], ["b", 1, "chat", 1767225600000, "atlas", "", 1, 0, 1, 200], row)
    said = place.refused(files)
    assert {what: said[what] for what, name in files.items() if f"{name}:2: {what}" not in said[what]} == {}
    place.take(files, quarantine_rows=1)
    assert sorted(source for _, source in place.records("source")) == sorted(files)


def test_parts_that_exceed_their_whole_are_said_and_the_whole_counts(place):
    mapped(place, LOG)
    log(place, "log.jsonl", ["a", 1, "chat", 1767225600000, "atlas", "", 10, 11, 1, 200])
    (outcome,) = place.ingest("log.jsonl")
    assert [note.rpartition(" the first is ")[2] for note in outcome.notes] == [f"{place.home}/log.jsonl:1"]
    assert place.ask(CLASSES) == [("input.unsplit", 10), ("output.unsplit", 1)]


def test_a_key_that_a_record_lacks_altogether_makes_no_two_records_one(place):
    mapped(place, LOG)
    row = [None, None, "chat", 1767225600000, "atlas", "", 10, 0, 1, 200]
    log(place, "log.jsonl", row, row)
    place.ingest("log.jsonl")
    assert place.ask("SELECT count(*) FROM ledger.token_usage") == [(2,)]


BUCKETS = """
    target: tokens
    columns: {start: Hour, model: Model, team: Team, input_uncached: In, output: Out, requests: Calls}
    constants: {provider: openai}
    dates: D.M.YYYY HH:mm
    grain: hour
    delimiter: ";"
    """


def test_an_end_follows_from_the_start_and_how_long_a_bucket_lasts(place):
    mapped(place, BUCKETS)
    place.write("calls.csv", "Hour;Model;Team;In;Out;Calls\n1.10.2026 23:00;gpt-5;search;100;20;3\n")
    place.ingest("calls.csv")
    assert place.ask(USAGE.format("model_raw, team_raw, requests")) == [
        ("2026-10-01 23:00:00", "2026-10-02 00:00:00", "gpt-5", "search", 3)
    ]
    assert place.ask(CLASSES) == [("input.uncached", 100), ("output.unsplit", 20)]


SPANS = {  # a bucket of October, and whether it is taken in without a word, with one, or not
    "an hour": ("2026-10-01 05:00:00", "2026-10-01 06:00:00", ()),
    "a request over midnight": ("2026-10-01 23:59:00", "2026-10-02 00:01:00", ()),
    "a moment": ("2026-10-01 05:00:00", "2026-10-01 05:00:00", ()),
    "a day": ("2026-10-01 00:00:00", "2026-10-02 00:00:00", ()),
    "a day of another time zone": ("2026-09-30 22:00:00", "2026-10-01 22:00:00", "1 record whose bucket reaches into another UTC day"),
    "a month": ("2026-10-01 00:00:00", "2026-11-01 00:00:00", "1 record whose bucket reaches into another UTC day"),
    "a quarter": ("2026-10-01 00:00:00", "2027-01-01 00:00:00", None),
    "the end first": ("2026-10-01 06:00:00", "2026-10-01 05:59:59", None),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", few(["csv", "parquet", "map", "typed map"]))
def test_a_bucket_that_ends_before_it_begins_or_lasts_longer_than_a_month_is_set_aside(place, kind):
    if "map" in kind:
        columns = "{start: from, end: to, model: engine, input: given, provider: who, team: whose}"
        mapped(place, f"target: tokens\ncolumns: {columns}")
    names = ("from", "to", "engine", "given", "who", "whose") if "map" in kind else ("start", "end", "model", "input", "provider", "team")  # fmt: skip
    type_ = "TIMESTAMP" if kind in ("parquet", "typed map") else "VARCHAR"
    files = {}
    for number, (name, (start, end, _)) in enumerate(SPANS.items()):
        files[name] = f"{number}.{'parquet' if type_ == 'TIMESTAMP' else 'csv'}"
        values = [f"'{start}'::{type_}", f"'{end}'::{type_}", "'atlas'", "5", "'openai'", "'ads'"]
        row = ", ".join(f'{value} AS "{title}"' for value, title in zip(values, names, strict=True))
        duckdb.sql(f"COPY (SELECT {row}, 1 AS requests) TO '{place.home / files[name]}'")
    good = {name: files[name] for name, (*_, said) in SPANS.items() if said is not None}
    said = place.refused({name: file for name, file in files.items() if name not in good})
    assert {name: text for name, text in said.items() if "is earlier than" not in text} == {}
    notes = {outcome.source: " ".join(outcome.notes) for outcome in place.take(good)}
    assert {
        name: notes[name]
        for name in good
        if (SPANS[name][2] or "") not in notes[name] or bool(SPANS[name][2]) != bool(notes[name])
    } == {}


def test_files_without_a_key_replace_the_days_that_they_hold(place):
    mapped(place, BUCKETS)
    head = "Hour;Model;Team;In;Out;Calls\n"
    place.ingest(place.write("a.csv", head + "1.10.2026 05:00;m;t;100;20;3\n2.10.2026 05:00;m;t;1;1;1\n"))
    with pytest.raises(InputRefused):  # another file about a day that is there is a decision
        place.ingest(place.write("b.csv", head + "1.10.2026 05:00;m;t;70;20;3\n"))
    place.ingest("b.csv", decision="replace")
    assert place.ask(CLASSES) == [("input.uncached", 71), ("output.unsplit", 21)]


@pytest.mark.slow
def test_a_file_of_buckets_is_read_as_parquet_too(place):
    mapped(
        place,
        """
        target: tokens
        columns: {start: from, end: to, model: engine, input: given, output: made, requests: n}
        constants: {provider: self, pool: h100, chip: nvidia-h100-sxm-80gb}
        """,
    )
    rows = "SELECT TIMESTAMPTZ '2026-10-01 05:00:00+00' AS \"from\", TIMESTAMPTZ '2026-10-01 06:00:00+00' AS \"to\", 'atlas' AS engine, 5 AS given, 2::BIGINT AS made, 1 AS n"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.execute(f"COPY ({rows}) TO '{place.home / 'hours.parquet'}' (FORMAT parquet)")
    place.ingest("hours.parquet")
    assert place.ask(USAGE.format("model_raw, chip, requests")) == [
        ("2026-10-01 05:00:00", "2026-10-01 06:00:00", "atlas", "nvidia-h100-sxm-80gb", 1)
    ]
    assert place.ask(CLASSES) == [("input.unsplit", 5), ("output.unsplit", 2)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["epoch", "moment"])
def test_a_parquet_column_of_requests_is_when_they_were_done(place, kind):
    dates = "dates: unix seconds" if kind == "epoch" else ""
    mapped(place, f"target: tokens\ncolumns: {{time: at, output: made}}\nconstants: {{provider: self}}\n{dates}")
    at = {"epoch": "1790830800::BIGINT", "moment": "TIMESTAMP '2026-10-01 05:00:00'"}[kind]
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT {at} AS at, 2 AS made) TO '{place.home / 'r.parquet'}' (FORMAT parquet)")
    place.ingest("r.parquet")
    assert place.ask(USAGE.format("requests")) == [("2026-10-01 05:00:00", "2026-10-01 05:00:00", 1)]


CHIPS = """
    target: chip_time
    columns: {resource: node, start: from, end: to, state: phase, chips: gpus}
    constants: {pool: h100}
    dates: D.M.YYYY
    ends: included
    values: {state: {busy: serving, down: maintenance}}
    key: [node, from]
    """


def test_chip_time_is_mapped_with_its_words_and_counts_once(place):
    mapped(place, CHIPS)
    head = "node,from,to,phase,gpus\n"
    place.ingest(place.write("a.csv", head + "n1,1.10.2026,2.10.2026,Busy,8\nn2,1.10.2026,1.10.2026,down,0.5\n"))
    place.ingest(place.write("b.csv", head + "n1,1.10.2026,2.10.2026,busy,8\n"))
    found = "SELECT pool, resource_id, CAST(ts_start AS DATE), CAST(ts_end AS DATE), chips, state FROM ledger.accelerator_usage ORDER BY ALL"
    days = [place.ask(f"SELECT DATE '2026-10-0{day}'")[0][0] for day in (1, 2, 3)]
    assert place.ask(found) == [
        ("h100", "n1", days[0], days[2], Decimal(8), "serving"),
        ("h100", "n2", days[0], days[1], Decimal("0.5"), "maintenance"),
    ]


@pytest.mark.slow
def test_an_interval_that_ends_before_it_starts_is_set_aside_however_its_dates_are_written(place):
    mapped(place, CHIPS)
    place.write("a.csv", "node,from,to,phase,gpus\nn1,5.10.2026,2.10.2026,busy,8\n")
    with pytest.raises(InputRefused, match="cannot be taken in"):
        place.ingest("a.csv")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (
            "target: tokens\ncolumns: {time: t, inputs: i}",
            "mine.columns: there is no column 'inputs'. Did you mean input?",
        ),
        (
            "target: tokens\ncolumns: {start: t, input: i}\nconstants: {provider: self}",
            "end is missing: map it, or say `grain:`",
        ),
        (
            "target: tokens\ncolumns: {input: i}\nconstants: {provider: self}",
            "start is missing: or map time, when a request was done",
        ),
        ("target: tokens\ncolumns: {time: t, input: i}", "provider is missing: map it, or name it under `constants:`"),
        ("target: tokens\ncolumns: {time: t}\nconstants: {provider: self}", "no count is mapped"),
        (
            "target: tokens\ncolumns: {time: t, start: s, input: i}\nconstants: {provider: self}",
            "time and start both say start",
        ),
        (
            "target: tokens\ncolumns: {time: t, input: i}\nconstants: {provider: self, requests: one}",
            "must be a whole number (got 'one')",
        ),
        (
            "target: tokens\ncolumns: {time: t, input: i}\nconstants: {provider: self, outcome: fine}",
            "must be an outcome such as ok or retry",
        ),
        (
            "target: tokens\ncolumns: {input: i}\nconstants: {provider: self, time: 2026-10-01}",
            "a time cannot be the same in every record",
        ),
        ("target: tokens\ncolumns: {time: t, input: i}\nconstants: {provider: self}\ntags: [a]", "usage has no tags"),
        (
            "target: tokens\ncolumns: {time: t, input: i}\nconstants: {provider: self}\nvalues: {input: {a: b}}",
            "only words can be replaced",
        ),
        (
            "target: tokens\ncolumns: {time: t, input: i}\nconstants: {provider: self}\ndates: seconds since noon",
            "mine.dates: ",
        ),
        ("target: chip_time\ncolumns: {start: s, end: e, state: p}\nconstants: {pool: x}", "chips is missing"),
        (
            "target: chip_time\ncolumns: {start: s, end: e, state: p}\nconstants: {pool: x, chips: '0'}",
            "must be a number of chips above 0",
        ),
        (
            "target: chip_time\ncolumns: {start: s, end: e, state: p}\nconstants: {pool: x, chips: '8'}\nrole: client",
            "role: is for `target: tokens`",
        ),
        (
            "columns: {BilledCost: c, ChargePeriodStart: d}\nconstants: {BillingCurrency: USD}\nkey: [a]",
            "key: is for `target: tokens`",
        ),
        (
            "target: tokens\ncolumns: {time: t, input: i}\nends: included\ndates: unix seconds",
            "is for files that end on a day",
        ),
    ],
)
def test_a_map_that_cannot_be_read_by_is_refused_with_its_place(place, body, what):
    mapped(place, body)
    with pytest.raises(UsageError) as refused:
        pipeline.known(place.run.config)
    assert what in refused.value.text()
    assert "costctl.yaml:" in refused.value.text()
