# make reproduce && python benchmarks/workflow.py
"""What the workflow costs: seconds of all jobs by rule, planning 3,000 runs, and the overhead of the last reproduction.

Job-seconds: of each rule's jobs whose results are there, by the clock and of processors, from Snakemake's benchmarks.

Planning: `snakemake --dry-run` of 3,000 more RL runs and their evaluations, a figure for each twelve, in seconds.
Overhead: the share of the cores' time, from Snakemake's start to its end, that was spent outside training and
evaluation loops: imports, loading models, making data and figures, scheduling, waiting cores. The jobs' logs say how
long their loops took.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
STARTS = ("F", "B", "FB")
OF_A_START = 4  # runs in a figure, which shows twelve at most
LOOP = re.compile(r"loop took ([\d.]+) s on (\d+) threads")
TIMESTAMP = re.compile(r"^\[(\w{3} \w{3} +\d+ [\d:]+ \d{4})\]$", re.MULTILINE)


def measure_jobs(benchmarks: Path) -> pd.DataFrame:
    """Return the number of jobs of each rule, their seconds and their processors' seconds, from Snakemake's tables."""
    rows = []
    for file in sorted(benchmarks.rglob("*.tsv")):
        rule = file.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        rows.append({"rule": rule, "jobs": 1, **pd.read_csv(file, sep="\t").iloc[-1][["s", "cpu_time"]]})
    if not rows:
        sys.exit(f"{benchmarks}: no benchmarks of jobs; run the workflow first")
    table = pd.DataFrame(rows).groupby("rule").sum().rename(columns={"s": "seconds", "cpu_time": "processor_seconds"})
    return table.astype(float).round().astype(int).sort_values("seconds", ascending=False)


def measure_planning(runs: int) -> tuple[float, int]:
    """Return the seconds that a dry run of `runs` more RL runs takes and the number of jobs it plans."""
    groups = [str(group) for group in range(runs // (OF_A_START * len(STARTS)))]
    grid = {"start": list(STARTS), "group": groups, "index": [str(index) for index in range(OF_A_START)]}
    figure = {"grid": {"group": groups}, "module": "figure2", "runs": ["*_more_{group}_*"], "suites": ["steps_6_9"]}
    declared = {
        "rl": {"{start}_more_{group}_{index}": {"grid": grid, "start": "{start}", "dataset": "rl_6_9"}},
        "figures": {"more_{group}": figure},
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "runs.yaml"
        config.write_text(yaml.safe_dump(declared), encoding="utf-8")
        started = time.perf_counter()
        command = ["snakemake", "--cores", "1", "--dry-run", "--quiet", "rules", "--configfile", str(config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
        seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"the dry run failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, int(re.search(r"^total +(\d+)", done.stdout + done.stderr, re.MULTILINE)[1])


def find_log() -> Path:
    """Return Snakemake's log of the last call that trained."""
    logs = sorted((ROOT / ".snakemake" / "log").glob("*.snakemake.log"))
    trained = [log for log in logs if re.search(r"^Job \d+: RL: ", log.read_text(encoding="utf-8"), re.MULTILINE)]
    if not trained:
        sys.exit(f"{ROOT / '.snakemake/log'}: no log of a call that trained; run `make reproduce` first")
    return trained[-1]


def measure_overhead(log: Path, jobs: Path) -> dict[str, float]:
    """Return wall seconds, cores and the share of core time outside loops of the call that wrote Snakemake's `log`.

    jobs: the folder with the logs of the jobs; those older than `log` are another call's and are left out.
    """
    text = log.read_text(encoding="utf-8")
    times = [datetime.strptime(stamp, "%a %b %d %H:%M:%S %Y").timestamp() for stamp in TIMESTAMP.findall(text)]
    cores = int(re.search(r"Provided cores: (\d+)", text)[1])
    own = [path.read_text(encoding="utf-8") for path in jobs.rglob("*.log") if path.stat().st_mtime >= times[0]]
    loops = [(float(seconds), int(threads)) for log_text in own for seconds, threads in LOOP.findall(log_text)]
    wall = times[-1] - times[0]
    share = 1 - sum(seconds * threads for seconds, threads in loops) / (cores * wall)
    return {"wall_seconds": wall, "cores": cores, "loops": len(loops), "share_outside_loops": round(share, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3000)
    parser.add_argument("--log", type=Path, help="Snakemake's log of the reproduction; default: the last that trained")
    parser.add_argument("--results", type=Path, default=ROOT / "results" / "tiny", help="what it made")
    arguments = parser.parse_args()
    if arguments.runs < 1 or arguments.runs % (OF_A_START * len(STARTS)):
        parser.error(f"--runs: found {arguments.runs}, must be a multiple of {OF_A_START * len(STARTS)}")
    costs = measure_jobs(arguments.results / "benchmarks")
    print(costs.to_string(), flush=True)
    seconds, jobs = measure_planning(arguments.runs)
    print(f"dry run of {arguments.runs} more runs, {jobs} jobs: {seconds:.1f} s", flush=True)
    overhead = measure_overhead(arguments.log or find_log(), arguments.results / "logs")
    print(
        f"reproduction: {overhead['wall_seconds'] / 60:.1f} min on {overhead['cores']} cores, "
        f"{100 * overhead['share_outside_loops']:.1f} % of their time outside {overhead['loops']} loops"
    )
    total = costs.sum().to_dict()
    print(json.dumps({"planning_seconds": round(seconds, 1), "planned_jobs": jobs, **overhead, "all_jobs": total}))


if __name__ == "__main__":
    main()
