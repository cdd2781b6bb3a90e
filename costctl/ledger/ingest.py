"""Take one delivery in: freeze its bytes, load it in one transaction, by the fast path or by the recording one."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

from costctl.errors import InputRefused
from costctl.files import delimited
from costctl.files.faulting import fault
from costctl.ledger import (
    archive,
    aside,
    charges,
    faults,
    gates,
    pace,
    pipes,
    problems,
    records,
    recounts,
    repeated,
    roundings,
    settle,
    staging,
)
from costctl.ledger.faults import GateFired
from costctl.ledger.intake import Excluded, Intake, Recount, Settings, Superseded
from costctl.ledger.records import Reading
from costctl.ledger.staging import Staged
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Format, Outcome, Progress

__all__ = ["Settings", "load"]

BESIDE = 4  # readers that one statement has beside each other: a CSV is read by one thread
OF_DELIVERY = (
    "charges",
    "token_usage",
    "token_quantity",
    "counter_samples",
    "counter_gaps",
    "accelerator_usage",
    "accelerator_gauges",
    "outdone_token_usage",
    "outdone_token_quantity",
    "outdone_accelerator_usage",
    "deliveries",
    "delivery_files",
    "delivery_periods",
    "delivery_totals",
    "quarantine",
    "quarantine_costs",
    "exclusions",
    "roundings",
)


def load(ledger: Ledger, delivery: Delivery, settings: Settings) -> Outcome:
    """Take one delivery into the ledger, or raise InputRefused and leave the ledger as it was.

    The same content under the same format definition is nothing to do; an older version is skipped.
    """
    delivery = repeated.new_of(ledger, archive.hashed(delivery), settings)
    if delivery.format.across and settings.archive == "none":
        settings = replace(settings, archive="copy")  # its months are read again when more of them comes
    intake = Intake(delivery, _identity(delivery), settings, _readings(ledger, delivery, settings))
    settings.together.add(intake.identity)
    standing = settings.replayed
    if standing is None:
        known = repeated.known(ledger, intake)
        if done := repeated.outcome(ledger, intake, known):
            return done
        standing = repeated.standing(ledger, intake, known)
    intake = replace(intake, standing=standing)
    repeated.refuse_elsewhere(ledger, intake)
    try:
        with archive.kept(ledger, intake):
            fault("archived")
            return _loaded(ledger, intake)
    except Superseded as older:
        return intake.outcome("older, skipped", notes=(str(older),))
    except InputRefused as error:
        raise intake.named(error) from error


def _identity(delivery: Delivery) -> str:
    parts = [delivery.source, delivery.scope, delivery.dataset, *sorted(file.identity for file in delivery.files)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _readings(ledger: Ledger, delivery: Delivery, settings: Settings) -> list[Reading]:
    places = [ledger.archive / file.sha256 if settings.archive != "none" else file.path for file in delivery.files]
    dataset = delivery.dataset if delivery.format.datasets else None
    return [
        Reading(number, file, places[number - 1], settings.columns_of(delivery.format, file), dataset)
        for number, file in enumerate(delivery.files, start=1)
    ]


def _loaded(ledger: Ledger, intake: Intake) -> Outcome:
    """Load by the fast path; when a gate fires, a count differs or DuckDB stumbles, by the recording path.

    Where a binary float of too many decimals stands in the way, the fast path goes again and rounds.
    """
    for rounding in (False, True) if all(map(_is_usual, intake.readings)) else ():
        try:
            with pace.taken_back(intake.settings.progress) as progress:
                attempt = replace(intake, readings=recounts.unread(intake.readings))
                return _fast(ledger, attempt, progress, rounding=rounding)
        except GateFired as fired:
            if fired.gate not in gates.ROUNDED:
                break
        except Recount:
            break
        except Exception as error:
            if not faults.is_of_input(error):
                raise
            break
    return _recorded(ledger, intake)


def _is_usual(reading: Reading) -> bool:
    """DuckDB takes a file whose lines end in a lone CR for one header."""
    return reading.file.content != "csv" or delimited.line_end(reading.bytes_at) != "\r"


@contextmanager
def _spool(ledger: Ledger) -> Iterator[Path]:
    """Yield a folder for pipes and staged files, inside what the connection may read."""
    ledger.spool.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ledger.spool) as folder:
        yield Path(folder)


def _fast(ledger: Ledger, intake: Intake, progress: Progress, *, rounding: bool) -> Outcome:
    gates.bind(ledger, intake.delivery.format, raising=True, rounding=rounding)
    readings, delivery = intake.readings, intake.delivery
    with _spool(ledger) as folder, ledger.transaction():
        _clear(ledger, intake)
        with pipes.piped(readings, folder, progress) as places:
            excluded, rounded = list[Excluded](), list[roundings.Rounding]()
            for part in _parts(readings, delivery.format):
                relation = f"({records.relation(part, delivery.format, places, raising=True)})"
                unpiped = [reading for reading in part if reading.file.content != "csv"]
                size, rows = sum(reading.file.bytes for reading in unpiped), records.foretold(unpiped)
                with pace.told(ledger, size, rows, progress):
                    excluded += charges.write(ledger, delivery, intake.identity, relation)
                types = records.types_of(part, delivery.format)
                rounded += roundings.of_doubles(ledger, delivery.format, types, relation)
                if rounding:
                    rounded += recounts.rounded(ledger, part, delivery.format, folder)
        fault("written")
        counts = {reading.file_no: records.counted(reading) for reading in readings}
        if any(reading.count.odd or reading.has_long_number for reading in readings):
            raise Recount
        ledger.insert("ledger.roundings", [(intake.identity, *row) for row in rounded])
        if delivery.format.exclusions and settle.kept(ledger, intake) != counts:
            excluded += recounts.left_out(ledger, intake.readings, delivery.format, folder)
        outcome = settle.account(
            ledger, intake, counts, {}, excluded, lambda at: charges.again(ledger, intake, at, folder, raising=True)
        )
        archive.verify(intake)
    return replace(outcome, notes=(*outcome.notes, *roundings.notes(rounded)))


def _parts(readings: list[Reading], item: Format) -> list[list[Reading]]:
    """Return the files a few readers at a time: while one statement inserts, each reader holds rows of its own in memory."""
    alike = records.alike(readings)
    step = len(alike) if item.across else BESIDE
    return [list(chain(*alike[start : start + step])) for start in range(0, len(alike), step)]


def _recorded(ledger: Ledger, intake: Intake) -> Outcome:
    """Stage outside the transaction, name what is bad, ask the policy, load the rest."""
    gates.bind(ledger, intake.delivery.format, raising=False)
    with _spool(ledger) as folder:
        staged = staging.stage(ledger, intake.readings, intake.delivery.format, folder)
        fault("staged")
        size = sum(reading.file.bytes for reading in intake.readings)
        intake.settings.progress(size, sum(staged.counts.values()))
        bad, allowed = problems.bad(ledger), intake.settings.quarantine_rows
        if sum(bad.values()) > allowed:
            raise problems.refusal(ledger, intake.delivery.format, intake.readings, allowed)
        aside.read(ledger, intake.delivery.format)
        return _taken_in(ledger, intake, staged, bad, folder)


def _taken_in(ledger: Ledger, intake: Intake, staged: Staged, bad: dict[int, int], folder: Path) -> Outcome:
    """Write the staged records, and what was wrong with the others; name the record that stands in the way."""
    try:
        with ledger.transaction():
            _clear(ledger, intake)
            excluded = charges.write(ledger, intake.delivery, intake.identity, "(SELECT * FROM temp.records)")
            problems.quarantine(ledger, intake.identity, intake.readings)
            aside.write(ledger, intake.identity)
            rounded = roundings.of_texts(ledger, intake.delivery.format, {}, "temp.records")
            ledger.insert("ledger.roundings", [(intake.identity, *row) for row in rounded])
            outcome = settle.account(
                ledger,
                intake,
                staged.counts,
                bad,
                [*staged.excluded, *excluded],
                lambda at: charges.again(ledger, intake, at, folder, raising=False),
            )
            archive.verify(intake)
    except Recount as error:
        remedy = "This is a defect of costctl: please report it with the file's header."
        raise InputRefused(intake.delivery.files[0].name, str(error), remedy=remedy) from error
    except Exception as error:
        if not faults.is_of_input(error):
            raise
        raise _culprit(ledger, intake, staged.counts, error) from error
    return replace(outcome, notes=(*outcome.notes, *roundings.notes(rounded)))


def _culprit(ledger: Ledger, intake: Intake, counts: dict[int, int], error: Exception) -> InputRefused:
    """Name the record that DuckDB does not take; where no single one fails, the files."""
    reading, number, last = problems.culprit(intake.readings, counts, lambda part: _tried(ledger, intake, part))
    if reading is None or last is None:
        names = ", ".join(file.name for file in intake.delivery.files)
        what = "cannot be taken in: no single record is at fault"
        if "Overflow" in str(error):
            what = "adds up to more than an amount can hold (20 digits before the point)"
        return faults.refused_record(error, names, what)
    return faults.refused_record(last, problems.place_of(reading, number), "this record cannot be taken in")


def _tried(ledger: Ledger, intake: Intake, condition: str) -> Exception | None:
    """Load the records that meet a condition, and undo it; return what went wrong."""
    ledger.run("BEGIN")
    try:
        _clear(ledger, intake)
        charges.write(ledger, intake.delivery, intake.identity, f"(SELECT * FROM temp.records AS r WHERE {condition})")
    except Exception as error:  # noqa: BLE001  it is the answer
        return error
    finally:
        ledger.run("ROLLBACK")
    return None


def _clear(ledger: Ledger, intake: Intake) -> None:
    """Remove what an earlier attempt or definition of the same content left."""
    for table in OF_DELIVERY:
        if table == "delivery_totals" and intake.refreshed:
            continue  # of months that it lost they are history, of the others they are written anew
        ledger.run(f"DELETE FROM ledger.{table} WHERE delivery_id = $id", {"id": intake.identity})
    fault("cleared")
