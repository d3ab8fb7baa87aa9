"""Batched sampling of completions, for evaluation and for RL rollouts.

What it saves against `model.generate` on repeated prompts: a prompt runs through the model once, whatever the number of
its completions. A few completions of one prompt share a row: their tokens lie side by side after the prompt, and a mask
keeps each from seeing the others, so that keys and values of the prompt are held and read once. Keys and values are
written into a buffer of the final size instead of being concatenated at every token, and rows that have ended leave.
A small model's tokens cost more in the bookkeeping of its modules than in their products, so DecodeStep computes a
token of the architectures that it knows in fewer operations; any other model runs through its own forward.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from transformers import Cache, LlamaForCausalLM, PreTrainedModel, Qwen2ForCausalLM, Qwen3ForCausalLM
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


class DecodeStep:
    """The forward of a Qwen2, Qwen3 or Llama model for the next token of each completion of a batch.

    Projections of the same input are one product, rotary embeddings come from a table of `positions` positions, and
    residuals are added by the products themselves. The weights are as they were when the step was made.
    """

    ARCHITECTURES = (Qwen2ForCausalLM, Qwen3ForCausalLM, LlamaForCausalLM)

    def __init__(self, model: PreTrainedModel, positions: int):
        config = model.config
        self.model = model
        self.query_heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.layers = [
            (
                layer,
                *_join_projections(layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj),
                self._join_norms(layer.self_attn),
                *_join_projections(layer.mlp.gate_proj, layer.mlp.up_proj),
            )
            for layer in model.model.layers
        ]
        table = torch.arange(positions, device=model.device)[None]
        self.cosines, sines = (part[0] for part in model.model.rotary_emb(model.lm_head.weight, table))
        lower, upper = sines.chunk(2, -1)
        self.signed_sines = torch.cat([-lower, upper], -1)  # of halves that change places instead of signs

    @classmethod
    def fits(cls, model: nn.Module) -> bool:
        """Whether the model is computed as here: full attention, gated SiLU, and plain projections (no adapters)."""
        return (
            type(model) in cls.ARCHITECTURES
            and model.config.hidden_act == "silu"
            and not getattr(model.config, "use_sliding_window", False)
            and all(type(layer) is nn.Linear for name, layer in model.named_modules() if name.endswith("_proj"))
        )

    def _join_norms(self, attention: nn.Module) -> torch.Tensor | None:
        """Return the weights that queries and keys are normalised with, (heads, 1, head size); None if they are not."""
        if not hasattr(attention, "q_norm"):
            return None
        counts = ((attention.q_norm, self.query_heads), (attention.k_norm, self.key_heads))
        return torch.cat([norm.weight.expand(heads, 1, -1) for norm, heads in counts])

    def __call__(self, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Return logits, shape (rows, width, vocabulary), of tokens and positions of shape (rows, width).

        mask: (rows, width, length), added to the attention scores over the filled cache and these tokens.
        """
        rows, width = tokens.shape
        cosines, sines = self.cosines[positions][:, None], self.signed_sines[positions][:, None]
        hidden = self.model.model.embed_tokens(tokens.flatten())
        for (layer, qkv, qkv_bias, norms, gate_up, gate_up_bias), cached in zip(self.layers, cache.layers, strict=True):
            states = functional.linear(_normalize(hidden, layer.input_layernorm), qkv, qkv_bias)
            states = states.view(rows, width, -1, layer.self_attn.head_dim).transpose(1, 2)
            turned, values = states.split([self.query_heads + self.key_heads, self.key_heads], 1)
            if norms is not None:
                eps = layer.self_attn.q_norm.variance_epsilon
                turned = functional.rms_norm(turned, turned.shape[-1:], eps=eps) * norms
            swapped = turned.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
            turned = torch.addcmul(turned * cosines, swapped, sines)
            queries, keys = turned.split([self.query_heads, self.key_heads], 1)
            attended = functional.scaled_dot_product_attention(
                queries,
                *cached.update(keys, values),
                attn_mask=mask[:, None],
                scale=layer.self_attn.scaling,
                enable_gqa=self.query_heads != self.key_heads,
            )
            hidden = _add_product(hidden, attended.transpose(1, 2).reshape(rows * width, -1), layer.self_attn.o_proj)
            gated = functional.linear(_normalize(hidden, layer.post_attention_layernorm), gate_up, gate_up_bias)
            gate, up = gated.chunk(2, -1)
            hidden = _add_product(hidden, functional.silu(gate) * up, layer.mlp.down_proj)
        return self.model.lm_head(_normalize(hidden, self.model.model.norm)).view(rows, width, -1)


def _join_projections(*projections: nn.Linear) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return weight and bias of one product in place of several that have the same input."""
    biases = [projection.bias for projection in projections]
    bias = None if biases[0] is None else torch.cat(biases)
    return torch.cat([projection.weight for projection in projections]), bias


def _add_product(residual: torch.Tensor, inputs: torch.Tensor, projection: nn.Linear) -> torch.Tensor:
    if projection.bias is not None:
        residual = residual + projection.bias
    return torch.addmm(residual, inputs, projection.weight.t())


def _normalize(hidden: torch.Tensor, norm: nn.Module) -> torch.Tensor:
    return functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)


def make_decode_step(model: PreTrainedModel, positions: int) -> Callable[..., torch.Tensor]:
    """Return what computes the next tokens' logits as DecodeStep does; for other models, by their own forward."""
    if DecodeStep.fits(model):
        return DecodeStep(model, positions)
    return lambda tokens, mask, positions, cache: (
        model(
            input_ids=tokens,
            attention_mask=mask[:, None],
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits
    )


def pick_tokens(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return one token for each row of logits, shape (rows, vocabulary); temperature 0 is greedy."""
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial(torch.softmax(logits.float() / temperature, -1), 1).squeeze(-1)


@torch.inference_mode()
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

    Raises ValueError if prompt and completion can be longer than the attention window of the model.
    """
    longest = max(map(len, prompts), default=0)
    window = getattr(model.config, "sliding_window", None)
    if window is not None and longest + max_completion_tokens > window:
        raise ValueError(
            f"{longest} prompt and {max_completion_tokens} completion tokens: the model attends to {window} only"
        )
    completions: list[list[int]] = [[] for _ in range(len(prompts) * completions_per_prompt)]
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    prompts_per_batch = max(1, completions_per_batch // completions_per_prompt)
    decode = make_decode_step(model, positions=longest + max_completion_tokens)
    for at in range(0, len(prompts), prompts_per_batch):
        batch = by_length[at : at + prompts_per_batch]
        sampled = _sample_batch(
            model,
            decode,
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
    decode: Callable[..., torch.Tensor],
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
        logits = decode(tokens, mask[:, :, : longest + (step + 1) * width], positions + step, cache)
    columns = sampled.transpose(1, 2).flatten(0, 1).tolist()
    return [tokens[:count] for tokens, count in zip(columns, counts.flatten().tolist(), strict=True)]
