"""YAML with positions: every scalar stays text and knows the line and column it stands on. The only PyYAML."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from costctl.errors import UsageError, shown

MAX_BYTES = 10_000_000
MAX_DEPTH = 50
SHOWN_PROBLEMS = 5

Place = tuple[str | int, ...]  # a path in a document, such as ("rules", 0, "team")


@dataclass(frozen=True)
class Problem:
    """Something wrong at a place in a document: its value, or its key."""

    at: Place
    what: str
    of_key: bool = False
    missing: bool = False


@dataclass(frozen=True)
class Document:
    """A parsed document: plain dicts, lists and text, with the position of each path in it."""

    path: Path
    value: Any
    positions: dict[Place, tuple[int, int]]
    keys: dict[Place, tuple[int, int]]

    def where(self, path: Place, *, key: bool = False) -> str:
        """Return `file:line:column` of the deepest known part of a path; of its key where that is at fault."""
        line, column = self.place(path, key=key)
        return f"{self.path}:{line}:{column}"

    def refusal(self, problems: Sequence[Problem], remedy: str) -> UsageError:
        """Return one error for several problems, first position first; what is missing comes last, for a misspelt name makes the right one missing."""
        ordered = sorted(problems, key=lambda item: (item.missing, self.place(item.at, key=item.of_key)))
        listed = [f"{self.where(item.at, key=item.of_key)}: {item.what}" for item in ordered]
        more = [f"and {len(listed) - SHOWN_PROBLEMS} more"] if len(listed) > SHOWN_PROBLEMS else []
        first = ordered[0]
        where = self.where(first.at, key=first.of_key)
        return UsageError(where, first.what, evidence=listed[1:SHOWN_PROBLEMS] + more, remedy=remedy)

    def place(self, path: Place, *, key: bool = False) -> tuple[int, int]:
        """Return line and column of the deepest known part of a path."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, (1, 1))


def read(path: Path) -> Document:
    """Read a YAML file as text scalars; raise UsageError for syntax, aliases, duplicate keys or non-text keys."""
    text = _bytes(path)
    try:
        _refuse_explosives(path, text)
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise _syntax_error(path, text, error) from error
    document = Document(path, {}, {}, {})
    return document if node is None else replace(document, value=_plain(document, node, ()))


def _bytes(path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        remedy = "Check the path; `costctl init` writes a configuration to start from."
        raise UsageError(str(path), "no such file", remedy=remedy) from error
    except OSError as error:
        remedy = "Check the path and its permissions."
        raise UsageError(str(path), "cannot be read", evidence=error.strerror or "", remedy=remedy) from error
    if len(text) > MAX_BYTES:
        remedy = "A configuration this large is a mistake."
        raise UsageError(str(path), f"is larger than {MAX_BYTES:,} bytes", remedy=remedy)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        encoding = "UTF-16" if text[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "WINDOWS-1252"
        remedy = f"Save it as UTF-8; iconv -f {encoding} -t UTF-8 FILE > NEW converts it."
        evidence = f"byte 0x{text[error.start]:02x}"
        raise UsageError(f"{path}:{line}", "is not UTF-8 text", evidence=evidence, remedy=remedy) from error
    return text


def _refuse_explosives(path: Path, text: bytes) -> None:
    """An alias can make a small file explode, deep nesting a parser; our files have no use for either."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        alias = isinstance(event, yaml.AliasEvent)
        if (alias or depth > MAX_DEPTH) and event.start_mark:
            line, column = event.start_mark.line, event.start_mark.column
            what = "aliases (*name) are not allowed" if alias else "is nested too deep"
            where = f"{path}:{line + 1}:{column + 1}"
            raise UsageError(where, what, evidence=_line(text, line), remedy="Write the value out.")


def _syntax_error(path: Path, text: bytes, error: yaml.YAMLError) -> UsageError:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    line = _line(text, mark.line) if mark else ""
    evidence = [line, problem, "YAML is indented with blanks, not with tabs" if "\\t" in line else ""]
    return UsageError(where, "is not valid YAML", evidence=evidence, remedy="Mend the syntax there, or just above.")


def _line(text: bytes, number: int) -> str:
    lines = text.decode("utf-8").splitlines()
    return shown(lines[number]) if number < len(lines) else ""


def _plain(document: Document, node: Any, at: Place) -> Any:
    document.positions[at] = _position(node)
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag.endswith(":null") and not node.style else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(document, item, (*at, index)) for index, item in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key, value in node.value:
        line, column = _position(key)
        where = f"{document.path}:{line}:{column}"
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(where, "a key must be plain text", remedy="Write `key: value`.")
        if key.value in result:
            first = f"first on line {document.keys[*at, key.value][0]}"
            what = f"the key {shown(key.value)} stands twice"
            raise UsageError(where, what, evidence=first, remedy="Keep one of the two.")
        document.keys[*at, key.value] = line, column
        result[key.value] = _plain(document, value, (*at, key.value))
    return result


def _position(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
