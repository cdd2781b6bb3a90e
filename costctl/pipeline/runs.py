"""One run of the program: the configuration and what the command line adds to it, and the formats it knows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from costctl import bills, columnmaps, formats, rates, usage
from costctl.config import Config
from costctl.nouns import Format, Progress, unwatched


@dataclass(frozen=True)
class Run:
    """One invocation: the configuration and what the command line adds to it."""

    config: Config
    ledger: Path | None = None
    wait: float = 10
    say: Callable[[str], None] = lambda _: None
    progress: Progress = unwatched
    estimates: bool = False  # whether cards that say they are estimates may charge from now on

    @property
    def place(self) -> Path:
        """Return the ledger's path: the flag, the environment, the configuration, the current folder."""
        named = self.ledger or (Path(os.environ["COSTCTL_LEDGER"]) if os.environ.get("COSTCTL_LEDGER") else None)
        if named:
            return named
        return self.config.at(self.config.ledger) if self.config.file else Path(self.config.ledger)

    def settings(self) -> str:
        """Return a fingerprint of everything outside the ledger that decides a number."""
        cards = [self.config.at(card) for card in self.config.cards]
        parts = [self.config.fingerprint(), rates.fingerprint(cards)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def known(config: Config | None = None) -> dict[str, Format]:
    """Return all bill formats and usage sources by name, those of the configuration among them."""
    shipped = bills.known() | usage.known()
    if config is None:
        return shipped
    found = shipped | columnmaps.formats(config, shipped)
    return {name: formats.storing(item, config.store_columns) for name, item in found.items()}
