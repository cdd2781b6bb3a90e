"""The command line. `--version` is answered before anything is imported; a body elsewhere is options in, one call, render."""

from __future__ import annotations

import sys


def main() -> None:
    """Run costctl and exit with the code of the design: 0 done … 9 a gate, 130 interrupted."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        from costctl import __version__

        sys.stdout.write(f"costctl {__version__}\n")
        sys.exit(0)
    from costctl.cli.boundary import guarded

    sys.exit(guarded())
