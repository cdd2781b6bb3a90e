"""Check a FOCUS file: every rule of its version is a condition, all of them are counted in one pass over the file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from costctl import focus, formats
from costctl.errors import InputRefused
from costctl.files import delimited, packing
from costctl.focus import rules
from costctl.focus.rules import Rule
from costctl.ledger import faults, pace, records, store
from costctl.ledger.store import Ledger
from costctl.nouns import InputFile, Progress, unwatched

SHOWN = 3
PASSES = 2  # over the file: which rules are broken, and where first
LEVELS = ("must", "should")
NULL_WORDS = "'', 'NULL', 'null'"  # an unquoted NULL in a CSV is no word of the provider's
TOLERANCE = "greatest(1e-10, 1e-6 * abs(CAST(price AS DOUBLE) * CAST(quantity AS DOUBLE)))"
MACROS = (
    # Costs are rounded by whoever bills; at a millionth, binary numbers are exact enough. NULL where one of the three is unknown.
    f"is_product(cost, price, quantity) AS abs(CAST(cost AS DOUBLE) - CAST(price AS DOUBLE) * CAST(quantity AS DOUBLE)) <= {TOLERANCE}",
    "is_nested(x) AS CASE WHEN json_valid(x) THEN len(list_filter(json_extract(x, '$.*'), lambda v: json_type(v) IN ('OBJECT', 'ARRAY'))) > 0 END",
)
FOREIGN = {  # columns of other datasets and older drafts, which look alike
    "InvoiceDetailGrain": "is a FOCUS Invoice Detail file",
    "ContractCommitmentType": "is a FOCUS Contract Commitment file",
    "ChargeSubcategory": "is of a draft before FOCUS 1.0",
    "UsageQuantity": "is of a draft before FOCUS 1.0",
}


@dataclass(frozen=True)
class Finding:
    """A broken rule: on how many rows, and the first records."""

    rule: str
    level: str
    column: str
    rows: int
    first: tuple[int, ...]
    what: str

    def record(self) -> dict[str, str | None]:
        """Return the finding as it is printed; what concerns the header has no rows."""
        first = ", ".join(map(str, self.first)) or None
        rows = str(self.rows) if self.first else None
        return {
            "level": self.level,
            "rule": self.rule,
            "column": self.column,
            "rows": rows,
            "records": first,
            "what": self.what,
        }


@dataclass(frozen=True)
class Checked:
    """A file's version, its size and what it breaks, the musts first."""

    version: str
    told: bool
    rows: int
    findings: tuple[Finding, ...]

    @property
    def sentence(self) -> str:
        """Sum the check up in a line."""
        by = "as told" if self.told else "by its columns"
        counts = ", ".join(f"{sum(item.level == level for item in self.findings)} {level}" for level in LEVELS)
        return f"FOCUS {self.version}, {by}: {self.rows:,} rows; rules broken: {counts}"


def check(path: Path, version: str | None = None, progress: Progress = unwatched) -> Checked:
    """Check a Cost and Usage file against the rules of its version; raise InputRefused for a file that is none.

    `progress` is told of the bytes of each of PASSES readings.
    """
    told = focus.known(version) if version else None
    file = formats.inspect(path)
    _refuse_others(file)
    version = told or focus.version_of(file.header)
    with tempfile.TemporaryDirectory(prefix="costctl-") as folder, _opened(file, Path(folder), version) as ledger:
        rows, found = _broken(ledger, file, version, progress)
    header = [
        Finding(rule.name, rule.level, rule.column, rows, (), rule.what)
        for rule in rules.of_columns(file.header, version)
    ]
    ordered = sorted(
        [*header, *found], key=lambda item: (LEVELS.index(item.level), bool(item.first), item.column, item.rule)
    )
    return Checked(version, told is not None, rows, tuple(ordered))


def _refuse_others(file: InputFile) -> None:
    """Refuse what is no Cost and Usage file of FOCUS 1.0 or later, for every rule would be broken."""
    remedy = "Name a FOCUS Cost and Usage file, 1.0 to 1.4, as CSV or Parquet."
    if file.content == "json":
        raise InputRefused(file.name, "is JSON, while a FOCUS file comes as CSV or Parquet", remedy=remedy)
    header = set(file.header)
    other = next((what for name, what in FOREIGN.items() if name in header and "ChargeClass" not in header), None)
    if other or not {"BilledCost", "ChargeCategory"} <= header:
        evidence = f"columns found: {', '.join(file.header[: formats.SHOWN_COLUMNS])}"
        raise InputRefused(file.name, other or "is no FOCUS Cost and Usage file", evidence=evidence, remedy=remedy)


@contextmanager
def _opened(file: InputFile, folder: Path, version: str) -> Iterator[Ledger]:
    """Make the file the view `typed` of a database in memory: each column of the version as its text and by its type."""
    place, count = _linked(file, folder) if file.content == "parquet" else _unpacked(file, folder)
    with store.scratch([folder, file.path.resolve().parent]) as ledger:  # DuckDB asks where a link leads
        pairs = ", ".join(
            f"('{item['ServiceCategory']}', '{item['ServiceSubcategory']}')"
            for item in focus.table("subcategories.csv")
        )
        parents = ", ".join(f"'{name}'" for name in focus.columns(version)["ServiceCategory"].values)
        macros = (
            f"is_category(name) AS name IN ({parents})",
            f"is_subcategory(parent, child) AS (parent, child) IN ({pairs})",
        )
        for macro in (*MACROS, *macros):
            ledger.run(f"CREATE TEMP MACRO {macro}")
        try:
            ledger.run(f"CREATE TEMP VIEW typed AS SELECT record_no, {_typed(file, ledger, place, version)}")
            if count is not None:
                _refuse_partial(file, place, ledger.value("SELECT count(*) FROM typed"), count)
            yield ledger
        except Exception as error:
            if not faults.is_of_input(error):
                raise
            raise _unreadable(error, file) from error


def _unreadable(error: Exception, file: InputFile) -> InputRefused:
    """Return DuckDB's complaint about a file, at the line that it names."""
    line, what = re.search(r"on Line: (\d+)", str(error)), re.search(r"Expected Number of Columns: .*", str(error))
    refusal = faults.unreadable(error, f"{file.name}:{line[1]}" if line else file.name)
    refusal.evidence = [what[0]] if what else refusal.evidence
    return refusal


def _linked(file: InputFile, folder: Path) -> tuple[Path, None]:
    """Give a Parquet file a plain name: DuckDB reads `*` and `[` in a path as a pattern."""
    place = folder / "file.parquet"
    place.symlink_to(file.path.absolute())
    return place, None


def _unpacked(file: InputFile, folder: Path) -> tuple[Path, int]:
    """Write a CSV out plain, without a byte order mark; return where it is and how many records were counted on the way."""
    place, count = folder / "file.csv", delimited.RecordCount()
    with place.open("wb") as out:
        for block in packing.blocks(file.path):
            count.add(block)
            out.write(block)
    return place, count.records


def _refuse_partial(file: InputFile, place: Path, read: int, counted: int) -> None:
    """No file passes because a part of it was not read; blank lines are no records."""
    if counted != read:
        counted = sum(1 for _ in delimited.read(place)) - 1
    if counted != read:
        evidence = f"{counted:,} records counted, {read:,} read"
        raise InputRefused(
            file.name, "cannot be read whole", evidence=evidence, remedy="costctl ingest names the records at fault."
        )


def _read_csv(place: Path, fields: int) -> str:
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(fields))
    return (
        f"read_csv({records.quoted(str(place))}, columns = {{{columns}}}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"strict_mode = true, null_padding = false, nullstr = '', max_line_size = {delimited.MAX_RECORD}, buffer_size = {delimited.MAX_RECORD}, {records.PLACELESS})"
    )


def _typed(file: InputFile, ledger: Ledger, place: Path, version: str) -> str:
    """Return the SELECT list and the FROM of `typed`."""
    if file.content == "csv":
        source = f"(SELECT *, row_number() OVER () AS record_no FROM {_read_csv(place, len(file.header))})"
        texts = {name: f"NULLIF(c{at}, '')" for at, name in reversed(list(enumerate(file.header)))}
    else:
        reader = f"read_parquet({records.quoted(str(place))}, file_row_number = true, {records.PLACELESS})"
        source = f"(SELECT *, file_row_number + 1 AS record_no FROM {reader})"
        kinds = dict(ledger.run(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {reader})").rows)
        texts = {name: _text(name, kinds[name]) for name in file.header}
    listed = []
    for name, column in focus.columns(version).items():
        raw = (
            f"CASE WHEN {texts[name]} NOT IN ({NULL_WORDS}) THEN {texts[name]} END"
            if name in texts
            else "CAST(NULL AS VARCHAR)"
        )
        cast = {"decimal": "TRY_CAST({} AS DECIMAL(38, 18))", "instant": "TRY_CAST({} AS TIMESTAMP)"}.get(
            column.type, "{}"
        )
        listed += [f'{raw} AS "raw {name}"', f"{cast.format(raw)} AS {name}"]
    return f"{', '.join(listed)} FROM {source}"


def _text(name: str, kind: str) -> str:
    """Return a Parquet column as a CSV would have it: a time as FOCUS writes it, a map or struct as JSON."""
    quoted = f'"{name}"'
    if kind.startswith("TIMESTAMP"):
        moment = f"({quoted} AT TIME ZONE 'UTC')" if kind.endswith("ZONE") else quoted
        return f"strftime(CAST({moment} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%SZ')"
    if kind.startswith(("MAP", "STRUCT")):
        return f"CAST(to_json({quoted}) AS VARCHAR)"
    return f"CAST({quoted} AS VARCHAR)"


def _broken(ledger: Ledger, file: InputFile, version: str, progress: Progress) -> tuple[int, list[Finding]]:
    """Return the number of rows, and a finding for each rule that some of them break."""
    columns = [name for name in focus.columns(version) if name in file.header]
    asked = [
        rule for rule in rules.of_rows(version) if rule.column in columns and (rule.other or rule.column) in columns
    ]
    counted = [*(f"count_if({rule.when})" for rule in asked), *(f'count("raw {name}")' for name in columns)]
    size = file.path.stat().st_size
    with pace.told(ledger, size, 0, progress):
        rows, *counts = ledger.run(f"SELECT count(*), {', '.join(counted)} FROM typed").rows[0]
    values = dict(zip(columns, counts[len(asked) :], strict=True))
    hit = [(_softened(rule, values, version), count) for rule, count in zip(asked, counts, strict=False) if count]
    if not hit:
        return rows, []
    wanted = ", ".join(f"min(record_no, {SHOWN}) FILTER ({rule.when})" for rule, _ in hit)
    with pace.told(ledger, size, 0, progress):
        firsts = ledger.run(f"SELECT {wanted} FROM typed").rows[0]
    return rows, [
        Finding(rule.name, rule.level, rule.column, count, tuple(first), rule.what)
        for (rule, count), first in zip(hit, firsts, strict=True)
    ]


def _softened(rule: Rule, values: dict[str, int], version: str) -> Rule:
    """A column that holds no value at all may not apply to the provider, unless it is mandatory: then it is a should."""
    if values[rule.column] or focus.columns(version)[rule.column].level == "mandatory":
        return rule
    return replace(rule, level="should", what=f"{rule.what}; the whole file has no value of it, so it may not apply")
