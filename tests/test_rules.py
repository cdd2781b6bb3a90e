"""The rules: what changes within a charge's period cuts it, to the last digit, and nothing else does."""

import csv
import io
import re
import shutil
from datetime import date
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest
from conftest import examples
from hypothesis import example, given
from hypothesis import strategies as st

from costctl import pipeline
from costctl.config.rules import Rule
from costctl.errors import UsageError
from costctl.rules import compile_rules

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

    @pytest.mark.slow
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

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_a_quantity_that_is_too_large_stays_with_the_larger_part(self, reorganised):
        reorganised.bill(
            "bill.csv", [OCTOBER | {"SubAccountId": "lab", "ConsumedQuantity": "1e15", "ConsumedUnit": "Bytes"}]
        )
        reorganised.ingest("bill.csv")
        assert [row[5] for row in parts(reorganised)] == ["0", "1000000000000000"]

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_every_part_is_explained_and_exported(self, reorganised, monkeypatch):
        monkeypatch.setenv("COLUMNS", "160")
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


WORDS = """
    version: 1
    tags: {env: {keys: [env, Environment], values: {production: [prod, prd]}, fold: true}}
    rules:
      - {name: blocks of Trainium, when: {chip: TRN2}, team: t-chip}
      - {name: one machine, when: {machine: P5.48xlarge, provider: aws}, team: t-machine}
      - {name: a family, when: {machine: "p4d*"}, team: t-family}
      - {name: production, when: {tags.env: production}, team: "{tags.env}"}
      - {name: folded, when: {ServiceName: amazon s3}, fold: true, team: t-folded}
      - {name: exact, when: {ServiceName: [Amazon S3, Azure]}, team: t-never}
      - {name: ours, when: {source: other, ChargeCategory: Tax}, team: t-source}
      - {name: of aws, when: {provider: aws}, team: t-aws}
      - {name: as billed, when: {provider: MICROSOFT}, team: t-azure}
      - {name: nobody's, when: {provider: mill}, team: t-mill}
    formats:
      mill: {columns: {BilledCost: cost, ChargePeriodStart: day}, constants: {ProviderName: Mill, BillingCurrency: USD}}
"""
WORDED = """
    SubAccountId  ProviderName         x_Machine       ServiceName   ChargeCategory  Tags
    t-chip        AWS                  trn2.48xlarge   -             Usage           -
    t-machine     Amazon Web Services  p5.48xlarge     -             Usage           -
    t-family      AWS                  p4de.24xlarge   -             Usage           -
    production    AWS                  -               -             Usage           {"Environment": "PRD"}
    production    Azure                -               -             Usage           {"env": " Production "}
    t-folded      AWS                  -               AMAZON S3     Usage           -
    t-never       AWS                  -               Azure         Usage           -
    t-aws         amazon               m7i.large       -             Usage           {"env": "test"}
    t-source      AWS                  -               -             Tax             -
    t-azure       Microsoft            -               -             Usage           -
    t-mill        MILL                 -               -             Usage           -
"""


@pytest.mark.slow
def test_rules_speak_the_words_of_the_trade(place):
    """Each charge says in its account where it belongs; `exact` takes only what its service is to the letter."""
    place.write("costctl.yaml", WORDS)
    place.bill("bill.csv", WORDED)
    place.ingest("bill.csv", source="other")
    written = list(csv.DictReader(io.StringIO(place.costctl("export", "focus", "--format", "csv").stdout)))
    assert [(row["SubAccountId"], row["x_team"]) for row in written] == [(row["SubAccountId"],) * 2 for row in written]
    assert len(written) == 11
    assert place.ask("SELECT DISTINCT tag_env FROM ledger.charges ORDER BY ALL") == [
        ("production",),
        ("test",),
        (None,),
    ]
    place.write("costctl.yaml", WORDS.replace("prod, prd]}, fold: true", "Production]}, fold: false"))
    place.ingest("bill.csv", source="other")  # the columns of the tags follow the configuration
    assert place.ask("SELECT DISTINCT tag_env FROM ledger.charges ORDER BY ALL") == [
        ("PRD",),
        ("production",),
        ("test",),
        (None,),
    ]


DAYS = [date(2026, 10, day) for day in range(1, 6)]
VALUES = ("x", "X", "xy", "y", "")


def held(rule, row, day):
    """Tell by a rule's own words whether it matches: this is said here once more, and not asked of costctl."""

    def like(text, value):
        text, value = (text.strip().lower(), value.strip().lower()) if rule.fold else (text, value)
        return text.startswith(value[:-1]) if value.endswith("*") else text == value

    taken = [name[1:-1] for name in (rule.team, rule.model or "") if name.startswith("{")]
    return (
        all(any(like(row[name], value) for value in wanted) for name, wanted in rule.when.items())
        and all(row[name] for name in taken)
        and (rule.valid_from or day) <= day < (rule.valid_to or date.max)
    )


def rules_of(values, team, folds):
    when = st.dictionaries(st.sampled_from(["a", "b"]), st.lists(values, min_size=1, max_size=3), min_size=1)
    days = st.none() | st.sampled_from(DAYS)
    spans = st.tuples(days, days).filter(lambda span: None in span or span[0] < span[1])
    return st.builds(
        lambda when, span, team, fold: Rule(
            name="r", when=when, team=team, fold=fold, valid_from=span[0], valid_to=span[1]
        ),
        *(when, spans, team, folds),
    )


def never(rules):
    try:
        compile_rules(rules, ["a", "b", "tag_team", "x_token_class"])
    except UsageError as error:
        return "never match" in error.what
    return False


@examples(60)
@given(
    st.lists(
        rules_of(st.sampled_from([*VALUES, "x*", "*"]), st.sampled_from(["t", "{a}"]), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
@example(
    [Rule(name="r", when={"b": ["x"]}, team="{a}"), Rule(name="r", when={"b": ["x"]}, team="t")]
)  # where a is blank
def test_a_rule_that_is_refused_takes_nothing(rules):
    """Whatever it is refused for: of all charges on all days the first that matches is never the last of the rules that costctl names."""
    for number in range(1, len(rules) + 1):
        if never(rules[:number]):
            rows = [dict(zip("ab", pair, strict=True)) for pair in product([*VALUES, "zz"], repeat=2)]
            assert not any(
                held(rules[number - 1], row, day) and not any(held(rule, row, day) for rule in rules[: number - 1])
                for row in rows
                for day in [date(2026, 1, 1), *DAYS, date(2027, 1, 1)]
            )
            return


@examples(60)
@given(st.lists(rules_of(st.sampled_from(["x", "y", "z"]), st.just("t"), st.just(value=False)), min_size=1, max_size=5))
def test_a_rule_of_plain_values_that_takes_nothing_is_refused(rules):
    rows = [dict(zip("ab", pair, strict=True)) for pair in product(["x", "y", "z", "other"], repeat=2)]
    days = [date(2026, 1, 1), *DAYS, date(2027, 1, 1)]
    idle = [
        number
        for number, rule in enumerate(rules)
        if not any(
            held(rule, row, day) and not any(held(other, row, day) for other in rules[:number])
            for row in rows
            for day in days
        )
    ]
    assert never(rules) == bool(idle)


EXAMPLE = Path(__file__).parents[1] / "examples" / "reorganisation"


@pytest.fixture(scope="module")
def worked(places):
    """The worked example, ingested: its README says by hand what each report must come to."""
    place = places()
    shutil.copytree(EXAMPLE, place.home, dirs_exist_ok=True)
    assert place.costctl("ingest").returncode == 0
    return place


def told(place, *words, columns):
    """Return some columns of a report, and what it says of its basis."""
    said = place.costctl(*words, "--format", "csv")
    assert said.returncode == 0, said.stderr
    return [tuple(row[name] for name in columns) for row in csv.DictReader(io.StringIO(said.stdout))]


AS_POSTED = [
    ("research", "training", "2900"),
    ("platform", "training", "1800"),
    ("platform", "internal", "620"),
    ("discovery", "customer", "91.612904"),
    ("search", "customer", "88.387096"),
]


class TestTheWorkedReorganisation:
    def test_the_chargeback_as_posted_and_as_of_a_day(self, worked):
        words, columns = ("report", "chargeback", "--period", "2026-10"), ("team", "purpose", "total")
        assert told(worked, *words, columns=columns) == AS_POSTED
        assert told(worked, *words, "--org", "as-posted", columns=columns) == AS_POSTED
        merged = [*AS_POSTED[:3], ("discovery", "customer", "180")]
        assert told(worked, *words, "--org", "as-of=2026-10-31", columns=columns) == merged
        assert told(worked, *words, "--org", "as-of 2026-10-15", columns=columns) == AS_POSTED  # search is search
        basis = [worked.costctl(*words, *org, "--format", "table").stdout for org in ((), ("--org", "2026-10-31"))]
        assert ["teams as posted" in basis[0], "teams as of 2026-10-31" in basis[1]] == [True, True]
        assert all(re.search(r"^difference +0 ", text, re.MULTILINE) for text in basis)

    def test_the_accounts(self, worked):
        columns = ("account", "purpose", "team", "total")
        words = ("report", "accounts", "--period", "2026-10")
        assert told(worked, *words, columns=columns) == [
            ("research and development", "training", "research", "2900"),
            ("research and development", "training", "platform", "1800"),
            ("cost of revenue", "customer", "discovery", "91.612904"),
            ("cost of revenue", "customer", "search", "88.387096"),
            ("(no account)", "internal", "platform", "620"),
        ]
        merged = told(worked, *words, "--org", "as-of=2026-10-31", columns=columns)
        assert merged[2] == ("cost of revenue", "customer", "discovery", "180")
        assert len(merged) == 4

    def test_what_each_rule_took(self, worked):
        columns = ("rule", "name", "goes_to", "charges", "cost", "currency", "note")
        assert told(worked, "rules", "check", columns=columns) == [
            ("1", "the lab of platform", "team platform", "1", "1800", "USD", "until 2026-10-11"),
            ("2", "the lab of research", "team research", "2", "2900", "USD", "from 2026-10-11"),
            ("3", "built-in: tag names a team", "team by its tag", "4", "800", "USD", ""),
            ("4", "built-in: token line without a team", "pool api", "0", "0", "", "took nothing"),
            ("", "(no rule)", "unallocated", "0", "0", "", ""),
        ]
        nothing = told(worked, "rules", "check", "--period", "2026-09", columns=("charges", "cost", "note"))
        assert {row[:2] for row in nothing} == {("0", "0")}


def test_accounts_lose_nothing(place, monkeypatch):
    """Unowned costs, credits, tax, another currency, an unknown cost and a word of one's own: each has its line, and the bill is reached."""
    monkeypatch.setenv("COLUMNS", "160")
    place.write(
        "costctl.yaml",
        """
        version: 1
        accounts: {Customer: cost of revenue, unknown: overhead}
        """,
    )
    place.bill(
        "bill.csv",
        """
        cost  ChargeCategory  BillingCurrency  Tags
        10    Usage           USD              {"team": "search", "purpose": "CUSTOMER"}
        5     Usage           USD              {"team": "search", "purpose": "sales demo"}
        4     Usage           USD              {"team": "search"}
        3     Usage           EUR              {"purpose": "customer"}
        2     Tax             USD              -
        -1    Credit          USD              {"team": "search", "purpose": "customer"}
        """,
    )
    place.ingest("bill.csv")
    columns = ("currency", "account", "purpose", "line", "team", "total", "other_purpose")
    assert told(place, "report", "accounts", columns=columns) == [
        ("EUR", "cost of revenue", "customer", "unallocated", "", "3", ""),
        ("USD", "cost of revenue", "customer", "team", "search", "10", ""),
        ("USD", "overhead", "unknown", "team", "search", "4", ""),
        ("USD", "(no account)", "sales demo", "team", "search", "5", "sales demo"),
        ("USD", "(recoverable tax)", "", "recoverable tax", "", "2", ""),
        ("USD", "(credits)", "", "credits", "", "-1", ""),
    ]
    shown = place.costctl("report", "accounts", "--format", "table").stdout
    assert shown.count("difference") == 2
    assert "  sales demo: ACCOUNT\n" in shown
    assert re.search("no word for .*:\n  sales demo\n", shown)
    place.bill("more.csv", [{"team": "ads", "EffectiveCost": None, "day": "2026-11-03"}])
    place.ingest("more.csv", source="more")
    assert told(place, "rules", "check", "--period", "2026-11", columns=("charges", "cost", "note"))[0] == (
        "1",
        "",
        "1 without effective cost",
    )
    assert told(place, "report", "accounts", "--period", "2026-11", columns=("account", "line", "total")) == [
        ("(unpriced)", "unpriced", "")
    ]


def test_a_changed_rule_scans_the_charges_of_open_periods_again_and_of_no_other(place):
    """A closed period keeps its groups; opened again, it is scanned by the rules as they are then, and once."""

    def borne_by(team):
        place.write(
            "costctl.yaml", f"version: 1\nrules: [{{name: lab, when: {{SubAccountId: [lab]}}, team: {team}}}]\n"
        )
        return allocated()

    def allocated():
        with pipeline.writing(place.run) as ledger:
            pipeline.allocate(ledger, place.run)
        return [team for (team,) in place.ask("SELECT raw_team FROM ledger.charge_groups ORDER BY billing_period")]

    place.bill("bill.csv", [{"day": f"2026-{month:02d}-03", "SubAccountId": "lab"} for month in (8, 9, 10)])
    place.ingest("bill.csv")
    assert borne_by("search") == ["search", "search", "search"]
    place.change("UPDATE ledger.periods SET state = 'closed' WHERE billing_period < DATE '2026-10-01'")
    assert borne_by("ads") == ["search", "search", "ads"]
    assert borne_by("law") == ["search", "search", "law"]
    place.change("UPDATE ledger.periods SET state = 'open' WHERE billing_period = DATE '2026-09-01'")
    assert allocated() == ["search", "law", "law"]
    place.change("UPDATE ledger.charge_groups SET raw_team = 'kept'")
    assert allocated() == ["kept", "kept", "kept"]
