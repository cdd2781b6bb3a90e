"""What a rule wants of a column: as the bill writes it, or in words of the trade, a provider, a machine, a chip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from costctl.errors import nearest, shown
from costctl.ledger.store import Ledger

WORDS = {"provider": "ProviderName", "machine": "x_machine", "chip": "x_machine"}
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")  # all that FOCUS has


class Unknown(Exception):
    """A value that no charge can have, as far as anybody knows: what of it, and the remedy."""


@dataclass(frozen=True)
class Facts:
    """What the ledger's reference tables know of providers, machines and chips, in lower case."""

    providers: dict[str, str] = field(default_factory=dict)  # as a bill says it → our id
    billers: frozenset[str] = frozenset()  # ids that cards, machines and column maps name
    machines: tuple[tuple[str, str, str], ...] = ()  # as a bill spells it, machine, chip
    chips: dict[str, str] = field(default_factory=dict)  # id or short name → id


def facts(ledger: Ledger, billers: Iterable[str] = ()) -> Facts:
    """Read the facts; `billers` are providers that only the configuration knows."""
    known = "SELECT provider FROM ledger.machines UNION SELECT provider FROM ledger.chip_prices UNION SELECT provider FROM ledger.model_prices"
    return Facts(
        dict(ledger.run("SELECT name, provider FROM ledger.providers").rows),
        frozenset([*(name for (name,) in ledger.run(known).rows), *(name.lower() for name in billers)]),
        tuple(
            ledger.run(
                "SELECT name, lower(machine), chip FROM ledger.machines UNION SELECT pattern, pattern, chip FROM ledger.machine_families WHERE chip IS NOT NULL AND NOT contains(pattern, '%') ORDER BY ALL"
            ).rows
        ),
        dict(
            ledger.run(
                "SELECT lower(chip), chip FROM ledger.chips UNION SELECT lower(short), chip FROM ledger.chips"
            ).rows
        ),
    )


@dataclass(frozen=True)
class Wish:
    """What one key of a rule wants of a column: any of these texts or beginnings, or that it is blank."""

    column: str
    folded: bool  # compares in lower case, trimmed
    texts: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = ()
    blank: bool = False

    def sql(self, mark: Callable[[object], str]) -> str:
        """Return the condition, its values marked for binding."""
        column = f'LOWER(TRIM("{self.column}"))' if self.folded else f'"{self.column}"'
        parts = [f"{column} IN ({', '.join(mark(text) for text in self.texts)})"] if self.texts else []
        parts += [f"NULLIF(TRIM({column}), '') IS NULL"] if self.blank else []
        parts += [f"LEFT({column}, {len(text)}) = {mark(text)}" for text in self.beginnings]
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def each(self) -> Iterator[Wish]:
        """Yield the wish for each of its values alone."""
        yield from (Wish(self.column, self.folded, (text,)) for text in self.texts)
        yield from (Wish(self.column, self.folded, (), (text,)) for text in self.beginnings)
        yield from [Wish(self.column, self.folded, blank=True)] if self.blank else []

    def takes_all_of(self, one: Wish) -> bool:
        """Tell whether whatever a single value takes is taken by this wish, too."""
        if one.column != self.column or (one.folded and not self.folded and not one.blank):
            return False
        if one.blank:
            return self.blank
        text = (*one.texts, *one.beginnings)[0]
        text = text.strip().lower() if self.folded else text
        return (bool(one.texts) and text in self.texts) or text.startswith(self.beginnings or ("\0",))


def wish(name: str, column: str, wanted: Sequence[str], known: Facts, *, fold: bool) -> Wish:
    """Return what a key of `when` wants; raise Unknown for a word of the trade that means nothing."""
    if name in WORDS:
        expand = {"provider": _provider, "machine": _machine, "chip": _chip}[name]
        texts = sorted({text for value in wanted for text in expand(value.strip().lower(), value, known)})
        begins = [value[:-1].strip().lower() for value in wanted if name == "machine" and value.endswith("*")]
        return Wish(column, folded=True, texts=tuple(texts), beginnings=tuple(begins))
    folded = [value.strip().lower() if fold else value for value in wanted]
    texts = [value for value in folded if value and not value.endswith("*")]
    begins = [value[:-1] for value in folded if value.endswith("*")]
    if column == "ChargeCategory" and not fold and not begins and not {*texts} & {*CATEGORIES} and "" not in folded:
        what = f"no charge has the ChargeCategory {shown(texts[0])}"
        raise Unknown(what, f"{nearest(texts[0].title(), CATEGORIES)}FOCUS has {', '.join(CATEGORIES)}.")
    return Wish(column, fold, tuple(texts), tuple(begins), "" in folded)


def _provider(value: str, said: str, known: Facts) -> Iterable[str]:
    wanted = known.providers.get(value, value)
    if wanted not in known.billers and wanted not in known.providers.values():
        near = nearest(value, [*known.providers.values(), *known.billers])
        raise Unknown(
            f"nobody knows the provider {shown(said)}", f"{near}`ProviderName:` takes it as the bill writes it."
        )
    names = [name for name, provider in known.providers.items() if provider == wanted]
    return names if wanted in known.providers else [*names, wanted]


def _machine(value: str, said: str, known: Facts) -> Iterable[str]:
    if value.endswith("*"):
        meant = {
            machine
            for name, machine, _ in known.machines
            if name.startswith(value[:-1]) or machine.startswith(value[:-1])
        }
    else:
        meant = {machine for name, machine, _ in known.machines if value in (name, machine)}
    if not meant:
        near = nearest(value, {name for item in known.machines for name in item[:2]})
        remedy = f"{near}`x_machine:` takes it as the bill writes it; a card of machines says what it holds."
        raise Unknown(f"nobody knows the machine {shown(said)}", remedy)
    return [name for name, machine, _ in known.machines if machine in meant]


def _chip(value: str, said: str, known: Facts) -> Iterable[str]:
    chip = known.chips.get(value)
    if chip is None:
        near = nearest(value, known.chips)
        raise Unknown(f"nobody knows the chip {shown(said)}", f"{near}`costctl rates list` shows them.")
    names = [name for name, _, holds in known.machines if holds == chip]
    if not names:
        raise Unknown(
            f"no machine is known to hold the chip {chip}",
            "A card of machines says so; or name the machine: `x_machine:`.",
        )
    return names
