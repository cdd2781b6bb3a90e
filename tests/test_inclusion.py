"""What each source's input and output contain: one record with cached, written and reasoning tokens per source, in its classes and at its price.

Each folder of tests/inclusion holds a `record`, as the source exports it, `classes.csv`: the disjoint classes it must land in and the vendor's
price of each per million, and `cost.txt`: what the vendor charges for it, reckoned by the vendor's rules and not by costctl.
"""

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import few

pytestmark = pytest.mark.usefixtures("unposted")

CENTRAL = (  # one of each way to count, and of each kind of source; the others are slow
    *("anthropic_messages", "openai_responses", "gemini_responses", "bedrock_invocations", "openai_usage"),
    *("litellm", "langfuse", "otel_spans", "claude_code", "codex"),
)
CASES = sorted(
    (path for path in (Path(__file__).parent / "inclusion").iterdir() if path.is_dir()),
    key=lambda path: (path.name not in CENTRAL, path.name),
)
CLASSES = "SELECT token_class, CAST(sum(tokens) AS BIGINT) FROM ledger.token_quantity GROUP BY 1 HAVING sum(tokens) > 0 ORDER BY 1"


@pytest.mark.parametrize("case", few(CASES, len(CENTRAL)), ids=lambda case: case.name)
def test_a_record_lands_in_its_classes_and_comes_to_the_vendors_figure(case, place):
    (record,) = case.glob("record*")
    with (case / "classes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = {row["token_class"]: int(row["tokens"]) for row in rows if row["tokens"] != "0"}
    (outcome,) = place.ingest(record)
    assert outcome.records > 0
    assert place.ask(CLASSES) == sorted(wanted.items())
    assert place.ask("SELECT count(*) FROM ledger.token_usage WHERE convention_proof = 'contradicted'") == [(0,)]
    cost = sum(int(row["tokens"]) * Decimal(row["price_per_million"]) for row in rows) / 1_000_000
    assert cost == Decimal((case / "cost.txt").read_text("utf-8").split()[0])
