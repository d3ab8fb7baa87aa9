"""What a job does, in words."""

from configurations import UNDRAWN, load

from selectimprove.experiment import messages


def test_jobs_in_words(experiment):
    assert messages.describe_dataset(experiment, "rl_6_9") == "7,552 problems of 6-9 steps"
    assert messages.describe_pretraining(experiment, "gf11") == "1,800 updates on GF(11)"
    assert messages.describe_sft(experiment, "FB") == "1 epoch of 12,800 pairs, 2-5 steps"
    assert messages.describe_rl(experiment, "FB_rl_6_9") == "100 RL steps on 6-9 steps from FB"
    assert messages.describe_evaluation(experiment, "FB_rl_6_9", "steps_6_9") == (
        "4 checkpoints on 1,024 problems of steps_6_9"
    )
    assert messages.describe_evaluation(experiment, "FB", "pass_6_9") == "1 checkpoint on 128 problems of pass_6_9"


def test_parts_and_epochs_in_words():
    changes = UNDRAWN | {"datasets.rl_2_5.parts": "2-4", "datasets.sft_F.steps": "2-3", "sft.F.epochs": 2.5}
    changes |= {"rl.defaults.max_completion_tokens": 200, "suites.defaults.max_completion_tokens": 200}
    experiment = load(changes)
    assert messages.describe_dataset(experiment, "rl_2_5") == "7,552 problems of 2-4 parts of 2-5 steps"
    assert messages.describe_sft(experiment, "F") == "2.5 epochs of 12,800 pairs, 2-3 steps"
