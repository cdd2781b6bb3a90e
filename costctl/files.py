"""Bytes on disk: what a file holds, unpacking with checksums, counting records, hashes, atomic writes.

The only isal (gzip whose checksum is checked) and the only pyarrow (Parquet schemas and page checksums).
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from costctl.errors import InputRefused, StorageFault, shown
from costctl.nouns import Rows

BLOCK = 4 << 20
MAX_EXPANSION = 200  # times the packed size; a bill packs about 7:1
MIN_SUSPECT = 64 << 20  # expansions below this many bytes are never a bomb
MAX_HEADER = 4 << 20
_KEEP = b'"\n'
_DELETE = bytes(byte for byte in range(256) if byte not in _KEEP)
BOM = b"\xef\xbb\xbf"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hex."""
    digest = hashlib.sha256()
    with opened_raw(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def opened_raw(path: Path) -> IO[bytes]:
    """Open a file for reading, or raise InputRefused (missing) or StorageFault (unreadable)."""
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputRefused(str(path), "no such file", remedy="Check the path, or name the folder that holds it.") from error
    except IsADirectoryError as error:
        raise InputRefused(str(path), "is a folder where a file is needed", remedy="Name a file in it.") from error
    except OSError as error:
        raise StorageFault(str(path), "cannot be read", evidence=str(error), remedy="Check its permissions.") from error


def compression(path: Path) -> str:
    """Tell `gzip`, `zip` or `none` from the first bytes, whatever the name says."""
    with opened_raw(path) as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return "gzip"
    return "zip" if start == b"PK\x03\x04" else "none"


def content(path: Path) -> str:
    """Tell `csv`, `json` or `parquet` from the first unpacked bytes; raise InputRefused for an empty or binary file."""
    with unpacked(path) as file:
        start = file.read(4096).removeprefix(BOM)
    if not start:
        raise InputRefused(str(path), "is empty", remedy="Fetch it again; a delivery without rows has at least a header.")
    if start[:4] == b"PAR1":
        return "parquet"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputRefused(str(path), "is UTF-16 text", evidence=shown(start[:8]), remedy="Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW")
    if b"\x00" in start:
        raise InputRefused(str(path), "is binary, not a table", evidence=shown(start[:16]), remedy="Give a CSV, JSON or Parquet file, plain, gzip or zip.")
    return "json" if start.lstrip()[:1] in (b"{", b"[") else "csv"


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Yield the file's unpacked bytes; raise InputRefused where the packing is broken."""
    kind = compression(path)
    with opened_raw(path) as raw:
        try:
            if kind == "gzip":
                from isal import igzip

                with igzip.GzipFile(fileobj=raw, mode="rb") as file:
                    yield file
            elif kind == "zip":
                with zipfile.ZipFile(raw) as archive, archive.open(_only_member(path, archive)) as file:
                    yield file
            else:
                yield raw
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile, _isal_error()) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            what = "is cut short" if isinstance(error, EOFError) else f"is not whole {kind}"
            raise InputRefused(str(path), what, evidence=str(error), remedy="Fetch the file again; its checksum or end is missing.") from error


def _isal_error() -> type[Exception]:
    from isal import isal_zlib

    error: type[Exception] = isal_zlib.IsalError
    return error


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        names = [shown(member.filename) for member in members[:5]]
        raise InputRefused(str(path), f"holds {len(members)} files where one is expected", evidence=names, remedy="Unpack it and name the files or their folder.")
    return members[0]


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes without a leading byte order mark; refuse what expands like a bomb."""
    limit = max(path.stat().st_size * MAX_EXPANSION, MIN_SUSPECT)
    total, first = 0, True
    with unpacked(path) as file:
        while block := file.read(BLOCK):
            total += len(block)
            if total > limit:
                raise InputRefused(str(path), f"expands more than {MAX_EXPANSION} times", evidence=f"over {total:,} bytes", remedy="Check where it comes from.")
            yield block.removeprefix(BOM) if first else block
            first = False


class RecordCount:
    """Counts the records of CSV text fed block by block, independently of the reader; newlines in quotes do not count."""

    def __init__(self) -> None:
        """Start outside quotes, with nothing seen."""
        self.lines = 0
        self.inside = False
        self.last = b""

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

    @property
    def records(self) -> int:
        """Return the number of data records: the lines, with an unterminated last one, without the header."""
        return max(self.lines + (0 if self.last == b"\n" else 1) - 1, 0)


def feed(path: Path, pipe: Path, count: RecordCount) -> None:
    """Write a file's unpacked bytes into a named pipe, counting its records on the way."""
    with pipe.open("wb", buffering=0) as out:
        for block in blocks(path):
            count.add(block)
            view = memoryview(block)
            while view:
                view = view[out.write(view) :]


def csv_header(path: Path) -> tuple[str, ...]:
    """Return the header of a CSV file; raise InputRefused when it is not UTF-8, too long, or has no line end."""
    for block in blocks(path):
        text = _decoded(path, block[:MAX_HEADER])
        row = next(csv.reader(io.StringIO(text, newline="")), [])
        return tuple(name.strip() for name in row)
    raise InputRefused(str(path), "is empty", remedy="Fetch it again; a delivery without rows has at least a header.")


def _decoded(path: Path, block: bytes) -> str:
    try:
        return block.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > len(block) - 4:  # a character cut by the block's end
            return block[: error.start].decode("utf-8")
        line = block[: error.start].count(b"\n") + 1
        raise InputRefused(
            f"{path}:{line}",
            "is not UTF-8 text",
            evidence=f"byte {shown(block[error.start : error.start + 1])} at offset {error.start}",
            remedy="Convert it: iconv -f LATIN1 -t UTF-8 FILE > NEW",
        ) from error


def json_header(path: Path) -> tuple[str, ...]:
    """Return the keys of the first record of a JSON array or of JSON lines."""
    import json

    with unpacked(path) as file:
        text = file.read(MAX_HEADER).removeprefix(BOM).decode("utf-8", "replace").lstrip()
    start = text.find("{")
    try:
        record, _ = json.JSONDecoder().raw_decode(text, start if start >= 0 else 0)
    except ValueError as error:
        raise InputRefused(str(path), "is not valid JSON", evidence=str(error), remedy="Export it again.") from error
    return tuple(record) if isinstance(record, dict) else ()


def json_layout(path: Path) -> str:
    """Tell a JSON `array` from `newline_delimited` records."""
    with unpacked(path) as file:
        return "array" if file.read(4096).removeprefix(BOM).lstrip()[:1] == b"[" else "newline_delimited"


def json_records(path: Path) -> int:
    """Count the records of a JSON array or of JSON lines, independently of the reader that loads them."""
    import json

    if json_layout(path) == "newline_delimited":
        with unpacked(path) as file:
            return sum(1 for line in file if line.strip())
    with unpacked(path) as file:
        return len(json.load(file))


def parquet_header(path: Path) -> tuple[str, ...]:
    """Return the column names of a Parquet file; raise InputRefused where its footer is broken."""
    return tuple(_parquet(path).schema_arrow.names)


def parquet_records(path: Path) -> int:
    """Return the number of rows in a Parquet file's footer."""
    return int(_parquet(path).metadata.num_rows)


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise InputRefused(str(path), "is not a whole Parquet file", evidence=str(error), remedy="Fetch the file again.") from error


def header(path: Path, kind: str) -> tuple[str, ...]:
    """Return the column names of a file of the given content."""
    return {"csv": csv_header, "json": json_header, "parquet": parquet_header}[kind](path)


def raw_records(path: Path, wanted: set[int]) -> dict[int, tuple[int, str]]:
    """Return (line, raw text) of the wanted data records of a CSV file, counted from 1; for error messages."""
    found: dict[int, tuple[int, str]] = {}
    lines: list[str] = []

    def remembered() -> Iterator[str]:
        for line in io.TextIOWrapper(io.BytesIO(b"".join(blocks(path))), encoding="utf-8", errors="replace", newline=""):
            lines.append(line)
            yield line

    reader = csv.reader(remembered())
    for number, _ in enumerate(reader):
        if number in wanted:
            found[number] = (reader.line_num - len(lines) + 1, "".join(lines).rstrip("\r\n"))
        lines.clear()
    return found


def fsync_directory(folder: Path) -> None:
    """Make a rename inside a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a sibling temporary file, then put it in place; the old file stays whole until then."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        fsync_directory(path.parent)
    except OSError as error:
        raise StorageFault(str(path), "cannot be written", evidence=str(error), remedy="Free some space or choose another place.") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    write_atomic(path, lambda temporary: _filled(temporary, text))


def _filled(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def keep(path: Path, folder: Path, digest: str) -> Path:
    """Copy a file into the archive under its hash, unless it is there; return where it is kept."""
    target = folder / digest
    if not target.exists():
        write_atomic(target, lambda temporary: _copied(path, temporary))
    return target


def _copied(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def write_parquet(path: Path, found: Rows) -> None:
    """Write rows as Parquet, decimals as decimals of the same precision and scale."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, _arrow_type(kind)) for name, kind in zip(found.columns, found.types, strict=True)]
    columns = list(zip(*found.rows, strict=True)) if found.rows else [()] * len(fields)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, fields, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), path, compression="zstd")


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    if kind.startswith("DECIMAL"):
        precision, scale = kind[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    simple = {"BIGINT": pa.int64(), "INTEGER": pa.int32(), "BOOLEAN": pa.bool_(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us"), "DOUBLE": pa.float64()}
    return simple.get(kind, pa.string())
