"""Which delivery speaks for a period: evidence inside the deliveries decides, or the user; what is superseded is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from costctl.errors import InputRefused
from costctl.ledger import charges, repeated, replaced
from costctl.ledger.intake import Intake
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Format

OVERLAP = "Say --replace if it supersedes what is there, --add if it belongs beside that, or --source NAME if it is another export."
OVERLAP_OF_SEVERAL = "Say --replace if these {number} files together supersede what is there, --add if they belong beside that, or --source NAME if they are another export."
Other = tuple[str, str | None, str | None, str | None]  # identity, version, manifest, decision


@dataclass(frozen=True)
class Verdict:
    """From which deliveries one took a period; where another keeps it: from itself, and why."""

    taken: frozenset[str]
    why: str | None = None


def others(ledger: Ledger, intake: Intake, period: object, *, live: bool = True) -> list[Other]:
    """Return the other deliveries of the same (source, scope, dataset, period) that are live, or that were.

    What came without a manifest has no scope: what is to replace something takes the place of that too.
    """
    item, replacing = intake.delivery.format, intake.settings.decision == "replace"
    values = {"period": period, "kind": item.kind, "format": item.name, "id": intake.identity, "live": live}
    found = ledger.run(
        "SELECT p.delivery_id, p.version, d.manifest, d.decision FROM ledger.delivery_periods AS p JOIN ledger.deliveries AS d USING (delivery_id) "
        "WHERE p.live = $live AND p.period = $period AND d.source = $source AND d.kind = $kind AND p.delivery_id <> $id "
        "AND (d.scope = $scope AND d.dataset = $dataset OR $replacing AND d.scope = '-' AND d.format = $format)",
        intake.delivery.key | values | {"replacing": replacing},
    ).rows
    return [(row[0], row[1], row[2], row[3]) for row in found]


def settle(ledger: Ledger, intake: Intake, period: date, version: str | None, file: str) -> Verdict:
    """Decide between this delivery and those live for the same (source, scope, dataset, period), and take out what is superseded."""
    standing = intake.standing
    if standing and period in standing.taken:
        verdict = Verdict(standing.taken[period])
    else:
        verdict = _decided(ledger, intake, period, version, file)
    item = intake.delivery.format
    for key in verdict.taken - {intake.identity}:
        take_out(ledger, item, key, period)
    if intake.identity in verdict.taken:
        charges.remove(ledger, item, intake.identity, period)
    return verdict


def _decided(ledger: Ledger, intake: Intake, period: date, version: str | None, file: str) -> Verdict:
    delivery, there = intake.delivery, others(ledger, intake, period)
    if intake.decision == "add":  # the others stay, but for one whose files come again among these
        alike = _sharing(ledger, delivery)
        there = [other for other in there if other[0] in alike and _comes_again(ledger, intake, other[0], period)]
    else:
        there = _without_added(ledger, intake, there, period)
        why = None if intake.settings.replayed else _judge(ledger, intake, period, version, there, file)
        if why:
            return Verdict(frozenset({intake.identity}), why)
    if intake.settings.decision is not None and not intake.settings.replayed:
        lost = [_files_of(ledger, delivery, other[0], period) for other in there]
        replaced.write_down(ledger, intake, period, set().union(*lost))
    return Verdict(frozenset(other[0] for other in there))


def _without_added(ledger: Ledger, intake: Intake, there: list[Other], period: object) -> list[Other]:
    """Leave out what the user added beside another: it stays, whatever becomes of that one, unless its files come again."""
    if intake.settings.decision == "replace" or all(decision == "add" for *_, decision in there):
        return there
    return [other for other in there if other[3] != "add" or _holds(ledger, intake.delivery, other[0], period)]


def _judge(
    ledger: Ledger, intake: Intake, period: date, version: str | None, there: list[Other], file: str
) -> str | None:
    """Let evidence tell whether this delivery supersedes the live ones, or is the older itself: return why it is.

    What the user says is to replace the others does not by itself replace what came with it.
    """
    label = intake.label(str(period))
    rivals = {
        key: known
        for key, known, manifest, _ in there
        if intake.decision is None or key in intake.settings.together
        if manifest not in intake.delivery.older and not _holds(ledger, intake.delivery, key, period)
    }
    same = {
        key
        for key, known in rivals.items()
        if known == version and repeated.says_the_same(ledger, intake, key, period, version)
    }
    if any(key < intake.identity for key in same):  # of two the lesser stays, in whatever order they come
        return f"{label}: the ledger holds the same records, from other files"
    rivals = {key: known for key, known in rivals.items() if key not in same}
    chosen = {key for key, *_, decision in there if decision == "replace"}
    newer = _newer(ledger, intake, str(period), version, rivals, file)
    for key in rivals.keys() - (newer & chosen):
        older_first = (intake.identity, key) if key in newer else (key, intake.identity)
        _refuse_lost_accounts(ledger, intake, period, *older_first, file)
    if newer:
        return f"{label}: the ledger holds a newer version; --replace goes back to this one"
    if intake.decision is None and version and _newer_was_there(ledger, intake, period, version):
        return f"{label}: --replace went back behind a version newer than this; say it again to take this"
    return None


def _sharing(ledger: Ledger, delivery: Delivery) -> set[str]:
    """Return the deliveries that have a file of this one, byte for byte."""
    query = "SELECT delivery_id FROM ledger.delivery_files WHERE list_contains($files, sha256)"
    return {row[0] for row in ledger.run(query, {"files": list(_names(delivery))}).rows}


def _holds(ledger: Ledger, delivery: Delivery, other: str, period: object) -> bool:
    """Tell whether plain files hold, byte for byte, every file that another delivery has for a period: the same and more."""
    return delivery.manifest is None and _files_of(ledger, delivery, other, period) <= set(_names(delivery))


def _comes_again(ledger: Ledger, intake: Intake, other: str, period: object) -> bool:
    """Tell whether all of another delivery comes again with this one; refuse what would count some of its files twice."""
    if _holds(ledger, intake.delivery, other, period):
        return True
    names = _names(intake.delivery)
    twice = _files_of(ledger, intake.delivery, other, period) & set(names)
    if twice and intake.delivery.manifest is None and not intake.settings.replayed:
        raise InputRefused(
            min(names[sha256] for sha256 in twice),
            f"counts already for {intake.label(str(period))}, beside files that are not among these",
            evidence=f"source {intake.delivery.source}",
            remedy="Name the new files alone: costctl ingest FILE --add.",
        )
    return False


def _unknown(ledger: Ledger, intake: Intake, period: object) -> list[str]:
    """Return the names of the files with something of a period that the ledger does not have yet from this source."""
    query = (
        "SELECT f.sha256 FROM ledger.delivery_files AS f JOIN ledger.deliveries AS d USING (delivery_id) "
        "WHERE d.source = $source AND d.scope = $scope AND d.dataset = $dataset AND d.delivery_id <> $id"
    )
    known = {row[0] for row in ledger.run(query, intake.delivery.key | {"id": intake.identity}).rows}
    own = _files_of(ledger, intake.delivery, intake.identity, period)
    return [name for sha256, name in _names(intake.delivery).items() if sha256 in own - known]


def _names(delivery: Delivery) -> dict[str, str]:
    """Return the names of a delivery's files by what they hold."""
    return {file.sha256: file.name for file in delivery.files}


def _files_of(ledger: Ledger, delivery: Delivery, other: str, period: object) -> set[str]:
    """Return the hashes of the files that another delivery has for a period."""
    item = delivery.format
    held = ledger.run(
        f"SELECT DISTINCT sha256 FROM ledger.{item.target} JOIN ledger.delivery_files USING (delivery_id, file_no) "
        f"WHERE delivery_id = $id AND {charges.period_of(item)} = $period",
        {"id": other, "period": period},
    ).rows
    return {row[0] for row in held}


def take_out(ledger: Ledger, item: Format, identity: str, period: object) -> None:
    """Remove what a superseded delivery said about a period; of a bill only its totals stay."""
    values = {"id": identity, "period": period}
    ledger.run("UPDATE ledger.delivery_periods SET live = FALSE WHERE delivery_id = $id AND period = $period", values)
    charges.remove(ledger, item, identity, period)


def _newer(
    ledger: Ledger, intake: Intake, period: str, version: str | None, rivals: Mapping[str, str | None], file: str
) -> set[str]:
    """Return which rivals are newer. Only evidence inside the deliveries decides: a later cut-off, or an invoice where there was none."""
    label = intake.label(period)
    known = [other for other in rivals.values() if other is not None]
    undecided = (
        version is None or not _comparable(other, version) or _rank(other) == _rank(version) for other in known
    )
    if rivals and (version is None or len(known) < len(rivals) or any(undecided)):
        nothing = "nothing in the files tells which is newer"
        names = _names(intake.delivery)
        raise InputRefused(
            min(_unknown(ledger, intake, period) or [file]),
            f"{label} of source {intake.delivery.source} is in the ledger already, from other files",
            evidence="plain files carry no version" if version is None else nothing,
            remedy=OVERLAP if len(names) == 1 else OVERLAP_OF_SEVERAL.format(number=len(names)),
        )
    return {key for key, other in rivals.items() if other and version and _rank(other) > _rank(version)}


def _newer_was_there(ledger: Ledger, intake: Intake, period: object, version: str) -> bool:
    """Tell whether a newer version was in the ledger before the user went back behind it: what is older than that stays older."""
    were = [other[1] for other in others(ledger, intake, period, live=False)]
    return any(known and _comparable(known, version) and _rank(known) > _rank(version) for known in were)


def _refuse_lost_accounts(ledger: Ledger, intake: Intake, period: object, older: str, newer: str, file: str) -> None:
    """Refuse a bill that would take the place of another but bills nothing to an account of it: these are two bills, not two versions."""
    delivery = intake.delivery
    if delivery.format.kind != "bill":
        return
    account = "COALESCE(SubAccountId, BillingAccountId)" if delivery.to_date else "BillingAccountId"
    lost = ledger.run(
        f"SELECT {account} FROM ledger.charges WHERE delivery_id = $older AND billing_period = $period AND (BilledCost <> 0 OR EffectiveCost <> 0) "
        f"EXCEPT SELECT {account} FROM ledger.charges WHERE delivery_id = $newer AND billing_period = $period ORDER BY 1 LIMIT 1",
        {"older": older, "newer": newer, "period": period},
    ).rows
    if lost:
        raise InputRefused(
            file,
            f"is another version of {intake.label(str(period))} of source {delivery.source}, but the newer of the two has nothing of account {lost[0][0]}",
            evidence="one of them would take the other's place",
            remedy="If they are the bills of two accounts, give each a source of its own (--source NAME). If the account is gone, say --replace with the newer.",
        )


def _comparable(version: str, other: str) -> bool:
    """Tell whether both say when they were made, or neither does."""
    return version.startswith("sent ") == other.startswith("sent ")


def _rank(version: str) -> tuple[bool, str]:
    """Order versions: a final bill after an open one, then by the last usage it holds."""
    state, _, moment = version.partition(" ")
    return state == "final", moment
