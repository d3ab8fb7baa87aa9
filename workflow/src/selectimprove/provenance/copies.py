"""Copies of results: their files have the times of the copying, in any order, and the same bytes.

Snakemake makes again what is older than what it was made from. In a copy the records tell that, not the times.
"""

import os
import time
from pathlib import Path

from selectimprove.provenance.chain import Chain, list_roots
from selectimprove.provenance.marks import mark_folder
from selectimprove.provenance.records import RECORD

RUN_STAGES = ("data", "pretrain", "convert", "sft", "rl")  # one folder a job; elsewhere files of one stem
EARLIEST = 1.0  # second; 0 is no time to Snakemake


def list_recorded(results: Path) -> list[Path]:
    """Return what has records: folders of checkpoints and data sets, score tables, the sidecars of what is drawn."""
    folders = [file.parent for file in results.rglob(RECORD)]
    sidecars = [*results.glob("figures/*.json"), *results.glob("tables/*.json")]
    sidecars += [file for name in ("claims.json", "report.json") if (file := results / name).is_file()]
    return [*folders, *results.rglob("*.parquet"), *sidecars]


def list_job_files(results: Path, path: Path) -> list[Path]:
    """Return what the job that made an artifact made, and Snakemake's time stamps of folders."""
    stage, *below = path.relative_to(results).parts
    if stage in RUN_STAGES:
        return [file for file in results.joinpath(stage, *below[:2]).rglob("*") if file.is_file()]
    return list(path.parent.glob(f"{path.stem}.*"))


def rank_artifacts(chain: Chain) -> dict[Path, int | None]:
    """Return how many jobs after one another led to each artifact; None for what its records do not bear out.

    That is an artifact that is not as recorded, or with anything upstream that is not, or that was made from other
    bytes than are there. What is no longer there is passed over: Snakemake makes it again where it is needed.
    """
    ranks: dict[Path, int | None] = {}

    def rank(path: Path) -> int | None:
        if path not in ranks:
            artifact = chain.artifacts[path]
            present = {name: digest for name, digest in artifact.inputs.items() if chain.artifacts[name].digest}
            above = [rank(name) for name in present]
            borne_out = artifact.sound and all(chain.artifacts[name].digest == present[name] for name in present)
            ranks[path] = 1 + max(above, default=0) if borne_out and None not in above else None
        return ranks[path]

    for path in chain.artifacts:
        rank(path)
    return ranks


def settle_times(results: Path) -> None:
    """Give what each job made the time that the records say: later than what it was made from, if just that is there.

    What the records do not bear out gets the earliest time, so that Snakemake makes it again.
    """
    chain = Chain([root for path in list_recorded(results) for root in list_roots(path)])
    now = time.time()
    ranks = rank_artifacts(chain)
    # Snakemake counts a benchmark among what its job made; nothing is made from one.
    times: dict[Path, float] = dict.fromkeys(results.glob("benchmarks/**/*.tsv"), now + len(ranks) / 1000)
    for path, rank in ranks.items():
        if path.is_relative_to(results) and chain.artifacts[path].record:
            settled = EARLIEST if rank is None else now + rank / 1000
            for file in list_job_files(results, path):
                times[file] = min(settled, times.get(file, settled))
    for file, settled in times.items():
        os.utime(file, (settled, settled))
    mark_folder(results)
