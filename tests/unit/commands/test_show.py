"""The show command on random models: what it prints is what the model, the reading and the marking say."""

import re
import shutil
import subprocess
import sys

import pytest
import torch
from tiny_models import (
    ORDER,
    RL_DATA,
    SFT_DATA,
    TASK,
    make_pretrain_spec,
    make_rl_spec,
    make_sft_spec,
    save_data,
    save_model,
    save_sentence_model,
)

from selectimprove.__main__ import main
from selectimprove.commands.show import describe_completion, describe_problem
from selectimprove.experiment.specs import ConvertSpec
from selectimprove.seeds import hash_seed
from selectimprove.tasks.data import read_rows, write_dataset
from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import Problem, compose_problems
from selectimprove.tasks.specs import DataSpec, TaskSpec
from selectimprove.tasks.strategies import STRATEGIES
from selectimprove.tasks.texts import TEXT_FORMS
from selectimprove.training.models import decode_completion, encode_prompt, load_model, load_tokenizer
from selectimprove.training.sampling import sample_completions
from selectimprove.training.trainers import keep_checkpoint, seal_checkpoint

SYMBOLIC, SENTENCES = TEXT_FORMS["symbolic"], TEXT_FORMS["sentences"]
GF11 = Field(11, (3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 10))
EVALUATION = Problem("evaluation", GF11, start=4, operations=(("add", 9), ("multiply", 7)), first_label=7)
TYPED = ["--prompt", "x e3 L7 + e1 L8 * e2 y ? ? y"]


def save_checkpoint(folder, spec, seed=0) -> None:
    """Write a random model with the record that training keeps beside it."""
    source = save_model(folder.parent / f"model{seed}", seed)
    seal_checkpoint(source)
    keep_checkpoint(source, folder, spec, {})
    shutil.rmtree(source)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder of results: two data sets, an SFT run, and an RL run with two checkpoints."""
    results = tmp_path_factory.mktemp("show") / "results"
    for dataset in (SFT_DATA, RL_DATA):
        save_data(results / "data" / dataset.name / "seed0", dataset)
    save_checkpoint(results / "sft/FB/seed0/checkpoints/step0", make_sft_spec(), seed=1)
    for step in (2, 10):
        save_checkpoint(results / f"rl/FB_rl/seed0/checkpoints/step{step}", make_rl_spec(), seed=step)
    return results


@pytest.fixture
def results(made, tmp_path):
    """Return a copy of these results that a test may damage."""
    return shutil.copytree(made, tmp_path / "results")


def show(capsys, results, *arguments) -> str:
    """Return what the command prints."""
    assert main(["show", "--results", str(results), *map(str, arguments)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refuse(capsys, results, *arguments) -> str:
    """Return the one line that the command says of a mistake."""
    assert main(["show", "--results", str(results), *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err.removesuffix("\n")


def find_completions(output) -> list[str]:
    """Return the printed completions, verdicts left out."""
    return re.findall(r"^Completion \d+: .*\n  (.*)$", output, re.MULTILINE)


def sample(checkpoint, prompt, opening, completions, tokens, temperature=0.7, label="", value_tokens=1) -> list[str]:
    """Return the texts that the sampler gives under the command's seed 0.

    With an opening: behind the value it writes there, of so many tokens, comes `label`; or what it wrote, if no value.
    """
    tokenizer, model = load_tokenizer(str(checkpoint)), load_model(str(checkpoint)).eval()
    torch.manual_seed(hash_seed("show", 0))

    def go_on(begun, count, room):
        prompts = [encode_prompt(tokenizer, prompt) + ids for ids in begun]
        settings = {"temperature": temperature, "max_completion_tokens": room, "pad_token_id": tokenizer.pad_token_id}
        settings |= {"completions_per_prompt": count, "eos_token_id": tokenizer.eos_token_id}
        return sample_completions(model, prompts, **settings)

    if not opening:
        return [decode_completion(tokenizer, ids) for ids in go_on([[]], completions, tokens)]
    opened = tokenizer(opening, add_special_tokens=False)["input_ids"]
    begun = [opened + ids for ids in go_on([opened], completions, value_tokens + 1)]
    for place, ids in enumerate(begun):
        if re.fullmatch("e[0-4]", word := tokenizer.decode(ids[len(opened) : len(opened) + 1])):
            begun[place] = tokenizer(f"{opening} {word} {label}", add_special_tokens=False)["input_ids"]
    going_on = [ids for ids in begun if tokenizer.eos_token_id not in ids]
    for ids, rest in zip(going_on, go_on(going_on, 1, tokens - max(map(len, begun))), strict=True):
        ids += rest
    return [decode_completion(tokenizer, ids) for ids in begun]


@pytest.mark.parametrize(("strategy", "opening"), [(None, ""), ("forward", "x"), ("backward", "y")])
def test_free_and_forced_completions_are_shown_with_verdicts(made, capsys, strategy, opening):
    forced = [] if strategy is None else ["--strategy", strategy]
    output = show(capsys, made, "--run", "FB_rl", "--index", 3, "--max-completion-tokens", 20, *forced)
    checkpoint = made / "rl/FB_rl/seed0/checkpoints/step10"
    row = read_rows(made / "data/rl_2_3/seed0/test.jsonl")[3]
    problem = row["problem"]
    label = f"L{problem.first_label if strategy == 'forward' else problem.first_label + problem.steps - 1}"
    expected = sample(checkpoint, row["prompt"], opening, completions=4, tokens=20, label=label)
    assert len(set(expected)) == 4
    assert all(completion.startswith(opening) for completion in expected)
    lines = output.splitlines()
    assert lines[:5] == [f"checkpoint  {checkpoint}", f"problem     {row['id']}", "", f"  {row['prompt']}", ""]
    assert lines[5] == describe_problem(problem, SYMBOLIC)
    assert find_completions(output) == expected
    for number, completion in enumerate(expected, 1):
        verdict = describe_completion(completion, problem, SYMBOLIC)
        assert f"Completion {number}: {verdict}" in output
    for name, write in STRATEGIES.items():
        suits = " (suits inversion)" if name == "backward" else ""
        assert problem.kind == "inversion"
        assert f"Right, {name}{suits}:\n  {SYMBOLIC.write_completion(write(problem), problem.task)}\n" in output


def test_same_sampling_seed_same_output(made, capsys):
    arguments = ["--run", "FB_rl", "--index", 0]
    first = show(capsys, made, *arguments)
    assert show(capsys, made, *arguments) == first
    assert show(capsys, made, *arguments, "--sampling-seed", 0) == first
    assert show(capsys, made, *arguments, "--sampling-seed", 1) != first


def test_temperature_zero_is_greedy(made, capsys):
    arguments = ["--run", "FB_rl", "--index", 0, "--temperature", 0, "--completions", 2]
    first, second = find_completions(show(capsys, made, *arguments))
    assert first == second
    assert find_completions(show(capsys, made, *arguments, "--sampling-seed", 1)) == [first, second]


def test_completions_that_do_not_end_are_told(made, capsys):
    output = show(capsys, made, "--run", "FB_rl", "--index", 0, "--completions", 8, "--max-completion-tokens", 8)
    for line in re.findall(r"(Completion .*\n  .*)\n", output):
        assert (len(line.splitlines()[1].split()) == 8) == ("Cut off after 8 tokens." in line)
    assert "Cut off" in output


def test_checkpoint_is_that_of_the_step_or_the_folder(made, capsys):
    folder = made / "rl/FB_rl/seed0/checkpoints"
    for step in (2, 10):
        by_step = show(capsys, made, "--run", "FB_rl", "--seed", 0, "--step", step, "--index", 0)
        assert by_step.startswith(f"checkpoint  {folder / f'step{step}'}\n")
        assert show(capsys, made, "--checkpoint", folder / f"step{step}", "--index", 0) == by_step


def test_data_set_is_that_of_training_unless_told(made, capsys):
    assert "problem     sft_FB/test/0/1\n" in show(capsys, made, "--run", "FB", "--index", 1)
    assert "problem     rl_2_3/test/0/1\n" in show(capsys, made, "--run", "FB", "--index", 1, "--dataset", "rl_2_3")


def test_prompt_typed_in_is_the_same_problem(made, capsys):
    row = read_rows(made / "data/rl_2_3/seed0/test.jsonl")[5]
    by_index = show(capsys, made, "--run", "FB_rl", "--index", 5)
    typed = show(capsys, made, "--run", "FB_rl", "--prompt", row["prompt"])
    assert f"problem     as typed in, read as those of {made}/data/rl_2_3/seed0\n" in typed
    assert typed.splitlines()[2:] == by_index.splitlines()[2:]


def test_prompt_that_states_its_map_is_read_without_a_fixed_one(results, capsys):
    data = results / "data/rl_2_3/seed0"
    write_dataset(
        DataSpec(RL_DATA, TaskSpec("field", {"order": ORDER, "symbol_map": "stated"}), "symbolic", seed=0), data
    )
    row = read_rows(data / "test.jsonl")[0]
    assert f"  {row['prompt']}\n" in show(capsys, results, "--run", "FB_rl", "--prompt", row["prompt"])
    message = refuse(capsys, results, "--run", "FB_rl", *TYPED)
    example = message.split("'")[-2]
    assert example.startswith("M e0 ")
    show(capsys, results, "--run", "FB_rl", "--prompt", example)


def test_checkpoint_of_sentences_takes_and_writes_sentences(tmp_path, capsys):
    base = save_sentence_model(tmp_path / "base")
    spec = make_sft_spec()
    spec = type(spec)(**(vars(spec) | {"model": type(spec.model)(**(vars(spec.model) | {"text": "sentences"}))}))
    checkpoint = tmp_path / "results/sft/FB/seed0/checkpoints/step0"
    seal_checkpoint(base)
    keep_checkpoint(base, checkpoint, spec, {})
    data = tmp_path / "results/data/sft_FB/seed0"
    write_dataset(DataSpec(SFT_DATA, TASK, "sentences", seed=0), data)
    row = read_rows(data / "test.jsonl")[0]
    prompt = "".join(f"  {line}\n" for line in row["prompt"].split("\n"))
    forced = ["--run", "FB", "--prompt", row["prompt"], "--strategy", "backward", "--completions", 1]
    output = show(capsys, tmp_path / "results", *forced, "--max-completion-tokens", 40)
    assert prompt in output
    (completion,) = sample(checkpoint, row["prompt"], "y =", completions=1, tokens=40, value_tokens=3)
    assert completion.startswith("y =")
    assert f"\n  {completion.splitlines()[0]}" in output
    assert "Right, backward" in output
    message = refuse(capsys, tmp_path / "results", *forced, "--max-completion-tokens", 2)
    assert message.startswith("--max-completion-tokens 2: from 10 to ")


def test_mistakes_are_told_in_one_sentence(made, capsys):
    """Each names what was given, and what is there or allowed."""
    run, problem = ["--run", "FB_rl"], ["--index", "0"]
    for arguments, message in [
        (["--run", "FB_r", *problem], f"{made} has checkpoints of the runs FB, FB_rl, not FB_r"),
        ([*run, *problem, "--seed", "3"], f"{made} has checkpoints of FB_rl for the seeds 0, not 3"),
        ([*run, *problem, "--step", "3"], "FB_rl for seed 0 has checkpoints of the steps 2, 10, not 3"),
        (
            [*run, *problem, "--dataset", "rl_6_9"],
            f"for the seed 0, {made} has the data sets rl_2_3, sft_FB, not rl_6_9",
        ),
        (
            [*run, "--index", "12"],
            f"--index 12: the test split of {made}/data/rl_2_3/seed0 has the problems 0 to 11",
        ),
        (
            [*run, "--index", "-1"],
            f"--index -1: the test split of {made}/data/rl_2_3/seed0 has the problems 0 to 11",
        ),
        ([*run, *problem, "--completions", "0"], "--completions 0: from 1 to 256 can be sampled"),
        ([*run, *problem, "--completions", "257"], "--completions 257: from 1 to 256 can be sampled"),
        ([*run, *problem, "--temperature", "-0.1"], "--temperature -0.1: it is 0, or at least 0.001"),
        ([*run, *problem, "--temperature", "nan"], "--temperature nan: it is 0, or at least 0.001"),
        ([*run, *problem, "--temperature", "1e-45"], "--temperature 1e-45: it is 0, or at least 0.001"),
        ([*run, *problem, "--temperature", "inf"], "--temperature inf: it is 0, or at least 0.001"),
    ]:
        assert refuse(capsys, made, *arguments) == message


def test_missing_results_are_told(tmp_path, capsys):
    message = refuse(capsys, tmp_path / "none", "--run", "FB", "--index", 0)
    assert message == f"there is no folder of results {tmp_path}/none; --results says where it lies"
    message = refuse(capsys, tmp_path, "--run", "FB", "--index", 0)
    assert message == f"{tmp_path} has checkpoints of the runs (none), not FB"


def test_results_without_data_are_told(results, capsys):
    shutil.rmtree(results / "data")
    message = refuse(capsys, results, "--run", "FB", "--index", 0)
    assert message == f"for the seed 0, {results} has the data sets (none), not sft_FB"


def test_copies_beside_checkpoints_are_no_checkpoints(results, capsys):
    folder = results / "rl/FB_rl/seed0/checkpoints"
    shutil.copytree(folder / "step2", folder / "step20_old")
    shutil.copytree(results / "rl/FB_rl/seed0", results / "rl/FB_rl/seed0_old")
    assert "checkpoints/step10\n" in show(capsys, results, "--run", "FB_rl", "--index", 0)


def test_room_for_completions_is_checked(made, capsys):
    arguments = ["--run", "FB_rl", *TYPED, "--max-completion-tokens"]
    assert refuse(capsys, made, *arguments, 0) == "--max-completion-tokens 0: from 1 to 1012 are possible here"
    assert refuse(capsys, made, *arguments, 1013) == "--max-completion-tokens 1013: from 1 to 1012 are possible here"
    message = refuse(capsys, made, *arguments, 1, "--strategy", "forward")
    assert message == "--max-completion-tokens 1: from 4 to 1012 are possible here"


@pytest.mark.parametrize(
    "prompt", ["", "x", "x e3 L7 + e1 y ? ? x", "x e9 L7 + e1 y ? ? y", "What is x?", "x e3 L7 + e1 y ? ? y "]
)
def test_prompt_that_does_not_parse_is_told_with_one_that_does(made, capsys, prompt):
    message = refuse(capsys, made, "--run", "FB_rl", "--prompt", prompt)
    assert repr(prompt) in message or "e9" in message
    stated, example = message.split("; this is one of GF(5): ")
    assert "\n" not in stated
    show(capsys, made, "--run", "FB_rl", "--prompt", example.strip("'"))


def test_words_that_the_model_does_not_know_are_told(made, capsys):
    """Labels beyond the pool are symbolic text all the same."""
    checkpoint = made / "rl/FB_rl/seed0/checkpoints/step10"
    message = refuse(capsys, made, "--run", "FB_rl", "--prompt", "x e3 L24 + e1 L25 * e2 y ? ? y")
    assert message == f"{checkpoint}: the model does not know these words of the prompt: L25"


def test_folder_that_is_no_checkpoint_is_told(results, capsys):
    folder = results / "rl/FB_rl/seed0/checkpoints"
    message = refuse(capsys, results, "--checkpoint", folder, "--index", 0)
    assert (
        message
        == f"{folder} is no checkpoint, it has no provenance.json; those in it are {folder}/step10, {folder}/step2"
    )
    message = refuse(capsys, results, "--checkpoint", results / "none", "--index", 0)
    assert message == f"{results}/none is no checkpoint, it has no provenance.json"


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"spec": {"model": {"text": "verse"}, "seed": 0}, "digest": ""}'])
def test_other_record_is_told(results, capsys, record):
    file = results / "rl/FB_rl/seed0/checkpoints/step10/provenance.json"
    file.write_text(record)
    assert refuse(capsys, results, "--run", "FB_rl", "--index", 0) == f"{file} is not the record of a checkpoint"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_damaged_checkpoint_is_told(results, capsys, name):
    checkpoint = results / "rl/FB_rl/seed0/checkpoints/step10"
    (checkpoint / name).write_bytes((checkpoint / name).read_bytes()[:-1])
    message = refuse(capsys, results, "--checkpoint", checkpoint, "--index", 0)
    damaged = "is damaged: its files are not those that provenance.json was written for; remove it and run again"
    assert message == f"{checkpoint} {damaged}"
    (checkpoint / name).unlink()
    assert refuse(capsys, results, "--checkpoint", checkpoint, "--index", 0) == message


def test_checkpoint_of_its_own_takes_no_seed_or_step(made, capsys):
    checkpoint = made / "rl/FB_rl/seed0/checkpoints/step10"
    for option in ("--seed", "--step"):
        message = refuse(capsys, made, "--checkpoint", checkpoint, option, 2, "--index", 0)
        assert message == f"--seed and --step choose a checkpoint of a --run, but --checkpoint {checkpoint} is one"


def test_pretrained_base_needs_a_data_set(results, capsys):
    base = results / "pretrain/gf5/seed0/checkpoint"
    save_checkpoint(base, make_pretrain_spec())
    message = refuse(capsys, results, "--checkpoint", base, "--index", 0)
    assert message == "--dataset is needed: a base model was trained on none"
    assert "rl_2_3/test/0/0" in show(capsys, results, "--checkpoint", base, "--index", 0, "--dataset", "rl_2_3")


def test_unpacked_model_is_shown_with_the_data_of_any_seed(results, capsys):
    base = results / "convert/checkpoint"
    save_checkpoint(base, ConvertSpec(make_sft_spec().model))
    shutil.copytree(results / "data/rl_2_3/seed0", results / "data/rl_2_3/seed7")
    problem = ["--checkpoint", base, "--index", 0, "--dataset", "rl_2_3"]
    assert "rl_2_3/test/0/0" in show(capsys, results, *problem)
    assert "rl_2_3/test/0/0" in show(capsys, results, *problem, "--seed", 7)
    assert (
        refuse(capsys, results, *problem, "--seed", 3)
        == f"for the seed 3, {results} has the data sets (none), not rl_2_3"
    )
    assert "choose a checkpoint of a --run" in refuse(capsys, results, *problem, "--step", 3)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--index", "0"],
        ["--run", "FB_rl"],
        ["--run", "FB_rl", "--checkpoint", "folder", "--index", "0"],
        ["--run", "FB_rl", "--index", "0", *TYPED],
        ["--run", "FB_rl", "--index", "one"],
        ["--run", "FB_rl", "--index", "0", "--strategy", "sideways"],
    ],
)
def test_arguments_that_do_not_fit_are_refused(made, capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["show", "--results", str(made), *arguments])
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("completion", "verdict"),
    [
        ("x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e0", "right answer, forward. All steps are right."),
        (
            "x e2 L7 + e5 e6 L8 * e9 e4 A x e2 y e4",
            'wrong answer, forward. First wrong step: step 2 of 2, wrong_fact: "L8 * e9 e4" should be "L8 * e9 e0".',
        ),
        (
            "x e2 L8 / e9 e6 L7 - e5 e2 A x e2 y e0",
            "right answer, mixed strategies. First wrong step: step 1 of 2, lost_place: "
            '"L8 / e9 e6" should be "L7 + e5 e6".',
        ),
        (
            "y e1 A x e2 y e0",
            'right answer, backward. First wrong step: the opening, wrong_opening: "y e1" should be "y e0".',
        ),
        (
            "hm A x e2 y e0",
            'right answer, no strategy. First wrong step: the opening, wrong_opening: "hm" should be "x e2".',
        ),
        (
            "x e2 L7 + e5 e6",
            'wrong answer, forward. First wrong step: step 2 of 2, no_answer: nothing should be "L8 * e9 e0".',
        ),
        (
            "x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e4",
            "wrong answer, forward. First wrong step: the answer line, wrong_answer: "
            '"A x e2 y e4" should be "A x e2 y e0".',
        ),
        (
            "x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e0 A",
            'wrong answer, forward. First wrong step: after the answer line, no_answer: "A" should be nothing.',
        ),
        (
            "x e2 L7 + e5 e6 L8 * e9 e0 A x e2 y e0<cut>",
            "wrong answer, forward. First wrong step: the answer line, no_answer: "
            '"A x e2 y e0<cut>" should be "A x e2 y e0".',
        ),
    ],
)
def test_verdicts(completion, verdict):
    assert describe_completion(completion, EVALUATION, SYMBOLIC) == verdict


def test_words_for_a_composition():
    problem = compose_problems(["evaluation", "inversion"], [2, 1], GF11, 4, (*EVALUATION.operations, ("add", 1)), 7)
    answer = GF11.write_value(problem.answer)
    assert describe_problem(problem, SYMBOLIC) == (
        f"2 parts: evaluation of 2 steps, asks for y; inversion of 1 step, asks for x. Right answer: x = {answer}."
    )
    parts = zip(problem.parts, problem.part_marks, strict=True)
    right = [SYMBOLIC.write_completion(STRATEGIES["forward"](part), GF11, mark) for part, mark in parts]
    wrong = f"{right[0]} L9 ? x x {answer} L9 - e1 e0"
    assert describe_completion(wrong, problem, SYMBOLIC) == (
        "wrong answer, mixed strategies. First wrong step: part 2, step 1 of 1, lost_place: "
        '"L9 - e1 e0" should be "L9 + e1 e0".'
    )
    assert describe_completion(f"{right[0]} y", problem, SYMBOLIC).startswith("wrong answer, mixed strategies. ")


def test_command_line_starts_without_torch():
    check = "import sys, selectimprove.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
