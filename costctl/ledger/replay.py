"""The deliveries of a ledger as they were taken in, so that they can be taken in again: their files, decisions and order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from costctl.errors import StorageFault, UsageError
from costctl.ledger import replaced
from costctl.ledger.intake import Standing
from costctl.ledger.sources import Source
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Format, InputFile

RECORDED = """
    SELECT
        i.seq, i.delivery_id, d.source, d.scope, d.dataset, d.format, d.definition, d.manifest, d.delivered, i.decision, d.decision AS stands,
        COALESCE(v.live, TRUE) AS live, u.role, CAST(COALESCE(f.aside, 0) AS INTEGER) AS aside
    FROM ledger.intakes AS i
    JOIN ledger.deliveries AS d USING (delivery_id)
    LEFT JOIN (SELECT delivery_id, bool_or(live) AS live FROM ledger.delivery_periods GROUP BY 1) AS v USING (delivery_id)
    LEFT JOIN (SELECT delivery_id, min(evidence_role) AS role FROM ledger.token_usage GROUP BY 1) AS u USING (delivery_id)
    LEFT JOIN (SELECT delivery_id, sum(quarantined) AS aside FROM ledger.delivery_files GROUP BY 1) AS f USING (delivery_id)
    ORDER BY i.seq
"""
FILES = "SELECT name, sha256, bytes, path, way FROM ledger.delivery_files WHERE delivery_id = $id ORDER BY file_no"
PERIODS = "SELECT period FROM ledger.delivery_periods WHERE delivery_id = $id"
TAKEN = "SELECT period, delivery_id FROM ledger.takeovers WHERE seq = $seq"


@dataclass(frozen=True)
class Recorded:
    """An intake as the ledger has it: of which delivery, what was decided then, whether the delivery still speaks for a period."""

    seq: int
    delivery_id: str
    source: str
    scope: str
    dataset: str
    format: str
    definition: str
    manifest: str | None
    delivered: str
    decision: str | None
    stands: str | None  # the decision on the delivery, by its last intake or since
    live: bool
    role: str | None
    aside: int
    files: tuple[Source, ...] = ()
    standing: Standing | None = None

    @property
    def bytes(self) -> int:
        """Return how much there is to read."""
        return sum(file.bytes for file in self.files)


def recorded(ledger: Ledger) -> list[Recorded]:
    """Return the ledger's intakes in their order."""
    return [_whole(ledger, Recorded(*row)) for row in ledger.run(RECORDED).rows]


def _whole(ledger: Ledger, item: Recorded) -> Recorded:
    """Add an intake's files, and what stands of it."""
    values = {"id": item.delivery_id}
    taken: dict[date, set[str]] = {period: set() for (period,) in ledger.run(PERIODS, values).rows}
    for period, other in ledger.run(TAKEN, {"seq": item.seq}).rows:
        taken.setdefault(period, set()).add(other)  # by another definition it may have had other periods
    by_period = {period: frozenset(others) for period, others in taken.items()}
    left_out = replaced.stays_out(ledger, item.delivery_id)
    files = tuple(Source(*row) for row in ledger.run(FILES, values).rows)
    return replace(item, files=files, standing=Standing(item.seq, item.stands, by_period, left_out))


def copy_evidence(old: Ledger, new: Ledger) -> None:
    """Bring over what no source says any more: when each version was made, and which files the user had replaced."""
    versions = old.run("SELECT delivery_id, period, version FROM ledger.delivery_periods").rows
    files = old.run("SELECT source, scope, dataset, period, sha256 FROM ledger.replaced_files").rows
    with new.transaction():
        new.replace("ledger.replaced_files", files)
        new.run("CREATE TEMP TABLE versions (delivery_id VARCHAR, period DATE, version VARCHAR)")
        new.insert("temp.versions", versions)
        new.run(
            "UPDATE ledger.delivery_periods AS p SET version = v.version FROM temp.versions AS v "
            "WHERE v.delivery_id = p.delivery_id AND v.period = p.period"
        )


def places(ledger: Ledger, item: Recorded) -> list[Path] | None:
    """Return where a delivery's bytes are, each file's hash verified; None where they are gone and nothing in force needs them."""
    try:
        return [file.bytes_at(ledger) for file in item.files]
    except StorageFault:
        if item.live:
            raise
        return None


def delivered(
    item: Recorded, at: list[Path], known: dict[str, Format], inspect: Callable[[Path, str, Format], InputFile]
) -> Delivery:
    """Return a recorded delivery as if it had just arrived."""
    if item.format not in known:
        remedy = "Use the costctl or the configuration that has it."
        raise UsageError("rebuild", f"there is no format {item.format} any more", evidence=item.source, remedy=remedy)
    return Delivery(
        source=item.source,
        scope=item.scope,
        dataset=item.dataset,
        format=known[item.format],
        files=tuple(inspect(place, file.name, known[item.format]) for place, file in zip(at, item.files, strict=True)),
        manifest=item.manifest,
        kind=item.delivered,
        role=item.role,
    )
