"""The columns of a format in a file: where each stands in its header."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase

from costctl.errors import InputRefused, shown
from costctl.formats import headers
from costctl.formats.headers import folded
from costctl.nouns import Format, InputFile


def columns_of(item: Format, file: InputFile) -> dict[str, int]:
    """Map logical columns to positions in a file's header; refuse duplicates after folding and missing required ones."""
    positions = _positions(item, file)
    found = {
        column.name: next((positions[header] for header in column.headers if header in positions), None)
        for column in item.columns
    }
    missing = [column.header for column in item.columns if column.required and found[column.name] is None]
    if missing:
        many = len(missing) > 1
        raise InputRefused(
            f"{file.name}:1" if file.content == "csv" else file.name,
            f"lacks the column{'s' if many else ''} {', '.join(missing)}",
            evidence=[headers.shown(file), *_similar(missing, file)],
            remedy=f"Export it again with {'them' if many else 'it'}; the format {item.name} cannot do without.",
        )
    _refuse_unknown(item, file, positions)
    return {name: position for name, position in found.items() if position is not None}


def _refuse_unknown(item: Format, file: InputFile, positions: dict[str, int]) -> None:
    """Refuse columns that a format does not read although their names say that they count: what they hold would be left out unseen."""
    read = {header for column in item.columns for header in column.headers}
    found = [
        file.header[position]
        for header, position in positions.items()
        if header not in read and any(fnmatchcase(header, pattern) for pattern in item.unknown)
    ]
    if found:
        raise InputRefused(
            f"{file.name}:1" if file.content == "csv" else file.name,
            f"has {'columns' if len(found) > 1 else 'a column'} that {item.name} does not know: {', '.join(map(shown, found))}",
            evidence=[f"it knows {', '.join(column.header for column in item.columns if column.type == 'whole')}"],
            remedy="What is counted there would be left out. Export it again under these names, or without what they hold already; "
            "or say under `formats:` in costctl.yaml which columns count.",
        )


def _similar(missing: list[str], file: InputFile) -> list[str]:
    """Name the columns whose names are like a missing one: a misspelling, or a new name."""
    near = {name: difflib.get_close_matches(name, file.header, n=1) for name in missing}
    return [f"nearest to {name}: {found[0]}" for name, found in near.items() if found]


def _positions(item: Format, file: InputFile) -> dict[str, int]:
    """Return where each folded header stands; a name that the format reads may stand there once."""
    wanted = {header for column in item.columns for header in column.headers}
    positions: dict[str, int] = {}
    for number, name in enumerate(file.header):
        key = folded(item, name)
        tag = any(name.lower().startswith(prefix.lower()) for prefix, _ in item.tag_prefixes)
        inner = (
            file.content != "csv" and name.rpartition(".")[0] in file.header
        )  # the column wins over a field within one
        twice = name in file.header[:number] if tag else key in positions and key in wanted and not inner
        if twice:
            other = name if tag else file.header[positions[key]]
            raise InputRefused(
                f"{file.name}:1",
                "the header names a column twice",
                evidence=f"{shown(other)} and {shown(name)}",
                remedy="Nothing tells which of the two holds: export it again with one of them.",
            )
        positions.setdefault(key, number)
    return positions
