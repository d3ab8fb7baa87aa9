"""The text form of a pretrained model: plain sentences, or whatever else the task puts in their place."""

import functools
import re
from collections.abc import Iterable

from selectimprove.tasks.problems import AnyProblem, Mark
from selectimprove.tasks.prompts import BEFORE, Given, build_problem
from selectimprove.tasks.task import Sentences, Task, Value
from selectimprove.tasks.traces import Trace, TraceStep


class SentenceText:
    """Text for a pretrained model: the prompt is a user message, the completion the assistant's."""

    label_pool = None

    def write_value(self, value: Value, task: Task) -> str:
        return task.say_value(value)

    def write_given(self, value: Value, task: Task) -> str:
        return task.say_value(value)

    def write_prompt(self, problem: AnyProblem) -> str:
        task = problem.task
        said = task.sentences
        lines = [said.intro, *([task.say_statement()] if task.stated else [])]
        for position, part in enumerate(problem.parts):
            asks_end = part.unknown == "y"
            given = said.before if position else task.say_value(part.start if asks_end else part.end)
            lines.append(said.start[not asks_end].format(value=given))
            for label, operation in enumerate(part.operations, part.first_label):
                lines.append(said.step.format(label=label, operation=task.say_operation(operation)))
            lines.append(said.end[asks_end].format(value=given))
            lines.append(said.question.format(name=part.unknown))
        return "\n".join(lines)

    def read_prompt(self, prompt: str, task: Task) -> AnyProblem:
        said = task.sentences
        part_pattern, step_pattern = compile_prompt(said, tuple(task.said_values), tuple(task.said_operations))
        refusal = f"not a prompt in sentences: {prompt!r}"
        intro, *rest = prompt.removeprefix(said.intro).split("\n", 2 if task.stated else 1)
        if intro or not prompt.startswith(said.intro) or len(rest) != 1 + task.stated:
            raise ValueError(refusal)
        if task.stated:
            task = task.read_statement(rest[0])
        chains, parts, labels, position = f"{rest[-1]}\n", [], [], 0
        while position < len(chains):
            match = part_pattern.match(chains, position)
            if match is None:
                raise ValueError(refusal)
            steps = list(step_pattern.finditer(match["steps"]))
            labels += [int(step["label"]) for step in steps]
            ends = (self._read_end(match[name], task) for name in ("start", "end"))
            parts.append((*ends, [task.said_operations[step["operation"]] for step in steps]))
            position = match.end()
        problem = build_problem(task, parts, labels[0])
        if self.write_prompt(problem) != prompt:
            raise ValueError(refusal)
        return problem

    @staticmethod
    def _read_end(said: str | None, task: Task) -> Given:
        return BEFORE if said == task.sentences.before else task.said_values.get(said)

    def write_opening(self, name: str, mark: Mark | None = None) -> str:
        return f"{name} ="

    def write_step_start(self, label: int) -> str:
        return f"Step {label}:"

    def write_completion(self, trace: Trace, task: Task, mark: Mark | None = None) -> str:
        lines = [f"{trace.opening[0]} = {task.say_value(trace.opening[1])}"]
        value = trace.opening[1]
        for step in trace.steps:
            left = value if step.left is None else step.left
            written = task.sentences.trace.format(
                left=task.say_value(left),
                operation=task.say_trace_operation(step.operation),
                result=task.say_value(step.result),
            )
            lines.append(f"Step {step.label}: {written}")
            value = step.result
        start, end = map(task.say_value, trace.answer)
        lines.append(f"Answer: x = {start}, y = {end}")
        return "\n".join(lines)

    def read_completion(self, completion: str, task: Task, mark: Mark | None = None) -> Trace:
        opening_pattern, step_pattern, answer_pattern = compile_completion(
            task.sentences.trace, tuple(task.said_values), tuple(task.said_trace_operations)
        )
        lines = completion.split("\n")
        answer = None
        if completion.count("Answer:") == 1 and (match := answer_pattern.fullmatch(lines[-1])):
            answer = task.said_values[match[1]], task.said_values[match[2]]
        body = lines[:-1] if answer else lines
        opening = None
        if body and (match := opening_pattern.fullmatch(body[0])):
            opening = (match[1], task.said_values[match[2]])
        steps = []
        for line in body[1:] if opening else ():
            match = step_pattern.fullmatch(line)
            if match is None:
                break
            left, result = task.said_values[match["left"]], task.said_values[match["result"]]
            operation = task.said_trace_operations[match["operation"]]
            steps.append(TraceStep(int(match["label"]), operation, result, left))
        return Trace(opening, tuple(steps), answer, readable=opening is not None and len(body) == 1 + len(steps))

    def join_parts(self, completions: list[str]) -> str:
        return "\n".join(completions)

    def split_parts(self, completion: str, task: Task) -> list[str]:
        pieces: list[list[str]] = [[]]
        for line in completion.split("\n"):
            pieces[-1].append(line)
            if line.startswith("Answer:"):
                pieces.append([])
        return ["\n".join(lines) for lines in pieces if lines]

    def split_pieces(self, completion: str, task: Task) -> list[str]:
        return completion.split("\n")

    def count_words(self, task: Task, steps: int, parts: int) -> int:
        value, operation = (
            min(said, key=lambda words: len(words.split())) for said in (task.said_values, task.said_trace_operations)
        )
        step = f"Step 1: {task.sentences.trace.format(left=value, operation=operation, result=value)}"
        ends = f"x = {value}", f"Answer: x = {value}, y = {value}"
        return parts * (len(" ".join(ends).split()) + steps * len(step.split()))


def write_pattern(template: str, **groups: Iterable[str]) -> str:
    """Return the pattern of a template filled in: each of its names is a group that takes one of these, to the letter.

    An empty iterable stands for any number.
    """
    pattern = re.escape(template)
    for name, words in groups.items():
        taken = "|".join(map(re.escape, words)) or "[0-9]+"
        pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>{taken})")
    return pattern


@functools.lru_cache
def compile_prompt(
    said: Sentences, values: tuple[str, ...], operations: tuple[str, ...]
) -> tuple[re.Pattern, re.Pattern]:
    """Return the pattern of a part of a prompt, which ends with a line break, and that of a step in it."""
    step = write_pattern(said.step, label=(), operation=operations) + "\n"
    ends = {}
    for name, (with_value, unknown) in (("start", said.start), ("end", said.end)):
        given = write_pattern(with_value.replace("{value}", f"{{{name}}}"), **{name: (*values, said.before)})
        ends[name] = f"(?:{given}|{re.escape(unknown)})\n"
    steps = f"(?P<steps>(?:{re.sub(r'[(][?]P<[a-z]+>', '(?:', step)})+)"
    question = write_pattern(said.question, name=("x", "y")) + "\n"
    return re.compile(ends["start"] + steps + ends["end"] + question), re.compile(step)


@functools.lru_cache
def compile_completion(trace: str, values: tuple[str, ...], operations: tuple[str, ...]) -> tuple[re.Pattern, ...]:
    """Return the patterns of an opening, a step and an answer line of a completion; trace: as in Sentences."""
    value = f"({'|'.join(map(re.escape, values))})"
    step = write_pattern(trace, left=values, operation=operations, result=values)
    return (
        re.compile(f"([xy]) = {value}"),
        re.compile(f"Step (?P<label>[1-9][0-9]{{0,3}}): {step}"),
        re.compile(f"Answer: x = {value}, y = {value}"),
    )
