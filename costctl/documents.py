"""YAML with positions: every scalar stays text and knows the line and column it stands on. The only PyYAML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from costctl.errors import UsageError, shown

MAX_BYTES = 10_000_000


@dataclass(frozen=True)
class Document:
    """A parsed document: plain dicts, lists and text, with the position of each path in it."""

    path: Path
    value: Any
    positions: dict[tuple[str | int, ...], tuple[int, int]]

    def where(self, path: tuple[str | int, ...]) -> str:
        """Return `file:line:column` of the deepest known part of a path."""
        while path and path not in self.positions:
            path = path[:-1]
        line, column = self.positions.get(path, (1, 1))
        return f"{self.path}:{line}:{column}"


def read(path: Path) -> Document:
    """Read a YAML file as text scalars; raise UsageError for syntax, aliases, duplicate keys or non-text keys."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(
            str(path), "cannot be read", evidence=str(error), remedy="Check the path and its permissions."
        ) from error
    if len(text) > MAX_BYTES:
        raise UsageError(
            str(path), f"is larger than {MAX_BYTES:,} bytes", remedy="A configuration this large is a mistake."
        )
    try:
        _refuse_aliases(path, text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise _syntax_error(path, error) from error
    positions: dict[tuple[str | int, ...], tuple[int, int]] = {}
    value = {} if node is None else _plain(path, node, (), positions)
    return Document(path, value, positions)


def _refuse_aliases(path: Path, text: bytes) -> None:
    """An alias can make a small file explode; our files have no use for one."""
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent) and event.start_mark:
            raise UsageError(
                f"{path}:{event.start_mark.line + 1}:{event.start_mark.column + 1}",
                "aliases (*name) are not allowed",
                evidence=shown(event.anchor),
                remedy="Write the value out.",
            )


def _syntax_error(path: Path, error: yaml.YAMLError) -> UsageError:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
    return UsageError(
        where, "is not valid YAML", evidence=str(getattr(error, "problem", error)), remedy="Mend the syntax there."
    )


def _plain(
    path: Path, node: Any, at: tuple[str | int, ...], positions: dict[tuple[str | int, ...], tuple[int, int]]
) -> Any:
    positions[at] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag.endswith(":null") and node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(path, item, (*at, index), positions) for index, item in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key, value in node.value:
        where = f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(where, "a key must be plain text", remedy="Write `key: value`.")
        if key.value in result:
            raise UsageError(where, f"the key {shown(key.value)} stands twice", remedy="Keep one of the two.")
        result[key.value] = _plain(path, value, (*at, key.value), positions)
    return result
