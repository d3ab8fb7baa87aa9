"""Data sets that are filtered by pass rates: what they are, what depends on them, and each mistake in one line."""

import copy
from pathlib import Path

import pytest
from configurations import UNDRAWN, load

from selectimprove.experiment import messages
from selectimprove.experiment.experiment import ConfigError
from selectimprove.experiment.specs import (
    FilteredDataSpec,
    FilterSpec,
    PassRateSpec,
    digest_specs,
    dump_spec,
    parse_spec,
)
from selectimprove.provenance.tracing import list_artifacts

FILTERED = UNDRAWN | {
    "datasets.pool": {"steps": "2-9", "sizes": {"train": 3200}},
    "datasets.hard": {"from": "pool", "filter": {"run": "FB", "pass_rate": [0, 0.1], "samples": 8}},
    "datasets.middle": {"from": "pool", "filter": {"run": "FB", "pass_rate": [0.1, 0.5], "samples": 8}},
    "rl.FB_hard": {"start": "FB", "dataset": "hard"},
    "rl.FB_middle": {"start": "FB", "dataset": "middle"},
}
FILTERED["datasets.hard"]["sizes"] = FILTERED["datasets.middle"]["sizes"] = {"train": 320}
DRAWN = {"figures": {"curation": {"runs": ["FB_hard", "FB_middle"], "suites": ["steps_6_9", "forced_6_9"]}}}
OTHER_TASK = {
    "tasks.gf13": {"task": "field", "order": 13},
    "datasets.sft_13": {"task": "gf13", "strategies": {"forward": 1, "backward": 0}},
    "sft.F_13": {"dataset": "sft_13"},
}


def load_filtered(changes=(), drawn=False):
    return load(copy.deepcopy(FILTERED) | (DRAWN if drawn else {}) | dict(changes))


@pytest.fixture(scope="module")
def filtered():
    return load_filtered(drawn=True)


def test_filtered_data_set_is_its_candidates_but_for_its_training_problems(filtered):
    pool, hard = filtered.datasets["pool"], filtered.datasets["hard"]
    assert (hard.steps, hard.task, hard.kinds, hard.strategies) == (pool.steps, pool.task, pool.kinds, pool.strategies)
    assert hard.sizes == {**pool.sizes, "train": 320}
    assert filtered.filters == {
        "hard": FilterSpec("pool", "FB", (0, 0.1), 8),
        "middle": FilterSpec("pool", "FB", (0.1, 0.5), 8),
    }


def test_bands_share_one_measurement_at_the_temperature_of_rl(filtered):
    assert filtered.list_pass_rates() == [("FB", "pool")]
    spec = filtered.make_pass_rate_spec("FB", "pool", 1)
    assert spec == PassRateSpec("FB", "pool", 8, 0.7, 48, "symbolic", 1, 1)
    own = {"temperature": 1.0, "max_completion_tokens": 60}
    changed = load_filtered({f"rl.{run}": {**FILTERED[f"rl.{run}"], **own} for run in ("FB_hard", "FB_middle")})
    spec = changed.make_pass_rate_spec("FB", "pool", 1)
    assert (spec.temperature, spec.max_completion_tokens) == (1.0, 60)
    with pytest.raises(ConfigError, match="no data set under `datasets` is filtered by the pass rates of F on pool"):
        filtered.make_pass_rate_spec("F", "pool", 0)


def test_specs_round_trip(filtered):
    for cls, spec in (
        (FilteredDataSpec, filtered.make_data_spec("hard", 1)),
        (PassRateSpec, filtered.make_pass_rate_spec("FB", "pool", 1)),
    ):
        assert isinstance(spec, cls)
        assert parse_spec(cls, dump_spec(spec)) == spec


def test_run_that_only_filters_is_made_and_comes_first():
    """F is trained on what FB_hard solves; FB_hard itself is drawn nowhere."""
    own = {"from": "pool", "filter": {"run": "FB_hard", "pass_rate": [0.5, 1], "samples": 4}, "sizes": {"train": 64}}
    figure = {"figures": {"figure2": {"runs": ["F_later"], "suites": ["steps_6_9"]}}}
    experiment = load_filtered({"datasets.later": own, "rl.F_later": {"start": "F", "dataset": "later"}} | figure)
    assert experiment.list_runs_taken() == ["F", "FB", "FB_hard", "F_later"]
    assert experiment.list_pass_rates() == [("FB", "pool"), ("FB_hard", "pool")]
    artifacts = {path.as_posix() for path in list_artifacts(experiment, Path("r"))}
    assert {f"r/pass_rates/pool/seed0/{run}.parquet" for run in ("FB", "FB_hard")} < artifacts
    assert {f"r/data/{name}/seed0" for name in ("pool", "hard", "later", "sft_FB")} < artifacts
    assert "r/rl/FB_hard/seed0/checkpoints/step100" in artifacts


@pytest.mark.parametrize(
    "changes",
    [
        {"datasets.hard": FILTERED["datasets.hard"] | {"sizes": {"train": 321}}},
        {"datasets.pool": {"steps": "2-9", "sizes": {"train": 3201}}},
        {"rl.defaults.temperature": 0.8},
        {"sft.FB.learning_rate": 1e-3},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_figure_digest_follows_what_filters(changes, filtered):
    before = filtered.make_figure_spec("curation").config_digest
    assert load_filtered(changes, drawn=True).make_figure_spec("curation").config_digest != before


def test_figure_digest_is_that_of_all_specs_upstream(filtered):
    runs, suites = ("FB", "FB_hard", "FB_middle"), ("steps_6_9", "forced_6_9")
    specs = [
        filtered.make_pretrain_spec("gf11", 0),
        filtered.make_pass_rate_spec("FB", "pool", 0),
        *(filtered.make_data_spec(name, 0) for name in ("sft_FB", "pool", "hard", "middle", "rl_6_9")),
        *(filtered.make_run_spec(run, 0) for run in runs),
        *(filtered.make_evaluation_spec(run, suite, 0) for run in runs for suite in suites),
    ]
    assert filtered.make_figure_spec("curation").config_digest == digest_specs(*specs)


def test_settings_of_a_run_name_the_band_and_no_share_that_is_not_known(filtered):
    hard, plain = filtered.describe_run("FB_hard"), filtered.describe_run("FB_rl_6_9")
    assert (hard["stage"], hard["pass_rate"], hard["evaluation_share"]) == ("RL 2-9 at 0-0.1", "0-0.1", None)
    assert (plain["stage"], plain["pass_rate"], plain["evaluation_share"]) == ("RL 6-9", "all", 0.5)
    assert filtered.describe_run("FB")["pass_rate"] is None


def test_jobs_in_words(filtered):
    told = "2-9 steps that FB solves at a rate of 0-0.1"
    assert messages.describe_dataset(filtered, "hard") == f"320 problems of {told}"
    assert messages.describe_rl(filtered, "FB_hard") == f"100 RL steps on {told} from FB"
    told = "8 completions of each of 3,200 problems of 2-9 steps"
    assert messages.describe_pass_rates(filtered, "FB", "pool") == told


def filter_by(**changes):
    return {"datasets.hard": FILTERED["datasets.hard"] | {"filter": FILTERED["datasets.hard"]["filter"] | changes}}


BAD = {
    "no candidates": (
        {"datasets.hard": {"filter": FILTERED["datasets.hard"]["filter"]}},
        "datasets.hard: the key 'from' is missing, which a data set that is filtered has",
    ),
    "no filter": (
        {"datasets.hard": {"from": "pool", "sizes": {"train": 8}}},
        "datasets.hard: the key 'filter' is missing, which a data set that is filtered has",
    ),
    "no size": (
        {"datasets.hard.sizes": {}},
        "datasets.hard.sizes: the key 'train' is missing",
    ),
    "defaults that filter": (
        {"datasets.defaults.from": "pool"},
        "datasets.defaults.from: found 'pool', must stand in the data set itself",
    ),
    "steps of its own": (
        {"datasets.hard.steps": "2-5"},
        "datasets.hard.steps: a data set that is filtered has that of its candidates, pool; "
        "allowed are from, filter, sizes.train",
    ),
    "test split of its own": (
        {"datasets.hard.sizes": {"train": 8, "test": 8}},
        "datasets.hard.sizes.test: a data set that is filtered has that of its candidates, pool; "
        "allowed are from, filter, sizes.train",
    ),
    "unknown candidates": (
        {"datasets.hard.from": "pond"},
        "datasets.hard.from: data set 'pond' is not declared; declared are "
        "sft_F, sft_B, sft_FB, rl_2_5, rl_6_9, pool, hard, middle",
    ),
    "candidates that are filtered": (
        {"datasets.hard.from": "middle"},
        "datasets.hard.from: 'middle' is filtered itself, so no data set of candidates",
    ),
    "more than there are candidates": (
        {"datasets.hard.sizes": {"train": 3201}},
        "datasets.hard.sizes.train: found 3201, but pool has 3200 candidates",
    ),
    "unknown key": (
        filter_by(temperature=1),
        "datasets.hard.filter: unknown key 'temperature'; allowed are run, pass_rate, samples",
    ),
    "one bound": (
        filter_by(pass_rate=[0.5]),
        "datasets.hard.filter.pass_rate: found [0.5], must be two numbers from 0 to 1",
    ),
    "bound above 1": (filter_by(pass_rate=[0, 10]), "datasets.hard.filter.pass_rate.1: found 10, must be at most 1"),
    "bounds the wrong way round": (
        filter_by(pass_rate=[0.5, 0.1]),
        "datasets.hard.filter.pass_rate: found [0.5, 0.1], must go from a lower number to a higher one "
        "and hold a rate that 8 samples can have",
    ),
    "band between the rates": (
        filter_by(pass_rate=[0.13, 0.24]),
        "datasets.hard.filter.pass_rate: found [0.13, 0.24], must go from a lower number to a higher one "
        "and hold a rate that 8 samples can have",
    ),
    "no samples": (filter_by(samples=0), "datasets.hard.filter.samples: found 0, must be at least 1"),
    "other samples of one measurement": (
        {"datasets.middle.filter.samples": 4},
        "datasets.middle.filter.samples: found 4, but hard has 8, and the pass rates of FB on pool are measured once",
    ),
    "other temperature of one measurement": (
        {"rl.FB_middle.temperature": 1.0},
        "rl.FB_middle.temperature: found 1.0, but FB_hard has 0.7, and the pass rates that filter the prompts of both "
        "are measured once",
    ),
    "no RL run": (
        {"rl.FB_hard.dataset": "rl_2_5", "rl.FB_middle.dataset": "rl_2_5"},
        "datasets.hard.filter: no RL run is trained on it, so it is not known how its runs sample",
    ),
    "unknown run": (
        filter_by(run="G"),
        "datasets.hard.filter.run: run 'G' is not declared; declared are F, B, FB, F_rl_2_5, B_rl_2_5, FB_rl_2_5, "
        "F_rl_6_9, B_rl_6_9, FB_rl_6_9, FB_hard, FB_middle",
    ),
    "run of another task": (
        OTHER_TASK | filter_by(run="F_13"),
        "datasets.hard.filter.run: F_13 is of the task gf13, but the candidates are of gf11",
    ),
    "run that is trained on what it filters": (
        filter_by(run="FB_hard"),
        "datasets.hard.filter.run: FB_hard is trained on what it filters: hard -> hard",
    ),
    "run that starts from one that is": (
        filter_by(run="FB_rl_6_9") | {"rl.FB_rl_6_9.start": "FB_hard"},
        "datasets.hard.filter.run: FB_rl_6_9 is trained on what it filters: hard -> hard",
    ),
    "runs that filter each other's prompts": (
        filter_by(run="FB_middle") | {"datasets.middle.filter.run": "FB_hard"},
        "datasets.hard.filter.run: FB_middle is trained on what it filters: hard -> middle -> hard",
    ),
    "suite of what is filtered": (
        {"suites.steps_hard": {"dataset": "hard"}},
        "suites.steps_hard.dataset: 'hard' is filtered for training alone; its test problems are those of pool",
    ),
    "more prompts a step than are taken": (
        {"datasets.hard.sizes": {"train": 31}},
        "rl.FB_hard.prompts_per_step: found 32, but hard has 31 training prompts",
    ),
    "figure by a share that is not known": (
        {"figures": {"amplification": {"runs": ["FB_hard"], "suites": ["steps_6_9"]}}},
        "figures.amplification.runs: FB_hard has no evaluation_share, by which amplification places its runs",
    ),
    "two runs of one band": (
        DRAWN | {"datasets.hard.filter.pass_rate": [0.1, 0.5]},
        "figures.curation.runs: FB_hard and FB_middle are both of pass_rate 0.1-0.5, one place of curation",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_mistake_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError) as error:
        load_filtered(changes)
    assert str(error.value) == message
