"""Kill the workflow at random moments, and see that it ends where an undisturbed run ends.

    python tests/chaos.py --rounds 20

A round runs one chain of the smoke preset in an empty folder: data, pretraining, SFT, two RL runs in a row, their
evaluation. Snakemake and all its jobs are killed (SIGKILL) at random moments, several times, and called again. In the
end weights, data, score tables and step metrics must be, byte for byte, those of a run that nobody disturbed; and a
training job that is called again must go on from the last checkpoint that it had sealed.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent / "workflow"))

from checkout import SMOKE, copy_workflow, run_snakemake

from selectimprove.provenance.records import digest_file

RESULTS = Path("results/smoke")
RUNS = ["FB_rl_6_9", "FB_curriculum_2"]
TARGETS = [str(RESULTS / f"evaluation/{run}/seed0/steps_6_9.parquet") for run in RUNS]
CHANGES = {"sft": {"defaults": {"checkpoint_every": 1}}, "rl": {"defaults": {"updates": 6, "checkpoint_every": 1}}}
CHANGES["pretrain"] = {"updates": 60, "checkpoint_every": 5}
KEPT = ("*.safetensors", "*.jsonl", "*.parquet", "metrics.csv")
CHECKPOINT = re.compile(r"going on from \S+/checkpoint-(\d+)")


def start_chain(folder: Path) -> subprocess.Popen:
    """Start Snakemake on the chain in a folder that copy_workflow made."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--rerun-incomplete", *TARGETS]
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    command += ["--configfile", SMOKE, "chaos.yaml"]
    with (folder / "snakemake.log").open("a") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)


def make_folder(folder: Path) -> Path:
    """Copy the workflow, with more checkpoints than the smoke preset has."""
    copy_workflow(folder)
    (folder / "chaos.yaml").write_text(json.dumps(CHANGES))
    return folder


def digest_results(folder: Path) -> dict[str, str]:
    """Return the digest of every file that must be the same, by path."""
    files = sorted(file for pattern in KEPT for file in (folder / RESULTS).rglob(pattern))
    return {str(path.relative_to(folder)): digest_file(path) for path in files}


def kill(process: subprocess.Popen) -> None:
    """Kill Snakemake and all that it has started."""
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family)
    process.wait()


def find_sealed(folder: Path) -> dict[str, int]:
    """Return the step of the last sealed checkpoint of each training job that is under way, by its log."""
    sealed = {}
    for checkpoint in (folder / RESULTS / "resume").glob("*/*/seed0/*/checkpoint-*"):
        stage, run = checkpoint.parts[-5:-3]
        log = f"{stage}/{run}_seed0.log"
        sealed[log] = max(sealed.get(log, 0), int(checkpoint.name.partition("-")[2]))
    return sealed


def check_resumed(folder: Path, sealed: dict[str, int]) -> list[str]:
    """Return a complaint for each training job that trained again what it had sealed before it was killed."""
    complaints = []
    for name, step in sealed.items():
        text = (folder / RESULTS / "logs" / name).read_text()
        resumed = [int(found) for found in CHECKPOINT.findall(text)]
        if "loop took" in text and (not resumed or resumed[0] < step):
            complaints.append(f"{name}: had step {step}, went on from {resumed or 'the start'}")
    return complaints


def run_round(folder: Path, expected: dict[str, str], seconds: float, stream: random.Random) -> tuple[int, list[str]]:
    """Run the chain with kills; return how many there were and what was not as in an undisturbed run."""
    make_folder(folder)
    kills, complaints = 0, []
    sealed: dict[str, int] = {}
    while True:
        process = start_chain(folder)
        deadline = time.monotonic() + stream.uniform(2, seconds)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is not None:
            break
        kill(process)
        kills += 1
        complaints += check_resumed(folder, sealed)
        sealed = find_sealed(folder)
        run_snakemake(folder, "--unlock", "--configfile", SMOKE, "chaos.yaml")
    if process.returncode:
        return kills, [*complaints, f"snakemake failed, see {folder}/snakemake.log"]
    complaints += check_resumed(folder, sealed)
    found = digest_results(folder)
    complaints += [
        f"{name}: differs" for name in sorted(set(expected) | set(found)) if found.get(name) != expected.get(name)
    ]
    return kills, complaints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="that are killed at least once")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="chaos"))
    undisturbed = make_folder(root / "undisturbed")
    started = time.monotonic()
    if start_chain(undisturbed).wait():
        sys.exit(f"the undisturbed run failed, see {undisturbed}/snakemake.log")
    seconds = time.monotonic() - started
    expected = digest_results(undisturbed)
    print(f"undisturbed: {seconds:.0f} s, {len(expected)} files", flush=True)
    rounds = identical = number = 0
    while rounds < arguments.rounds:
        stream = random.Random(f"chaos {arguments.seed} {number}")
        kills, complaints = run_round(root / f"round{number}", expected, seconds, stream)
        rounds += kills > 0 or bool(complaints)
        identical += kills > 0 and not complaints
        not_counted = "" if kills or complaints else ", so that it is not counted"
        print(f"round {number}: {kills} kills, {'; '.join(complaints) or 'identical'}{not_counted}", flush=True)
        number += 1
    print(json.dumps({"rounds": arguments.rounds, "identical": identical, "folder": str(root)}))
    sys.exit(identical < arguments.rounds)


if __name__ == "__main__":
    main()
