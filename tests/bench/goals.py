"""Measure costctl against the bare statement, the digest and focus_converter on the same files, and print each ratio beside its budget.

    python goals.py --cur2 d/cur2-10m --bigger d/cur2-50m --legacy d/legacy-5m -n 5
    python goals.py --again d/cur2-50m d/march --converter d/cur2-1m d/cur2-csv -n 3
    python goals.py --requests d/requests.jsonl -n 3

Every pair of commands runs in turn, so that a change of the machine's speed hits both alike; ratios are the median of those of the
rounds. On a machine that does other things too, the cpu ratio is the steadier one. Nothing here passes or fails.
"""

import argparse
import shlex
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from pair import once

HERE = Path(__file__).resolve().parent
GIB = 1024
WITHOUT = "--no-export-include-source-columns"
DATES = (  # focus_converter 1.0.0 reads the dates of a CSV as text, and fails on them
    "import polars; from focus_converter.main import app; read = polars.read_csv; "
    "polars.read_csv = lambda *a, **k: read(*a, **(k | {'try_parse_dates': True})); app()"
)


class Bench:
    """Commands in turn on one folder of scratch files; each row of the table is printed when it is known."""

    def __init__(self, scratch, rounds):
        self.scratch, self.rounds = scratch, rounds
        print(f"{'goal':5} {'what':58} {'wall x':>7} {'cpu x':>7} {'budget':>8} {'cpu s':>8} {'MiB':>6}")

    def python(self, script, *words):
        return " ".join([sys.executable, str(HERE / script), *(f"'{word}'" for word in words)])

    def ingest(self, folder, *words, ledger="bench.duckdb"):
        return " ".join(
            [
                sys.executable,
                "-m",
                "costctl",
                "ingest",
                *words,
                "--source",
                "bench",
                "--ledger",
                str(self.scratch / ledger),
                f"'{folder}'",
            ]
        )

    def fresh(self):
        for path in self.scratch.glob("bench.duckdb*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def run(self, command, before=None):
        if before:
            before()
        wall, cpu, memory, status, err = once(command)
        if status:
            sys.exit(f"{command}\nends with {status}\n{err.decode(errors='replace')[-800:]}")
        return wall, cpu, memory

    def paired(self, goal, what, mine, other, budget, before=None):
        """Run two commands in turn and print the ratio of the first to the second."""
        rounds = [(self.run(mine, before), self.run(other)) for _ in range(self.rounds)]
        wall, cpu = (statistics.median(a[n] / b[n] for a, b in rounds) for n in (0, 1))
        self.row(goal, what, f"{wall:.2f}", f"{cpu:.2f}", budget, [a for a, _ in rounds])
        return [a for a, _ in rounds], [b for _, b in rounds]

    def row(self, goal, what, wall, cpu, budget, runs=()):
        seconds = f"{statistics.median(run[1] for run in runs):.2f}" if runs else ""
        memory = f"{max(run[2] for run in runs):.0f}" if runs else ""
        print(f"{goal:5} {what:58} {wall:>7} {cpu:>7} {budget:>8} {seconds:>8} {memory:>6}", flush=True)


def size(folder, pattern="*"):
    return sum(path.stat().st_size for path in Path(folder).rglob(pattern) if path.is_file())


def parquet(bench, cur2, bigger):
    """Goals 1, 3, 4, 5, 10, 11: CUR 2.0 in Parquet."""
    files, other = f"{cur2}/*/*.parquet", str(bench.scratch / "floor.db")
    floor = bench.python("floor.py", "cur2", files, other)
    mine, _ = bench.paired("1", "ingest of CUR Parquet / bare CTAS", bench.ingest(cur2), floor, "1.10", bench.fresh)
    bench.row("4", "peak memory of it, MiB", f"{max(run[2] for run in mine):.0f}", "", str(int(1.25 * GIB)))
    bench.row(
        "11",
        "ledger / source Parquet",
        f"{size(bench.scratch, 'bench.duckdb') / size(cur2, '*.parquet'):.2f}",
        "",
        "0.90",
    )
    digests = f"sh -c 'sha256sum {files} > /dev/null'"
    bench.paired("10", "ingest of unchanged files / reading their digests", bench.ingest(cur2), digests, "1.30")
    double = bench.python("floor.py", "cur2", files, other, "--double")
    bench.paired("3", "bare CTAS exact / with DOUBLE", floor, double, "1.25")
    if bigger:
        large = [bench.run(bench.ingest(bigger), bench.fresh)]
        ratio = large[0][1] / size(bigger) / (statistics.median(run[1] for run in mine) / size(cur2))
        bench.row("5", "cpu per byte / the smaller set", "", f"{ratio:.2f}", "1.10", large)


def csv(bench, legacy):
    """Goal 2: the legacy CUR in CSV.gz."""
    floor = bench.python("floor.py", "legacy", f"{legacy}/*/*.csv.gz", str(bench.scratch / "floor.db"))
    bench.paired("2", "ingest of CUR CSV.gz / bare CTAS", bench.ingest(legacy), floor, "0.95", bench.fresh)


def again(bench, cur2, month):
    """Goal 9: one month of several comes again with other content."""
    bench.fresh()
    bench.run(bench.ingest(cur2))
    shutil.copy(bench.scratch / "bench.duckdb", bench.scratch / "kept.duckdb")
    floor = bench.python("floor.py", "cur2", f"{month}/*/*.parquet", str(bench.scratch / "floor.db"))

    def before():
        shutil.copy(bench.scratch / "kept.duckdb", bench.scratch / "bench.duckdb")

    bench.paired(
        "9", "one month again / bare CTAS of that month", bench.ingest(month, "--replace"), floor, "1.15", before
    )


def requests(bench, file):
    """Goals 14, 15: a gateway's requests as JSON lines, of which some are there twice."""
    floor = f"sh -c {shlex.quote(f'rm -f {bench.scratch}/requests.db; ' + bench.python('requests.py', 'floor', file, bench.scratch / 'requests.db'))}"
    mine, _ = bench.paired(
        "14", "ingest of JSON lines / bare read_json, each once", bench.ingest(file), floor, "1.30", bench.fresh
    )
    bench.row("15", "peak memory of it, MiB", f"{max(run[2] for run in mine):.0f}", "", str(int(1.5e9 / 2**20)))


def converter(bench, folder):
    """Goal 13: focus_converter on the same files, without and with the source columns; of CSV it reads one file and no dates."""
    program = shutil.which("focus-converter")
    if not program:
        bench.row("13", "focus_converter is not installed here: not measured", "", "", "0.33")
        return
    csv_file = next(folder.rglob("*.csv.gz"), None)
    if csv_file:
        patched = shlex.join([str(Path(program).with_name("python")), "-c", DATES])
        command, budgets = f"{patched} convert --data-format csv --data-path {csv_file}", {WITHOUT: "0.43"}
    else:
        command = f"{program} convert --data-format parquet --parquet-data-format dataset --data-path {folder}"
        budgets = {WITHOUT: "0.33", "": "0.14"}
    for words, budget in budgets.items():
        what = f"{'CSV.gz' if csv_file else 'Parquet'} {words or 'as it comes'}"
        other = f"{command} --provider aws --export-path {bench.scratch / 'converted'} {words}"
        mine, theirs = bench.paired("13", what, bench.ingest(csv_file or folder), other, budget, bench.fresh)
        ratio = max(run[2] for run in mine) / max(run[2] for run in theirs)
        bench.row("13", "  peak memory of it / focus_converter's", f"{ratio:.2f}", "", "0.50")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cur2", type=Path, help="a folder of CUR 2.0 Parquet: goals 1, 3, 4, 10, 11")
    parser.add_argument("--bigger", type=Path, help="a larger one beside it, for the growth; run once: goal 5")
    parser.add_argument("--legacy", type=Path, help="a folder of legacy CUR CSV.gz: goal 2")
    parser.add_argument(
        "--again", nargs=2, type=Path, metavar=("ALL", "MONTH"), help="months, and one of them again: goal 9"
    )
    parser.add_argument("--converter", type=Path, nargs="+", help="folders of CUR 2.0, Parquet or CSV.gz: goal 13")
    parser.add_argument("--requests", type=Path, help="a file of requests as JSON lines: goals 14, 15")
    parser.add_argument("-n", type=int, default=5, help="rounds")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), given.n)
        if given.cur2:
            parquet(bench, given.cur2, given.bigger)
        if given.legacy:
            csv(bench, given.legacy)
        if given.again:
            again(bench, *given.again)
        for folder in given.converter or ():
            converter(bench, folder)
        if given.requests:
            requests(bench, given.requests)


if __name__ == "__main__":
    main()
