"""The pretraining corpus: right arithmetic, and nothing that says where to start or what is asked."""

import dataclasses
import re
from collections import Counter

import pytest
import torch
from cups_package import install_cups
from oracles import calculate, move_questions
from tiny_models import GF5, ORDER, make_pretrain_spec
from trl import SFTTrainer

from selectimprove.experiment.specs import StepsSpec
from selectimprove.tasks.field import Field
from selectimprove.tasks.registry import make_task
from selectimprove.tasks.specs import TaskSpec
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.training.models import create_tokenizer
from selectimprove.training.pretrain import (
    IGNORED,
    PretrainTrainer,
    encode_corpus,
    make_trainer,
    write_facts,
    write_log,
)

LOGS = 4000

OPERATORS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
OTHER_TASKS = [TaskSpec("programs", {"length": 3, "letters": 5}), TaskSpec("cups", {"cups": 7}, "cups 1.0")]


def is_share(count, total, share):
    return abs(count / total - share) < 5 * (share * (1 - share) / total) ** 0.5


def split_log(index):
    ((context, continuation),) = write_log(make_pretrain_spec(), index)
    *prompt, name, value = context.split()
    return prompt, [name, value], continuation.split()


@pytest.mark.parametrize("parts", [(1, 1), (2, 3)])
def test_every_part_of_a_log_executes_its_chain_from_its_own_opening(parts):
    for index in range(300):
        log = write_log(make_pretrain_spec(parts=parts), index)
        if parts == (1, 1):
            prompt, name, value = log[0][0].rsplit(" ", 2)
            log = [(f"{name} {value}", log[0][1])]
        else:
            prompt, told = log[0][0], [continuation for _, continuation in log[::3]]
            assert [context for context, _ in log[3::3]] == [""] * (len(told) - 1)
            asked = log[1::3]
            log = log[2::3]
        assert parts[0] <= len(log) <= parts[1]
        chains = re.split(r"(?<=\? [xy]) ", prompt)
        if len(log) > 1:
            assert told == [re.search(r"L\d+", chain)[0] for chain in chains]
            assert asked == [("?", chain[-1]) for chain in chains]
        openings = [context.split() for context, _ in log]
        assert {len(opening) for opening in openings} == {2}
        for chain, opening, (_, continuation) in zip(chains, openings, log, strict=True):
            words = continuation.split()
            value = GF5.value_notation.read(opening[1])
            steps, answer = words[:-5], words[-5:]
            ends = {opening[0]: opening[1]}
            labels = []
            for label, sign, operand, result in zip(*(iter(steps),) * 4, strict=True):
                value = calculate((OPERATORS[sign], GF5.value_notation.read(operand)), value, GF5)
                assert GF5.value_notation.read(result) == value
                labels.append(label)
                ends["y" if opening[0] == "x" else "x"] = result
            written = [word for word in chain.split() if word.startswith("L")]
            assert labels == (written if opening[0] == "x" else written[::-1])
            assert answer == ["A", "x", ends["x"], "y", ends["y"]]
        labels = [int(word[1:]) for word in prompt.split() if word.startswith("L")]
        assert labels == list(range(labels[0], labels[0] + len(labels)))


@pytest.mark.parametrize("parts", [(1, 1), (2, 3)])
def test_a_quoted_part_tells_what_its_chain_shows(parts):
    """Start and end, in either order whatever is asked; a share of parts is quoted."""
    spec = make_pretrain_spec(parts=parts, quoted_share=0.4)
    orders, quoted, told = Counter(), 0, 0
    for index in range(LOGS):
        (first, continuation), *others = write_log(spec, index)
        prompt = re.match(r"(x \S+ (?:L\d+ [+*] e\d+ )+y \S+ \? [xy]( |$))+", first)[0]
        chains = re.findall(r"x (\S+) (L\d+) (?:.*?)y (\S+) \? ([xy])", prompt)
        told += len(chains)
        segments = [(first.removeprefix(prompt), continuation), *others]
        for start, label, end, asked in chains:
            if len(chains) > 1:
                assert [segments.pop(0), segments.pop(0)] == [("", label), ("?", asked)]
            context, continuation = segments.pop(0)
            if continuation.startswith("L"):
                continue  # executed
            quote = [(context, continuation), segments.pop(0)]
            assert dict(quote) == {"x": start, "y": end}
            orders["".join(name for name, _ in quote), asked] += 1
            quoted += 1
        assert not segments
    assert is_share(quoted, told, 0.4)
    assert len(orders) == 4 and all(is_share(count, quoted, 1 / 4) for count in orders.values())


def test_quoted_parts_change_no_other():
    """Chains and what is executed stay as they are without quotes."""
    spec = make_pretrain_spec(parts=(2, 3))
    for index in range(300):
        executed = write_log(spec, index)
        quoted = write_log(make_pretrain_spec(parts=(2, 3), quoted_share=0.5), index)
        kept = [segment for segment in quoted if segment[1].startswith("L") or segment[0] == "?"]
        assert [segment for segment in executed if segment in kept] == kept
        assert quoted[0] == executed[0]


def test_each_direction_has_steps_of_its_own():
    spec = make_pretrain_spec(steps=StepsSpec(forward=(2, 7), backward=(1, 4)), forward_share=0.7)
    lengths = {"x": Counter(), "y": Counter()}
    for index in range(LOGS):
        ((context, continuation),) = write_log(spec, index)
        lengths[context.split()[-2]][(len(continuation.split()) - 5) // 4] += 1
    assert set(lengths["x"]) == set(range(2, 8)) and set(lengths["y"]) == set(range(1, 5))
    assert is_share(lengths["x"].total(), LOGS, 0.7)
    for bounds, counts in ((spec.steps.forward, lengths["x"]), (spec.steps.backward, lengths["y"])):
        choices = bounds[1] - bounds[0] + 1
        assert all(is_share(count, counts.total(), 1 / choices) for count in counts.values())


def test_no_part_of_a_log_starts_from_the_answer_before_it():
    """Openings agree with either end of the answer line before them by chance only."""
    equal = Counter()
    for index in range(LOGS):
        log = write_log(make_pretrain_spec(parts=(2, 2)), index)
        answer, opened = log[2][1].split()[-4:], log[5][0].split()[-1]
        equal.update(name for name, value in (answer[:2], answer[2:]) if value == opened)
    for name in "xy":
        assert is_share(equal[name], LOGS, 1 / ORDER)


@pytest.mark.parametrize("parts", [(1, 1), (2, 3)])
def test_question_stands_where_prompts_have_it(parts):
    """The same logs with the name that is asked for before each chain instead of behind it."""
    last = make_pretrain_spec(parts=parts)
    model = dataclasses.replace(last.model, text="symbolic_question_first")
    first = dataclasses.replace(last, model=model)
    for index in range(100):
        (context, continuation), *rest = write_log(first, index)
        opening = len(context.split()) - (2 if parts == (1, 1) else 0)  # the words before it are the prompt
        words = context.split()
        moved = " ".join([move_questions(" ".join(words[:opening])), *words[opening:]])
        assert [(moved, continuation), *rest] == write_log(last, index)


def test_prompt_says_nothing_about_the_log():
    """The prompt's ends, when shown, agree with the log's by chance only; the rest, question too, are coin flips."""
    seen = Counter()
    for index in range(LOGS):
        prompt, opening, words = split_log(index)
        *prompt, mark, asked = prompt
        assert (prompt[0], prompt[-2], mark) == ("x", "y", "?")
        shown, executed = {"x": prompt[1], "y": prompt[-1]}, {"x": words[-3], "y": words[-1]}
        for name in "xy":
            end = "opening" if name == opening[0] else "result"
            seen[f"{name} is hidden"] += shown[name] == "?"
            seen[f"{end} is shown"] += shown[name] != "?"
            seen[f"{end} is equal"] += shown[name] == executed[name]
        seen["one is hidden"] += list(shown.values()).count("?") == 1
        seen["opens x"] += opening[0] == "x"
        seen["asks x"] += asked == "x"
        seen["asks for what is hidden"] += shown[asked] == "?"
        seen["asks for the opening"] += asked == opening[0]

    for end in ("opening", "result"):
        assert is_share(seen[f"{end} is equal"], seen[f"{end} is shown"], 1 / ORDER)
    of_ends = ("opening is shown", "result is shown", "x is hidden", "y is hidden", "one is hidden", "opens x")
    for flip in (*of_ends, "asks x", "asks for what is hidden", "asks for the opening"):
        assert is_share(seen[flip], LOGS, 1 / 2)


def test_facts_are_right():
    for index in range(100):
        for value, _, sign, operand, result in zip(*(iter(write_facts(make_pretrain_spec(), index)),) * 5, strict=True):
            expected = calculate(
                (OPERATORS[sign], GF5.value_notation.read(operand)), GF5.value_notation.read(value), GF5
            )
            assert GF5.value_notation.read(result) == expected


@pytest.mark.parametrize("parts", [(1, 1), (2, 2)])
def test_loss_is_on_execution_and_on_results_only(parts):
    spec = make_pretrain_spec(parts=parts)
    tokenizer = create_tokenizer(GF5)
    rows = encode_corpus(spec, tokenizer)
    assert len(rows) == 2 * spec.updates * spec.logs_per_update
    logs = set()
    for position, row in enumerate(rows):
        trained = [tokenizer.decode([token]) for token in row["labels"] if token != IGNORED]
        if position // spec.logs_per_update % 2 == 0:
            logs.add(" ".join(trained))
        else:
            assert len(trained) == spec.facts_per_row
            assert all(word.startswith("e") for word in trained)
    written = [write_log(spec, index) for index in range(spec.updates * spec.logs_per_update)]
    assert logs == {" ".join([*(continuation for _, continuation in log), "<eos>"]) for log in written}


@pytest.mark.parametrize("share", [0, 0.5])
def test_short_logs_come_first(share):
    spec = make_pretrain_spec(updates=400, curriculum_share=share, steps=StepsSpec(forward=(1, 9), backward=(1, 9)))
    rows = encode_corpus(spec, create_tokenizer(GF5))
    size = spec.logs_per_update
    lengths = [len(rows[2 * size * update]["input_ids"]) for update in range(spec.updates)]
    rank = sorted(lengths).index(max(lengths[: spec.updates // 10])) / spec.updates
    assert rank < 0.6 if share else rank > 0.8  # at share 0.5, the expected rank is the root of 0.1 / 0.5
    late = lengths[spec.updates // 2 :]
    assert min(late) == min(lengths) and max(late) == max(lengths)


def test_training_is_that_of_the_stock_trainer(tmp_path):
    """Losses, accuracies and weights, to rounding: only what carries no loss is left out."""
    trainers = []
    for trainer_class in (SFTTrainer, PretrainTrainer):
        trainer = make_trainer(make_pretrain_spec(updates=3), tmp_path / trainer_class.__name__, trainer_class)
        trainer.train()
        trainers.append(trainer)
    logs = [[entry for entry in trainer.state.log_history if "loss" in entry] for trainer in trainers]
    for stock, ours in zip(*logs, strict=True):
        for name in ("loss", "grad_norm", "mean_token_accuracy", "learning_rate"):
            assert ours[name] == pytest.approx(stock[name], rel=1e-4)
    stock, ours = (trainer.model.state_dict() for trainer in trainers)
    for name, weight in stock.items():
        torch.testing.assert_close(ours[name], weight, rtol=0, atol=2e-3)


def test_corpus_writes_what_a_stated_map_says():
    """The number that a given symbol or an operand denotes, behind it; that of a result before its symbol."""
    corpus = make_pretrain_spec(task=TaskSpec("field", {"order": 11, "symbol_map": "stated"}))
    statement = re.compile(r"M((?: e\d+ \d+){11}) (.*)")
    step = re.compile(r"L\d+ ([-+*/]) (e\d+) (\d+) (\d+) (e\d+)")
    names = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
    for index in range(100):
        ((context, continuation),) = write_log(corpus, index)
        rows = [" ".join(write_facts(corpus, index)), f"{context} {continuation}"]
        for row in rows:
            stated, rest = statement.fullmatch(row).groups()
            numbers = dict(pair.split() for pair in re.findall(r"e\d+ \d+", stated))
            task = Field(11, tuple(int(numbers[f"e{index}"]) for index in range(11)), stated=True)
            found = [*step.finditer(rest)]
            if row is rows[0]:
                assert len(found) == corpus.facts_per_row
                befores = [rest[: match.start()].split()[-2:] for match in found]
                assert all(numbers[symbol] == number for number, symbol in befores)
            else:
                symbol, first = re.search(r" [xy] (e\d+) (\d+)$", context).groups()
                assert numbers[symbol] == first
                befores = [(first, symbol), *(match.groups()[3:] for match in found[:-1])]
                assert len(found) == continuation.count("L")
            for (before, _), match in zip(befores, found, strict=True):
                sign, symbol, operand, result, of_result = match.groups()
                assert (numbers[symbol], numbers[of_result]) == (operand, result)
                assert calculate((names[sign], int(operand)), int(before), task) == int(result)


@pytest.mark.parametrize("spec", OTHER_TASKS, ids=lambda spec: spec.task)
def test_corpus_of_every_task_is_right_and_has_loss_on_execution_and_results(spec, tmp_path, monkeypatch):
    """Steps and facts are held against the oracle; loss is on all words of a result, and on those alone in facts."""
    monkeypatch.syspath_prepend(install_cups(tmp_path))
    task = make_task(spec, 0)
    corpus = make_pretrain_spec(task=spec)
    text = SymbolicText()
    for index in range(100):
        ((context, continuation),) = write_log(corpus, index)
        name = re.search(r".* (?=[xy] )", context).end()
        trace = text.read_completion(f"{context[name:]} {continuation}", task)
        assert trace.readable
        value = trace.opening[1]
        for step in trace.steps:
            value = calculate(step.operation, value, task)
            assert step.result == value
        ends = (trace.opening[1], value)
        assert trace.answer == (ends if trace.opening[0] == "x" else ends[::-1])
    length, width = task.value_notation.length, task.operation_notation.length
    fact = 2 * length + width + 1
    seen = set()
    for index in range(100):
        words = write_facts(corpus, index)
        assert len(words) == corpus.facts_per_row * fact
        for at in range(0, len(words), fact):
            value, operation, result = (
                read(" ".join(words[at + begin : at + end]))
                for read, begin, end in (
                    (task.value_notation.read, 0, length),
                    (task.operation_notation.read, length + 1, length + 1 + width),
                    (task.value_notation.read, fact - length, fact),
                )
            )
            assert calculate(operation, value, task) == result
            seen.add(operation)
    assert seen == set(task.written_operations)
    rows = encode_corpus(corpus, create_tokenizer(task))
    for row in rows.select(range(corpus.logs_per_update, 2 * corpus.logs_per_update)):
        counted = [label != -100 for label in row["labels"]]
        assert counted == ([False] * (fact - length) + [True] * length) * corpus.facts_per_row
