"""One family of errors: where it happened, what is wrong, the evidence, the remedy, and the exit code.

CostctlError            exit  meaning
├─ UsageError           2   the command line, the configuration, a rate card or a rule is wrong
├─ InputRefused         3   an input file is refused; of it nothing changed
├─ DoesNotReconcile     5   the numbers do not tie out
├─ Busy                 6   another run holds the lock
├─ StorageFault         7   disk full, unreadable, or a source that is gone
├─ LedgerVersion        8   the ledger was written by another version
└─ GateFailed           9   a --fail-on gate, or a rate card check
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

EVIDENCE_LENGTH = 200


class CostctlError(Exception):
    """A fault the user can act on; printed without a traceback."""

    exit_code = 1

    def __init__(self, where: str, what: str, *, evidence: str | list[str] = "", remedy: str = "") -> None:
        """Keep the four parts of a good error apart, so that each can be tested and rendered on its own."""
        super().__init__(f"{where}: {what}" if where else what)
        self.where = where
        self.what = what
        self.evidence = [evidence] if isinstance(evidence, str) else evidence
        self.remedy = remedy

    def text(self) -> str:
        """Return the message as printed: where and what, then the evidence indented, then the remedy."""
        lines = [f"costctl: error: {self.where + ': ' if self.where else ''}{self.what}"]
        lines += [f"  {line}" for line in self.evidence if line]
        lines += [self.remedy] if self.remedy else []
        return "\n".join(visible(line) for line in lines)


class UsageError(CostctlError):
    """The command line, the configuration, a rate card or a rule is wrong."""

    exit_code = 2


class InputRefused(CostctlError):
    """An input file is refused; the ledger is as it was."""

    exit_code = 3


class DoesNotReconcile(CostctlError):
    """A conservation or tie-out check found a difference."""

    exit_code = 5


class Busy(CostctlError):
    """Another run holds the ledger's lock."""

    exit_code = 6


class StorageFault(CostctlError):
    """The disk is full, a file cannot be read, or a source is gone."""

    exit_code = 7


class LedgerVersion(CostctlError):
    """The ledger file was written by a version this one does not read."""

    exit_code = 8


class GateFailed(CostctlError):
    """A gate asked for with --fail-on, or a rate card check, did not pass."""

    exit_code = 9


def shown(value: object) -> str:
    """Quote a value for an error message: control characters escaped, long text cut."""
    text = repr(value)
    return text if len(text) <= EVIDENCE_LENGTH else text[: EVIDENCE_LENGTH - 1] + "…"


def visible(text: str) -> str:
    """Return a line that cannot steer a terminal: what is not printable, in a file's name for example, is written out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `Did you mean …? ` with the most similar known name, or nothing when none is similar."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}? " if near else ""


def together(errors: Sequence[CostctlError]) -> CostctlError:
    """Return the first of several errors of one kind, with the others named in its evidence."""
    first, *others = errors
    for other in others:
        line = f"also {other.where}: {other.what}{''.join(f' ({item})' for item in other.evidence[:1] if item)}"
        first.evidence = [*first.evidence, line]
    return first
