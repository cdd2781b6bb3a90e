"""The seam for bill formats and token sources: a folder with a YAML file and one SELECT, found by being there.

Exactly one format may identify a file: all names of `detect.all` are in its folded header, none of `detect.none`. A format
that `refines` another wins over it; any other tie is an error naming both.
"""

from costctl.formats.columns import columns_of
from costctl.formats.detection import identify, insisted
from costctl.formats.folders import load, storing
from costctl.formats.headers import SHOWN_COLUMNS, as_read, as_written, delimiters, fold, folded, inspect, inspect_as

__all__ = [
    "DATA_SUFFIXES",
    "SHOWN_COLUMNS",
    "as_read",
    "as_written",
    "columns_of",
    "delimiters",
    "fold",
    "folded",
    "identify",
    "insisted",
    "inspect",
    "inspect_as",
    "load",
    "storing",
]

DATA_SUFFIXES = {".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".prom", ".gz", ".zip"}
