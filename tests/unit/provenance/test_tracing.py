"""The chain from a figure to data sets and base: told as a tree, and damage found wherever it is."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from configurations import CONFIG, SCHEMA
from synthetic_scores import add_checkpoints, make_scores, make_spec, write_metrics, write_run_scores

from selectimprove.__main__ import main
from selectimprove.experiment.config import load_experiment
from selectimprove.experiment.specs import digest_specs
from selectimprove.files import write_json
from selectimprove.measurement.scores import join_scores
from selectimprove.presentation.rendering import render_figure
from selectimprove.provenance import chain, tracing
from selectimprove.provenance.records import RECORD, digest_path

RUNS = ("F", "B", "FB", "F_rl_6_9", "B_rl_6_9", "FB_rl_6_9")
SPECS = [{"pretrain": 0}, {"dataset": "data"}, *({"run": run} for run in RUNS), *({"evaluated": run} for run in RUNS)]
CHECKPOINTS = [f"checkpoints/{run}/{step}" for run in RUNS for step in ((25, 50) if "_" in run else (0,))]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Render a figure from fake checkpoints, all paths relative to the folder that is returned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("results"))
        scores = add_checkpoints(make_scores(lambda *cell: 0.5), Path("checkpoints"))
        files = write_run_scores(scores, Path("scores"))
        join_scores(files, Path("scores.parquet"))
        pdf, png, sidecar = (Path("figures") / f"figure2.{suffix}" for suffix in ("pdf", "png", "json"))
        spec = dataclasses.replace(make_spec("figure2", scores), config_digest=digest_specs(*SPECS))
        render_figure(spec, files, write_metrics(scores, Path("sft")), pdf, png, sidecar)
        return Path.cwd()


@pytest.fixture
def figure(results, tmp_path, monkeypatch):
    """Return the figure's PDF in a copy of the results, which is the current folder."""
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("figures/figure2.pdf")


def edit_record(file: Path, **changes) -> None:
    write_json(file, {**json.loads(file.read_text()), **changes})


def change_a_byte(path: Path) -> None:
    file = path / "model.safetensors" if path.is_dir() else path
    content = file.read_bytes()
    place = content.index(b"checkpoints/") if file.suffix == ".parquet" else 0  # of a value in a row
    file.write_bytes(content[:place] + b"W" + content[place + 1 :])


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def trace(path, capsys) -> tuple[int, dict[str, str], str]:
    """Return exit status, the verdict told on each artifact in full, and all that was printed."""
    status = main(["trace", str(path)])
    output = capsys.readouterr().out
    lines = re.findall(r"^ *(matches|differs|missing|untraced)  ([a-z]+/\S+)", output, re.MULTILINE)
    return status, {path: verdict for verdict, path in lines}, output


def find_bad(verdicts: dict[str, str]) -> dict[str, str]:
    return {path: verdict for path, verdict in verdicts.items() if verdict != "matches"}


def test_untouched_figure_matches_and_is_told_as_a_tree(figure, capsys):
    status, verdicts, output = trace(figure, capsys)
    assert status == 0
    scores, metrics = [f"scores/{run}.parquet" for run in RUNS], [f"sft/{run}/seed0/metrics.csv" for run in RUNS[:3]]
    data = ["checkpoints/data/train.jsonl", "checkpoints/data/task.json"]
    assert set(verdicts) == {str(figure), *scores, *metrics, *CHECKPOINTS, *data, "checkpoints/base"}
    assert output.endswith("\n22 artifacts: 22 matches\n")
    assert output.startswith(
        "matches  figures/figure2.pdf\n         function selectimprove.presentation.figures.figure2.draw\n"
    )
    rl = output[output.index("matches  scores/F_rl_6_9.parquet") :]
    assert rl.startswith(
        "matches  scores/F_rl_6_9.parquet\n"
        "    matches  checkpoints/F_rl_6_9/25\n"
        "      matches  3 told above\n"
        "    matches  checkpoints/F_rl_6_9/50\n"
    )
    assert "    matches  checkpoints/B/0\n      matches  checkpoints/base\n" in output
    for word in ("function", "config digest", "commit", "versions"):
        assert output.count(f"  {word} ") == 1


def test_sidecar_stands_for_its_files(figure, capsys):
    status, verdicts, output = trace(figure.with_suffix(".json"), capsys)
    assert status == 0
    assert verdicts["figures/figure2.pdf"] == verdicts["figures/figure2.png"] == "matches"
    assert output.count("scores/F.parquet\n") == 1


@pytest.mark.parametrize(
    ("start", "above"),
    [
        ("scores/F_rl_6_9.parquet", 7),
        ("checkpoints/F_rl_6_9/50", 5),
        ("checkpoints/F_rl_6_9/50/provenance.json", 5),
        ("checkpoints/base", 1),
        ("checkpoints/data/test.jsonl", 1),
        ("checkpoints/data/task.json", 1),
        ("checkpoints/data", 3),
    ],
)
def test_trace_starts_anywhere(figure, capsys, start, above):
    status, verdicts, _ = trace(start, capsys)
    assert (status, len(verdicts)) == (0, above)


@pytest.mark.parametrize(
    "path",
    [
        "figures/figure2.pdf",
        "scores/B_rl_6_9.parquet",
        "sft/B/seed0/metrics.csv",
        "checkpoints/B_rl_6_9/50",
        "checkpoints/B/0",
        "checkpoints/base",
        "checkpoints/data/train.jsonl",
        "checkpoints/data/task.json",
    ],
)
@pytest.mark.parametrize(("damage", "verdict"), [(change_a_byte, "differs"), (remove, "missing")])
def test_damage_is_found_wherever_it_is(figure, capsys, path, damage, verdict):
    damage(Path(path))
    status, verdicts, output = trace(figure, capsys)
    assert status == 1
    assert find_bad(verdicts) == {path: verdict}
    assert output.endswith(f" 1 {verdict}\n")


@pytest.mark.parametrize(
    "path", ["figures/figure2.pdf", "scores/B.parquet", "checkpoints/B/0", "checkpoints/data/train.jsonl"]
)
def test_damage_is_found_without_what_was_made_from_it(figure, capsys, path):
    change_a_byte(Path(path))
    status, verdicts, _ = trace(path, capsys)
    assert status == 1
    assert find_bad(verdicts) == {path: "differs"}


def test_checkpoint_made_again_differs_from_what_was_made_from_it(figure, capsys):
    change_a_byte(Path("checkpoints/B/0"))
    edit_record(Path("checkpoints/B/0") / RECORD, digest=digest_path(Path("checkpoints/B/0")))
    assert trace("checkpoints/B/0", capsys)[0] == 0
    status, verdicts, output = trace(figure, capsys)
    assert (status, find_bad(verdicts)) == (1, {"checkpoints/B/0": "differs"})
    assert "differs  checkpoints/B/0  (from what scores/B.parquet was made from)\n" in output


def test_rows_saved_by_another_program_differ(figure, capsys):
    file = Path("scores/B.parquet")
    pd.read_parquet(file).to_parquet(file)
    status, verdicts, _ = trace(figure, capsys)
    assert (status, find_bad(verdicts)) == (1, {"scores/B.parquet": "differs"})
    assert main(["trace", str(file)]) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"digest": 1, "inputs": []}', '{"checkpoints": [1]}'])
def test_record_that_is_none_is_told(figure, capsys, content):
    (Path("checkpoints/B/0") / RECORD).write_text(content)
    status, verdicts, _ = trace(figure, capsys)
    assert (status, find_bad(verdicts)) == (1, {"checkpoints/B/0": "differs"})


def test_checkpoint_and_data_without_a_record_are_told(figure, capsys):
    (Path("checkpoints/B/0") / RECORD).unlink()
    (Path("checkpoints/data") / RECORD).unlink()
    status, verdicts, output = trace(figure, capsys)
    assert status == 1
    names = ["checkpoints/B/0", "checkpoints/data/train.jsonl", "checkpoints/data/task.json"]
    assert find_bad(verdicts) == dict.fromkeys(names, "untraced")
    assert "nothing is recorded of what it was made from" in output


def test_base_model_of_the_configuration_needs_no_record(figure, capsys):
    (Path("checkpoints/base") / RECORD).unlink()
    sft = Path("checkpoints/F/0") / RECORD
    edit_record(sft, spec={"model": {"source": "./checkpoints/base"}})
    status, verdicts, _ = trace("checkpoints/F/0", capsys)
    assert (status, find_bad(verdicts)) == (0, {})


def test_chain_ends_at_the_base_model_of_the_configuration(figure, capsys):
    """Whatever its record says of another workflow, whose files are not here."""
    specs = [spec for spec in SPECS if spec != {"pretrain": 0} and spec.get("run") != "F"]
    given = {"run": "F", "model": {"source": "checkpoints/base"}}
    for run in ("F", "B", "FB"):
        spec = {**given, "run": run}
        edit_record(Path(f"checkpoints/{run}/0") / RECORD, spec=spec)
        specs = [*(other for other in specs if other != {"run": run}), spec]
    edit_record(figure.with_suffix(".json"), config_digest=digest_specs(*specs))
    edit_record(Path("checkpoints/base") / RECORD, spec={"run": "elsewhere"}, inputs={"results/elsewhere": "f00d"})
    status, verdicts, output = trace(figure, capsys)
    assert (status, find_bad(verdicts)) == (0, {}), output
    change_a_byte(Path("checkpoints/base"))
    assert find_bad(trace(figure, capsys)[1]) == {"checkpoints/base": "differs"}


def test_spec_that_is_not_the_one_of_the_config_digest_is_found(figure, capsys):
    edit_record(Path("checkpoints/F/0") / RECORD, spec={"run": "F", "learning_rate": 1})
    status, verdicts, output = trace(figure, capsys)
    assert (status, find_bad(verdicts)) == (1, {"figures/figure2.pdf": "differs"})
    assert "its config digest is not that of the specs upstream of it" in output


def test_change_of_commit_and_versions_is_told(figure, capsys):
    record = Path("checkpoints/base") / RECORD
    versions = json.loads(record.read_text())["versions"]
    edit_record(record, commit="c0ffee", versions={**versions, "torch": "0.1"})
    status, _, output = trace(figure, capsys)
    assert status == 0
    assert "matches  checkpoints/base\n               commit c0ffee\n               versions torch 0.1\n" in output
    assert re.search(r"^Made at several commits: \S+ \(18\), c0ffee \(1\)$", output, re.MULTILINE)
    assert "Made with several sets of library versions.\n" in output


def test_versions_that_are_not_as_pinned_are_told(figure, capsys):
    record = Path("checkpoints/base") / RECORD
    edit_record(record, other_versions={"torch": {"found": "2.11.0", "pinned": "2.13.0"}})
    status, _, output = trace(figure, capsys)
    assert status == 0
    assert "matches  checkpoints/base\n               not as pinned torch 2.11.0 instead of 2.13.0\n" in output
    assert output.endswith("\nNot made with the pinned versions, but torch 2.11.0 instead of 2.13.0 (1).\n")
    assert output.count("not as pinned none") == 1  # of what is told next


def test_other_versions_are_named_where_an_input_was_made_again_and_differs(figure, capsys):
    """As a likely reason; not where the versions are the same."""
    base = Path("checkpoints/base")
    change_a_byte(base)
    edit_record(base / RECORD, digest=digest_path(base))
    reason = "from what checkpoints/B/0 was made from"
    assert f"differs  checkpoints/base  ({reason})\n" in trace("checkpoints/B/0", capsys)[2]
    edit_record(base / RECORD, versions={"torch": "0.1"})
    told = trace("checkpoints/B/0", capsys)[2]
    assert (
        f"differs  checkpoints/base  ({reason}; it was made with other versions of packages, which may be why)\n"
        in told
    )


def test_each_artifact_is_digested_once(figure, capsys, monkeypatch):
    digested = []
    monkeypatch.setattr(chain, "digest_path", lambda path: digested.append(path) or digest_path(path))
    trace(figure.with_suffix(".json"), capsys)
    assert len(digested) == len(set(digested)) == 23


@pytest.mark.parametrize("name", ["figures/figure2.svg", "figures/figure9.pdf", "scored"])
def test_what_is_not_there_is_an_error(figure, capsys, name):
    assert main(["trace", name]) == 2
    assert capsys.readouterr().err == f"{name}: there is no such file or folder in {Path.cwd()}\n"


@pytest.mark.parametrize("name", ["scores", "figures", "other.json"])
def test_what_has_no_record_is_an_error(figure, capsys, name):
    Path("other.json").write_text("{}")
    assert main(["trace", name]) == 2
    assert capsys.readouterr().err == f"{name}: cannot be traced, nothing is recorded of what it was made from\n"


def test_json_that_is_no_record_is_an_error(figure, capsys):
    figure.with_suffix(".json").write_text("[]")
    assert main(["trace", str(figure.with_suffix(".json"))]) == 2
    assert capsys.readouterr().err == "figures/figure2.json: this is no record of what an artifact was made from\n"


@pytest.fixture
def verify(figure, monkeypatch):
    """Return `verify` of the figure, the joined scores, every checkpoint and the data set."""
    checkpoints = ["checkpoints/base", *CHECKPOINTS, "checkpoints/data"]
    paths = [figure.with_suffix(".json"), Path("scores.parquet"), *map(Path, checkpoints)]
    monkeypatch.setattr(tracing, "list_artifacts", lambda *_: paths)
    return lambda: tracing.verify(None, Path("results"), Path("logs/verify.txt"))


def test_verify_sums_up_and_keeps_what_it_says(verify, capsys):
    verify()
    output = capsys.readouterr().out
    assert output == "25 artifacts: 25 matches\n" == Path("logs/verify.txt").read_text()


def test_verify_lists_each_that_does_not_match_once_and_fails(verify, capsys):
    change_a_byte(Path("checkpoints/F/0"))
    remove(Path("checkpoints/data/test.jsonl"))
    change_a_byte(Path("scores.parquet"))
    with pytest.raises(ValueError, match="results: 3 of 25 artifacts are not as recorded, see logs/verify.txt"):
        verify()
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines[:-1]) == [
        "differs  checkpoints/F/0  (from what its own record says)",
        "differs  scores.parquet  (from what its own record says)",
        "missing  checkpoints/data/test.jsonl",
    ]
    assert re.fullmatch(r"\d+ artifacts: \d+ matches, 2 differs, 1 missing", lines[-1])


def test_verify_misses_what_was_never_made(verify, monkeypatch, capsys):
    names = ["figures/figure9.json", "sft/F/seed0/checkpoints/step0", "data/rl/seed0", "evaluation/F.parquet"]
    monkeypatch.setattr(tracing, "list_artifacts", lambda *_: [Path(name) for name in names])
    with pytest.raises(ValueError, match="4 of 4 artifacts are not as recorded"):
        verify()
    *told, summary = capsys.readouterr().out.splitlines()
    assert set(told) == {f"missing  {name}" for name in names}
    assert "4 missing" in summary
    assert summary.endswith("(another preset than this takes its --configfile)")


def test_verify_looks_at_all_that_the_workflow_makes():
    experiment = load_experiment({**CONFIG, "seeds": [0, 1]}, SCHEMA)
    paths = [path.as_posix() for path in tracing.list_artifacts(experiment, Path("results/tiny"))]
    assert len(paths) == len(set(paths))
    assert {path.removeprefix("results/tiny/") for path in paths if "/seed" not in path} == {
        *(f"figures/{name}.json" for name in experiment.figures),
        *(f"tables/{name}.json" for name in experiment.tables),
        "claims.json",
        "scores.parquet",
        "report.json",
    }
    of_seed_1 = [path.removeprefix("results/tiny/") for path in paths if "/seed1" in path]
    assert {path for path in of_seed_1 if path.startswith(("data/", "pretrain/"))} == {
        *(f"data/{name}/seed1" for name in ("sft_F", "sft_B", "sft_FB", "rl_2_5", "rl_6_9")),
        "pretrain/gf11/seed1/checkpoint",
    }
    assert {path for path in of_seed_1 if path.startswith(("sft/FB/", "rl/FB_rl_6_9/"))} == {
        "sft/FB/seed1/checkpoints/step0",
        *(f"rl/FB_rl_6_9/seed1/checkpoints/step{step}" for step in range(25, 101, 25)),
    }
    tables = {f"evaluation/{run}/seed1/{suite}.parquet" for run, suite in experiment.list_evaluations()}
    assert {path for path in of_seed_1 if path.startswith("evaluation/")} == tables
