"""All settings of costctl.yaml."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from costctl.config.bills import ColumnMap, Export, Source
from costctl.config.parts import Part, TagKeys, TagName, Wanted, as_list
from costctl.config.pools import Pool
from costctl.config.rules import Bearers, Owner, Rule, Tokens

DEFAULT_LEDGER = "costctl.duckdb"
NOT_SETTINGS = ("home", "file")  # where the configuration was found


class Policy(Part):
    """What may pass, and who bears what nobody else does."""

    quarantine_rows: int = Field(default=0, ge=0)
    large_drop_percent: Decimal | None = Field(default=None, ge=0, le=100)
    capacity_owner: str | None = None
    allow_estimates: bool = False
    tax: Literal["recoverable", "cost"] = "recoverable"
    credits: Literal["before", "after"] = "before"
    bearers: Bearers = Bearers()


class Config(Part):
    """All settings, with the folder they are relative to."""

    version: Literal["1"] = "1"
    ledger: Path = Path(DEFAULT_LEDGER)
    archive: Literal["copy", "link", "none"] = "copy"
    memory: str | None = None
    sources: list[Source] = []
    formats: dict[TagName, ColumnMap] = {}
    tags: dict[TagName, TagKeys] = {}
    store_columns: dict[TagName, Wanted] = {}
    teams: Path | None = None
    model_aliases: Path | None = None
    cards: list[Path] = []
    invoices: Annotated[list[Path], BeforeValidator(as_list)] = []
    reconciling_items: Path | None = None
    fx: Path | None = None
    adjustments: Path | None = None
    prepaid: Path | None = None
    rules: list[Rule] = []
    owners: list[Owner] = []
    tokens: Tokens = Tokens()
    pools: dict[str, Pool] = {}
    accounts: dict[str, Annotated[str, Field(min_length=1)]] = {}  # purpose → the account of the books that bears it
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
        drivers = [pool.driver for pool in self.pools.values()]
        rates = [pool.recharge.rates for pool in self.pools.values() if pool.recharge]
        for path in (self.file, self.teams, self.model_aliases, self.adjustments, self.prepaid, *drivers, *rates):
            if path is not None and self.at(path).is_file():
                digest.update(self.at(path).read_bytes() + b"\0")
        return digest.hexdigest()
