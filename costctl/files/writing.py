"""Write whole or not at all: a temporary sibling, synced, renamed; and the archive that keeps source bytes by hash."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from costctl.errors import StorageFault
from costctl.files.faulting import fault

FULL = (errno.ENOSPC, errno.EDQUOT)
ABANDONED = 24 * 3600  # seconds since the last write, after which a temporary file is a killed run's


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
        _sweep(path)
        write(temporary)
        fault("filled")
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        fault("synced")
        temporary.replace(path)
        fault("renamed")
        fsync_directory(path.parent)
    except OSError as error:
        raise _unwritable(path, temporary, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what killed runs left of a file; whoever writes it now has written within a day."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()


def _unwritable(path: Path, temporary: Path, error: OSError) -> StorageFault:
    """Name the file that is at fault: the target, or a source that was copied."""
    other = error.filename and str(error.filename) not in {str(temporary), str(path), str(path.parent)}
    where = f"{path} (from {error.filename})" if other else str(path)
    reason = error.strerror or str(error)
    if error.errno in FULL:
        remedy = "Free some space, then run the same command again; what was there before is as it was."
        return StorageFault(where, "cannot be written: the disk is full", evidence=reason, remedy=remedy)
    remedy = "Check the folder and its permissions, or choose another place; what was there before is as it was."
    return StorageFault(where, "cannot be written", evidence=reason, remedy=remedy)


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
