"""A delivery on its way into the ledger: who decides what about it, and under which identity it goes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from costctl.errors import InputRefused
from costctl.ledger.records import Reading
from costctl.nouns import CompiledRules, Delivery, Format, InputFile, Outcome, Progress, unwatched

REPLACED = "replaced by other files before"  # the rule under which records of plain files are left out
IS_REPLACED = "x.delivery_id = f.delivery_id AND x.file_no = f.file_no AND x.rule = $replaced"  # exclusion x of file f


@dataclass(frozen=True)
class Standing:
    """What was decided when a delivery was taken in, and stands when it is read again: nothing is judged anew."""

    seq: int
    decision: str | None
    taken: Mapping[date, frozenset[str]]  # per period: from which deliveries; from itself where another speaks for it
    left_out: frozenset[tuple[int, date]]  # files by number, and the periods in which they stay out: replaced before


@dataclass(frozen=True)
class Settings:
    """How deliveries are taken in: the archive mode, the policy for bad rows, the decision on overlaps."""

    rules: CompiledRules
    columns_of: Callable[[Format, InputFile], dict[str, int]]
    inspect: Callable[[Path, str, Format], InputFile]
    archive: str = "copy"  # copy | link | none
    quarantine_rows: int = 0
    large_drop_percent: Decimal | None = None
    decision: str | None = None  # replace | add
    together: set[str] = field(default_factory=set)  # the deliveries of this command so far, by identity
    progress: Progress = unwatched
    replayed: Standing | None = None  # an intake of another ledger, to be done again
    paths: Mapping[str, str] = field(default_factory=dict)  # by hash: where files were found that are read elsewhere


@dataclass(frozen=True)
class Intake:
    """One delivery while it is taken in; its identity is a hash of source, scope, dataset and file set."""

    delivery: Delivery
    identity: str
    settings: Settings
    readings: list[Reading]
    standing: Standing | None = None

    @property
    def refreshed(self) -> bool:
        """Tell whether it is what the ledger holds already, read again because its format is defined otherwise now."""
        return self.standing is not None and self.settings.replayed is None

    @property
    def decision(self) -> str | None:
        """Return how overlaps are decided: as the user says; what is appended belongs beside what is there."""
        return self.settings.decision or ("add" if self.delivery.appended else None)

    def label(self, period: str) -> str:
        """Return a period as people say it: the month of a bill, the day of usage."""
        return period[:7] if self.delivery.format.kind == "bill" else period

    def named(self, error: InputRefused) -> InputRefused:
        """Return a refusal of bytes, which may lie in the archive, under the names that the user knows."""
        texts = [error.where, *error.evidence]
        for reading in self.readings:
            texts = [text.replace(str(reading.bytes_at), reading.file.name) for text in texts]
        return InputRefused(texts[0], error.what, evidence=texts[1:], remedy=error.remedy)

    def outcome(
        self,
        status: str,
        *,
        records: int = 0,
        aside: int = 0,
        periods: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Outcome:
        """Return what was done with it, for the person who ran the command."""
        item = self.delivery
        found = (item.source, item.format.name, status, len(item.files), records, aside, periods)
        return Outcome(*found, (*item.notes, *notes))


@dataclass(frozen=True)
class Excluded:
    """Records of a file that a named rule leaves out; the period where the rule looks at the whole month."""

    file_no: int
    period: date | None
    rule: str
    records: int


class Superseded(Exception):
    """The delivery is older than what is live; nothing changes."""


class Recount(Exception):
    """The fast path kept another number of records than were counted; the recording path tells which."""
