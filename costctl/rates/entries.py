"""What is wrong with a row of rates beyond its single cells, and with two rows of one name."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import date

from costctl.files import cells
from costctl.files.sheets import Problem, Row, Sheet
from costctl.rates import intervals, meant, overlays, owned, tiers
from costctl.rates.columns import FILES, SIGNATURES
from costctl.rates.meant import Known

LITERALS = 2  # the least that a card's pattern says of the names of machines
NAMING_A_PROVIDER = ("machines", "parts", "families", "chip_prices", "model_prices", "overlays", "owned")
OF_ONE = {  # what `*` is no provider for, and what to write instead
    **dict.fromkeys(("chip_prices", "model_prices", "overlays", "parts"), "Write a row for each of them."),
    "owned": "Name the lessor, or leave it empty for what is your own.",
}
WILD = str.maketrans("", "", "%_ ")


def spellings(machine: Row) -> tuple[str, ...]:
    """Return every name of a machine, as names are compared."""
    return machine["machine"].lower(), *(alias.lower() for alias in machine["aliases"] or ())


def problems(row: Row, sheet: Sheet, facts: Known) -> Iterator[Problem]:
    """Yield what is wrong with a row beyond its single cells; on the way its names become ours."""
    yield from _date_problems(row)
    if row["provider"] and sheet.holds in NAMING_A_PROVIDER:
        yield from _provider_problems(row, sheet, facts)
    if row["chip"] and sheet.holds in ("machines", "chip_prices", "power", "overlays", "owned"):
        yield from _chip_problems(row, facts)
    if sheet.holds == "overlays":
        yield from overlays.problems(row)
    if sheet.holds == "owned":
        yield from owned.problems(row)
    if sheet.holds == "chip_prices":
        yield from _missing_chip(row, facts)
        yield from tiers.problems(row)
    if sheet.is_card and sheet.holds == "families":
        yield from _pattern_problems(row)
    named = sheet.holds == "overlays" or (sheet.holds == "chip_prices" and row["layer"] != "model")
    if named and row["machine"]:  # an estimate has names of its own
        yield from _machine_problems(row, facts, "Leave it empty for the chip in any machine.")
    if sheet.holds == "parts":
        yield from _part_problems(row, facts)
    if sheet.is_card and sheet.holds.endswith("_prices"):
        yield from _price_problems(row, sheet.holds)


def _provider_problems(row: Row, sheet: Sheet, facts: Known) -> Iterator[Problem]:
    # A provider nobody knows is taken as it is: `rates check` asks about it.
    row.values["provider"] = facts.providers.get(row["provider"], row["provider"])
    if row["provider"] == "*" and sheet.holds in OF_ONE:
        yield row.problem("provider", "names no provider: the row is of one", OF_ONE[sheet.holds])


def _date_problems(row: Row) -> Iterator[Problem]:
    begins, ends = row["valid_from"], row["valid_to"]
    if begins and ends and begins >= ends:
        what = f"the valid_to is not after the valid_from {begins}"
        yield row.problem("valid_to", what, "The interval is half-open: valid_to is the first day it no longer holds.")


def _chip_problems(row: Row, facts: Known) -> Iterator[Problem]:
    found = facts.chips.get(row["chip"])
    if found is None:
        refusal = meant.unknown_chip(row["chip"], facts)
        what = "; ".join(["there is no such chip", *filter(None, refusal.evidence)])
        yield row.problem("chip", what, refusal.remedy)
    else:
        row.values["chip"] = found["chip"]


def _missing_chip(row: Row, facts: Known) -> Iterator[Problem]:
    machine = facts.machines.get((row["provider"], (row["machine"] or "").lower()))
    if row["chip"] is None:
        remedy = f"Write {machine['chip']}: the machine holds it." if machine else "Name the chip by its id."
        yield row.problem("chip", "the chip is missing", remedy)


def _machine_problems(row: Row, facts: Known, otherwise: str) -> Iterator[Problem]:
    found = facts.machines.get((row["provider"], row["machine"].lower()))
    if found is None:
        names = [name for provider, name in facts.machines if provider == row["provider"]]
        remedy = cells.nearest(row["machine"], names) or otherwise
        yield row.problem("machine", f"{row['provider']} has no such machine", remedy)
    elif row["chip"] not in (None, found["chip"]):
        yield row.problem("chip", f"the machine {found['machine']} holds {found['chip']}", "Correct one of the two.")
    else:
        row.values["machine"] = found["machine"]


def _part_problems(row: Row, facts: Known) -> Iterator[Problem]:
    """Yield what is wrong with a part and its machine; the price of a machine is that of its chips alone."""
    yield from _machine_problems(row, facts, "Add it in a card with the columns of machines.csv.")
    part, machine = (facts.machines.get((row["provider"], row[name].lower())) for name in ("part", "machine"))
    if part is None:  # the host of a machine
        return
    row.values["part"] = part["machine"]
    if machine is part:
        yield row.problem("part", "is the machine itself", "Remove the row: a machine is priced without it.")
    if machine and machine["chip"] != part["chip"]:
        what = f"the machine holds {machine['chip']}, and the part {part['chip']}"
        yield row.problem("machine", what, "Name a machine with the part's chip: the price of another is not its own.")


def _pattern_problems(row: Row) -> Iterator[Problem]:
    """Yield a pattern that asks for next to nothing: every line that it fits becomes one of a machine nobody knows."""
    if len(row["pattern"].translate(WILD)) < LITERALS:
        remedy = "Write what the names have in common, for example zed-%: % is any text, _ is one character."
        yield row.problem(
            "pattern", f"fits nearly every name: fewer than {LITERALS} characters of it are fixed", remedy
        )


def shared_hosts(facts: Known) -> Iterator[Problem]:
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


def repeats(sheet: Sheet, seen: dict[Hashable, list[Row]]) -> Iterator[Problem]:
    """Yield each row that names once more what facts, or cards, may name once on a day."""
    for row in sheet.rows if sheet.holds in NAMES else ():
        for column, key in NAMES[sheet.holds](row):
            named = seen.setdefault((sheet.holds, sheet.is_card, key), [])
            first = next((other for other in named if _together(row, other)), None)
            named.append(row)
            if first:
                what = f"duplicate key: {first.path}:{first.line} names it already"
                closed = intervals.closing(first["valid_from"], row["valid_from"])
                ended = f", or close the earlier one: {closed}" if _may_end(sheet) else ""
                yield row.problem(column, what, f"Remove one of the two rows{ended}.")


def _may_end(sheet: Sheet) -> bool:
    return any(column.name == "valid_to" for column in FILES[sheet.holds])


def _together(row: Row, other: Row) -> bool:
    """Tell whether two rows hold on some day together; most rows hold always."""
    begins = max(row["valid_from"] or date.min, other["valid_from"] or date.min)
    return begins < min(row["valid_to"] or date.max, other["valid_to"] or date.max)
