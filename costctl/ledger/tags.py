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


Tag = list[str] | dict[str, Any]  # the keys, or `keys`, `values` (spelling → value) and `fold`


def mapping(configured: dict[str, Tag]) -> dict[str, Tag]:
    """Return the tag mapping in force: the configured keys, built-in ones for team, model and purpose where none are."""
    return {**BUILT_IN, **configured}


def current(ledger: Ledger) -> dict[str, Tag]:
    """Return the mapping that the ledger's columns were filled by."""
    stored = ledger.meta("tags")
    found: dict[str, Tag] = json.loads(stored) if stored else {}
    return found


def ensure(ledger: Ledger, wanted: dict[str, Tag] | None = None) -> bool:
    """Bring the tag columns in line with the wanted mapping; return whether anything changed."""
    had = current(ledger)
    wanted = wanted if wanted is not None else (had or {**BUILT_IN})
    if had == wanted:
        return False
    with ledger.transaction():
        for name in [name for name in wanted if name not in had]:
            ledger.run(f'ALTER TABLE ledger.charges ADD COLUMN "tag_{name}" VARCHAR')
        for name, tag in wanted.items():
            if tag != had.get(name):
                paths = {f"k{number}": path(key) for number, key in enumerate(_keys(tag))}
                value, spellings = _spelled(name, tag, [f"Tags ->> ${place}" for place in paths])
                ledger.run(f'UPDATE ledger.charges SET "tag_{name}" = {value}', paths | spellings)
        for name in [name for name in had if name not in wanted]:
            ledger.run(f'ALTER TABLE ledger.charges DROP COLUMN "tag_{name}"')
        ledger.set_meta("tags", json.dumps(wanted, sort_keys=True))
    return True


def columns(ledger: Ledger) -> tuple[str, dict[str, Any]]:
    """Return the SELECT list that fills the tag columns of new charges from f.Tags, and its parameters; Tags are parsed once."""
    text, paths, values = "", list[str](), dict[str, Any]()
    for name, tag in current(ledger).items():
        places = range(len(paths) + 1, len(paths) + len(_keys(tag)) + 1)
        paths += [path(key) for key in _keys(tag)]
        value, spellings = _spelled(
            name, tag, [f"json_extract_string(f.Tags, $tag_paths)[{place}]" for place in places]
        )
        text += f'{value} AS "tag_{name}", '
        values |= spellings
    return text, values | {"tag_paths": paths} if paths else {}


def _keys(tag: Tag) -> list[str]:
    found: list[str] = tag["keys"] if isinstance(tag, dict) else tag
    return found


def _spelled(name: str, tag: Tag, sources: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the SQL of a tag's value, the first that is not blank in the one spelling that the configuration wants, and its parameters."""
    found = "COALESCE(" + ", ".join(f"NULLIF(trim({source}), '')" for source in sources) + ", NULL)"
    if isinstance(tag, list):
        return found, {}
    found = f"lower({found})" if tag["fold"] else found
    if not tag["values"]:
        return found, {}
    listed = {f"tag_{name}_from": list(tag["values"]), f"tag_{name}_to": list(tag["values"].values())}
    return f"COALESCE(map($tag_{name}_from, $tag_{name}_to)[{found}], {found})", listed


def path(key: str) -> str:
    """Return the JSON path of a tag key, whatever characters it has."""
    return '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
