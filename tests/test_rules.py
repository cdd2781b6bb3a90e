"""The rules: what changes within a charge's period cuts it, to the last digit, and nothing else does."""

import csv
import io
from decimal import Decimal

import pytest

OCTOBER = {"ChargePeriodStart": "2026-10-01T00:00:00Z", "ChargePeriodEnd": "2026-11-01T00:00:00Z"}
CONFIG = """
    version: 1
    teams: teams.csv
    rules:
      - {name: lab until the 10th, when: {SubAccountId: [lab]}, team: platform, valid_to: 2026-10-11}
      - {name: lab since, when: {SubAccountId: [lab]}, team: research, valid_from: 2026-10-11}
      - {name: nodes, when: {SubAccountId: [nodes]}, team: platform}
      - {name: shared until the 10th, when: {SubAccountId: [shared]}, pool: gpu, valid_to: 2026-10-11}
    pools:
      gpu: {base: fixed, shares: {platform: "3", research: "1"}}
"""
TEAMS = """
    team,aliases,purpose,valid_from,valid_to
    search,srch,,,2026-10-16
    discovery,search|srch,,2026-10-16,
    platform,,,,
    research,,,,
"""
PARTS = """
    SELECT strftime(part_start, '%m-%d %H'), strftime(part_end, '%m-%d %H'), place, CAST(BilledCost AS VARCHAR), CAST(ListCost AS VARCHAR), CAST(ConsumedQuantity AS VARCHAR)
    FROM ledger.charge_parts ORDER BY ALL
"""
OWED = """
    SELECT COALESCE(team, reason), kind, strftime(slot_start, '%m-%d'), strftime(slot_end, '%m-%d'), CAST(EffectiveCost AS DOUBLE), effective_unknown, effective_incomplete, CAST(chip_hours AS INTEGER)
    FROM ledger.postings ORDER BY ALL
"""


def plain(text):
    """Write an amount without the zeros at its end."""
    return None if text is None else f"{Decimal(text).normalize():f}"


def parts(place):
    return [(*row[:3], *map(plain, row[3:])) for row in place.ask(PARTS)]


@pytest.fixture
def reorganised(place):
    place.write("costctl.yaml", CONFIG)
    place.write("teams.csv", TEAMS)
    return place


class TestAChargeThatSpansAChange:
    def test_is_cut_by_its_hours_at_the_change(self, reorganised):
        """310.00 of 31 days are 100 for the first ten and 210 for the other 21; 744 hours of a p5 with 8 chips are 240 and 504."""
        machine = {"x_Machine": "p5.48xlarge", "ConsumedQuantity": "744", "ConsumedUnit": "Hours"}
        reorganised.bill(
            "bill.csv",
            [
                OCTOBER | machine | {"SubAccountId": "lab", "cost": "310", "ListCost": None},
                OCTOBER
                | {"team": "Search", "cost": "-100"},  # 15 days of 31: 48.387096…, the larger part takes the rest
                OCTOBER | {"SubAccountId": "shared", "cost": "310"},
            ],
        )
        reorganised.ingest("bill.csv")
        assert parts(reorganised) == [
            ("10-01 00", "10-11 00", 2, "100", "100", None),
            ("10-01 00", "10-11 00", 2, "100", None, "240"),
            ("10-01 00", "10-16 00", 2, "-48.387096", "-48.387096", None),
            ("10-11 00", "11-01 00", 1, "210", "210", None),
            ("10-11 00", "11-01 00", 1, "210", None, "504"),
            ("10-16 00", "11-01 00", 1, "-51.612904", "-51.612904", None),
        ]
        assert reorganised.ask(OWED) == [
            ("discovery", "direct", "10-16", "11-01", -51.612904, 0, False, 0),
            ("no rule or tag names a team", "unallocated", "10-11", "11-01", 210, 0, False, 0),
            ("platform", "direct", "10-01", "10-11", 100, 0, False, 1920),
            ("platform", "shared", "10-01", "10-11", 75, 0, False, 0),
            ("research", "direct", "10-11", "11-01", 210, 0, False, 4032),
            ("research", "shared", "10-01", "10-11", 25, 0, False, 0),
            ("search", "direct", "10-01", "10-16", -48.387096, 0, False, 0),
        ]
        assert reorganised.broken() == []

    def test_what_changes_for_others_leaves_it_whole(self, reorganised):
        """And so do a change at its very beginning or end, and one that gives it the owner it had."""
        reorganised.bill(
            "bill.csv",
            [
                OCTOBER | {"SubAccountId": "nodes"},
                OCTOBER | {"team": "platform"},
                {
                    "ChargePeriodStart": "2026-10-16T00:00:00Z",
                    "ChargePeriodEnd": "2026-11-01T00:00:00Z",
                    "team": "search",
                },
                {
                    "ChargePeriodStart": "2026-10-01T00:00:00Z",
                    "ChargePeriodEnd": "2026-10-16T00:00:00Z",
                    "team": "search",
                },
                {"day": "2026-10-11", "SubAccountId": "lab"},
            ],
        )
        reorganised.ingest("bill.csv")
        assert parts(reorganised) == []
        assert sorted({row[:4] for row in reorganised.ask(OWED)}) == [
            ("discovery", "direct", "10-16", "11-01"),
            ("platform", "direct", "10-01", "11-01"),
            ("research", "direct", "10-11", "10-12"),
            ("search", "direct", "10-01", "10-16"),
        ]

    def test_what_is_unknown_of_it_counts_once_and_is_unknown_in_every_part(self, reorganised):
        """The larger part, research's, counts it; that platform's ten days cost nothing, nobody has said."""
        reorganised.bill("bill.csv", [OCTOBER | {"SubAccountId": "lab", "cost": "31", "EffectiveCost": None}])
        reorganised.ingest("bill.csv")
        assert [row[:2] + row[4:7] for row in reorganised.ask(OWED)] == [
            ("platform", "unpriced", 0, 0, True),
            ("research", "unpriced", 0, 1, True),
        ]
        assert reorganised.ask("SELECT row_count, quantity_unknown FROM ledger.charge_groups ORDER BY 1") == [
            (0, 0),
            (1, 1),
        ]
        assert reorganised.broken() == []

    def test_a_quantity_that_is_too_large_stays_with_the_larger_part(self, reorganised):
        reorganised.bill(
            "bill.csv", [OCTOBER | {"SubAccountId": "lab", "ConsumedQuantity": "1e15", "ConsumedUnit": "Bytes"}]
        )
        reorganised.ingest("bill.csv")
        assert [row[5] for row in parts(reorganised)] == ["0", "1000000000000000"]

    def test_a_boundary_that_moves_moves_it(self, reorganised):
        """The days of rules and of teams are told by the groups' own seal; a spelling that changes nothing is not among them."""
        reorganised.bill("bill.csv", [OCTOBER | {"SubAccountId": "lab", "cost": "310"}, OCTOBER | {"team": "search"}])
        reorganised.ingest("bill.csv")

        def after(config=CONFIG, teams=TEAMS):
            reorganised.write("costctl.yaml", config)
            reorganised.write("teams.csv", teams)
            said = reorganised.costctl("report", "chargeback", "--format", "csv")
            assert said.returncode == 0, said.stderr
            with reorganised.opened() as ledger:
                return ledger.meta("groups"), [row[:2] for row in parts(reorganised) if row[2] == 2]

        seal, found = after()
        assert found == [("10-01 00", "10-11 00"), ("10-01 00", "10-16 00")]
        same, _ = after(teams=TEAMS.replace("platform,,", "platform,infra,"))
        assert same == seal  # the charges are not read again
        _, found = after(teams=TEAMS.replace("10-16", "10-12"))
        assert found == [("10-01 00", "10-11 00"), ("10-01 00", "10-12 00")]
        _, found = after(CONFIG.replace("10-11", "10-21"), TEAMS.replace("2026-10", "2026-08"))
        assert found == [("10-21 00", "11-01 00")]

    def test_every_part_is_explained_and_exported(self, reorganised):
        reorganised.bill("bill.csv", [OCTOBER | {"SubAccountId": "lab", "cost": "310"}])
        reorganised.ingest("bill.csv")
        told = reorganised.costctl("explain", "--team", "platform", "--format", "table").stdout
        assert "effective 100 " in told
        assert "part       2026-10-01T00:00:00 to 2026-10-11T00:00:00 of it" in told
        assert "group      2026-10-01T00:00:00 to 2026-10-11T00:00:00 · parts of charges · effective 100 USD" in told
        assert "1, lab until the 10th" in told
        assert "postings   direct platform" in told
        assert "BilledCost = 310" in told  # as it was delivered
        written = list(csv.DictReader(io.StringIO(reorganised.costctl("export", "focus", "--format", "csv").stdout)))
        columns = ("x_team", "EffectiveCost", "ChargePeriodStart", "ChargePeriodEnd")
        assert [tuple(row[name] for name in columns) for row in written] == [
            ("platform", "100", "2026-10-01T00:00:00Z", "2026-10-11T00:00:00Z"),
            ("research", "210", "2026-10-11T00:00:00Z", "2026-11-01T00:00:00Z"),
        ]
