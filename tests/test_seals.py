"""What stands in the ledger is not computed again; what it stands with is all that decides it."""

from collections import Counter
from datetime import date

import pytest

from costctl import pipeline
from costctl.errors import DoesNotReconcile
from costctl.ledger import build, checks, models, store

CONFIG = """
    version: 1
    teams: teams.csv
    model_aliases: aliases.csv
    cards: [cards.csv]
    rules: [{name: by account, when: {SubAccountId: [gpu, tpu]}, pool: "{SubAccountId}"}]
    pools:
      gpu: {tokens: {deployment: [atlas-p5]}, weights: {method: phase.ratio, output: "4"}}
      tpu: {tokens: {of: gpu}}
"""
FILES = {
    "costctl.yaml": CONFIG,
    "teams.csv": "team,aliases\nsearch,srch\nads,\n",
    "aliases.csv": "raw,model\natlas-70b,atlas\n",
    "cards.csv": "provider,model,token_class,price_per_million,currency,region\nopenai,gpt-5,input,2.50,USD,*\n",
    "tokens.csv": "start,end,provider,deployment,model,team,input_uncached,output,requests\n"
    "2026-10-01T05:00:00Z,2026-10-01T06:00:00Z,self,atlas-p5,atlas-70b,srch,300,10,1\n"
    "2026-10-01T05:30:00Z,2026-10-01T06:30:00Z,self,atlas-h200,atlas-70b,nobody,500,0,1\n"
    "2026-10-01T05:00:00Z,2026-10-01T07:00:00Z,self,atlas-p5,atlas-70b,ads,100,0,2\n"
    "2026-10-02T05:00:00Z,2026-10-02T06:00:00Z,openai,,gpt-5,ads,1000000,0,1\n",
}
BILL = """
    day         SubAccountId  x_Model  x_TokenClass  cost
    2026-10-01  gpu           -        -             100
    2026-10-02  api           gpt-5    input         3
"""
COUNTS = "SELECT * FROM ledger.counted_tokens ORDER BY ALL"


@pytest.fixture(scope="module")
def started(places):
    return start(places())


def start(place):
    for name, text in FILES.items():
        place.write(name, text)
    place.bill("october.csv", BILL)
    place.ingest("october.csv", "tokens.csv")
    return place


@pytest.fixture
def posted(monkeypatch):
    """Note which models are computed, and which checks are run."""
    computed, run, query = Counter(), build._compute, store.Ledger.run

    def compute(ledger, model, *words, **options):
        computed[model.name] += 1
        return run(ledger, model, *words, **options)

    def asked(ledger, text, *words):
        computed.update(f"check {name}" for name, check in checks.listed().items() if text[:60] == check[:60])
        return query(ledger, text, *words)

    monkeypatch.setattr(build, "_compute", compute)
    monkeypatch.setattr(store.Ledger, "run", asked)
    return computed


def again(place):
    with pipeline.writing(place.run) as ledger:
        pipeline.allocate(ledger, place.run)


def test_a_weight_reads_no_usage_and_no_charges_again(place, posted):
    start(place)
    before, whole = place.ask(COUNTS), dict(posted)
    posted.clear()
    place.write("costctl.yaml", CONFIG.replace('output: "4"', 'output: "5"'))
    again(place)
    anew = {
        "token_owners",
        "usage_reach",
        "usage_scopes",
        "counted_tokens",
        *("check tokens_are_disjoint", "check groups_equal_charges", "check totals_equal_charges"),
    }
    assert whole.keys() - posted.keys() == anew
    assert len(before) == 12
    assert place.ask(COUNTS) == before
    assert place.broken() == []


CARD = FILES["cards.csv"].replace("region\n", "region,time_window_utc\n").replace("*\n", "*,00:30-05:30\n")
CHANGES = {  # of what counted tokens stand with; the providers are the program's own
    "usage_span": {"november.csv": ""},
    "price_bounds": {"cards.csv": CARD},
    "pools": {"costctl.yaml": CONFIG.replace("gpu: {tokens", "gpu: {grain: hour, tokens")},
    "pool_tokens": {"costctl.yaml": CONFIG.replace("[atlas-p5]", "[atlas-p5, atlas-h200]")},
    "driving_roles": {"costctl.yaml": CONFIG + "    tokens: {drives: [{pool: gpu, role: engine}]}\n"},
    "owner_rules": {"costctl.yaml": CONFIG + "    owners: [{name: p5, when: {deployment: atlas-p5}, team: ads}]\n"},
    "team_aliases": {"teams.csv": FILES["teams.csv"].replace("ads,", "ads,nobody")},
    "model_aliases": {"aliases.csv": FILES["aliases.csv"].replace(",atlas\n", ",atlas-next\n")},
    "records of usage": {
        "more.csv": FILES["tokens.csv"].splitlines()[0]
        + "\n2026-10-03T05:00:00Z,2026-10-03T06:00:00Z,self,atlas-p5,atlas-70b,ads,7,0,1\n"
    },
}
NEXT = [{"SubAccountId": "gpu", "day": "2026-11-01", "month": "2026-10-01", "cost": "1"}]


OFTEN = {"records of usage", "usage_span"}


@pytest.mark.parametrize(
    "what", [what if what in OFTEN else pytest.param(what, marks=pytest.mark.slow) for what in CHANGES]
)
def test_what_it_stands_with_decides_it(place, places, started, what):
    """After a change the ledger counts as one does that never knew anything else, and not as before."""
    place.copy(started)
    before, files = place.ask(COUNTS), CHANGES[what]
    fresh = places()
    for here in (place, fresh):
        for name, text in (FILES | files if here is fresh else files).items():
            here.write(name, text)
        if what == "usage_span":
            here.bill("november.csv", NEXT)
    more = [name for name in files if name in ("november.csv", "more.csv")]
    place.ingest(*more, source="more") if more else again(place)
    fresh.bill("october.csv", BILL)
    fresh.ingest("october.csv", "tokens.csv")
    if more:
        fresh.ingest(*more, source="more")
    assert place.ask(COUNTS) == fresh.ask(COUNTS)
    assert place.ask(COUNTS) != before or what == "usage_span"
    assert place.broken() == []


def test_it_stands_with_everything_that_its_models_read():
    """But for what a row of its own tells: which days a period needs, how cards tell tokens apart, and which names there are of models."""
    (sealed,) = (model for model in models.listed() if model.stands)
    found, open_ = set(), [sealed.name]
    by_name = {model.name: model for model in models.listed()}
    while open_:
        for name in models.reads(by_name[open_.pop()]) - found:
            found.add(name)
            if name in by_name and name not in {*sealed.stands, "charge_groups"}:
                open_.append(name)
    tables = {name for name in found & models.known() if name not in by_name or name == "charge_groups"}
    assert tables | {"usage_span", "price_bounds"} == {
        *sealed.stands,
        "token_usage",
        "token_quantity",
        "charge_groups",
        "accelerator_usage",
    }
    assert set(CHANGES) - {"records of usage"} == set(sealed.stands) - {"providers"}


SAMPLE = '# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{{model_name="atlas"}} {}\n'
TOTALS = "SELECT CAST(sum(tokens) AS BIGINT) FROM ledger.counted_tokens"


def lists(place, config):
    """Write a configuration with the teams, names and cards that it knows."""
    place.write("costctl.yaml", config)
    for name in ("teams.csv", "aliases.csv", "cards.csv"):
        place.write(name, FILES[name])


def test_a_sample_that_comes_late_counts(place):
    """It has no row of its own: what the counter counted until the next one is more."""
    lists(place, CONFIG.replace("[atlas-p5]", "[atlas]"))
    place.bill("october.csv", BILL)
    files = {
        f"engine-0-2026-10-01T{at}Z.prom": value for at, value in (("012000", 500), ("013000", 600), ("010500", 50))
    }
    for name, value in files.items():
        place.write(name, SAMPLE.format(value))
    first, second, late = files
    place.ingest("october.csv", first, second, source="all")
    before = place.ask(TOTALS)
    place.ingest(late, source="all")
    assert (before, place.ask(TOTALS)) == ([(100,)], [(550,)])


HEAD = "time,provider,deployment,model,team,output,requests,id\n"


def test_what_another_month_counts_is_gone_from_its_own_and_comes_back(place):
    """October has four requests; November says 1 and 4 again, with a token more, then 2 and 3 in their place: as many records, and their numbers add up to the same."""
    lists(place, CONFIG)
    place.bill("october.csv", BILL)
    days = {
        "a": ("2026-10-01", {1: 100, 2: 200, 3: 300, 4: 900}),
        "b": ("2026-11-01", {1: 101, 4: 901}),
        "c": ("2026-11-01", {2: 201, 3: 301}),
    }
    for name, (day, counts) in days.items():
        rows = [f"{day}T05:00:00Z,self,atlas-p5,atlas,ads,{tokens},1,i{number}" for number, tokens in counts.items()]
        place.write(f"{name}.csv", HEAD + "\n".join(rows) + "\n")
    summed = (
        "SELECT month(billing_period), CAST(sum(tokens) AS BIGINT) FROM ledger.counted_tokens GROUP BY 1 ORDER BY 1"
    )
    place.ingest("october.csv", "a.csv", source="gateway")
    place.ingest("b.csv", source="gateway")
    assert place.ask(summed) == [(10, 500), (11, 1002)]  # 2 and 3
    place.ingest("c.csv", source="gateway", decision="replace")
    assert place.ask(summed) == [(10, 1000), (11, 502)]  # 1 and 4
    kept = "SELECT record_no FROM ledger.token_usage WHERE ts_start < DATE '2026-11-01' ORDER BY 1"
    assert place.ask(kept) == [(1,), (4,)]
    assert place.ask("SELECT count(*) FROM ledger.periods WHERE fingerprint IS NULL") == [(0,)]


def test_a_check_of_usage_that_fails_fails_again_and_so_does_a_report(place, started):
    place.copy(started)
    with pipeline.writing(place.run) as ledger:
        checks.owe(ledger, date(2026, 10, 1), ["usage"])  # as a run that is broken off before its checks leaves it
    place.change(
        "INSERT INTO ledger.token_quantity SELECT * REPLACE ('output.bogus' AS token_class) FROM ledger.token_quantity"
    )
    codes = [
        place.costctl(*words).returncode
        for words in (("report", "chargeback"), ("ingest", "tokens.csv"), ("ingest", "tokens.csv"))
    ]
    assert codes == [5, 5, 5]


@pytest.mark.slow
def test_names_are_those_of_the_months_that_a_period_may_need(place):
    """So that the ledger is the same whether November was counted before October's bill was computed, or after."""
    place.bill("october.csv", [{"day": "2026-10-01", "cost": "1"}])
    tokens = FILES["tokens.csv"].splitlines()[0]
    for month, model in (("10", "atlas"), ("11", "beta")):
        place.write(
            f"{month}.csv", f"{tokens}\n2026-{month}-01T05:00:00Z,2026-{month}-01T06:00:00Z,self,d,{model},s,1,1,1\n"
        )
    place.ingest("october.csv", "10.csv")
    place.ingest("11.csv", source="later")
    assert place.ask("SELECT month(billing_period), raw FROM ledger.model_names ORDER BY ALL") == [
        (10, "atlas"),
        (11, "beta"),
    ]


def test_a_swept_period_is_counted_anew(place, started):
    place.copy(started)
    with pipeline.writing(place.run) as ledger:
        assert ledger.run("SELECT key FROM ledger.meta WHERE key LIKE 'seal %'").rows == [
            ("seal counted_tokens 2026-10-01",)
        ]
        ledger.run("DELETE FROM ledger.charge_groups")
        ledger.run("UPDATE ledger.delivery_periods SET live = FALSE")
        build.sweep(ledger)
        assert ledger.run("SELECT key FROM ledger.meta WHERE key LIKE 'seal %'").rows == []
        assert ledger.run(COUNTS).rows == []


def test_checks_look_at_the_periods_that_were_computed(place):
    """A break in a month that nothing changes is found by doctor, one in the month that is computed by every run; and one that nobody looked at yet, too."""
    for month in ("2026-09", "2026-10"):
        place.bill(f"{month}.csv", [{"cost": "5", "day": f"{month}-01", "team": "search"}])
        place.ingest(f"{month}.csv")
    bend = "UPDATE ledger.charges SET BilledCost = 6 WHERE billing_period = DATE '2026-09-01'"
    assert place.change(bend) == 1
    place.bill("more.csv", [{"cost": "7", "day": "2026-10-02", "team": "search"}])
    place.ingest("more.csv", source="more")
    assert "groups_equal_charges" in place.broken()
    with pipeline.writing(place.run) as ledger:
        checks.owe(ledger, date(2026, 9, 1), ["charges"])  # as a run that is broken off before its checks leaves it
        with pytest.raises(DoesNotReconcile):
            pipeline.allocate(ledger, place.run)


def test_every_check_reads_some_months_as_it_reads_all(place, started):
    """What is narrowed to all months finds what the whole does; narrowed to others, nothing of these."""
    place.copy(started)
    with place.opened() as ledger:
        for months in ([date(2026, 10, 1)], [date(2026, 9, 1), date(2026, 10, 1)]):
            assert checks.failing(ledger, months) == {}
    place.change("UPDATE ledger.postings SET BilledCost = BilledCost + 1, kind = 'odd'")
    place.change("INSERT INTO ledger.token_quantity FROM ledger.token_quantity")
    with place.opened() as ledger:
        assert (
            checks.failing(ledger, [date(2026, 10, 1)]).keys()
            == checks.failing(ledger).keys()
            >= {"posting_kinds_are_known", "tokens_are_disjoint"}
        )
        assert checks.failing(ledger, [date(2026, 9, 1)]).keys() <= {"charges_are_live"}
