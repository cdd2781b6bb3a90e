"""One JSON value as large as a file, walked: its parts come one by one, and only the part in work is in memory.

Numbers come as the text they are written in, so that none is rounded; an object that names a key twice is refused.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, shown
from costctl.files.objects import decoded

Place = tuple[str | int, ...]

LARGEST = 64 << 20  # characters of one part
MARGIN = 16  # a number that ends so near to the end of the buffer may go on in the next block
_BLANK = re.compile(r"[ \t\r\n]*")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {shown(next(name for name in names if names.count(name) > 1))} stands twice")
    return found


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_object)


class _Text:
    """The text of a file, of which as much is held as is needed to decode the next part."""

    def __init__(self, path: Path) -> None:
        """Stand before the first character."""
        self.path = path
        self.blocks = decoded(path)
        self.text, self.at, self.line = "", 0, 1

    def more(self) -> bool:
        """Read on; tell whether there was anything left."""
        block = next(self.blocks, None)
        if block is None:
            return False
        self.line += self.text.count("\n", 0, self.at)
        self.text, self.at = self.text[self.at :] + block, 0
        return True

    def peek(self) -> str:
        """Return the next character that is not blank, an empty text at the end."""
        while True:
            blank = _BLANK.match(self.text, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, mark: str) -> None:
        """Pass over a mark that must come next."""
        if self.peek() != mark:
            raise self.malformed(f"{mark} is expected")
        self.at += 1

    def decode(self) -> Any:
        """Return the next value as a whole; what it takes to try again is read by doubling."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except RecursionError as error:
                raise self.malformed("it is nested too deep") from error
            except ValueError as error:
                if len(self.text) - self.at > LARGEST:
                    raise self.malformed(f"it is longer than {LARGEST >> 20} MB, or does not end") from error
                wanted = 2 * (len(self.text) - self.at)
                if not self.more():
                    raise self.malformed(str(error).partition(": line")[0]) from error
                while len(self.text) < wanted and self.more():
                    pass
                continue
            if end + MARGIN > len(self.text) and self.more():
                continue
            self.at = end
            return value

    def malformed(self, reason: str) -> InputRefused:
        """Return the error of a text that is not JSON from here on."""
        line = self.line + self.text.count("\n", 0, self.at)
        begin = self.text[self.at : self.at + 80].rstrip()
        what = "is not JSON from here on" if begin else "is cut short: the JSON does not end"
        evidence = [shown(begin) if begin else "", reason]
        return InputRefused(f"{self.path}:{line}", what, evidence=evidence, remedy="Fetch or export the file again.")


def walk(path: Path, enters: Callable[[Place], bool]) -> Iterator[tuple[Place, Any]]:
    """Yield (place, value) of each part that is not entered, in the order of the file; raise InputRefused for what is no JSON."""
    text = _Text(path)
    yield from _parts(text, (), enters)
    if text.peek():
        raise text.malformed("a second value follows the first; put several into one array")


def values(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) of values that stand one after the other, arrays as their elements; raise InputRefused for what is no JSON."""
    text = _Text(path)
    while mark := text.peek():
        for _ in _between(text, "[", "]") if mark == "[" else (0,):
            text.peek()
            yield text.line + text.text.count("\n", 0, text.at), text.decode()


def _parts(text: _Text, place: Place, enters: Callable[[Place], bool]) -> Iterator[tuple[Place, Any]]:
    mark = text.peek()
    if mark == "{" and enters(place):
        yield from _members(text, place, enters)
    elif mark == "[" and enters(place):
        yield from _elements(text, place, enters)
    else:
        yield place, text.decode()


def _members(text: _Text, place: Place, enters: Callable[[Place], bool]) -> Iterator[tuple[Place, Any]]:
    for _ in _between(text, "{", "}"):
        if text.peek() != '"':
            raise text.malformed("a key in quotes is expected")
        key = text.decode()
        text.take(":")
        yield from _parts(text, (*place, key), enters)


def _elements(text: _Text, place: Place, enters: Callable[[Place], bool]) -> Iterator[tuple[Place, Any]]:
    for number in _between(text, "[", "]"):
        yield from _parts(text, (*place, number), enters)


def _between(text: _Text, opening: str, closing: str) -> Iterator[int]:
    """Count what stands between two brackets, separated by commas; each is read before the next is asked for."""
    text.take(opening)
    if text.peek() != closing:
        yield 0
        for number in itertools.count(1):
            if text.peek() == closing:
                break
            text.take(",")
            yield number
    text.take(closing)


def pointer(place: Place) -> str:
    """Return a place as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)
