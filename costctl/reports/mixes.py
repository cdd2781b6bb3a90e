"""What the tokens of pools that several models or tasks share leave to be said."""

from __future__ import annotations

from costctl.errors import nearest
from costctl.ledger.store import Ledger
from costctl.nouns import Span

FREE = (  # models that a pool serves and that have no part of its chips, although others have one
    "SELECT t.pool, t.model FROM ledger.token_days AS t WHERE t.pool IN (SELECT pool FROM ledger.pool_models) AND t.token_class <> '-' AND t.day >= $start AND t.day < $end "
    "AND t.model NOT IN (SELECT m.model FROM ledger.pool_models AS m WHERE m.pool = t.pool) GROUP BY ALL ORDER BY sum(CAST(t.tokens AS DECIMAL(38, 0))) DESC, t.pool, t.model"
)
UNCOUNTED = (  # models that have a part of a pool of which tokens are counted, but never any of theirs; with those that have none and are counted
    "SELECT m.pool, m.model, c.models FROM ledger.pool_models AS m JOIN ledger.pools AS p ON p.pool = m.pool JOIN ("
    "SELECT pool, list_sort(array_agg(DISTINCT model)) AS models FROM ledger.token_days WHERE tokens > 0 GROUP BY pool) AS c ON c.pool = p.tokens_of "
    "WHERE m.share > 0 AND NOT list_contains(c.models, m.model) ORDER BY m.pool, m.model"
)
MIXED = (  # pools that serve tasks whose tokens are no measure of each other, with nothing to tell them apart
    "SELECT t.pool, string_agg(DISTINCT t.task, ' and ' ORDER BY t.task) AS tasks FROM ledger.token_days AS t JOIN ledger.pools AS p ON p.pool = t.pool "
    "WHERE t.day >= $start AND t.day < $end AND t.token_class <> '-' AND p.base IN ('weighted_tokens', 'tokens', 'output_tokens') "
    "AND t.pool NOT IN (SELECT pool FROM ledger.pool_models) "
    "AND t.pool NOT IN (SELECT pool FROM ledger.chip_time WHERE model IS NOT NULL AND slot_start >= $start AND slot_start < $end) "
    "GROUP BY t.pool HAVING count(DISTINCT t.task) > 1 ORDER BY 1"
)


def uncounted(ledger: Ledger) -> list[str]:
    """Say which models have a part of a pool and no tokens there, so that nobody bears it: most often their name is misspelt."""
    named = set(ledger.run("SELECT pool, model FROM ledger.pool_models").rows)
    return [
        f"{model} has a part under `models:` of the pool {pool}, and no tokens are counted of it: nobody bears that part. "
        f"{nearest(model, [other for other in counted if (pool, other) not in named])}".rstrip()
        for pool, model, counted in ledger.run(UNCOUNTED).rows
    ]


def warnings(ledger: Ledger, span: Span) -> list[str]:
    """Say which models take no part in a pool's cost, and which pools share different tasks by tokens alone."""
    values = {"start": span.start, "end": span.end}
    lines = uncounted(ledger)
    lines += [
        f"{model} has no part under `models:` of the pool {pool}, and bears nothing of it"
        for pool, model in ledger.run(FREE, values).rows
    ]
    lines += [
        f"the pool {pool} serves {tasks}, and their tokens weigh the same: say under `models:` what part of the chips is whose"
        for pool, tasks in ledger.run(MIXED, values).rows
    ]
    return lines
