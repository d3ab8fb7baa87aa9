"""Our sampler against transformers' generate and against the distribution it should draw from."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import make_model
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from selectimprove.training import sampling
from selectimprove.training.sampling import DecodeStep, Sampler, pick_tokens, sample_completions

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")),
]
PROMPTS = [[3, 20, 30], [3, 21, 31, 12, 8], [4, 22], [5, 23, 33]]


@pytest.fixture(params=["step by step", "in a graph"])
def path(request, monkeypatch):
    """How a batch goes on behind its prompts: both ways are tested on a CPU, where a graph is computed uncaptured."""
    if request.param == "in a graph":
        monkeypatch.setattr(Sampler, "_uses_graph", lambda sampler: sampler.decode is not None)


def sample(model, tokenizer, prompts, **changes):
    values = {"completions_per_prompt": 1, "temperature": 0.0, "max_completion_tokens": 12}
    values |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    return sample_completions(model, prompts, **(values | changes))


@pytest.mark.parametrize("seed", range(4))
def test_greedy_completions_equal_generate(seed, path):
    """Prompts of different lengths in one batch, each compared with transformers' generate on it alone."""
    model, tokenizer = make_model(seed)
    ours = sample(model, tokenizer, PROMPTS)
    for prompt, completion in zip(PROMPTS, ours, strict=True):
        reference = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[0, len(prompt) :]
        assert completion == reference.tolist()


def make_random(model_class, config):
    torch.manual_seed(0)
    model = model_class(config)
    for weight in model.parameters():  # biases and norms, too: they start as zeros and ones
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


SHAPE = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 59,
}
SLIDING = {"use_sliding_window": True, "max_window_layers": 0}


@pytest.mark.parametrize(
    ("model_class", "config", "known"),
    [
        (Qwen2ForCausalLM, Qwen2Config(**SHAPE), True),
        (LlamaForCausalLM, LlamaConfig(**SHAPE, head_dim=16, attention_bias=True, mlp_bias=True), True),
        (LlamaForCausalLM, LlamaConfig(**SHAPE, hidden_act="gelu"), False),
        (Qwen2ForCausalLM, Qwen2Config(**SHAPE, **SLIDING, sliding_window=17), False),
        (Qwen3ForCausalLM, Qwen3Config(**SHAPE, head_dim=16, attention_bias=True), True),
        (Qwen3ForCausalLM, Qwen3Config(**SHAPE, head_dim=8, hidden_act="gelu"), False),
    ],
)
def test_architectures_are_computed_as_they_are_by_transformers(model_class, config, known, path):
    """Grouped heads, biases and norms drawn at random; and models that are not computed by the decode step."""
    model = make_random(model_class, config)
    assert DecodeStep.fits(model) == known
    prompts = [prompt for prompt in PROMPTS for _ in range(2)]
    completions = sample_completions(
        model,
        PROMPTS,
        completions_per_prompt=2,
        temperature=0.0,
        max_completion_tokens=12,
        eos_token_id=59,
        pad_token_id=0,
    )
    for prompt, completion in zip(prompts, completions, strict=True):
        reference = model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)[0, len(prompt) :]
        assert completion == reference.tolist()


def test_longer_than_the_attention_window_is_refused():
    model = make_random(Qwen2ForCausalLM, Qwen2Config(**SHAPE, **SLIDING, sliding_window=16))
    with pytest.raises(ValueError, match="5 prompt and 12 completion tokens: the model attends to 16 only"):
        sample_completions(
            model,
            PROMPTS,
            completions_per_prompt=1,
            temperature=0.0,
            max_completion_tokens=12,
            eos_token_id=59,
            pad_token_id=0,
        )


def test_model_with_adapters_is_sampled_with_them():
    model, tokenizer = make_model(0)
    plain = sample(model, tokenizer, PROMPTS)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)).eval()
    assert not DecodeStep.fits(adapted.get_base_model())
    ours = sample(adapted, tokenizer, PROMPTS)
    assert ours != plain
    for prompt, completion in zip(PROMPTS, ours, strict=True):
        ids = torch.tensor([prompt])
        reference = adapted.generate(input_ids=ids, max_new_tokens=12, do_sample=False)[0, len(prompt) :]
        assert completion == reference.tolist()


def test_rows_that_end_leave_the_others_unchanged(path):
    """With an end-of-sequence token that greedy decoding meets early in some rows, the rest stay as they were."""
    model, tokenizer = make_model(1)
    free = sample(model, tokenizer, PROMPTS, eos_token_id=-1)
    end = free[0][2]
    stopped = sample(model, tokenizer, PROMPTS, eos_token_id=end)
    for without, with_end in zip(free, stopped, strict=True):
        length = without.index(end) + 1 if end in without else len(without)
        assert with_end == without[:length]
    assert len(stopped[0]) <= 3


def test_completions_are_in_prompt_order_whatever_the_batch_size(path):
    model, tokenizer = make_model(2)
    whole = sample(model, tokenizer, PROMPTS, completions_per_prompt=2)
    assert sample(model, tokenizer, PROMPTS, completions_per_prompt=2, completions_per_batch=2) == whole
    assert whole[::2] == whole[1::2] == sample(model, tokenizer, PROMPTS)


def test_completions_of_a_row_do_not_see_each_other(monkeypatch, path):
    """Completion i always takes the token of rank i, so that all differ; each is compared with the model alone."""
    model, tokenizer = make_model(2)
    width = 4

    def pick_ranked(logits, temperature):
        ranks = torch.arange(len(logits)) % width
        return logits.argsort(-1, descending=True)[torch.arange(len(logits)), ranks]

    monkeypatch.setattr(sampling, "pick_tokens", pick_ranked)
    ours = sample(model, tokenizer, PROMPTS, completions_per_prompt=width, eos_token_id=-1, max_completion_tokens=6)
    for index, completion in enumerate(ours):
        expected = []
        for _ in range(6):
            logits = model(torch.tensor([PROMPTS[index // width] + expected])).logits[0, -1]
            expected.append(int(logits.argsort(descending=True)[index % width]))
        assert completion == expected
    assert len(set(map(tuple, ours))) == len(ours)


def test_first_tokens_follow_the_softmax_at_the_temperature(path):
    model, tokenizer = make_model(3)
    torch.manual_seed(0)
    draws = 4000
    drawn = sample(
        model, tokenizer, PROMPTS[:1], completions_per_prompt=draws, temperature=0.7, max_completion_tokens=1
    )
    logits = model(torch.tensor(PROMPTS[:1])).logits[0, -1]
    expected = torch.softmax(logits / 0.7, -1)
    counts = torch.bincount(torch.tensor(drawn).flatten(), minlength=len(expected))
    spread = (expected * (1 - expected) / draws).sqrt()
    assert ((counts / draws - expected).abs() < 5 * spread + 1 / draws).all()


def test_sampling_is_seeded_by_the_global_generator(path):
    model, tokenizer = make_model(3)
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        runs.append(sample(model, tokenizer, PROMPTS, completions_per_prompt=4, temperature=1.0))
    assert runs[0] == runs[1] != runs[2]


def test_draws_are_those_of_multinomial():
    """Two thousand draws, with the generator at the same place: what torch draws, and no other."""
    logits = torch.randn(2000, 60, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    expected = torch.multinomial(torch.softmax(logits / 0.7, -1), 1).squeeze(-1)
    torch.manual_seed(1)
    assert torch.equal(pick_tokens(logits, 0.7), expected)


def test_sampler_takes_over_the_weights_of_each_step_and_prompts_of_any_length(path):
    """Sampled, trained on, sampled again with longer prompts: as a new sampler would each time."""
    model, tokenizer = make_model(0)
    settings = {"temperature": 0.0, "max_completion_tokens": 12}
    settings |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    sampler = Sampler(model, **settings)
    first = sampler.sample(PROMPTS, 2)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel()))
    for prompts in (PROMPTS, [prompt * 30 for prompt in PROMPTS], PROMPTS):
        assert sampler.sample(prompts, 2) == Sampler(model, **settings).sample(prompts, 2)
    assert sampler.sample(PROMPTS, 2) != first


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_graph_samples_what_steps_sample(monkeypatch, device, dtype):
    """Greedily, and to the token; in bfloat16, too, where both compute the same products of the same shapes."""
    model = make_model(1)[0].to(device, dtype)
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
    settings = {"temperature": 0.0, "max_completion_tokens": 40, "eos_token_id": 7, "pad_token_id": 0}
    completions = []
    for graph in (False, True):
        monkeypatch.setattr(Sampler, "_uses_graph", lambda sampler, graph=graph: graph)
        completions.append(sample_completions(model, PROMPTS, completions_per_prompt=8, **settings))
    assert completions[0] == completions[1]


def test_temperature_zero_is_greedy():
    assert pick_tokens(torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]]), 0).tolist() == [1, 0]
