"""costctl.yaml → Config. Every error names file, line and column. The only pydantic."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from costctl import documents
from costctl.errors import UsageError, shown

NAME = "costctl.yaml"
DEFAULT_LEDGER = "costctl.duckdb"
SHOWN_PROBLEMS = 5


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_as_list)]
Weight = Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=6)]


class Part(BaseModel):
    """A frozen part of the configuration; an unknown key is an error, so that a typo never passes."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Source(Part):
    """Where deliveries arrive: a folder or file, and what it is when it should not be guessed."""

    name: str = Field(min_length=1)
    path: Path
    format: str | None = Field(default=None, alias="as")
    role: Literal["gateway", "client", "engine", "provider_meter", "bill"] | None = None


class Rule(Part):
    """Charges that match every key of `when` go to a team or to a pool; the first rule that matches wins."""

    name: str = Field(min_length=1)
    when: dict[str, Texts]
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
        return self


class PoolTokens(Part):
    """Which token records belong to the pool."""

    deployment: Texts = []


class Weights(Part):
    """What a token of each class weighs against an uncached input token."""

    method: Literal["phase.ratio", "phase.calibrated"] = "phase.ratio"
    input: Weight = Decimal(1)
    output: Weight = Decimal(4)
    cache_read: Weight = Decimal("0.1")
    cache_write: Weight = Decimal(1)


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
    weights: Weights = Weights()
    idle: Idle = Idle()
    owner: str | None = None
    shares: dict[str, Weight] = {}

    @model_validator(mode="after")
    def _shares_where_needed(self) -> Pool:
        if (self.base in ("even", "fixed")) != bool(self.shares):
            raise ValueError("`shares: {TEAM: part}` goes with the bases `fixed` and `even`, and only with them")
        return self


class Policy(Part):
    """What may pass, and who bears what nobody else does."""

    quarantine_rows: int = Field(default=0, ge=0)
    capacity_owner: str | None = None
    tax: Literal["recoverable", "cost"] = "recoverable"
    materiality: dict[str, Decimal] = {}


class Export(Part):
    """A report that `costctl run` writes; `{period}` in the path is replaced."""

    report: str
    format: Literal["csv", "parquet", "json", "md"] = "csv"
    output: str


class Config(Part):
    """All settings, with the folder they are relative to."""

    version: Literal["1"] = "1"
    ledger: Path = Path(DEFAULT_LEDGER)
    archive: Literal["copy", "link", "none"] = "copy"
    sources: list[Source] = []
    tags: dict[str, Texts] = {}
    teams: Path | None = None
    model_aliases: Path | None = None
    cards: list[Path] = []
    rules: list[Rule] = []
    pools: dict[str, Pool] = {}
    policy: Policy = Policy()
    exports: list[Export] = []
    home: Path = Path()
    file: Path | None = None

    @model_validator(mode="after")
    def _names_hold_together(self) -> Config:
        unknown = sorted({rule.pool for rule in self.rules if rule.pool and rule.pool not in self.pools})
        if unknown:
            raise ValueError(f"rules name pools that `pools:` does not have: {', '.join(unknown)}")
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError("two sources have the same name")
        return self

    def at(self, path: Path) -> Path:
        """Return a path of the configuration, relative ones taken from its own folder."""
        return path if path.is_absolute() else self.home / path

    def fingerprint(self) -> str:
        """Return the SHA-256 over the bytes of the configuration and of the files it names."""
        digest = hashlib.sha256()
        for path in (self.file, self.teams, self.model_aliases):
            if path is not None and self.at(path).is_file():
                digest.update(self.at(path).read_bytes() + b"\0")
        return digest.hexdigest()


def find(start: Path) -> Path | None:
    """Return the nearest costctl.yaml from a folder upwards."""
    return next((folder / NAME for folder in (start, *start.parents) if (folder / NAME).is_file()), None)


def load(path: Path | None = None) -> Config:
    """Read the named or the nearest configuration; without one, the defaults. Raise UsageError with a position."""
    named = path or (Path(os.environ["COSTCTL_CONFIG"]) if os.environ.get("COSTCTL_CONFIG") else None)
    found = named or find(Path.cwd())
    if found is None:
        return Config()
    document = documents.read(found)
    values = document.value
    if not isinstance(values, dict):
        raise UsageError(
            document.where(()),
            "must be a mapping of settings",
            remedy="Start it with `version: 1`; `costctl init` writes one.",
        )
    try:
        return Config(**{**values, "home": found.resolve().parent, "file": found.resolve()})
    except ValidationError as error:
        raise _explained(document, error) from error


def _explained(document: documents.Document, error: ValidationError) -> UsageError:
    """Turn pydantic's findings into one error, first position first."""
    problems = [(document.where(_path(problem["loc"])), _sentence(problem)) for problem in error.errors()]
    problems.sort(key=lambda item: [int(part) for part in item[0].rsplit(":", 2)[1:]])
    where, what = problems[0]
    rest = [f"{at}: {text}" for at, text in problems[1:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        rest.append(f"and {len(problems) - SHOWN_PROBLEMS} more")
    return UsageError(
        where, what, evidence=rest, remedy="The settings are described in the comments that `costctl init` writes."
    )


def _path(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return tuple(part for part in location if part != "[key]")


def _sentence(problem: Any) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{path}: there is no such setting"
    message = problem["msg"].removeprefix("Value error, ")
    value = problem.get("input")
    evidence = f" (got {shown(value)})" if isinstance(value, str | int) else ""
    return f"{path}: {message}{evidence}" if path else message
