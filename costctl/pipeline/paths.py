"""What to take in: the paths of the command line, or the sources of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from costctl.bills.deliveries import Wanted
from costctl.errors import UsageError, nearest, shown
from costctl.pipeline.runs import Run


def wanted(
    run: Run, paths: Sequence[Path], source: str | None, as_format: str | None, dataset: str | None = None
) -> list[Wanted]:
    """Return what to take in: the paths given, as the configuration says of their source, else the sources of the configuration.

    Where none is said, a path is of the source in whose folder it lies.
    """
    if paths:
        return [_given(run, path, source, as_format, dataset) for path in paths]
    if not run.config.sources:
        raise UsageError(
            "ingest",
            "no path is given and the configuration names no sources",
            remedy="costctl ingest PATH, or list `sources:` in costctl.yaml.",
        )
    names = [item.name for item in run.config.sources]
    if source and source not in names:
        remedy = f"{nearest(source, names)}Sources: {', '.join(names)}."
        raise UsageError("--source", f"there is no source {shown(source)} in the configuration", remedy=remedy)
    return [
        Wanted(run.config.at(item.path), item.name, item.format, item.role, dataset or item.dataset, item.deliveries)
        for item in run.config.sources
        if not source or item.name == source
    ]


def _given(run: Run, path: Path, source: str | None, as_format: str | None, dataset: str | None) -> Wanted:
    """Return a path of the command line with what the configuration says of its source."""
    at = {item.name: run.config.at(item.path).resolve() for item in run.config.sources}
    around = [name for name, place in at.items() if path.resolve().is_relative_to(place)]
    innermost = [name for name in around if all(at[name].is_relative_to(at[other]) for other in around)]
    name = source or (innermost[0] if len(innermost) == 1 else None)
    named = next((item for item in run.config.sources if item.name == name), None)
    if named is None:
        return Wanted(path, source, as_format, dataset=dataset)
    said = (as_format or named.format, named.role, dataset or named.dataset, named.deliveries)
    return Wanted(path, named.name, *said)
