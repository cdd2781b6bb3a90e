"""Unpack: plain, gzip or zip bytes with their checksums checked, hashes, and the guard against bombs. The only isal."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from costctl.errors import InputRefused, StorageFault, shown

BLOCK = 4 << 20
MAX_EXPANSION = 200  # times the packed size; a bill packs about 7:1
MIN_SUSPECT = 64 << 20  # expansions below this many bytes are never a bomb
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
        raise InputRefused(
            str(path), "no such file", remedy="Check the path, or name the folder that holds it."
        ) from error
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


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """Yield the file's unpacked bytes; raise InputRefused where the packing is broken."""
    kind = compression(path)
    with opened_raw(path) as raw:
        try:
            if kind == "gzip":
                from isal import igzip

                with igzip.IGzipFile(fileobj=raw, mode="rb") as file:  # type: ignore[no-untyped-call]
                    yield cast("IO[bytes]", file)
            elif kind == "zip":
                with zipfile.ZipFile(raw) as archive, archive.open(_only_member(path, archive)) as file:
                    yield file
            else:
                yield raw
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile, _isal_error()) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            what = "is cut short" if isinstance(error, EOFError) else f"is not whole {kind}"
            raise InputRefused(
                str(path), what, evidence=str(error), remedy="Fetch the file again; its checksum or end is missing."
            ) from error


def _isal_error() -> type[Exception]:
    from isal import isal_zlib

    return cast("type[Exception]", isal_zlib.error)


def _only_member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        names = [shown(member.filename) for member in members[:5]]
        raise InputRefused(
            str(path),
            f"holds {len(members)} files where one is expected",
            evidence=names,
            remedy="Unpack it and name the files or their folder.",
        )
    return members[0]


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the unpacked bytes without a leading byte order mark; refuse what expands like a bomb."""
    limit = max(path.stat().st_size * MAX_EXPANSION, MIN_SUSPECT)
    total, first = 0, True
    with unpacked(path) as file:
        while block := file.read(BLOCK):
            total += len(block)
            if total > limit:
                raise InputRefused(
                    str(path),
                    f"expands more than {MAX_EXPANSION} times",
                    evidence=f"over {total:,} bytes",
                    remedy="Check where it comes from.",
                )
            yield block.removeprefix(BOM) if first else block
            first = False
