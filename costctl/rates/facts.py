"""The shipped facts and the user's cards, read and checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from costctl.errors import UsageError, shown
from costctl.files import cells, sheets
from costctl.files.sheets import Problem, Row, Sheet
from costctl.rates import entries, intervals, overlays, owned, tiers
from costctl.rates.columns import FILES, SIGNATURES, UNSURE
from costctl.rates.intervals import Rate
from costctl.rates.scopes import Scope

ANY = "*"  # a provider: whoever it is


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
        """Return the machines by provider and every spelling, matched with bills or not; those of `*` by every provider that is known."""
        rows = sorted(self.rows("machines"), key=lambda row: row["provider"] == ANY)
        everybody = sorted({*self.providers.values(), *(row["provider"] for row in rows)} - {ANY})
        found: dict[tuple[str, str], Row] = {}
        for row in rows:
            for provider in everybody if row["provider"] == ANY else (row["provider"],):
                for name in entries.spellings(row):
                    found.setdefault((provider, name), row)
        return found

    @cached_property
    def parts(self) -> dict[tuple[str, str], list[Row]]:
        """Return, by provider and name of a SKU, the rows that say of which machines it is a part."""
        found: dict[tuple[str, str], dict[str, Row]] = {}
        for row in self.rows("parts"):
            found.setdefault((row["provider"], row["part"].lower()), {}).setdefault(row["machine"], row)
        return {name: [*rows.values()] for name, rows in found.items()}

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
        """Return every two prices, or powers, that hold on the same days for one key, and tiers that do not make one price."""
        return [
            *(clash for rates in (self.chip_rates, self.model_rates, self.power) for clash in intervals.clashes(rates)),
            *dict.fromkeys(tiers.disagreements(self.chip_rates)),
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
        sheet.problems += [problem for row in sheet.rows for problem in entries.problems(row, sheet, facts)]
        sheet.problems += entries.repeats(sheet, seen)
        sheets.refuse(sheet.problems)
    sheets.refuse([*owned.disagreements(facts.rows("owned")), *entries.shared_hosts(facts)])
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
