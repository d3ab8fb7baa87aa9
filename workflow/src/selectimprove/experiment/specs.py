"""Frozen specifications of everything the workflow makes: what a job is told, and what its result depends on.

A spec travels as JSON from the rule's params through the command line to the library, and into the provenance of
what the job made. `recipe_version` of a training stage is raised by hand when its code changes what it computes; an
edit that does not change results therefore retrains nothing.
"""

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from selectimprove.tasks.specs import DatasetSpec, TaskSpec

Spec = TypeVar("Spec")

PACKAGED = "package:"


@dataclass(frozen=True)
class LoraSpec:
    """LoRA adapters on all linear layers."""

    rank: int
    alpha: int
    dropout: float


@dataclass(frozen=True)
class ArchitectureSpec:
    """The small model that `source: scratch` pretrains.

    family: qwen2, or qwen3, which normalises queries and keys; qk_norm: what the weights of these norms are before
    training, None with qwen2.
    """

    family: str
    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    rope_theta: float
    initializer_range: float
    qk_norm: float | None

    @property
    def layer_weights(self) -> int:
        """The weights of the matrices in the layers: those without embeddings, of Kaplan et al. (arXiv 2001.08361)."""
        return self.layers * self.hidden_size * (4 * self.hidden_size + 3 * self.intermediate_size)


@dataclass(frozen=True)
class ModelSpec:
    """The base model; text: a key of TEXT_FORMS.

    source: "scratch", a folder, a hub id at the commit `revision`, or "package:<package>/<file>.gguf", a file that an
    installed Python package holds, whose SHA-256 is `revision`.
    """

    source: str
    revision: str | None
    text: str
    architecture: ArchitectureSpec

    @property
    def is_packaged(self) -> bool:
        """Whether the source is a file of an installed package."""
        return self.source.startswith(PACKAGED)

    @property
    def is_on_hub(self) -> bool:
        """Whether the source is a hub id."""
        return self.source != "scratch" and not self.is_packaged and not Path(self.source).is_dir()


@dataclass(frozen=True)
class StepsSpec:
    """The numbers of steps of a part, for each direction in which logs are executed."""

    forward: tuple[int, int]
    backward: tuple[int, int]


@dataclass(frozen=True)
class MuonSpec:
    """Muon on the matrices inside the layers."""

    learning_rate: float
    momentum: float


@dataclass(frozen=True)
class PretrainSpec:
    """Pretraining of the tiny base on execution logs of `parts` parts of `steps` steps and on single facts.

    quoted_share: the share of parts that are quoted instead of executed; forward_share: the share of the others that
    are executed forward; learning_rate: of AdamW, which trains all that Muon does not; curriculum_share: the share of
    the updates in which logs grow longer; threads: of the CPU, whose number moves rounding.
    """

    model: ModelSpec
    task: TaskSpec
    parts: tuple[int, int]
    steps: StepsSpec
    updates: int
    logs_per_update: int
    quoted_share: float
    forward_share: float
    facts_per_row: int
    learning_rate: float
    muon: MuonSpec | None
    warmup_share: float
    curriculum_share: float
    checkpoint_every: int
    threads: int
    seed: int
    recipe_version: int = 7


@dataclass(frozen=True)
class ConvertSpec:
    """Unpacking of a packaged model's weights into a checkpoint."""

    model: ModelSpec
    recipe_version: int = 1


@dataclass(frozen=True)
class SFTSpec:
    """One supervised run: AdamW, linear decay to zero after warm-up, loss on the completion only.

    processes, threads of each, and sft_micro_batches, the parts in which a batch, or each process's share of it, passes
    through the model (more where memory runs out): they move rounding.
    """

    run: str
    dataset: str
    model: ModelSpec
    epochs: float
    batch_size: int
    learning_rate: float
    warmup_share: float
    lora: LoraSpec | None
    checkpoint_every: int
    processes: int
    threads: int
    sft_micro_batches: int
    seed: int
    recipe_version: int = 2


@dataclass(frozen=True)
class RLSpec:
    """One GRPO run. start: the SFT or RL run whose final checkpoint it starts from; lengths are in tokens.

    lr_schedule: a transformers scheduler name; kl_bias_correction: whether the KL estimate is weighted by the
    importance ratio; checkpoint_every: RL steps between kept checkpoints; processes: each draws completions of its
    own, so that their number changes what is learned; threads: of each.
    """

    run: str
    start: str
    dataset: str
    model: ModelSpec
    updates: int
    prompts_per_step: int
    completions_per_prompt: int
    max_completion_tokens: int
    learning_rate: float
    lr_schedule: str
    beta: float
    kl_bias_correction: bool
    temperature: float
    loss_type: str
    micro_batches: int
    lora: LoraSpec | None
    checkpoint_every: int
    processes: int
    threads: int
    seed: int
    recipe_version: int = 5

    @property
    def completions_per_step(self) -> int:
        """The completions that an RL step samples and learns from."""
        return self.prompts_per_step * self.completions_per_prompt

    @property
    def checkpoint_steps(self) -> list[int]:
        """The RL steps after which a checkpoint is kept."""
        return list_kept_steps(self.updates, self.checkpoint_every)


@dataclass(frozen=True)
class FilterSpec:
    """Which training problems of the data set `candidates` a filtered data set takes: the first of those in a band.

    pass_rate: the band, from the first number, which is in it, to the second, which is not unless it is 1. samples:
    completions of each candidate, from the last checkpoint of `run`; the share of right ones is its pass rate.
    """

    candidates: str
    run: str
    pass_rate: tuple[float, float]
    samples: int

    def takes(self, pass_rate: float) -> bool:
        """Return whether a pass rate is in the band."""
        lowest, highest = self.pass_rate
        return lowest <= pass_rate < highest or pass_rate == highest == 1


@dataclass(frozen=True)
class FilteredDataSpec:
    """One job that filters the training split of a data set under one seed."""

    dataset: DatasetSpec
    filter: FilterSpec
    seed: int
    recipe_version: int = 1


@dataclass(frozen=True)
class PassRateSpec:
    """Measuring of a run's pass rates, at its last checkpoint, on the training problems of `dataset`.

    temperature, max_completion_tokens: those of the RL runs that are trained on what is filtered by these pass rates.
    threads: of the CPU.
    """

    run: str
    dataset: str
    samples: int
    temperature: float
    max_completion_tokens: int
    text: str
    threads: int
    seed: int
    recipe_version: int = 1


@dataclass(frozen=True)
class SuiteSpec:
    """Held-out problems (the first `problems` of the test split of `dataset`; None: all) and how they are sampled.

    forced_strategies: the strategies that completions are made to begin in, one after the other, by their opening and
    the words of their first step; none: they begin freely. checkpoints: "all" that a run keeps, or its "last".
    """

    name: str
    dataset: str
    problems: int | None
    completions_per_problem: int
    temperature: float
    max_completion_tokens: int
    forced_strategies: tuple[str, ...]
    checkpoints: str


@dataclass(frozen=True)
class EvaluationSpec:
    """Evaluation of the kept checkpoints of one run on one suite.

    sft_run: the SFT run at the root; training: "sft", or the RL data sets met since, joined by "+".
    checkpoint_steps: RL steps of the checkpoints, 0 for the SFT model. threads: of the CPU.
    """

    run: str
    sft_run: str
    training: str
    checkpoint_steps: tuple[int, ...]
    suite: SuiteSpec
    text: str
    threads: int
    seed: int
    recipe_version: int = 5


@dataclass(frozen=True)
class FigureSpec:
    """A figure or table, made by `module`. config_digest: over every spec upstream of it.

    evaluations: each (run, suite) it is made from, SFT runs at the roots included. run_settings: the key settings of
    each of these runs (see scores.RUN_COLUMNS).
    """

    name: str
    module: str
    evaluations: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]
    run_settings: dict[str, dict[str, Any]]
    config_digest: str


@dataclass(frozen=True)
class ClaimSpec:
    """A claim of the paper: that a statistic is above or below a threshold (`comparison`).

    The statistic is the sum over `terms`, {run: weight}, of a mean over the run's completions on the suite and kind
    ("all": any) and of so many parts (None: any); measure: "accuracy", "whole_share" (of those right from the first
    step to the last), "suited_share" (of those that open with the strategy that suits their kind) or "forward_share".
    figure: the name of the figure or table that shows it.
    """

    name: str
    sentence: str
    figure: str
    measure: str
    suite: str
    kind: str
    terms: dict[str, float]
    comparison: str
    threshold: float
    parts: int | None = None


@dataclass(frozen=True)
class ClaimsSpec:
    """All claims that are checked; the other names are those of FigureSpec."""

    claims: tuple[ClaimSpec, ...]
    evaluations: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]
    config_digest: str
    name: str = "claims"


@dataclass(frozen=True)
class ReportSpec:
    """The report of a preset. figures, tables: (name, experiment, caption) of each, in the order they are shown.

    texts: the text form, a key of TEXT_FORMS, of each data set that models are evaluated on.
    """

    preset: str
    seeds: tuple[int, ...]
    texts: dict[str, str]
    figures: tuple[tuple[str, str, str], ...]
    tables: tuple[tuple[str, str, str], ...]


def list_kept_steps(updates: int, checkpoint_every: int) -> list[int]:
    """Return the RL steps after which a run of `updates` steps keeps a checkpoint; the last step always is one."""
    return sorted({*range(checkpoint_every, updates + 1, checkpoint_every), updates})


def dump_spec(spec: Any) -> str:
    """Return the spec as canonical JSON."""
    return json.dumps(spec, default=vars, sort_keys=True)  # vars: the names and values of a nested spec


def parse_spec(cls: type[Spec], text: str) -> Spec:
    """Return the spec that `dump_spec` wrote."""
    return build_spec(cls, json.loads(text))


def read_spec(cls: type[Spec], file: Path) -> Spec:
    """Return the spec in a file that holds what `dump_spec` wrote."""
    return parse_spec(cls, Path(file).read_text(encoding="utf-8"))


def build_spec(cls: type[Spec], values: dict[str, Any]) -> Spec:
    """Return a `cls` from plain values, nested specs and tuples included.

    Raises TypeError on a missing or unknown name.
    """
    hints = find_hints(cls)
    return cls(**{name: _convert(hints.get(name), value) for name, value in values.items()})


@functools.cache
def find_hints(cls: type) -> dict[str, Any]:
    """Return the type of each name of a spec class."""
    return get_type_hints(cls)


def _convert(hint: Any, value: Any) -> Any:
    nested = [kind for kind in (hint, *get_args(hint)) if dataclasses.is_dataclass(kind)]
    if nested and isinstance(value, dict):
        return build_spec(nested[0], value)
    entry_hint = nested[0] if nested else None
    return tuple(_convert(entry_hint, entry) for entry in value) if isinstance(value, list) else value


def digest_specs(*specs: Any) -> str:
    """Return the SHA-256 over the canonical JSON of the specs, each counted once and whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(map(dump_spec, specs)))).encode()).hexdigest()
