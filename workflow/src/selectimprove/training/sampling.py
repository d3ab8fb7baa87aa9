"""Batched sampling of completions, for evaluation and for RL rollouts.

What it saves against `model.generate` on repeated prompts: a prompt runs through the model once, whatever the number of
its completions. A few completions of one prompt share a row: their tokens lie side by side after the prompt, and a mask
keeps each from seeing the others, so that keys and values of the prompt are held and read once. Keys and values are
written into a buffer of the final size instead of being concatenated at every token, and rows that have ended leave.
A small model's tokens cost more in the bookkeeping of its modules than in their products, so DecodeStep computes a
token of the architectures that it knows in fewer operations; any other model runs through its own forward.

On a GPU, launching some 500 small kernels a token takes ten times as long as their work. There a token of such a model,
from the draw to the next logits, is captured once as a CUDA graph and replayed (DecodeGraph): shapes stay as they are,
so rows that have ended stay, too, and every token attends to the whole buffer, what is not yet written masked.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from transformers import Cache, LlamaForCausalLM, PreTrainedModel, Qwen2ForCausalLM, Qwen3ForCausalLM
from transformers.cache_utils import DynamicLayer

COMPLETIONS_PER_ROW = 8  # at most; each completion's query is held against the keys of all in its row
LEAVING_SHARE = 0.25  # ended rows leave when they are this share of a batch: a copy of all keys and values costs a step
LENGTH_UNIT = 64  # in a graph, prompts are padded to a multiple of this many tokens, so that few lengths are captured
TOKENS_BETWEEN_CHECKS = 8  # in a graph: whether all have ended is asked so often, since the answer halts the GPU


class BufferedLayer(DynamicLayer):
    """Keys and values of one layer, in a buffer of shape (rows, heads, capacity, head size) that is filled in place.

    held_as: the type they are held in; None: as they come first.
    """

    def __init__(self, capacity: int, held_as: torch.dtype | None = None):
        super().__init__()
        self.capacity = capacity
        self.held_as = held_as

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs):
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.length = 0
            shape = (*key_states.shape[:2], self.capacity, key_states.shape[3])
            self.key_buffer = key_states.new_empty(shape, dtype=self.held_as)
            self.value_buffer = value_states.new_empty(shape, dtype=self.held_as)
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


class FixedLayer:
    """Keys and values of one layer, always the whole buffer; the columns to be written next are a tensor, as a graph
    needs it."""

    def __init__(self, shape: tuple[int, ...], columns: torch.Tensor, like: torch.Tensor):
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)  # what is masked must be a number
        self.columns = columns

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor):
        self.keys.index_copy_(2, self.columns, key_states)
        self.values.index_copy_(2, self.columns, value_states)
        return self.keys, self.values


class DecodeStep:
    """The forward of a Qwen2, Qwen3 or Llama model for the next token of each completion of a batch.

    Projections of the same input are one product, rotary embeddings come from a table of `positions` positions, and
    residuals are added by the products themselves. All is computed in `dtype`, whatever the type of the model's
    weights: those of another type, and those that are joined, are copies, which `refresh` makes anew.
    """

    ARCHITECTURES = (Qwen2ForCausalLM, Qwen3ForCausalLM, LlamaForCausalLM)

    def __init__(self, model: PreTrainedModel, positions: int, dtype: torch.dtype):
        config = model.config
        self.dtype = dtype
        self.query_heads, self.key_heads = config.num_attention_heads, config.num_key_value_heads
        self.attention_scale, self.head_size = (
            model.model.layers[0].self_attn.scaling,
            model.model.layers[0].self_attn.head_dim,
        )
        self.norm_epsilon = config.rms_norm_eps
        self._copies: list[tuple[torch.Tensor, tuple[torch.Tensor, ...]]] = []
        self.layers = [self._hold_layer(layer) for layer in model.model.layers]
        self.last_norm = self._hold(model.model.norm.weight)
        self.embedding = self._hold(model.model.embed_tokens.weight)
        tied = model.lm_head.weight is model.model.embed_tokens.weight
        self.head = self.embedding if tied else self._hold(model.lm_head.weight)
        table = torch.arange(positions, device=model.device)[None]
        like = self.embedding[:0]
        self.cosines, sines = (part[0] for part in model.model.rotary_emb(like, table))
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

    def _hold(self, *weights: torch.Tensor | None) -> torch.Tensor | None:
        """Return these weights one below the other in self.dtype; a single one of that type is the model's own."""
        if weights[0] is None:
            return None
        weights = tuple(weight.detach() for weight in weights)
        if len(weights) == 1 and weights[0].dtype == self.dtype:
            return weights[0]
        copy = torch.cat(weights).to(self.dtype)
        self._copies.append((copy, weights))
        return copy

    def _hold_layer(self, layer: nn.Module) -> dict[str, torch.Tensor | None]:
        attention, mlp = layer.self_attn, layer.mlp
        projections = {
            "qkv": (attention.q_proj, attention.k_proj, attention.v_proj),
            "output": (attention.o_proj,),
            "gate_up": (mlp.gate_proj, mlp.up_proj),
            "down": (mlp.down_proj,),
        }
        held = {name: self._hold(*(part.weight for part in parts)) for name, parts in projections.items()}
        held |= {f"{name}_bias": self._hold(*(part.bias for part in parts)) for name, parts in projections.items()}
        held["input_norm"] = self._hold(layer.input_layernorm.weight)
        held["mlp_norm"] = self._hold(layer.post_attention_layernorm.weight)
        normed = hasattr(attention, "q_norm")
        counts = ((attention.q_norm, self.query_heads), (attention.k_norm, self.key_heads)) if normed else ()
        norms = [norm.weight.expand(heads, 1, -1) for norm, heads in counts]
        held["query_key_norms"] = self._hold(*norms) if normed else None  # (heads, 1, head size)
        return held

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the weights that the model has now."""
        for copy, weights in self._copies:
            for part, weight in zip(copy.split([len(weight) for weight in weights]), weights, strict=True):
                part.copy_(weight)

    def __call__(self, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Return logits, shape (rows, width, vocabulary), of tokens and positions of shape (rows, width).

        mask: (rows, width, length), added to the attention scores over the filled cache and these tokens.
        """
        rows, width = tokens.shape
        cosines, sines = self.cosines[positions][:, None], self.signed_sines[positions][:, None]
        # Query heads that share a key head are queries of one head: no copy of keys and values for each.
        mask = mask.repeat(1, self.query_heads // self.key_heads, 1)[:, None]
        hidden = functional.embedding(tokens.flatten(), self.embedding)
        for layer, cached in zip(self.layers, cache.layers, strict=True):
            states = functional.linear(self._normalize(hidden, layer["input_norm"]), layer["qkv"], layer["qkv_bias"])
            states = states.view(rows, width, -1, self.head_size).transpose(1, 2)
            turned, values = states.split([self.query_heads + self.key_heads, self.key_heads], 1)
            if layer["query_key_norms"] is not None:
                turned = self._normalize(turned) * layer["query_key_norms"]
            swapped = turned.unflatten(-1, (2, -1)).flip(-2).flatten(-2)
            turned = torch.addcmul(turned * cosines, swapped, sines)
            queries, keys = turned.split([self.query_heads, self.key_heads], 1)
            attended = functional.scaled_dot_product_attention(
                queries.reshape(rows, self.key_heads, -1, self.head_size),
                *cached.update(keys, values),
                attn_mask=mask,
                scale=self.attention_scale,
            )
            attended = attended.view(rows, self.query_heads, width, -1).transpose(1, 2).reshape(rows * width, -1)
            hidden = _add_product(hidden, attended, layer["output"], layer["output_bias"])
            normalized = self._normalize(hidden, layer["mlp_norm"])
            gate, up = functional.linear(normalized, layer["gate_up"], layer["gate_up_bias"]).chunk(2, -1)
            hidden = _add_product(hidden, functional.silu(gate) * up, layer["down"], layer["down_bias"])
        return functional.linear(self._normalize(hidden, self.last_norm), self.head).view(rows, width, -1)

    def _normalize(self, hidden: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        return functional.rms_norm(hidden, hidden.shape[-1:], weight, self.norm_epsilon)


def _add_product(
    residual: torch.Tensor, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    return torch.addmm(residual if bias is None else residual + bias, inputs, weight.t())


def pick_tokens(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return one token for each row of logits, shape (rows, vocabulary); temperature 0 is greedy."""
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits.float() / temperature, -1)
    # What torch.multinomial draws, without its check of the probabilities, which halts a GPU.
    return (probabilities / torch.empty_like(probabilities).exponential_()).argmax(-1)


class DecodeGraph:
    """One token of every completion of a batch, from the draw to the next logits, on tensors that stay where they are.

    shape: rows, completions side by side in a row, columns of the prompts, tokens of a completion. The first token is
    computed as the code stands, as are all where `captured` is false; the others replay a CUDA graph.
    """

    def __init__(
        self, decode: DecodeStep, shape: tuple[int, int, int, int], temperature: float, eos: int, captured: bool
    ):
        self.decode, self.shape, self.temperature, self.eos, self.captured = decode, shape, temperature, eos, captured
        rows, width, self.prompt_columns, self.max_tokens = shape
        like = decode.embedding
        capacity = self.prompt_columns + self.max_tokens * width
        self.step = torch.zeros(1, dtype=torch.long, device=like.device)
        self.own = torch.arange(width, device=like.device)
        self.next_columns = self.prompt_columns + self.own
        self.column = torch.arange(capacity, device=like.device)
        buffer = (rows, decode.key_heads, capacity, decode.head_size)
        self.cache = Cache(layers=[FixedLayer(buffer, self.next_columns, like) for _ in decode.layers])
        self.visible = torch.zeros(rows, width, capacity, dtype=torch.bool, device=like.device)
        own_column = (self.column - self.prompt_columns) % width == self.own[:, None]
        self.visible[:] = own_column & (self.column >= self.prompt_columns)
        self.positions = torch.zeros(rows, width, dtype=torch.long, device=like.device)
        self.logits = like.new_zeros(rows, width, len(like))
        self.sampled = torch.zeros(rows, self.max_tokens, width, dtype=torch.long, device=like.device)
        self.ended = torch.zeros(rows, width, dtype=torch.bool, device=like.device)
        self.replay: Callable[[], None] | None = None

    def start(self, in_prompt: torch.Tensor, prompt_cache: Cache, logits: torch.Tensor) -> None:
        """Take over a batch.

        in_prompt: (rows, columns), which columns hold a prompt's tokens; prompt_cache: their keys and values, a row
        each; logits: of the first tokens, (rows, vocabulary).
        """
        columns = in_prompt.shape[1]
        self.visible[:, :, : self.prompt_columns] = False
        self.visible[:, :, self.prompt_columns - columns : self.prompt_columns] = in_prompt[:, None]
        for fixed, layer in zip(self.cache.layers, prompt_cache.layers, strict=True):
            fixed.keys[:, :, self.prompt_columns - columns : self.prompt_columns] = layer.keys
            fixed.values[:, :, self.prompt_columns - columns : self.prompt_columns] = layer.values
        self.positions[:] = in_prompt.sum(-1)[:, None]
        self.logits[:] = logits[:, None]
        self.step.zero_()
        self.next_columns.copy_(self.prompt_columns + self.own)
        self.ended.zero_()

    def advance(self) -> None:
        """Draw the next token of each completion, and compute the logits of the one after it."""
        rows, width = self.ended.shape
        tokens = pick_tokens(self.logits.flatten(0, 1), self.temperature).view(rows, width)
        self.sampled.index_copy_(1, self.step, tokens[:, None])
        self.ended |= tokens == self.eos
        mask = self.logits.new_zeros(self.visible.shape)
        mask.masked_fill_(~(self.visible & (self.column <= self.next_columns[-1])), torch.finfo(mask.dtype).min)
        self.logits.copy_(self.decode(tokens, mask, self.positions + self.step, self.cache))
        self.step += 1
        self.next_columns += width

    def run(self) -> torch.Tensor:
        """Return the tokens of all completions, shape (rows, tokens, width); after the end of one comes anything."""
        step = self.advance if self.replay is None else self.replay
        for done in range(1, self.max_tokens + 1):
            step()
            if self.captured and self.replay is None:
                step = self.replay = capture(self.advance)
            if done % TOKENS_BETWEEN_CHECKS == 0 and bool(self.ended.all()):
                break
        return self.sampled[:, :done]


def capture(operation: Callable[[], None]) -> Callable[[], None]:
    """Return what does on the GPU, at one launch, what `operation` does; nothing is done yet.

    The operation has run before, so that nothing in it is set up for the first time.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        operation()
    return graph.replay


class Sampler:
    """Samples completions from a model, as often as asked, with the weights that the model then has.

    A completion ends with its end-of-sequence token, or without one after max_completion_tokens. Draws come from the
    global torch RNG. dtype: of what is computed for each token, the model's own by default; models that DecodeStep does
    not know compute as they are. Prompts of like length share a batch of about completions_per_batch completions.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        temperature: float,
        max_completion_tokens: int,
        eos_token_id: int,
        pad_token_id: int,
        completions_per_batch: int = 256,
        dtype: torch.dtype | None = None,
    ):
        self.model = model
        self.temperature, self.max_tokens = temperature, max_completion_tokens
        self.eos_token_id, self.pad_token_id = eos_token_id, pad_token_id
        self.completions_per_batch = completions_per_batch
        self.dtype = dtype or model.dtype
        self.decode: DecodeStep | None = None
        self.graph: DecodeGraph | None = None

    @torch.inference_mode()
    def sample(self, prompts: list[list[int]], completions_per_prompt: int) -> list[list[int]]:
        """Return the token ids of completions_per_prompt completions for each prompt, in the order of the prompts.

        Raises ValueError if prompt and completion can be longer than the attention window of the model.
        """
        longest = max(map(len, prompts), default=0)
        window = getattr(self.model.config, "sliding_window", None)
        if window is not None and longest + self.max_tokens > window:
            raise ValueError(
                f"{longest} prompt and {self.max_tokens} completion tokens: the model attends to {window} only"
            )
        self._prepare(longest)
        completions: list[list[int]] = [[] for _ in range(len(prompts) * completions_per_prompt)]
        by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        prompts_per_batch = max(1, self.completions_per_batch // completions_per_prompt)
        for at in range(0, len(prompts), prompts_per_batch):
            batch = by_length[at : at + prompts_per_batch]
            sampled = self._sample_batch([prompts[index] for index in batch], completions_per_prompt)
            for position, index in enumerate(batch):
                completions[index * completions_per_prompt : (index + 1) * completions_per_prompt] = sampled[
                    position * completions_per_prompt : (position + 1) * completions_per_prompt
                ]
        return completions

    def _prepare(self, longest: int) -> None:
        """Take over the model's weights, and have room for prompts of up to `longest` tokens."""
        if not DecodeStep.fits(self.model):
            return
        positions = _round_up(longest) + self.max_tokens
        if self.decode is None or positions > len(self.decode.cosines):
            self.decode, self.graph = DecodeStep(self.model, positions, self.dtype), None
        else:
            self.decode.refresh()

    def _uses_graph(self) -> bool:
        return self.decode is not None and self.model.device.type == "cuda"

    def _sample_batch(self, prompts: list[list[int]], completions_per_prompt: int) -> list[list[int]]:
        """Return the completions of one batch, prompt by prompt."""
        device = self.model.device
        width = max(size for size in range(1, COMPLETIONS_PER_ROW + 1) if completions_per_prompt % size == 0)
        longest = max(map(len, prompts))
        ids = torch.tensor(
            [[self.pad_token_id] * (longest - len(prompt)) + prompt for prompt in prompts], device=device
        )
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        in_prompt = torch.arange(longest, device=device) >= (longest - lengths)[:, None]
        capacity = longest + (0 if self._uses_graph() else self.max_tokens * width)
        held_as = None if self.decode is None else self.dtype
        layers = [BufferedLayer(capacity, held_as) for _ in range(self.model.config.num_hidden_layers)]
        cache = Cache(layers=layers)
        logits = self.model(
            input_ids=ids,
            attention_mask=None if in_prompt.all() else in_prompt.long(),
            position_ids=(in_prompt.cumsum(-1) - 1).clamp(min=0),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, 0]
        rows = torch.arange(len(prompts), device=device).repeat_interleave(completions_per_prompt // width)
        for layer in cache.layers:
            layer.select(rows)
        continue_batch = self._continue_in_graph if self._uses_graph() else self._continue
        sampled = continue_batch(in_prompt[rows], cache, logits[rows], width)
        return [self._cut(tokens) for tokens in sampled.transpose(1, 2).flatten(0, 1).tolist()]

    def _cut(self, tokens: list[int]) -> list[int]:
        """Return the tokens of a completion up to its end-of-sequence token, that included."""
        return tokens[: tokens.index(self.eos_token_id) + 1] if self.eos_token_id in tokens else tokens

    def _continue_in_graph(
        self, in_prompt: torch.Tensor, cache: Cache, logits: torch.Tensor, width: int
    ) -> torch.Tensor:
        """Return the tokens that follow the prompts of these rows, shape (rows, tokens, width); see DecodeGraph."""
        rows, columns = in_prompt.shape
        shape = (rows, width, _round_up(columns), self.max_tokens)
        if self.graph is None or self.graph.shape != shape:
            self.graph = None  # first, so that one batch's keys and values are held at a time
            captured = self.model.device.type == "cuda"
            self.graph = DecodeGraph(self.decode, shape, self.temperature, self.eos_token_id, captured)
        self.graph.start(in_prompt, cache, logits)
        return self.graph.run()

    def _continue(self, in_prompt: torch.Tensor, cache: Cache, logits: torch.Tensor, width: int) -> torch.Tensor:
        """Return the tokens that follow the prompts of these rows, shape (rows, tokens, width), padded."""
        device = self.model.device
        rows, longest = in_prompt.shape
        dtype = self.model.dtype if self.decode is None else self.dtype
        # Column `longest + step * width + i` of a row holds the token of completion i at a step.
        own = (torch.arange(self.max_tokens * width, device=device) % width) == torch.arange(width, device=device)[
            :, None
        ]
        visible = torch.cat([in_prompt[:, None].expand(-1, width, -1), own.expand(rows, -1, -1)], -1)
        mask = torch.zeros(visible.shape, dtype=dtype, device=device)
        mask.masked_fill_(~visible, torch.finfo(dtype).min)
        positions = in_prompt.sum(-1)[:, None].expand(-1, width)
        logits = logits[:, None].expand(-1, width, -1)
        alive = torch.arange(rows, device=device)  # rows still in the batch
        sampled = torch.full((rows, self.max_tokens, width), self.pad_token_id, device=device)
        running = torch.ones((rows, width), dtype=torch.bool, device=device)
        for step in range(self.max_tokens):
            tokens = pick_tokens(logits.flatten(0, 1), self.temperature).view(-1, width)
            sampled[alive, step] = tokens
            ending = running & (tokens == self.eos_token_id)
            if ending.any():
                running = running & ~ending
                staying = running.any(-1)
                if not staying.any():
                    break
                if (~staying).float().mean() >= LEAVING_SHARE:
                    alive, tokens, running = alive[staying], tokens[staying], running[staying]
                    mask, positions = mask[staying], positions[staying]
                    for layer in cache.layers:
                        layer.select(staying.nonzero().squeeze(-1))
            if step + 1 == self.max_tokens:
                break
            logits = self._decode(tokens, mask[:, :, : longest + (step + 1) * width], positions + step, cache)
        return sampled

    def _decode(self, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Return the next tokens' logits as DecodeStep does; for a model that it does not know, by its own forward."""
        if self.decode is not None:
            return self.decode(tokens, mask, positions, cache)
        return self.model(
            input_ids=tokens,
            attention_mask=mask[:, None],
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).logits


def _round_up(columns: int) -> int:
    return -(-columns // LENGTH_UNIT) * LENGTH_UNIT


def sample_completions(
    model: PreTrainedModel, prompts: list[list[int]], *, completions_per_prompt: int, **settings
) -> list[list[int]]:
    """Return completions of each prompt, sampled once from a model; settings: those of Sampler."""
    return Sampler(model, **settings).sample(prompts, completions_per_prompt)
