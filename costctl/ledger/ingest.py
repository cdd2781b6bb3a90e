"""Write one delivery: freeze its bytes, load it in one transaction, replace what it supersedes, account for every record."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from costctl.errors import InputRefused, shown
from costctl.files import packing, tables, writing
from costctl.ledger import build, records, store, tags
from costctl.ledger.records import Problem, Reading
from costctl.ledger.store import GateFired, Ledger
from costctl.nouns import CompiledRules, Delivery, Format, InputFile, Outcome

SHOWN_PROBLEMS = 5
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")


@dataclass(frozen=True)
class Settings:
    """How deliveries are taken in: the archive mode, the policy for bad rows, the decision on overlaps."""

    rules: CompiledRules
    columns_of: Callable[[Format, InputFile], dict[str, int]]
    archive: str = "copy"  # copy | link | none
    quarantine_rows: int = 0
    decision: str | None = None  # replace | add
    progress: Callable[[int], None] = lambda _: None


class Superseded(Exception):
    """The delivery is older than what is live; nothing changes."""


class Recount(Exception):
    """The fast path kept another number of records than were counted; the recording path tells which."""


def fault(point: str) -> None:
    """Die here when a test asks for it: COSTCTL_FAULT=point kills the process as kill -9 would."""
    if os.environ.get("COSTCTL_FAULT") == point:
        os.kill(os.getpid(), 9)


def load(ledger: Ledger, delivery: Delivery, settings: Settings) -> Outcome:
    """Take one delivery into the ledger, or raise InputRefused and leave the ledger as it was.

    The same content under the same format definition is nothing to do; an older version is skipped.
    """
    delivery = _hashed(delivery)
    identity = _identity(delivery)
    known = _known(ledger, delivery, identity, settings)
    if known is not None:
        return known
    kept = _archived(ledger, delivery, settings)
    fault("archived")
    try:
        return _loaded(ledger, delivery, identity, settings)
    except Superseded as older:
        _forget(kept)
        return _outcome(delivery, "older, skipped", 0, 0, (), (str(older),))
    except InputRefused as refusal:
        _forget(kept)
        raise _named(refusal, ledger, delivery) from refusal
    except BaseException:
        _forget(kept)
        raise


def _named(refusal: InputRefused, ledger: Ledger, delivery: Delivery) -> InputRefused:
    """Return a refusal that names the user's file where it names the archived copy."""
    where = refusal.where
    for file in delivery.files:
        where = where.replace(str(ledger.archive / file.sha256), file.name)
    return InputRefused(where, refusal.what, evidence=refusal.evidence, remedy=refusal.remedy)


def _hashed(delivery: Delivery) -> Delivery:
    """Fill in hash and size; the same content under two names counts once."""
    seen: dict[str, object] = {}
    unique, notes = [], list(delivery.notes)
    for file in delivery.files:
        digest = packing.sha256(file.path)
        if digest in seen:
            notes.append(f"{file.name} has the same content as {seen[digest]}; taken once")
            continue
        seen[digest] = file.name
        unique.append(replace(file, sha256=digest, bytes=file.path.stat().st_size))
    return replace(delivery, files=tuple(unique), notes=tuple(notes))


def _identity(delivery: Delivery) -> str:
    parts = [delivery.source, delivery.scope, delivery.dataset, *sorted(file.sha256 for file in delivery.files)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _outcome(
    delivery: Delivery,
    status: str,
    records_read: int,
    quarantined: int,
    periods: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> Outcome:
    return Outcome(
        delivery.source,
        delivery.format.name,
        status,
        len(delivery.files),
        records_read,
        quarantined,
        periods,
        (*delivery.notes, *notes),
    )


def _known(ledger: Ledger, delivery: Delivery, identity: str, settings: Settings) -> Outcome | None:
    """Tell whether this very content is in the ledger already, and what that means."""
    if settings.decision is None and (periods := _contained(ledger, delivery)):
        return _outcome(delivery, "nothing to do", 0, 0, tuple(_label(delivery, period) for period in periods))
    found = ledger.run("SELECT definition FROM ledger.deliveries WHERE delivery_id = $id", {"id": identity}).rows
    if not found or found[0][0] != _definition(delivery):
        return None
    live = ledger.run(
        "SELECT CAST(period AS VARCHAR), live FROM ledger.delivery_periods WHERE delivery_id = $id ORDER BY 1",
        {"id": identity},
    ).rows
    back = settings.decision == "replace" and not (all(is_live for _, is_live in live) and _alone(ledger, identity))
    if back:
        return None
    if any(is_live for _, is_live in live) or not live:
        return _outcome(delivery, "nothing to do", 0, 0, tuple(_label(delivery, period) for period, _ in live))
    if delivery.manifest is not None:
        return _outcome(
            delivery,
            "older, skipped",
            0,
            0,
            (),
            ("a newer version of it is in the ledger; --replace goes back to this one",),
        )
    raise InputRefused(
        delivery.files[0].name,
        "was replaced by other files before",
        evidence=f"source {delivery.source}",
        remedy="To go back to it, say --replace.",
    )


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
        {
            "source": delivery.source,
            "scope": delivery.scope,
            "dataset": delivery.dataset,
            "definition": _definition(delivery),
            "files": [file.sha256 for file in delivery.files],
            "number": len(delivery.files),
        },
    )
    return [row[0] for row in found.rows]


def _alone(ledger: Ledger, identity: str) -> bool:
    """Tell whether no other delivery of the same source, scope and dataset is live for a period of this one."""
    return not ledger.value(
        "SELECT count(*) FROM ledger.delivery_periods AS mine JOIN ledger.deliveries AS me USING (delivery_id) "
        "JOIN ledger.delivery_periods AS other ON other.period = mine.period AND other.live AND other.delivery_id <> mine.delivery_id "
        "JOIN ledger.deliveries AS d ON d.delivery_id = other.delivery_id AND d.source = me.source AND d.scope = me.scope "
        "AND d.dataset = me.dataset AND d.kind = me.kind WHERE mine.delivery_id = $id",
        {"id": identity},
    )


def _definition(delivery: Delivery) -> str:
    return delivery.format.fingerprint


def _label(delivery: Delivery, period: str) -> str:
    return period[:7] if delivery.format.kind == "bill" else period


def _archived(ledger: Ledger, delivery: Delivery, settings: Settings) -> list[Path]:
    """Keep the source bytes under their hash; return what was added, so that a refusal can take it back."""
    if settings.archive == "none":
        return []
    ledger.archive.mkdir(mode=0o700, exist_ok=True)
    added = []
    for file in delivery.files:
        target = ledger.archive / file.sha256
        if target.exists():
            continue
        if settings.archive == "link":
            os.link(file.path, target)
        else:
            writing.keep(file.path, ledger.archive, file.sha256)
        added.append(target)
        if packing.sha256(target) != file.sha256:
            _forget(added)
            raise InputRefused(
                file.name,
                "changed while it was read",
                remedy="Wait until its delivery is complete, then run the command again.",
            )
    return added


def _forget(kept: list[Path]) -> None:
    for path in kept:
        path.unlink(missing_ok=True)


def _readings(ledger: Ledger, delivery: Delivery, settings: Settings) -> list[Reading]:
    places = [ledger.archive / file.sha256 if settings.archive != "none" else file.path for file in delivery.files]
    return [
        Reading(number, file, places[number - 1], settings.columns_of(delivery.format, file))
        for number, file in enumerate(delivery.files, start=1)
    ]


def _loaded(ledger: Ledger, delivery: Delivery, identity: str, settings: Settings) -> Outcome:
    """Load by the fast path; when a gate fires or a count differs, by the recording path."""
    readings = _readings(ledger, delivery, settings)
    if not delivery.format.exclusions:
        try:
            return _fast(ledger, delivery, identity, settings, readings)
        except (GateFired, Recount):
            pass
        except Exception as error:
            if store.input_fault(error, delivery.files[0].name) is None:
                raise
    return _recorded(ledger, delivery, identity, settings, _readings(ledger, delivery, settings))


def _fast(ledger: Ledger, delivery: Delivery, identity: str, settings: Settings, readings: list[Reading]) -> Outcome:
    records.bind_gates(ledger, raising=True)
    with tempfile.TemporaryDirectory(dir=_spool(ledger)) as folder, ledger.transaction():
        _clear(ledger, identity)
        with records.piped(readings, Path(folder), settings.progress) as places:
            _write(ledger, delivery, identity, f"({records.relation(readings, delivery.format, places, raising=True)})")
        fault("written")
        counts = {reading.file_no: records.counted(reading) for reading in readings}
        return _accounted(ledger, delivery, identity, settings, counts, [], {})


def _recorded(
    ledger: Ledger, delivery: Delivery, identity: str, settings: Settings, readings: list[Reading]
) -> Outcome:
    """Stage outside the transaction, name what is bad, ask the policy, load the rest."""
    records.bind_gates(ledger, raising=False)
    with tempfile.TemporaryDirectory(dir=_spool(ledger)) as folder:
        try:
            counts, problems = records.staged(ledger, readings, delivery.format, Path(folder))
        except InputRefused:
            raise
        except Exception as error:
            raise store.input_fault(error, delivery.files[0].name) or error from error
        excluded = _excluded(ledger, delivery)
        bad = sorted({(problem.file_no, problem.record_no) for problem in problems})
        if len(bad) > settings.quarantine_rows:
            raise _refusal(readings, problems, len(bad), settings)
        ledger.run("CREATE OR REPLACE TEMP TABLE bad_records (file_no INTEGER, record_no BIGINT)")
        ledger.insert("temp.bad_records", bad)
        ledger.run(
            "DELETE FROM temp.records AS r WHERE EXISTS (SELECT 1 FROM temp.bad_records AS b WHERE b.file_no = r.file_no AND b.record_no = r.record_no)"
        )
        with ledger.transaction():
            _clear(ledger, identity)
            _write(ledger, delivery, identity, "(SELECT * FROM temp.records)")
            _quarantined(ledger, identity, readings, problems)
            rounded = records.roundings(ledger, delivery.format)
            ledger.insert("ledger.roundings", [(identity, *row) for row in rounded])
            outcome = _accounted(ledger, delivery, identity, settings, counts, bad, excluded)
        return replace(outcome, notes=(*outcome.notes, *_rounding_notes(rounded)))


def _rounding_notes(rounded: list[tuple[int, str, int, Decimal]]) -> list[str]:
    """Say per column what rounding printed floats to 18 decimals took away."""
    totals: dict[str, tuple[int, Decimal]] = {}
    for _, column, count, away in rounded:
        number, amount = totals.get(column, (0, Decimal(0)))
        totals[column] = (number + count, amount + away)
    return [
        f"{column}: {count:,} binary floats with more than 18 decimals, rounded; {away.normalize():f} in all"
        for column, (count, away) in totals.items()
    ]


def _spool(ledger: Ledger) -> Path:
    """Return the folder for pipes and staged files, inside what the connection may read."""
    place = Path(str(ledger.path) + ".tmp")
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def _excluded(ledger: Ledger, delivery: Delivery) -> dict[tuple[int, str], int]:
    """Take the records that a named rule of the format leaves out from the staged ones, and count them."""
    found: dict[tuple[int, str], int] = {}
    for name, condition in delivery.format.exclusions:
        for file_no, count in ledger.run(
            f"SELECT file_no, count(*) FROM temp.records WHERE {condition} GROUP BY 1"
        ).rows:
            found[file_no, name] = count
        ledger.run(f"DELETE FROM temp.records WHERE {condition}")
    return found


def _refusal(readings: list[Reading], problems: list[Problem], rows: int, settings: Settings) -> InputRefused:
    """Name the first bad fields with file, line, column and value."""
    first = problems[0]
    lines = _lines(readings, problems[:SHOWN_PROBLEMS])
    listed = [
        f"{lines[p.file_no, p.record_no][0]}: {p.column} {p.reason}"
        + ("" if p.value is None else f": {shown(p.value)}")
        for p in problems[:SHOWN_PROBLEMS]
    ]
    more = [f"and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
    allowed = f"policy quarantine_rows allows {settings.quarantine_rows}"
    return InputRefused(
        lines[first.file_no, first.record_no][0],
        f"{rows} record{'s' if rows > 1 else ''} cannot be taken in; {allowed}",
        evidence=listed + more,
        remedy="Export the file again; or set the records aside by raising quarantine_rows under `policy:` (or --quarantine-rows N), and they are listed by status.",
    )


def _lines(readings: list[Reading], problems: list[Problem]) -> dict[tuple[int, int], tuple[str, int | None, str]]:
    """Find the line and the raw text of each problem's record: (file:line, line, raw)."""
    found: dict[tuple[int, int], tuple[str, int | None, str]] = {}
    for reading in readings:
        wanted = {problem.record_no for problem in problems if problem.file_no == reading.file_no}
        raw = tables.raw_records(reading.bytes_at, wanted) if wanted and reading.file.content == "csv" else {}
        for number in wanted:
            line, text = raw.get(number, (None, ""))
            found[reading.file_no, number] = (
                f"{reading.file.name}:{line if line is not None else f'record {number}'}",
                line,
                text,
            )
    return found


def _clear(ledger: Ledger, identity: str) -> None:
    """Remove what an earlier attempt or definition of the same content left."""
    for table in (
        "charges",
        "token_usage",
        "token_quantity",
        "accelerator_usage",
        "deliveries",
        "delivery_files",
        "delivery_periods",
        "delivery_totals",
        "quarantine",
        "exclusions",
        "roundings",
    ):
        ledger.run(f"DELETE FROM ledger.{table} WHERE delivery_id = $id", {"id": identity})


def _write(ledger: Ledger, delivery: Delivery, identity: str, relation: str) -> None:
    """Insert what the format's SELECT makes of the records."""
    values = {"source": delivery.source, "delivery": identity}
    with_records = f"WITH records AS {relation}"
    select = delivery.format.sql.strip().rstrip(";")
    target = delivery.format.target
    if target == "charges":
        columns, keys = tags.columns(ledger)
        ledger.run(
            f"INSERT INTO ledger.charges BY NAME {with_records} SELECT $source AS source, $scope AS scope, "
            f"CAST(date_trunc('month', f.BillingPeriodStart) AS DATE) AS billing_period, f.*, {columns} $delivery AS delivery_id FROM ({select}) AS f",
            values | {"scope": delivery.scope} | keys,
        )
    elif target == "token_usage":
        ledger.run(f"CREATE OR REPLACE TEMP TABLE usage_rows AS {with_records} SELECT f.* FROM ({select}) AS f")
        ledger.run(
            "INSERT INTO ledger.token_usage BY NAME SELECT * EXCLUDE (quantities), $source AS source, $role AS evidence_role, $delivery AS delivery_id FROM temp.usage_rows",
            values | {"role": delivery.role or delivery.format.role},
        )
        ledger.run(
            "INSERT INTO ledger.token_quantity BY NAME SELECT file_no, record_no, q.token_class, q.tokens, $delivery AS delivery_id "
            "FROM (SELECT file_no, record_no, unnest(quantities) AS q FROM temp.usage_rows) WHERE q.tokens IS NOT NULL",
            {"delivery": identity},
        )
    else:
        ledger.run(
            f"INSERT INTO ledger.accelerator_usage BY NAME {with_records} SELECT $source AS source, f.*, $delivery AS delivery_id FROM ({select}) AS f",
            values,
        )


def _quarantined(ledger: Ledger, identity: str, readings: list[Reading], problems: list[Problem]) -> None:
    lines = _lines(readings, problems)
    ledger.insert(
        "ledger.quarantine",
        [
            (
                identity,
                p.file_no,
                p.record_no,
                lines[p.file_no, p.record_no][1],
                p.column,
                p.reason,
                p.value,
                lines[p.file_no, p.record_no][2],
            )
            for p in problems
        ],
    )


def _accounted(
    ledger: Ledger,
    delivery: Delivery,
    identity: str,
    settings: Settings,
    counts: dict[int, int],
    bad: list[tuple[int, int]],
    excluded: dict[tuple[int, str], int],
) -> Outcome:
    """Account for every record, settle which delivery is live, build the charge groups; runs inside the transaction."""
    target = delivery.format.target
    kept = dict(
        ledger.run(
            f"SELECT file_no, count(DISTINCT record_no) FROM ledger.{target} WHERE delivery_id = $id GROUP BY 1",
            {"id": identity},
        ).rows
    )
    rows = []
    for number, file in enumerate(delivery.files, start=1):
        aside = sum(1 for file_no, _ in bad if file_no == number)
        left = sum(count for (file_no, _), count in excluded.items() if file_no == number)
        if counts[number] != kept.get(number, 0) + aside + left:
            if not bad and not excluded:
                raise Recount
            raise InputRefused(
                file.name,
                f"has {counts[number]} records, of which {kept.get(number, 0) + aside + left} are accounted for",
                remedy="This is a defect of costctl: please report it with the file's header.",
            )
        rows.append(
            (identity, number, file.name, file.sha256, file.bytes, counts[number], kept.get(number, 0), aside, left)
        )
    sequence = int(ledger.meta("seq") or 0) + 1
    ledger.set_meta("seq", str(sequence))
    ledger.insert("ledger.delivery_files", rows)
    ledger.insert(
        "ledger.exclusions", [(identity, file_no, name, count) for (file_no, name), count in excluded.items()]
    )
    ledger.insert(
        "ledger.deliveries",
        [
            (
                identity,
                delivery.format.kind,
                delivery.source,
                delivery.scope,
                delivery.dataset,
                delivery.format.name,
                _definition(delivery),
                delivery.manifest,
                settings.decision,
                sequence,
            )
        ],
    )
    periods = _settle(ledger, delivery, identity, settings)
    fault("settled")
    return _outcome(delivery, "loaded", sum(counts.values()), len(bad), periods)


def _settle(ledger: Ledger, delivery: Delivery, identity: str, settings: Settings) -> tuple[str, ...]:
    """Make the delivery live for its periods and take out what it supersedes; bills get totals and groups."""
    bill = delivery.format.kind == "bill"
    period = "billing_period" if bill else "CAST(date_trunc('day', ts_start) AS DATE)"
    moment = "max(CASE WHEN ChargeCategory = 'Usage' THEN ChargePeriodEnd END)" if bill else "max(ts_end)"
    final = "CASE WHEN bool_and(InvoiceId IS NOT NULL) THEN 'final' ELSE 'open' END" if bill else "'open'"
    found = ledger.run(
        f"SELECT {period} AS period, {final} || ' ' || CAST({moment} AS VARCHAR), count(*) FROM ledger.{delivery.format.target} WHERE delivery_id = $id GROUP BY 1 ORDER BY 1",
        {"id": identity},
    ).rows
    for at, version, _ in found:
        _supersede(ledger, delivery, identity, settings, at, version if delivery.manifest is not None else None)
    ledger.insert(
        "ledger.delivery_periods",
        [
            (identity, at, version if delivery.manifest is not None else None, True, count)
            for at, version, count in found
        ],
    )
    if bill:
        sums = ", ".join(f"COALESCE(sum({cost}), CAST(0 AS DECIMAL(38,18)))" for cost in COSTS)
        ledger.run(
            f"INSERT INTO ledger.delivery_totals SELECT delivery_id, billing_period, BillingCurrency, count(*), {sums} FROM ledger.charges WHERE delivery_id = $id GROUP BY ALL",
            {"id": identity},
        )
        for at, _, _ in found:
            build.groups(ledger, delivery.source, delivery.scope, at, settings.rules)
    return tuple(_label(delivery, str(at)) for at, _, _ in found)


def _supersede(
    ledger: Ledger, delivery: Delivery, identity: str, settings: Settings, period: object, version: str | None
) -> None:
    """Decide between this delivery and those live for the same (source, scope, dataset, period)."""
    live = ledger.run(
        "SELECT p.delivery_id, p.version, d.manifest FROM ledger.delivery_periods AS p JOIN ledger.deliveries AS d USING (delivery_id) "
        "WHERE p.live AND p.period = $period AND d.source = $source AND d.scope = $scope AND d.dataset = $dataset AND d.kind = $kind AND p.delivery_id <> $id",
        {
            "period": period,
            "source": delivery.source,
            "scope": delivery.scope,
            "dataset": delivery.dataset,
            "kind": delivery.format.kind,
            "id": identity,
        },
    ).rows
    if not live or settings.decision == "add":
        return
    if settings.decision is None:
        rivals = [
            other
            for key, other, manifest in live
            if manifest not in delivery.older and not _holds(ledger, delivery, key, period)
        ]
        _judge(delivery, str(period), version, rivals)
    for other, _, _ in live:
        values = {"id": other, "period": period}
        ledger.run(
            "UPDATE ledger.delivery_periods SET live = FALSE WHERE delivery_id = $id AND period = $period", values
        )
        if delivery.format.kind == "bill":
            ledger.run("DELETE FROM ledger.charges WHERE delivery_id = $id AND billing_period = $period", values)
            ledger.run(
                "DELETE FROM ledger.delivery_totals WHERE delivery_id = $id AND billing_period = $period", values
            )
        else:
            ledger.run(
                "DELETE FROM ledger.token_quantity AS q WHERE delivery_id = $id AND EXISTS (SELECT 1 FROM ledger.token_usage AS u WHERE u.delivery_id = q.delivery_id AND u.file_no = q.file_no AND u.record_no = q.record_no AND CAST(date_trunc('day', u.ts_start) AS DATE) = $period)",
                values,
            )
            for table in ("token_usage", "accelerator_usage"):
                ledger.run(
                    f"DELETE FROM ledger.{table} WHERE delivery_id = $id AND CAST(date_trunc('day', ts_start) AS DATE) = $period",
                    values,
                )


def _holds(ledger: Ledger, delivery: Delivery, other: str, period: object) -> bool:
    """Tell whether plain files hold, byte for byte, every file that another delivery has for a period: the same and more."""
    if delivery.manifest is not None:
        return False
    at = "c.billing_period" if delivery.format.kind == "bill" else "CAST(date_trunc('day', c.ts_start) AS DATE)"
    held = ledger.run(
        f"SELECT DISTINCT f.sha256 FROM ledger.{delivery.format.target} AS c JOIN ledger.delivery_files AS f USING (delivery_id, file_no) "
        f"WHERE c.delivery_id = $id AND {at} = $period",
        {"id": other, "period": period},
    ).rows
    return {row[0] for row in held} <= {file.sha256 for file in delivery.files}


def _judge(delivery: Delivery, period: str, version: str | None, others: list[str | None]) -> None:
    """Only evidence inside the deliveries decides: a later cut-off, or an invoice where there was none."""
    if not others:
        return
    label = _label(delivery, period)
    known = [other for other in others if other is not None]
    if version is None or len(known) < len(others) or any(_rank(other) == _rank(version) for other in known):
        raise InputRefused(
            delivery.files[0].name,
            f"{label} of source {delivery.source} is in the ledger already, from other files",
            evidence="nothing in the files tells which is newer"
            if delivery.manifest is not None
            else "plain files carry no version",
            remedy="Say --replace if these supersede them, --add if they belong beside them, or --source NAME if they are another export.",
        )
    if any(_rank(other) > _rank(version) for other in known):
        raise Superseded(f"{label}: the ledger holds a newer version; --replace goes back to this one")


def _rank(version: str) -> tuple[bool, str]:
    """Order versions: a final bill after an open one, then by the last usage it holds."""
    state, _, moment = version.partition(" ")
    return state == "final", moment
