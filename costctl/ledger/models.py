"""The models: the numbered files of costctl/models, each one SELECT, and what they say of themselves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Model:
    """One numbered file: a SELECT, and what its header says of it."""

    file: str
    name: str
    text: str
    keep: bool  # its rows are in the ledger; else they are there while a period is computed
    inlined: bool  # it is no table: it is written out where it is read, in place of its name
    without: str | None  # the table without which it has no rows
    by_level: bool  # computed for the pools of one level after the other
    into: str | None  # the table of another model that its rows are for
    stands: tuple[str, ...]  # what its kept rows depend on besides records of usage: where that is as it was they stand


@cache
def listed() -> tuple[Model, ...]:
    """Return the models in the order of their numbers."""
    files = {item.name: item for item in (resources.files("costctl") / "models").iterdir()}
    return tuple(
        _model(files[name].read_text(encoding="utf-8"), name)
        for name in sorted(files)
        if re.match(r"\d\d_[a-z_]+\.sql$", name)
    )


def _model(text: str, file: str) -> Model:
    without = re.search(r"^-- Empty without: ([a-z_]+)$", text, re.MULTILINE)
    into = re.search(r"^-- Into: ([a-z_]+)$", text, re.MULTILINE)
    stands = re.search(r"^-- Stands with: (.+)$", text, re.MULTILINE)
    keep, inlined, by_level = (
        re.search(rf"^-- {word}: yes$", text, re.MULTILINE) is not None for word in ("Keep", "Inlined", "By level")
    )
    return Model(
        file=file,
        name=file[3:-4],
        text=text,
        keep=keep,
        inlined=inlined,
        without=without[1] if without else None,
        by_level=by_level,
        into=into[1] if into else None,
        stands=tuple(stands[1].split(", ")) if stands else (),
    )


@cache
def kept() -> frozenset[str]:
    """Return the names of the models that the ledger keeps, by billing period."""
    return frozenset(model.name for model in listed() if model.keep)


@cache
def _inlined() -> dict[str, str]:
    return {model.name: model.text for model in listed() if model.inlined}


@cache
def reads(model: Model) -> frozenset[str]:
    """Return the names of the tables that a model reads, other models' among them."""
    return frozenset(re.findall(r"\b(?:FROM|JOIN)\s+([a-z_]+)\b", model.text))


def needed(names: AbstractSet[str], standing: AbstractSet[str], empty: AbstractSet[str] = frozenset()) -> set[str]:
    """Return the models that must be computed for some to be there: they and what they read, but for those that stand, and what only models without rows would read."""
    found = set(names)
    for model in reversed(listed()):
        if {model.name, model.into} & found and model.name not in standing and model.without not in empty:
            found |= {model.name, *reads(model)}
    return found & {model.name for model in listed() if not model.inlined} - standing


@cache
def macros() -> str:
    """Return the text of the exact arithmetic that models use."""
    return (resources.files("costctl") / "models" / "macros.sql").read_text(encoding="utf-8")


@cache
def fingerprint() -> str:
    """Return the SHA-256 over all model texts."""
    return hashlib.sha256("\0".join([macros(), *(model.text for model in listed())]).encode()).hexdigest()


def parameters(period: date, level: int = 1) -> dict[str, Any]:
    """Return the values that models may refer to: the billing period's first day, the first day after it, and the level of pools."""
    end = date(period.year + period.month // 12, period.month % 12 + 1, 1)
    return {"billing_period": period, "billing_period_end": end, "level": level}


def qualified(text: str, temporary: AbstractSet[str] = frozenset(), tables: AbstractSet[str] | None = None) -> str:
    """Write out the schema of every table that a SELECT reads, temp for this run's models, ledger for the rest (of those known), and the SELECT of a model that is no table."""
    present = known() if tables is None else tables

    def place(match: re.Match[str]) -> str:
        name = match["name"]
        if name in _inlined():
            return f"{match['word']} ({qualified(_inlined()[name], temporary, tables)})"
        if name in temporary:
            return f"{match['word']} temp.{name}"
        return f"{match['word']} ledger.{name}" if name in present else match[0]

    return re.sub(r"\b(?P<word>FROM|JOIN)\s+(?P<name>[a-z_]+)\b", place, text)


@cache
def known() -> frozenset[str]:
    """Return the names of the tables that every ledger has after `prepare`: to ask it takes longer than most statements do."""
    schema = (resources.files("costctl.ledger") / "schema.sql").read_text(encoding="utf-8")
    return frozenset(kept() | set(re.findall(r"^CREATE TABLE ledger\.([a-z_]+)", schema, re.MULTILINE)))


def used(text: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a text refers to; DuckDB refuses any other."""
    return {key: value for key, value in values.items() if re.search(rf"\${key}\b", text)}
