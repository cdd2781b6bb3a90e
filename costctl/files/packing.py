"""Unpack: plain, gzip or zip bytes with their checksums checked, hashes, and the guard against bombs. The only isal."""

from __future__ import annotations

import codecs
import errno
import hashlib
import io
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from costctl.errors import InputRefused, StorageFault, nearest, shown

BLOCK = 4 << 20
MAX_EXPANSION = 200  # times the packed size; a bill packs about 7:1
MIN_SUSPECT = 64 << 20  # expansions below this many bytes are never a bomb
BOM = b"\xef\xbb\xbf"
WIDE: dict[tuple[bool, ...], str] = {  # by which bytes of two plain letters are NUL
    (False, True, False, True): "UTF-16LE",
    (True, False, True, False): "UTF-16BE",
}
ENCRYPTED = 0x1  # flag bit of a zip member
SHOWN_MEMBERS = 5


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hex."""
    digest = hashlib.sha256()
    with opened_raw(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class Watched(io.FileIO):
    """A file that tells how many of its bytes were read, as they are."""

    def __init__(self, path: Path, told: Callable[[int], None]) -> None:
        """Open the file to read."""
        super().__init__(path)
        self.told = told

    def readinto(self, buffer: Any) -> int | None:
        """Read, and tell."""
        number = super().readinto(buffer)
        self.told(number or 0)
        return number


def opened_raw(path: Path, told: Callable[[int], None] | None = None) -> IO[bytes]:
    """Open a file for reading, or raise InputRefused (missing, not a file) or StorageFault (unreadable)."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _not_a_file(path, mode)
        return io.BufferedReader(Watched(path, told)) if told is not None else path.open("rb")
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in the name
        raise _missing(path) from error
    except OSError as error:
        remedy = "Check its permissions and those of its folders."
        raise StorageFault(str(path), "cannot be read", evidence=_reason(error), remedy=remedy) from error


def _missing(path: Path) -> InputRefused:
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    remedy = f"{nearest(path.name, beside)}Check the path, or name the folder that holds it."
    return InputRefused(str(path), "no such file or folder", remedy=remedy)


def _not_a_file(path: Path, mode: int) -> InputRefused:
    if stat.S_ISDIR(mode):
        return InputRefused(str(path), "is a folder where a file is needed", remedy="Name a file in it.")
    return InputRefused(
        str(path),
        "is a pipe or a device, not a file",
        remedy="A delivery is read more than once: write it to a file first, then name that.",
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def compression(path: Path) -> str:
    """Tell `gzip`, `zip` or `none` from the first bytes, whatever the name says."""
    with opened_raw(path) as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        return "gzip"
    return "zip" if start in (b"PK\x03\x04", b"PK\x05\x06") else "none"


def has_mark(path: Path) -> bool:
    """Tell whether a plain file begins with a byte order mark."""
    with opened_raw(path) as file:
        return file.read(len(BOM)) == BOM


def wide(start: bytes) -> str | None:
    """Return what iconv calls the encoding of a text that has two bytes for a letter, None where it is another one."""
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "UTF-16"
    return WIDE.get(tuple(not byte for byte in start[:4]))


@contextmanager
def unpacked(path: Path, told: Callable[[int], None] | None = None) -> Iterator[IO[bytes]]:
    """Yield the file's unpacked bytes; raise InputRefused where the packing is broken."""
    kind = compression(path)
    with opened_raw(path, told) as raw:
        try:
            if kind == "gzip":
                from isal import igzip

                with igzip.IGzipFile(fileobj=raw, mode="rb") as file:  # type: ignore[no-untyped-call]
                    yield cast("IO[bytes]", file)
            elif kind == "zip":
                with zipfile.ZipFile(raw) as archive, _opened_member(path, archive) as file:
                    yield file
            else:
                yield raw
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, _isal_error()) as error:
            if isinstance(error, OSError) and error.errno not in (
                None,
                errno.EINVAL,
            ):  # EINVAL: a place that is not in the file
                raise
            raise _broken(path, kind, error) from error


def _broken(path: Path, kind: str, error: Exception) -> InputRefused:
    """Tell a file that was cut from one whose bytes changed."""
    cut = isinstance(error, EOFError) or "not a zip" in str(error)
    return InputRefused(
        str(path),
        f"is cut short, or has other bytes behind it: the {kind} does not end"
        if cut
        else f"is damaged: it is not whole {kind}",
        evidence=str(error),
        remedy="Fetch the file again, and compare its size with the original's.",
    )


def _isal_error() -> type[Exception]:
    from isal import isal_zlib

    return cast("type[Exception]", isal_zlib.error)


def _opened_member(path: Path, archive: zipfile.ZipFile) -> IO[bytes]:
    member = _only_member(path, archive)
    if member.flag_bits & ENCRYPTED:
        raise InputRefused(str(path), "is encrypted", remedy="Unpack it with its password, then name the file.")
    try:
        return archive.open(member)
    except NotImplementedError as error:
        remedy = "Unpack it with the program that packed it, then name the file."
        raise InputRefused(
            str(path), "is packed in a way not known here", evidence=str(error), remedy=remedy
        ) from error


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    names = [member.filename for member in members]
    if "[Content_Types].xml" in names:
        raise InputRefused(
            str(path), "is an Excel workbook or another office document", remedy="Save its sheet as CSV in UTF-8."
        )
    if len(members) != 1:
        raise InputRefused(
            str(path),
            f"holds {len(members)} files where one is expected",
            evidence=[shown(name) for name in names[:SHOWN_MEMBERS]],
            remedy="Unpack it and name the files or their folder.",
        )
    return members[0]


def blocks(path: Path, told: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield the unpacked bytes without a leading byte order mark; refuse what expands like a bomb.

    `told` is told how many packed bytes were read.
    """
    total, first = 0, True
    with unpacked(path, told) as file:
        limit = max(path.stat().st_size * MAX_EXPANSION, MIN_SUSPECT)
        while block := file.read(BLOCK):
            total += len(block)
            if total > limit:
                raise _bomb(path, total)
            yield block.removeprefix(BOM) if first else block
            first = False


def _bomb(path: Path, total: int) -> InputRefused:
    return InputRefused(
        str(path),
        f"expands to more than {MAX_EXPANSION} times its size",
        evidence=f"over {total:,} bytes from {path.stat().st_size:,}",
        remedy="Bills do not. Check where it comes from; if it is right, unpack it yourself and name the unpacked file.",
    )
