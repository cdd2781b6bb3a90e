"""Measure costctl against the bare statement, the digest and focus_converter on the same files, and print each ratio beside its budget.

    python goals.py --cur2 d/cur2-10m --legacy d/legacy-5m --bigger d/cur2-50m --again d/month -n 5

Every pair of commands runs in turn, so that a change of the machine's speed hits both alike; ratios are the median of those of the
rounds. On a machine that does other things too, the cpu ratio is the steadier one. Nothing here passes or fails.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from pair import once

HERE = Path(__file__).resolve().parent
GIB = 1024


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


def converter(bench, cur2):
    """Goal 13: focus_converter on the same Parquet files, without and with the source columns."""
    program = shutil.which("focus-converter")
    if not program:
        bench.row("13", "focus_converter is not installed here: not measured", "", "", "0.33")
        return
    target = bench.scratch / "converted"
    base = f"{program} convert --provider aws --data-format parquet --parquet-data-format dataset --data-path {cur2} --export-path {target}"
    for words, budget in (("--no-export-include-source-columns", "0.33"), ("", "0.14")):
        bench.paired(
            "13",
            f"ingest / focus_converter {words or 'as it comes'}",
            bench.ingest(cur2),
            f"{base} {words}",
            budget,
            bench.fresh,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cur2", type=Path, help="a folder of CUR 2.0 Parquet")
    parser.add_argument("--legacy", type=Path, help="a folder of legacy CUR CSV.gz")
    parser.add_argument("--bigger", type=Path, help="a larger folder of CUR 2.0 Parquet, for the growth; run once")
    parser.add_argument("--again", type=Path, help="one month of --cur2 once more, from another seed")
    parser.add_argument("--converter", action="store_true", help="compare with focus_converter too")
    parser.add_argument("-n", type=int, default=5, help="rounds")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), given.n)
        if given.cur2:
            parquet(bench, given.cur2, given.bigger)
        if given.legacy:
            csv(bench, given.legacy)
        if given.cur2 and given.again:
            again(bench, given.cur2, given.again)
        if given.cur2 and given.converter:
            converter(bench, given.cur2)


if __name__ == "__main__":
    main()
