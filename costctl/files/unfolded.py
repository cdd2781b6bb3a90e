"""JSON whose records lie inside: the pages of an API, a map of names, lists beside each other. Each record keeps what is around it.

The way to the records names keys, dots between them; a list on the way is walked by itself. Of `data.results` the page
`{"has_more": false, "data": [{"start": 1, "results": [{"tokens": 5}]}]}` has the one record
`{"has_more": false, "data": {"start": 1, "results": {"tokens": 5}}}`. `*` walks the members of an object as
`{"key": …, "value": …}`, and `a+b` two lists side by side.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, shown
from costctl.files import nested

SHOWN = 120  # characters of what is not as expected


def read(path: Path, way: str, *, every: bool = True) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line of the value it lies in, record), numbers as the texts they are written in; raise InputRefused for what is no JSON.

    `every` value must have records on the way, if only none: what has not is no page.
    """
    steps = tuple(way.split("."))
    names = set(steps[0].split("+"))
    for line, value in nested.values(path):
        if every and isinstance(value, dict) and not value.keys() & names:
            what = f"has no {' or '.join(sorted(names))}, in which its records are"
            evidence = shown(json.dumps(value, ensure_ascii=False)[:SHOWN])
            raise InputRefused(
                f"{path}:{line}", what, evidence=evidence, remedy="An error in the place of an answer? Fetch it again."
            )
        for record in _within(value, steps):
            if not isinstance(record, dict):
                what = f"holds a value where a record at {way} is expected"
                raise InputRefused(f"{path}:{line}", what, evidence=shown(record), remedy="Export it again.")
            yield line, record


def _within(value: Any, steps: tuple[str, ...]) -> Iterator[Any]:
    """Yield what lies at the end of the way; where the way leads nowhere there is nothing."""
    if isinstance(value, list):
        for element in value:
            yield from _within(element, steps)
    elif not steps or not isinstance(value, dict | None):
        yield value
    elif value is not None:
        yield from _behind(value, *steps)


def _behind(value: dict[str, Any], step: str, *steps: str) -> Iterator[Any]:
    if step == "*":
        for key, member in value.items():
            yield from ({"key": key, "value": record} for record in _within(member, steps))
    elif "+" in step:
        yield from _beside(value, step.split("+"))
    elif step in value:
        around = {key: other for key, other in value.items() if key != step}
        yield from (around | {step: record} for record in _within(value[step], steps))


def _beside(value: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield one record per place of lists that belong together; what one of them lacks is missing there."""
    lists = {name: found for name in names if isinstance(found := value.get(name), list)}
    around = {key: other for key, other in value.items() if key not in names}
    for number in range(max(map(len, lists.values()), default=0)):
        yield around | {name: found[number] for name, found in lists.items() if number < len(found)}
