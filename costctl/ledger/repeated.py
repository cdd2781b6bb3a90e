"""A delivery that comes again: whether its content is in the ledger already, and what that means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from costctl.errors import InputRefused
from costctl.ledger import replaced
from costctl.ledger.intake import IS_REPLACED, REPLACED, Intake, Settings, Standing
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Outcome, named_content

NO_SCOPE = "-"
OLD = "read as its format was defined before; costctl rebuild reads it again"
WHOLE = (  # files of deliveries that count in all their periods, with nothing of the file left out
    "SELECT d.delivery_id, f.sha256, f.name, d.definition FROM ledger.deliveries AS d JOIN ledger.delivery_files AS f USING (delivery_id) "
    "WHERE d.source = $source AND d.scope = $scope AND d.dataset = $dataset AND d.manifest IS NULL "
    "AND d.delivery_id IN (SELECT delivery_id FROM ledger.delivery_periods GROUP BY 1 HAVING bool_and(live)) "
    f"AND NOT EXISTS (SELECT 1 FROM ledger.exclusions AS x WHERE {IS_REPLACED}) "
    "AND list_contains($files, f.sha256) ORDER BY ALL"
)

LISTED = (  # whether a delivery with a manifest took the place of one without
    "SELECT count(*) FROM ledger.takeovers AS t JOIN ledger.intakes AS i USING (seq) "
    "JOIN ledger.deliveries AS d ON d.delivery_id = i.delivery_id WHERE t.delivery_id = $id AND d.scope <> $scope"
)


@dataclass(frozen=True)
class Known:
    """A delivery as the ledger has it: its last intake, the user's decision, its format's definition, its kind, its periods."""

    seq: int
    decision: str | None
    definition: str
    delivered: str
    periods: dict[date, bool]  # whether it speaks for them


def outcome(ledger: Ledger, intake: Intake, known: Known | None) -> Outcome | None:
    """Tell whether this very content is in the ledger already, and what that means; None where it is to be read."""
    if intake.settings.decision is None and not (known and _is_defined_anew(intake, known)):
        within, notes = _contained(ledger, intake.delivery)
        if within:
            labels = tuple(intake.label(period) for period in within)
            return intake.outcome("nothing to do", periods=labels, notes=notes)
    return _of_known(ledger, intake, known) if known else None


def new_of(ledger: Ledger, delivery: Delivery, settings: Settings) -> Delivery:
    """Return of a log the files that the ledger does not have yet; all of them where it has all of them, or is told what to do."""
    if delivery.kind != "log" or settings.replayed or settings.decision is not None:
        return delivery
    query = (
        "SELECT f.sha256, f.name FROM ledger.delivery_files AS f JOIN ledger.deliveries AS d USING (delivery_id) WHERE d.source = $source "
        "AND d.scope = $scope AND d.dataset = $dataset AND list_contains($files, f.sha256)"
    )
    found = ledger.run(query, delivery.key | {"files": [file.sha256 for file in delivery.files]}).rows
    there = {found_as for sha256, name in found for found_as in (sha256, named_content(sha256, name))}
    new = tuple(file for file in delivery.files if file.identity not in there)
    return replace(delivery, files=new) if new else delivery


def known(ledger: Ledger, intake: Intake) -> Known | None:
    """Return what the ledger has of this very content."""
    values = {"id": intake.identity}
    found = ledger.run(
        "SELECT seq, decision, definition, delivered FROM ledger.deliveries WHERE delivery_id = $id", values
    )
    periods = ledger.run("SELECT period, live FROM ledger.delivery_periods WHERE delivery_id = $id ORDER BY 1", values)
    return Known(*(*found.rows[0], dict(periods.rows))) if found.rows else None


def _of_known(ledger: Ledger, intake: Intake, known: Known) -> Outcome | None:
    """Tell what it means that the ledger has this content; None where it is to be read again."""
    said, live = intake.settings.decision, any(known.periods.values())
    whole = all(known.periods.values()) and not replaced.stays_out(ledger, intake.identity)
    replaces = said == "replace" and not (whole and _alone(ledger, intake))
    adds = said == "add" and not whole and not _versioned(ledger, intake)
    if replaces or adds or (not live and _is_newer(ledger, intake)):
        return None
    if known.periods and not live:
        return _superseded(ledger, intake)
    if _is_defined_anew(intake, known):
        return None
    _made_anew(ledger, intake)
    return intake.outcome("nothing to do", periods=tuple(intake.label(str(at)) for at in known.periods))


def _is_defined_anew(intake: Intake, known: Known) -> bool:
    """Tell whether what counts already is to be read again: its format is defined otherwise now, or it is said to be of another kind."""
    delivery = intake.delivery
    said_anew = known.delivered != delivery.kind and intake.settings.decision is None
    return known.definition != delivery.format.fingerprint or said_anew


def standing(ledger: Ledger, intake: Intake, known: Known | None) -> Standing | None:
    """Return what stands for content that counts already, and is read again only because it is defined anew."""
    if known is None or intake.settings.decision is not None or not any(known.periods.values()):
        return None
    taken = {at: frozenset() if is_live else frozenset({intake.identity}) for at, is_live in known.periods.items()}
    return Standing(known.seq, known.decision, taken, replaced.stays_out(ledger, intake.identity))


def _superseded(ledger: Ledger, intake: Intake) -> Outcome:
    """Skip what others took the place of: its folder comes again each day."""
    if _versioned(ledger, intake):
        note = "another version counts in its place; --replace goes back to this one"
        return intake.outcome("older, skipped", notes=(note,))
    note = "--replace goes back to it, --add counts it beside the others"
    if ledger.value(LISTED, {"id": intake.identity, "scope": intake.delivery.scope}):
        note = "what a manifest lists counts in its place"
    return intake.outcome("replaced before, skipped", notes=(note,))


def refuse_elsewhere(ledger: Ledger, intake: Intake) -> None:
    """Refuse files whose records count already under another source, scope or dataset: the same bytes are one bill.

    Two datasets of one format are two views of it, which may be the same, byte for byte, where there is no commitment.
    """
    delivery = intake.delivery
    if intake.standing or intake.settings.decision == "add" or delivery.files[0].content == "metrics":
        return  # two engines that do nothing say the same
    found = ledger.run(
        "SELECT f.sha256, d.source, d.scope FROM ledger.delivery_files AS f JOIN ledger.deliveries AS d USING (delivery_id) "
        "WHERE list_contains($files, f.sha256) AND f.kept > 0 AND d.delivery_id IN (SELECT delivery_id FROM ledger.delivery_periods WHERE live) "
        "AND NOT (d.source = $source AND d.scope = $scope AND (d.dataset = $dataset OR $several)) "
        "AND NOT ($replacing AND d.source = $source AND d.scope = '-' AND $scope <> '-') ORDER BY ALL LIMIT 1",
        delivery.key
        | {
            "files": [file.sha256 for file in delivery.files],
            "several": bool(delivery.format.datasets),
            "replacing": intake.settings.decision == "replace",
        },
    ).rows
    if not found:
        return
    ((sha256, source, scope),) = found
    before = f" (--source {source})" if source != delivery.source else ""
    loose = source == delivery.source and scope == "-"
    raise InputRefused(
        next(file.name for file in delivery.files if file.sha256 == sha256),
        f"the same bytes are in the ledger already, as {named(source, scope)}",
        evidence=f"here they would be {named(delivery.source, delivery.scope)}",
        remedy="A bill counts once: say --replace to have it as its manifest says."
        if loose
        else f"A bill counts once: take it in as it came before{before}, or say --add if it is to count twice.",
    )


def named(source: str, scope: str) -> str:
    """Return a source and its scope as messages name them."""
    return f"source {source}" if scope == NO_SCOPE else f"source {source}, {scope}"


def _is_newer(ledger: Ledger, intake: Intake) -> bool:
    """Tell whether the delivery was made after the last time that its content was delivered: a provider may go back to older numbers."""
    query = "SELECT count(*) FROM ledger.delivery_periods WHERE delivery_id = $id AND version < 'sent ' || $version"
    version = intake.delivery.version
    return bool(version and ledger.value(query, {"id": intake.identity, "version": version}))


def _made_anew(ledger: Ledger, intake: Intake) -> None:
    """Note when the same content was made last, so that what comes late and was made before does not replace it; and what was said of it."""
    values = {"id": intake.identity, "manifest": intake.delivery.manifest}
    ledger.run(
        "UPDATE ledger.deliveries SET manifest = $manifest WHERE delivery_id = $id AND manifest <> $manifest", values
    )
    if intake.settings.decision == "replace":
        ledger.run("UPDATE ledger.deliveries SET decision = 'replace' WHERE delivery_id = $id", {"id": intake.identity})
    if _is_newer(ledger, intake):
        values = {"id": intake.identity, "version": intake.delivery.version}
        ledger.run("UPDATE ledger.delivery_periods SET version = 'sent ' || $version WHERE delivery_id = $id", values)


def _versioned(ledger: Ledger, intake: Intake) -> bool:
    """Tell whether a delivery, or what is in it, says which version of its bill it is."""
    query = "SELECT bool_and(version IS NOT NULL) FROM ledger.delivery_periods WHERE delivery_id = $id"
    return intake.delivery.manifest is not None or bool(ledger.value(query, {"id": intake.identity}))


def _contained(ledger: Ledger, delivery: Delivery) -> tuple[list[str], tuple[str, ...]]:
    """Return the periods of the files where each of them counts already, wholly, in a delivery of plain files; and what to say of it."""
    if delivery.manifest is not None:
        return [], ()
    values = delivery.key | {"replaced": REPLACED, "files": [file.sha256 for file in delivery.files]}
    found = ledger.run(WHOLE, values).rows
    there = {found_as for _, sha256, name, _ in found for found_as in (sha256, named_content(sha256, name))}
    if {file.identity for file in delivery.files} - there:
        return [], ()
    query = "SELECT DISTINCT CAST(period AS VARCHAR) FROM ledger.delivery_periods WHERE list_contains($ids, delivery_id) ORDER BY 1"
    periods = ledger.run(query, {"ids": sorted({identity for identity, *_ in found})}).rows
    old = any(definition != delivery.format.fingerprint for *_, definition in found)
    return [row[0] for row in periods], (OLD,) if old else ()


def _alone(ledger: Ledger, intake: Intake) -> bool:
    """Tell whether no other delivery of the same source, scope and dataset is live for a period of this one."""
    return not ledger.value(
        "SELECT count(*) FROM ledger.delivery_periods AS mine JOIN ledger.deliveries AS me USING (delivery_id) "
        "JOIN ledger.delivery_periods AS other ON other.period = mine.period AND other.live AND other.delivery_id <> mine.delivery_id "
        "JOIN ledger.deliveries AS d ON d.delivery_id = other.delivery_id AND d.source = me.source AND d.scope = me.scope "
        "AND d.dataset = me.dataset AND d.kind = me.kind WHERE mine.delivery_id = $id",
        {"id": intake.identity},
    )


def says_the_same(ledger: Ledger, intake: Intake, other: str, period: object, version: str | None) -> bool:
    """Tell whether a bill of the same version says the same about a period, in other files."""
    told = (version or "").startswith("sent ") or intake.delivery.to_date
    if intake.delivery.format.kind != "bill" or not told:
        return False
    query = (
        "SELECT BillingCurrency, SubAccountId, ServiceName, count(*), sum(BilledCost), sum(EffectiveCost), sum(ListCost), sum(ContractedCost) "
        "FROM ledger.charges WHERE delivery_id = $id AND billing_period = $period GROUP BY ALL"
    )
    mine, theirs = (ledger.run(query, {"id": name, "period": period}).rows for name in (intake.identity, other))
    return set(mine) == set(theirs)
