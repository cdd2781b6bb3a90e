"""Token counts and chip time: each source is a folder here with usage.yaml, to_usage.sql, a sample and what is expected."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from costctl import formats
from costctl.nouns import Format


@cache
def known() -> dict[str, Format]:
    """Return the usage sources by name."""
    return formats.load(Path(__file__).parent, "usage")
