"""Bill formats: each is a folder here with bill.yaml, to_focus.sql, a sample and what is expected of it. No Python inside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from costctl import formats
from costctl.nouns import Format


@cache
def known() -> dict[str, Format]:
    """Return the bill formats by name."""
    return formats.load(Path(__file__).parent, "bill")
