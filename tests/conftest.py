"""What the tests of the ledger share: a place with a ledger in it, and FOCUS bills written in a few words."""

import csv
import functools
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest
import typer
from hypothesis import HealthCheck, settings

from costctl import config, pipeline, rates, rebuild
from costctl.bills.deliveries import Wanted
from costctl.cli import boundary
from costctl.errors import CostctlError, InputRefused
from costctl.ledger import build, checks, ingest, state, store
from costctl.nouns import shifted
from costctl.rates import facts

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
USUAL = {"BillingCurrency": "USD", "ChargeCategory": "Usage", "ProviderName": "AWS", "BillingAccountId": "111"}


TOKENS_OF = """
    (SELECT map(list(q.token_class), list(q.tokens)) FROM ledger.token_quantity AS q
    WHERE (q.delivery_id, q.file_no, q.record_no, q.part_no) = (u.delivery_id, u.file_no, u.record_no, u.part_no))
"""  # of a record `u` of usage

SOURCES = """
    SELECT d.source, q.token_class, CAST(sum(q.tokens) AS BIGINT)
    FROM ledger.token_quantity AS q JOIN ledger.deliveries AS d USING (delivery_id) GROUP BY ALL ORDER BY ALL
"""


def charge(words):
    """Return a FOCUS row: `cost` fills all four costs, `day` the periods, `team` the tags; `-` and None are blank."""
    words = {name: None if value == "-" else value for name, value in words.items()}
    row = USUAL | dict.fromkeys(COSTS, words.pop("cost", "1"))
    day = date.fromisoformat(words.pop("day", "2026-10-03"))
    month = date.fromisoformat(words.pop("month", f"{day:%Y-%m}-01"))
    row |= {"BillingPeriodStart": f"{month}T00:00:00Z", "BillingPeriodEnd": f"{shifted(month, 1)}T00:00:00Z"}
    row |= {"ChargePeriodStart": f"{day}T00:00:00Z", "ChargePeriodEnd": f"{day + timedelta(days=1)}T00:00:00Z"}
    if team := words.pop("team", None):
        row["Tags"] = json.dumps({"team": team})
    return row | words


def table(text):
    """Return the rows of a table in words, its cells apart by two blanks or more."""
    header, *lines = [re.split(r"\s{2,}", line.strip()) for line in dedent(text).strip().splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]


THOROUGH = int(os.environ.get("THOROUGH", "1"))  # how many times as many examples; above 1 also every generated month


def examples(number):
    """Return the settings of a property: so many examples, and as many times as many as THOROUGH says."""
    return settings(max_examples=number * THOROUGH, deadline=None, suppress_health_check=list(HealthCheck))


def few(values, keep=1):
    """Return the values of a parameter, of which the default suite takes the first ones and `-m slow` the others."""
    return few_rows([(value,) for value in values], keep)


def few_rows(rows, keep=1):
    """Return the rows of several parameters likewise."""
    return [pytest.param(*row, marks=() if place < keep else pytest.mark.slow) for place, row in enumerate(rows)]


@contextmanager
def as_started(words):
    """Have these words be the command line; what a run sets in the environment goes with it."""
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["costctl", *map(str, words)])
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


BLANK = "unconfigured.duckdb"  # an empty ledger where nothing is configured


def begin(run, blanks):
    """Have a ledger that is not there yet start as a copy of an empty one, from the second time on of one of its configuration."""
    if run.place.exists():
        return
    blank = blanks / f"{run.config.fingerprint()}.duckdb"
    met = blank.with_suffix(".met")
    if met.exists() and not blank.exists():
        shutil.copy(blanks / BLANK, blank)
        with suppress(CostctlError), pipeline.writing(pipeline.Run(run.config, blank)):
            pass  # a card that is refused is refused again where the ledger is used
    met.touch()
    shutil.copy(blank if blank.exists() else blanks / BLANK, run.place)


@functools.cache
def asking():
    """Return the one connection of this process that queries of tests go through."""
    return duckdb.connect()


class Place:
    """A folder with a ledger, and the few things one does with it."""

    def __init__(self, home, blanks):
        self.home, self.blanks, self.path = home, blanks, home / "costctl.duckdb"

    def copy(self, other):
        """Have all that another place has: its files, its ledger and the archive beside it."""
        shutil.copytree(other.home, self.home, dirs_exist_ok=True)
        return self

    @property
    def run(self):
        named = self.home / config.NAME
        return pipeline.Run(config.load(named) if named.exists() else config.Config(), self.path, wait=0.2)

    def write(self, name, text):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def bill(self, name, rows):
        """Write a FOCUS CSV from rows, or from a table in words."""
        charges = [charge(row) for row in (table(rows) if isinstance(rows, str) else rows)]
        out = io.StringIO()
        writer = csv.DictWriter(out, list(dict.fromkeys(key for row in charges for key in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(charges)
        return self.write(name, out.getvalue())

    def ingest(self, *names, source=None, form=None, dataset=None, **options):
        """Take files in by name, as `costctl ingest` does; a ledger that is not there yet starts as a copy of an empty one."""
        run = self.run
        begin(run, self.blanks)
        paths = [name if isinstance(name, Path) else self.home / name for name in names]
        wanted = [Wanted(path, source, form, dataset=dataset) for path in paths]
        return pipeline.take_in(run, wanted, **options)

    def october(self, bill, tokens=None, time=None):
        """Take in a bill of October, token counts and chip time, the last two as text; every check holds afterwards."""
        self.bill("october.csv", bill)
        counted = {name: text for name, text in (("tokens.csv", tokens), ("time.csv", time)) if text}
        for name, text in counted.items():
            self.write(name, text)
        self.ingest("october.csv", *counted)
        assert self.broken() == []

    def owed(self, columns, where="TRUE", cost="EffectiveCost"):
        """Return what each of some columns of postings comes to, in the shortest digits."""
        rows = self.ask(f"SELECT {columns}, sum({cost}) FROM ledger.postings WHERE {where} GROUP BY ALL ORDER BY ALL")
        return {row[:-1] if len(row) > 2 else row[0]: f"{Decimal(row[-1]).normalize():f}" for row in rows}

    def take(self, files, forms=None, **options):
        """Take in files by the name of their source, in one command: of those that are refused each is named, and the others are there."""
        run, forms = self.run, forms or {}
        begin(run, self.blanks)
        wanted = [Wanted(self.home / name, source, forms.get(source)) for source, name in files.items()]
        return pipeline.take_in(run, wanted, **options)

    def refused(self, files, forms=None):
        """Take in files of which each is refused by itself; return what is said of each, by the name of its source."""
        with pytest.raises(InputRefused) as refused:
            self.take(files, forms)
        told = refused.value.text().split("\n  also ")  # as `together` puts them
        return {source: " ".join(part for part in told if f"/{name}" in part) for source, name in files.items()}

    def records(self, *columns):
        """Return the records of usage in the order in which they stand: their tokens by class, and what they say in these columns."""
        said = ", ".join([TOKENS_OF, *columns])
        rows = self.ask(f"SELECT {said} FROM ledger.token_usage AS u ORDER BY source, file_no, record_no, part_no")
        return [(tokens or {}, *others) for tokens, *others in rows]

    def by_source(self):
        """Return the tokens of each source, by their class."""
        found = defaultdict(dict)
        for source, name, tokens in self.ask(SOURCES):
            found[source][name] = tokens
        return dict(found)

    @contextmanager
    def opened(self):
        with store.opened(self.path, write=False) as ledger:
            yield ledger

    def ask(self, query):
        """Answer a query; to attach a ledger takes a fifth of the time that a connection of its own does."""
        connection, path = asking(), str(self.path).replace("'", "''")
        connection.execute(f"ATTACH '{path}' AS asked (READ_ONLY)")
        try:
            connection.execute("USE asked")
            return connection.execute(query).fetchall()
        finally:
            connection.execute("USE memory")
            connection.execute("DETACH asked")

    def fingerprint(self):
        with self.opened() as ledger:
            return state.fingerprint(ledger)

    def broken(self):
        """Return the names of the checks that find something."""
        with self.opened() as ledger:
            return sorted(checks.failing(ledger))

    def change(self, statement):
        """Change the ledger's file behind costctl's back; return how many rows that touched."""
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(statement).fetchone()[0]

    def costctl(self, *words):
        """Run the program in this process, in this folder; return what a process of its own would have come to."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
        with (
            as_started(words),
            pytest.MonkeyPatch.context() as patch,
            chdir(self.home),
            Path(os.devnull).open() as nothing,
        ):
            for name, stream in {"stdin": nothing, "stdout": out, "stderr": err}.items():
                patch.setattr(sys, name, stream)
            for name in [name for name in os.environ if name.startswith("COSTCTL_")]:
                del os.environ[name]
            code = boundary.guarded()
        said = [(stream.flush(), stream.buffer.getvalue().decode())[1] for stream in (out, err)]
        return subprocess.CompletedProcess(words, code, *said)

    def process(self, *words, **environment):
        """Run the program in a process of its own, in this folder: to kill it, or where the process itself matters."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COSTCTL_")}
        return subprocess.run(
            [sys.executable, "-m", "costctl", *map(str, words)],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.home,
            env=clean | environment,
            stdin=subprocess.DEVNULL,
        )


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write what is computed over the golden files")


@pytest.fixture
def update_golden(request):
    """Whether to write the goldens anew instead of comparing with them."""
    return request.config.getoption("--update-golden")


def shared(read):
    """Have the sheets under rates/ read once; each time they are given out with values of their own, which a reader may change."""
    ours, once_read = rates.home(), functools.cache(read)

    def sheet(home, path):
        if home != ours:
            return read(home, path)
        kept = once_read(home, path)
        rows = [replace(row, values=dict(row.values)) for row in kept.rows]
        return replace(kept, rows=rows, problems=list(kept.problems))

    return sheet


def sealed(fingerprint):
    """Have the fingerprint of what is under rates/ computed once."""
    ours, once_computed = rates.home(), functools.cache(fingerprint)
    return lambda cards=(): fingerprint(cards) if cards or rates.home() != ours else once_computed()


@pytest.fixture(scope="session", autouse=True)
def once():
    """Read the shipped rates, put the command line together and part our SQL, once in a process instead of at every command."""
    whole, once_read, once_made = rates.read, functools.cache(rates.read), functools.cache(typer.main.get_command)
    once_parted = functools.cache(store.statements)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "read", lambda cards=(): whole(cards) if cards else dict(once_read()))
        patch.setattr(rates, "fingerprint", sealed(rates.fingerprint))
        patch.setattr(facts, "_shipped", shared(facts._shipped))
        patch.setattr(typer.main, "get_command", once_made)
        for module in (store, build):
            patch.setattr(module, "statements", once_parted)
        yield


@pytest.fixture(scope="session")
def blanks(tmp_path_factory):
    """A folder of empty ledgers, one per configuration that is met again: reading all rates takes longer than most tests."""
    folder = tmp_path_factory.mktemp("blanks")
    with pipeline.writing(pipeline.Run(config.Config(), folder / BLANK)):
        pass
    return folder


@contextmanager
def without_postings():
    """Let ingest and rebuild end with charges and their groups."""

    def ending(whole):
        def ended(*args, **kwargs):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(pipeline, "allocate", lambda *_: None)
                return whole(*args, **kwargs)

        return ended

    def broken(place):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipeline, "check", lambda *_, **__: None)  # they are asked here, which gives their names
            with pipeline.reading(place.run) as (ledger, _):
                return sorted(checks.failing(ledger))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "take_in", ending(pipeline.take_in))
        patch.setattr(rebuild, "rebuild", ending(rebuild.rebuild))
        patch.setattr(Place, "broken", broken)
        yield


@pytest.fixture
def unposted():
    """Let both end there: for tests of bills. Whoever reports or checks has them posted first."""
    with without_postings():
        yield


@pytest.fixture
def begun(blanks, monkeypatch):
    """Have the ledger of a first command, and that of a rebuild, start as a copy of an empty one, as those of a place do."""
    whole = pipeline.writing

    def writing(run, archive=None):
        begin(run, blanks)
        return whole(run, archive)

    monkeypatch.setattr(pipeline, "writing", writing)


@pytest.fixture
def place(tmp_path, blanks):
    return Place(tmp_path, blanks)


@pytest.fixture(scope="session")
def places(tmp_path_factory, blanks):
    """Make a fresh place at each call, for the examples of a property."""
    return lambda: Place(tmp_path_factory.mktemp("place"), blanks)


@pytest.fixture(params=few(["quick", "recording"]))
def way(request, monkeypatch):
    """Have deliveries read in one of the two ways, and in no other."""
    closed = {"quick": "_recorded", "recording": "_fast"}[request.param]
    monkeypatch.setattr(ingest, closed, lambda *_, **__: pytest.fail("was read the other way"))
    if request.param == "recording":
        monkeypatch.setattr(ingest, "_is_usual", lambda _: False)


@pytest.fixture
def golden(update_golden):
    """Compare a text with the golden file at a path, or write it there under --update-golden."""

    def compare(path, text):
        if update_golden:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        assert path.is_file(), f"{path} is missing; --update-golden writes it"
        assert text == path.read_bytes().decode()

    return compare


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys):
    """Run `costctl` with these words in this process, where monkeypatch.chdir has led."""

    def run(*words):
        capsys.readouterr()
        with as_started(words):
            os.environ.pop("COSTCTL_LEDGER", None)
            code = boundary.guarded()
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def ingested_quickstart(tmp_path_factory):
    """The quickstart with its ledger, made once in a worker and only read."""
    folder = tmp_path_factory.mktemp("ingested") / "quickstart"
    shutil.copytree(QUICKSTART, folder, ignore=shutil.ignore_patterns("__pycache__", "*.duckdb*"))
    run = pipeline.Run(config.load(folder / config.NAME))
    pipeline.take_in(run, pipeline.wanted(run, [], None, None))
    return folder


@pytest.fixture
def quickstart(ingested_quickstart, tmp_path, monkeypatch):
    """A copy of the ingested quickstart of a test's own, and the folder it runs in."""
    folder = tmp_path / "quickstart"
    shutil.copytree(ingested_quickstart, folder)
    monkeypatch.chdir(folder)
    return folder
