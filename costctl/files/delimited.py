"""CSV, record by record: as bytes for DuckDB with the records counted on the way, as text where a message is needed.

No file is held in memory, and a record is at most MAX_RECORD long.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from costctl.errors import InputRefused, shown
from costctl.files.packing import blocks, wide

MAX_RECORD = 16 << 20
DELIMITERS = (",", ";", "\t", "|")
CONTEXT = 12  # characters shown before and after a bad byte
_KEEP = b'"\n'
_DELETE = bytes(byte for byte in range(256) if byte not in _KEEP)
_LOOK = 100_000


class RecordCount:
    """Counts the records of CSV text fed block by block, independently of the reader; newlines in quotes do not count."""

    def __init__(self) -> None:
        """Start outside quotes, with nothing seen."""
        self.lines = 0
        self.inside = False
        self.last = b""
        self._odd = False
        self._text = codecs.getincrementaldecoder("utf-8")("strict")

    def add(self, block: bytes) -> None:
        """Take in the next block. Only quotes and newlines matter; two quotes side by side cancel out."""
        marks = block.translate(None, _DELETE)
        while b'""' in marks:
            marks = marks.replace(b'""', b"")
        for number, part in enumerate(marks.split(b'"')):
            if number:
                self.inside = not self.inside
            if not self.inside:
                self.lines += part.count(b"\n")
        self.last = block[-1:] or self.last
        self._odd = self._odd or b"\x00" in block or not self._is_text(block)

    def _is_text(self, block: bytes) -> bool:
        try:
            if not block.isascii() or self._text.getstate()[0]:
                self._text.decode(block)
        except UnicodeDecodeError:
            return False
        return True

    @property
    def odd(self) -> bool:
        """Tell whether there is something that DuckDB passes over: a NUL, or bytes that are no UTF-8 in a column nobody reads."""
        return self._odd or bool(self._text.getstate()[0])

    @property
    def records(self) -> int:
        """Return the number of data records: the lines, with a last one that has no end or an open quote, without the header."""
        unended = self.inside or self.last != b"\n"
        return max(self.lines + unended - 1, 0)


def line_end(path: Path) -> str:
    """Tell the line end of a file from its first lines."""
    start = next(blocks(path), b"")[:_LOOK]
    return "\r\n" if b"\r\n" in start else "\n" if b"\n" in start or b"\r" not in start else "\r"


class Lines:
    """The lines of a text file with their ends, decoded one by one; `start` is the first line of the record in work."""

    def __init__(self, path: Path) -> None:
        """Stand before the first line."""
        self.path = path
        self.number = 0
        self.texts: list[str] = []
        self.size = 0

    @property
    def start(self) -> int:
        """Return the line on which the record in work starts."""
        return self.number - len(self.texts) + 1

    def next_record(self) -> None:
        """Forget the lines of the record that was read."""
        self.texts.clear()
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        """Yield the lines; raise InputRefused for one that is not UTF-8, and for a record that has no end."""
        for line in _split(self.path):
            self.number += 1
            self.size += len(line)
            self.texts.append(_decoded(self.path, self.number, line))
            if self.size > MAX_RECORD:
                raise _endless(self.path, self.start)
            yield self.texts[-1]


def _split(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file as bytes with their ends: LF, CRLF or CR."""
    rest, number = b"", 1
    for block in blocks(path):
        *whole, rest = (rest + block).splitlines(keepends=True) or [b""]
        if rest.endswith(b"\n"):
            whole, rest = [*whole, rest], b""
        yield from whole
        number += len(whole)
        if len(rest) > MAX_RECORD:
            raise _endless(path, number)
    if rest:
        yield rest


def _endless(path: Path, line: int) -> InputRefused:
    return InputRefused(
        f"{path}:{line}",
        f"the record that starts here is longer than {MAX_RECORD >> 20} MB",
        remedy='Either a field is that long, or a quote (") in it does not close: export the file again.',
    )


def _decoded(path: Path, number: int, line: bytes) -> str:
    if number == 1 and (encoding := wide(line)):
        remedy = f"Convert it: iconv -f {encoding} -t UTF-8 FILE > NEW"
        raise InputRefused(str(path), "is UTF-16 text", evidence=shown(line[:8]), remedy=remedy)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        around = line[max(error.start - CONTEXT, 0) : error.start + CONTEXT]
        raise InputRefused(
            f"{path}:{number}",
            "is not UTF-8 text",
            evidence=f"byte 0x{line[error.start]:02x} in {shown(around.decode('latin-1'))}",
            remedy="Convert it: iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW",
        ) from error


def read(path: Path, delimiter: str = ",") -> Iterator[tuple[Lines, list[str]]]:
    """Yield the fields of each record, the header first, and where it stands; blank lines are no records."""
    lines = Lines(path)
    csv.field_size_limit(MAX_RECORD)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise _malformed(lines, error) from error
        if row is None:
            return
        if row:
            yield lines, row
        lines.next_record()


def _malformed(lines: Lines, error: csv.Error) -> InputRefused:
    open_quote = "unexpected end" in str(error)
    return InputRefused(
        f"{lines.path}:{lines.start}",
        "a quote opens in this record and never closes" if open_quote else "a quote stands in the wrong place",
        evidence=[
            shown("".join(lines.texts[:1]).rstrip("\r\n")),
            "" if open_quote else f"on line {lines.number}: {error}",
        ],
        remedy='Export the file again; within a quoted field a quote is written twice ("").',
    )


def delimiter(path: Path, candidates: Sequence[str]) -> str:
    """Return the one of the candidates that stands most often in the first line, outside quotes; the first of them on a tie."""
    first = next(iter(Lines(path)), "") if len(candidates) > 1 else ""
    bare = "".join(first.split('"')[::2])
    return max(candidates, key=bare.count)


def header(path: Path, delimiter: str = ",") -> tuple[str, ...]:
    """Return the header of a CSV file; raise InputRefused when it cannot be one."""
    for lines, row in read(path, delimiter):
        if lines.start > 1:
            raise InputRefused(f"{path}:1", "is blank where the header should be", remedy="Remove the blank lines.")
        return tuple(name.strip() for name in row)
    raise InputRefused(str(path), "is empty", remedy="Fetch it again; a delivery without rows has at least a header.")


def raw(path: Path, wanted: set[int], mark: str | None = None) -> Iterator[tuple[int, int, str]]:
    """Yield (number, line, text) of the wanted data records of a CSV file, counted from 1."""
    left = len(wanted)
    for number, (lines, _) in enumerate(read(path, mark or delimiter(path, DELIMITERS))):
        if left == 0:
            return
        if number in wanted:
            left -= 1
            yield number, lines.start, "".join(lines.texts).rstrip("\r\n")
