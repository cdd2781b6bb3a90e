"""How a person names a record: the start of its file's hash and its number; and why a record that is named so has no charge."""

from __future__ import annotations

import re
from typing import Any

from costctl.errors import UsageError, shown
from costctl.ledger.store import Ledger

RECORD = re.compile(r"(?P<file>[0-9a-f]{6,64}):(?P<record>[1-9]\d{0,17})", re.IGNORECASE)
USAGE = "costctl explain SHA256:RECORD, the file's hash shortened to 6 characters or more; or a cell: --period, --team, --model, --kind, …; costctl explain --help lists them."
SHOWN_FILES = 5


def parsed(text: str) -> tuple[str, int]:
    """Return the start of a hash and a record number; raise UsageError where a text is not that."""
    match = RECORD.fullmatch(text.strip())
    if not match:
        raise UsageError("explain", f"{shown(text)} does not name a record", remedy=USAGE)
    return match["file"].lower(), int(match["record"])


def files(ledger: Ledger, prefix: str) -> list[dict[str, Any]]:
    """Return the files whose hash starts so: one content, which several deliveries may hold."""
    query = "SELECT delivery_id, file_no, name, sha256, records FROM ledger.delivery_files WHERE starts_with(sha256, $prefix) ORDER BY sha256, delivery_id, file_no"
    found = ledger.run(query, {"prefix": prefix}).dicts()
    if not found:
        remedy = 'costctl sql "SELECT name, sha256 FROM delivery_files" lists the files.'
        raise UsageError("explain", f"no file of the ledger has a hash that starts with {prefix}", remedy=remedy)
    if len({file["sha256"] for file in found}) > 1:
        listed = [f"{file['sha256'][:16]} {file['name']}" for file in found[:SHOWN_FILES]]
        raise UsageError(
            "explain", f"several files have a hash that starts with {prefix}", evidence=listed, remedy="Say more of it."
        )
    return found


def no_charge(ledger: Ledger, prefix: str, number: int) -> UsageError:
    """Say why a record has no charge: it was set aside, left out, superseded, or is not there."""
    found = files(ledger, prefix)
    where = f"{found[0]['name']} record {number}"
    if number > max(file["records"] for file in found):
        return UsageError(
            "explain",
            f"{where} is not there",
            evidence=f"the file has {found[0]['records']:,} records",
            remedy="Records count from 1, without the header.",
        )
    ids = {"ids": [file["delivery_id"] for file in found], "number": number}
    aside = ledger.run(
        "SELECT column_name, reason, value FROM ledger.quarantine WHERE list_contains($ids, delivery_id) AND record_no = $number",
        ids,
    ).rows
    if aside:
        return UsageError(
            "explain",
            f"{where} was set aside",
            evidence=[f"{column} {reason}: {shown(value)}" for column, reason, value in aside],
            remedy="costctl quarantine shows its text.",
        )
    live = ledger.value(
        "SELECT bool_or(live) FROM ledger.delivery_periods WHERE list_contains($ids, delivery_id)", {"ids": ids["ids"]}
    )
    if not live:
        return UsageError(
            "explain",
            f"{where} belongs to a delivery that others superseded",
            remedy="costctl status shows which are live.",
        )
    names = ledger.run(
        "SELECT rule FROM ledger.exclusions WHERE list_contains($ids, delivery_id) GROUP BY rule HAVING sum(records) > 0 ORDER BY 1",
        {"ids": ids["ids"]},
    ).rows
    return UsageError(
        "explain",
        f"{where} is no charge",
        evidence=[f"this file has records left out by the rule {shown(row[0])}" for row in names],
        remedy="Token counts and chip time have no charges; their records are in token_usage and accelerator_usage.",
    )
