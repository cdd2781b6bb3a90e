"""The hook of the crash tests: at every named point of a run, something can be made to go wrong. Without the variable, nothing happens."""

from __future__ import annotations

import errno
import os
import signal

VARIABLE = "COSTCTL_FAULT"  # POINT or POINT:MODE
EXIT = 70  # how `exit` ends the process


def fault(point: str) -> None:
    """Have a test's fault happen here: kill (as kill -9 would), stop (until SIGCONT), exit, raise, or full (no space on the disk)."""
    wanted, _, mode = os.environ.get(VARIABLE, "").partition(":")
    if wanted != point:
        return
    if mode == "raise":
        raise RuntimeError(f"asked for at {point}")
    if mode == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if mode == "exit":
        os._exit(EXIT)  # as a library that gives up: nothing is undone, nothing is closed
    os.kill(os.getpid(), signal.SIGSTOP if mode == "stop" else signal.SIGKILL)
