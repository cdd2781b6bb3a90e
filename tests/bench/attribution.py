"""Attribute charges by hourly tokens beside Polars and pandas, as whole processes in turn; prints the ratios, and by how much the answers differ.

    python attribution.py --bill d/legacy-10m --tokens d/tokens -n 5 --peers venv/bin/python

What is asked: a pool of the machines of each chip, split per day among (team, model) by weighted tokens, what other charges cost their teams,
the chips at the rate card in force, summed by (team, model). costctl has charges and tokens in its ledger, scans all of both for their
groups and counts, computes and keeps every model and runs every check, exactly and for four costs; the line `costctl, kept` is the same
from the groups and counts that an ingest leaves in the ledger, as after a changed weight. The peers read the few columns they need
from Parquet, for one cost, in doubles. `--peers` is a Python that has polars, pandas and pyarrow, where this one has not.
"""

import argparse
import csv
import math
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import company
from company import sheet
from pair import once

BUDGETS = {"polars": "0.90", "pandas": "0.15"}
MEMORY = "0.25"
PARTS = {"groups": "scan of the charges", "postings": "models", "failing": "checks"}
OURS = ("costctl", "costctl, kept")
COST, CREDITS = "line_item_net_unblended_cost", ["Tax", "Credit"]  # on the lines of these no machine is known
COLUMNS = {
    "line_item_usage_start_date": "at",
    "product_region_code": "region",
    "product_instance_type": "machine",
    "line_item_line_item_type": "kind",
    "resource_tags_user_team": "team",
    "resource_tags_user_model": "model",
    COST: "cost",
    "line_item_usage_amount": "amount",
}
OUTPUT = 4  # what an output token weighs


def counted(function, name, spent):
    """Have a function add the cpu seconds that it takes."""

    def call(*words, **options):
        before = time.process_time()
        try:
            return function(*words, **options)
        finally:
            spent[name] += time.process_time() - before

    return call


def costctl(place, *, kept=False):
    """Attribute what a ledger holds, from its charges and usage on or from what is kept of them, and write what each team owes."""
    from costctl import config, pipeline
    from costctl.ledger import build, checks, seals

    spent = dict.fromkeys(PARTS, 0.0)
    for name in PARTS:
        module = checks if name == "failing" else build
        setattr(module, name, counted(getattr(module, name), name, spent))
    run = pipeline.Run(config.load(place / "costctl.yaml"))
    with pipeline.writing(run) as ledger:
        if not kept:
            ledger.set_meta("groups", "")
            seals.lift(ledger)
        build.forget(ledger)
        pipeline.allocate(ledger, run)
        sheet(place / "parts.csv", list(PARTS.values()), [[f"{spent[name]:.2f}" for name in PARTS]])
        query = "SELECT team, model, sum(BilledCost), sum(rate_card_cost) FROM ledger.postings GROUP BY ALL"
        return [(team, model, cost, priced) for team, model, cost, priced in ledger.run(query).rows]


def polars(place, bill, tokens):
    """Do the same with a lazy, streaming frame."""
    import polars as pl

    machines = pl.LazyFrame(
        [(name, *of) for name, of in company.MACHINES.items()],
        ["machine", "chip", "chips", "purchase_model"],
        orient="row",
    )
    models = pl.LazyFrame(list(company.CHIP_OF.items()), ["model", "chip"], orient="row")
    prices = pl.scan_csv(place / "cards.csv", try_parse_dates=True).select(
        "chip", "region", "purchase_model", "price_per_chip_hour", "valid_from", "valid_to"
    )
    lines = pl.scan_parquet(f"{bill}/*/*.parquet", hive_partitioning=False)
    lines = lines.select(pl.col(column).alias(name) for column, name in COLUMNS.items())
    lines = lines.with_columns(machine=pl.when(~pl.col("kind").is_in(CREDITS)).then("machine"))
    keys = ["day", "region", "chip", "purchase_model"]
    used = lines.join(machines, on="machine").with_columns(day=pl.col("at").dt.date())
    used = used.group_by(keys).agg(pl.sum("cost"), hours=(pl.col("amount") * pl.col("chips")).sum())
    priced = used.join(prices, on=keys[1:]).filter(
        (pl.col("day") >= pl.col("valid_from")) & (pl.col("day") < pl.col("valid_to"))
    )
    priced = priced.with_columns(priced=pl.col("hours") * pl.col("price_per_chip_hour"))
    pools = priced.group_by("day", "chip").agg(pl.sum("cost"), pl.sum("priced"))
    counts = pl.scan_parquet(f"{tokens}/*/*.parquet", hive_partitioning=False).join(models, on="model")
    counts = counts.group_by(pl.col("start").dt.date().alias("day"), "chip", "team", "model").agg(
        weight=(pl.col("input_uncached") + OUTPUT * pl.col("output")).sum()
    )
    split = pools.join(counts, on=["day", "chip"], how="left")
    part = (pl.col("weight") / pl.col("weight").sum().over("day", "chip")).fill_null(1)
    split = split.with_columns(cost=pl.col("cost") * part, priced=pl.col("priced") * part)
    shared = split.group_by("team", "model").agg(pl.sum("cost"), pl.sum("priced"))
    others = lines.filter(pl.col("machine").is_null() | ~pl.col("machine").is_in(list(company.MACHINES)))
    direct = others.group_by("team", "model").agg(pl.sum("cost"))
    found = shared.join(direct, on=["team", "model"], how="full", nulls_equal=True, coalesce=True)
    found = found.select("team", "model", pl.sum_horizontal("cost", "cost_right"), pl.col("priced").fill_null(0))
    return found.collect(engine="streaming").rows()


def pandas(place, bill, tokens):
    """Do the same with frames in memory."""
    import pandas as pd

    def read(folder, columns):
        files = sorted(Path(folder).glob("*/*.parquet"))
        return pd.concat(
            [pd.read_parquet(file, columns=columns, partitioning=None) for file in files], ignore_index=True
        )

    lines = read(bill, list(COLUMNS)).rename(columns=COLUMNS)
    lines["machine"] = lines.machine.where(~lines.kind.isin(CREDITS))
    names = ["machine", "chip", "chips", "purchase_model"]
    machines = pd.DataFrame([(name, *of) for name, of in company.MACHINES.items()], columns=names)
    used = lines.merge(machines, on="machine")
    used["day"], used["hours"] = used["at"].dt.floor("D"), used.amount * used.chips
    keys = ["day", "region", "chip", "purchase_model"]
    used = used.groupby(keys, as_index=False)[["cost", "hours"]].sum()
    prices = pd.read_csv(place / "cards.csv", parse_dates=["valid_from", "valid_to"])
    priced = used.merge(prices, on=keys[1:])
    priced = priced[(priced.day >= priced.valid_from) & (priced.day < priced.valid_to)].copy()
    priced["priced"] = priced.hours * priced.price_per_chip_hour
    pools = priced.groupby(["day", "chip"], as_index=False)[["cost", "priced"]].sum()
    counts = read(tokens, ["start", "team", "model", "input_uncached", "output"])
    counts["chip"], counts["day"] = counts.model.map(company.CHIP_OF), counts["start"].dt.floor("D")
    counts["weight"] = counts.input_uncached + OUTPUT * counts.output
    counts = counts.groupby(["day", "chip", "team", "model"], as_index=False).weight.sum()
    split = pools.merge(counts, on=["day", "chip"], how="left")
    part = (split.weight / split.groupby(["day", "chip"]).weight.transform("sum")).fillna(1)
    split["cost"], split["priced"] = split.cost * part, split.priced * part
    shared = split.groupby(["team", "model"], as_index=False, dropna=False)[["cost", "priced"]].sum()
    others = lines[lines.machine.isna() | ~lines.machine.isin(list(company.MACHINES))]
    direct = others.groupby(["team", "model"], as_index=False, dropna=False).cost.sum()
    both = (
        pd.concat([shared, direct]).groupby(["team", "model"], as_index=False, dropna=False)[["cost", "priced"]].sum()
    )
    return both.astype(object).where(both.notna(), None).to_numpy().tolist()


def run(engine, place, bill, tokens):
    """Write what one engine answers."""
    peers = {"polars": polars, "pandas": pandas}
    found = peers[engine](place, bill, tokens) if engine in peers else costctl(place, kept=engine != "costctl")
    found = [
        (team or "", "" if model == "unknown" else model or "", cost, priced)
        for team, model, cost, priced in found
        if cost or priced
    ]
    sheet(place / f"{engine}.csv", ["team", "model", "cost", "priced"], sorted(found))


def answers(place, engine):
    """Return what one engine answered: cost and price by team and model."""
    with (place / f"{engine}.csv").open(encoding="utf-8") as stream:
        return {
            (row["team"], row["model"]): (float(row["cost"]), float(row["priced"] or 0))
            for row in csv.DictReader(stream)
        }


def difference(place, engine):
    """Say by how much two answers differ: the sums, as doubles add, and at most one of them, as exact parts are whole millionths in each cell."""
    mine, theirs = answers(place, "costctl"), answers(place, engine)
    said = [f"{len(mine):,} and {len(theirs):,} teams and models"]
    for at, name in enumerate(("cost", "price")):
        whole, other = (math.fsum(found[at] for found in side.values()) for side in (mine, theirs))
        worst = max(abs(mine.get(key, (0, 0))[at] - theirs.get(key, (0, 0))[at]) for key in mine.keys() | theirs.keys())
        said.append(f"{name} {whole:,.2f}, off by {abs(whole - other):.1e}, of one by {worst:.1e} at most")
    return "; ".join(said)


def installed(python):
    """Return the peers that a Python has; say which it has not."""
    for peer in BUDGETS:
        found = subprocess.run([python, "-c", f"import {peer}, pyarrow"], check=False, capture_output=True)
        if found.returncode:
            print(
                f"{peer} is not installed here: not measured (--peers PYTHON names one that has polars, pandas and pyarrow)"
            )
        else:
            yield peer


def measure(given, place):
    """Take bill and tokens in, then run all engines in turn."""
    company.write(place, output=str(OUTPUT))
    taken_in = (place / "costctl.duckdb").exists()
    for source, folder in () if taken_in else (("bill", given.bill), ("tokens", given.tokens)):
        words = [sys.executable, "-m", "costctl", "ingest", "--source", source, str(folder.resolve())]
        subprocess.run(words, check=True, cwd=place, capture_output=True)
    commands = dict.fromkeys(OURS, sys.executable) | dict.fromkeys(installed(given.peers), given.peers)
    paths = [str(path.resolve()) for path in (place, given.bill, given.tokens)]
    commands = {name: shlex.join([python, __file__, "--only", name, *paths]) for name, python in commands.items()}
    rounds = []
    for _ in range(given.n):
        rounds.append({name: once(command) for name, command in commands.items()})
        for name, (_, _, _, status, err) in rounds[-1].items():
            if status:
                sys.exit(f"{name} ends with {status}\n{err.decode(errors='replace')[-800:]}")
    print(f"{'':18} {'wall s':>8} {'cpu s':>8} {'MiB':>6}   load {os.getloadavg()[0]:.1f}, {given.n} rounds")
    for name in commands:
        wall, cpu, memory = (statistics.median(found[name][at] for found in rounds) for at in range(3))
        print(f"{name:18} {wall:8.2f} {cpu:8.2f} {memory:6.0f}")
    with (place / "parts.csv").open(encoding="utf-8") as stream:
        (parts,) = csv.DictReader(stream)
    print("kept, cpu s of the last round:", ", ".join(f"{name} {seconds}" for name, seconds in parts.items()))
    for peer in [name for name in commands if name not in OURS]:
        for mine in OURS:
            ratios = [statistics.median(found[mine][at] / found[peer][at] for found in rounds) for at in range(3)]
            budgets = f"(budgets {BUDGETS[peer]} wall, {MEMORY} memory)"
            print(f"{mine:13} / {peer:8} wall {ratios[0]:.2f}  cpu {ratios[1]:.2f}  memory {ratios[2]:.2f}   {budgets}")
        print(f"    {difference(place, peer)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bill", type=Path, help="a folder of legacy CUR in Parquet")
    parser.add_argument("--tokens", type=Path, help="a folder of hourly tokens")
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON")
    parser.add_argument("-n", type=int, default=5, help="rounds")
    parser.add_argument("--place", type=Path, help="a folder that keeps the ledger, for the next time")
    parser.add_argument("--only", nargs=4, metavar=("ENGINE", "PLACE", "BILL", "TOKENS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        engine, place, bill, tokens = given.only
        run(engine, Path(place), bill, tokens)
        return
    with tempfile.TemporaryDirectory() as scratch:
        measure(given, given.place or Path(scratch))


if __name__ == "__main__":
    main()
