"""DuckDB's errors as ours: a gate, a full disk, a file that is no ledger, an input that cannot be read.

Kinds are told by the names of DuckDB's classes, for only `store` imports it.
"""

from __future__ import annotations

import re
from pathlib import Path

from costctl.errors import Busy, CostctlError, InputRefused, LedgerVersion, StorageFault

GATE = "costctl-gate"
FULL = re.compile(r"No space left|Disk quota exceeded|ENOSPC|EDQUOT|max_temp_directory_size")
LOCKED = re.compile(r"Could not set lock on file|Conflicting lock")
OF_INPUT = (
    "Error",  # the plain class: a Parquet page that does not decode
    "InvalidInputException",
    "ConversionException",
    "OutOfRangeException",
    "ConstraintException",
    "NotImplementedException",
    "GateFired",
)
OF_STORAGE = ("IOException", "SerializationException", "FatalException", "InternalException")


class GateFired(Exception):
    """A strict cast on the fast path met a text that does not pass; the delivery goes through the recording path."""

    @property
    def gate(self) -> str:
        """Return the gate's name."""
        found = re.search(rf"{GATE} (\w+)", str(self))
        return found[1] if found else ""


def _kind(error: Exception) -> str:
    return type(error).__name__


def first_line(error: Exception) -> str:
    """Return what DuckDB says first, without the name of its error class."""
    return re.sub(r"^([A-Z][A-Za-z]* )+Error: ", "", str(error).strip().partition("\n")[0])


def ours(error: Exception, memory: str, path: Path | None) -> Exception:
    """Translate an error of a statement: a gate, a damaged ledger, a full disk, used-up memory, or the error as it is."""
    text = str(error)
    if GATE in text:
        return GateFired(text)
    if "Corrupt database file" in text or ("Could not read enough bytes" in text and f'"{path}"' in text):
        return _damaged(path, error)
    if FULL.search(text) or _kind(error) == "FatalException":
        return StorageFault(
            "the ledger",
            "the storage failed; the last committed state is safe",
            evidence=first_line(error),
            remedy="Free some space, then run the same command again.",
        )
    if _kind(error) == "OutOfMemoryException":
        what = f"the memory limit of {memory} is too small for this run; the last committed state is safe"
        remedy = "Run the same command again with more: --memory 2GB, or `memory:` in costctl.yaml."
        return StorageFault("the ledger", what, evidence=first_line(error), remedy=remedy)
    return error


def opening(error: Exception, path: Path) -> CostctlError:
    """Say why a file cannot be opened as a ledger."""
    text = first_line(error)
    if LOCKED.search(text):
        remedy = "Close it there and run the same command again."
        return Busy(str(path), "another program has the ledger open", evidence=text, remedy=remedy)
    if "version number" in text:
        what = "was written by another version of DuckDB than this costctl has"
        remedy = "Use the costctl that wrote it, or ingest the deliveries into a new ledger (--ledger NEW)."
        return LedgerVersion(str(path), what, evidence=text, remedy=remedy)
    if FULL.search(text) or "Permission denied" in text or "Read-only" in text:
        remedy = (
            "Check the permissions of the file and its folder, and the space left; then run the same command again."
        )
        return StorageFault(str(path), "the ledger cannot be opened", evidence=text, remedy=remedy)
    return StorageFault(
        str(path),
        "cannot be opened as a ledger",
        evidence=text,
        remedy="If it is not the ledger, name the right file with --ledger. If it is damaged, move it aside and ingest the deliveries again.",
    )


def escaped(error: Exception, path: Path) -> CostctlError | None:
    """Say that the ledger's file cannot be read where that is what an error means, else None."""
    return _damaged(path, error) if _kind(error) in OF_STORAGE else None


def _damaged(path: Path | None, error: Exception) -> StorageFault:
    return StorageFault(
        str(path or "the ledger"),
        "is damaged",
        evidence=first_line(error),
        remedy="Put a copy of it in its place, or move it aside; ingesting the deliveries again makes a new one.",
    )


def is_of_input(error: Exception) -> bool:
    """Tell whether DuckDB complains about what it was given to read."""
    return _kind(error) in OF_INPUT or (_kind(error) == "IOException" and "database" not in str(error))


def unreadable(error: Exception, name: str) -> InputRefused:
    """Return DuckDB's complaint about an input file as a refusal."""
    return InputRefused(name, "cannot be read", evidence=first_line(error), remedy="Fetch or export it again.")


def refused_record(error: Exception, where: str, what: str) -> InputRefused:
    """Return DuckDB's complaint about a value that passed the gates as a refusal."""
    remedy = "Mend the value in the source and export it again."
    return InputRefused(where, what, evidence=first_line(error), remedy=remedy)
