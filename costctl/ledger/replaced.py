"""Files that the user had replaced by others: when they come again among more files, they stay out of the periods they lost."""

from __future__ import annotations

from datetime import date

from costctl.ledger.intake import Excluded, Intake
from costctl.ledger.store import Ledger

RULE = "replaced by other files before"
MINE = "source = $source AND scope = $scope AND dataset = $dataset"


def write_down(ledger: Ledger, intake: Intake, period: object, files: set[str]) -> None:
    """Remember which files lost a period to a delivery that replaces, and that its own files have it again."""
    values = {**_of(intake), "period": period}
    own = {file.sha256 for file in intake.delivery.files}
    ledger.run(
        f"DELETE FROM ledger.replaced_files WHERE {MINE} AND period = $period AND list_contains($files, sha256)",
        values | {"files": [*own, *files]},
    )
    if intake.settings.decision == "replace":
        ledger.insert(
            "ledger.replaced_files", [(*_of(intake).values(), period, sha256) for sha256 in sorted(files - own)]
        )


def leave_out(ledger: Ledger, intake: Intake) -> list[Excluded]:
    """Take what was replaced before out of plain files that come without a decision; return it for the row accounting."""
    delivery = intake.delivery
    if not delivery.plain or intake.settings.decision is not None:
        return []
    found = ledger.run(f"SELECT sha256, period FROM ledger.replaced_files WHERE {MINE} ORDER BY ALL", _of(intake)).rows
    numbers = {file.sha256: number for number, file in enumerate(delivery.files, start=1)}
    lost = [(numbers[sha256], period) for sha256, period in found if sha256 in numbers]
    return [left for number, period in lost for left in _taken_out(ledger, intake, number, period)]


def left_out(ledger: Ledger, intake: Intake) -> bool:
    """Tell whether the delivery is in the ledger without something that was replaced before."""
    values = {"id": intake.identity, "rule": RULE}
    return bool(ledger.value("SELECT count(*) FROM ledger.exclusions WHERE delivery_id = $id AND rule = $rule", values))


def _taken_out(ledger: Ledger, intake: Intake, number: int, period: date) -> list[Excluded]:
    """Remove what one file says about a period; return how many records that were."""
    bill, target = intake.delivery.format.kind == "bill", intake.delivery.format.target
    at = "billing_period" if bill else "CAST(date_trunc('day', ts_start) AS DATE)"
    where = f"delivery_id = $id AND file_no = $number AND {at} = $period"
    values = {"id": intake.identity, "number": number, "period": period}
    records = ledger.value(f"SELECT count(DISTINCT record_no) FROM ledger.{target} WHERE {where}", values)
    if not records:
        return []
    if target == "token_usage":
        ledger.run(
            "DELETE FROM ledger.token_quantity WHERE delivery_id = $id AND file_no = $number "
            f"AND record_no IN (SELECT record_no FROM ledger.token_usage WHERE {where})",
            values,
        )
    ledger.run(f"DELETE FROM ledger.{target} WHERE {where}", values)
    return [Excluded(number, period if bill else None, RULE, records)]


def _of(intake: Intake) -> dict[str, str]:
    delivery = intake.delivery
    return {"source": delivery.source, "scope": delivery.scope, "dataset": delivery.dataset}
