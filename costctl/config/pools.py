"""Costs that several teams share: what belongs to a pool, what it is split by, and who bears its idle time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from costctl.config.parts import Part, Texts, Weight
from costctl.files import cells

CHIP_FIELDS = {  # what tells a pool's chip time, by the field of the record that it is looked up in
    "node": "resource",
    "resource": "resource",
    "namespace": "namespace",
    "partition": "namespace",  # Slurm's is kept as one
    "cluster": "cluster",
}
HEAVIEST = 1000
UNWEIGHED = {"prefill": ("output",), "decode": ("input", "cache_read", "cache_write")}
ModelShare = Annotated[Decimal, Field(ge=0, max_digits=7, decimal_places=4)]
Month = Annotated[date, BeforeValidator(cells.month, json_schema_input_type=Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{2}$")])]  # fmt: skip
Expected = Annotated[Decimal, Field(ge=0, max_digits=38, decimal_places=18)]

PASSED = re.compile(r"^pool (?P<pool>\S.*)$")


def pool_of(key: str) -> str | None:
    """Return the pool that a key of shares names (`pool NAME`), None where it names a team."""
    found = PASSED.match(key)
    return found["pool"] if found else None


class PoolTokens(Part):
    """Which token records belong to the pool; `of` is another pool, by whose tokens this one is split, too."""

    deployment: Texts = []
    namespace: Texts = []
    of: str | None = None

    @model_validator(mode="after")
    def _own_or_of_another(self) -> PoolTokens:
        if self.of and (self.deployment or self.namespace):
            raise ValueError("the pool has tokens of its own, or goes by those of another")
        return self

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
    """What a token of each class weighs against an uncached input token; calibrated, an output token weighs what it takes longer.

    Where the chips of the two phases are pools of their own, those of prefill go by the input and those of decode by the output.
    """

    method: Literal["phase.ratio", "phase.calibrated", "phase.pools"] = "phase.ratio"
    tokens_per_second: Speed | None = None
    phase: Literal["prefill", "decode"] | None = None
    input: Weight = Decimal(1)
    output: Weight = Decimal(4)
    cache_read: Weight = Decimal("0.1")
    cache_write: Weight = Decimal(1)

    @model_validator(mode="after")
    def _measured_where_calibrated(self) -> Weights:
        if (self.method == "phase.calibrated") != (self.tokens_per_second is not None):
            raise ValueError("the method `phase.calibrated` goes with `tokens_per_second: {prefill: …, decode: …}`")
        if (self.method == "phase.pools") != (self.phase is not None):
            raise ValueError("the method `phase.pools` goes with `phase: prefill` or `phase: decode`")
        if self.phase and self.model_fields_set & set(UNWEIGHED[self.phase]):
            raise ValueError(
                f"what {self.phase} does not do weighs nothing there: leave {' and '.join(UNWEIGHED[self.phase])} out"
            )
        if self.tokens_per_second and "output" in self.model_fields_set:
            raise ValueError("`output` follows from `tokens_per_second`: leave one of the two out")
        if self.tokens_per_second and self.of("output") >= HEAVIEST:
            raise ValueError(f"an output token would weigh {HEAVIEST} input tokens or more")
        if not any(self.of(name) for name in ("input", "output", "cache_read", "cache_write")):
            raise ValueError("`weights` are zero everywhere")
        return self

    def of(self, token_class: str) -> Decimal:
        """Return the weight of a token class, to six decimals."""
        if self.phase and token_class in UNWEIGHED[self.phase]:
            return Decimal(0)
        if self.tokens_per_second and token_class == "output":  # noqa: S105  no password
            weight = self.tokens_per_second.prefill / self.tokens_per_second.decode
            return weight.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)
        found: Decimal = getattr(self, token_class)
        return found


class Idle(Part):
    """Who bears the pool's idle chip time."""

    policy: Literal["separate", "owner", "by_use", "by_reservation"] = "separate"
    owner: str | None = None

    @model_validator(mode="after")
    def _owner_named(self) -> Idle:
        if self.policy == "owner" and not self.owner:
            raise ValueError("the policy `owner` needs `owner: TEAM`")
        return self


class Reservation(Part):
    """How many of the pool's chips a team has booked, and while."""

    team: str
    chips: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=6)]
    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Reservation:
        if self.valid_from and self.valid_to and self.valid_from >= self.valid_to:
            raise ValueError("it ends before it starts; valid_to is the first day on which it no longer holds")
        return self


class Coverage(Part):
    """Who bears what the engines counted beyond the tokens of teams."""

    owner: str


class Capacity(Part):
    """Capacity that is bought by the unit, such as PTUs, and how many weighted tokens one serves in a minute."""

    units: Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=6)]
    tokens_per_unit_minute: Annotated[int, Field(gt=0, lt=10**9)]


class Budget(Part):
    """What a pool is expected to cost in each month, in one currency."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    months: Annotated[dict[Month, Expected], Field(min_length=1)]


class Recharge(Part):
    """Who runs the pool and charges it onward: at cost, or by internal rates, with a markup on either."""

    owner: Annotated[str, Field(min_length=1)]
    rates: Path | None = None
    markup_percent: Weight = Decimal(0)
    budget: Budget | None = None


class Pool(Part):
    """Costs that several teams share, and how they are split."""

    base: Literal[
        "weighted_tokens",
        "tokens",
        "output_tokens",
        "requests",
        "chip_seconds",
        "direct_cost",
        "even",
        "fixed",
        "driver",
    ] = "weighted_tokens"
    grain: Literal["hour", "day", "period"] = "day"
    tokens: PoolTokens = PoolTokens()
    chips: PoolChips = PoolChips()
    weights: Weights = Weights()
    models: dict[str, ModelShare] = {}
    idle: Idle = Idle()
    reservations: list[Reservation] = []
    coverage: Coverage | None = None
    capacity: Capacity | None = None
    shares: dict[str, Weight] = {}
    over: Texts = []
    driver: Path | None = None
    recharge: Recharge | None = None

    @model_validator(mode="after")
    def _with_its_base(self) -> Pool:
        if (self.base in ("even", "fixed")) != bool(self.shares):
            raise ValueError("`shares: {TEAM: part}` goes with the bases `fixed` and `even`, and only with them")
        if (self.base == "driver") != (self.driver is not None):
            raise ValueError("`driver: FILE.csv` goes with the base `driver`, and only with it")
        if self.over and self.base != "direct_cost":
            raise ValueError("`over: [POOL, …]` goes with the base `direct_cost`, and only with it")
        if self.capacity and self.base != "weighted_tokens":
            raise ValueError("`capacity` is told in weighted tokens: it goes with that base, and only with it")
        if (self.idle.policy == "by_reservation") != bool(self.reservations):
            raise ValueError("`reservations:` go with the idle policy `by_reservation`, and only with it")
        if self.shares and not any(self.shares.values()):
            raise ValueError("`shares` are zero everywhere")
        if self.base == "even" and len(set(self.shares.values())) > 1:
            raise ValueError("the base `even` knows no parts that differ: say `base: fixed`")
        if self.models and not any(self.models.values()):
            raise ValueError("`models` are zero everywhere")
        if len({model.lower() for model in self.models}) < len(self.models):
            raise ValueError("`models` name one twice: upper and lower case are the same")
        return self
