"""Batched sampling of completions, for evaluation and for RL rollouts.

Each distinct prompt is run through the model once, whatever the number of its completions; keys and values are written
into a buffer of the final size instead of being concatenated at every token; and rows that have ended leave the batch.
"""

import torch
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer


class BufferedLayer(DynamicLayer):
    """Keys and values of one layer, in a buffer of shape (rows, heads, capacity, head size) that is filled in place."""

    def __init__(self, capacity: int):
        super().__init__()
        self.capacity = capacity

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.length = 0
            shape = (*key_states.shape[:2], self.capacity, key_states.shape[3])
            self.key_buffer, self.value_buffer = key_states.new_empty(shape), value_states.new_empty(shape)
        end = self.length + key_states.shape[2]
        self.key_buffer[:, :, self.length : end] = key_states
        self.value_buffer[:, :, self.length : end] = value_states
        self.length = end
        self._show_filled()
        return self.keys, self.values

    def _show_filled(self) -> None:
        self.keys, self.values = self.key_buffer[:, :, : self.length], self.value_buffer[:, :, : self.length]

    def select(self, rows: torch.Tensor) -> None:
        """Keep (or repeat) these rows."""
        self.key_buffer, self.value_buffer = self.key_buffer[rows], self.value_buffer[rows]
        self._show_filled()


def pick_tokens(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return one token a row, shape (rows,), from logits of shape (rows, vocabulary); temperature 0 is greedy."""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits.float() / temperature, -1), 1).squeeze(-1)


@torch.no_grad()
def sample_completions(
    model: PreTrainedModel,
    prompts: list[list[int]],
    *,
    completions_per_prompt: int,
    temperature: float,
    max_completion_tokens: int,
    eos_token_id: int,
    pad_token_id: int,
    rows_per_batch: int = 512,
) -> list[list[int]]:
    """Return the token ids of completions_per_prompt completions for each prompt, in the order of the prompts.

    A completion ends with its end-of-sequence token, or without one after max_completion_tokens. Draws come from the
    global torch RNG. Prompts of like length share a batch of about rows_per_batch rows.
    """
    completions: list[list[int]] = [[] for _ in range(len(prompts) * completions_per_prompt)]
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    prompts_per_batch = max(1, rows_per_batch // completions_per_prompt)
    for at in range(0, len(prompts), prompts_per_batch):
        batch = by_length[at : at + prompts_per_batch]
        sampled = _sample_batch(
            model,
            [prompts[index] for index in batch],
            completions_per_prompt,
            temperature,
            max_completion_tokens,
            eos_token_id,
            pad_token_id,
        )
        for position, index in enumerate(batch):
            for sample in range(completions_per_prompt):
                completions[index * completions_per_prompt + sample] = sampled[
                    position * completions_per_prompt + sample
                ]
    return completions


def _sample_batch(
    model: PreTrainedModel,
    prompts: list[list[int]],
    repeats: int,
    temperature: float,
    max_tokens: int,
    eos_token_id: int,
    pad_token_id: int,
) -> list[list[int]]:
    """Return `repeats` completions for each prompt of one batch, prompt by prompt."""
    device = model.device
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad_token_id] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    padded = bool((lengths < longest).any())
    # Left padding: the mask covers the whole buffer at once, and each step uses the part that is filled.
    columns = torch.arange(longest + max_tokens, device=device)
    mask = (columns >= (longest - lengths)[:, None]).long()
    cache = Cache(layers=[BufferedLayer(longest + max_tokens) for _ in range(model.config.num_hidden_layers)])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    output = model(
        input_ids=ids,
        attention_mask=mask[:, :longest] if padded else None,
        position_ids=positions[:, :longest],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    rows = torch.arange(len(prompts), device=device).repeat_interleave(repeats)
    for layer in cache.layers:
        layer.select(rows)
    logits, mask, positions = output.logits[rows, -1], mask[rows], positions[rows]
    alive = torch.arange(len(rows), device=device)
    sampled = torch.full((len(rows), max_tokens), pad_token_id, device=device)
    counts = torch.full((len(rows),), max_tokens, device=device)
    for step in range(max_tokens):
        tokens = pick_tokens(logits, temperature)
        sampled[alive, step] = tokens
        running = tokens != eos_token_id
        if not running.all():
            counts[alive[~running]] = step + 1
            alive, tokens, mask, positions = alive[running], tokens[running], mask[running], positions[running]
            for layer in cache.layers:
                layer.select(running.nonzero().squeeze(-1))
        if len(alive) == 0 or step + 1 == max_tokens:
            break
        filled = longest + step + 1
        output = model(
            input_ids=tokens[:, None],
            attention_mask=mask[:, :filled] if padded else None,
            position_ids=positions[:, filled - 1 : filled],
            past_key_values=cache,
            use_cache=True,
        )
        logits = output.logits[:, -1]
    return [row[:count] for row, count in zip(sampled.tolist(), counts.tolist(), strict=True)]
