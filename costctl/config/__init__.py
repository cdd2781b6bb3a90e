"""costctl.yaml → Config. Every error names file, line and column. The only pydantic."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from costctl import documents
from costctl.config import refusals
from costctl.config.settings import DEFAULT_LEDGER, NOT_SETTINGS, Config
from costctl.documents import Problem
from costctl.errors import UsageError

__all__ = ["DEFAULT_LEDGER", "DESCRIBED", "NAME", "NOT_SETTINGS", "Config", "find", "load"]
NAME = "costctl.yaml"
DESCRIBED = "Every setting is described in the costctl.yaml that `costctl init` writes."


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
    blank = {
        name for name, value in values.items() if value is None and name in refusals.settings_of(())
    }  # `rules:` and nothing
    try:
        config = Config(**{name: value for name, value in values.items() if name not in blank})
    except ValidationError as error:
        raise document.refusal([*hidden, *map(refusals.problem, error.errors())], DESCRIBED) from error
    if problems := [*hidden, *refusals.contradictions(config)]:
        raise document.refusal(problems, DESCRIBED)
    return config.model_copy(update={"home": found.resolve().parent, "file": found.resolve()})
