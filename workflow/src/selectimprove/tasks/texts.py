"""The text forms of a problem and of a completion: symbolic words and plain sentences.

The model decides the form: a symbolic one for the tiny word-level tokenizer, `sentences` for a pretrained model. A
completion is the same trace in all: an opening that names x or y and its value, one line a step, and an answer line
that gives both ends of the chain, of which only the one that was asked for counts.

    symbolic   x e3 L7 + e5 L8 * e2 y ? ? y         ->  x e3 L7 + e5 e9 L8 * e2 e1 A x e3 y e1
    sentences  Start: x = e3. Step 7: add e5. ...   ->  x = e3 / Step 7: e3 + e5 = e9 / ... / Answer: x = e3, y = e1

The prompt of a composition states its parts in a row, where the word A (the answer before) stands for what a part is
given; a completion is one such trace a part, each with its answer line. In symbolic words such a trace is preceded by
its mark: the label of the part's first step, which says where in the prompt the part is, and what it asks, as there.

Where a task is stated in each prompt, symbolic completions also write what they look up there, as numbers behind the
symbols that are given and before those of results: x e3 6 L7 + e5 2 8 e9 ...

In `symbolic_question_first` the name that is asked for stands before the chain: y x e3 L7 + e5 L8 * e2 y ? ?
"""

from typing import Protocol

from selectimprove.tasks.problems import AnyProblem, Mark
from selectimprove.tasks.sentences import SentenceText
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.task import Task, Value
from selectimprove.tasks.traces import Trace


class TextForm(Protocol):
    """How problems and traces are written and read. `read_*` accept exactly what `write_*` make."""

    label_pool: int | None  # how many labels steps can bear, drawn at random; None: they count from 1

    def write_value(self, value: Value, task: Task) -> str:
        """Return a value as answer lines write it."""
        ...

    def write_given(self, value: Value, task: Task) -> str:
        """Return a value as the opening of a completion writes it."""
        ...

    def write_prompt(self, problem: AnyProblem) -> str: ...

    def read_prompt(self, prompt: str, task: Task) -> AnyProblem:
        """Return the problem that `prompt` states; raises ValueError if it is no prompt of the task in this form."""
        ...

    def write_opening(self, name: str, mark: Mark | None = None) -> str:
        """Return the words that open a completion whose opening names `name`, x or y; mark: as in write_completion."""
        ...

    def write_step_start(self, label: int) -> str:
        """Return the words that begin a step with this label, up to where its operator or left value would follow."""
        ...

    def write_completion(self, trace: Trace, task: Task, mark: Mark | None = None) -> str:
        """Return a trace in words; mark: of the part, where it is that of a composition."""
        ...

    def read_completion(self, completion: str, task: Task, mark: Mark | None = None) -> Trace:
        """Return what any text at all can be read as; never raises.

        The answer counts only if the completion ends with its one and only answer line, to the letter.
        """
        ...

    def join_parts(self, completions: list[str]) -> str:
        """Return the completion of a composition from those of its parts; of any problem, from its pieces."""
        ...

    def split_parts(self, completion: str, task: Task) -> list[str]:
        """Return any text cut after each answer line, or what begins like one; never raises."""
        ...

    def split_pieces(self, completion: str, task: Task) -> list[str]:
        """Return any text cut into openings, steps and answer lines, or what stands in their place; never raises.

        `join_parts` of the pieces gives the text back.
        """
        ...

    def count_words(self, task: Task, steps: int, parts: int) -> int:
        """Return how many words a completion of parts of `steps` steps has at least, and so tokens of any tokenizer."""
        ...


TEXT_FORMS: dict[str, TextForm] = {
    "symbolic": SymbolicText(),
    "symbolic_question_first": SymbolicText(asks_first=True),
    "sentences": SentenceText(),
}
