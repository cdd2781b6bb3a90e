"""The company whose bills and tokens generate.py writes, as a configuration: teams, own models, a pool and prices for each chip.

The benchmarks of attribution and of rebuilding have the same one; each changes what it measures.
"""

import csv
import itertools
from decimal import Decimal

from generate import FIRST_YEAR, MODELS, TEAMS

MACHINES = {  # as the bill names them, with their chip and how many of it one holds, and how they are bought
    "p5.48xlarge": ("nvidia-h100-sxm", 8, "on_demand"),
    "p4d.24xlarge": ("nvidia-a100-40gb", 8, "on_demand"),
    "p5e.48xlarge": ("nvidia-h200-sxm", 8, "spot"),
    "g6e.12xlarge": ("nvidia-l40s", 4, "on_demand"),
    "g5.48xlarge": ("nvidia-a10g", 8, "on_demand"),
    "trn1.32xlarge": ("aws-trainium1", 16, "on_demand"),
    "inf2.48xlarge": ("aws-inferentia2", 12, "on_demand"),
    "ml.p4d.24xlarge": ("nvidia-a100-40gb", 8, "on_demand"),
}
CHIPS = {  # what an hour of one costs at the beginning
    "nvidia-h100-sxm": "12.29",
    "nvidia-a100-40gb": "4.0966",
    "nvidia-h200-sxm": "15.1",
    "nvidia-l40s": "2.62316",
    "nvidia-a10g": "2.036",
    "aws-trainium1": "1.34375",
    "aws-inferentia2": "1.0817725",
}
REGIONS = [
    "us-east-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-southeast-1",
    "us-east-2",
    "ap-northeast-1",
    "ca-central-1",
]
PURCHASES = ["on_demand", "savings_plan", "spot"]  # at one price: the peers go by the machine alone
QUARTERS = 8
DAY = "2025-01-01"
RUNS_ON = [MACHINES[machine][0] for machine in MACHINES]
CHIP_OF = {f"model-{number:02d}": RUNS_ON[number % len(RUNS_ON)] for number in range(MODELS)}


def write(folder, *, output="4", dearer="0", rules=()):
    """Write the configuration into a folder; what an output token weighs, how much dearer chips are, and rules before the others may vary."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"team-{number:02d}" for number in range(TEAMS)]
    sheet(folder / "teams.csv", ["team"], ([name] for name in names))
    sheet(folder / "models.csv", ["raw", "model"], ([name, name] for name in CHIP_OF))
    sheet(folder / "cards.csv", CARD, prices(Decimal(dearer)))
    lines = [
        "version: 1",
        "archive: none",
        "teams: teams.csv",
        "model_aliases: models.csv",
        "cards: [cards.csv]",
        "rules:",
    ]
    lines += rules
    for chip in CHIPS:
        machines = ", ".join(machine for machine in MACHINES if MACHINES[machine][0] == chip)
        lines.append(f"  - {{name: {chip}, when: {{x_machine: [{machines}]}}, pool: {chip}}}")
    lines.append("pools:")
    for chip in CHIPS:
        served = [model for model in CHIP_OF if CHIP_OF[model] == chip]
        deployments = ", ".join(f"dep-{model[-2:]}-{number}" for model in served for number in range(3))
        weights = f'{{method: phase.ratio, output: "{output}", cache_read: "0.1"}}'
        lines.append(
            f"  {chip}: {{base: weighted_tokens, tokens: {{deployment: [{deployments}]}}, weights: {weights}}}"
        )
    (folder / "costctl.yaml").write_text("\n".join(lines) + "\n", "utf-8")


CARD = [
    "provider",
    "chip",
    "region",
    "purchase_model",
    "layer",
    "price_per_chip_hour",
    "currency",
    "valid_from",
    "valid_to",
    "as_of",
    "confidence",
    "source",
]


def prices(dearer):
    """Yield a price per chip, region, way of buying and quarter: three per cent less each quarter."""
    days = [f"{FIRST_YEAR + number // 4}-{number % 4 * 3 + 1:02d}-01" for number in range(QUARTERS + 1)]
    for chip, price in CHIPS.items():
        for place, region in enumerate(REGIONS):
            for purchase in PURCHASES:
                for number, (start, end) in enumerate(itertools.pairwise(days)):
                    at = Decimal(price) * (1 - Decimal("0.03") * number) * (1 + Decimal("0.02") * place)
                    at = (at * (1 + dearer)).quantize(Decimal("1e-8"))
                    yield [
                        "aws",
                        chip,
                        region,
                        purchase,
                        "contract",
                        at,
                        "USD",
                        start,
                        end,
                        DAY,
                        "contract",
                        "a benchmark",
                    ]


def sheet(file, header, rows):
    """Write a CSV."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([header, *rows])
