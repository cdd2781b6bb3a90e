"""A delivery that comes again: whether its content is in the ledger already, and what that means."""

from __future__ import annotations

from costctl.errors import InputRefused
from costctl.ledger import replaced
from costctl.ledger.intake import Intake, Superseded
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Outcome

NO_SCOPE = ("", "-")


def outcome(ledger: Ledger, intake: Intake) -> Outcome | None:
    """Tell whether this very content is in the ledger already, and what that means."""
    if intake.settings.replayed:
        return None
    if intake.settings.decision is None and (within := _contained(ledger, intake.delivery)):
        return intake.outcome("nothing to do", periods=tuple(intake.label(period) for period in within))
    values = {"id": intake.identity}
    found = ledger.value("SELECT definition FROM ledger.deliveries WHERE delivery_id = $id", values)
    if found != intake.delivery.format.fingerprint:
        return None
    query = "SELECT CAST(period AS VARCHAR), live FROM ledger.delivery_periods WHERE delivery_id = $id ORDER BY 1"
    periods = ledger.run(query, values).rows
    live = [at for at, is_live in periods if is_live]
    whole = len(live) == len(periods) and not replaced.left_out(ledger, intake)
    replaces = intake.settings.decision == "replace" and not (whole and _alone(ledger, intake))
    adds = intake.settings.decision == "add" and not whole and not _versioned(ledger, intake)
    if replaces or adds or (not live and _is_newer(ledger, intake)):
        return None
    if live or not periods:
        _made_anew(ledger, intake)
        return intake.outcome("nothing to do", periods=tuple(intake.label(period) for period, _ in periods))
    return _superseded(ledger, intake, tuple(intake.label(period) for period, _ in periods))


def _superseded(ledger: Ledger, intake: Intake, periods: tuple[str, ...]) -> Outcome:
    """Skip what others took the place of; refuse plain files, for which only the user can tell."""
    if _versioned(ledger, intake):
        note = "another version counts in its place; --replace goes back to this one"
        return intake.outcome("older, skipped", notes=(note,))
    if intake.delivery.appended:  # the folder that it lies in comes again each day
        return intake.outcome(
            "replaced before, skipped", notes=("--replace goes back to it, --add counts it beside the others",)
        )
    raise InputRefused(
        intake.delivery.files[0].name,
        "was replaced by other files before",
        evidence=f"source {intake.delivery.source}, {', '.join(periods)}",
        remedy="To go back to it, say --replace; to count it beside the others, --add.",
    )


def refuse_elsewhere(ledger: Ledger, intake: Intake) -> None:
    """Refuse files whose records count already under another source, scope or dataset: the same bytes are one bill."""
    if intake.settings.replayed or intake.settings.decision == "add":
        return
    delivery = intake.delivery
    found = ledger.run(
        "SELECT f.sha256, d.source, d.scope FROM ledger.delivery_files AS f JOIN ledger.deliveries AS d USING (delivery_id) "
        "WHERE list_contains($files, f.sha256) AND f.kept > 0 AND d.delivery_id IN (SELECT delivery_id FROM ledger.delivery_periods WHERE live) "
        "AND NOT (d.source = $source AND d.scope = $scope AND d.dataset = $dataset) ORDER BY ALL LIMIT 1",
        delivery.key | {"files": [file.sha256 for file in delivery.files]},
    ).rows
    if not found:
        return
    ((sha256, source, scope),) = found
    before = f" (--source {source})" if source != delivery.source else ""
    raise InputRefused(
        next(file.name for file in delivery.files if file.sha256 == sha256),
        f"the same bytes are in the ledger already, as {named(source, scope)}",
        evidence=f"here they would be {named(delivery.source, delivery.scope)}",
        remedy=f"A bill counts once: take it in as it came before{before}, or say --add if it is to count twice.",
    )


def named(source: str, scope: str) -> str:
    """Return a source and its scope as messages name them."""
    return f"source {source}" if scope in NO_SCOPE else f"source {source}, {scope}"


def _is_newer(ledger: Ledger, intake: Intake) -> bool:
    """Tell whether the delivery was made after the last time that its content was delivered: a provider may go back to older numbers."""
    query = "SELECT count(*) FROM ledger.delivery_periods WHERE delivery_id = $id AND version < 'sent ' || $version"
    version = intake.delivery.version
    return bool(version and ledger.value(query, {"id": intake.identity, "version": version}))


def _made_anew(ledger: Ledger, intake: Intake) -> None:
    """Note when the same content was made last, so that what comes late and was made before does not replace it."""
    if _is_newer(ledger, intake):
        values = {"id": intake.identity, "version": intake.delivery.version}
        ledger.run("UPDATE ledger.delivery_periods SET version = 'sent ' || $version WHERE delivery_id = $id", values)


def _versioned(ledger: Ledger, intake: Intake) -> bool:
    """Tell whether a delivery, or what is in it, says which version of its bill it is."""
    query = "SELECT bool_and(version IS NOT NULL) FROM ledger.delivery_periods WHERE delivery_id = $id"
    return intake.delivery.manifest is not None or bool(ledger.value(query, {"id": intake.identity}))


def _contained(ledger: Ledger, delivery: Delivery) -> list[str]:
    """Return the periods of a wholly live delivery of plain files that holds all files of this one, if there is one."""
    if delivery.manifest is not None:
        return []
    found = ledger.run(
        "SELECT CAST(p.period AS VARCHAR) FROM ledger.delivery_periods AS p WHERE p.delivery_id = ("
        "SELECT d.delivery_id FROM ledger.deliveries AS d JOIN ledger.delivery_files AS f USING (delivery_id) "
        "WHERE d.source = $source AND d.scope = $scope AND d.dataset = $dataset AND d.definition = $definition "
        "AND d.delivery_id IN (SELECT delivery_id FROM ledger.delivery_periods GROUP BY 1 HAVING bool_and(live)) "
        "GROUP BY d.delivery_id HAVING count(DISTINCT f.sha256) FILTER (WHERE list_contains($files, f.sha256)) = $number "
        "ORDER BY d.delivery_id LIMIT 1) ORDER BY 1",
        delivery.key
        | {
            "definition": delivery.format.fingerprint,
            "files": [file.sha256 for file in delivery.files],
            "number": len(delivery.files),
        },
    )
    return [row[0] for row in found.rows]


def _alone(ledger: Ledger, intake: Intake) -> bool:
    """Tell whether no other delivery of the same source, scope and dataset is live for a period of this one."""
    return not ledger.value(
        "SELECT count(*) FROM ledger.delivery_periods AS mine JOIN ledger.deliveries AS me USING (delivery_id) "
        "JOIN ledger.delivery_periods AS other ON other.period = mine.period AND other.live AND other.delivery_id <> mine.delivery_id "
        "JOIN ledger.deliveries AS d ON d.delivery_id = other.delivery_id AND d.source = me.source AND d.scope = me.scope "
        "AND d.dataset = me.dataset AND d.kind = me.kind WHERE mine.delivery_id = $id",
        {"id": intake.identity},
    )


def in_other_files(ledger: Ledger, intake: Intake, other: str, period: object, version: str | None) -> bool:
    """Tell whether a bill made at the same time says the same, in other files: then the one of the lesser identity stays."""
    if intake.delivery.format.kind != "bill" or not (version or "").startswith("sent "):
        return False
    query = (
        "SELECT BillingCurrency, SubAccountId, ServiceName, count(*), sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost) "
        "FROM ledger.charges WHERE delivery_id = $id AND billing_period = $period GROUP BY ALL"
    )
    mine, theirs = (ledger.run(query, {"id": name, "period": period}).rows for name in (intake.identity, other))
    if set(mine) != set(theirs):
        return False
    if other < intake.identity:
        raise Superseded(f"{intake.label(str(period))}: the ledger holds the same records, from other files")
    return True
