"""The rooms of the package form a one-way street: a module imports from its own room and from those below it alone."""

import ast
import graphlib
import shutil
from pathlib import Path

import pytest

import selectimprove
from selectimprove.provenance.code import find_file, list_imports

SOURCE = Path(selectimprove.__file__).parents[1]
BELOW = ["seeds", "files", "terminal"]  # modules beside the rooms, and below them all
ROOMS = [*BELOW, "tasks", "experiment", "provenance", "training", "measurement", "presentation", "commands", "__main__"]


def list_modules(source: Path) -> list[str]:
    files = (file.relative_to(source).with_suffix("") for file in sorted((source / "selectimprove").rglob("*.py")))
    return [".".join(path.parts).removesuffix(".__init__") for path in files]


def find_faults(source: Path) -> list[str]:
    """Return a sentence for each import that runs up the street, and for a circle of imports if there is one."""
    modules = [module for module in list_modules(source) if module != "selectimprove"]
    imports = {module: [name for name in list_imports(module, source) if name in modules] for module in modules}

    def show(module: str) -> str:
        return str(find_file(module, source).relative_to(source))

    def rank(module: str) -> int:
        return ROOMS.index(module.split(".")[1])

    faults = [
        f"{show(module)} imports {show(name)}, which is further up the street"
        for module, names in imports.items()
        for name in names
        if rank(name) > rank(module)
    ]
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        faults.append(f"a circle of imports: {' <- '.join(map(show, error.args[1]))}")
    return faults


def test_no_import_runs_up_the_street_or_in_a_circle():
    assert find_faults(SOURCE) == []


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        (
            "tasks/field.py",
            "from selectimprove.provenance import records",
            "selectimprove/tasks/field.py imports selectimprove/provenance/records.py, which is further up the street",
        ),
        (
            "training/sft.py",
            "def train():\n    import selectimprove.measurement.scores",
            "selectimprove/training/sft.py imports selectimprove/measurement/scores.py, which is further up the street",
        ),
        (
            "measurement/analysis.py",
            "from selectimprove.measurement.claims import check_claims",
            "a circle of imports: selectimprove/measurement/",
        ),
    ],
)
def test_planted_import_is_found_with_both_files(file, line, fault, tmp_path):
    shutil.copytree(SOURCE / "selectimprove", tmp_path / "selectimprove", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "selectimprove" / file).open("a") as module:
        module.write(f"\n{line}\n")
    found = find_faults(tmp_path)[0]
    assert found.startswith(fault)
    assert file in found


def test_every_module_is_in_a_room_that_says_what_it_is():
    modules = [module.split(".")[1:] for module in list_modules(SOURCE)]
    assert {path[0] for path in modules if path} == set(ROOMS)
    assert {path[0] for path in modules if len(path) == 1} == set(ROOMS)  # a room's own __init__.py
    for room in ROOMS[len(BELOW) : -1]:
        docstring = ast.get_docstring(ast.parse((SOURCE / "selectimprove" / room / "__init__.py").read_text()))
        assert "import" in docstring.lower()
        code = ast.parse((SOURCE / "selectimprove" / room / "__init__.py").read_text()).body
        assert len(code) == 1  # the docstring alone: nothing is exported again
