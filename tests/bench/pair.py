"""Time several whole commands side by side, in turn, and print medians and paired ratios.

    python pair.py -n 5 base='duckdb-floor.py ...' mine='costctl ingest ...'

Every NAME='COMMAND' is run by `sh -c` with output thrown away; the runs go A B C, A B C, ... so that a change of the
machine's speed hits all of them alike. The ratio of each command to the first one is taken round by round and the
median of those ratios is printed. cpu = user + system seconds; rss = the largest process the command waited for.
`--before CMD` is run (untimed) before every timed run: use it to delete what the command is going to make.
"""

import argparse
import os
import statistics as st
import subprocess
import sys
import time


def once(cmd):
    t = time.monotonic()
    p = subprocess.Popen(
        ["sh", "-c", "exec " + cmd if " && " not in cmd and ";" not in cmd and "|" not in cmd else cmd],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    err = p.stderr.read()
    _, status, ru = os.wait4(p.pid, 0)
    return time.monotonic() - t, ru.ru_utime + ru.ru_stime, ru.ru_maxrss / 1024, status, err


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("-n", type=int, default=5)
    a.add_argument("--warmup", type=int, default=1)
    a.add_argument("--before", help="shell command run before each timed run")
    a.add_argument("cmd", nargs="+", metavar="NAME=COMMAND")
    a = a.parse_args()
    cmds = [c.split("=", 1) for c in a.cmd]
    runs = {n: [] for n, _ in cmds}
    for r in range(a.warmup + a.n):
        for name, cmd in cmds:
            if a.before:
                subprocess.run(["sh", "-c", a.before], check=True)
            x = once(cmd)
            if x[3]:
                print(f"{name}: exit status {x[3]}: {x[4].decode(errors='replace').strip()[-400:]}", file=sys.stderr)
            if r >= a.warmup:
                runs[name].append(x)
    base = runs[cmds[0][0]]
    print(f"{'':22} {'wall s':>8} {'min':>8} {'max':>8} {'cpu s':>8} {'rss MiB':>8} {'wall x':>7} {'cpu x':>7}")
    for name, _ in cmds:
        x = runs[name]
        ok = "" if all(v[3] == 0 for v in x) else "  FAILED"
        print(
            f"{name:22} {st.median(v[0] for v in x):8.3f} {min(v[0] for v in x):8.3f} {max(v[0] for v in x):8.3f} "
            f"{st.median(v[1] for v in x):8.3f} {st.median(v[2] for v in x):8.0f} "
            f"{st.median(v[0] / b[0] for v, b in zip(x, base, strict=True)):7.2f} {st.median(v[1] / b[1] for v, b in zip(x, base, strict=True)):7.2f}{ok}"
        )


if __name__ == "__main__":
    main()
