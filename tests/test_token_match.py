"""One role's counts of a scope and day drive money, the others are compared with it; owners and pools are told by what sources say."""

import csv
import io
import json

import pytest
from conftest import few_rows
from test_counters import answer, output, prompt

MIDNIGHT = 1790812800  # 2026-10-01T00:00:00Z
HEADER = "start,end,provider,deployment,model,team,input_uncached,input_cache_read,output,requests\n"
HOUR = "2026-10-01T00:00:00Z,2026-10-01T01:00:00Z"
CONFIG = """
    version: 1
    sources:
      - {name: gateway, path: gateway.csv, as: hourly, role: gateway}
      - {name: client, path: client.csv, as: hourly, role: client}
      - {name: meter, path: meter.json, as: openai_usage}
      - {name: engine, path: engine.json, as: engine_metrics}
      - {name: bill, path: bill.csv, as: focus}
    rules:
      - {name: chips, when: {ResourceId: [h100]}, pool: h100}
    pools:
      h100: {base: tokens, tokens: {deployment: [atlas], namespace: [serving]}}
"""


@pytest.fixture
def place(place, monkeypatch):
    monkeypatch.chdir(place.home)
    return prepared(place)


@pytest.fixture(scope="module")
def taken(places):
    """A place of the same, taken in and posted once."""
    place = prepared(places())
    assert place.costctl("ingest").returncode == 0
    return place


def prepared(place):
    place.write("costctl.yaml", CONFIG)
    place.write(
        "gateway.csv",
        f"{HEADER}{HOUR},openai,,gpt-5,search,600,300,100,5\n{HOUR},self,atlas,atlas,search,700,200,90,3\n",
    )
    place.write("client.csv", f"{HEADER}{HOUR},openai,,gpt-5,search,1,1,1,1\n")
    place.write(
        "engine.json",
        answer(
            prompt((0, 0), (60, 1000), namespace="serving", model_name="atlas"),
            output((0, 0), (60, 100), namespace="serving", model_name="atlas"),
        ),
    )
    place.write("meter.json", meter(960, 300, 95))
    tokens = {"ProviderName": "OpenAI", "x_Model": "gpt-5", "ConsumedUnit": "Tokens", "day": "2026-10-01"}
    place.bill(
        "bill.csv",
        [
            tokens | {"cost": "6", "x_TokenClass": "input", "ConsumedQuantity": "650"},
            tokens | {"cost": "1", "x_TokenClass": "cache_read", "ConsumedQuantity": "300"},
            tokens | {"cost": "3", "x_TokenClass": "output", "ConsumedQuantity": "90"},
            {"cost": "20", "day": "2026-10-01", "ResourceId": "h100"},
        ],
    )
    return place


def rows(command, name, *words):
    said = command("report", name, "--period", "2026-10", "--format", "csv", *words)
    assert said.code == 0, said.err
    return list(csv.DictReader(io.StringIO(said.out, newline="")))


def meter(tokens, cached, written):
    result = {
        "model": "gpt-5",
        "project_id": "p",
        "input_tokens": tokens,
        "input_cached_tokens": cached,
        "output_tokens": written,
        "num_model_requests": 5,
    }
    bucket = {"start_time": MIDNIGHT, "end_time": MIDNIGHT + 86400, "results": [result]}
    return json.dumps({"object": "page", "data": [bucket], "has_more": False, "next_page": None})


def owned(place, *columns):
    return place.ask(
        f"SELECT {', '.join(columns)}, CAST(sum(tokens) AS BIGINT) FROM ledger.token_days WHERE token_class <> '-' GROUP BY ALL ORDER BY ALL"
    )


def test_the_same_traffic_by_gateway_meter_engine_and_bill_counts_once_and_stands_side_by_side(place, taken, command):
    """Of gpt-5 the gateway counted 900 and 100, the bill 950 and 90: 50 of input are short, 10 of output over."""
    place.copy(taken)
    found = {row["scope"]: row for row in rows(command, "token-match")}
    columns = (
        "gateway",
        "client",
        "engine",
        "provider_meter",
        "bill",
        "drives",
        "against",
        "coverage_percent",
        "short",
        "over",
    )
    assert [found["openai"][name] for name in columns] == [
        "0.001",
        "0.000003",
        "",
        "0.001055",
        "0.00104",
        "gateway",
        "bill",
        "96",
        "0.00005",
        "0.00001",
    ]
    assert [found["h100"][name] for name in columns] == [
        "0.00099",
        "",
        "0.0011",
        "",
        "",
        "gateway",
        "engine",
        "90",
        "0.00011",
        "0",
    ]
    assert owned(place, "pool", "team") == [("api", "search", 1000), ("h100", "search", 990)]
    found = {(row["line"], row["model"]): row["total"] for row in rows(command, "chargeback")}
    assert found == {
        ("team", "gpt-5"): "9.538462",
        (
            "team",
            "atlas",
        ): "18",  # of 20: the engines counted 110 more than the gateway's 990, and nobody knows whose they are
        ("unallocated", ""): "2.461538",
    }  # 50 of 650 are in no count


def test_a_table_says_which_counts_drive_money_and_what_it_has_no_room_for(place, taken, command, monkeypatch):
    place.copy(taken)
    monkeypatch.setenv("COLUMNS", "80")
    text = " ".join(command("report", "token-match", "--period", "2026-10", "--format", "table").out.split())
    assert "from gateway (gateway) · compared: client (client); engine (engine); provider_meter (meter)" in text
    assert "shows also: gateway Mtok, client, engine, meter, bill" in text


DRIVES = {  # configuration → who drives openai, and the pool
    "": ("gateway", "gateway"),
    "tokens: {order: [provider_meter, engine, gateway]}": ("provider_meter", "engine"),
    "tokens: {drives: [{provider: openai, role: provider_meter}]}": ("provider_meter", "gateway"),
    "tokens: {drives: [{pool: h100, role: engine}]}": ("gateway", "engine"),
    "tokens: {drives: [{pool: api, role: client}]}": None,
    "tokens: {drives: [{provider: openai, role: client}, {pool: h100, role: client}]}": ("client", ""),
}


@pytest.mark.parametrize(("setting", "driving"), few_rows(DRIVES.items(), 1), ids=DRIVES)
def test_the_configuration_says_which_role_drives(setting, driving, place, taken, command):
    place.copy(taken)
    place.write("costctl.yaml", CONFIG + f"    {setting}\n")
    said = command("run")
    if driving is None:
        assert said.code == 2
        assert "there is no pool 'api'" in said.err
        return
    found = {row["scope"]: row["drives"] for row in rows(command, "token-match")}
    assert (found["openai"], found["h100"]) == driving


@pytest.mark.slow
def test_two_gateways_are_added_and_one_of_them_can_be_named(place, taken, command):
    place.copy(taken)
    config = CONFIG.replace("sources:", "sources:\n      - {name: proxy, path: proxy.csv, as: hourly, role: gateway}")
    place.write("costctl.yaml", config)
    place.write("proxy.csv", f"{HEADER}{HOUR},openai,,gpt-5,coding,50,0,5,1\n")
    assert command("ingest").code == 0
    assert owned(place, "pool", "team")[:2] == [("api", "coding", 55), ("api", "search", 1000)]
    (row,) = (row for row in rows(command, "token-match") if row["scope"] == "openai")
    assert row["driving_sources"] == "2"
    place.write("costctl.yaml", config + "    tokens: {drives: [{provider: openai, role: gateway, source: gateway}]}\n")
    assert command("run").code == 0
    assert owned(place, "pool", "team")[:1] == [("api", "search", 1000)]


@pytest.mark.slow
def test_two_sources_of_different_formats_in_one_role_are_told(place, command):
    place.write(
        "costctl.yaml",
        CONFIG.replace("client.csv, as: hourly, role: client", "client.csv, as: hourly, role: provider_meter")
        + "    tokens: {order: [provider_meter]}\n",
    )
    assert command("ingest").code == 0
    said = command("report", "chargeback", "--period", "2026-10", "--format", "table")
    assert "client and meter count gpt-5 in one role and are added up" in said.out


OWNERS = """
    teams: teams.csv
    owners:
      - {name: batch of search, when: {project: [p-batch], api_key: [key-*]}, team: search, purpose: eval}
      - {name: whatever has a key, when: {api_key: ["key-*"]}, team: ads, valid_to: 2026-10-03}
"""
KEYS = "time,provider,model,team,api_key,project,namespace,principal,output,requests\n"


def test_owners_are_told_by_rules_then_by_aliases_and_the_others_are_listed_with_their_money(place, command):
    place.write("costctl.yaml", CONFIG + OWNERS)
    place.write(
        "teams.csv", "team,aliases,purpose\nsearch,proj-7|role/search,customer\nads,,\ncoding,secret-x,internal\n"
    )
    lines = [
        "2026-10-01T05:00:00Z,openai,gpt-5,,key-1,p-batch,,,100,1",  # the first rule: both fit
        "2026-10-01T05:00:00Z,openai,gpt-5,,KEY-2,p-other,,,20,1",  # the second
        "2026-10-03T05:00:00Z,openai,gpt-5,,key-2,p-other,,,7,1",  # which has ended: nobody
        "2026-10-01T05:00:00Z,openai,gpt-5,coding,,proj-7,,,3,1",  # the team comes before the project
        "2026-10-01T05:00:00Z,openai,gpt-5,,,Proj-7,,,40,1",
        "2026-10-01T05:00:00Z,openai,gpt-5,,,,,role/search,5,1",
        "2026-10-01T05:00:00Z,openai,gpt-5,,key,,,,600,1",  # no rule, no alias
    ]
    place.write("gateway.csv", KEYS + "\n".join(lines) + "\n")
    assert command("ingest").code == 0
    assert owned(place, "team", "purpose") == [
        ("ads", "unknown", 20),
        ("coding", "internal", 3),
        ("search", "customer", 45),
        ("search", "eval", 100),
        (None, "unknown", 1707),  # 1,100 of them by the engine of the pool, which knows no team
    ]
    listed = [row for row in rows(command, "unknown-owners") if row["scope"] == "openai"]
    assert [(row["scope"], row["owner"], row["mtok"]) for row in listed] == [
        ("openai", "api_key key", "0.0006"),
        ("openai", "api_key key-2", "0.000007"),
    ]
    assert listed[0]["owner_rule"] == "'" + '- {name: "api_key key", when: {api_key: ["key"]}, team: TEAM}'
    assert listed[0]["cost"] == "2.316722"  # 600 of 607 of what has no team: 600 of 768 of the 3 dollars of output


@pytest.mark.slow
def test_what_spilled_over_leaves_the_pool_of_its_deployment(place, command):
    place.write("costctl.yaml", CONFIG.replace("deployment: [atlas]", "deployment: [atlas, ptu-chat]"))
    call = {
        "call_type": "acompletion",
        "model": "gpt-5",
        "custom_llm_provider": "openai",
        "model_group": "ptu-chat",
        "team_id": "search",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "status": "success",
    }
    times = {"startTime": "2026-10-01 05:00:00", "endTime": "2026-10-01 05:00:01"}
    calls = [
        call | times | {"request_id": "a", "metadata": "{}"},
        call | times | {"request_id": "b", "metadata": '{"azure_spillover": {"from": "ptu"}}'},
    ]
    place.write("calls.jsonl", "".join(json.dumps(item) + "\n" for item in calls))
    assert command("ingest", "calls.jsonl").code == 0
    assert owned(place, "pool") == [("api", 15), ("h100", 15)]


@pytest.mark.slow
def test_a_report_of_inclusion_shows_a_vendor_that_changes_its_meaning(place, command):
    call = {
        "call_type": "acompletion",
        "model": "m",
        "custom_llm_provider": "openai",
        "team_id": "search",
        "status": "success",
    }
    lines = []
    for day, total in ((1, 110), (2, 110), (3, 190)):  # from the 3rd on the total has the cached tokens once more
        usage = {"usage_object": {"prompt_tokens_details": {"cached_tokens": 80}}}
        about = {
            "request_id": str(day),
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": total,
            "metadata": json.dumps(usage),
        }
        lines.append(
            json.dumps(call | about | {"startTime": f"2026-10-0{day} 05:00:00", "endTime": f"2026-10-0{day} 05:00:01"})
        )
    place.write("calls.jsonl", "\n".join(lines) + "\n")
    assert command("ingest", "calls.jsonl").code == 0
    found = [
        (row["convention"], row["proof"], row["first_day"], row["records"], row["mtok"])
        for row in rows(command, "inclusion")
        if row["source"] == "litellm"
    ]
    assert found == [
        ("inclusive", "proved", "2026-10-01", "2", "0.00022"),
        ("exclusive", "proved", "2026-10-03", "1", "0.00019"),
    ]


@pytest.mark.slow
def test_where_nobody_counted_the_bill_tells_what_a_dollar_buys_and_its_cost_stays_without_a_team(place, command):
    """Of 10 dollars of gpt-5 and 1,040 tokens on the bill no source knows anything; the same with a role that leaves the bill out."""
    place.write("costctl.yaml", "version: 1\n")
    assert command("ingest", "bill.csv").code == 0
    (row,) = (row for row in rows(command, "tokens-per-dollar") if row["model"] == "gpt-5")
    assert (row["cost"], row["delivered_tokens"], row["source"]) == ("10", "1040", "openai/api")
    found = {(row["line"], row["team"]): row["total"] for row in rows(command, "chargeback")}
    assert found[("unallocated", "")] == "30"
    (row,) = rows(command, "token-match")
    assert (row["bill"], row["drives"], row["against"]) == ("0.00104", "bill", "")
    place.write("costctl.yaml", "version: 1\ntokens: {order: [gateway]}\n")
    said = command("report", "tokens-per-dollar", "--period", "2026-10", "--format", "csv")
    assert "gpt-5" not in said.out


@pytest.mark.slow
def test_charges_whose_quantity_cannot_be_read_are_told_and_the_others_count(place, command):
    """Of four charges of gpt-5, 10 dollars, one has no quantity and one of more tokens than a bill has: 650 and 90 tokens are known."""
    place.write("costctl.yaml", "version: 1\n")
    tokens = {"ProviderName": "OpenAI", "x_Model": "gpt-5", "ConsumedUnit": "Tokens", "day": "2026-10-01"}
    quantities = {"input": ("650", "-"), "cache_read": ("1000000000000000",), "output": ("90",)}
    charges = [
        tokens | {"cost": "2.5", "x_TokenClass": name, "ConsumedQuantity": text}
        for name in quantities
        for text in quantities[name]
    ]
    place.bill("bill.csv", charges)
    assert command("ingest", "bill.csv").code == 0
    (row,) = rows(command, "token-match")
    assert (row["bill"], row["drives"]) == ("0.00074", "bill")
    (row,) = rows(command, "tokens-per-dollar")
    assert (row["cost"], row["delivered_tokens"], row["tokens_per_unit"]) == ("10", "740", "74")
    found = {row["token_class"]: (row["billed_mtok"], row["cost_per_mtok"]) for row in rows(command, "token-variance")}
    assert found == {"input": ("0.00065", ""), "cache_read": ("", ""), "output": ("0.00009", "27777.777777")}
    told = "left out: {} charges for tokens of openai whose quantity on the bill cannot be read"
    assert told.format(2) in command("report", "token-match", "--period", "2026-10", "--format", "md").out
    most = [
        tokens | {"x_Model": f"m{number}", "x_TokenClass": "input", "ConsumedQuantity": "999999999999999"}
        for number in range(101)
    ]
    place.bill("most.csv", most)  # together more than a bill has, so nobody knows which of them are
    assert command("ingest", "most.csv", "--source", "other").code == 0
    assert rows(command, "token-match") == []
    assert told.format(105) in command("report", "token-match", "--period", "2026-10", "--format", "md").out
