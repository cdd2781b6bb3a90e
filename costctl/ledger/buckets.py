"""Buckets that would count tokens twice: of two widths over the same time, or totals of a source beside the same by group.

Each task for itself: what a provider counts of embeddings is none of its completions, and may be asked for by other buckets and groups.
"""

from __future__ import annotations

from costctl.errors import InputRefused
from costctl.ledger import problems
from costctl.ledger.intake import Intake
from costctl.ledger.store import Ledger

GROUPED_BY = ("model_raw", "deployment", "region", "team_raw", "api_key", "project", "namespace", "principal")
WITHIN = "source = $source AND ts_end > (SELECT min(ts_start) FROM ledger.token_usage WHERE delivery_id = $id) AND ts_start < (SELECT max(ts_end) FROM ledger.token_usage WHERE delivery_id = $id)"
OVERLAPPING = (
    "WITH spans AS (SELECT {group}, ts_start, ts_end, bool_or(delivery_id = $id) AS mine, min({{'file': file_no, 'record': record_no}}) FILTER (WHERE delivery_id = $id) AS place "
    "FROM ledger.token_usage WHERE {within} GROUP BY ALL), "
    "following AS (SELECT *, lag(ts_start) OVER one AS other_start, lag(ts_end) OVER one AS other_end, lag(mine) OVER one AS other_mine, lag(place) OVER one AS other_place "
    "FROM spans WINDOW one AS (PARTITION BY {group} ORDER BY ts_start, ts_end)) "
    "SELECT other_start, other_end, ts_start, ts_end, COALESCE(place, other_place) AS place FROM following "
    "WHERE ts_start < other_end AND (mine OR other_mine) AND greatest(ts_end - ts_start, other_end - other_start) >= {least} ORDER BY ts_start, ts_end, place LIMIT 1"
)
OF_SOURCE = OVERLAPPING.format(group="task", within=WITHIN, least="INTERVAL 0 SECOND")
OF_OWNER = OVERLAPPING.format(  # two requests of one owner and model may overlap
    group=", ".join(
        ("task", "provider", "billing_account", "pool", "chip", *GROUPED_BY, "purpose", "outcome", "service_tier")
    ),
    within=f"{WITHIN} AND usage_key IS NULL AND ts_end > ts_start",
    least="INTERVAL 1 HOUR",
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
ADDED = "Leave one of the two out; say --add if they are different tokens. Give requests a column `time`, or an `id`."
REMEDY = (
    "Take in one of the two; with --replace in the place of what is there, or with --source NAME beside it, and name the source that counts under `tokens: drives:` in costctl.yaml: "
    "sources of one role are added."
)


def refuse_twice(ledger: Ledger, intake: Intake) -> None:
    """Refuse what the source counts already in another cut; raises InputRefused."""
    values = {"source": intake.delivery.source, "id": intake.identity}
    names = ", ".join(file.name for file in intake.delivery.files)
    _refuse_overlapping(ledger, intake, OF_SOURCE, REMEDY)
    for (day,) in ledger.run(UNGROUPED, values).rows:
        what = "counts a day both as a whole and by groups: the same tokens would count twice"
        raise InputRefused(names, what, evidence=[day, f"source {intake.delivery.source}"], remedy=REMEDY)


def refuse_of_owner(ledger: Ledger, intake: Intake) -> None:
    """Refuse buckets of a plain file that overlap others of the same owner and model: other owners may have other ones."""
    if intake.delivery.format.target == "token_usage" and not intake.standing and intake.settings.decision != "add":
        _refuse_overlapping(ledger, intake, OF_OWNER, ADDED)


def _refuse_overlapping(ledger: Ledger, intake: Intake, query: str, remedy: str) -> None:
    source = intake.delivery.source
    for start, end, later_start, later_end, place in ledger.run(query, {"source": source, "id": intake.identity}).rows:
        raise InputRefused(
            problems.place_of(intake.readings[place["file"] - 1], place["record"]),
            "has buckets that overlap: the same tokens would count twice",
            evidence=[f"{start} to {end}", f"{later_start} to {later_end}", f"source {source}"],
            remedy=remedy,
        )


def finer(ledger: Ledger, intake: Intake) -> list[str]:
    """Say how many records of a provider's report are there by more groups, too; asked before of records with one key one is left."""
    if intake.delivery.format.role != "provider_meter":
        return []
    values = {"source": intake.delivery.source, "id": intake.identity}
    count = ledger.value(FINER, values)
    what = "of a bucket and model that other files count by more groups: two groupings of the same tokens would count twice"
    return [f"{count:,} record{'s' if count > 1 else ''} {what}. {REMEDY}"] if count else []
