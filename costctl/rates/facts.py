"""The shipped facts and the user's cards, read and checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from costctl.errors import UsageError, shown
from costctl.files import cells, sheets
from costctl.files.sheets import Problem, Row, Sheet
from costctl.rates import intervals, overlays, owned, tiers
from costctl.rates.columns import FILES, SIGNATURES, UNSURE
from costctl.rates.intervals import Rate
from costctl.rates.scopes import Scope


@dataclass(frozen=True)
class Facts:
    """Every sheet that was read: the user's cards first, since what they say replaces a shipped row of the same key."""

    sheets: tuple[Sheet, ...]

    def rows(self, holds: str) -> list[Row]:
        """Return all rows of one kind, the user's first."""
        return [row for sheet in self.of(holds) for row in sheet.rows]

    def of(self, holds: str) -> list[Sheet]:
        """Return the sheets of one kind, the user's first."""
        return [sheet for sheet in self.sheets if sheet.holds == holds]

    def known_on(self, day: date) -> Facts:
        """Return the facts without the prices and powers that were seen after a day: what was priced then is priced so again."""
        seen = [
            replace(sheet, rows=[row for row in sheet.rows if (row["as_of"] or date.min) <= day])
            if sheet.holds in ("chip_prices", "model_prices", "power")
            else sheet
            for sheet in self.sheets
        ]
        return Facts(tuple(seen))

    @cached_property
    def chips(self) -> dict[str, Row]:
        """Return the chips by id, by short name and, in lower case, by title."""
        rows = self.rows("chips")
        titles = {row["title"].lower(): row for row in rows if row["title"]}
        return titles | {row["short"]: row for row in rows} | {row["chip"]: row for row in rows}

    @cached_property
    def providers(self) -> dict[str, str]:
        """Return our id of a provider by every name it goes by."""
        return {row["name"]: row["provider"] for row in self.rows("providers")}

    @cached_property
    def machines(self) -> dict[tuple[str, str], Row]:
        """Return the machines by provider and every spelling, matched with bills or not."""
        found: dict[tuple[str, str], Row] = {}
        for row in self.rows("machines"):
            for name in spellings(row):
                found.setdefault((row["provider"], name), row)
        return found

    @cached_property
    def parts(self) -> dict[tuple[str, str], list[Row]]:
        """Return, by provider and name of a SKU, the rows that say of which machines it is a part."""
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows("parts"):
            found.setdefault((row["provider"], row["part"].lower()), []).append(row)
        return found

    @cached_property
    def chip_rates(self) -> list[Rate]:
        """Return the prices per chip-hour that may price something, discounts taken off, with the days they hold."""
        return overlays.applied(self._settled("chip_prices", _chip_rates), self.rows("overlays"))

    @cached_property
    def model_rates(self) -> list[Rate]:
        """Return the prices per million tokens that may price something, with the days they hold."""
        return self._settled("model_prices", _model_rates)

    @cached_property
    def power(self) -> list[Rate]:
        """Return what a chip draws, in watts, with the days it holds: before it was first looked up too."""
        return intervals.backdated(self._settled("power", _power))

    def _settled(self, holds: str, rates_of: Callable[[Row, Sheet], Iterator[Rate]]) -> list[Rate]:
        rates = [rate for sheet in self.of(holds) for row in sheet.rows for rate in rates_of(row, sheet)]
        cards, shipped = ([rate for rate in rates if rate.is_card is of_user] for of_user in (True, False))
        return intervals.yielding(intervals.settled(cards), intervals.settled(shipped))

    def clashes(self) -> list[Problem]:
        """Return every two prices, or powers, that hold on the same days for one key."""
        return [
            *(clash for rates in (self.chip_rates, self.model_rates, self.power) for clash in intervals.clashes(rates)),
            *tiers.disagreements(self.chip_rates),
        ]


def _chip_rates(row: Row, sheet: Sheet) -> Iterator[Rate]:
    if row["price_per_chip_hour"] is None or row["confidence"] in UNSURE:
        return
    layer = row["layer"] or ("contract" if sheet.is_card else "list")
    for region in row["region"] or ("*",):
        where = (row["provider"], row["machine"], row["chip"], region)
        key = (*where, row["purchase_model"], row["term_months"], layer, row["currency"], row["payment"])
        price = row["price_per_chip_hour"]
        yield Rate(row, "price_per_chip_hour", key, price, scope=tiers.scope(row), is_card=sheet.is_card)


def _model_rates(row: Row, sheet: Sheet) -> Iterator[Rate]:
    if row["price_per_million"] is None or row["confidence"] in UNSURE:
        return
    layer = row["layer"] or ("contract" if sheet.is_card else "list")
    above, up_to = row["context_tier"] or (None, None)
    for region in row["region"] or ("*",):
        where = (row["provider"], row["channel"], row["model"], region, row["service_tier"] or "standard")
        key = (*where, row["token_class"], layer, row["currency"])
        for window in row["time_window_utc"] or ((),):
            scope = Scope(above, up_to, *window)
            price = row["price_per_million"]
            yield Rate(row, "price_per_million", key, price, scope=scope, is_card=sheet.is_card)


def _power(row: Row, sheet: Sheet) -> Iterator[Rate]:
    if row["confidence"] not in UNSURE:
        yield Rate(row, "watts", (row["chip"], row["basis"]), Decimal(row["watts"]), is_card=sheet.is_card)


def load(home: Path, cards: Sequence[Path] = ()) -> Facts:
    """Read the facts under `home` and the user's cards; raise UsageError for the first file that is wrong."""
    facts = Facts((*map(_card, cards), *(_shipped(home, path) for path in files(home))))
    kinds = list(FILES)
    seen: dict[Hashable, list[Row]] = {}
    for sheet in sorted(facts.sheets, key=lambda sheet: kinds.index(sheet.holds)):
        sheet.problems += [problem for row in sheet.rows for problem in _row_problems(row, sheet, facts)]
        sheet.problems += _repeats(sheet, seen)
        sheets.refuse(sheet.problems)
    sheets.refuse([*owned.disagreements(facts.rows("owned")), *_shared_hosts(facts)])
    return facts


def files(home: Path) -> list[Path]:
    """Return the CSV files of the facts in a fixed order."""
    folders = [path for name in ("chip_prices", "model_prices") for path in sorted((home / name).glob("*.csv"))]
    return [*(path for name in FILES if (path := home / f"{name}.csv").is_file()), *folders]


def _shipped(home: Path, path: Path) -> Sheet:
    name = path.relative_to(home).as_posix()
    holds = name.split("/")[0].removesuffix(".csv")
    kept = name if "/" in name else f"rates/{name}"  # a card of the user may be named power.csv, too
    return sheets.read(path, Sheet(f"rates/{name}", kept, holds), FILES[holds])


def _card(path: Path) -> Sheet:
    """Read a user's card; its header says what it holds."""
    line, holds = kind_of(path)
    if holds is None:
        header = sheets.header_of(path)[1]
        near = [hint for column in header if (hint := cells.nearest(column, SIGNATURES))]
        raise UsageError(
            f"{path}:{line}",
            f"holds no rates: it has none of the columns {', '.join(SIGNATURES)}",
            evidence=f"columns found: {shown(', '.join(header))}",
            remedy=near[0] if near else "rates/README.md lists the columns of each kind of card.",
        )
    return sheets.read(path, Sheet(str(path), card_name(path), holds, is_card=True), FILES[holds])


def kind_of(path: Path) -> tuple[int, str | None]:
    """Return the line of a card's header, and what that says the card holds."""
    line, header = sheets.header_of(path)
    return line, next((kind for column, kind in SIGNATURES.items() if column in header), None)


def card_name(path: Path) -> str:
    """Return the name under which the ledger keeps a card: no machine's own folders."""
    return path.name if path.is_absolute() else path.as_posix()


def spellings(machine: Row) -> tuple[str, ...]:
    """Return every name of a machine, as names are compared."""
    return machine["machine"].lower(), *(alias.lower() for alias in machine["aliases"] or ())


# What is wrong with a row beyond its single cells. On the way its names become ours.


def _row_problems(row: Row, sheet: Sheet, facts: Facts) -> Iterator[Problem]:
    yield from _date_problems(row)
    if row["provider"] and sheet.holds in (
        "machines",
        "parts",
        "families",
        "chip_prices",
        "model_prices",
        "overlays",
        "owned",
    ):
        # A provider nobody knows is taken as it is: `rates check` asks about it.
        row.values["provider"] = facts.providers.get(row["provider"], row["provider"])
    if row["chip"] and sheet.holds in ("machines", "chip_prices", "power", "overlays", "owned"):
        yield from _chip_problems(row, facts)
    if sheet.holds == "overlays":
        yield from overlays.problems(row)
    if sheet.holds == "owned":
        yield from owned.problems(row)
    if sheet.holds == "chip_prices":
        yield from tiers.problems(row)
    named = sheet.holds in ("overlays", "parts") or (sheet.holds == "chip_prices" and row["layer"] != "model")
    if named and row["machine"]:  # an estimate has names of its own
        yield from _machine_problems(row, facts)
    if sheet.is_card and sheet.holds.endswith("_prices"):
        yield from _price_problems(row, sheet.holds)


def _date_problems(row: Row) -> Iterator[Problem]:
    begins, ends = row["valid_from"], row["valid_to"]
    if begins and ends and begins >= ends:
        what = f"the valid_to is not after the valid_from {begins}"
        yield row.problem("valid_to", what, "The interval is half-open: valid_to is the first day it no longer holds.")


def _chip_problems(row: Row, facts: Facts) -> Iterator[Problem]:
    found = facts.chips.get(row["chip"])
    if found is None:
        remedy = cells.nearest(row["chip"], facts.chips) or "List them: costctl rates list"
        yield row.problem("chip", "there is no such chip", remedy)
    else:
        row.values["chip"] = found["chip"]


def _machine_problems(row: Row, facts: Facts) -> Iterator[Problem]:
    found = facts.machines.get((row["provider"], row["machine"].lower()))
    if found is None:
        names = [name for provider, name in facts.machines if provider == row["provider"]]
        remedy = cells.nearest(row["machine"], names) or "Leave it empty for a price of the chip in any machine."
        yield row.problem("machine", f"{row['provider']} has no such machine", remedy)
    elif row["chip"] not in (None, found["chip"]):
        yield row.problem("chip", f"the machine {found['machine']} holds {found['chip']}", "Correct one of the two.")
    else:
        row.values["machine"] = found["machine"]


def _shared_hosts(facts: Facts) -> Iterator[Problem]:
    """Yield each line without chips of its own that is said to be a part of several machines: its cost can be with one."""
    for name, (first, *others) in facts.parts.items():
        for row in others if name not in facts.machines else ():
            what = f"counts no chips, and is a part of {first['machine']} already ({first.path}:{first.line})"
            yield row.problem("machine", what, "Keep one of the two rows, or give the part its chips in machines.csv.")


def _price_problems(row: Row, holds: str) -> Iterator[Problem]:
    column = next(name for name, kind in SIGNATURES.items() if kind == holds)
    if row[column] is None:
        yield row.problem(column, f"the {column} is missing", "Fill it, or remove the row until it is known.")


NAMES: dict[str, Callable[[Row], Iterable[tuple[str, Hashable]]]] = {
    "providers": lambda row: [("name", row["name"])],
    "units": lambda row: [("unit", row["unit"])],
    "chips": lambda row: [("chip", row["chip"]), ("short", row["short"])],
    "machines": lambda row: [("machine", (row["provider"], name)) for name in spellings(row)],
    "parts": lambda row: [("part", (row["provider"], row["part"].lower(), row["machine"].lower()))],
    "families": lambda row: [("pattern", (row["provider"], row["pattern"]))],
    "model_aliases": lambda row: [("raw", row["raw"])],
    "overlays": lambda row: [("order", (row["provider"], row["order"]))],
}


def _repeats(sheet: Sheet, seen: dict[Hashable, list[Row]]) -> Iterator[Problem]:
    """Yield each row that names once more what facts, or cards, may name once on a day."""
    for row in sheet.rows if sheet.holds in NAMES else ():
        for column, key in NAMES[sheet.holds](row):
            named = seen.setdefault((sheet.holds, sheet.is_card, key), [])
            first = next((other for other in named if _together(row, other)), None)
            named.append(row)
            if first:
                what = f"duplicate key: {first.path}:{first.line} names it already"
                yield row.problem(column, what, "Remove one of the two rows, or close the earlier one.")


def _together(row: Row, other: Row) -> bool:
    """Tell whether two rows hold on some day together; most rows hold always."""
    begins = max(row["valid_from"] or date.min, other["valid_from"] or date.min)
    return begins < min(row["valid_to"] or date.max, other["valid_to"] or date.max)
