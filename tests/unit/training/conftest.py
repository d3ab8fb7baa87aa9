"""A reward that a tiny model can learn."""

import pytest

from selectimprove.training import grpo


@pytest.fixture
def rewarded_opening(monkeypatch):
    """Pay for a first token of odd id instead of a right answer, which a random model never gives."""

    def make_reward(rows, tokenizer, text):
        def reward(completion_ids, row, log_metric, **_):
            rewards = [float(ids[0] % 2) for ids in completion_ids]
            log_metric("forward_share", sum(rewards) / len(rewards))
            return rewards

        return reward

    monkeypatch.setattr(grpo, "make_reward", make_reward)
