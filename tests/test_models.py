"""Every SQL file that decides a number: short, in order, portable, and readable by Spark."""

import re
from datetime import date
from pathlib import Path

import pytest

from costctl import sql
from costctl.ledger import build, models, store

PACKAGE = Path(__file__).parents[1] / "costctl"
MODELS = sorted((PACKAGE / "models").glob("[0-9][0-9]_*.sql"))
CHECKS = sorted((PACKAGE / "checks").glob("*.sql"))
REPORTS = sorted((PACKAGE / "reports").glob("*.sql"))
LONGEST_MODEL = 80
NOT_THERE = (
    "reserved_time",
    "spillover",
    "spilled_tokens",
    "uncovered_tokens",
    "recharged_use",
    "recharges",
    "direct_slots",
    "direct_costs",
)


def sources():
    """Return the tables the ledger's schema declares."""
    schema = (PACKAGE / "ledger" / "schema.sql").read_text("utf-8")
    return set(re.findall(r"^CREATE TABLE ledger\.(\w+)", schema, re.MULTILINE))


def table(model):
    return model.stem.split("_", 1)[1]


def readable(path):
    """Return what a file may read: a model the sources and lower numbers, a check or report every model."""
    return sources() | {table(model) for model in MODELS if path not in MODELS or model.name[:2] < path.name[:2]}


def name(path):
    return f"{path.parent.name}/{path.name}"


def test_there_is_something_to_test():
    assert {"charges", "token_usage", "periods"} <= sources()
    assert len(MODELS) >= 10
    assert CHECKS
    assert REPORTS


def test_each_model_makes_a_table_of_its_own():
    tables = [table(model) for model in MODELS]
    assert len({*tables, *sources()}) == len(tables) + len(sources())
    assert len({model.name[:2] for model in MODELS}) == len(MODELS)


@pytest.mark.parametrize("path", [*MODELS, *CHECKS, *REPORTS], ids=name)
def test_it_is_portable(path):
    assert sql.lint(path.read_text("utf-8"), name(path), readable(path)) == []


@pytest.mark.parametrize("path", [*MODELS, *CHECKS, *REPORTS], ids=name)
def test_it_becomes_spark_text(path):
    text = sql.spark(path.read_text("utf-8"))
    assert text.startswith(("SELECT", "WITH", "("))
    assert not re.search(r"\$\w|\bRULES\(", text)


@pytest.mark.parametrize("path", MODELS, ids=name)
def test_a_model_is_short(path):
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODEL


@pytest.mark.parametrize("macro", sorted(sql._macros()))
def test_a_macro_is_portable(macro):
    _, body = sql._macros()[macro]
    query = f"-- What a macro stands for.\nSELECT {body.sql(dialect='duckdb')} AS answer"
    assert sql.lint(query, macro, set()) == []
    assert sql.spark(query)


def test_without_its_table_a_model_has_no_rows(ingested_quickstart):
    """What is not computed for want of rows would have had none; in the example each of them has some, but for what no pool of it does."""
    claims = [
        model for model in models.listed() if model.without and not model.into and model.name not in build.SCANNED
    ]
    with store.opened(ingested_quickstart / "costctl.duckdb", write=False) as ledger:
        build.bind(ledger)
        names = {model.name for model in models.listed()} - set(build.SCANNED)
        build.derive(ledger, date(2026, 9, 1), sorted(names))
        for model in claims:
            place = "temp" if model.without in names else "ledger"
            ledger.run(f"CREATE OR REPLACE TEMP TABLE nothing AS SELECT * FROM {place}.{model.without} LIMIT 0")
            text = models.qualified(model.text, names, build.tables(ledger))
            emptied = re.sub(rf"\b(FROM|JOIN) {place}\.{model.without}\b", r"\1 temp.nothing", text)
            assert emptied != text
            values = models.used(emptied, models.parameters(date(2026, 9, 1)))
            there = ledger.run(f"SELECT COUNT(*) FROM temp.{model.name}").rows != [(0,)]
            assert there or model.name in NOT_THERE
            assert ledger.run(emptied, values).rows == [], model.name
    assert len(claims) > 10


@pytest.mark.parametrize(
    "model", [model for model in models.listed() if model.name not in build.SCANNED], ids=lambda model: model.name
)
def test_what_is_kept_is_read_of_the_billing_period_only(model):
    """The ledger keeps the rows of all months; a read that does not say of which would mix them."""
    kept = [name for name in re.findall(r"\b(?:FROM|JOIN)\s+([a-z_]+)\b", model.text) if name in models.kept()]
    said = re.findall(r"\bbilling_period = (?:\$billing_period|[a-z]\.billing_period)", model.text)
    assert len(said) >= len(kept)
