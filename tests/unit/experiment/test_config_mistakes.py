"""Each mistake in the configuration is told in one line that names the key."""

import re

import pytest
from configurations import DELETE, ROOT, load

from selectimprove.experiment.config import RULES
from selectimprove.experiment.experiment import ConfigError

BAD = {
    # unknown keys and words
    "unknown key on top": ({"sede": [0]}, r"config: unknown key 'sede' \(did you mean 'seeds'\?\)"),
    "unknown key of the model": ({"model.txt": "symbolic"}, r"model: unknown key 'txt' \(did you mean 'text'\?\)"),
    "unknown key of the task": ({"tasks.gf11.size": 11}, r"tasks\.gf11: unknown key 'size'; allowed are task, order"),
    "unknown key of the architecture": ({"model.architecture.width": 1}, r"model\.architecture: unknown key 'width'"),
    "unknown key of pretraining": ({"pretrain.beta": 1}, r"pretrain: unknown key 'beta'"),
    "unknown key of a data set": ({"datasets.rl_6_9.step": "6-9"}, r"datasets\.rl_6_9: unknown key 'step' .*'steps'"),
    "unknown key of an SFT run": ({"sft.FB.start": "F"}, r"sft\.FB: unknown key 'start'"),
    "unknown key of an RL run": ({"rl.FB_rl_6_9.betta": 0}, r"rl\.FB_rl_6_9: unknown key 'betta' .*'beta'"),
    "unknown key of the RL defaults": ({"rl.defaults.lr": 0.1}, r"rl\.defaults: unknown key 'lr'"),
    "unknown key of a suite": ({"suites.steps_2_5.top_p": 1}, r"suites\.steps_2_5: unknown key 'top_p'"),
    "unknown key of a figure": ({"figures.figure2.run": ["F"]}, r"figures\.figure2: unknown key 'run'"),
    "unknown key of LoRA": (
        {"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 0, "r": 4}},
        r"sft\.F\.lora: unknown key 'r'",
    ),
    "unknown strategy": (
        {"datasets.sft_F.strategies": {"forward": 0.5, "backward": 0.5, "sideways": 0}},
        r"datasets\.sft_F\.strategies: unknown key 'sideways'; allowed are forward, backward",
    ),
    "unknown kind": (
        {"datasets.rl_2_5.kinds": {"evaluation": 0.5, "inversion": 0.5, "composition": 0}},
        r"datasets\.rl_2_5\.kinds: unknown key 'composition'; allowed are evaluation, inversion",
    ),
    "unknown split": ({"datasets.rl_2_5.sizes": {"dev": 5}}, r"datasets\.rl_2_5\.sizes: unknown key 'dev'"),
    "unknown symbol map": (
        {"tasks.gf11.symbol_map": "none"},
        r"tasks\.gf11\.symbol_map: 'none' .*allowed are fixed, stated",
    ),
    "unknown text form": (
        {"model.text": "prose"},
        r"model\.text: 'prose' .*allowed are symbolic, .*, sentences",
    ),
    "unknown tracker": (
        {"execution.report_to": ["tensorbord"]},
        r"execution\.report_to\.0: 'tensorbord' is not allowed; allowed are clearml, .*tensorboard, ",
    ),
    "tracker that is no list": (
        {"execution.report_to": "tensorboard"},
        r"execution\.report_to: found 'tensorboard', must be array",
    ),
    "unknown loss": ({"rl.F_rl_2_5.loss_type": "ppo"}, r"rl\.F_rl_2_5\.loss_type: 'ppo' .*allowed are grpo"),
    "name with a line break": ({"sft.F\n": {"dataset": "sft_F"}}, r"sft: found 'F\\n', must be letters, digits"),
    "unusable name": ({"sft.F-1": {"dataset": "sft_F"}}, r"sft: found 'F-1', must be letters, digits"),
    "empty name": ({"sft": {"": {"dataset": "sft_F"}}}, r"sft: found '', must be letters, digits"),
    "truth as a name": ({"sft": {True: {"dataset": "sft_F"}}}, r"sft: found True, must be letters, .* takes quotes$"),
    "number as a name": ({"sft": {13: {"dataset": "sft_F"}}}, r"sft: found 13, must be letters, digits"),
    "truth for a data set": (
        {"sft.F.dataset": False},
        r"sft\.F\.dataset: found False, must be letters, .* YAML reads on",
    ),
    "name that looks like another and a seed": (
        {"sft.F_seed0_steps": {"dataset": "sft_F"}},
        r"sft: found 'F_seed0_steps', must be letters, digits and underscores, a letter first, without `_seed`",
    ),
    "experiment of the name of a rule": (
        {"figures.figure2.experiment": "data"},
        r"figures\.figure2\.experiment: found 'data', must be none of all, claims, .*verify$",
    ),
    # missing keys and wrong types
    "missing section": ({"suites": DELETE}, r"config: the key 'suites' is missing"),
    "missing key of the model": ({"model.revision": DELETE}, r"model: the key 'revision' is missing"),
    "missing data set of a run": ({"rl.F_rl_2_5.dataset": DELETE}, r"rl\.F_rl_2_5: the key 'dataset' is missing"),
    "missing start of a run": ({"rl.F_rl_2_5.start": DELETE}, r"rl\.F_rl_2_5: the key 'start' is missing"),
    "missing default": ({"rl.defaults.beta": DELETE}, r"rl\.\w+: the key 'beta' is missing"),
    "missing share": ({"datasets.rl_2_5.kinds": {"evaluation": 1}}, r"rl_2_5\.kinds: the key 'inversion' is missing"),
    "missing split": (
        {"datasets.defaults.sizes.train": DELETE},
        r"datasets\.rl_2_5\.sizes: the key 'train' is missing",
    ),
    "missing held-out split": (
        {"datasets.defaults.sizes.validation": DELETE},
        r"datasets\.rl_2_5\.sizes: the key 'validation' is missing",
    ),
    "empty section": ({"rl": None}, r"rl: found None, must be object"),
    "empty run": ({"rl.F_rl_2_5": {}}, r"rl\.F_rl_2_5: the key 'start' is missing"),
    "empty defaults": ({"rl.defaults": None}, r"rl\.defaults: found None, must be object"),
    "text for a number": ({"sft.F.epochs": "few"}, r"sft\.F\.epochs: found 'few', must be number$"),
    "scientific notation without a point": (
        {"sft.F.learning_rate": "1e-4"},
        r"sft\.F\.learning_rate: found '1e-4', must be number; write 1\.0e-4: YAML reads 1e-4 as text$",
    ),
    "scientific notation without a point for a text or zero": (
        {"suites.defaults.temperature": "5e-1"},
        r"suites\.defaults\.temperature: found '5e-1', must be 0 \(greedy\), or 0\.01 to 100; write 5\.0e-1: ",
    ),
    "scientific notation for a count": (
        {"rl.defaults.updates": "1e2"},
        r"rl\.defaults\.updates: found '1e2', must be integer; write 100: YAML reads 1e2 as text$",
    ),
    "seeds as --config reads them": (
        {"seeds": ["0"]},
        r"seeds\.0: found '0', must be integer; write 0 without quotes, in a file for --configfile: --config takes ",
    ),
    "fraction for a count": ({"rl.F_rl_2_5.updates": 1.5}, r"rl\.F_rl_2_5\.updates: found 1\.5, must be integer"),
    "float for a count": ({"rl.F_rl_2_5.updates": 100.0}, r"rl\.F_rl_2_5\.updates: found 100\.0, must be integer"),
    "float for the order": ({"tasks.gf11.order": 11.0}, r"tasks\.gf11\.order: found 11\.0, must be integer"),
    "float for a seed": ({"seeds": [0.0]}, r"seeds\.0: found 0\.0, must be integer"),
    "truth for a count": ({"seeds": [True]}, r"seeds\.0: found True, must be integer"),
    "not a number": ({"rl.F_rl_2_5.beta": float("nan")}, r"rl\.F_rl_2_5\.beta: found nan"),
    "infinite": ({"sft.F.learning_rate": float("inf")}, r"sft\.F\.learning_rate: found inf"),
    "share that is not a number": (
        {"datasets.rl_2_5.kinds": {"evaluation": float("nan"), "inversion": 0.5}},
        r"datasets\.rl_2_5\.kinds",
    ),
    "no seeds": ({"seeds": []}, r"seeds: "),
    "seed twice": ({"seeds": [1, 1]}, r"seeds: "),
    "negative seed": ({"seeds": [-1]}, r"seeds\.0: found -1, must be at least 0"),
    "zero updates": ({"rl.defaults.updates": 0}, r"rl\.defaults\.updates: found 0, must be at least 1"),
    "one completion a group": ({"rl.defaults.completions_per_prompt": 1}, r"completions_per_prompt: found 1.* least 2"),
    "greedy RL": ({"rl.defaults.temperature": 0}, r"rl\.defaults\.temperature: found 0, must be at least 0\.01"),
    "share above one": (
        {"datasets.defaults.kinds.evaluation": 2},
        r"datasets\.defaults\.kinds\.evaluation: found 2, must be at most 1",
    ),
    "warm-up without end": ({"pretrain.warmup_share": 1}, r"pretrain\.warmup_share: found 1, must be less than 1"),
    "LoRA without what it learned": (
        {"sft.F.lora": {"rank": 4, "alpha": 8, "dropout": 1}},
        r"sft\.F\.lora\.dropout: found 1, must be less than 1",
    ),
    # numbers that a job would fail on, or take for 0 or infinity
    "seed that a score table cannot hold": (
        {"seeds": [2**63]},
        r"seeds\.0: found \d+, must be at most 9223372036854775807",
    ),
    "temperature of RL that float32 takes for 0": (
        {"rl.defaults.temperature": 1e-40},
        r"rl\.defaults\.temperature: found 1e-40, must be at least 0\.01",
    ),
    "temperature of a suite that float32 takes for 0": (
        {"suites.steps_2_5.temperature": 1e-40},
        r"suites\.steps_2_5\.temperature: found 1e-40, must be 0 \(greedy\), or 0\.01 to 100",
    ),
    "negative temperature": (
        {"suites.steps_2_5.temperature": -1},
        r"steps_2_5\.temperature: found -1, must be 0 \(greedy\)",
    ),
    "temperature beyond float32": (
        {"suites.defaults.temperature": 1e39},
        r"temperature: found 1e\+39, must be at most 100",
    ),
    "temperature of RL beyond float32": ({"rl.defaults.temperature": 1e39}, r"found 1e\+39, must be at most 100"),
    "learning rate of SFT that changes nothing": (
        {"sft.F.learning_rate": 1e-40},
        r"found 1e-40, must be at least 1e-10",
    ),
    "learning rate of RL beyond float32": ({"rl.defaults.learning_rate": 1e39}, r"found 1e\+39, must be at most 1"),
    "learning rate of pretraining that changes nothing": (
        {"pretrain.learning_rate": 1e-40},
        r"pretrain\.learning_rate: found 1e-40, must be at least 1e-10",
    ),
    "beta that float32 takes for 0": (
        {"rl.defaults.beta": 1e-40},
        r"rl\.defaults\.beta: found 1e-40, must be 0, or 1\.0e-6",
    ),
    "negative beta": ({"rl.defaults.beta": -0.1}, r"rl\.defaults\.beta: found -0\.1, must be 0, or 1\.0e-6 to 100"),
    "beta beyond float32": ({"rl.defaults.beta": 1e39}, r"rl\.defaults\.beta: found 1e\+39, must be at most 100"),
    "angles beyond float32": ({"model.architecture.rope_theta": 1e-40}, r"rope_theta: found 1e-40, must be at least 1"),
    "weights that are all 0": ({"model.architecture.initializer_range": 1e-50}, r"found 1e-50, must be at least 1e-06"),
    "epochs without end": (
        {"sft.defaults.epochs": 1e300},
        r"sft\.defaults\.epochs: found 1e\+300, must be at most 10000",
    ),
    "more checkpoints than can be listed": (
        {"rl.defaults.updates": 2**70},
        r"updates: found \d+, must be at most 1000000",
    ),
    "threads that torch cannot count": (
        {"execution.threads": 2**31},
        r"execution\.threads: found \d+, must be at most 1024",
    ),
    "threads of pretraining that torch cannot count": ({"pretrain.threads": 2**31}, r"pretrain\.threads: .* most 1024"),
    "processes without end": ({"execution.processes": 2**31}, r"execution\.processes: .* must be at most 1024"),
    "GPUs without end": ({"resources.rl.gpu": 2**31}, r"resources\.rl\.gpu: .* must be at most 1024"),
    "memory that Slurm cannot count": ({"resources.rl.mem_mb": 2**63}, r"mem_mb: .* must be at most 1000000000"),
    "more training problems than fit in memory": (
        {"datasets.rl_6_9.sizes": {"train": 2**40}},
        r"train: .* most 10000000",
    ),
    "completions longer than memory": ({"suites.defaults.max_completion_tokens": 10**9}, r"tokens: .* at most 32768"),
    "completions of a problem without end": (
        {"suites.defaults.completions_per_problem": 10**9},
        r"must be at most 100000",
    ),
    "groups without end": ({"rl.defaults.completions_per_prompt": 10**9}, r"completions_per_prompt: .* at most 1024"),
    "range that is no number to Python": (
        {"datasets.rl_2_5.steps": f"1-{'9' * 5000}"},
        r"steps: .* must be a range .* 999",
    ),
    # the field, shares and step ranges
    "composite order": ({"tasks.gf11.order": 9}, r"tasks\.gf11\.order: found 9, must be a prime number from 5 to 97"),
    "even order": ({"tasks.gf11.order": 4}, r"tasks\.gf11\.order: found 4, must be a prime"),
    "order too large": ({"tasks.gf11.order": 101}, r"tasks\.gf11\.order: found 101, must be a prime"),
    "order too small": ({"tasks.gf11.order": 3}, r"tasks\.gf11\.order: found 3, must be a prime"),
    "steps the wrong way round": ({"datasets.rl_2_5.steps": "5-2"}, r"datasets\.rl_2_5\.steps: found '5-2', .*lower"),
    "steps from zero": ({"datasets.rl_2_5.steps": "0-3"}, r"datasets\.rl_2_5\.steps: found '0-3', .*such as 2-5"),
    "steps in words": ({"datasets.rl_2_5.steps": "x"}, r"datasets\.rl_2_5\.steps: found 'x', .*such as 2-5"),
    "steps as a number": (
        {"datasets.rl_2_5.steps": 5},
        r"datasets\.rl_2_5\.steps: found 5, must be a range such as 2-5",
    ),
    "pretraining steps the wrong way round": (
        {"pretrain.steps.backward": "9-1"},
        r"pretrain\.steps\.backward: found '9-1', .*lower",
    ),
    "pretraining steps of no direction": ({"pretrain.steps": "1-9"}, r"pretrain\.steps: found '1-9', must be object"),
    "an unknown direction": ({"pretrain.steps.sideways": "1-9"}, r"pretrain\.steps: unknown key 'sideways'"),
    "an unknown family": (
        {"model.architecture.family": "qwen9"},
        r"family: 'qwen9' is not allowed; allowed are qwen2, qwen3",
    ),
    "norms of a family that has none": (
        {"model.architecture.family": "qwen2"},
        r"model\.architecture\.qk_norm: found 1\.53 with qwen2, must be a number with qwen3, null with qwen2",
    ),
    "norms without their size": (
        {"model.architecture.qk_norm": None},
        r"model\.architecture\.qk_norm: found None with qwen3, must be a number",
    ),
    "more steps than labels": (
        {"datasets.rl_6_9.steps": "6-25"},
        r"datasets\.rl_6_9\.steps: found 6-25 in 1-1 parts, .*24 steps",
    ),
    "more pretraining steps than labels": (
        {"pretrain.steps.forward": "1-25"},
        r"pretrain\.steps\.forward: found 1-25 in 1-1 parts, .*24 steps",
    ),
    "more steps than labels in the pretraining of one task": (
        {"tasks.gf11.pretrain": {"parts": "1-2"}},
        r"tasks\.gf11\.pretrain\.steps\.forward: found 1-18 in 1-2 parts, .*24 steps",
    ),
    "unknown key of the pretraining of one task": (
        {"tasks.gf11.pretrain": {"beta": 1}},
        r"tasks\.gf11\.pretrain: unknown key 'beta'",
    ),
    "kinds that sum to more": (
        {"datasets.rl_2_5.kinds": {"evaluation": 0.75, "inversion": 0.5}},
        r"datasets\.rl_2_5\.kinds: .* sum to 1\.25, not 1",
    ),
    "strategies that sum to less": (
        {"datasets.sft_FB.strategies": {"forward": 0.5, "backward": 0.25}},
        r"datasets\.sft_FB\.strategies: .* sum to 0\.75, not 1",
    ),
    "more training problems than exist": (
        {"datasets.rl_2_5.steps": "1-1", "datasets.rl_2_5.sizes": {"train": 1024}},
        r"datasets\.rl_2_5\.sizes\.train: 1024 .*GF\(11\) only 176 distinct",
    ),
    "more test problems than exist": (
        {"datasets.rl_2_5.steps": "1-1", "datasets.rl_2_5.sizes": {"train": 300, "validation": 44, "test": 45}},
        r"datasets\.rl_2_5\.sizes\.test: 45 .*GF\(11\) only 22 distinct",
    ),
    # the model
    "hub id without revision": ({"model.source": "Qwen/Qwen2.5-1.5B-Instruct"}, r"model\.revision: .*needs a pinned"),
    "hub id at a branch": (
        {"model.source": "Qwen/Qwen2.5-1.5B-Instruct", "model.revision": "main"},
        r"model\.revision: found 'main', .*a commit's hash",
    ),
    "source that is neither": ({"model.source": "qwen"}, r"model\.source: found 'qwen', must be scratch, a folder"),
    "folder that is not there": ({"model.source": "/nowhere/model"}, r"model\.source: /nowhere/model must be a folder"),
    "package without file": ({"model.source": "package:torch"}, r"model\.source: .* must be package:<package>/<file>"),
    "package that is not installed": (
        {"model.source": "package:no_such/a.gguf"},
        r"model\.source: the package no_such is not installed: pip install .* no-such$",
    ),
    "file that a package lacks": (
        {"model.source": "package:torch/a.gguf"},
        r"model\.source: the package torch holds no a\.gguf; it holds none",
    ),
    "processes that do not divide a batch": (
        {"execution.processes": 3},
        r"sft\.F\.batch_size: found 64, must be a multiple of execution\.processes \(3\)",
    ),
    "micro-batches that do not divide a batch": (
        {"execution.processes": 2, "execution.sft_micro_batches": 3},
        r"sft\.F\.batch_size: found 64, .*processes \(2\) times execution\.sft_micro_batches \(3\)",
    ),
    "processes that do not divide the prompts": (
        {"execution.processes": 4, "rl.defaults.prompts_per_step": 30},
        r"rl\.F_rl_2_5\.prompts_per_step: found 30, must be a multiple of execution\.processes \(4\)",
    ),
    "processes that do not divide the micro-batches": (
        {"execution.processes": 8},
        r"rl\.F_rl_2_5\.micro_batches: found 4, must be a multiple of execution\.processes \(8\)",
    ),
    "scratch in sentences": ({"model.text": "sentences"}, r"model\.text: found 'sentences'; .*only symbolic"),
    "scratch in sentences, for one task": (
        {"tasks.gf11.model": {"text": "sentences"}},
        r"^tasks\.gf11\.model\.text: found 'sentences'; .* reads only symbolic, symbolic_question_first$",
    ),
    "a source for one task": (
        {"tasks.gf11.model": {"source": "scratch"}},
        r"^tasks\.gf11\.model: unknown key 'source'; allowed are text, architecture$",
    ),
    "odd head size for one task": (
        {"tasks.gf11.model": {"architecture": {"hidden_size": 36}}},
        r"^tasks\.gf11\.model\.architecture\.hidden_size: found 36, .*\(4\)",
    ),
    "architecture of a task's base that is not from scratch": (
        {"model.source": "HuggingFaceTB/SmolLM2-135M", "model.revision": "0" * 40}
        | {"model.text": "sentences", "tasks.gf11.model": {"architecture": {"layers": 4}}},
        r"^tasks\.gf11\.model\.architecture: found {'layers': 4}, but model\.source is HuggingFaceTB/SmolLM2-135M",
    ),
    "odd head size": ({"model.architecture.heads": 3}, r"model\.architecture\.hidden_size: found 128, .*\(3\)"),
    # runs, suites and figures that name one another
    "start not declared": ({"rl.F_rl_2_5.start": "G"}, r"rl\.F_rl_2_5\.start: run 'G' is not declared; declared are F"),
    "start from itself": ({"rl.F_rl_2_5.start": "F_rl_2_5"}, r"rl\.F_rl_2_5\.start: .*F_rl_2_5 <- F_rl_2_5"),
    "runs in a circle": (
        {"rl.F_rl_2_5.start": "F_rl_6_9", "rl.F_rl_6_9.start": "F_rl_2_5"},
        r"rl\.F_rl_2_5\.start: .*F_rl_2_5 <- F_rl_6_9 <- F_rl_2_5",
    ),
    "run that leads into a circle": (
        {"rl.F_rl_2_5.start": "F_rl_6_9", "rl.F_rl_6_9.start": "B_rl_6_9", "rl.B_rl_6_9.start": "F_rl_6_9"},
        r"rl\.F_rl_2_5\.start: .*F_rl_6_9 <- B_rl_6_9 <- F_rl_6_9",
    ),
    "SFT and RL of one name": ({"rl.FB": {"start": "F", "dataset": "rl_2_5"}}, r"rl\.FB: .*has this name already"),
    "data set of SFT not declared": ({"sft.F.dataset": "sft_G"}, r"sft\.F\.dataset: data set 'sft_G' is not declared"),
    "task of a data set not declared": (
        {"datasets.rl_6_9.task": "gf12"},
        r"datasets\.rl_6_9\.task: task 'gf12' is not declared; declared are gf11",
    ),
    "RL of another task": (
        {"tasks.gf13": {"task": "field", "order": 13}, "datasets.rl_6_9.task": "gf13"},
        r"rl\.F_rl_6_9\.dataset: rl_6_9 is of the task gf13, but the run starts from a model of gf11",
    ),
    "no suite of the task of a run": (
        {
            "tasks.gf13": {"task": "field", "order": 13},
            "datasets.held_out": {"task": "gf13", "steps": "6-9"},
            "suites.steps_6_9.dataset": "held_out",
        },
        r"figures\.figure2\.suites: none is of the task gf11 of the run F_rl_6_9",
    ),
    "unknown word for strategies": (
        {"datasets.sft_F.strategies": "best"},
        r"datasets\.sft_F\.strategies: found 'best', must be null, suited, or shares",
    ),
    "more parts than labels": (
        {"datasets.rl_6_9.parts": "1-3"},
        r"datasets\.rl_6_9\.steps: found 6-9 in 1-3 parts, .*24 steps",
    ),
    "parts the wrong way round": ({"datasets.rl_2_5.parts": "3-1"}, r"datasets\.rl_2_5\.parts: found '3-1', .*lower"),
    "data set of RL not declared": ({"rl.F_rl_2_5.dataset": "rl_0"}, r"rl\.F_rl_2_5\.dataset: data set 'rl_0' is not"),
    "data set of a suite not declared": (
        {"suites.steps_2_5.dataset": "d"},
        r"suites\.steps_2_5\.dataset: data set 'd'",
    ),
    "SFT without completions": ({"sft.F.dataset": "rl_2_5"}, r"sft\.F\.dataset: 'rl_2_5' has no strategies"),
    "run of a figure not declared": ({"figures.figure2.runs": ["F", "G"]}, r"figures\.figure2\.runs: run 'G' is not"),
    "pattern that no suite of a figure fits": (
        {"figures.figure2.suites": ["hard_*"]},
        r"figures\.figure2\.suites: suite 'hard_\*' is not declared; declared are",
    ),
    "suite of a figure not declared": ({"figures.figure2.suites": ["hard"]}, r"figures\.figure2\.suites: suite 'hard'"),
    "suite of a table not declared": ({"tables.table1.suites": ["hard"]}, r"tables\.table1\.suites: suite 'hard'"),
    "figure without a module": (
        {"figures.figure99": {"runs": ["F"], "suites": ["steps_2_5"]}},
        r"figures\.figure99: module 'figure99' is not declared; declared are .*figure2",
    ),
    "table without a module": (
        {"tables.table99": {"runs": ["F"], "suites": ["steps_2_5"]}},
        r"tables\.table99: module 'table99' is not declared; declared are .*table1",
    ),
    "pattern that no run fits": (
        {"figures.figure2.runs": ["G*"]},
        r"figures\.figure2\.runs: run 'G\*' is not declared",
    ),
    "figure and table of one name": (
        {"tables.figure2": {"module": "table1", "runs": ["F"], "suites": ["steps_2_5"]}},
        r"tables\.figure2: a figure has this name already",
    ),
    "budget too short for parts": (
        {"datasets.rl_2_5.parts": "1-2"},
        r"rl\.F_rl_2_5\.max_completion_tokens: found 48, .*2 parts of 5 steps takes at least 61 tokens",
    ),
    "grid that does not fit the name": (
        {"rl.{model}_rl": {"grid": {"start": ["F"]}, "dataset": "rl_6_9"}},
        r"rl\.\{model\}_rl\.grid: found start, must have the placeholders of the name: model",
    ),
    "figure without runs": ({"figures.figure2.runs": []}, r"figures\.figure2\.runs: "),
    # budgets: the longest trace of 9 steps takes 2 + 4 * 9 + 5 words and the end token
    "RL budget too short": (
        {"rl.F_rl_6_9.max_completion_tokens": 43},
        r"rl\.F_rl_6_9\.max_completion_tokens: found 43, .*9 steps takes at least 44 tokens",
    ),
    "suite budget too short": (
        {"suites.steps_6_9.max_completion_tokens": 43},
        r"suites\.steps_6_9\.max_completion_tokens: found 43, .*9 steps takes at least 44 tokens",
    ),
    "more prompts a step than prompts": (
        {"rl.F_rl_2_5.prompts_per_step": 6401},
        r"rl\.F_rl_2_5\.prompts_per_step: found 6401, but rl_2_5 has 6400",
    ),
    "micro-batches of unequal size": (
        {"rl.F_rl_2_5.micro_batches": 3},
        r"rl\.F_rl_2_5\.micro_batches: found 3, must divide",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_mistake_is_told_in_one_line_that_names_the_key(changes, message) -> None:
    with pytest.raises(ConfigError) as error:
        load(changes)
    told = str(error.value)
    assert re.search(message, told), told
    assert told.splitlines() == [told]


ENTRIES = {
    "tasks": {"task": "field", "order": 11},
    "datasets": {},
    "sft": {"dataset": "sft_F"},
    "rl": {"start": "F", "dataset": "rl_2_5"},
    "suites": {"dataset": "rl_2_5"},
    "figures": {"module": "figure2", "runs": ["F_rl_2_5"], "suites": ["steps_2_5"]},
    "tables": {"module": "accuracy", "runs": ["F"], "suites": ["steps_2_5"]},
}


@pytest.mark.parametrize(("section", "entry"), ENTRIES.items(), ids=ENTRIES)
def test_name_that_files_cannot_bear_is_refused(section, entry) -> None:
    """A log bears two names; tests/workflow/test_bad_input.py makes the files of the longest that are allowed."""
    load({f"{section}.{'x' * 100}": entry})
    with pytest.raises(ConfigError, match=rf"^{section}: found 'x+', must be at most 100 characters$"):
        load({f"{section}.{'x' * 101}": entry})


RULE = r"^(?:use rule \w+ as |rule )(\w+)"


def test_rules_whose_names_experiments_may_not_have_are_all_rules() -> None:
    files = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    named = [name for file in files for name in re.findall(RULE, file.read_text(), re.MULTILINE)]
    assert sorted(named) == sorted(RULES)
