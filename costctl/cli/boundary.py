"""The one error boundary: a user's mistake is a short message and its exit code, anything else is our bug with its traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from costctl.errors import CostctlError, StorageFault, UsageError

INTERRUPTED = 130
INTERRUPTION = "costctl: interrupted; the ledger is as it was before the delivery in work\nRun the same command again: what is in the ledger already is nothing to do."
BUG = "costctl: this is a bug in costctl; please report the lines above"


def guarded() -> int:
    """Run the application; return its exit code."""
    _open_streams()
    with _terminable():
        try:
            code = _run()
        except KeyboardInterrupt:
            code = INTERRUPTED
        except Exception as error:  # noqa: BLE001  the one boundary
            code = _told(error)
        if code == INTERRUPTED:
            _say(INTERRUPTION)
        return _flushed(code)


def _run() -> int:
    from costctl.cli.app import app

    try:
        code = app(standalone_mode=False)  # typer.Exit comes back as its code, and Ctrl-C as 130
        sys.stdout.flush()
    except SystemExit as end:  # `costctl report | head` is no fault: the reader has enough
        if isinstance(end.__context__, BrokenPipeError):
            return 0
        raise
    except BrokenPipeError:
        return 0
    return code if isinstance(code, int) else 0


def _open_streams() -> None:
    """Have all three streams, whatever the shell closed; their text is UTF-8 in every locale."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  until the end
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: what is not committed is undone, temporary files are removed."""
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _told(error: Exception) -> int:
    """Print an error as a person can use it; return its exit code."""
    ours = _ours(error)
    if ours is not None:
        _say(ours.text())
        return ours.exit_code
    import traceback

    traceback.print_exception(error)
    _say(BUG)
    return 1


def _ours(error: Exception) -> CostctlError | None:
    """Tell typer's usage errors and the system's faults from our bugs."""
    import typer

    if isinstance(error, CostctlError):
        return error
    if isinstance(error, typer.Abort):
        return UsageError("", "stopped before anything was done")
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "costctl"
        what, *others = str(error.format_message()).splitlines() or ["something is missing"]
        return UsageError("", what, evidence=others, remedy=f"See {command} --help.")
    if isinstance(error, MemoryError):
        remedy = "Close other programs, or take in fewer files at a time."
        return StorageFault("", "the memory of this machine is used up", remedy=remedy)
    if isinstance(error, OSError) and error.errno is not None:
        remedy = "Check the path, its permissions and the space left; then run the same command again."
        return StorageFault(str(error.filename or "the system"), error.strerror or "fault", remedy=remedy)
    return None


def _say(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr)


def _flushed(code: int) -> int:
    """Write out what is left; where stdout cannot take it, say so once, and not again at exit."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard()
    except OSError as error:
        _discard()
        return code or _told(StorageFault("stdout", "cannot be written", evidence=error.strerror or ""))
    return code


def _discard() -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
