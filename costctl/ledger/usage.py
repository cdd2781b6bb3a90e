"""Write what a source of usage says: token counts in disjoint classes, samples of counters, chip time, gauges; each once.

What makes a record one of a kind in its source is its natural key: a request's id, or a bucket's time and everything that it is
grouped by. Where records of one source have the same key one of them counts, whichever files they came in and in whatever order.
"""

from __future__ import annotations

from datetime import datetime
from importlib import resources
from typing import Any

from costctl.errors import InputRefused
from costctl.ledger import problems
from costctl.ledger.intake import Excluded, Intake
from costctl.ledger.store import Ledger
from costctl.nouns import Delivery, Format

MOMENTS = {"counter_samples": "ts", "accelerator_gauges": "ts"}  # of the others it is ts_start
WITH_ROLE = ("token_usage", "counter_samples")
QUANTITIES = "ledger.token_quantity AS q WHERE q.delivery_id = u.delivery_id AND q.file_no = u.file_no AND q.record_no = u.record_no AND q.part_no = u.part_no"
KEYED = {  # the tables whose records have a key: what of a record tells that it says the same, and how much it says
    "token_usage": (
        f"concat_ws(' ', u.requests, (SELECT string_agg(concat(q.token_class, q.tokens), ' ' ORDER BY q.token_class) FROM {QUANTITIES}))",
        f"COALESCE((SELECT sum(q.tokens) FROM {QUANTITIES}), 0)",
    ),
    "accelerator_usage": (
        "concat_ws(' ', u.state, u.chips, u.ts_end)",
        "u.chips * date_diff('second', u.ts_start, u.ts_end)",
    ),
}
OF_RECORD = "t.delivery_id = c.delivery_id AND t.file_no = c.file_no AND t.record_no = c.record_no"
REPEATED, OUTDONE = "the same record again", "another record of the same key counts"
SAME = (  # the records of a file that say of a request what an earlier one of the same day said: to insert and delete them again costs more than all others
    "CREATE OR REPLACE TEMP TABLE said_again AS SELECT file_no, record_no FROM ("
    "SELECT u.file_no, u.record_no, row_number() OVER (PARTITION BY u.file_no, u.natural_key, CAST(u.ts_start AS DATE), u.requests, "
    "list_sort(list_filter(u.quantities, lambda q: q.tokens IS NOT NULL)) ORDER BY u.record_no) AS place "
    "FROM temp.usage_rows AS u JOIN (SELECT file_no, natural_key FROM temp.usage_rows WHERE {kept} GROUP BY ALL HAVING count(*) > 1) USING (file_no, natural_key) "
    "WHERE {kept}) WHERE place > 1"
)
AGAIN = (  # what was outdone by a record that is not there any more
    "SELECT delivery_id, file_no, record_no, usage_key, rule, CAST(ts_start AS DATE) AS day FROM ledger.outdone_{table} WHERE source = $source AND usage_key NOT IN ("
    "SELECT usage_key FROM ledger.{table} WHERE source = $source AND usage_key IN (SELECT usage_key FROM ledger.outdone_{table}) AND delivery_id <> $id)"
)
# The periods that need a day on which a record of another delivery counts no more, or again; chip time may have begun long before.
BEHIND = (
    "UPDATE ledger.periods SET fingerprint = NULL WHERE state = 'open' AND billing_period IN ("
    "SELECT p.billing_period FROM ledger.periods AS p "
    "LEFT JOIN (SELECT billing_period, min(slot_start) AS first, max(slot_end) AS last FROM ledger.charge_groups GROUP BY 1) AS g USING (billing_period) "
    "JOIN (SELECT day FROM temp.counting_again WHERE delivery_id <> $id UNION SELECT day FROM temp.counted_twice WHERE delivery_id <> $id) AS d "
    "ON d.day < greatest(p.billing_period, date_trunc('month', g.last)) + INTERVAL 1 MONTH AND ($long OR d.day >= least(p.billing_period, date_trunc('month', g.first))))"
)
SAID = {  # of a delivery with such records
    "estimated": "estimated by the source, not counted",
    "incomplete": "of an answer after which more was to come, and it is not here: fetch the next page too",
    "sampled": "of a sample; they count as they are, nothing is scaled",
    "spillover": "gone over from provisioned capacity, so bought by the token",
    "contradicted": "whose parts do not add up as the source declares, or that count what nobody knows; the first is",
    "long": "whose bucket reaches into another UTC day; all that it counts stands on the day on which it begins",
}
# What was to come after an answer is here where the delivery goes on behind it, within a week: buckets without usage leave no record.
FOLLOWED = (
    "UPDATE ledger.token_usage AS u SET flags = NULLIF(array_to_string(list_filter(string_split(flags, ' '), lambda word: word <> 'incomplete'), ' '), '') "
    "WHERE u.delivery_id = $id AND list_contains(string_split(u.flags, ' '), 'incomplete') "
    "AND EXISTS (SELECT 1 FROM ledger.token_usage AS v WHERE v.delivery_id = $id AND v.task = u.task AND v.ts_start >= u.ts_end AND v.ts_start < u.ts_end + INTERVAL 7 DAY)"
)
MOST = 10**18  # of a ledger: nobody has as many, and up to here what they weigh, and cost at a card, fits
COUNTS = "(SELECT delivery_id, file_no, record_no, tokens AS counted FROM ledger.token_quantity UNION ALL SELECT delivery_id, file_no, record_no, requests FROM ledger.token_usage)"


def moment_of(item: Format) -> str:
    """Return the column that tells when a record of a kind of usage was."""
    return MOMENTS.get(item.target, "ts_start")


def write(ledger: Ledger, delivery: Delivery, identity: str, select: str) -> list[Excluded]:
    """Insert what a SELECT makes of the records into the table that the format names; return what it leaves out by name."""
    target = delivery.format.target
    ledger.run(f"CREATE OR REPLACE TEMP TABLE usage_rows AS {select}")
    columns = set(ledger.columns("temp.usage_rows"))
    inside = columns & {"quantities", "x_excluded", "natural_key"}
    rows = f"SELECT * EXCLUDE ({', '.join(sorted(inside))})" if inside else "SELECT *"
    key = ", CAST(md5(natural_key) AS UUID) AS usage_key" if "natural_key" in columns else ""
    role = ", $role AS evidence_role" if target in WITH_ROLE else ""
    kept = "x_excluded IS NULL" if "x_excluded" in columns else "TRUE"
    excluded = list[Excluded]()
    if delivery.format.grain == "request" and columns >= {"quantities", "natural_key"}:
        excluded += _said_again(ledger, kept)
    ledger.run(
        f"INSERT INTO ledger.{target} BY NAME {rows}{key}, $source AS source{role}, $id AS delivery_id FROM temp.usage_rows WHERE {kept}",
        {"source": delivery.source, "id": identity} | ({"role": delivery.role or delivery.format.role} if role else {}),
    )
    if "quantities" in columns:
        ledger.run(
            "INSERT INTO ledger.token_quantity BY NAME SELECT file_no, record_no, q.token_class, q.tokens, $id AS delivery_id "
            f"FROM (SELECT file_no, record_no, unnest(quantities) AS q FROM temp.usage_rows WHERE {kept}) WHERE q.tokens IS NOT NULL",
            {"id": identity},
        )
    if "x_excluded" in columns:
        query = "SELECT file_no, x_excluded, count(*) FROM temp.usage_rows WHERE x_excluded IS NOT NULL GROUP BY ALL ORDER BY ALL"
        excluded += [Excluded(file_no, None, rule, records) for file_no, rule, records in ledger.run(query).rows]
    ledger.run("DROP TABLE temp.usage_rows")  # else the commit writes it once more
    return excluded


def _said_again(ledger: Ledger, kept: str) -> list[Excluded]:
    """Take from `usage_rows` what a file says once more in the same words, and count it."""
    ledger.run(SAME.replace("{kept}", f"{kept} AND natural_key IS NOT NULL"))
    found = ledger.run("SELECT file_no, count(*) FROM temp.said_again GROUP BY 1 ORDER BY 1").rows
    if found:
        ledger.run(
            "DELETE FROM temp.usage_rows AS u USING temp.said_again AS s WHERE s.file_no = u.file_no AND s.record_no = u.record_no"
        )
    return [Excluded(file_no, None, REPEATED, records) for file_no, records in found]


def places(target: str) -> tuple[str, ...]:
    """Return the tables that hold records of a kind: those that count, and those that another one outdoes."""
    return (target, f"outdone_{target}") if target in KEYED else (target,)


def remove_parts(ledger: Ledger, table: str, rows: str, values: dict[str, Any]) -> None:
    """Remove the token classes of records that are about to be removed from a table: those of `FROM … WHERE …`."""
    if table.endswith("token_usage"):
        whole, parts = table.replace("usage", "quantity"), f"SELECT (file_no, record_no) {rows}"
        ledger.run(f"DELETE FROM ledger.{whole} WHERE delivery_id = $id AND (file_no, record_no) IN ({parts})", values)


def reaches(ledger: Ledger, intake: Intake) -> dict[int, datetime]:
    """Return until when each file of buckets tells."""
    item = intake.delivery.format
    if item.grain != "bucket" or item.target not in KEYED:
        return {}
    query = f"SELECT file_no, max(ts_end) FROM ledger.{item.target} WHERE delivery_id = $id GROUP BY 1"
    return dict(ledger.run(query, {"id": intake.identity}).rows)


def count_once(ledger: Ledger, intake: Intake) -> None:
    """Take out the records whose key another record of the source has, of whichever delivery, and account for them."""
    target, delivery = intake.delivery.format.target, intake.delivery
    if target not in KEYED:
        return
    if target == "token_usage":
        ledger.run(FOLLOWED, {"id": intake.identity})
    said, size = KEYED[target]
    query = (resources.files("costctl.ledger") / "counted_once.sql").read_text(encoding="utf-8")
    select = query.replace("{table}", target).replace("{said}", said).replace("{size}", size)
    values = {"id": intake.identity, "source": delivery.source}
    texts = {"repeated": REPEATED, "outdone": OUTDONE}
    tables = (target, "token_quantity") if target == "token_usage" else (target,)
    ledger.run(f"CREATE OR REPLACE TEMP TABLE counting_again AS {AGAIN.replace('{table}', target)}", values)
    for table in tables:
        ledger.run(
            f"INSERT INTO ledger.{table} SELECT t.* EXCLUDE (rule) FROM ledger.outdone_{table} AS t JOIN temp.counting_again AS c ON {OF_RECORD}"
        )
        ledger.run(f"DELETE FROM ledger.outdone_{table} AS t USING temp.counting_again AS c WHERE {OF_RECORD}")
    _leave_out(ledger, "counting_again", -1)
    ledger.run(f"CREATE OR REPLACE TEMP TABLE counted_twice AS {select}", values | texts)
    for table in tables:
        ledger.run(
            f"INSERT INTO ledger.outdone_{table} SELECT t.*, c.rule FROM ledger.{table} AS t JOIN temp.counted_twice AS c ON {OF_RECORD} WHERE c.by_another_day"
        )
        ledger.run(f"DELETE FROM ledger.{table} AS t USING temp.counted_twice AS c WHERE {OF_RECORD}")
    _leave_out(ledger, "counted_twice", 1)
    ledger.run(BEHIND, {"id": intake.identity, "long": target == "accelerator_usage"})


def _leave_out(ledger: Ledger, listed: str, sign: int) -> None:
    """Account for records that do not count, or, by a sign of -1, for those that do again."""
    ledger.run(
        f"INSERT INTO ledger.exclusions BY NAME SELECT delivery_id, file_no, rule, $sign * count(*) AS records FROM temp.{listed} GROUP BY ALL ORDER BY ALL",
        {"sign": sign},
    )
    ledger.run(
        "UPDATE ledger.delivery_files AS f SET kept = f.kept - c.records, excluded = f.excluded + c.records "
        f"FROM (SELECT delivery_id, file_no, $sign * count(*) AS records FROM temp.{listed} GROUP BY ALL) AS c "
        "WHERE c.delivery_id = f.delivery_id AND c.file_no = f.file_no",
        {"sign": sign},
    )


def refuse_overflow(ledger: Ledger, intake: Intake) -> None:
    """Refuse what makes all counts together more than anybody has: no report could add them up, or price them."""
    if intake.delivery.format.target not in WITH_ROLE:
        return
    total = ledger.value(f"SELECT sum(counted) FROM {COUNTS}") or 0
    if total < MOST:
        return
    largest = f"SELECT file_no, record_no, counted FROM {COUNTS} WHERE delivery_id = $id AND counted > 0 ORDER BY 3 DESC, 1, 2 LIMIT 1"
    found = ledger.run(largest, {"id": intake.identity}).rows
    raise InputRefused(
        ", ".join(file.name for file in intake.delivery.files),
        f"adds up with the counts of the ledger to more tokens and requests than there are: {total:,}",
        evidence=[
            f"{problems.place_of(intake.readings[file - 1], record)} counts {count:,}" for file, record, count in found
        ],
        remedy="Look for a count that is not one, such as an id or a time in its column.",
    )


def notes(ledger: Ledger, intake: Intake) -> list[str]:
    """Say what of a delivery is not as plain counts should be."""
    if intake.delivery.format.target == "accelerator_usage":
        return _overlapping(ledger, intake)
    if intake.delivery.format.target not in WITH_ROLE:
        return []
    first = "min({'file': file_no, 'record': record_no})"
    flagged = (
        f"SELECT flag, count(*), {first} FROM (SELECT file_no, record_no, unnest(string_split(flags, ' ')) AS flag FROM ledger.token_usage WHERE delivery_id = $id AND flags IS NOT NULL) GROUP BY 1 "
        f"UNION ALL SELECT convention_proof, count(*), {first} FROM ledger.token_usage WHERE delivery_id = $id GROUP BY 1 "
        f"UNION ALL SELECT 'long', count(*), {first} FROM ledger.token_usage WHERE delivery_id = $id AND ts_end > ts_start + INTERVAL 1 HOUR "  # else it is a request
        "AND CAST(ts_end - INTERVAL 1 MICROSECOND AS DATE) > CAST(ts_start AS DATE) GROUP BY 1 ORDER BY 1"
    )
    found = [row for row in ledger.run(flagged, {"id": intake.identity}).rows if row[0] in SAID]
    return [
        f"{count:,} record{'s' if count > 1 else ''} {SAID[word]}"
        + (f" {problems.place_of(intake.readings[at['file'] - 1], at['record'])}" if word == "contradicted" else "")
        for word, count, at in found
    ]


def _overlapping(ledger: Ledger, intake: Intake) -> list[str]:
    """Say how many records tell of a workload while another record of the source tells of the same one on the same resource."""
    query = (
        "WITH mine AS (SELECT DISTINCT workload FROM ledger.accelerator_usage WHERE delivery_id = $id AND workload IS NOT NULL), "
        "told AS (SELECT delivery_id, ts_start, max(ts_end) OVER (PARTITION BY workload, namespace, cluster, resource_id ORDER BY ts_start, ts_end, delivery_id, file_no, record_no "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM ledger.accelerator_usage WHERE source = $source AND workload IN (SELECT workload FROM mine)) "
        "SELECT count(*) FROM told WHERE before > ts_start"
    )
    count = ledger.value(query, {"id": intake.identity, "source": intake.delivery.source})
    what = "of a workload overlap others of it: its chips count twice there. Give a source one aggregate, and windows that do not overlap"
    return [f"{count:,} record{'s' if count > 1 else ''} {what}"] if count else []
