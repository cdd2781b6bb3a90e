"""The worked examples of pools: what their READMEs work out by hand, each figure as the reports have it."""

import csv
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("begun")

EXAMPLES = Path(__file__).parents[1] / "examples"


def begun(place, name):
    """Have an example's files in a place; return the command lines of its page."""
    shutil.copytree(EXAMPLES / name, place.home, dirs_exist_ok=True)
    block = re.search(r"```sh\n(.*?)```", (EXAMPLES / name / "README.md").read_text("utf-8"), re.DOTALL)[1]
    return [line.split("#")[0].split()[1:] for line in block.splitlines()]


def told(place, *words):
    done = place.costctl("report", *words, "--period", "2026-10", "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(done.stdout.splitlines()))


def owed(place, *words):
    """Return what each team, or line without one, comes to in October."""
    found = {}
    for row in told(place, "chargeback", *words):
        who = row["team"] or row["line"]
        found[who] = found.get(who, 0) + Decimal(row["total"])
    return {who: f"{total:.2f}" for who, total in found.items()}


def runs(place, *commands):
    for words in commands:
        done = place.costctl(*words)
        assert done.returncode == 0, done.stderr


def set_to(place, old, new):
    """Change a line of the example's configuration, as its page tells."""
    named = place.home / "costctl.yaml"
    text = named.read_text("utf-8")
    assert text.count(old) == 1
    named.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_the_idle_policies(place):
    runs(place, *begun(place, "idle-policies"))
    separate = "idle: {policy: separate}"
    booked = 'reservations: [{team: search, chips: "4"}, {team: assistant, chips: "2"}]'
    serving = {"search": "2790.00", "assistant": "1860.00"}
    assert owed(place) == serving | {"idle without owner": "2790.00"}
    per_dollar = [row["tokens_per_unit"] for row in told(place, "tokens-per-dollar")]
    assert per_dollar == ["631720"]
    policies = {
        "idle: {policy: owner, owner: platform}": serving | {"platform": "2790.00"},
        "idle: {policy: by_use}": {"search": "4464.00", "assistant": "2976.00"},
        f"idle: {{policy: by_reservation, owner: platform}}\n    {booked}": {
            "search": "3720.00",
            "assistant": "1860.00",
            "platform": "1860.00",
        },
    }
    last = separate
    for policy, known in policies.items():
        set_to(place, last, policy)
        assert owed(place) == known
        last = policy
        assert [row["tokens_per_unit"] for row in told(place, "tokens-per-dollar")] == per_dollar


@pytest.mark.slow
def test_provisioned_capacity_and_what_went_over(place):
    runs(place, *begun(place, "provisioned"))
    assert owed(place) == {"platform": "29760.00", "search": "27759.00", "assistant": "18006.00"}
    known = {
        "pool": "gpt-5-ptu",
        "units": "100",
        "capacity": "11160",
        "used": "6696",
        "used_percent": "60",
        "cost": "74400",
        "unused_cost": "29760",
        "spilled": "300",
        "spilled_requests": "48000",
        "spilled_billed": "300",
        "spilled_cost": "900",
        "currency": "USD",
        "incomplete": "false",
    }
    for calendar in ("usage", "billing"):
        assert told(place, "provisioned", "--calendar", calendar) == [known]
    # half of its output has no list price: what went over has none, the rest of the report is as before
    bill = (place.home / "bills" / "october.csv").read_text("utf-8")
    assert bill.count("750.00,750.00,750.00,750.00") == 1
    place.write("bills/october.csv", bill.replace("750.00,750.00,750.00,750.00", "750.00,750.00,,750.00"))
    place.costctl("ingest", "--replace", "--source", "azure")
    assert told(place, "provisioned", "--cost", "list")[0]["spilled_cost"] == ""
    assert told(place, "provisioned") == [known]
    # what no bill charges has no cost, and a gateway that tells of no spillover none at all
    place.write("bills/october.csv", "".join(bill.splitlines(keepends=True)[:2]))
    place.costctl("ingest", "--replace", "--source", "azure")
    assert told(place, "provisioned") == [known | {"spilled_billed": "", "spilled_cost": ""}]
    tokens = (place.home / "usage" / "tokens.csv").read_text("utf-8")
    place.write("usage/tokens.csv", tokens.replace(",1\n", ",\n"))
    place.costctl("ingest", "--replace", "--source", "gateway")
    (row,) = told(place, "provisioned")
    assert (row["used"], row["spilled"], row["spilled_requests"]) == ("7176", "", "")  # 240 + 4 x 60 more, as it seems


def test_a_pool_charged_onward_by_internal_rates(place):
    runs(place, *begun(place, "internal-rates"))
    assert owed(place) == {"search": "525.00", "assistant": "210.00", "platform": "265.00"}
    shown = [(row["team"], row["shared"], row["recharged"], row["markup"]) for row in told(place, "chargeback")]
    assert shown == [
        ("search", "0", "500", "25"),
        ("platform", "1000", "-700", "-35"),
        ("assistant", "0", "200", "10"),
    ]
    known = {"cost": "1000", "recharged": "700", "own_use": "100", "under_recovery": "200", "budget": "900"}
    known |= {"spending_variance": "100", "volume_variance": "100", "markup": "35"}
    (row,) = told(place, "recovery")
    assert {name: row[name] for name in known} == known
    assert owed(place, "--cost", "list") == {"search": "525.00", "assistant": "210.00", "platform": "585.00"}
    set_to(place, "      rates: internal_rates.csv\n", "")
    assert owed(place) == {"search": "656.25", "assistant": "262.50", "platform": "81.25"}
    (row,) = told(place, "recovery")
    assert (row["recharged"], row["own_use"], row["under_recovery"]) == ("875", "125", "0")


def test_an_embedder_beside_a_chat_model(place):
    ingest, report, chips, *rest = begun(place, "embeddings")
    runs(place, ingest, report)
    parts = 'models: {atlas-70b: "3", embed-v2: "1"}'
    assert owed(place) == {"search": "4185.00", "assistant": "1395.00", "indexing": "1860.00"}
    set_to(place, parts, "models: {}")
    assert owed(place) == {"search": "1116.00", "assistant": "372.00", "indexing": "5952.00"}
    set_to(place, "base: weighted_tokens", "base: output_tokens")
    assert owed(place) == {"search": "5580.00", "assistant": "1860.00"}
    set_to(place, "base: output_tokens", "base: weighted_tokens")
    set_to(place, "models: {}", parts)
    runs(place, chips, *rest)
    known = {"search": "3487.50", "assistant": "1162.50", "indexing": "930.00", "idle without owner": "1860.00"}
    assert owed(place) == known
