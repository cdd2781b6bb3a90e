"""Chip time and gauges by their sources: known answers, what is left out by name, what counts once, and how it splits what was paid."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from costctl.config import load
from costctl.errors import InputRefused, UsageError

pytestmark = pytest.mark.usefixtures("begun")
unposted = pytest.mark.usefixtures("unposted")

SAMPLES = Path(__file__).parent / "samples" / "tokens"
SACCT = "JobID|JobName|Partition|Account|AllocCPUS|AllocTRES|Elapsed|CPUTimeRAW|MaxRSS|MaxVMSize|AveCPU|AveRSS|State|ExitCode|Start|End|NodeList"
JOBS = "JobID|Cluster|Partition|Account|AllocTRES|ElapsedRaw|State|Start|End|NodeList"
P5 = """
    SubAccountId  day         x_UsageType           ConsumedUnit  ConsumedQuantity  cost
    p             2026-10-01  BoxUsage:p5.48xlarge  Hrs           24                1920
"""  # eight chips, 192 chip-hours at 10 USD
POOL = "version: 1\nrules: [{{name: p, when: {{SubAccountId: [p]}}, pool: h100}}]\npools: {{h100: {{chips: {{{}}}}}}}\n"


def excluded(place):
    """Return what was left out by name, over all files."""
    return dict(place.ask("SELECT rule, sum(records)::INT FROM ledger.exclusions GROUP BY 1 ORDER BY 1"))


def chip_hours(place):
    """Return the chip-hours that each state has, exactly."""
    query = "SELECT state, sum(chips * CAST(date_diff('second', ts_start, ts_end) AS DECIMAL(12, 0))) FROM ledger.accelerator_usage GROUP BY 1 ORDER BY 1"
    return {state: seconds / 3600 for state, seconds in place.ask(query)}


def paid(place):
    """Return what the states of the pool cost."""
    return dict(
        place.ask("SELECT state, sum(EffectiveCost) FROM ledger.postings WHERE pool = 'h100' GROUP BY 1 ORDER BY 1")
    )


def said(place, *words):
    """Run a command that succeeds; return what it says."""
    done = place.costctl(*words)
    assert done.returncode == 0, done.stderr
    return " ".join((done.stdout + done.stderr).split())


def jobs(*lines):
    return "\n".join([JOBS, *lines]) + "\n"


def allocation(
    name="prod/serving/atlas-0", start="2026-10-01T00:00:00Z", end="2026-10-02T00:00:00Z", hours=96, **properties
):
    where = {"cluster": "prod", "node": "node-7"} | properties
    return name, {"name": name, "properties": where, "start": start, "end": end, "minutes": 1, "gpuHours": hours}


def allocations(*members):
    return json.dumps({"code": 200, "data": [dict(members)]})


# Slurm


@unposted
def test_the_job_of_the_sample_has_no_chips_and_its_step_is_no_job(place):
    """It lasts 754 s by its Elapsed; with chips it would have to end after it began."""
    place.write("sacct.txt", SACCT + "\n" + (SAMPLES / "slurm" / "sacct.txt").read_text("utf-8") + "\n")
    said(place, "ingest", "sacct.txt")
    assert excluded(place) == {"a step (its job counts)": 1, "no chips": 1}
    assert chip_hours(place) == {}
    chips = (place.home / "sacct.txt").read_text("utf-8").replace("mem=500M", "gres/gpu=8")
    place.write("chips.txt", chips)
    done = place.costctl("ingest", "chips.txt", "--source", "other")
    assert done.returncode == 3
    assert (
        "End is not later than Start" in done.stderr.replace("ended is", "End is") or "is not later than" in done.stderr
    )


@unposted
def test_the_header_line_says_what_the_columns_are(place):
    place.write("sacct.txt", (SAMPLES / "slurm" / "sacct.txt").read_text("utf-8") + "\n")
    done = place.costctl("ingest", "sacct.txt")
    assert done.returncode == 3
    assert "no format recognises this file" in done.stderr


@unposted
def test_754_seconds_of_eight_chips(place):
    place.write(
        "sacct.txt",
        jobs("7||gpu|research|gres/gpu=8,gres/gpu:h100=8|754|COMPLETED|2026-10-01T08:00:00|2026-10-01T08:12:34|n1"),
    )
    said(place, "ingest", "sacct.txt")
    assert chip_hours(place) == {"training": Decimal(8 * 754) / 3600}


@pytest.mark.slow
@unposted
def test_chips_that_are_no_whole_number_are_refused(place):
    files = {count: f"{number}.txt" for number, count in enumerate(["1.5K", "-8", "0x8", "8.5"])}
    for count, name in files.items():
        job = f"7||gpu|a|cpu=1,gres/gpu={count}|60|COMPLETED|2026-10-01T08:00:00|2026-10-01T09:00:00|n1"
        place.write(name, jobs(job))
    assert place.costctl("ingest", "0.txt").returncode == 3
    said = place.refused(files)
    assert {
        count: said[count] for count in files if f"ask sacct with --noconvert, not {count}" not in said[count]
    } == {}


@unposted
def test_a_job_counts_once_whatever_is_exported_again(place, places):
    """The second export has it ended, the first still running; a run that was requeued is a record of its own."""
    early = jobs(
        "7||gpu|a|gres/gpu=8|60|REQUEUED|2026-10-01T08:00:00|2026-10-01T09:00:00|n1",
        "8||gpu|a|gres/gpu=4|60|RUNNING|2026-10-01T08:00:00|Unknown|n2",
    )
    late = jobs(
        "7||gpu|a|gres/gpu=8|60|REQUEUED|2026-10-01T08:00:00|2026-10-01T09:00:00|n1",
        "7||gpu|a|gres/gpu=8|60|COMPLETED|2026-10-01T10:00:00|2026-10-01T12:00:00|n3",
        "8||gpu|a|gres/gpu=4|60|COMPLETED|2026-10-01T08:00:00|2026-10-01T13:00:00|n2",
    )
    other = places()
    for here, names in ((place, ["early.txt", "late.txt", "early.txt"]), (other, ["late.txt", "early.txt"])):
        here.write("early.txt", early)
        here.write("late.txt", late)
        for name in names:
            said(here, "ingest", name)
        assert chip_hours(here) == {"training": 8 + 16 + 20}


def test_training_of_slurm_and_the_hole_tile_what_was_paid(place):
    """48 of 192 paid chip-hours were jobs; nobody says what the others were."""
    place.write("costctl.yaml", POOL.format("partition: gpu"))
    place.bill("october.csv", P5)
    place.write("sacct.txt", jobs("7||gpu|research|gres/gpu=8|60|COMPLETED|2026-10-01T06:00:00|2026-10-01T12:00:00|n1"))
    said(place, "ingest", "october.csv", "sacct.txt")
    assert paid(place) == {"training": 480, "unknown": 1440}
    assert place.ask("SELECT team, sum(EffectiveCost) FROM ledger.postings WHERE state = 'training' GROUP BY 1") == [
        ("research", 480)
    ]
    assert place.broken() == []


# OpenCost


@pytest.mark.slow
def test_states_of_opencost_and_the_hole_tile_what_was_paid(place):
    place.write("costctl.yaml", POOL.format("cluster: [prod]"))
    place.bill("october.csv", P5)
    place.write(
        "allocation.json",
        allocations(
            allocation(hours=96),
            allocation(
                "prod/research/train",
                hours=26.66667,
                start="2026-10-01T06:00:00Z",
                end="2026-10-01T09:20:00Z",
                controllerKind="job",
            ),
            allocation("prod/node-7/__idle__", hours=48),
        ),
    )
    said(place, "ingest", "october.csv", "allocation.json")
    assert chip_hours(place)["serving"] == 96
    assert chip_hours(place)["idle"] == 48
    assert abs(chip_hours(place)["training"] - Decimal("26.66667")) < Decimal("0.000005")
    costs = paid(place)
    assert (costs["serving"], costs["idle"], sum(costs.values())) == (960, 480, 1920)
    assert set(costs) == {"serving", "training", "idle", "unknown"}
    assert place.broken() == []


@pytest.mark.slow
def test_more_chip_time_than_was_paid_is_told(place):
    place.write("costctl.yaml", POOL.format("cluster: [prod]"))
    place.bill("october.csv", P5)
    place.write("allocation.json", allocations(allocation(hours=192), allocation("prod/node-7/__idle__", hours=96)))
    said(place, "ingest", "october.csv", "allocation.json")
    assert paid(place) == {"serving": 1280, "idle": 640}
    assert "chip time of pool h100 exceeds its paid chip-hours on 1 day" in said(
        place, "report", "chargeback", "--period", "2026-10", "--format", "table"
    )


@unposted
def test_chips_are_hours_over_hours_to_the_sixth_decimal(place):
    cases = [
        (96, "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", "4"),
        (10, "2026-10-01T00:00:00Z", "2026-10-01T07:00:00Z", "1.428571"),
        (20, "2026-10-01T00:00:00Z", "2026-10-01T07:00:00Z", "2.857143"),
        (0.5, "2026-10-01T00:00:00Z", "2026-10-01T00:00:07Z", "257.142857"),
        (0.00005, "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z", "0.000002"),
    ]
    named = [
        allocation(f"prod/serving/atlas-{number}", hours=hours, start=start, end=end)
        for number, (hours, start, end, _) in enumerate(cases)
    ]
    place.write("allocation.json", allocations(*named))
    place.ingest("allocation.json")
    found = [row[0] for row in place.ask("SELECT chips FROM ledger.accelerator_usage ORDER BY record_no")]
    assert dict(zip(cases, found, strict=True)) == {case: Decimal(case[-1]) for case in cases}


@unposted
def test_what_holds_no_chips_is_left_out_by_name(place):
    place.write(
        "allocation.json",
        allocations(
            allocation(),
            allocation("prod/__unmounted__", hours=0),
            allocation("prod/kube-system/dns", hours=None),
            allocation("prod/node-7/__idle__", hours=-12.5),
        ),
    )
    said(place, "ingest", "allocation.json")
    assert excluded(place) == {"idle below zero: more was used than was asked for": 1, "no chips": 2}
    assert chip_hours(place) == {"serving": 96}


@pytest.mark.slow
@unposted
def test_a_pod_below_zero_is_set_aside(place):
    place.write("allocation.json", allocations(allocation(hours=-1)))
    done = place.costctl("ingest", "allocation.json")
    assert done.returncode == 3
    assert "is not a number of chips above 0" in done.stderr


@unposted
def test_a_window_asked_for_again_counts_once(place):
    """Until noon, until the end of the day, and the earlier one again."""
    for name, end, hours in (("noon", "2026-10-01T12:00:00Z", 48), ("night", "2026-10-02T00:00:00Z", 96)):
        place.write(f"{name}.json", allocations(allocation(end=end, hours=hours)))
    for name in ("night", "noon", "night"):
        said(place, "ingest", f"{name}.json")
    assert chip_hours(place) == {"serving": 96}


@pytest.mark.slow
@unposted
def test_windows_that_overlap_are_told(place):
    """Of the week the pod began on the first, of the day on the second: they are two records, and nothing says which of them holds."""
    place.write("week.json", allocations(allocation(end="2026-10-08T00:00:00Z", hours=672)))
    place.write("day.json", allocations(allocation(start="2026-10-02T00:00:00Z", end="2026-10-03T00:00:00Z")))
    assert "overlap" not in said(place, "ingest", "week.json")
    assert "1 record of a workload overlap others of it: its chips count twice there" in said(
        place, "ingest", "day.json"
    )


@unposted
def test_a_cut_answer_is_refused(place):
    place.write("allocation.json", allocations(allocation())[:-20])
    assert place.costctl("ingest", "allocation.json").returncode == 3


@unposted
def test_the_csv_export_does_not_say_how_long(place):
    place.write(
        "opencost.csv",
        "Date,Namespace,ControllerKind,ControllerName,Pod,Container,CPUCoreUsageAverage,GPUs,GPUCost,TotalCost\n2026-10-01,a,b,c,d,e,1,8,2,3\n",
    )
    with pytest.raises(InputRefused, match="not how long it ran"):
        place.ingest("opencost.csv")


# OpenCost's inference costs


@unposted
def test_inference_costs_of_the_sample(place):
    said(place, "ingest", SAMPLES / "opencost" / "inferenceCost-total-model.json")
    assert place.ask("SELECT token_class, sum(tokens)::BIGINT FROM ledger.token_quantity GROUP BY 1 ORDER BY 1") == [
        ("input.unsplit", 1_063_600_000),
        ("output.unsplit", 121_100_000),
    ]
    assert place.ask(
        "SELECT sum(reported_cost), min(reported_currency), min(evidence_role), min(provider) FROM ledger.token_usage"
    ) == [(Decimal("15666.60"), "USD", "engine", "self")]


@unposted
def test_what_was_not_measured_does_not_count(place):
    text = (SAMPLES / "opencost" / "inferenceCost-total-model.json").read_text("utf-8")
    place.write(
        "unsure.json",
        text.replace('"measurementAvailability": "available"', '"measurementAvailability": "unavailable"', 1),
    )
    said(place, "ingest", "unsure.json")
    assert excluded(place) == {"not measured (measurementAvailability)": 1}
    assert place.ask("SELECT count(*) FROM ledger.token_usage") == [(2,)]


@pytest.mark.slow
@unposted
def test_a_total_that_is_none_is_told_and_a_negative_count_is_refused(place):
    text = (SAMPLES / "opencost" / "inferenceCost-total-model.json").read_text("utf-8")
    place.write("odd.json", text.replace('"totalTokens": 48000000', '"totalTokens": 48000001'))
    assert "1 record whose parts do not add up" in said(place, "ingest", "odd.json")
    place.write("negative.json", text.replace('"promptTokens": 41200000', '"promptTokens": -41200000'))
    done = place.costctl("ingest", "negative.json", "--source", "other")
    assert done.returncode == 3
    assert "is not a whole number" in done.stderr


# Gauges


@unposted
def test_gauges_of_the_sample(place):
    """A scraped text says no time, the name of its file does."""
    text = (SAMPLES / "dcgm" / "dcgm-exporter-excerpt.prom").read_text("utf-8")
    place.write("node-7-20261001T063000Z.prom", text)
    said(place, "ingest", "node-7-20261001T063000Z.prom")
    found = place.ask(
        "SELECT measure, value, unit, namespace, workload FROM ledger.accelerator_gauges ORDER BY record_no"
    )
    assert found == [
        ("power", Decimal("8.969"), "W", None, None),
        ("energy", Decimal("128996.013"), "J", None, None),
        ("busy", 0, "ratio", None, None),
        ("memory_free", 15109, "MiB", None, None),
        ("memory_busy", Decimal("0.000003"), "ratio", "ray-llm", "ray-1111111"),
    ]
    assert place.ask("SELECT DISTINCT CAST(ts AS VARCHAR) FROM ledger.accelerator_gauges") == [("2026-10-01 06:30:00",)]


@unposted
def test_a_scrape_is_of_whom_its_name_says(place):
    place.write("node-9-2026-10-01T06:30:00Z.prom", 'DCGM_FI_DEV_GPU_UTIL{UUID="a",pod=""} 50\n# EOF\n')
    said(place, "ingest", "node-9-2026-10-01T06:30:00Z.prom")
    found = place.ask("SELECT resource_id, device, workload, value FROM ledger.accelerator_gauges")
    assert found == [("node-9", "a", None, Decimal("0.5"))]


@unposted
def test_a_scrape_that_nobody_dates_is_refused(place):
    place.write("node-7.prom", '# TYPE DCGM_FI_DEV_GPU_UTIL gauge\nDCGM_FI_DEV_GPU_UTIL{UUID="a"} 50\n')
    done = place.costctl("ingest", "node-7.prom")
    assert done.returncode == 3
    assert "Name it by its scrape" in done.stderr
    assert "node-7.prom" in done.stderr


@unposted
def test_no_figure_and_other_families_are_left_out_by_name(place):
    lines = [
        "# TYPE x gauge",
        'DCGM_FI_DEV_GPU_UTIL{UUID="a"} NaN',
        'DCGM_FI_PROF_SM_ACTIVE{UUID="a"} 1.5',
        'DCGM_FI_DEV_SM_CLOCK{UUID="a"} 5',
        "up 1",
    ]
    place.write("1790836200.prom", "\n".join(lines) + "\n")
    said(place, "ingest", "1790836200.prom")
    assert excluded(place) == {"a figure that nothing can have": 1, "another family of metrics": 2, "no value (NaN)": 1}


@pytest.mark.slow
def test_gauges_move_no_money(place):
    place.write("costctl.yaml", POOL.format("cluster: [prod]"))
    place.bill("october.csv", P5)
    place.write("allocation.json", allocations(allocation()))
    said(place, "ingest", "october.csv", "allocation.json")
    before = place.ask("SELECT * FROM ledger.postings ORDER BY ALL")
    place.write("1790836200.prom", 'DCGM_FI_DEV_GPU_UTIL{UUID="a",Hostname="node-7"} 50\n# EOF\n')
    said(place, "ingest", "1790836200.prom")
    assert place.ask("SELECT * FROM ledger.postings ORDER BY ALL") == before


# Kubernetes


def pods(phase="Running", finished=None, start="2026-10-01T00:00:00Z"):
    status = {"phase": phase, "startTime": start}
    if finished:
        status["containerStatuses"] = [{"state": {"terminated": {"finishedAt": finished}}}]
    spec = {"nodeName": "node-7", "containers": [{"name": "a", "resources": {"requests": {"nvidia.com/gpu": "8"}}}]}
    return json.dumps(
        {
            "kind": "List",
            "items": [{"metadata": {"name": "a", "namespace": "s", "uid": "u"}, "spec": spec, "status": status}],
        }
    )


@pytest.mark.slow
@unposted
def test_a_pod_that_runs_lasts_until_the_list_was_taken(place):
    """Seen at some hours, and when it was over at one: whichever list comes last, it lasts as long as it was seen to."""
    place.write("pods-20261001T180000Z.json", pods("Succeeded", "2026-10-01T13:00:00Z"))
    lasted = []
    for hour in (6, 3, 9, 1, 18, 12):
        name = f"pods-20261001T{hour:02}0000Z.json"
        if hour < 13:
            place.write(name, pods().replace('"u"', f'"u", "resourceVersion": "{hour}"'))
        said(place, "ingest", name)
        lasted.append(chip_hours(place)["serving"] / 8)
    assert lasted == [6, 6, 9, 9, 13, 13]


@pytest.mark.slow
@unposted
def test_a_request_that_is_no_number_is_left_out_by_name(place):
    files = {count: f"pods-{number}-20261001T060000Z.json" for number, count in enumerate(["0", "8 of them", "1.5"])}
    for count, name in files.items():
        place.write(name, pods().replace('"8"', json.dumps(count)))
    place.take(files)
    found = place.ask("SELECT source, rule, records FROM ledger.exclusions JOIN ledger.deliveries USING (delivery_id)")
    assert sorted(found) == sorted((count, "requests no whole number of chips above 0", 1) for count in files)


@unposted
def test_a_list_that_nobody_dates_is_refused_where_a_pod_runs(place):
    place.write("pods.json", pods())
    done = place.costctl("ingest", "pods.json")
    assert done.returncode == 3
    assert "name the file by the moment it was taken" in done.stderr


# Pools


def test_a_node_wins_over_a_namespace_and_that_over_a_cluster(place):
    place.write(
        "costctl.yaml",
        """
        version: 1
        rules: [{name: p, when: {SubAccountId: ["*"]}, pool: "{SubAccountId}"}]
        pools:
          node: {chips: {node: n-17}}
          nodes: {chips: {node: ["n-1*", "n-*"]}}
          space: {chips: {namespace: [s]}}
          all: {chips: {cluster: prod}}
        """,
    )
    rows = [f"{pool:12}  2026-10-01  BoxUsage:p5.48xlarge  Hrs  24  1920" for pool in ("node", "nodes", "space", "all")]
    place.bill(
        "october.csv", "\n".join(["SubAccountId  day  x_UsageType  ConsumedUnit  ConsumedQuantity  cost", *rows])
    )
    places = ["prod,s,n-17,1", "prod,s,n-18,2", "prod,s,m,4", "prod,other,m,8", "prod,,,16"]
    lines = [f"{where},2026-10-01,2026-10-02,serving" for where in places]
    place.write("time.csv", "\n".join(["cluster,namespace,resource,chips,start,end,state", *lines]) + "\n")
    said(place, "ingest", "october.csv", "time.csv")
    found = place.ask(
        "SELECT pool, CAST(weight / 86400000000 AS INTEGER) FROM ledger.chip_time WHERE state = 'serving' ORDER BY 1"
    )
    assert found == [("all", 24), ("node", 1), ("nodes", 2), ("space", 4)]


@pytest.mark.slow
@unposted
def test_chip_time_of_no_pool_is_told(place):
    place.write("costctl.yaml", POOL.format("cluster: [prod]"))
    place.bill("october.csv", P5)
    place.write(
        "time.csv",
        "pool,cluster,namespace,chips,start,end,state\n,dev,s,8,2026-10-01,2026-10-02,serving\nother,,,1,2026-10-01,2026-10-02,idle\n",
    )
    said(place, "ingest", "october.csv", "time.csv")
    told = said(place, "report", "chargeback", "--period", "2026-10", "--format", "table")
    assert (
        "192.0 chip-hours of chip_time belong to no pool (some of it: namespace 's', cluster 'dev'): name its node"
        in told
    )
    assert "24.0 chip-hours of chip_time name the pool other, which the configuration does not have" in told
    assert "chip-hours of" not in said(place, "report", "chargeback", "--period", "2026-11", "--format", "table")


def test_chips_of_two_pools_are_refused(place):
    file = place.write("costctl.yaml", "version: 1\npools: {a: {chips: {node: [n]}}, b: {chips: {resource: [n]}}}\n")
    with pytest.raises(UsageError, match="the resource 'n' belongs to the pool 'a' already"):
        load(file)


@pytest.mark.slow
@unposted
def test_more_chips_at_one_time_than_the_machine_of_the_bill_has(place):
    """Eight are there: eight serve while four idle. At six o'clock one record ends where the next begins."""
    place.bill(
        "october.csv",
        [
            {
                "x_UsageType": "BoxUsage:p5.48xlarge",
                "ConsumedUnit": "Hrs",
                "ConsumedQuantity": "24",
                "ResourceId": "i-1",
                "day": "2026-10-01",
            }
        ],
    )
    lines = ["8,2026-10-01T00:00Z,2026-10-01T06:00Z,serving", "8,2026-10-01T06:00Z,2026-10-01T12:00Z,training"]
    place.write("time.csv", "\n".join(["resource,chips,start,end,state", *(f"i-1,{line}" for line in lines)]) + "\n")
    said(place, "ingest", "october.csv", "time.csv")
    assert "at one time" not in said(place, "report", "chargeback", "--period", "2026-10", "--format", "table")
    place.write("more.csv", "resource,chips,start,end,state\ni-1,4,2026-10-01T08:00Z,2026-10-01T09:00Z,idle\n")
    said(place, "ingest", "more.csv", "--add")
    told = said(place, "report", "chargeback", "--period", "2026-10", "--format", "table")
    assert (
        "chip time of 'i-1' by chip_time is of 12 chips at one time (2026-10-01 08:00:00), and the machine on the bill has 8"
        in told
    )
