"""Which model a name means: the whole name before a pattern, the longest pattern before the others, each from a day on."""

import csv
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from conftest import few

from costctl import rates
from costctl.ledger import models, store
from costctl.rates import tables

SPELLINGS = Path(__file__).parent / "rate_facts" / "model_spellings.csv"
EVER, NEVER = date(1900, 1, 1), date(9999, 12, 31)
MODEL = next(model for model in models.listed() if model.name == "model_names")
USED = {"charge_groups": "raw_model", "token_usage": "model_raw", "accelerator_usage": "model_raw"}


def meanings(aliases, names):
    """Return the spans of each name with the model it means in them."""
    with store.in_memory() as ledger:
        for table in USED:
            ledger.run(
                f"CREATE TEMP TABLE {table} (billing_period DATE, raw_model VARCHAR, x_model_raw VARCHAR, model_raw VARCHAR, "
                "slot_start TIMESTAMP, slot_end TIMESTAMP, ts_start TIMESTAMP)"
            )
        day = datetime(2026, 10, 3, tzinfo=UTC).replace(tzinfo=None)
        ledger.insert("token_usage", [(None, None, None, name, None, None, day) for name in names])
        ledger.insert("ledger.model_aliases", aliases)
        text = models.qualified(MODEL.text, set(USED), {"model_aliases"})
        rows = ledger.run(text, models.used(text, models.parameters(date(2026, 10, 1)))).dicts()
    found = {name.strip().lower(): [] for name in names}
    for row in sorted(rows, key=lambda row: row["valid_from"]):
        found[row["raw"]].append((row["valid_from"], row["valid_to"], row["model"]))
    return found


def meaning(aliases, *names):
    """Return the model of each name that means one thing for ever."""
    found = meanings([(raw, model, EVER, NEVER) for raw, model in aliases], names)
    assert [spans for spans in found.values() if [span[:2] for span in spans] != [(EVER, NEVER)]] == []
    return {name: spans[0][2] for name, spans in found.items()}


@pytest.fixture(scope="module")
def shipped():
    return [(raw, model) for raw, model, *_ in tables.tables(rates.load())["model_aliases"]]


def test_the_whole_name_wins_then_the_pattern_with_the_most_characters_of_its_own():
    aliases = [
        ("*", "any"),
        ("*/gpt-5", "five"),
        ("x/*", "of x"),
        ("x/gpt-5", "ours"),
        ("x/gpt-5*", "as long"),
        ("x/?pt-5", "almost"),
    ]
    assert meaning(aliases, "X/GPT-5 ", "y/gpt-5", "x/gpt-6", "x/opt-5", "other") == {
        "x/gpt-5": "ours",
        "y/gpt-5": "five",
        "x/gpt-6": "of x",
        "x/opt-5": "almost",
        "other": "any",
    }


def test_where_two_patterns_are_as_long_and_mean_two_models_nobody_knows():
    assert meaning([("a*", "one"), ("*b", "two"), ("*c", "one")], "ab", "ac") == {"ab": None, "ac": "one"}


@pytest.mark.parametrize("name", few(["a%b", "a_b", "a!b", "a\\b", "(a|b)+"], 2))
def test_no_other_character_is_a_wildcard(name):
    assert meaning([(f"{name}*", "it")], f"{name}x", "axb1", "a1bx") == {f"{name}x": "it", "axb1": None, "a1bx": None}


def test_a_name_is_cut_where_the_validity_of_an_alias_changes():
    march, may, june = date(2026, 3, 1), date(2026, 5, 1), date(2026, 6, 1)
    aliases = [("prod-*", "old", EVER, may), ("prod-chat", "chat", march, june), ("prod*", "any", EVER, NEVER)]
    assert meanings(aliases, ["prod-chat", "prod-x"]) == {
        "prod-chat": [(EVER, march, "old"), (march, may, "chat"), (may, june, "chat"), (june, NEVER, "any")],
        "prod-x": [(EVER, may, "old"), (may, NEVER, "any")],
    }


def test_a_gap_between_aliases_stays_unknown():
    march, may = date(2026, 3, 1), date(2026, 5, 1)
    assert meanings([("a*", "a", march, may)], ["ab"])["ab"] == [
        (EVER, march, None),
        (march, may, "a"),
        (may, NEVER, None),
    ]


# The shipped aliases.


def test_every_spelling_that_was_listed_one_by_one_means_what_it_meant(shipped):
    listed = {row["raw"].lower(): row["model"] for row in csv.DictReader(SPELLINGS.open(encoding="utf-8", newline=""))}
    assert len(listed) == 764
    assert meaning(shipped, *listed) == listed


def test_no_model_takes_the_name_of_another(shipped):
    """Each model's own name, behind a gateway and as a snapshot: of gpt-5-mini none may become gpt-5."""
    models = sorted({model for _, model in shipped})
    assert len(models) > 60
    forms = ("{}", "openrouter/maker/{}", "{}-2026-01-31", "{}-20260131", "{}@20260131", "x/{}-2026-01-31", "{}-001")
    for form in forms:
        found = meaning(shipped, *(form.format(model) for model in models))
        others = {name: model for name, model in found.items() if model not in (None, models[list(found).index(name)])}
        assert others == {}, form
    assert meaning(shipped, *models) == {model: model for model in models}


STRUCTURES = """
    arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0     claude-haiku-4-5
    arn:aws-us-gov:bedrock:us-gov-west-1:1:inference-profile/us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0  claude-sonnet-4-5
    arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-opus-5                                       claude-opus-5
    arn:aws:bedrock:ap-northeast-1:1:inference-profile/jp.anthropic.claude-sonnet-4-5-20250929-v1:0           claude-sonnet-4-5
    arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2c3d4e5f6                                    -
    arn:aws:bedrock:us-east-1:1:provisioned-model/abcdefghijkl                                                -
    arn:aws:bedrock:us-east-1:1:custom-model/amazon.nova-pro-v1:0:300k/abcdefghijkl                           -
    apac.amazon.nova-lite-v1:0                                                                                nova-lite
    global.anthropic.claude-haiku-5-5                                                                         claude-haiku-5-5
    au.anthropic.claude-haiku-4-5-20260301-v2:0                                                               claude-haiku-4-5
    bedrock/converse/us.meta.llama4-scout-17b-instruct-v1:0                                                   llama-4-scout
    us.deepseek.r1-v1:0                                                                                       deepseek-r1
    projects/p/locations/us-central1/publishers/anthropic/models/claude-sonnet-4-5@20250929                   claude-sonnet-4-5
    claude-opus-4-5@20251101                                                                                  claude-opus-4-5
    vertex_ai/gemini-2.5-pro                                                                                  gemini-2.5-pro
    publishers/google/models/gemini-2.5-flash-001                                                             gemini-2.5-flash
    azure/eu/gpt-5-nano-2025-08-07                                                                            gpt-5-nano
    eu/gpt-5.5                                                                                                gpt-5.5
    openrouter/openai/gpt-6.1-sol                                                                             gpt-6.1-sol
    gpt-5-2025-08-07                                                                                          gpt-5
    gpt-5-turbo                                                                                               -
    gpt-5-20                                                                                                  -
    my-gpt-5                                                                                                  -
    ft:gpt-4.1-2025-04-14:acme::abc123                                                                        -
    claude-haiku-4-5-20251001-thinking                                                                        -
    gemini-2.5-pro-preview-06-05                                                                              -
"""


def test_patterns_are_of_structure_and_of_nothing_else(shipped):
    expected = dict(re.split(r"\s{2,}", line.strip()) for line in STRUCTURES.strip().splitlines())
    assert meaning(shipped, *expected) == {name: None if model == "-" else model for name, model in expected.items()}


TOKENS = """
    start,end,provider,model,team,output,requests
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,bedrock,arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0,search,7,1
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,self,prod-blue,search,9,1
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,bedrock,arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2,search,5,1
"""


def test_a_users_own_pattern_and_the_shipped_ones_reach_the_reports(place):
    place.write("costctl.yaml", "version: 1\nmodel_aliases: models.csv\n")
    place.write("models.csv", "raw,model\nProd-*,atlas-70b\n")
    place.write("tokens.csv", TOKENS)
    place.bill("bill.csv", [{"x_Model": "eu.anthropic.claude-haiku-4-5-20251001-v1:0", "x_TokenClass": "output"}])
    place.ingest("bill.csv", "tokens.csv")
    counted = place.ask("SELECT model, sum(tokens) FROM ledger.token_days GROUP BY 1 ORDER BY 1")
    assert counted == [("atlas-70b", 9), ("claude-haiku-4-5", 7), ("unknown", 5)]
    assert place.ask("SELECT DISTINCT model FROM ledger.postings") == [("claude-haiku-4-5",)]
    assert place.broken() == []
