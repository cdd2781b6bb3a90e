"""How much of the machine a run may take: memory before it spills to the disk, and threads."""

from __future__ import annotations

import os
import re

from costctl.errors import UsageError, shown

MEMORY_LIMIT = "900MB"  # with Python and what DuckDB does not count, a run stays below 1.25 GiB
MEMORY = re.compile(r"([1-9]\d{0,6}) ?([MG]i?B)")
UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 2**20, "GiB": 2**30}
PER_THREAD = 120 * 10**6  # bytes: a thread that writes charges holds a row group of them until it is whole, 50 to 70 MB


def memory() -> str:
    """Return how much memory a run may take before it spills to the disk: COSTCTL_MEMORY, else 900 MB."""
    wanted = os.environ.get("COSTCTL_MEMORY") or MEMORY_LIMIT
    if not MEMORY.fullmatch(wanted):
        raise UsageError("COSTCTL_MEMORY", f"{shown(wanted)} is not an amount of memory", remedy="Say 512MB or 4GB.")
    return wanted


def threads(usual: int) -> int:
    """Return on how many threads to run: COSTCTL_THREADS, else as many as usual here, where the memory reaches for them."""
    if wanted := os.environ.get("COSTCTL_THREADS"):
        if not re.fullmatch(r"[1-9]\d{0,2}", wanted):
            raise UsageError("COSTCTL_THREADS", f"{shown(wanted)} is not a number of threads", remedy="Say 1 to 999.")
        return int(wanted)
    ((number, unit),) = MEMORY.findall(memory())
    return max(1, min(usual, int(number) * UNITS[unit] // PER_THREAD))
