"""A large file of requests as JSON lines comes in by blocks and columns: what that finds is what reading record by record finds."""

import json

import pytest
from conftest import examples
from hypothesis import given
from hypothesis import strategies as st

from costctl.errors import InputRefused
from costctl.files import objects, packing
from costctl.ledger import gates, store

NUMBERS = [
    "1",
    "0.0025025000000000004",
    "-0.5",
    "12345678901234567",
    "123456789012345678",
    "1234567890123456789",
    "0.000012345678901234567",
    "0.000123456789012345678",
    "-1.2345678901234567890",
    "1.23456789012345678",
    "0.1000000000000000000001",
    "1e22",
    '"1234567890123456789012"',
    '"a:1234567890123456789012"',
]


@pytest.mark.slow
@examples(40)
@given(
    lines=st.lists(st.tuples(st.sampled_from(NUMBERS), st.integers(0, 90)), min_size=1, max_size=6),
    end=st.sampled_from(["", "\n"]),
)
def test_a_survey_by_blocks_finds_what_each_line_says(lines, end, tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "log.jsonl"
    texts = [f'{{"spend": {number}, "user":"{"x" * width}"}}' for number, width in lines]
    path.write_text("\n".join(texts) + end, "utf-8")
    with store.scratch([]) as ledger, pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BLOCK", 64)
        bind(ledger)
        long = [ledger.value("SELECT has_long_number($text)", {"text": text}) for text in texts]
        assert objects.surveyed(path) == (len(texts), any(long))


@pytest.mark.parametrize("text", ["{}\n\n{}\n", "{}\r\n{}\r\n", "\n{}\n{}", '{"é": 1}\n{}\n'])
def test_lines_that_are_not_plain_are_counted_one_by_one(text, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(text.encode())
    assert objects.surveyed(path) == (2, False)


USAGES = {
    '{"prompt_tokens": 5, "details": {"reasoning_tokens": 0, "new_tokens": 0}}': [],
    '{"prompt_tokens": 5, "details": {"new_tokens": 3}}': ["new_tokens"],
    '{"prompt_tokens": 5, "newToken": "7"}': ["newToken"],
    '{"prompt_tokens": 5, "note": "a \\" b", "new_tokens": 3}': ["new_tokens"],
    '{"Prompt_Tokens": 5, "kind": "tokens", "n": null}': [],
    "null": [],
}


@pytest.mark.parametrize("text", USAGES)
def test_a_name_of_tokens_that_nobody_knows_is_found_however_the_text_is_written(text):
    with store.scratch([]) as ledger:
        bind(ledger)
        query = "SELECT unknown_tokens($text, ['prompt_tokens', 'reasoning_tokens'])"
        assert ledger.value(query, {"text": text}) == USAGES[text]
        assert ledger.value(query, {"text": text.replace(": ", ":")}) == USAGES[text]


def bind(ledger):
    for name, statement in gates._macros(raising=True, rounding=False):
        if name in ("has_long_number", "unknown_tokens"):
            ledger.run(statement)


LOG = {
    "call_type": "acompletion",
    "startTime": "2026-10-01T00:00:00Z",
    "endTime": "2026-10-01T00:00:01Z",
    "custom_llm_provider": "openai",
    "model": "gpt-5",
}


def call(number, tokens, **words):
    counts = {"prompt_tokens": tokens, "completion_tokens": 1, "total_tokens": tokens + 1}
    return json.dumps({"request_id": f"r{number}", **LOG, **counts, **words})


def test_a_record_that_stands_in_its_file_again_counts_once(place):
    place.write("log.jsonl", "\n".join([call(1, 5), call(2, 6), call(1, 5), call(1, 9), call(1, 5)]) + "\n")
    (outcome,) = place.ingest("log.jsonl")
    assert outcome.records == 5
    assert place.ask(
        "SELECT record_no, tokens FROM ledger.token_quantity WHERE token_class LIKE 'input%' ORDER BY 1"
    ) == [(2, 6), (4, 9)]
    assert place.ask("SELECT rule, CAST(sum(records) AS BIGINT) FROM ledger.exclusions GROUP BY 1 ORDER BY 1") == [
        ("another record of the same key counts", 1),
        ("the same record again", 2),
    ]
    assert place.broken() == []


def test_a_number_of_too_many_digits_is_found_whatever_else_the_file_has(place):
    place.write(
        "log.jsonl",
        "\n".join([call(1, 5, spend=0.1), call(2, 6).replace("}", ', "spend": 0.1000000000000000000001}')]) + "\n",
    )
    with pytest.raises(InputRefused) as refused:
        place.ingest("log.jsonl")
    assert "more digits than JSON readers keep" in refused.value.evidence[0]
