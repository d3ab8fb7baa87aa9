"""The experiment: what depends on what, and what is made of it."""

import dataclasses

import pytest
from configurations import CONFIG, UNDRAWN, load

from selectimprove.experiment.specs import StepsSpec
from selectimprove.measurement.scores import RUN_COLUMNS
from selectimprove.tasks.specs import TaskSpec


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1]},
        {"seeds": [0, 1]},
        {"tasks.gf11.order": 13},
        {"tasks.gf11.symbol_map": "stated"}
        | {f"{section}.defaults.max_completion_tokens": 72 for section in ("rl", "suites")},
        {"pretrain.updates": 2001},
        {"pretrain.threads": 2},
        {"execution.threads": 2},
        {"execution.processes": 2},
        {"execution.sft_micro_batches": 2},
        {"tasks.gf11.pretrain": {"updates": 2001}},
        {"tasks.gf11.model": {"architecture": {"layers": 4}}},
        {"tasks.gf11.model": {"text": "symbolic_question_first"}},
        {"model.architecture.layers": 4},
        {"datasets.rl_6_9.kinds": {"evaluation": 0.75, "inversion": 0.25}},
        {"datasets.sft_B.sizes": {"train": 10}},
        {"sft.FB.learning_rate": 0.1},
        {"rl.FB_rl_6_9.beta": 0.1},
        {"rl.F_rl_6_9.start": "F_rl_2_5", "tables": {}},
        {"suites.steps_6_9.temperature": 1.0},
        {"figures.figure2.runs": ["FB_rl_6_9"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_figure_digest_follows_what_is_upstream(changes, experiment) -> None:
    changed = load(changes).make_figure_spec("figure2").config_digest
    assert changed != experiment.make_figure_spec("figure2").config_digest


@pytest.mark.parametrize(
    "changes",
    [
        {"rl.F_rl_2_5.beta": 0.1},
        {"suites.steps_2_5.temperature": 1.0},
        {"tasks.gf13": {"task": "field", "order": 13, "pretrain": {"updates": 2001}}},
        {"tasks.small": {"task": "field", "order": 11, "model": {"architecture": {"layers": 1}}}},
        {"disk_gb": 2},
        {"strict_versions": True},
        {"execution.report_to": ["tensorboard"]},
        {"container": "image.sif"},
        {"resources.rl.gpu": 1},
        {"tables.decomposition_table.runs": ["FB_rl_6_9"]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_figure_digest_ignores_what_is_not_upstream(changes, experiment) -> None:
    changed = load(changes).make_figure_spec("figure2").config_digest
    assert changed == experiment.make_figure_spec("figure2").config_digest


def test_lineage_and_training_names() -> None:
    experiment = load({"rl.FB_rl_6_9.start": "FB_rl_2_5"} | UNDRAWN)
    assert experiment.find_lineage("FB") == ["FB"]
    assert experiment.find_lineage("FB_rl_6_9") == ["FB", "FB_rl_2_5", "FB_rl_6_9"]
    trainings = {}
    for run in ("FB", "FB_rl_2_5", "FB_rl_6_9"):
        spec = experiment.make_evaluation_spec(run, "steps_6_9", 0)
        assert (spec.run, spec.sft_run) == (run, "FB")
        trainings[run] = spec.training
    assert trainings == {"FB": "sft", "FB_rl_2_5": "rl_2_5", "FB_rl_6_9": "rl_2_5+rl_6_9"}


def test_patterns_among_the_suites_of_a_figure() -> None:
    figures = load({"figures.figure4.suites": ["steps_6*", "steps_*"]}).figures
    assert figures["figure4"]["suites"] == ["steps_6_9", "steps_2_5"]


def test_patterns_among_the_runs_of_a_figure() -> None:
    figures = load({"figures.figure2.runs": ["FB*", "*_rl_6_9"]}).figures
    assert figures["figure2"]["runs"] == ["FB", "FB_rl_2_5", "FB_rl_6_9", "F_rl_6_9", "B_rl_6_9"]


def test_runs_are_evaluated_on_what_figures_take(experiment) -> None:
    evaluations = experiment.list_evaluations()
    assert len(evaluations) == len(set(evaluations))
    assert ("FB_rl_6_9", "steps_2_5") in evaluations
    assert ("FB_rl_2_5", "pass_6_9") not in evaluations
    only = load(UNDRAWN | {"tables": {"accuracy": {"runs": ["F_rl_2_5"], "suites": ["steps_6_9"]}}})
    assert only.list_evaluations() == [("F", "steps_6_9"), ("F_rl_2_5", "steps_6_9")]


def test_of_a_seed_is_taken_what_is_made_from_it() -> None:
    """A table made from the first seed alone takes nothing of the second; what others take of it is made."""
    of_F, of_B = ({"runs": [f"{model}_rl_2_5"], "suites": ["steps_6_9"], "module": "accuracy"} for model in "FB")
    experiment = load(UNDRAWN | {"seeds": [4, 3], "tables": {"all": of_F, "first": of_B | {"seed_count": 1}}})
    assert [experiment.make_figure_spec(name).seeds for name in ("all", "first")] == [(4, 3), (4,)]
    assert experiment.list_runs_taken() == experiment.list_runs_taken(4) == ["F", "F_rl_2_5", "B", "B_rl_2_5"]
    assert experiment.list_runs_taken(3) == ["F", "F_rl_2_5"]
    assert experiment.list_evaluations(3) == [("F", "steps_6_9"), ("F_rl_2_5", "steps_6_9")]
    one = load(UNDRAWN | {"seeds": [4], "tables": {"first": of_B | {"seed_count": 1}}})
    assert one.make_figure_spec("first") == experiment.make_figure_spec("first")
    more = load(UNDRAWN | {"seeds": [4], "tables": {"first": of_B | {"seed_count": 2}}})
    assert more.make_figure_spec("first") == one.make_figure_spec("first")


def test_runs_are_evaluated_on_suites_of_their_own_task() -> None:
    experiment = load(
        {
            "tasks.gf13": {"task": "field", "order": 13},
            "datasets.sft_gf13": {"task": "gf13", "strategies": {"forward": 1, "backward": 0}},
            "datasets.rl_gf13": {"task": "gf13", "steps": "6-9"},
            "sft.gf13": {"dataset": "sft_gf13"},
            "rl.gf13_rl": {"start": "gf13", "dataset": "rl_gf13"},
            "suites.gf13": {"dataset": "rl_gf13"},
            "figures.figure2": {"runs": ["F_rl_6_9", "gf13_rl"], "suites": ["steps_6_9", "gf13"]},
        }
    )
    spec = experiment.make_figure_spec("figure2")
    assert spec.evaluations == (
        ("F", "steps_6_9"),
        ("gf13", "gf13"),
        ("F_rl_6_9", "steps_6_9"),
        ("gf13_rl", "gf13"),
    )
    assert [spec.run_settings[run]["values"] for run in ("F_rl_6_9", "gf13_rl")] == [11, 13]
    assert experiment.make_pretrain_spec("gf13", 0).task.settings["order"] == 13


def test_a_task_overrides_how_its_base_is_pretrained(experiment) -> None:
    own = {"steps": {"backward": "1-4"}, "muon": None, "updates": 900}
    changed = load({"tasks.gf13": {"task": "field", "order": 13, "pretrain": own}})
    spec = changed.make_pretrain_spec("gf13", 0)
    assert (spec.steps, spec.muon, spec.updates) == (StepsSpec(forward=(1, 18), backward=(1, 4)), None, 900)
    assert spec.learning_rate == CONFIG["pretrain"]["learning_rate"]
    assert spec.task == TaskSpec("field", {"order": 13, "symbol_map": "fixed"})
    assert changed.make_pretrain_spec("gf11", 0) == experiment.make_pretrain_spec("gf11", 0)


def test_a_task_overrides_its_model(experiment) -> None:
    """All that its runs are told has its architecture and its text form; what is made for others stays the same."""
    model = {"text": "symbolic_question_first", "architecture": {"hidden_size": 64, "heads": 2}}
    changed = load(
        {
            "tasks.small": {"task": "field", "order": 11, "model": model},
            "datasets.small_sft": {"task": "small", "strategies": {"forward": 1, "backward": 0}},
            "datasets.small_rl": {"task": "small"},
            "sft.small": {"dataset": "small_sft"},
            "rl.small_rl": {"start": "small", "dataset": "small_rl"},
            "suites.small": {"dataset": "small_rl"},
        }
    )
    architecture = dataclasses.replace(experiment.model.architecture, hidden_size=64, heads=2)
    own = dataclasses.replace(experiment.model, text="symbolic_question_first", architecture=architecture)
    assert changed.make_pretrain_spec("small", 0).model == own
    assert [changed.make_run_spec(run, 0).model for run in ("small", "small_rl")] == [own, own]
    assert changed.make_data_spec("small_rl", 0).text == own.text
    assert changed.make_evaluation_spec("small_rl", "small", 0).text == own.text
    for make in (
        lambda found: found.make_pretrain_spec("gf11", 0),
        lambda found: found.make_run_spec("FB_rl_6_9", 0),
        lambda found: found.make_evaluation_spec("FB", "steps_6_9", 0),
    ):
        assert make(changed) == make(experiment)


def test_run_settings_say_what_a_run_was_taught_and_trained_on() -> None:
    experiment = load(
        {
            **UNDRAWN,
            "rl.FB_rl_6_9.start": "FB_rl_2_5",
            "datasets.rl_6_9.kinds": {"evaluation": 0.75, "inversion": 0.25},
            "sft.F.learning_rate": 0.1,
        }
    )
    settings = experiment.describe_run("FB_rl_6_9")
    assert list(settings) == [name for name in RUN_COLUMNS if not name.startswith("validation")]
    assert (settings["model"], settings["stage"], settings["evaluation_share"]) == ("FB", "RL 2-5 then 6-9", 0.75)
    assert experiment.describe_run("B_rl_6_9")["model"] == "B"
    assert (experiment.describe_run("F")["model"], experiment.describe_run("F")["sft_learning_rate"]) == ("F", 0.1)
    assert (experiment.describe_run("F")["stage"], experiment.describe_run("F")["beta"]) == ("SFT", None)
    of_base = ("text", "layer_weights", "log_forward_share")
    assert [settings[column] for column in of_base] == ["symbolic", 3 * (4 * 128**2 + 3 * 128 * 512), 0.915]


def test_run_settings_of_a_model_that_is_not_pretrained_here_lack_those_of_a_base() -> None:
    changes = {"model.source": "owner/name", "model.revision": "0" * 40, "model.text": "sentences"}
    settings = load(changes | {"rl.defaults.max_completion_tokens": 400, "suites.defaults.max_completion_tokens": 400})
    found = settings.describe_run("FB_rl_6_9")
    assert [found[column] for column in ("text", "layer_weights", "log_forward_share")] == ["sentences", None, None]


def test_report_begins_with_the_core(experiment) -> None:
    entry = {**experiment.figures["figure2"], "experiment": "other"}
    experiment = dataclasses.replace(experiment, figures={"other": entry, **experiment.figures})
    spec = experiment.make_report_spec()
    assert [group for _, group, _ in spec.figures] == ["core"] * (len(experiment.figures) - 1) + ["other"]
    assert spec.figures[0][0] == "figure2"
    assert spec.figures[0][2].startswith("Figure 2: accuracy on held-out problems during RL")


def test_figures_also_draw_the_models_that_their_runs_start_from(experiment) -> None:
    runs = experiment.list_figure_runs({"runs": ["B_rl_6_9", "F_rl_6_9", "B_rl_2_5"], "suites": []})
    assert runs == ["B", "F", "B_rl_6_9", "F_rl_6_9", "B_rl_2_5"]


@pytest.mark.parametrize(
    ("updates", "every", "steps"),
    [(150, 50, [50, 100, 150]), (150, 40, [40, 80, 120, 150]), (10, 25, [10]), (3, 1, [1, 2, 3]), (1, 1, [1])],
)
def test_last_step_is_always_kept(updates, every, steps) -> None:
    experiment = load({"rl.FB_rl_6_9.updates": updates, "rl.FB_rl_6_9.checkpoint_every": every})
    assert experiment.make_rl_spec("FB_rl_6_9", 0).checkpoint_steps == steps
    assert experiment.make_evaluation_spec("FB_rl_6_9", "steps_6_9", 0).checkpoint_steps == tuple(steps)
    assert experiment.make_evaluation_spec("FB", "steps_6_9", 0).checkpoint_steps == (0,)


def test_last_checkpoint_alone_is_evaluated_where_a_suite_says_so(experiment) -> None:
    assert experiment.make_evaluation_spec("FB_rl_6_9", "pass_6_9", 0).checkpoint_steps == (100,)
    assert len(experiment.make_evaluation_spec("FB_rl_6_9", "forced_6_9", 0).checkpoint_steps) == 4
