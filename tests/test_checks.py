"""Every check is shown a broken ledger and fires; on a good ledger all are silent. A check without a broken example fails."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from conftest import few_rows

import costctl
from costctl import pipeline
from costctl.bills.deliveries import Wanted
from costctl.errors import DoesNotReconcile
from costctl.ledger import checks, store

MONTHS = [date(2026, month, 1) for month in (9, 10, 11)]
CHECKS = {path.stem for path in (Path(costctl.__file__).parent / "checks").glob("*.sql")}

CONFIG = """
    version: 1
    teams: teams.csv
    rules:
      - {name: gpu nodes, when: {SubAccountId: [nodes]}, pool: gpu}
    pools:
      gpu: {tokens: {deployment: [atlas-70b-p5]}, idle: {policy: owner, owner: platform}, recharge: {owner: platform, markup_percent: "5"}}
    policy: {capacity_owner: platform, quarantine_rows: 1}
"""
TEAMS = """
    team,aliases
    search,srch
    ads,
    platform,infra
"""
# A commitment used and not drawn, a pool, a bought model, tax, a credit, a fee, an unknown cost, a zero, a month-long charge.
BILL = """
    cost      day         team    SubAccountId  ChargeCategory  InvoiceId  CommitmentDiscountStatus  x_Machine    ConsumedQuantity  ConsumedUnit  x_Model    x_TokenClass
    100.10    2026-10-03  search  web           Usage           -          -                         -            -                 -             -          -
    40.20     2026-10-03  srch    web           Usage           -          -                         -            -                 -             -          -
    0         2026-10-03  ads     web           Usage           -          -                         -            -                 -             -          -
    7.000001  2026-10-03  -       web           Usage           -          -                         -            -                 -             -          -
    480       2026-10-03  -       nodes         Usage           -          Used                      p5.48xlarge  24                Hours         -          -
    480.7     2026-10-04  -       nodes         Usage           -          Used                      p5.48xlarge  24                Hours         -          -
    20        2026-10-04  -       nodes         Usage           -          Unused                    -            -                 -             -          -
    33.3      2026-10-04  -       api           Usage           -          -                         -            5                 1K tokens     atlas-70b  input
    -5        2026-10-04  search  web           Credit          INV-1      -                         -            -                 -             -          -
    90        2026-10-01  search  web           Purchase        INV-1      -                         -            -                 -             -          -
    11.9      2026-10-01  -       -             Tax             INV-1      -                         -            -                 -             -          -
    bad       2026-10-01  -       -             Usage           -          -                         -            -                 -             -          -
"""
TOKENS = """
    start,end,provider,deployment,model,team,input_uncached,input_cache_read,output,requests
    2026-10-03T00:00:00Z,2026-10-03T01:00:00Z,self,atlas-70b-p5,atlas-70b,search,1000,50,300,9
    2026-10-03T01:00:00Z,2026-10-03T02:00:00Z,self,atlas-70b-p5,atlas-70b,ads,500,,70,2
    2026-10-04T00:00:00Z,2026-10-04T01:00:00Z,self,atlas-70b-p5,atlas-70b,search,10,,7,1
    2026-10-04T00:00:00Z,2026-10-04T01:00:00Z,aws.bedrock,,atlas-70b,ads,5000,,,3
"""
CHIPS = """
    pool,resource,start,end,chips,state,team,model
    gpu,i-1,2026-10-03T00:00:00Z,2026-10-03T18:00:00Z,8,serving,,atlas-70b
    gpu,i-1,2026-10-03T18:00:00Z,2026-10-04T00:00:00Z,8,idle,,
    gpu,i-1,2026-10-04T00:00:00Z,2026-10-04T06:00:00Z,8,training,ads,
"""

A_CENT = "CAST('0.01' AS DECIMAL(38, 18))"
ONE_POSTING = "posting_id = (SELECT min(posting_id) FROM ledger.postings WHERE kind = 'direct' AND BilledCost <> 0)"
POOL_DAY = "SELECT DISTINCT pool, slot_start, share_key FROM ledger.allocation_shares ORDER BY ALL LIMIT 1"
DAILY = ("charge_groups", "postings", "posting_days")
TAX = {  # where the tax of the bill stands
    "charge_groups": "ChargeCategory = 'Tax'",
    "postings": "kind = 'tax'",
    "posting_days": "posting_id IN (SELECT posting_id FROM ledger.postings WHERE kind = 'tax')",
    "billed_to_effective": "part = 'tax'",
}


def taxed(change, *tables):
    """Return the statements that change the tax alike in several tables, which then agree with each other."""
    return "; ".join(f"UPDATE ledger.{table} SET {change} WHERE {TAX[table]}" for table in tables)


BROKEN = {
    "aliases_have_one_meaning": [
        "INSERT INTO ledger.team_aliases VALUES ('srch', 'ads', NULL, DATE '2026-01-01', DATE '2027-01-01')",
        "INSERT INTO ledger.team_aliases SELECT * FROM ledger.team_aliases LIMIT 1",
        "INSERT INTO ledger.model_aliases SELECT * FROM ledger.model_aliases LIMIT 1",
        "INSERT INTO ledger.model_aliases SELECT raw, 'another', valid_from, valid_to FROM ledger.model_aliases LIMIT 1",
        "INSERT INTO ledger.pool_tokens VALUES ('deployment', 'atlas-70b-p5', 'another')",
        "INSERT INTO ledger.pool_chips VALUES ('cluster', 'prod', 'h100'), ('cluster', 'prod', 'another')",
        "INSERT INTO ledger.providers VALUES ('anthropic', 'another', NULL)",
        "INSERT INTO ledger.machines SELECT provider, name, 'another', chip, 1, 1 FROM ledger.machines LIMIT 1",
        "INSERT INTO ledger.units VALUES ('hours', 'token', 1)",
        "INSERT INTO ledger.owner_changes VALUES ('2026-10-16', 'srch'), ('2026-10-16', 'srch')",
        "INSERT INTO ledger.purpose_accounts VALUES ('customer', 'cost of revenue'), ('customer', 'another')",
    ],
    "bases_are_not_negative": ["UPDATE ledger.allocation_shares SET weight = -weight, total = -total"],
    "bridge_equals_charges": [
        f"UPDATE ledger.billed_to_effective SET BilledCost = BilledCost + {A_CENT} WHERE part = 'tax'",
        f"UPDATE ledger.billed_to_effective SET EffectiveCost = EffectiveCost - {A_CENT} WHERE part = 'tax'",
        "UPDATE ledger.billed_to_effective SET billed_unknown = billed_unknown + 1 WHERE part = 'tax'",
        "UPDATE ledger.billed_to_effective SET row_count = row_count - 1 WHERE part = 'tax'",
        "UPDATE ledger.billed_to_effective SET BillingCurrency = 'EUR' WHERE part = 'tax'",
        "DELETE FROM ledger.billed_to_effective WHERE part = 'tax'",
    ],
    "charges_are_live": [
        "UPDATE ledger.delivery_periods SET live = FALSE WHERE delivery_id IN (SELECT delivery_id FROM ledger.deliveries WHERE kind = 'bill')",
        "DELETE FROM ledger.delivery_periods WHERE delivery_id IN (SELECT delivery_id FROM ledger.deliveries WHERE kind = 'bill')",
        "UPDATE ledger.deliveries SET source = 'hourly', dataset = 'token_usage' WHERE source = 'chip_time'",
    ],
    "counted_tokens_equal_usage": [
        "UPDATE ledger.counted_tokens SET tokens = tokens + 1 WHERE token_class = 'input.cache_read'",
        "UPDATE ledger.token_quantity SET tokens = tokens + 7 WHERE token_class = 'input.cache_read'",
        "DELETE FROM ledger.token_quantity WHERE token_class LIKE 'output%'",
    ],
    "group_ids_are_unique": [
        "UPDATE ledger.charge_groups SET group_id = (SELECT min(group_id) FROM ledger.charge_groups)",
        "INSERT INTO ledger.postings SELECT * FROM ledger.postings WHERE team = 'ads' AND kind = 'direct' AND BilledCost = 0",
    ],
    "groups_equal_charges": [
        *(taxed(f"{cost} = {cost} + {A_CENT}", *TAX) for cost in ("BilledCost", "EffectiveCost")),
        *(taxed(f"{cost} = {cost} - {A_CENT}", *DAILY) for cost in ("ListCost", "ContractedCost")),
        taxed("effective_unknown = effective_unknown + 1", "charge_groups", "postings", "billed_to_effective"),
        taxed("row_count = row_count + 1", "charge_groups", "billed_to_effective"),
        "UPDATE ledger.charge_groups SET scope = 'another'",
        "UPDATE ledger.charges SET source = 'another'",
    ],
    "posting_days_equal_postings": [
        *(
            f"UPDATE ledger.posting_days SET {value} = {value} + {A_CENT} WHERE {ONE_POSTING}"
            for value in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "rate_card_cost", "chip_hours")
        ),
        f"DELETE FROM ledger.posting_days WHERE {ONE_POSTING}",
    ],
    "posting_kinds_are_known": [
        "UPDATE ledger.postings SET kind = 'mystery' WHERE kind = 'tax'",
        "UPDATE ledger.postings SET team = NULL WHERE kind = 'direct'",
        "UPDATE ledger.postings SET team = NULL WHERE kind = 'shared' AND pool = 'api'",
        "UPDATE ledger.postings SET team = 'ads' WHERE kind = 'unallocated'",
        "UPDATE ledger.postings SET reason = NULL WHERE kind = 'unallocated'",
        f"UPDATE ledger.postings SET evidence = 'audited' WHERE {ONE_POSTING}",
        f"UPDATE ledger.postings SET evidence = NULL WHERE {ONE_POSTING}",
    ],
    "postings_equal_card_costs": [
        "; ".join(
            f"UPDATE ledger.{table} SET rate_card_cost = rate_card_cost + {A_CENT} WHERE {ONE_POSTING}"
            for table in ("postings", "posting_days")
        ),
        f"UPDATE ledger.postings SET rate_card_unknown = rate_card_unknown + 1 WHERE {ONE_POSTING}",
        f"UPDATE ledger.card_costs SET rate_card_cost = rate_card_cost - {A_CENT} WHERE rate_card_cost = 0",
        "DELETE FROM ledger.card_costs",
    ],
    "postings_equal_charges": [
        *(
            f"UPDATE ledger.postings SET {cost} = {cost} + {A_CENT} WHERE {ONE_POSTING};"  # and its day, not to fall out with it
            f"UPDATE ledger.posting_days SET {cost} = {cost} + {A_CENT} WHERE {ONE_POSTING}"
            for cost in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
        ),
        *(
            f"UPDATE ledger.postings SET {key} = 'another' WHERE {ONE_POSTING}"
            for key in ("provider", "BillingAccountId", "InvoiceId", "BillingCurrency")
        ),
        *(
            f"UPDATE ledger.postings SET {cost}_unknown = {cost}_unknown + 1 WHERE {ONE_POSTING}"
            for cost in ("billed", "effective", "list", "contracted")
        ),
    ],
    "rated_tokens_equal_token_days": [
        "UPDATE ledger.rated_tokens SET tokens = tokens + 1",
        "UPDATE ledger.rated_tokens SET team = 'search'",
        "UPDATE ledger.rated_tokens SET reason = NULL",
        "UPDATE ledger.rated_tokens SET price_per_million = 1, reason = NULL",
        "DELETE FROM ledger.rated_tokens",
    ],
    "rates_do_not_overlap": [
        "INSERT INTO ledger.chip_prices SELECT card || 'x', * EXCLUDE (card) REPLACE (price_per_chip_hour + 1 AS price_per_chip_hour) FROM ledger.chip_prices LIMIT 1",
        "INSERT INTO ledger.chip_prices SELECT card || 'x', * EXCLUDE (card) REPLACE (price_per_chip_hour + 1 AS price_per_chip_hour, NULL AS valid_from, NULL AS valid_to) FROM ledger.chip_prices LIMIT 1",
        "INSERT INTO ledger.model_prices SELECT card || 'x', * EXCLUDE (card) REPLACE (price_per_million + 1 AS price_per_million) FROM ledger.model_prices WHERE minute_from IS NULL LIMIT 1",
        "INSERT INTO ledger.model_prices SELECT card || 'x', * EXCLUDE (card) REPLACE (price_per_million + 1 AS price_per_million, prompt_above - 1 AS prompt_above, prompt_above + 1 AS prompt_up_to) FROM ledger.model_prices WHERE prompt_above > 0 LIMIT 1",
        "INSERT INTO ledger.model_prices SELECT card || 'x', * EXCLUDE (card) REPLACE (price_per_million + 1 AS price_per_million, minute_to - 1 AS minute_from, minute_to + 1 AS minute_to) FROM ledger.model_prices WHERE minute_to = 240 LIMIT 1",
    ],
    "recharges_sum_to_zero": [
        *(
            f"UPDATE ledger.recharges SET {cost} = {cost} + {A_CENT} WHERE entry = 'markup' AND team = 'ads'"
            for cost in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "rate_card_cost")
        ),
        "DELETE FROM ledger.recharges WHERE entry = 'recharged' AND team = 'platform'",
        "UPDATE ledger.recharges SET EffectiveCost = EffectiveCost * 2 WHERE entry = 'cost'",  # of each entry the sum is still 0
    ],
    "records_are_accounted_for": [
        "UPDATE ledger.delivery_files SET records = records + 1 WHERE kept = 4",
        "UPDATE ledger.delivery_files SET kept = kept - 1 WHERE kept = 4",
        "UPDATE ledger.delivery_files SET kept = kept - 1, quarantined = quarantined + 1 WHERE kept = 4",
        "UPDATE ledger.delivery_files SET kept = kept - 1, excluded = excluded + 1 WHERE kept = 4",
        "DELETE FROM ledger.quarantine",
        "INSERT INTO ledger.exclusions SELECT delivery_id, file_no, NULL, 'a rule', 1 FROM ledger.delivery_files LIMIT 1",
    ],
    "shares_are_whole": [
        "UPDATE ledger.allocation_shares SET weight = weight + 1 WHERE team = 'search'",
        "UPDATE ledger.allocation_shares SET total = total + 1 WHERE team = 'search'",
        "UPDATE ledger.allocation_shares SET weight = 0, total = 0",
        "DELETE FROM ledger.allocation_shares WHERE team = 'search' AND pool = 'gpu'",
    ],
    "tokens_are_disjoint": [
        "INSERT INTO ledger.token_quantity SELECT * REPLACE (0 AS tokens) FROM ledger.token_quantity LIMIT 1",
        (
            "UPDATE ledger.token_quantity SET tokens = -1 WHERE tokens = 50;"
            "UPDATE ledger.counted_tokens SET tokens = tokens - 51 WHERE token_class = 'input.cache_read'"
        ),
        (
            "UPDATE ledger.token_quantity SET token_class = 'input' WHERE tokens = 50;"
            "UPDATE ledger.counted_tokens SET token_class = 'input' WHERE token_class = 'input.cache_read'"
        ),
    ],
    "totals_equal_charges": [
        *(
            f"UPDATE ledger.delivery_totals SET {cost} = {cost} + {A_CENT}"
            for cost in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
        ),
        "UPDATE ledger.delivery_totals SET charges = charges - 1",
        "UPDATE ledger.delivery_totals SET BillingCurrency = 'EUR'",
        "DELETE FROM ledger.delivery_totals",
    ],
}


@pytest.fixture(scope="module")
def good(places):
    place = places()
    place.write("costctl.yaml", CONFIG)
    place.write("teams.csv", TEAMS)
    place.write("tokens.csv", TOKENS)
    place.write("chips.csv", CHIPS)
    place.bill("bill.csv", BILL)
    place.ingest("bill.csv", "tokens.csv", "chips.csv")
    return place


def test_every_check_has_a_broken_example():
    assert set(BROKEN) == CHECKS


def test_what_a_check_is_of_is_known():
    """Else a run would never ask it."""
    said = [word for check in checks.listed().values() for word in re.findall(r"^-- Of: (.*)$", check, re.MULTILINE)]
    assert {*said} == {*checks.READ}
    assert len(said) == sum("-- Of:" in check for check in checks.listed().values())


def test_all_are_silent_on_a_good_ledger(good):
    assert good.broken() == []


def test_the_good_ledger_has_something_of_everything(good):
    """So that a check is silent because all is well, not because it has nothing to look at."""
    kinds = {row[0] for row in good.ask("SELECT DISTINCT kind FROM ledger.postings")}
    assert kinds == {"direct", "shared", "idle", "unused", "unallocated", "tax", "fee", "credit"}
    for table in ("token_quantity", "accelerator_usage", "allocation_shares", "quarantine", "chip_prices"):
        assert good.ask(f"SELECT count(*) > 0 FROM ledger.{table}") == [(True,)], table


@pytest.mark.parametrize(
    ("check", "statement"),
    [
        row
        for check, statements in BROKEN.items()
        for row in few_rows([(check, statement) for statement in statements], 2)
    ],
)
def test_exactly_this_check_fires(good, check, statement):
    """Each breaks the good ledger in a transaction that is rolled back."""
    with store.opened(good.path, write=True) as ledger:
        ledger.run("BEGIN")
        for part in statement.split(";"):
            assert ledger.value(part) > 0, "the example changes nothing"
        assert sorted(checks.failing(ledger)) == [check]
        assert sorted(checks.failing(ledger, MONTHS)) == [check]  # as a run looks at the months that it computed
        ledger.run("ROLLBACK")


def test_two_live_deliveries_of_usage_are_found_where_only_usage_was_read(good):
    with store.opened(good.path, write=True) as ledger:
        ledger.run("BEGIN")
        ledger.run("UPDATE ledger.deliveries SET source = 'hourly', dataset = 'token_usage' WHERE source = 'chip_time'")
        assert sorted(checks.failing(ledger, MONTHS, ["usage"])) == ["charges_are_live"]
        ledger.run("ROLLBACK")


def test_a_refusal_is_told_where_a_check_fails_too(place, monkeypatch):
    place.bill("a.csv", [{"cost": "1"}])
    place.ingest("a.csv")
    place.bill("b.csv", [{"cost": "2"}])
    told = []

    def fails(*_):
        raise DoesNotReconcile("check", "1 row breaks it")

    monkeypatch.setattr(pipeline, "allocate", fails)  # as where a check finds something
    with pytest.raises(DoesNotReconcile):
        pipeline.take_in(replace(place.run, say=told.append), [Wanted(place.home / "b.csv")])
    assert ["b.csv: 2026-10 of source focus is in the ledger already" in text for text in told] == [True]
