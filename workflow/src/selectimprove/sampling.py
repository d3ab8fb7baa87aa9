"""Batched sampling of completions, for evaluation and for RL rollouts.

What it saves against `model.generate` on repeated prompts: a prompt runs through the model once, whatever the number of
its completions. A few completions of one prompt share a row: their tokens lie side by side after the prompt, and a mask
keeps each from seeing the others, so that keys and values of the prompt are held and read once. Keys and values are
written into a buffer of the final size instead of being concatenated at every token, and rows that have ended leave.
"""

import torch
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

COMPLETIONS_PER_ROW = 8  # at most; each completion's query is held against the keys of all in its row
LEAVING_SHARE = 0.25  # ended rows leave when they are this share of a batch: a copy of all keys and values costs a step


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
    """Return one token for each row of logits, shape (rows, vocabulary); temperature 0 is greedy."""
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
    completions_per_batch: int = 256,
) -> list[list[int]]:
    """Return the token ids of completions_per_prompt completions for each prompt, in the order of the prompts.

    A completion ends with its end-of-sequence token, or without one after max_completion_tokens. Draws come from the
    global torch RNG. Prompts of like length share a batch of about completions_per_batch completions.
    """
    completions: list[list[int]] = [[] for _ in range(len(prompts) * completions_per_prompt)]
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    prompts_per_batch = max(1, completions_per_batch // completions_per_prompt)
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
            completions[index * completions_per_prompt : (index + 1) * completions_per_prompt] = sampled[
                position * completions_per_prompt : (position + 1) * completions_per_prompt
            ]
    return completions


def _sample_batch(
    model: PreTrainedModel,
    prompts: list[list[int]],
    completions_per_prompt: int,
    temperature: float,
    max_tokens: int,
    eos_token_id: int,
    pad_token_id: int,
) -> list[list[int]]:
    """Return the completions of one batch, prompt by prompt."""
    device = model.device
    width = max(size for size in range(1, COMPLETIONS_PER_ROW + 1) if completions_per_prompt % size == 0)
    longest = max(map(len, prompts))
    capacity = longest + max_tokens * width
    ids = torch.tensor([[pad_token_id] * (longest - len(prompt)) + prompt for prompt in prompts], device=device)
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    in_prompt = torch.arange(longest, device=device) >= (longest - lengths)[:, None]
    cache = Cache(layers=[BufferedLayer(capacity) for _ in range(model.config.num_hidden_layers)])
    output = model(
        input_ids=ids,
        attention_mask=None if in_prompt.all() else in_prompt.long(),
        position_ids=(in_prompt.cumsum(-1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    rows = torch.arange(len(prompts), device=device).repeat_interleave(completions_per_prompt // width)
    for layer in cache.layers:
        layer.select(rows)
    # Column `longest + step * width + i` of a row holds the token of completion i at a step.
    own = (torch.arange(capacity - longest, device=device) % width) == torch.arange(width, device=device)[:, None]
    visible = torch.cat([in_prompt[rows, None].expand(-1, width, -1), own.expand(len(rows), -1, -1)], -1)
    mask = torch.zeros(visible.shape, dtype=model.dtype, device=device)
    mask.masked_fill_(~visible, torch.finfo(model.dtype).min)
    positions = lengths[rows, None].expand(-1, width)
    logits = output.logits[rows].expand(-1, width, -1)
    alive = torch.arange(len(rows), device=device)  # rows still in the batch
    sampled = torch.full((len(rows), max_tokens, width), pad_token_id, device=device)
    counts = torch.full((len(rows), width), max_tokens, device=device)
    running = torch.ones_like(counts, dtype=torch.bool)
    for step in range(max_tokens):
        tokens = pick_tokens(logits.flatten(0, 1), temperature).view(-1, width)
        sampled[alive, step] = tokens
        ending = running & (tokens == eos_token_id)
        if ending.any():
            counts[alive] = torch.where(ending, step + 1, counts[alive])
            running = running & ~ending
            staying = running.any(-1)
            if not staying.any():
                break
            if (~staying).float().mean() >= LEAVING_SHARE:
                alive, tokens, running = alive[staying], tokens[staying], running[staying]
                mask, positions = mask[staying], positions[staying]
                for layer in cache.layers:
                    layer.select(staying.nonzero().squeeze(-1))
        if step + 1 == max_tokens:
            break
        logits = model(
            input_ids=tokens,
            attention_mask=mask[:, None, :, : longest + (step + 1) * width],
            position_ids=positions + step,
            past_key_values=cache,
            use_cache=True,
        ).logits
    columns = sampled.transpose(1, 2).flatten(0, 1).tolist()
    return [tokens[:count] for tokens, count in zip(columns, counts.flatten().tolist(), strict=True)]
