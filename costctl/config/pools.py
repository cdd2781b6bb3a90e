"""Costs that several teams share: what belongs to a pool, what it is split by, and who bears its idle time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from costctl.config.parts import Part, Texts, Weight

CHIP_FIELDS = {  # what tells a pool's chip time, by the field of the record that it is looked up in
    "node": "resource",
    "resource": "resource",
    "namespace": "namespace",
    "partition": "namespace",  # Slurm's is kept as one
    "cluster": "cluster",
}
HEAVIEST = 1000


class PoolTokens(Part):
    """Which token records belong to the pool."""

    deployment: Texts = []
    namespace: Texts = []

    def listed(self) -> list[tuple[str, str]]:
        """Return each field with each of its values."""
        return [(field, value) for field in ("deployment", "namespace") for value in getattr(self, field)]


class PoolChips(Part):
    """Which records of chip time belong to the pool, where they do not name one: by any of these; a last `*` is a prefix."""

    node: Texts = []
    resource: Texts = []
    namespace: Texts = []
    partition: Texts = []
    cluster: Texts = []

    def named(self) -> Iterator[tuple[str, str, str]]:
        """Yield what the configuration calls it, the field of a record and its value."""
        for setting, field in CHIP_FIELDS.items():
            yield from ((setting, field, value) for value in getattr(self, setting))


class Speed(Part):
    """How many tokens one machine was measured to read, and to write, in a second."""

    prefill: Annotated[Decimal, Field(gt=0)]
    decode: Annotated[Decimal, Field(gt=0)]


class Weights(Part):
    """What a token of each class weighs against an uncached input token; calibrated, an output token weighs what it takes longer."""

    method: Literal["phase.ratio", "phase.calibrated"] = "phase.ratio"
    tokens_per_second: Speed | None = None
    input: Weight = Decimal(1)
    output: Weight = Decimal(4)
    cache_read: Weight = Decimal("0.1")
    cache_write: Weight = Decimal(1)

    @model_validator(mode="after")
    def _measured_where_calibrated(self) -> Weights:
        if (self.method == "phase.calibrated") != (self.tokens_per_second is not None):
            raise ValueError("the method `phase.calibrated` goes with `tokens_per_second: {prefill: …, decode: …}`")
        if self.tokens_per_second and "output" in self.model_fields_set:
            raise ValueError("`output` follows from `tokens_per_second`: leave one of the two out")
        if self.tokens_per_second and self.of("output") >= HEAVIEST:
            raise ValueError(f"an output token would weigh {HEAVIEST} input tokens or more")
        return self

    def of(self, token_class: str) -> Decimal:
        """Return the weight of a token class, to six decimals."""
        if self.tokens_per_second and token_class == "output":  # noqa: S105  no password
            weight = self.tokens_per_second.prefill / self.tokens_per_second.decode
            return weight.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)
        found: Decimal = getattr(self, token_class)
        return found


class Idle(Part):
    """Who bears the pool's idle chip time."""

    policy: Literal["separate", "owner", "by_use"] = "separate"
    owner: str | None = None

    @model_validator(mode="after")
    def _owner_named(self) -> Idle:
        if self.policy == "owner" and not self.owner:
            raise ValueError("the policy `owner` needs `owner: TEAM`")
        return self


class Pool(Part):
    """Costs that several teams share, and how they are split."""

    base: Literal["weighted_tokens", "tokens", "output_tokens", "requests", "even", "fixed"] = "weighted_tokens"
    grain: Literal["day"] = "day"
    tokens: PoolTokens = PoolTokens()
    chips: PoolChips = PoolChips()
    weights: Weights = Weights()
    idle: Idle = Idle()
    shares: dict[str, Weight] = {}

    @model_validator(mode="after")
    def _shares_where_needed(self) -> Pool:
        if (self.base in ("even", "fixed")) != bool(self.shares):
            raise ValueError("`shares: {TEAM: part}` goes with the bases `fixed` and `even`, and only with them")
        return self
