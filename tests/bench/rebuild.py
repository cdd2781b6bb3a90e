"""Take a bill and its tokens in, change one thing of the configuration, and see what is computed again, and in which part of the ingest's time.

    python rebuild.py --rows 10_000_000 --months 6 --tokens 1_000_000 -n 3

Periods and charges that are scanned again are counted, not timed: as the scan is asked for them, and as the ledger holds them. Bill and
tokens are generated in a folder beside the ledger, or under `--place`, where they are kept for the next time.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import company
from pair import once

HERE = Path(__file__).resolve().parent
BUDGET = "0.03"


def again(place):
    """Bring the ledger up to date with the configuration; return which periods were scanned and posted again, and their charges."""
    from costctl import config, pipeline
    from costctl.ledger import build

    scanned, posted, scan, post = set(), set(), build.groups, build.postings
    build.groups = lambda ledger, source, scope, period, rules: (
        scanned.add(period),
        scan(ledger, source, scope, period, rules),
    )
    build.postings = lambda ledger, period, seal: (posted.add(period), post(ledger, period, seal))
    run = pipeline.Run(config.load(place / "costctl.yaml"))
    with pipeline.writing(run) as ledger:
        pipeline.allocate(ledger, run)
        query = "SELECT count(*) FROM ledger.charges WHERE list_contains($periods, billing_period)"
        charges = ledger.value(query, {"periods": sorted(scanned)}) if scanned else 0
    return {"scanned": len(scanned), "charges": charges, "posted": len(posted)}


def close(place, months):
    """Close the first so many periods."""
    from costctl.ledger import store

    with store.opened(place / "costctl.duckdb", write=True, wait=10) as ledger:
        ledger.run(
            "UPDATE ledger.periods SET state = 'closed' WHERE billing_period IN (SELECT billing_period FROM ledger.periods ORDER BY 1 LIMIT $months)",
            {"months": months},
        )


def timed(command):
    wall, cpu, memory, status, err = once(command)
    if status:
        sys.exit(f"{command}\nends with {status}\n{err.decode(errors='replace')[-800:]}")
    return wall, cpu, memory


def generated(place, given):
    """Return the folders of bill and tokens, generated where they are not there."""
    kinds = {"bill": ["aws-cur2", "--rows", str(given.rows)], "tokens": ["tokens", "--rows", str(given.tokens)]}
    for name, words in kinds.items():
        if not (place / name).exists():
            words += ["--months", str(given.months), "--out", str(place / name)]
            subprocess.run([sys.executable, HERE / "generate.py", *words], check=True, capture_output=True)
    return [str((place / name).resolve()) for name in kinds]


def rule(number):
    """Return a rule that no configuration had before."""
    return [
        f'  - {{name: storage {number}, when: {{ServiceName: ["Amazon Simple Storage Service"]}}, team: team-{number:02d}}}'
    ]


def measure(given, place):
    """Ingest once, then change one thing after the other; a line each, with the median of the rounds."""
    folders = generated(place, given)
    company.write(place)
    for file in place.glob("costctl.duckdb*"):
        file.unlink()
    taken = timed(
        f"cd {shlex.quote(str(place))} && {shlex.join([sys.executable, '-m', 'costctl', 'ingest', *folders])}"
    )
    print(
        f"{given.rows:,} charges of {given.months} months, {given.tokens:,} token rows; {given.n} rounds, load {os.getloadavg()[0]:.1f}"
    )
    header = f"{'what changed':34} {'scanned':>8} {'charges':>11} {'posted':>7} {'wall s':>8} {'cpu s':>8} {'wall x':>7} {'cpu x':>7} {'budget':>7}"
    print(header)
    print(
        f"{'ingest':34} {given.months:8} {given.rows:11,} {given.months:7} {taken[0]:8.2f} {taken[1]:8.2f} {1:7.3f} {1:7.3f}"
    )
    changes = {
        "nothing": lambda _: {},
        "prices of the rate card": lambda number: {"dearer": f"0.{number:02d}"},
        "a weight of every pool": lambda number: {"output": str(4 + number)},
        "a rule": lambda number: {"rules": rule(number)},
        f"a rule, {given.months // 2} months closed": lambda number: {"rules": rule(20 + number)},
        f"a weight, {given.months // 2} months closed": lambda number: {
            "output": str(40 + number),
            "rules": rule(20 + given.n),
        },
    }
    command = shlex.join([sys.executable, str(HERE / "rebuild.py"), "--only", str(place)])
    for what, change in changes.items():
        if "closed" in what:
            close(place, given.months // 2)
        rounds = []
        for number in range(1, given.n + 1):
            company.write(place, **change(number))
            rounds.append(timed(command))
        found = json.loads((place / "again.json").read_text("utf-8"))
        wall, cpu = (statistics.median(run[at] for run in rounds) for at in (0, 1))
        ratios = (
            f"{wall / taken[0]:7.3f} {cpu / taken[1]:7.3f} {BUDGET if 'card' in what or 'weight' in what else '':>7}"
        )
        print(
            f"{what:34} {found['scanned']:8} {found['charges']:11,} {found['posted']:7} {wall:8.2f} {cpu:8.2f} {ratios}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--place", type=Path, help="a folder that keeps what is generated")
    parser.add_argument("-n", type=int, default=3, help="rounds")
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        (given.only / "again.json").write_text(json.dumps(again(given.only)), "utf-8")
        return
    with tempfile.TemporaryDirectory() as scratch:
        measure(given, given.place or Path(scratch))


if __name__ == "__main__":
    main()
