"""Jobs in the image that the configuration names, and the file that the image is built from.

There is no Apptainer here: a program that is called as it is, and writes down how, runs the commands without an image.
"""

import json
import re
import subprocess

import pytest
from checkout import ROOT, SMOKE, copy_workflow, run_snakemake
from stand_ins import write_apptainer

FOLDER = "results/smoke/data/sft_F/seed0"
IN_IMAGE = ("--software-deployment-method", "apptainer", "--configfile", SMOKE)


@pytest.fixture
def checkout_with_image(tmp_path):
    folder = copy_workflow(tmp_path / "checkout")
    (folder / "selectimprove.sif").touch()
    write_apptainer(tmp_path / "bin", tmp_path / "calls.txt")
    return folder


def run_with_apptainer(folder, monkeypatch, *arguments):
    monkeypatch.setenv("PATH", str(folder.parent / "bin"), prepend=":")
    return run_snakemake(folder, *arguments, "--config", "container=selectimprove.sif")


def test_jobs_run_in_the_image_and_what_only_looks_does_not(checkout_with_image, monkeypatch):
    targets = ["list_runs", f"{FOLDER}/train.jsonl"]
    process = run_with_apptainer(checkout_with_image, monkeypatch, *targets, *IN_IMAGE)
    assert process.returncode == 0, process.stdout
    [call] = (checkout_with_image.parent / "calls.txt").read_text().splitlines()
    assert re.match(rf"exec --home {checkout_with_image} .*selectimprove\.sif bash -c ", call)
    log = (checkout_with_image / "results/smoke/logs/dataset/sft_F_seed0.log").read_text()
    assert log.startswith(f"+ python {checkout_with_image}/workflow/scripts/dataset.py --spec ")
    assert (checkout_with_image / FOLDER / "provenance.json").is_file()


def test_image_is_not_used_without_the_option(checkout_with_image, monkeypatch):
    arguments = ("--configfile", SMOKE, "--dry-run")
    process = run_with_apptainer(checkout_with_image, monkeypatch, f"{FOLDER}/train.jsonl", *arguments)
    assert process.returncode == 0, process.stdout
    assert not (checkout_with_image.parent / "calls.txt").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ((), "container: found null, must be an image, such as selectimprove.sif, for --software-deployment-method"),
        (("--config", "container=no.sif"), "container: found 'no.sif', which is not there; must be an image, or an"),
    ],
)
def test_image_that_is_not_there_is_told(tmp_path, changes, sentence):
    process = run_snakemake(copy_workflow(tmp_path), "--dry-run", *IN_IMAGE, *changes)
    assert process.returncode != 0
    assert len([line for line in process.stdout.splitlines() if line.startswith(sentence)]) == 1, process.stdout
    assert "Traceback" not in process.stdout


def list_instructions():
    """Return the instructions of the Containerfile, by word and what follows."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [tuple(line.split(" ", 1)) for line in text.splitlines()]


def test_containerfile_calls_what_there_is():
    instructions = list_instructions()
    assert [word for word, _ in instructions] == ["FROM", "RUN", "WORKDIR", "COPY", "ARG", "RUN", "ENV", "CMD"]
    installed = set(instructions[1][1].split())
    assert {"git", "make", "python3", "python3-venv"} < installed
    assert instructions[6] == ("ENV", f"PATH={instructions[2][1]}/.venv/bin:$PATH")
    made = ["env", 'CPU_INDEX="$CPU_INDEX"']
    assert instructions[5][1].split()[-3:] == ["make", *made]
    [program, *smoke] = json.loads(instructions[7][1])
    assert program == "make"
    for arguments, command in ((made, "pip install"), (smoke, "presets/smoke.yaml")):
        dry_run = ["make", "--dry-run", "--always-make", *arguments]
        assert command in subprocess.run(dry_run, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_image_gets_every_file_of_the_repository(tmp_path):
    """As git reads these patterns, which are among those that it and the builders of images read alike."""
    patterns = (ROOT / ".dockerignore").read_text()
    assert not re.search(r"^\s*#|[\[\]?\\]", patterns, re.MULTILINE)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(patterns)
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    files += ".venv/bin/python\nresults/tiny/report.html\nworkflow/src/__pycache__/a.pyc\n"
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    ignored = subprocess.run(command, cwd=tmp_path, input=files, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert ignored.splitlines() == files.splitlines()[-3:]
