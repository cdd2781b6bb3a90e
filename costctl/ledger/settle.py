"""Settle a delivery that was written: account for every record, have it take its place, build the charge groups."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from costctl.errors import InputRefused
from costctl.files.faulting import fault
from costctl.ledger import buckets, build, charges, counters, doubled, drops, replaced, seals, succession, totals, usage
from costctl.ledger.intake import REPLACED, Excluded, Intake, Recount, Superseded
from costctl.ledger.store import Ledger
from costctl.nouns import CompiledRules, Delivery, Format, Outcome

DATE = re.compile(r"(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)")


def account(
    ledger: Ledger,
    intake: Intake,
    counts: dict[int, int],
    bad: dict[int, int],
    excluded: Sequence[Excluded],
    again: Callable[[Sequence[date]], None],
) -> Outcome:
    """Account for every record, settle which delivery is live, build the charge groups; runs inside the transaction.

    `again` derives billing periods anew from all their live deliveries, for a format that looks across them.
    """
    identity = intake.identity
    if intake.delivery.format.kind == "usage":
        seals.lift(ledger)
    excluded = [*excluded, *replaced.leave_out(ledger, intake)]
    _files(ledger, intake, counts, bad, excluded)
    rows = [(identity, item.file_no, item.period, item.rule, item.records) for item in excluded]
    ledger.insert("ledger.exclusions", rows)
    sequence = _record(ledger, intake)
    periods, notes = _settle(ledger, intake, sequence, again)
    in_buckets = intake.delivery.format.grain == "bucket" and intake.delivery.format.target == "token_usage"
    notes += tuple(buckets.finer(ledger, intake)) if in_buckets else ()
    usage.count_once(ledger, intake)
    fault("settled")
    total, aside = sum(counts.values()), sum(bad.values())
    notes += doubled.notes(ledger, intake, periods) if periods else _without_records(ledger, intake, total)
    if intake.delivery.format.target == counters.TARGET:
        counters.derive(ledger, intake, periods)
        notes += tuple(counters.notes(ledger, intake))
    if in_buckets:
        buckets.refuse_twice(ledger, intake)
    else:
        buckets.refuse_of_owner(ledger, intake)
    usage.refuse_overflow(ledger, intake)
    notes += tuple(usage.notes(ledger, intake))
    labels = tuple(intake.label(str(at)) for at in periods)
    return intake.outcome("loaded", records=total, aside=aside, periods=labels, notes=notes)


def kept(ledger: Ledger, intake: Intake) -> dict[int, int]:
    """Return how many records of each file the ledger keeps."""
    target = intake.delivery.format.target
    records = "count(*) FILTER (WHERE part_no = 1)" if target == "charges" else "count(DISTINCT record_no)"
    query = f"SELECT file_no, {records} FROM ledger.{target} WHERE delivery_id = $id GROUP BY 1"
    return dict(ledger.run(query, {"id": intake.identity}).rows)


def _files(
    ledger: Ledger, intake: Intake, counts: dict[int, int], bad: dict[int, int], excluded: Sequence[Excluded]
) -> None:
    """Write each file's row accounting: records read = kept + set aside + excluded; raise Recount where it does not hold."""
    there, reaches, rows = kept(ledger, intake), usage.reaches(ledger, intake), []
    for number, file in enumerate(intake.delivery.files, start=1):
        left = sum(item.records for item in excluded if item.file_no == number)
        parts = (there.get(number, 0), bad.get(number, 0), left)
        if counts[number] != sum(parts):
            raise Recount(f"{file.name} has {counts[number]} records, of which {sum(parts)} are accounted for")
        path = intake.settings.paths.get(file.sha256, _written(file.path.absolute()))
        found = (file.name, path, file.sha256, file.bytes, file.way)
        rows.append((intake.identity, number, *found, counts[number], *parts, reaches.get(number)))
    ledger.insert("ledger.delivery_files", rows)


def _record(ledger: Ledger, intake: Intake) -> int:
    """Write down that the delivery was taken in; return its number in the order of intakes."""
    delivery, standing, item = intake.delivery, intake.standing, intake.delivery.format
    sequence = standing.seq if standing else int(ledger.meta("seq") or 0) + 1
    if not intake.refreshed:
        ledger.set_meta("seq", str(sequence))
        ledger.insert("ledger.intakes", [(sequence, intake.identity, intake.settings.decision)])
    about = (item.kind, delivery.source, delivery.scope, delivery.dataset, item.name, item.fingerprint)
    decision = standing.decision if standing else intake.decision
    ledger.insert(
        "ledger.deliveries", [(intake.identity, *about, delivery.manifest, delivery.kind, decision, sequence)]
    )
    return sequence


def _settle(
    ledger: Ledger, intake: Intake, sequence: int, again: Callable[[Sequence[date]], None]
) -> tuple[list[date], tuple[str, ...]]:
    """Make the delivery live for its periods and take out what it supersedes; bills get totals and groups; return periods and notes.

    Raises Superseded where others speak for all of its periods.
    """
    delivery, identity = intake.delivery, intake.identity
    bill, notes = delivery.format.kind == "bill", list[str]()
    found = _periods(ledger, intake)
    before = {at: drops.totals(ledger, intake, at) for at, *_ in found if bill}
    verdicts = {
        at: succession.settle(ledger, intake, at, known, delivery.files[first - 1].name)
        for at, known, _, first in found
    }
    held = [row for row in found if identity not in verdicts[row[0]].taken]
    notes += [verdict.why for verdict in verdicts.values() if verdict.why]
    if found and not held and not intake.standing:
        raise Superseded("; ".join(notes))
    stood = intake.standing.taken if intake.standing else {}
    lost = [at for at in stood if at not in verdicts]
    speaks = [(identity, *row[:2], row in held, row[2]) for row in found]
    speaks += [(identity, at, None, identity not in stood[at], 0) for at in lost]
    ledger.insert("ledger.delivery_periods", speaks)
    if not intake.refreshed:
        taken = [(sequence, at, key) for at, verdict in verdicts.items() for key in sorted(verdict.taken)]
        ledger.insert("ledger.takeovers", taken)
    if bill:
        if delivery.format.across:
            again([at for at, *_ in held])
        for at, _, rows, _ in held:
            doubled.refuse(ledger, intake, at, rows)
            totals.write(ledger, delivery.source, delivery.scope, at)
            _without_scope(ledger, intake, verdicts[at].taken, at)
            after = drops.totals(ledger, intake, at)
            drops.refuse(intake, at, before[at], after)
            notes += drops.notes(intake, at, before[at], after)
            build.groups(ledger, delivery.source, delivery.scope, at, intake.settings.rules)
        for at in lost:  # by its new definition it says nothing of them
            totals.write(ledger, delivery.source, delivery.scope, at)
            build.groups(ledger, delivery.source, delivery.scope, at, intake.settings.rules)
        totals.refuse_overflow(ledger, intake)
    return [at for at, *_ in held], tuple(notes)


def _periods(ledger: Ledger, intake: Intake) -> list[tuple[date, str | None, int, int]]:
    """Return the delivery's periods, each with the evidence of its version, its rows and its first file.

    `sent` and a time where the delivery, or what is in it, says when it was made; else what its content tells (`_told`).
    """
    delivery, values = intake.delivery, {"id": intake.identity}
    rows = ledger.run(
        f"SELECT {charges.period_of(delivery.format)} AS period, {_told(delivery)}, count(*), min(file_no) FROM ledger.{delivery.format.target} WHERE delivery_id = $id GROUP BY 1 ORDER BY 1",
        values,
    ).rows
    sent = dict.fromkeys([row[0] for row in rows], delivery.version)
    if delivery.format.across:
        inside = "SELECT period, max(version) FROM ("
        inside += (
            f"SELECT {charges.PERIOD} AS period, CAST(x_version AS VARCHAR) AS version FROM temp.derived AS f WHERE NOT EXISTS ("
            "SELECT 1 FROM ledger.exclusions AS x JOIN temp.derived_files AS m USING (delivery_id, file_no) "
            f"WHERE m.number = f.file_no AND x.rule = $replaced AND x.billing_period = {charges.PERIOD})"
        )
        query = f"{inside}) WHERE version IS NOT NULL GROUP BY 1"
        sent |= dict(ledger.run(query, {"replaced": REPLACED}).rows)
    return [(at, f"sent {sent[at]}" if sent.get(at) else known, count, first) for at, known, count, first in rows]


def _told(delivery: Delivery) -> str:
    """Return how the content tells the version: for a manifest, whether its bill is invoiced and how far its usage goes.

    Of months to date how far comes first, by the start of what was used, for a line may last the whole month; then whether it is
    invoiced; then the date in the file's name. Other plain files tell nothing.
    """
    bill = delivery.format.kind == "bill"
    final, end = "bool_and(InvoiceId IS NOT NULL)" if bill else "FALSE", "max(ts_end)"
    if delivery.to_date:
        start = "COALESCE(max(CASE WHEN ChargeCategory = 'Usage' THEN ChargePeriodStart END), max(ChargePeriodStart))"
        named = "".join(" " + "".join(found) for found in DATE.findall(delivery.files[0].name.rpartition("/")[2])[-1:])
        return f"'open ' || CAST({start if bill else end} AS VARCHAR) || CASE WHEN {final} THEN ' final' ELSE '' END || '{named}'"
    if not delivery.manifest:
        return "CAST(NULL AS VARCHAR)"
    end = "max(CASE WHEN ChargeCategory = 'Usage' THEN ChargePeriodEnd END)" if bill else end
    return f"CASE WHEN {final} THEN 'final' ELSE 'open' END || ' ' || CAST({end} AS VARCHAR)"


def _without_scope(ledger: Ledger, intake: Intake, taken: frozenset[str], period: date) -> None:
    """Settle what is left of a billing period where something without a scope lost it to a delivery that has one."""
    delivery = intake.delivery
    query = "SELECT DISTINCT scope FROM ledger.deliveries WHERE list_contains($taken, delivery_id) AND scope <> $scope"
    for (scope,) in ledger.run(query, {"taken": sorted(taken), "scope": delivery.scope}).rows if taken else []:
        totals.write(ledger, delivery.source, scope, period)
        build.groups(ledger, delivery.source, scope, period, intake.settings.rules)


def withdraw(ledger: Ledger, source: str, item: Format, period: date, rules: CompiledRules) -> None:
    """Take out what a source says of a billing period by a format; nothing takes its place."""
    query = (
        "SELECT delivery_id, scope FROM ledger.delivery_periods JOIN ledger.deliveries USING (delivery_id) "
        "WHERE live AND period = $period AND source = $source AND format = $format ORDER BY ALL"
    )
    for identity, scope in ledger.run(query, {"source": source, "period": period, "format": item.name}).rows:
        succession.take_out(ledger, item, identity, period)
        build.groups(ledger, source, scope, period, rules)


def _without_records(ledger: Ledger, intake: Intake, counted: int) -> tuple[str, ...]:
    """A delivery without one good record changes no period; refuse it where it would stand for an empty month."""
    delivery = intake.delivery
    if intake.standing:
        return ()
    period = f"{delivery.period[:4]}-{delivery.period[4:6]}-01" if delivery.period else None
    erased = period if period and succession.others(ledger, intake, period) else None
    if erased or intake.settings.decision == "replace":
        what = f"has no {'good ' if counted else ''}records, but is to replace {intake.label(erased) if erased else 'what the ledger holds'}"
        raise InputRefused(
            delivery.files[0].name,
            what,
            evidence=f"source {delivery.source}",
            remedy="An empty export is more often a failed one: fetch it again. The ledger keeps what it has.",
        )
    return (f"no records in {', '.join(file.name for file in delivery.files)}; no period is changed",)


def _written(path: Path) -> str:
    """Return a path as a text that can be stored, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
