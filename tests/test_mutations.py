"""Damaged bills: whatever a byte or a field turns into, costctl takes the file in with every record accounted for, or says what is wrong with it.

A turn damages ten files: samples of all formats as CSV, gzip, zip and Parquet. SEED repeats a run. The slow turns make two thousand:
pytest -m slow tests/test_mutations.py
"""

import csv
import gzip
import io
import json
import os
import random
import re
import shutil
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import few

import costctl
from costctl import bills, pipeline

pytestmark = pytest.mark.usefixtures("unposted")

SAMPLES = sorted(Path(costctl.__file__).parent.glob("bills/*/sample*"))
USAGE = sorted(Path(costctl.__file__).parent.glob("usage/*/sample*"))
KEPT = ("token_usage", "token_quantity", "counter_samples", "accelerator_usage", "accelerator_gauges", "deliveries")
SEED = int(os.environ.get("SEED", "20261120"))
FILES, FAST, ALL = 10, 1, 200
PACKINGS, PARQUET = ("csv", "csv", "csv.gz", "zip"), 0.15
VALUES = (
    "", " ", "0", "-0", "1,5", "1.234,56", "$5", "(12.5)", "5-", "1_000", "0x10", "NaN", "inf", "1e999", "1E-7", "9" * 40, "0." + "1" * 30,
    "\u00a05", "\uff15", "\u22125", "\x00", "\x1b[31m", '"', '""', "'", "a\nb", "a\r\nb", ";", "=1+1", "NULL", "null", "{", '{"a": 1, "a": 2}', "[]",
    "2026-02-30", "2026-13-01T00:00:00Z", "01/02/2026", "2026-10-01T25:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "usd", "\u20ac",
    "x" * 70_000, "\u202e", "\U0001f4a5", "Usage", "Tax",
)  # fmt: skip


@pytest.fixture(scope="module")
def blank(places):
    """A ledger with nothing in it."""
    place = places()
    with pipeline.writing(place.run):
        pass
    return place.path


def damaged_bytes(chance, data):
    """Return bytes with one thing wrong: flipped, lost, doubled, put in, or cut off."""
    at = chance.randrange(len(data))
    kind = chance.choice(("flip", "set", "lose", "double", "put in", "cut"))
    some = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
    length = chance.randint(1, 200)
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if kind == "set":
        return data[:at] + some + data[at + len(some) :]
    if kind == "lose":
        return data[:at] + data[at + length :]
    if kind == "double":
        return data[: at + length] + data[at:]
    return data[:at] + some + data[at:] if kind == "put in" else data[:at]


def damaged_field(chance, text):
    """Return CSV text with one record changed, and the line on which that record starts."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    number = chance.randrange(1, len(rows))
    row, kind = rows[number], chance.choice(("value",) * 6 + ("lose", "double"))
    at = chance.randrange(len(row))
    if kind == "value":
        row[at] = chance.choice(VALUES)
    elif kind == "lose":
        del row[at]
    else:
        row.insert(at, row[at])
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows(rows[:number])
    line = out.getvalue().count("\n") + 1
    writer.writerows(rows[number:])
    return out.getvalue(), line


def values_of(text):
    """Decode JSON values that stand one after the other."""
    at, decoder = 0, json.JSONDecoder()
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        yield value


def damaged_json(chance, text):
    """Return JSON values, one per line, with one thing anywhere in one of them changed, lost, or put into a list."""
    values = list(values_of(text))
    holder, key = chance.choice(list(leaves(chance.choice(values))))
    kind = chance.choice(("value",) * 6 + ("lose", "list", "object"))
    if kind == "lose":
        del holder[key]
    else:
        odd = chance.choice((*VALUES, -5, 1.5, 1e300, 10**40, True, None, [], {}))
        holder[key] = {"value": odd, "list": [holder[key]], "object": {"a": holder[key]}}[kind]
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def leaves(value):
    """Yield (list or object, key) of everything within a JSON value."""
    for key, inner in list(
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield value, key
        yield from leaves(inner)


def damaged_usage(chance, folder):
    """Write a sample of token counts or chip time with one thing wrong, under its own name; return its path."""
    sample = chance.choice(USAGE)
    data = sample.read_bytes()
    if chance.random() < 0.3:
        data = damaged_bytes(chance, data)
    elif sample.suffix == ".csv":
        data = damaged_field(chance, sample.read_text("utf-8"))[0].encode("utf-8", "surrogatepass")
    elif sample.suffix in (".json", ".jsonl"):
        data = damaged_json(chance, sample.read_text("utf-8")).encode("utf-8", "surrogatepass")
    else:
        lines = sample.read_text("utf-8").splitlines()
        at = chance.randrange(len(lines))
        lines[at] = lines[at].rpartition(" ")[0] + " " + chance.choice(VALUES)
        data = "\n".join(lines).encode("utf-8", "surrogatepass")
    path = folder / sample.name
    path.write_bytes(data)
    return path


def packed(path, data):
    """Write bytes in the packing that a file's name says."""
    if path.name.endswith(".gz"):
        data = gzip.compress(data)
    elif path.suffix == ".zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bill.csv", data)
        data = out.getvalue()
    path.write_bytes(data)


def damaged(chance, folder):
    """Write a sample with one thing wrong; return its path, and the line of a changed record where only that is wrong."""
    sample = chance.choice(SAMPLES)
    if sample.suffix != ".csv":
        path = folder / f"bill{sample.suffix}"
        path.write_bytes(damaged_bytes(chance, sample.read_bytes()))
        return path, None
    text = sample.read_text("utf-8")
    if "parquet" in bills.known()[sample.parent.name].readers and chance.random() < PARQUET:
        path = folder / "bill.parquet"
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        columns = [pa.array([value or None for value in column], pa.string()) for column in zip(*rows, strict=True)]
        pq.write_table(pa.Table.from_arrays(columns, names=header), path, write_page_checksum=True)
        path.write_bytes(damaged_bytes(chance, path.read_bytes()))
        return path, None
    path = folder / f"bill.{chance.choice(PACKINGS)}"
    line, where = None, chance.choice(("field", "field", "text", "packing"))
    if where == "field":
        text, line = damaged_field(chance, text)
    data = text.encode("utf-8", "surrogatepass")
    packed(path, damaged_bytes(chance, data) if where == "text" else data)
    if where == "packing":
        path.write_bytes(damaged_bytes(chance, path.read_bytes()))
    return path, line


def counted(path):
    """Count the records of a file that was taken in, with the standard library and pyarrow."""
    if path.suffix == ".parquet":
        return pq.ParquetFile(path).metadata.num_rows
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    elif data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    if data.lstrip()[:1] in (b"{", b"["):
        return sum(1 for line in data.splitlines() if line.strip())
    csv.field_size_limit(1 << 24)
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    return sum(1 for row in rows if row) - 1


@pytest.mark.parametrize("turn", few(range(ALL), keep=FAST))
def test_a_damaged_file(turn, blank, places, command, monkeypatch):
    chance = random.Random(f"{SEED} {turn}")
    place = places()
    monkeypatch.chdir(place.home)
    for number in range(FILES):
        path, line = damaged(chance, place.home)
        allowed = chance.choice((0, 10**6))
        shutil.copy(blank, place.path)
        said = command("ingest", path.name, "--quarantine-rows", allowed)
        about = f"SEED={SEED} turn {turn} file {number} ({path.name}, line {line}, {allowed} allowed)\n{said.err}"
        assert said.code in (0, 3, 4), about
        assert "Traceback" not in said.err, about
        files = place.ask("SELECT records, kept, quarantined, excluded FROM ledger.delivery_files")
        if said.code == 3:
            assert files == place.ask("SELECT delivery_id FROM ledger.charges") == [], about
            assert re.match(rf"costctl: error: {re.escape(path.name)}(:\d+)?: ", said.err), about
            if line and allowed == 0 and "policy quarantine_rows" in said.err and path.suffix != ".parquet":
                assert said.err.startswith(f"costctl: error: {path.name}:{line}: "), about
        else:
            assert [row[0] for row in files] == [counted(path)], about
            assert all(row[0] == sum(row[1:]) for row in files), about
            assert (said.code == 4) == (files[0][2] > 0), about
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("turn", few(range(ALL), keep=FAST))
def test_a_damaged_file_of_usage(turn, blank, places, command, monkeypatch):
    chance = random.Random(f"{SEED} usage {turn}")
    place = places()
    monkeypatch.chdir(place.home)
    for number in range(FILES):
        path, allowed = damaged_usage(chance, place.home), chance.choice((0, 10**6))
        shutil.copy(blank, place.path)
        said = command("ingest", path.name, "--quarantine-rows", allowed)
        about = f"SEED={SEED} turn {turn} file {number} ({path.name}, {allowed} allowed)\n{said.err}\n{path.read_bytes()[:600]!r}"
        assert said.code in (0, 3, 4), about
        assert "Traceback" not in said.err, about
        if said.code == 3:
            assert [table for table in KEPT if place.ask(f"SELECT 1 FROM ledger.{table} LIMIT 1")] == [], about
        else:
            files = place.ask("SELECT records, kept, quarantined, excluded FROM ledger.delivery_files")
            assert all(row[0] == sum(row[1:]) for row in files), about
            assert (said.code == 4) == (files[0][2] > 0), about
            assert place.ask("SELECT count(*) FROM ledger.token_quantity WHERE tokens < 0") == [(0,)], about
        path.unlink()
