"""The tasks by name: those of this package, and those that installed packages register.

A package registers a task through the entry point group GROUP, of which a name is the task's in the configuration and
what it points to is a subclass of `Task`.
"""

import functools
import importlib.metadata
import inspect
from collections.abc import Iterator
from typing import Any

from selectimprove.tasks.field import Field
from selectimprove.tasks.programs import Programs
from selectimprove.tasks.specs import TaskSpec
from selectimprove.tasks.task import WORDS, Task

GROUP = "selectimprove.tasks"
TASKS: dict[str, type[Task]] = {"field": Field, "programs": Programs}


def list_registered() -> dict[str, importlib.metadata.EntryPoint]:
    """Return the tasks of other packages by name."""
    found = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    return {name: point for name, point in sorted(found.items()) if name not in TASKS}


@functools.cache
def find_task(name: str) -> type[Task]:
    """Return the class of a task.

    Raises ValueError, in one sentence, if there is none of that name, or if it cannot be imported or is not whole.
    """
    if name in TASKS:
        return TASKS[name]
    registered = list_registered()
    if name not in registered:
        raise ValueError(f"{name!r} is not known; known are {', '.join([*TASKS, *registered])}")
    point = registered[name]
    try:
        found = point.load()
    except Exception as error:  # whatever the code of another package raises
        raise ValueError(f"{name!r} cannot be imported from {point.value}: {error!r}") from error
    if not (inspect.isclass(found) and issubclass(found, Task)):
        raise ValueError(f"{name!r} is {point.value}, which must be a subclass of {Task.__module__}.Task")
    if lacking := sorted(found.__abstractmethods__):
        raise ValueError(f"{name!r} is {point.value}, which lacks {', '.join(lacking)}")
    return found


def find_package(name: str) -> str | None:
    """Return the package that registers a task, and its version; None for a task of this package."""
    if name in TASKS:
        return None
    distribution = list_registered()[name].dist
    return f"{distribution.name} {distribution.version}"


def check_task(task: Task) -> None:
    """Raise ValueError, in one sentence, on a task that does not do what `Task` asks of it."""
    if flaw := next(list_flaws(task), None):
        raise ValueError(f"task: {task.title} is not in order: {flaw}")


def list_flaws(task: Task) -> Iterator[str]:
    """Yield what is not as `Task` asks for it."""
    for operation in task.operations:
        undoing = task.invert(operation)
        for value in task.values:
            result = task.apply(operation, value)
            if result not in task.values or task.apply(undoing, result) != value:
                yield f"{undoing} does not undo {operation} on {value!r}, which it makes {result!r}"
    symbolic = {
        "values": [task.write_value(value) for value in task.values],
        "operations": [task.write_operation(operation) for operation in task.written_operations],
        "values that completions open with": [task.write_given(value) for value in task.values],
        "operations of completions": [task.write_trace_operation(operation) for operation in task.written_operations],
        "results": [task.write_result(value) for value in task.values],
    }
    said = {
        "values in sentences": [task.say_value(value) for value in task.values],
        "operations in sentences": [task.say_operation(operation) for operation in task.operations],
        "steps in sentences": [task.say_trace_operation(operation) for operation in task.written_operations],
    }
    for what, written in (symbolic | said).items():
        if alike := {words for words in written if written.count(words) > 1}:
            yield f"{what}: several are written {min(alike)!r}"
    known = {*task.value_words, *task.operation_words}
    for what, written in symbolic.items():
        lengths = sorted({len(words.split()) for words in written})
        if len(lengths) > 1:
            yield f"{what}: found some of {lengths[0]} and some of {lengths[-1]} words, must be of as many"
        if foreign := [word for word in " ".join(written).split() if word not in known]:
            yield f"{what}: {foreign[0]!r} is none of the words of values and operations"
    for word in (*task.value_words, *task.operation_words):
        if word in WORDS or word.startswith("L"):
            yield f"{word!r} is a word that prompts have of their own"


def fill_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a task with the defaults of those that are not given."""
    defaults = {key: schema.get("default") for key, schema in find_task(name).SETTINGS.items()}
    filled = {key: settings.get(key, default) for key, default in defaults.items()} | settings
    return {key: value for key, value in filled.items() if key in settings or value is not None}


def make_task(spec: TaskSpec, *key: str | int) -> Task:
    """Return the task that a spec describes; what is hidden in it is drawn from `key`."""
    return find_task(spec.task).draw(spec.settings, *key)
