"""Which machine or chip a person means by a name: of what bills, facts and makers call it, but for case, blanks, hyphens and underscores."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from costctl.errors import UsageError, shown
from costctl.files import cells
from costctl.files.sheets import Row

BETWEEN = re.compile(r"[\s_-]+")
SHOWN = 5
OFFERS = ("machines", "chip_prices", "model_prices")


class Known(Protocol):
    """The names that the facts know: what a row may call a thing, and what it is."""

    @property
    def providers(self) -> Mapping[str, str]:
        """Our id of a provider by each of its names."""

    @property
    def chips(self) -> Mapping[str, Row]:
        """The chips by each of their names."""

    @property
    def machines(self) -> Mapping[tuple[str, str], Row]:
        """The machines by provider and each of their names."""

    @property
    def parts(self) -> Mapping[tuple[str, str], Sequence[Row]]:
        """The rows that say of which machines a SKU is a part, by provider and name of the SKU."""

    def rows(self, holds: str) -> list[Row]:
        """Return all rows of one kind."""


def folded(name: str) -> str:
    """Return a name as names that people write are compared."""
    return BETWEEN.sub("", name.lower())


def seller(provider: str, facts: Known) -> str:
    """Return our id of a provider by any of its names; one that only a card knows goes by its own."""
    name = provider.strip().lower()
    known = {*facts.providers, *(row["provider"] for holds in OFFERS for row in facts.rows(holds))} - {"*"}
    if name not in known:
        what = f"nobody knows the provider {shown(provider)}" if name else "is empty"
        remedy = cells.nearest(name, known) or "Name it as bills or gateways do, for example aws."
        raise UsageError("--provider", what, remedy=remedy)
    return facts.providers.get(name, name)


def fitting(provider: str, name: str, facts: Known) -> list[Row]:
    """Return the machine of a provider that a name means, else the chip; several where the name does not tell them apart."""
    owner = seller(provider, facts)
    exact = facts.machines.get((owner, name.lower())) or facts.chips.get(name.lower())
    if exact:
        return [exact]
    machines = (
        row for (who, spelling), row in facts.machines.items() if (who, folded(spelling)) == (owner, folded(name))
    )
    return [*{row["machine"]: row for row in machines}.values()] or fitting_chips(name, facts)


def fitting_chips(name: str, facts: Known) -> list[Row]:
    """Return the chips that a name fits."""
    found = (row for spelling, row in facts.chips.items() if folded(spelling) == folded(name))
    return [*{row["chip"]: row for row in found}.values()]


def one(where: str, name: str, found: Iterable[Row], otherwise: UsageError) -> Row:
    """Return the only row that a name fits; raise UsageError where it fits several, or the given one where it fits none."""
    rows = [*found]
    if len(rows) > 1:
        named = ", ".join(row["machine"] or row["chip"] for row in rows)
        raise UsageError(where, f"{shown(name)} may be one of several", evidence=named, remedy="Write one of them out.")
    if not rows:
        raise otherwise
    return rows[0]


def unknown(provider: str, name: str, facts: Known, *, what: str, others: Iterable[str] = ()) -> UsageError:
    """Return the refusal of a name that fits nothing, with what holds all of its words, else what is spelt most like it."""
    owner = seller(provider, facts)
    parts = [row for (who, _), (row, *_) in facts.parts.items() if who == owner]
    if host := next((row for row in parts if folded(row["part"]) == folded(name)), None):
        return _host(host)
    spelt = {spelling: row["machine"] for (who, spelling), row in facts.machines.items() if who == owner}
    spelt |= {row["part"]: row["part"] for row in parts}
    own = [row["machine"] for row in facts.rows("machines") if row["provider"] == owner]
    found = _holding(name, [*own, *_titles(facts)]) or [spelt[spelling] for spelling in _holding(name, spelt)]
    return _refused("--sku", what, found, cells.nearest(name, [*spelt, *facts.chips, *others]))


def _host(part: Row) -> UsageError:
    """Return the refusal of a part without chips: nobody sells it without the machine."""
    what = f"{part['part']} is the host of a machine and has no price of its own"
    remedy = f"Look that up: costctl rates lookup --provider {part['provider']} --sku {shown(part['machine'])}"
    return UsageError("--sku", what, evidence=f"it is in the price of {part['machine']}", remedy=remedy)


def unknown_chip(name: str, facts: Known) -> UsageError:
    """Return the refusal of a name that fits no chip."""
    found = _holding(name, _titles(facts))
    return _refused("CHIP", f"there is no chip {shown(name)}", found, cells.nearest(name, facts.chips))


def _refused(where: str, what: str, found: Iterable[str], nearest: str) -> UsageError:
    alike = [*dict.fromkeys(found)]
    if not alike:
        return UsageError(where, what, remedy=nearest or "List the chips: costctl rates list")
    more = f" and {len(alike) - SHOWN} more" if len(alike) > SHOWN else ""
    evidence = f"like it: {', '.join(alike[:SHOWN])}{more}"
    return UsageError(where, what, evidence=evidence, remedy="Write one of them out.")


def _holding(name: str, spellings: Iterable[str]) -> list[str]:
    """Return the spellings that hold all words of a name; none where it has no word."""
    words = [re.compile(rf"(?<![a-z0-9]){re.escape(word)}") for word in BETWEEN.split(name.lower()) if word]
    return [spelling for spelling in spellings if words and all(word.search(spelling.lower()) for word in words)]


def _titles(facts: Known) -> Iterator[str]:
    for row in facts.rows("chips"):
        yield f"{row['short']} ({row['title']})" if row["title"] else row["short"]
