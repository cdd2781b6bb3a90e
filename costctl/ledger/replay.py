"""The deliveries of a ledger as they were taken in, so that they can be taken in again: their files, decisions and order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from costctl.errors import StorageFault, UsageError
from costctl.ledger.sources import Source
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Format, InputFile

SENT = "sent "  # how a delivery's own time of making stands in delivery_periods.version
RECORDED = """
    SELECT
        d.delivery_id, d.source, d.scope, d.dataset, d.format, d.definition, d.manifest, d.decision, v.version, COALESCE(v.live, TRUE) AS live,
        u.role, CAST(COALESCE(f.aside, 0) AS INTEGER) AS aside
    FROM ledger.deliveries AS d
    LEFT JOIN (SELECT delivery_id, min(version) AS version, bool_or(live) AS live FROM ledger.delivery_periods GROUP BY 1) AS v USING (delivery_id)
    LEFT JOIN (SELECT delivery_id, min(evidence_role) AS role FROM ledger.token_usage GROUP BY 1) AS u USING (delivery_id)
    LEFT JOIN (SELECT delivery_id, sum(quarantined) AS aside FROM ledger.delivery_files GROUP BY 1) AS f USING (delivery_id)
    ORDER BY d.seq
"""
FILES = "SELECT name, sha256, bytes, path FROM ledger.delivery_files WHERE delivery_id = $id ORDER BY file_no"


@dataclass(frozen=True)
class Recorded:
    """A delivery as the ledger has it: what it was said to be, what was decided about it, whether it still speaks for a period."""

    delivery_id: str
    source: str
    scope: str
    dataset: str
    format: str
    definition: str
    manifest: str | None
    decision: str | None
    version: str | None
    live: bool
    role: str | None
    aside: int
    files: tuple[Source, ...] = ()

    @property
    def bytes(self) -> int:
        """Return how much there is to read."""
        return sum(file.bytes for file in self.files)


def recorded(ledger: Ledger) -> list[Recorded]:
    """Return the ledger's deliveries in the order in which they were taken in."""
    found = [Recorded(*row) for row in ledger.run(RECORDED).rows]
    return [
        replace(item, files=tuple(Source(*row) for row in ledger.run(FILES, {"id": item.delivery_id}).rows))
        for item in found
    ]


def places(ledger: Ledger, item: Recorded) -> list[Path] | None:
    """Return where a delivery's bytes are, each file's hash verified; None where they are gone and nothing in force needs them."""
    try:
        return [file.bytes_at(ledger) for file in item.files]
    except StorageFault:
        if item.live:
            raise
        return None


def delivered(
    item: Recorded, at: list[Path], known: dict[str, Format], inspect: Callable[[Path, str], InputFile]
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
        files=tuple(inspect(place, file.name) for place, file in zip(at, item.files, strict=True)),
        manifest=item.manifest,
        version=item.version.removeprefix(SENT) if item.version and item.version.startswith(SENT) else None,
        kind=_kind(item),
        role=item.role,
    )


def _kind(item: Recorded) -> str:
    """Return of which kind a delivery was, as far as it matters to take it in again: its version says what evidence it had."""
    if item.manifest is not None:
        return "aws_manifest"
    if item.version is None:
        return "files"
    return "invoice_month" if item.version.startswith(SENT) else "month_to_date"
