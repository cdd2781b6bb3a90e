"""The error gallery: what a user can cause, and to the letter what costctl then says.

A case is a folder of tests/errors: its files, `command` (one line per step), `expected.txt` (stderr of all steps, the case's own
path left out) and `exit` (of the last step; those before it succeed). It starts from a small good ledger, which a refusal
leaves as it is. `setup.sql` is run on that ledger first; `hold` is the note of a run that holds its lock,
`reading` stands for somebody who reads it meanwhile, and `slow` for a case that the default suite leaves out. A new error is one
raise and one folder here; `pytest tests/test_errors.py --update-golden` writes what it says, and then somebody reads it.
"""

import fcntl
import re
import shlex
import shutil
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from costctl import __version__
from costctl.ledger import state, store

GALLERY = Path(__file__).with_name("errors")
CASES = sorted(path.parent.name for path in GALLERY.glob("*/command"))
SLOW = {path.parent.name for path in GALLERY.glob("*/slow")}
LEDGER = "costctl.duckdb"
CHANGED = ("0", "4")  # exits of commands that may change the ledger


@pytest.fixture(scope="session")
def good(tmp_path_factory, places):
    """A ledger with two charges of October 2026, and its fingerprint."""
    place = places()
    place.ingest(GALLERY / "_good" / "october.csv")
    return place.path, place.fingerprint()


@contextmanager
def held(ledger, note):
    """Hold a ledger's lock as another run would, or a reader, where a case asks for it."""
    read = note.with_name("reading")
    if not note.exists() and not read.exists():
        yield
        return
    with ledger.with_name(LEDGER + ".lock").open("w") as lock:
        if read.exists():
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(note.read_text())
        lock.flush()
        yield


def beside(ledger):
    """Return the names of the files that a ledger keeps beside it."""
    return sorted(str(path.relative_to(ledger.parent)) for path in ledger.parent.glob(LEDGER + ".*/**/*"))


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.slow if case in SLOW else ()) for case in CASES])
def test_the_message_and_the_exit_code(case, tmp_path, good, command, golden, update_golden, monkeypatch):
    folder = tmp_path / "case"
    shutil.copytree(GALLERY / case, folder)
    ledger = folder / LEDGER
    shutil.copy(good[0], ledger)
    shutil.copytree(f"{good[0]}.files", f"{ledger}.files")
    monkeypatch.chdir(folder)
    if (folder / "setup.sql").exists():
        with duckdb.connect(str(ledger)) as connection:
            connection.execute((folder / "setup.sql").read_text())
    before, kept = ledger.read_bytes(), beside(ledger)
    *first, last = (GALLERY / case / "command").read_text().splitlines()
    with held(ledger, folder / "hold"):
        said = [command(*shlex.split(step)) for step in first]
        assert [done.code for done in said] == [0] * len(first)
        if first:
            before, kept = ledger.read_bytes(), beside(ledger)
        said.append(command(*shlex.split(last)))
    text = "".join(done.err for done in said).replace(f"{folder}/", "").replace(str(folder), ".")
    assert "Traceback" not in text
    golden(GALLERY / case / "exit", f"{said[-1].code}\n")
    golden(GALLERY / case / "expected.txt", text.replace(f"costctl {__version__}", "costctl VERSION"))
    if str(said[-1].code) not in CHANGED:
        assert beside(ledger) == kept
        assert ledger.read_bytes() == before or fingerprint(ledger) == right(before, good, tmp_path)


def test_every_case_that_the_catalogue_names_is_there():
    named = set(
        re.findall(
            r"`([a-z0-9.-]+)`",
            (GALLERY / "README.md").read_text("utf-8").partition("| 40 |")[2].partition("Not shown")[0],
        )
    )
    assert len(named) > 30
    assert named <= set(CASES)


def fingerprint(ledger):
    with store.opened(ledger, write=False) as opened:
        return state.fingerprint(opened)


def right(content, good, folder):
    """Return the fingerprint of a ledger's bytes as they were."""
    if content == good[0].read_bytes():
        return good[1]
    copy = folder / "before.duckdb"
    copy.write_bytes(content)
    return fingerprint(copy)
