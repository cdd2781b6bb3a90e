"""Write Meridian AI's September and October 2026: bills, token counts, chip time and the known totals.

`python generate.py [DIR]` writes beside itself (or into DIR), the same bytes each time: noise comes from
random.Random(SEED), money from Decimal alone. Tokens come first, because the token lines of the bills follow from them.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import sys
import uuid
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from generator import aws, focus, tokens, totals
from generator.meridian import MONTHS, SEED
from generator.shape import MILLION, Row, Tokens, after, days

HERE = Path(__file__).resolve().parent
MARKS = ("<!-- totals, written by generate.py -->\n", "<!-- end of totals -->\n")


def main(target: Path) -> None:
    """Generate, write, sum, check."""
    rng = random.Random(SEED)
    answers: dict[str, Any] = {}
    for start in MONTHS:
        month = generate(start, rng)
        write(month, target)
        answers[f"{start:%Y-%m}"] = totals.expected(month)
        totals.check(month, answers[f"{start:%Y-%m}"])
    known = {"seed": SEED, "currency": "USD", "months": answers}
    save(target / "expected_totals.json", json.dumps(known, indent=1) + "\n")
    if (readme := target / "README.md").exists():
        head, _, rest = readme.read_text(encoding="utf-8").partition(MARKS[0])
        save(readme, head + MARKS[0] + "\n".join(tables(answers)) + "\n" + MARKS[1] + rest.partition(MARKS[1])[2])


def generate(start: date, rng: random.Random) -> totals.Month:
    """Draw the tokens of a month and make the bills that follow from them."""
    seen: Tokens = {}
    usage = [row for day in days(start) for row in tokens.usage_rows(day, rng, seen)]
    proxy = [line for day in days(start) for line in tokens.proxy_lines(day, rng, seen)]
    chips = [row for day in days(start) for row in tokens.chip_rows(day)]
    azure = focus.azure_month(start, seen, HERE / "cards")
    return totals.Month(start, aws.month_rows(start, seen), focus.google_month(start), azure, usage, proxy, chips)


def write(month: totals.Month, target: Path) -> None:
    """Write a month's files as they would be delivered."""
    name = f"{month.start:%Y-%m}"
    write_cur(month.start, month.aws, target / "bills/aws")
    save(target / f"bills/gcp/focus-{name}.csv", as_csv(focus.FOCUS_COLUMNS, month.gcp))
    save(target / f"bills/azure/focus-{name}.csv", as_csv(focus.AZURE_COLUMNS, month.azure))
    save(target / f"usage/tokens/tokens-{name}.csv", as_csv(tokens.USAGE_COLUMNS, month.usage))
    save(target / f"usage/litellm/spend-logs-{name}.jsonl", "".join(json.dumps(line) + "\n" for line in month.proxy))
    save(target / f"usage/chip_time/trn2-{name}.csv", as_csv(tokens.CHIP_COLUMNS, month.chip_time))


def write_cur(start: date, rows: Sequence[Row], bucket: Path) -> None:
    """Write a CUR delivery: the gzip file and its manifest in the assembly folder, the manifest again above it."""
    assembly = str(uuid.UUID(int=random.Random(f"{SEED}{start}").getrandbits(128), version=4))
    folder = f"cur/meridian-cur/{start:%Y%m%d}-{after(start):%Y%m%d}"
    manifest = {
        "assemblyId": assembly,
        "account": aws.PAYER,
        "columns": [dict(zip(("category", "name"), column.split("/"), strict=True)) for column in aws.CUR_COLUMNS],
        "charset": "UTF-8",
        "compression": "GZIP",
        "contentType": "text/csv",
        "reportId": "6f2d1f0c3f6b4a2f9a7c51c2b0a7e3d8a94c6b5d8e7f60112233445566778899",
        "reportName": "meridian-cur",
        "billingPeriod": {"start": f"{start:%Y%m%d}T000000.000Z", "end": f"{after(start):%Y%m%d}T000000.000Z"},
        "bucket": "meridian-billing",
        "reportKeys": [f"{folder}/{assembly}/meridian-cur-1.csv.gz"],
        "additionalArtifactKeys": [],
    }
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(as_csv(aws.CUR_COLUMNS, rows).encode())
    save(bucket / folder / assembly / "meridian-cur-1.csv.gz", packed.getvalue())
    for place in (bucket / folder, bucket / folder / assembly):
        save(place / "meridian-cur-Manifest.json", json.dumps(manifest) + "\n")


def as_csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Write rows as CSV with a header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def save(path: Path, content: str | bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def tables(answers: dict[str, Any]) -> Iterable[str]:
    """Write the totals that the README repeats."""
    yield "| month | source | rows | BilledCost = EffectiveCost | ListCost | of it unused commitment | of it tax |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for name, month in answers.items():
        for source, costs in month["bills"].items():
            cells = (costs[key] for key in ("rows", "EffectiveCost", "ListCost", "unused_commitment", "tax"))
            yield f"| {name} | {source} | {' | '.join(map(str, cells))} |"
    yield "\n| month | pool | effective USD | chip-hours | $/chip-hour | delivered Mtok | $/Mtok |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for name, month in answers.items():
        for pool, models in month["pool_tokens"].items():
            cost, hours = Decimal(month["pool_effective_cost"][pool]), Decimal(month["pool_chip_hours"][pool])
            count = sum(sides["delivered"].total() for sides in models.values())
            prices = f"{cost / hours:.3f} | {count // MILLION} | {cost * MILLION / count:.3f}"
            yield f"| {name} | {pool} | {cost} | {hours} | {prices} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
