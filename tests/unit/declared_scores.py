"""Made-up scores of everything that a figure or table of a configuration declares, as evaluation would write them."""

import numpy as np
import pandas as pd
from synthetic_scores import LOSSES

from selectimprove.experiment.experiment import Experiment
from selectimprove.measurement.scores import COLUMNS, RUN_COLUMNS
from selectimprove.seeds import hash_seed
from selectimprove.tasks.problems import plan_strata
from selectimprove.tasks.specs import KINDS
from selectimprove.tasks.strategies import FAILURES


def make_declared_scores(experiment: Experiment, name: str) -> pd.DataFrame:
    """Return the scores that a figure or table takes, at random, with the columns of its runs beside them."""
    values = experiment.find_figure(name)
    tables = [
        make_run_scores(experiment, run, suite, seed)
        for run, suite in experiment.list_figure_evaluations(values)
        for seed in experiment.list_figure_seeds(values)
    ]
    settings = {run: {**experiment.describe_run(run), **LOSSES} for run in experiment.list_figure_runs(values)}
    of_runs = pd.DataFrame.from_dict(settings, orient="index")[list(RUN_COLUMNS)].rename_axis("run").reset_index()
    return pd.concat(tables, ignore_index=True).merge(of_runs, on="run")


def make_run_scores(experiment: Experiment, run: str, suite: str, seed: int) -> pd.DataFrame:
    """Return the scores of one run on one suite for one seed: a right answer and a strategy at random.

    One completion in eight opens with one strategy and goes on in the other, also of those that are made to begin so.
    """
    spec = experiment.make_evaluation_spec(run, suite, seed)
    dataset = experiment.datasets[spec.suite.dataset]
    cells = plan_strata(dataset, "test", seed)[: spec.suite.problems]
    problems = pd.DataFrame(
        {
            "problem_id": [f"{dataset.name}/test/{seed}/{index}" for index in range(len(cells))],
            "kind": [kind for kind, _ in cells],
            "steps": [dataset.steps[0] * number if kind == "composition" else number for kind, number in cells],
            "parts": [number if kind == "composition" else 1 for kind, number in cells],
        }
    )
    rows = problems.merge(pd.Series(range(spec.suite.completions_per_problem), name="sample"), how="cross")
    forced = pd.Series(spec.suite.forced_strategies or (None,), name="forced_strategy", dtype="string")
    rows = rows.merge(forced, how="cross").merge(pd.Series(spec.checkpoint_steps, name="checkpoint_step"), how="cross")
    generator = np.random.default_rng(hash_seed(run, suite, seed))
    size = len(rows)
    correct = generator.random(size) < generator.random()
    opened = pd.Series(generator.choice(["forward", "backward"], size))
    mixed = generator.random(size) < 1 / 8
    return rows.assign(
        run=run,
        sft_run=spec.sft_run,
        training=spec.training,
        seed=seed,
        suite=suite,
        checkpoint=f"checkpoints/{run}/" + rows["checkpoint_step"].astype(str),
        checkpoint_digest="",
        strategy=rows["forced_strategy"].fillna(opened).where(rows["kind"].isin(KINDS) & ~mixed, "mixed"),
        correct=correct,
        answered=True,
        first_wrong_step=None,
        correct_parts=np.where(correct, rows["parts"], generator.integers(rows["parts"])),
        failure=pd.Series(generator.choice(FAILURES, size)).where(~correct),
        tokens=20,
        completion="",
    )[list(COLUMNS)]
