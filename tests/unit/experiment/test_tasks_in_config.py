"""Tasks in the configuration: what is found, and what is told of those that are not in order, before any compute."""

import re
import sys

import pytest
import yaml
from configurations import CONFIG, PRESETS, SCHEMA, UNDRAWN, load
from cups_package import CUPS, install_cups

from selectimprove.experiment.config import ConfigError, load_experiment, merge_defaults
from selectimprove.tasks.registry import find_task
from selectimprove.tasks.specs import TaskSpec

SOURCE = (CUPS / "cups.py").read_text()
TAKEN = 'return f"cup{value}"'


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs the example: other code of it, or another object, if told."""
    find_task.cache_clear()
    monkeypatch.delitem(sys.modules, "cups", raising=False)
    yield lambda **changes: monkeypatch.syspath_prepend(install_cups(tmp_path / "site", **changes))
    find_task.cache_clear()


def use(**settings) -> dict:
    return UNDRAWN | {"tasks.cups": {"task": "cups", "cups": 7, **settings}}


def refuse(changes: dict) -> str:
    with pytest.raises(ConfigError) as error:
        load(changes)
    assert str(error.value).splitlines() == [str(error.value)]
    return str(error.value)


def test_task_of_a_package_is_one_like_any_other(install) -> None:
    install()
    experiment = load(use(pretrain={"updates": 7}) | {"datasets.balls": {"task": "cups", "steps": "2-5"}})
    assert experiment.tasks["cups"] == TaskSpec("cups", {"cups": 7}, "cups 1.0")
    assert experiment.make_data_spec("balls", 0).task.settings == {"cups": 7}
    assert experiment.make_pretrain_spec("cups", 0).updates == 7


def test_grids_and_defaults_stand_for_tasks_too() -> None:
    grid = {"grid": {"order": {"13": {"order": 13}, "17": {"order": 17}}}, "task": "field"}
    experiment = load(UNDRAWN | {"tasks.gf{order}": grid, "tasks.defaults": {"symbol_map": "stated"}})
    assert experiment.tasks["gf17"].settings == {"order": 17, "symbol_map": "stated"}
    assert list(experiment.tasks) == ["gf11", "gf13", "gf17"]


def test_preset_of_programs_is_the_core_on_another_task() -> None:
    """Every run of the core, with claims of its own, and no column of the paper's, whose task it is not."""
    preset = yaml.safe_load((PRESETS / "programs.yaml").read_text())
    core, programs = load({}), load_experiment(merge_defaults(CONFIG, preset), SCHEMA)
    assert programs.tasks == {"strings": TaskSpec("programs", {"length": 3, "letters": 5})}
    assert {dataset.task for dataset in programs.datasets.values()} == {"strings"}
    assert (set(programs.sft_values), set(programs.rl_values)) == (set(core.sft_values), set(core.rl_values))
    assert [claim.name for claim in programs.claims] == [f"programs_{claim.name}" for claim in core.claims]
    assert programs.tables["table1"]["module"] == "accuracy"
    assert programs.seeds == (0, 1, 2)


MISTAKES = {
    "unknown task": (
        {"tasks.gf11.task": "juggling"},
        r"^tasks\.gf11\.task: 'juggling' is not known; known are field, programs(, \w+)*$",
    ),
    "no task": ({"tasks.other": {"order": 11}}, r"^tasks\.other: the key 'task' is missing$"),
    "task that is no name": ({"tasks.gf11.task": 7}, r"^tasks\.gf11\.task: found 7, must be letters, digits"),
    "setting of another task": (
        {"tasks.gf11.letters": 5},
        r"^tasks\.gf11: unknown key 'letters'; allowed are task, order, symbol_map, model, pretrain$",
    ),
    "settings of the field in programs": (
        {"tasks.strings": {"task": "programs", "order": 11}},
        r"^tasks\.strings: unknown key 'order'; allowed are task, length, letters, model, pretrain$",
    ),
    "setting that is missing": ({"tasks.gf13": {"task": "field"}}, r"^tasks\.gf13: the key 'order' is missing$"),
    "too few strings": (
        {"tasks.strings": {"task": "programs", "letters": 3}},
        r"^tasks\.strings\.letters: found 3, which make 27 strings of 3 letters, must make at least 100$",
    ),
    "too long strings": (
        {"tasks.strings": {"task": "programs", "length": 5}},
        r"^tasks\.strings\.length: .*at most 4$",
    ),
    "too few distinct chains": (
        {"tasks.strings": {"task": "programs"}, "datasets.one": {"task": "strings", "steps": "1-1"}},
        r"^datasets\.one\.sizes\.train: 6400 problems take 3200 evaluation problems of 1 steps, "
        r"but of programs on strings of 3 letters only 1701 distinct ones exist in this split$",
    ),
    "the key of before": (
        {"fields": {"gf11": {"order": 11}}},
        r"^fields: this key is now `tasks`, and its entries name their task: \{task: field, order: 11\}$",
    ),
    "the key of before in a data set": (
        {"datasets.rl_6_9.field": "gf11"},
        r"^datasets\.rl_6_9\.field: this key is now `task`, a name of the section `tasks`$",
    ),
    "the key of before in the defaults of data sets": (
        {"datasets.defaults.field": "gf11"},
        r"^datasets\.defaults\.field: this key is now `task`",
    ),
}


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_told_in_one_sentence(changes, message) -> None:
    told = refuse(changes)
    assert re.search(message, told), told


BROKEN = {
    "does not import": (
        {"source": "import no_such_module"},
        r"^tasks\.cups\.task: 'cups' cannot be imported from cups:Cups: ModuleNotFoundError",
    ),
    "fails as it is imported": (
        {"source": "1 / 0"},
        r"^tasks\.cups\.task: 'cups' cannot be imported from cups:Cups: ZeroDivisionError",
    ),
    "has no such object": (
        {"source": "Bowls = 1"},
        r"^tasks\.cups\.task: 'cups' cannot be imported from cups:Cups: AttributeError",
    ),
    "is no task": (
        {"source": "class Cups: pass"},
        r"^tasks\.cups\.task: 'cups' is cups:Cups, which must be a subclass of selectimprove\.\S+\.Task$",
    ),
    "is a function": (
        {"registered": "cups:dataclass"},
        r"^tasks\.cups\.task: 'cups' is cups:dataclass, which must be a subclass of",
    ),
    "lacks members": (
        {"source": SOURCE.replace("def invert", "def undo").replace("def title", "def name")},
        r"^tasks\.cups\.task: 'cups' is cups:Cups, which lacks invert, title$",
    ),
    "writes a word of the prompt": (
        {"source": SOURCE.replace(TAKEN, 'return "xyA?bcd"[value - 1]')},
        r"a ball under 7 cups is not in order: 'x' is a word that prompts have of their own$",
    ),
    "writes a label": (
        {"source": SOURCE.replace(TAKEN, 'return f"L{value}"')},
        r"a ball under 7 cups is not in order: 'L1' is a word that prompts have of their own$",
    ),
    "writes two values alike": (
        {"source": SOURCE.replace(TAKEN, 'return f"cup{min(value, 4)}"')},
        r"a ball under 7 cups is not in order: values: several are written 'cup4'$",
    ),
    "writes values of several lengths": (
        {"source": SOURCE.replace(TAKEN, 'return " ".join(["cup"] * value)')},
        r"a ball under 7 cups is not in order: values: found some of 1 and some of 7 words, must be of as many$",
    ),
    "writes results in words that its values do not have": (
        {"source": f'{SOURCE}\n    def write_result(self, value):\n        return f"under{{value}}"\n'},
        r"a ball under 7 cups is not in order: results: 'under1' is none of the words of values and operations$",
    ),
    "raises": (
        {"source": SOURCE.replace(TAKEN, 'return "cup" + value')},
        r"^tasks\.cups\.task: 'cups' raises TypeError\('can only concatenate str",
    ),
    "has an operation that is not undone": (
        {"source": SOURCE.replace("return operation  #", "return operation[0], 1, 3  #")},
        r"a ball under 7 cups is not in order: \('swap', 1, 3\) does not undo \('swap', 1, 2\) on 1, which it makes 2$",
    ),
}


@pytest.mark.parametrize(("changes", "message"), BROKEN.values(), ids=BROKEN)
def test_package_that_is_not_in_order_is_told_in_one_sentence(changes, message, install) -> None:
    install(**changes)
    told = refuse(use())
    assert told.startswith("tasks.cups.task: ")
    assert re.search(message, told), told


def test_setting_of_another_task_in_a_package_is_told(install) -> None:
    install()
    told = refuse(use(balls=11))
    assert told == "tasks.cups: unknown key 'balls'; allowed are task, cups, model, pretrain"
    assert refuse(use(cups=2)) == "tasks.cups.cups: found 2, must be at least 3"


def test_task_that_is_not_installed_is_not_known() -> None:
    assert "'cups' is not known; known are field, programs" in refuse(use())
