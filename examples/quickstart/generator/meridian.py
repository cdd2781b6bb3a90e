"""Meridian AI: who serves what on which chips, and what it buys by the token. Facts only, all invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

SEED, MONTHS = 20260901, (date(2026, 9, 1), date(2026, 10, 1))  # September is invoiced, October still open
GROWTH = 1060  # October's demand in thousandths of September's
TAX = Decimal("0.0132")  # 6.6 % sales tax on the fifth of the use that is in its state


@dataclass(frozen=True)
class Pool:
    """Chips that serve one model: tokens a second per paid chip on a weekday, the mix and the tenants per thousand."""

    name: str
    deployment: str
    model: str
    chips: int
    speed: int
    weekend: int  # demand per thousand
    mix: tuple[int | None, int | None, None, int | None]
    request: int  # tokens of one
    tenants: tuple[tuple[str, str, int], ...]  # team, purpose, part; a blank team is traffic without a key
    task: str = "generate"


ALL_INPUT = (1000, None, None, None)
POOLS = (
    Pool("h100-aws", "atlas-70b-p5-use1", "atlas-70b", 104, 1600, 720, (440, 420, None, 140), 3100,
         (("assistant", "customer", 520), ("search", "customer", 260), ("coding", "customer", 150),
          ("safety", "internal", 70))),
    Pool("trn2", "atlas-70b-trn2-use2", "atlas-70b", 96, 745, 800, (460, 390, None, 150), 2800,
         (("search", "customer", 700), ("research", "eval", 300))),
    Pool("inf2", "embed-v2-inf2-use1", "embed-v2", 36, 2200, 850, ALL_INPUT, 420,
         (("search", "customer", 800), ("platform", "internal", 200)), "embed"),
    Pool("tpu-v6e", "atlas-8b-v6e-use1", "atlas-8b", 64, 3600, 550, (560, 290, None, 150), 1500,
         (("assistant", "customer", 600), ("safety", "internal", 400))),
    Pool("h100-gcp", "atlas-8b-a3-usc1", "atlas-8b", 16, 9000, 700, (480, 370, None, 150), 2300,
         (("coding", "customer", 800), ("research", "eval", 185), ("", "internal", 15))),
    Pool("h100-azure", "atlas-70b-nd96-eus", "atlas-70b", 32, 1500, 750, (450, 410, None, 140), 3000,
         (("assistant", "customer", 850), ("coding", "internal", 150))),
    Pool("maia-200", "atlas-70b-maia-cus", "atlas-70b", 64, 2600, 800, (430, 430, None, 140), 3100,
         (("assistant", "customer", 640), ("search", "customer", 360))),
)  # fmt: skip
NAMED_POOLS = {"trn2", "maia-200"}  # their routers write the pool's name; the others are found by deployment
INCIDENTS = {date(2026, 9, 16): "trn2", date(2026, 10, 8): "h100-aws", date(2026, 10, 21): "tpu-v6e"}


@dataclass(frozen=True)
class Bought:
    """Tokens bought from a provider: a weekday's millions per class, on `runs` gateway lines."""

    provider: str
    model: str
    team: str
    purpose: str
    millions: tuple[int, int, int | None, int]
    runs: int = 1


CLAUDE, GPT = "claude-sonnet-4-6", "gpt-5"
METERED = (  # by the product's own API gateway
    Bought("aws.bedrock", CLAUDE, "assistant", "customer", (180, 900, 70, 62)),
    Bought("aws.bedrock", CLAUDE, "safety", "eval", (50, 40, 8, 12)),
    Bought("aws.bedrock", CLAUDE, "search", "internal", (24, 10, 2, 4)),
    Bought("azure.ai.openai", GPT, "search", "customer", (200, 100, None, 22)),
    Bought("azure.ai.openai", GPT, "assistant", "customer", (90, 60, None, 9)),
)
PROXIED = (  # by the engineers' LiteLLM proxy, in its spellings
    Bought("bedrock", f"anthropic.{CLAUDE}", "tm_coding", "internal", (21, 144, 15, 5), 3),
    Bought("bedrock", f"anthropic.{CLAUDE}", "tm_research", "eval", (9, 3, 1, 1)),
    Bought("azure", GPT, "tm_coding", "internal", (12, 18, None, 1)),
)
PRICES = {  # USD per million tokens, list
    CLAUDE: (Decimal(3), Decimal("0.3"), Decimal("3.75"), Decimal(15)),
    GPT: (Decimal("1.25"), Decimal("0.125"), Decimal(0), Decimal(10)),
}
NOTEBOOK = (2_400_000, 0, 0, 700_000)  # Claude tokens a weekday from a notebook that goes round both gateways
LATE = (GPT, date(2026, 10, 31))  # used, but not on Azure's bill yet
