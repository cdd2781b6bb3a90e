"""The options that most commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LedgerOption = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        metavar="FILE",
        help="The ledger; default costctl.duckdb here, or what the configuration says.",
        envvar=None,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration; default the nearest costctl.yaml upwards."),
]
WaitOption = Annotated[float, typer.Option("--wait", metavar="SECONDS", help="How long to wait for another run.")]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Memory to use before spilling to disk, e.g. 512MB, with a thread for each 120 MB; default 900MB, or $COSTCTL_MEMORY.",
    ),
]
EstimatesOption = Annotated[
    bool,
    typer.Option(
        "--allow-estimates",
        help="Charge by cards that say they are estimates, from now on; `allow_estimates:` does it always.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="table, csv, json, jsonl, md or parquet; default a table on a terminal, csv when piped.",
    ),
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to a file, whole or not at all.")
]
PeriodOption = Annotated[
    str | None,
    typer.Option(
        "--period",
        metavar="PERIOD",
        help="2026-10, 2026-Q4, 2026 or 2026-10-01..2026-11-01 (end excluded); default the last billing month.",
    ),
]
