"""Where an artifact comes from, told as a tree; and a check of everything that the workflow makes.

    python -m selectimprove trace results/tiny/figures/figure2.pdf
    snakemake verify --cores 1

What can be traced: a figure, a table, the claims or the report (any file of them, or their sidecar), a score table, a
checkpoint folder, a file of a data set. Below each artifact are those that it was made from, down to the data sets and
the pretrained base; each is told in full once, with its verdict (see chain.py). Commit and library versions are told
where they are not those told before, versions that are not as pinned with the pinned ones.
"""

from pathlib import Path
from typing import Any

from selectimprove.experiment.environment import describe_other_versions
from selectimprove.experiment.experiment import Experiment
from selectimprove.files import write_string
from selectimprove.provenance.chain import Chain, list_roots
from selectimprove.provenance.records import RECORD
from selectimprove.terminal import print_text


class Teller:
    """Prints a chain as an indented tree."""

    def __init__(self, chain: Chain):
        self.chain = chain
        self.told: set[Path] = set()
        self.commit: str | None = None
        self.versions: dict[str, str] = {}
        self.other_versions: dict[str, dict[str, str]] = {}

    def tell(self, path: Path, above: Path | None = None, depth: int = 0) -> None:
        """Print an artifact and below it, unless told before, those that it was made from."""
        verdict, reason = self.chain.judge(path, above)
        margin = "  " * depth
        print(f"{margin}{verdict}  {path}" + (f"  ({reason})" if reason else ""))
        if path in self.told:
            return
        self.told.add(path)
        artifact = self.chain.artifacts[path]
        for line in self.list_details(artifact.record):
            print(f"{margin}         {line}")
        repeated = 0
        for name in artifact.inputs:
            if name in self.told and self.chain.judge(name, path)[0] == "matches":
                repeated += 1
            else:
                self.tell(name, path, depth + 1)
        if repeated:
            print(f"{margin}  matches  {repeated} told above")

    def list_details(self, record: dict[str, Any]) -> list[str]:
        """Return what an artifact's record says of how it was made, where it is not as for the artifact before."""
        details = [
            f"{name.replace('_', ' ')} {record[name]}" for name in ("function", "config_digest") if name in record
        ]
        if record.get("commit", self.commit) != self.commit:
            self.commit = record["commit"]
            details.append(f"commit {self.commit}")
        versions = record.get("versions", self.versions)
        changed = [f"{name} {version}" for name, version in versions.items() if self.versions.get(name) != version]
        if changed:
            self.versions = versions
            details.append(f"versions {', '.join(changed)}")
        others = record.get("other_versions", {}) if record else self.other_versions
        if others != self.other_versions:
            self.other_versions = others
            details.append(f"not as pinned {describe_other_versions(others) or 'none'}")
        return details


def trace(file: Path) -> int:
    """Print the chain of an artifact as a tree and a summary; return 0 if all digests match, else 1.

    Raises ValueError if there is no such artifact, or nothing is recorded of what it was made from.
    """
    untraced = f"{file}: cannot be traced, nothing is recorded of what it was made from"
    if not file.exists():
        untraced = f"{file}: there is no such file or folder in {Path.cwd()}"
    if file.is_dir() and not (file / RECORD).is_file():
        raise ValueError(untraced)
    chain = Chain(list_roots(file))
    if any(chain.artifacts[root].sound and not chain.artifacts[root].record for root in chain.roots):
        raise ValueError(untraced)
    teller = Teller(chain)
    for root in chain.roots:
        teller.tell(root)
    print(chain.summarize())
    return 1 if chain.list_problems() else 0


def list_artifacts(experiment: Experiment, results: Path) -> list[Path]:
    """Return what the workflow makes by default, and what that is made from: sidecars stand for their files."""
    paths = [f"figures/{name}.json" for name in experiment.figures]
    paths += [f"tables/{name}.json" for name in experiment.tables]
    paths += ["claims.json"] if experiment.claims else []
    paths += ["scores.parquet", "report.json"]
    for seed in experiment.seeds:
        evaluations, runs = experiment.list_evaluations(seed), experiment.list_runs_taken(seed)
        pass_rates = experiment.list_pass_rates(seed)
        datasets = [experiment.find_dataset(run) for run in runs] + experiment.list_test_datasets(seed)
        datasets += [candidates for _, candidates in pass_rates]
        paths += [f"evaluation/{run}/seed{seed}/{suite}.parquet" for run, suite in evaluations]
        for run in runs:
            folder = experiment.find_checkpoints_folder(run, seed)
            paths += [f"{folder}/step{step}" for step in experiment.list_checkpoint_steps(run)]
        paths += dict.fromkeys(base for run in runs if (base := experiment.find_base(run, seed)))
        paths += [f"data/{dataset}/seed{seed}" for dataset in dict.fromkeys(datasets)]
        paths += [f"pass_rates/{candidates}/seed{seed}/{run}.parquet" for run, candidates in pass_rates]
    return [Path(results) / path for path in paths]


def verify(experiment: Experiment, results: Path, log_file: Path) -> None:
    """Check everything that the workflow makes by default; print, and keep in `log_file`, what is wrong and a summary.

    Raises ValueError if anything does not match.
    """
    chain = Chain([root for path in list_artifacts(experiment, results) for root in list_roots(path)])
    problems = chain.list_problems()
    lines = [f"{verdict}  {path}" + (f"  ({reason})" if reason else "") for path, (verdict, reason) in problems.items()]
    text = "\n".join([*lines, chain.summarize()])
    if all(artifact.digest is None for artifact in chain.artifacts.values()):
        text += f"; nothing is made in {results} (another preset than this takes its --configfile)"
    write_string(log_file, text + "\n")
    print_text(text)
    if problems:
        raise ValueError(
            f"{results}: {len(problems)} of {len(chain.artifacts)} artifacts are not as recorded, see {log_file}"
        )
