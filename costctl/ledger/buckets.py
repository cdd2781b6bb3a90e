"""Buckets that would count tokens twice: of two widths over the same time, or totals of a source beside the same by group.

Each task for itself: what a provider counts of embeddings is none of its completions, and may be asked for by other buckets and groups.
"""

from __future__ import annotations

from costctl.errors import InputRefused
from costctl.ledger.intake import Intake
from costctl.ledger.store import Ledger

GROUPED_BY = ("model_raw", "deployment", "region", "team_raw", "api_key", "project", "namespace", "principal")
WITHIN = "source = $source AND ts_end > (SELECT min(ts_start) FROM ledger.token_usage WHERE delivery_id = $id) AND ts_start < (SELECT max(ts_end) FROM ledger.token_usage WHERE delivery_id = $id)"
OVERLAPPING = (
    f"WITH spans AS (SELECT task, ts_start, ts_end, bool_or(delivery_id = $id) AS mine FROM ledger.token_usage WHERE {WITHIN} GROUP BY ALL), "
    "following AS (SELECT *, lag(ts_start) OVER one AS other_start, lag(ts_end) OVER one AS other_end, lag(mine) OVER one AS other_mine "
    "FROM spans WINDOW one AS (PARTITION BY task ORDER BY ts_start, ts_end)) "
    "SELECT other_start, other_end, ts_start, ts_end FROM following WHERE ts_start < other_end AND (mine OR other_mine) ORDER BY ts_start, ts_end LIMIT 1"
)
UNGROUPED = (  # a file whose records name no group at all, on a day of which another names some
    f"WITH files AS (SELECT delivery_id, file_no, task, CAST(ts_start AS DATE) AS day, bool_and(COALESCE({', '.join(GROUPED_BY)}) IS NULL) AS ungrouped "
    f"FROM ledger.token_usage WHERE {WITHIN} GROUP BY ALL) "
    "SELECT CAST(day AS VARCHAR) FROM files GROUP BY day, task HAVING bool_or(ungrouped) AND NOT bool_and(ungrouped) AND bool_or(delivery_id = $id) ORDER BY 1 LIMIT 1"
)
GROUPS = GROUPED_BY[1:]  # within a model
FINER = (  # counts of a bucket and model beside the same by more groups; where both are of one grouping, the later pull has the records of the other, too
    f"WITH held AS (SELECT u.usage_key, u.ts_start, u.ts_end, u.task, u.model_raw, u.service_tier, {', '.join(f'u.{name}' for name in GROUPS)}, q.token_class, "
    "list_sort(list(DISTINCT CASE WHEN u.delivery_id = $id THEN u.file_no ELSE 0 END)) AS places "
    "FROM ledger.token_usage AS u JOIN ledger.token_quantity AS q USING (delivery_id, file_no, record_no, part_no) "
    f"WHERE {WITHIN} AND u.usage_key IS NOT NULL GROUP BY ALL), "
    "several AS (SELECT * FROM held WINDOW one AS (PARTITION BY ts_start, ts_end, task, model_raw, service_tier, token_class) QUALIFY min(places) OVER one <> max(places) OVER one) "
    "SELECT count(DISTINCT c.usage_key) FROM several AS c JOIN several AS f ON f.ts_start = c.ts_start AND f.ts_end = c.ts_end AND f.task = c.task AND f.token_class = c.token_class "
    "AND f.model_raw IS NOT DISTINCT FROM c.model_raw AND f.service_tier IS NOT DISTINCT FROM c.service_tier "
    "WHERE NOT list_has_any(c.places, f.places) AND list_max(list_concat(c.places, f.places)) > 0 "
    f"AND {' AND '.join(f'(c.{name} IS NULL OR c.{name} = f.{name})' for name in GROUPS)} "
    f"AND NOT ({' AND '.join(f'c.{name} IS NOT DISTINCT FROM f.{name}' for name in GROUPS)})"
)
REMEDY = "Take in one of the two; with --replace in the place of what is there, with --source NAME beside it, to be compared and not added."


def refuse_twice(ledger: Ledger, intake: Intake) -> None:
    """Refuse what the source counts already in another cut; raises InputRefused."""
    values = {"source": intake.delivery.source, "id": intake.identity}
    names = ", ".join(file.name for file in intake.delivery.files)
    for start, end, later_start, later_end in ledger.run(OVERLAPPING, values).rows:
        evidence = [f"{start} to {end}", f"{later_start} to {later_end}", f"source {intake.delivery.source}"]
        what = "has buckets that overlap: the same tokens would count twice"
        raise InputRefused(names, what, evidence=evidence, remedy=REMEDY)
    for (day,) in ledger.run(UNGROUPED, values).rows:
        what = "counts a day both as a whole and by groups: the same tokens would count twice"
        raise InputRefused(names, what, evidence=[day, f"source {intake.delivery.source}"], remedy=REMEDY)


def finer(ledger: Ledger, intake: Intake) -> list[str]:
    """Say how many records of a provider's report are there by more groups, too; asked before of records with one key one is left."""
    if intake.delivery.format.role != "provider_meter":
        return []
    values = {"source": intake.delivery.source, "id": intake.identity}
    count = ledger.value(FINER, values)
    what = "of a bucket and model that other files count by more groups: two groupings of the same tokens would count twice"
    return [f"{count:,} record{'s' if count > 1 else ''} {what}. {REMEDY}"] if count else []
