"""The ledger made again from its sources: every delivery replayed in its order, compared, and put in the old one's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from costctl import formats, pipeline
from costctl.errors import DoesNotReconcile, UsageError
from costctl.ledger import ingest, own, replay, state, store
from costctl.ledger.ingest import Settings
from costctl.ledger.replay import Recorded
from costctl.ledger.store import Ledger
from costctl.nouns import Format, Outcome, Progress
from costctl.pipeline import Run

SHOWN_TOTALS = 5
TOTALS = (
    "SELECT source || ' ' || strftime(billing_period, '%Y-%m') || ' ' || BillingCurrency, sum(BilledCost), sum(EffectiveCost) "
    "FROM ledger.charges GROUP BY ALL ORDER BY 1"
)
Totals = dict[str, tuple[Decimal | None, Decimal | None]]


@dataclass(frozen=True)
class Rebuilt:
    """What came of it: how much was replayed, the fingerprint, what changed and why."""

    deliveries: int
    fingerprint: str
    changed: tuple[str, ...]  # formats whose definition is another one now
    differences: tuple[str, ...]
    forgotten: tuple[str, ...]  # superseded deliveries whose bytes are gone


@dataclass(frozen=True)
class _Content:
    """What a ledger holds, to be compared."""

    parts: dict[str, str]
    totals: Totals
    fingerprint: str


def rebuild(run: Run, *, accept: bool, watched: Callable[[int], Progress]) -> Rebuilt:
    """Make the ledger again from its sources; the old file stays in its place until the new one is whole and agrees.

    Raises StorageFault where a source is gone or changed, DoesNotReconcile where the same definitions give another content and that
    is not accepted. `watched` takes the number of bytes to read and returns the function that is told of their progress.
    """
    if not run.place.exists():
        raise UsageError(str(run.place), "there is no ledger here", remedy="costctl ingest PATH makes one.")
    with pipeline.writing(run) as old:
        with suppress(DoesNotReconcile):  # a content that breaks a check is a reason to rebuild
            pipeline.allocate(old, run)
        items, before = replay.recorded(old), _content(old)
        found = [(item, replay.places(old, item)) for item in items]
        at = [(item, places) for item, places in found if places is not None]
        heir = store.rebuilt(run.place.absolute())
        told = watched(sum(item.bytes for item, _ in at))
        new = replace(run, ledger=heir, progress=told, estimates=bool(own.vouched(old)))
        known = pipeline.known(run.config)
        after = _made(new, old, at, known)
        changed = sorted({item.format for item, _ in at if item.definition != known[item.format].fingerprint})
        differences = _differences(before, after)
        if differences and not changed and not accept:
            raise _differs(differences)
        old.heir = heir
    gone = {
        item.delivery_id: f"{item.source} ({item.format}), {item.files[0].name}"
        for item, places in found
        if places is None
    }
    again = {item.delivery_id for item, _ in at}
    return Rebuilt(len(again), after.fingerprint, tuple(changed), tuple(differences), tuple(gone.values()))


def _made(run: Run, old: Ledger, at: Sequence[tuple[Recorded, list[Path]]], known: dict[str, Format]) -> _Content:
    """Replay intakes into a new ledger; return what it holds."""
    with pipeline.writing(run, archive=old.archive) as new:
        settings = pipeline.settings(new, run)
        for item, places in at:
            _replay(new, item, places, known, settings)
        replay.copy_evidence(old, new)
        own.vouch(new, own.vouching(old))  # of rows that only the configuration allows nobody allowed more
        pipeline.allocate(new, run)
        return _content(new)


def _replay(
    ledger: Ledger, item: Recorded, places: list[Path], known: dict[str, Format], settings: Settings
) -> Outcome:
    """Take one delivery in as it was taken in then: with its decision, and as many records set aside at most."""
    then = replace(
        settings,
        replayed=item.standing,
        decision=item.decision,
        quarantine_rows=max(item.aside, settings.quarantine_rows),
        paths={file.sha256: file.path for file in item.files if file.path},
    )
    return ingest.load(ledger, replay.delivered(item, places, known, formats.inspect_as), then)


def _content(ledger: Ledger) -> _Content:
    totals = {name: (billed, effective) for name, billed, effective in ledger.run(TOTALS).rows}
    parts = dict(state.parts(ledger))  # hashed once: they are the whole ledger
    return _Content(parts, totals, state.fingerprint_of(parts.items()))


def _differences(before: _Content, after: _Content) -> list[str]:
    """Name the months whose costs differ, then the tables that do."""
    months = [
        name for name in sorted({*before.totals, *after.totals}) if before.totals.get(name) != after.totals.get(name)
    ]
    lines = [
        f"{name}: was {_told(before.totals.get(name))}, is {_told(after.totals.get(name))}"
        for name in months[:SHOWN_TOTALS]
    ]
    more = [f"and {len(months) - SHOWN_TOTALS} months more"] if len(months) > SHOWN_TOTALS else []
    tables = [table for table, part in after.parts.items() if before.parts.get(table) != part]
    return [*lines, *more, *([f"tables that differ: {', '.join(tables)}"] if tables else [])]


def _told(costs: tuple[Decimal | None, Decimal | None] | None) -> str:
    if costs is None:
        return "not there"
    billed, effective = (f"{cost.normalize():f}" if cost is not None else "unknown" for cost in costs)
    return f"billed {billed}, effective {effective}"


def _differs(differences: list[str]) -> DoesNotReconcile:
    return DoesNotReconcile(
        "rebuild",
        "the sources give another content than the ledger has, under the same definitions; the ledger is as it was",
        evidence=differences,
        remedy="The ledger was changed by other means, or costctl was. If the sources are right: costctl rebuild --accept.",
    )
