"""What providers charge for tokens, shared by what they counted: the names meet, and every class of a day does."""

import csv
import io
from decimal import Decimal

import pytest
from test_meters import anthropic, completions, cost, costs, messages, openai, written

pytestmark = pytest.mark.usefixtures("begun")


@pytest.mark.slow
def test_models_of_the_reports_have_one_name(place):
    names = {
        "claude-sonnet-4-6": "claude-sonnet-4-6",
        "claude-haiku-4-5-20251001": "claude-haiku-4-5",
        "claude-opus-5": "claude-opus-5",
        "gpt-5.6-sol": "gpt-5.6-sol",
        "gpt-5-mini-2025-08-07": "gpt-5-mini",
        "gpt-5.5-2026-04-23": "gpt-5.5",
    }
    written(place, "usage.json", anthropic(1, *(messages(model=name) for name in names)))
    place.ingest("usage.json")
    assert dict(place.ask("SELECT raw, model FROM ledger.model_names")) == names


def test_what_tokens_cost_is_shared_by_what_the_provider_counted(place):
    """Every class of a day meets its charge; a search and a day without counts do not."""
    cached = {"cache_read_input_tokens": 4, "cache_creation": {"ephemeral_1h_input_tokens": 6}}
    keys = [messages(30, api_key_id="a", **cached), messages(10, api_key_id="b")]
    written(place, "usage.json", anthropic(1, *keys), anthropic(3, messages()))
    classes = ["uncached_input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation.ephemeral_1h_input_tokens"]  # fmt: skip
    charged = [cost("100", token_type=name, description=name) for name in classes]
    search = cost("7", cost_type="web_search", model=None, token_type=None, description="Web Search Usage")
    written(place, "bill.json", anthropic(1, *charged, search), anthropic(2, cost("10")))
    place.ingest("usage.json", "bill.json")
    assert place.broken() == []
    charged = "SELECT DISTINCT x_token_class FROM ledger.charges ORDER BY 1 NULLS LAST"
    assert [row[0] for row in place.ask(charged)] == ["cache_read", "cache_write", "input", "output", None]
    found = place.ask("SELECT reason, sum(BilledCost) FROM ledger.postings WHERE team IS NULL GROUP BY 1 ORDER BY 1")
    assert found == [
        ("no rule or tag names a team", Decimal("0.07")),
        ("no tokens counted for this model, class and day", Decimal("0.1")),
        ("tokens without a known team", Decimal(4)),
    ]


@pytest.mark.slow
def test_teams_that_a_gateway_counts_bear_what_the_provider_charges(place):
    place.write("gateway.csv", """
        start,end,provider,model,team,input_uncached,output,requests
        2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,openai,gpt-5-2025-08-07,search,300,10,1
        2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,openai,gpt-5,ads,100,30,1
    """)  # fmt: skip
    """Where no gateway counted, on the 2nd, the provider's counts stand for themselves."""
    written(place, "usage.json", openai(1, completions(400, 40)), openai(2, completions()))
    first = openai(1, costs(4, "gpt-5-2025-08-07, input"), costs(8))
    written(place, "bill.json", first, openai(2, costs(1)))
    place.ingest("gateway.csv", "usage.json", "bill.json")
    found = place.ask("SELECT team, reason, sum(BilledCost) FROM ledger.postings GROUP BY 1, 2 ORDER BY 1 NULLS LAST")
    assert found == [
        ("ads", None, Decimal(7)),
        ("search", None, Decimal(5)),
        (None, "tokens without a known team", Decimal(1)),
    ]


KEYS = """
    version: 1
    owners:
      - {name: search, when: {api_key: k-search}, team: search}
      - {name: the ads workspace, when: {project: w-ads}, team: ads}
"""


@pytest.mark.slow
def test_teams_by_key_and_workspace_bear_what_their_tokens_cost(place):
    place.write("costctl.yaml", KEYS)
    counts = [messages(300, 0, api_key_id="k-search"), messages(100, 0, workspace_id="w-ads"), messages(100, 0)]
    written(place, "usage.json", anthropic(1, *counts))
    written(place, "bill.json", anthropic(1, cost("1000", token_type="uncached_input_tokens")))
    assert place.costctl("ingest", "usage.json", "bill.json").returncode == 0
    said = place.costctl("report", "chargeback", "--period", "2026-10", "--format", "csv")
    found = {row["team"]: Decimal(row["total"]) for row in csv.DictReader(io.StringIO(said.stdout))}
    assert found == {"search": Decimal(6), "ads": Decimal(2), "": Decimal(2)}
