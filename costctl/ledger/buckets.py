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
