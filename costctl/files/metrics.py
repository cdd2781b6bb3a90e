"""Samples of metrics as records {name, labels, value, time, started, temporality, target}, however they were exported.

exposition    the text that an engine or an exporter serves at /metrics, OpenMetrics too; a sample without a time is of the moment in
              the file's name, and what else is in that name is whom it was scraped from, the target
              (`_created` and process_start_time_seconds have no value: the moment that they tell is `started`)
query         the answer of Prometheus to `query` or `query_range`: `{"status": "success", "data": {"resultType": …}}`
OTLP          what an OpenTelemetry collector writes: `resourceMetrics`, as one object or one per line; of a histogram its sum

Formats: https://prometheus.io/docs/instrumenting/exposition_formats, https://prometheus.io/docs/prometheus/latest/querying/api,
https://github.com/open-telemetry/opentelemetry-proto (metrics.proto; JSON mapping).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused, shown
from costctl.files import nested, packing
from costctl.files.delimited import Lines

Record = dict[str, Any]

SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:.]*)\s*(?:\{(?P<labels>(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?\s+(?P<value>\S+)(?:\s+(?P<time>-?[0-9.]+))?(?:\s+#.*)?\s*"
)
LABEL = re.compile(r"\s*\"?([a-zA-Z_][a-zA-Z0-9_.]*)\"?\s*=\s*\"((?:[^\"\\]|\\.)*)\"\s*,?")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|Inf|NaN)")
ESCAPED = re.compile(r"\\(.)")
ANSWER = re.compile(
    rb'\s*\{\s*"status"\s*:\s*"(?:success"\s*,(?:\s*"\w+"\s*:\s*[^{]*,)?\s*"data"\s*:\s*\{\s*"resultType"|error"\s*,\s*"errorType")'
)
RESOURCES = re.compile(rb'\s*[\[{][\s{]*"resourceMetrics"')
COMMENT = re.compile(rb"# (HELP|TYPE|EOF|UNIT)\b")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEMPORALITY = {
    "1": "delta",
    "2": "cumulative",
    "AGGREGATION_TEMPORALITY_DELTA": "delta",
    "AGGREGATION_TEMPORALITY_CUMULATIVE": "cumulative",
}
SAMPLES = 20_000  # whose names tell what a file is
BEGINNING = re.compile(r"_created$|^process_start_time_seconds$")
MOMENT = re.compile(
    r"(?<!\d)(?P<day>20\d\d-?[01]\d-?[0-3]\d)[T_ -]?(?P<hour>[0-2]\d)[-:h]?(?P<minute>[0-5]\d)(?:[-:m]?(?P<second>[0-5]\d))?s?Z?(?!\d)"
)
UNIX_TIME = re.compile(r"(?<!\d)1\d{9}(?:\d{3})?(?!\d)")
SUFFIXES = re.compile(r"(?:\.(?:prom|txt|metrics|json|jsonl|gz|zip))+$", re.IGNORECASE)
EXAMPLE = "engine-0-2026-10-01T00:00:00Z.prom, in UTC."
SECONDS = 10  # digits of a Unix time in seconds
MILLISECONDS = 10**11  # so many seconds are the year 5138
OTHER_FORM = "Export the samples again: the text of /metrics, or the answer to query_range."


def is_one(start: bytes) -> bool:
    """Tell metrics by the first bytes of a file."""
    if start.lstrip()[:1] in (b"{", b"["):
        return bool(ANSWER.match(start) or RESOURCES.match(start))
    whole = start.decode("utf-8", "replace").rpartition("\n")[0]  # what follows the last line end may be cut
    lines = [line for line in whole.splitlines() if line.strip()]
    return bool(COMMENT.match(start.lstrip())) or (bool(lines) and all(_is_sample(line) for line in lines))


def _is_sample(line: str) -> bool:
    found = SAMPLE.fullmatch(line)
    return line.startswith("#") or (found is not None and NUMBER.fullmatch(found["value"]) is not None)


def read(path: Path, name: str = "") -> Iterator[tuple[int, Record]]:
    """Yield (line, record) of each sample, values and moments as exact text; raise InputRefused for what is no such export."""
    start = next(packing.blocks(path), b"").lstrip()
    if start[:1] not in (b"{", b"["):
        yield from _of_text(path, name)
    elif ANSWER.match(start):
        yield from (
            (1, record) for place, value in nested.walk(path, _enters) for record in _of_answer(path, place, value)
        )
    else:
        yield from ((line, record) for line, value in nested.values(path) for record in _of_resources(value))


def names(path: Path) -> tuple[str, ...]:
    """Return the names of the first samples: what a file of metrics is known by."""
    return tuple(dict.fromkeys(str(record["name"]) for _, record in itertools.islice(read(path), SAMPLES)))


def _record(
    name: object,
    labels: object,
    value: object,
    time: str | None,
    started: str | None = None,
    temporality: str | None = None,
    target: str | None = None,
) -> Record:
    if BEGINNING.search(str(name)):
        with suppress(InputRefused):
            value, started = None, _moment(Path(), 1, value)
    about = {"name": name, "labels": labels, "value": value, "time": time}
    return about | {"started": started, "temporality": temporality, "target": target}


def _of_text(path: Path, name: str) -> Iterator[tuple[int, Record]]:
    """Read the exposition text; its times are in milliseconds, those of OpenMetrics in seconds."""
    lines = Lines(path)
    scraped, target = named(name)
    for line in lines:
        lines.next_record()
        if not line.strip() or line.startswith("#"):
            continue
        found = SAMPLE.fullmatch(line.rstrip("\r\n"))
        if found is None:
            what = "is no sample of a metric: a name, labels in braces, a value"
            raise InputRefused(f"{path}:{lines.number}", what, evidence=shown(line[:80].rstrip()), remedy=OTHER_FORM)
        labels = {name: ESCAPED.sub(_unescaped, text) for name, text in LABEL.findall(found["labels"] or "")}
        time = found["time"] and _moment(path, lines.number, _seconds(found["time"]))
        if name and not (time or scraped):
            what, remedy = "has a sample without a time, and its name has none", f"Name it by its scrape: {EXAMPLE}"
            raise InputRefused(f"{name}:{lines.number}", what, evidence=shown(line[:80].rstrip()), remedy=remedy)
        yield lines.number, _record(found["name"], labels, found["value"], time or scraped, target=target)


def named(name: str) -> tuple[str | None, str]:
    """Return the moment that a file's name tells, in UTC, and what else its last part says."""
    last = name.replace("\\", "/").rpartition("/")[2]
    found, moment = MOMENT.search(last), None
    if found:
        day = found["day"].replace("-", "")
        moment = f"{day[:4]}-{day[4:6]}-{day[6:]}T{found['hour']}:{found['minute']}:{found['second'] or '00'}Z"
    elif found := UNIX_TIME.search(last):
        moment = _moment(Path(name), 1, Decimal(found[0]) if len(found[0]) == SECONDS else Decimal(found[0]) / 1000)
    rest = last[: found.start()] + last[found.end() :] if found else last
    return moment, SUFFIXES.sub("", rest).strip("-_. ")


def _seconds(text: str) -> Decimal | str:
    """Return a time of the exposition text in seconds, told by its size; what is no number stays as it is."""
    try:
        time = Decimal(text)
    except InvalidOperation:
        return text
    return time if abs(time) < MILLISECONDS else time / 1000


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def _enters(place: nested.Place) -> bool:
    return place in ((), ("data",), ("data", "result"))


def _of_answer(path: Path, place: nested.Place, value: Any) -> Iterator[Record]:
    """Read one series of an answer of Prometheus, or what is said beside them."""
    if place == ("status",) and value != "success":
        raise InputRefused(
            str(path), "is an error of Prometheus, not an answer", evidence=shown(value), remedy=OTHER_FORM
        )
    if place == ("data", "resultType") and value not in ("matrix", "vector"):
        raise InputRefused(
            str(path), "is an answer without series", evidence=f"resultType {shown(value)}", remedy=OTHER_FORM
        )
    if place[:2] != ("data", "result"):
        return
    series = value if isinstance(value, dict) else {}
    labels = dict(series.get("metric") or {})
    name = labels.pop("__name__", None)
    for sample in series.get("values") or [series.get("value")]:
        try:
            time, number = sample
        except (TypeError, ValueError) as error:
            what = "has a series without samples"
            raise InputRefused(str(path), what, evidence=shown(value), remedy=OTHER_FORM) from error
        yield _record(name, labels, number, _moment(path, 1, time))


def _of_resources(value: Any) -> Iterator[Record]:
    """Read the metrics of an OTLP request; those of a resource have its attributes among their own."""
    for resource in _listed(value, "resourceMetrics"):
        shared = _attributes(resource.get("resource"))
        for scope in _listed(resource, "scopeMetrics"):
            for metric in _listed(scope, "metrics"):
                kind = next((kind for kind in ("sum", "gauge", "histogram") if kind in metric), "")
                temporality = str((metric.get(kind) or {}).get("aggregationTemporality", ""))
                for point in _listed(metric.get(kind), "dataPoints"):
                    number = next(
                        (point[key] for key in ("asInt", "asDouble", "sum") if point.get(key) is not None), None
                    )
                    time, started = (_of_nanoseconds(point.get(key)) for key in ("timeUnixNano", "startTimeUnixNano"))
                    labels = shared | _attributes(point)
                    yield _record(metric.get("name"), labels, number, time, started, TEMPORALITY.get(temporality))


def _listed(value: Any, key: str) -> list[dict[str, Any]]:
    found = value.get(key) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _attributes(value: Any) -> dict[str, Any]:
    return {
        str(item.get("key")): next(iter((item.get("value") or {}).values()), None)
        for item in _listed(value, "attributes")
    }


def _moment(path: Path, line: int, seconds: object) -> str:
    """Return Unix seconds as a moment in UTC, to the microsecond."""
    try:
        return _written(int(Decimal(str(seconds)) * 1_000_000))
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise InputRefused(
            f"{path}:{line}", "has a sample whose time is no Unix time", evidence=shown(seconds), remedy=OTHER_FORM
        ) from error


def _of_nanoseconds(text: Any) -> str | None:
    """Return Unix nanoseconds as a moment in UTC, to the microsecond; what is none stays as it is, to be named where it is read."""
    if text in (None, "0"):
        return None
    try:
        return _written(int(text) // 1000)
    except (OverflowError, ValueError):
        return str(text)


def _written(microseconds: int) -> str:
    return (EPOCH + timedelta(microseconds=microseconds)).isoformat().replace("+00:00", "Z")
