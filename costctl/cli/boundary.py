"""The one error boundary: a user's mistake is a short message and its exit code, anything else is our bug with its traceback."""

from __future__ import annotations

import os
import sys

from costctl.errors import CostctlError

INTERRUPTED = 130


def guarded() -> int:
    """Run the application; return its exit code."""
    from costctl.cli.app import app

    try:
        code = app(standalone_mode=False)  # typer.Exit comes back as its code
    except CostctlError as error:
        print(error.text(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("costctl: interrupted; the ledger is as it was before the delivery in work", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # `costctl report | head` is no fault: the reader has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  the one boundary
        return _other(error)
    return code if isinstance(code, int) else 0


def _other(error: Exception) -> int:
    """Tell typer's own exits and usage errors, an interrupted query and a full disk from our bugs."""
    import errno

    import typer

    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if hasattr(error, "exit_code") and hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "costctl"
        print(f"costctl: error: {error.format_message()}\nSee {command} --help.", file=sys.stderr)
        return 2
    if type(error).__name__ == "InterruptException":
        return INTERRUPTED
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        print(
            f"costctl: error: {error.filename or 'the disk'}: is full\nFree some space, then run the same command again.",
            file=sys.stderr,
        )
        return 7
    import traceback

    traceback.print_exc()
    print("costctl: this is a bug in costctl; please report the lines above", file=sys.stderr)
    return 1
