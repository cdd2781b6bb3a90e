"""Whose costs and token counts are: the ordered rules, the owners of tokens, and whose counts drive money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from costctl.config.parts import Part, Role, Wanted


class Rule(Part):
    """Charges that match every key of `when` go to a team or to a pool; the first rule that matches wins."""

    name: str = Field(min_length=1)
    when: dict[str, Wanted]
    fold: bool = False  # compares in lower case, trimmed
    team: str | None = None
    pool: str | None = None
    model: str | None = None
    purpose: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Rule:
        if (self.team is None) == (self.pool is None):
            raise ValueError("a rule names either a team or a pool")
        if not self.when:
            raise ValueError("`when` is empty: the rule would take every charge")
        if self.valid_from and self.valid_to and self.valid_from >= self.valid_to:
            raise ValueError("the rule ends before it starts; valid_to is the first day on which it no longer holds")
        return self


class ToPool(Part):
    """A pool, where a team could stand."""

    pool: str


Bearer = Annotated[str | ToPool, Field(union_mode="left_to_right")] | None


class Bearers(Part):
    """Who bears a kind of charge that no rule and no tag gives to anybody: a team, or a pool; of two kinds the first here."""

    tax: Bearer = None
    refund: Bearer = None
    marketplace: Bearer = None
    support: Bearer = None

    def named(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield each kind that has a bearer, with it."""
        for kind in type(self).model_fields:
            bearer = getattr(self, kind)
            if bearer is not None:
                yield kind, {"team": bearer} if isinstance(bearer, str) else {"pool": bearer.pool}


class Driving(Part):
    """Whose counts decide in a pool, or of what a provider bills; without counts of theirs a day has none."""

    pool: str | None = None
    provider: str | None = None
    role: Role
    source: str | None = None

    @model_validator(mode="after")
    def _one_scope(self) -> Driving:
        if (self.pool is None) == (self.provider is None):
            raise ValueError("`drives` names either a pool or a provider")
        return self


class Tokens(Part):
    """Which evidence of tokens drives money: where nothing is said the first of `order` that has counts of a day."""

    order: list[Role] = ["gateway", "provider_meter", "engine", "client", "bill"]
    drives: list[Driving] = []


class Owner(Part):
    """Token counts that match every key of `when` belong to a team; the first that matches wins, before any alias."""

    name: str = Field(min_length=1)
    when: dict[
        Literal["team", "api_key", "project", "namespace", "deployment", "principal", "source", "provider"], Wanted
    ] = Field(min_length=1)
    team: str
    purpose: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
