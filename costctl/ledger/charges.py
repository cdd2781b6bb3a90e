"""Write what a format's SELECT makes of records: charges, token counts, chip time; a month again from all its deliveries; and remove it.

A format whose SELECT looks across records goes through the TEMP table `derived`: what it excludes there by name becomes no charge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from costctl.ledger import pipes, records, staging, stored, tags, usage
from costctl.ledger.intake import IS_REPLACED, REPLACED, Excluded, Intake, Recount, Settings
from costctl.ledger.records import Reading
from costctl.ledger.sources import Source
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Format, unwatched

# A month that begins at midnight east of Greenwich begins on the last day of the month before it in UTC; zones go to +14:00.
PERIOD = "CAST(date_trunc('month', f.BillingPeriodStart + INTERVAL 14 HOUR) AS DATE)"
MEMBERS = (  # the files that speak for a month together
    "SELECT d.delivery_id, f.file_no, d.dataset FROM ledger.deliveries AS d JOIN ledger.delivery_periods AS p USING (delivery_id) "
    "JOIN ledger.delivery_files AS f USING (delivery_id) WHERE p.live AND p.period = $period AND d.kind = 'bill' AND d.source = $source "
    "AND d.scope = $scope AND d.format = $format "
    f"AND NOT EXISTS (SELECT 1 FROM ledger.exclusions AS x WHERE {IS_REPLACED} AND x.billing_period = $period) ORDER BY ALL"
)
Member = tuple[str, int, str]  # delivery, number of the file in it, dataset
COUNTED = (
    "SELECT delivery_id, file_no, billing_period, count(*) FILTER (WHERE part_no = 1) AS records FROM ledger.charges "
    "WHERE source = $source AND scope = $scope AND list_contains($periods, billing_period) GROUP BY ALL UNION ALL "
    "SELECT delivery_id, file_no, billing_period, records FROM ledger.exclusions WHERE list_contains($members, delivery_id) AND list_contains($periods, billing_period)"
)


def write(ledger: Ledger, delivery: Delivery, identity: str, relation: str) -> list[Excluded]:
    """Insert what the format's SELECT makes of the records; return what it left out by name."""
    with_records, select = f"WITH records AS {relation}", delivery.format.sql.strip().rstrip(";")
    if delivery.format.across:
        return _write_across(ledger, delivery, identity, f"{with_records} SELECT * FROM ({select})")
    if delivery.format.target == "charges":
        values = {"source": delivery.source, "delivery": identity}
        columns, keys = tags.columns(ledger)
        ledger.run(
            f"INSERT INTO ledger.charges BY NAME {with_records} SELECT $source AS source, $scope AS scope, "
            f"{PERIOD} AS billing_period, f.*{' EXCLUDE (stored)' if stored.carried(delivery.format) else ''}, {stored.columns(delivery.format)}{columns} $delivery AS delivery_id FROM ({select}) AS f",
            values | {"scope": delivery.scope} | keys,
        )
        return []
    return usage.write(ledger, delivery, identity, f"{with_records} SELECT f.* FROM ({select}) AS f")


def period_of(item: Format) -> str:
    """Return the period that a stored row belongs to: the billing month of a charge, the UTC day of usage."""
    return "billing_period" if item.kind == "bill" else f"CAST(date_trunc('day', {usage.moment_of(item)}) AS DATE)"


def remove(ledger: Ledger, item: Format, identity: str, period: object, file_no: int | None = None) -> None:
    """Remove what a delivery, or one file of it, says about a period."""
    of_file = "" if file_no is None else " AND file_no = $file_no"
    values = {"id": identity, "period": period} | ({} if file_no is None else {"file_no": file_no})
    for table in usage.places(item.target):
        rows = f"FROM ledger.{table} WHERE delivery_id = $id AND {period_of(item)} = $period{of_file}"
        usage.remove_parts(ledger, table, rows, values)
        ledger.run(f"DELETE {rows}", values)


def _write_across(ledger: Ledger, delivery: Delivery, identity: str, select: str) -> list[Excluded]:
    """Derive a delivery's charges from itself alone."""
    _derive(ledger, select, [(number, identity, number) for number in range(1, len(delivery.files) + 1)])
    _insert(ledger, delivery, None)
    found = ledger.run(
        f"SELECT file_no, {PERIOD} AS period, x_excluded, count(*) FROM temp.derived AS f WHERE x_excluded IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).rows
    return [Excluded(*row) for row in found]


def _derive(ledger: Ledger, select: str, files: Iterable[tuple[int, str, int]]) -> None:
    """Fill `derived`, whose file_no is a number among all files that were read together, and `derived_files` that resolves it."""
    ledger.run(f"CREATE OR REPLACE TEMP TABLE derived AS {select}")
    for name in ("x_excluded", "x_version"):
        ledger.run(f"ALTER TABLE temp.derived ADD COLUMN IF NOT EXISTS {name} VARCHAR")
    ledger.run("CREATE OR REPLACE TEMP TABLE derived_files (number INTEGER, delivery_id VARCHAR, file_no INTEGER)")
    ledger.insert("temp.derived_files", files)


def _insert(ledger: Ledger, delivery: Delivery, periods: Sequence[date] | None) -> None:
    """Insert the derived charges, of some periods or of all."""
    columns, keys = tags.columns(ledger)
    within = "" if periods is None else f" AND list_contains($periods, {PERIOD})"
    values = {"source": delivery.source, "scope": delivery.scope} | keys
    ledger.run(
        f"INSERT INTO ledger.charges BY NAME SELECT $source AS source, $scope AS scope, {PERIOD} AS billing_period, "
        f"f.* EXCLUDE (file_no, x_excluded, x_version{', stored' if stored.carried(delivery.format) else ''}), {stored.columns(delivery.format)}{columns} m.delivery_id, m.file_no "
        f"FROM temp.derived AS f JOIN temp.derived_files AS m ON m.number = f.file_no WHERE f.x_excluded IS NULL{within}",
        values if periods is None else values | {"periods": list(periods)},
    )


def again(ledger: Ledger, intake: Intake, periods: Sequence[date], folder: Path, *, raising: bool) -> None:
    """Derive billing periods again from the files that speak for them together, where these are others than this delivery's own."""
    delivery = intake.delivery
    same: dict[tuple[Member, ...], list[date]] = defaultdict(list)
    for period in periods:
        about = {"source": delivery.source, "scope": delivery.scope, "format": delivery.format.name}
        values = about | {"period": period, "replaced": REPLACED}
        same[tuple(ledger.run(MEMBERS, values).rows)].append(period)
    own = {(intake.identity, number) for number in range(1, len(delivery.files) + 1)}
    for number, (members, months) in enumerate(same.items()):
        if {(member, file_no) for member, file_no, _ in members} != own:
            _again(ledger, intake, members, months, folder / f"again{number}", raising=raising)


def _again(
    ledger: Ledger, intake: Intake, members: Sequence[Member], periods: list[date], beside: Path, *, raising: bool
) -> None:
    """Derive billing periods again from the files of which each of them has charges."""
    delivery = intake.delivery
    own: dict[str, object] = {"source": delivery.source, "scope": delivery.scope, "periods": periods}
    readings = _read_back(ledger, intake.settings, delivery, members)
    files = [
        (reading.file_no, member, file_no) for reading, (member, file_no, _) in zip(readings, members, strict=True)
    ]
    identities = sorted({member for member, _, _ in members})
    counted = own | {"members": identities}
    before = _counted(ledger, counted)
    ledger.run(
        "DELETE FROM ledger.charges WHERE source = $source AND scope = $scope AND list_contains($periods, billing_period)",
        own,
    )
    select = delivery.format.sql.strip().rstrip(";")
    beside.mkdir()
    if raising:
        with pipes.piped(readings, beside, unwatched) as places:
            relation = records.relation(readings, delivery.format, places, raising=True)
            _derive(ledger, f"WITH records AS ({relation}) SELECT * FROM ({select})", files)
    else:
        staging.stage(ledger, readings, delivery.format, beside)
        _derive(ledger, f"WITH records AS (SELECT * FROM temp.records) SELECT * FROM ({select})", files)
    _insert(ledger, delivery, periods)
    _account(ledger, identities, periods)
    if _counted(ledger, counted) != before:
        raise Recount(
            "derived together with the other deliveries of its month, another number of records is accounted for"
        )


def _counted(ledger: Ledger, values: dict[str, object]) -> list[tuple[object, ...]]:
    query = f"SELECT delivery_id, file_no, billing_period, sum(records) FROM ({COUNTED}) GROUP BY ALL HAVING sum(records) > 0 ORDER BY ALL"
    return ledger.run(query, values).rows


def _account(ledger: Ledger, members: list[str], periods: list[date]) -> None:
    """Write down anew what the month's rules leave out of each file."""
    values = {"members": members, "periods": periods, "replaced": REPLACED}
    ledger.run(
        "DELETE FROM ledger.exclusions WHERE list_contains($members, delivery_id) AND list_contains($periods, billing_period) AND rule <> $replaced",
        values,
    )
    ledger.run(
        f"INSERT INTO ledger.exclusions SELECT m.delivery_id, m.file_no, {PERIOD}, f.x_excluded, count(*) FROM temp.derived AS f "
        f"JOIN temp.derived_files AS m ON m.number = f.file_no WHERE f.x_excluded IS NOT NULL AND list_contains($periods, {PERIOD}) GROUP BY ALL",
        {"periods": periods},
    )
    ledger.run(
        "UPDATE ledger.delivery_files AS f SET excluded = e.records, kept = f.records - f.quarantined - e.records FROM ("
        "SELECT g.delivery_id, g.file_no, CAST(COALESCE(sum(x.records), 0) AS BIGINT) AS records FROM ledger.delivery_files AS g "
        "LEFT JOIN ledger.exclusions AS x USING (delivery_id, file_no) WHERE list_contains($members, g.delivery_id) GROUP BY ALL) AS e "
        "WHERE e.delivery_id = f.delivery_id AND e.file_no = f.file_no",
        {"members": members},
    )


def _read_back(ledger: Ledger, settings: Settings, delivery: Delivery, members: Sequence[Member]) -> list[Reading]:
    """Return files that are in the ledger, to be read again under new numbers."""
    query = "SELECT name, sha256, bytes, path, way FROM ledger.delivery_files WHERE delivery_id = $id AND file_no = $file_no"
    found: list[Reading] = []
    for member, file_no, dataset in members:
        source = Source(*ledger.run(query, {"id": member, "file_no": file_no}).rows[0])
        place = source.bytes_at(ledger)
        file = settings.inspect(place, source.name, delivery.format)
        found.append(Reading(len(found) + 1, file, place, settings.columns_of(delivery.format, file), dataset))
    return found
