"""Files and folders that are whole or as they were before, digests, and the commit of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from broken_disk import file_size_limit

from selectimprove.files import put_in_place, write_json, write_whole
from selectimprove.provenance import records
from selectimprove.provenance.records import check_digest, digest_checkpoint
from selectimprove.provenance.sidecars import write_sidecar


def test_file_that_does_not_fit_leaves_the_one_before(tmp_path):
    file = tmp_path / "file.json"
    write_json(file, {"a": 1})
    before = file.read_bytes()
    with file_size_limit(1000), pytest.raises(OSError, match="File too large"):
        write_json(file, {"a": "b" * 2000})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_folder_that_is_not_finished_leaves_the_one_before(tmp_path):
    folder = tmp_path / "step2"
    for content in ("first", "second"):
        with put_in_place(folder) as temporary:
            temporary.mkdir()
            (temporary / "weights").write_text(content)
    with file_size_limit(1000), pytest.raises(OSError, match="File too large"), put_in_place(folder) as temporary:
        temporary.mkdir()
        (temporary / "weights").write_text("third")
        (temporary / "more").write_text("b" * 2000)
    assert (folder / "weights").read_text() == "second"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_an_earlier_process_left_half_written_is_not_put_in_place(tmp_path):
    (tmp_path / ".file.tmp").mkdir()
    (tmp_path / ".file.tmp" / "rest").touch()
    write_whole(tmp_path / "file", lambda file: file.write_text("new"))
    assert (tmp_path / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_without_a_record_has_any_content(tmp_path):
    (tmp_path / "file").write_text("one")
    one = check_digest(tmp_path / "file")
    write_json(tmp_path / "provenance.json", {"files": {"other": "digest"}})
    assert check_digest(tmp_path / "file") == one


def test_digest_of_a_checkpoint_is_over_its_files_and_those_in_folders(tmp_path):
    """As in a folder from a hub; without subfolders, the digest is the one that is in all records so far."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text(name)
    flat = digest_checkpoint(tmp_path)
    assert flat == "1da06c0f851c0bd07ed89a39226bdd0e23701f7b30f89951d0f896eec82a3d0d"
    for hidden in (".cache/notes", ".gitattributes", "provenance.json"):
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_text("more")
    assert digest_checkpoint(tmp_path) == flat
    digests = {flat}
    for name in ("onnx/model.onnx", "onnx/more/provenance.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one")
        digests.add(digest_checkpoint(tmp_path))
    (tmp_path / name).write_text("other")
    digests.add(digest_checkpoint(tmp_path))
    assert len(digests) == 4


SOURCE = r"0\.1\.0\+source\.[0-9a-f]{12}"


def make_checkout(folder):
    """Copy the package to where it lies in a checkout."""
    package = folder / "workflow/src/selectimprove"
    shutil.copytree(records.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def call_git(folder, *arguments):
    identity = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "commit.gpgsign=false",
    ]
    command = ["git", "-C", folder, *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit_all(folder):
    """Make a repository of a folder and return its commit."""
    call_git(folder, "init")
    call_git(folder, "add", ".")
    call_git(folder, "commit", "-m", "all")
    return call_git(folder, "rev-parse", "HEAD")


def ask_commit(checkout, **environment):
    """Return what the package of a checkout says of its commit."""
    program = "from selectimprove.provenance.records import find_commit; print(find_commit())"
    environment = {**os.environ, "PYTHONPATH": str(checkout / "workflow/src"), **environment}
    command = [sys.executable, "-c", program]
    process = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
    assert process.stderr == ""
    return process.stdout.strip()


def test_commit_is_that_of_the_checkout_with_its_changes(tmp_path):
    checkout = make_checkout(tmp_path / "checkout")
    commit = commit_all(checkout)
    assert ask_commit(checkout) == commit
    (checkout / "untracked").touch()
    assert ask_commit(checkout) == commit
    with (checkout / "workflow/src/selectimprove/seeds.py").open("a") as file:
        file.write("\n")
    assert ask_commit(checkout) == f"{commit}+changes"


def test_commit_is_found_where_another_user_owns_the_checkout_and_a_hook_names_another_one(tmp_path):
    checkout = make_checkout(tmp_path / "checkout")
    commit = commit_all(checkout)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    commit_all(tmp_path / "other")
    hook = {"GIT_DIR": str(tmp_path / "other/.git"), "GIT_WORK_TREE": str(tmp_path / "other")}
    assert ask_commit(checkout, **hook) == commit
    if os.geteuid() != 0:
        pytest.skip("only root may give the checkout to another user")
    for path in [checkout, *checkout.rglob("*")]:
        os.chown(path, 65534, 65534)
    with pytest.raises(subprocess.CalledProcessError):
        call_git(checkout, "status")
    assert ask_commit(checkout, HOME=str(tmp_path)) == commit


@pytest.mark.parametrize("case", ["no repository", "a repository above", "no git", "a damaged repository"])
def test_code_is_told_by_its_digest_where_git_does_not_tell_the_commit(tmp_path, case):
    checkout = make_checkout(tmp_path / "checkout")
    environment = {}
    if case == "a repository above":
        commit_all(tmp_path)
    if case == "no git":
        commit_all(checkout)
        environment["PATH"] = str(tmp_path)
    if case == "a damaged repository":
        commit_all(checkout)
        (checkout / ".git/index").write_bytes(b"damaged")
    told = ask_commit(checkout, **environment)
    assert re.fullmatch(SOURCE, told)
    with (checkout / "workflow/src/selectimprove/seeds.py").open("a") as file:
        file.write("\n")
    changed = ask_commit(checkout, **environment)
    assert re.fullmatch(SOURCE, changed)
    assert changed != told


def test_version_is_that_of_the_package():
    file = Path(__file__).parents[3] / "pyproject.toml"
    assert tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"] == records.VERSION


def test_library_that_is_not_installed_is_told_as_such(monkeypatch):
    monkeypatch.setattr(records, "LIBRARIES", ("pytest", "no-such-library"))
    assert records.find_versions() == {"pytest": pytest.__version__, "no-such-library": "none"}


def test_records_say_which_versions_are_not_as_pinned(monkeypatch, tmp_path):
    """And nothing where all are, so that such records are the same bytes as before there was anything to say."""
    others = {"numpy": {"found": "2.0", "pinned": "2.4.6"}}
    monkeypatch.setattr(records, "find_other_versions", dict)
    assert set(records.make_record(None, {})) == {"spec", "inputs", "commit", "versions"}
    monkeypatch.setattr(records, "find_other_versions", lambda: others)
    assert records.make_record(None, {})["other_versions"] == others
    write_sidecar(tmp_path / "figure.json", {}, [], [])
    assert json.loads((tmp_path / "figure.json").read_text())["other_versions"] == others
