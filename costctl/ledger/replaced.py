"""Files that the user had replaced by others: when they come again among more files, they stay out of the periods they lost."""

from __future__ import annotations

from datetime import date

from costctl.ledger import charges
from costctl.ledger.intake import REPLACED, Excluded, Intake
from costctl.ledger.store import Ledger

MINE = "source = $source AND scope = $scope AND dataset = $dataset"


def write_down(ledger: Ledger, intake: Intake, period: object, files: set[str]) -> None:
    """Remember which files lost a period to a delivery that replaces, and that its own files have it again."""
    key = intake.delivery.key
    own = {file.sha256 for file in intake.delivery.files}
    ledger.run(
        f"DELETE FROM ledger.replaced_files WHERE {MINE} AND period = $period AND list_contains($files, sha256)",
        key | {"period": period, "files": [*own, *files]},
    )
    if intake.settings.decision == "replace":
        ledger.insert("ledger.replaced_files", [(*key.values(), period, sha256) for sha256 in sorted(files - own)])


def leave_out(ledger: Ledger, intake: Intake) -> list[Excluded]:
    """Take what was replaced before out of files that come without a decision; return it for the row accounting."""
    lost = intake.standing.left_out if intake.standing else _lost(ledger, intake)
    return [left for number, period in sorted(lost) for left in _taken_out(ledger, intake, number, period)]


def _lost(ledger: Ledger, intake: Intake) -> set[tuple[int, date]]:
    """Return which files, by number, lost which periods; what tells its version by itself is judged by that."""
    delivery = intake.delivery
    if delivery.manifest is not None or delivery.to_date or intake.settings.decision is not None:
        return set()
    found = ledger.run(f"SELECT sha256, period FROM ledger.replaced_files WHERE {MINE}", delivery.key).rows
    numbers = {file.sha256: number for number, file in enumerate(delivery.files, start=1)}
    return {(numbers[sha256], period) for sha256, period in found if sha256 in numbers}


def stays_out(ledger: Ledger, identity: str) -> frozenset[tuple[int, date]]:
    """Return the files of a delivery, by number, and the periods in which they are left out."""
    query = "SELECT file_no, billing_period FROM ledger.exclusions WHERE delivery_id = $id AND rule = $rule"
    return frozenset((row[0], row[1]) for row in ledger.run(query, {"id": identity, "rule": REPLACED}).rows)


def _taken_out(ledger: Ledger, intake: Intake, number: int, period: date) -> list[Excluded]:
    """Remove what one file says about a period; return how many records that were."""
    item = intake.delivery.format
    records = ledger.value(
        f"SELECT count(DISTINCT record_no) FROM ledger.{item.target} WHERE delivery_id = $id AND file_no = $number AND {charges.period_of(item)} = $period",
        {"id": intake.identity, "number": number, "period": period},
    )
    if not records:
        return []
    charges.remove(ledger, item, intake.identity, period, number)
    return [Excluded(number, period, REPLACED, records)]
