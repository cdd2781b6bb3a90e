"""costctl.yaml → Config. Every error names file, line and column. The only pydantic."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from costctl import documents
from costctl.documents import Problem
from costctl.errors import UsageError, nearest, shown

NAME = "costctl.yaml"
DEFAULT_LEDGER = "costctl.duckdb"
DESCRIBED = "Every setting is described in the costctl.yaml that `costctl init` writes."
WORDS = {
    "Field required": "is missing",
    "Input should be a valid integer, unable to parse string as an integer": "must be a whole number",
    "Input should be a valid ": "must be a ",
    "Value should have at least 1 item after validation, not 0": "is empty: name at least one value",
    "String should match pattern '^[A-Z]{3}$'": "must be three capital letters such as EUR",
    "String should match pattern '^[a-z][a-z0-9_]*$'": "must be lower case letters, digits and _",
    "Input should": "must",
}
CHIP_FIELDS = {  # what tells a pool's chip time, by the field of the record that it is looked up in
    "node": "resource",
    "resource": "resource",
    "namespace": "namespace",
    "partition": "namespace",  # Slurm's is kept as one
    "cluster": "cluster",
}
NOT_SETTINGS = ("home", "file")  # where the configuration was found


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[str], BeforeValidator(_as_list)]
Wanted = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]
TagName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]  # it becomes the column tag_NAME
HEAVIEST = 1000
Role = Literal["gateway", "client", "engine", "provider_meter", "bill"]
Weight = Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=6)]


class Part(BaseModel):
    """A frozen part of the configuration; an unknown key is an error, so that a typo never passes."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Source(Part):
    """Where deliveries arrive: a folder or file, and what it is when it should not be guessed."""

    name: str = Field(min_length=1)
    path: Path
    format: str | None = Field(default=None, alias="as")
    role: Role | None = None
    dataset: str | None = None
    deliveries: Literal["files", "log", "append", "month_to_date", "invoice_month"] | None = None


class Rule(Part):
    """Charges that match every key of `when` go to a team or to a pool; the first rule that matches wins."""

    name: str = Field(min_length=1)
    when: dict[str, Wanted]
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


class Money(Part):
    """How a file writes amounts that are not plain numbers."""

    decimal: Literal[".", ","] = "."
    grouping: Literal["", ",", ".", "'", "blank"] = ""
    symbol: str = ""
    brackets: Literal["refused", "negative"] = "refused"

    @model_validator(mode="after")
    def _marks_apart(self) -> Money:
        if self.decimal == self.grouping:
            raise ValueError("`decimal` and `grouping` are the same mark")
        if re.search(r"[-+()\d]", self.symbol):
            raise ValueError("`symbol` holds a sign or a digit, which belong to the amount")
        return self


class ColumnMap(Part):
    """A file whose columns only its owner knows: which of them are which FOCUS columns, or which of usage, and how they write things."""

    target: Literal["bill", "tokens", "chip_time"] = "bill"
    columns: dict[str, str] = Field(min_length=1)
    constants: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    exclude: dict[str, Wanted] = {}
    tags: Texts = []
    dates: str | None = None
    grain: Literal["hour", "day", "month"] | None = None
    ends: Literal["excluded", "included"] = "excluded"
    money: Money | None = None
    delimiter: Literal[",", ";", "|", "tab"] = ","
    last_line: Literal["ended", "unended"] = "ended"
    refines: str | None = None
    key: Texts = []
    role: Literal["gateway", "client", "engine", "provider_meter"] | None = None
    deliveries: Literal["files", "log", "append", "month_to_date"] | None = None

    @model_validator(mode="after")
    def _ends_on_a_day(self) -> ColumnMap:
        if self.ends == "included" and re.search("[Hh]|seconds", self.dates or ""):
            raise ValueError("`ends: included` is for files that end on a day; with a time of day they end `excluded`")
        return self


class Policy(Part):
    """What may pass, and who bears what nobody else does."""

    quarantine_rows: int = Field(default=0, ge=0)
    large_drop_percent: Decimal | None = Field(default=None, ge=0, le=100)
    capacity_owner: str | None = None
    allow_estimates: bool = False
    tax: Literal["recoverable", "cost"] = "recoverable"


class Export(Part):
    """A report or a table that `costctl run` writes; `{period}` in the path is replaced."""

    report: str | None = None
    table: str | None = None  # focus, or a table of the ledger
    format: Literal["csv", "parquet", "json", "md"] = "csv"
    output: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    rate_type: Literal["period_average", "period_end", "invoice", "budget"] = "period_average"

    @model_validator(mode="after")
    def _one_thing(self) -> Export:
        if (self.report is None) == (self.table is None):
            raise ValueError("an export names either a report or a table")
        if self.table and self.format not in ("csv", "parquet"):
            raise ValueError("a table is exported as csv or parquet")
        if self.table and self.currency:
            raise ValueError("a table is exported as it is; only a report is converted to a `currency`")
        return self


class Config(Part):
    """All settings, with the folder they are relative to."""

    version: Literal["1"] = "1"
    ledger: Path = Path(DEFAULT_LEDGER)
    archive: Literal["copy", "link", "none"] = "copy"
    memory: str | None = None
    sources: list[Source] = []
    formats: dict[TagName, ColumnMap] = {}
    tags: dict[TagName, Wanted] = {}
    store_columns: dict[TagName, Wanted] = {}
    teams: Path | None = None
    model_aliases: Path | None = None
    cards: list[Path] = []
    invoices: Annotated[list[Path], BeforeValidator(_as_list)] = []
    reconciling_items: Path | None = None
    fx: Path | None = None
    rules: list[Rule] = []
    owners: list[Owner] = []
    tokens: Tokens = Tokens()
    pools: dict[str, Pool] = {}
    policy: Policy = Policy()
    exports: list[Export] = []
    home: Path = Path()
    file: Path | None = None

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
        remedy = "Start it with `version: 1`; `costctl init` writes one."
        raise UsageError(document.where(()), "must be a mapping of settings", remedy=remedy)
    hidden = [
        Problem((name,), f"{name}: there is no such setting", of_key=True) for name in NOT_SETTINGS if name in values
    ]
    blank = {name for name, value in values.items() if value is None and name in _settings(())}  # `rules:` and nothing
    try:
        config = Config(**{name: value for name, value in values.items() if name not in blank})
    except ValidationError as error:
        raise document.refusal([*hidden, *map(_problem, error.errors())], DESCRIBED) from error
    if problems := [*hidden, *_contradictions(config)]:
        raise document.refusal(problems, DESCRIBED)
    return config.model_copy(update={"home": found.resolve().parent, "file": found.resolve()})


def _contradictions(config: Config) -> Iterator[Problem]:
    """Find rules that name a pool which is not there, two sources of one name, a deployment and chips of two pools."""
    for number, rule in enumerate(config.rules):
        if rule.pool and rule.pool not in config.pools and not rule.pool.startswith("{"):
            near = nearest(rule.pool, config.pools)
            what = f"rule {shown(rule.name)} names the pool {shown(rule.pool)}, which is not under `pools:`. {near}"
            yield Problem(("rules", number, "pool"), what.rstrip())
    served: dict[tuple[str, str], str] = {}
    for pool, settings in config.pools.items():
        for field, value in settings.tokens.listed():
            if served.setdefault((field, value), pool) != pool:
                what = f"the {field} {shown(value)} belongs to the pool {shown(served[field, value])} already"
                yield Problem(("pools", pool, "tokens", field), what)
    yield from _driven_twice(config)
    yield from _chips_of_two_pools(config)
    names = [source.name for source in config.sources]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Problem(
                ("sources", number, "name"), f"two sources have the name {shown(name)}; a source is one export"
            )


def _driven_twice(config: Config) -> Iterator[Problem]:
    """Find scopes that two entries of `drives` name, and pools that are not there."""
    named: set[tuple[str | None, str | None]] = set()
    for number, item in enumerate(config.tokens.drives):
        at = ("tokens", "drives", number)
        if (item.pool, item.provider) in named:
            yield Problem(at, f"{shown(item.pool or item.provider)} is named twice; one role drives money there")
        if item.pool and item.pool not in config.pools:
            near = nearest(item.pool, config.pools)
            yield Problem(at, f"there is no pool {shown(item.pool)} under `pools:`. {near}".rstrip())
        if item.source and config.sources and item.source not in {source.name for source in config.sources}:
            near = nearest(item.source, [source.name for source in config.sources])
            yield Problem((*at, "source"), f"there is no source {shown(item.source)} under `sources:`. {near}".rstrip())
        named.add((item.pool, item.provider))


def _chips_of_two_pools(config: Config) -> Iterator[Problem]:
    held: dict[tuple[str, str], str] = {}
    for pool, settings in config.pools.items():
        for setting, field, value in settings.chips.named():
            if held.setdefault((field, value), pool) != pool:
                what = f"the {setting} {shown(value)} belongs to the pool {shown(held[field, value])} already"
                yield Problem(("pools", pool, "chips", setting), what)


def _problem(found: Any) -> Problem:
    """Put one of pydantic's findings into words."""
    location, kind = found["loc"], found["type"]
    at = tuple(part for part in location if part != "[key]")
    path = "".join(f" #{part + 1}" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")
    if kind == "extra_forbidden":
        near = nearest(str(location[-1]), _settings(location[:-1]))
        return Problem(at, f"{path}: there is no such setting. {near}".rstrip(), of_key=True)
    if kind == "model_type":
        return Problem(at, f"{path}: must be a mapping with {', '.join(_settings(location)[:2])} …")
    message = found["msg"].removeprefix("Value error, ")
    for theirs, word in WORDS.items():
        message = message.replace(theirs, word)
    value = found.get("input")
    got = f" (got {shown(value)})" if isinstance(value, str | int) else ""
    return Problem(at, f"{path}: {message}{got}", of_key="[key]" in location, missing=kind == "missing")


def _settings(location: tuple[int | str, ...]) -> list[str]:
    """Return the names of the settings that a part of the configuration has."""
    kind: Any = Config
    for part in location:
        if isinstance(kind, type) and issubclass(kind, Part):
            fields = {field.alias or name: field for name, field in kind.model_fields.items()}
            kind = fields[str(part)].annotation
        else:
            kind = get_args(kind)[-1]
    if not (isinstance(kind, type) and issubclass(kind, Part)):
        return []
    return [field.alias or name for name, field in kind.model_fields.items() if name not in NOT_SETTINGS]
