"""The configured tags as columns of the charges: which keys fill which column, and refilling them when that changes."""

from __future__ import annotations

import json
from typing import Any

from costctl.ledger.store import Ledger

BUILT_IN = {
    "team": ["team", "user:team", "Team", "user:Team"],
    "model": ["model", "user:model", "Model", "user:Model"],
    "purpose": ["purpose", "user:purpose", "Purpose", "user:Purpose"],
}


def mapping(configured: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the tag mapping in force: the configured keys, built-in ones for team, model and purpose where none are."""
    return {**BUILT_IN, **{name: list(keys) for name, keys in configured.items()}}


def current(ledger: Ledger) -> dict[str, list[str]]:
    """Return the mapping that the ledger's columns were filled by."""
    stored = ledger.meta("tags")
    found: dict[str, list[str]] = json.loads(stored) if stored else {}
    return found


def ensure(ledger: Ledger, wanted: dict[str, list[str]] | None = None) -> bool:
    """Bring the tag columns in line with the wanted mapping; return whether anything changed."""
    had = current(ledger)
    wanted = wanted if wanted is not None else (had or BUILT_IN)
    if had == wanted:
        return False
    with ledger.transaction():
        for name in [name for name in wanted if name not in had]:
            ledger.run(f'ALTER TABLE ledger.charges ADD COLUMN "tag_{name}" VARCHAR')
        for name in wanted:
            if wanted[name] != had.get(name):
                values = {f"k{number}": path(key) for number, key in enumerate(wanted[name])}
                ledger.run(f'UPDATE ledger.charges SET "tag_{name}" = {_first_of(len(wanted[name]), "Tags")}', values)
        for name in [name for name in had if name not in wanted]:
            ledger.run(f'ALTER TABLE ledger.charges DROP COLUMN "tag_{name}"')
        ledger.set_meta("tags", json.dumps(wanted, sort_keys=True))
    return True


def columns(ledger: Ledger) -> tuple[str, dict[str, Any]]:
    """Return the SELECT list that fills the tag columns of new charges from f.Tags, and its parameters; Tags are parsed once."""
    text, paths = "", list[str]()
    for name, keys in current(ledger).items():
        places = range(len(paths) + 1, len(paths) + len(keys) + 1)
        paths += [path(key) for key in keys]
        found = [f"json_extract_string(f.Tags, $tag_paths)[{place}]" for place in places]
        text += f'{_blank_is_null(found)} AS "tag_{name}", '
    return text, {"tag_paths": paths} if paths else {}


def _first_of(number: int, column: str) -> str:
    return _blank_is_null([f"{column} ->> $k{place}" for place in range(number)])


def _blank_is_null(sources: list[str]) -> str:
    return "COALESCE(" + ", ".join(f"NULLIF(trim({source}), '')" for source in sources) + ", NULL)"


def path(key: str) -> str:
    """Return the JSON path of a tag key, whatever characters it has."""
    return '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
